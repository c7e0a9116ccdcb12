# SPDX-License-Identifier: Apache-2.0
"""The timeline between text and painting; files in and out; models by name only."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

from apps.dashboard import engine, files, scripts
from apps.dashboard.summary import regime_correlations, summarise, wealth
from spade_finance.exceptions import InputError
from spade_finance.regimes.history import History
from spade_finance.scenarios import ScenarioSet

REGIMES = ("bull", "sideways", "bear", "crisis")
SECTORS = ("Tech", "Health Care", "Energy")


def stand_in() -> Any:
    dates = pd.bdate_range("2020-01-01", periods=40)
    codes = np.repeat([0, 3, 2], [10, 20, 10]).astype(np.int8)
    history = History(REGIMES, dates, codes, np.where(codes == 3, 1.61234, 1.0))
    return SimpleNamespace(
        regimes_=REGIMES,
        sectors_=SECTORS,
        severity_range_=(0.7026, 1.1992),
        history=lambda returns=None: SimpleNamespace(timeline=history),
    )


MODEL = stand_in()


@pytest.mark.parametrize(
    "text",
    [
        "bull:60",
        "bull:60,crisis*1.15:20,bear:40",
        "bull:50,bull~crisis*1.1:10,crisis:20",
        "markov(crisis):20,bull:5,markov:30",
        "now:21,crisis:10",
        'bull:100;Tech[0]=crisis:10,bear~bull:20;"Health Care"[40]=bear*0.9:60;Tech[50]=bear:5',
    ],
)
def test_text_to_painting_and_back(text: str) -> None:
    rows = scripts.rows_of(scripts.read_script(text, MODEL), MODEL)
    again = scripts.script_of(rows, MODEL)
    parsed = [scripts.read_script(t, MODEL) for t in (text, again)]
    assert parsed[0].segments == parsed[1].segments
    assert {str(o) for o in parsed[0].overrides} == {str(o) for o in parsed[1].overrides}
    n_days = sum(p["days"] for p in rows[scripts.MARKET])
    assert all(sum(p["days"] for p in rows[s]) == n_days for s in SECTORS)


def test_a_replay_is_painted_as_what_it_was_within_the_trained_severities() -> None:
    rows = scripts.rows_of(scripts.read_script("2020-01-08..2020-02-18", MODEL), MODEL)
    assert scripts.script_of(rows, MODEL) == "bull:5,crisis*1.199:20,bear:5"


def test_painted_neighbours_that_mean_the_same_become_one() -> None:
    rows = {
        "market": [
            {"kind": "hold", "regime": "bull", "severity": 1, "days": 3},
            {"kind": "hold", "regime": "bull", "severity": 1, "days": 4},
            {"kind": "now", "days": 5},
        ]
    }
    assert scripts.script_of(rows, MODEL) == "bull:7,markov:5"  # 'now' may only stand first


@pytest.mark.parametrize(
    "rows",
    [
        None,
        {},
        {"market": []},
        {"market": [{"kind": "hold", "regime": "bull", "days": 0}]},
        {"market": [{"kind": "hold", "regime": "bull", "days": 2.5}]},
        {"market": [{"kind": "hold", "regime": "bull", "days": True}]},
        {"market": [{"kind": "hold", "regime": "boom", "days": 3}]},
        {"market": [{"kind": "hold", "regime": 'bull:9;x"', "days": 3}]},
        {"market": [{"kind": "hold", "days": 3}]},
        {"market": [{"kind": "file", "path": "x.csv", "days": 3}]},
        {"market": ["bull"]},
        {"market": [{"kind": "hold", "regime": "bull", "severity": 1e9, "days": 3}]},
        {"market": [{"kind": "hold", "regime": "bull", "days": 10**6}]},
    ],
)
def test_what_is_no_painting_is_refused(rows: Any) -> None:
    with pytest.raises(InputError):
        scripts.script_of(rows, MODEL)


def test_a_script_opens_no_file(tmp_path: Path) -> None:
    place = tmp_path / "timeline.csv"
    place.write_text("step,regime\n0,bull\n")
    for text in (str(place), f"  {place}\n", str(place).upper()):
        with pytest.raises(InputError, match="opens no files"):
            scripts.read_script(text, MODEL)


def test_what_painting_over_a_replay_costs_is_said() -> None:
    model = engine.load_model("default")
    low, high = model.severity_range_
    past = model.history().timeline
    beyond = ~((past.severity > low - 0.005) & (past.severity < high + 0.005))
    days = past.dates[np.flatnonzero(beyond & (past.dates > "2020-01-01"))[[0, 10]]]
    script = scripts.read_script(f"{days[0]:%Y-%m-%d}..{days[1]:%Y-%m-%d}", model)
    said = scripts.held_to_range(script, model)
    inside = beyond[(past.dates >= days[0]) & (past.dates <= days[1])]
    assert f"{int(inside.sum())} of its days" in said
    assert f"{low:.2f} to {high:.2f}" in said
    assert scripts.held_to_range(scripts.read_script("bull:20,crisis*1.1:5", model), model) == ""
    calm = past.dates[np.flatnonzero(~beyond & (past.dates > "2013-01-01"))[[0, 1]]]
    quiet = scripts.read_script(f"{calm[0]:%Y-%m-%d}..{calm[1]:%Y-%m-%d}", model)
    assert scripts.held_to_range(quiet, model) == ""


def test_the_plain_counterfactual() -> None:
    assert scripts.calmest(scripts.read_script("bear:10,crisis:20", MODEL), MODEL) == "bull:30"
    assert scripts.calmest(scripts.read_script("bear:10;Tech[0]=crisis:5", MODEL), MODEL) == "bear:10"


# ---- models


def model_folder(place: Path) -> Path:
    place.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (place / name).write_bytes(b"{}")
    return place


def test_models_come_from_the_configured_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = model_folder(tmp_path / "outside" / "secret")
    folder = tmp_path / "models"
    model_folder(folder / "good")
    model_folder(folder / ".hidden")
    (folder / "empty").mkdir()
    (folder / "linked").symlink_to(outside)
    (folder / "halfway").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "halfway" / name).symlink_to(outside / name)
    monkeypatch.setenv("SPADE_MODELS", str(folder))
    assert engine.model_names() == ["default", "good"]
    for name in ("linked", "halfway", "../outside/secret", str(outside), "empty", "", "mine:other"):
        with pytest.raises(InputError):
            engine.load_model(name)


def test_models_of_another_kind_are_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, config in (
        ("returns", '{"kind": "spade_finance.ScenarioGenerator"}'), ("pictures", '{"kind": "spade_image"}'),
        ("silent", '{"format": 1}'), ("broken", "{"), ("odd", "[1]"),
    ):  # fmt: skip
        model_folder(tmp_path / name)
        (tmp_path / name / "config.json").write_text(config, encoding="utf-8")
    monkeypatch.setenv("SPADE_MODELS", str(tmp_path))
    # What says nothing of its kind may be a damaged model of returns: it is listed, and explained when it is opened.
    assert engine.model_names() == ["default", "broken", "odd", "returns", "silent"]
    with pytest.raises(InputError, match="'pictures' is not there"):
        engine.load_model("pictures")


def test_without_a_configured_folder_there_is_the_shipped_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPADE_MODELS", raising=False)
    assert engine.model_names() == ["default"]


# ---- files


def returns_csv(rows: int = 60) -> bytes:
    dates = pd.bdate_range("2024-01-01", periods=rows, name="date")
    values = np.random.default_rng(0).normal(0, 0.01, (rows, 2))
    return pd.DataFrame(values, dates, ["A", "B"]).to_csv().encode()


def test_an_upload_is_read_by_the_librarys_validators() -> None:
    table = files.read_upload("mine.csv", returns_csv(), "simple")
    assert table.shape == (60, 2)
    with pytest.raises(InputError, match=r"mine\.csv: column 'A'.*'abc0"):
        files.read_upload("mine.csv", returns_csv().replace(b",0.", b",abc0.", 1), "simple")


def test_the_name_of_an_upload_leads_nowhere() -> None:
    for name in ("../../evil.csv", "/etc/evil.csv", "..\\evil.csv", ".csv.csv"):
        assert files.read_upload(name, returns_csv(), "simple").shape == (60, 2)
        assert "/" not in files._safe(name)


def test_too_much_is_refused() -> None:
    with pytest.raises(InputError, match="rows"):
        files.read_upload("long.csv", returns_csv(files.MAX_ROWS + 1), "simple")
    bomb = gzip.compress(bytes(5 * files.MAX_BYTES))
    assert len(bomb) < files.MAX_BYTES
    with pytest.raises(InputError, match="unpacks to more"):
        files.read_upload("bomb.csv.gz", bomb, "simple")


@pytest.fixture(scope="module")
def paths() -> ScenarioSet:
    rng = np.random.default_rng(1)
    common = rng.standard_normal((400, 60, 1))
    own = rng.standard_normal((400, 60, 3))
    scale = np.where(np.arange(60) < 30, 0.005, 0.02)[:, None]
    log = scale * (np.sqrt(0.6) * common + np.sqrt(0.4) * own)
    codes = np.repeat([0, 3], 30)
    return ScenarioSet(log, SECTORS, REGIMES, codes, provenance={"script": "bull:30,crisis:30", "seed": 1})


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".nc"])
def test_downloads_are_scenario_files(paths: ScenarioSet, suffix: str, tmp_path: Path) -> None:
    place = tmp_path / f"x{suffix}"
    place.write_bytes(files.scenario_bytes(paths, suffix))
    again = ScenarioSet.load(place)
    np.testing.assert_array_equal(again.simple_array, paths.simple_array)


def test_the_summary_against_plain_formulas(paths: ScenarioSet) -> None:
    found = summarise(paths)
    daily = paths.simple_array.astype(float).mean(axis=2)
    value = np.cumprod(1 + daily, axis=1)
    np.testing.assert_allclose(wealth(paths)[:, 1:], value, rtol=1e-12)
    end = value[:, -1] - 1
    assert found.mean_return == pytest.approx((end.mean(), end.std(ddof=1) / 20))
    assert found.volatility[0] == pytest.approx(daily.std() * 252**0.5)
    assert found.loss_chance[0] == pytest.approx((end < 0).mean())
    assert found.shortfall[0] == pytest.approx(-np.sort(end)[:20].mean())
    peak = np.maximum.accumulate(np.concatenate([np.ones((400, 1)), value], axis=1), axis=1)[:, 1:]
    assert found.drawdown[0] == pytest.approx((value / peak - 1).min(axis=1).clip(max=0).mean())
    # the volatility's error against a bootstrap of whole paths
    rng = np.random.default_rng(0)
    drawn = [daily[rng.integers(0, 400, 400)].std() * 252**0.5 for _ in range(400)]
    assert found.volatility[1] == pytest.approx(np.std(drawn), rel=0.15)


def test_correlations_by_regime(paths: ScenarioSet) -> None:
    found = regime_correlations(paths.simple_array, paths.codes, REGIMES)
    assert list(found) == ["bull", "crisis"]
    assert found["crisis"][0, 1] == pytest.approx(0.6, abs=0.03)
    np.testing.assert_allclose(np.diag(found["bull"]), 1)


@pytest.mark.parametrize("name", ["fake.parquet", "fake.csv.gz"])
def test_a_file_that_cannot_be_read_is_named_without_the_servers_folders(name: str) -> None:
    from apps.dashboard.files import read_upload

    with pytest.raises(InputError) as caught:
        read_upload(name, b"\x1f\x8bPAR1 not really")
    assert name in str(caught.value)
    assert "spade-upload" not in str(caught.value)
