# SPDX-License-Identifier: Apache-2.0
"""The official discriminator: the core's, on the map's channels followed by the image's.

Fake and real go through in one batch, fake first, so that batch statistics (where a norm has any) are shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spade_core import MultiscaleDiscriminator
from spade_core.initialise import init_weights
from spade_core.losses import split_fake_real
from spade_image.exceptions import InputError
from spade_image.generator import resolve
from spade_image.options import Options

__all__ = ["build_discriminator", "judge"]


def build_discriminator(flags: Options | Mapping[str, Any]) -> MultiscaleDiscriminator:
    """Build the multi-scale discriminator of official options, freshly initialised, in training mode.

    ``D(torch.cat([segmap, image], 1))`` returns a list over ``num_D`` scales of lists over stages, the prediction last
    (with ``no_ganFeat_loss`` the prediction alone).

    Raises
    ------
    InputError
        An unknown ``norm_D``.
    """
    options = resolve(flags)
    try:
        net = MultiscaleDiscriminator(
            options.semantic_nc + options.output_nc,
            options.num_D,
            ndf=options.ndf,
            n_layers=options.n_layers_D,
            norm=options.norm_D,
            features=not options.no_ganFeat_loss,
        )
    except ValueError as error:
        raise InputError(f"norm_D: {error}") from error
    init_weights(net, options.init_type, options.init_variance)
    return net


def judge(
    discriminator: nn.Module, segmap: Tensor, fake: Tensor, real: Tensor
) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """Send fake and real images ``(B, 3, H, W)`` under one map ``(B, S, H, W)`` through; return both halves.

    Raises
    ------
    InputError
        Map and images differ in size or batch.
    """
    sizes = {"segmap": segmap.shape, "fake": fake.shape, "real": real.shape}
    if len({(s[0], *s[2:]) for s in sizes.values()}) > 1:
        shown = ", ".join(f"{name} {tuple(shape)}" for name, shape in sizes.items())
        raise InputError(
            f"{shown}: batch and sides must be equal; crop map and photo to what the generator draws "
            "(Options.output_size), or let the generator follow the map"
        )
    both = torch.cat([torch.cat([segmap, fake], 1), torch.cat([segmap, real], 1)])
    return split_fake_real(discriminator(both))
