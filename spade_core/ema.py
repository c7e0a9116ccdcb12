# SPDX-License-Identifier: Apache-2.0
r"""Exponential moving average of a model's parameters, by half-life.

.. math:: \bar\theta \leftarrow d\,\bar\theta + (1-d)\,\theta, \qquad d = 2^{-n/\mathrm{halflife}}

with n the units seen since the last update. Half-life and n share a unit: steps, or samples, which makes
the average independent of the batch size. Buffers (running statistics, spectral vectors) are copied, not
averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["EMA"]


class EMA:
    """Average of a module's parameters.

    The average is a dictionary of tensors, not a second module (a spectrally normalised module cannot be
    copied after a training step). Sample from it with :meth:`applied`.

    Parameters
    ----------
    module : nn.Module
        Its present state is the start.
    halflife : float
        In the unit of :meth:`update`'s ``n``.
    ramp_up : float or None
        Half-life is at most this share of what was seen, so that the start is forgotten early; None: no ramp.

    Raises
    ------
    ValueError
        A half-life or ramp that is not positive.
    """

    def __init__(self, module: nn.Module, halflife: float, *, ramp_up: float | None = 0.05) -> None:
        if not halflife > 0 or (ramp_up is not None and not ramp_up > 0):
            raise ValueError(f"halflife={halflife}, ramp_up={ramp_up}: both must be positive")
        self.halflife, self.ramp_up, self.seen = float(halflife), ramp_up, 0.0
        self.average: dict[str, Tensor] = {k: v.detach().clone() for k, v in module.state_dict().items()}

    def decay(self, n: float = 1.0) -> float:
        """Return the weight of the old average after ``n`` more units."""
        halflife = self.halflife if self.ramp_up is None else min(self.halflife, self.ramp_up * self.seen)
        return 0.5 ** (n / max(halflife, 1e-8))

    @torch.no_grad()
    def update(self, module: nn.Module, n: float = 1.0) -> None:
        """Move the average towards the module by ``n`` units (1 step, or the batch's number of samples)."""
        self.seen += n
        decay = self.decay(n)
        parameters = {name for name, _ in module.named_parameters()}
        for key, value in module.state_dict().items():
            if key in parameters:
                self.average[key].lerp_(value, 1.0 - decay)
            else:
                self.average[key].copy_(value)

    def copy_to(self, module: nn.Module) -> None:
        """Write the average into a module."""
        module.load_state_dict(self.average)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[nn.Module]:
        """Lend the average to the module for a ``with`` block, then put its own weights back."""
        own = {k: v.detach().clone() for k, v in module.state_dict().items()}
        self.copy_to(module)
        try:
            yield module
        finally:
            module.load_state_dict(own)

    def state_dict(self) -> dict[str, Any]:
        """Return all that :meth:`load_state_dict` needs."""
        return {
            "average": dict(self.average),
            "seen": self.seen,
            "halflife": self.halflife,
            "ramp_up": self.ramp_up,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned; the settings given to the constructor stay.

        Raises
        ------
        ValueError
            The state is of another model.
        """
        if state["average"].keys() != self.average.keys():
            raise ValueError("the averaged weights are of another model: their names differ")
        for key, value in state["average"].items():
            self.average[key].copy_(value)
        self.seen = float(state["seen"])
