# SPDX-License-Identifier: Apache-2.0
"""Figures of dependence: the spectrum of the correlation and tail dependence, real marks over generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.dependence import eigenvalues, marchenko_pastur_edge
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.verdict_table import Line
from spade_finance.plot_style import REAL, TEXT, column_colors, style

if TYPE_CHECKING:
    import plotly.graph_objects as go

Array = NDArray[np.float64]


def spectrum(panels: Mapping[str, Panel], floor: Panel) -> go.Figure:
    """Eigenvalues of the correlation of sectors, all days, with the edges for independent series."""
    import plotly.graph_objects as go

    figure = go.Figure()
    colors = column_colors(panels)
    values = {name: eigenvalues(panel.simple[..., 1:]) for name, panel in panels.items()}
    size, n_days = len(panels["real"].sectors), panels["real"].n_days
    number = np.arange(1, size + 1)
    generated = [name for name in panels if name != "real"]
    for name in [*generated[1:], generated[0]]:
        first = name == generated[0]
        figure.add_trace(
            go.Scatter(
                x=number,
                y=np.nanmean(values[name], axis=0),
                mode="lines",
                name=name,
                line={"color": colors[name], "width": 3 if first else 1.3},
                opacity=1.0 if first else 0.75,
                legendrank=2 if first else 1000,
            )
        )
    real = values["real"][0]
    logs = np.log(np.maximum(eigenvalues(floor.simple[..., 1:]), 1e-9))
    low, high = np.quantile(logs, [0.025, 0.975], axis=0) - logs.mean(0)
    figure.add_trace(
        go.Scatter(
            x=number,
            y=real,
            mode="markers",
            name="real, 95 %",
            marker={"size": 8, "symbol": "circle-open", "color": REAL, "line": {"width": 2}},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": real * np.expm1(high),
                "arrayminus": -real * np.expm1(low),
                "color": REAL,
            },
            legendrank=1,
        )
    )
    edge = marchenko_pastur_edge(size, n_days)
    below = max(2.0 - np.sqrt(edge), 0.0) ** 2
    for value, words in ((edge, "Marchenko-Pastur edge"), (below, "lower edge")):
        if value > 0:
            figure.add_hline(value, line={"color": TEXT, "width": 1, "dash": "dash"})
            # On a logarithmic axis an annotation's height is the logarithm, which add_hline does not know.
            figure.add_annotation(
                x=1,
                xref="paper",
                y=float(np.log10(value)),
                text=words,
                showarrow=False,
                xanchor="right",
                yanchor="bottom" if value == edge else "top",
                font={"color": TEXT, "size": 11},
            )
    style(figure, "Eigenvalues of the correlation between sectors, all days", 440)
    ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
    figure.update_xaxes(title_text="eigenvalue, largest first", dtick=1)
    figure.update_yaxes(
        type="log", title_text="eigenvalue", tickvals=ticks, ticktext=[f"{t:g}" for t in ticks]
    )
    return figure


def tail_dependence(
    statistics: pd.DataFrame, regimes: Sequence[str], columns: Sequence[str]
) -> go.Figure | None:
    """Chance that one sector is in its 5 % tail when another is: the first column as bars, the others as marks.

    Parameters
    ----------
    statistics : DataFrame
        Rows of lower and upper tail dependence, all days and by regime.
    """
    import plotly.graph_objects as go

    places, rows = [], []
    for side, words in (("lower", "joint losses"), ("upper", "joint gains")):
        for regime in (None, *regimes):
            row = Line("", f"{side}_tail_dependence", regime).find(statistics)
            if row is not None:
                places.append(f"{words},<br>{regime or 'all days'}")
                rows.append(row)
    if not rows:
        return None
    figure = go.Figure()
    colors = column_colors(["real", *columns])
    table = pd.DataFrame(rows)
    figure.add_trace(
        go.Bar(
            x=places,
            y=table[columns[0]],
            name=columns[0],
            marker={"color": colors[columns[0]]},
            opacity=0.55,
            width=0.5,
        )
    )
    for name in columns[1:]:
        figure.add_trace(
            go.Scatter(
                x=places,
                y=table[name],
                mode="markers",
                name=name,
                marker={"symbol": "line-ew", "size": 22, "line": {"width": 2, "color": colors[name]}},
            )
        )
    figure.add_trace(
        go.Scatter(
            x=places,
            y=table["real"],
            mode="markers",
            name="real, 95 %",
            marker={"symbol": "diamond", "size": 9, "color": REAL},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": table["real_high"] - table["real"],
                "arrayminus": table["real"] - table["real_low"],
                "color": REAL,
            },
        )
    )
    figure.add_hline(0.05, line={"color": TEXT, "width": 1, "dash": "dot"})
    style(figure, "Tail dependence between sectors at 5 % (dotted: independence)", 440)
    figure.update_yaxes(title_text="P(both in the tail | one is)", rangemode="tozero")
    return figure
