# SPDX-License-Identifier: Apache-2.0
"""`stress` (numbers of given scenarios) and `run_stress` (a model, a scenario, portfolios: the whole report)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.stress.library import Scenario, find_scenario, load_library
from spade_finance.stress.lineage import model_hash
from spade_finance.stress.numbers import (
    Drawn,
    Gatherer,
    check_size,
    contributions_of,
    contributions_table,
    drawn_rows,
    fan_and_cone,
    make_plan,
    ribbon,
    table_of,
)
from spade_finance.stress.portfolio import Rebalance, as_portfolios
from spade_finance.stress.report import StressReport

if TYPE_CHECKING:
    from spade_finance.scenarios import ScenarioSet

PARTS = ("block_bootstrap", "history", "dial", "counterfactual", "spillover", "reverse", "nowcast")
"""What a full report has beside the model's own numbers."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is."""

__all__ = ["PARTS", "run_stress", "stress"]


def stress(
    scenarios: ScenarioSet,
    weights: Any = None,
    *,
    rebalance: Rebalance = "daily",
    liquidity: Mapping[str, int] | None = None,
) -> StressReport:
    """Portfolio losses over given scenarios, with standard errors clustered by path.

    Parameters
    ----------
    scenarios : ScenarioSet
    weights : mapping, Series, Portfolio, path of a weights CSV, S numbers, or a list of portfolios
        Decimal; what is missing from 1 lies in cash. None is the equal weight.
    rebalance : {"daily", "monthly", "none"}
    liquidity : mapping sector -> 10, 20, 40, 60 or 120 days, optional
        Default :func:`~spade_finance.stress.liquidity.liquidity_days`.

    Returns
    -------
    StressReport
        Numbers, contributions, fans; without the parts that need a model.

    Raises
    ------
    InputError
        If a weight names no sector or is no number, or nothing is invested.
    """
    portfolios = as_portfolios(weights, scenarios.sectors, rebalance)
    plan = make_plan(portfolios, scenarios.sectors, len(scenarios.regimes), liquidity)
    check_size(scenarios.n_paths, scenarios.n_days, len(portfolios))
    gather = Gatherer(plan)
    gather.add(scenarios.simple_array, scenarios.codes)
    drawn = gather.done()
    script = str(scenarios.provenance.get("script", ""))
    scenario = Scenario("scenarios", "Given scenarios", "", script)
    fans = [fan_and_cone(book) for book in drawn.books]
    names = [p.name for p in portfolios]
    return StressReport(
        scenario=scenario,
        portfolios=portfolios,
        table=table_of(list(drawn_rows(drawn, plan, scenarios.regimes, "scenarios"))),
        contributions=contributions_table(contributions_of(drawn, plan, scenarios.regimes, "scenarios")),
        fans={name: fan[0] for name, fan in zip(names, fans, strict=True)},
        drawdown_cones={name: fan[1] for name, fan in zip(names, fans, strict=True)},
        losses={name: {"scenarios": book.losses} for name, book in zip(names, drawn.books, strict=True)},
        analogue={},
        ribbon=ribbon(drawn.codes, scenarios.regimes),
        n_paths=scenarios.n_paths,
        n_days=scenarios.n_days,
        regimes=scenarios.regimes,
        sectors=scenarios.sectors,
        notes=_ruin_notes(drawn, names),
        provenance=dict(scenarios.provenance),
        options={"liquidity": dict(liquidity or {}), "portfolios": [p.to_dict() for p in portfolios]},
    )


def run_stress(
    model: Any,
    scenario: str | Scenario,
    portfolios: Any = None,
    n_paths: int = 10_000,
    seed: int = 0,
    *,
    history: pd.DataFrame | None = None,
    rebalance: Rebalance = "daily",
    liquidity: Mapping[str, int] | None = None,
    start_vol: str | float = "long-run",
    extrapolate: bool = False,
    reverse_loss: float = 0.2,
    reverse_horizon: int = 63,
    views: Any = None,
    parts: Sequence[str] = PARTS,
    library: Mapping[str, Scenario] | None = None,
    progress: Progress | None = None,
) -> StressReport:
    """Draw a scenario from a model and report what it does to portfolios.

    Parameters
    ----------
    model : ScenarioGenerator
    scenario : str or Scenario
        A name of the library, a regime script, or a scenario.
    portfolios : as :func:`~spade_finance.stress.portfolio.as_portfolios` takes them
        None is the equal weight.
    n_paths, seed : int
        The same seed gives the same report.
    history : DataFrame of simple returns, optional
        What replays and ``now`` look back on and what stands beside the model; default the model's own.
    rebalance : {"daily", "monthly", "none"}
        Of portfolios that do not say it themselves.
    liquidity : mapping sector -> liquidity horizon in days, optional
    start_vol, extrapolate : as in ``sample``
    reverse_loss : float
        Loss of the first portfolio that the reverse stress test looks for.
    reverse_horizon : int
        Trading days over which it looks, 5 or more.
    views : texts, Views or tables, optional
        What shall hold of the paths: they are reweighted (:func:`~spade_finance.stress.views.entropy_pooling`) and
        the first portfolio's losses reported before and after. A scenario's own views hold as well.
    parts : sequence of :data:`PARTS`
        What to add to the model's own numbers.
    library : mapping name -> Scenario, optional
        Default :func:`~spade_finance.stress.library.load_library`.
    progress : callable, optional

    Returns
    -------
    StressReport

    Raises
    ------
    InputError
        On anything the user must mend: unknown scenario, portfolio, regime, severity beyond the trained range,
        views out of reach of the paths.
    """
    from spade_finance.stress.beside import Beside
    from spade_finance.stress.reverse import check_request
    from spade_finance.stress.view_syntax import as_views, check_names, view_texts

    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InputError(f"parts has {unknown[0]!r}: known are {', '.join(PARTS)}")
    if n_paths < 2:
        raise InputError(f"n_paths={n_paths} is too few: a standard error needs at least 2")
    chosen = (
        scenario
        if isinstance(scenario, Scenario)
        else find_scenario(scenario, load_library() if library is None else library)
    )
    if "reverse" in parts:
        check_request(reverse_loss, reverse_horizon)
    asked = view_texts(chosen.views, views)
    if asked:
        check_names(as_views(list(asked)), model.sectors_)
    tell: Progress = progress or (lambda *_: None)
    books = as_portfolios(portfolios, model.sectors_, rebalance)
    plan = make_plan(books, model.sectors_, len(model.regimes_), liquidity)
    sampling: dict[str, Any] = {"start_vol": start_vol, "extrapolate": extrapolate}
    if history is not None:
        sampling["history"] = history
    beside = Beside(
        model, chosen, plan, n_paths, seed, history, sampling, tuple(parts), tell, keep_all=bool(asked)
    )
    drawn, provenance = beside.draw()
    pooled = beside.pooled(asked)  # refused before anything else is computed
    n_days = drawn.books[0].wealth.shape[1] - 1
    names = [book.name for book in books]
    rows = list(drawn_rows(drawn, plan, model.regimes_, "model"))
    splits = contributions_of(drawn, plan, model.regimes_, "model")
    more_rows, more_splits = beside.rows(drawn)
    losses = {
        name: {source: d.books[i].losses for source, d in beside.sources.items()}
        for i, name in enumerate(names)
    }
    fans = [fan_and_cone(book) for book in drawn.books]
    return StressReport(
        scenario=chosen,
        portfolios=books,
        table=table_of(rows + more_rows),
        contributions=contributions_table(splits + more_splits),
        fans={name: fan[0] for name, fan in zip(names, fans, strict=True)},
        drawdown_cones={name: fan[1] for name, fan in zip(names, fans, strict=True)},
        losses=losses,
        analogue=beside.analogue,
        ribbon=ribbon(drawn.codes, model.regimes_),
        n_paths=n_paths,
        n_days=n_days,
        regimes=tuple(model.regimes_),
        sectors=tuple(model.sectors_),
        dial=beside.dial(drawn),
        counterfactual=beside.counterfactual(n_days),
        spillover=beside.spillover(),
        reverse=beside.reverse(reverse_loss, reverse_horizon),
        nowcast=beside.nowcast(),
        views=pooled,
        notes=(*_ruin_notes(drawn, names), *beside.notes),
        provenance=_provenance(model, chosen, provenance, beside.history_facts, n_paths, seed),
        options={
            "scenario": chosen.to_dict(),
            "portfolios": [book.to_dict() for book in books],
            "n_paths": n_paths,
            "seed": seed,
            "liquidity": dict(liquidity or {}),
            "start_vol": start_vol,
            "extrapolate": extrapolate,
            "reverse_loss": reverse_loss,
            "reverse_horizon": reverse_horizon,
            "views": list(asked),
            "parts": list(parts),
            "own_history": history is not None,
        },
    )


def _provenance(
    model: Any,
    scenario: Scenario,
    drawn: Mapping[str, Any],
    history: Mapping[str, Any],
    n_paths: int,
    seed: int,
) -> dict[str, Any]:
    from spade_finance.reports.html import versions

    first, last = (pd.Timestamp(day) for day in model.training_window_)
    return {
        "model_hash": model_hash(model),
        "trained_on": f"{first:%Y-%m-%d}..{last:%Y-%m-%d}",
        "training_data_hash": getattr(model, "data_hash_", None),
        "scenario": scenario.name,
        "script": drawn.get("script", scenario.script),
        "timeline": drawn.get("timeline"),
        "seed": seed,
        "n_paths": n_paths,
        "start_vol": drawn.get("start_vol"),
        **history,
        "versions": versions(),
    }


def _ruin_notes(drawn: Drawn, names: Sequence[str]) -> tuple[str, ...]:
    notes = []
    for name, book in zip(names, drawn.books, strict=True):
        ruined = int((book.wealth <= 0).any(axis=1).sum())
        if ruined:
            notes.append(
                f"{name}: {ruined:,} of {len(book.wealth):,} paths lose the whole capital; the book is closed on that "
                "day, and losses beyond 100 % are owed"
            )
    return tuple(notes)
