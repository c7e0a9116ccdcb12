# SPDX-License-Identifier: Apache-2.0
"""The surface on a page: it shows a map, and every stroke comes back as the whole map.

The browser's side (``grid.js``, ``surface.js``) paints without waiting for the server; a stroke's number tells which
of its maps the server has seen, so that a late answer never takes a later stroke away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from .codes import Ids, from_browser, to_browser

__all__ = ["MapClass", "surface"]

_HERE = Path(__file__).resolve().parent
_FILES = ("surface.html", "surface.css", "grid.js", "surface.js")


class MapClass(NamedTuple):
    """A class that can be painted; `color` as ``#rrggbb``."""

    id: int
    name: str
    color: str


def surface(
    ids: Ids, classes: Sequence[MapClass], painted: Callable[[Ids], None], *, key: str, label: str = "Map"
) -> None:
    """Draw the surface.

    Parameters
    ----------
    ids : ndarray (height, width), uint8
        The map as it is now.
    classes : sequence of MapClass
        The brushes.
    painted : callable
        Receives the new map, as a callback: before the next run of the page.
    key : str
        Unique on the page.
    label : str
        For screen readers.
    """
    height, width = ids.shape
    slots = st.session_state.setdefault(f"{key}:surface", {"echo": 0})
    known = frozenset(c.id for c in classes)

    def take() -> None:
        stroke = st.session_state[key].get("stroke")
        if not isinstance(stroke, dict):
            return
        number = stroke.get("number", 0)
        slots["echo"] = max(slots["echo"], number if isinstance(number, int) else 0)
        if (found := from_browser(stroke.get("map"), width, height, known)) is not None:
            painted(found)

    data = {
        "label": label,
        "classes": [c._asdict() for c in classes],
        "width": width,
        "height": height,
        "map": to_browser(ids),
        "echo": slots["echo"],
    }
    _component()(key=key, data=data, on_stroke_change=take)


def _component() -> Any:
    """The component, registered once a server (and again when its files change)."""
    return _registered(*((_HERE / name).read_text(encoding="utf-8") for name in _FILES))


@st.cache_resource(show_spinner=False, max_entries=4)
def _registered(html: str, css: str, grid_js: str, surface_js: str) -> Any:
    return st.components.v2.component("spade_map_painter", html=html, css=css, js=grid_js + "\n" + surface_js)
