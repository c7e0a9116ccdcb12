# SPDX-License-Identifier: Apache-2.0
r"""`Portfolio`: weights of sectors and cash, how often they are restored, and the file they come from.

Weights are decimal shares of the starting capital; what is missing from a sum of 1 lies in cash that earns
nothing, what exceeds it is borrowed at no cost. A row named ``cash`` states that share, and must then agree.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError

Rebalance = Literal["daily", "monthly", "none"]
EVERY: dict[str, int | None] = {"daily": 1, "monthly": 21, "none": None}
"""Trading days between two restorations of the weights."""
CASH = "cash"
MOST_GROSS = 100.0
_CASH_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Weights of some sectors, the rest in cash.

    Parameters
    ----------
    weights : mapping or Series of sector to weight
        Decimal; negative is short. May hold ``cash``: then all weights must add up to 1.
    rebalance : {"daily", "monthly", "none"}
        Daily: weights are restored at every close. Monthly: every 21 trading days. None: bought and held.
    name : str
        What reports call it.

    Attributes
    ----------
    weights : Series
        Without cash, zero weights included.
    cash : float
        1 minus their sum; negative is borrowed.

    Raises
    ------
    InputError
        If a weight is missing or infinite, nothing is invested, or a name stands twice.
    """

    weights: pd.Series
    rebalance: Rebalance = "daily"
    name: str = "portfolio"

    def __post_init__(self) -> None:
        if self.rebalance not in get_args(Rebalance):
            raise InputError(
                f"rebalance={self.rebalance!r} is unknown: pass one of {', '.join(get_args(Rebalance))}"
            )
        table = _series(self.weights, self.name)
        stated = float(table[CASH]) if CASH in table else None
        table = table.drop(CASH, errors="ignore")
        gross = float(table.abs().sum())
        if not gross > 0:
            raise InputError(f"{self.name}: every weight is zero: invest in at least one sector")
        if gross > MOST_GROSS:
            raise InputError(
                f"{self.name}: the weights' absolute values add up to {gross:g}: they are shares of the "
                "capital (0.25 is 25 percent), not percent or amounts"
            )
        cash = 1.0 - float(table.sum())
        if stated is not None and abs(stated - cash) > _CASH_TOLERANCE:
            raise InputError(
                f"{self.name}: cash is {stated:g} but the sectors' weights leave {cash:g} of 1: correct one "
                "of them, or drop the row 'cash'"
            )
        object.__setattr__(self, "weights", table)

    @property
    def cash(self) -> float:
        """Share in cash that earns nothing; negative is borrowed at no cost."""
        return 1.0 - float(self.weights.sum())

    @property
    def gross(self) -> float:
        """Sum of absolute weights: 1 is unlevered."""
        return float(self.weights.abs().sum())

    @property
    def net(self) -> float:
        """Sum of weights."""
        return float(self.weights.sum())

    @property
    def every(self) -> int | None:
        """Trading days between restorations of the weights; None never restores them."""
        return EVERY[self.rebalance]

    def vector(self, sectors: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Weights (S,) in the order of `sectors`; InputError on a name that is none of them."""
        unknown = [str(name) for name in self.weights.index if name not in sectors]
        if unknown:
            from spade_finance.regimes.script_errors import did_you_mean

            hint = did_you_mean(unknown[0], sectors)
            raise InputError(
                f"{self.name}: {unknown[0]!r} is no sector of the model; known are {', '.join(sectors)} "
                f"(and cash){'; ' + hint if hint else ''}"
            )
        return self.weights.reindex(list(sectors), fill_value=0.0).to_numpy(dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """JSON values from which :meth:`from_dict` builds the same portfolio."""
        return {
            "name": self.name,
            "rebalance": self.rebalance,
            "weights": {str(k): float(v) for k, v in self.weights.items()},
            "cash": self.cash,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Portfolio:
        """Inverse of :meth:`to_dict`."""
        return cls(values["weights"], values.get("rebalance", "daily"), values.get("name", "portfolio"))

    def __str__(self) -> str:
        held = {"daily": "rebalanced daily", "monthly": "rebalanced monthly", "none": "bought and held"}
        weights = {str(k): float(v) for k, v in self.weights.items() if v != 0}
        shown = ", ".join(f"{k} {100 * v:.4g} %" for k, v in weights.items())
        if abs(self.cash) > _CASH_TOLERANCE:
            shown += f", cash {100 * self.cash:.4g} %"
        return f"{self.name}: {shown}; {held[self.rebalance]}"

    def __repr__(self) -> str:
        return f"Portfolio({self})"


def equal_weight(sectors: Sequence[str], rebalance: Rebalance = "daily") -> Portfolio:
    """The same share in every sector, fully invested."""
    weights = pd.Series(1.0 / len(sectors), index=list(sectors), dtype=np.float64)
    return Portfolio(weights, rebalance, "equal weight")


def as_portfolios(
    given: Any, sectors: Sequence[str], rebalance: Rebalance = "daily"
) -> tuple[Portfolio, ...]:
    """Portfolios of whatever says so, their names distinct and their sectors known.

    Parameters
    ----------
    given : None, Portfolio, path, mapping, Series, numbers, or a list of Portfolios, paths and mappings
        None is the equal weight; plain numbers are weights in the order of `sectors`.
    """
    if given is None:
        found = [equal_weight(sectors, rebalance)]
    elif isinstance(given, list | tuple) and given and not all(_is_number(g) for g in given):
        found = [_one(g, sectors, rebalance) for g in given]
    else:
        found = [_one(given, sectors, rebalance)]
    seen: dict[str, int] = {}
    for portfolio in found:
        portfolio.vector(sectors)
        seen[portfolio.name] = seen.get(portfolio.name, 0) + 1
    twice = [name for name, count in seen.items() if count > 1]
    if twice:
        raise InputError(
            f"two portfolios are called {twice[0]!r}: give every portfolio a name (file) of its own"
        )
    return tuple(found)


def read_portfolio(path: str | os.PathLike[str], rebalance: Rebalance = "daily") -> Portfolio:
    """Read a weights CSV: columns ``asset,weight``, one row an asset, ``cash`` allowed.

    Raises
    ------
    InputError
        If the file is missing or no such table, an asset stands twice, or a weight is no number; with the
        line at fault.
    """
    file = Path(path)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"portfolio {file} does not exist: check the name and the folder") from None
    except UnicodeDecodeError:
        raise InputError(
            f"portfolio {file}: is not UTF-8 text; save it as CSV with columns asset,weight"
        ) from None
    except OSError as error:
        raise InputError(f"portfolio {file}: cannot be read ({error.strerror or error})") from None
    rows = [(n, row) for n, row in enumerate(csv.reader(io.StringIO(text)), 1) if any(c.strip() for c in row)]
    if not rows or [cell.strip().lower() for cell in rows[0][1]] != ["asset", "weight"]:
        found = ",".join(rows[0][1]) if rows else "nothing"
        raise InputError(f"portfolio {file}: the first line must be 'asset,weight', found {found[:60]!r}")
    weights: dict[str, float] = {}
    for line, row in rows[1:]:
        if len(row) != 2:
            raise InputError(f"portfolio {file} line {line}: has {len(row)} cells; expected asset,weight")
        asset, cell = row[0].strip(), row[1].strip()
        if asset.lower() == CASH:
            asset = CASH
        if not asset:
            raise InputError(f"portfolio {file} line {line}: the asset's name is empty")
        if asset in weights:
            raise InputError(f"portfolio {file} line {line}: {asset!r} stands twice; add its weights up")
        try:
            weights[asset] = float(cell)
        except ValueError:
            hint = " (write 0.25 for 25 %)" if cell.endswith("%") else ""
            raise InputError(
                f"portfolio {file} line {line}: the weight of {asset!r} is {cell!r}, no number{hint}"
            ) from None
        if not math.isfinite(weights[asset]):
            raise InputError(
                f"portfolio {file} line {line}: the weight of {asset!r} is {cell}; give a number"
            )
    if not weights:
        raise InputError(f"portfolio {file}: has a header but no rows")
    return Portfolio(pd.Series(weights, dtype=np.float64), rebalance, file.stem)


def _one(given: Any, sectors: Sequence[str], rebalance: Rebalance) -> Portfolio:
    if isinstance(given, Portfolio):
        return given
    if isinstance(given, str | os.PathLike):
        return read_portfolio(given, rebalance)
    if isinstance(given, Mapping | pd.Series):
        return Portfolio(pd.Series(dict(given), dtype=object), rebalance)
    values = np.asarray(given, dtype=np.float64)
    if values.shape != (len(sectors),):
        raise InputError(
            f"weights has shape {values.shape}: pass a mapping of sector to weight, or {len(sectors)} numbers in "
            f"the order {', '.join(sectors)}"
        )
    return Portfolio(pd.Series(values, index=list(sectors)), rebalance)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _series(weights: Any, name: str) -> pd.Series:
    table = weights if isinstance(weights, pd.Series) else pd.Series(dict(weights), dtype=object)
    if table.empty:
        raise InputError(f"{name}: holds no weight: invest in at least one sector")
    index = [str(key) for key in table.index]
    twice = [key for key in index if index.count(key) > 1]
    if twice:
        raise InputError(f"{name}: {twice[0]!r} stands twice; add its weights up")
    numbers = pd.to_numeric(pd.Series(table.to_numpy(dtype=object), index=index), errors="coerce").astype(
        np.float64
    )
    bad = numbers.index[~np.isfinite(numbers)]
    if len(bad):
        raise InputError(
            f"{name}: the weight of {bad[0]!r} is {table.iloc[index.index(bad[0])]}; give a finite number"
        )
    return numbers
