# SPDX-License-Identifier: Apache-2.0
"""Where a timeline can start from: an example, a named scenario, a stretch of history, a timeline file."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from .boundary import fragment
from .choices import SCRIPT
from .files import read_timeline, upload
from .kinds import Choice
from .scripts import read_script
from .state import put

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator

__all__ = ["examples", "start_from"]


def examples(model: ScenarioGenerator) -> dict[str, str]:
    """Title to script, in the model's own regimes, calm to worst."""
    calm, worst = model.regimes_[0], model.regimes_[-1]
    middle = model.regimes_[-2]
    sector = next((s for s in model.sectors_ if s == "Energy"), model.sectors_[0])
    from spade_finance.regimes.script_errors import written

    return {
        "A crash and its aftermath": f"{calm}:60,{worst}:20,{middle}:40",
        "A slow slide into a crisis": f"{calm}:60,{calm}~{worst}:40,{worst}:40",
        f"Only {sector} in crisis": f"{calm}:120;{written(sector)}[40]={worst}:40",
        "A year by chance": "markov:252",
        "From today, then a crisis": f"now:21,{worst}:42",
        "Calm throughout": f"{calm}:120",
    }


@fragment
def start_from(model: ScenarioGenerator, choice: Choice[str] = SCRIPT, *, key: str = "start") -> None:
    """A pop-over that replaces the timeline of `choice` with one to start from."""
    with st.popover("Start from…", icon=":material/auto_awesome:", width="stretch"):
        kind = st.segmented_control(
            "Start from", ["Example", "Scenario", "History", "File"], default="Example", required=True,
            key=f"{key}:kind", label_visibility="collapsed",
        )  # fmt: skip
        if kind == "Scenario":
            _scenario(model, choice, key)
        elif kind == "History":
            _history(model, choice, key)
        elif kind == "File":
            _file(model, choice, key)
        else:
            for title, script in examples(model).items():
                _offer(title, choice, script, key=f"{key}:{title}", help=f"`{script}`")


def _offer(title: str, choice: Choice[str], script: str, **button: Any) -> None:
    """A button that takes the timeline; the whole page answers, not the pop-over alone."""
    if st.button(title, width="stretch", **button):
        put(choice, script)
        st.rerun()


def _scenario(model: ScenarioGenerator, choice: Choice[str], key: str) -> None:
    from spade_finance.exceptions import InputError
    from spade_finance.stress.library import load_library

    library = load_library()
    name = st.selectbox(
        "Named scenario", list(library), format_func=lambda n: library[n].title, key=f"{key}:scenario"
    )
    scenario = library[name]
    st.caption(scenario.narrative)
    try:
        read_script(scenario.script, model)
    except InputError:
        st.info(
            f"This model has other regimes ({', '.join(model.regimes_)}) than the scenario is written in."
        )
        return
    st.code(scenario.script, language=None, wrap_lines=True)
    _offer("Use this scenario", choice, scenario.script, key=f"{key}:use", type="primary")


def _history(model: ScenarioGenerator, choice: Choice[str], key: str) -> None:
    with st.spinner("Labelling the model's history (once)…"):
        days = model.history().timeline.dates
    first, last = days[0].date(), days[-1].date()
    usual = (datetime.date(2008, 6, 2), datetime.date(2009, 3, 31))
    inside = first <= usual[0] and usual[1] <= last
    said = st.date_input(
        "Replay the regimes of", usual if inside else (days[-min(252, len(days))].date(), last), min_value=first,
        max_value=last, key=f"{key}:dates", help="The labels and severities of those days; the paths are new.",
    )  # fmt: skip
    if not isinstance(said, tuple) or len(said) != 2:
        st.caption("Choose a first and a last day.")
        return
    script = f"{said[0].isoformat()}..{said[1].isoformat()}"
    _offer("Use this period", choice, script, key=f"{key}:period", type="primary")


def _file(model: ScenarioGenerator, choice: Choice[str], key: str) -> None:
    file = upload(
        "Timeline file", ["csv"], key=f"{key}:file",
        help="Columns step, then regime or all p_<regime>; optional severity and sector:<name>.",
    )  # fmt: skip
    if file is None:
        return
    script = read_timeline(file.name, file.getvalue(), model.regimes_, model.sectors_).to_script()
    st.code(script if len(script) < 400 else script[:399] + "…", language=None, wrap_lines=True)
    _offer("Use this timeline", choice, script, key=f"{key}:timeline", type="primary")
