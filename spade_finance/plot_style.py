# SPDX-License-Identifier: Apache-2.0
"""The look that all figures share: one palette, one style, the regime ribbon and the fan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.scenarios import ScenarioSet

Array = NDArray[np.float64]

NAMED_REGIMES = {"bull": "#009E73", "sideways": "#56B4E9", "bear": "#E69F00", "crisis": "#D55E00"}
_RAMP = ("#009E73", "#56B4E9", "#CC79A7", "#E69F00", "#D55E00")

GENERATED = "#2A7FBF"
REAL = "#8C8C8C"
OTHERS = ("#CC79A7", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#B8A400")
TEXT = "#808080"
GRID = "rgba(128,128,128,0.22)"
_TITLE_ROOM, _LEGEND_ROOM = 36, 30
MOST_DAYS = 1500
"""A screen has no more columns to show; forty years of days would only make the page slow."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def regime_colors(regimes: Sequence[str]) -> dict[str, str]:
    """Colour of each regime, calm to worst: fixed ones for the four usual names, else a ramp by rank."""
    if all(name in NAMED_REGIMES for name in regimes):
        return {name: NAMED_REGIMES[name] for name in regimes}
    if len(regimes) <= 1:
        return dict.fromkeys(regimes, _RAMP[1])
    position = np.linspace(0, len(_RAMP) - 1, len(regimes))
    return {name: _blend(p) for name, p in zip(regimes, position, strict=True)}


def column_colors(columns: Iterable[str]) -> dict[str, str]:
    """Colour of each compared column: the model blue, real grey, the others in turn."""
    colors: dict[str, str] = {}
    others = 0
    for name in columns:
        if name in ("real", "held-out"):
            colors[name] = REAL
        elif name in ("model", "generated", "scenarios"):
            colors[name] = GENERATED
        else:
            colors[name] = OTHERS[others % len(OTHERS)]
            others += 1
    return colors


def style(figure: go.Figure, title: str, height: int) -> go.Figure:
    """Apply the look that all figures share."""
    figure.update_layout(
        template="none",
        title={
            "text": title,
            "font": {"size": 15},
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": 0.985,
            "yanchor": "top",
        },
        height=height,
        autosize=True,
        margin={"l": 52, "r": 16, "t": 78, "b": 52},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": TEXT},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "xanchor": "left",
            "traceorder": "normal",
        },
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GRID, "activecolor": TEXT},
        hovermode="closest",
        hoverlabel={"namelength": -1},
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, ticks="", automargin=True)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, ticks="", automargin=True)
    return figure


def lift_legend(figure: go.Figure) -> go.Figure:
    """Put the legend between the title and the titles of the subplots instead of across them."""
    height = figure.layout.height + _LEGEND_ROOM
    figure.update_annotations(font={"size": 13, "color": TEXT})
    figure.update_layout(
        legend={"yref": "container", "y": 1.0 - _TITLE_ROOM / height, "yanchor": "top"},
        height=height,
        margin_t=92 + _LEGEND_ROOM,
    )
    return figure


def take_title(figure: go.Figure) -> str:
    """Take a figure's title out, with the room it had, for a page that writes it as text; empty where it has none."""
    words = figure.layout.title.text
    if not words:
        return ""
    room, margin = _TITLE_ROOM, figure.layout.margin.t or 78
    if figure.layout.legend.yref == "container":
        room += _LEGEND_ROOM
        figure.update_layout(legend_y=0.995, height=figure.layout.height - _LEGEND_ROOM)
    figure.update_layout(title=None, margin_t=max(24, margin - room))
    return str(words)


def with_ribbon(scenarios: ScenarioSet) -> go.Figure:
    """Two rows over one time axis: the figure proper, and the share of paths in each regime on each day."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.88, 0.12], vertical_spacing=0.03)
    colors = regime_colors(scenarios.regimes)
    x = time_axis(scenarios)
    days = np.maximum(drawn_moments(scenarios) - 1, 0)  # a moment's colour is that of the day that it ends
    for k, regime in enumerate(scenarios.regimes):
        share = (scenarios.codes == k).astype(float)
        share = share if share.ndim == 1 else share.mean(0)
        if not share.any():
            continue
        figure.add_trace(
            go.Scatter(
                x=x,
                y=100 * share[days],
                stackgroup="regimes",
                mode="lines",
                line={"width": 0, "shape": "vh", "color": colors[regime]},
                fillcolor=colors[regime],
                name=regime,
                hoverinfo="name" if scenarios.codes.ndim == 1 else None,
                hovertemplate=None if scenarios.codes.ndim == 1 else f"{regime}: %{{y:.0f}} % of paths",
            ),
            row=2,
            col=1,
        )
    style(figure, "", 460)
    figure.update_yaxes(range=[0, 100], showticklabels=False, showgrid=False, fixedrange=True, row=2, col=1)
    figure.update_xaxes(title_text="date" if scenarios.dates is not None else "trading day", row=2, col=1)
    figure.update_xaxes(showgrid=False, row=2, col=1)
    return figure


def add_fan(figure: go.Figure, x: Any, levels: Array, *, row: int, legend: bool) -> None:
    """Bands of 90 % and 50 %, then the median."""
    import plotly.graph_objects as go

    q05, q25, q50, q75, q95 = np.quantile(levels, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    figure.add_trace(band(x, q05, q95, 0.2, "90 % of paths", legend=legend), row=row, col=1)
    figure.add_trace(band(x, q25, q75, 0.35, "50 % of paths", legend=legend), row=row, col=1)
    figure.add_trace(
        go.Scatter(x=x, y=q50, line={"color": GENERATED, "width": 2.4}, name="median", showlegend=legend),
        row=row,
        col=1,
    )


def band(
    x: Any, low: Array, high: Array, opacity: float, name: str, *, legend: bool = True, color: str = GENERATED
) -> Any:
    """Filled area between two curves as one closed trace."""
    import plotly.graph_objects as go

    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return go.Scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([low, high[::-1]]),
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},{opacity})",
        line={"width": 0},
        mode="lines",
        name=name,
        legendgroup=name,
        showlegend=legend,
        hoverinfo="skip",
    )


def drawn_moments(scenarios: ScenarioSet, most: int = MOST_DAYS) -> NDArray[np.intp]:
    """Moments that a figure draws, 0 the start and t the end of day t: all, or `most` evenly spaced of a long time."""
    n_drawn = min(scenarios.n_days + 1, most)
    return np.linspace(0, scenarios.n_days, n_drawn).round().astype(np.intp)


def portfolio_levels(scenarios: ScenarioSet, weights: Any, start: float) -> Array:
    """Value of the portfolio at each drawn moment, (paths, moments); the first is `start`."""
    if weights is None:
        returns = scenarios.simple_array.mean(axis=2, dtype=np.float64)
    else:
        returns = np.asarray(scenarios.portfolio(weights))
    return levels(returns, start)[:, drawn_moments(scenarios)]


def levels(returns: Array, start: float) -> Array:
    """Value before the first of daily simple returns (n, T) and after each, (n, T + 1)."""
    value = np.cumprod(1.0 + returns, axis=1)
    return np.asarray(start * np.concatenate([np.ones((len(value), 1)), value], axis=1))


def time_axis(scenarios: ScenarioSet, most: int = MOST_DAYS) -> Any:
    """Drawn moments as numbers of days, or as dates; the start is then the weekday before the first date."""
    moments = drawn_moments(scenarios, most)
    if scenarios.dates is None:
        return moments
    dates = scenarios.dates.to_numpy()
    before = np.busday_offset(dates[0].astype("datetime64[D]"), -1, roll="backward").astype(dates.dtype)
    return np.concatenate([[before], dates])[moments]


def _blend(position: float) -> str:
    """Colour of the ramp at a position between its stops."""
    low = int(np.floor(position))
    share = position - low
    if share == 0:
        return _RAMP[low]
    pair = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (_RAMP[low], _RAMP[low + 1])]
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in zip(*pair, strict=True))
