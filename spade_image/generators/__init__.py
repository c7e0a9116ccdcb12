# SPDX-License-Identifier: Apache-2.0
"""Generators that stand under the same trainer: SPADE, and the two that it is compared with.

``build_image_generator("spade" | "concat" | "unet", options)``; all are called ``G(segmap, z=None)`` with
``segmap: (B, semantic_nc, H, W)`` and return ``(B, 3, H, W)`` in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from spade_image.exceptions import InputError
from spade_image.options import GENERATORS, Options

__all__ = ["build_image_generator"]


def build_image_generator(
    kind: str, options: Options | Mapping[str, Any], *, follow_map: bool = True
) -> nn.Module:
    """Build a generator by name, freshly initialised, in training mode.

    Parameters
    ----------
    kind : "spade", "concat" or "unet"
    options : Options or mapping of official names
        ``ngf``, ``norm_G``, ``num_upsampling_layers``, ``use_vae``, ``z_dim`` mean the same for all three.
    follow_map : bool
        Draw as large as the map (sides multiples of ``2^n``); ``False``, for "spade" only, is the official fixed size.

    Raises
    ------
    InputError
        An unknown kind, or options that no network can have.
    """
    from spade_image.generator import build_generator, resolve

    resolved = resolve(options)
    if kind == "spade":
        return build_generator(resolved, follow_map=follow_map)
    if kind not in GENERATORS:
        raise InputError(f"generator={kind!r} is unknown: choose one of {', '.join(GENERATORS)}")
    if not follow_map:
        raise InputError(f"follow_map=False with generator={kind!r}: only 'spade' has an official fixed size")
    if kind == "concat":
        from spade_image.generators.concat import build_concat

        return build_concat(resolved)
    from spade_image.generators.unet import build_unet

    return build_unet(resolved)
