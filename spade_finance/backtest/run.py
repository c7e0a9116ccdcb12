# SPDX-License-Identifier: Apache-2.0
"""`backtest`: a strategy over scenarios and, as a mark beside them, over the real history."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.backtest.calendar import Rebalance
from spade_finance.backtest.costs import Costs
from spade_finance.backtest.engine import MAX_GROSS, run_batches, run_paths
from spade_finance.backtest.ledger import Ledger
from spade_finance.backtest.record import KEPT_PATHS, PathRecord, RealRun
from spade_finance.backtest.result import BacktestResult
from spade_finance.backtest.strategies import Strategy, as_strategy
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.scenarios import ScenarioSet

__all__ = ["backtest", "run_real"]


def backtest(
    strategy: Any,
    scenarios: ScenarioSet | Iterable[ScenarioSet],
    *,
    cost_bps: float = 5.0,
    slippage_bps: float = 0.0,
    borrow_bps: float = 0.0,
    cash_rate: float = 0.0,
    rebalance: Rebalance = "monthly",
    warm_up: int | None = None,
    execution_lag: int = 1,
    max_gross: float = MAX_GROSS,
    history: pd.DataFrame | None = None,
    real: pd.DataFrame | None = None,
    real_labels: RegimeLabels | None = None,
    training_end: Any = None,
    n_paths: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BacktestResult:
    """Run a strategy over scenarios.

    Parameters
    ----------
    strategy : str, Strategy, callable or skfolio optimiser
        A name (``"momentum"``), ``"module:function"``, ``"my_file.py:function"``, ``f(past_returns) -> weights``; see
        :func:`~spade_finance.backtest.strategies.as_strategy`.
    scenarios : ScenarioSet or iterable of them
        An iterable (``model.sample_batches(...)``) is worked through batch by batch: memory holds the measures of
        all paths and the daily returns of the first 4,096.
    cost_bps, slippage_bps : float
        Basis points of the notional bought or sold.
    borrow_bps : float
        Fee on shares sold short, basis points a year.
    cash_rate : float
        What cash earns a year, decimal; borrowed cash pays it.
    rebalance : str, int or bool array of shape (T,)
        ``"daily"``, ``"weekly"``, ``"monthly"``, ``"quarterly"``, a number of days or a mask. A mask is for the
        scenarios' days: the real history is then rebalanced monthly.
    warm_up : int, optional
        Day of the first decision; default as the strategy needs. Everything is measured from the first invested day
        on: give strategies that are to be compared the same.
    execution_lag : int
        Days from the last known return to the first earned one.
    max_gross : float
        Largest accepted sum of absolute weights.
    history : DataFrame (H, S), optional
        Simple returns before the scenarios' first day, known to the strategy from the start: for scripts that
        continue from ``now``.
    real : DataFrame (D, S), optional
        Simple returns of the real history, on which the same strategy is run as a mark.
    real_labels : RegimeLabels, optional
        Labels of the real days, to report the mark by regime; no strategy sees them.
    training_end : date, optional
        Last day that the model behind the scenarios was trained on, for the report.
    n_paths : int, optional
        Number of paths of an iterable, for `progress`.
    progress : callable, optional
        Called with (paths done, paths in all).

    Returns
    -------
    BacktestResult

    Raises
    ------
    InputError
        Options, returns or columns that cannot be used; a strategy that fails
        (:class:`~spade_finance.backtest.decision.StrategyError` names the day and the path).

    Examples
    --------
    >>> import spade_finance as sf
    >>> scen = sf.ScenarioGenerator.load("default").sample("markov:504", n_paths=100)
    >>> sf.backtest("inverse_volatility", scen, cost_bps=5).n_paths
    100
    """
    chosen = as_strategy(strategy)
    costs = Costs(cost_bps, slippage_bps, borrow_bps, cash_rate)
    options: dict[str, Any] = {
        "costs": costs,
        "warm_up": warm_up,
        "execution_lag": execution_lag,
        "max_gross": max_gross,
    }
    total = scenarios.n_paths if isinstance(scenarios, ScenarioSet) else n_paths or 0
    batches = iter([scenarios] if isinstance(scenarios, ScenarioSet) else scenarios)
    head = next(batches, None)
    if head is None:
        raise InputError("scenarios hold no path: pass a ScenarioSet or batches of them")
    sectors, dates, provenance = head.sectors, head.dates, head.provenance
    past = None if history is None else _ordered(history, sectors, "history").to_numpy(dtype=np.float64)
    stream = itertools.chain([head], batches)
    del head  # a batch may be large: only the stream holds it, until it has passed
    records: list[PathRecord] = []
    ruined = kept = first = 0
    told = None if progress is None else (lambda done: progress(done, max(total, done)))
    for ledger in run_batches(chosen, stream, progress=told, rebalance=rebalance, history=past, **options):
        records.append(_trimmed(_record(ledger), KEPT_PATHS - kept))
        kept += len(records[-1].returns)
        ruined += int((ledger.ruined >= 0).sum())
        first = ledger.first
    real_run = None
    if real is not None:
        every = rebalance if isinstance(rebalance, str | int | np.integer) else "monthly"
        real_run = run_real(chosen, real, sectors, real_labels, rebalance=every, **options)
        real_run = replace(
            real_run, training_end=None if training_end is None else pd.Timestamp(training_end)
        )
    return BacktestResult(
        strategy=chosen.name,
        record=PathRecord.concat(records),
        real=real_run,
        assumptions=_assumptions(chosen, costs, rebalance, first, execution_lag, past),
        provenance=dict(provenance),
        dates=None if dates is None else dates[first:],
        notes=_notes(ruined, first, sum(record.n_paths for record in records)),
    )


def run_real(
    strategy: Strategy,
    real: pd.DataFrame,
    sectors: tuple[str, ...],
    labels: RegimeLabels | None = None,
    **options: Any,
) -> RealRun:
    """Run a strategy over real simple returns (D, S), from its first possible decision on.

    Raises
    ------
    InputError
        If the columns are not exactly `sectors`, or as :func:`~spade_finance.backtest.engine.run_paths`, with
        "real history" before it.
    """
    table = _ordered(real, sectors, "real")
    codes: NDArray[Any] | None = None
    regimes: tuple[str, ...] = ()
    if labels is not None:
        position = pd.Index(labels.labels.index).get_indexer(table.index)
        codes = np.where(position < 0, -1, np.asarray(labels.codes)[position])
        regimes = tuple(labels.regimes)
    try:
        ledger = run_paths(
            strategy,
            table.to_numpy(dtype=np.float64)[None],
            codes=codes,
            regimes=regimes,
            dates=pd.DatetimeIndex(table.index),
            sectors=sectors,
            **options,
        ).invested()
    except InputError as error:
        raise type(error)(f"real history: {error}") from error
    return RealRun(
        returns=pd.Series(ledger.returns[0], index=ledger.dates, name=strategy.name),
        turnover=ledger.turnover[0],
        costs=ledger.costs[0],
        codes=ledger.codes,
        regimes=regimes,
    )


def _record(ledger: Ledger) -> PathRecord:
    """The measures of a ledger from its first invested day on."""
    part = ledger.invested()
    codes = np.zeros(part.n_days, dtype=np.int8) if part.codes is None else part.codes
    return PathRecord.from_returns(part.returns, part.turnover, part.costs, codes, part.regimes)


def _trimmed(record: PathRecord, room: int) -> PathRecord:
    """The record with the daily returns of its first `room` paths: a stream may not keep them all."""
    rows = max(room, 0)
    codes = record.codes if record.codes.ndim == 1 else record.codes[:rows]
    return replace(record, returns=record.returns[:rows], codes=codes)


def _ordered(table: pd.DataFrame, sectors: tuple[str, ...], what: str) -> pd.DataFrame:
    """Real returns with exactly the scenarios' sectors, in their order."""
    from spade_finance.data import validate_returns

    checked = validate_returns(table, source=what, min_rows=2)
    given = [str(column) for column in checked.columns]
    for said, odd in (
        ("is no sector of the scenarios", [name for name in given if name not in sectors]),
        ("of the scenarios is missing", [name for name in sectors if name not in given]),
    ):
        if odd:
            raise InputError(f"{what}: column {odd[0]!r} {said}: pass exactly {', '.join(sectors)}")
    return checked.set_axis(given, axis=1)[list(sectors)]


def _assumptions(
    strategy: Strategy, costs: Costs, rebalance: Rebalance, first: int, lag: int, past: Any
) -> dict[str, Any]:
    every = rebalance if isinstance(rebalance, str) else f"every {rebalance} days"
    if not isinstance(rebalance, str | int | np.integer):
        every = "on the days of a mask"
    found: dict[str, Any] = {
        "strategy": repr(strategy),
        "rebalancing": every,
        "cost_bps": costs.cost_bps,
        "slippage_bps": costs.slippage_bps,
        "borrow_bps_per_year": costs.borrow_bps_per_year,
        "cash_rate": costs.cash_rate,
        "execution": f"weights decided on returns up to day t earn from day t+{lag} on",
        "first_invested_day": first,
    }
    if past is not None:
        found["history_days"] = len(past)
    return found


def _notes(ruined: int, first: int, n_paths: int) -> tuple[str, ...]:
    notes = []
    if first:
        notes.append(f"The first {first} days are warm-up and are not measured.")
    if ruined:
        notes.append(f"{ruined:,} of {n_paths:,} paths lost everything; they stay at zero.")
    return tuple(notes)
