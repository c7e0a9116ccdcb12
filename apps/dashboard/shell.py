# SPDX-License-Identifier: Apache-2.0
"""The frame: the pages, what they share, and the boundary around each."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from . import state
from .boundary import boundary
from .headings import heading

__all__ = ["PAGES", "PageInfo", "main", "page_object"]


@dataclass(frozen=True)
class PageInfo:
    """One page.

    Attributes
    ----------
    name : str
        Of its module in :mod:`.views`, and its path in the address.
    needs : tuple of str
        Modules without which it cannot work; missing ones are said on the page.
    extra : str
        The extra that brings them.
    foot : str
        What its results are and are not.
    """

    name: str
    title: str
    icon: str
    lead: str
    needs: tuple[str, ...] = ()
    extra: str = ""
    foot: str = (
        "Simulated, not predicted. Returns are daily, simple and in decimals; volatilities are annualised with 252 "
        "days. Not investment advice."
    )


PAGES = (
    PageInfo("generate", "Generate", "brush", "Paint a market's future and see what it does."),
    PageInfo("regimes", "Regimes", "timeline", "Which regime held when, and how sure that is."),
    PageInfo("realism", "Realism", "fact_check", "Generated against real against baselines, chart by chart."),
    PageInfo("stress", "Stress", "bolt", "What a scenario does to a portfolio."),
    PageInfo("backtest", "Backtest", "finance_mode", "A strategy on thousands of paths instead of one."),
    PageInfo(
        "images", "Images", "image", "The same idea where it came from: paint a map, get a picture.",
        ("spade_image", "torchvision", "PIL"), "image",
        "Drawn by a network, not photographed: every picture carries its model, style and seed.",
    ),
    PageInfo("model", "Model", "neurology", "What the model is, what it cannot do, and your own."),
)  # fmt: skip


def main() -> None:
    """One run of the script: the frame first, then the page, then the address."""
    st.set_page_config(
        page_title="Spade", page_icon=_ICON, layout="wide", initial_sidebar_state="auto",
        menu_items={"About": "**Spade** paints regimes on a timeline and sees markets answer. Not investment advice."},
    )  # fmt: skip
    st.logo(str(_ASSETS / "logo.svg"), size="large", icon_image=_ICON)
    # As Markdown: Streamlit's browser side can draw it some tenths of a second before st.html.
    css = (_ASSETS / "page.css").read_text(encoding="utf-8")
    st.markdown(f"<style>{css}</style>", unsafe_allow_html=True)
    pages = {info.name: page_object(info) for info in PAGES}
    current = st.navigation(list(pages.values()))
    info = next(info for info in PAGES if pages[info.name] is current)
    state.adopt(info.name)
    notes = st.container()
    current.run()
    for said in state.finish():
        notes.warning(said, icon=":material/link_off:")
    _set_modules_apart()


def page_object(info: PageInfo) -> Any:
    """Streamlit's page of a page; the first one is at the root."""
    return st.Page(
        partial(_run, info), title=info.title, icon=f":material/{info.icon}:", url_path=info.name,
        default=info is PAGES[0],
    )  # fmt: skip


def _run(info: PageInfo) -> None:
    st.title(info.title, anchor=False)
    heading(info.lead, "lead")
    with boundary(way_out=partial(_way_out, info)):
        absent = [name for name in info.needs if importlib.util.find_spec(name) is None]
        module = f"{__package__}.views.{info.name}"
        if absent:
            st.info(
                f"This page needs {', '.join(absent)}, which this installation does not have. Install it with "
                f'`pip install "spade-finance[{info.extra}]"` and start the dashboard again.',
                icon=":material/extension_off:",
            )
        elif importlib.util.find_spec(module) is None:
            st.info("This page is not part of this version.", icon=":material/construction:")
        else:
            importlib.import_module(module).page()
    heading(info.foot, "foot")


def _way_out(info: PageInfo) -> None:
    st.button(
        "Start this page afresh", icon=":material/restart_alt:", on_click=_afresh, key=f"afresh:{info.name}"
    )


def _afresh() -> None:
    state.reset(*st.session_state.get("state:used", {}).values())


def _set_modules_apart() -> None:
    """Keep what has been imported out of garbage collection: Streamlit collects after every run, and walking plotly's
    and torch's million objects holds up all sessions for .2 s each time."""
    global _apart
    if len(sys.modules) > _apart:
        _apart = len(sys.modules)
        gc.collect()
        gc.freeze()


_apart = 0
_ASSETS = Path(__file__).resolve().parent / "assets"
# A file of ours: Streamlit would fetch a named icon from the network.
_ICON = str(_ASSETS / "icon.png")

logging.getLogger("spade.dashboard").setLevel(logging.INFO)
