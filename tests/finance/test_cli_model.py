# SPDX-License-Identifier: Apache-2.0
"""Commands on a real, hardly trained model: what only the whole chain can show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spade_finance.cli import main
from spade_finance.model import ScenarioGenerator
from spade_finance.regimes import RegimeLabels
from spade_finance.scenarios import ScenarioSet


@pytest.fixture(scope="module")
def model(tiny_model: ScenarioGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def real(market: tuple[pd.DataFrame, RegimeLabels], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "real.csv"
    market[0].to_csv(path)
    return path


def generate(model: Path, script: str, paths: int, out: Path, *more: str) -> ScenarioSet:
    arguments = [
        "generate",
        "--model",
        str(model),
        "--regimes",
        script,
        "--paths",
        str(paths),
        "--out",
        str(out),
    ]
    assert main([*arguments, *more]) == 0
    return ScenarioSet.load(out)


def test_ten_paths_are_the_first_ten_of_many(model: Path, tmp_path: Path) -> None:
    for script in ("bull:20,crisis:10", "markov:30"):
        few = generate(model, script, 10, tmp_path / "few.parquet", "--seed", "3")
        many = generate(model, script, 300, tmp_path / "many.nc", "--seed", "3")
        assert few.simple_array.tobytes() == many.simple_array[:10].tobytes()
        assert np.array_equal(few.codes, many.codes if many.codes.ndim == 1 else many.codes[:10])
        other = generate(model, script, 10, tmp_path / "other.parquet", "--seed", "4")
        assert not np.array_equal(other.simple_array, few.simple_array)


def test_every_drawn_timeline_is_kept(model: Path, tmp_path: Path) -> None:
    found = generate(model, "markov:120", 50, tmp_path / "x.csv")
    assert found.codes.shape == (50, 120)
    assert len(np.unique(found.codes, axis=0)) > 10
    provenance = found.provenance
    assert (provenance["script"], provenance["seed"]) == ("markov:120", 0)
    facts = ScenarioGenerator.load(model).describe()
    assert provenance["model_hash"] == facts["model_hash"]


def test_batches_join_and_days_are_business_days(model: Path, tmp_path: Path) -> None:
    found = generate(model, "bear:2", 3000, tmp_path / "x.parquet", "--start", "2026-01-03")
    assert (found.n_paths, found.n_days) == (3000, 2)
    assert found.dates is not None
    assert [str(day.date()) for day in found.dates] == ["2026-01-05", "2026-01-06"]


def test_severity_beyond_the_trained_range_wants_a_word(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["generate", "--model", str(model), "--regimes", "crisis*6:5", "--paths", "2"]
    assert main([*arguments, "--out", str(tmp_path / "x.csv")]) == 2
    assert "extrapolate" in capsys.readouterr().err
    assert main([*arguments, "--out", str(tmp_path / "x.csv"), "--extrapolate"]) == 0


def test_info_lists_what_the_interface_promises(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(model)]) == 0
    shown = capsys.readouterr().out
    assert main(["info", str(model), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    for name in (
        "regimes",
        "sectors",
        "training_window",
        "severity_range",
        "model_hash",
        "parameters",
        "card",
    ):
        assert facts[name], name
    assert facts["model_hash"] in shown
    for name in (*facts["regimes"], *facts["sectors"]):
        assert name in shown


def test_evaluating_what_was_trained_on_warns(
    model: Path,
    real: Path,
    market: tuple[pd.DataFrame, RegimeLabels],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    market[1].save(tmp_path / "labels.csv")
    evaluate = ["evaluate", "--model", model, "--real", real, "--from", "2012-01-02"]
    evaluate += ["--baselines", "block_bootstrap", "--labels", tmp_path / "labels.csv"]
    evaluate += ["--out", tmp_path / "r.html", "--json", tmp_path / "r.json"]
    evaluate += ["--sections", "none"]
    code = main([str(word) for word in evaluate])
    seen = capsys.readouterr()
    assert code == 0, seen.err
    assert "warning: " in seen.err
    assert "block_bootstrap" in seen.out
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["columns"] == ["model", "block_bootstrap"]
    assert found["look_ahead"]
    assert found["real"]["start"] == "2012-01-02"
    assert "LOOK-AHEAD" in (tmp_path / "r.html").read_text()
