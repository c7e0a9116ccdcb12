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
from spade_finance.scenarios import ScenarioSet
from tests.finance.evaluation_doubles import REGIMES, make_labels, make_returns

RETURNS = make_returns(1300)
LABELS = make_labels(RETURNS)
CLASSICAL = (*STANDARD, "fhs_plain", "fhs_regime_slow", "regime_t_ewma_slow")
ONE_A_CLASS = (
    "iid_bootstrap",
    "block_bootstrap_slow",
    "loglinear",
    "fhs_regime",
    "dcc_t",
    "regime_t",
    "regime_t_ewma",
)
TIMELINE = np.repeat([0, 3, 1, 2], [40, 30, 20, 10])
_FITTED = {}


def fitted(name):
    if name not in _FITTED:
        _FITTED[name] = make_baseline(name).fit(RETURNS, LABELS)
    return _FITTED[name]


@pytest.fixture(params=CLASSICAL)
def baseline(request):
    return fitted(request.param)


@pytest.fixture(params=("iid_bootstrap", "block_bootstrap_slow", "regime_t_ewma"))
def some_baseline(request):
    """For what the common class does for all."""
    return fitted(request.param)


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
    codes = np.repeat([0, 1, 2, 3], 100)
    drawn = baseline.sample(codes, 500, 1).log_array  # a persistent variance needs many paths
    for k in range(4):
        real = np.log1p(RETURNS.to_numpy()[LABELS.codes == k])
        mine = drawn[:, codes == k].reshape(-1, 3)
        np.testing.assert_allclose(mine.std(0), real.std(0), rtol=0.15)
        assert np.corrcoef(mine.T)[0, 1] == pytest.approx(np.corrcoef(real.T)[0, 1], abs=0.12)


def test_what_is_ignored_changes_nothing_and_is_said(baseline):
    plain = baseline.sample("bull:20,crisis:10", 4, 0)
    assert "ignored" not in plain.provenance
    severe = baseline.sample("bull:20,crisis*1.5:10", 4, 0, extrapolate=True)
    soft = baseline.sample("bull:20,crisis~bear:10", 4, 0)
    own = baseline.sample("bull:20,crisis:10;Sector2[3]=bear:5", 4, 0)
    if baseline.honours_severity:
        assert np.abs(severe.log_array[:, 20:]).mean() > np.abs(plain.log_array[:, 20:]).mean()
        assert "ignored" not in severe.provenance
    else:
        np.testing.assert_array_equal(plain.log_array, severe.log_array)
        assert severe.provenance["ignored"] == "severity"
    assert soft.provenance["ignored"] == "blends"
    np.testing.assert_array_equal(plain.log_array, own.log_array)
    assert own.provenance["ignored"] == "sector timelines"


def test_ten_years_stay_finite_and_at_their_level(baseline):
    x = baseline.sample(np.tile(np.repeat([0, 3, 1, 2], [300, 60, 180, 90]), 4), 15, 2).log_array
    assert x.shape[1] == 2520
    assert np.isfinite(x).all()
    assert np.abs(x).max() < 1.0
    assert x[:, 1260:].std() == pytest.approx(x[:, :1260].std(), rel=0.3)


def test_where_the_volatility_starts(baseline):
    codes = np.zeros(5, dtype=int)
    rest = baseline.sample(codes, 1500, 1).log_array.std()
    last = baseline.sample(codes, 1500, 1, start_vol="last").log_array.std()
    high = baseline.sample(codes, 1500, 1, start_vol=2.0).log_array.std()
    has_state = baseline.name not in {"iid_bootstrap", "block_bootstrap", "block_bootstrap_10",
                                      "block_bootstrap_auto", "regime_t", "loglinear"}  # fmt: skip
    assert (high > 1.25 * rest) if has_state else (high == rest == last)
    with pytest.raises(InputError, match="start_vol='high'"):
        baseline.sample(codes, 3, 1, start_vol="high")


def test_provenance_says_what_made_the_paths_and_travels_through_a_file(baseline, tmp_path):
    drawn = baseline.sample("bull:5,crisis:5", 3, 11, start="2024-01-02")
    made = drawn.provenance
    assert (made["model"], made["seed"], made["script"]) == (baseline.name, 11, "bull:5,crisis:5")
    assert made["data_hash"] == baseline.data_hash_
    assert made["training_window"] == ["2000-01-03", f"{RETURNS.index[-1]:%Y-%m-%d}"]
    assert f"{drawn.dates[0]:%Y-%m-%d}" == "2024-01-02"
    drawn.save(tmp_path / "x.parquet")
    assert ScenarioSet.load(tmp_path / "x.parquet").provenance == made


def test_batches_number_on_and_do_not_depend_on_how_many_follow(some_baseline, monkeypatch):
    monkeypatch.setattr("spade_finance.baselines.base.BATCH_PATHS", 25)
    few = list(some_baseline.sample_batches("bull:6,markov:6", 30, 3))
    more = list(some_baseline.sample_batches("bull:6,markov:6", 55, 3))
    assert [b.n_paths for b in few] == [25, 5]
    assert [b.n_paths for b in more] == [25, 25, 5]
    assert few[1].paths[0] == 25
    np.testing.assert_array_equal(few[0].log_array, more[0].log_array)
    np.testing.assert_array_equal(few[1].log_array, more[1].log_array[:5])
    np.testing.assert_array_equal(few[1].codes, more[1].codes[:5])
    assert not np.array_equal(more[0].log_array, more[1].log_array)


def test_clone_keeps_parameters_and_is_unfitted(baseline):
    copy = clone(baseline)
    assert type(copy) is type(baseline)
    assert str(copy.get_params(deep=False)) == str(baseline.get_params(deep=False))
    with pytest.raises(InputError, match="not fitted"):
        copy.sample(TIMELINE, 5, 0)


def test_market_states_drawn_by_path_keep_each_paths_own_codes(baseline):
    rng = np.random.default_rng(0)
    codes = np.repeat(rng.integers(0, 4, (20, 5)), 20, axis=1)
    drawn = baseline.sample(codes, 20, 0)
    np.testing.assert_array_equal(drawn.codes, codes)
    calm = np.abs(drawn.log_array[codes == 0]).mean()
    assert np.abs(drawn.log_array[codes == 3]).mean() > 1.5 * calm
    np.testing.assert_array_equal(drawn.log_array, baseline.sample(codes, 20, 0).log_array)


def test_random_script_draws_a_timeline_a_path_from_the_process_of_the_training_labels(
    some_baseline,
):
    baseline = some_baseline
    drawn = baseline.sample("crisis:5,markov:60", 40, 0)
    assert drawn.codes.shape == (40, 65)
    assert (drawn.codes[:, :5] == 3).all()
    assert len(np.unique(drawn.codes[:, 5:], axis=0)) > 20
    np.testing.assert_array_equal(drawn.log_array, baseline.sample("crisis:5,markov:60", 40, 0).log_array)


def test_dates_are_replayed_from_a_history_by_default_the_training_days(some_baseline):
    baseline = some_baseline
    other = History(REGIMES, RETURNS.index, (3 - LABELS.codes).astype(np.int8))
    days = f"{RETURNS.index[100]:%Y-%m-%d}..{RETURNS.index[140]:%Y-%m-%d}"
    np.testing.assert_array_equal(baseline.sample(days, 5, 0).codes, LABELS.codes[100:141])
    drawn = baseline.sample(days, 5, 0, history=other)
    np.testing.assert_array_equal(drawn.codes, 3 - LABELS.codes[100:141])


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
def test_bad_requests_are_named(some_baseline, script, n_paths, match):
    with pytest.raises(InputError, match=match):
        some_baseline.sample(script, n_paths, 0)


@pytest.mark.parametrize("name", ONE_A_CLASS)
def test_regime_never_seen_is_refused_by_name_and_the_others_are_drawn(name):
    calm = RETURNS.index[(LABELS.codes == 0) | (LABELS.codes == 2)][:400]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RareRegimeWarning)
        known = make_baseline(name).fit(RETURNS.loc[calm], LABELS)
    with pytest.raises(InputError, match="'crisis', which never occurs"):
        known.sample(np.array([0, 3]), 3, 0)
    assert np.isfinite(known.sample(np.repeat([0, 2, 0], 10), 3, 0).log_array).all()


@pytest.mark.filterwarnings("ignore::spade_finance.exceptions.RareRegimeWarning")
@pytest.mark.parametrize("name", ONE_A_CLASS)
def test_one_sector_will_do(name):
    one = make_baseline(name).fit(RETURNS[["Sector1"]].iloc[:900], LABELS)
    x = one.sample(np.repeat([0, 3], 200), 100, 0).log_array
    assert x.shape == (100, 400, 1)
    assert x[:, 200:].std() > 1.5 * x[:, :200].std()


def test_fit_refuses_missing_values_and_days_without_label():
    holed = RETURNS.copy()
    holed.iloc[5, 1] = np.nan
    with pytest.raises(InputError, match="'Sector2' has missing values"):
        BlockBootstrap().fit(holed, LABELS)
    later = RETURNS.set_axis(RETURNS.index + pd.Timedelta(days=9000), axis=0)
    with pytest.raises(InputError, match="no entry for"):
        BlockBootstrap().fit(later, LABELS)


@pytest.mark.filterwarnings("ignore::spade_finance.exceptions.RareRegimeWarning")
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
    assert set(CLASSICAL) | {"vine"} < set(BASELINES)
    assert baseline_names("all") == tuple(BASELINES)
    assert baseline_names("fhs, regime_t,fhs") == ("fhs", "regime_t")
    assert baseline_names(["block_bootstrap"]) == ("block_bootstrap",)
    with pytest.raises(InputError, match="'timegan'"):
        baseline_names("fhs,timegan")
    with pytest.raises(InputError, match="'timegan'"):
        make_baseline("timegan")
    for name in (*CLASSICAL, "vine"):
        assert BASELINES[name]().name == name
