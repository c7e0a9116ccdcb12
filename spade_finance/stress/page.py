# SPDX-License-Identifier: Apache-2.0
"""The stress report as a self-contained page."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.plot_style import regime_colors
from spade_finance.reports.html import embedded, provenance_rows, render
from spade_finance.stress import figures
from spade_finance.stress.catalogue import MEASURES
from spade_finance.stress.executive import assumptions, limits, summary_sentences
from spade_finance.stress.narrative import percent
from spade_finance.stress.page_parts import (
    counterfactual_part,
    dial_part,
    nowcast_part,
    reverse_part,
    spillover_part,
    split,
    views_part,
)
from spade_finance.stress.summary import contribution_summary, label, number_text, regime_summary, sources

if TYPE_CHECKING:
    from spade_finance.stress.portfolio import Portfolio
    from spade_finance.stress.report import StressReport

__all__ = ["rerun_command", "stress_page"]

SOURCE_TITLES = {
    "model": "generated", "scenarios": "given scenarios", "block_bootstrap": "block bootstrap",
    "history": "real episodes",
}  # fmt: skip
GROUPS = (
    ("Return and volatility", ("return", "median_return", "volatility")),
    ("Value at risk", ("var",)),
    ("Expected shortfall", ("es", "liquidity_es")),
    ("Drawdowns", ("max_drawdown", "drawdown_days", "under_water", "longest_under_water")),
    ("Probabilities", ("prob_loss", "prob_breach", "prob_ruin")),
)


def stress_page(report: StressReport) -> str:
    """HTML of a report; sections whose part was not computed are left out."""
    colors = regime_colors(report.regimes)
    share = report.ribbon.mean()
    return render(
        "stress",
        "stress.html.j2",
        title=report.scenario.title,
        narrative=report.scenario.narrative,
        source=report.scenario.source,
        script=report.scenario.script or str(report.provenance.get("script", "")),
        chips=[
            {"name": f"{name}: {percent(share[name], 0)} of days", "color": colors[str(name)]}
            for name in report.ribbon.columns
            if share[name] > 0
        ],
        facts=f"{report.n_paths:,} paths of {report.n_days:,} trading days, {len(report.sectors)} sectors",
        summary=summary_sentences(report),
        notes=[note.rstrip(".") for note in report.notes],
        books=[_book(report, book) for book in report.portfolios],
        dial=dial_part(report),
        counterfactual=counterfactual_part(report),
        spillover=spillover_part(report),
        reverse=reverse_part(report),
        nowcast=nowcast_part(report),
        views=views_part(report.views),
        assumptions=assumptions(report),
        limits=limits(report),
        rerun=rerun_command(report),
        provenance=provenance_rows({k: _plain(v) for k, v in report.provenance.items() if k != "versions"}),
    )


def rerun_command(report: StressReport) -> str | None:
    """The command that makes the report again from its ``report.json``; None for given scenarios."""
    if "scenario" not in report.options:
        return None
    words = ["spade-finance", "stress", "--rerun", "report.json", "--out", "again"]
    if report.options.get("own_history"):
        words += ["--history", "RETURNS"]
    return shlex.join(words)


def _book(report: StressReport, book: Portfolio) -> dict[str, Any]:
    """Everything about one portfolio."""
    name = book.name
    return {
        "name": name,
        "text": str(book),
        "summary": summary_sentences(report, name),
        "fan": embedded(figures.fan(report, name)),
        "losses": embedded(figures.losses(report, name)),
        "contributions": embedded(figures.contributions(report, name)),
        "contribution_table": _frame(contribution_summary(report, name)),
        "drawdowns": embedded(figures.drawdowns(report, name)),
        "headings": [SOURCE_TITLES.get(s, s) for s in sources(report)],
        "blocks": _blocks(report, name),
        "regimes": _regimes(report, name),
    }


def _blocks(report: StressReport, name: str) -> list[dict[str, Any]]:
    """Every number of a portfolio over all days, a block for the measures of one kind."""
    own = report.table[(report.table["portfolio"] == name) & report.table["regime"].isna()]
    order = {measure: i for i, measure in enumerate(MEASURES)}
    rows: dict[Any, dict[str, Any]] = {}
    for row in own.to_dict("records"):
        level = -1.0 if np.isnan(row["level"]) else row["level"]
        key = (order[row["measure"]], int(row["horizon_days"]), float(level))
        rows.setdefault(key, {})[row["source"]] = row
    columns = sources(report)
    blocks = []
    for title, measures in GROUPS:
        made = []
        for key in sorted(k for k in rows if list(MEASURES)[k[0]] in measures):
            measure = list(MEASURES)[key[0]]
            level, days = None if key[2] < 0 else key[2], None if key[1] == report.n_days else key[1]
            found = [rows[key].get(source) for source in columns]
            cells = [
                ["–", ""]
                if r is None
                else split(number_text(r["value"], r["std_error"], MEASURES[measure].unit))
                for r in found
            ]
            needed = found[0]["n_paths_for_1pct"] if found[0] else np.nan
            paths = f"{needed:,.0f}" if np.isfinite(needed) else "–"
            made.append({"title": label((measure, level, days)), "cells": cells, "paths": paths})
        if made:
            blocks.append({"name": title, "rows": made})
    return blocks


def _regimes(report: StressReport, name: str) -> dict[str, Any] | None:
    table = regime_summary(report, name)
    if table.empty:
        return None
    colors = regime_colors(report.regimes)
    rows = []
    for key, row in zip(table.index.tolist(), table.to_numpy(), strict=True):
        regime, source = key
        rows.append(
            {
                "regime": regime, "color": colors[regime], "source": SOURCE_TITLES.get(source, source),
                "real": source == "history", "cells": [split(text) for text in row],
            }
        )  # fmt: skip
    return {"headings": list(table.columns), "rows": rows}


def _frame(table: pd.DataFrame) -> dict[str, Any]:
    return {
        "headings": [str(table.index.name or ""), *map(str, table.columns)],
        "rows": [
            {"title": str(i), "cells": [split(str(v)) for v in row]}
            for i, row in zip(table.index, table.to_numpy(), strict=True)
        ],
    }


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
