# SPDX-License-Identifier: Apache-2.0
"""Model: what it is, what it cannot do, where it comes from; and one of the reader's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ..boundary import boundary
from ..cards import Card, cards
from ..engine import model_picker, open_model
from ..formats import days
from ..kinds import one_of
from ..state import bind, get
from . import _model_views as views
from ._model_train import train

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator

VIEW = one_of("m_view", "card", tuple(views.VIEWS))


def page() -> None:
    """Draw the page."""
    with st.sidebar:
        model_picker()
    st.segmented_control(
        "View", list(views.VIEWS), format_func=lambda name: views.VIEWS[name][0], required=True,
        label_visibility="collapsed", **bind(VIEW),
    )  # fmt: skip
    if get(VIEW) == "own":  # needs no model, and works when the chosen one is gone
        with boundary():
            train()
        return
    model = open_model()
    _headline(model)
    with boundary():
        views.VIEWS[get(VIEW)][1](model)


def _headline(model: ScenarioGenerator) -> None:
    first, last = model.training_window_
    low, high = model.severity_range_
    cards(
        [
            Card("Trained on", days(model.n_training_days_), f"{first:%d %b %Y} to {last:%d %b %Y}"),
            Card("Sectors", f"{len(model.sectors_)}", ", ".join(model.sectors_)),
            Card("Regimes", f"{len(model.regimes_)}", ", ".join(model.regimes_)),
            Card(
                "Severities", f"{low:.2f} to {high:.2f}", "the trained range; 1 is a regime's typical episode"
            ),
            Card("Model", model.hash_[:8], "the first digits of its hash; equal hashes give equal paths"),
        ]
    )
