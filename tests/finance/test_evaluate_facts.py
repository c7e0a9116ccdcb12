# SPDX-License-Identifier: Apache-2.0
"""Facts against scipy, statsmodels, closed forms and processes whose values are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.tsa.stattools import acf

from spade_finance.evaluate import facts

RNG = np.random.default_rng(0)
X = RNG.standard_t(5, (3, 700, 4)) * 0.01 + 0.0003


def test_moments_are_scipys():
    np.testing.assert_allclose(facts.annual_return(X), X.mean(1) * 252)
    np.testing.assert_allclose(facts.volatility(X), X.std(1) * np.sqrt(252))
    np.testing.assert_allclose(facts.skewness(X), stats.skew(X, axis=1))
    np.testing.assert_allclose(facts.excess_kurtosis(X), stats.kurtosis(X, axis=1))


def test_mask_common_or_by_path_is_the_statistic_of_the_kept_days():
    common = RNG.random(700) < 0.4
    by_path = RNG.random((3, 700)) < 0.4
    for function in (facts.volatility, facts.skewness, facts.excess_kurtosis, facts.hill, facts.worst_day):
        np.testing.assert_allclose(function(X, mask=common), function(X[:, common]))
        expected = np.concatenate([function(X[p : p + 1, by_path[p]]) for p in range(3)])
        np.testing.assert_allclose(function(X, mask=by_path), expected)
    for which in (0, 1):
        got = facts.var_es(X, 0.95, by_path)[which]
        expected = np.concatenate([facts.var_es(X[p : p + 1, by_path[p]], 0.95)[which] for p in range(3)])
        np.testing.assert_allclose(got, expected)
    got = facts.mean_correlation(X, by_path)
    expected = [facts.mean_correlation(X[p : p + 1, by_path[p]])[0] for p in range(3)]
    np.testing.assert_allclose(got, expected)


def test_no_day_gives_nan_and_no_warning():
    none = np.zeros(700, dtype=bool)
    assert np.isnan(facts.volatility(X, none)).all()
    assert np.isnan(facts.var_es(X, 0.95, none)[1]).all()
    assert np.isnan(facts.hill(X, mask=none)).all()


def test_correlation_is_numpys():
    for p in range(3):
        np.testing.assert_allclose(facts.correlation(X)[p], np.corrcoef(X[p].T))
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(facts.mean_correlation(X), [np.corrcoef(x.T)[off].mean() for x in X])
    assert facts.mean_correlation(X[..., :1]) == pytest.approx(1.0)


@pytest.mark.parametrize("alpha", [2.5, 4.0])
def test_hill_finds_a_pareto_tail(alpha):
    x = stats.pareto(alpha).rvs((20, 5000, 1), random_state=1)
    for tail, sample in (("right", x), ("left", -x)):
        index = facts.hill(sample, tail, 0.05)
        # Hill's standard error is alpha / sqrt(k).
        assert index.mean() == pytest.approx(alpha, abs=4 * alpha / np.sqrt(250 * 20))


def test_hill_is_the_formula():
    x = X[:1, :, :1]
    losses = np.sort(-x[0, :, 0])[::-1]
    k = 35
    assert facts.hill(x, "left", 0.05)[0, 0] == pytest.approx(1 / np.log(losses[:k] / losses[k]).mean())


def test_autocorrelation_is_statsmodels_adjusted_one():
    lags = [1, 2, 5, 20]
    got = facts.autocorrelation(X, lags)
    for p in range(3):
        for a in range(4):
            reference = acf(X[p, :, a], nlags=20, adjusted=True, fft=False)
            np.testing.assert_allclose(got[p, :, a], reference[lags])


def test_autocorrelation_of_an_ar1_is_its_power():
    x = np.empty((40, 4000, 1))
    e = RNG.standard_normal(x.shape)
    x[:, 0] = e[:, 0]
    for t in range(1, 4000):
        x[:, t] = 0.4 * x[:, t - 1] + e[:, t]
    got = facts.autocorrelation(x, [1, 2, 3]).mean(0)[:, 0]
    np.testing.assert_allclose(got, [0.4, 0.16, 0.064], atol=0.01)


def test_squares_of_a_garch_have_its_known_autocorrelation():
    # Bollerslev (1986): rho_1 = alpha (1 - alpha beta - beta^2) / (1 - 2 alpha beta - beta^2),
    # then decays by alpha + beta.
    alpha, beta = 0.1, 0.8
    e = RNG.standard_normal((60, 6000, 1))
    variance = np.ones((60, 1))
    x = np.empty_like(e)
    for t in range(6000):
        x[:, t] = np.sqrt(variance) * e[:, t]
        variance = 1 - alpha - beta + alpha * x[:, t] ** 2 + beta * variance
    rho = alpha * (1 - alpha * beta - beta**2) / (1 - 2 * alpha * beta - beta**2)
    got = facts.autocorrelation(x**2, [1, 2, 3]).mean(0)[:, 0]
    np.testing.assert_allclose(got, rho * np.array([1, 0.9, 0.81]), atol=0.012)
    assert abs(facts.leverage(x, [1]).mean()) < 0.01


def test_leverage_of_a_process_with_a_known_one():
    # r = sigma * sign with sigma 2 after a loss and 1 after a gain: corr(r_t, r^2_{t+1}) in closed form.
    signs = RNG.choice([-1.0, 1.0], (50, 4000, 1))
    sigma = np.ones_like(signs)
    sigma[:, 1:] = np.where(signs[:, :-1] < 0, 2.0, 1.0)
    r = sigma * signs
    # r has variance 2.5, r^2 is 4 or 1 with variance 2.25: covariance (-1.5 * 4 + 1.5 * 1) / 2 = -2.25.
    assert facts.leverage(r, [1]).mean() == pytest.approx(-2.25 / np.sqrt(2.5 * 2.25), abs=0.01)
    assert facts.leverage(r, [3]).mean() == pytest.approx(0.0, abs=0.01)


def brute_autocorrelation(x, lag, groups, mask):
    kept = x[mask]
    mean, variance = kept.mean(), kept.var()
    products = [
        (x[t] - mean) * (x[t + lag] - mean)
        for t in range(len(x) - lag)
        if groups[t] == groups[t + lag] and mask[t] and mask[t + lag]
    ]
    return np.mean(products) / variance if products else np.nan


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.booleans())
def test_only_pairs_inside_one_stretch_count(seed, lag, common):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 60, 1))
    keep = rng.random((2, 60)) < 0.7
    groups = np.cumsum(rng.random((2, 60)) < 0.15, axis=1)
    if common:
        keep, groups = keep[0], groups[0]
    got = facts.autocorrelation(x, [lag], groups, keep)[:, 0, 0]
    wide_keep, wide_groups = np.broadcast_to(keep, (2, 60)), np.broadcast_to(groups, (2, 60))
    expected = [brute_autocorrelation(x[p, :, 0], lag, wide_groups[p], wide_keep[p]) for p in range(2)]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_spell_autocorrelation_does_not_see_the_difference_between_regimes():
    codes = np.repeat(np.tile([0, 1], 50), 40)
    x = np.abs(RNG.standard_normal((1, 4000, 1))) * np.where(codes, 5.0, 1.0)[None, :, None]
    across = facts.autocorrelation(x, [1])[0, 0, 0]
    inside = facts.autocorrelation(x, [1], facts.stretches(codes), codes == 1)[0, 0, 0]
    assert across > 0.3
    assert abs(inside) < 0.06


def test_sums_over_days_stay_inside_their_stretch():
    x = np.arange(1.0, 11.0).reshape(1, 10, 1)
    sums, valid = facts.aggregate(x, 3, np.repeat([0, 1], 5))
    np.testing.assert_array_equal(sums[0, :, 0], [6, 9, 12, 15, 18, 21, 24, 27])
    np.testing.assert_array_equal(valid[0], [True, True, True, False, False, True, True, True])


def test_kurtosis_of_sums_of_independent_days_falls_with_the_horizon():
    x = RNG.standard_t(8, (400, 2000, 1))  # excess kurtosis 6 / (8 - 4) = 1.5; of a sum of h days 1.5 / h
    sums, valid = facts.aggregate(x, 5)
    assert facts.excess_kurtosis(x).mean() == pytest.approx(1.5, abs=0.15)
    assert facts.excess_kurtosis(sums, valid).mean() == pytest.approx(0.3, abs=0.06)


def test_var_and_es_of_a_gaussian():
    x = RNG.standard_normal((20, 40_000, 1)) * 0.01
    z = stats.norm.ppf(0.975)
    var, es = facts.var_es(x, 0.975)
    assert var.mean() == pytest.approx(0.01 * z, rel=0.01)
    assert es.mean() == pytest.approx(0.01 * stats.norm.pdf(z) / 0.025, rel=0.01)


def test_var_and_es_by_hand():
    losses = np.arange(1.0, 31.0)  # 30 losses, 5 % is 1.5 of them
    var, es = facts.var_es(-losses.reshape(1, 30, 1) / 100, 0.95)
    assert var[0, 0] == pytest.approx(0.29)
    assert es[0, 0] == pytest.approx((0.30 + 0.5 * 0.29) / 1.5)


def test_es_is_the_minimum_of_rockafellar_and_uryasev():
    losses = -X[0, :, 0]
    for level in (0.9, 0.95, 0.99):
        values = losses + np.maximum(losses[None, :] - losses[:, None], 0).mean(1) / (1 - level)
        assert facts.var_es(X, level)[1][0, 0] == pytest.approx(values.min())


def test_expected_worst_of_m_days_by_simulation_and_its_limits():
    exact = facts.expected_worst(X[:1, :, :1], 60)[0, 0]
    drawn = RNG.choice(X[0, :, 0], (60_000, 60)).min(1)
    assert exact == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(60_000))
    np.testing.assert_allclose(facts.expected_worst(X, 1), X.mean(1), atol=1e-12)
    np.testing.assert_allclose(facts.worst_day(X), X.min(1))


def test_tail_dependence_between_none_and_full():
    z = RNG.standard_normal((10, 8000, 1))
    same = np.concatenate([z, z], axis=2)
    apart = RNG.standard_normal((10, 8000, 2))
    assert facts.tail_dependence(same).mean() == pytest.approx(1.0)
    assert facts.tail_dependence(apart).mean() == pytest.approx(0.05, abs=0.01)


def test_scaling_returns_changes_levels_and_no_shape():
    for function in (facts.skewness, facts.excess_kurtosis, facts.hill, facts.mean_correlation):
        np.testing.assert_allclose(function(3 * X), function(X))
    np.testing.assert_allclose(facts.volatility(3 * X), 3 * facts.volatility(X))
    np.testing.assert_allclose(facts.var_es(3 * X, 0.95)[1], 3 * facts.var_es(X, 0.95)[1])
