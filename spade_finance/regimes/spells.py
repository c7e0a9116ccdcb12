# SPDX-License-Identifier: Apache-2.0
"""Runs of equal labels ("spells"), and the two ways of removing short ones: in hindsight and causally."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["confirm", "merge_short", "runs"]

Codes = NDArray[np.int64]


def runs(codes: NDArray[Any]) -> tuple[Codes, Codes, Codes]:
    """Starts, lengths in days and codes of the runs of `codes` (T,), each (n_runs,)."""
    codes = np.asarray(codes)
    if not len(codes):
        empty = np.empty(0, dtype=np.int64)
        return empty, empty, empty
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    lengths = np.diff(np.append(starts, len(codes)))
    return starts.astype(np.int64), lengths.astype(np.int64), codes[starts].astype(np.int64)


def merge_short(codes: NDArray[Any], probabilities: NDArray[np.float64], min_days: int) -> Codes:
    """Give spells shorter than `min_days` to a neighbour, shortest first (uses later days: smoothed labels
    only).

    Of the two neighbours the one with the higher mean probability on the spell's days takes it; with equal
    probabilities the longer one.

    Parameters
    ----------
    codes : (T,) int
    probabilities : (T, K) float
    min_days : int, 1 leaves everything as it is

    Returns
    -------
    (T,) int, every spell at least `min_days` long, unless the whole series is shorter
    """
    starts, lengths, values = (list(map(int, part)) for part in runs(codes))
    total = np.vstack([np.zeros(probabilities.shape[1]), np.cumsum(probabilities, axis=0)])
    while len(lengths) > 1:
        at = int(np.argmin(lengths))
        if lengths[at] >= min_days:
            break
        on_spell = total[starts[at] + lengths[at]] - total[starts[at]]
        beside = [i for i in (at - 1, at + 1) if 0 <= i < len(values)]
        taker = max(beside, key=lambda i: (on_spell[values[i]], lengths[i]))
        values[at] = values[taker]
        # Fuse every neighbour that now has the same regime (both, when they were alike).
        first = at - 1 if at > 0 and values[at - 1] == values[at] else at
        last = at + 1 if at + 1 < len(values) and values[at + 1] == values[at] else at
        lengths[first] = sum(lengths[first : last + 1])
        del starts[first + 1 : last + 1], lengths[first + 1 : last + 1], values[first + 1 : last + 1]
    return np.repeat(np.array(values, dtype=np.int64), lengths)


def confirm(codes: NDArray[Any], days: int) -> Codes:
    """Change the label only on the `days`-th day in a row that asks for the same new one (causal).

    The first day's label stands from the first day on. `days` of 1 leaves everything as it is.
    """
    raw = np.asarray(codes, dtype=np.int64)
    if days <= 1 or len(raw) == 0:
        return raw.copy()
    starts, lengths, _ = runs(raw)
    begin = np.repeat(starts, lengths)  # first day of the run that each day is in
    asked = np.arange(len(raw)) - begin + 1 >= days
    asked |= begin == 0
    last = np.maximum.accumulate(np.where(asked, np.arange(len(raw)), -1))
    return np.asarray(raw[last], dtype=np.int64)
