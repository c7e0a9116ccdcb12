# SPDX-License-Identifier: Apache-2.0
"""The two pages: the demo's report and the evaluation's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance import plotting
from spade_finance.evaluate import facts
from spade_finance.evaluate.page_sections import section_blocks
from spade_finance.evaluate.panel import MARKET, Panel
from spade_finance.evaluate.regimes import HEADINGS, UNITS, RegimeTable, real_panel, regime_table, with_error
from spade_finance.reports.html import embedded, provenance_rows, render

if TYPE_CHECKING:
    from spade_finance.evaluate.report import EvaluationReport
    from spade_finance.regimes import RegimeLabels
    from spade_finance.scenarios import ScenarioSet

SHOWN = tuple(name for name in HEADINGS if name != "worst_day")
MIN_CORRELATION_DAYS = 40
MARKS = {"too high": "▲", "too low": "▼"}


def write_demo_report(
    scenarios: ScenarioSet,
    training_returns: pd.DataFrame,
    training_labels: RegimeLabels,
    heldout_returns: pd.DataFrame,
    heldout_labels: RegimeLabels,
    path: str | os.PathLike[str],
    *,
    model_info: Mapping[str, Any] | None = None,
    comparison: ScenarioSet | None = None,
    table: RegimeTable | None = None,
) -> None:
    """Write the demo's self-contained ``report.html``, whole or not at all.

    Parameters
    ----------
    scenarios : ScenarioSet
        What the demo generated; the fan, the table and the sectors show these.
    training_returns, heldout_returns : DataFrame
        Decimal simple returns with the scenarios' sectors as columns.
    training_labels, heldout_labels : RegimeLabels
        Labels of those returns (they may cover more days).
    path : path
        The file to write.
    model_info : mapping, optional
        Printed in the provenance block (name, hash, training window ...); ``training_log``, a list of rows of
        ``metrics.jsonl``, is drawn instead.
    comparison : ScenarioSet, optional
        Scenarios drawn under the held-out window's own labels: clustering, tails and correlations compare
        these with the held-out returns on equal terms. Without them the demo's scenarios are used, and the
        page says so.
    table : RegimeTable, optional
        The table the demo printed; computed if None.

    Raises
    ------
    InputError
        On columns or regimes that do not fit together.
    OSError
        If the file cannot be written.
    """
    from spade_finance.io.atomic import write_text

    windows = {"held-out": (heldout_returns, heldout_labels), "training": (training_returns, training_labels)}
    table = table or regime_table(scenarios, windows)
    mine = Panel.from_scenarios(scenarios)
    real = real_panel(heldout_returns, heldout_labels, mine)
    compared = Panel.from_scenarios(comparison or scenarios, real.n_days)
    info = dict(model_info or {})
    log = info.pop("training_log", None)
    same = comparison is not None
    script = str(scenarios.provenance.get("script", f"{scenarios.n_days} days"))
    colors = plotting.regime_colors(scenarios.regimes)
    page = render(
        "evaluate",
        "demo.html.j2",
        script=script,
        heading=f"{scenarios.n_paths:,} market scenarios of {scenarios.n_days} days",
        lead=f"Daily returns of {len(scenarios.sectors)} sectors ({', '.join(scenarios.sectors)}), drawn "
        f"jointly under the regime timeline {script}.",
        chips=[_share(scenarios, k) for k in range(len(scenarios.regimes)) if (scenarios.codes == k).any()],
        fan=embedded(plotting.fan_chart(scenarios)),
        fan_note="The ribbon shows the regime of each day"
        + ("; where paths draw their own, the share of paths in each." if scenarios.codes.ndim == 2 else "."),
        table_headings=[HEADINGS[name] for name in SHOWN],
        table_blocks=_table_blocks(table, colors),
        volatility=embedded(plotting.volatility_by_regime(table.table)),
        clustering=embedded(plotting.volatility_clustering({"real": real, "generated": compared})),
        clustering_note=(
            "Generated under the same regimes as the held-out window, in replicates of its length."
            if same
            else "The scenarios follow the script above, the real window its own mix of regimes: part of the "
            "difference is that mix."
        ),
        tails=embedded(plotting.tails({"generated": compared.simple[..., 0], "real": real.simple[..., 0]})),
        correlation=_correlations({"generated": compared, "real": real}),
        sectors=embedded(plotting.sector_fans(scenarios), wide=True),
        paths=embedded(plotting.spaghetti(scenarios)),
        curve=embedded(plotting.training_curve(log)) if log else None,
        heldout_span=_span(heldout_returns),
        training_span=_span(training_returns),
        provenance=provenance_rows(info, scenarios.provenance, {"held-out data": _span(heldout_returns)}),
    )
    write_text(path, page)


def evaluation_page(report: EvaluationReport) -> str:
    """Page of an evaluation report."""
    real = report.panels["real"]
    shown = {name: report.panels[name] for name in ("real", *report.columns)}
    colors = plotting.regime_colors(real.regimes) if real.regimes else {}
    subject = report.columns[0]
    labelled = real.codes is not None and report.panels[subject].codes is not None
    summary = report.summary()
    return render(
        "evaluate",
        "evaluation.html.j2",
        look_ahead=report.look_ahead,
        span=f"{report.window[0]:%Y-%m-%d} to {report.window[1]:%Y-%m-%d}",
        n_days=f"{real.n_days:,}",
        n_sectors=len(report.sectors),
        drawn_under="Every column was drawn under the regimes that this window really had."
        if subject == "model"
        else "The scenarios are compared as they are; baselines were drawn under the window's own regimes.",
        verdict=report.verdict(),
        notes=[note.rstrip(".") for note in report.notes],
        columns=report.columns,
        summary_headings=list(summary.columns),
        summary_rows=_summary_rows(summary),
        clustering=embedded(plotting.volatility_clustering(shown, shade=subject)),
        tails=embedded(plotting.tails({name: p.simple[..., 0] for name, p in shown.items()})),
        volatility=embedded(plotting.volatility_by_regime(_volatility_table(report, subject)))
        if labelled
        else None,
        correlation=_correlations({subject: report.panels[subject], "real": real}) if labelled else None,
        any_in_loss=bool(report.in_loss),
        score_groups=_score_groups(report),
        statistics=[_statistics(report, asset, colors) for asset in (MARKET, *report.sectors)],
        sections=section_blocks(report),
        provenance=provenance_rows(report.provenance),
    )


# --- the demo's parts ---------------------------------------------------------------------------------------


def _share(scenarios: ScenarioSet, k: int) -> str:
    """``crisis 60 days``, or its share of days where paths draw their own timelines."""
    inside = scenarios.codes == k
    if inside.ndim == 1:
        return f"{scenarios.regimes[k]} {int(inside.sum())} days"
    return f"{scenarios.regimes[k]} {100 * inside.mean():.0f} % of days"


def _span(returns: pd.DataFrame) -> str:
    return f"{returns.index[0]:%Y-%m-%d} to {returns.index[-1]:%Y-%m-%d}"


def _table_blocks(table: RegimeTable, colors: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows by regime, values and errors apart; regimes that were not generated are left out."""
    blocks = []
    for regime in dict.fromkeys(table.table.index.get_level_values(0)):
        if table.table.loc[(regime, "generated"), "days"] == 0:
            continue
        rows = []
        for source in table.sources:
            row = table.table.loc[(regime, source)]
            cells = [
                [*with_error(row[name], row[f"{name}_se"], UNITS[name]).split(" ± "), ""][:2]
                for name in SHOWN
            ]
            rows.append(
                {
                    "source": source if source == "generated" else f"real, {source}",
                    "days": f"{row['days']:,.0f}",
                    "episodes": f"{row['episodes']:.0f}" if np.isfinite(row["episodes"]) else "",
                    "cells": cells,
                }
            )
        blocks.append({"regime": regime, "color": colors[regime], "rows": rows})
    return blocks


def _correlations(panels: Mapping[str, Panel]) -> dict[str, Any] | None:
    """Heat maps of the calmest and the worst regime that every panel has enough days of."""
    first = next(iter(panels.values()))
    if len(first.sectors) < 2 or any(p.codes is None for p in panels.values()):
        return None
    usable = [
        k
        for k in range(len(first.regimes))
        if all(p.days_in(k) * p.n_paths >= MIN_CORRELATION_DAYS for p in panels.values())
    ]
    if not usable:
        return None
    chosen = dict.fromkeys((usable[0], usable[-1]))
    matrices = {
        name: {first.regimes[k]: _pooled_correlation(p, k) for k in chosen} for name, p in panels.items()
    }
    title = "Correlation of daily returns between sectors, calmest and worst regime"
    return embedded(plotting.correlation_heatmaps(matrices, first.sectors, title=title), wide=True)


def _pooled_correlation(panel: Panel, k: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    inside = np.broadcast_to(panel.in_regime(k), panel.simple.shape[:2])
    return facts.correlation(panel.simple[..., 1:][inside][None])[0]


# --- the evaluation's parts ---------------------------------------------------------------------------------


def _summary_rows(summary: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for name, row in summary.iterrows():
        cells = []
        for heading, value in row.items():
            if heading == "inside 95 %":
                text = "–" if pd.isna(value) else f"{100 * value:.0f} %"
                best = value == summary[heading].max()
            elif heading == "metrics":
                text, best = f"{value:.0f}", False
            else:
                text = "–" if pd.isna(value) else f"{value:.2f}"
                best = value == summary[heading].min()
            cells.append({"text": text, "best": bool(best) and len(summary) > 1})
        rows.append({"name": name, "cells": cells})
    return rows


def _score_groups(report: EvaluationReport) -> list[dict[str, Any]]:
    """Rows of the metric table by group, with how dark each cell is."""
    from spade_finance.evaluate.titles import metric_title

    scores, columns = report.scores, list(report.columns)
    groups = []
    for group in dict.fromkeys(scores["group"]):
        rows = []
        for _, row in scores[scores["group"] == group].iterrows():
            values = row[columns].astype(float)
            best = values.min()
            cells = [
                {
                    "text": "–" if pd.isna(v) else f"{v:.2f}",
                    "best": bool(v == best) and len(columns) > 1,
                    "heat": 0
                    if pd.isna(v)
                    else round(float(np.clip(np.log(max(v, 1.0)) / np.log(10), 0, 1)) * 0.6, 2),
                }
                for v in values
            ]
            rows.append({"title": metric_title(row), "in_loss": bool(row["in_loss"]), "cells": cells})
        groups.append({"name": group, "rows": rows})
    return groups


def _statistics(report: EvaluationReport, asset: str, colors: Mapping[str, str]) -> dict[str, Any]:
    """One asset's statistics by regime; those of all sectors together stand with the market."""
    from spade_finance.evaluate.titles import metric_title

    table = report.statistics
    mine = table[(table["asset"] == asset) | (table["asset"].isna() & (asset == MARKET))]
    blocks = []
    for regime in (None, *report.panels["real"].regimes):
        part = mine[mine["regime"].isna() if regime is None else mine["regime"] == regime]
        if part.empty:
            continue
        rows = []
        for _, row in part.iterrows():
            unit = row["unit"]
            low, high = row["real_low"], row["real_high"]
            cells = []
            for column in report.columns:
                mark = MARKS.get(str(row.get(f"{column}:verdict")), "")
                cells.append({"text": _number(row[column], unit), "mark": mark})
            title = metric_title({**row, "regime": None}) + (" %" if unit == "percent" else "")
            interval = f"{_number(low, unit)} to {_number(high, unit)}"
            rows.append(
                {"title": title, "real": _number(row["real"], unit), "interval": interval, "cells": cells}
            )
        blocks.append({"name": regime or "all days", "color": colors.get(regime or ""), "rows": rows})
    name = "equal-weight market, and all sectors together" if asset == MARKET else asset
    return {"asset": name, "blocks": blocks}


def _number(value: float, unit: str) -> str:
    if pd.isna(value):
        return "–"
    return f"{100 * value:.2f}" if unit == "percent" else f"{value:.2f}"


def _volatility_table(report: EvaluationReport, subject: str) -> pd.DataFrame:
    """Volatility of the market by regime in the form of a RegimeTable, generated beside real."""
    real = report.panels["real"]
    rows = {}
    for k, regime in enumerate(real.regimes):
        for source, panel in (("generated", report.panels[subject]), ("held-out", real)):
            days = panel.days_in(k)
            value = facts.volatility(panel.simple[..., :1], panel.in_regime(k))[:, 0]
            value = value[np.isfinite(value)]
            rows[regime, source] = {
                "days": days,
                "volatility": float(value.mean()) if len(value) else np.nan,
                "volatility_se": float(value.std(ddof=1) / np.sqrt(len(value))) if len(value) > 1 else np.nan,
            }
    errors = report.statistics.query(
        "metric == 'volatility' and asset == @MARKET", local_dict={"MARKET": MARKET}
    )
    for _, row in errors[errors["regime"].notna()].iterrows():
        rows[row["regime"], "held-out"]["volatility_se"] = (row["real_high"] - row["real_low"]) / 3.92
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["regime", "source"])
    return table
