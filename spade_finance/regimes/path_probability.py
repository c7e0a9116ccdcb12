# SPDX-License-Identifier: Apache-2.0
r"""Log probability of a timeline under a semi-Markov process: a product over its spells.

Spells between the first and the last contribute :math:`P_{jk} P(D_k = d)`; the last, still running at the
end, :math:`P_{jk} P(D_k \ge d)`; the first by the law of the start.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_finance.regimes.process_sampling import SpellLaws, Start
from spade_finance.regimes.spells import runs

__all__ = ["log_probability"]

Array = NDArray[np.float64]
Days = NDArray[np.int64]


def log_probability(laws: SpellLaws, paths: NDArray[np.int64], start: Start) -> Array:
    """Log probabilities (n_paths,) of codes (n_paths, n_days)."""
    tables = _Tables(laws, paths.shape[1])
    with np.errstate(divide="ignore"):
        return np.array([_one(tables, path, start) for path in paths], dtype=np.float64)


class _Tables:
    """Survival and mass by regime and day up to the horizon, padded with zeros."""

    def __init__(self, laws: SpellLaws, n_days: int) -> None:
        self.laws = laws
        longest = max(n_days + 2, *(len(table) for table in laws.survival)) + 1
        self.survival = np.zeros((len(laws.survival), longest))
        for k, table in enumerate(laws.survival):
            self.survival[k, : len(table)] = table
        # mass[k, d] = P(D = d), at_least[k, d] = P(D >= d), from d = 0 (never) on
        self.at_least = np.concatenate([np.ones((len(self.survival), 1)), self.survival], axis=1)
        self.mass = np.concatenate(
            [np.zeros((len(self.survival), 1)), self.survival[:, :-1] - self.survival[:, 1:]], axis=1
        )
        # residual_at_least[k, r] = P(R >= r): what is left of the sum of P(D >= i), i >= r
        tail = np.cumsum(self.at_least[:, ::-1], axis=1)[:, ::-1] / laws.mean[:, None]
        self.residual_at_least = np.minimum(tail, 1.0)

    def spell(self, k: int, days: int, running: bool) -> float:
        """Probability of a spell from its first day."""
        return float(self.at_least[k, days] if running else self.mass[k, days])

    def first(self, k: int, days: int, running: bool, start: Start) -> float:
        """Probability that the path begins with `days` of regime k."""
        if start.kind == "entered":
            return float(start.probabilities[k]) * self.spell(k, days, running)
        if start.kind == "stationary":
            law = self.residual_at_least[k, days] if running else self.at_least[k, days] / self.laws.mean[k]
            return float(start.probabilities[k] * law)
        total = float(start.probabilities[k]) * self._continued(k, int(start.ages[k]), days, running)
        for j, weight in enumerate(start.probabilities):
            if j != k and weight > 0:  # today's spell of j was its last day, k begins tomorrow
                over = self._continued(j, int(start.ages[j]), 0, False)
                total += (
                    float(weight) * over * float(self.laws.transition[j, k]) * self.spell(k, days, running)
                )
        return total

    def _continued(self, k: int, age: int, days: int, running: bool) -> float:
        """Probability that a spell of this age has `days` (or, still running, at least `days`) left."""
        age = self.laws.oldest(k, age)
        total = min(age + days, self.mass.shape[1] - 1)
        law = self.at_least[k, total] if running else self.mass[k, total]
        return float(law / self.at_least[k, age])


def _one(tables: _Tables, path: Days, start: Start) -> float:
    _, lengths, of = runs(path)
    last = len(of) - 1
    total = float(np.log(tables.first(int(of[0]), int(lengths[0]), last == 0, start)))
    for i in range(1, len(of)):
        move = tables.laws.transition[of[i - 1], of[i]]
        total += float(np.log(move) + np.log(tables.spell(int(of[i]), int(lengths[i]), i == last)))
    return total
