# SPDX-License-Identifier: Apache-2.0
"""Shows that normalisation washes labels out: two maps of one class each, and whether the pictures differ.

A uniform map makes uniform features, and an instance norm takes away whatever is uniform: behind it, "all sky" and "all
road" are the same zeros (Park et al. 2019, arXiv 1903.07291, section 3.1). Three networks of equal trunk, freshly
initialised, borders continued instead of zero-padded (a zero border would give the map's value away by its edge):

- *input*: the map is read by the first layer only, as in pix2pix-style generators;
- *concat*: the map is concatenated again before every convolution, our baseline, which brings back at every layer what
  every norm has removed;
- *spade*: the norm removes the same, and scale and shift then bring the map in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spade_core.seeding import derive_seed
from spade_image.exceptions import InputError
from spade_image.generators import build_image_generator
from spade_image.generators.concat import ConcatBlock
from spade_image.options import Options
from spade_image.preprocess import one_hot

__all__ = ["WashOut", "wash_out"]


@dataclass(frozen=True)
class WashOut:
    """How much two uniform maps' signals differ, by network."""

    output: Mapping[str, float]
    """Mean absolute difference of the pictures, 8-bit levels."""
    after_norm: Mapping[str, float]
    """Difference behind the norms (SPADE: behind scale and shift), as a share of the differences before them."""
    norm: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"norm": self.norm, "output": dict(self.output), "after_norm": dict(self.after_norm)}

    def to_markdown(self) -> str:
        """Return a table."""
        lines = [
            f"Two uniform maps of different classes, untrained networks, {self.norm} norm", "",
            "| the map is read | difference behind the norms, % of that before | of the pictures, 8-bit levels |",
            "|---|---:|---:|",
        ]  # fmt: skip
        where = {"input": "at the input only", "concat": "concatenated at every layer", "spade": "by SPADE"}
        for name, text in where.items():
            lines.append(f"| {text} | {100 * self.after_norm[name]:.3g} | {self.output[name]:.3g} |")
        return "\n".join(lines) + "\n"


def wash_out(
    *,
    norm: str = "instance",
    classes: tuple[int, int] = (0, 1),
    label_nc: int = 4,
    size: int = 64,
    seed: int = 0,
) -> WashOut:
    """Draw two uniform maps by three untrained networks and compare.

    Parameters
    ----------
    norm : "instance" or "batch"
        A batch norm, in evaluation, keeps what is uniform: nothing is washed out (in training it does as the instance
        norm where a batch is of one class).
    classes : (int, int)
        Of the two maps.
    label_nc : int
    size : int
        Pixels of the maps' sides, a multiple of 32.
    seed : int
        Of the networks' weights.

    Raises
    ------
    InputError
        A class that is not there, or twice the same.
    """
    a, b = classes
    if a == b or not (0 <= a < label_nc and 0 <= b < label_nc):
        raise InputError(f"classes={classes} must be two different ones of 0..{label_nc - 1}")
    options = Options(
        ngf=4,
        nhidden=16,
        label_nc=label_nc,
        no_instance=True,
        crop_size=size,
        norm_G=f"spade{norm}3x3",
        init_variance=1.0,
    )
    maps = [one_hot(torch.full((1, size, size), c), options).double() for c in classes]
    output, left = {}, {}
    for name in ("input", "concat", "spade"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "washout") % 2**32)
            net = build_image_generator("concat" if name == "input" else name, options).double().eval()
        for module in net.modules():
            if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
                module.padding_mode = "replicate"
            if name == "input" and isinstance(module, ConcatBlock):
                _forget_map(module, label_nc)
        output[name], left[name] = _compare(net, maps)
    return WashOut(output, left, norm)


@torch.no_grad()
def _forget_map(block: ConcatBlock, label_nc: int) -> None:
    """Let a block's convolutions ignore the map that is concatenated to the features."""
    for layer in (block.conv_0, block.conv_1, block.conv_s):
        if isinstance(layer, nn.Conv2d):
            layer.weight[:, -label_nc:] = 0


@torch.no_grad()
def _compare(net: nn.Module, maps: list[Tensor]) -> tuple[float, float]:
    """Return the pictures' difference, and the largest share of the difference that is left behind a norm."""
    seen: list[list[tuple[Tensor, Tensor]]] = []
    hooks = [
        module.register_forward_hook(lambda _, inputs, out: seen[-1].append((inputs[0], out)))
        for name, module in net.named_modules()
        if name.rpartition(".")[2] in ("norm_0", "norm_1", "norm_s")
    ]
    pictures = []
    for segmap in maps:
        seen.append([])
        pictures.append(net(segmap))
    for hook in hooks:
        hook.remove()
    before = [float((p[0] - q[0]).abs().mean()) for p, q in zip(*seen, strict=True)]
    after = [float((p[1] - q[1]).abs().mean()) for p, q in zip(*seen, strict=True)]
    return float((pictures[0] - pictures[1]).abs().mean()) * 127.5, sum(after) / max(sum(before), 1e-12)
