# SPDX-License-Identifier: Apache-2.0
"""The controls that every page of samples has beside it; a page sets its own among them."""

from __future__ import annotations

import streamlit as st

from .choices import EXTRAPOLATE, PATHS, SEED, START_VOL, START_VOLS
from .engine import model_picker
from .state import bind

__all__ = ["beginning", "beyond", "sampling"]


def sampling(*, paths: bool = True) -> None:
    """Which model, how many paths (where that is a choice), which seed."""
    model_picker()
    if paths:
        st.slider("Paths", 50, 5000, step=50, **bind(PATHS))
    st.number_input(
        "Seed", 0, 2**31 - 1, step=1, help="The same seed gives the same paths, always.", **bind(SEED)
    )


def beginning() -> None:
    """How nervous the market is on the first day."""
    st.selectbox(
        "Volatility on the first day",
        tuple(START_VOLS),
        format_func=START_VOLS.__getitem__,
        **bind(START_VOL),
    )


def beyond() -> None:
    """Whether severities may leave the trained range."""
    st.toggle(
        "Beyond the trained severities",
        help="Allows episodes that the model has never seen the like of.",
        **bind(EXTRAPOLATE),
    )
