# SPDX-License-Identifier: Apache-2.0
"""What history says to the experiments: regimes' levels, episodes of a length, sectors in trouble of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.control import Interval
from spade_finance.evaluate.errors import episode_clusters
from spade_finance.evaluate.facts import DAYS_A_YEAR
from spade_finance.evaluate.known_days import known_days, own_codes
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Material

Array = NDArray[np.float64]

N_BOOTSTRAP, N_PAIR_BOOTSTRAP = 400, 100
"""The second for sums over pairs of sectors, which take a hundred times as long."""
FEWEST_CELL_DAYS = 10


@dataclass(frozen=True, eq=False)
class RealDays:
    """Labelled real days.

    Attributes
    ----------
    market : (days,) simple returns
    sectors : (days, S)
    codes, spell : (days,)
    own : (days, S) int or None
        Sectors' own regimes.
    """

    market: Array
    sectors: Array
    codes: NDArray[np.int64]
    spell: NDArray[np.int64]
    own: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, panel: Panel, own: NDArray[np.int64] | None = None) -> RealDays:
        """Of a one-path panel with regimes."""
        codes = np.asarray(panel.codes, dtype=np.int64)
        spell = panel.spells
        return cls(panel.simple[0, :, 0], panel.simple[0, :, 1:], codes, spell.astype(np.int64), own)

    @classmethod
    def window(cls, material: Material) -> RealDays:
        """The held-out window."""
        return cls.of(material.real)

    @classmethod
    def everything(cls, material: Material, with_sectors: bool = True) -> RealDays:
        """Training days and window."""
        return cls.of(known_days(material), own_codes(material) if with_sectors else None)

    def spells_of(self, k: int) -> int:
        """Number of spells of a regime."""
        return len(np.unique(self.spell[self.codes == k]))

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """Spells, long ones cut, (days,)."""
        return episode_clusters(self.spell)

    def level(self, k: int, rng: np.random.Generator) -> Interval:
        """Log volatility of the market in a regime."""
        inside = self.codes == k
        if not inside.any():
            return Interval()
        return bootstrapped(_level_of, self.market[inside, None], self.clusters[inside], rng)

    def level_over_calm(self, spells: NDArray[np.int64], rng: np.random.Generator) -> Interval:
        """Log volatility of the market in some spells over that of the calmest regime, whose own error is small."""
        inside = np.isin(self.spell, spells)
        calm = self.codes == 0
        if not inside.any() or not calm.any():
            return Interval()
        level = _level_of(self.market[calm, None])
        return bootstrapped(
            lambda x: _level_of(x) - level, self.market[inside, None], self.spell[inside], rng
        )

    def spells_of_length(self, k: int, shortest: float, longest: float) -> NDArray[np.int64]:
        """Numbers of the spells of a regime with so many days."""
        number, days = np.unique(self.spell[self.codes == k], return_counts=True)
        return number[(days >= shortest) & (days <= longest)]

    def days_after(
        self, k: int, then: int, first: int, last: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Days first..last - 1 of the spells of regime `then` that follow regime k, and their spells."""
        starts = np.flatnonzero(np.concatenate([[False], self.spell[1:] != self.spell[:-1]]))
        starts = starts[(self.codes[starts] == then) & (self.codes[starts - 1] == k)]
        days = [np.arange(s + first, min(s + last, len(self.codes))) for s in starts]
        flat = np.concatenate(
            [d[self.spell[d] == self.spell[s]] for d, s in zip(days, starts, strict=True)] or [[]]
        )
        index = flat.astype(np.int64)
        return index, self.spell[index]


def own_response(
    real: RealDays, k: int, worst: int, rng: np.random.Generator
) -> tuple[Interval, Interval, int, int]:
    r"""A sector in the worst regime of its own while the market is in regime k.

    Response: the sector's log volatility on those days less that on all days of market regime k. Spill: the same for
    every *other* sector j, compared at equal own regime of j, :math:`\sum_l w_l (\ell_{j \mid k, l, i\,worst} -
    \ell_{j \mid k, l})`, with the share of days as weights: what i's trouble adds to what j's own label says already.
    Both are means over sectors; intervals draw spells of the market's regime with replacement.

    Returns
    -------
    response, spill : Interval
    days, spells : int
        Sector-days of that kind, and the spells of the market's regime that they lie in.
    """
    if real.own is None:
        return Interval(), Interval(), 0, 0
    inside = real.codes == k
    own, returns, cluster = real.own[inside], real.sectors[inside], real.clusters[inside]
    hit = own == worst
    n_days, n_spells = int(hit.sum()), len(np.unique(real.spell[inside][hit.any(1)]))
    if n_days < FEWEST_CELL_DAYS:
        return Interval(), Interval(), n_days, n_spells
    rows = np.concatenate([returns, own], axis=1)
    size = returns.shape[1]

    def response(x: Array) -> float:
        square, label = x[:, :size] ** 2, x[:, size:]
        cells = [_difference(square[:, i], label[:, i] == worst) for i in range(size)]
        return _weighted(cells)

    def spill(x: Array) -> float:
        square, label = x[:, :size] ** 2, x[:, size:]
        cells = []
        for i in range(size):
            troubled = label[:, i] == worst
            for j in range(size):
                if j != i:
                    for own_label in np.unique(label[troubled, j]):
                        same = label[:, j] == own_label
                        cells.append(_difference(square[same, j], troubled[same]))
        return _weighted(cells)

    return (
        bootstrapped(response, rows, cluster, rng),
        bootstrapped(spill, rows, cluster, rng, N_PAIR_BOOTSTRAP),
        n_days,
        n_spells,
    )


def bootstrapped(
    statistic: Callable[[Array], float],
    rows: Array,
    cluster: NDArray[np.int64],
    rng: np.random.Generator,
    n_bootstrap: int = N_BOOTSTRAP,
) -> Interval:
    """A statistic of rows with its interval from clusters drawn with replacement, widened by sqrt(n / (n - 1))."""
    value = statistic(rows)
    order = np.argsort(cluster, kind="stable")
    _, first = np.unique(cluster[order], return_index=True)
    blocks = np.split(order, first[1:])
    n = len(blocks)
    if n < 2 or not np.isfinite(value):
        return Interval(value)
    draws = rng.integers(n, size=(n_bootstrap, n))
    drawn = np.array([statistic(rows[np.concatenate([blocks[i] for i in draw])]) for draw in draws])
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < 2:
        return Interval(value)
    deviation = np.sqrt(n / (n - 1)) * (drawn - drawn.mean())
    low, high = value + np.quantile(deviation, [0.025, 0.975])
    return Interval(value, float(low), float(high), float(np.abs(deviation).mean()))


def _level_of(rows: Array) -> float:
    return float(0.5 * np.log(max(DAYS_A_YEAR * float((rows**2).mean()), 1e-24)))


def _difference(square: Array, chosen: NDArray[np.bool_]) -> tuple[float, int]:
    """Log volatility of the chosen days less that of all, and the number of chosen days; nothing for too few."""
    n = int(chosen.sum())
    if n < FEWEST_CELL_DAYS:
        return 0.0, 0
    return float(0.5 * np.log(square[chosen].mean() / square.mean())), n


def _weighted(cells: list[tuple[float, int]]) -> float:
    total = sum(n for _, n in cells)
    return sum(value * n for value, n in cells) / total if total else float("nan")
