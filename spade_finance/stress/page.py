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
from spade_finance.stress.dial_measure import LOSS, RISES, TITLES
from spade_finance.stress.executive import assumptions, limits, summary_sentences
from spade_finance.stress.narrative import percent
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
NOWCAST_TITLES = {"return": "mean return", "volatility_first_month": "volatility a year, first month"}


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
        dial=_dial(report),
        counterfactual=_counterfactual(report),
        spillover=_spillover(report),
        reverse=_reverse(report),
        nowcast=_nowcast(report),
        views=_views(report.views),
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
                else _split(number_text(r["value"], r["std_error"], MEASURES[measure].unit))
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
                "real": source == "history", "cells": [_split(text) for text in row],
            }
        )  # fmt: skip
    return {"headings": list(table.columns), "rows": rows}


def _dial(report: StressReport) -> dict[str, Any] | None:
    part = report.dial
    if part is None:
        return None
    bad = [TITLES[k] for k in RISES if not part.monotone.get(k, True)]
    good = (
        " Volatility, correlation, ES and the probability of losing a fifth do not fall with it and the mean return "
        "does not rise, judged by paired errors."
    )
    text = (
        f"Trained range of severities {part.trained[0]:.2f} to {part.trained[1]:.2f}; beyond it (dotted) the curve is "
        f"extrapolated.{'' if bad else good} Volatility grows with severity to the power {part.elasticity:.2f}"
    )
    if np.isfinite(part.elasticity_real):
        text += f" in the model and {part.elasticity_real:.2f} over {len(part.episodes)} real episodes"
    curve = part.table[part.table["portfolio"] == "market"]
    rows = []
    for _, row in curve.iterrows():
        cells = [
            _split(number_text(row[c], row[f"{c}_se"], "percent")) if c != "mean_correlation"
            else [f"{row[c]:.3f}", f"{row[f'{c}_se']:.3f}"]
            for c in RISES
        ]  # fmt: skip
        rows.append(
            {"title": f"{row['severity']:.2f}" + ("" if row["trained"] else ", extrapolated"), "cells": cells}
        )
    days = f"{part.n_days} days"
    return {"figure": embedded(figures.dial(report)), "text": text + ".", "rows": rows,
            "flag": f"Not monotone in {' and '.join(bad)} over the trained range, judged by paired errors" * bool(bad),
            "headings": ["severity", "volatility a year", "mean correlation", "one-day ES 97.5 %",
                         f"mean return, {days}", f"P(loss ≥ {100 * LOSS:.0f} %), {days}"]}  # fmt: skip


def _counterfactual(report: StressReport) -> dict[str, Any] | None:
    part = report.counterfactual
    if part is None:
        return None
    rows = []
    for _, row in part.table.iterrows():
        ratio = float(row["variance_ratio"])
        rows.append(
            {
                "title": row["portfolio"],
                "cells": [
                    [percent(row["return_script"]), ""], [percent(row["return_against"]), ""],
                    _split(number_text(row["difference"], row["std_error"], "percent")),
                    _split(number_text(row["std_error_independent"], float("nan"), "percent")),
                    [f"{ratio:.1f}" if np.isfinite(ratio) else "–", ""],
                ],
            }
        )  # fmt: skip
    return {
        "figure": embedded(figures.counterfactual(report)), "rows": rows,
        "script": part.script, "against": part.against,
        "headings": ["portfolio", "mean return", "counterfactual", "difference", "error of independent draws",
                     "times fewer paths"],
    }  # fmt: skip


def _spillover(report: StressReport) -> dict[str, Any] | None:
    part = report.spillover
    if part is None or part.table.empty:
        return None
    rows = []
    for _, row in part.table.iterrows():
        cells = [
            _plain_pair(row[c], row[f"{c}_se"]) if c == "correlation"
            else _split(number_text(row[c], row[f"{c}_se"], "percent"))
            for c in ("volatility", "rest_volatility", "correlation", "covar_95", "delta_covar_95")
        ]  # fmt: skip
        source = "generated" if row["source"] == "model" else "real"
        rows.append({"title": row["sector"], "what": row["days_of"], "source": source, "days": f"{int(row['days']):,}",
                     "real": source == "real", "cells": cells})  # fmt: skip
    return {
        "figure": embedded(figures.spillover(report)), "rows": rows, "notes": [n.rstrip(".") for n in part.notes],
        "headings": ["sector", "days of", "source", "days", "volatility a year", "volatility of the others",
                     "correlation", "CoVaR 95 %", "ΔCoVaR 95 %"],
    }  # fmt: skip


def _reverse(report: StressReport) -> dict[str, Any] | None:
    found = report.reverse
    if found is None:
        return None
    rows = [
        {
            "rank": s.rank, "narrative": s.narrative, "detail": s.detail, "script": s.script,
            "plausibility": number_text(s.plausibility, s.plausibility_error, "percent"),
            "probability": number_text(s.probability, s.probability_error or float("nan"), "percent"),
            "breach": number_text(s.breach, s.breach_error, "percent"),
            "ess": f"{s.ess:,.0f}",
        }
        for s in found.scenarios
    ]  # fmt: skip
    return {"headline": found.headline, "rows": rows, "n_stories": found.n_stories, "n_paths": f"{found.n_paths:,}",
            "figure": embedded(figures.reverse_paths(found)) if found.scenarios else None}  # fmt: skip


def _nowcast(report: StressReport) -> dict[str, Any] | None:
    now = report.nowcast
    if now is None:
        return None
    rows = []
    for _, row in now.table.iterrows():
        measure, level = str(row["measure"]), row["level"]
        key = (measure, None if pd.isna(level) else float(level), None)
        title = NOWCAST_TITLES.get(measure) or label(key).replace(", whole scenario", "")
        cells = [
            _split(number_text(row[a], row[b], "percent"))
            for a, b in (("value", "std_error"), ("usual", "usual_error"))
        ]
        rows.append({"title": title, "cells": cells})
    end = now.regimes_ahead.iloc[-1]
    colors = regime_colors([str(name) for name in now.today.index])
    regimes = [
        {"name": name, "color": colors[str(name)], "today": percent(now.today[name], 0),
         "end": percent(end[name], 0), "usual": percent(now.stationary[name], 0)}
        for name in now.today.index
    ]  # fmt: skip
    return {"headline": now.headline, "figure": embedded(figures.nowcast_fan(now)), "rows": rows, "regimes": regimes,
            "days": now.days}  # fmt: skip


def _views(pooled: Any) -> dict[str, Any] | None:
    """Section of :class:`~spade_finance.stress.views.PooledScenarios`."""
    if pooled is None:
        return None
    asked = []
    for view, (_, row) in zip(pooled.views, pooled.table.iterrows(), strict=True):
        cells = [[view.show(row[c]).replace("-", "−").replace("%", " %"), ""] for c in ("prior", "posterior")]
        asked.append({"title": str(view), "cells": cells})
    rows = []
    for _, row in pooled.numbers().iterrows():
        title = "mean loss" if row["measure"] == "mean" else label((row["measure"], row["level"], None))
        title = title.replace(", whole scenario", "")
        pairs = (("prior", "prior_error"), ("posterior", "posterior_error"))
        rows.append(
            {"title": title, "cells": [_split(number_text(row[a], row[b], "percent")) for a, b in pairs]}
        )
    return {
        "asked": asked, "rows": rows, "figure": embedded(figures.pooled_losses(pooled)), "warnings": pooled.warnings,
        "n": f"{len(pooled.probabilities):,}", "ess": f"{pooled.ess:,.0f}", "kish": f"{pooled.ess_kish:,.0f}",
        "entropy": f"{pooled.relative_entropy:.3g}",
    }  # fmt: skip


def _frame(table: pd.DataFrame) -> dict[str, Any]:
    return {
        "headings": [str(table.index.name or ""), *map(str, table.columns)],
        "rows": [
            {"title": str(i), "cells": [_split(str(v)) for v in row]}
            for i, row in zip(table.index, table.to_numpy(), strict=True)
        ],
    }


def _split(text: str) -> list[str]:
    """Value and error apart: ``12.3 %`` and ``0.4``."""
    text = text.replace("-", "−") if text != "–" else text
    value, _, rest = text.partition(" ± ")
    if not rest:
        return [value, ""]
    error, _, unit = rest.partition(" ")
    return [f"{value} {unit}".strip(), error]


def _plain_pair(value: float, error: float) -> list[str]:
    if not np.isfinite(value):
        return ["–", ""]
    known = bool(np.isfinite(error) and error > 0)
    digits = 3 if known and error < 0.01 else 2
    return [f"{value:.{digits}f}".replace("-", "−"), f"{error:.{digits}f}" if known else ""]


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
