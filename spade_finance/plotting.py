# SPDX-License-Identifier: Apache-2.0
"""Figures: pure functions from numbers to plotly figures, used by reports, notebooks and the dashboard alike.

One palette for regimes everywhere (Okabe & Ito 2008, distinguishable with any colour vision, readable on
white and on black): calm is green, worse is warmer. Backgrounds are transparent and text has no fixed colour
of its own beyond a mid-grey, so a figure sits on a light page or a dark one. Percent are percent,
volatilities are annualised, and titles say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.plot_style import (
    GENERATED,
    OTHERS,
    REAL,
    TEXT,
    add_fan,
    band,
    column_colors,
    drawn_moments,
    levels,
    lift_legend,
    portfolio_levels,
    regime_colors,
    style,
    time_axis,
    with_ribbon,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.evaluate.panel import Panel
    from spade_finance.scenarios import ScenarioSet

Array = NDArray[np.float64]

__all__ = [
    "correlation_heatmaps",
    "fan_chart",
    "regime_colors",
    "sector_fans",
    "spaghetti",
    "tails",
    "training_curve",
    "volatility_by_regime",
    "volatility_clustering",
]


def fan_chart(
    scenarios: ScenarioSet, weights: Any = None, *, start: float = 100.0, title: str | None = None
) -> go.Figure:
    """Value of a portfolio over time: median, 50 % and 90 % of paths, with the regimes beneath.

    Parameters
    ----------
    scenarios : ScenarioSet
    weights : mapping, Series or sequence, optional
        Portfolio weights, rebalanced daily; default equal weight ("market").
    start : float
        Value before the first day.
    """
    values = portfolio_levels(scenarios, weights, start)
    name = "equal-weight market" if weights is None else "portfolio"
    figure = with_ribbon(scenarios)
    add_fan(figure, time_axis(scenarios), values, row=1, legend=True)
    figure.update_layout(
        title=title or f"Value of the {name}, start = {start:g}: median, 50 % and 90 % of paths"
    )
    figure.update_yaxes(title_text="value", row=1, col=1)
    return figure


def spaghetti(
    scenarios: ScenarioSet, weights: Any = None, *, n_shown: int = 40, start: float = 100.0
) -> go.Figure:
    """First `n_shown` single paths of a portfolio's value, with the regimes beneath."""
    import plotly.graph_objects as go

    shown = scenarios.subset(slice(0, n_shown))
    values = portfolio_levels(shown, weights, start)
    figure = with_ribbon(scenarios)
    x = time_axis(scenarios)
    for i, path in enumerate(values):
        figure.add_trace(
            go.Scatter(
                x=x,
                y=path,
                mode="lines",
                line={"width": 1, "color": GENERATED},
                opacity=0.45,
                name=f"path {int(shown.paths[i])}",
                showlegend=False,
            ),
            row=1,
            col=1,
        )
    figure.update_layout(title=f"{len(values)} single paths of {scenarios.n_paths:,}, start = {start:g}")
    figure.update_yaxes(title_text="value", row=1, col=1)
    return figure


def sector_fans(scenarios: ScenarioSet, *, start: float = 100.0) -> go.Figure:
    """Small multiples: each sector's median and 90 % of paths, all on one scale."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    names = scenarios.sectors
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=names,
        shared_xaxes=True,
        shared_yaxes="all",
        vertical_spacing=0.16 / rows,
    )
    x = time_axis(scenarios)
    for i in range(len(names)):
        value = levels(scenarios.simple_array[:, :, i].astype(np.float64), start)
        low, median, high = np.quantile(value[:, drawn_moments(scenarios)], [0.05, 0.5, 0.95], axis=0)
        at = {"row": i // columns + 1, "col": i % columns + 1}
        figure.add_trace(band(x, low, high, 0.3, "90 % of paths", legend=i == 0), **at)
        line = {"color": GENERATED, "width": 1.6}
        figure.add_trace(
            go.Scatter(x=x, y=median, line=line, name="median", showlegend=i == 0, legendgroup="median"), **at
        )
    figure = style(
        figure, f"Each sector's value, start = {start:g}: median and 90 % of paths", 210 * rows + 110
    )
    return lift_legend(figure)


def tails(samples: Mapping[str, Array], *, title: str | None = None) -> go.Figure:
    """Share of days with a loss (left) or a gain (right) beyond x, both axes logarithmic.

    Parameters
    ----------
    samples : mapping name -> simple returns of any shape
        "real" is drawn as points, the others as lines down to one day in their sample.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1, 2, subplot_titles=("losses", "gains"), shared_yaxes=True, horizontal_spacing=0.04
    )
    colors = column_colors(samples)
    # Points of the real data last, so that they lie on top.
    for name in sorted(samples, key=lambda n: n == "real"):
        sample = samples[name]
        for column, sign in ((1, -1.0), (2, 1.0)):
            x, share = survival(sign * np.asarray(sample, dtype=np.float64).ravel())
            real = name in ("real", "held-out", "training")
            figure.add_trace(
                go.Scatter(
                    x=100 * x,
                    y=100 * share,
                    mode="markers" if real else "lines",
                    marker={"size": 5, "color": colors[name], "symbol": "circle-open"},
                    line={"color": colors[name], "width": 2},
                    name=name,
                    legendgroup=name,
                    showlegend=column == 1,
                    hovertemplate="beyond %{x:.2f} % on %{y:.3g} % of days",
                ),
                row=1,
                col=column,
            )
    sizes = np.concatenate([np.abs(np.asarray(s, dtype=np.float64)).ravel() for s in samples.values()])
    low, high = 50 * float(np.median(sizes)), 120 * float(sizes.max())
    lowest = 100 * min(1.0 / np.asarray(s).size for s in samples.values())
    style(figure, title or "Tails of the equal-weight market's daily returns", 420)
    # Plotly's own ticks on a logarithmic axis say "10µ"; plain percents are wanted.
    for update, title_text, ends in (
        (figure.update_xaxes, "size of the move, %", (low, high)),
        (figure.update_yaxes, None, (lowest, 100.0)),
    ):
        ticks = [m * 10.0**e for e in range(-5, 3) for m in (1, 2, 5)]
        ticks = [t for t in ticks if ends[0] <= t <= ends[1]]
        if ends[1] / ends[0] > 300:
            ticks = [t for t in ticks if f"{t:e}".startswith("1")]
        update(
            type="log",
            range=np.log10(ends).tolist(),
            title_text=title_text,
            tickvals=ticks,
            ticktext=[f"{t:g}" for t in ticks],
        )
    figure.update_yaxes(title_text="share of days beyond, %", row=1, col=1)
    return lift_legend(figure)


def survival(values: Array, n_points: int = 120) -> tuple[Array, Array]:
    """Points of the survival function: sizes of positive values and the share of all at least that large."""
    total = values.size
    order = np.sort(values[values > 0])[::-1]
    if not len(order):
        return np.array([]), np.array([])
    rank = np.unique(np.round(np.geomspace(1, len(order), n_points)).astype(int)) - 1
    return order[rank], (rank + 1) / total


def volatility_clustering(
    panels: Mapping[str, Panel], *, asset: int = 0, n_lags: int = 60, shade: str | None = None
) -> go.Figure:
    """Autocorrelation of absolute daily returns by lag, inside segments of each panel.

    Parameters
    ----------
    panels : mapping name -> Panel
        "real" is drawn as points; the others as the mean over their replicates.
    asset : int
        Position in the panels' assets (0 is the market).
    shade : str, optional
        The panel of which 90 % of replicates are shaded; default the first that is not real.
    """
    import plotly.graph_objects as go

    from spade_finance.evaluate.facts import autocorrelation

    figure = go.Figure()
    colors = column_colors(panels)
    shaded = shade or next((name for name in panels if name != "real"), None)
    for name, panel in panels.items():
        lags = np.arange(1, min(n_lags, panel.n_days // 3) + 1)
        x = np.abs(panel.simple[:, :, asset : asset + 1])
        values = autocorrelation(x, lags.tolist(), panel.segments)[:, :, 0]
        # Lags with too few pairs (short paths joined to a replicate) are left out, not drawn as noise.
        seen = np.isfinite(values).all(0)
        lags, values = lags[seen], values[:, seen]
        if name == shaded and len(values) > 4:
            low, high = np.quantile(values, [0.05, 0.95], axis=0)
            figure.add_trace(band(lags, low, high, 0.22, f"90 % of {name} replicates", color=colors[name]))
        mode = "lines+markers" if name == "real" else "lines"
        figure.add_trace(
            go.Scatter(
                x=lags,
                y=values.mean(0),
                mode=mode,
                name=name,
                line={"color": colors[name], "width": 2},
                marker={"size": 5, "symbol": "circle-open"},
                hovertemplate="lag %{x}: %{y:.3f}",
            )
        )
    figure.add_hline(y=0, line={"color": TEXT, "width": 1})
    style(figure, "Volatility clustering: autocorrelation of absolute daily returns of the market", 400)
    figure.update_xaxes(title_text="lag, trading days")
    figure.update_yaxes(title_text="autocorrelation")
    return figure


def correlation_heatmaps(
    matrices: Mapping[str, Mapping[str, Array]], sectors: Sequence[str], *, title: str | None = None
) -> go.Figure:
    """Correlation of daily returns, a grid of maps: rows are the outer names, columns the inner ones.

    Parameters
    ----------
    matrices : mapping row -> mapping column -> (sectors, sectors)
        For example ``{"generated": {"bull": ..., "crisis": ...}, "real": {...}}``.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    rows, columns = list(matrices), list(next(iter(matrices.values())))
    names = [f"{row}, {column}" for row in rows for column in columns]
    figure = make_subplots(
        len(rows),
        len(columns),
        subplot_titles=[_heading(name, matrices, i, columns, rows) for i, name in enumerate(names)],
        horizontal_spacing=0.03,
        vertical_spacing=0.09,
        shared_xaxes=True,
        shared_yaxes=True,
    )
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            matrix = np.asarray(matrices[row][column])
            figure.add_trace(
                go.Heatmap(
                    z=np.round(matrix, 3),
                    x=list(sectors),
                    y=list(sectors),
                    coloraxis="coloraxis",
                    text=np.vectorize(lambda v: f"{v:.2f}".replace("0.", "."))(matrix),
                    texttemplate="%{text}" if len(sectors) <= 8 else None,
                    textfont={"size": 9},
                    hovertemplate="%{x}, %{y}: %{z:.2f}",
                    name=f"{row}, {column}",
                ),
                row=i + 1,
                col=j + 1,
            )
    style(figure, title or "Correlation of daily returns between sectors", 120 + 330 * len(rows))
    lowest = float(min(np.nanmin(m) for inner in matrices.values() for m in inner.values()))
    figure.update_layout(
        coloraxis={
            "colorscale": "Cividis",
            "cmin": min(0.0, np.floor(10 * lowest) / 10),
            "cmax": 1.0,
            "colorbar": {"thickness": 10, "outlinewidth": 0, "tickfont": {"color": TEXT}},
        }
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, tickangle=45)
    figure.update_annotations(font={"size": 13, "color": TEXT})
    return figure


def volatility_by_regime(table: pd.DataFrame) -> go.Figure:
    """Annualised volatility of each regime: generated as bars with two standard errors, real as marks.

    Parameters
    ----------
    table : DataFrame
        ``RegimeTable.table``: index (regime, source), columns ``volatility`` and ``volatility_se``.
    """
    import plotly.graph_objects as go

    regimes = [
        r for r in dict.fromkeys(table.index.get_level_values(0)) if table.loc[(r, "generated"), "days"] > 0
    ]
    sources = list(dict.fromkeys(table.index.get_level_values(1)))
    colors = regime_colors(list(dict.fromkeys(table.index.get_level_values(0))))
    symbols = {"held-out": "diamond", "training": "circle-open"}
    figure = go.Figure()
    for source in sources:
        value = np.array([table.loc[(r, source), "volatility"] for r in regimes], dtype=float)
        error = np.array([table.loc[(r, source), "volatility_se"] for r in regimes], dtype=float)
        bars = {"type": "data", "array": np.nan_to_num(200 * error), "thickness": 1.5, "width": 5}
        if source == "generated":
            figure.add_trace(
                go.Bar(
                    x=regimes,
                    y=100 * value,
                    marker={"color": [colors[r] for r in regimes]},
                    error_y=bars | {"color": TEXT},
                    name="generated",
                    opacity=0.85,
                    hovertemplate="%{x}: %{y:.1f} % a year",
                )
            )
        else:
            figure.add_trace(
                go.Scatter(
                    x=regimes,
                    y=100 * value,
                    mode="markers",
                    marker={"symbol": symbols.get(source, "square"), "size": 10, "color": REAL},
                    error_y=bars | {"color": REAL},
                    name=f"real, {source}",
                    offsetgroup=source,
                    hovertemplate="%{x}: %{y:.1f} % a year",
                )
            )
    style(figure, "Volatility of the market by regime, % a year (bars: ± 2 standard errors)", 400)
    figure.update_layout(scattermode="group", scattergap=0.55)  # real marks side by side, not over each other
    figure.update_yaxes(title_text="volatility, % a year", rangemode="tozero")
    return figure


def training_curve(rows: Sequence[Mapping[str, Any]], *, x: str = "step") -> go.Figure:
    """Losses and validation metrics of a training log, each number over the steps.

    Parameters
    ----------
    rows : sequence of mappings
        Lines of ``metrics.jsonl``; every numeric field but `x` becomes a curve. Validation fields
        (``val...``) get a panel of their own.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    frame = pd.DataFrame(list(rows))
    if x not in frame:
        raise InputError(f"rows have no field {x!r}: pass the lines of a training log, or x=<its step field>")
    skip = {x, "seconds", "time", "elapsed", "epoch", "lr", "eta_seconds"}
    numeric = [c for c in frame.columns if c not in skip and pd.api.types.is_numeric_dtype(frame[c])]
    panels = {
        "training": [c for c in numeric if not c.startswith("val")],
        "validation": [c for c in numeric if c.startswith("val")],
    }
    panels = {name: columns for name, columns in panels.items() if columns}
    figure = make_subplots(1, max(len(panels), 1), subplot_titles=list(panels))
    for j, columns in enumerate(panels.values()):
        for i, column in enumerate(columns):
            seen = frame[[x, column]].dropna()
            color = GENERATED if i == 0 else OTHERS[(i - 1) % len(OTHERS)]
            figure.add_trace(
                go.Scatter(
                    x=seen[x], y=seen[column], mode="lines", name=column, line={"color": color, "width": 1.8}
                ),
                row=1,
                col=j + 1,
            )
    style(figure, "Training", 340)
    figure.update_xaxes(title_text=x)
    return lift_legend(figure)


def _heading(
    name: str,
    matrices: Mapping[str, Mapping[str, Array]],
    i: int,
    columns: Sequence[str],
    rows: Sequence[str],
) -> str:
    """Subplot title with the mean correlation."""
    matrix = np.asarray(matrices[rows[i // len(columns)]][columns[i % len(columns)]])
    size = len(matrix)
    mean = (matrix.sum() - np.trace(matrix)) / (size * (size - 1)) if size > 1 else 1.0
    return f"{name} (mean {mean:.2f})"
