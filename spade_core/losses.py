# SPDX-License-Identifier: Apache-2.0
"""Losses as short functions of tensors; weights are the caller's.

The published generator objective is ``gan_loss + 10 * feature_matching [+ 10 * perceptual] [+ 0.05 *
kld]``, the discriminator's ``gan_loss(fake) + gan_loss(real)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["GanMode", "feature_matching", "gan_loss", "kld", "predictions", "split_fake_real"]

GanMode = Literal["hinge", "ls", "original", "w"]
_MODES = ("hinge", "ls", "original", "w")

Prediction = Tensor | Sequence[Tensor | Sequence[Tensor]]


def predictions(output: Prediction) -> list[Tensor]:
    """Return every scale's prediction: of a list of lists (scales of stages), each list's last tensor."""
    if isinstance(output, Tensor):
        return [output]
    return [scale if isinstance(scale, Tensor) else scale[-1] for scale in output]


def split_fake_real(output: Sequence[Sequence[Tensor]]) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """Split a discriminator's output of ``cat([fake, real])`` on the batch axis into the two halves.

    Raises
    ------
    ValueError
        An odd batch.
    """
    n = output[0][0].shape[0]
    if n % 2:
        raise ValueError(f"a batch of {n} cannot be split in fake and real halves")
    fake = [[t[: n // 2] for t in scale] for scale in output]
    return fake, [[t[n // 2 :] for t in scale] for scale in output]


def gan_loss(
    output: Prediction, real: bool, for_discriminator: bool = True, mode: GanMode = "hinge"
) -> Tensor:
    """Adversarial loss of a prediction: mean over each scale, then over the scales.

    Parameters
    ----------
    output : Tensor, list of tensors or list of lists
        Predictions (logits), or all that a multi-scale discriminator returns.
    real : bool
        What the discriminator should say (or, for the generator, be made to say).
    for_discriminator : bool
    mode : "hinge", "ls", "original" or "w"
        Hinge: ``mean(relu(1 -+ d))`` for the discriminator, ``-mean(d)`` for the generator; least squares
        to 1 or 0; cross-entropy with logits; Wasserstein ``-+ mean(d)``.

    Raises
    ------
    ValueError
        An unknown mode, or a hinge generator asked to look fake.
    """
    if mode not in _MODES:
        raise ValueError(f"mode={mode!r} is unknown: choose one of {', '.join(_MODES)}")
    if mode == "hinge" and not for_discriminator and not real:
        raise ValueError("the generator's hinge loss aims at real: pass real=True")
    sign = -1.0 if real else 1.0

    def one(d: Tensor) -> Tensor:
        if mode == "hinge" and for_discriminator:
            return F.relu(1.0 + sign * d).mean()
        if mode in ("hinge", "w"):
            return sign * d.mean()
        target = torch.full_like(d, float(real))
        return F.mse_loss(d, target) if mode == "ls" else F.binary_cross_entropy_with_logits(d, target)

    return torch.stack([one(d) for d in predictions(output)]).mean()


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of the intermediate features: summed over stages, averaged over scales.

    The last stage of every scale, the prediction, takes no part; the real side gets no gradient.

    Raises
    ------
    ValueError
        A scale without intermediate features, or two outputs of different structure.
    """
    if [len(s) for s in fake] != [len(s) for s in real] or any(len(s) < 2 for s in fake):
        raise ValueError(
            "feature matching needs equal lists of scales with intermediate features: got "
            f"{[len(s) for s in fake]} and {[len(s) for s in real]} stages (was features=False?)"
        )
    terms = [
        F.l1_loss(f, r.detach())
        for scale_fake, scale_real in zip(fake, real, strict=True)
        for f, r in zip(scale_fake[:-1], scale_real[:-1], strict=True)
    ]
    return torch.stack(terms).sum() / len(fake)


def kld(mu: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of N(mu, exp(logvar)) from N(0, 1), summed over batch and dimensions (as published)."""
    return -0.5 * (1.0 + logvar - mu.square() - logvar.exp()).sum()
