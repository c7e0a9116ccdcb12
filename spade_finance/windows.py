# SPDX-License-Identifier: Apache-2.0
"""A labelled history cut into training windows: blocks held back for validation, an embargo around them, balance.

Windows overlap and start on any day; a window of one part never touches a day of the other, and the embargo keeps
the slow states' memory from carrying a validation block's level into training.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError

EMBARGO_DAYS = 60
MAP_CONTEXT_DAYS = 25
"""Days of map in front of a window: as far back as a layer's reading of the map reaches."""


@dataclass(frozen=True)
class WindowSampler:
    """Draws first days of windows, rare regimes more often than they come.

    A window's weight is the sum over its days of ``share ** -1/2`` of the day's regime: between drawing regimes
    equally and drawing days equally.
    """

    first_days: NDArray[np.int_]
    probabilities: NDArray[np.float64]
    window_days: int

    def draw(self, rng: np.random.Generator, n_windows: int) -> NDArray[np.int_]:
        """First days of ``n_windows`` windows."""
        return rng.choice(self.first_days, size=n_windows, p=self.probabilities)


def make_sampler(
    codes: NDArray[np.int_], usable: NDArray[np.bool_], window_days: int, *, balance: bool = True
) -> WindowSampler:
    """Sampler of the windows all of whose days (and of the map's context before them) are usable.

    Raises
    ------
    InputError
        No window fits.
    """
    n_days = len(codes)
    reach = MAP_CONTEXT_DAYS + window_days
    if n_days < reach:
        raise InputError(
            f"window_days={window_days} needs at least {reach} returns, got {n_days}; "
            f"pass a smaller window_days or load more history."
        )
    run = np.concatenate([[0], np.cumsum(usable)])
    first = np.arange(MAP_CONTEXT_DAYS, n_days - window_days + 1)
    fits = run[first + window_days] - run[first - MAP_CONTEXT_DAYS] == reach
    first = first[fits]
    if not len(first):
        raise InputError(f"no stretch of {reach} usable days is left; pass a smaller window_days.")
    share = np.bincount(codes, minlength=codes.max() + 1) / n_days
    day_weight = 1 / np.sqrt(share[codes])
    total = np.concatenate([[0.0], np.cumsum(day_weight)])
    weight = total[first + window_days] - total[first] if balance else np.ones(len(first))
    return WindowSampler(first, weight / weight.sum(), window_days)


def validation_blocks(
    codes: NDArray[np.int_], share: float, window_days: int, avoid: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Days held back: of about ``1 / share`` equal blocks the one whose mix of regimes is nearest to the whole's.

    Nothing is held back when a block would not hold two windows. Blocks that come within the embargo of days to
    ``avoid`` are not chosen.
    """
    held = np.zeros(len(codes), dtype=bool)
    n_blocks = round(1 / share) if share > 0 else 0
    if n_blocks < 2 or len(codes) // n_blocks < 2 * window_days:
        return held
    edges = np.linspace(0, len(codes), n_blocks + 1).astype(int)
    n_regimes = codes.max() + 1
    whole = np.bincount(codes, minlength=n_regimes) / len(codes)
    distance = [
        np.abs(np.bincount(codes[a:b], minlength=n_regimes) / (b - a) - whole).sum()
        for a, b in itertools.pairwise(edges)
    ]
    if avoid is not None:
        free = with_embargo(avoid)
        distance = [
            d if free[a:b].all() else np.inf
            for d, (a, b) in zip(distance, itertools.pairwise(edges), strict=True)
        ]
    best = int(np.argmin(distance))
    if not np.isfinite(distance[best]):
        return held
    held[edges[best] : edges[best + 1]] = True
    return held


def with_embargo(held: NDArray[np.bool_], days: int = EMBARGO_DAYS) -> NDArray[np.bool_]:
    """Days usable for training: not held back, and not within ``days`` of one that is."""
    if not held.any():
        return ~held
    kernel = np.ones(2 * days + 1)
    return np.convolve(held, kernel, mode="same") < 0.5
