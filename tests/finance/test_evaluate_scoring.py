# SPDX-License-Identifier: Apache-2.0
"""Scores are minimised by the truth; their comparison agrees with statsmodels; families are corrected."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.metrics import mean_pinball_loss

from spade_finance.evaluate import facts
from spade_finance.evaluate.diebold_mariano import (
    cluster_error,
    diebold_mariano,
    hac_error,
    newey_west_lags,
)
from spade_finance.evaluate.multiplicity import confidence_set, holm
from spade_finance.evaluate.portfolios import make_windows
from spade_finance.evaluate.scoring import fz0, oracle, pinball, sample_tail

TAIL = 0.025
SCALES = np.array([0.8, 0.9, 1.0, 1.1, 1.25])


@pytest.fixture(scope="module")
def losses() -> np.ndarray:
    """Student-t losses with 5 degrees of freedom."""
    return np.random.default_rng(0).standard_t(5, 400_000)


def true_tail() -> tuple[float, float]:
    """VaR and ES of that law in closed form (McNeil, Frey & Embrechts 2015, eq. 2.25)."""
    var = stats.t.ppf(1 - TAIL, 5)
    return var, stats.t.pdf(var, 5) / TAIL * (5 + var**2) / 4


def test_pinball_is_sklearns_and_lowest_at_the_true_quantile(losses: np.ndarray) -> None:
    var, _ = true_tail()
    mine = pinball(np.array(var), losses, TAIL).mean()
    assert mine == pytest.approx(mean_pinball_loss(-losses, np.full(len(losses), -var), alpha=TAIL))
    means = [pinball(np.array(var * s), losses, TAIL).mean() for s in SCALES]
    assert np.argmin(means) == 2


def test_fz0_is_the_paper_and_lowest_at_the_true_pair(losses: np.ndarray) -> None:
    var, es = true_tail()
    y, v, e = -losses[:5], -var, -es  # Patton, Ziegel & Chen (2019), eq. 6: returns, negative VaR and ES
    paper = -1 / (TAIL * e) * (y <= v) * (v - y) + v / e + np.log(-e) - 1
    np.testing.assert_allclose(fz0(np.array(var), np.array(es), losses[:5], TAIL), paper)
    grid = [[fz0(np.array(var * a), np.array(es * b), losses, TAIL).mean() for b in SCALES] for a in SCALES]
    assert np.unravel_index(np.argmin(grid), (5, 5)) == (2, 2)
    assert np.isnan(fz0(np.array(1.0), np.array(-0.1), losses[:1], TAIL)).all()


def test_a_one_percent_error_of_risk_is_one_percent_of_fz0() -> None:
    # differences do not change when losses and forecasts are rescaled together
    loss = np.array([0.5, 3.0])
    first = fz0(np.array(2.0), np.array(2.5), loss, TAIL) - fz0(np.array(1.8), np.array(2.4), loss, TAIL)
    again = fz0(np.array(0.2), np.array(0.25), loss / 10, TAIL) - fz0(
        np.array(0.18), np.array(0.24), loss / 10, TAIL
    )
    np.testing.assert_allclose(first, again)


@pytest.mark.parametrize("n", [37, 200, 1001])
def test_the_sample_tail_minimises_both_scores_in_its_sample(n: int) -> None:
    returns = np.random.default_rng(n).standard_t(4, n) * 0.01
    var, es = sample_tail(returns, 0.05)
    best = fz0(var, es, -returns, 0.05).mean(), pinball(var, -returns, 0.05).mean()
    for value in -np.sort(returns)[: n // 5]:
        assert pinball(value, -returns, 0.05).mean() >= best[1] - 1e-15
        for factor in (1.02, 1.1, 1.5):
            assert fz0(value, value * factor, -returns, 0.05).mean() >= best[0] - 1e-12
    found = facts.var_es(returns[None, :, None], 0.95)
    assert es == pytest.approx(found[1][0, 0], rel=1e-9)


def test_the_oracle_says_one_number_a_regime_and_cannot_be_beaten_by_another_constant() -> None:
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1, 0], [150, 100, 150])
    daily = rng.standard_normal((400, 1)) * np.where(codes == 1, 0.03, 0.01)[:, None]
    windows = make_windows(daily, np.ones((1, 1)), 1, codes, ("calm", "wild"))
    var, es = oracle(windows.daily[0], windows, 0.05)
    assert len(np.unique(var)) == len(np.unique(es)) == 2
    expected = sample_tail(daily[codes == 1, 0], 0.05)
    assert (var[200], es[200]) == (expected[0], expected[1])
    mine = pinball(var, -daily[:, 0], 0.05).mean()
    for scale in SCALES:
        assert pinball(var * scale, -daily[:, 0], 0.05).mean() >= mine
    # windows of 5 days: learnt from all 96 overlapping windows of the wild stretch's majority
    five = make_windows(daily, np.ones((1, 1)), 5, codes, ("calm", "wild"))
    sums = np.array([np.prod(1 + daily[t : t + 5, 0]) - 1 for t in range(396)])
    wild = np.array([(codes[t : t + 5] == 1).sum() >= 3 for t in range(396)])
    assert oracle(five.daily[0], five, 0.05)[0][35] == pytest.approx(sample_tail(sums[wild], 0.05)[0])


def dependent(n: int = 600, seed: int = 0) -> np.ndarray:
    """An AR(1) series with mean .1."""
    rng = np.random.default_rng(seed)
    out = np.empty(n)
    out[0] = rng.standard_normal()
    for t in range(1, n):
        out[t] = 0.5 * out[t - 1] + rng.standard_normal()
    return out + 0.1


def test_errors_are_those_of_statsmodels() -> None:
    d, cluster = dependent(), np.repeat(np.arange(25), 24)
    constant = np.ones(len(d))
    lags = newey_west_lags(len(d))
    assert lags == 5
    fit = sm.OLS(d, constant).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    assert hac_error(d, lags) == pytest.approx(fit.bse[0], rel=1e-10)
    clustered = sm.OLS(d, constant).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    assert cluster_error(d, cluster) == pytest.approx(clustered.bse[0], rel=1e-10)
    found = diebold_mariano(d, np.zeros(len(d)), cluster)
    p_values = [
        2 * stats.t.sf(abs(d.mean() / fit.bse[0]), 599),
        2 * stats.t.sf(abs(d.mean() / clustered.bse[0]), 24),
    ]
    assert found.p == pytest.approx(max(p_values), rel=1e-9)
    assert found.mean == pytest.approx(d.mean())
    assert found.t > 0


def test_diebold_mariano_keeps_its_size_where_days_are_dependent() -> None:
    cluster = np.repeat(np.arange(30), 20)
    p = [diebold_mariano(dependent(seed=s) - 0.1, np.zeros(600), cluster).p for s in range(200)]
    assert np.mean(np.array(p) < 0.05) < 0.09
    naive = [stats.ttest_1samp(dependent(seed=s) - 0.1, 0.0).pvalue for s in range(200)]
    assert np.mean(np.array(naive) < 0.05) > 0.18  # what independence of days would have claimed


def test_diebold_mariano_of_equal_missing_and_few() -> None:
    x, cluster = dependent(100), np.arange(100) // 10
    assert diebold_mariano(x, x, cluster).p == 1.0
    y = x + 0.5 + np.random.default_rng(0).standard_normal(100) * 0.1
    y[:40] = np.nan
    assert diebold_mariano(x, y, cluster).t < -5
    y[:80] = np.nan
    assert np.isnan(diebold_mariano(x, y, cluster).p)
    assert np.isnan(diebold_mariano(x, x + 1, np.zeros(100, dtype=int)).p)


def test_holm_by_hand() -> None:
    p = np.array([[0.01, 0.04], [np.nan, 0.03]])
    np.testing.assert_allclose(holm(p), [[0.03, 0.06], [np.nan, 0.06]])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_the_confidence_set_drops_the_bad_and_treats_copies_alike() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal((500, 1))
    losses = common + rng.standard_normal((500, 4)) * 0.3 + np.array([0.0, 0.0, 0.5, 0.0])
    losses[:, 1] -= losses[:, 1].mean() - losses[:, 0].mean() - 0.01
    losses[:, 3] = losses[:, 0]
    inside = confidence_set(losses, seed=1)
    assert inside[0]
    assert inside[1]
    assert not inside[2]
    assert inside[3] == inside[0]
    assert confidence_set(np.repeat(common, 2, axis=1), seed=0).all()
