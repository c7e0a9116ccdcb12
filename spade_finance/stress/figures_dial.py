# SPDX-License-Identifier: Apache-2.0
"""Figure of the severity dial: its curves with their bands, and the real episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spade_finance.plot_style import GENERATED, REAL, band, lift_legend, style
from spade_finance.stress.dial_measure import LOSS
from spade_finance.stress.figures_parts import LINES, part_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.stress.report import StressReport


def dial(report: StressReport) -> go.Figure:
    """Severity against volatility, mean correlation and ES of the market, with bands and real episodes."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    part = part_of(report.dial, "severity dial")
    panels = (
        (("volatility",), "volatility, % a year", 100), (("mean_correlation",), "mean correlation", 1),
        (("es_97_5",), "ES 97.5 %, one day, %", 100),
        (("mean_return", "median_return"), f"return over {part.n_days} days, %: mean (blue) and median (violet)", 100),
        (("prob_loss_20",), f"P(loss ≥ {100 * LOSS:.0f} % over {part.n_days} days), %", 100),
    )  # fmt: skip
    count = len(panels)
    figure = make_subplots(
        count, 1, subplot_titles=[t for _, t, _ in panels], vertical_spacing=0.06, shared_xaxes=True
    )
    curve = part.table[part.table["portfolio"] == "market"]
    for row, (names, _, unit) in enumerate(panels, 1):
        for name, color in zip(names, (GENERATED, LINES[3]), strict=False):
            _dial_curve(figure, row, curve, name, unit, color, legend=row == 1)
        for learnt, symbol, text in ((True, "circle-open", "real, seen"), (False, "diamond", "real, later")):
            rows = part.episodes[part.episodes["in_training"].astype(bool) == learnt]
            if rows.empty or names[0] not in rows:
                continue
            label = [f"{s:%Y-%m-%d} to {e:%Y-%m-%d}" for s, e in zip(rows["start"], rows["end"], strict=True)]
            figure.add_trace(
                go.Scatter(x=rows["severity"], y=unit * rows[names[0]].astype(float), mode="markers", name=text,
                           marker={"symbol": symbol, "size": 9, "color": REAL}, showlegend=row == 1, text=label,
                           hovertemplate="%{text}: %{y:.2f}<extra></extra>"),
                row=row, col=1,
            )  # fmt: skip
    style(figure, f"Severity dial of {part.regime}: what a severity does to the equal-weight market", 1180)
    figure.update_xaxes(title_text="severity, 1 is the typical episode", row=count, col=1)
    lift_legend(figure)
    return figure.update_layout(margin_t=154)  # a phone needs three lines for the legend


def _dial_curve(
    figure: go.Figure, row: int, curve: pd.DataFrame, name: str, unit: int, color: str, *, legend: bool
) -> None:
    """One figure of the dial with its band, dotted beyond the trained range."""
    import plotly.graph_objects as go

    x = curve["severity"].to_numpy(dtype=float)
    y, error = (unit * curve[c].to_numpy(dtype=float) for c in (name, f"{name}_se"))
    first, last = np.flatnonzero(curve["trained"].to_numpy(dtype=bool))[[0, -1]]
    shade = band(x, y - 2 * error, y + 2 * error, 0.22, "± 2 errors", legend=legend)
    figure.add_trace(shade, row=row, col=1)
    line = {"color": color, "width": 2.2}
    trained = slice(first, last + 1)
    figure.add_trace(
        go.Scatter(x=x[trained], y=y[trained], line=line, name="model", showlegend=legend,
                   hovertemplate="severity %{x:.2f}: %{y:.2f}<extra></extra>"),
        row=row, col=1,
    )  # fmt: skip
    for j, ends in enumerate((slice(0, first + 1), slice(last, len(x)))):
        figure.add_trace(
            go.Scatter(x=x[ends], y=y[ends], line=line | {"dash": "dot"}, name="extrapolated",
                       showlegend=legend and j == 0, mode="lines"),
            row=row, col=1,
        )  # fmt: skip
