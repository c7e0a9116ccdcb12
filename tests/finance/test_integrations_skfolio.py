# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import spade_finance as sf
from spade_finance.exceptions import LookAheadWarning
from spade_finance.integrations.skfolio import ScenarioDistribution

from .conftest import TINY

Market = tuple[pd.DataFrame, sf.RegimeLabels]


@pytest.fixture
def days(market: Market) -> pd.DataFrame:
    return market[0]


# -- the rows


@pytest.mark.parametrize("script", ["bull:20,crisis:10", "markov:30"])
@pytest.mark.parametrize("horizon", [1, 5])
def test_row_i_is_a_window_of_path_i(
    tiny_model: sf.ScenarioGenerator, days: pd.DataFrame, script: str, horizon: int
) -> None:
    fitted = ScenarioDistribution(tiny_model, script, horizon_days=horizon, random_state=4).fit(days)
    rows = fitted.sample(200)
    cube = tiny_model.sample(script, 200, 4).simple_array.astype(float)
    assert rows.shape == (200, 3)
    assert rows.dtype == np.float64
    used = []
    for i, row in enumerate(rows):
        windows = np.array([np.prod(1 + cube[i, d : d + horizon], axis=0) - 1 for d in range(31 - horizon)])
        miss = np.abs(windows - row).max(axis=1)
        used.append(int(miss.argmin()))
        assert miss.min() < 1e-6
    counts = np.bincount(used, minlength=31 - horizon)
    assert counts.max() - counts.min() <= 4  # 200 rows on 30 or 26 places: every part of the script alike


def test_moments_are_those_of_the_scenario_set(tiny_model: sf.ScenarioGenerator, days: pd.DataFrame) -> None:
    fitted = ScenarioDistribution(tiny_model, "crisis:10", random_state=1).fit(days)
    rows = fitted.sample(4000)
    cube = tiny_model.sample("crisis:10", 4000, random_state=2).simple_array.astype(float)
    flat = cube.reshape(-1, 3)
    # The rows are independent, so their standard errors are the textbook's.
    assert np.all(np.abs(rows.mean(0) - flat.mean(0)) < 4 * rows.std(0) / np.sqrt(len(rows)))
    error = np.sqrt(((rows - rows.mean(0)) ** 2).var(0) / len(rows))
    assert np.all(np.abs(rows.var(0) - flat.var(0)) < 4 * error)
    assert np.abs(np.corrcoef(rows.T) - np.corrcoef(flat.T)).max() < 4 * 1.5 / np.sqrt(len(rows))
    calm = fitted.sample(1000, conditioning="bull:10")
    assert np.all(calm.std(0) < 0.5 * rows.std(0))  # 10 against 45 % a year


def test_rows_are_reproducible_and_prefix_stable(
    tiny_model: sf.ScenarioGenerator, days: pd.DataFrame
) -> None:
    fitted = ScenarioDistribution(tiny_model, "markov:10", random_state=3).fit(days)
    many = fitted.sample(150)
    np.testing.assert_array_equal(fitted.sample(150), many)
    np.testing.assert_array_equal(fitted.sample(20), many[:20])
    other = ScenarioDistribution(tiny_model, "markov:10", random_state=5).fit(days).sample(20)
    assert not np.allclose(other, many[:20])
    fresh = ScenarioDistribution(tiny_model, "markov:10", random_state=None).fit(days)
    assert not np.allclose(fresh.sample(20), fresh.sample(20))
    drawing = ScenarioDistribution(tiny_model, "markov:10", random_state=np.random.default_rng(0)).fit(days)
    assert not np.allclose(drawing.sample(20), drawing.sample(20))


def test_columns_follow_x_and_may_be_some(tiny_model: sf.ScenarioGenerator, days: pd.DataFrame) -> None:
    whole = ScenarioDistribution(tiny_model, "bear:5").fit(days).sample(30)
    some = ScenarioDistribution(tiny_model, "bear:5").fit(days[["Health Care", "Energy"]])
    assert list(some.feature_names_in_) == ["Health Care", "Energy"]
    assert some.n_features_in_ == 2
    np.testing.assert_array_equal(some.sample(30), whole[:, [2, 0]])


def test_conditions_of_one_call(tiny_model: sf.ScenarioGenerator, days: pd.DataFrame) -> None:
    fitted = ScenarioDistribution(tiny_model, "bull:30").fit(days)
    condition = {"script": "crisis:12", "horizon_days": 3, "start_vol": 1.5}
    there = ScenarioDistribution(tiny_model, "crisis:12", horizon_days=3, start_vol=1.5).fit(days)
    np.testing.assert_array_equal(fitted.sample(40, conditioning=condition), there.sample(40))
    parsed = sf.parse_script("crisis:12", regimes=tiny_model.regimes_, sectors=tiny_model.sectors_)
    np.testing.assert_array_equal(fitted.sample(9, parsed), fitted.sample(9, "crisis:12"))


def test_the_paths_behind_the_rows_carry_their_provenance(
    tiny_model: sf.ScenarioGenerator, days: pd.DataFrame
) -> None:
    scen = ScenarioDistribution(tiny_model, "bull:3", random_state=8).fit(days).scenarios(5)
    assert scen == tiny_model.sample("bull:3", 5, 8)
    assert scen.provenance["model_hash"] == tiny_model.hash_
    assert (scen.provenance["seed"], scen.provenance["script"]) == (8, "bull:3")


def test_now_looks_back_on_what_it_was_fitted_on() -> None:
    model = sf.ScenarioGenerator.load("default")
    late = sf.load_sectors().loc["2013":"2014"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", LookAheadWarning)
        fitted = ScenarioDistribution(model, "now:5", start_vol="last").fit(late)
    assert fitted.scenarios(3) == model.sample("now:5", 3, 0, start_vol="last", history=late)
    assert fitted.scenarios(3) != model.sample("now:5", 3, 0, start_vol="last", history=late.iloc[:-250])
    own = ScenarioDistribution(model, "bull:5", start_vol="last", history="model").fit(late[["Energy"]])
    assert own.sample(3).shape == (3, 1)
    some = ScenarioDistribution(model, "bull:5", start_vol="last").fit(late[["Energy"]])
    with pytest.raises(sf.InputError, match=r"X lacks \['InfoTech'.*history='model'"):
        some.sample(3)


def test_fitting_on_what_the_model_has_seen_beyond_warns(
    tiny_model: sf.ScenarioGenerator, days: pd.DataFrame
) -> None:
    with pytest.warns(LookAheadWarning, match=r"X ends on 2014-\d\d-\d\d but .* not out of sample"):
        ScenarioDistribution(tiny_model).fit(days.loc[:"2014"])


# -- as scikit-learn wants it


def test_the_constructor_only_stores_and_clones_keep_the_model(tiny_model: sf.ScenarioGenerator) -> None:
    given: dict[str, Any] = {
        "model": tiny_model,
        "regimes": "bull:2",
        "horizon_days": 2,
        "start_vol": "last",
        "extrapolate": True,
        "history": "model",
        "refit": False,
        "random_state": 9,
        "workers": 1,
    }
    made = ScenarioDistribution(**given)
    assert made.get_params(deep=False) == given
    assert {name for name in vars(made) if not name.startswith("_")} == set(given)
    copied = clone(made)
    assert copied is not made
    assert copied.get_params(deep=False) == given
    assert copied.model is tiny_model
    assert made.set_params(regimes="bear:9").regimes == "bear:9"
    assert "ScenarioDistribution" in repr(made)
    template = sf.ScenarioGenerator("quick", 4)
    untrained = clone(ScenarioDistribution(template))
    assert untrained.model is not template
    assert untrained.model.get_params() == template.get_params()


def test_a_fitted_estimator_can_be_copied_deeply(
    tiny_model: sf.ScenarioGenerator, days: pd.DataFrame
) -> None:
    fitted = ScenarioDistribution(tiny_model, "markov:4").fit(days)
    rows = fitted.sample(10)
    np.testing.assert_array_equal(copy.deepcopy(fitted).sample(10), rows)


def test_models_by_folder(tiny_model: sf.ScenarioGenerator, days: pd.DataFrame, tmp_path: Path) -> None:
    tiny_model.save(tmp_path / "model")
    by_name = ScenarioDistribution(tmp_path / "model", "crisis:4").fit(days)
    here = ScenarioDistribution(tiny_model, "crisis:4").fit(days)
    np.testing.assert_array_equal(by_name.sample(5), here.sample(5))


@pytest.mark.slow
def test_an_unfitted_generator_is_trained_on_x(days: pd.DataFrame) -> None:
    strange = days.rename(columns={"Energy": "Oil"})
    trained = ScenarioDistribution(sf.ScenarioGenerator("quick", 0, **TINY), "crisis:4").fit(strange)
    assert trained.model_.sectors_ == ("Oil", "Tech", "Health Care")
    assert trained.sample(5).shape == (5, 3)
    assert not trained.model._fitted  # the constructor's argument stays as it was


def test_refit_trains_on_x_alone(days: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []

    def fit(self: sf.ScenarioGenerator, returns: pd.DataFrame) -> sf.ScenarioGenerator:
        seen.append((self.preset, self.random_state, len(returns)))
        return self

    monkeypatch.setattr(sf.ScenarioGenerator, "fit", fit)
    ScenarioDistribution("default", refit=True, random_state=6).fit(days.iloc[:700])
    assert seen == [("quick", 6, 700)]


# -- in skfolio


def test_synthetic_data_optimises_cvar_under_a_script(
    tiny_model: sf.ScenarioGenerator, days: pd.DataFrame
) -> None:
    skfolio = pytest.importorskip("skfolio")
    from skfolio.optimization import MeanRisk
    from skfolio.prior import SyntheticData

    prior = SyntheticData(
        ScenarioDistribution(tiny_model, "bull:5"),
        n_samples=400,
        sample_args={"conditioning": {"script": "crisis:5"}},
    )
    rows = ScenarioDistribution(tiny_model, "crisis:5").fit(days).sample(400)
    np.testing.assert_allclose(prior.fit(days).return_distribution_.returns, rows)
    least = MeanRisk(risk_measure=skfolio.RiskMeasure.CVAR, prior_estimator=prior).fit(days)

    def cvar(weights: np.ndarray) -> float:
        return float(-np.sort(rows @ weights)[:20].mean())  # the worst 5 % of 400

    grid = [np.array([a, b, 20 - a - b]) / 20 for a in range(21) for b in range(21 - a)]
    assert cvar(least.weights_) <= min(cvar(w) for w in grid) + 1e-8


def test_pipeline_and_walk_forward(tiny_model: sf.ScenarioGenerator, days: pd.DataFrame) -> None:
    pytest.importorskip("skfolio")
    from skfolio.model_selection import WalkForward, cross_val_predict
    from skfolio.optimization import InverseVolatility
    from skfolio.prior import SyntheticData

    drawn = ScenarioDistribution(tiny_model, "bear:5")
    optimiser = InverseVolatility(prior_estimator=SyntheticData(drawn, n_samples=200))
    chain = Pipeline(
        [("drop", FunctionTransformer(lambda X: X[["Tech", "Energy"]])), ("optimiser", optimiser)]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookAheadWarning)
        held = cross_val_predict(chain, days.iloc[-300:], cv=WalkForward(test_size=50, train_size=200))
    std = drawn.fit(days[["Tech", "Energy"]]).sample(200).std(0, ddof=1)
    expected = (1 / std) / (1 / std).sum()
    for portfolio in held:
        np.testing.assert_allclose(portfolio.weights, expected, rtol=1e-6)
    assert len(held.returns) == 100


# -- what is refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": 3}, "model=3 is no model"),
        ({"model": "nowhere"}, "nowhere"),
        ({"history": "mine"}, "history='mine' is unknown"),
    ],
)
def test_bad_parameters_are_named(
    tiny_model: sf.ScenarioGenerator, days: pd.DataFrame, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(sf.InputError, match=words):
        ScenarioDistribution(**{"model": tiny_model} | change).fit(days)


def test_bad_x_is_named(tiny_model: sf.ScenarioGenerator, days: pd.DataFrame) -> None:
    made = ScenarioDistribution(tiny_model)
    with pytest.raises(sf.InputError, match=r"X is ndarray: .*transform_output='pandas'"):
        made.fit(days.to_numpy())
    with pytest.raises(sf.InputError, match=r"columns \['Oil'\].*refit=True.*Energy, Tech, Health Care"):
        made.fit(days.rename(columns={"Energy": "Oil"}))
    with pytest.raises(sf.InputError, match=r"a column twice: \['Tech'\]"):
        made.fit(days.rename(columns={"Energy": "Tech"}))
    with pytest.raises(sf.InputError, match="not fitted"):
        made.sample(3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_samples": 0}, "n_paths=0"),
        ({"conditioning": {"Energy": -0.2}}, "conditioning names 'Energy': .*script, horizon_days"),
        ({"conditioning": {"horizon_days": 6}}, "horizon_days=6 does not fit a script of 5 days"),
        ({"conditioning": {"horizon_days": 1.5}}, "horizon_days=1.5 does not fit"),
        ({"conditioning": "boom:5"}, "bad script at position 1"),
        ({"conditioning": {"start_vol": 9}}, "start_vol=9"),
    ],
)
def test_bad_samples_are_named(
    tiny_model: sf.ScenarioGenerator, days: pd.DataFrame, arguments: dict[str, Any], words: str
) -> None:
    fitted = ScenarioDistribution(tiny_model, "bull:5").fit(days)
    with pytest.raises(sf.InputError, match=words):
        fitted.sample(**{"n_samples": 4} | arguments)


@pytest.mark.slow
def test_the_example_runs() -> None:
    pytest.importorskip("skfolio")
    example = Path(__file__).resolve().parents[2] / "examples" / "cvar_under_crisis.py"
    small = ["--samples", "300", "--repeats", "2", "--script", "crisis:21"]
    done = subprocess.run([sys.executable, str(example), *small], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    # What needs no sampling is known: the history's portfolio on the embedded data.
    line = next(line for line in done.stdout.splitlines() if line.startswith("history") and "-9.35" in line)
    assert line.split() == ["history", "13.87", "15.47", "2.26", "-9.35", "-31.62", "30.87"]
