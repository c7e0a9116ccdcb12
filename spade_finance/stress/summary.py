# SPDX-License-Identifier: Apache-2.0
"""The chief numbers of a report as text: what the terminal and the notebook show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spade_finance.stress.catalogue import MEASURES
from spade_finance.stress.liquidity import BASE_DAYS

if TYPE_CHECKING:
    from spade_finance.stress.report import StressReport
    from spade_finance.stress.views import PooledScenarios

Key = tuple[str, float | None, int | None]

ROUNDED_UP = 1.005
"""An error of 0.0996 is printed as 0.10 and not as 0.100."""

HEADLINES: tuple[Key, ...] = (
    ("return", None, None),
    ("median_return", None, None),
    ("volatility", None, 1),
    ("var", 0.99, 1),
    ("es", 0.975, 1),
    ("es", 0.975, 10),
    ("liquidity_es", 0.975, BASE_DAYS),
    ("es", 0.975, 20),
    ("es", 0.975, 60),
    ("var", 0.95, None),
    ("var", 0.99, None),
    ("es", 0.975, None),
    ("es", 0.995, None),
    ("max_drawdown", None, None),
    ("max_drawdown", 0.95, None),
    ("longest_under_water", None, None),
    ("prob_loss", 0.1, None),
    ("prob_loss", 0.2, None),
    ("prob_breach", 0.3, None),
    ("prob_breach", 0.5, None),
    ("prob_ruin", None, None),
)
BY_REGIME: tuple[Key, ...] = (
    ("return", None, None),
    ("volatility", None, 1),
    ("es", 0.975, 1),
    ("es", 0.975, 10),
    ("max_drawdown", None, None),
)


def label(key: Key) -> str:
    """``ES 97.5 %, 10 days`` of a measure, level and horizon (None: the whole scenario)."""
    measure, level, days = key
    text = MEASURES[measure].title
    if level is not None and measure in ("prob_loss", "prob_breach"):
        text = text.replace("loss", f"loss ≥ {100 * level:.0f} %")
    elif level is not None:
        text += f" {100 * level:g} %"
    if measure in ("var", "es", "liquidity_es"):
        text += ", whole scenario" if days is None else f", {days} day{'s' * (days != 1)}"
    return text


def number_text(value: float, error: float, unit: str) -> str:
    """``12.3 ± 0.4 %`` with as many digits as the error warrants; a dash for a missing value, no error of zero."""
    if not np.isfinite(value):
        return "–"
    factor, suffix = (1.0, " days") if unit == "days" else (100.0, " %")
    digits, told = 1, bool(np.isfinite(error) and error > 0)
    if told:
        digits = int(
            np.clip(1 - np.floor(np.log10(ROUNDED_UP * factor * error)), 1, 3 if unit != "days" else 2)
        )
    elif unit == "days":
        digits = 0
    text = f"{factor * value:.{digits}f}"
    if told:
        text += f" ± {max(factor * error, 10.0**-digits):.{digits}f}"  # never an error of 0.0
    return text + suffix


def sources(report: StressReport) -> list[str]:
    """Columns, the subject first."""
    return list(dict.fromkeys(report.table["source"]))


def summary(report: StressReport, portfolio: str | None = None) -> pd.DataFrame:
    """Text by measure (rows) and source (columns); `portfolio` defaults to the first."""
    name = portfolio or report.portfolios[0].name
    rows = {}
    for key in HEADLINES:
        if key[2] is not None and key[2] > report.n_days:
            continue
        cells = {s: _cell(report, key, None, name, s) for s in sources(report)}
        if any(text != "–" for text in cells.values()):
            rows[label(key)] = cells
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = name
    return table.loc[:, (table != "–").any()]


def regime_summary(report: StressReport, portfolio: str | None = None) -> pd.DataFrame:
    """Text by (regime, source) and measure."""
    name = portfolio or report.portfolios[0].name
    rows = {}
    for regime in report.regimes:
        for source in sources(report):
            cells = {
                label(key).replace(", whole scenario", ""): _cell(report, key, regime, name, source)
                for key in BY_REGIME
            }
            if any(text != "–" for text in cells.values()):
                rows[regime, source] = cells
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["regime", "source"]) if rows else table.index
    return table


def contribution_summary(report: StressReport, portfolio: str | None = None) -> pd.DataFrame:
    """Text: expected profit and share of ES by sector, with their sums."""
    name = portfolio or report.portfolios[0].name
    own = report.contributions
    own = own[(own["portfolio"] == name) & (own["source"] == report.subject) & own["regime"].isna()]
    rows = {}
    for sector in report.sectors:
        if not own.loc[own["sector"] == sector, "value"].any():
            continue
        cells = {}
        for kind, title in (("pnl", "mean profit"), ("es", "ES 97.5 % at the end")):
            row = own[(own["sector"] == sector) & (own["kind"] == kind)]
            cells[title] = (
                number_text(float(row["value"].iloc[0]), float(row["std_error"].iloc[0]), "percent")
                if len(row)
                else "–"
            )
        rows[sector] = cells
    rows["together"] = {
        title: number_text(*report.number(measure, level, portfolio=name), "percent")
        for measure, level, title in (("return", None, "mean profit"), ("es", 0.975, "ES 97.5 % at the end"))
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("sector")


def views_summary(pooled: PooledScenarios) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Text: what the views ask for with its value before and after, and the losses before and after."""
    asked = {}
    for view, (_, row) in zip(pooled.views, pooled.table.iterrows(), strict=True):
        asked[view.name] = {
            "target": f"{view.relation} {view.show(view.value)}",
            "prior": view.show(float(row["prior"])), "posterior": view.show(float(row["posterior"])),
        }  # fmt: skip
    losses = {}
    for _, row in pooled.numbers().iterrows():
        title = "mean loss" if row["measure"] == "mean" else label((str(row["measure"]), row["level"], None))
        losses[title.replace(", whole scenario", "")] = {
            name: number_text(row[name], row[f"{name}_error"], "percent") for name in ("prior", "posterior")
        }
    first = pd.DataFrame.from_dict(asked, orient="index").rename_axis("view")
    return first, pd.DataFrame.from_dict(losses, orient="index").rename_axis("whole scenario")


def _cell(report: StressReport, key: Key, regime: str | None, portfolio: str, source: str) -> str:
    value, error = report.number(*key, regime, portfolio=portfolio, source=source)
    return number_text(value, error, MEASURES[key[0]].unit)
