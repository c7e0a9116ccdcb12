# SPDX-License-Identifier: Apache-2.0
"""Small figures of the Regimes page: spells against their law, and maps of shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..figures import dark, ink
from ._regimes_figures import axis, drawn

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from spade_finance.regimes import SemiMarkovProcess

__all__ = ["agreement_map", "confusion_map", "move_map", "survival"]


def survival(
    regime: str, color: str, steps: tuple[NDArray[Any], NDArray[Any]], process: SemiMarkovProcess
) -> go.Figure:
    """Share of a regime's spells that last longer than so many days: seen as steps, the fitted law as a line."""
    import plotly.graph_objects as go

    from spade_finance.plot_style import style
    from spade_finance.regimes.durations import survival_table

    law = survival_table(process.family_, process.durations_[regime], int(process.min_days))
    days, share = steps
    longest = max(float(days[-1]) * 1.3, float(np.argmax(law < 0.02)), 10.0)
    x = np.arange(min(len(law), int(longest) + 1))
    x = x[drawn(len(x), 400)]
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=x, y=100 * law[x], name="fitted law", mode="lines", line={"color": ink()["muted"], "width": 2},
            hovertemplate="%{y:.0f} % last longer than %{x:.0f} days<extra>fitted</extra>",
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=np.append(days, longest), y=100 * np.append(share, share[-1]), name="history", mode="lines",
            line={"color": color, "width": 2.6, "shape": "hv"},
            hovertemplate="%{y:.0f} % last longer than %{x:.0f} days<extra>history</extra>",
        )
    )  # fmt: skip
    style(figure, "", 230)
    figure.update_layout(margin={"t": 30, "l": 44, "r": 12, "b": 44})
    figure.update_xaxes(title=axis("trading days"), range=[0, longest])
    figure.update_yaxes(range=[0, 103], ticksuffix=" %")
    return figure


def move_map(transition: NDArray[Any], seen: NDArray[Any], regimes: Sequence[str]) -> go.Figure:
    """Where a spell leads, percent of the moves that leave the row's regime; moves seen in brackets."""
    shown = np.where(np.eye(len(regimes), dtype=bool), np.nan, 100 * transition)
    text = [
        ["" if i == j else f"{shown[i, j]:.0f} %<br>({seen[i, j]})" for j in range(len(regimes))]
        for i in range(len(regimes))
    ]
    figure = _map(
        shown, text, list(regimes), list(regimes), 0, 100, "from %{y} to %{x}: %{z:.0f} %<extra></extra>"
    )
    figure.update_xaxes(title=axis("to"))
    figure.update_yaxes(title=axis("from"))
    return figure


def agreement_map(table: pd.DataFrame, column: str, names: Sequence[str]) -> go.Figure:
    """Pairwise agreement, 0 none beyond chance, 1 all; the diagonal is left out."""
    n = len(names)
    z = np.full((n, n), np.nan)
    for (a, b), value in zip(list(table.index), table[column], strict=True):
        i, j = names.index(a), names.index(b)
        z[i, j] = z[j, i] = value
    text = [["" if np.isnan(v) else f"{v:.2f}" for v in row] for row in z]
    return _map(z, text, list(names), list(names), 0, 1, "%{y} and %{x}: %{z:.2f}<extra></extra>")


def confusion_map(table: pd.DataFrame) -> go.Figure:
    """Of the days of the row's regime (in hindsight) the percent that causal labels call the column's."""
    total = table.sum(axis=1).replace(0, np.nan)
    z = 100 * table.div(total, axis=0).to_numpy()
    text = [["" if np.isnan(v) else f"{v:.0f} %" for v in row] for row in z]
    figure = _map(
        z, text, list(table.columns), list(table.index), 0, 100,
        "%{y} in hindsight, %{x} as known then: %{z:.0f} % of its days<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title=axis("as known on the day"))
    figure.update_yaxes(title=axis("in hindsight"))
    return figure


def _map(
    z: NDArray[Any], text: list[list[str]], x: list[str], y: list[str], low: float, high: float, hover: str
) -> go.Figure:
    import plotly.graph_objects as go

    from spade_finance.plot_style import style

    figure = go.Figure(
        go.Heatmap(
            z=z, x=x, y=y, zmin=low, zmax=high, text=text, texttemplate="%{text}",
            textfont={"size": 12, "color": ink()["text"]},
            colorscale=_DARK if dark() else _LIGHT, showscale=False, hovertemplate=hover,
            hoverongaps=False, xgap=2, ygap=2,
        )
    )  # fmt: skip
    style(figure, "", 110 + 62 * len(y))
    figure.update_layout(margin={"t": 10, "l": 10, "r": 10, "b": 30})
    figure.update_xaxes(showgrid=False, automargin=True)
    figure.update_yaxes(showgrid=False, autorange="reversed", automargin=True)
    return figure


_LIGHT = [[0, "#EEF4F9"], [1, "#6FB1E0"]]
_DARK = [[0, "#16212C"], [1, "#24608F"]]
