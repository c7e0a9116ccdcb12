# SPDX-License-Identifier: Apache-2.0
"""Pictures of what stands beside a single strategy: others on the same paths, overfitting, the rank test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spade_finance.backtest.ranks import FLOORS
from spade_finance.plot_style import GENERATED, OTHERS, REAL, TEXT, lift_legend, style

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.backtest.compare import Comparison
    from spade_finance.backtest.grid import Overfitting
    from spade_finance.backtest.ranks import RankTest

__all__ = ["compared", "overfitted", "rank_correlations"]


def compared(comparison: Comparison) -> go.Figure:
    """Sharpe ratio of every strategy: median and 90 % of paths, the real window's mark; best median on top."""
    import plotly.graph_objects as go

    rows = comparison.table[comparison.table["measure"] == "sharpe"].sort_values("p50")
    names = [_breakable(name) for name in rows["strategy"]]
    figure = go.Figure()
    for mine, color in ((True, OTHERS[1]), (False, GENERATED)):
        some = rows[(rows["strategy"] == comparison.base) == mine]
        figure.add_trace(
            go.Scatter(
                x=some["p50"], y=[_breakable(name) for name in some["strategy"]], mode="markers",
                name=f"{comparison.base}: median, 90 % of paths" if mine else "others",
                marker={"size": 11, "color": color},
                error_x={
                    "type": "data", "symmetric": False, "array": some["p95"] - some["p50"],
                    "arrayminus": some["p50"] - some["p05"], "thickness": 2, "width": 4, "color": color,
                },
                hovertemplate="%{y}: median %{x:.2f}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_trace(_real_marks(rows["real"], names))
    figure = style(figure, "Annual Sharpe ratio of every strategy on the same paths", 150 + 30 * len(names))
    figure.update_xaxes(title_text="annual Sharpe ratio")
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names)
    return figure


def overfitted(panel: Overfitting) -> go.Figure:
    """Histograms over paths of the probability of overfitting and of the best variant's deflated Sharpe ratio."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    names = [name for name in ("pbo", "deflated") if panel.paths[name].notna().any()]
    titles = {"pbo": "Probability of overfitting", "deflated": "Deflated Sharpe ratio of the best"}
    figure = make_subplots(
        1, max(1, len(names)), subplot_titles=[titles[n] for n in names], horizontal_spacing=0.12
    )
    edges = np.linspace(0, 1, 21)
    for i, name in enumerate(names):
        values = panel.paths[name].dropna().to_numpy(dtype=np.float64)
        percent = 100 * np.histogram(values, edges)[0] / len(values)
        at = {"row": 1, "col": i + 1}
        figure.add_trace(
            go.Bar(
                x=(edges[1:] + edges[:-1]) / 2, y=percent, width=0.05,
                marker={"color": GENERATED, "line": {"width": 0}},
                opacity=0.75, name="paths", showlegend=i == 0,
                hovertemplate="%{x:.2f}: %{y:.1f} % of paths<extra></extra>",
            ),
            **at,
        )  # fmt: skip
        level = 0.5 if name == "pbo" else 0.95
        top = float(percent.max()) * 1.08
        dash = {"color": TEXT, "width": 1.4, "dash": "dot"}
        label = "no skill at .5; significant from .95"
        figure.add_trace(
            go.Scatter(x=[level] * 2, y=[0, top], mode="lines", line=dash, name=label, showlegend=i == 0),
            **at,
        )
        if panel.real is not None and np.isfinite(panel.real[name]):
            line = {"color": REAL, "width": 2.6}
            figure.add_trace(
                go.Scatter(
                    x=[panel.real[name]] * 2, y=[0, top], mode="lines", line=line, name="real", showlegend=i == 0,
                    hovertemplate="real %{x:.2f}<extra></extra>",
                ),
                **at,
            )  # fmt: skip
        figure.update_xaxes(range=[-0.02, 1.02], **at)
        figure.update_yaxes(range=[0, top], **at)
    figure = style(figure, f"Choosing the best of {len(panel.variants)}, on every path", 360)
    figure.update_layout(bargap=0)
    figure.update_yaxes(title_text="percent of paths", row=1, col=1)
    return lift_legend(figure)


def rank_correlations(test: RankTest, measure: str = "sharpe") -> go.Figure:
    """Spearman correlation of every generator's ranking with the real years', 90 % intervals, the noise floors."""
    import plotly.graph_objects as go

    rows = test.table[test.table["measure"] == measure].iloc[::-1]
    names = [_breakable(name) for name in rows["source"]]
    colors = [
        REAL if name in FLOORS else OTHERS[1] if name == test.sources[0] else GENERATED
        for name in rows["source"]
    ]
    figure = go.Figure()
    for name, color, (_, row) in zip(names, colors, rows.iterrows(), strict=True):
        figure.add_trace(
            go.Scatter(
                x=[row["spearman"]], y=[name], mode="markers", marker={"size": 11, "color": color}, showlegend=False,
                error_x={
                    "type": "data", "symmetric": False, "array": [max(0.0, row["high"] - row["spearman"])],
                    "arrayminus": [max(0.0, row["spearman"] - row["low"])],
                    "thickness": 2.2, "width": 5, "color": color,
                },
                hovertemplate=f"{row['source']}: %{{x:.2f}}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": TEXT, "width": 1})
    figure.add_vline(x=test.chance, line={"color": TEXT, "width": 1.4, "dash": "dot"})
    figure = style(
        figure,
        "Ranks by Sharpe ratio, generated against real held-out years: Spearman, 90 %",
        130 + 42 * len(names),
    )
    figure.update_xaxes(range=[-1.05, 1.05], title_text="Spearman correlation")
    figure.update_yaxes(type="category")
    return figure


def _real_marks(values: object, names: list[str]) -> go.Scatter:
    import plotly.graph_objects as go

    return go.Scatter(
        x=values, y=names, mode="markers", name="real",
        marker={"color": REAL, "size": 16, "symbol": "line-ns", "line": {"width": 3, "color": REAL}},
        hovertemplate="real %{x:.2f}<extra></extra>",
    )  # fmt: skip


def _breakable(name: str) -> str:
    """A long name on two lines, so that phones keep room for the picture."""
    if len(name) <= 18:
        return name
    for separator in (", ", " ", "_", ":"):
        cut = name.rfind(separator, 0, 20)
        if cut > 4:
            return name[: cut + len(separator)].rstrip() + "<br>" + name[cut + len(separator) :]
    return name
