# SPDX-License-Identifier: Apache-2.0
"""The drawing surface: regimes painted over days, in step with the script as text.

The browser's side (``assets/timeline.js``, ``assets/painter.js``) knows segments and strokes, not the grammar:
every stroke comes here as rows of segments, becomes a script through :mod:`.scripts`, and the script goes back as
rows. Text and painting are two views of one choice.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from .boundary import report
from .choices import SCRIPT
from .kinds import LONGEST, Choice
from .scripts import MARKET, MAX_DAYS, Rows, held_to_range, read_script, rows_of, script_of
from .state import bind, get, put

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator

__all__ = ["timeline"]

_ASSETS = Path(__file__).resolve().parent / "assets"
_EXTRAPOLATED = (0.3, 3.0)


def timeline(
    model: ScenarioGenerator,
    choice: Choice[str] = SCRIPT,
    *,
    key: str = "timeline",
    label: str = "Timeline",
    sectors: bool = True,
    extrapolate: bool = False,
) -> str | None:
    """The painter and the script's text, both tied to `choice`.

    Parameters
    ----------
    key : str
        Unique on the page.
    label : str
        What the timeline is, for screen readers and above the text.
    sectors : bool
        Whether sectors can have regimes of their own.
    extrapolate : bool
        Whether severities beyond the model's trained range can be painted.

    Returns
    -------
    str or None
        The canonical script; None when the text is wrong, which has then been said.
    """
    from spade_finance.exceptions import InputError

    slots = st.session_state.setdefault(f"{key}:painter", {"echo": 0, "rows": None, "for": None})
    surface = st.container(key=f"{key}-surface")
    st.text_area(
        f"{label} as text", height=68, **bind(choice),
        help="Segments regime:days, separated by commas; regime*1.1 is more severe, bull~crisis:10 a blend, markov:60 "
        "drawn for each path, 2008-09-01..2009-03-31 replays history, ;Energy[20]=crisis:40 a sector's own.",
    )  # fmt: skip
    script: str | None = None
    try:
        if len(said := get(choice)) > LONGEST:
            raise InputError(
                f"The timeline has {len(said):,} characters; at most {LONGEST:,} fit into an address: join segments, "
                "or give it to the command line"
            )
        parsed = read_script(said, model)
        if parsed.needs_history:
            with st.spinner("Labelling the model's history (once)…"):
                model.history()
        slots["rows"], slots["for"] = rows_of(parsed, model), model.hash_
        script = str(parsed)
        if held := held_to_range(parsed, model):
            st.caption(held)
    except InputError as error:
        report(error)
    if slots["rows"] is None or slots["for"] != model.hash_:
        slots["rows"], slots["for"] = _plain_rows(model), model.hash_
    low, high = _EXTRAPOLATED if extrapolate else model.severity_range_
    from spade_finance.plot_style import regime_colors

    data = {
        "label": label,
        "regimes": list(model.regimes_),
        "colors": regime_colors(model.regimes_),
        "sectors": list(model.sectors_) if sectors else [],
        "rows": {name: row for name, row in slots["rows"].items() if sectors or name == MARKET},
        "severity_range": [low, high],
        "max_days": MAX_DAYS,
        "chance": True,
        "echo": slots["echo"],
    }

    def painted() -> None:
        stroke = st.session_state[key].get("stroke")
        if not isinstance(stroke, dict):
            return
        slots["echo"] = max(slots["echo"], int(stroke.get("number", 0)))
        try:
            put(choice, script_of(_with_rows(stroke.get("rows"), slots["rows"]), model))
        except InputError as error:
            slots["fault"] = str(error)

    with surface:
        if fault := slots.pop("fault", None):
            report(InputError(fault))
        _component()(key=key, data=data, on_stroke_change=painted)
    return script


def _with_rows(painted: Any, known: Rows) -> Any:
    """Painted rows over the known ones: rows that the painter does not show stay as they are."""
    return {**known, **painted} if isinstance(painted, dict) else painted


def _plain_rows(model: ScenarioGenerator) -> Rows:
    from .choices import EXAMPLE

    try:
        return rows_of(read_script(EXAMPLE, model), model)
    except ValueError:
        return rows_of(read_script(f"{model.regimes_[0]}:60,{model.regimes_[-1]}:20", model), model)


def _component() -> Any:
    """The component, registered once a server (and again when its files change)."""
    parts = [(_ASSETS / name).read_text(encoding="utf-8") for name in _FILES]
    return _registered(*parts)


@st.cache_resource(show_spinner=False, max_entries=4)
def _registered(html: str, css: str, model_js: str, painter_js: str) -> Any:
    return st.components.v2.component("spade_painter", html=html, css=css, js=model_js + "\n" + painter_js)


_FILES = ("painter.html", "painter.css", "timeline.js", "painter.js")
