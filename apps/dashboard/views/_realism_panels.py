# SPDX-License-Identifier: Apache-2.0
"""The scorecard's figures on a page that may be a phone: side-by-side panels become figures of their own, which a
narrow page puts below each other, and wide maps stand upright."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["abreast", "panels", "spaced", "upright"]

HEAD = 78
"""Pixels above the panels of the first row, so that they have equal axes: a legend of two rows."""
BARE_HEAD = 24
BODY = 270
AXIS_WORDS = 40
"""Characters of an axis title that fit beside each other on a phone."""
WIDE = 10
"""A map of more columns than this, and fewer rows, stands upright."""


def abreast(count: int) -> int:
    """How many of `count` panels stand beside each other on a wide page."""
    return 2 if count in (2, 4) else 3


def panels(figure: go.Figure) -> list[tuple[str, go.Figure]]:
    """Title and figure of every panel; a figure of one panel is returned as it is, with an empty title.

    The legend stays with the first panel.
    """
    import plotly.graph_objects as go

    told = figure.to_plotly_json()
    layout: dict[str, Any] = dict(told["layout"])
    axes = list(dict.fromkeys(_axes(trace) for trace in told["data"]))
    if len(axes) < 2 or any(None in pair for pair in axes):
        return [("", figure)]
    marks, shapes = layout.pop("annotations", ()), layout.pop("shapes", ())
    common = {
        name: value
        for name, value in layout.items()
        if not name.startswith(("xaxis", "yaxis")) and name not in ("title", "height", "width", "grid")
    }
    out = []
    for i, (x, y) in enumerate(axes):
        head = HEAD if i < abreast(len(axes)) else BARE_HEAD
        across = layout.get(f"xaxis{x[1:]}", {}).get("domain", (0.0, 1.0))
        along = layout.get(f"yaxis{y[1:]}", {}).get("domain", (0.0, 1.0))
        piece = go.Figure(
            data=[
                {**trace, "xaxis": "x", "yaxis": "y"} for trace in told["data"] if _axes(trace) == (x, y)
            ],
            layout={
                **common, "height": head + BODY,
                "xaxis": _axis(layout, "x", x, told["data"]),
                "yaxis": _axis(layout, "y", y, told["data"]),
                "shapes": [_moved(shape, x, y) for shape in shapes if _on(shape, x, y)],
                "annotations": [_moved(mark, x, y) for mark in marks if _on(mark, x, y)],
                "margin": {**layout.get("margin", {}), "t": head, "b": 48},
                "showlegend": i == 0 and layout.get("showlegend", True),
            },
        )  # fmt: skip
        piece.update_layout(
            legend={"yref": "paper", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"}
        )
        out.append((_title(marks, across, along), piece))
    return out


def upright(figure: go.Figure) -> go.Figure:
    """A wide map turned, its columns as rows; any other figure as it is, long axis titles in lines."""
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        if axis.title.text and len(axis.title.text) > AXIS_WORDS:
            axis.title.text = "<br>".join(textwrap.wrap(axis.title.text, AXIS_WORDS))
    if len(figure.data) != 1 or figure.data[0].type != "heatmap":
        return figure
    (trace,) = figure.data
    levels = trace.x is not None and len(trace.x) == 2 and not isinstance(trace.x[0], str)
    n_columns = len(trace.x[0]) if levels else len(trace.x if trace.x is not None else ())
    if n_columns <= WIDE or len(trace.y) >= n_columns:
        return figure
    columns = [", ".join(map(str, pair)) for pair in zip(*trace.x, strict=True)] if levels else list(trace.x)
    trace.update(x=[str(name).replace(" ", "<br>") for name in trace.y], y=columns, z=_array(trace.z).T)
    if trace.text is not None:
        trace.text = _array(trace.text).T
    if trace.hovertemplate:
        trace.hovertemplate = trace.hovertemplate.replace("%{x}", "%{?}").replace("%{y}", "%{x}")
        trace.hovertemplate = trace.hovertemplate.replace("%{?}", "%{y}")
    trace.colorbar.update(orientation="h", y=1.02, yanchor="bottom", x=0.5, xanchor="center", thickness=10)
    figure.update_layout(height=150 + 24 * n_columns, margin={"t": 70, "l": 10})
    figure.update_xaxes(type="category", tickangle=0, autorange=True, title_text=None)
    figure.update_yaxes(type="category", autorange="reversed", title_text=None, automargin=True)
    return figure


def spaced(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    """The figure with the registry's names as words."""
    import plotly.graph_objects as go

    def told(value: Any) -> Any:
        if isinstance(value, str):
            for name in names:
                value = value.replace(name, name.replace("_", " "))
            return value
        if isinstance(value, dict):
            return {key: told(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [told(inner) for inner in value]
        if getattr(getattr(value, "dtype", None), "kind", "") == "O":
            return [told(inner) for inner in value.tolist()]
        return value

    return go.Figure(told(figure.to_plotly_json()))


def _array(value: Any) -> Any:
    """Numbers or texts of a trace, also where plotly keeps them packed (a figure that was JSON)."""
    import base64

    import numpy as np

    if not isinstance(value, dict):
        return np.asarray(value)
    flat = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
    shape = [int(n) for n in str(value.get("shape", flat.size)).split(",")]
    return flat.reshape(shape)


def _axes(trace: dict[str, Any]) -> tuple[Any, Any]:
    if trace.get("type") in ("pie", "table", "indicator"):
        return None, None
    return trace.get("xaxis") or "x", trace.get("yaxis") or "y"


def _axis(layout: dict[str, Any], kind: str, name: str, data: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An axis by itself: with a title, labels and the range, wherever the panels shared them."""
    own = dict(layout.get(f"{kind}axis{name[1:]}", {}))
    shared = own.pop("matches", None)
    for key in ("domain", "anchor", "showticklabels", "side", "overlaying"):
        own.pop(key, None)
    others = [n for n in layout if n.startswith(f"{kind}axis")]
    together = [
        n
        for n in others
        if (shared or name) in (layout[n].get("matches"), kind + n.removeprefix(f"{kind}axis"))
    ]
    if not own.get("title"):
        title = next((t for n in (*together, *others) if (t := layout[n].get("title"))), None)
        own |= {"title": title} if title else {}
    if len(together) > 1 and own.get("range") is None and own.get("type") in (None, "linear"):
        names = {kind + n.removeprefix(f"{kind}axis") for n in together}
        span = _span([t for t in data if _axes(t)[kind == "y"] in names], kind)
        own |= {"range": span} if span else {}
    return own


def _span(data: Sequence[dict[str, Any]], kind: str) -> list[float]:
    """A range that holds all numbers of the traces; empty where they are no numbers."""
    import numpy as np

    found = [_array(trace[kind]) for trace in data if trace.get("type") != "heatmap" and kind in trace]
    known = [a.astype(float) for a in found if a.dtype.kind in "iuf" and a.size]
    if not known or len(known) < len(found) or len(found) < len(data):
        return []
    low, high = min(float(np.nanmin(a)) for a in known), max(float(np.nanmax(a)) for a in known)
    edge = 0.05 * (high - low) if kind == "y" else 0.0
    return [low - edge, high + edge] if high > low else []


def _on(mark: Any, x: str, y: str) -> bool:
    """Whether a shape or an annotation belongs to a panel's axes."""
    refs = [str(mark.get(key) or "paper").split()[0] for key in ("xref", "yref")]
    if refs == ["paper", "paper"]:
        return False
    return refs[0] in (x, "paper") and refs[1] in (y, "paper")


def _moved(mark: Any, x: str, y: str) -> dict[str, Any]:
    """A shape or an annotation on the only axes that a panel has."""
    said = dict(mark)
    for key, axis in (("xref", "x"), ("yref", "y")):
        if str(said.get(key) or "").split()[:1] == [x if axis == "x" else y]:
            said[key] = axis + (" domain" if str(said[key]).endswith("domain") else "")
    return said


def _title(marks: Any, across: Sequence[float], along: Sequence[float]) -> str:
    """The heading above a panel: what stands in the middle over its top."""
    middle = (across[0] + across[1]) / 2
    for mark in marks:
        over = mark.get("xref") == "paper" and mark.get("yref") == "paper"
        if over and abs(mark["x"] - middle) < 0.02 and abs(mark["y"] - along[1]) < 0.02:
            return str(mark.get("text") or "")
    return ""
