# SPDX-License-Identifier: Apache-2.0
"""Run by :mod:`._regimes_fit` in a process: a labeller fitted to the returns of a folder."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from ..child import Tell, serve


def work(folder: Path, tell: Tell) -> None:
    """``returns.parquet`` and ``asked.json`` in, ``labeller.json`` out."""
    from spade_finance.data import read_returns
    from spade_finance.regimes import make_labeller

    warnings.simplefilter("ignore")  # how a fit ended stands in the labeller
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    labeller = make_labeller(asked["method"], **asked["options"]).fit(
        read_returns(folder / "returns.parquet")
    )
    (folder / "labeller.json").write_text(json.dumps(labeller.to_config()), encoding="utf-8")


if __name__ == "__main__":
    serve(work)
