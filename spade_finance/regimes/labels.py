# SPDX-License-Identifier: Apache-2.0
"""`RegimeLabels`: a regime and probabilities for every day, and their file.

The file is CSV: ``date,regime,p_<regime>...`` and, where sectors have labels of their own, ``sector:<name>``
columns. The order of the ``p_`` columns is the order of the regimes, calm to worst.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.io.atomic import atomic_path
from spade_finance.regimes.label_checks import checked_table, dates_of, known_order, probability_fault
from spade_finance.regimes.timeline_checks import check_names

__all__ = ["RegimeLabels"]


@dataclass(frozen=True, eq=False)
class RegimeLabels:
    """Labels of consecutive trading days.

    Attributes
    ----------
    regimes : tuple of K names, calm to worst
    labels : Series of str (T,), index ``date``
        The regime of each day.
    probabilities : DataFrame (T, K), columns `regimes`
        Rows sum to 1. The likeliest regime need not be the label: labels obey jump penalties and minimum
        durations.
    causal : bool
        Whether a day's row uses that day and earlier ones only.
    sector_labels : DataFrame of str (T, S) or None
        Regime of each sector by its own returns.

    Raises
    ------
    InputError
        Names, dates, labels or probabilities that contradict each other.
    """

    regimes: tuple[str, ...]
    labels: pd.Series
    probabilities: pd.DataFrame
    causal: bool = False
    sector_labels: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        regimes, _ = check_names(self.regimes)
        dates = dates_of(self.labels.index, "labels")
        labels = pd.Series(self.labels.to_numpy(dtype=object), index=dates, name="regime", dtype=object)
        _check_known(labels, regimes, "labels")
        table = self.probabilities
        if tuple(map(str, table.columns)) != regimes or len(table) != len(dates):
            raise InputError(
                f"probabilities has shape {table.shape} and columns {list(map(str, table.columns))}: "
                f"expected {len(dates)} rows and the columns {list(regimes)}"
            )
        numbers = table.to_numpy(dtype=np.float64)
        fault = probability_fault(numbers, dates)
        if fault:
            raise InputError(f"probabilities: {fault}")
        own = self.sector_labels
        if own is not None:
            if len(own) != len(dates) or not dates_of(own.index, "sector_labels").equals(dates):
                raise InputError("sector_labels must have the dates of labels; reindex it")
            own = pd.DataFrame(
                own.to_numpy(dtype=object), index=dates, columns=[str(c) for c in own.columns], dtype=object
            )
            for name in own.columns:
                _check_known(own[name], regimes, f"sector_labels[{name!r}]")
        object.__setattr__(self, "regimes", regimes)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "probabilities", pd.DataFrame(numbers, index=dates, columns=list(regimes)))
        object.__setattr__(self, "sector_labels", own)

    @classmethod
    def from_codes(
        cls,
        codes: NDArray[Any],
        regimes: tuple[str, ...],
        dates: pd.DatetimeIndex,
        *,
        probabilities: NDArray[np.float64] | None = None,
        causal: bool = False,
    ) -> Self:
        """Labels from integer codes (T,) into `regimes`; probabilities (T, K), else certain."""
        codes = np.asarray(codes, dtype=np.int64)
        if probabilities is None:
            probabilities = np.eye(len(regimes))[codes]
        names = np.array(regimes, dtype=object)
        return cls(
            regimes=regimes,
            labels=pd.Series(names[codes], index=dates, dtype=object),
            probabilities=pd.DataFrame(probabilities, index=dates, columns=list(regimes)),
            causal=causal,
        )

    @property
    def dates(self) -> pd.DatetimeIndex:
        """Dates (T,)."""
        return pd.DatetimeIndex(self.labels.index)

    @property
    def codes(self) -> NDArray[np.int64]:
        """Position of each day's label in `regimes`, (T,) int."""
        return self._codes(self.labels)

    @property
    def sector_codes(self) -> pd.DataFrame | None:
        """Positions of the sectors' labels in `regimes`, (T, S) int; None where sectors have no labels."""
        own = self.sector_labels
        if own is None:
            return None
        return pd.DataFrame({name: self._codes(own[name]) for name in own.columns}, index=own.index)

    def _codes(self, names: pd.Series) -> NDArray[np.int64]:
        position = {name: k for k, name in enumerate(self.regimes)}
        return np.array([position[name] for name in names], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RegimeLabels):
            return NotImplemented
        same_sectors = (self.sector_labels is None) == (other.sector_labels is None)
        if same_sectors and self.sector_labels is not None and other.sector_labels is not None:
            same_sectors = self.sector_labels.equals(other.sector_labels)
        return (
            self.regimes == other.regimes
            and self.causal == other.causal
            and same_sectors
            and self.labels.equals(other.labels)
            and self.probabilities.equals(other.probabilities)
        )

    def __repr__(self) -> str:
        from spade_finance.regimes.spells import runs

        codes = self.codes
        share = ", ".join(f"{name} {np.mean(codes == k):.0%}" for k, name in enumerate(self.regimes))
        kind = "causal" if self.causal else "smoothed"
        extra = "" if self.sector_labels is None else f", {self.sector_labels.shape[1]} sectors"
        return (
            f"RegimeLabels({kind}, {len(self)} days {self.dates[0]:%Y-%m-%d} to {self.dates[-1]:%Y-%m-%d}, "
            f"{len(runs(codes)[0])} spells: {share}{extra})"
        )

    def with_sectors(self, sector_labels: pd.DataFrame) -> RegimeLabels:
        """The same labels with the sectors' own beside them."""
        return RegimeLabels(self.regimes, self.labels, self.probabilities, self.causal, sector_labels)

    def align(self, returns: pd.DataFrame) -> RegimeLabels:
        """The rows for the dates of `returns`, in order.

        Raises
        ------
        InputError
            If a date of `returns` has no label, or a labelled sector is no column of `returns`.
        """
        wanted = dates_of(returns.index, "returns")
        missing = wanted.difference(self.dates)
        if len(missing):
            shown = ", ".join(f"{day:%Y-%m-%d}" for day in missing[:3])
            raise InputError(
                f"labels: {len(missing)} of the {len(wanted)} return dates have no label (first {shown}; "
                f"labels run {self.dates[0]:%Y-%m-%d} to {self.dates[-1]:%Y-%m-%d}); label the whole span or "
                "cut the returns"
            )
        own = self.sector_labels
        if own is not None:
            columns = [str(name) for name in returns.columns]
            unknown = [name for name in own.columns if name not in columns]
            if unknown:
                raise InputError(
                    f"labels: sector {unknown[0]!r} is no column of the returns ({', '.join(columns)}); "
                    "rename or drop that sector: column"
                )
            own = own.loc[wanted]
        return RegimeLabels(
            self.regimes, self.labels.loc[wanted], self.probabilities.loc[wanted], self.causal, own
        )

    def to_frame(self) -> pd.DataFrame:
        """Table as in the file: index ``date``; ``regime``, ``p_<regime>...``, ``sector:<name>...``."""
        frame = pd.concat([self.labels.to_frame(), self.probabilities.add_prefix("p_")], axis=1)
        if self.sector_labels is not None:
            frame = pd.concat([frame, self.sector_labels.add_prefix("sector:")], axis=1)
        return frame

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, causal: bool = False, source: str = "labels") -> Self:
        """Labels from such a table; `causal` is not part of it and must be told.

        Without ``p_`` columns the regimes must be from bull, sideways, bear, crisis or ``r1 .. rN`` (their
        order is known) and every label is certain.

        Raises
        ------
        InputError
            Naming `source`, the column and the date at fault.
        """
        table = checked_table(frame, source)
        regimes = tuple(c[2:] for c in table.columns if c.startswith("p_"))
        if not regimes:
            regimes = known_order(table["regime"], source)
            names = table["regime"].to_numpy(dtype=object)[:, None]
            numbers = (names == np.array(regimes, dtype=object)[None, :]).astype(np.float64)
        else:
            numbers = table[[f"p_{name}" for name in regimes]].to_numpy(dtype=np.float64)
        own = table[[c for c in table.columns if c.startswith("sector:")]]
        own.columns = [c.removeprefix("sector:") for c in own.columns]
        try:
            return cls(
                regimes=regimes,
                labels=table["regime"],
                probabilities=pd.DataFrame(numbers, index=table.index, columns=list(regimes)),
                causal=causal,
                sector_labels=own if own.shape[1] else None,
            )
        except InputError as error:
            raise InputError(f"{source}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the CSV, whole or not at all; numbers keep every digit."""
        frame = self.to_frame()
        frame.index = pd.Index([f"{day:%Y-%m-%d}" for day in self.dates], name="date")
        with atomic_path(path) as part:
            if str(path).endswith(".gz"):
                frame.to_csv(part, compression="gzip", lineterminator="\n")
            else:
                frame.to_csv(part, compression=None, lineterminator="\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, causal: bool = False) -> Self:
        """Read and check such a CSV.

        Raises
        ------
        InputError
            If the file is missing, is no CSV, or its content is at fault.
        """
        try:
            # The header is read as a row: pandas would rename a column that appears twice.
            table = pd.read_csv(path, dtype=str, keep_default_na=False, header=None)
        except FileNotFoundError:
            raise InputError(f"labels file {os.fspath(path)} does not exist; check the path") from None
        except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise InputError(
                f"labels file {os.fspath(path)} cannot be read: {str(error).splitlines()[0]}"
            ) from None
        frame = table.iloc[1:].reset_index(drop=True)
        frame.columns = pd.Index([str(name) for name in table.iloc[0]])
        return cls.from_frame(frame, causal=causal, source=os.fspath(path))


def _check_known(labels: pd.Series, regimes: tuple[str, ...], source: str) -> None:
    known = labels.isin(regimes)
    if not known.all():
        day = labels.index[int(np.argmin(known.to_numpy()))]
        raise InputError(
            f"{source}: {labels.loc[day]!r} on {day:%Y-%m-%d} is no regime; known are {', '.join(regimes)}"
        )
