# SPDX-License-Identifier: Apache-2.0
"""Run by :mod:`._model_train` in a process: label, train, level."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from ..child import Tell, serve

LEVELLING = 1.25
"""What the whole takes over what the steps take: a simulation under the training labels comes after them."""


def work(folder: Path, tell: Tell) -> None:
    """``returns.parquet`` and ``asked.json`` in, the folder ``model`` out; every row of the curve is told."""
    from spade_finance.data import read_returns
    from spade_finance.model import ScenarioGenerator
    from spade_finance.regimes import make_labeller

    warnings.simplefilter("ignore")  # how the fits ended stands in the model
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    returns = read_returns(folder / "returns.parquet")
    tell(0, 0, f"labelling {len(returns):,} days and {returns.shape[1]} assets")
    labeller = make_labeller(asked["method"], n_regimes=asked["n_regimes"], per_sector=True).fit(returns)

    def listen(tick: Any) -> bool:
        levelling = tick.step >= tick.max_steps
        text = "levelling the regimes" if levelling else f"step {tick.step} of {tick.max_steps}"
        row = {"step": tick.step, **{name: float(value) for name, value in tick.metrics.items()}}
        tell(tick.step, LEVELLING * tick.max_steps, text, row=row)
        return False

    tell(0, 0, "getting ready")
    model = ScenarioGenerator("quick", 0, **asked["settings"])
    model.fit(returns, labeller, progress=listen, max_minutes=asked["most_minutes"])
    model.save(folder / "model")


if __name__ == "__main__":
    serve(work)
