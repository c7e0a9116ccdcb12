# SPDX-License-Identifier: Apache-2.0
"""Backtest: named strategies on many plausible histories, the real one marked, and how far to trust the best."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..boundary import boundary
from ..choices import EXTRAPOLATE, PATHS, SCRIPT, SEED, START_VOL, start_level
from ..engine import open_model
from ..files import download
from ..formats import count, days
from ..kinds import number, one_of, some_of, text
from ..painter import timeline
from ..sidebar import beginning, beyond, sampling
from ..starts import start_from
from ..state import bind, get, put
from ..tables import table
from . import _backtest_views as views
from ._backtest_engine import Trading, about, compared, names, run
from ._backtest_judge import judge
from ._backtest_numbers import regime_table

if TYPE_CHECKING:
    from spade_finance.backtest import BacktestResult
    from spade_finance.model import ScenarioGenerator

TIMELINES = {
    "markov:252": "A year, regimes by chance",
    "markov:756": "Three years",
    "markov:1260": "Five years",
    "own": "A timeline of your own",
}
TIMELINE = one_of("over", "markov:252", tuple(TIMELINES))
STRATEGIES = some_of("strategies", ("equal_weight", "inverse_volatility", "momentum"))
FOCUS = text("focus", "", most=60)
VIEW = one_of("b_view", "compare", tuple(views.VIEWS))
COST = number("cost_bps", 5.0, 0.0, 500.0)
SLIPPAGE = number("slippage_bps", 0.0, 0.0, 500.0)
BORROW = number("borrow_bps", 0.0, 0.0, 5000.0)
REBALANCE = one_of("trade", "monthly", ("daily", "weekly", "monthly", "quarterly"))
MOST = 6
"""Strategies at once: what a picture can tell apart."""


def page() -> None:
    """Draw the page."""
    _sidebar()
    chosen = _strategies()
    model = open_model()
    script = _script(model)
    if script is None or not chosen:
        what = "Choose a strategy" if not chosen else "Mend the timeline"
        st.info(f"{what} above: the distributions follow.", icon=":material/finance_mode:")
        return
    trading = Trading(get(COST), get(SLIPPAGE), get(BORROW), get(REBALANCE))
    level = start_level(get(START_VOL))
    with st.spinner("Trading on every path…"):
        results = run(model, script, chosen, get(PATHS), get(SEED), trading, level, get(EXTRAPOLATE))
    focus = _results(
        results, (model.hash_, script, get(PATHS), get(SEED), trading, str(level), get(EXTRAPOLATE))
    )
    _take_along(results)
    judge(model, script, chosen, focus, trading, get(SEED), get(EXTRAPOLATE))


def _sidebar() -> None:
    with st.sidebar:
        sampling()
        st.number_input(
            "Cost, bps of what is traded", 0.0, 500.0, step=1.0, format="%.1f",
            help="1 bp is 0.01 %: 5 bps on selling all and buying anew cost 0.1 % of the capital.", **bind(COST),
        )  # fmt: skip
        st.selectbox("Rebalanced", ("daily", "weekly", "monthly", "quarterly"), **bind(REBALANCE))
        with st.expander("More"):
            st.number_input(
                "Slippage, bps of what is traded", 0.0, 500.0, step=1.0, format="%.1f", **bind(SLIPPAGE)
            )
            st.number_input(
                "Borrowing fee, bps a year of shorts", 0.0, 5000.0, step=10.0, format="%.0f", **bind(BORROW)
            )
            beginning()
            beyond()


def _strategies() -> tuple[str, ...]:
    """Strategies by name; what the address names besides is left out, and said."""
    known = names()
    wanted = get(STRATEGIES)
    if any(name not in known for name in wanted) or len(wanted) > MOST:
        st.warning(
            "The address names strategies that the registry does not have, or too many; they are left out. Code "
            "of your own is "
            "run by the command line only.", icon=":material/link_off:",
        )  # fmt: skip
        put(STRATEGIES, tuple(name for name in wanted if name in known)[:MOST])
    st.multiselect(
        "Strategies", known, max_selections=MOST, format_func=lambda name: name.replace("_", " "),
        placeholder="Choose one or more", **bind(STRATEGIES),
    )  # fmt: skip
    with st.expander("What they do, and strategies of your own"):
        for name in known:
            st.markdown(f"**{name.replace('_', ' ')}** · {about(name)}")
        st.markdown(
            "A function of your own, `module:function` or `my_file.py:function`, is run by the command line: a "
            "page runs "
            "nobody's code."
        )
        st.code(
            'spade-finance backtest --regimes "markov:1260" --strategy my_rules.py:low_risk --out low-risk',
            language="bash", wrap_lines=True,
        )  # fmt: skip
    return get(STRATEGIES)


def _script(model: ScenarioGenerator) -> str | None:
    st.segmented_control(
        "Over", list(TIMELINES), format_func=TIMELINES.__getitem__, required=True, **bind(TIMELINE)
    )
    if get(TIMELINE) != "own":
        return get(TIMELINE)
    with st.container(width=190):
        start_from(model, key="backtest:start")
    return timeline(model, SCRIPT, extrapolate=get(EXTRAPOLATE))


def _results(results: dict[str, BacktestResult], key: tuple[Any, ...]) -> str:
    """The chosen view; returns the strategy looked at."""
    if get(FOCUS) not in results:
        put(FOCUS, "")
    known = list(results)
    focus = get(FOCUS) or known[-1]
    result = results[focus]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(focus.replace("_", " ").capitalize(), anchor=False)
        with st.container(width=230):
            st.selectbox(
                "Strategy looked at",
                ["", *known[:-1]],
                label_visibility="collapsed",
                format_func=lambda name: (name or known[-1]).replace("_", " "),
                **bind(FOCUS),
            )
    views.headline(result)
    said = f"{count(result.n_paths, 'path')} of {days(result.record.n_days)}, net of costs"
    st.caption(f"{said}; ± is one standard error over paths.")
    st.segmented_control(
        "View", list(views.VIEWS), format_func=lambda name: views.VIEWS[name][0], required=True,
        label_visibility="collapsed", **bind(VIEW),
    )  # fmt: skip
    with boundary():
        draw = views.VIEWS[get(VIEW)][1]
        if draw is None:
            with st.spinner("Comparing path by path…"):
                found = compared(results, focus, key) if len(results) > 1 else None
            views.comparison(results, found)
        else:
            draw(result)
        if get(VIEW) == "regimes" and result.record.by_regime:
            table(regime_table(results))
            st.caption(
                "Each path's days of the regime that held, in hindsight; paths with fewer than 21 of them say "
                "nothing. Returns "
                "here are 252 times a day's mean."
            )
    return focus


def _take_along(results: dict[str, BacktestResult]) -> None:
    """Every path's measures, and the numbers as data."""
    st.space("small")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Take it along**")
        download(
            "Measures of every path, CSV", "measures.csv", lambda: measures_csv(results), key="backtest:csv"
        )
        download("All numbers, JSON", "backtest.json", lambda: numbers_json(results), key="backtest:numbers")


def measures_csv(results: dict[str, BacktestResult]) -> str:
    """One row a strategy and path, a column a measure; decimals."""
    import pandas as pd

    parts = [
        pd.DataFrame(result.record.measures).rename_axis("path").reset_index().assign(strategy=name)
        for name, result in results.items()
    ]
    table = pd.concat(parts)
    return str(
        table[["strategy", "path", *(c for c in table if c not in ("strategy", "path"))]].to_csv(index=False)
    )


def numbers_json(results: dict[str, BacktestResult]) -> str:
    """Every result in the schema of ``report.json``."""
    return json.dumps(
        {"schema": 1, "strategies": [result.to_dict() for result in results.values()]},
        indent=1,
        allow_nan=False,
    )
