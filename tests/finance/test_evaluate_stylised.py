# SPDX-License-Identifier: Apache-2.0
"""Stylised facts against closed forms, scipy, statsmodels, arch, and processes whose facts are known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.stattools import acf

from spade_finance.evaluate import asymmetry, clustering, facts, tails

RNG = np.random.default_rng(1)


def garch(n_paths: int, n_days: int, seed: int, alpha: float = 0.1, beta: float = 0.85) -> np.ndarray:
    """Gaussian GARCH(1,1) of daily volatility 1 %, (paths, days, 1)."""
    e = np.random.default_rng(seed).standard_normal((n_paths, n_days))
    variance = np.ones(n_paths)
    out = np.empty_like(e)
    for t in range(n_days):
        out[:, t] = np.sqrt(variance) * e[:, t]
        variance = 1 - alpha - beta + alpha * out[:, t] ** 2 + beta * variance
    return 0.01 * out[..., None]


# ---- tails ----


@pytest.mark.parametrize(
    ("law", "skew", "kurtosis"),
    [
        (stats.norm(), 0.0, 30 / np.pi * np.arctan(np.sqrt(2)) - 9),
        (stats.uniform(), 0.0, 0.0),
        (stats.expon(), 1 / 3, 1 / 6),
        (stats.laplace(), 0.0, 17 / 72),
    ],
)
def test_l_moments_are_those_of_the_law(law, skew, kurtosis):
    x = law.rvs((40, 4000, 1), random_state=3)
    l1, l2, t3, t4 = tails.l_moments(x)
    pairs = np.random.default_rng(0).permutation(x.ravel())
    assert l1.mean() == pytest.approx(law.mean(), abs=0.02)
    assert l2.mean() == pytest.approx(np.abs(pairs[::2] - pairs[1::2]).mean() / 2, rel=0.02)  # Gini
    assert t3.mean() == pytest.approx(skew, abs=0.004)
    assert t4.mean() == pytest.approx(kurtosis, abs=0.004)


def test_l_moments_are_the_mean_over_all_subsamples():
    x = RNG.standard_t(4, 11)
    l3 = np.mean([s[2] - 2 * s[1] + s[0] for s in map(sorted, combinations(x, 3))]) / 3
    l4 = np.mean([s[3] - 3 * s[2] + 3 * s[1] - s[0] for s in map(sorted, combinations(x, 4))]) / 4
    l2 = np.mean([s[1] - s[0] for s in map(sorted, combinations(x, 2))]) / 2
    got = [float(v[0, 0]) for v in tails.l_moments(x[None, :, None])]
    np.testing.assert_allclose(got, [x.mean(), l2, l3 / l2, l4 / l2])


def test_quantile_ratios_are_numpys_quantiles_and_the_gaussian_constant():
    x = RNG.standard_t(3, (2, 803, 3))
    left, right = tails.quantile_ratio(x)
    q = {p: np.quantile(x, p, axis=1) for p in (0.01, 0.25, 0.5, 0.75, 0.99)}
    np.testing.assert_allclose(left, (q[0.5] - q[0.01]) / (q[0.5] - q[0.25]))
    np.testing.assert_allclose(right, (q[0.99] - q[0.5]) / (q[0.75] - q[0.5]))
    assert stats.norm.ppf(0.01) / stats.norm.ppf(0.25) == pytest.approx(tails.NORMAL_QUANTILE_RATIO, abs=1e-4)


def test_masks_select_days_and_too_few_give_nan():
    x = RNG.standard_t(5, (3, 300, 2))
    by_path = RNG.random((3, 300)) < 0.5
    by_path[2] = False
    by_path[2, :5] = True
    got = np.stack(tails.tail_shape(x, by_path))
    for p in range(2):
        np.testing.assert_allclose(got[:, p], np.stack(tails.tail_shape(x[p : p + 1, by_path[p]]))[:, 0])
    assert np.isnan(got[:, 2]).all()


def test_l_kurtosis_of_the_same_law_varies_far_less_than_kurtosis():
    """Why verdicts rest on it: at three degrees of freedom the kurtosis of two halves has nothing in common."""
    x = stats.t(3).rvs((200, 1000, 1), random_state=0)
    ours, theirs = tails.l_moments(x)[3], facts.excess_kurtosis(x)
    assert ours.std() / ours.mean() < 0.2 < 0.7 < theirs.std() / theirs.mean()


# ---- first passage and time asymmetry ----


def brute_passage(x, threshold, longest, every):
    x = x - x.mean()
    days = {-1: [], 1: []}
    for s in range(0, len(x) - longest + 1, every):
        path = np.cumsum(x[s : s + longest])
        for sign, kept in days.items():
            hit = np.flatnonzero(sign * path >= threshold)
            kept.append(min(hit[0] + 1 if len(hit) else longest, longest))
    return np.mean(days[-1]), np.mean(days[1])


def test_first_passage_is_the_loop():
    x = RNG.standard_t(4, (2, 300, 2)) * 0.01
    got = asymmetry.first_passage(x, 0.04, 50, 7)
    for p in range(2):
        for a in range(2):
            loss, gain = brute_passage(x[p, :, a], 0.04, 50, 7)
            assert got.loss[p, a] == pytest.approx(loss)
            assert got.gain[p, a] == pytest.approx(gain)
            assert got.asymmetry[p, a] == pytest.approx((loss - gain) / (loss + gain))


def test_first_passage_of_a_random_walk_is_symmetric_and_as_fast_as_theory_says():
    # P(T > n) of Brownian motion is 2 Phi(theta / (sigma sqrt n)) - 1; a discrete walk overshoots its barrier
    # by .5826 sigma (Siegmund 1979).
    x = np.random.default_rng(0).standard_normal((300, 1500, 1)) * 0.01
    got = asymmetry.first_passage(x + 0.002, 0.05, 120)  # the drift is taken off
    n = np.arange(0, 120)
    survival = 2 * stats.norm.cdf((0.05 + 0.5826 * 0.01) / (0.01 * np.sqrt(np.maximum(n, 1e-9)))) - 1
    assert got.loss.mean() == pytest.approx(survival.sum(), rel=0.03)
    se = got.asymmetry.std() / np.sqrt(300)
    assert abs(got.asymmetry.mean()) < 4 * se < 0.03


def test_rare_large_losses_come_faster_than_gains():
    rng = np.random.default_rng(0)
    crash = (rng.random((60, 1500, 1)) < 0.01) * -0.06
    x = 0.004 * rng.standard_normal((60, 1500, 1)) + crash
    found = asymmetry.first_passage(x).asymmetry
    assert found.mean() < -4 * found.std() / np.sqrt(60)
    np.testing.assert_allclose(asymmetry.first_passage(-x).asymmetry, -found, atol=1e-12)


def test_first_passage_starts_only_where_enough_days_follow_in_the_stretch():
    x = RNG.standard_normal((1, 300, 1)) * 0.01
    groups = np.repeat([0, 1], [120, 180]).astype(np.int32)
    cut = asymmetry.first_passage(x, 0.03, 60, 1, groups)
    centred = x - x.mean()
    starts = [s for s in range(241) if groups[s] == groups[s + 59]]
    hits = [np.flatnonzero(np.cumsum(centred[0, s : s + 60, 0]) <= -0.03) for s in starts]
    assert cut.loss[0, 0] == pytest.approx(np.mean([min(h[0] + 1, 60) if len(h) else 60 for h in hits]))
    assert np.isnan(asymmetry.first_passage(x[:, :50]).loss).all()


def test_zumbach_is_zero_backwards_equals_minus_forwards_and_finds_a_cascade():
    x = garch(40, 1200, 0)
    forwards, backwards = asymmetry.zumbach(x), asymmetry.zumbach(x[:, ::-1])
    np.testing.assert_allclose(forwards, -backwards, atol=0.03)
    # Volatility driven by the square of the week's own move (a trend), not by its single days.
    e = np.random.default_rng(2).standard_normal((40, 1500))
    r = np.zeros_like(e)
    for t in range(5, e.shape[1]):
        week = r[:, t - 5 : t].sum(1)
        r[:, t] = 0.01 * np.sqrt(0.3 + 0.7 * np.minimum(week / 0.0224, 3.0) ** 2) * e[:, t]
    assert asymmetry.zumbach(r[..., None], tuple(range(5, 8))).mean() > 0.02


# ---- clustering ----


def test_portmanteau_without_robustness_is_ljung_box():
    x = RNG.standard_t(5, (2, 400, 2))
    got = clustering.portmanteau(x, 12, robust=False)
    for p in range(2):
        for a in range(2):
            wanted = acorr_ljungbox(x[p, :, a], lags=[12])["lb_stat"].iloc[0] / 12
            assert got[p, a] == pytest.approx(wanted)


def test_robust_portmanteau_forgives_garch_and_finds_an_autoregression():
    x = garch(80, 1500, 3, alpha=0.2, beta=0.75)
    assert clustering.portmanteau(x, robust=False).mean() > 1.4
    assert clustering.portmanteau(x).mean() == pytest.approx(1.0, abs=0.12)
    ar = x.copy()
    for t in range(1, ar.shape[1]):
        ar[:, t] += 0.2 * ar[:, t - 1]
    assert clustering.portmanteau(ar).mean() > 2.0


def test_intermittency_of_independent_days_is_the_binomial_one_and_bursts_have_more():
    x = np.random.default_rng(0).standard_t(4, (60, 2500, 1))
    assert clustering.intermittency(x).mean() == pytest.approx(np.sqrt(0.95 / (0.05 * 20)), abs=0.02)
    assert clustering.intermittency(garch(60, 2500, 1, 0.12, 0.87)).mean() > 1.3
    groups = np.repeat([0, 1], [1250, 1250])
    counts = (np.abs(x) > np.quantile(np.abs(x), 0.95, axis=1, keepdims=True)).reshape(60, 125, 20).sum(2)
    keep = np.arange(125) != 62  # days 1240 to 1259 straddle the border
    wanted = counts[:, keep].std(1) / counts[:, keep].mean(1)
    np.testing.assert_allclose(clustering.intermittency(x, groups)[:, 0], wanted)


@pytest.mark.parametrize("beta", [0.2, 0.4, 0.8])
def test_decay_finds_the_exponent_of_a_power_law(beta):
    lags = np.array(clustering.DECAY_LAGS, dtype=float)
    curve = 0.3 * lags**-beta
    noisy = curve[None, :, None] + 0.02 * RNG.standard_normal((200, len(lags), 1))
    assert clustering.decay_exponent(curve[None, :, None])[0, 0] == pytest.approx(beta, abs=0.013)
    assert np.median(clustering.decay_exponent(noisy)) == pytest.approx(beta, abs=0.05)
    assert np.isnan(clustering.decay_exponent(-curve[None, :, None])).all()


def test_ewma_residuals_are_the_recursion_and_settle_after_every_border():
    x = RNG.standard_t(5, (2, 80, 1)) * 0.01
    z, settled = clustering.ewma_standardised(x, np.repeat([0, 1], 40))
    variance = (x**2).mean(1)
    for t in range(80):
        np.testing.assert_allclose(z[:, t], x[:, t] / np.sqrt(variance))
        variance = 0.94 * variance + 0.06 * x[:, t] ** 2
    assert np.flatnonzero(settled).tolist() == [*range(20, 40), *range(60, 80)]


def test_garch_residuals_have_the_tails_of_arch():
    from arch import arch_model

    x = garch(3, 2000, 5, 0.09, 0.89)[..., 0]
    ours = tails.l_moments(clustering.garch_standardised(x)[..., None])[3][:, 0]
    raw = tails.l_moments(x[..., None])[3][:, 0]
    for p in range(3):
        fit = arch_model(100 * x[p], mean="Constant", vol="GARCH", rescale=False).fit(disp="off")
        theirs = tails.l_moments(np.asarray(fit.std_resid)[None, :, None])[3][0, 0]
        assert ours[p] == pytest.approx(theirs, abs=0.004)
    # Gaussian innovations come back: heavier tails are all in the volatility.
    assert np.mean(ours) == pytest.approx(tails.NORMAL_L_KURTOSIS, abs=0.01)
    assert np.mean(raw) > tails.NORMAL_L_KURTOSIS + 0.02


def test_autocorrelation_far_out_is_statsmodels():
    x = np.abs(garch(1, 900, 2))
    wanted = acf(x[0, :, 0], nlags=64, adjusted=True, fft=False)[1:]
    np.testing.assert_allclose(facts.autocorrelation(x, clustering.DECAY_LAGS)[0, :, 0], wanted)
