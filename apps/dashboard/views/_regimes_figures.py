# SPDX-License-Identifier: Apache-2.0
"""Figures of the Regimes page: history with ribbons, delays, episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..figures import ink

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from spade_finance.regimes import RegimeLabels

__all__ = ["axis", "delay_strip", "drawn", "episode_bubbles", "history", "ribbons"]

MOST_POINTS = 3000
"""Of a line; a screen has fewer columns."""


def history(
    market: pd.Series, rows: Mapping[str, RegimeLabels], *, colored: RegimeLabels | None, around: slice
) -> go.Figure:
    """Wealth of the market on a log scale, coloured by regime or in ink, over one ribbon a labelling.

    Parameters
    ----------
    market : Series (T,) of simple returns
    rows : words to labels, top to bottom
    colored : labels that colour the line; None: ink
    around : the days drawn
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    from spade_finance.plot_style import style

    wealth = 100 * (1 + market.iloc[around]).cumprod()
    heights = [1.0 - 0.085 * len(rows), *[0.085] * len(rows)]
    gap = 0.02 if len(rows) == 1 else 0.05
    figure = make_subplots(1 + len(rows), 1, shared_xaxes=True, row_heights=heights, vertical_spacing=gap)
    if colored is None:
        part = wealth.iloc[drawn(len(wealth))]
        figure.add_trace(
            go.Scatter(
                x=part.index, y=part, mode="lines", name="market", showlegend=False,
                line={"color": ink()["text"], "width": 1.6}, hovertemplate="%{x|%d %b %Y}: %{y:,.0f}<extra></extra>",
            ),
            row=1, col=1,
        )  # fmt: skip
    else:
        _colored_line(figure, wealth, colored, around)
    shown: set[str] = set()
    for i, (name, labels) in enumerate(rows.items(), start=2):
        ribbon(figure, labels, i, around, shown)
        figure.update_yaxes(visible=False, fixedrange=True, range=[0, 1], row=i, col=1)
        figure.add_annotation(
            text=name, x=0, xref="paper", xanchor="left", y=1.0, yref=f"y{i} domain", yanchor="bottom",
            showarrow=False, font={"size": 11},
        )  # fmt: skip
    style(figure, "", 360 + 58 * len(rows))
    figure.update_layout(barmode="overlay", bargap=0, margin={"t": 34, "l": 48, "r": 12, "b": 34})
    low, high = np.log10([wealth.min(), wealth.max()])
    room = 0.04 * (high - low) + 1e-3
    figure.update_yaxes(type="log", range=[low - room, high + room], row=1, col=1, **_log_ticks(low, high))
    figure.update_xaxes(range=[wealth.index[0], wealth.index[-1]], showgrid=False)
    return figure


def ribbons(rows: Mapping[str, RegimeLabels], around: slice) -> go.Figure:
    """One ribbon a labelling, named above it."""
    from plotly.subplots import make_subplots

    from spade_finance.plot_style import style

    figure = make_subplots(len(rows), 1, shared_xaxes=True, vertical_spacing=0.36 / max(len(rows), 1))
    shown: set[str] = set()
    for i, (name, labels) in enumerate(rows.items(), start=1):
        ribbon(figure, labels, i, around, shown)
        figure.add_annotation(
            text=name, x=0, xref="paper", xanchor="left", y=1.0, yref=f"y{'' if i == 1 else i} domain",
            yanchor="bottom", showarrow=False, font={"size": 12},
        )  # fmt: skip
    style(figure, "", 90 + 56 * len(rows))
    figure.update_layout(
        barmode="overlay", bargap=0, margin={"t": 52, "l": 12, "r": 12, "b": 30},
        legend={"yref": "container", "y": 0.99, "yanchor": "top"},
    )  # fmt: skip
    figure.update_yaxes(visible=False, fixedrange=True, range=[0, 1])
    figure.update_xaxes(showgrid=False)
    return figure


def ribbon(figure: go.Figure, labels: RegimeLabels, row: int, around: slice, shown: set[str]) -> None:
    """Spells as bars from their first day to the next spell's; `shown` are the regimes the legend has."""
    import pandas as pd
    import plotly.graph_objects as go

    from spade_finance.plot_style import regime_colors
    from spade_finance.regimes.spells import runs

    dates, codes = labels.dates[around], labels.codes[around]
    starts, lengths, of = runs(codes)
    begin = dates[starts]
    stop = dates[np.minimum(starts + lengths, len(dates) - 1)]
    width = np.maximum((stop - begin) / pd.Timedelta(milliseconds=1), 86_400_000.0)
    colors = regime_colors(labels.regimes)
    for k, regime in enumerate(labels.regimes):
        own = of == k
        if not own.any():
            continue
        last = dates[starts + lengths - 1]
        words = [
            f"{regime}: {a:%d %b %Y} to {b:%d %b %Y}, {n:,} day{'' if n == 1 else 's'}"
            for a, b, n in zip(begin[own], last[own], lengths[own], strict=True)
        ]
        figure.add_trace(
            go.Bar(
                x=begin[own], y=np.ones(int(own.sum())), width=width[own], offset=0, marker={
                    "color": colors[regime], "line": {"width": 0}
                }, name=regime, legendgroup=regime, showlegend=regime not in shown, text=words, textposition="none",
                hovertemplate="%{text}<extra></extra>",
            ),
            row=row, col=1,
        )  # fmt: skip
        shown.add(regime)


def delay_strip(late: pd.DataFrame, regimes: Sequence[str]) -> go.Figure:
    """Every episode's delay as a mark, a row a regime; those never noticed stand at the right edge."""
    import plotly.graph_objects as go

    from spade_finance.plot_style import regime_colors, style

    colors, figure = regime_colors(regimes), go.Figure()
    edge = 1.12 * max(float(late["delay"].max()), 10.0) if late["delay"].notna().any() else 10.0
    rng = np.random.default_rng(0)
    for k, regime in enumerate(regimes):
        own = late[late["regime"] == regime]
        missed = own["delay"].isna()
        words = [
            f"{regime} from {start:%d %b %Y}, {days:,} days: "
            + ("never noticed" if lost else f"noticed after {d:.0f}")
            for start, days, d, lost in zip(own["start"], own["days"], own["delay"], missed, strict=True)
        ]
        figure.add_trace(
            go.Scatter(
                x=own["delay"].fillna(edge), y=k + rng.uniform(-0.22, 0.22, len(own)), mode="markers", name=regime,
                text=words, hovertemplate="%{text}<extra></extra>",
                marker={
                    "color": colors[regime], "size": 9, "opacity": 0.8,
                    "symbol": np.where(missed, "x", "circle").tolist(),
                },
            )
        )  # fmt: skip
    style(figure, "", 120 + 48 * len(regimes))
    figure.update_layout(showlegend=False, margin={"t": 12, "l": 12, "r": 12, "b": 46})
    figure.update_yaxes(
        tickvals=list(range(len(regimes))), ticktext=list(regimes), range=[len(regimes) - 0.5, -0.5]
    )
    figure.update_xaxes(
        title=axis("trading days until noticed (× never)"),
        range=[-0.03 * edge, 1.05 * edge],
    )
    return figure


def episode_bubbles(
    table: pd.DataFrame, regimes: Sequence[str], trained: tuple[float, float] | None
) -> go.Figure:
    """Severity of every episode over time, its area by its days; the trained range as a band."""
    import plotly.graph_objects as go

    from spade_finance.plot_style import regime_colors, style

    colors, figure = regime_colors(regimes), go.Figure()
    longest = float(table["days"].max())
    for regime in regimes:
        own = table[table["regime"] == regime]
        if own.empty:
            continue
        words = [
            f"{regime} {a:%d %b %Y} to {b:%d %b %Y}, {n:,} days: severity {s:.2f}, market {100 * r:+.0f} %"
            for a, b, n, s, r in zip(
                own["start"], own["end"], own["days"], own["severity"], own["return"], strict=True
            )
        ]
        figure.add_trace(
            go.Scatter(
                x=own["start"] + (own["end"] - own["start"]) / 2, y=own["severity"], mode="markers", name=regime,
                text=words, hovertemplate="%{text}<extra></extra>",
                marker={
                    "color": colors[regime], "size": 6 + 26 * np.sqrt(own["days"] / longest), "opacity": 0.75,
                    "line": {"width": 1, "color": ink()["background"]},
                },
            )
        )  # fmt: skip
    style(figure, "", 360)
    if trained is not None:
        figure.add_hrect(*trained, fillcolor=ink()["muted"], opacity=0.1, line_width=0, layer="below")
    figure.add_hline(1.0, line={"color": ink()["muted"], "width": 1, "dash": "dot"})
    figure.update_layout(margin={"t": 34, "l": 50, "r": 12, "b": 34}, legend={"itemsizing": "constant"})
    figure.update_yaxes(title=axis("severity"), rangemode="normal")
    return figure


def _colored_line(figure: go.Figure, wealth: pd.Series, labels: RegimeLabels, around: slice) -> None:
    """One trace a regime, broken between its spells; a spell's line reaches to the next one's first day."""
    import plotly.graph_objects as go

    from spade_finance.plot_style import regime_colors
    from spade_finance.regimes.spells import runs

    codes, keep = labels.codes[around], set(drawn(len(wealth)).tolist())
    starts, lengths, of = runs(codes)
    colors, days, level = regime_colors(labels.regimes), wealth.index.to_numpy(), wealth.to_numpy()
    for k, regime in enumerate(labels.regimes):
        x: list[Any] = []
        y: list[float | None] = []
        for start, length in zip(starts[of == k], lengths[of == k], strict=True):
            stop = min(start + length, len(wealth) - 1)
            points = [i for i in range(start, stop + 1) if i in (start, stop) or i in keep]
            x += [*days[points], days[stop]]
            y += [*level[points], None]
        figure.add_trace(
            go.Scatter(
                x=x, y=y, mode="lines", name=regime, legendgroup=regime, showlegend=False, connectgaps=False,
                line={"color": colors[regime], "width": 2}, hovertemplate="%{x|%d %b %Y}: %{y:,.0f}",
            ),
            row=1, col=1,
        )  # fmt: skip


def drawn(n: int, most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Positions of the points that a line of `n` draws."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    """Round values on a log axis: 1, 2, 5 a decade, or finer ones where there is less than that."""
    steps = (
        (1.0, 2.0, 5.0) if high - low > 0.7 else (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    )
    values = [s * 10.0**d for d in range(int(np.floor(low)), int(np.ceil(high)) + 1) for s in steps]
    inside = [v for v in values if low - 0.05 <= np.log10(v) <= high + 0.05]
    return {"tickvals": inside, "ticktext": [f"{v:,.0f}" for v in inside]} if len(inside) > 1 else {}


def axis(words: str) -> dict[str, Any]:
    """An axis title of the size of the other words."""
    return {"text": words, "font": {"size": 12}}
