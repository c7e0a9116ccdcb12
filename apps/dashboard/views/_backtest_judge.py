# SPDX-License-Identifier: Apache-2.0
"""Luck or skill, on the page: what is asked, and the overfitting statistics and rank test that answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from ..cards import Card, cards
from ..choices import MODEL
from ..figures import ink, show
from ..files import download
from ..formats import count, number, percent, seconds
from ..kinds import flag, text, whole
from ..state import bind, get, put
from ..tables import table
from ..work import start, watch
from ._backtest_engine import Trading
from ._backtest_study import SUGGESTED, Ask, check_size, make_study, read_grid
from ._stress_engine import labelled_once

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.backtest.grid import Overfitting
    from spade_finance.backtest.ranks import RankTest
    from spade_finance.model import ScenarioGenerator

    from ..work import Job

__all__ = ["judge", "statistics_table"]

GRID = text("grid", "", most=300)
"""Variants as they were typed; empty: those suggested for the strategy."""
BY_GRID = flag("by_grid", True)
RANKS = flag("ranks", False)
STUDY_PATHS = whole("study_paths", 500, 50, 5000)
JOB = "backtest:study"


def judge(model: ScenarioGenerator, script: str, chosen: tuple[str, ...], focus: str, trading: Trading, seed: int,
          extrapolate: bool) -> None:  # fmt: skip
    """Draw the box that judges the choice, and what it found."""
    st.space("small")
    with st.container(border=True):
        st.markdown(
            "**Luck or skill?** · The best of many variants looks good by chance. Name all that were tried, and "
            "see how much "
            "of the best one's record is choosing: probability of backtest overfitting (PBO), deflated Sharpe "
            "ratio, tests "
            "against the luckiest of as many without skill."
        )
        _controls(focus)
        if st.button(
            "Judge it and write the report", icon=":material/balance:", type="primary", key="backtest:judge"
        ):
            grid = read_grid(focus, get(GRID)) if get(BY_GRID) and get(GRID).strip() else None
            others = tuple(name for name in chosen if name != focus)
            ask = Ask(
                script,
                focus,
                others,
                grid,
                get(STUDY_PATHS),
                seed,
                trading,
                get(RANKS),
                extrapolate,
                model.hash_,
            )
            check_size(model, ask)
            start(
                JOB, f"Judging {focus.replace('_', ' ')}", make_study, labelled_once(model), ask, get(MODEL)
            )
        job = watch(JOB)
        if job is None:
            st.caption("Some ten seconds for 500 paths of a year; the rank test adds about a minute.")
        elif job.state == "done":
            now = (script, focus, trading, seed, model.hash_)
            _found(job, now)


def _controls(focus: str) -> None:
    from dataclasses import fields

    from spade_finance.backtest.strategies.registry import strategy_class

    kind: Any = strategy_class(focus)
    options = ", ".join(f"{f.name} ({f.default})" for f in fields(kind))
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    _follow(focus)
    with right:
        st.number_input("Paths", 50, 5000, step=50, **bind(STUDY_PATHS))
    with left:
        st.text_input(
            f"Variants of {focus.replace('_', ' ')} that were tried", disabled=not get(BY_GRID), **bind(GRID),
            help="name=value,value;name=value; from 2 to 200 combinations.",
        )  # fmt: skip
    with st.container(horizontal=True):
        st.toggle(
            "Try these variants",
            help="Otherwise the strategies chosen above are the trials.",
            **bind(BY_GRID),
        )
        st.toggle(
            "Rank test", help="May ranks found on synthetic paths be trusted? Ranks some dozen strategies on "
            "paths under the "
            "regimes of the years that the model has not seen, and on those years.", **bind(RANKS),
        )  # fmt: skip
    st.caption(f"Options of {focus.replace('_', ' ')}, with their usual values: {options or 'none'}.")


def _follow(focus: str) -> None:
    """The variants are those suggested for the strategy until the reader names others."""
    if get(GRID) in ("", st.session_state.get("backtest:suggested")):
        st.session_state["backtest:suggested"] = SUGGESTED.get(focus, "")
        put(GRID, SUGGESTED.get(focus, ""))


def _found(job: Job, now: tuple[Any, ...]) -> None:
    ask, result, page, data = job.result
    if (ask.script, ask.strategy, ask.trading, ask.seed, ask.model_hash) != now:
        st.info(
            f"This is of {ask.strategy.replace('_', ' ')} on “{ask.script}” as it was set then; the choices above "
            "have moved "
            "on. Judge again to have the present ones.", icon=":material/history:",
        )  # fmt: skip
    st.markdown(
        f"**{ask.strategy.replace('_', ' ')}** on {count(ask.n_paths, 'path')}, made in {seconds(job.elapsed)}"
    )
    if result.overfitting is None:
        st.info(
            "Nothing to judge: there was only one trial, or the paths are shorter than a month. Try variants, or "
            "choose more "
            "strategies above.", icon=":material/balance:",
        )  # fmt: skip
    else:
        _overfitting(result.overfitting)
    if result.ranks is not None:
        _ranks(result.ranks)
    with st.container(horizontal=True):
        download("report.html", "report.html", page, key="backtest:html")
        download("report.json", "report.json", data, key="backtest:json")
    for note in result.remarks:
        st.caption(f"Note: {note}")


def _overfitting(panel: Overfitting) -> None:
    from spade_finance.backtest import panels

    rows = {row["statistic"]: row for row in panel.table.to_dict("records")}

    def both(name: str, digits: int = 2) -> tuple[str, str]:
        row = rows.get(name)
        if row is None:
            return "–", ""
        real = f"real {number(row['real'], digits=digits)}; " if np.isfinite(row["real"]) else ""
        return number(row["mean"], row["std_error"], digits=digits), real

    deflated = panel.paths["deflated"].to_numpy(dtype=float)
    known = deflated[np.isfinite(deflated)]
    share = float((known > 0.95).mean()) if len(known) else float("nan")
    error = float(np.sqrt(share * (1 - share) / len(known))) if len(known) else float("nan")
    pbo, best, trials = both("pbo"), both("best_sharpe"), both("effective_trials", 1)
    real = rows.get("deflated", {}).get("real", float("nan"))
    cards(
        [
            Card("Probability of overfitting", pbo[0], f"{pbo[1]}½ without skill"),
            Card("Deflated Sharpe above .95", percent(share, error, digits=0), "of paths; under 5 % without skill"
                 + (f"; real history {number(real)}" if np.isfinite(real) else "")),
            Card("Sharpe of the best, a year", best[0], f"{best[1]}before the choice is considered"),
            Card("Independent trials", trials[0], f"{trials[1]}that {len(panel.variants)} variants amount to"),
        ]
    )  # fmt: skip
    figure = panels.overfitted(panel)
    short = {"Probability of overfitting": "PBO", "Deflated Sharpe ratio of the best": "Deflated Sharpe"}
    for heading in figure.layout.annotations:  # a phone has no room for more
        heading.text = short.get(heading.text, heading.text)
    figure.update_traces(line_color=ink()["real"], selector={"name": "real"})
    show(
        figure,
        key="backtest:overfitted",
        alt="Histograms over paths of the probability of overfitting and the deflated Sharpe ratio.",
    )
    table(statistics_table(panel))
    st.caption("Costly statistics take the first of the paths only; the last column says how many.")
    with st.expander(f"The {len(panel.variants)} variants"):
        table(_variants(panel))
    st.caption(
        f"Trials: {panel.what}. Real history {panel.span or 'absent'}. Below "
        f"{number(panel.backtest_years, digits=1)} years, as "
        "many trials without skill are expected to show such a best Sharpe ratio. Most of what a long-only "
        "strategy earns is "
        "the market's: p-values against cash look good for every variant; PBO and the test against the "
        "equal-weight market "
        "do not care."
    )
    for note in panel.notes:
        st.caption(f"Note: {note}.")


def statistics_table(panel: Overfitting) -> pd.DataFrame:
    """Text: every statistic of the choice, over paths and on the real history."""
    import pandas as pd

    rows = []
    for row in panel.table.to_dict("records"):
        digits = 0 if row["statistic"] == "track_days" else 2
        real = "never" if np.isinf(row["real"]) else number(row["real"], digits=digits)
        rows.append(
            {
                "statistic": row["title"], "mean": number(row["mean"], row["std_error"], digits=digits),
                "5 %": number(row["p05"], digits=digits), "median": number(row["p50"], digits=digits),
                "95 %": number(row["p95"], digits=digits), "real": real, "paths": f"{row['n_paths']:,}",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _variants(panel: Overfitting) -> pd.DataFrame:
    import pandas as pd

    mean, error = panel.mean_sharpe()
    share = panel.chosen()
    real = panel.real["sharpe"] if panel.real is not None else [float("nan")] * len(mean)
    rows = [
        {
            "variant": panel.variants[i], "Sharpe ratio": number(mean[i], error[i]),
            "best on": f"{percent(float(share.get(panel.variants[i], 0.0)), digits=0)} of paths",
            "real": number(real[i]),
        }
        for i in np.argsort(-mean)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _ranks(test: RankTest) -> None:
    from spade_finance.backtest import panels

    figure = panels.rank_correlations(test)
    figure.update_traces(marker_color=ink()["real"], selector={"marker.color": "#8C8C8C"})
    show(figure, key="backtest:ranks", alt=test.verdict())
    st.caption(test.verdict()[:1].upper() + test.verdict()[1:])
