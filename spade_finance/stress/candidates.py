# SPDX-License-Identifier: Apache-2.0
r"""Candidate timelines: what the regimes may do over a horizon, grouped into distinct stories with probabilities.

Two timelines tell the same story when they pass through the same regimes in the same order and each spell but the last
(which the others determine) is short, middling or long: up to a third of the horizon, up to two thirds, more.

* Stories of one or two spells hold at most one timeline a day: all are listed and P(story) is the **exact** sum of the
  process's probabilities.
* Stories of three spells and more share what is left, :math:`1 - P(\le 2)`, in proportion to their frequency among
  timelines drawn from the process; that share has a sampling error.
* Stories rarer than ``least`` are put together as one, the *rest*, so that probabilities always add up to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.spells import runs

__all__ = ["Candidate", "candidates"]

Array = NDArray[np.float64]
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Candidate:
    """Timelines of one story.

    Attributes
    ----------
    spells : tuple of int
        Regimes passed through, by code; empty for the rest.
    codes : (m, T) its timelines; chance : (m,) their probabilities given the story
    probability, std_error : of the story; the error is 0 where the sum is exact
    """

    spells: tuple[int, ...]
    codes: Codes
    chance: Array
    probability: float
    std_error: float

    def draw(self, n: int, rng: np.random.Generator) -> Codes:
        """Timelines (n, T), by systematic sampling: each as often as its chance says, to within one."""
        edges = np.cumsum(self.chance)
        points = (rng.random() + np.arange(n)) / n
        which = np.minimum(np.searchsorted(edges / edges[-1], points), len(self.codes) - 1)
        return self.codes[rng.permutation(which)]


def candidates(
    process: Any,
    n_regimes: int,
    horizon: int,
    *,
    start: Any = None,
    n_timelines: int = 10_000,
    rng: np.random.Generator,
    least: float = 5e-4,
) -> list[Candidate]:
    """All stories of a horizon, likeliest first, the rest last.

    Parameters
    ----------
    process : with ``log_prob(codes, start)`` and ``sample(n_days, generators, start)``
    n_regimes, horizon : int
    start : as in ``process.sample``
    n_timelines : int
        Drawn timelines, for stories of three spells and more.
    least : float
        Probability below which a story joins the rest.

    Raises
    ------
    InputError
        A start from which no timeline has a probability.
    """
    listed = _few_spells(n_regimes, horizon)
    chance = np.exp(process.log_prob(listed, start=start))
    few = float(chance.sum())
    if not 0 < few <= 1 + 1e-6:
        raise InputError(f"start={start!r}: probabilities of the regimes' timelines add up to {few:.4g}.")
    groups = _grouped(listed, horizon)
    found = [_exact(listed, chance, key, rows) for key, rows in groups.items() if chance[rows].sum() > 0]
    remains = max(0.0, 1.0 - few)
    if remains > 1e-9:
        generators = [
            np.random.Generator(np.random.PCG64(int(s))) for s in rng.integers(2**63, size=n_timelines)
        ]
        drawn = process.sample(horizon, generators, start=start)
        many = drawn[(np.diff(drawn, axis=1) != 0).sum(1) >= 2]
        found += _frequent(many, remains, horizon)
    return _with_rest(found, least)


def _few_spells(n_regimes: int, horizon: int) -> Codes:
    """Every timeline of one or two spells."""
    rows = [np.full(horizon, k, dtype=np.int8) for k in range(n_regimes)]
    days = np.arange(horizon)
    for first in range(n_regimes):
        for second in range(n_regimes):
            if first != second:
                rows += list(np.where(days < np.arange(1, horizon)[:, None], first, second).astype(np.int8))
    return np.stack(rows)


def _grouped(codes: Codes, horizon: int) -> dict[tuple[tuple[int, ...], tuple[int, ...]], NDArray[np.intp]]:
    """Rows of each story."""
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for i, row in enumerate(codes):
        _, lengths, of = runs(row)
        size = tuple(int(3 * (d - 1) // horizon) for d in lengths[:-1])
        groups.setdefault((tuple(map(int, of)), size), []).append(i)
    return {key: np.array(rows) for key, rows in groups.items()}


def _exact(codes: Codes, chance: Array, key: Any, rows: NDArray[np.intp]) -> Candidate:
    total = float(chance[rows].sum())
    return Candidate(key[0], codes[rows], chance[rows] / total, total, 0.0)


def _frequent(drawn: Codes, remains: float, horizon: int) -> list[Candidate]:
    found = []
    for key, rows in _grouped(drawn, horizon).items():
        share = len(rows) / len(drawn)
        error = remains * float(np.sqrt(share * (1 - share) / len(drawn)))
        even = np.full(len(rows), 1.0 / len(rows))
        found.append(Candidate(key[0], drawn[rows], even, remains * share, error))
    return found


def _with_rest(found: list[Candidate], least: float) -> list[Candidate]:
    """Likeliest first; what is rarer than `least` as one at the end."""
    key: Callable[[Candidate], float] = lambda c: -c.probability  # noqa: E731
    kept = sorted((c for c in found if c.probability >= least), key=key)
    rare = [c for c in found if c.probability < least]
    total = sum(c.probability for c in rare)
    if total > 0:
        chance = np.concatenate([c.probability * c.chance for c in rare]) / total
        error = float(np.sqrt(sum(c.std_error**2 for c in rare)))
        kept.append(Candidate((), np.concatenate([c.codes for c in rare]), chance, total, error))
    return kept
