# SPDX-License-Identifier: Apache-2.0
"""The scorecard's figures on a narrow page: panels apart, wide maps upright, nothing of them lost."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest
from plotly.subplots import make_subplots

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

from apps.dashboard.views import _realism_panels as panels
from spade_finance.plot_style import lift_legend, style


def pulses() -> go.Figure:
    figure = make_subplots(1, 3, subplot_titles=["5 days", "10 days", "40 days"], shared_yaxes=True)
    for j in (1, 2, 3):
        for name in ("model", "block_bootstrap"):
            figure.add_trace(
                go.Scatter(x=np.arange(4), y=np.arange(4.0) * j, name=name, showlegend=j == 1), row=1, col=j
            )
        figure.add_vrect(1, 1 + j, row=1, col=j)
    figure.update_yaxes(title_text="volatility, %", row=1, col=1)
    return lift_legend(style(figure, "Answer to a pulse", 400))


@pytest.mark.parametrize("packed", [False, True])
def test_panels_are_figures_of_their_own(packed: bool) -> None:
    whole = plotly.io.from_json(pulses().to_json()) if packed else pulses()
    pieces = panels.panels(panels.spaced(whole, ("model", "block_bootstrap")))
    assert [title for title, _ in pieces] == ["5 days", "10 days", "40 days"]
    for j, (_, piece) in enumerate(pieces, 1):
        assert [trace.name for trace in piece.data] == ["model", "block bootstrap"]
        np.testing.assert_array_equal(
            panels._array(piece.to_plotly_json()["data"][0]["y"]), np.arange(4.0) * j
        )
        assert piece.layout.yaxis.title.text == "volatility, %"
        assert piece.layout.yaxis.range == pytest.approx((-0.45, 9.45))  # shared, so that panels compare
        assert [(s.x0, s.x1, s.xref, s.yref) for s in piece.layout.shapes] == [(1, 1 + j, "x", "y domain")]
        assert piece.layout.showlegend == (j == 1)
        assert (piece.layout.legend.yref, piece.layout.legend.y) == (
            "paper",
            1.02,
        )
        assert not piece.layout.annotations


def test_one_panel_stays_as_it_is() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
    assert panels.panels(figure) == [("", figure)]


@pytest.mark.parametrize("packed", [False, True])
def test_a_wide_map_stands_upright(packed: bool) -> None:
    z = np.arange(24.0).reshape(2, 12)
    levels = [["95 %"] * 6 + ["99 %"] * 6, [f"book {i}" for i in range(6)] * 2]
    figure = go.Figure(
        go.Heatmap(
            x=levels, y=["model", "regime t"], z=z, text=z.astype(str), hovertemplate="%{y}, %{x}: %{text}"
        )
    )
    if packed:
        figure = plotly.io.from_json(figure.to_json())
    (trace,) = panels.upright(figure).data
    np.testing.assert_array_equal(np.asarray(trace.z, dtype=float), z.T)
    np.testing.assert_array_equal(np.asarray(trace.text), z.T.astype(str))
    assert list(trace.x) == ["model", "regime<br>t"]
    assert trace.y[7] == "99 %, book 1"
    assert trace.hovertemplate == "%{x}, %{y}: %{text}"
    narrow = go.Figure(go.Heatmap(x=["a", "b"], y=["c", "d"], z=[[1, 2], [3, 4]]))
    assert panels.upright(narrow).data[0].x == ("a", "b")


def test_long_axis_titles_break() -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[1]))
    figure.update_xaxes(title_text="dispersion: spread of paths over their distance from what happened")
    assert "<br>" in panels.upright(figure).layout.xaxis.title.text
