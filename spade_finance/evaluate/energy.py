# SPDX-License-Identifier: Apache-2.0
r"""Energy score of paths drawn under the real timeline against what happened under it.

For paths :math:`X, X'` of one column and the real path y, in some feature space,

.. math:: ES = E\|X - y\| - \tfrac12 E\|X - X'\|

is a proper score (Gneiting & Raftery 2007, JASA): its expectation is smallest for the law that y came from. It
is estimated over pairs of different paths, hence without bias. Nothing in a generator's score can be gained by
spreading too little or too much, and :math:`E\|X-X'\| / E\|X-y\|` says which of the two it does (once a common
bias is taken off y): one when the real path lies among the generated ones like any of them.

Features are blocks of several scales (days, weeks, months, volatility, the order of days, portfolios, whole
windows), each a vector for every unit of time. Returns are first divided by the training volatility of the
day's regime, a function of the map alone: crises then do not outvote everything else, and a generator's error
of scale still counts. Blocks are put together as ratios to a reference's score; the reference is the real
window resampled under its own labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.panel import Panel

Array = NDArray[np.float64]

WINDOW_DAYS = 60
"""Windows that errors are clustered by; weeks (5) and months (20) are whole parts of it."""

N_SHIFTS = 8
"""Pairs of paths: each with the paths 1, 2, 4 ... places further on."""

N_PORTFOLIOS = 8
MIN_SCALE_DAYS = 20
UNIT_DAYS = {
    "days": 1,
    "weeks": 5,
    "months": 20,
    "volatility": 20,
    "sequence": 1,
    "portfolios": 5,
    "path": WINDOW_DAYS,
}
"""Block -> days of its unit. ``sequence`` looks 20 days ahead."""


@dataclass(frozen=True)
class EnergyTerms:
    """Both parts of the energy score, by block one number a unit of time.

    Attributes
    ----------
    cross, pair : mapping of block to (units,)
        :math:`E\\|X-y\\|` and :math:`E\\|X-X'\\|`.
    """

    cross: Mapping[str, Array]
    pair: Mapping[str, Array]

    @property
    def score(self) -> dict[str, Array]:
        """Energy scores (units,) by block; lower is better."""
        return {name: self.cross[name] - 0.5 * self.pair[name] for name in self.cross}


def regime_scales(panel: Panel) -> Array:
    """Standard deviation of daily log returns by regime, (regimes, assets); of all days where there are few."""
    x = panel.log.reshape(-1, panel.log.shape[2])
    everything = np.where(x.std(0) > 0, x.std(0), 1.0)
    if panel.codes is None:
        return everything[None]
    out = np.repeat(everything[None], len(panel.regimes), axis=0)
    for k in range(len(panel.regimes)):
        own = panel.log[np.broadcast_to(panel.in_regime(k), panel.log.shape[:2])]
        if len(own) >= MIN_SCALE_DAYS:
            out[k] = np.where(own.std(0) > 0, own.std(0), everything)
    return out


def features(z: Array) -> dict[str, Array]:
    """Blocks of features of scaled returns, each (paths, units, dims).

    Parameters
    ----------
    z : (paths, days, 1 + sectors)
        Market first; days a whole number of windows.
    """
    n_paths, n_days, _ = z.shape
    market, sectors = z[..., 0], z[..., 1:]

    def cut(x: Array, days: int) -> Array:
        return x.reshape(n_paths, n_days // days, days, *x.shape[2:])

    weeks = cut(sectors, 5).sum(2) / np.sqrt(5)
    size = np.abs(z)
    weekly = np.log(0.1 + cut(size[..., 0], 5).mean(2)).reshape(n_paths, -1, 4)
    monthly = np.log(0.1 + cut(size[..., 1:], 20).mean(2))
    ahead = n_days - 20
    blocks = {
        "days": sectors,
        "weeks": weeks,
        "months": cut(sectors, 20).sum(2) / np.sqrt(20),
        "volatility": np.concatenate([weekly, monthly], axis=2),
        "sequence": np.stack(
            [market[:, :ahead], *(size[:, lag : lag + ahead, 0] for lag in (1, 5, 20))], axis=2
        ),
    }
    if sectors.shape[2] > 1:
        weights = np.random.default_rng(0).standard_normal((sectors.shape[2], N_PORTFOLIOS))
        weights -= weights.mean(0)
        blocks["portfolios"] = weeks @ (weights / np.linalg.norm(weights, axis=0))
    level = np.cumsum(cut(market, WINDOW_DAYS), axis=2) / np.sqrt(WINDOW_DAYS)
    depth = np.maximum.accumulate(np.maximum(level, 0.0), axis=2) - level
    size_of_all = np.log(0.1 + cut(size[..., 0], WINDOW_DAYS).mean(2))
    blocks["path"] = np.concatenate(
        [level[:, :, 9::10], depth.max(2)[..., None], size_of_all[..., None]], axis=2
    )
    return blocks


def energy_terms(generated: Mapping[str, Array], real: Mapping[str, Array]) -> EnergyTerms:
    """Terms of the score of blocks (paths, units, dims) against blocks (1, units, dims), at least two paths."""
    cross, pair = {}, {}
    for name, x in generated.items():
        shifts = sorted({min(2**i, len(x) // 2) for i in range(N_SHIFTS)})
        cross[name] = _distance(x, real[name]).mean(0)
        pair[name] = np.mean([_distance(x, np.roll(x, s, axis=0)).mean(0) for s in shifts], axis=0)
    return EnergyTerms(cross, pair)


def _distance(x: Array, y: Array) -> Array:
    difference = x - y
    return np.sqrt(np.einsum("pud,pud->pu", difference, difference))


def is_aligned(panel: Panel, real: Panel) -> bool:
    """Whether a panel's paths were drawn day by day under the labels of the real one."""
    return (
        panel.codes is not None
        and real.codes is not None
        and panel.n_days == real.n_days
        and panel.regimes == real.regimes
        and bool((panel.codes == real.codes).all())
    )


def scale_panel(real: Panel, training: Panel | None) -> Panel:
    """The panel whose volatility by regime scales returns: the training days, else the window itself."""
    fits = training is not None and training.codes is not None and training.regimes == real.regimes
    return training if fits and training is not None else real


class MapScores:
    """Scores of columns under the map of one real window.

    Parameters
    ----------
    real : Panel
        One path with codes (days,), at least one window long.
    scale_of : Panel
        Whose volatility by regime scales the returns: the training days.
    """

    def __init__(self, real: Panel, scale_of: Panel) -> None:
        self.n_windows = real.n_days // WINDOW_DAYS
        self.days = self.n_windows * WINDOW_DAYS
        self.codes = np.asarray(real.codes)[: self.days].astype(np.int64)
        self._unit = 1.0 / regime_scales(scale_of)[self.codes]
        self._real = features(self._scaled(real.log))

    def _scaled(self, log_returns: Array) -> Array:
        return log_returns[:, : self.days] * self._unit

    def terms(
        self, log_returns: Array, days: NDArray[np.intp] | None = None, centred: bool = False
    ) -> EnergyTerms:
        """Terms of paths drawn under the map.

        Parameters
        ----------
        log_returns : (paths, days, 1 + sectors)
        days : (days,) int, optional
            An order of days that the paths are put in first.
        centred : bool
            Move the real features to the generated ones' mean over all units: what is compared is spread alone, not
            a level that is missed throughout. No proper score.
        """
        x = features(self._scaled(log_returns if days is None else log_returns[:, days]))
        if not centred:
            return energy_terms(x, self._real)
        moved = {n: y + x[n].mean((0, 1)) - y.mean((0, 1)) for n, y in self._real.items()}
        return energy_terms(x, moved)

    def window_of(self, block: str) -> NDArray[np.intp]:
        """Window of each unit of a block, (units,)."""
        return np.arange(self._real[block].shape[1]) * UNIT_DAYS[block] // WINDOW_DAYS

    def in_regime(self, block: str, k: int | None) -> NDArray[np.bool_]:
        """Units of a block whose middle day is in regime k (all with None); whole windows have no regime."""
        units = np.arange(self._real[block].shape[1])
        if k is None:
            return np.ones(len(units), dtype=bool)
        if block == "path":
            return np.zeros(len(units), dtype=bool)
        return np.asarray(self.codes[units * UNIT_DAYS[block] + UNIT_DAYS[block] // 2] == k)

    def ratio(
        self,
        top: Mapping[str, Array],
        bottom: Mapping[str, Array],
        k: int | None = None,
        block: str | None = None,
    ) -> tuple[float, Array]:
        """Mean over blocks of the ratio of two sums over units, and its value without each window.

        Returns
        -------
        value : float
            NaN where there are no units.
        left_out : (windows that count,)
            For :func:`spade_finance.evaluate.errors.jackknife_spread`; differences of two of them give the
            error of a paired difference.
        """
        whole, left_out, counted = [], [], np.zeros(self.n_windows, dtype=bool)
        for name in (block,) if block else top:
            keep = self.in_regime(name, k)
            if not keep.any():
                continue
            window = self.window_of(name)[keep]
            a = np.bincount(window, top[name][keep], self.n_windows)
            b = np.bincount(window, bottom[name][keep], self.n_windows)
            counted |= np.bincount(window, minlength=self.n_windows) > 0
            rest = b.sum() - b
            whole.append(a.sum() / b.sum())
            left_out.append(np.divide(a.sum() - a, rest, out=np.full(self.n_windows, np.nan), where=rest > 0))
        if not whole:
            return float("nan"), np.full(0, np.nan)
        return float(np.mean(whole)), np.mean(left_out, axis=0)[counted]
