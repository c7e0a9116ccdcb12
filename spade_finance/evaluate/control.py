# SPDX-License-Identifier: Apache-2.0
r"""Experiments on the map: scripts that differ in one thing, drawn with the same random numbers.

Everything is measured as log volatility, :math:`\ell = \tfrac12 \ln(252 \cdot \overline{r^2})` of daily simple returns
pooled over paths and days, and as differences of it: how much more volatile are the days that the script made worse,
and how much the days and sectors that it left alone. Standard errors leave out groups of paths in turn; the
differences are taken inside each such leave-out, so that what two scripts share cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.errors import jackknife_groups, jackknife_spread
from spade_finance.evaluate.facts import DAYS_A_YEAR
from spade_finance.evaluate.section import Material
from spade_finance.exceptions import InputError
from spade_finance.regimes.timeline import RegimeTimeline

Array = NDArray[np.float64]

STREAM = 500
"""All experiments use the same random numbers: a column's seed depends on nothing else."""


@dataclass(frozen=True)
class Interval:
    """A real value, its 95 % episode-bootstrap interval and mean absolute error; NaN from fewer than two episodes."""

    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    floor: float = float("nan")

    @property
    def known(self) -> bool:
        """Whether history says anything."""
        return bool(np.isfinite(self.value))

    def exp(self) -> Interval:
        """Of the exponential: a volatility where this is its logarithm."""
        value, low, high = (float(np.exp(x)) for x in (self.value, self.low, self.high))
        return Interval(value, low, high, value * self.floor)


@dataclass(frozen=True)
class Reading:
    """One number of one experiment, for every column.

    Attributes
    ----------
    metric : str
        Name in the rows.
    test : str
        What it is, in words, for the summary table.
    ideal : str
        What a perfect answer would be, or ``"real"``.
    columns : mapping of str to (value, standard error)
    real : Interval
        NaN where history has nothing to say.
    regime, asset : str or None
    unit : {"number", "percent"}
    summary : bool
        Whether it stands in the summary table.
    """

    metric: str
    test: str
    ideal: str
    columns: Mapping[str, tuple[float, float]]
    real: Interval = Interval()
    regime: str | None = None
    asset: str | None = None
    horizon_days: int | None = None
    unit: str = "number"
    summary: bool = True

    def row(self) -> dict[str, Any]:
        """As a row of :class:`~.section.SectionResult` statistics."""
        out: dict[str, Any] = {
            "metric": self.metric, "group": "control", "regime": self.regime, "asset": self.asset,
            "horizon_days": self.horizon_days, "unit": self.unit, "real": self.real.value, "real_low": self.real.low,
            "real_high": self.real.high, "floor": self.real.floor,
        }  # fmt: skip
        for name, (value, error) in self.columns.items():
            out |= {name: value, f"{name}:se": error}
        return out


@dataclass(eq=False)
class Laboratory:
    """Draws scripts from every column; what a column refuses stands in ``notes``.

    Attributes
    ----------
    material : Material
    n_paths : int
        Paths of each experiment.
    """

    material: Material
    n_paths: int
    notes: list[str] = field(default_factory=list)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns with a generator, in the page's order."""
        return tuple(name for name in self.material.columns if name in self.material.generators)

    @property
    def regimes(self) -> tuple[str, ...]:
        """Calm to worst."""
        return self.material.real.regimes

    @property
    def sectors(self) -> tuple[str, ...]:
        """Sectors, without the market."""
        return self.material.real.sectors

    def timeline(
        self,
        codes: Sequence[int] | NDArray[np.integer],
        severity: float = 1.0,
        own: Mapping[str, Array] | None = None,
    ) -> RegimeTimeline:
        """Hard labels, one severity all along, some sectors with their own codes (-1: with the market)."""
        days = np.asarray(codes)
        return RegimeTimeline.from_codes(
            days, self.regimes, self.sectors, severity=np.full(len(days), severity), sector_codes=own
        )

    def draw(self, column: str, timeline: RegimeTimeline, n_paths: int | None = None) -> Array | None:
        """Simple returns (n_paths, days, 1 + sectors), market first; None if the column cannot draw this script."""
        try:
            return self.material.sample(column, timeline, n_paths or self.n_paths, STREAM)
        except InputError as error:
            note = f"{column} is left out of some experiments: {error}"
            if note not in self.notes:
                self.notes.append(note)
            return None

    def gather(
        self, measure: Callable[[str], Mapping[str, tuple[float, float]] | None]
    ) -> dict[str, dict[str, tuple[float, float]]]:
        """``measure(column) -> {name: (value, error)}`` of all columns, turned to name -> column -> value."""
        out: dict[str, dict[str, tuple[float, float]]] = {}
        for column in self.columns:
            for name, value in (measure(column) or {}).items():
                out.setdefault(name, {})[column] = value
        return out


@dataclass(frozen=True, eq=False)
class Levels:
    """Log volatilities with their leave-outs.

    Attributes
    ----------
    value : (...)
    left_out : (groups, ...)
        The same without each group of paths.
    """

    value: Array
    left_out: Array

    @classmethod
    def of(cls, returns: Array, days: Sequence[slice | NDArray[Any]], assets: Sequence[int] = (0,)) -> Levels:
        """Log volatility of each stretch of days and asset.

        Parameters
        ----------
        returns : (paths, days, 1 + sectors)
        days : sequence of D slices or index arrays
        assets : sequence of A positions, 0 the market

        Returns
        -------
        Levels
            ``value`` (D, A).
        """
        square = returns[:, :, list(assets)] ** 2
        per_path = np.stack([square[:, d].mean(1) for d in days], axis=1)  # (paths, D, A)
        group, n_groups = jackknife_groups(np.arange(len(returns)))
        totals = np.stack([per_path[group == g].sum(0) for g in range(n_groups)])
        counts = np.bincount(group, minlength=n_groups).reshape(-1, *([1] * (per_path.ndim - 1)))
        rest = (totals.sum(0) - totals) / np.maximum(counts.sum() - counts, 1)
        return cls(_log_volatility(per_path.mean(0)), _log_volatility(rest))

    def __sub__(self, other: Levels) -> Levels:
        return Levels(self.value - other.value, self.left_out - other.left_out)

    def __getitem__(self, key: Any) -> Levels:
        rows = key if isinstance(key, tuple) else (key,)
        return Levels(np.asarray(self.value[rows]), np.asarray(self.left_out[(slice(None), *rows)]))

    def map(self, function: Callable[[Array], Any]) -> tuple[float, float]:
        """A number of the levels and its standard error; no error from a single path."""
        value = float(function(self.value))
        if len(self.left_out) < 2:
            return value, float("nan")
        left = np.array([[function(x)] for x in self.left_out], dtype=np.float64)
        return value, float(jackknife_spread(left)[0])

    def number(self) -> tuple[float, float]:
        """The single level and its standard error."""
        return self.map(lambda x: x.reshape(-1)[0])


def _log_volatility(mean_square: Array) -> Array:
    return np.log(np.sqrt(np.maximum(DAYS_A_YEAR * mean_square, 1e-24)))


def average(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean of numbers that come from the same paths: the errors are averaged, as if they moved together."""
    array = np.array(values, dtype=np.float64)
    return float(array[:, 0].mean()), float(array[:, 1].mean())
