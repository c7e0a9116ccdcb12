# SPDX-License-Identifier: Apache-2.0
"""What the generator starts from, against closed forms and simulations with known truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from spade_finance.model import noise
from spade_finance.model.bank import Bank
from spade_finance.model.dynamics import HALF_LIVES, BankFit, filter_history, fit_bank
from spade_finance.model.maps import encode, n_market_channels
from spade_finance.model.moments import (
    factor,
    fit_innovations,
    fit_multivariate_t,
    own_label_effect,
    own_news,
    regime_moments,
)
from spade_finance.model.slow import SlowLaw, filter_slow, fit_slow, simulate_slow


def bank_fit(n_sectors: int, seed: int = 0) -> BankFit:
    rng = np.random.default_rng(seed)
    return BankFit(
        rng.normal(0, 0.2, (n_sectors, 2, len(HALF_LIVES))), rng.normal(0, 0.1, (2, len(HALF_LIVES))),
        rng.normal(0, 0.1, n_sectors), np.zeros(n_sectors),
    )  # fmt: skip


def test_regime_moments_are_the_sample_moments_shrunk_by_their_days() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0.001, 0.01, (3000, 2)) + np.array([0.0, 0.002])
    codes = np.repeat([0, 1], 1500)
    moments = regime_moments(x, codes, 3)
    raw = x[codes == 1].mean(0)
    assert moments.mean[1] == pytest.approx(0.75 * raw + 0.25 * raw.mean())
    assert moments.volatility[1] == pytest.approx(x[codes == 1].std(0), rel=1e-2)
    assert moments.volatility[2] == pytest.approx(
        x.std(0), rel=1e-2
    )  # no days of regime 2: the pooled figures


def test_multivariate_t_recovers_scatter_and_degrees_of_freedom() -> None:
    truth = np.array([[1.0, 0.6, 0.2], [0.6, 1.5, 0.1], [0.2, 0.1, 0.5]])
    x = stats.multivariate_t(shape=truth, df=5, seed=1).rvs(20_000)
    scatter, nu = fit_multivariate_t(x)
    assert nu == pytest.approx(5, rel=0.08)
    assert scatter == pytest.approx(truth, rel=0.05, abs=0.02)


def test_factor_reproduces_a_factor_correlation() -> None:
    rng = np.random.default_rng(0)
    loadings = np.column_stack([rng.uniform(0.4, 0.8, 8), rng.uniform(-0.4, 0.4, 8)])
    correlation = loadings @ loadings.T
    np.fill_diagonal(correlation, 1.0)
    found = factor(correlation, 2)
    off = ~np.eye(8, dtype=bool)
    assert (found @ found.T)[off] == pytest.approx(correlation[off], abs=0.01)


def test_innovations_have_unit_variance_and_the_regimes_own_correlation() -> None:
    rng = np.random.default_rng(2)
    codes = np.repeat([0, 1], 20_000)
    rho = np.where(codes == 0, 0.2, 0.7)[:, None]
    x = np.sqrt(rho) * rng.standard_normal((40_000, 1)) + np.sqrt(1 - rho) * rng.standard_normal((40_000, 4))
    fit = fit_innovations(x, codes, 2, rank=2)
    off = ~np.eye(4, dtype=bool)
    assert fit.correlation[0][off].mean() == pytest.approx(0.2, abs=0.02)
    assert fit.correlation[1][off].mean() == pytest.approx(0.7, abs=0.02)
    assert np.diagonal(fit.correlation, axis1=1, axis2=2) == pytest.approx(1.0)
    assert (fit.nu > 20).all()  # the data are Gaussian
    assert (fit.tail < 0.02).all()


def test_own_news_have_unit_variance_and_the_tail_they_were_drawn_with() -> None:
    rng = np.random.default_rng(3)
    v = own_news(rng.standard_normal((200_000, 1)), np.array([0.1]))
    assert v.var() == pytest.approx(1.0, rel=0.02)
    assert stats.kurtosis(own_news(rng.standard_normal(400_000), np.array(0.05))) == pytest.approx(
        3 * 0.8**-2.5 * 0.9**3 - 3, rel=0.1
    )
    own = own_news(rng.standard_normal((40_000, 3)), np.array([0.0, 0.08, 0.16]))
    x = np.sqrt(0.3) * rng.standard_normal((40_000, 1)) + np.sqrt(0.7) * own
    fit = fit_innovations(x, np.zeros(40_000, int), 1, rank=1)
    # The shared mixing takes what the sectors have in common; the heaviest sector keeps a tail of its own.
    assert fit.tail[2] > 0.06 > 0.04 > fit.tail[0]


def test_own_label_effect_is_the_volatility_ratio_and_unseen_pairs_follow_the_own_label() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 4000)
    own = rng.integers(0, 2, (8000, 3))
    own[:4000] = 0  # under market label 0 no sector is ever in 1
    x = 0.01 * rng.standard_normal((8000, 3)) * np.where(own == 1, 2.0, 1.0)
    effect = own_label_effect(x, codes, own, np.ones(own.shape), regime_moments(x, codes, 2))
    pooled = 0.5 * np.log((1 + 4) / 2)
    assert effect.log_volatility[1] == pytest.approx([-pooled, np.log(2) - pooled], abs=0.04)
    assert effect.log_volatility[0] == pytest.approx([0.0, np.log(2)], abs=0.04)


def test_torch_bank_equals_the_daily_recursion() -> None:
    fit, rng = bank_fit(3), np.random.default_rng(1)
    u = rng.standard_normal((300, 3))
    history = filter_history(u, fit)
    assert history.innovations * np.exp(fit.intercept + history.log_volatility) == pytest.approx(u)
    start = 40
    e = torch.tensor(history.innovations[start:].T[None], dtype=torch.float32)
    h = Bank(fit)(e, torch.tensor(history.states[start][None]))
    assert h[0].T.detach().numpy() == pytest.approx(history.log_volatility[start:], abs=2e-5)


def test_bank_fit_explains_a_garch_process() -> None:
    rng = np.random.default_rng(4)
    u, variance = np.empty((4000, 2)), np.ones(2)
    for t in range(4000):
        u[t] = np.sqrt(variance) * rng.standard_normal(2)
        variance = 0.03 + (0.06 + 0.08 * (u[t] < 0)) * u[t] ** 2 + 0.87 * variance
    fit = fit_bank(u)
    assert (fit.r_squared > 0.6).all()
    residual = filter_history(u, fit).innovations
    lagged = [np.corrcoef(np.abs(residual[1:, s]), np.abs(residual[:-1, s]))[0, 1] for s in range(2)]
    assert np.abs(lagged).max() < 0.05  # what is left does not cluster


def test_slow_law_recovers_an_autoregression_and_its_filter_follows_it() -> None:
    rng = np.random.default_rng(0)
    law = SlowLaw(np.array([0.3, 0.2, 0.2, 0.0, 0.0]), np.array([120.0, 250.0, 250.0, 100.0, 100.0]), 0.0)
    states = simulate_slow(
        rng.standard_normal((1, 8_000, 5)).astype(np.float32), np.zeros((1, 5)), law, 40_000
    )[0]
    readings = states + 0.8 * rng.standard_normal(states.shape)
    found = fit_slow(readings)
    assert found.sd[0] == pytest.approx(0.3, rel=0.25)
    assert 60 <= found.half_life[0] <= 250
    filtered = filter_slow(readings, law, np.zeros(5))[:-1]
    assert np.corrcoef(filtered[500:, 0], states[500:, 0])[0, 1] > 0.8
    assert (filtered[:, 3:] == 0).all()


def test_slow_states_are_stationary() -> None:
    law = SlowLaw(np.array([0.3]), np.array([60.0]), 0.0)
    rng = np.random.default_rng(1)
    start = 0.3 * rng.standard_normal((4000, 1))
    paths = simulate_slow(rng.standard_normal((4000, 100, 1)).astype(np.float32), start, law, 500)
    assert paths[:, [0, 100, 499], 0].std(0) == pytest.approx(0.3, rel=0.05)
    assert np.array_equal(paths[:, 0], start.astype(np.float32))


def test_heavy_tail_is_a_unit_variance_student_t() -> None:
    mixing = np.random.default_rng(0).standard_normal((200, 2000)).astype(np.float32)
    weights = np.zeros((1, 2000, 2))
    weights[..., 1] = 1.0
    scale = noise.heavy_tail(mixing, weights, np.array([4.0, 8.0]))
    assert (scale**2).mean() == pytest.approx(1.0, rel=0.02)
    x = scale[0] * np.random.default_rng(1).standard_normal((400, 2000))
    assert stats.kstest(x.ravel()[:20_000] * np.sqrt(8 / 6), stats.t(8).cdf).pvalue > 1e-3


def test_a_path_does_not_depend_on_the_number_of_paths_or_days() -> None:
    few, many = noise.draw(9, range(4), 20, 3, 2), noise.draw(9, range(2, 40), 50, 3, 2)
    for name in ("factors", "own", "mixing"):
        assert np.array_equal(getattr(few, name)[2:], getattr(many, name)[:2, :20])
    assert not np.array_equal(few.own[0], few.own[1])


def test_moved_generators_are_the_paths_own() -> None:
    for path, moved in zip(range(5, 9), noise.path_generators(2**63 + 1, range(5, 9), 2), strict=True):
        own = noise.path_generator(2**63 + 1, path, 2)
        assert moved.standard_normal(7).tolist() == own.standard_normal(7).tolist()
        assert moved.integers(100, size=3).tolist() == own.integers(100, size=3).tolist()


def test_map_tells_switches_from_the_past_only() -> None:
    weights = np.eye(2)[[0] * 30 + [1] * 30][None]
    blank, one = np.zeros((1, 3, 60, 2)), np.ones((1, 3, 60))
    levels = np.log([0.01, 0.03])
    maps = encode(weights, np.ones((1, 60)), blank, one, levels)
    assert maps.market.shape == (1, n_market_channels(2), 60)
    assert maps.sector.shape == (1, 3, 3, 60)
    step5 = maps.market[0, 3]
    assert step5[:30] == pytest.approx(0, abs=1e-6)
    assert step5[30] == pytest.approx(np.log(3))
    assert step5[32] == pytest.approx(np.log(3) * 3 / 5)
    assert step5[35:] == pytest.approx(0, abs=1e-6)
    longer = encode(np.eye(2)[[0] * 30 + [1] * 10 + [0] * 20][None], np.ones((1, 60)), blank, one, levels)
    assert np.array_equal(longer.market[..., :40], maps.market[..., :40])
