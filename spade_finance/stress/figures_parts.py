# SPDX-License-Identifier: Apache-2.0
"""Figures of the further parts: counterfactual, spill-over, reverse stress, nowcast; and the regime ribbon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.plot_style import (
    GENERATED,
    GRID,
    MOST_DAYS,
    REAL,
    TEXT,
    band,
    regime_colors,
    style,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.stress.nowcast import Nowcast
    from spade_finance.stress.report import StressReport
    from spade_finance.stress.reverse_result import ReverseStress
    from spade_finance.stress.views import PooledScenarios

LINES = (GENERATED, "#CC79A7", "#B8A400", "#7A5FB0", REAL, "#3FA7A0", "#A0603C")
"""Colours of single paths: none that stands for a regime."""


def steps(table: pd.DataFrame) -> Any:
    """Positions of the steps that a figure draws: all, or evenly spaced ones of a very long timeline."""
    return np.linspace(0, len(table) - 1, min(len(table), MOST_DAYS)).round().astype(np.intp)


def add_ribbon(ribbon: pd.DataFrame) -> go.Figure:
    """Two rows over one axis of days: the figure proper, and the share of paths in each regime (T, K)."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.88, 0.12], vertical_spacing=0.03)
    colors = regime_colors([str(name) for name in ribbon.columns])
    rows = steps(ribbon)
    hard = bool(np.isin(ribbon.to_numpy(), (0.0, 1.0)).all())
    for regime in ribbon.columns:
        share = 100 * ribbon[regime].to_numpy()[rows]
        if not share.any():
            continue
        share = np.append(share, share[-1])
        figure.add_trace(
            go.Scatter(
                x=np.append(rows, len(ribbon)), y=share, stackgroup="regimes", mode="lines", name=str(regime),
                line={"width": 0, "shape": "hv", "color": colors[str(regime)]}, fillcolor=colors[str(regime)],
                hoverinfo="name" if hard else None,
                hovertemplate=None if hard else f"{regime}: %{{y:.0f}} % of paths<extra></extra>",
            ),
            row=2, col=1,
        )  # fmt: skip
    style(figure, "", 480)
    figure.update_yaxes(range=[0, 100], showticklabels=False, showgrid=False, fixedrange=True, row=2, col=1)
    figure.update_xaxes(title_text="trading day", showgrid=False, row=2, col=1)
    return figure


def counterfactual(report: StressReport, portfolio: str | None = None) -> go.Figure:
    """Difference in value between the two timelines by day, same noise."""
    import plotly.graph_objects as go

    part = part_of(report.counterfactual, "counterfactual")
    name = portfolio or report.portfolios[0].name
    table = part.daily[name]
    rows = steps(table)
    daily = 100 * table.iloc[rows]
    figure = go.Figure()
    figure.add_trace(band(rows, daily["p05"].to_numpy(), daily["p95"].to_numpy(), 0.2, "90 % of paths"))
    low, high = (daily["mean"] + s * 2 * daily["std_error"] for s in (-1, 1))
    figure.add_trace(band(rows, low.to_numpy(), high.to_numpy(), 0.45, "mean ± 2 standard errors"))
    figure.add_trace(
        go.Scatter(x=rows, y=daily["mean"], line={"color": GENERATED, "width": 2.2}, name="mean")
    )
    figure.add_hline(y=0, line={"color": TEXT, "width": 1})
    style(figure, f"What the timeline alone does to {name}: scenario minus counterfactual, same noise", 400)
    figure.update_xaxes(title_text="trading day")
    figure.update_yaxes(title_text="difference, points of capital")
    return figure


def spillover(report: StressReport) -> go.Figure:
    """Delta-CoVaR by sector, generated beside real, for the worst days that the table has."""
    import plotly.graph_objects as go

    part = part_of(report.spillover, "spill-over")
    table = part.table
    if part.others is not None:
        return _spilled(part.others)
    shown = [r for r in report.regimes if ((table["days_of"] == r) & (table["source"] == "model")).any()]
    if not shown:
        raise InputError("the report's spill-over has no row by regime")
    worst = shown[-1]
    rows = table[table["days_of"] == worst]
    order = rows[rows["source"] == "model"].sort_values("delta_covar_95")["sector"]
    figure = go.Figure()
    for source, symbol, color in (("model", "circle", GENERATED), ("history", "diamond", REAL)):
        own = rows[rows["source"] == source].set_index("sector").reindex(order)
        if not np.isfinite(own["delta_covar_95"].to_numpy(dtype=float)).any():
            continue
        error = {
            "type": "data", "array": np.nan_to_num(200 * own["delta_covar_95_se"].to_numpy(dtype=float)),
            "thickness": 1.4, "color": color,
        }  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=100 * own["delta_covar_95"], y=list(order), mode="markers", error_x=error,
                name="generated" if source == "model" else "real",
                marker={"symbol": symbol, "size": 10, "color": color},
                hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
            )
        )  # fmt: skip
    title = f"Spill-over in {worst}: one-day delta-CoVaR 95 % of the others, % (bars: ± 2 standard errors)"
    style(figure, title, 150 + 36 * len(order))
    figure.update_layout(scattermode="group", scattergap=0.6)
    figure.update_xaxes(title_text="ΔCoVaR 95 %, one day, %")
    return figure


def _spilled(others: pd.DataFrame) -> go.Figure:
    """What sectors' own regimes change for all, same noise."""
    import plotly.graph_objects as go

    figure = go.Figure()
    names = list(dict.fromkeys(others["sector"]))
    affected = list(dict.fromkeys(others["affected"]))[::-1]
    for i, name in enumerate(names):
        rows = others[others["sector"] == name].set_index("affected").loc[affected]
        error = {"type": "data", "array": np.nan_to_num(200 * rows["mean_change_se"]), "thickness": 1.4}
        figure.add_trace(
            go.Bar(x=100 * rows["mean_change"], y=affected, orientation="h", name=f"{name} in its own regime",
                   marker={"color": LINES[i % len(LINES)]}, error_x=error | {"color": TEXT}, opacity=0.85,
                   hovertemplate="%{y}: %{x:.2f} %<extra></extra>")
        )  # fmt: skip
    style(figure, "Return of each sector over those days: with minus without the own regime, same noise, %",
          150 + 36 * len(affected))  # fmt: skip
    figure.update_xaxes(title_text="difference in return, %", zeroline=True, zerolinecolor=GRID)
    return figure


def reverse_paths(found: ReverseStress) -> go.Figure:
    """Representative paths of the likeliest ways to lose as much, with the regimes of each beneath."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    if not found.scenarios:
        raise InputError("the reverse stress test found no path that loses as much: nothing to draw")
    n = len(found.scenarios)
    strip = 26 * n
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[330, strip + 10], vertical_spacing=0.04)
    x = np.arange(found.horizon + 1)
    colors = regime_colors(found.regimes)
    for i, s in enumerate(found.scenarios):
        line = {"color": LINES[i % len(LINES)], "width": 2}
        figure.add_trace(
            go.Scatter(x=x, y=100 * s.value, line=line, name=f"way {s.rank}",
                       hovertemplate=f"{s.rank}. %{{y:.1f}}<extra></extra>"),
            row=1, col=1,
        )  # fmt: skip
    figure.add_hline(
        y=100 * (1 - found.loss), line={"color": TEXT, "width": 1.2, "dash": "dash"}, row=1, col=1
    )
    codes = np.stack([s.codes for s in found.scenarios])
    for k, regime in enumerate(found.regimes):
        if not (codes == k).any():
            continue
        place = [(day, row) for row in range(n) for day in np.flatnonzero(codes[row] == k)]
        figure.add_trace(
            go.Bar(
                x=np.array([d for d, _ in place]) + 0.5, y=[0.8] * len(place),
                base=[found.scenarios[r].rank - 0.4 for _, r in place], width=1.0, name=regime,
                marker={"color": colors[regime], "line": {"width": 0}}, hoverinfo="name",
            ),
            row=2, col=1,
        )  # fmt: skip
    title = f"The likeliest ways to lose {100 * found.loss:.0f} % or more: representative paths, start = 100"
    style(figure, title, 470 + strip)
    figure.update_layout(bargap=0, barmode="overlay")
    figure.update_yaxes(title_text="value", row=1, col=1)
    figure.update_yaxes(
        autorange="reversed", tickvals=list(range(1, n + 1)), showgrid=False, fixedrange=True, row=2, col=1
    )
    figure.update_xaxes(title_text="trading day", row=2, col=1)
    return figure


def nowcast_fan(now: Nowcast) -> go.Figure:
    """Value over the next days from today's regime, with the edges of the general fan, and the regimes ahead."""
    import plotly.graph_objects as go

    figure = add_ribbon(now.regimes_ahead)
    x = steps(now.fan)
    table, usual = 100 * now.fan.iloc[x], 100 * now.usual_fan.iloc[x]
    for low, high, opacity, name in (("p05", "p95", 0.2, "90 % of paths"), ("p25", "p75", 0.35, "50 %")):
        figure.add_trace(band(x, table[low].to_numpy(), table[high].to_numpy(), opacity, name), row=1, col=1)
    figure.add_trace(
        go.Scatter(x=x, y=table["p50"], line={"color": GENERATED, "width": 2.4}, name="median"), row=1, col=1
    )
    for i, edge in enumerate(("p05", "p95")):
        figure.add_trace(
            go.Scatter(x=x, y=usual[edge], line={"color": REAL, "width": 1.4, "dash": "dash"}, mode="lines",
                       name="90 % in general", legendgroup="usual", showlegend=i == 0),
            row=1, col=1,
        )  # fmt: skip
    title = f"Nowcast from {now.as_of:%Y-%m-%d}: value of {now.portfolio.name}, start = 100; regimes ahead beneath"
    figure.update_layout(title=title)
    figure.update_yaxes(title_text="value", row=1, col=1)
    return figure


def pooled_losses(pooled: PooledScenarios) -> go.Figure:
    """Loss of the portfolio over the whole scenario before and after the views."""
    import plotly.graph_objects as go

    after = pooled.losses
    low, high = 100 * after.losses[0], 100 * after.losses[-1]
    edges = np.linspace(low, max(high, low + 1e-6), 61)
    weights = {
        "after the views": after.probabilities,
        "before": np.full(len(after.losses), 1 / len(after.losses)),
    }
    figure = go.Figure()
    for (name, p), color in zip(weights.items(), (GENERATED, REAL), strict=True):
        share, _ = np.histogram(100 * after.losses, edges, weights=100 * p)
        x, y = np.repeat(edges, 2)[1:-1], np.repeat(share, 2)
        fill = {"fill": "tozeroy", "fillcolor": "rgba(42,127,191,0.3)"} if color == GENERATED else {}
        figure.add_trace(
            go.Scatter(x=x, y=y, mode="lines", line={"color": color, "width": 1.8}, name=name, **fill)
        )
    style(figure, f"Loss of {pooled.portfolio.name} before and after the views, % of capital", 380)
    figure.update_xaxes(title_text="loss, % (a gain is negative)", zeroline=True, zerolinecolor=GRID)
    figure.update_yaxes(title_text="share of paths, %", rangemode="tozero")
    return figure


def part_of(part: Any, what: str) -> Any:
    """The part, or an error that says it was left out."""
    if part is None:
        raise InputError(f"this report has no {what}: it was left out when the report was made")
    return part
