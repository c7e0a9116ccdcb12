# SPDX-License-Identifier: Apache-2.0
"""What the Stress page shows of a report: value, losses, drawdowns, sectors, regimes, all numbers, the dial."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING

import streamlit as st

from .. import tables
from ..cards import Card, cards
from ..figures import ink, show
from ..formats import days, number, percent
from ..headings import heading
from ..kinds import one_of
from ..state import bind, get
from ._stress_engine import measured_dial

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from spade_finance.model import ScenarioGenerator
    from spade_finance.stress import SeverityDial, StressReport

__all__ = ["VIEWS", "drawdown_table", "headline", "level_table"]

MEASURE = one_of("measure", "es", ("es", "var"))
_TITLES = {
    "model": "generated", "scenarios": "generated", "block_bootstrap": "block bootstrap", "history": "real history",
}  # fmt: skip


def headline(report: StressReport) -> None:
    """The five numbers that are asked for first."""
    span = days(report.n_days)
    number_of = report.number
    cards(
        [
            Card("Mean return", percent(*number_of("return"), signed=True), f"over {span}, not annualised; median "
                 f"{percent(*number_of('median_return'), signed=True)}"),
            Card("VaR 95 % at the end", percent(*number_of("var", 0.95)), "loss that one path in twenty exceeds"),
            Card("ES 97.5 % at the end", percent(*number_of("es", 0.975)), "mean loss of the worst 2.5 % of paths"),
            Card("Worst drawdown", percent(*number_of("max_drawdown")), "deepest fall from a peak, mean of the paths"),
            Card("Chance to lose 20 %", percent(*number_of("prob_loss", 0.2)), f"or more after {span}"),
        ]
    )  # fmt: skip


# ---- views


def value(model: ScenarioGenerator, report: StressReport) -> None:
    """Fan of the portfolio's value, the real episodes on it."""
    end = report.fans[_name(report)].iloc[-1]
    figure = report.plot_fan()
    spans: list[str] = []
    for trace in figure.data:
        name, _, span = str(trace.name).partition(", ")
        if name == "real":
            trace.line.color = ink()["real"]
            trace.name = f"real {span[:4]}"  # a legend with whole dates is one column on a phone
            spans.append(span)
    real = " with the real episode" if any(report.analogue.values()) else ""
    show(
        figure, key=f"stress:value:{report.subject}",
        title=f"Value of {_name(report)}, start = 100: median, half, 90 and 98 % of {report.n_paths:,} paths{real}",
        alt=f"After {report.n_days} days the median is {100 * end['p50']:.0f}; 90 % of paths lie between "
        f"{100 * end['p05']:.0f} and {100 * end['p95']:.0f}.",
    )  # fmt: skip
    if spans:
        st.caption(f"Real: the same portfolio from {'; '.join(spans)}, each from its own start.")


def losses(model: ScenarioGenerator, report: StressReport) -> None:
    """The distribution at the end, then VaR and ES by horizon and level."""
    loss, _ = report.number("es", 0.975)
    figure = report.plot_losses()
    figure.update_traces(line_color=ink()["real"], selector={"name": "block bootstrap"})
    show(
        figure,
        key=f"stress:losses:{report.subject}",
        alt=f"Histogram of losses; ES 97.5 % is {percent(loss)}.",
    )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        kinds = {"es": "Expected shortfall", "var": "Value at risk"}
        heading(f"{kinds[get(MEASURE)]} by horizon and level")
        st.segmented_control(
            "Measure", list(kinds), format_func=kinds.__getitem__, required=True, label_visibility="collapsed",
            **bind(MEASURE),
        )  # fmt: skip
    tables.table(level_table(report, get(MEASURE)))
    st.caption(
        "Percent of the capital, positive is a loss. A horizon takes all windows of that length inside the "
        "scenario, each "
        "a fresh portfolio. ± is one standard error, clustered by path; a dash is a tail with too few paths."
    )


def level_table(report: StressReport, measure: str) -> pd.DataFrame:
    """Text: VaR or ES by horizon (rows) and confidence level (columns)."""
    import pandas as pd

    from spade_finance.stress.catalogue import HORIZONS, LEVELS
    from spade_finance.stress.summary import number_text

    rows = []
    for horizon in [h for h in HORIZONS if h < report.n_days] + [None]:
        row = {"horizon": days(horizon) if horizon else "whole scenario"}
        for level in LEVELS:
            row[f"{100 * level:g} %"] = _minus(
                number_text(*report.number(measure, level, horizon), "percent")
            )
        rows.append(row)
    return pd.DataFrame(rows)


def drawdowns(model: ScenarioGenerator, report: StressReport) -> None:
    """The cone, then depth and length."""
    depth, _ = report.number("max_drawdown")
    show(report.plot_drawdowns(), key=f"stress:drawdowns:{report.subject}",
         alt=f"Cone of drawdowns; the worst one of a path is {percent(depth)} on average.")  # fmt: skip
    heading("The worst drawdown of a path")
    tables.table(drawdown_table(report))
    st.caption(
        "Depth is negative: percent below the running peak. The levels say what 1 path in 20, 40 or 100 goes beyond. "
        "Trading days; what lasts at the end is cut off there."
    )


def drawdown_table(report: StressReport) -> pd.DataFrame:
    """Text: depth, days of the fall, longest time under water; mean and quantiles."""
    import pandas as pd

    from spade_finance.stress.catalogue import DEPTH_LEVELS, MEASURES
    from spade_finance.stress.summary import number_text

    rows = []
    for measure in ("max_drawdown", "drawdown_days", "longest_under_water", "under_water"):
        unit = MEASURES[measure].unit
        row = {"what": MEASURES[measure].title, "mean": _minus(number_text(*report.number(measure), unit))}
        for level in DEPTH_LEVELS:
            row[f"{100 * level:g} % level"] = _minus(number_text(*report.number(measure, level), unit))
        rows.append(row)
    return pd.DataFrame(rows)


def sectors(model: ScenarioGenerator, report: StressReport) -> None:
    """Who earns and who loses, on average and in the tail."""
    from spade_finance.stress.summary import contribution_summary

    show(report.plot_contributions(), key=f"stress:sectors:{report.subject}",
         alt="Bars: mean profit and part of the expected shortfall of every sector.")  # fmt: skip
    tables.table(_minus_all(contribution_summary(report).reset_index()))
    st.caption(
        "Points of capital; sectors (and interest-free cash) add up to the portfolio exactly. Mean profit is over all "
        "paths, the part of ES over the worst 2.5 %: positive is a loss."
    )


def regimes(model: ScenarioGenerator, report: StressReport) -> None:
    """The numbers within each regime's spells, beside the bootstrap and history."""
    from spade_finance.stress.summary import regime_summary

    table = regime_summary(report).reset_index()
    if table.empty:
        st.info("No regime lasts long enough in this scenario to be measured by itself.")
        return
    table["source"] = table["source"].map(lambda s: _TITLES.get(s, s))
    tables.table(_minus_all(table))
    st.caption(
        "Windows lie within one spell of the regime, drawdowns start with it; the return is what is earned on "
        "its days. "
        "Volatility is of daily returns, a year (252 days). ± is one standard error, clustered by path (history: "
        "by spell)."
    )


def numbers(model: ScenarioGenerator, report: StressReport) -> None:
    """The chief numbers, a column a source."""
    from spade_finance.stress.summary import summary

    table = summary(report).rename(columns=_TITLES).rename_axis("measure").reset_index()
    tables.table(_minus_all(table))
    st.caption(
        "VaR and ES are positive losses, drawdowns negative. The block bootstrap draws real days under the same "
        "regimes "
        "and knows no severity; real history is the episode that the scenario names, which is one path and has "
        "no error."
    )
    for note in report.notes:
        st.caption(f"Note: {note}.")


def severity(model: ScenarioGenerator, report: StressReport) -> None:
    """The calibration of the dial: what a severity does, beside the real episodes."""
    from spade_finance.stress.dial_measure import TITLES

    worst = next(r for r in reversed(report.regimes) if report.ribbon[r].to_numpy().any())
    with st.spinner(f"Measuring the severity dial of {worst}…"):
        dial = measured_dial(model, report.portfolios[0], worst)
    faults = [TITLES[name] for name, good in dial.monotone.items() if not good]
    said = "rises throughout" if not faults else f"does not hold for {', '.join(faults)}"
    at = dial.table[(dial.table["portfolio"] == "market") & dial.table["trained"]]
    low, high = at.iloc[0], at.iloc[-1]
    real = f"; real episodes {number(dial.elasticity_real)}" if math.isfinite(dial.elasticity_real) else ""
    cards(
        [
            Card("Trained range", f"{dial.trained[0]:.2f} to {dial.trained[1]:.2f}", "1 is the typical episode"),
            Card("Volatility a year", f"{percent(low.volatility, digits=0)} to {percent(high.volatility, digits=0)}",
                 "of the equal-weight market, over that range"),
            Card("Elasticity", number(dial.elasticity), f"of volatility to severity; 1 is in proportion{real}"),
            Card("Monotone", "yes" if not faults else "not in all", f"what should rise with severity {said}"),
        ]
    )  # fmt: skip
    show(_dial_figure(dial), key="stress:dial",
         alt=f"Volatility, correlation, losses and returns of {worst} episodes by severity.")  # fmt: skip
    st.caption(
        f"{dial.n_paths} paths of {dial.n_days} days at each severity, all on the same noise; real episodes at the "
        "severity that they had. Beyond the trained range the curve is dotted: extrapolation."
    )


# ---- parts


def _dial_figure(dial: SeverityDial) -> go.Figure:
    """The report's own figure, its longest heading short enough for a phone."""
    from spade_finance.stress import figures

    figure = figures.dial(SimpleNamespace(dial=dial))  # type: ignore[arg-type]
    for over in figure.layout.annotations:
        over.text = str(over.text).replace("mean (blue) and median (violet)", "mean, median (violet)")
    figure.update_annotations(font_size=13)
    return figure


def _name(report: StressReport) -> str:
    return str(report.portfolios[0].name)


def _minus(text: str) -> str:
    return text.replace("-", "−") if text[:1] == "-" else text


def _minus_all(table: pd.DataFrame) -> pd.DataFrame:
    return table.map(lambda cell: _minus(cell) if isinstance(cell, str) else cell)


View = Callable[["ScenarioGenerator", "StressReport"], None]

VIEWS: dict[str, tuple[str, View]] = {
    "value": ("Value", value),
    "losses": ("Losses", losses),
    "drawdowns": ("Drawdowns", drawdowns),
    "sectors": ("Sectors", sectors),
    "regimes": ("Regimes", regimes),
    "numbers": ("All numbers", numbers),
    "severity": ("Severity", severity),
}
