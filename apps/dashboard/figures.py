# SPDX-License-Identifier: Apache-2.0
"""Figures on a page: the library's plotly figures in the page's light or dark, and never an image of their own."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any

import streamlit as st

from .headings import heading
from .preview import markdown

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["dark", "dress", "ink", "show"]

_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": False,
    "displayModeBar": False,  # lies over the legend on a phone; double-click goes back, full screen is Streamlit's
}


def dark() -> bool:
    """Whether the reader's page is dark."""
    return st.context.theme.get("type") == "dark"


def ink() -> dict[str, str]:
    """Colours of the page: ``text``, ``muted``, ``grid``, ``background``, ``real``."""
    if dark():
        return {
            "text": "#D5DAE0", "muted": "#98A3AF", "grid": "rgba(152,163,175,0.20)", "background": "#0F1419",
            "real": "#F0F2F5",
        }  # fmt: skip
    return {
        "text": "#2B333D", "muted": "#5F6B78", "grid": "rgba(95,107,120,0.18)", "background": "#FFFFFF",
        "real": "#1D232B",
    }  # fmt: skip


def show(figure: go.Figure, *, key: str, alt: str, title: str | None = None, preview: bool = False) -> None:
    """Draw a figure of :mod:`spade_finance.plotting` (or of a room's own) across the page.

    Parameters
    ----------
    key : str
        Unique on the page.
    alt : str
        What the figure says, in a sentence, for those who do not see it.
    title : str, optional
        Default the figure's own, which is written above it as text (so that it wraps on a phone); empty for none.
    preview : bool
        Whether a new session gets it as an image first (a page's first fan, see :mod:`.preview`).
    """
    from spade_finance.plot_style import take_title

    own = take_title(figure)
    if words := own if title is None else title:
        heading(words, "figure")
    dress(figure)
    more: dict[str, Any] = {"alt": alt} if _TAKES_ALT else {}
    if not preview:
        st.plotly_chart(figure, theme=None, key=key, config=_CONFIG, **more)
        return
    with st.container(key=f"{key}-stage", gap=None):
        _first_sight(figure, alt)
        st.plotly_chart(figure, theme=None, key=key, config=_CONFIG, **more)


def _first_sight(figure: go.Figure, alt: str) -> None:
    """The figure as an image while this session's browser may still be reading plotly; else nothing, in its place."""
    place, now = st.empty(), time.monotonic()
    age = now - st.session_state.setdefault("figures:first", now)
    if age < _READING and (image := markdown(figure, alt)):
        place.markdown(image)
        if age == 0:
            time.sleep(_HEAD_START)


def dress(figure: go.Figure) -> go.Figure:
    """Give a figure the colours of the reader's page."""
    colors = ink()
    figure.update_layout(
        font_color=colors["muted"],
        legend_font_color=colors["muted"],
        hoverlabel={
            "bgcolor": colors["background"], "bordercolor": colors["grid"], "font": {"color": colors["text"]},
        },
    )  # fmt: skip
    figure.update_annotations(font_color=colors["text"])
    figure.update_xaxes(gridcolor=colors["grid"], linecolor=colors["grid"])
    figure.update_yaxes(gridcolor=colors["grid"], linecolor=colors["grid"])
    return figure


_READING = 10.0
"""Seconds from a session's first figure in which its browser may not have plotly yet."""
_HEAD_START = 0.5
"""Seconds that a new browser has for the rest of the page before plotly takes its only thread."""
_TAKES_ALT = "alt" in inspect.signature(st.plotly_chart).parameters
