# SPDX-License-Identifier: Apache-2.0
"""Reverse stress on the Stress page: the likeliest courses of events that lose so much, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..cards import Card, cards
from ..choices import SCRIPT, SEED
from ..figures import ink, show
from ..files import download
from ..formats import count, days, number, percent, seconds
from ..kinds import text, whole
from ..shell import PAGES, page_object
from ..state import bind, get, put
from ..work import start, watch
from ._stress_scenario import OWN, SCENARIO, SEVERITY

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator
    from spade_finance.stress import Portfolio, ReverseStress

    from ..work import Job

__all__ = ["ask", "find_ways", "reverse"]

LOSS = whole("loss", 20, 2, 90)
HORIZON = whole("horizon", 63, 5, 252)
FROM = text("from", "", most=60)
JOB = "stress:reverse"
WAYS = 5
N_PATHS = 12_000


def find_ways(
    job: Job, model: Any, book: Any, loss: float, horizon: int, begin: str | None, seed: int, made_of: Any
) -> tuple[Any, ReverseStress]:
    """The search; runs in a thread."""
    from spade_finance.stress import reverse_stress

    job.progress(0, 1, "drawing timelines")
    found = reverse_stress(
        model, loss, portfolio=book, horizon=horizon, k=WAYS, n_paths=N_PATHS, random_state=seed, start=begin,
        progress=lambda done, total: job.progress(done, total, "paths"),
    )  # fmt: skip
    return made_of, found


def ask() -> None:
    """Draw the question's sliders."""
    st.subheader("The loss to look for", anchor=False)
    st.markdown(
        "Which plausible courses of events make this portfolio lose so much? Timelines come from the regime process "
        "that the model learnt, with severities that history had; the answer is a ranked list of stories, each with "
        "its share of all ways to lose as much."
    )
    st.slider("Loss of this or more, % of the capital", 2, 90, **bind(LOSS))
    st.slider("Over so many trading days", 5, 252, **bind(HORIZON))


def reverse(model: ScenarioGenerator, book: Portfolio | None) -> None:
    """Draw the button, the search, and its answer when it is there."""
    starts = {
        "": "anywhere",
        **{r: f"{r}, just begun" for r in model.regimes_},
        "now": "where the history ends",
    }
    if get(FROM) not in starts:
        put(FROM, "")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Timelines start", list(starts), format_func=starts.__getitem__, width=260, **bind(FROM))
        pressed = st.button(
            f"Find what loses {get(LOSS)} %",
            icon=":material/travel_explore:",
            type="primary",
            key="stress:find",
            disabled=book is None,
        )
    if book is None:
        st.info("Mend the portfolio first: the search needs one.", icon=":material/bolt:")
        return
    weights = tuple((str(name), float(weight)) for name, weight in book.weights.items())
    made_of = (model.hash_, weights, book.rebalance, get(LOSS), get(HORIZON), get(FROM), get(SEED))
    if pressed:
        title = f"Looking for what loses {get(LOSS)} % in {days(get(HORIZON))}"
        asked = (get(LOSS) / 100, get(HORIZON), get(FROM) or None, get(SEED))
        start(JOB, title, find_ways, model, book, *asked, made_of)
    job = watch(JOB)
    if job is None:
        st.info(
            "An answer reads like this: “18 days of bear, then 45 of crisis led by Financials: 21 % of all ways to "
            f"lose as much”. {count(N_PATHS, 'path')}, some ten seconds on two cores.",
            icon=":material/travel_explore:",
        )
    elif job.state == "done":
        _answer(job, made_of)


def _answer(job: Job, made_of: Any) -> None:
    of, found = job.result
    if of != made_of:
        st.info(
            f"This answer is of {found.portfolio.name}, a loss of {percent(found.loss, digits=0)} over "
            f"{days(found.horizon)}; the question has changed since. Search again for its answer.",
            icon=":material/history:",
        )
    precise = max(1, min(4, 1 - _digits(found.std_error)))
    chance = percent(found.probability, found.std_error, digits=precise)
    drawn = f"breaching ones, of {found.n_paths:,} drawn in {seconds(job.elapsed)}"
    cards(
        [
            Card(
                f"Chance to lose {percent(found.loss, digits=0)} or more",
                chance,
                f"after {days(found.horizon)}",
            ),
            Card(
                "Explained below",
                percent(found.share, digits=0),
                f"of it, by the {len(found.scenarios)} likeliest ways",
            ),
            Card("Effective paths", number(found.ess, digits=0), drawn),
        ]
    )
    if not found.scenarios:
        st.info(
            "No path lost as much: the model cannot imagine it for this portfolio. Ask for a smaller loss or more days."
        )
        return
    figure = found.plot()
    figure.update_traces(line_color=ink()["real"], selector={"name": "way 5"})
    show(
        figure,
        key="stress:ways",
        alt=f"Value over {found.horizon} days on the representative path of each way, regimes beneath.",
    )
    for i in range(0, len(found.scenarios), 2):
        for column, way in zip(st.columns(2), found.scenarios[i : i + 2], strict=False):
            with column:
                _way(way)
    download(
        "Save as JSON",
        "reverse.json",
        lambda: json.dumps(found.to_dict(), indent=1, allow_nan=False),
        key="stress:ways:json",
    )
    st.caption(
        "Shares and chances with ± one standard error. A story groups timelines of the same regimes in the same "
        "order with "
        "spells of similar length; the picture shows the path in its middle."
    )


def _way(way: Any) -> None:
    with st.container(border=True):
        st.markdown(f"**{way.rank}. {way.narrative}**")
        st.markdown(
            f"{percent(way.plausibility, way.plausibility_error)} of all ways to lose as much · the "
            "timeline has "
            f"probability {percent(way.probability, digits=2)}, and loses as much on "
            f"{percent(way.breach, way.breach_error)} of its paths · this path loses {percent(way.loss)}"
        )
        st.caption(way.detail)
        st.code(way.script, language=None, wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Stress this timeline", key=f"stress:way:{way.rank}", on_click=_stress, args=(way.script,),
                      icon=":material/bolt:")  # fmt: skip
            generate = next(info for info in PAGES if info.name == "generate")
            st.page_link(page_object(generate), label="See it on Generate", query_params={"script": way.script},
                         icon=":material/brush:")  # fmt: skip


def _stress(script: str) -> None:
    """The found timeline as the scenario of the other task."""
    from .stress import TASK

    put(SCRIPT, script)
    put(SCENARIO, OWN)
    put(SEVERITY, "")
    put(TASK, "stress")


def _digits(error: float) -> int:
    """Power of ten of an error in percent."""
    import math

    return math.floor(math.log10(100 * error)) if error > 0 and math.isfinite(error) else 0
