# SPDX-License-Identifier: Apache-2.0
"""Evaluations: a light one that is there at once, and the whole scorecard as long work."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.evaluate.report import EvaluationReport
    from spade_finance.model import ScenarioGenerator

    from ..work import Job

__all__ = ["QUICK", "Found", "Request", "Steps", "quick", "run_scorecard"]

KEPT_PATHS = 8
"""Replicates a column that stay in memory for the page's charts; the tables and the report used all."""
SECTION_WEIGHT = 4
"""Steps that a section counts for beside fitting or sampling one column, for the time left."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be compared.

    Attributes
    ----------
    model : str
        Content hash.
    data : str
        What the real returns are, in words.
    content : str
        A digest of them, so that other data of the same name are seen to be others.
    """

    model: str
    data: str
    content: str
    from_date: str | None
    baselines: tuple[str, ...]
    sections: tuple[str, ...]
    seed: int
    n_replicates: int
    n_resamples: int


@dataclasses.dataclass(frozen=True)
class Found:
    """An evaluation as the page keeps it: few replicates, and the whole report as packed text."""

    request: Request
    report: EvaluationReport
    titles: Mapping[str, str]
    packed: bytes | None
    json: str

    def html(self) -> str:
        """The self-contained report."""
        return self.report.to_html() if self.packed is None else zlib.decompress(self.packed).decode()


QUICK = ("block_bootstrap",)


@st.cache_resource(max_entries=4, show_spinner=False)
def quick(_model: ScenarioGenerator, request: Request) -> Found:
    """The light evaluation of a model on the embedded returns; one for all sessions.

    Raises
    ------
    InputError
        The model's sectors are not those of the embedded returns, or no day of theirs is left.
    """
    from spade_finance.data import load_sectors

    return _evaluated(_model, load_sectors(), request, lambda *_: None, whole=False)


def run_scorecard(job: Job, model: ScenarioGenerator, real: pd.DataFrame, request: Request) -> Found:
    """The work behind the button; ends between two steps when the reader has cancelled."""
    done = Steps(request)

    def progress(what: str, at: int, total: int) -> None:
        job.progress(done(what, at), done.total, words(what))

    progress("labelling the real days", 0, 1)
    return _evaluated(model, real, request, progress, whole=True)


def words(what: str) -> str:
    """``fitting block_bootstrap`` and the like, as a sentence begins."""
    return what[:1].upper() + what[1:].replace("_", " ")


class Steps:
    """How far an evaluation is, in steps, from what its callback says."""

    def __init__(self, request: Request) -> None:
        self.columns = len(request.baselines)
        self.total = 2 * self.columns + 1 + SECTION_WEIGHT * len(request.sections) + 1

    def __call__(self, what: str, at: int) -> int:
        if what.startswith(("fitting ", "labelling ")):
            return at
        if what.startswith("sampling "):
            return self.columns + at
        if what == WRITING:
            return self.total - 1
        return 2 * self.columns + 1 + SECTION_WEIGHT * at


WRITING = "writing the report"


def _evaluated(
    model: Any,
    real: pd.DataFrame,
    request: Request,
    progress: Callable[[str, int, int], None],
    *,
    whole: bool,
) -> Found:
    from spade_finance.evaluate import evaluate
    from spade_finance.evaluate.scorecard import make_section

    report = evaluate(
        model, real, request.baselines or "none", from_date=request.from_date, sections=request.sections or "none",
        seed=request.seed, n_replicates=request.n_replicates, n_resamples=request.n_resamples, progress=progress,
    )  # fmt: skip
    progress(WRITING, 0, 1)
    packed = zlib.compress(report.to_html().encode(), 6) if whole else None
    titles = {name: make_section(name).title for name in report.sections}
    told = report.to_json()
    panels = {name: _fewer(panel) for name, panel in report.panels.items()} if whole else report.panels
    return Found(request, dataclasses.replace(report, panels=panels), titles, packed, told)


def _fewer(panel: Any) -> Any:
    """The first replicates of a panel, and nothing of what was computed on all of them."""
    from spade_finance.evaluate.panel import Panel

    codes = panel.codes if panel.codes is None or panel.codes.ndim == 1 else panel.codes[:KEPT_PATHS]
    segments = panel.segments if panel.segments.ndim == 1 else panel.segments[:KEPT_PATHS]
    return Panel(panel.simple[:KEPT_PATHS].copy(), codes, segments, panel.sectors, panel.regimes)
