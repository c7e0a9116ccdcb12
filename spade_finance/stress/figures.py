# SPDX-License-Identifier: Apache-2.0
"""Figures of a stress report: pure functions from its numbers to plotly figures.

Those of its further parts (dial, counterfactual, spill-over, reverse stress, nowcast) live in :mod:`.figures_parts` and
:mod:`.figures_dial` and are found here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.plot_style import GENERATED, GRID, OTHERS, REAL, TEXT, band, style
from spade_finance.stress.figures_dial import dial
from spade_finance.stress.figures_parts import (
    add_ribbon,
    counterfactual,
    nowcast_fan,
    pooled_losses,
    reverse_paths,
    spillover,
    steps,
)
from spade_finance.stress.summary import number_text

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.stress.report import StressReport

__all__ = [
    "contributions",
    "counterfactual",
    "dial",
    "drawdowns",
    "fan",
    "losses",
    "nowcast_fan",
    "pooled_losses",
    "reverse_paths",
    "spillover",
]

LOSS = OTHERS[3]
BARS = 60
MARKED_ES = 0.975


def fan(report: StressReport, portfolio: str | None = None) -> go.Figure:
    """Value of the portfolio: median, 50 %, 90 % and 98 % of paths, real episodes of the kind, regimes beneath."""
    name = _name(report, portfolio)
    table = report.fans[name]
    figure, x = add_ribbon(report.ribbon), steps(table)
    _add_quantiles(figure, x, 100 * table.loc[table.index[x]])
    import plotly.graph_objects as go

    for i, (span, values) in enumerate(report.analogue.get(name, {}).items()):
        figure.add_trace(
            go.Scatter(
                x=np.arange(len(values)),
                y=100 * np.asarray(values),
                line={"color": REAL, "width": 2, "dash": ("solid", "dash", "dot")[i % 3]},
                name=f"real, {span.replace('..', ' to ')}",
            ),
            row=1,
            col=1,
        )
    figure.update_layout(title=f"Value of {name}, start = 100: median, 50, 90 and 98 % of paths")
    figure.update_yaxes(title_text="value", row=1, col=1)
    return figure


def drawdowns(report: StressReport, portfolio: str | None = None) -> go.Figure:
    """Cone of drawdowns from the running peak."""
    name = _name(report, portfolio)
    table = report.drawdown_cones[name]
    figure, x = add_ribbon(report.ribbon), steps(table)
    _add_quantiles(figure, x, 100 * table.loc[table.index[x]])
    figure.update_layout(
        title=f"Drawdown of {name}, % below the running peak: median, 50, 90 and 98 % of paths"
    )
    figure.update_yaxes(title_text="drawdown, %", row=1, col=1)
    return figure


def _add_quantiles(figure: go.Figure, x: Any, table: pd.DataFrame) -> None:
    import plotly.graph_objects as go

    for low, high, opacity, name in (
        ("p01", "p99", 0.13, "98 % of paths"), ("p05", "p95", 0.2, "90 %"), ("p25", "p75", 0.3, "50 %"),
    ):  # fmt: skip
        figure.add_trace(band(x, table[low].to_numpy(), table[high].to_numpy(), opacity, name), row=1, col=1)
    line = {"color": GENERATED, "width": 2.4}
    figure.add_trace(go.Scatter(x=x, y=table["p50"], line=line, name="median"), row=1, col=1)


def losses(report: StressReport, portfolio: str | None = None) -> go.Figure:
    """Distribution of the loss at the horizon, with VaR 95 and 99 % and ES 97.5 % marked."""
    import plotly.graph_objects as go

    name = _name(report, portfolio)
    sources = report.losses[name]
    own = 100 * np.asarray(sources[report.subject])
    low, high = np.quantile(own, [0.005, 0.9995])
    width = max(high - low, 1e-6) / BARS
    edges = width * np.arange(np.floor(low / width), np.ceil(high / width) + 1)  # an edge at zero
    low, high = edges[0], edges[-1]
    figure = go.Figure()
    height, _ = np.histogram(np.clip(own, low, high), edges)
    share = 100 * height / len(own)
    figure.add_trace(
        go.Bar(
            x=0.5 * (edges[1:] + edges[:-1]), y=share, width=np.diff(edges), name="generated",
            marker={"color": np.where(edges[1:] <= 0, GENERATED, LOSS), "line": {"width": 0}}, opacity=0.75,
            showlegend=False,
            hovertemplate="loss %{x:.1f} %: %{y:.2f} % of paths<extra></extra>",
        )
    )  # fmt: skip
    other = next((s for s in sources if s != report.subject), None)
    if other is not None:
        height, _ = np.histogram(np.clip(100 * np.asarray(sources[other]), low, high), edges)
        x, y = np.repeat(edges, 2)[1:-1], np.repeat(100 * height / len(sources[other]), 2)
        line = {"color": REAL, "width": 1.6}
        figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, name=other.replace("_", " ")))
    top = float(share.max()) * 1.08
    marks = [("VaR 95 %", *report.number("var", 0.95, portfolio=name), "dot")]
    marks.append(("ES 97.5 %", *report.number("es", MARKED_ES, portfolio=name), "solid"))
    marks.append(("VaR 99 %", *report.number("var", 0.99, portfolio=name), "dash"))
    for text, value, error, dash in marks:
        if not np.isfinite(value):
            continue
        line = {"color": TEXT, "width": 1.8, "dash": dash}
        label = f"{text}: {number_text(value, error, 'percent')}"
        figure.add_trace(
            go.Scatter(x=[100 * value] * 2, y=[0, top], mode="lines", line=line, name=label, hoverinfo="name")
        )
    style(figure, f"Loss of {name} after {report.n_days} days, % of capital", 400)
    figure.update_layout(bargap=0)
    figure.update_xaxes(title_text="loss, % (a gain is negative)", zeroline=True, zerolinecolor=GRID)
    figure.update_yaxes(title_text="share of paths, %", rangemode="tozero")
    return figure


def contributions(report: StressReport, portfolio: str | None = None) -> go.Figure:
    """Mean profit by sector, and each sector's part of ES 97.5 %; bars with two standard errors."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    name = _name(report, portfolio)
    table = report.contributions
    table = table[(table["portfolio"] == name) & (table["source"] == report.subject) & table["regime"].isna()]
    parts = {"pnl": "mean profit", "es": "part of ES 97.5 %"}
    shown = [kind for kind in parts if (table["kind"] == kind).any()]
    if not shown:
        raise InputError(f"the report holds no contributions of {name!r}")
    sectors = table[table["kind"] == shown[-1]].sort_values("value", ascending=shown[-1] == "es")["sector"]
    figure = make_subplots(
        1, len(shown), subplot_titles=[parts[k] for k in shown], shared_yaxes=True, horizontal_spacing=0.06
    )
    for column, kind in enumerate(shown, 1):
        rows = table[table["kind"] == kind].set_index("sector").loc[list(sectors)]
        value = 100 * rows["value"].to_numpy()
        bad = value > 0 if kind == "es" else value < 0
        error = {
            "type": "data",
            "array": np.nan_to_num(200 * rows["std_error"]),
            "thickness": 1.4,
            "color": TEXT,
        }
        figure.add_trace(
            go.Bar(
                x=value, y=list(sectors), orientation="h", error_x=error, showlegend=False, opacity=0.85,
                marker={"color": np.where(bad, LOSS, GENERATED)},
                hovertemplate="%{y}: %{x:.2f}<extra></extra>",
            ),
            row=1, col=column,
        )  # fmt: skip
    style(
        figure,
        f"Contributions to {name}, points of capital (bars: ± 2 standard errors)",
        130 + 34 * max(len(sectors), 4),
    )
    figure.update_annotations(font={"size": 13, "color": TEXT})
    figure.update_xaxes(zeroline=True, zerolinecolor=GRID)
    return figure


def _name(report: StressReport, portfolio: str | None) -> str:
    names = [p.name for p in report.portfolios]
    if portfolio is None:
        return names[0]
    if portfolio not in names:
        raise InputError(f"portfolio {portfolio!r} is not in this report; it has {', '.join(names)}")
    return portfolio
