# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, multivariate_t
from scipy.stats import t as student_t

from spade_finance.baselines import FilteredHistorical, RegimeStudentT
from spade_finance.baselines.student_t import StudentT, draw_student_t, fit_student_t
from spade_finance.exceptions import RareRegimeWarning
from spade_finance.regimes.labels import RegimeLabels
from tests.finance.evaluation_doubles import make_labels, make_returns

SCATTER = np.array([[1.0, 0.6, 0.2], [0.6, 2.0, 0.5], [0.2, 0.5, 0.5]])
MEAN = np.array([0.1, -0.2, 0.05])


def test_fit_recovers_the_parameters_of_a_multivariate_t():
    x = multivariate_t(MEAN, SCATTER, df=5.0, seed=0).rvs(40_000)
    law = fit_student_t(x)
    np.testing.assert_allclose(law.mean, MEAN, atol=0.03)
    np.testing.assert_allclose(law.scatter, SCATTER, atol=0.06)
    assert law.nu == pytest.approx(5.0, abs=0.3)


def test_log_likelihood_is_scipys_and_the_fit_is_its_maximum():
    x = multivariate_t(MEAN, SCATTER, df=4.0, seed=1).rvs(600)
    law = fit_student_t(x)
    mine = multivariate_t(law.mean, law.scatter, df=law.nu)
    assert law.log_likelihood == pytest.approx(mine.logpdf(x).sum(), abs=1e-3)
    for nu, stretch, shift in ((1.15, 1, 0), (0.87, 1, 0), (1, 1.04, 0), (1, 0.96, 0), (1, 1, 0.05)):
        other = multivariate_t(law.mean + shift, law.scatter * stretch, df=law.nu * nu)
        assert other.logpdf(x).sum() < law.log_likelihood


def test_one_sector_agrees_with_scipys_univariate_fit():
    x = student_t.rvs(4, loc=0.1, scale=2.0, size=3000, random_state=3)
    law = fit_student_t(x[:, None])
    nu, loc, scale = student_t.fit(x)
    assert law.nu == pytest.approx(nu, rel=0.02)
    assert law.mean[0] == pytest.approx(loc, abs=0.005)
    assert np.sqrt(law.scatter[0, 0]) == pytest.approx(scale, rel=0.01)


def test_draws_follow_the_law_of_their_day():
    wide = StudentT(np.zeros(2), 9 * np.eye(2), 30.0, 0.0)
    laws = [StudentT(MEAN[:2], SCATTER[:2, :2], 5.0, 0.0), None, wide]
    codes = np.repeat([0, 2], 50)
    x = draw_student_t(laws, codes, 400, np.random.default_rng(0)).astype(np.float64)
    first, second = x[:, :50].reshape(-1, 2), x[:, 50:].reshape(-1, 2)
    standard = (first[:, 1] - MEAN[1]) / np.sqrt(SCATTER[1, 1])
    assert kstest(standard, student_t(5.0).cdf).pvalue > 1e-3
    assert kstest(second[:, 0] / 3.0, student_t(30.0).cdf).pvalue > 1e-3
    assert np.corrcoef(first.T)[0, 1] == pytest.approx(0.6 / np.sqrt(2.0), abs=0.03)
    mixed = draw_student_t(laws, np.tile(codes, (400, 1)), 400, np.random.default_rng(1)).astype(np.float64)
    assert kstest(mixed[:, 50:, 0].ravel() / 3.0, student_t(30.0).cdf).pvalue > 1e-3


def test_regime_with_few_days_takes_the_correlations_of_all_days_at_its_own_level():
    returns = make_returns(800, 6)
    codes = np.zeros(800, dtype=np.int8)
    codes[100:115] = 1
    labels = RegimeLabels.from_codes(codes, ("bull", "crisis"), returns.index)
    with (
        pytest.warns(RareRegimeWarning, match="correlations of all days"),
        pytest.warns(RareRegimeWarning, match="only 15 training days"),
    ):
        fitted = RegimeStudentT().fit(returns, labels)
    logs = np.log1p(returns.to_numpy())
    pooled, rare = fit_student_t(logs), fitted.laws_[1]
    assert rare is not None
    np.testing.assert_allclose(rare.scatter / rare.scatter[0, 0], pooled.scatter / pooled.scatter[0, 0])
    days = logs[100:115]
    assert np.trace(rare.covariance) == pytest.approx(days.var(0, ddof=1).sum())


def garch_returns(n_days: int = 6000) -> pd.DataFrame:
    """GJR-GARCH(1,1) with known parameters and Gaussian innovations, two sectors."""
    rng = np.random.default_rng(5)
    e = rng.standard_normal((n_days, 2)) @ np.linalg.cholesky([[1.0, 0.5], [0.5, 1.0]]).T
    variance, r = np.ones(2), np.empty((n_days, 2))
    for t in range(n_days):
        z = np.sqrt(variance) * e[t]
        variance = 0.05 + (0.04 + 0.1 * (z < 0)) * z**2 + 0.86 * variance
        r[t] = 0.01 * z
    dates = pd.bdate_range("1990-01-01", periods=n_days, name="date")
    return pd.DataFrame(np.expm1(r), index=dates, columns=["A", "B"])


@pytest.fixture(scope="module")
def filtered():
    returns = garch_returns()
    labels = RegimeLabels.from_codes(np.zeros(len(returns), dtype=np.int8), ("all",), returns.index)
    return returns, FilteredHistorical().fit(returns, labels)


def test_filter_recovers_garch_parameters_and_leaves_standard_residuals(filtered):
    _, fitted = filtered
    for _, alpha, gamma, beta in fitted.garch_:
        assert alpha == pytest.approx(0.04, abs=0.025)
        assert gamma == pytest.approx(0.10, abs=0.035)
        assert beta == pytest.approx(0.86, abs=0.03)
    np.testing.assert_allclose(fitted.residuals_.mean(0), 0.0, atol=1e-5)
    np.testing.assert_allclose(fitted.residuals_.std(0), 1.0, atol=1e-5)
    square = fitted.residuals_[:, 0].astype(np.float64) ** 2
    assert abs(np.corrcoef(square[:-1], square[1:])[0, 1]) < 0.04


def test_simulation_brings_back_clustering_leverage_level_and_correlation(filtered):
    returns, fitted = filtered
    x = fitted.sample(np.zeros(2000, dtype=int), 40, 0).log_array.astype(np.float64)
    real = np.log1p(returns.to_numpy())
    assert x.std() == pytest.approx(real.std(), rel=0.08)
    assert np.corrcoef(x.reshape(-1, 2).T)[0, 1] == pytest.approx(np.corrcoef(real.T)[0, 1], abs=0.04)

    def clustering(y):
        return np.corrcoef(np.abs(y[..., :-1]).ravel(), np.abs(y[..., 1:]).ravel())[0, 1]

    def leverage(y):
        return np.corrcoef(y[..., :-1].ravel(), y[..., 1:].ravel() ** 2)[0, 1]

    assert clustering(x[:, :, 0]) == pytest.approx(clustering(real[:, 0]), abs=0.04)
    assert clustering(x[:, :, 0]) > 0.08
    assert leverage(x[:, :, 0]) == pytest.approx(leverage(real[:, 0]), abs=0.06)
    assert leverage(x[:, :, 0]) < -0.05


def test_long_simulations_do_not_explode():
    returns = make_returns(1500)
    fitted = FilteredHistorical().fit(returns, make_labels(returns))
    x = fitted.sample(np.tile(np.repeat([0, 3], 500), 8), 10, 0).log_array
    first, last = np.abs(x[:, :1000]).mean(), np.abs(x[:, -1000:]).mean()
    assert last == pytest.approx(first, rel=0.25)
    assert np.abs(x).max() < 0.7
