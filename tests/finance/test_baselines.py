# SPDX-License-Identifier: Apache-2.0
"""One contract for every baseline."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from spade_finance.baselines import BASELINES, STANDARD, BlockBootstrap, baseline_names, make_baseline
from spade_finance.exceptions import InputError, RareRegimeWarning
from spade_finance.regimes.history import History
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.regimes.timeline import RegimeTimeline
from tests.finance.evaluation_doubles import REGIMES, make_labels, make_returns

RETURNS = make_returns(1600)
LABELS = make_labels(RETURNS)
FITTED = {name: make_baseline(name).fit(RETURNS, LABELS) for name in STANDARD}
TIMELINE = np.repeat([0, 3, 1, 2], [40, 30, 20, 10])


@pytest.fixture(params=STANDARD)
def baseline(request):
    return FITTED[request.param]


def test_samples_are_finite_scenarios_with_the_timeline_they_were_drawn_under(baseline):
    drawn = baseline.sample(TIMELINE, 30, 0)
    assert drawn.log_array.shape == (30, 100, 3)
    assert drawn.log_array.dtype == np.float32
    assert np.isfinite(drawn.log_array).all()
    np.testing.assert_array_equal(drawn.codes, TIMELINE)
    assert drawn.sectors == tuple(RETURNS.columns)
    assert drawn.regimes == REGIMES
    assert drawn.provenance["model"] == baseline.name
    assert drawn.provenance["seed"] == 0


def test_same_seed_same_paths_another_seed_others(baseline):
    first, again, other = (baseline.sample(TIMELINE, 20, seed).log_array for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_codes_timeline_and_script_say_the_same(baseline):
    by_codes = baseline.sample(TIMELINE, 5, 3)
    by_timeline = baseline.sample(RegimeTimeline.from_codes(TIMELINE, REGIMES, baseline.sectors_), 5, 3)
    by_script = baseline.sample("bull:40,crisis:30,sideways:20,bear:10", 5, 3)
    np.testing.assert_array_equal(by_codes.log_array, by_timeline.log_array)
    np.testing.assert_array_equal(by_codes.log_array, by_script.log_array)
    assert by_script.provenance["script"] == "bull:40,crisis:30,sideways:20,bear:10"


def test_regimes_have_the_volatility_and_correlation_of_their_training_days(baseline):
    codes = np.repeat([0, 1, 2, 3], 250)
    drawn = baseline.sample(codes, 60, 1).log_array
    for k in range(4):
        real = np.log1p(RETURNS.to_numpy()[LABELS.codes == k])
        mine = drawn[:, codes == k].reshape(-1, 3)
        np.testing.assert_allclose(mine.std(0), real.std(0), rtol=0.15)
        assert np.corrcoef(mine.T)[0, 1] == pytest.approx(np.corrcoef(real.T)[0, 1], abs=0.12)


def test_severity_and_soft_weights_are_ignored_as_documented(baseline):
    plain = baseline.sample("bull:20,crisis:10", 4, 0).log_array
    severe = baseline.sample("bull:20,crisis*1.5:10", 4, 0).log_array
    np.testing.assert_array_equal(plain, severe)


def test_clone_keeps_parameters_and_is_unfitted(baseline):
    copy = clone(baseline)
    assert copy.get_params() == baseline.get_params()
    with pytest.raises(InputError, match="not fitted"):
        copy.sample(TIMELINE, 5, 0)


def test_market_states_drawn_by_path_keep_each_paths_own_codes(baseline):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (6, 50))
    drawn = baseline.sample(codes, 6, 0)
    np.testing.assert_array_equal(drawn.codes, codes)
    calm = np.abs(drawn.log_array[codes == 0]).mean()
    assert np.abs(drawn.log_array[codes == 3]).mean() > 1.5 * calm


def test_random_script_draws_a_timeline_a_path_from_the_process_of_the_training_labels(baseline):
    drawn = baseline.sample("crisis:5,markov:60", 40, 0)
    assert drawn.codes.shape == (40, 65)
    assert (drawn.codes[:, :5] == 3).all()
    assert len(np.unique(drawn.codes[:, 5:], axis=0)) > 20
    np.testing.assert_array_equal(drawn.log_array, baseline.sample("crisis:5,markov:60", 40, 0).log_array)


def test_dates_are_replayed_from_a_history(baseline):
    history = History(REGIMES, RETURNS.index, LABELS.codes.astype(np.int8))
    drawn = baseline.sample(
        f"{RETURNS.index[100]:%Y-%m-%d}..{RETURNS.index[140]:%Y-%m-%d}", 5, 0, history=history
    )
    np.testing.assert_array_equal(drawn.codes, LABELS.codes[100:141])


@pytest.mark.parametrize(
    ("script", "n_paths", "match"),
    [
        (TIMELINE, 0, "n_paths=0"),
        (TIMELINE, 2.5, "n_paths=2.5"),
        (np.array([0, 4]), 3, "regime code 4"),
        (np.zeros((2, 5), dtype=int), 3, r"n_paths=3"),
        (np.array([0.5]), 3, "integer regime codes"),
        (RegimeTimeline.from_codes([0], ("calm", "wild"), ()), 3, "calm, wild"),
        ("bull:10,boom:5", 3, "boom"),
    ],
)
def test_bad_requests_are_named(baseline, script, n_paths, match):
    with pytest.raises(InputError, match=match):
        baseline.sample(script, n_paths, 0)


def test_regime_never_seen_is_refused_by_name():
    calm = RETURNS.index[LABELS.codes < 3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = BlockBootstrap().fit(RETURNS.loc[calm], LABELS)
    with pytest.raises(InputError, match="'crisis', which never occurs"):
        fitted.sample(TIMELINE, 3, 0)


def test_fit_refuses_missing_values_and_days_without_label():
    holed = RETURNS.copy()
    holed.iloc[5, 1] = np.nan
    with pytest.raises(InputError, match="'Sector2' has missing values"):
        BlockBootstrap().fit(holed, LABELS)
    later = RETURNS.set_axis(RETURNS.index + pd.Timedelta(days=9000), axis=0)
    with pytest.raises(InputError, match="no entry for"):
        BlockBootstrap().fit(later, LABELS)


def test_labels_may_cover_more_days_and_are_matched_by_date():
    part = RETURNS.iloc[300:900]
    fitted = BlockBootstrap().fit(part, LABELS)
    np.testing.assert_array_equal(fitted.codes_, LABELS.codes[300:900])


def test_rare_regime_is_said():
    codes = np.zeros(len(RETURNS), dtype=np.int8)
    codes[:20] = 1
    labels = RegimeLabels.from_codes(codes, ("bull", "crisis"), RETURNS.index)
    with pytest.warns(RareRegimeWarning, match="'crisis' has only 20 training days"):
        BlockBootstrap().fit(RETURNS, labels)


@pytest.mark.parametrize("block", [0, 0.5, float("nan")])
def test_impossible_block_is_refused(block):
    with pytest.raises(InputError, match="mean_block"):
        BlockBootstrap(mean_block=block).fit(RETURNS, LABELS)


def test_names():
    assert baseline_names("standard") == STANDARD
    assert baseline_names("none") == ()
    assert set(baseline_names("all")) == set(BASELINES)
    assert baseline_names("fhs, regime_t,fhs") == ("fhs", "regime_t")
    assert baseline_names(["block_bootstrap"]) == ("block_bootstrap",)
    with pytest.raises(InputError, match="'timegan'"):
        baseline_names("fhs,timegan")
    with pytest.raises(InputError, match="'timegan'"):
        make_baseline("timegan")
    for name, build in BASELINES.items():
        assert build().name == name
