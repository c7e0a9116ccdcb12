# SPDX-License-Identifier: Apache-2.0
"""Drawing timelines from a semi-Markov process, all paths at once, each from its own generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpellLaws", "Start", "sample_codes"]

Array = NDArray[np.float64]
Days = NDArray[np.int64]

BLOCK_SPELLS = 16
"""Spells' worth of uniforms (two each) drawn from a generator at a time: fixed, part of what a seed means."""

_OLDEST = 1e-6
"""Ages count up to the one that this share of spells reaches: beyond, the tables are rounding noise."""


@dataclass(frozen=True)
class Start:
    """Where paths begin: ``stationary``, just ``entered``, or ``aged`` (K probabilities, K ages in days)."""

    kind: Literal["stationary", "entered", "aged"]
    probabilities: Array
    ages: Days


@dataclass(frozen=True)
class SpellLaws:
    """Tables of the process, and quantiles of its spells.

    Attributes
    ----------
    survival : K arrays, P(D > j) for j = 0, 1, ...
    transition : (K, K)
    stationary : (K,) share of time
    """

    survival: tuple[Array, ...]
    transition: Array
    stationary: Array
    mean: Array = field(init=False)
    _within: tuple[Array, ...] = field(init=False)
    _residual: tuple[Array, ...] = field(init=False)

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "mean", np.array([table.sum() for table in self.survival]))
        set_(self, "_within", tuple(1.0 - table[1:] for table in self.survival))  # P(D <= j), j = 1, 2, ...
        residual = []
        for table, mean in zip(self.survival, self.mean, strict=True):
            within = np.cumsum(table[:-1]) / mean  # P(R <= r), r = 1, 2, ...
            within[-1] = 1.0
            residual.append(within)
        set_(self, "_residual", tuple(residual))

    def quantile(self, regime: int, u: float | Array) -> Days:
        """Smallest d with P(D <= d) > u, u in [0, 1)."""
        return 1 + np.searchsorted(self._within[regime], u, side="right").astype(np.int64)

    def residual_quantile(self, regime: int, u: float | Array) -> Days:
        """The same for the residual life R of a stationary spell, today included (R >= 1)."""
        return 1 + np.searchsorted(self._residual[regime], u, side="right").astype(np.int64)

    def oldest(self, regime: int, age: int) -> int:
        """`age` in days, capped at the oldest that the law knows."""
        reached = np.flatnonzero(self.survival[regime] > _OLDEST)  # P(D >= a) = P(D > a - 1)
        return int(min(age, reached[-1] + 1))

    def remaining_quantile(self, regime: int, age: int, u: Array) -> Days:
        """Days left after an age (R >= 0): quantile of D given D >= age, less age."""
        age = self.oldest(regime, age)
        if age == 0:
            return self.quantile(regime, u)
        before = 1.0 - self.survival[regime][age - 1]  # P(D < age)
        return np.maximum(self.quantile(regime, before + u * (1.0 - before)) - age, 0)


def sample_codes(
    laws: SpellLaws, n_days: int, generators: Sequence[np.random.Generator], start: Start
) -> NDArray[np.int8]:
    """Codes (n_paths, n_days); see ``SemiMarkovProcess.sample``."""
    n_paths, n_regimes = len(generators), len(laws.survival)
    uniforms = _draw(generators, np.arange(n_paths))  # (n, BLOCK_SPELLS, 2)
    regime = _choose(np.tile(start.probabilities, (n_paths, 1)), uniforms[:, 0, 0])
    length = np.zeros(n_paths, dtype=np.int64)
    for k in range(n_regimes):
        own = regime == k
        u = uniforms[own, 0, 1]
        if start.kind == "stationary":
            length[own] = laws.residual_quantile(k, u)
        else:
            length[own] = laws.remaining_quantile(k, int(start.ages[k]), u)

    # Change of code at the first day of each spell; the running sum over days is the path.
    steps = np.zeros((n_paths, n_days), dtype=np.int8)
    steps[:, 0] = regime
    end = length
    active = np.flatnonzero(end < n_days)
    spell = 0
    while len(active):
        spell += 1
        at = spell % BLOCK_SPELLS
        if at == 0:
            uniforms[active] = _draw(generators, active)
        now = regime[active]
        following = _choose(laws.transition[now], uniforms[active, at, 0])
        steps[active, end[active]] += (following - now).astype(np.int8)
        for k in range(n_regimes):
            own = active[following == k]
            end[own] += laws.quantile(k, uniforms[own, at, 1])
        regime[active] = following
        active = active[end[active] < n_days]
    return np.cumsum(steps, axis=1, dtype=np.int8)


def _draw(generators: Sequence[np.random.Generator], rows: Days) -> Array:
    """The next block of uniforms of the generators at `rows`, (n_rows, BLOCK_SPELLS, 2)."""
    block = np.empty((len(rows), BLOCK_SPELLS * 2))
    for i, row in enumerate(rows):
        generators[row].random(out=block[i])
    return block.reshape(len(rows), BLOCK_SPELLS, 2)


def _choose(probabilities: Array, u: Array) -> Days:
    """Index drawn from each row of probabilities (n, K) by its uniform (n,)."""
    edges = np.cumsum(probabilities, axis=1)
    last = (
        probabilities.shape[1] - 1 - np.argmax(probabilities[:, ::-1] > 0, axis=1)
    )  # of positive probability
    return np.minimum((edges <= u[:, None]).sum(axis=1), last).astype(np.int64)
