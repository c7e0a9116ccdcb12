# SPDX-License-Identifier: Apache-2.0
"""Regimes: a history labelled by any labeller; how late, how long, what next, how sure."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ..boundary import boundary
from ..cards import Card, cards
from ..choices import MODEL
from ..engine import model_picker, open_model
from ..files import download
from ..formats import days, percent
from ..kinds import one_of, whole
from ..state import bind, get, put
from . import _regimes_views as views
from ._regimes_labels import ABOUT, METHODS, Labelled, Seen, label_bytes, labelled
from ._regimes_source import Source, embedded, own_returns

DATA = one_of("r_data", "embedded", ("embedded", "own"))
BY = one_of("r_by", "model", tuple(METHODS))
COUNT = whole("r_n", 4, 2, 6)
VIEW = one_of("r_view", "history", tuple(views.VIEWS))
OWN = "regimes:returns"


def page() -> None:
    """Draw the page."""
    _controls()
    source = own_returns(OWN) if get(DATA) == "own" else embedded()
    if source is None:
        return
    with boundary():
        _labels(source)


def _controls() -> None:
    with st.sidebar:
        model_picker()
        st.caption("Its own labeller is one of the labellers here.")
    left, middle, right = st.columns([1.35, 1.2, 1], gap="medium", vertical_alignment="bottom")
    with left:
        st.segmented_control(
            "Returns", ["embedded", "own"], required=True, width="stretch",
            format_func={"embedded": "Embedded sectors", "own": "Your own"}.__getitem__,
            **bind(DATA, then=_fitting_labeller),
        )  # fmt: skip
    with middle:
        st.selectbox("Labeller", list(METHODS), format_func=METHODS.__getitem__, **bind(BY))
    with right:
        own = get(BY) == "model"
        st.slider(
            "Regimes", 2, 6, disabled=own, **bind(COUNT),
            help="The model's labeller has its own." if own else "Named calm to worst.",
        )  # fmt: skip
    st.caption(f"{METHODS[get(BY)]}: {ABOUT[get(BY)]}.")


def _fitting_labeller() -> None:
    """A model's labeller knows the model's sectors; other returns start with one that is fitted to them."""
    if get(DATA) == "own" and get(BY) == "model":
        put(BY, "hmm")


def _labels(source: Source) -> None:
    model = open_model() if get(BY) == "model" or get(VIEW) == "agreement" else None
    found = labelled(source, get(BY), get(COUNT), model)
    if found is None:
        return
    if found.note:
        st.warning(found.note, icon=":material/warning:")
    _headline(found)
    st.segmented_control(
        "View", list(views.VIEWS), format_func=lambda name: views.VIEWS[name][0], required=True,
        label_visibility="collapsed", **bind(VIEW),
    )  # fmt: skip
    with boundary():
        views.VIEWS[get(VIEW)][1](Seen(source, found, model, get(COUNT)))
    _take_along(source, found)


def _headline(found: Labelled) -> None:
    from ._regimes_numbers import delays

    smoothed, causal = found.smoothed, found.causal
    late = delays(smoothed, causal)
    now = causal.labels.iloc[-1]
    same = float(np.mean(smoothed.codes == causal.codes))
    noticed = late["delay"].notna()
    cards(
        [
            Card(
                "History",
                days(len(smoothed)),
                f"{smoothed.dates[0]:%d %b %Y} to {smoothed.dates[-1]:%d %b %Y}",
            ),
            Card("Episodes", f"{len(late) + 1:,}", f"of {len(found.regimes)} regimes, in hindsight"),
            Card(
                "On the last day",
                now,
                f"as known then, probability {percent(causal.probabilities[now].iloc[-1], digits=0)}",
            ),
            Card("Known on the day", percent(same, digits=0), "days whose causal label hindsight confirms"),
            Card(
                "Noticed late by",
                days(late["delay"].median()) if noticed.any() else "–",
                f"median; {percent(1 - noticed.mean(), digits=0)} of episodes never"
                if len(late)
                else "one episode",
            ),
        ]
    )


def _take_along(source: Source, found: Labelled) -> None:
    st.space("small")
    left, right = st.columns([1, 1], gap="medium")
    with left, st.container(border=True):
        st.markdown(f"**Take the labels along** · {days(len(found.smoothed))}, regime and probabilities")
        with st.container(horizontal=True):
            download(
                "In hindsight", "labels.csv", lambda: label_bytes(found.smoothed), key="regimes:smoothed"
            )
            download(
                "As known then", "labels-causal.csv", lambda: label_bytes(found.causal), key="regimes:causal"
            )
        st.caption("CSV: date, regime and a probability for each. `spade-finance train --labels` reads it.")
    with right, st.expander("How was this made?"):
        if get(BY) == "model":
            name = "default" if get(MODEL) == "default" else "MODEL"
            st.markdown(
                f"By the labeller inside the model, fitted to {found.fitted[0]} to {found.fitted[1]}."
            )
            code = f"import spade_finance as sf\n\nmodel = sf.ScenarioGenerator.load({name!r})\n"
            data = "sf.load_sectors()" if get(DATA) == "embedded" else 'sf.read_returns("returns.csv")'
            st.code(f"{code}labels = model.label({data})", language="python", wrap_lines=True)
        else:
            st.code(
                f"spade-finance regimes returns.csv --out labels.csv --method {get(BY)} --n-regimes {get(COUNT)}",
                language="bash", wrap_lines=True,
            )  # fmt: skip
            st.caption(f"Of {source.name}; `--causal` for the labels as known then.")
