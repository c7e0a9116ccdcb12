# SPDX-License-Identifier: Apache-2.0
"""A tearsheet's pictures as distributions over paths, the real history marked on each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.backtest.measures import MEASURES, YEAR, Array, upper
from spade_finance.exceptions import InputError
from spade_finance.plot_style import (
    GENERATED,
    MOST_DAYS,
    REAL,
    TEXT,
    add_fan,
    band,
    drawn_moments,
    levels,
    lift_legend,
    regime_colors,
    style,
    time_axis,
    with_ribbon,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.backtest.result import BacktestResult

LOG_DAYS = 3 * YEAR
"""From so many days on, value is drawn on a logarithmic axis."""
MONTH_DAYS = 21
REGIME_MEASURES = ("mean_return", "volatility", "sharpe", "es_97_5")

__all__ = [
    "by_regime",
    "drawdown_cone",
    "histogram",
    "loss_probability",
    "months",
    "rolling_sharpe",
    "wealth_fan",
]


def wealth_fan(result: BacktestResult, start: float = 100.0) -> go.Figure:
    """Value over time: median, 50 % and 90 % of paths, the real history on it, regimes beneath."""
    figure = with_ribbon(_timeline(result))
    moments, x = _moments(result)
    value = levels(result.record.returns.astype(np.float64), start)[:, moments]
    add_fan(figure, x, value, row=1, legend=True)
    if result.real_window is not None:
        real = levels(result.real_window[0].to_numpy(dtype=np.float64)[None], start)[0]
        _real_line(figure, result, x, moments, real, row=1)
    title = f"Value of 100 in {result.strategy}: median, 50 % and 90 % of paths"
    figure.update_layout(title={"text": title}, height=480)
    figure.update_yaxes(title_text="value", row=1, col=1)
    if result.record.n_days >= LOG_DAYS:
        decades = 10.0 ** np.arange(-3, 9)
        ticks = [float(m * d) for d in decades for m in (1, 2, 5) if m * d < 1e9]
        text = [f"{tick:,.10g}" for tick in ticks]
        figure.update_yaxes(type="log", title_text="value (log)", tickvals=ticks, ticktext=text, row=1, col=1)
    return figure


def drawdown_cone(result: BacktestResult) -> go.Figure:
    """Depth below the highest value so far, percent: median, 50 %, 90 % and the worst 1 % of paths by day."""
    import plotly.graph_objects as go

    figure = with_ribbon(_timeline(result))
    moments, x = _moments(result)
    depth = 100 * _depth(result.record.returns.astype(np.float64))[:, moments]
    add_fan(figure, x, depth, row=1, legend=True)
    worst = np.quantile(depth, 0.01, axis=0)
    line = {"color": GENERATED, "width": 1, "dash": "dot"}
    figure.add_trace(
        go.Scatter(x=x, y=worst, line=line, mode="lines", name="worst 1 % of paths"), row=1, col=1
    )
    if result.real_window is not None:
        real = 100 * _depth(result.real_window[0].to_numpy(dtype=np.float64)[None])[0]
        _real_line(figure, result, x, moments, real, row=1)
    figure.update_layout(title={"text": "Drawdown: percent below the highest value so far"}, height=400)
    figure.update_yaxes(title_text="percent", row=1, col=1)
    return figure


def histogram(result: BacktestResult, measure: str = "sharpe") -> go.Figure:
    """Distribution of a measure over paths; the real history's own result as a line, its other windows as ticks."""
    import plotly.graph_objects as go

    if measure not in result.record.measures:
        known = ", ".join(name for name in MEASURES if name in result.record.measures)
        raise InputError(f"measure={measure!r} is unknown: pass one of {known}")
    about = MEASURES[measure]
    factor = 100.0 if about.unit == "percent" else 1.0
    values = factor * result.record.measures[measure]
    values = values[np.isfinite(values)]
    figure = style(go.Figure(), upper(about.title) + _unit(about.unit), 320)
    if not len(values):
        return figure
    low, high = np.quantile(values, [0.002, 0.998])
    marks = [factor * float(w.measures[measure][0]) for w in result.real_windows if measure in w.measures]
    marks = [mark for mark in marks if np.isfinite(mark)]
    shown = values[(values >= low) & (values <= high)]
    share = np.histogram(shown, bins=40)
    centres, width = (share[1][1:] + share[1][:-1]) / 2, share[1][1] - share[1][0]
    percent = 100 * share[0] / len(values)
    figure.add_trace(
        go.Bar(
            x=centres, y=percent, width=width, name="paths", marker={"color": GENERATED, "line": {"width": 0}},
            opacity=0.75, hovertemplate="%{x:.3g}: %{y:.1f} % of paths<extra></extra>",
        )
    )  # fmt: skip
    top = float(percent.max()) * 1.08
    p05, p50, p95 = np.quantile(values, [0.05, 0.5, 0.95])
    _upright(figure, [p50], top, GENERATED, f"median {_short(p50)}", width=2.4)
    _upright(figure, [p05, p95], top, GENERATED, f"5 % {_short(p05)}, 95 % {_short(p95)}", dash="dot")
    if marks:
        _upright(figure, marks[:1], top, REAL, f"real {_short(marks[0])}", width=2.6)
    if len(marks) > 1:
        figure.add_trace(
            go.Scatter(
                x=marks[1:], y=np.full(len(marks) - 1, top * 0.03), mode="markers", name="earlier real windows",
                marker={"color": REAL, "size": 9, "symbol": "diamond"}, hovertemplate="%{x:.3g}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_yaxes(title_text="percent of paths", range=[0, top])
    figure.update_xaxes(title_text={"percent": "percent", "days": "days"}.get(about.unit, ""))
    figure.update_layout(bargap=0)
    return figure


def by_regime(result: BacktestResult) -> go.Figure:
    """Return, volatility, Sharpe ratio and ES by regime: median and 90 % of paths, the real window's marks."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    titles = [upper(MEASURES[m].title) + _unit(MEASURES[m].unit) for m in REGIME_MEASURES]
    figure = make_subplots(2, 2, subplot_titles=titles, vertical_spacing=0.2, horizontal_spacing=0.12)
    table = result.table[result.table["regime"].notna()]
    colors = regime_colors(result.record.regimes)
    for i, name in enumerate(REGIME_MEASURES):
        factor = 100.0 if MEASURES[name].unit == "percent" else 1.0
        at = {"row": i // 2 + 1, "col": i % 2 + 1}
        for _, row in table[table["measure"] == name].iterrows():
            figure.add_trace(
                go.Scatter(
                    x=[row["regime"]], y=[factor * row["p50"]], mode="markers", showlegend=False,
                    marker={"color": colors[row["regime"]], "size": 11},
                    error_y={
                        "type": "data", "symmetric": False, "thickness": 2.2, "width": 5,
                        "array": [factor * (row["p95"] - row["p50"])],
                        "arrayminus": [factor * (row["p50"] - row["p05"])], "color": colors[row["regime"]],
                    },
                    hovertemplate=f"{row['regime']}: median %{{y:.3g}}<extra></extra>",
                ),
                **at,
            )  # fmt: skip
        rows = table[(table["measure"] == name) & table["real"].notna()]
        figure.add_trace(
            go.Scatter(
                x=rows["regime"], y=factor * rows["real"], mode="markers", name="real", showlegend=i == 0,
                legendgroup="real", hovertemplate="real %{y:.3g}<extra></extra>",
                marker={"color": REAL, "size": 26, "symbol": "line-ew", "line": {"width": 3, "color": REAL}},
            ),
            **at,
        )  # fmt: skip
    figure = style(figure, "By regime: median and 90 % of paths", 560)
    return lift_legend(figure)


def rolling_sharpe(result: BacktestResult, days: int = 126) -> go.Figure:
    """Sharpe ratio of the last `days` days, annual: median, 50 % and 90 % of paths, the real history on it."""
    import plotly.graph_objects as go

    if not 20 <= days < result.record.n_days:
        raise InputError(
            f"days={days!r} is out of range: pass at least 20 and less than {result.record.n_days}"
        )
    drawn, x = _moments(result)
    x, drawn = x[drawn >= days], drawn[drawn >= days]
    rolling = _rolling_sharpe(result.record.returns.astype(np.float64), days)[:, drawn - days]
    figure = go.Figure()
    q05, q25, q50, q75, q95 = np.nanquantile(rolling, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    figure.add_trace(band(x, q05, q95, 0.2, "90 % of paths"))
    figure.add_trace(band(x, q25, q75, 0.35, "50 % of paths"))
    figure.add_trace(go.Scatter(x=x, y=q50, line={"color": GENERATED, "width": 2.4}, name="median"))
    if result.real_window is not None and len(result.real_window[0]) > days:
        real = _rolling_sharpe(result.real_window[0].to_numpy(dtype=np.float64)[None], days)[0]
        padded = np.concatenate([np.full(days, np.nan), real])
        _real_line(figure, result, x, drawn, padded)
    figure.add_hline(y=0, line={"color": TEXT, "width": 1})
    figure = style(figure, f"Rolling Sharpe ratio of {days} days, annual", 380)
    figure.update_xaxes(title_text="trading day" if result.dates is None else "date")
    figure.update_yaxes(title_text="Sharpe ratio")
    return figure


def months(result: BacktestResult) -> go.Figure:
    """Monthly returns of the median path, percent, as a heat map of years and months."""
    import plotly.graph_objects as go

    path = result.typical_path()
    if isinstance(path.index, pd.DatetimeIndex):
        frame = pd.DataFrame({"growth": 1.0 + path, "year": path.index.year, "month": path.index.month})
        table = frame.pivot_table(values="growth", index="year", columns="month", aggfunc="prod") - 1.0
        table = table.reindex(columns=range(1, 13))
        columns = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        rows = [str(year) for year in table.index]
        values = table.to_numpy()
    else:
        number = np.arange(len(path)) // MONTH_DAYS
        monthly = (1.0 + path).groupby(number).prod().to_numpy() - 1.0
        n_rows = -(-len(monthly) // 12)
        padded = np.full(12 * n_rows, np.nan)
        padded[: len(monthly)] = monthly
        values = padded.reshape(n_rows, 12)
        columns, rows = [str(m + 1) for m in range(12)], [f"year {y + 1}" for y in range(n_rows)]
    percent = 100.0 * values
    limit = float(np.nanmax(np.abs(percent))) or 1.0
    text = np.where(np.isfinite(percent), np.char.mod("%.1f", np.nan_to_num(percent)), "")
    figure = go.Figure(
        go.Heatmap(
            z=percent, x=columns, y=rows, zmin=-limit, zmax=limit, xgap=2, ygap=2, text=text,
            texttemplate="%{text}", textfont={"color": "#1b1f24", "size": 11}, hoverongaps=False,
            colorscale=[[0, "#D55E00"], [0.5, "#F2F2F2"], [1, "#009E73"]], showscale=False,
            hovertemplate="%{y}, %{x}: %{z:.2f} %<extra></extra>",
        )
    )  # fmt: skip
    kind = "" if isinstance(path.index, pd.DatetimeIndex) else " (months of 21 days)"
    figure = style(
        figure, f"Monthly returns of the path of median final value, percent{kind}", 130 + 32 * len(rows)
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    figure.update_xaxes(showgrid=False, side="bottom", type="category")
    figure.update_layout(margin={"b": 36})
    return figure


def loss_probability(result: BacktestResult) -> go.Figure:
    """Share of paths below their start, percent, by holding time; real history's rolling share at 1, 3, 5 years."""
    import plotly.graph_objects as go

    days = _moments(result)[0][1:]
    wealth = levels(result.record.returns.astype(np.float64), 1.0)[:, days]
    share = (wealth < 1.0).mean(axis=0)
    error = 1.96 * np.sqrt(share * (1 - share) / len(wealth))
    x = days / YEAR
    figure = go.Figure()
    figure.add_trace(band(x, 100 * np.maximum(share - error, 0), 100 * (share + error), 0.3, "95 % interval"))
    line = {"color": GENERATED, "width": 2.4}
    hover = "%{x:.2f} years: %{y:.1f} %<extra></extra>"
    figure.add_trace(
        go.Scatter(x=x, y=100 * share, line=line, mode="lines", name="paths", hovertemplate=hover)
    )
    if result.real is not None:
        wealth = levels(result.real.returns.to_numpy(dtype=np.float64)[None], 1.0)[0]
        held = [int(h) for h in np.unique(np.round(np.linspace(21, min(days[-1], len(wealth) - 1), 60)))]
        if held[-1] >= 21:
            shares = [100 * float((wealth[h:] < wealth[:-h]).mean()) for h in held]
            figure.add_trace(
                go.Scatter(
                    x=np.array(held) / YEAR, y=shares, mode="lines", line={"color": REAL, "width": 2, "dash": "dot"},
                    name="real, every start day of the whole history", hovertemplate=hover,
                )
            )  # fmt: skip
    figure = style(figure, "Probability of a loss, percent, by how long it is held", 360)
    figure.update_xaxes(title_text="years held", rangemode="tozero")
    figure.update_yaxes(title_text="percent", rangemode="tozero")
    return figure


# --- parts ------------------------------------------------------------------------------------------------------


def _timeline(result: BacktestResult) -> Any:
    """What the ribbon needs of a scenario set."""
    record = result.record
    return cast(
        Any,
        SimpleNamespace(regimes=record.regimes, codes=record.codes, n_days=record.n_days, dates=result.dates),
    )


def _moments(result: BacktestResult) -> tuple[NDArray[np.intp], Any]:
    """Moments that are drawn, 0 the start and t the end of day t, and their place on the axis."""
    most = MOST_DAYS // 2
    return drawn_moments(_timeline(result), most), time_axis(_timeline(result), most)


def _real_line(
    figure: go.Figure,
    result: BacktestResult,
    x: Any,
    moments: NDArray[np.intp],
    values: Array,
    row: int | None = None,
) -> None:
    """The real window on the paths' axis, its dates in the legend and on hover; `values` from the start on."""
    import plotly.graph_objects as go

    assert result.real_window is not None
    index = result.real_window[0].index
    inside = moments < len(values)
    at = {} if row is None else {"row": row, "col": 1}
    figure.add_trace(
        go.Scatter(
            x=x[inside], y=values[moments[inside]], mode="lines", line={"color": REAL, "width": 2.2},
            name=f"real, {index[0]:%Y-%m} to {index[-1]:%Y-%m}",
            customdata=[f"{index[max(m - 1, 0)]:%Y-%m-%d}" for m in moments[inside]],
            hovertemplate="real %{customdata}: %{y:.4g}<extra></extra>",
        ),
        **at,
    )  # fmt: skip


def _depth(returns: Array) -> Array:
    """Drawdown (n, T + 1) of daily returns, nought before the first, whose value counts as a high."""
    wealth = levels(returns, 1.0)
    return np.asarray(wealth / np.maximum.accumulate(wealth, axis=1) - 1.0)


def _rolling_sharpe(returns: Array, days: int) -> Array:
    """Annual Sharpe ratio of every stretch of `days` days, (n, T - days + 1); NaN without movement."""
    zero = np.zeros((len(returns), 1))
    sums = np.concatenate([zero, np.cumsum(returns, axis=1)], axis=1)
    squares = np.concatenate([zero, np.cumsum(returns**2, axis=1)], axis=1)
    mean = (sums[:, days:] - sums[:, :-days]) / days
    variance = ((squares[:, days:] - squares[:, :-days]) - days * mean**2) / (days - 1)
    return np.asarray(mean / np.sqrt(np.where(variance > 1e-16, variance, np.nan)) * np.sqrt(YEAR))


def _upright(
    figure: go.Figure,
    places: Any,
    top: float,
    color: str,
    name: str,
    *,
    width: float = 1.6,
    dash: str = "solid",
) -> None:
    """Vertical lines as one legend entry."""
    import plotly.graph_objects as go

    x = [v for place in places for v in (place, place, None)]
    y = [v for _ in places for v in (0, top, None)]
    line = {"color": color, "width": width, "dash": dash}
    figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, name=name, hoverinfo="skip"))


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _unit(unit: str) -> str:
    return ", percent" if unit == "percent" else ""
