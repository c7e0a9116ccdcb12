# SPDX-License-Identifier: Apache-2.0
"""`History`: what regimes past days were in, for replaying dates and for starting from now."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.timeline import RegimeTimeline, check_names

__all__ = ["History", "spell_ages"]


def spell_ages(probabilities: ArrayLike) -> NDArray[np.int64]:
    """Days that the present spell has lasted, for each regime it may be of.

    Parameters
    ----------
    probabilities : (D, K) float
        Filtered probabilities of the regimes by day, the last row being now.

    Returns
    -------
    (K,) int, 1 on the first day of a spell
        Expected age by the recursion ``age_t(k) = 1 + age_{t-1}(k) min(1, p_{t-1}(k) / p_t(k))``: of today's
        probability of k as much as possible is continued from yesterday's. For labels that are certain it is
        the length of the run that ends today. Regimes of probability zero have age 1.
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all() or (rows < 0).any():
        raise InputError(
            f"probabilities has shape {rows.shape}; expected (days, regimes) of non-negative numbers"
        )
    age = np.ones(rows.shape[1])
    for before, today in itertools.pairwise(rows):
        kept = np.minimum(1.0, np.divide(before, today, out=np.zeros_like(today), where=today > 0))
        age = 1.0 + age * kept
    return np.maximum(1, np.rint(age)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class History:
    """Labelled past days.

    Attributes
    ----------
    regimes : K names, calm to worst
    dates : DatetimeIndex, (D,) increasing trading days
    codes : (D,) int, position of each day's regime; -1 where a day has no label (a labeller's first days)
    severity : (D,) float, the severity of the day's episode; 1 where unlabelled; default all 1
    probabilities : (D, K) float or None, filtered probabilities, for ``now``; NaN rows where there are none
    sector_codes : DataFrame (D, sectors) of int or None, sectors' own codes, -1 for with the market
    sector_severity : DataFrame (D, sectors) of float or None, default 1
    """

    regimes: tuple[str, ...]
    dates: pd.DatetimeIndex
    codes: NDArray[np.int8]
    severity: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    probabilities: NDArray[np.float64] | None = None
    sector_codes: pd.DataFrame | None = None
    sector_severity: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        regimes, _ = check_names(self.regimes)
        dates = pd.DatetimeIndex(self.dates)
        if not len(dates):
            raise InputError("the history is empty; give at least one labelled day")
        if dates.tz is not None:
            raise InputError("the history's dates carry a time zone; drop it with index.tz_localize(None)")
        if dates.hasnans or not dates.is_monotonic_increasing or not dates.is_unique:
            raise InputError(
                "the history's dates must be increasing and unique; sort them and drop duplicates"
            )
        n_days = len(dates)
        codes = np.array(self.codes)
        if codes.shape != (n_days,) or not np.issubdtype(codes.dtype, np.integer):
            raise InputError(f"codes must be {n_days} whole numbers, one a date; got shape {codes.shape}")
        if codes.min() < -1 or codes.max() >= len(regimes):
            raise InputError(f"codes must lie in -1 (no label) to {len(regimes) - 1}")
        severity = np.ones(n_days) if self.severity is None else np.array(self.severity, dtype=np.float64)
        severity = np.where(codes < 0, 1.0, severity) if severity.shape == (n_days,) else severity
        if severity.shape != (n_days,) or not ((severity > 0) & np.isfinite(severity)).all():
            raise InputError(f"severity must be {n_days} positive numbers, one a labelled date")
        probabilities = None if self.probabilities is None else np.array(self.probabilities, dtype=np.float64)
        if probabilities is not None and probabilities.shape != (n_days, len(regimes)):
            raise InputError(
                f"probabilities has shape {probabilities.shape}; expected ({n_days}, {len(regimes)})"
            )
        for name in ("sector_codes", "sector_severity"):
            frame = getattr(self, name)
            if frame is not None and not frame.index.equals(dates):
                raise InputError(f"{name} must have the history's dates as its index")
        if self.sector_severity is not None and self.sector_codes is None:
            raise InputError("sector_severity is given without sector_codes; give both")
        for name, value in (("regimes", regimes), ("dates", dates), ("codes", codes.astype(np.int8))):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "severity", severity)
        object.__setattr__(self, "probabilities", probabilities)

    @classmethod
    def from_labels(
        cls,
        labels: Any,
        *,
        severity: pd.Series[float] | None = None,
        filtered: Any | None = None,
        sector_severity: pd.DataFrame | None = None,
    ) -> History:
        """A history from a labeller's output.

        Parameters
        ----------
        labels : RegimeLabels
            What ``smooth`` gives: ``regimes``, ``labels`` (names by date), and optionally ``probabilities``
            and ``sector_labels`` (names by date and sector).
        severity : Series by date, optional
            As the severity room computes it; default 1 throughout.
        filtered : RegimeLabels, optional
            What ``filter`` gives, for ``now``; default the probabilities of `labels` themselves, which on the
            last day know nothing of the future either.
        sector_severity : DataFrame by date and sector, optional
        """
        regimes = tuple(labels.regimes)
        names = pd.Series(labels.labels)
        dates = pd.DatetimeIndex(names.index)
        source = labels if filtered is None else filtered
        probabilities = getattr(source, "probabilities", None)
        if probabilities is not None:
            probabilities = probabilities.reindex(index=dates, columns=list(regimes)).to_numpy(
                dtype=np.float64
            )
        own = getattr(labels, "sector_labels", None)
        if own is not None:
            own = own.reindex(dates).apply(lambda column: _codes(column, regimes))
        if sector_severity is not None:
            sector_severity = sector_severity.reindex(dates).fillna(1.0)
        levels = None if severity is None else severity.reindex(dates).to_numpy(dtype=np.float64)
        codes = _codes(names, regimes).to_numpy()
        return cls(regimes, dates, codes, levels, probabilities, own, sector_severity)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def span(self) -> str:
        """First and last date, ``1990-01-02..2022-12-28``."""
        return f"{self.dates[0]:%Y-%m-%d}..{self.dates[-1]:%Y-%m-%d}"

    def rows(self, start: date, end: date) -> slice:
        """Rows of the trading days from `start` to `end`, both included.

        Raises
        ------
        InputError
            When the range reaches outside the history, or holds no (labelled) trading day.
        """
        first, last = self.dates[0].date(), self.dates[-1].date()
        if start < first or end > last:
            raise InputError(f"the history covers {self.span} only; expected dates within it")
        days = self.dates.normalize()
        lo = int(days.searchsorted(pd.Timestamp(start), side="left"))
        hi = int(days.searchsorted(pd.Timestamp(end), side="right"))
        if lo == hi:
            raise InputError("no trading day of the history lies in these dates; expected a longer range")
        unlabelled = np.flatnonzero(self.codes[lo:hi] < 0)
        if unlabelled.size:
            labelled = self.dates[self.codes >= 0]
            since = f", the first one that has is {labelled[0]:%Y-%m-%d}" if len(labelled) else ""
            raise InputError(f"the history has no label on {self.dates[lo + unlabelled[0]]:%Y-%m-%d}{since}")
        return slice(lo, hi)

    def timeline(self, rows: slice, sectors: Sequence[str] = ()) -> RegimeTimeline:
        """Labels and severities of these rows; sectors' own labels where the history carries them."""
        own: Any = {} if self.sector_codes is None else self.sector_codes.iloc[rows]
        levels: Any = {} if self.sector_severity is None else self.sector_severity.iloc[rows]
        known = [name for name in sectors if name in own]
        codes = {name: np.asarray(own[name]) for name in known}
        return RegimeTimeline.from_codes(
            self.codes[rows],
            self.regimes,
            sectors,
            severity=self.severity[rows],
            sector_codes=codes,
            sector_severity={
                name: np.where(codes[name] < 0, 1.0, levels[name]) for name in known if name in levels
            },
        )

    def now(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Filtered probabilities (K,) at the end of the history, and the present spell's ages (K,) in days.

        Without probabilities the labels are taken as certain.
        """
        if self.probabilities is None:
            rows = np.eye(len(self.regimes))[self.codes[self.codes >= 0]]
        else:
            rows = self.probabilities[~np.isnan(self.probabilities).any(axis=1)]
        if not len(rows) or rows[-1].sum() <= 0:
            raise InputError(
                "the history's last day has no label, so 'now' has nowhere to start; give a longer history"
            )
        return rows[-1] / rows[-1].sum(), spell_ages(rows)

    def __repr__(self) -> str:
        return f"History({len(self)} days {self.span}, regimes {', '.join(self.regimes)})"


def _codes(names: pd.Series[Any], regimes: Sequence[str]) -> pd.Series[Any]:
    """Codes of regime names, -1 for blank."""
    place = {name: k for k, name in enumerate(regimes)}
    blank = names.isna() | (names == "")
    codes = names.map(place)
    unknown = names[codes.isna() & ~blank]
    if len(unknown):
        raise InputError(f"label {unknown.iloc[0]!r} is none of the regimes {', '.join(regimes)}")
    return codes.fillna(-1).astype(np.int8)
