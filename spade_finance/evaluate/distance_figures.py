# SPDX-License-Identifier: Apache-2.0
"""Figures of the distances, novelty and label sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.section_rows import Row
from spade_finance.plot_style import GENERATED, GRID, OTHERS, REAL, TEXT, column_colors, style

if TYPE_CHECKING:
    import plotly.graph_objects as go

MUTED = "#9FB0BF"


def bars(
    rows: Mapping[str, Row],
    columns: Sequence[str],
    *,
    title: str,
    axis: str,
    scale: float = 1.0,
    one_minus: bool = False,
    reference: float | None = None,
) -> go.Figure:
    """Horizontal bars of each column with two standard errors, the first column accented.

    Parameters
    ----------
    rows : mapping of name to row
        One group of bars each: the first is drawn as bars, the others as marks.
    one_minus : bool
        Draw one less the value (a skill from a ratio of scores).
    reference : float, optional
        Where a perfect generator lies; the rows' real intervals are shaded around it.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    order = [c for c in columns if any(np.isfinite(row.get(c, np.nan)) for row in rows.values())][::-1]
    step = 0.8 / len(rows)
    for i, (name, row) in enumerate(rows.items()):
        values = np.array([row.get(c, np.nan) for c in order], dtype=float)
        values = scale * (1 - values if one_minus else values)
        error = {
            "type": "data",
            "array": [2 * scale * row.get(f"{c}:se", np.nan) for c in order],
            "color": TEXT,
            "thickness": 1.2,
            "width": 3,
        }
        y = np.arange(len(order)) + 0.4 - step * (i + 0.5)
        base = reference or 0.0
        common = {"y": y, "error_x": error, "name": name, "customdata": order}
        if i == 0:
            colors = [GENERATED if c == columns[0] else MUTED for c in order]
            trace = go.Bar(
                x=values - base, base=base, width=step, orientation="h", marker={"color": colors}, **common
            )
        else:
            marker = {"color": OTHERS[(i - 1) % len(OTHERS)], "size": 9, "symbol": i}
            trace = go.Scatter(x=values, mode="markers", marker=marker, **common)
        trace.update(hovertemplate=f"{name}, %{{customdata}}: %{{x:.3g}}<extra></extra>")
        figure.add_trace(trace)
        low, high = row["real_low"], row["real_high"]
        if i == 0 and np.isfinite(low) and np.isfinite(high):
            ends = sorted(scale * (1 - np.array([low, high]) if one_minus else np.array([low, high])))
            figure.add_vrect(x0=ends[0], x1=ends[1], fillcolor=REAL, opacity=0.25, line_width=0)
    if reference is not None:
        figure.add_vline(x=reference, line={"color": REAL, "width": 2})
    style(figure, title, 150 + (22 + 14 * len(rows)) * max(len(order), 3))
    figure.update_layout(showlegend=len(rows) > 1)
    figure.update_xaxes(title_text=axis)
    figure.update_yaxes(tickvals=list(range(len(order))), ticktext=order, range=[-0.6, len(order) - 0.4])
    return figure


def novelty_and_dispersion(novelty: Row, dispersion: Row, columns: Sequence[str]) -> go.Figure:
    """One point a column: how new its windows are against how far its paths spread."""
    import plotly.graph_objects as go

    names = [
        c for c in columns if np.isfinite(novelty.get(c, np.nan)) and np.isfinite(dispersion.get(c, np.nan))
    ]
    figure = go.Figure()
    figure.add_vline(x=1, line={"color": REAL, "width": 1.5, "dash": "dot"})
    figure.add_hline(y=1, line={"color": REAL, "width": 1.5, "dash": "dot"})
    if np.isfinite(novelty["real_low"]):
        figure.add_hrect(
            y0=novelty["real_low"], y1=novelty["real_high"], fillcolor=REAL, opacity=0.15, line_width=0
        )
    colors = column_colors(names)
    for i, name in enumerate(names):
        first = name == columns[0]
        figure.add_trace(
            go.Scatter(
                x=[dispersion[name]],
                y=[novelty[name]],
                error_x={"type": "data", "array": [2 * dispersion[f"{name}:se"]], "color": GRID, "width": 0},
                error_y={"type": "data", "array": [2 * novelty[f"{name}:se"]], "color": GRID, "width": 0},
                mode="markers",
                marker={
                    "size": 14 if first else 10,
                    "color": colors[name],
                    "symbol": i,
                    "line": {"width": 0},
                },
                name=name,
                cliponaxis=False,
            )
        )
    style(figure, "Novelty against dispersion", 500)
    figure.update_layout(margin_t=60 + 22 * (1 + len(names) // 4))
    xs, ys = [dispersion[n] for n in names] + [1.0], [novelty[n] for n in names] + [0.0, 1.0]
    pad = 0.25 * max(max(xs) - min(xs), 0.1)
    figure.update_xaxes(
        title_text="dispersion: spread of paths over their distance from what happened (ideal 1)",
        range=[min(xs) - pad, max(xs) + pad],
    )
    figure.update_yaxes(
        title_text="novelty: 1 new, 0 a copy of training", range=[-0.06, max([*ys, novelty["real_high"]]) + 0.12]
        if np.isfinite(novelty["real_high"]) else [-0.06, max(ys) + 0.12]
    )  # fmt: skip
    return figure


def confusion_maps(matrices: Mapping[str, NDArray[np.float64]], regimes: Sequence[str]) -> go.Figure:
    """Shares of the days of each asked regime by what they are labelled, one map a source."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1, len(matrices), subplot_titles=list(matrices), shared_yaxes=True, horizontal_spacing=0.06
    )
    for i, matrix in enumerate(matrices.values()):
        shares = 100 * matrix
        figure.add_trace(
            go.Heatmap(
                z=shares,
                x=list(regimes),
                y=list(regimes),
                zmin=0,
                zmax=100,
                colorscale=[[0, "rgba(42,127,191,0.04)"], [1, GENERATED]],
                text=[["–" if not np.isfinite(v) else f"{v:.0f}" for v in row] for row in shares],
                texttemplate="%{text}",
                showscale=i == len(matrices) - 1,
                colorbar={"title": {"text": "% of days"}, "thickness": 12},
                hovertemplate="asked %{y}, labelled %{x}: %{z:.1f} %<extra></extra>",
            ),
            row=1,
            col=i + 1,
        )
    style(figure, "What was asked for, and what the labeller sees", 400)
    figure.update_annotations(font={"size": 13, "color": TEXT})
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(title_text="labelled", showgrid=False)
    figure.update_yaxes(title_text="asked for", row=1, col=1)
    return figure
