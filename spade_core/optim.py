# SPDX-License-Identifier: Apache-2.0
"""Optimisers and schedules of the published training.

TTUR (two time-scale update rule, Heusel et al. 2017, arXiv 1706.08500): the discriminator learns four times
as fast as the generator, so one step of each is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch.nn import Parameter
from torch.optim import Adam

__all__ = ["adam_pair", "linear_decay"]


def adam_pair(
    generator: Iterable[Parameter], discriminator: Iterable[Parameter], *, lr: float = 2e-4, ttur: bool = True
) -> tuple[Adam, Adam]:
    """Build both optimisers: rates lr / 2 and lr * 2, betas (0, .9); without TTUR lr and (.5, .999)."""
    if not lr > 0:
        raise ValueError(f"lr={lr} must be positive")
    betas, rates = ((0.0, 0.9), (lr / 2, lr * 2)) if ttur else ((0.5, 0.999), (lr, lr))
    return Adam(generator, lr=rates[0], betas=betas), Adam(discriminator, lr=rates[1], betas=betas)


def linear_decay(n_constant: int, n_decay: int) -> Callable[[int], float]:
    """Return the factor of the rate at step (or epoch) i: 1 up to ``n_constant``, then linear to 0.

    For ``torch.optim.lr_scheduler.LambdaLR``. Step ``n_constant`` still has the full rate; ``n_decay=0`` is
    constant.
    """
    if n_constant < 0 or n_decay < 0:
        raise ValueError(f"n_constant={n_constant}, n_decay={n_decay}: neither may be negative")

    def factor(step: int) -> float:
        return 1.0 if n_decay == 0 else max(0.0, 1.0 - max(0, step - n_constant) / n_decay)

    return factor
