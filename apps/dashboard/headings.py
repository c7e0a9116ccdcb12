# SPDX-License-Identifier: Apache-2.0
"""Lines of text with a look of their own; ``assets/page.css`` dresses them."""

from __future__ import annotations

import html
from typing import Literal

import streamlit as st

__all__ = ["heading"]


def heading(words: str, look: Literal["heading", "figure", "lead", "foot"] = "heading") -> None:
    """A line above a table or figure, the page's lead or its foot.

    As Markdown: Streamlit's browser side can draw it some tenths of a second before ``st.html``.
    """
    st.markdown(f"<p class='spade-{look}'>{html.escape(words)}</p>", unsafe_allow_html=True)
