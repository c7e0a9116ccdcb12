# SPDX-License-Identifier: Apache-2.0
"""What is particular to each labeller: numbers against brute force, other libraries, and market history."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import spade_finance as sf
from spade_finance.exceptions import ConvergenceWarning, InputError
from spade_finance.regimes import make_labeller
from spade_finance.regimes.features import FeatureMaker, drawdown, market_log_returns, weighted_mean
from spade_finance.regimes.gaussian_chain import GaussianChain, forward_filter
from spade_finance.regimes.markov import _chain, _results, _vector
from tests.finance.regimes_doubles import business_days, switching_returns

CHAIN = GaussianChain(
    initial=np.array([0.2, 0.5, 0.3]),
    transition=np.array([[0.9, 0.07, 0.03], [0.1, 0.8, 0.1], [0.05, 0.25, 0.7]]),
    mean=np.array([0.1, 0.0, -0.3]),
    variance=np.array([0.3, 1.0, 6.0]),
)


# The jump model on market history


@pytest.fixture(scope="module")
def embedded() -> tuple[sf.JumpRegimes, pd.DataFrame]:
    returns = sf.load_sectors()
    return sf.JumpRegimes().fit(returns.loc[:"2012"]), returns


def test_jump_regimes_of_the_embedded_sectors(embedded) -> None:
    labeller, _ = embedded
    table = labeller.summary_
    assert list(table.index) == ["bull", "sideways", "bear", "crisis"]
    assert table["volatility"].is_monotonic_increasing
    assert 0.08 < table.loc["bull", "volatility"] < 0.14
    assert 0.35 < table.loc["crisis", "volatility"] < 0.55
    assert table.loc["crisis", "mean_return"] < 0 < table.loc["bull", "mean_return"]
    assert 30 <= table["spells"].sum() <= 90
    assert 0.05 < table.loc["crisis", "share"] < 0.15


@pytest.mark.parametrize(
    "day", ["1998-08-31", "2002-07-23", "2008-10-15", "2009-03-02", "2011-08-08", "2020-03-16"]
)
def test_jump_finds_the_crises_one_would_name(embedded, day: str) -> None:
    labeller, returns = embedded
    assert labeller.smooth(returns).labels[day] == "crisis"


@pytest.mark.parametrize("day", ["1995-06-15", "2006-01-17", "2017-10-02"])
def test_jump_finds_calm_years_calm(embedded, day: str) -> None:
    labeller, returns = embedded
    assert labeller.smooth(returns).labels[day] == "bull"


def test_jump_causal_labels_follow_within_weeks(embedded) -> None:
    labeller, returns = embedded
    causal = labeller.filter(returns)
    assert causal.labels["2020-03-16"] == "crisis"
    assert causal.labels["2008-10-15"] == "crisis"
    assert np.mean(causal.codes == labeller.smooth(returns).codes) > 0.68


def test_jump_causal_probabilities_are_calibrated_in_training_and_useful_after(embedded) -> None:
    """As sure as right in training; after it a better Brier score than certainty about the causal label."""
    labeller, returns = embedded
    truth = labeller.smooth(returns).codes
    causal = labeller.filter(returns)
    p = causal.probabilities.to_numpy()
    inside = np.asarray(causal.dates <= labeller.training_window_[1])
    assert abs(p.max(axis=1)[inside].mean() - np.mean(causal.codes[inside] == truth[inside])) < 0.06
    hit, one_hot = np.eye(4)[truth], np.eye(4)[causal.codes]
    brier = ((p - hit) ** 2).sum(axis=1)[~inside].mean()
    assert brier < 0.85 * ((one_hot - hit) ** 2).sum(axis=1)[~inside].mean()


def test_jump_penalty_path_has_fewer_changes_for_higher_penalties() -> None:
    returns, _ = switching_returns(1200)
    table = sf.JumpRegimes(n_regimes=2).penalty_path(returns, (1, 5, 50))
    assert list(table.index) == [1.0, 5.0, 50.0]
    assert table["changes"].is_monotonic_decreasing
    assert table["changes"].iloc[0] > table["changes"].iloc[-1]


@pytest.mark.slow
def test_jump_regimes_of_ten_industries(shared) -> None:
    returns = pd.read_csv(shared / "data" / "kf10_daily.csv.gz", index_col="date", parse_dates=True)
    labeller = sf.JumpRegimes().fit(returns.loc[:"1998"])
    labels = labeller.smooth(returns).labels
    for day in (
        "1929-10-28",
        "1931-10-05",
        "1937-10-19",
        "1974-09-12",
        "1987-10-19",
        "2008-10-15",
        "2020-03-16",
    ):
        assert labels[day] == "crisis", day
    assert labeller.summary_["volatility"].is_monotonic_increasing
    crash = labels["1987":"1988"] == "crisis"
    assert 20 < crash.sum() < 200  # short


# Features


def test_weighted_means_are_the_definition() -> None:
    values = np.random.default_rng(0).standard_normal(40)
    half_life, prior, days = 3.0, 0.7, 2.0
    at = np.arange(40)
    for side in ("past", "both"):
        expected = np.empty(40)
        for t in at:
            weight = 0.5 ** (np.abs(t - at) / half_life)
            if side == "past":
                weight[at > t] = 0
            expected[t] = (weight @ values + prior * days) / (weight.sum() + days)
        np.testing.assert_allclose(weighted_mean(values, half_life, side, prior, days), expected, rtol=1e-10)


def test_drawdown_is_measured_from_the_years_high() -> None:
    returns = np.concatenate([np.full(10, 0.01), np.full(5, -0.02), np.zeros(300)])
    depth = drawdown(returns)
    assert depth[9] == pytest.approx(0)
    np.testing.assert_allclose(depth[14:260], 0.10)
    assert depth[-1] == pytest.approx(0)  # the high is more than a year old


def test_features_are_standardised_on_training_data_and_clipped() -> None:
    market = market_log_returns(switching_returns()[0])
    maker = FeatureMaker.fit(market, (1.0, 4.0, 1.0, 0.0))
    seen = maker.transform(market, "both")
    assert np.abs(seen[:, 0]).max() <= 2
    assert np.abs(seen[:, 1]).max() <= 4  # twice the scale for four times the weight
    assert not seen[:, 3].any()
    assert FeatureMaker.from_config(maker.to_config()) == maker


def test_the_market_is_the_equal_weight_mean_of_simple_returns() -> None:
    table = pd.DataFrame({"A": [0.10, -0.02], "B": [-0.04, 0.0]}, index=business_days(2))
    np.testing.assert_allclose(market_log_returns(table), np.log([1.03, 0.99]))


# Gaussian chains


def test_forward_filter_against_all_paths() -> None:
    x = np.array([0.2, -0.4, 3.0, -5.0, 0.1, 0.0, 0.3])
    density = stats.norm.pdf(x[:, None], CHAIN.mean, np.sqrt(CHAIN.variance))
    for t in range(len(x)):
        total = np.zeros(3)
        for path in itertools.product(range(3), repeat=t + 1):
            p = CHAIN.initial[path[0]] * density[0, path[0]]
            for s in range(1, t + 1):
                p *= CHAIN.transition[path[s - 1], path[s]] * density[s, path[s]]
            total[path[-1]] += p
        np.testing.assert_allclose(forward_filter(CHAIN, x)[t], total / total.sum(), rtol=1e-10)


def test_forward_filter_against_statsmodels() -> None:
    """The same filter by another library, started from the stationary law."""
    x = np.random.default_rng(2).normal(0, 1.5, 200)
    law = np.linalg.matrix_power(CHAIN.transition, 1000)[0]
    # statsmodels' first day is a step after the stationary law, which is the law itself
    own = forward_filter(GaussianChain(law, CHAIN.transition, CHAIN.mean, CHAIN.variance), x)
    np.testing.assert_allclose(_results(x, CHAIN, smoothed=False), own, atol=1e-6)


def test_forward_filter_survives_an_impossible_day() -> None:
    p = forward_filter(CHAIN, np.array([0.1, 2000.0, 0.1]))
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert p[1].argmax() == 2


def test_statsmodels_parameters_round_trip() -> None:
    again = _chain(_vector(CHAIN), 3)
    np.testing.assert_allclose(again.transition, CHAIN.transition)
    np.testing.assert_allclose(again.mean, CHAIN.mean)
    np.testing.assert_allclose(again.variance, CHAIN.variance)


def test_hmm_estimates_the_parameters() -> None:
    returns, codes = switching_returns(6000, n_sectors=1, seed=11)
    labeller = make_labeller("hmm", n_regimes=3).fit(returns)
    market = 100 * market_log_returns(returns)
    true = [market[codes == k].std() for k in range(3)]
    np.testing.assert_allclose(np.sqrt(labeller.chain_.variance), true, rtol=0.08)


def test_hmm_that_is_cut_short_says_so() -> None:
    returns, _ = switching_returns(600)
    with pytest.warns(ConvergenceWarning, match="still rising after max_iter=2"):
        labeller = make_labeller("hmm", n_regimes=2, max_iter=2).fit(returns)
    assert labeller.convergence_["status"] == "not converged"
    assert labeller.convergence_["fallback"] == "last EM iteration"


def test_markov_agrees_with_the_hmm_where_both_converge() -> None:
    returns, _ = switching_returns(1500, n_sectors=1)
    markov = make_labeller("markov", n_regimes=2).fit(returns)
    hmm = make_labeller("hmm", n_regimes=2, tolerance=1e-4).fit(returns)
    assert markov.convergence_["status"] == "converged"
    np.testing.assert_allclose(markov.chain_.variance, hmm.chain_.variance, rtol=0.02)
    np.testing.assert_allclose(markov.chain_.transition, hmm.chain_.transition, atol=0.005)


def test_markov_stops_at_its_time_limit_with_the_best_it_saw() -> None:
    returns, truth = switching_returns(1500)
    with pytest.warns(ConvergenceWarning, match=r"time_limit=0\.4 s reached .* raise time_limit or lower"):
        labeller = make_labeller("markov", n_regimes=3, time_limit=0.4).fit(returns)
    report = labeller.convergence_
    assert report["status"] == "time limit"
    assert report["fallback"] is not None
    assert report["seconds"] < 20
    assert np.mean(labeller.smooth(returns).codes == truth) > 0.8


# Rules


def test_rules_keep_a_deep_drawdown_at_least_bear_until_half_of_it_is_made_good() -> None:
    """A quiet slide of 20 %, then a quiet recovery: volatility alone would call all of it calm."""
    quiet, rng = np.zeros(900), np.random.default_rng(1)
    quiet[300:400], quiet[500:560] = -0.002, 0.002
    known = switching_returns()[0]
    market = np.expm1(quiet + 0.002 * rng.standard_normal(900))
    returns = pd.DataFrame(dict.fromkeys(known.columns, market), index=business_days(900))
    labeller = make_labeller("rules", n_regimes=3).fit(known)
    labels = labeller.filter(returns).labels
    depth = drawdown(market_log_returns(returns))
    begun = int(np.argmax(depth > 0.15))
    over = begun + int(np.argmax(depth[begun:] <= 0.075))
    assert (labels.iloc[60:begun] == "bull").all()
    assert (labels.iloc[begun:over] == "bear").all()
    assert (labels.iloc[over:] == "bull").all()


def test_rules_come_down_later_than_they_go_up() -> None:
    returns, _ = switching_returns(1500, n_sectors=1)
    slow = make_labeller("rules", n_regimes=2, release=0.5).fit(returns).filter(returns)
    fast = make_labeller("rules", n_regimes=2, release=0.99).fit(returns).filter(returns)
    assert (slow.codes >= fast.codes).all()
    assert slow.codes.sum() > fast.codes.sum()


def test_too_many_regimes_are_refused_with_what_was_found() -> None:
    rng = np.random.default_rng(0)
    level = np.where(np.arange(400) < 200, 0.002, 0.03)
    returns = pd.DataFrame({"A": np.expm1(level * rng.standard_normal(400))}, index=business_days(400))
    with pytest.raises(InputError, match=r"n_regimes=12: only \d+ are found in these 400 days"):
        make_labeller("gmm", n_regimes=12, min_days=60).fit(returns)
