# SPDX-License-Identifier: Apache-2.0
"""The scorecard's own pictures: how far each column is from the real data, in units of what chance alone does."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..figures import ink
from ..formats import number

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from spade_finance.evaluate.report import EvaluationReport

__all__ = ["by_group", "by_metric", "correlations", "volatility"]

SYMBOLS = (
    "circle",
    "diamond",
    "square",
    "triangle-up",
    "cross",
    "x",
    "star",
    "pentagon",
    "hexagon",
    "bowtie",
)


def _dots(rows: Sequence[str], values: Mapping[str, Any], height: int) -> go.Figure:
    """One row a metric or group, one mark a column, on a logarithmic axis with a line at one."""
    import plotly.graph_objects as go

    from spade_finance.plot_style import column_colors, style

    figure = go.Figure()
    colors = column_colors(values)
    for i, (name, found) in reversed(list(enumerate(values.items()))):
        figure.add_trace(
            go.Scatter(
                x=found,
                y=list(rows),
                mode="markers",
                name=name.replace("_", " "),
                legendrank=i,
                marker={
                    "size": 13 if i == 0 else 9,
                    "symbol": SYMBOLS[i % len(SYMBOLS)],
                    "color": colors[name],
                    "opacity": 1 if i == 0 else 0.85,
                    "line": {"width": 1, "color": ink()["background"]},
                },
                hovertemplate="%{y}: %{x:.2f}",
            )
        )
    figure.add_vline(x=1, line={"color": ink()["muted"], "width": 1.5, "dash": "dot"})
    style(figure, "", height)
    seen = np.concatenate([np.asarray(v, float) for v in values.values()])
    seen = seen[np.isfinite(seen) & (seen > 0)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.5, 2.0)
    figure.update_xaxes(
        type="log", title_text="distance / noise floor",
        range=[np.log10(min(low, 0.8)) - 0.06, np.log10(max(high, 1.3)) + 0.06],
        tickvals=[0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50, 100],
        ticktext=["0.1", "0.2", "0.5", "1", "2", "3", "5", "10", "20", "50", "100"],
    )  # fmt: skip
    figure.update_yaxes(type="category", range=[len(rows) - 0.4, -0.6])
    figure.update_layout(margin={"t": 64, "l": 10, "r": 12})
    return figure


def by_group(report: EvaluationReport) -> go.Figure:
    """The summary: one row a group of metrics, and the score that they make together."""
    summary = report.summary()
    groups = [c for c in summary.columns if c not in ("score", "not in loss", "inside 95 %", "metrics")]
    rows = ["all together", *(g.replace("_", " ") for g in groups)]
    values = {str(name): [row["score"], *(row[g] for g in groups)] for name, row in summary.iterrows()}
    return _dots(rows, values, 150 + 44 * len(rows))


def by_metric(scores: pd.DataFrame, columns: Sequence[str]) -> go.Figure:
    """One row a metric."""
    from spade_finance.evaluate.titles import metric_title

    # Broken in two where they are long: on a phone they would leave no room for the marks.
    lines = [textwrap.wrap(metric_title(row), 25) for _, row in scores.iterrows()]
    rows, room = ["<br>".join(words) for words in lines], 31 if max(map(len, lines)) < 3 else 42
    figure = _dots(rows, {c: scores[c].to_numpy(float) for c in columns}, 160 + room * len(rows))
    figure.update_yaxes(tickfont_size=11)
    figure.update_xaxes(side="top", title_text=None)  # the bottom is screens away
    figure.update_layout(legend_y=1 + 34 / (room * len(rows)), margin_t=96)
    return figure


def volatility(report: EvaluationReport) -> go.Figure | None:
    """Volatility of the market a year by regime: the real interval, and each column."""
    import plotly.graph_objects as go

    from spade_finance.plot_style import column_colors, style

    rows = report.statistics
    rows = rows[(rows["metric"] == "volatility") & (rows["asset"] == "market") & rows["regime"].notna()]
    if rows.empty:
        return None
    figure = go.Figure()
    regimes = rows["regime"].tolist()
    real = 100 * rows["real"].to_numpy(float)
    figure.add_trace(
        go.Scatter(
            x=regimes,
            y=real,
            mode="markers",
            name="real, 95 % interval",
            marker={"symbol": "line-ew-open", "size": 26, "color": ink()["real"], "line": {"width": 2.5}},
            error_y={
                "type": "data",
                "array": 100 * rows["real_high"] - real,
                "arrayminus": real - 100 * rows["real_low"],
                "color": ink()["real"],
                "thickness": 1.5,
                "width": 7,
            },
            hovertemplate="%{x}: %{y:.1f} %",
        )
    )
    colors = column_colors(report.columns)
    for i, name in enumerate(report.columns):
        figure.add_trace(
            go.Scatter(
                x=regimes,
                y=100 * rows[name],
                mode="markers",
                name=name.replace("_", " "),
                error_y={"type": "data", "array": 200 * rows[f"{name}:se"], "thickness": 1.2, "width": 3},
                marker={
                    "size": 11 if i == 0 else 8,
                    "symbol": SYMBOLS[i % len(SYMBOLS)],
                    "color": colors[name],
                },
                hovertemplate="%{x}: %{y:.1f} %",
            )
        )
    style(figure, "Volatility of the market a year, by regime (bars: two standard errors)", 400)
    figure.update_yaxes(title_text="% a year", rangemode="tozero")
    figure.update_xaxes(type="category")
    figure.update_layout(scattermode="group")
    return figure


def correlations(report: EvaluationReport) -> list[tuple[str, go.Figure]]:
    """Heat maps of the calmest and the worst regime that every panel has enough days of, real and generated."""
    from spade_finance import plotting
    from spade_finance.evaluate import facts

    subject = report.columns[0]
    panels = {"real": report.panels["real"], subject: report.panels[subject]}
    first = panels["real"]
    if len(first.sectors) < 2 or any(p.codes is None for p in panels.values()):
        return []
    usable = [
        k for k in range(len(first.regimes)) if all(p.days_in(k) * p.n_paths >= 40 for p in panels.values())
    ]
    out = []
    for k in dict.fromkeys((usable[0], usable[-1]) if usable else ()):
        for name, panel in panels.items():
            inside = np.broadcast_to(panel.in_regime(k), panel.simple.shape[:2])
            matrix = facts.correlation(panel.simple[..., 1:][inside][None])[0]
            figure = plotting.correlation_heatmaps(
                {name: {first.regimes[k]: matrix}}, first.sectors, title=""
            )
            figure.update_layout(height=390, margin={"t": 30, "l": 10, "r": 10, "b": 10})
            figure.update_layout(coloraxis={"showscale": False})
            figure.layout.annotations = ()
            out.append(
                (
                    f"{first.regimes[k]}, {name}: mean {_mean_correlation(report, first.regimes[k], name)}",
                    figure,
                )
            )
    return out


def _mean_correlation(report: EvaluationReport, regime: str, name: str) -> str:
    """The mean over pairs with its error: that of the real one from its 95 % interval."""
    rows = report.statistics
    rows = rows[(rows["metric"] == "mean_correlation") & (rows["regime"] == regime)]
    if rows.empty:
        return "–"
    row = rows.iloc[0]
    error = (row["real_high"] - row["real_low"]) / 3.92 if name == "real" else row[f"{name}:se"]
    return number(float(row[name]), float(error))
