# SPDX-License-Identifier: Apache-2.0
"""The benchmark's tables stand in the docs and in the README as the results make them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.realism import tables
from benchmarks.realism.plan import CRISES, NEURAL, OURS, SEEDS, SPLITS
from spade_finance.baselines import baseline_names

ROOT = Path(__file__).parents[1]


def results(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"realism_{name}.json").read_text())


@pytest.fixture(scope="module")
def headline() -> list[str]:
    """Rows of the first table, made anew from the results."""
    by_split, novelty = {}, []
    for split in SPLITS:
        record = results(split.name)
        by_split[tables.title_of(split)] = tables.column_scores(tables.unpacked(record))
        novelty += record["novelty"]
    lines = tables.headline(by_split, novelty, results("crises")["crises"])
    return [line for line in lines if line.startswith("|")]


@pytest.mark.parametrize("page", ["README.md", "docs/realism.md", "docs/realism_tables.md"])
def test_the_first_table_is_what_the_results_say(headline: list[str], page: str) -> None:
    assert "\n".join(headline) in (ROOT / page).read_text()


def test_everything_that_was_planned_is_there() -> None:
    assert {f"{s['panel']}-{s['crisis']}" for s in results("crises")["crises"]} == {
        f"{c.panel}-{c.name}" for c in CRISES
    }
    names = set(results(SPLITS[0].name)["ratios"])
    assert names >= {f"{column} s{seed}" for column in OURS for seed in range(SEEDS)}
    assert names >= {f"{column} s0" for column in ("default", *NEURAL, *baseline_names("standard"))}


def test_what_is_packed_is_unpacked() -> None:
    frame = pd.DataFrame(
        [
            {"metric": m, "group": "g", "regime": r, "horizon_days": h, "asset": None, "column": c, "seed": s}
            for m, r, h in (("a", None, 5), ("b", "bull", None))
            for c, s in (("x", 0), ("x", 1), ("y_z", 0))
        ]
    ).assign(ratio=[1.0, 2.5, 3.25, 0.5, 1e-3, 7.0])
    again = tables.unpacked(tables.packed(frame))
    both = [f.groupby(["metric", "column", "seed"])["ratio"].first() for f in (frame, again)]
    pd.testing.assert_series_equal(*both)
    assert set(again["horizon_days"].dropna()) == {5}
