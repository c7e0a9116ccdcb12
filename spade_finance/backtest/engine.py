# SPDX-License-Identifier: Apache-2.0
r"""The engine: a strategy on many paths at once, one Python step a decision, everything else in arrays.

**Time.** A decision at step d knows the returns of steps 0 to d - 1 (and of `history` before them). It is
executed on the next bar: the trade happens as step d opens, its cost falls on step d, and the new weights earn
from step d on (``execution_lag=1``; each further day of lag moves the trade, not the decision, a step later).

**Trade.** Held weights :math:`h` become targets :math:`w` of the wealth that is left after the cost. With k the
cost of a unit of notional, the lost share x of wealth solves

.. math:: x = k \sum_i |w_i (1 - x) - h_i|

exactly. **Drift.** Until the next trade positions grow with their assets, cash with its rate, shorts pay their
fee from cash at the end of each day; all of it is a cumulative product over the days between two trades.
**Ruin.** On the day wealth reaches zero its return is -1, and the path holds nothing any more.

**Look-ahead.** A strategy is given a read-only view of a buffer into which the returns are copied as they pass:
rows that have not happened do not exist in any memory behind the view. (Python cannot fence in a function that
goes looking through its callers' frames or opens a file of the data.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

from spade_finance.backtest.accounting import drift, trade
from spade_finance.backtest.calendar import Rebalance, schedule
from spade_finance.backtest.costs import Costs
from spade_finance.backtest.decision import decide
from spade_finance.backtest.ledger import Ledger
from spade_finance.backtest.past import Past
from spade_finance.backtest.strategies.base import Strategy
from spade_finance.exceptions import InputError
from spade_finance.scenarios import ScenarioSet

__all__ = ["MAX_GROSS", "run_batches", "run_paths"]

Values = NDArray[np.float64]

MAX_GROSS = 10.0
"""Largest sum of absolute weights that is taken for meant."""

_WORK_VALUES = 2_000_000
"""Numbers (paths x days x assets) worked on at a time: 16 MB an array, which stays near the processor."""

_LEDGER_VALUES = 4_000_000
"""Numbers (paths x days) of one ledger of a stream."""


@dataclass(frozen=True)
class _Plan:
    """What is the same for every chunk of paths."""

    strategy: Strategy
    costs: Costs
    steps: NDArray[np.int64]
    trades: NDArray[np.int64]
    history: Values | None
    dates: pd.DatetimeIndex | None
    sectors: tuple[str, ...]
    max_gross: float
    keep_weights: bool


def run_paths(
    strategy: Strategy,
    simple: npt.ArrayLike,
    *,
    costs: Costs | None = None,
    rebalance: Rebalance = "monthly",
    warm_up: int | None = None,
    execution_lag: int = 1,
    history: npt.ArrayLike | None = None,
    codes: npt.ArrayLike | None = None,
    regimes: Sequence[str] = (),
    dates: pd.DatetimeIndex | None = None,
    sectors: Sequence[str] | None = None,
    paths: npt.ArrayLike | None = None,
    max_gross: float = MAX_GROSS,
    keep_weights: bool = False,
) -> Ledger:
    """Run a strategy over paths.

    Parameters
    ----------
    strategy : Strategy
        See :func:`spade_finance.backtest.strategies.as_strategy` for names and functions.
    simple : (n, T, S)
        Simple returns, decimal.
    costs : Costs, optional
        Default 5 bps of what is traded.
    rebalance : str, int or mask
        See :func:`~spade_finance.backtest.calendar.rebalance_steps`.
    warm_up : int, optional
        Step of the first decision; default what the strategy needs, less the days of `history`. Before it
        everything is cash.
    execution_lag : int
        Days from the last known return to the first earned one, at least 1.
    history : (H, S), optional
        Simple returns of the days before step 0, which every path shares: known from the start, not traded.
    codes : int (T,) or (n, T), optional
        Regime index of each day, with `regimes` their names. They go into the ledger, never to the strategy.
    dates : DatetimeIndex of length T, optional
    sectors : sequence of S str, optional
    paths : int (n,), optional
        Path numbers for messages; default 0 to n - 1.
    max_gross : float
        Largest accepted sum of absolute weights.
    keep_weights : bool
        Whether the ledger keeps the target weights (n, R, S).

    Returns
    -------
    Ledger

    Raises
    ------
    InputError
        Returns, history or options that cannot be used; a path too short for the first decision.
    StrategyError
        The strategy failed, see :func:`~spade_finance.backtest.decision.decide`.
    """
    cube = np.asarray(simple)
    if cube.ndim != 3 or not cube.size or cube.dtype.kind not in "fiu":
        raise InputError(f"simple has shape {cube.shape}: pass returns (paths, days, assets)")
    n, days, assets = cube.shape
    costs = costs if costs is not None else Costs()
    if not (np.isfinite(max_gross) and max_gross > 0):
        raise InputError(f"max_gross={max_gross!r}: pass a positive number such as 10")
    if costs.per_trade * max_gross >= 1.0:
        raise InputError(
            f"cost_bps + slippage_bps = {costs.per_trade * 1e4:g} with max_gross={max_gross:g} could cost more than "
            "all wealth: lower one of them"
        )
    past = _checked_history(history, assets)
    names = tuple(sectors) if sectors is not None else tuple(f"asset {i}" for i in range(assets))
    if len(names) != assets:
        raise InputError(f"sectors has {len(names)} names for {assets} assets")
    if dates is not None and len(dates) != days:
        raise InputError(f"dates has {len(dates)} days for paths of {days}")
    numbers = np.arange(n) if paths is None else np.asarray(paths, dtype=np.int64)
    before = 0 if past is None else len(past)
    steps, trades = schedule(
        strategy, rebalance, days, warm_up=warm_up, lag=execution_lag, history_days=before, dates=dates
    )
    plan = _Plan(strategy, costs, steps, trades, past, dates, names, float(max_gross), keep_weights)
    size = max(1, _WORK_VALUES // ((days + before) * assets))
    returns, turnover, paid = (np.empty((n, days)) for _ in range(3))
    ruined = np.full(n, -1, dtype=np.int64)
    weights = np.empty((n, len(steps), assets)) if keep_weights else None
    for start in range(0, n, size):
        rows = slice(start, min(start + size, n))
        kept = None if weights is None else weights[rows]
        _run_chunk(
            plan, cube[rows], numbers[rows], (returns[rows], turnover[rows], paid[rows], ruined[rows], kept)
        )
    return Ledger(
        strategy=repr(strategy),
        returns=returns,
        turnover=turnover,
        costs=paid,
        first=int(trades[0]),
        decisions=steps,
        ruined=ruined,
        paths=np.asarray(numbers, dtype=np.int64),
        sectors=names,
        weights=weights,
        codes=None if codes is None else np.asarray(codes),
        regimes=tuple(regimes),
        dates=dates,
    )


def run_batches(
    strategy: Strategy,
    batches: Iterable[ScenarioSet] | ScenarioSet,
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Iterator[Ledger]:
    """Run a strategy over scenarios as they come, one ledger a chunk of paths: memory stays bounded.

    Parameters
    ----------
    batches : ScenarioSet or iterable of them
        Such as :meth:`ScenarioGenerator.sample_batches <spade_finance.model.ScenarioGenerator.sample_batches>`.
    progress : callable, optional
        Called with the number of paths done so far.
    **options
        As :func:`run_paths`; regimes, dates, sectors and path numbers come from the scenarios.
    """
    done = 0
    for batch in [batches] if isinstance(batches, ScenarioSet) else batches:
        size = max(1, _LEDGER_VALUES // batch.n_days)
        for start in range(0, batch.n_paths, size):
            rows = slice(start, start + size)
            yield run_paths(
                strategy,
                batch.simple_array[rows],
                codes=batch.codes if batch.codes.ndim == 1 else batch.codes[rows],
                regimes=batch.regimes,
                dates=batch.dates,
                sectors=batch.sectors,
                paths=batch.paths[rows],
                **options,
            )
            done += len(batch.paths[rows])
            if progress is not None:
                progress(done)


def _checked_history(history: npt.ArrayLike | None, assets: int) -> Values | None:
    if history is None:
        return None
    past = np.asarray(history, dtype=np.float64)
    if past.ndim != 2 or past.shape[1] != assets or not np.isfinite(past).all():
        raise InputError(
            f"history has shape {past.shape}: pass finite simple returns (days, {assets}) in the assets' order"
        )
    return past


def _run_chunk(
    plan: _Plan,
    cube: NDArray[Any],
    paths: NDArray[np.int64],
    out: tuple[Values, Values, Values, NDArray[np.int64], Values | None],
) -> None:
    """Fill `out` for a few paths."""
    returns, turnover, paid, ruined, kept = out
    n, days, assets = cube.shape
    if (bad := ~((cube >= -1.0) & (cube < np.inf))).any():
        row, t, asset = (int(x) for x in np.argwhere(bad)[0])
        raise InputError(
            f"simple: the return of {plan.sectors[asset]} on path {paths[row]}, day {t} is {cube[row, t, asset]}: pass "
            "finite decimals of -1 or more"
        )
    past = Past(plan.strategy, cube, plan.history, plan.sectors, plan.dates)
    returns[:, : plan.trades[0]] = plan.costs.cash_per_day
    turnover[:], paid[:] = 0.0, 0.0
    held = np.zeros((n, assets))
    alive = np.ones(n, dtype=bool)
    ends = np.append(plan.trades[1:], days)
    for i, (step, start, end) in enumerate(zip(plan.steps, plan.trades, ends, strict=True)):
        date = None if plan.dates is None else plan.dates[step]
        known = past.known(int(step))
        target = decide(plan.strategy, known, paths=paths, date=date, max_gross=plan.max_gross)
        if kept is not None:
            kept[:, i] = target
        target = np.where(alive[:, None], target, 0.0)
        lost, traded = trade(target, held, plan.costs.per_trade)
        growth = np.add(cube[:, start:end], 1.0, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
            value, fee, held = drift(target, growth, plan.costs)
            value *= (1.0 - lost)[:, None]
            before = np.concatenate([np.ones((n, 1)), value[:, :-1]], axis=1)
            daily = value / np.where(before > 0.0, before, 1.0) - 1.0
        gone = (value <= 0.0) | (lost >= 1.0)[:, None]
        dead = np.logical_or.accumulate(gone, axis=1) | ~alive[:, None]
        daily[dead] = 0.0
        fee[dead] = 0.0
        fallen, day = alive & dead[:, -1], dead.argmax(axis=1)
        daily[fallen, day[fallen]] = -1.0
        ruined[fallen] = start + day[fallen]
        returns[:, start:end], paid[:, start:end] = daily, fee
        turnover[:, start] = np.where(alive, traded, 0.0)
        paid[:, start] += np.where(alive, np.minimum(lost, 1.0), 0.0)
        alive &= ~dead[:, -1]
        held = np.where(alive[:, None], held, 0.0)
    if not np.isfinite(returns).all():
        row, t = (int(x) for x in np.argwhere(~np.isfinite(returns))[0])
        raise InputError(f"simple: wealth on path {paths[row]} leaves the range of numbers on day {t}")
