# SPDX-License-Identifier: Apache-2.0
"""The scenario on the Stress page: one of the library or a timeline of one's own, and the severity dial."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..choices import EXTRAPOLATE, SCRIPT
from ..kinds import text
from ..painter import timeline
from ..scripts import MARKET, read_script, rows_of, script_of
from ..starts import start_from
from ..state import bind, get, put

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator
    from spade_finance.stress import Scenario

__all__ = ["OWN", "SCENARIO", "SEVERITY", "choose_scenario", "dialed", "harshest", "severities", "usable"]

OWN = "own"
SCENARIO = text("scenario", "severely_adverse", most=60)
SEVERITY = text("severity", "", most=8)
"""Severity of the harshest regime's days; empty as the scenario says."""
STEP = 0.05


def choose_scenario(model: ScenarioGenerator) -> Scenario | None:
    """Draw the choice; the scenario, its severity dialled, or None after saying what is wrong."""
    from spade_finance.stress import find_scenario

    library = usable(model)
    _known(library)
    titles = {name: s.title for name, s in library.items()} | {OWN: "A timeline of your own"}
    st.selectbox("Scenario", list(titles), format_func=titles.__getitem__, **bind(SCENARIO))
    if get(SCENARIO) == OWN:
        with st.container(width=190):
            start_from(model, key="stress:start")
        script = timeline(model, SCRIPT, extrapolate=get(EXTRAPOLATE))
        if script is None:
            st.info(
                "Mend the text above, or start from an example: the numbers follow.", icon=":material/draw:"
            )
            return None
        chosen = find_scenario(script, {})
    else:
        chosen = library[get(SCENARIO)]
        st.markdown(chosen.narrative or "No narrative.")
        st.code(chosen.script, language=None, wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(f"Source: {chosen.source}." if chosen.source else "")
            st.button("Change this timeline", icon=":material/draw:", on_click=_make_own, args=(chosen.script,),
                      key="stress:change", type="tertiary")  # fmt: skip
    return _dial(model, chosen)


def usable(model: ScenarioGenerator) -> dict[str, Scenario]:
    """Scenarios of the library that this model has the regimes and sectors for."""
    from spade_finance.exceptions import InputError
    from spade_finance.stress import load_library

    found = {}
    for name, scenario in load_library().items():
        try:
            read_script(scenario.script, model)
        except InputError:
            continue
        found[name] = scenario
    return found


def severities(model: ScenarioGenerator) -> list[str]:
    """What the dial offers: the trained range in steps, its ends rounded inwards."""
    low, high = model.severity_range_
    first, last = math.ceil(100 * low - 1e-9) / 100, math.floor(100 * high + 1e-9) / 100
    inner = [round(STEP * i, 2) for i in range(math.ceil(first / STEP), math.floor(last / STEP + 1e-9) + 1)]
    return [f"{value:.2f}" for value in sorted({first, *inner, last})]


def harshest(script: str, model: ScenarioGenerator) -> str | None:
    """The harshest regime that a script writes out, on the market's row or a sector's; None where all is chance."""
    rows = rows_of(read_script(script, model), model)
    held = {piece.get(field) for row in rows.values() for piece in row for field in ("regime", "to")
            if piece["kind"] in ("hold", "blend")}  # fmt: skip
    return next((regime for regime in reversed(model.regimes_) if regime in held), None)


def dialed(script: str, model: ScenarioGenerator, severity: float) -> str:
    """The script with that severity on every day of its harshest regime; replays are written out."""
    worst = harshest(script, model)
    rows: dict[str, list[dict[str, Any]]] = rows_of(read_script(script, model), model)
    for row in rows.values():
        for piece in row:
            if piece["kind"] in ("hold", "blend") and piece.get("regime") == worst:
                piece["severity"] = severity
            if piece["kind"] == "blend" and piece.get("to") == worst:
                piece["to_severity"] = severity
    assert MARKET in rows
    return script_of(rows, model)


def _dial(model: ScenarioGenerator, scenario: Scenario) -> Scenario:
    from dataclasses import replace

    if read_script(scenario.script, model).needs_history:
        with st.spinner("Labelling the model's history (once)…"):
            model.history()
    worst = harshest(scenario.script, model)
    if worst is None:
        st.caption("The severity dial needs days whose regime is written out; here all is left to chance.")
        return scenario
    offered = severities(model)
    if get(SEVERITY) not in ("", *offered):
        put(SEVERITY, "")
    st.select_slider(
        f"Severity of the {worst} days", ["", *offered], format_func=lambda s: s or "as it says",
        help="1 is the typical episode: 1.1 is a tenth more volatile. The range is the one that the model was "
        "trained on; see 'Severity' below for what it does.",
        **bind(SEVERITY),
    )  # fmt: skip
    if not get(SEVERITY):
        return scenario
    script = dialed(scenario.script, model, float(get(SEVERITY)))
    return replace(scenario, script=script, title=f"{scenario.title}, {worst} at severity {get(SEVERITY)}")


def _known(library: dict[str, Scenario]) -> None:
    """A scenario that is not there is said, and another taken."""
    if get(SCENARIO) in (*library, OWN):
        return
    usual = SCENARIO.default if SCENARIO.default in library else OWN
    if not library:
        st.info("The library is written in other regimes than this model's: paint a timeline of your own.")
    else:
        st.warning(
            "The library has no such scenario for this model; another one is shown.",
            icon=":material/link_off:",
        )
    put(SCENARIO, usual)


def _make_own(script: str) -> None:
    put(SCRIPT, script)
    put(SCENARIO, OWN)
