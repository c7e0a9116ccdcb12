# SPDX-License-Identifier: Apache-2.0
"""Run by :mod:`._realism_run` in a process: the whole scorecard of a model in a folder."""

from __future__ import annotations

from pathlib import Path

from ..child import Tell, serve
from ._realism_pack import WRITING, Request, Steps, pack, words


def work(folder: Path, tell: Tell) -> None:
    """``model``, ``real.parquet`` and ``asked.json`` in; ``found.html``, ``found.json`` and the packed report out."""
    from spade_finance.data import read_returns
    from spade_finance.evaluate import evaluate
    from spade_finance.model import ScenarioGenerator

    request = Request.from_json((folder / "asked.json").read_text(encoding="utf-8"))
    steps = Steps(request)

    def progress(what: str, at: int, total: int) -> None:
        tell(steps(what, at), steps.total, words(what))

    progress("labelling the real days", 0, 1)
    model = ScenarioGenerator.load(folder / "model")
    report = evaluate(model, read_returns(folder / "real.parquet"), progress=progress, **request.options())
    progress(WRITING, 0, 1)
    pack(report, folder)  # first: the page takes the titles out of the figures
    report.to_html(folder / "found.html")
    report.to_json(folder / "found.json")


if __name__ == "__main__":
    serve(work)
