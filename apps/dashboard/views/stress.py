# SPDX-License-Identifier: Apache-2.0
"""Stress: what a scenario does to a portfolio, and which courses of events lose what one fears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ..boundary import boundary
from ..choices import EXTRAPOLATE, PATHS, SEED, START_VOL, start_level
from ..engine import open_model
from ..formats import percent
from ..kinds import one_of
from ..sidebar import beginning, beyond, sampling
from ..state import bind, get
from . import _stress_views as views
from ._stress_book import choose_book
from ._stress_engine import Request, beside, quick
from ._stress_reverse import ask, reverse
from ._stress_scenario import choose_scenario
from ._stress_work import full_report

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator
    from spade_finance.stress import Portfolio

TASK = one_of("task", "stress", ("stress", "reverse"))
VIEW = one_of("s_view", "value", tuple(views.VIEWS))
ALONE = ("drawdowns", "sectors", "severity")
"""Views that show the model's own numbers only."""


def page() -> None:
    """Draw the page."""
    tasks = {"stress": "What does a scenario lose?", "reverse": "What would lose so much?"}
    st.segmented_control(
        "Task",
        list(tasks),
        format_func=tasks.__getitem__,
        required=True,
        label_visibility="collapsed",
        **bind(TASK),
    )
    with st.sidebar:
        sampling(paths=get(TASK) == "stress")
        with st.expander("More"):
            beginning()
            beyond()
    model = open_model()
    left, right = st.columns([3, 2], gap="large")
    scenario = book = None
    if get(TASK) == "reverse":
        with right, boundary():
            st.subheader("Portfolio", anchor=False)
            book = choose_book(model)
        with left:
            ask()
        reverse(model, book)
        return
    with left, boundary():
        st.subheader("Scenario", anchor=False)
        scenario = choose_scenario(model)
    with right, boundary():
        st.subheader("Portfolio", anchor=False)
        book = choose_book(model)
    if scenario is None or book is None:
        st.info(
            "The losses follow as soon as both the scenario and the portfolio can be read.",
            icon=":material/bolt:",
        )
        return
    level = start_level(get(START_VOL))
    request = Request(scenario, book, get(PATHS), get(SEED), level, get(EXTRAPOLATE))
    _results(model, request)
    full_report(model, request)


def _results(model: ScenarioGenerator, request: Request) -> None:
    """At once on the shared sample; history and the bootstrap join when they are ready."""
    st.subheader(request.scenario.title, anchor=False)
    with st.spinner("Drawing the paths…"):
        report = quick(model, request)
    views.headline(report)
    st.caption(
        f"{_described(request.portfolio)}. {report.n_paths:,} paths; ± is one standard error, clustered by path."
    )
    for note in report.notes:  # of the sample alone: which books can be ruined
        st.warning(f"{note[:1].upper()}{note[1:]}.", icon=":material/warning:")
    st.segmented_control(
        "View", list(views.VIEWS), format_func=lambda name: views.VIEWS[name][0], required=True,
        label_visibility="collapsed", **bind(VIEW),
    )  # fmt: skip
    draw = views.VIEWS[get(VIEW)][1]
    place = st.empty()
    if get(VIEW) in ALONE:
        with place.container(), boundary():
            draw(model, report)
        return
    ready: set[object] = st.session_state.setdefault("stress:beside", set())
    key = (request.key(model),)
    if key not in ready and get(VIEW) == "value":
        with place.container():
            draw(model, report)
    with boundary():
        with st.spinner("History and a block bootstrap join in a moment…"):
            full = beside(model, request)
        ready.add(key)
        with place.container():
            draw(model, full)


def _described(book: Portfolio) -> str:
    """The portfolio in a line, long lists cut."""
    said, weights = str(book), book.weights.to_numpy(dtype=float)
    if len(weights) > 1 and weights.max() - weights.min() < 1e-9 and abs(book.cash) < 1e-9:
        each = percent(float(weights[0]), digits=1)
        return f"{book.name.capitalize()}: {len(weights)} sectors at {each} each; {said.rpartition('; ')[2]}"
    return (said if len(said) <= 220 else said[:219] + "…").replace("-", "−")
