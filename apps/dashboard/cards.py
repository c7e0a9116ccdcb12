# SPDX-License-Identifier: Apache-2.0
"""A row of headline numbers, each with its standard error; two a row on a phone."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

__all__ = ["Card", "cards"]


class Card(NamedTuple):
    """One number: ``Card("Volatility a year", percent(*pair), "Of daily returns …")``.

    `value` may hold `` ± ``; what follows is set smaller. `note` is shown below it, so that it is there on a phone
    and for a screen reader too.
    """

    label: str
    value: str
    note: str = ""


def cards(items: Sequence[Card]) -> None:
    """Draw the cards."""
    pieces = []
    for item in items:
        main, mark, rest = item.value.partition(" ± ")
        number, space, unit = rest.partition(" ")
        error = f"<small> ± {html.escape(number)}</small>" if mark else ""
        tail = html.escape(f" {unit}") if space else ""
        note = f"<p>{html.escape(item.note).replace(' %', '&nbsp;%')}</p>" if item.note else ""
        pieces.append(
            f"<div><dt>{html.escape(item.label)}</dt><dd>{html.escape(main)}{error}{tail}</dd>{note}</div>"
        )
    st.html(f"<dl class='spade-cards'>{''.join(pieces)}</dl>")
