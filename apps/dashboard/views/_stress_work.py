# SPDX-License-Identifier: Apache-2.0
"""The full stress report as long work: 10,000 paths and all its parts, then its three files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..choices import MODEL
from ..files import download
from ..formats import count, seconds
from ..kinds import whole
from ..state import bind, get
from ..tables import table
from ..work import start, watch
from ._stress_engine import Request, labelled_once

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.model import ScenarioGenerator

    from ..work import Job

__all__ = ["Files", "Shares", "full_report", "make_report"]

REPORT_PATHS = whole("report_paths", 10_000, 500, 20_000)
JOB = "stress:report"
MOST_PATH_DAYS = 10_000_000
"""Paths times days of a report here; more is for the command line, which has a machine to itself."""

PARTS = {
    "paths": 0.40, "history": 0.03, "severity dial": 0.17, "counterfactual": 0.06, "spill-over": 0.06,
    "reverse stress": 0.13, "nowcast": 0.05, "writing the page": 0.05, "printing the PDF": 0.05,
}  # fmt: skip
"""Parts of the work in their order, and the share of the time that each usually takes."""


@dataclass(frozen=True)
class Files:
    """A finished report: its files, and what is said of it on the page."""

    made_of: tuple[Any, ...]
    title: str
    sentences: tuple[str, ...]
    table: pd.DataFrame
    n_paths: int
    html: str
    json: str
    pdf: bytes | None


class Shares:
    """Turns the parts' own progress into that of the whole, which never goes back."""

    def __init__(self, job: Job) -> None:
        self.job, self.most = job, 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        names = list(PARTS)
        before = sum(PARTS[name] for name in names[: names.index(what)]) if what in PARTS else self.most
        share = before + PARTS.get(what, 0.0) * (done / total if total else 0.0)
        self.most = max(self.most, share)
        self.job.progress(self.most, 1.0, what)


def make_report(
    job: Job,
    model: Any,
    request: Request,
    made_of: tuple[Any, ...],
    model_name: str,
    parts: Sequence[str] | None = None,
) -> Files:
    """The whole report (or only some of the engine's parts) and its files; runs in a thread."""
    from spade_finance.stress import run_stress
    from spade_finance.stress.executive import summary_sentences
    from spade_finance.stress.pdf import write_pdf
    from spade_finance.stress.run import PARTS as ALL
    from spade_finance.stress.summary import summary

    tell = Shares(job)
    job.progress(0, 1, "labelling history")
    report = run_stress(
        model, request.scenario, request.portfolio, request.n_paths, request.seed, start_vol=request.start_vol,
        extrapolate=request.extrapolate, progress=tell, parts=ALL if parts is None else parts,
    )  # fmt: skip
    # What the command line's --rerun reads to find the model again.
    report.options.update(model=model_name, history=None, kind="simple")
    tell("writing the page", 0, 1)
    page, data = report.to_html(), report.to_json() + "\n"
    tell("printing the PDF", 0, 1)
    with tempfile.TemporaryDirectory(prefix="spade-report-") as folder:
        place, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        place.write_text(page, encoding="utf-8")
        pdf = printed.read_bytes() if write_pdf(place, printed) else None
    table = summary(report).rename_axis("measure").reset_index()
    return Files(
        made_of,
        request.scenario.title,
        tuple(summary_sentences(report)),
        table,
        request.n_paths,
        page,
        data,
        pdf,
    )


def full_report(model: ScenarioGenerator, request: Request) -> None:
    """Draw the box that makes the report, and the report when it is there."""
    st.space("small")
    made_of = (
        request.key(model)[:5] + request.key(model)[6:]
    )  # all but the number of paths, which has its own
    with st.container(border=True):
        st.markdown(
            "**The full report** · every number beside a block bootstrap and real history, severity dial, "
            "counterfactual, "
            "spill-over, reverse stress and nowcast, as a page, a PDF and data."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input("Paths of the report", 500, 20_000, step=500, width=180, **bind(REPORT_PATHS))
            pressed = st.button(
                "Make the report", icon=":material/description:", type="primary", key="stress:make"
            )
        if pressed:
            _begin(model, request, made_of)
        job = watch(JOB)
        if job is None:
            st.caption("A minute or two for 10,000 paths on two cores; you can go on working meanwhile.")
        elif job.state == "done":
            _finished(job, made_of)


def _begin(model: ScenarioGenerator, request: Request, made_of: tuple[Any, ...]) -> None:
    from dataclasses import replace

    from spade_finance.exceptions import InputError

    from ..scripts import read_script, total_days

    n_paths = get(REPORT_PATHS)
    n_days = total_days(read_script(request.scenario.script, model), model)
    if n_paths * n_days > MOST_PATH_DAYS:
        raise InputError(
            f"{n_paths:,} paths of {n_days:,} days are more than the dashboard takes on: ask for at most "
            f"{MOST_PATH_DAYS // n_days:,} paths, or use 'spade-finance stress', which has no limit"
        )
    title = f"Stressing {count(n_paths, 'path')}"
    name = get(MODEL)
    start(JOB, title, make_report, labelled_once(model), replace(request, n_paths=n_paths), made_of, name)


def _finished(job: Job, made_of: tuple[Any, ...]) -> None:
    files: Files = job.result
    if files.made_of != made_of:
        st.info(
            f"This report is of “{files.title}” as it was set then; what is shown above has moved on. Make it again to "
            "have the present one.", icon=":material/history:",
        )  # fmt: skip
    st.markdown(f"**{files.title}**, {count(files.n_paths, 'path')}, made in {seconds(job.elapsed)}")
    for sentence in files.sentences:
        st.markdown(f"- {sentence}".replace("$", "\\$").replace(" -", " −"))
    with st.container(horizontal=True):
        download("report.html", "report.html", files.html, key="stress:html")
        if files.pdf is not None:
            download("report.pdf", "report.pdf", files.pdf, key="stress:pdf")
        download("report.json", "report.json", files.json, key="stress:json")
    if files.pdf is None:
        st.caption(
            "No PDF: this server has no Chromium, Chrome or Edge to print with. The page prints from any browser."
        )
    with st.expander("Its numbers"):
        table(files.table)
    st.caption(
        "The same numbers again, from the data alone: `spade-finance stress --rerun report.json --out again`"
    )
