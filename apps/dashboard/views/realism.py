# SPDX-License-Identifier: Apache-2.0
"""Realism: generated against real against baselines, a quick picture at once and the whole scorecard on request."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import streamlit as st

from ..boundary import boundary, report
from ..cards import Card, cards
from ..choices import MODEL, SEED
from ..engine import model_picker, open_model
from ..files import download, upload_returns
from ..formats import count
from ..kinds import Choice, day, one_of, some_of, text
from ..state import bind, get, put
from ..work import forget, start, watch
from . import _realism_views as views
from ._realism_run import QUICK, Found, Request, quick, run_scorecard

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.model import ScenarioGenerator

EMBEDDED = "the embedded US sectors"
VIEWS = {
    "overview": ("Summary", views.overview),
    "charts": ("Charts", views.charts),
    "metrics": ("Metric by metric", views.metrics),
    "numbers": ("All numbers", views.numbers),
}
VIEW: Choice[str] = text("e_view", "overview", most=40)
SECTIONS = some_of("e_sections", ("facts", "dependence", "risk"))
OPPONENTS = some_of("e_baselines", ("block_bootstrap", "fhs", "regime_t"))
SIZE = one_of("e_size", "usual", ("rough", "usual"))
SIZES = {"rough": (16, 32), "usual": (64, 128)}
"""Replicates a column and resamples of the real window."""
FROM = day("e_from")
LIGHT = (8, 16)
JOB = "realism"


def page() -> None:
    """Draw the page."""
    with st.sidebar:
        model_picker()
        st.number_input(
            "Seed", 0, 2**31 - 1, step=1, help="The same seed gives the same report.", **bind(SEED)
        )
    form = st.container()
    model = open_model()
    with form, boundary():
        _ask(model)
    job = watch(JOB)
    done: Found | None = job.result if job is not None and job.state == "done" else None
    if done is not None and done.request.model != model.hash_:
        st.info(
            "The full scorecard is of another model: run it again for this one.", icon=":material/history:"
        )
        done = None
    found = (
        done
        if done is not None
        else _quick(model, running=job is not None and job.state in ("waiting", "running"))
    )
    if found is not None:
        _results(found)


# ---- what is compared


def _ask(model: ScenarioGenerator) -> None:
    """The form: data, opponents, parts of the scorecard, and the button."""
    from spade_finance.baselines.registry import BASELINES, STANDARD
    from spade_finance.evaluate.scorecard import SECTIONS as PARTS

    with st.expander("Run the whole scorecard", icon=":material/fact_check:"):
        put(SECTIONS, tuple(s for s in get(SECTIONS) if s in PARTS))
        put(OPPONENTS, tuple(b for b in get(OPPONENTS) if b in BASELINES))
        st.pills(
            "Parts", list(PARTS), selection_mode="multi", format_func=_section_word, **bind(SECTIONS),
            help="Beyond the table of statistics, which is always there.",
        )  # fmt: skip
        others = (*STANDARD, *get(OPPONENTS))
        st.multiselect(
            "Baselines", list(dict.fromkeys(others)), format_func=lambda n: n.replace("_", " "), **bind(OPPONENTS),
            help="Fitted on the model's own training days, drawn under the window's own regimes.",
        )  # fmt: skip
        left, right = st.columns(2, gap="medium")
        left.segmented_control(
            "Precision", list(SIZES), required=True, **bind(SIZE),
            format_func=lambda s: f"{s.capitalize()}: {SIZES[s][0]} replicates",
        )  # fmt: skip
        right.date_input(
            "First day compared", **bind(FROM), min_value="1900-01-01",
            help="Default: the day after the model's training. An earlier day compares it with days it has seen, and "
            "says so.",
        )  # fmt: skip
        own = upload_returns("Your own real returns (otherwise the embedded US sectors)", key="realism:real")
        real, data, content = _real(own)
        from spade_finance.evaluate.inputs import check_columns

        check_columns(real, tuple(model.sectors_))
        n_replicates, n_resamples = SIZES[get(SIZE)]
        request = Request(
            model.hash_, data, content, None if get(FROM) is None else str(get(FROM)), get(OPPONENTS), get(SECTIONS),
            get(SEED), n_replicates, n_resamples,
        )  # fmt: skip
        st.session_state["realism:request"] = request
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Run", icon=":material/play_arrow:", type="primary", key="realism:run", on_click=_begin,
                args=(model, real, request),
            )  # fmt: skip
            st.caption(
                f"{count(len(request.baselines) + 1, 'column')} and {count(len(request.sections), 'part')} on {data}: "
                "takes minutes and shows how far it is; other pages work meanwhile."
            )


def _begin(model: ScenarioGenerator, real: pd.DataFrame, request: Request) -> None:
    start(JOB, "The whole scorecard", run_scorecard, model, real, request)


def _real(own: pd.DataFrame | None) -> tuple[pd.DataFrame, str, str]:
    """The real returns, what they are in words, and a digest of them."""
    if own is None:
        from spade_finance.data import load_sectors

        return load_sectors(), EMBEDDED, ""
    import pandas as pd

    digest = hashlib.sha256(pd.util.hash_pandas_object(own).to_numpy().tobytes()).hexdigest()[:16]
    return own, f"your {len(own):,} days of returns", digest


def _section_word(name: str) -> str:
    return {"finval": "FinVal", "facts": "stylised facts", "labels": "labels again"}.get(name, name)


# ---- the quick picture


def _quick(model: ScenarioGenerator, *, running: bool) -> Found | None:
    """The light evaluation, or words on why there is none for this model."""
    from spade_finance.exceptions import InputError

    request = Request(model.hash_, EMBEDDED, "", None, QUICK, (), 0, *LIGHT)
    try:
        with st.spinner("Comparing with the days that the model has not seen…", show_time=True):
            found = quick(model, request)
    except InputError as error:
        report(error)
        st.info(
            "There is no quick picture of this model on the embedded returns. Open *Run the whole scorecard* above: "
            "give real returns of its own sectors, or an earlier first day.",
            icon=":material/upload_file:",
        )
        return None
    if running:
        st.caption("Below, the quick picture meanwhile.")
    else:
        st.info(
            f"**A quick picture:** {LIGHT[0]} replicates and one baseline, the block bootstrap. Its numbers are rough; "
            "run the whole scorecard above for the rest.",
            icon=":material/speed:",
        )
    return found


# ---- results


def _results(found: Found) -> None:
    asked: Request | None = st.session_state.get("realism:request")
    evaluated = found.report
    if found.packed is not None:
        if asked is not None and asked != found.request:
            st.info(
                "The choices above have moved on: these results are of the last run.",
                icon=":material/history:",
            )
        st.button(
            "Back to the quick picture",
            icon=":material/undo:",
            on_click=forget,
            args=(JOB,),
            key="realism:back",
        )
    if evaluated.look_ahead:
        st.warning(evaluated.look_ahead, icon=":material/warning:")
    _headline(found)
    names = [*VIEWS, *(n for n in evaluated.sections)]
    if get(VIEW) not in names:
        put(VIEW, "overview")
    st.segmented_control(
        "View", names, required=True, label_visibility="collapsed", **bind(VIEW),
        format_func=lambda n: VIEWS[n][0] if n in VIEWS else _section_word(n).capitalize().replace("Finval", "FinVal"),
    )  # fmt: skip
    with boundary():
        if get(VIEW) in VIEWS:
            VIEWS[get(VIEW)][1](found)
        else:
            views.part(found, get(VIEW))
    _take_along(found)


def _headline(found: Found) -> None:
    evaluated = found.report
    summary = evaluated.summary()
    subject, others = evaluated.columns[0], list(evaluated.columns[1:])
    score = summary["score"].astype(float).to_dict()
    items = [Card("Score", f"{score[subject]:.2f}", "distance / noise floor; 1 is ideal")]
    if others:
        best = min(others, key=score.__getitem__)
        both = evaluated.scores.dropna(subset=[subject, best])
        nearer = int((both[subject] <= both[best]).sum())
        items += [
            Card("Best baseline", f"{score[best]:.2f}", best.replace("_", " ")),
            Card(
                "Nearer than it", f"{nearer} of {len(both)}", "metrics on which the model is nearer to real"
            ),
        ]
    inside = summary["inside 95 %"].astype(float).to_dict()[subject]
    first, last = evaluated.window
    items += [
        Card("As real", views.share(inside), "statistics inside the real 95 % interval"),
        Card("Window", f"{first:%Y} to {last:%Y}", f"{evaluated.panels['real'].n_days:,} days, {found.request.data}"),
    ]  # fmt: skip
    cards(items)
    with st.expander("The verdict in words, losses as plainly as wins"):
        st.markdown(views.plain(evaluated.verdict()))
        if evaluated.notes:
            st.markdown("\n".join(f"- {views.plain(note)}" for note in evaluated.notes))


def _take_along(found: Found) -> None:
    st.space("small")
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        st.markdown("**Take it along**")
        with st.container(horizontal=True):
            download("Report", "realism.html", found.html, key="realism:html", width="stretch")
            download("Numbers", "realism.json", found.json, key="realism:json", width="stretch")
        st.caption("The report is one page that works offline; the JSON has every row, floor and error.")
    with right, st.expander("How was this made?"):
        asked = found.request
        model = "default" if get(MODEL) == "default" else "MODEL"
        st.code(
            f"spade-finance evaluate --model {model} --real RETURNS --baselines {','.join(asked.baselines) or 'none'} "
            f"--sections {','.join(asked.sections) or 'none'} --seed {asked.seed}"
            + (f" --from {asked.from_date}" if asked.from_date else "")
            + " --out report.html --json report.json",
            language="bash", wrap_lines=True,
        )  # fmt: skip
        st.caption(
            f"Model {asked.model[:16]}; {asked.n_replicates} replicates a column, {asked.n_resamples} resamples of the "
            "real window (the command's own: 64 and 128)."
        )
