# SPDX-License-Identifier: Apache-2.0
"""The fan as one SVG image, made of the figure itself: what a browser shows while it still reads plotly.

Plotly's script is 4.7 MB, a second or more of a new browser's only thread. An image in Markdown needs no script but
those that Streamlit's frame has loaded anyway. ``assets/page.css`` lays it over the chart's place and takes it away as
soon as plotly has drawn there; no script and no rerun has a part in it.
"""

from __future__ import annotations

import base64
import html
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["MOST_POINTS", "Shape", "markdown", "picture", "shapes", "span", "ticks"]

Array = NDArray[np.float64]

MOST_POINTS = 16_000
"""Of a picture; beyond it the markup would be slower than what it stands in for."""
_WIDE, _NARROW = 905.0, 290.0
"""Pixels across the plot that the two sets of day labels are for: a desktop's and a phone's."""
_ROOM = 0.05
"""Share of an axis of values that plotly leaves free at each end."""
_ROUND = 153.0
"""Pixels of the height that are not the fan's: margins, legend and ribbon."""
_DIV = "<div xmlns='http://www.w3.org/1999/xhtml'"
_ASSETS = Path(__file__).resolve().parent / "assets"


class Shape(NamedTuple):
    """One filled area or line, in the figure's own units: days (of dates, those since 1970) against values."""

    row: int
    x: Array
    y: Array
    fill: str
    line: str
    width: float
    opacity: float


def shapes(figure: go.Figure) -> list[Shape]:
    """What a figure of :func:`spade_finance.plotting.fan_chart` draws: bands, lines, and the regimes beneath."""
    found, floor = [], None
    for trace in figure.data:
        row = 2 if trace.yaxis == "y2" else 1
        x, y = _numbers(trace.x), np.asarray(trace.y, dtype=float)
        if trace.stackgroup:  # a day's share holds from the end of the day before to its own
            x, y = np.repeat(x, 2)[:-1], np.repeat(y, 2)[1:]
            floor = np.zeros_like(y) if floor is None else floor
            found.append(_area(row, x, floor, floor + y, trace.fillcolor))
            floor = floor + y
        elif trace.fill == "toself":
            found.append(Shape(row, x, y, trace.fillcolor, "none", 0.0, 1.0))
        else:
            found.append(
                Shape(row, x, y, "none", trace.line.color, trace.line.width or 2.0, trace.opacity or 1.0)
            )
    return found


def picture(figure: go.Figure) -> str:
    """An SVG document that shows `figure` as plotly will draw it, at any width; empty where it would be too large.

    Parameters
    ----------
    figure : go.Figure
        Of :func:`spade_finance.plotting.fan_chart`, dressed in the page's colours.
    """
    drawn = shapes(figure)
    if sum(len(s.x) for s in drawn) > MOST_POINTS:
        return ""
    layout = figure.layout
    upper, lower = ([s for s in drawn if s.row == row] for row in (1, 2))
    days = span(np.concatenate([s.x for s in drawn]), 0.0)
    values = span(np.concatenate([s.y for s in upper]), _ROOM)
    if layout.yaxis.range is not None:
        values = (float(layout.yaxis.range[0]), float(layout.yaxis.range[1]))
    marks = [_mark("y", at, values, layout) for at in ticks(*values, layout.height - _ROUND)]
    for kind, width in (("wide", _WIDE), ("narrow", _NARROW)):
        found = _months(*days, width) if _dated(figure) else ticks(*days, width, least=80.0)
        marks += [_mark(f"x {kind}", at, days, layout) for at in found]
    edge = "edge" if not _dated(figure) and days[1] in dict(ticks(*days, _WIDE, least=80.0)) else ""
    body = (
        f"<div class='{edge}' style='color:{layout.font.color}'>{_legend(figure)}<div class='plot'>"
        f"{_drawing(upper, days, values, layout.yaxis.domain)}"
        f"{_drawing(lower, days, (0.0, 100.0), layout.yaxis2.domain)}"
        f"<div class='marks' style='{_box(layout.yaxis.domain)};border-color:{layout.yaxis.gridcolor}'>"
        f"{''.join(marks)}</div></div><span class='up'>{html.escape(layout.yaxis.title.text or '')}</span>"
        f"<span class='along'>{html.escape(layout.xaxis2.title.text or '')}</span></div>"
    )
    css = (_ASSETS / "preview.css").read_text(encoding="utf-8")
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='100%' height='{layout.height}'><style>{css}</style>"
        f"<foreignObject width='100%' height='100%'>{body.replace('<div', _DIV, 1)}</foreignObject></svg>"
    )


def markdown(figure: go.Figure, alt: str) -> str:
    """:func:`picture` as an image in Markdown, or nothing; `alt` is what it says, for those who do not see it."""
    said = "".join(f"\\{c}" if c in "\\[]*_`$" else c for c in alt)
    document = picture(figure)
    return document and f"![{said}](data:image/svg+xml;base64,{base64.b64encode(document.encode()).decode()})"


def span(values: Array, room: float) -> tuple[float, float]:
    """The range that plotly gives an axis of `values`, with `room` of its length free at each end."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low == high:
        return low - 1.0, high + 1.0
    free = (high - low) * room / (1.0 - 2.0 * room)
    return low - free, high + free


def ticks(low: float, high: float, length: float, least: float = 40.0) -> list[tuple[float, str]]:
    """Plotly's ticks of a linear axis `length` pixels long, with at least `least` pixels for each: (value, label)."""
    rough = (high - low) / _how_many(length, least)
    base = 10.0 ** math.floor(math.log10(rough))
    step = base * next(m for m in (2.0, 5.0, 10.0) if rough <= m * base * (1 + 1e-9))
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(i * step, f"{i * step:.{places}f}".replace("-", "−")) for i in range(first, last + 1)]


def _how_many(length: float, least: float) -> float:
    return min(max(length / least, 4.0), 9.0) + 1.0


def _months(low: float, high: float, width: float) -> list[tuple[float, str]]:
    """First days of months, as plotly labels some months to some years of dates; none for other spans."""
    rough = (high - low) / _how_many(width, 80.0) / 30.4375
    if not 0.5 < rough <= 6.0:
        return []
    step = next(m for m in (1, 2, 3, 6) if rough <= m)
    first, last = (np.datetime64(math.ceil(d), "D").astype("datetime64[M]") for d in (low, high))
    found = []
    for month in np.arange(first, last + 1):
        day = float(month.astype("datetime64[D]").astype(int))
        if month.astype(int) % step == 0 and low <= day <= high:
            found.append((day, month.item().strftime("%b %Y")))
    return found


def _mark(kind: str, tick: tuple[float, str], span: tuple[float, float], layout: Any) -> str:
    """A grid line with its label, at its place along the axis."""
    side = "bottom" if kind == "y" else "left"
    share = 100 * (tick[0] - span[0]) / (span[1] - span[0])
    color = layout.yaxis.gridcolor
    return f"<i class='{kind}' style='{side}:{share:.3f}%;border-color:{color}'><span>{tick[1]}</span></i>"


def _area(row: int, x: Array, low: Array, high: Array, fill: str) -> Shape:
    same = (low[1:] == low[:-1]) & (high[1:] == high[:-1])
    turn = ~np.r_[False, same[1:] & same[:-1], False]  # the ends of level stretches say all
    x, low, high = x[turn], low[turn], high[turn]
    return Shape(row, np.r_[x, x[::-1]], np.r_[high, low[::-1]], fill, "none", 0.0, 1.0)


def _drawing(
    drawn: list[Shape], days: tuple[float, float], values: tuple[float, float], domain: tuple[float, float]
) -> str:
    """The shapes of one row; stretched to its place, while lines keep their width."""
    paths = []
    for s in drawn:
        x = 1000 * (s.x - days[0]) / (days[1] - days[0])
        y = 1000 * (values[1] - s.y) / (values[1] - values[0])
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
        tag = "polygon" if s.line == "none" else "polyline"
        paths.append(
            f"<{tag} points='{points}' fill='{s.fill}' stroke='{s.line}' stroke-width='{s.width:g}' "
            f"opacity='{s.opacity:g}' vector-effect='non-scaling-stroke' stroke-linejoin='round'/>"
        )
    return (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1000 1000' preserveAspectRatio='none' "
        f"style='{_box(domain)}'>{''.join(paths)}</svg>"
    )


def _box(domain: tuple[float, float]) -> str:
    return f"bottom:{100 * domain[0]:.4g}%;height:{100 * (domain[1] - domain[0]):.4g}%"


def _legend(figure: go.Figure) -> str:
    """Stacked traces first, as plotly sets them beside each other; then the rest in their order."""
    named = [t for t in figure.data if t.showlegend is not False]
    named.sort(key=lambda t: not t.stackgroup)
    pieces = []
    for trace in named:
        line = not (trace.stackgroup or trace.fill)
        color = trace.line.color if line else trace.fillcolor
        kind = "line" if line else "area"
        pieces.append(
            f"<span><i class='{kind}' style='background:{color}'></i>{html.escape(trace.name)}</span>"
        )
    return f"<div class='legend'>{''.join(pieces)}</div>"


def _dated(figure: go.Figure) -> bool:
    return bool(np.issubdtype(np.asarray(figure.data[0].x).dtype, np.datetime64))


def _numbers(x: Any) -> Array:
    """Days as numbers; dates as days since 1970."""
    given = np.asarray(x)
    if np.issubdtype(given.dtype, np.datetime64):
        given = given.astype("datetime64[D]").astype(np.int64)
    return given.astype(float)
