# SPDX-License-Identifier: Apache-2.0
"""`Panel`: return paths with their regimes and stretches, the one form in which everything is compared.

Real returns are a panel of one path. Generated scenarios are cut or joined into *replicates* of about the
length of the real window, so that a statistic of a replicate has the same finite-sample behaviour as the real
one: the sample kurtosis of ten years is compared with sample kurtoses of ten years, never with that of a
million days.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate import facts

if TYPE_CHECKING:
    from spade_finance.scenarios import ScenarioSet

MARKET = "market"
"""Name of the equal-weight mean of the sectors' simple returns."""


@dataclass(frozen=True, eq=False)
class Panel:
    """Returns (paths, days, sectors) with one regime code a day.

    Attributes
    ----------
    simple : (paths, days, 1 + sectors) float64
        Decimal simple returns; the first asset is the equal-weight market.
    codes : (days,) or (paths, days) int, or None
        Regime of each day; None when unknown.
    segments : (days,) or (paths, days) int
        Stretches of consecutive days, never decreasing; nothing is compared across their borders.
    sectors, regimes : tuple of str
    """

    simple: NDArray[np.float64]
    codes: NDArray[np.integer] | None
    segments: NDArray[np.integer]
    sectors: tuple[str, ...]
    regimes: tuple[str, ...]
    _memo: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def memo(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Value under `key`, computed once: volatility, skew and kurtosis share their moments."""
        if key not in self._memo:
            self._memo[key] = compute()
        return self._memo[key]

    @classmethod
    def from_simple(
        cls,
        simple: NDArray[np.floating],
        sectors: Sequence[str],
        regimes: Sequence[str] = (),
        codes: NDArray[np.integer] | None = None,
        segments: NDArray[np.integer] | None = None,
    ) -> Panel:
        """Panel of simple returns (paths, days, sectors), the market put in front."""
        x = np.asarray(simple, dtype=np.float64)
        x = np.concatenate([x.mean(-1, keepdims=True), x], axis=-1)
        borders = np.zeros(x.shape[1], dtype=np.int32) if segments is None else segments
        return cls(x, codes, borders, tuple(sectors), tuple(regimes))

    @classmethod
    def from_frame(
        cls, returns: pd.DataFrame, regimes: Sequence[str] = (), codes: NDArray[np.integer] | None = None
    ) -> Panel:
        """Panel of one path from a table of simple returns."""
        return cls.from_simple(
            returns.to_numpy(dtype=np.float64)[None], [str(c) for c in returns.columns], regimes, codes
        )

    @classmethod
    def from_scenarios(cls, scenarios: ScenarioSet, n_days: int | None = None) -> Panel:
        """Panel of a scenario set; shorter paths are joined to replicates of about `n_days` days."""
        simple = scenarios.simple_array
        codes = None if len(scenarios.regimes) == 1 else scenarios.codes
        panel = cls.from_simple(simple, scenarios.sectors, scenarios.regimes, codes)
        return panel if n_days is None else panel.joined(max(round(n_days / panel.n_days), 1))

    @property
    def n_paths(self) -> int:
        """Number of paths (replicates)."""
        return self.simple.shape[0]

    @property
    def n_days(self) -> int:
        """Days of each path."""
        return self.simple.shape[1]

    @property
    def assets(self) -> tuple[str, ...]:
        """Names along the last axis: the market, then the sectors."""
        return (MARKET, *self.sectors)

    @cached_property
    def log(self) -> NDArray[np.float64]:
        """Decimal log returns, same shape as ``simple``."""
        return np.log1p(self.simple)

    @cached_property
    def spells(self) -> NDArray[np.int32]:
        """Numbers of the regime spells, cut at segment borders too."""
        if self.codes is None:
            return np.asarray(self.segments, dtype=np.int32)
        codes, segments = np.broadcast_arrays(self.codes, self.segments)
        return facts.stretches(codes, segments)

    def in_regime(self, k: int) -> NDArray[np.bool_]:
        """Which days carry regime k, (days,) or (paths, days)."""
        if self.codes is None:
            raise ValueError("this panel has no regimes")
        return self.codes == k

    def days_in(self, k: int) -> float:
        """Mean number of days in regime k per path."""
        return float(np.broadcast_to(self.in_regime(k), self.simple.shape[:2]).sum() / self.n_paths)

    def joined(self, count: int) -> Panel:
        """Every `count` paths behind each other as one, seams kept as borders; a remainder is dropped."""
        count = min(count, self.n_paths)
        if count == 1:
            return self
        groups = self.n_paths // count
        shape = (groups * count, self.n_days)

        def chain(values: NDArray[Any]) -> NDArray[Any]:
            wide = np.broadcast_to(values, (self.n_paths, self.n_days))[: shape[0]]
            return wide.reshape(groups, count * self.n_days)

        step = int(self.segments.max()) + 1
        segments = chain(self.segments) + np.repeat(np.arange(count) * step, self.n_days)
        common = self.segments.ndim == 1
        codes = self.codes
        if codes is not None:
            codes = np.tile(codes, count) if codes.ndim == 1 else chain(codes)
        return Panel(
            self.simple[: shape[0]].reshape(groups, count * self.n_days, -1),
            codes,
            segments[0] if common else segments,
            self.sectors,
            self.regimes,
        )
