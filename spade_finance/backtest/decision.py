# SPDX-License-Identifier: Apache-2.0
"""One decision of a strategy, checked: what is wrong is said in a line that names the day and the path."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.backtest.strategies.base import BadWeights, PathFailure
from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.backtest.strategies.base import Known, Strategy, Values

__all__ = ["StrategyError", "decide"]


class StrategyError(InputError):
    """A strategy failed or returned weights that cannot be held; names it, the day and the path."""


def decide(
    strategy: Strategy,
    known: Known,
    *,
    paths: NDArray[np.int64],
    date: pd.Timestamp | None = None,
    max_gross: float,
) -> Values:
    """Target weights (n, S) of a strategy.

    Raises
    ------
    StrategyError
        If the strategy raises, or its weights have another shape, hold something that is no number, or their
        absolute values sum to more than `max_gross`.
    """
    n, assets = known.past.shape[0], len(known.sectors)

    def fail(what: str, row: int | None, error: BaseException | None = None) -> NoReturn:
        when = f"day {known.step}" + ("" if date is None else f" ({date:%Y-%m-%d})")
        where = f"path {paths[row]}" if row is not None else _range(paths)
        raise StrategyError(f"strategy {strategy.name!r} on {when}, {where}: {what}") from error

    try:
        returned = strategy.weights(known)
    except PathFailure as error:
        fail(_said(error.cause), error.row, error.cause)
    except (Exception, SystemExit) as error:
        fail(_said(error), _culprit(strategy, known), error)
    try:
        weights = np.asarray(returned, dtype=np.float64)
    except (TypeError, ValueError) as error:
        fail(f"it returned {type(returned).__name__}, which is no array of numbers", None, error)
    if weights.shape != (n, assets):
        fail(
            f"it returned weights of shape {weights.shape}; needed is one weight for each of {assets} assets: "
            f"{(n, assets)} for {n} paths",
            None,
        )
    if not np.isfinite(weights).all():
        row, asset = (int(i) for i in np.argwhere(~np.isfinite(weights))[0])
        fail(
            f"the weight of {known.sectors[asset]} is {weights[row, asset]}; a weight is a finite decimal "
            "(0 for none)",
            row,
        )
    gross = np.abs(weights).sum(axis=1)
    if (gross > max_gross).any():
        row = int(np.argmax(gross > max_gross))
        fail(
            f"weights add up to {gross[row]:.4g} times wealth (long plus short), more than max_gross={max_gross:g}",
            row,
        )
    return weights


def _said(error: BaseException) -> str:
    """An exception as one line that also explains the two that mean an attempt on the data."""
    text = " ".join(str(error).split())
    text = text if len(text) <= 300 else text[:297] + "..."
    if isinstance(error, BadWeights):
        return text
    said = f"it raised {type(error).__name__}" + (f": {text}" if text else "")
    if isinstance(error, ValueError) and "read-only" in text:
        return f"{said} (past returns may be read, not written: work on past.copy())"
    if isinstance(error, IndexError) or (isinstance(error, KeyError) and "out of bounds" in text):
        return f"{said} (it sees the days so far and none after)"
    return said


def _culprit(strategy: Strategy, known: Known) -> int | None:
    """The first path on which a strategy fails alone, or None if it fails only on all together."""
    for row in range(known.past.shape[0]):
        codes = None if known.codes is None else known.codes[row : row + 1]
        try:
            strategy.weights(replace(known, past=known.past[row : row + 1], codes=codes))
        except (Exception, SystemExit):
            return row
    return None


def _range(paths: NDArray[np.int64]) -> str:
    return f"path {paths[0]}" if len(paths) == 1 else f"paths {paths[0]} to {paths[-1]}"
