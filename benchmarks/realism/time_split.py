# SPDX-License-Identifier: Apache-2.0
"""Time split: the scorecard of fitted columns on all days after the training window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.realism.fits import labeller_of, load
from benchmarks.realism.plan import Split, returns_of

SECTIONS = ("facts", "dependence", "distances", "risk", "switch", "control", "labels", "novelty")


def score(work: Path, split: Split, columns: tuple[str, ...], seed: int) -> dict[str, Any]:
    """Rows of every metric for the columns, all drawn under the labels of the test window."""
    from spade_finance.baselines.base import aligned_codes
    from spade_finance.evaluate.inputs import Training, Window
    from spade_finance.evaluate.run import score_columns

    returns = returns_of(split.panel).loc[: split.test_until]
    train, test = returns.loc[: split.until], returns.loc[split.until :]
    test = test[test.index > train.index[-1]]
    labeller = labeller_of(train)
    labels = labeller.smooth(returns)  # in hindsight: scores given the regimes, not forecasts
    known = labels.align(train)
    window = Window(test, tuple(labels.regimes), aligned_codes(labels, test.index))
    generators = {name: load(work, split, name, seed, known) for name in columns}
    report = score_columns(
        window, Training(train, known), generators, label=labeller.smooth, sections=SECTIONS, seed=0
    )
    data = json.loads(report.to_json())
    keep = (
        "kind",
        "metric",
        "group",
        "regime",
        "asset",
        "horizon_days",
        "real",
        "floor",
        "values",
        "std_error",
    )
    rows = [{key: row[key] for key in keep if row.get(key) is not None} for row in data["rows"]]
    return {
        "panel": split.panel,
        "until": split.until,
        "window": [f"{day:%Y-%m-%d}" for day in report.window],
        "columns": list(columns),
        "seed": seed,
        "hashes": {name: getattr(g, "hash_", None) for name, g in generators.items()},
        "seconds": {name: round(value, 1) for name, value in report.seconds.items()},
        "summary": data["summary"],
        "findings": {name: part["findings"] for name, part in data["sections"].items()},
        "rows": [row for row in rows if _kept(row)],
    }


def _kept(row: dict[str, Any]) -> bool:
    """Distances; of the statistics the market's, and those of novelty and of the experiments on the map."""
    return row["kind"] == "distance" or row.get("asset") == "market" or row["group"] in ("novelty", "control")
