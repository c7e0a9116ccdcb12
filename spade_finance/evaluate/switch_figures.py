# SPDX-License-Identifier: Apache-2.0
"""The change of regime drawn: real with its episode band, the model, the baselines muted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.switch import OFFSETS, Curve, drawn
from spade_finance.evaluate.switch_measures import KindMeasures, column_mean
from spade_finance.plot_style import GENERATED, REAL, TEXT, band, column_colors, lift_legend, style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MUTED, MUTED_WIDTH = 0.45, 1.1


def switch_figure(
    kinds: Sequence[KindMeasures], titles: Sequence[str], curves: Sequence[Curve], names: Sequence[str]
) -> Figure:
    """Rows are kinds of change, columns are statistics, the axis is days since the change.

    Parameters
    ----------
    kinds : sequence of KindMeasures
    titles : sequence of str
        One a kind.
    curves : sequence of Curve
    names : sequence of str
        Columns as the page names them, the evaluated one first.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(
        len(kinds), len(curves),
        subplot_titles=[f"{head}: {curve.title}" for head in titles for curve in curves],
        shared_xaxes=True, vertical_spacing=0.3 / (len(kinds) + 1), horizontal_spacing=0.06,
    )  # fmt: skip
    colors = column_colors(names)
    for row, measures in enumerate(kinds, 1):
        for column, curve in enumerate(curves, 1):
            _one(figure, measures, curve, names, colors, row, column)
    numbers = [str(n) if n > 1 else "" for n in range(1, len(kinds) * len(curves) + 1)]
    line = {
        "type": "line",
        "x0": -0.5,
        "x1": -0.5,
        "y0": 0,
        "y1": 1,
        "line": {"color": TEXT, "width": 1, "dash": "dash"},
    }
    figure.update_layout(shapes=[line | {"xref": f"x{n}", "yref": f"y{n} domain"} for n in numbers])
    style(figure, "", 170 + 210 * len(kinds))
    figure.update_xaxes(title_text="trading days since the change", row=len(kinds))
    return lift_legend(figure)


def _one(
    figure: Figure,
    measures: KindMeasures,
    curve: Curve,
    names: Sequence[str],
    colors: Mapping[str, str],
    row: int,
    column: int,
) -> None:
    """One panel of the grid."""
    import plotly.graph_objects as go

    def shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return 100 * np.exp(values) if curve.unit == "percent" else values

    at = {"row": row, "col": column}
    first = row == column == 1
    real = drawn(measures.real, curve)[0]
    if measures.resamples is not None:
        low, high = measures.interval(real, drawn(measures.resamples, curve))
        seen = np.isfinite(low) & np.isfinite(high)
        name = "95 % of resampled real events"
        figure.add_trace(
            band(OFFSETS[seen], shown(low[seen]), shown(high[seen]), 0.25, name, legend=first, color=REAL),
            **at,
        )
    order = [n for n in reversed(names) if n in measures.columns]
    for name in order:  # the evaluated column on top of the others
        mine = name == names[0]
        line = {"color": GENERATED if mine else colors[name], "width": 2.6 if mine else MUTED_WIDTH}
        figure.add_trace(
            go.Scatter(
                x=OFFSETS, y=shown(column_mean(drawn(measures.columns[name], curve))), mode="lines", line=line,
                opacity=1.0 if mine else MUTED, name=name, legendgroup=name, showlegend=first,
                hovertemplate="day %{x}: %{y:.3g}",
            ),
            **at,
        )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=OFFSETS, y=shown(real), mode="lines+markers", line={"color": TEXT, "width": 2.4, "dash": "dot"},
            marker={"size": 4, "color": TEXT}, name="real", legendgroup="real", showlegend=first,
            hovertemplate="day %{x}: %{y:.3g}",
        ),
        **at,
    )  # fmt: skip
