# SPDX-License-Identifier: Apache-2.0
"""Books, their windows, and the VaR and ES read from paths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spade_finance.evaluate.forecasts import (
    LEVELS,
    from_panel,
    from_paths,
    lower_tail,
    pooled_tail,
    reach,
)
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.portfolios import (
    compound,
    eigen_weights,
    long_short,
    make_windows,
    risk_book,
    rolling,
    rolling_regimes,
    window_regimes,
)


def history(n_sectors: int = 5) -> np.ndarray:
    """Correlated returns with different volatilities."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((900, 1))
    return (common + rng.standard_normal((900, n_sectors))) * 0.01 * np.arange(1, n_sectors + 1)


def test_books_are_of_gross_one_neutral_and_always_the_same() -> None:
    book = risk_book(history())
    assert book.names == (
        "equal weight", "long-short 1", "long-short 2", "long-short 3", "long-short 4", "eigen largest",
        "eigen smallest",
    )  # fmt: skip
    np.testing.assert_allclose(np.abs(book.weights).sum(1), 1.0)
    np.testing.assert_allclose(book.weights[1:5].sum(1), 0.0, atol=1e-15)
    np.testing.assert_array_equal(risk_book(history()).weights, book.weights)
    assert risk_book(history(1)).names == ("equal weight",)
    two = risk_book(history(2))
    assert two.names == ("equal weight", "long-short 1", "eigen largest", "eigen smallest")
    np.testing.assert_allclose(np.abs(two.weights[1]), 0.5)
    np.testing.assert_allclose(long_short(4, 2), long_short(4, 3)[:2])


def test_eigen_books_are_uncorrelated_and_ordered_by_eigenvalue() -> None:
    x = history()
    weights = eigen_weights(x)
    returns = x @ weights.T
    np.testing.assert_allclose(np.corrcoef(returns.T), np.eye(5), atol=1e-10)
    # variance over that of the same holdings in uncorrelated sectors is the eigenvalue
    values = returns.var(0) / ((weights * x.std(0)) ** 2).sum(1)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(np.corrcoef(x.T))[::-1], rtol=1e-9)
    assert (weights[0] > 0).all()


def test_windows_compound_and_take_the_regime_of_most_of_their_days() -> None:
    rng = np.random.default_rng(1)
    daily, codes = rng.standard_normal(103) * 0.02, rng.integers(0, 3, 103)
    growth = pd.Series(1 + daily).rolling(5).apply(np.prod, raw=True).to_numpy() - 1
    np.testing.assert_allclose(compound(daily, 5), growth[4:100:5])
    np.testing.assert_allclose(rolling(daily, 5), growth[4:])
    expected = []
    for t in range(99):
        count = np.bincount(codes[t : t + 5], minlength=3)
        expected.append(max(k for k in range(3) if count[k] == count.max()))
    np.testing.assert_array_equal(rolling_regimes(codes, 5, 3), expected)
    np.testing.assert_array_equal(window_regimes(codes, 5, 3), expected[:96:5])
    simple = rng.standard_normal((103, 2)) * 0.01
    windows = make_windows(simple, np.array([[0.5, 0.5], [1.0, -1.0]]), 5, codes, ("a", "b", "c"))
    assert windows.count == 20
    np.testing.assert_allclose(windows.returns[1, 3], np.prod(1 + simple[15:20, 0] - simple[15:20, 1]) - 1)
    np.testing.assert_array_equal(windows.groups["b"], np.array(expected[:96:5]) == 1)
    assert windows.ends[3] == 19


def test_var_is_numpys_weibull_quantile_and_es_its_excess() -> None:
    x = np.random.default_rng(2).standard_t(4, (3, 501))
    var, es = lower_tail(x)
    for i, level in enumerate(LEVELS):
        np.testing.assert_allclose(var[i], -np.quantile(x, 1 - level, axis=1, method="weibull"))
        for row in range(3):
            excess = np.maximum(-x[row] - var[i, row], 0).mean() / (1 - level)
            assert es[i, row] == pytest.approx(var[i, row] + excess)
    few = lower_tail(x[:, :20])
    np.testing.assert_allclose(few[0][2], -x[:, :20].min(1))


def test_few_draws_do_not_bias_coverage() -> None:
    rng = np.random.default_rng(3)
    draws, real = rng.standard_t(3, (8_000, 199)), rng.standard_t(3, 8_000)
    var, _ = lower_tail(draws)
    for i, level in enumerate(LEVELS):
        n = 8_000 * (1 - level)
        assert (real < -var[i]).sum() == pytest.approx(n, abs=3.5 * n**0.5)


def test_es_of_many_draws_is_the_closed_form() -> None:
    var, es = lower_tail(np.random.default_rng(4).standard_normal(400_000))
    for i, level in enumerate(LEVELS):
        q = stats.norm.ppf(level)
        assert var[i] == pytest.approx(q, rel=0.01)
        assert es[i] == pytest.approx(stats.norm.pdf(q) / (1 - level), rel=0.01)


def test_neighbours_stay_inside_the_spell() -> None:
    codes = np.repeat([0, 1, 0, 2], [7, 3, 1, 6])
    first, length = reach(codes, 2)
    assert length.tolist() == [5] * 7 + [3] * 3 + [1] + [5] * 6
    for t, (a, n) in enumerate(zip(first, length, strict=True)):
        assert a <= t < a + n
        assert len(set(codes[a : a + n])) == 1
    assert first[3] == 1
    draws = np.random.default_rng(5).standard_normal((2, 17, 120)).astype(np.float32)
    var, es = pooled_tail(draws, codes)
    for t in range(17):
        expected = lower_tail(draws[:, first[t] : first[t] + length[t]].reshape(2, -1))
        np.testing.assert_allclose(var[:, :, t], expected[0])
        np.testing.assert_allclose(es[:, :, t], expected[1])


def test_forecasts_from_paths_see_each_days_volatility_at_every_horizon() -> None:
    rng = np.random.default_rng(6)
    codes = np.repeat([0, 1, 0], [40, 40, 40])
    volatility = np.where(codes == 1, 0.03, 0.01)
    paths = (rng.standard_normal((1, 120, 1500)) * volatility[:, None]).astype(np.float32)
    for horizon in (1, 5):
        windows = make_windows(np.zeros((120, 1)), np.ones((1, 1)), horizon, codes, ("calm", "wild"))
        found = from_paths(paths, windows, codes)
        truth = stats.norm.ppf(0.95) * volatility[windows.ends] * horizon**0.5
        np.testing.assert_allclose(found.var[0, 0], truth, rtol=0.2)
        assert found.var[0, 0].mean() == pytest.approx(truth.mean(), rel=0.03)
        assert found.draws.shape == (1, windows.count, 1500)
        assert len(found.groups) == 5
        assert found.groups[0][0].mean() == pytest.approx(found.var.mean(), rel=0.05)
    np.testing.assert_allclose(found.draws[0, 2, 7], np.prod(1 + paths[0, 10:15, 7]) - 1, rtol=1e-4)


def test_a_given_panel_is_pooled_by_regime_and_says_nothing_of_regimes_it_lacks() -> None:
    rng = np.random.default_rng(7)
    simple = rng.standard_normal((6, 200, 2)) * 0.01
    own = np.tile(np.repeat([0, 1], 100), (6, 1))
    panel = Panel.from_simple(simple, ("A", "B"), ("x", "y", "z"), own)
    codes = np.repeat([0, 1, 2], 50)
    weights = np.array([[0.5, 0.5]])
    windows = make_windows(rng.standard_normal((150, 2)) * 0.01, weights, 1, codes, ("x", "y", "z"))
    found = from_panel(panel, windows, weights, np.random.default_rng(0), by_regime=True, n_draws=50)
    pooled = simple[:, 100:].mean(2).reshape(-1)
    np.testing.assert_allclose(found.var[:, 0, 60], lower_tail(pooled)[0])
    assert np.isin(found.draws[0, 60].round(6), pooled.astype(np.float32).round(6)).all()
    assert found.known.tolist() == [True] * 100 + [False] * 50
    plain = from_panel(panel, windows, weights, np.random.default_rng(0), by_regime=False, n_draws=50)
    assert plain.known.all()
    np.testing.assert_allclose(plain.var[:, 0, 3], lower_tail(simple.mean(2).reshape(-1))[0])
