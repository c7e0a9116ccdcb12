# SPDX-License-Identifier: Apache-2.0
"""Fast generation: folded weights, the map's work done once, and only once for each distinct neighbourhood.

::

    fast = FastGenerator(model.generator)
    fast(segmap, z)                       # (N, 3, H, W); one map (1, S, H, W) serves all N styles
    prepared = fast.prepare(segmap)       # keep it to draw under the same map again
    fast(prepared, other_z)

Results equal the network's own in evaluation mode to rounding (within 1e-5). Changes of the network afterwards are
not seen: make a new one, which costs little.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spade_core import SPADE, SPADEGenerator, SPADEResBlk
from spade_core.nd import resize_nearest, upsample_nearest
from spade_image.exceptions import InputError
from spade_image.folding import FoldedSPADE, folded_copy
from spade_image.generator import check_inputs
from spade_image.patterns import MapCodes, Patterns

__all__ = ["FastGenerator", "PreparedMap"]

_LOOKUP_BELOW = 0.6  # share of distinct neighbourhoods up to which looking up beats convolving
_POSITIONS = 1 << 14  # looked up at a time: small enough for the cache, large enough to use all threads


@dataclass(frozen=True)
class _Dense:
    """Scale and shift at every position, ``(B or 1, 2 C, H, W)``."""

    both: Tensor


@dataclass(frozen=True)
class _Table:
    """Scale and shift of each distinct neighbourhood ``(U, 2 C)``, and which position has which ``(B or 1, H W)``."""

    rows: Tensor
    index: Tensor


_Work = _Dense | _Table


@dataclass(frozen=True)
class PreparedMap:
    """What one map (or batch of maps) makes of every layer; for :class:`FastGenerator`."""

    segmap: Tensor
    works: dict[str, _Work]

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        tensors = [
            t for w in self.works.values() for t in ((w.both,) if isinstance(w, _Dense) else (w.rows,))
        ]
        shared = {w.index.data_ptr(): w.index for w in self.works.values() if isinstance(w, _Table)}
        return sum(t.numel() * t.element_size() for t in [*tensors, *shared.values()])


class _Map:
    """A map at the grids that the layers work on, each made when first asked for."""

    def __init__(self, segmap: Tensor, lookup: bool) -> None:
        self.segmap = segmap
        self.codes = MapCodes.of(segmap) if lookup else None
        self._patterns: dict[tuple[tuple[int, ...], int], Patterns | None] = {}
        self._dense: tuple[tuple[int, ...], Tensor] | None = None

    def dense(self, size: tuple[int, ...]) -> Tensor:
        if self._dense is None or self._dense[0] != size:
            self._dense = (size, resize_nearest(self.segmap, size))
        return self._dense[1]

    def patterns(self, size: tuple[int, ...], kernel: int) -> Patterns | None:
        key = (size, kernel)
        if key not in self._patterns:
            found = None if self.codes is None else self.codes.resized(size).patterns(2 * (kernel // 2))
            self._patterns[key] = found if found is not None and found.share <= _LOOKUP_BELOW else None
        return self._patterns[key]


class FastGenerator:
    """A generator for evaluation.

    Parameters
    ----------
    generator : nn.Module
        A SPADE generator gets all of the above; any other network its spectral norm folded.
    lookup : bool
        Work on distinct neighbourhoods where the map has few of them; ``False`` convolves everywhere.
    """

    def __init__(self, generator: nn.Module, *, lookup: bool = True) -> None:
        self.net = folded_copy(generator)
        self.lookup = lookup
        self.layers: dict[str, FoldedSPADE] = {}
        if isinstance(self.net, SPADEGenerator):
            for name, module in list(self.net.named_modules()):
                if isinstance(module, SPADE):
                    self.layers[name] = FoldedSPADE(module)
            for name, layer in self.layers.items():  # the copy's own layers are not needed any more
                block, _, attribute = name.rpartition(".")
                setattr(self.net.get_submodule(block), attribute, layer)

    @property
    def spade(self) -> SPADEGenerator | None:
        """The folded network, where it is a SPADE generator."""
        return self.net if isinstance(self.net, SPADEGenerator) else None

    def _work(self, name: str, maps: _Map, size: tuple[int, ...]) -> _Work:
        layer = self.layers[name]
        patterns = maps.patterns(size, layer.kernel_size)
        if patterns is None:
            return _Dense(layer.scale_and_shift(maps.dense(size)))
        rows = patterns.table((layer.hidden_weight, layer.hidden_bias), (layer.head_weight, layer.head_bias))
        return _Table(rows, patterns.index)

    @torch.no_grad()
    def prepare(self, segmap: Tensor) -> PreparedMap:
        """Do a map's work for every layer, to draw under it as often as wanted.

        Raises
        ------
        InputError
            The generator is not SPADE, so that nothing can be shared; or the size does not fit.
        """
        net = self.spade
        if net is None:
            raise InputError("only a SPADE generator's work on the map can be prepared: pass the map itself")
        check_inputs(net, segmap)
        sizes = net.sizes(net.output_size or segmap.shape[2:])
        maps = _Map(segmap, self.lookup)
        works: dict[str, _Work] = {}
        for stage in net.stages:
            for layer in ("norm_0", "norm_1", "norm_s"):
                name = f"{stage.name}.{layer}"
                if name in self.layers:
                    works[name] = self._work(name, maps, sizes[stage.name])
        return PreparedMap(segmap, works)

    @torch.no_grad()
    def __call__(
        self, segmap: Tensor | PreparedMap, z: Tensor | None = None, *, start: Tensor | None = None
    ) -> Tensor:
        """Generate.

        Parameters
        ----------
        segmap : Tensor (B or 1, S, H, W) or PreparedMap
        z : Tensor (N, z_dim), optional
            Styles; with one map any number, with B maps B.
        start : Tensor (N, 16 ngf, *grid), optional
            Coarse features in place of the first layer's.

        Returns
        -------
        Tensor (N, 3, H, W)
        """
        net = self.spade
        if net is None:
            assert isinstance(segmap, Tensor)
            return self.net(segmap, z)
        prepared = segmap if isinstance(segmap, PreparedMap) else None
        plain = segmap.segmap if isinstance(segmap, PreparedMap) else segmap
        check_inputs(net, plain)
        maps = _Map(plain, self.lookup) if prepared is None else None
        x = net.start(plain, z) if start is None else start
        if plain.shape[0] not in (1, x.shape[0]):
            raise InputError(
                f"{plain.shape[0]} maps with {x.shape[0]} styles: pass one map, or as many as styles"
            )
        x = x.contiguous(memory_format=torch.channels_last)
        for stage in net.stages:
            x = upsample_nearest(x) if stage.double else x
            x = self._block(stage.name, net.get_submodule(stage.name), x, prepared, maps)
        return torch.tanh(net.conv_img(F.leaky_relu(x, 0.2)))

    def _block(
        self, name: str, block: nn.Module, x: Tensor, prepared: PreparedMap | None, maps: _Map | None
    ) -> Tensor:
        assert isinstance(block, SPADEResBlk)
        size = tuple(x.shape[2:])

        def modulated(layer: str, h: Tensor) -> Tensor:
            key = f"{name}.{layer}"
            if prepared is not None:
                work = prepared.works[key]
            else:
                assert maps is not None
                work = self._work(key, maps, size)
            return _apply(self.layers[key], h, work)

        shortcut = x if block.conv_s is None else block.conv_s(modulated("norm_s", x))
        h = block.conv_0(F.leaky_relu_(modulated("norm_0", x), 0.2))  # (N, fm, H, W)
        h = block.conv_1(F.leaky_relu_(modulated("norm_1", h), 0.2))  # (N, fout, H, W)
        return h.add_(shortcut)


def _apply(layer: FoldedSPADE, x: Tensor, work: _Work) -> Tensor:
    if isinstance(work, _Dense):
        return layer(x, work.both)
    if layer.norm is not None:
        x = layer.norm(x)
    x = x.contiguous(memory_format=torch.channels_last)
    n, channels, height, width = x.shape
    out = torch.empty_like(x, memory_format=torch.channels_last)
    pixels, written = (
        x.permute(0, 2, 3, 1).view(n, -1, channels),
        out.permute(0, 2, 3, 1).view(n, -1, channels),
    )
    shared = len(work.index) == 1
    for b, index in enumerate(work.index):
        rows: slice | int = slice(None) if shared else b
        for begin in range(0, height * width, _POSITIONS):
            part = slice(begin, begin + _POSITIONS)
            both = work.rows[index[part]]  # (positions, 2 C)
            target = written[rows, part]
            torch.addcmul(both[:, channels:], pixels[rows, part], both[:, :channels], out=target)
    return out
