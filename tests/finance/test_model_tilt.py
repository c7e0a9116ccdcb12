# SPDX-License-Identifier: Apache-2.0
"""Tilted sampling: the shift is where it should be, and the weights take it out exactly."""

from __future__ import annotations

import numpy as np
import pytest

import spade_finance as sf
from spade_finance.exceptions import InputError
from spade_finance.model import noise
from spade_finance.model.tilt import Tilt, loss_directions

Model = sf.ScenarioGenerator


def market_end(scenarios: sf.ScenarioSet) -> np.ndarray:
    return np.prod(1.0 + scenarios.simple_array.mean(axis=2, dtype=float), axis=1) - 1.0


@pytest.mark.parametrize("script", ["bull:20,crisis:20", "markov:45"])
def test_no_shift_gives_the_paths_of_sample_to_the_byte(tiny_model: Model, script: str) -> None:
    plain, tilted = tiny_model.sample(script, 70, 3), tiny_model.sample_tilted(script, 70, 3)
    assert tilted.scenarios.log_array.tobytes() == plain.log_array.tobytes()
    assert np.array_equal(tilted.scenarios.codes, plain.codes)
    assert not tilted.log_weights.any()
    assert abs(tilted.score.mean()) < 4 / np.sqrt(70)


def test_the_weight_is_the_likelihood_ratio_of_the_normals(tiny_model: Model) -> None:
    """Recomputed day by day and factor by factor from the noise itself."""
    shift = np.array([0.0, 0.7, 1.5, -0.5, 2.0])
    drawn = tiny_model.sample_tilted("bull:10,crisis:9", 5, 11, shift=shift)
    rank, directions = tiny_model.network_.rank, loss_directions(tiny_model)
    z = noise.draw(11, range(5), 32, len(tiny_model.sectors_), rank).factors.astype(float)
    for i in range(5):
        log_ratio = 0.0
        for day in range(19):
            mean = shift[i] / np.sqrt(19) * directions[0 if day < 10 else 3]
            x = z[i, day] + mean
            log_ratio += float((-0.5 * x**2 + 0.5 * (x - mean) ** 2).sum())
        assert drawn.log_weights[i] == pytest.approx(log_ratio, abs=1e-5)


def test_only_the_horizon_and_only_the_factors_are_shifted(tiny_model: Model) -> None:
    tilt = Tilt(loss_directions(tiny_model), np.array([2.0, 0.0]), 20)
    z = noise.draw(1, range(2), 32, 3, tiny_model.network_.rank)
    weights = np.zeros((1, 32, 4))
    weights[..., 3] = 1.0
    moved = tilt.apply(z, range(2), weights)
    assert np.array_equal(moved.factors[:, 20:], z.factors[:, 20:])
    assert np.array_equal(moved.factors[1], z.factors[1])
    assert moved.own is z.own
    assert moved.mixing is z.mixing
    step = moved.factors[0, :20].astype(float) - z.factors[0, :20]
    assert np.linalg.norm(step, axis=1) == pytest.approx(np.full(20, 2.0 / np.sqrt(20)), rel=1e-5)


def test_a_tilt_lowers_the_market_and_its_weights_average_one(tiny_model: Model) -> None:
    plain = market_end(tiny_model.sample("crisis:30", 1500, 1))
    drawn = tiny_model.sample_tilted("crisis:30", 1500, 2, shift=1.0)
    end, weight = market_end(drawn.scenarios), np.exp(drawn.log_weights)
    assert end.mean() < plain.mean() - 0.5 * plain.std()
    assert abs(weight.mean() - 1.0) < 4 * weight.std() / np.sqrt(1500)
    for level in np.quantile(plain, [0.05, 0.2]):
        estimate = weight * (end <= level)
        brute = (plain <= level).astype(float)
        error = np.hypot(estimate.std(), brute.std()) / np.sqrt(1500)
        assert abs(estimate.mean() - brute.mean()) < 4 * error


def test_a_path_does_not_change_with_their_number(tiny_model: Model) -> None:
    many = tiny_model.sample_tilted("markov:40", 130, 5, shift=1.2, workers=2)
    few = tiny_model.sample_tilted("markov:40", 7, 5, shift=1.2)
    assert many.scenarios.log_array[:7].tobytes() == few.scenarios.log_array.tobytes()
    assert np.array_equal(many.log_weights[:7], few.log_weights)


def test_the_direction_follows_the_portfolio(tiny_model: Model) -> None:
    energy = {"Energy": 1.0}
    drawn = tiny_model.sample_tilted("crisis:20", 800, 4, shift=1.5, weights=energy).scenarios.simple_array
    plain = tiny_model.sample("crisis:20", 800, 4).simple_array
    assert drawn[..., 0].sum(1).mean() < plain[..., 0].sum(1).mean()
    short = loss_directions(tiny_model, {"Energy": -1.0})
    assert short == pytest.approx(-loss_directions(tiny_model, energy))


def test_severity_of_drawn_days_is_that_of_a_script(tiny_model: Model) -> None:
    drawn = tiny_model.sample_tilted(
        "markov(crisis):20", 150, 6, severity={"crisis": 1.3, "bear": 0.8}, extrapolate=True
    )
    held = (drawn.scenarios.codes == 3).all(axis=1)
    assert held.any()
    script = tiny_model.sample("crisis*1.3:20", 150, 6, extrapolate=True)
    assert drawn.scenarios.log_array[held] == pytest.approx(script.log_array[held], abs=2e-6)
    assert drawn.scenarios.provenance["severities"] == [1.0, 1.0, 0.8, 1.3]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shift": float("nan")}, "shift must be"),
        ({"shift": 20.0}, "shift must be"),
        ({"shift": [1.0, 2.0]}, "4 paths"),
        ({"weights": {"Gold": 1.0}}, "Gold"),
        ({"weights": [0.0, 0.0, 0.0]}, "no exposure"),
        ({"severity": {"boom": 1.0}}, "boom"),
        ({"severity": [1.0, 1.0, 1.0, 9.0]}, "trained range"),
        ({"severity": [1.0, -1.0]}, "4 positive numbers"),
    ],
)
def test_refusals(tiny_model: Model, options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        tiny_model.sample_tilted("markov:5", 4, 0, **options)


def test_severity_is_refused_for_a_fixed_script(tiny_model: Model) -> None:
    with pytest.raises(InputError, match="write it there"):
        tiny_model.sample_tilted("crisis:5", 4, 0, severity=[1, 1, 1, 1])
