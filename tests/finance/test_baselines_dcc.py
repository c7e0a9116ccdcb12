# SPDX-License-Identifier: Apache-2.0
"""GJR margins and the DCC t-copula against loops, scipy and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import kstest, multivariate_t
from scipy.stats import t as student_t

from spade_finance.baselines import DccStudentT, FilteredHistorical
from spade_finance.baselines.dcc import unit_t_cdf
from spade_finance.baselines.dcc_likelihood import (
    Dcc,
    dynamic_correlation,
    fit_dcc,
    log_likelihood,
    simulate_scores,
)
from spade_finance.baselines.garch import MAX_SQUARE, filter_variance, simulate, stationary
from tests.finance.evaluation_doubles import make_labels, make_returns

TARGET = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.4], [0.2, 0.4, 1.0]])


def test_correlations_follow_the_recursion_written_out():
    rng = np.random.default_rng(0)
    y, codes = rng.standard_normal((50, 3)), rng.integers(0, 2, 50)
    targets = np.stack([TARGET, 0.5 * TARGET + 0.5 * np.eye(3)])
    r, after = dynamic_correlation(y, codes, targets, 0.06, 0.9)
    g = np.eye(3)
    for t in range(50):
        root = np.real(sqrtm(targets[codes[t]]))
        q = root @ g @ root
        d = np.sqrt(np.diag(q))
        np.testing.assert_allclose(r[t], q / np.outer(d, d), rtol=1e-9)
        w = np.linalg.solve(root, y[t])
        g = 0.04 * np.eye(3) + 0.06 * np.outer(w, w) + 0.9 * g
    np.testing.assert_allclose(after, g, rtol=1e-9)


def test_with_one_regime_it_is_engles_dcc():
    y = np.random.default_rng(0).standard_normal((60, 3))
    r, _ = dynamic_correlation(y, np.zeros(60, dtype=int), TARGET[None], 0.05, 0.93)
    q = TARGET
    for t in range(60):
        d = np.sqrt(np.diag(q))
        np.testing.assert_allclose(r[t], q / np.outer(d, d), rtol=1e-9)
        q = 0.02 * TARGET + 0.05 * np.outer(y[t], y[t]) + 0.93 * q


def test_copula_likelihood_is_the_joint_density_over_the_margins():
    x = multivariate_t(np.zeros(3), TARGET, df=6.0, seed=1).rvs(200)
    joint = multivariate_t(np.zeros(3), TARGET, df=6.0).logpdf(x).sum()
    margins = student_t(6.0).logpdf(x).sum()
    mine = log_likelihood(x, np.repeat(TARGET[None], 200, axis=0), 6.0)
    assert mine == pytest.approx(joint - margins, rel=1e-10)


def test_fit_recovers_a_simulated_dcc():
    truth = Dcc(0.05, 0.92, 7.0, np.stack([TARGET, 0.3 * TARGET + 0.7 * np.eye(3)]), np.eye(3), 0.0)
    codes = np.tile(np.repeat([0, 1], 200), 10)
    y = simulate_scores(truth, codes, 1, np.random.default_rng(4))[0].astype(np.float64)
    found = fit_dcc(unit_t_cdf(y, np.full(3, 7.0)), codes, 2)
    assert found.a == pytest.approx(0.05, abs=0.015)
    assert found.b == pytest.approx(0.92, abs=0.04)
    assert found.nu == pytest.approx(7.0, rel=0.3)
    np.testing.assert_allclose(found.targets, truth.targets, atol=0.12)
    r, _ = dynamic_correlation(y, codes, found.targets, found.a, found.b)
    exact, _ = dynamic_correlation(y, codes, truth.targets, truth.a, truth.b)
    assert np.corrcoef(r[:, 0, 1], exact[:, 0, 1])[0, 1] > 0.95


def test_scores_have_the_targets_correlation_and_are_students():
    law = Dcc(0.04, 0.9, 8.0, np.stack([TARGET]), TARGET, 0.0)
    y = simulate_scores(law, np.zeros(300, dtype=int), 200, np.random.default_rng(0)).astype(np.float64)
    np.testing.assert_allclose(np.corrcoef(y.reshape(-1, 3).T), TARGET, atol=0.04)
    day = y[:, -1, 1] * np.sqrt(8.0 / 6.0)
    assert kstest(day, student_t(8.0).cdf).pvalue > 1e-3
    two = y[:, 1:, :2] * y[:, :-1, :2]  # days are uncorrelated though correlation moves
    assert abs(two.mean()) < 0.01


def test_margins_have_their_own_tails():
    fitted = DccStudentT()
    fitted.nu_ = np.array([4.0, 20.0])
    fitted.dcc_ = Dcc(0.0, 0.0, 8.0, np.eye(2)[None], np.eye(2), 0.0)
    y = np.random.default_rng(0).standard_t(8.0, (400, 50, 2)) * np.sqrt(6.0 / 8.0)
    e = fitted._innovations(y.astype(np.float32)).astype(np.float64)
    for s, nu in enumerate(fitted.nu_):
        assert kstest(e[:, :, s].ravel() * np.sqrt(nu / (nu - 2)), student_t(nu).cdf).pvalue > 1e-3
    assert (np.sign(e) == np.sign(y)).all()


def test_targeted_variance_is_one_and_its_square_is_bounded():
    e = np.random.default_rng(0).standard_t(5.0, 200_000)
    e /= e.std()
    mild = stationary(np.array([0.03, 0.04, 0.9]), e)
    np.testing.assert_allclose(mild[1:], [0.03, 0.04, 0.9])
    wild = stationary(np.array([0.12, 0.10, 0.86]), e)  # persistence 1.03
    omega, alpha, gamma, beta = wild
    reaction = (alpha + gamma * (e < 0)) * e**2
    assert omega + reaction.mean() + beta == pytest.approx(1.0)
    assert reaction.mean() + beta == pytest.approx(0.995)
    p = reaction.mean() + beta
    assert (1 - p**2) / (1 - p**2 - reaction.var()) == pytest.approx(MAX_SQUARE)
    drawn = np.random.default_rng(1).choice(e, (1000, 600, 1)).astype(np.float32)
    z = simulate(drawn, np.zeros(600, dtype=int), np.broadcast_to(mild, (1, 1, 4)), np.ones(1))
    assert z.astype(np.float64).var() == pytest.approx(1.0, abs=0.05)


def test_filter_and_simulation_are_each_others_inverse():
    rng = np.random.default_rng(0)
    garch = np.array([[[0.05, 0.05, 0.05, 0.87]], [[0.2, 0.1, 0.0, 0.7]]])
    codes = rng.integers(0, 2, 200)
    e = rng.standard_normal((1, 200, 1)).astype(np.float32)
    z = simulate(e.copy(), codes, garch, np.ones(1)).astype(np.float64)
    h = filter_variance(z[0], codes, garch)
    np.testing.assert_allclose(z[0] / np.sqrt(h[:-1]), e[0], rtol=1e-4, atol=1e-5)
    by_path = simulate(np.repeat(e, 2, axis=0), np.stack([codes, 1 - codes]), garch, np.ones(1))
    np.testing.assert_array_equal(by_path[0], z[0].astype(np.float32))


def test_filters_by_regime_find_each_regimes_own_clustering():
    rng = np.random.default_rng(3)
    codes = np.repeat(np.tile([0, 1], 4), 500)
    garch = np.array([[[0.02, 0.08, 0.0, 0.90]], [[0.5, 0.5, 0.0, 0.0]]])
    z = simulate(rng.standard_normal((1, 4000, 1)).astype(np.float32), codes, garch, np.ones(1))[0, :, 0]
    returns = make_returns(4000, 1).iloc[:, :1]
    returns.iloc[:, 0] = np.expm1(0.01 * z.astype(np.float64))
    labels = make_labels(returns).from_codes(codes.astype(np.int8), ("bull", "crisis"), returns.index)
    fitted = FilteredHistorical(filter_by_regime=True).fit(returns, labels)
    (_, a0, g0, b0), (_, a1, g1, b1) = fitted.garch_by_regime_[:, 0]
    assert (a0 + g0 / 2, b0) == (pytest.approx(0.08, abs=0.04), pytest.approx(0.90, abs=0.05))
    assert a1 + g1 / 2 > 0.3
    assert b1 < 0.1
    common = FilteredHistorical().fit(returns, labels)
    assert (common.garch_by_regime_[0] == common.garch_by_regime_[1]).all()
    for regime, k in (("bull", 0), ("crisis", 1)):
        square = fitted.residuals_[codes == k, 0].astype(np.float64) ** 2
        assert abs(np.corrcoef(square[:-1], square[1:])[0, 1]) < 0.06, regime


def test_plain_residuals_come_from_all_days_and_only_their_level_from_the_regime():
    returns = make_returns(900)
    labels = make_labels(returns)
    plain = FilteredHistorical(residuals_by_regime=False).fit(returns, labels)
    assert all(len(pool) == 900 for pool in plain.pools_)
    np.testing.assert_allclose(plain.residuals_.std(0), 1.0, atol=1e-5)
    own = FilteredHistorical().fit(returns, labels)
    assert [len(pool) for pool in own.pools_] == np.bincount(labels.codes, minlength=4).tolist()
