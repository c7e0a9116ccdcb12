# SPDX-License-Identifier: Apache-2.0
r"""VaR, ES, means and shares of losses that come in clusters (paths), with standard errors that know it.

Losses :math:`L_1 \dots L_N` are pooled from clusters: all windows of one path, or of one real episode. Windows
of one cluster depend on each other, clusters do not. Every estimate :math:`\hat\theta` has an influence
function :math:`\psi`, and its standard error follows from the clusters' sums of it,

.. math:: SE^2 = \frac{C}{C-1} \sum_c \Big(\frac1N \sum_{i \in c} \psi(L_i)\Big)^2

(C clusters), which is the usual :math:`s / \sqrt n` when a cluster is one observation. With :math:`q` the VaR,

.. math:: \psi_{ES}(L) = q + \frac{(L - q)^+}{1 - \alpha} - ES

and the VaR's error inverts that of the distribution function (Woodruff 1952),
:math:`SE_q = \tfrac14 \{Q(\alpha + 2 SE_F) - Q(\alpha - 2 SE_F)\}`, so that no density is estimated. Two errors
wide and quartered: a single error's width rests on too few order statistics.

Where losses repeat (a bootstrap draws real days, a count of days is whole), that interval may hold few distinct
values, one even, and says little. Then the error is the larger of two: half the way to the farther end of the
interval, which covers it whole; and that of a quantile function smoothed over the width of the step on which the
quantile stands, as if the losses had not been rounded to the values that repeat.

VaR is the smallest loss that at least a share :math:`\alpha` of all losses do not exceed; ES is the mean of
the worst :math:`1 - \alpha`, the loss at the border taken in part (Acerbi & Tasche 2002), so ES is coherent
and splits into contributions exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Clusters = NDArray[np.integer]

ONE_PERCENT = 0.01
FEWEST_IN_TAIL = 1.0
"""A quantile beyond the worst observation is not estimated."""
SMALL, SORTED_SHARE = 2_000, 0.2
WIDTH = 2.0
"""Errors of the distribution function on either side from which a quantile's error is taken."""
SAME = 1e-6
"""Losses that differ by less, relatively, are one: the same days of history, rounded differently."""
ENOUGH = 10
"""Distinct losses below which that interval is no measure of a width."""
LIGHT = 0.5
"""A loss that repeats matters from this share on, in errors of the distribution function."""


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error (NaN where there is a single cluster)."""

    value: float
    std_error: float
    influence: Vector | None = None
    """Cluster means of the influence function, each (C,) entry already divided by N."""


NONE = Estimate(float("nan"), float("nan"))


class Sample:
    """Losses with their clusters. Only the worst fifth is sorted: what is asked lies there.

    Parameters
    ----------
    losses : (N,) positive is a loss
    clusters : (N,) int from 0 to `n_clusters` - 1
    n_clusters : int
    sorted_share : float
        1 for levels below 0.8, which lie outside the worst fifth.
    """

    def __init__(
        self,
        losses: NDArray[np.floating],
        clusters: Clusters,
        n_clusters: int,
        sorted_share: float = SORTED_SHARE,
    ) -> None:
        self.losses, self.clusters = np.asarray(losses), np.asarray(clusters)
        self.n_clusters, self.n = n_clusters, len(losses)
        depth = self.n if self.n <= SMALL else int(self.n * sorted_share)
        top = (
            np.argpartition(self.losses, self.n - depth)[self.n - depth :]
            if depth < self.n
            else np.arange(self.n)
        )
        top = top[np.argsort(self.losses[top], kind="stable")]
        self.first = self.n - len(top)
        self.tail: Vector = self.losses[top].astype(np.float64)
        self.tail_cluster = self.clusters[top]

    def quantile(self, share: float) -> float:
        """Smallest loss that a share of all do not exceed."""
        place = int(np.ceil(np.clip(share, 0.0, 1.0) * self.n - 1e-9)) - 1
        place = min(max(place, 0), self.n - 1)
        if place >= self.first:
            return float(self.tail[place - self.first])
        return float(np.partition(self.losses, place)[place])

    def var(self, level: float) -> Estimate:
        """Value at risk: positive is a loss."""
        if not self._deep_enough(level):
            return NONE
        value = self.quantile(level)
        # influence of F at the step's upper end, and where many losses tie at its lower end too
        tied, start = self._step(value)
        error = self._error_of_share(start)
        if start - tied > 1:
            error = max(error, self._error_of_share(tied))
        if not np.isfinite(error):
            return Estimate(value, float("nan"))
        return Estimate(value, self._woodruff(level, value, error))

    def _error_of_share(self, start: int) -> float:
        """Standard error of the share of losses from a place of the tail on."""
        above = np.bincount(self.tail_cluster[start:], minlength=self.n_clusters)
        share = float(above.sum()) / self.n
        return self._error(above / self.n - share * self._sizes / self.n)

    def _woodruff(self, level: float, value: float, error: float) -> float:
        """Standard error of a quantile from that of the distribution function."""
        if not error > 0:
            return 0.0
        top, bottom = min(level + WIDTH * error, 1.0), max(level - WIDTH * error, 0.0)
        high, low = self.quantile(top), self.quantile(bottom)
        spread = error * (high - low) / (top - bottom)  # an end beyond the data is left out
        tied, start = self._step(value)
        step = (start - tied) / self.n
        if step <= LIGHT * error and self._many_between(low, high):
            return spread
        wide_top, wide_bottom = (
            min(level + WIDTH * error + step, 1.0),
            max(level - WIDTH * error - step, 0.0),
        )
        smooth = error * (self.quantile(wide_top) - self.quantile(wide_bottom)) / (wide_top - wide_bottom)
        return max(spread, smooth, (high - value) / WIDTH, (value - low) / WIDTH)

    def _many_between(self, low: float, high: float) -> bool:
        """Whether an interval holds enough distinct losses to tell a width from."""
        place, count = self._step(low)[1], 1
        while count < ENOUGH and place < len(self.tail) and self.tail[place] <= high:
            place = self._step(float(self.tail[place]))[1]
            count += 1
        return count >= ENOUGH

    def _step(self, value: float) -> tuple[int, int]:
        """Places in the tail of the losses that equal `value` but for rounding: first, and one past the last."""
        room = SAME * abs(value)
        first = int(np.searchsorted(self.tail, value - room, "left"))
        return first, int(np.searchsorted(self.tail, value + room, "right"))

    def es(self, level: float) -> Estimate:
        """Expected shortfall: mean of the worst ``1 - level``."""
        if not self._deep_enough(level):
            return NONE
        q, tail = self.quantile(level), 1.0 - level
        start = self._first_above(q) - self.first
        excess = np.bincount(
            self.tail_cluster[start:], weights=self.tail[start:] - q, minlength=self.n_clusters
        ) / (tail * self.n)
        value = q + float(excess.sum())
        influence = excess - (value - q) * self._sizes / self.n
        return Estimate(value, self._error(influence), influence)

    def es_weights(self, level: float) -> Vector:
        """Weights (N,) with which ES is the weighted mean of the losses: how it splits into contributions."""
        q, each = self.quantile(level), 1.0 / (self.n * (1.0 - level))
        weights = np.where(self.losses > q, each, 0.0)
        at = self.losses == q
        weights[at] = (1.0 - weights.sum()) / at.sum()
        return weights

    def mean(self) -> Estimate:
        """Mean loss."""
        return cluster_mean(self.losses, self.clusters, self.n_clusters)

    @property
    def _sizes(self) -> Vector:
        if not hasattr(self, "_size"):
            self._size = np.bincount(self.clusters, minlength=self.n_clusters).astype(np.float64)
        return self._size

    def _first_above(self, value: float) -> int:
        return self.first + int(np.searchsorted(self.tail, value, "right"))

    def _deep_enough(self, level: float) -> bool:
        return self.n * (1.0 - level) >= FEWEST_IN_TAIL - 1e-9

    def _error(self, influence: Vector) -> float:
        return influence_error(influence, int((self._sizes > 0).sum()))


def influence_error(influence: Vector, n_clusters: int) -> float:
    """Standard error from the clusters' sums of the influence function (already divided by N)."""
    if n_clusters < 2:
        return float("nan")
    return float(np.sqrt(n_clusters / (n_clusters - 1) * (influence**2).sum()))


def cluster_mean(values: Vector, clusters: Clusters, n_clusters: int) -> Estimate:
    """Mean of pooled values with the error of its clusters; NONE of nothing."""
    if not len(values):
        return NONE
    size = np.bincount(clusters, minlength=n_clusters)
    total = np.bincount(clusters, weights=values, minlength=n_clusters)
    value = float(total.sum() / len(values))
    influence = (total - value * size) / len(values)
    return Estimate(value, influence_error(influence, int((size > 0).sum())), influence)


def path_mean(values: Vector) -> Estimate:
    """Mean of one number a path."""
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        return NONE
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return Estimate(float(values.mean()), error)


def paths_for_one_percent(value: float, std_error: float, n_paths: int) -> float:
    """Number of paths at which the standard error is 1 % of the value; NaN where neither says anything."""
    if not (np.isfinite(value) and np.isfinite(std_error)) or value == 0:
        return float("nan")
    return float(np.ceil(n_paths * (std_error / (ONE_PERCENT * abs(value))) ** 2))
