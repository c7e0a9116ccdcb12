# SPDX-License-Identifier: Apache-2.0
"""Paths: the same whatever is drawn beside them, blind to the future, obedient to the script."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.exceptions import InputError
from spade_finance.regimes import RegimeTimeline

Model = sf.ScenarioGenerator
COAL = pd.DataFrame({"Coal": [0.1, 0.2]}, index=pd.bdate_range("2020-01-01", periods=2))


def rms(x: np.ndarray) -> float:
    return float(np.sqrt((x.astype(float) ** 2).mean()))


def test_a_path_is_the_same_for_any_number_of_paths_and_workers(tiny_model: Model) -> None:
    script = "bull:30,crisis:15"
    many = tiny_model.sample(script, 200, 7, workers=2)
    few = tiny_model.sample(script, 10, 7, workers=1)
    assert many.log_array[:10].tobytes() == few.log_array.tobytes()
    batches = list(tiny_model.sample_batches(script, 200, 7))
    assert np.concatenate([b.log_array for b in batches]).tobytes() == many.log_array.tobytes()
    assert [int(b.paths[0]) for b in batches] == list(range(0, 200, len(batches[0])))
    assert not np.array_equal(many.log_array, tiny_model.sample(script, 200, 8).log_array)


def test_drawn_timelines_and_their_paths_are_the_same_for_any_number_of_paths(tiny_model: Model) -> None:
    many, few = tiny_model.sample("markov:80", 130, 3), tiny_model.sample("markov:80", 5, 3)
    assert np.array_equal(many.codes[:5], few.codes)
    assert many.log_array[:5].tobytes() == few.log_array.tobytes()
    assert len({row.tobytes() for row in many.codes}) > 50


def test_a_deep_copy_draws_the_same_paths_and_stands_alone(tiny_model: Model) -> None:
    paths = tiny_model.sample("markov:40", 70, 1)
    twin = copy.deepcopy(tiny_model)
    assert twin.hash_ == tiny_model.hash_
    patterns, twins = tiny_model.sampler_.patterns, twin.sampler_.patterns
    assert twins.sampler is twin.sampler_  # looks up in its own network, not in the original's
    assert np.array_equal(patterns._keys, twins._keys)
    assert twin.sample("markov:40", 70, 1) == paths
    known = patterns._keys.copy()
    later = twin.sample("markov:150", 130, 991)
    assert np.array_equal(patterns._keys, known)
    assert len(twins._keys) > len(known)
    assert later == tiny_model.sample("markov:150", 130, 991)


@pytest.mark.parametrize(("one", "other"), [
    ("bull:60,crisis:20", "bull:60,bear:300"),
    ("bull:60,bull~crisis:20", "bull:60"),
    ("crisis*1.1:60,bull:5", "crisis*1.1:61"),
    ("bull:90;Energy[60]=crisis:20", "bull:60,sideways:20"),
    ("markov:60,crisis:20", "markov:60,bull:100"),
])  # fmt: skip
def test_equal_beginnings_give_equal_beginnings(tiny_model: Model, one: str, other: str) -> None:
    a, b = (tiny_model.sample(s, 20, 5, extrapolate=True).log_array[:, :60] for s in (one, other))
    assert a.tobytes() == b.tobytes()


def test_equal_beginnings_of_the_shipped_model_at_any_length() -> None:
    model = Model.load("default")
    first = model.sample("bull:60,crisis:20", 3, 5).log_array[:, :60]
    for other in ("bull:60,bear:300", "bull:60,crisis:400", "bull:61", "bull:60,sideways:2460"):
        assert model.sample(other, 3, 5).log_array[:, :60].tobytes() == first.tobytes()


def test_looked_up_modulations_equal_computed_ones(tiny_model: Model) -> None:
    drawn = tiny_model.sample("markov:90", 70, 2)
    for i in (0, 33, 69):
        timeline = RegimeTimeline.from_codes(drawn.codes[i], tiny_model.regimes_, tiny_model.sectors_)
        alone = tiny_model.sample(timeline, 70, 2)
        assert alone.log_array[i] == pytest.approx(drawn.log_array[i], abs=2e-6)


def test_regimes_have_the_training_data_s_volatility_and_mean(
    tiny_model: Model, market: tuple[pd.DataFrame, sf.RegimeLabels]
) -> None:
    returns, labels = market
    logs = np.log1p(returns.to_numpy())
    script = "bull:250,crisis:250,bear:250,sideways:250"
    scen = tiny_model.sample(script, 400, 0)
    for k in range(4):
        got = scen.log_array[:, scen.codes == k].astype(float)
        want = logs[labels.codes == k]
        assert got.std((0, 1)) == pytest.approx(want.std(0), rel=0.1)


def test_severity_scales_volatility_in_proportion(tiny_model: Model) -> None:
    low, one, high = (
        rms(tiny_model.sample(f"crisis*{s}:60", 300, 1, extrapolate=True).log_array) for s in (0.7, 1, 1.4)
    )
    assert low / one == pytest.approx(0.7, abs=0.08)
    assert high / one == pytest.approx(1.4, abs=0.16)


def test_an_override_moves_its_sector_in_its_days(tiny_model: Model) -> None:
    base = tiny_model.sample("bull:80", 300, 4).log_array
    own = tiny_model.sample("bull:80;Energy[30]=crisis:20", 300, 4).log_array
    assert base[:, :30].tobytes() == own[:, :30].tobytes()
    ratio = own[:, 30:50].std((0, 1)) / base[:, 30:50].std((0, 1))
    assert ratio[0] > 1.5
    assert (ratio[1:] < 1.4).all()


def test_start_volatility(tiny_model: Model) -> None:
    calm, wild = (rms(tiny_model.sample("bull:5", 300, 1, start_vol=v).log_array) for v in (0.5, 2.0))
    assert wild / calm == pytest.approx(4.0, rel=0.1)
    assert tiny_model.sample("bull:5", 3, 1, start_vol="last").n_paths == 3
    for bad in ("first", 9.0, True):
        with pytest.raises(InputError, match="start_vol="):
            tiny_model.sample("bull:5", 3, 1, start_vol=bad)


def test_history_scripts(tiny_model: Model, market: tuple[pd.DataFrame, sf.RegimeLabels]) -> None:
    _returns, labels = market
    replay = tiny_model.sample("2012-01-02..2012-03-30", 5, 0)
    window = labels.labels.loc["2012-01-02":"2012-03-30"]
    assert [tiny_model.regimes_[k] for k in replay.codes] == list(window)
    now = tiny_model.sample("now:30,crisis:5", 40, 0)
    assert (now.codes[:, 0] == labels.codes[-1]).all()  # certain labels: the spell goes on
    assert (now.codes[:, 30:] == 3).all()


def test_dates_and_provenance(tiny_model: Model) -> None:
    scen = tiny_model.sample("bull:4", 2, 11, start="2024-01-05")
    assert [f"{d:%a}" for d in scen.dates] == ["Fri", "Mon", "Tue", "Wed"]
    assert scen.provenance["model_hash"] == tiny_model.hash_
    assert scen.provenance["seed"] == 11
    assert scen.provenance["script"] == "bull:4"


def test_one_day_to_forty_years_without_drift(tiny_model: Model) -> None:
    assert tiny_model.sample("bull:1", 3, 0).n_days == 1
    long = tiny_model.sample("bull:10080", 8, 0).log_array
    early, late = rms(long[:, :2000]), rms(long[:, -2000:])
    assert np.isfinite(long).all()
    assert late == pytest.approx(early, rel=0.25)


@pytest.mark.parametrize(("arguments", "words"), [
    ({"n_paths": 0}, "n_paths=0"),
    ({"n_paths": -5}, "n_paths=-5"),
    ({"n_paths": 2.5}, "n_paths=2.5"),
    ({"random_state": -1}, "random_state=-1"),
    ({"script": "boom:5"}, "boom"),
    ({"script": "bull:5;Coal[0]=crisis:2"}, "Coal"),
    ({"script": "crisis*9:5"}, "outside the trained range"),
    ({"history": COAL, "script": "now:5"}, "Coal"),
    ({"history": COAL}, "Coal"),  # also where the script does not look back
    ({"history": "returns.csv"}, "history is str: pass a DataFrame"),
])  # fmt: skip
def test_bad_requests_are_named(tiny_model: Model, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        tiny_model.sample(**{"script": "bull:5", "n_paths": 2} | arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("regime", ["bull", "sideways", "bear", "crisis"])
def test_the_shipped_models_severity_is_levelled(regime: str) -> None:
    model = sf.ScenarioGenerator.load("default")
    days = {s: f"{regime}*{s}:60" for s in (0.8, 1.0, 1.19)}
    volatility = {s: rms(model.sample(script, 128, 5).log_array) for s, script in days.items()}
    for severity in (0.8, 1.19):
        assert volatility[severity] / volatility[1.0] == pytest.approx(severity, rel=0.05)
