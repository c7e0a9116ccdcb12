# SPDX-License-Identifier: Apache-2.0
"""``timeline.csv``: a timeline as a table that people can write in a spreadsheet.

Columns
-------
``step``
    0, 1, 2, ...
``regime``, or ``p_<regime>`` for every regime
    Hard labels, or soft ones whose rows sum to 1. With both, the regime must be (one of) the heaviest.
``severity``
    Optional, default 1; blank is 1.
``sector:<name>``
    Optional, the sector's own regime; blank is with the market.
``sector_p_<regime>:<name>`` for every regime
    The same, soft; blank or all zero is with the market.
``sector_severity:<name>``
    Optional, default 1; blank is 1.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.io.atomic import atomic_path
from spade_finance.regimes.script_errors import did_you_mean
from spade_finance.regimes.timeline import MAX_DAYS, RegimeTimeline, check_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["from_frame", "load", "save", "to_frame"]

_SUM_SLACK = 1e-3  # rows of probabilities rounded to three or more digits still sum to 1 within this


def to_frame(timeline: RegimeTimeline) -> pd.DataFrame:
    """The table of a timeline; soft labels as ``p_`` columns, sectors only where one leaves the market."""
    regimes = np.array(timeline.regimes, dtype=object)
    columns: dict[str, object] = {"step": np.arange(timeline.n_days, dtype=np.int32)}
    if np.isin(timeline.weights, (0, 1)).all():
        columns["regime"] = regimes[timeline.codes]
    else:
        columns |= {f"p_{name}": timeline.weights[:, k] for k, name in enumerate(timeline.regimes)}
    columns["severity"] = timeline.severity
    for s, sector in enumerate(timeline.sectors):
        own = timeline.sector_weights[s]
        if not own.any():
            continue
        if np.isin(own, (0, 1)).all():
            columns[f"sector:{sector}"] = np.where(own.any(axis=1), regimes[own.argmax(axis=1)], "")
        else:
            columns |= {f"sector_p_{name}:{sector}": own[:, k] for k, name in enumerate(timeline.regimes)}
        if (timeline.sector_severity[s] != 1).any():
            columns[f"sector_severity:{sector}"] = timeline.sector_severity[s]
    return pd.DataFrame(columns)


def save(timeline: RegimeTimeline, path: str | os.PathLike[str]) -> None:
    """Write the table as CSV, whole or not at all; numbers read back exactly."""
    try:
        with atomic_path(path) as part:
            to_frame(timeline).to_csv(part, index=False, lineterminator="\n")
    except OSError as error:
        raise InputError(
            f"cannot write {os.fspath(path)!r}: {error.strerror}; choose another path"
        ) from error


def load(path: str | os.PathLike[str], regimes: Sequence[str], sectors: Sequence[str] = ()) -> RegimeTimeline:
    """Read a ``timeline.csv``.

    Raises
    ------
    InputError
        When the file cannot be read, or with the row and column at fault.
    """
    shown = repr(os.fspath(path))
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream, strict=True) if row]
    except OSError as error:
        raise InputError(f"cannot read the timeline file {shown}: {error.strerror}") from error
    except (
        ValueError,
        csv.Error,
    ) as error:  # not text, a null byte in the name or the file, an unclosed quote
        raise InputError(f"cannot read the timeline file {shown}: not a CSV text ({error})") from error
    if not rows:
        raise InputError(f"the timeline file {shown} is empty; it needs columns step and regime")
    header = rows[0]
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(
                f"{shown} row {number} has {len(row)} fields, the header {len(header)}; make them equal"
            )
    frame = pd.DataFrame(rows[1:], columns=pd.Index(header, dtype=object), dtype=object)
    return from_frame(frame, regimes, sectors, source=os.fspath(path))


def from_frame(
    frame: pd.DataFrame, regimes: Sequence[str], sectors: Sequence[str] = (), *, source: str = "timeline"
) -> RegimeTimeline:
    """A timeline from its table (columns as at the top of this module).

    Probabilities that sum to 1 only up to rounding (1e-3) are rescaled. `source` names the table in errors.
    """
    regimes, sectors = check_names(regimes, sectors)
    table = _Table(frame, source)
    table.check_columns(regimes, sectors)
    table.check_steps()
    p_columns = [f"p_{name}" for name in regimes]
    soft = any(name in table for name in p_columns)
    weights = table.soft(p_columns) if soft else table.hard("regime", regimes, blank_allowed=False)
    if soft:
        table.need_rows(weights)
        if "regime" in table:
            table.check_heaviest(weights, table.hard("regime", regimes, blank_allowed=False))
    own = np.zeros((len(sectors), *weights.shape))
    own_severity = np.ones((len(sectors), len(weights)))
    for s, sector in enumerate(sectors):
        p_columns = [f"sector_p_{name}:{sector}" for name in regimes]
        if any(name in table for name in p_columns):
            own[s] = table.soft(p_columns)
            if f"sector:{sector}" in table:
                raise InputError(f"{source} has soft and hard labels of sector {sector!r}; keep one of them")
        elif f"sector:{sector}" in table:
            own[s] = table.hard(f"sector:{sector}", regimes, blank_allowed=True)
        own_severity[s] = table.severity(f"sector_severity:{sector}", own[s].any(axis=1))
    severity = table.severity("severity", np.ones(len(weights), dtype=bool))
    return RegimeTimeline(regimes, weights, severity, sectors, own, own_severity)


class _Table:
    """Cells of a frame with errors that name row and column."""

    def __init__(self, frame: pd.DataFrame, source: str) -> None:
        self.frame, self.source = frame, source

    def __contains__(self, column: str) -> bool:
        return column in self.frame.columns

    def at(self, row: int, column: str) -> str:
        return f"{self.source} step {row} column {column!r}"

    def check_columns(self, regimes: tuple[str, ...], sectors: tuple[str, ...]) -> None:
        columns = [str(name) for name in self.frame.columns]
        p_columns = [f"p_{name}" for name in regimes]
        kinds = ("sector", "sector_severity", *(f"sector_p_{name}" for name in regimes))
        known = [
            "step",
            "regime",
            "severity",
            *p_columns,
            *(f"{kind}:{s}" for kind in kinds for s in sectors),
        ]
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise InputError(f"{self.source} has the column {twice!r} twice; keep one")
        for name in columns:
            if name not in known:
                hint = did_you_mean(name, known)
                raise InputError(
                    f"{self.source} has an unknown column {name!r}; expected step, regime or "
                    f"{', '.join(p_columns)}, severity, sector:NAME, NAME one of "
                    f"{', '.join(sectors) or 'none'}" + (hint and f"; {hint}")
                )
        groups = [p_columns, *([f"sector_p_{name}:{s}" for name in regimes] for s in sectors)]
        for group in groups:
            missing = [name for name in group if name not in columns]
            if missing and len(missing) < len(group):
                raise InputError(
                    f"{self.source} lacks the column {missing[0]!r}; soft labels need every regime's"
                )
        if "step" not in columns or not ("regime" in columns or p_columns[0] in columns):
            lacking = "step" if "step" not in columns else "regime"
            raise InputError(
                f"{self.source} lacks the column {lacking!r}; expected step, and regime or "
                f"{', '.join(p_columns)}"
            )

    def check_steps(self) -> None:
        if not 1 <= len(self.frame) <= MAX_DAYS:
            raise InputError(f"{self.source} has {len(self.frame)} rows; give 1 to {MAX_DAYS} days")
        steps = self.numbers("step", default=np.nan)
        wrong = np.flatnonzero(steps != np.arange(len(steps)))
        if wrong.size:
            row = int(wrong[0])
            value = self.frame["step"].iloc[row]
            raise InputError(
                f"{self.source} row {row} has step {value!r}; steps count 0, 1, 2, ... without gaps"
            )

    def numbers(self, column: str, default: float) -> NDArray[np.float64]:
        values = np.empty(len(self.frame))
        for row, cell in enumerate(self.frame[column]):
            try:
                values[row] = default if _blank(cell) else float(cell)
            except (TypeError, ValueError):
                raise InputError(f"{self.at(row, column)} holds {cell!r}; expected a number") from None
        return values

    def hard(self, column: str, regimes: tuple[str, ...], *, blank_allowed: bool) -> NDArray[np.float64]:
        weights = np.zeros((len(self.frame), len(regimes)))
        for row, cell in enumerate(self.frame[column]):
            name = "" if _blank(cell) else str(cell).strip()
            if name in regimes:
                weights[row, regimes.index(name)] = 1.0
            elif name or not blank_allowed:
                hint = did_you_mean(name, regimes)
                raise InputError(
                    f"{self.at(row, column)} holds {name!r}; known regimes: {', '.join(regimes)}"
                    + (", or blank for with the market" if blank_allowed else "")
                    + (hint and f"; {hint}")
                )
        return weights

    def soft(self, columns: list[str]) -> NDArray[np.float64]:
        weights = np.stack([self.numbers(column, default=0.0) for column in columns], axis=1)
        wrong = np.argwhere(~((weights >= 0) & (weights <= 1)))
        if wrong.size:
            row, k = wrong[0]
            raise InputError(f"{self.at(row, columns[k])} holds {weights[row, k]:g}; expected 0 to 1")
        total = weights.sum(axis=1)
        bad = np.flatnonzero((np.abs(total - 1) > _SUM_SLACK) & (total != 0))
        if bad.size:
            names = f"{columns[0]} ... {columns[-1]}"
            raise InputError(f"{self.source} step {bad[0]}: {names} sum to {total[bad[0]]:.6g}; expected 1")
        rounded = np.abs(total - 1) > 1e-12
        scale = np.where(rounded & (total > 0), total, 1.0)
        return weights / scale[:, None]

    def need_rows(self, weights: NDArray[np.float64]) -> None:
        blank = np.flatnonzero(~weights.any(axis=1))
        if blank.size:
            raise InputError(f"{self.source} step {blank[0]}: the probabilities sum to 0; expected 1")

    def check_heaviest(self, weights: NDArray[np.float64], named: NDArray[np.float64]) -> None:
        lighter = np.flatnonzero((weights * named).sum(axis=1) < weights.max(axis=1))
        if lighter.size:
            raise InputError(
                f"{self.at(int(lighter[0]), 'regime')} is not the heaviest of the p_ columns; correct it"
            )

    def severity(self, column: str, labelled: NDArray[np.bool_]) -> NDArray[np.float64]:
        if column not in self:
            return np.ones(len(self.frame))
        values = self.numbers(column, default=1.0)
        wrong = np.flatnonzero(~((values > 0) & np.isfinite(values)))
        if wrong.size:
            row = int(wrong[0])
            raise InputError(
                f"{self.at(row, column)} holds {values[row]:g}; expected a positive number, 1 is typical"
            )
        stray = np.flatnonzero(~labelled & (values != 1))
        if stray.size:
            row = int(stray[0])
            raise InputError(
                f"{self.at(row, column)} holds {values[row]:g}, but the sector is with the market then"
            )
        return values


def _blank(cell: object) -> bool:
    return (
        cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)) or not str(cell).strip()
    )
