# SPDX-License-Identifier: Apache-2.0
"""Figures of the stylised facts: real grey, the first column coloured and on top, the others thin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.clustering import DECAY_LAGS, decay_exponent
from spade_finance.evaluate.compare import measured, seamless
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.stylised import RETURN_LAGS, absolute_acf, facts_metrics, leverage_curve
from spade_finance.evaluate.tails import NORMAL_L_KURTOSIS
from spade_finance.plot_style import REAL, TEXT, band, column_colors, lift_legend, style

if TYPE_CHECKING:
    import plotly.graph_objects as go

Array = NDArray[np.float64]

LEVELS = np.concatenate([[0.001, 0.0025, 0.005], np.arange(0.01, 0.995, 0.01), [0.995, 0.9975, 0.999]])
DASHES = ("solid", "dash", "dot", "dashdot")
N_COLORS = 6
"""Colours of the palette for baselines; the next ones differ by their dashes."""


def decay(panels: Mapping[str, Panel], floor: Panel) -> go.Figure:
    """Autocorrelation of the market's absolute returns by lag, log-log, with the real power law."""
    import plotly.graph_objects as go

    figure = go.Figure()
    lags = np.array(DECAY_LAGS)
    curves = {name: absolute_acf(panel)[..., 0] for name, panel in panels.items()}
    real = curves["real"][0]
    low, high = _interval(real, absolute_acf(seamless(floor))[..., 0])
    drawn = np.isfinite(low) & np.isfinite(high) & (high > 0)
    if drawn.any():
        figure.add_trace(
            band(lags[drawn], np.maximum(low[drawn], 1e-3), high[drawn], 0.22, "95 %, real", color=REAL)
        )
    for name, values in _ordered(curves):
        mean = values.mean(0)
        _add(figure, name, lags, np.where(mean > 0, mean, np.nan), panels)
    exponent = decay_exponent(absolute_acf(panels["real"]))[0, 0]
    if np.isfinite(exponent):
        level = np.nanmean(real * lags**-exponent) / np.nanmean(lags ** (-2 * exponent))
        figure.add_trace(
            go.Scatter(
                x=lags,
                y=level * lags**-exponent,
                mode="lines",
                line={"color": TEXT, "width": 1.5, "dash": "dot"},
                name=f"real: lag^-{exponent:.2f}",
            )
        )
    style(figure, "Autocorrelation of the market's absolute daily returns", 440)
    ticks = [1, 2, 5, 10, 20, 50]
    figure.update_xaxes(
        type="log", title_text="lag, trading days", tickvals=ticks, ticktext=[str(t) for t in ticks]
    )
    ticks_y = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    highest = max(float(np.nanmax(c.mean(0))) for c in curves.values())
    figure.update_yaxes(
        type="log",
        title_text="autocorrelation",
        tickvals=ticks_y,
        ticktext=[f"{t:g}" for t in ticks_y],
        range=[np.log10(0.01), np.log10(max(1.3 * highest, 0.05))],
    )
    return figure


def aggregation_and_leverage(panels: Mapping[str, Panel], floor: Panel) -> go.Figure:
    """L-kurtosis by horizon (left) and leverage by lag (right) of the market."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1,
        2,
        subplot_titles=("L-kurtosis by horizon", "leverage: corr(r, later r²)"),
        horizontal_spacing=0.09,
    )
    metrics = [m for m in facts_metrics(panels["real"]) if m.name == "l_kurtosis" and m.regime is None]
    horizons = np.array([m.horizon_days for m in metrics], dtype=np.float64)
    lags = np.array(RETURN_LAGS, dtype=np.float64)
    noise = [measured(m, seamless(floor) if m.seamless else floor)[:, 0] for m in metrics]
    tails = {n: np.stack([measured(m, p)[:, 0] for m in metrics], axis=1) for n, p in panels.items()}
    leverage = {name: leverage_curve(panel)[..., 0] for name, panel in panels.items()}
    sides = (
        (1, horizons, tails, np.stack(noise, axis=1)),
        (2, lags, leverage, leverage_curve(floor)[..., 0]),
    )
    for column, x, curves, resampled in sides:
        low, high = _interval(curves["real"][0], resampled)
        if np.isfinite(low).all():
            figure.add_trace(
                band(x, low, high, 0.22, "95 %, real", legend=column == 1, color=REAL), row=1, col=column
            )
        for name, values in _ordered(curves):
            _add(figure, name, x, _mean(values), panels, column=column)
    figure.add_hline(NORMAL_L_KURTOSIS, line={"color": TEXT, "width": 1, "dash": "dot"}, row=1, col=1)
    figure.add_hline(0.0, line={"color": TEXT, "width": 1}, row=1, col=2)
    style(figure, "Aggregational Gaussianity and leverage of the market", 470)
    figure.update_xaxes(
        type="log",
        tickvals=horizons,
        ticktext=[f"{h:.0f}" for h in horizons],
        title_text="days",
        row=1,
        col=1,
    )
    figure.update_xaxes(title_text="lag, trading days", row=1, col=2)
    return lift_legend(figure)


def quantiles(panels: Mapping[str, Panel]) -> go.Figure:
    """Quantile of the generated against that of the real market returns, % a day."""
    import plotly.graph_objects as go

    figure = go.Figure()
    n_days = panels["real"].n_days
    levels = LEVELS[np.minimum(LEVELS, 1.0 - LEVELS) * n_days >= 1.0]
    drawn = {name: 100 * np.quantile(p.simple[..., 0], levels, axis=1).T for name, p in panels.items()}
    x = drawn.pop("real")[0]
    subject = next(iter(drawn))
    if len(drawn[subject]) > 4:
        low, high = np.quantile(drawn[subject], [0.05, 0.95], axis=0)
        figure.add_trace(
            band(x, low, high, 0.2, f"90 % of {subject} replicates", color=column_colors(panels)[subject])
        )
    ends = [
        min(x[0], *(v.mean(0)[0] for v in drawn.values())),
        max(x[-1], *(v.mean(0)[-1] for v in drawn.values())),
    ]
    figure.add_trace(
        go.Scatter(
            x=ends, y=ends, mode="lines", line={"color": REAL, "width": 1.5, "dash": "dot"}, name="as real"
        )
    )
    for name, values in _ordered(drawn):
        _add(figure, name, x, values.mean(0), panels)
    style(figure, "Quantiles of the market's daily returns, %", 460)
    figure.update_xaxes(title_text="real, % a day")
    figure.update_yaxes(title_text="generated, % a day")
    return figure


def _interval(real: Array, resampled: Array) -> tuple[Array, Array]:
    """95 % of the resamples about their mean, set on the real curve."""
    if not np.isfinite(resampled).any(0).all():
        nothing = np.full(real.shape, np.nan)
        return nothing, nothing
    low, high = np.nanquantile(resampled, [0.025, 0.975], axis=0) - np.nanmean(resampled, axis=0)
    return real + low, real + high


def _ordered(curves: Mapping[str, Array]) -> list[tuple[str, Array]]:
    """Real and the first generated column last: they lie on top."""
    names = list(curves)
    top = [n for n in ("real",) if n in curves] + [n for n in names if n != "real"][:1]
    return [(n, curves[n]) for n in [*(n for n in names if n not in top), *reversed(top)]]


def _mean(values: Array) -> Array:
    """Mean over replicates that have the feature."""
    count = np.isfinite(values).sum(0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def _add(figure: Any, name: str, x: Array, y: Array, panels: Mapping[str, Panel], *, column: int = 0) -> None:
    """One curve in the colour of its column; `column` is the subplot's, 0 for a figure without subplots."""
    import plotly.graph_objects as go

    generated = [n for n in panels if n != "real"]
    real, first = name == "real", name == generated[0]
    turn = max(generated.index(name) - 1, 0) // N_COLORS if not real else 0
    trace = go.Scatter(
        x=x,
        y=y,
        mode="markers" if real else "lines",
        name=name,
        legendgroup=name,
        showlegend=column < 2,
        marker={"size": 6, "symbol": "circle-open", "color": REAL, "line": {"width": 2}},
        line={
            "color": column_colors(panels)[name],
            "width": 3 if first else 1.3,
            "dash": DASHES[turn % len(DASHES)],
        },
        opacity=1.0 if real or first else 0.75,
        legendrank=1 if real else 2 if first else 1000,
    )
    figure.add_trace(trace, **({"row": 1, "col": column} if column else {}))
