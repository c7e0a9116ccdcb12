# SPDX-License-Identifier: Apache-2.0
"""Our model's ablations: what differs between them, and that they work as baselines, trained once."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

import spade_finance as sf
from spade_finance.baselines.neural import NEURAL, OWN
from spade_finance.baselines.neural.cache import CacheWarning
from spade_finance.baselines.neural.own import OwnModel
from spade_finance.exceptions import InputError
from spade_finance.model.ablations import ABLATIONS, make_ablation
from spade_finance.model.trunks import make_trunk
from spade_finance.regimes import RegimeLabels
from spade_finance.regimes.timeline import RegimeTimeline
from tests.finance.conftest import REGIMES, SECTORS, TINY, simulated_market

SMALL = {**TINY, "steps": 3, "chunk_paths": 4, "window_days": 64}
"""Smaller than tiny: chunks decide how many days are simulated for levelling."""
MARKET = simulated_market(800)
CODES = np.repeat([0, 3, 1], [30, 20, 10])


def tiny(arm: str, folder: Path, **changes: Any) -> OwnModel:
    return NEURAL[arm](**{"changes": SMALL, "cache_dir": folder, **changes})  # type: ignore[return-value]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def short_levelling() -> Iterator[None]:
    """Regimes levelled with a single chunk of paths: precision is not at stake here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spade_finance.model.calibrate.PATH_DAYS", 1)
        yield


@pytest.fixture(scope="module")
def concat(folder: Path) -> OwnModel:
    return tiny("concat", folder).fit(*MARKET)


def test_arms_differ_in_the_conditioning_and_in_nothing_else() -> None:
    assert set(ABLATIONS) == set(OWN)
    own = make_ablation("spade").config
    assert own == sf.ScenarioGenerator("quick").config
    for name, fields in ABLATIONS.items():
        config = make_ablation(name, "default", 3, steps=7).config
        assert {**config.to_dict(), "conditioning": "spade"} == {
            **sf.ScenarioGenerator("default", steps=7).config.to_dict()
        }
        assert fields.keys() == {"conditioning"}
        assert NEURAL[name]().name == name
    conditionings = [make_ablation(name).config.conditioning for name in ABLATIONS]
    assert len(set(conditionings)) == len(ABLATIONS)


def test_unknown_names_and_contradictions_are_refused() -> None:
    with pytest.raises(InputError, match="'attention' is unknown"):
        make_ablation("attention")
    with pytest.raises(InputError, match="conditioning='spade' is what the ablation 'film' sets"):
        make_ablation("film", conditioning="spade")


def test_an_ablation_is_a_baseline(concat: OwnModel) -> None:
    drawn = concat.sample(CODES, 6, 4)
    assert drawn.log_array.shape == (6, 60, 3)
    assert drawn.sectors == SECTORS
    assert drawn.provenance["model"] == "concat"
    assert "cache_dir" not in drawn.provenance["settings"]
    by_timeline = concat.sample(RegimeTimeline.from_codes(CODES, REGIMES, SECTORS), 6, 4)
    by_script = concat.sample("bull:30,crisis:20,sideways:10", 6, 4)
    np.testing.assert_array_equal(drawn.log_array, by_timeline.log_array)
    np.testing.assert_array_equal(drawn.log_array, by_script.log_array)
    assert np.abs(drawn.log_array - concat.sample(CODES, 6, 5).log_array).max() > 1e-3
    batches = list(concat.sample_batches(CODES, 6, 4))
    np.testing.assert_array_equal(np.concatenate([b.log_array for b in batches]), drawn.log_array)
    assert drawn.log_array[:, CODES == 3].std() > 1.5 * drawn.log_array[:, CODES == 0].std()


def test_a_timeline_a_path(concat: OwnModel) -> None:
    codes = np.stack([CODES, CODES[::-1], CODES])
    drawn = concat.sample(codes, 3, 0)
    np.testing.assert_array_equal(drawn.codes, codes)
    random = concat.sample("crisis:5,markov:30", 4, 0)
    assert random.codes.shape == (4, 35)
    assert (random.codes[:, :5] == 3).all()


def test_dates_are_replayed_from_the_training_days(concat: OwnModel) -> None:
    returns, labels = MARKET
    drawn = concat.sample(f"{returns.index[100]:%Y-%m-%d}..{returns.index[160]:%Y-%m-%d}", 2, 0)
    np.testing.assert_array_equal(np.broadcast_to(drawn.codes, (2, 61))[0], labels.codes[100:161])


@pytest.mark.parametrize(
    ("script", "n_paths", "match"),
    [(CODES, 0, "n_paths=0"), (np.array([7]), 2, "regime code 7"), (np.zeros((2, 5), int), 3, "n_paths=3"),
     (np.array([0.5]), 2, "integer regime codes"), ("boom:3", 2, "boom")],
)  # fmt: skip
def test_bad_requests_are_named(concat: OwnModel, script: Any, n_paths: int, match: str) -> None:
    with pytest.raises(InputError, match=match):
        concat.sample(script, n_paths, 0)
    with pytest.raises(InputError, match="not fitted"):
        clone(concat).sample(CODES, 2, 0)


def untouched(*_: Any, **__: Any) -> None:
    raise AssertionError("trained again")


def test_trained_once(concat: OwnModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spade_finance.model.fitting.fit_generator", untouched)
    again = clone(concat).fit(*MARKET)
    assert again.training_["cached"]
    assert not concat.training_["cached"]
    np.testing.assert_array_equal(again.sample(CODES, 3, 2).log_array, concat.sample(CODES, 3, 2).log_array)
    without_own = RegimeLabels.from_codes(MARKET[1].codes, REGIMES, MARKET[0].index)
    for arguments, settings in (
        (MARKET, {"random_state": 1}),
        (MARKET, {"arm": "film"}),
        (MARKET, {"changes": {**SMALL, "lr": 1e-4}}),
        ((MARKET[0], without_own), {}),
    ):
        with pytest.raises(AssertionError, match="trained again"):
            clone(concat).set_params(**settings).fit(*arguments)


def test_a_damaged_cache_is_trained_again_with_a_warning(
    concat: OwnModel, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (entry,) = (tmp_path / "copy" / "models").iterdir()
    weights = entry / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.warns(CacheWarning, match="training again"):
        again = tiny("concat", tmp_path / "copy").fit(*MARKET)
    assert not again.training_["cached"]
    np.testing.assert_array_equal(again.sample(CODES, 3, 2).log_array, concat.sample(CODES, 3, 2).log_array)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tiny("concat", tmp_path / "copy").fit(*MARKET).training_["cached"]


def trunk_change(name: str) -> tuple[float, float]:
    """How far the features of an untrained trunk move before and after the day from which on the map differs."""
    torch.manual_seed(0)
    trunk = make_trunk(4, 5, make_ablation(name, **TINY).config)
    past, maps = torch.randn(1, 4, 50), torch.randn(1, 5, 50)
    other = maps.clone()
    other[..., 25:] += 1.0
    with torch.no_grad():
        change = trunk(past, trunk.prepare(maps)) - trunk(past, trunk.prepare(other))
    return float(change[..., :25].abs().max()), float(change[..., 25:].abs().max())


@pytest.mark.parametrize("name", sorted(ABLATIONS))
def test_who_sees_the_map_and_from_which_day_on(name: str) -> None:
    before, after = trunk_change(name)
    if name in ("tables", "unconditional"):  # conditioned elsewhere or not at all
        assert before == after == 0
    elif name == "film":  # one modulation a window: the whole window moves
        assert before > 1e-4 < after
    else:
        assert before == 0 < after


@pytest.mark.slow
@pytest.mark.parametrize("arm", sorted(ABLATIONS))
def test_every_arm_trains_and_all_but_the_unconditional_follow_the_map(arm: str, tmp_path: Path) -> None:
    fitted = tiny(arm, tmp_path, changes={**TINY, "steps": 40}).fit(*MARKET)
    drawn = fitted.sample(np.repeat([0, 3], 80), 50, 0).log_array
    ratio = drawn[:, 80:].std() / drawn[:, :80].std()
    assert np.isfinite(drawn).all()
    if arm == "unconditional":  # how heavy-tailed a day is still depends on its regime
        assert ratio == pytest.approx(1.0, abs=0.15)
    else:
        assert ratio > 2.5
