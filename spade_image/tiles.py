# SPDX-License-Identifier: Apache-2.0
"""Very large maps, a tile at a time: memory follows the tile, not the map.

Tiles lie on the coarse grid and overlap. In the middle of each overlap two tiles blend linearly over ``blend``
pixels; the rest of it is context that is computed and thrown away. A tile's pixel is exact once it is :func:`reach`
away from the tile's inner edges, so with ``overlap = 2 reach + blend`` the result is the whole map's (to rounding).
That holds for a SPADE generator with batch norm. An instance norm pools over the tile, a U-Net's innermost layers see
all of it, and a concatenation generator with styles lays its first grid out by the tile: those differ from the whole,
and blending hides the seams only where they differ little.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from spade_core import SPADEGenerator
from spade_core.nd import resize_nearest
from spade_image.exceptions import InputError
from spade_image.inference import FastGenerator
from spade_image.options import Options
from spade_image.preprocess import edges, one_hot

__all__ = ["generate_tiled", "reach", "tile_starts"]


def reach(generator: SPADEGenerator, kernel_size: int = 3) -> int:
    """Return how far, in pixels, an output pixel of a SPADE generator can see in the map (norms left aside)."""
    radius, scale, far = 1, 1, 1  # radius in cells of the present grid; conv_img sees 1 around
    on_map = 2 * (kernel_size // 2)
    for stage in reversed(generator.stages):
        radius += 2  # conv_1, conv_0
        far = max(far, (radius + on_map) * scale)
        if stage.double:
            radius, scale = -(-radius // 2), scale * 2
    return max(far, radius * scale)


def tile_starts(length: int, tile: int, overlap: int, step: int) -> list[int]:
    """Return where tiles begin along a side: on the grid, overlapping at least ``overlap``, the last at the end."""
    if tile >= length:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    even = (length - tile) / (count - 1)
    return [int(i * even) // step * step for i in range(count - 1)] + [length - tile]


def _weights(begin: int, starts: list[int], tile: int, blend: int) -> Tensor:
    """Return a tile's weight ``(tile,)`` along one side: 1 inside, linear across seams; all tiles' sum to 1."""
    positions = torch.arange(begin, begin + tile) + 0.5
    middles = [(left + tile + right) / 2 for left, right in pairwise(starts)]

    def risen(seam: int) -> Tensor:
        return ((positions - middles[seam]) / max(blend, 1e-9) + 0.5).clamp(0, 1)

    i = starts.index(begin)
    weight = risen(i - 1) if i else torch.ones(tile)
    # a difference, not a product: ramps of neighbouring seams may overlap, and it still sums to 1
    return weight - risen(i) if i < len(middles) else weight


@torch.no_grad()
def generate_tiled(
    fast: FastGenerator,
    ids: Tensor,
    instances: Tensor | None,
    options: Options,
    z: Tensor | None = None,
    *,
    tile: int = 1024,
    overlap: int | None = 128,
    blend: int = 64,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Generate a map ``(H, W)`` of ids in tiles.

    Parameters
    ----------
    fast : FastGenerator
    ids, instances : Tensor (H, W), int
        Class ids, and instance ids where the generator reads edges. Sides are multiples of the grid ``2^n``.
    options : Options
    z : Tensor (N, z_dim), optional
    tile : int
        Side of a tile in pixels, rounded up to the grid.
    overlap : int or None
        Pixels that neighbouring tiles share at least, rounded up to the grid; None: as many as an exact result needs.
    blend : int
        Pixels over which two tiles are mixed, at most ``overlap``.
    device : torch.device or str
        Where to generate.

    Returns
    -------
    Tensor (N, 3, H, W)
        On the CPU.

    Raises
    ------
    InputError
        A size off the grid, a tile not larger than the overlap, or None for a generator that no overlap makes exact.
    """
    if ids.dim() != 2:
        raise InputError(f"ids of shape {tuple(ids.shape)}: pass one map as (H, W)")
    step = 2**options.n_doublings
    height, width = ids.shape
    if height % step or width % step or not height or not width:
        raise InputError(
            f"a map of size ({height}, {width}) does not fit: pass 2 sides, each a multiple of {step}"
        )
    net = fast.spade
    if overlap is None:
        pools = net is None or any(layer.norm is not None for layer in fast.layers.values())
        if net is None or pools:
            raise InputError(
                f"overlap=None asks for an exact result, which no overlap gives generator={options.generator!r} with "
                f"norm_G={options.norm_G!r} (it pools over the picture): pass a number of pixels"
            )
        overlap = 2 * reach(net, fast.layers["head_0.norm_0"].kernel_size) + blend
    overlap, tile = -(-overlap // step) * step, -(-tile // step) * step
    if not 0 <= blend <= overlap:
        raise InputError(
            f"blend={blend} must be between 0 and overlap={overlap} (rounded up to the grid of {step})"
        )
    if tile <= overlap and tile < max(height, width):
        raise InputError(
            f"tile={tile} must be larger than overlap={overlap} (both rounded up to the grid of {step}): pass a larger "
            "tile or a smaller overlap"
        )
    edge = None
    if not options.no_instance:
        if instances is None:
            raise InputError("instances are missing, but the network reads their edges (no_instance=False)")
        edge = edges(instances[None])

    def channels(label: Tensor, at: Tensor | None) -> Tensor:
        hot = one_hot(label[None], options)
        return (hot if at is None else torch.cat([hot, at], 1)).to(device)

    start: Tensor | None = None
    if net is not None:
        grid = (height // step, width // step)
        small = resize_nearest(ids[None, None].float(), grid)[0, 0].long()
        coarse = channels(small, None if edge is None else resize_nearest(edge, grid))
        start = net.start(coarse, z, grid=grid)

    rows, columns = tile_starts(height, tile, overlap, step), tile_starts(width, tile, overlap, step)
    tall, wide = min(tile, height), min(tile, width)
    out: Tensor | None = None
    for top in rows:
        down = _weights(top, rows, tall, blend)
        for left in columns:
            part = (slice(top, top + tall), slice(left, left + wide))
            segmap = channels(ids[part], None if edge is None else edge[..., part[0], part[1]])
            if start is None:
                image = fast(segmap, z)
            else:
                cells = start[..., top // step : (top + tall) // step, left // step : (left + wide) // step]
                image = fast(segmap, start=cells)
            weight = down[:, None] * _weights(left, columns, wide, blend)
            if out is None:
                out = torch.zeros(image.shape[0], 3, height, width)
            out[..., part[0], part[1]] += image.cpu() * weight
    assert out is not None
    return out
