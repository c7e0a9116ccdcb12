# SPDX-License-Identifier: Apache-2.0
"""The whole report: one strategy, its rivals and variants on common paths, the real history, overfitting, ranks.

Paths are drawn batch by batch and every strategy is run on each batch, so that memory does not grow with their
number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.backtest.compare import compare
from spade_finance.backtest.costs import Costs
from spade_finance.backtest.engine import run_paths
from spade_finance.backtest.grid import Overfitting, assess, parse_grid, variant_name
from spade_finance.backtest.ranks import OPPONENTS, RankTest, rank_test
from spade_finance.backtest.record import KEPT_PATHS, PathRecord, RealRun
from spade_finance.backtest.result import BacktestResult
from spade_finance.backtest.strategies import STRATEGIES, Strategy, as_strategy, make_strategy
from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels
    from spade_finance.scenarios import ScenarioSet

RIVAL_PATHS = 256
"""Paths whose daily returns are kept of rivals and variants: those that overfitting is judged on."""
KNOWN_DAYS = 252
"""Days of real history that strategies know before a path begins."""
RANK_PATHS = 200
RANKED_VARIANTS = 6
MARKET = "equal_weight"
LEAST_DAYS = 21
"""Shorter paths say nothing about choosing among variants."""
ROSTER: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("momentum 6 months", "momentum", {"lookback": 126}),
    ("time_series_momentum 6 months", "time_series_momentum", {"lookback": 126}),
    ("inverse_volatility 1 year", "inverse_volatility", {"lookback": 252}),
)
"""Ranked beside every strategy by name, to make a dozen: label, name, options."""

Tell = Callable[[str, int, int], None]
"""(what is being done, steps done, steps in all)"""

__all__ = ["check_choice", "study"]


@dataclass(frozen=True)
class _Setting:
    """What is the same for every run."""

    costs: Costs
    rebalance: Any
    sectors: tuple[str, ...]

    def run(self, strategy: Strategy, simple: Any, history: Any, **more: Any) -> Any:
        return run_paths(
            strategy, simple, costs=self.costs, rebalance=self.rebalance, sectors=self.sectors,
            history=history, **more,
        )  # fmt: skip


def study(
    model: Any,
    script: Any,
    strategy: Any,
    *,
    n_paths: int = 1000,
    seed: int = 0,
    costs: Costs | None = None,
    rebalance: Any = "monthly",
    against: Sequence[Any] | None = None,
    grid: Any = None,
    real: pd.DataFrame | None = None,
    history: pd.DataFrame | None = None,
    baselines: str | Sequence[str] = OPPONENTS,
    rank_paths: int | None = None,
    start: Any = None,
    extrapolate: bool = False,
    progress: Tell | None = None,
) -> BacktestResult:
    """Backtest a strategy with everything that the report shows.

    Parameters
    ----------
    model : fitted generator
    script : str or RegimeTimeline
        Which regime holds when.
    strategy : anything that :func:`~spade_finance.backtest.strategies.as_strategy` takes
    n_paths, seed : int
    costs : Costs, optional
        Default 5 bps of what is traded.
    rebalance : see :func:`~spade_finance.backtest.calendar.rebalance_steps`
    against : sequence of strategies, optional
        Compared on the same paths; default every strategy by name. Empty: none.
    grid : str, path or mapping, optional
        Variants of `strategy` (a known name) for overfitting, see
        :func:`~spade_finance.backtest.grid.parse_grid`; default the strategies compared are the trials.
    real : DataFrame, optional
        Simple returns of the real history; default the embedded sectors where the model was made from them.
    history : DataFrame, optional
        What scripts with ``now`` or dates look back on; also `real` unless that is given.
    baselines : names of the generators that the rank test compares with; "none" for the model alone
    rank_paths : int
        Paths a generator in the rank test, default 200; 0 leaves it out.
    start, extrapolate : see :meth:`ScenarioGenerator.sample <spade_finance.model.ScenarioGenerator.sample>`
    progress : callable, optional
        Called with (what is being done, steps done, steps in all).

    Returns
    -------
    BacktestResult

    Raises
    ------
    InputError
        On unknown strategies, a bad grid or script, or returns whose columns are not the model's sectors.
    """
    from spade_finance.baselines import baseline_names

    tell: Tell = progress or (lambda what, done, total: None)
    rank_paths = RANK_PATHS if rank_paths is None else rank_paths
    sectors = tuple(model.sectors_)
    setting = _Setting(costs or Costs(), rebalance, sectors)
    baseline_names(baselines)
    subject = as_strategy(strategy)
    name = strategy if isinstance(strategy, str) else subject.name
    rivals = _rivals(name, subject, STRATEGIES if against is None else against)
    variants = _variants(strategy, grid)
    past = _real(model, real if real is not None else history)
    labels, notes = _labels(model, past)
    known = None if past is None else past.iloc[-_reach([subject, *rivals.values(), *variants.values()]) :]

    everyone = {name: subject, **rivals, **variants}
    tell("running strategies on paths", 0, n_paths)
    batches = model.sample_batches(
        script, n_paths, seed, history=history, start=start, extrapolate=extrapolate
    )
    records, about = _on_paths(setting, everyone, name, batches, known, tell, n_paths)
    tell("running strategies on the real history", 0, 1)
    runs = (
        {} if past is None else {n: _on_history(setting, s, past, labels, model) for n, s in everyone.items()}
    )
    results = {n: BacktestResult(n, records[n], runs.get(n), dates=about["dates"]) for n in (name, *rivals)}
    comparison = compare(results, name, random_state=seed) if rivals else None
    tell("judging the choice among variants", 0, 1)
    trials = list(variants) if variants else list(results)
    panel = _overfitting(trials, records, runs, "grid" if variants else "the strategies compared", seed, tell)
    ranks = None
    if rank_paths and past is not None and labels is not None:
        roster = {name: subject, **_roster(rivals, variants)}
        ranks, said = _ranks(model, past, roster, setting, baselines, rank_paths, seed, tell)
        notes += said
    elif rank_paths:
        notes.append("no rank test: it needs real held-out returns and a model with a labeller")
    return BacktestResult(
        name,
        records[name],
        runs.get(name),
        assumptions=_assumptions(setting, subject, known, about["first"]),
        provenance=about["provenance"] | {"n_paths": n_paths, "rank_test_paths": rank_paths},
        dates=about["dates"],
        notes=tuple(notes),
        comparison=comparison,
        overfitting=panel,
        ranks=ranks,
    )


def check_choice(
    strategy: Any, against: Sequence[Any] | None, grid: Any, baselines: str | Sequence[str] = "none"
) -> None:
    """Refuse unknown strategies and baselines and bad grids without running anything."""
    from spade_finance.baselines import baseline_names

    baseline_names(baselines)
    _rivals(str(strategy), as_strategy(strategy), STRATEGIES if against is None else against)
    _variants(strategy, grid)


# --- who runs -------------------------------------------------------------------------------------------------


def _rivals(name: str, subject: Strategy, against: Sequence[Any]) -> dict[str, Strategy]:
    """Strategies compared, by name; the subject itself is left out."""
    found: dict[str, Strategy] = {}
    for what in against:
        other = as_strategy(what)
        label = what if isinstance(what, str) else other.name
        if label != name and repr(other) != repr(subject):
            found.setdefault(str(label), other)
    return found


def _variants(strategy: Any, grid: Any) -> dict[str, Strategy]:
    """The grid's variants of a strategy by name."""
    if grid is None:
        return {}
    if not isinstance(strategy, str) or ":" in strategy:
        raise InputError(
            f"grid needs a strategy by name ({', '.join(STRATEGIES)}): write a function's variants as functions and "
            "compare them"
        )
    made: dict[str, Strategy] = {}
    for options in parse_grid(grid):
        made[f"{strategy} {variant_name(options)}"] = make_strategy(strategy, **options)
    return made


def _roster(rivals: Mapping[str, Strategy], variants: Mapping[str, Strategy]) -> dict[str, Strategy]:
    """What the rank test ranks beside the subject: everything by name, a few options more, some variants."""
    found = dict(rivals)
    for name in STRATEGIES:
        found.setdefault(name, make_strategy(name))
    for label, name, options in ROSTER:
        found.setdefault(label, make_strategy(name, **options))
    spread = list(variants.items())
    step = max(1, -(-len(spread) // RANKED_VARIANTS))
    seen = {repr(s) for s in found.values()}
    found.update({name: s for name, s in spread[::step] if repr(s) not in seen})
    return found


def _reach(strategies: Iterable[Strategy]) -> int:
    """Days of history that the strategies want to know, a year at least."""
    return max(KNOWN_DAYS, *(max(s.needs, s.looks_back or 0) for s in strategies))


# --- running --------------------------------------------------------------------------------------------------


def _on_paths(
    setting: _Setting,
    strategies: Mapping[str, Strategy],
    subject: str,
    batches: Iterable[ScenarioSet],
    known: pd.DataFrame | None,
    tell: Tell,
    n_paths: int,
) -> tuple[dict[str, PathRecord], dict[str, Any]]:
    """Records of every strategy, and what the batches say about themselves."""
    parts: dict[str, list[PathRecord]] = {name: [] for name in strategies}
    history = None if known is None else known.to_numpy(dtype=np.float64)
    done, about = 0, dict[str, Any](dates=None, provenance={}, first=0)
    for batch in batches:
        options = {"codes": batch.codes, "regimes": batch.regimes, "dates": batch.dates, "paths": batch.paths}
        ledgers = {}
        for name, strategy in strategies.items():
            ledgers[name] = setting.run(strategy, batch.simple_array, history, **options)
            tell(f"running {name} on paths", done, n_paths)
        first = max(ledger.first for ledger in ledgers.values())
        for name, ledger in ledgers.items():
            cut = ledger.invested(first)
            keep = max(0, (KEPT_PATHS if name == subject else RIVAL_PATHS) - done)
            regimes = cut.regimes if name == subject else ()  # rivals are shown over all days only
            parts[name].append(
                PathRecord.from_returns(cut.returns, cut.turnover, cut.costs, cut.codes, regimes, keep)
            )
            about |= {"dates": cut.dates}
        about |= {"provenance": dict(batch.provenance), "first": first}
        done += batch.n_paths
        tell("running strategies on paths", done, n_paths)
    return {name: PathRecord.concat(records) for name, records in parts.items()}, about


def _on_history(
    setting: _Setting, strategy: Strategy, past: pd.DataFrame, labels: RegimeLabels | None, model: Any
) -> RealRun:
    """The strategy over the real history, from its first invested day on."""
    codes: NDArray[np.integer] | None = None
    if labels is not None:
        position = pd.Index(labels.labels.index).get_indexer(past.index)
        codes = np.where(position >= 0, np.asarray(labels.codes)[position], -1)
    try:
        whole = setting.run(strategy, past.to_numpy(dtype=np.float64)[None], None, dates=past.index)
    except InputError as error:
        raise type(error)(f"real history: {error}") from error
    ledger = whole.invested()
    rows = slice(len(past) - ledger.n_days, None)
    return RealRun(
        pd.Series(ledger.returns[0], index=past.index[rows]),
        ledger.turnover[0],
        ledger.costs[0],
        None if codes is None else codes[rows],
        tuple(model.regimes_),
        pd.Timestamp(model.training_window_[1]),
    )


def _overfitting(
    trials: Sequence[str], records: Mapping[str, PathRecord], runs: Mapping[str, RealRun], what: str, seed: int,
    tell: Tell,
) -> Overfitting | None:  # fmt: skip
    """The choice among the trials on the kept paths and on the real history."""
    if len(trials) < 2 or records[trials[0]].n_days < LEAST_DAYS:
        return None
    cube = np.stack([records[name].returns[:RIVAL_PATHS] for name in trials], axis=2)
    market = MARKET if MARKET in records else None
    wanted = [*trials, *([market] if market and market not in trials else [])]
    table = pd.DataFrame({name: runs[name].returns for name in wanted if name in runs}).dropna()
    known = len(table) > 1 and table.shape[1] == len(wanted)
    return assess(
        cube,
        trials,
        table[list(trials)] if known else None,
        market=records[market].returns[:RIVAL_PATHS] if market else None,
        real_market=table[market].to_numpy() if market and known else None,
        what=what,
        random_state=seed,
        progress=lambda done, total: tell("judging the choice among variants", done, total),
    )


def _ranks(
    model: Any, past: pd.DataFrame, roster: Mapping[str, Strategy], setting: _Setting, baselines: Any, n_paths: int,
    seed: int, tell: Tell,
) -> tuple[RankTest | None, list[str]]:  # fmt: skip
    """The rank test, or why there is none."""
    end = pd.Timestamp(model.training_window_[1])
    before = past.loc[:end]
    history = before.iloc[-_reach(roster.values()) :].to_numpy(dtype=np.float64) if len(before) else None

    def run(strategy: Any, cube: Any, codes: Any, regimes: Sequence[str]) -> Any:
        return setting.run(strategy, cube, history).returns

    stages = ["held-out years", "model", "baselines", "uncertainty"]
    try:
        found = rank_test(
            model, past, roster, run, baselines=baselines, n_paths=n_paths, seed=seed,
            progress=lambda what: tell(
                f"rank test: {what.replace('_', ' ')}", stages.index(what) if what in stages else 2, len(stages)
            ),
        )  # fmt: skip
    except InputError as error:
        return None, [f"no rank test: {error}"]
    return found, []


# --- real history -----------------------------------------------------------------------------------------------


def _real(model: Any, given: pd.DataFrame | None) -> pd.DataFrame | None:
    """Real returns with the model's sectors, or None where there are none."""
    from spade_finance.evaluate.inputs import check_columns

    if given is None:
        if not getattr(model, "embedded_history_", True):
            return None
        from spade_finance.data import load_sectors

        given = load_sectors()
        if not set(model.sectors_) <= set(given.columns):
            return None
        given = given[list(model.sectors_)]
    return check_columns(given, tuple(model.sectors_))


def _labels(model: Any, past: pd.DataFrame | None) -> tuple[RegimeLabels | None, list[str]]:
    """Hindsight labels of the real history by the model's labeller, to attribute results."""
    if past is None:
        return None, ["no real history: give --history RETURNS to have the strategy's own result marked"]
    try:
        return model.label(past), []
    except InputError as error:
        return None, [f"the real history is not split by regime: {error}"]


def _assumptions(
    setting: _Setting, subject: Strategy, known: pd.DataFrame | None, first: int
) -> dict[str, Any]:
    """What was assumed, for the report and the JSON."""
    costs = setting.costs
    if known is None:
        before = f"nothing: the first {first} days of every path are spent looking and are not counted"
    else:
        before = (
            f"the real days {known.index[0]:%Y-%m-%d} to {known.index[-1]:%Y-%m-%d}, the same on every path"
        )
    rebalance = setting.rebalance if isinstance(setting.rebalance, str | int) else "on given days"
    return {
        "strategy": repr(subject),
        "rebalancing": f"every {rebalance} days" if isinstance(rebalance, int) else rebalance,
        "execution": "on the day after the decision, weights drift in between",
        "cost_bps": costs.cost_bps,
        "slippage_bps": costs.slippage_bps,
        "borrow_bps_per_year": costs.borrow_bps_per_year,
        "cash_rate": costs.cash_rate,
        "known before the first day": before,
    }
