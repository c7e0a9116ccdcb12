# SPDX-License-Identifier: Apache-2.0
"""Views as functionals of paths: what they are worth under weights, and the linear constraints that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.stress.catalogue import YEAR
from spade_finance.stress.money import run_book
from spade_finance.stress.portfolio import Portfolio
from spade_finance.stress.sums import dot
from spade_finance.stress.view_syntax import MARKET, PORTFOLIO, View, check_names
from spade_finance.stress.weighted import WeightedLosses

if TYPE_CHECKING:
    from spade_finance.scenarios import ScenarioSet

Array = NDArray[np.float64]


class Problem:
    """Functionals of the paths, computed once."""

    def __init__(self, scenarios: ScenarioSet, views: tuple[View, ...], book: Portfolio) -> None:
        check_names(views, scenarios.sectors)
        self.scenarios, self.book = scenarios, book
        self.n_days = scenarios.n_days
        self._daily: dict[str, Array] = {}
        self._level: dict[str, Array] = {}
        codes = np.zeros(self.n_days, dtype=np.int8)
        self._book_values = run_book(scenarios.simple_array, codes, 1, book, scenarios.sectors).wealth
        self.losses: Array = 1.0 - self._book_values[:, -1]
        self.linear = not any(v.kind in ("volatility", "correlation") for v in views)
        for view in views:
            for who in (view.who, view.other):
                if who is not None:
                    self.daily(who)
            if view.days is not None and view.days > self.n_days:
                raise InputError(
                    f"view {view}: the scenarios have {self.n_days} days, fewer than {view.days}"
                )

    def daily(self, who: str) -> Array:
        """Daily simple returns (n, T)."""
        if who not in self._daily:
            cube = self.scenarios.simple_array
            if who in self.scenarios.sectors:
                found = cube[:, :, self.scenarios.sectors.index(who)].astype(np.float64)
            elif who == MARKET:
                found = cube.mean(axis=2, dtype=np.float64)
            else:
                assert who == PORTFOLIO, who
                before = np.maximum(self._book_values[:, :-1], 1e-12)
                found = self._book_values[:, 1:] / before - 1.0
            self._daily[who] = found
        return self._daily[who]

    def level(self, who: str) -> Array:
        """Value (n, T + 1) of 1 invested."""
        if who == PORTFOLIO:
            return self._book_values
        if who not in self._level:
            grown = np.cumprod(1.0 + self.daily(who), axis=1)
            self._level[who] = np.concatenate([np.ones((len(grown), 1)), grown], axis=1)
        return self._level[who]

    def moments(self, who: str, p: Array) -> tuple[float, float]:
        """Pooled daily mean and standard deviation under p."""
        x = self.daily(who)
        mean = float(dot(p, x.mean(1)))
        return mean, float(np.sqrt(dot(p, np.square(x - mean).mean(1))))

    def correlations(self, view: View, p: Array) -> tuple[float, float]:
        """Correlations within reach when volatilities stay as they are under p."""
        one, _ = self.row(View(view.kind, view.who, "=", 0.0, other=view.other), p)
        half, _ = self.row(View(view.kind, view.who, "=", 1.0, other=view.other), p)
        ratio = one / np.maximum(one - half, 1e-300)
        return float(ratio.min()), float(ratio.max())

    def value(self, view: View, p: Array) -> float:
        """What the view speaks of, under p."""
        end = self.level(view.who)[:, view.days or self.n_days] - 1.0
        match view.kind:
            case "return":
                return float(dot(p, end))
            case "probability":
                return float(dot(p, -end >= float(view.level or 0.0)))
            case "var":
                return WeightedLosses(-end, p).quantile(float(view.level or 0.0))
            case "drawdown":
                level = self.level(view.who)
                return float(dot(p, (level / np.maximum.accumulate(level, 1) - 1.0).min(1)))
            case "volatility":
                return float(self.moments(view.who, p)[1] * np.sqrt(YEAR))
        assert view.other is not None
        (m1, s1), (m2, s2) = self.moments(view.who, p), self.moments(view.other, p)
        cross = ((self.daily(view.who) - m1) * (self.daily(view.other) - m2)).mean(1)
        return float(dot(p, cross) / (s1 * s2))

    def row(self, view: View, p: Array) -> tuple[Array, float]:
        """Linear constraint (n,) and its right side, about the current p."""
        end = self.level(view.who)[:, view.days or self.n_days] - 1.0
        match view.kind:
            case "return":
                return end, view.value
            case "probability":
                return (-end >= float(view.level or 0.0)).astype(np.float64), view.value
            case "var":  # VaR >= v: at least 1 - level lie at v or beyond; the sign is that of the view
                return (-end >= view.value).astype(np.float64), 1.0 - float(view.level or 0.0)
            case "drawdown":
                level = self.level(view.who)
                return (level / np.maximum.accumulate(level, 1) - 1.0).min(1), view.value
            case "volatility":
                mean, _ = self.moments(view.who, p)
                return np.square(self.daily(view.who) - mean).mean(1) * YEAR, view.value**2
        assert view.other is not None
        (m1, s1), (m2, s2) = self.moments(view.who, p), self.moments(view.other, p)
        z1, z2 = (self.daily(view.who) - m1) / s1, (self.daily(view.other) - m2) / s2
        return (z1 * z2 - 0.5 * view.value * (z1**2 + z2**2)).mean(1), 0.0

    def own_unit(self, view: View, value: float) -> float:
        """A constraint's reachable value in the view's unit."""
        if view.kind == "volatility":
            return float(np.sqrt(max(value, 0.0)))
        if (
            view.kind == "var"
        ):  # reachable share beyond the asked loss -> the quantile range is that of the paths
            end = -(self.level(view.who)[:, view.days or self.n_days] - 1.0)
            return float(end.min() if value <= 1.0 - float(view.level or 0.0) else end.max())
        return value
