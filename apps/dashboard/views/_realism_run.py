# SPDX-License-Identifier: Apache-2.0
"""Evaluations: a light one that is there at once, and the whole scorecard as long work."""

from __future__ import annotations

import dataclasses
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..processes import run_child
from ._realism_pack import Request, unpack

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.evaluate.report import EvaluationReport
    from spade_finance.model import ScenarioGenerator

    from ..work import Job

__all__ = ["QUICK", "Found", "Request", "quick", "run_scorecard"]

QUICK = ("block_bootstrap",)


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


@st.cache_resource(max_entries=4, show_spinner=False)
def quick(_model: ScenarioGenerator, request: Request) -> Found:
    """The light evaluation of a model on the embedded returns; one for all sessions.

    Raises
    ------
    InputError
        The model's sectors are not those of the embedded returns, or no day of theirs is left.
    """
    from spade_finance.data import load_sectors
    from spade_finance.evaluate import evaluate

    report = evaluate(_model, load_sectors(), **request.options())
    return Found(request, report, _titles(report), None, report.to_json())


def run_scorecard(job: Job, model: Any, real: pd.DataFrame, request: Request) -> Found:
    """The work behind the button, in a process.

    Raises
    ------
    InputError
        What the evaluation refuses.
    Cancelled
        At once, whatever was under way.
    """
    from spade_finance.data import write_returns

    with tempfile.TemporaryDirectory(prefix="spade-scorecard-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        job.progress(0, 0, "Getting ready")
        model.save(folder / "model")
        write_returns(real, folder / "real.parquet")
        (folder / "asked.json").write_text(request.to_json(), encoding="utf-8")
        run_child(job, "views._realism_child", folder, text="Getting ready")
        report = unpack(folder)
        page, told = ((folder / name).read_text(encoding="utf-8") for name in ("found.html", "found.json"))
    return Found(request, report, _titles(report), zlib.compress(page.encode(), 6), told)


def _titles(report: EvaluationReport) -> dict[str, str]:
    from spade_finance.evaluate.scorecard import make_section

    return {name: make_section(name).title for name in report.sections}
