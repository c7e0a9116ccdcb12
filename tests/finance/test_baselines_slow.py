# SPDX-License-Identifier: Apache-2.0
"""Slow states on a baseline: every one does what it says, alone and together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spade_finance.baselines import BlockBootstrap, GivenSlowStates, make_baseline
from spade_finance.baselines.recolour import Recolouring, regime_correlations, tilted
from spade_finance.model.moments import factor
from spade_finance.model.slow import SlowLaw
from spade_finance.regimes.labels import RegimeLabels
from tests.finance.evaluation_doubles import make_labels, make_returns

ALL = np.zeros(3000, dtype=int)


def one_regime(log_returns: np.ndarray) -> tuple[pd.DataFrame, RegimeLabels]:
    dates = pd.bdate_range("1960-01-01", periods=len(log_returns), name="date")
    names = [f"S{i}" for i in range(log_returns.shape[1])]
    labels = RegimeLabels.from_codes(np.zeros(len(dates), dtype=np.int8), ("all",), dates)
    return pd.DataFrame(np.expm1(log_returns), index=dates, columns=names), labels


@pytest.fixture(scope="module")
def iid() -> GivenSlowStates:
    rng = np.random.default_rng(0)
    mix = np.linalg.cholesky(0.4 * np.ones((3, 3)) + 0.6 * np.eye(3)).T
    return GivenSlowStates(BlockBootstrap(1)).fit(*one_regime(0.01 * rng.standard_normal((3000, 3)) @ mix))


def with_law(fitted: GivenSlowStates, sd: list[float], half_life: float = 100.0, phi: float = 0.0):
    """The same baseline with states of known law and nothing else."""
    made = GivenSlowStates(BlockBootstrap(1))
    made.__dict__.update(vars(fitted))
    made.law_ = SlowLaw(np.array(sd), np.full(len(sd), half_life), phi)
    made.recolouring_ = None
    return made


def test_history_without_slow_states_gets_almost_none(iid):
    assert iid.law_.sd[0] < 0.06
    assert abs(iid.law_.autocorrelation) < 0.03
    plain = iid.inner_.sample(ALL, 20, 0).log_array
    given = iid.sample(ALL, 20, 0).log_array
    assert given.std() == pytest.approx(plain.std(), rel=0.03)


def test_volatility_level_has_the_stationary_sd_and_the_half_life_of_its_law(iid):
    made = with_law(iid, [0.3, 0.1, 0.1, 0.1, 0.0, 0.0])
    ones = np.broadcast_to(
        (made.moments_.mean[0] + made.moments_.std[0]).astype(np.float32), (300, 1500, 3)
    ).copy()
    nowhere = np.full(6, np.nan)
    out = made._with_states(ones, np.zeros(1500, dtype=int), nowhere, np.random.default_rng(0))
    level = np.log((out - made.moments_.mean[0]) / made.moments_.std[0])
    assert level.std() == pytest.approx(np.sqrt(0.3**2 + 0.1**2), rel=0.06)
    assert level.mean() == pytest.approx(-0.10, abs=0.03)
    assert np.exp(2 * level.astype(np.float64)).mean() == pytest.approx(
        1.0, rel=0.08
    )  # the regime's variance
    centred = level[:, :, 0] - level[:, :, 0].mean()
    lag = (centred[:, 100:] * centred[:, :-100]).mean() / centred.var()
    assert lag == pytest.approx(0.5, abs=0.08)
    shared = np.corrcoef(level[:, ::50, 0].ravel(), level[:, ::50, 1].ravel())[0, 1]
    assert shared == pytest.approx(0.9, abs=0.03)


def test_start_level_is_where_the_paths_begin(iid):
    made = with_law(iid, [0.2, 0.0, 0.0, 0.0, 0.0, 0.0], half_life=60.0)
    early, late = slice(0, 5), slice(500, 600)
    at = {v: made.sample(np.zeros(600, dtype=int), 1500, 0, start_vol=v).log_array for v in (1.0, 2.0)}
    assert at[2.0][:, early].std() / at[1.0][:, early].std() == pytest.approx(2.0, rel=0.03)
    assert at[2.0][:, late].std() / at[1.0][:, late].std() == pytest.approx(1.0, rel=0.03)


def test_autocorrelation_is_the_laws_and_leaves_the_variance(iid):
    x = with_law(iid, [0.0] * 6, phi=0.2).sample(ALL, 40, 0).log_array.astype(np.float64)
    x = x - x.mean((0, 1))
    for lag, wanted in ((1, 0.2), (2, 0.04), (3, 0.008)):
        assert (x[:, lag:] * x[:, :-lag]).mean() / x.var() == pytest.approx(wanted, abs=0.008)
    assert x.var() == pytest.approx(iid.inner_.sample(ALL, 40, 0).log_array.var(), rel=0.02)


def test_recolouring_gives_the_correlation_of_its_formula_and_back():
    rng = np.random.default_rng(0)
    start = np.array([[1, 0.5, 0.3, 0.2], [0.5, 1, 0.4, 0.1], [0.3, 0.4, 1, 0.3], [0.2, 0.1, 0.3, 1.0]])
    loadings = factor(start, 3)
    table = Recolouring.make(start[None], 0.4)
    e = rng.standard_normal((200_000, 4)) @ np.linalg.cholesky(tilted(loadings, 0.0)).T
    codes = np.zeros(len(e), dtype=int)
    for state in (-0.6, 0.0, 0.8):
        state = float(table.grid[np.abs(table.grid - state).argmin()])
        common = np.exp(2 * state) * loadings @ loadings.T
        expected = common + np.diag(1 - (loadings**2).sum(1))
        expected /= np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        moved = table.apply(e, codes, np.full(len(e), state))
        np.testing.assert_allclose(np.corrcoef(moved.T), expected, atol=0.01)
        np.testing.assert_allclose(moved.std(0), 1.0, atol=0.01)
        back = table.apply(moved, codes, np.full(len(e), state), undo=True)
        np.testing.assert_allclose(back, e, atol=2e-4)


def test_rare_regimes_correlation_leans_on_all_days():
    rng = np.random.default_rng(0)
    e = rng.standard_normal((1000, 2)) @ np.linalg.cholesky([[1, 0.5], [0.5, 1]]).T
    codes = np.zeros(1000, dtype=int)
    codes[:10] = 1
    found = regime_correlations(e, codes, 3)
    pooled = np.corrcoef(e.T)[0, 1]
    assert abs(found[1, 0, 1] - pooled) < 0.15
    assert found[2, 0, 1] == pytest.approx(pooled)


def drifting(n_days: int = 12_000) -> np.ndarray:
    """Returns (days, 4) with a common AR(1) log level, sd .4, half-life 180 days; lag-one coefficient .15."""
    rng = np.random.default_rng(8)
    rho = 0.5 ** (1 / 180)
    level = np.empty(n_days)
    x = 0.4 * rng.standard_normal()
    for t in range(n_days):
        level[t] = x
        x = rho * x + 0.4 * np.sqrt(1 - rho**2) * rng.standard_normal()
    shock = rng.standard_normal((n_days, 1)) * 0.6 + rng.standard_normal((n_days, 4)) * 0.8
    r = 0.01 * np.exp(level)[:, None] * shock
    for t in range(1, n_days):
        r[t] += 0.15 * r[t - 1]
    return r


def test_bootstrap_given_states_keeps_what_blocks_break_off():
    returns, labels = one_regime(drifting())
    slow = make_baseline("block_bootstrap_slow").fit(returns, labels)
    assert slow.law_.sd[0] == pytest.approx(0.4, abs=0.12)
    assert 60 <= slow.law_.half_life[0] <= 500
    assert slow.law_.autocorrelation == pytest.approx(0.6 * 0.15, abs=0.04)  # shrunk as in the generator
    codes = np.zeros(4000, dtype=int)

    def memory(x: np.ndarray, lag: int) -> float:
        size = np.abs(x) - np.abs(x).mean()
        return float((size[:, lag:] * size[:, :-lag]).mean() / size.var())

    real = np.log1p(returns.to_numpy())[None]
    drawn = slow.sample(codes, 20, 0).log_array
    plain = make_baseline("block_bootstrap").fit(returns, labels).sample(codes, 20, 0).log_array
    assert memory(plain, 100) < 0.03 < 0.08 < memory(real, 100)
    assert memory(drawn, 100) == pytest.approx(memory(real, 100), abs=0.06)
    assert drawn.std() == pytest.approx(real.std(), rel=0.1)


def test_cleaned_history_has_an_even_level_and_each_regimes_moments():
    returns = make_returns(1500)
    labels = make_labels(returns)
    slow = GivenSlowStates(BlockBootstrap()).fit(returns, labels)
    for k in range(4):
        days = slow.inner_.log_returns_[slow.codes_ == k]
        np.testing.assert_allclose(days.mean(0), slow.moments_.mean[k], atol=1e-10)
        np.testing.assert_allclose(days.std(0), slow.moments_.std[k], rtol=1e-8)
    assert slow.states_.shape == (1501, 6)
    assert (slow.states_[0] == 0).all()
