# SPDX-License-Identifier: Apache-2.0
"""What every generator asks of a map's size and of noise."""

from __future__ import annotations

import torch
from torch import Tensor

from spade_core.distributed import world_size
from spade_image.exceptions import InputError

__all__ = ["check_size", "check_values", "draw_noise", "refuse_noise"]


def check_size(segmap: Tensor, n_doublings: int) -> tuple[int, int]:
    """Return the coarse grid of a map; :class:`InputError` if its sides are no multiples of ``2^n``."""
    step = 2**n_doublings
    height, width = segmap.shape[2:]
    if height < step or width < step or height % step or width % step:
        raise InputError(
            f"a map of size ({height}, {width}) does not fit {n_doublings} doublings: pass 2 sides, each a multiple "
            f"of {step}"
        )
    return height // step, width // step


def check_values(x: Tensor, norm: str, *, training: bool) -> None:
    """Refuse features ``(B, C, *S)`` of which the norm would see a single value a channel."""
    positions = x[0, 0].numel()
    if norm == "instance" and positions == 1:
        raise InputError(
            "the coarse grid has one position, which an instance norm cannot normalise: pass a larger map, fewer "
            "doublings, or a batch norm"
        )
    if training and norm in ("batch", "sync_batch") and x.shape[0] * positions * world_size() == 1:
        raise InputError(
            f"a batch of {x.shape[0]} with one coarse position gives batch norm one value a channel to train on: pass "
            "a batch of 2 or more, a larger map, or fewer doublings (evaluation has no such limit)"
        )


def draw_noise(n: int, z_dim: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw ``(n, z_dim)`` standard normals, on the generator's device, then moved beside ``like``."""
    device = like.device if generator is None else generator.device
    return torch.randn(n, z_dim, device=device, dtype=like.dtype, generator=generator).to(like.device)


def refuse_noise(z: Tensor | None) -> None:
    """Raise :class:`InputError` for noise given to a network without."""
    if z is not None:
        raise InputError(
            "z was given, but use_vae=False takes no noise: leave it out, or build with use_vae=True"
        )
