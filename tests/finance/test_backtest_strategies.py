# SPDX-License-Identifier: Apache-2.0
"""Each strategy against its definition, and the optimisers against skfolio."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.backtest.decision import StrategyError
from spade_finance.backtest.engine import run_paths
from spade_finance.backtest.strategies import (
    STRATEGIES,
    SkfolioStrategy,
    Strategy,
    as_strategy,
    make_strategy,
)
from spade_finance.backtest.strategies.base import Known
from spade_finance.backtest.strategies.minimum_variance import long_only_minimum_variance
from spade_finance.backtest.strategies.risk_parity import risk_parity
from spade_finance.exceptions import InputError
from spade_finance.regimes import RegimeLabels, RuleRegimes

SECTORS = ("A", "B", "C", "D", "E")


def simulated(n: int = 8, days: int = 300, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.standard_t(4, (n, days, 1)) * 0.01
    return common * rng.uniform(0.2, 1.6, (n, 1, 5)) + rng.standard_normal((n, days, 5)) * rng.uniform(
        0.003, 0.02, (n, 1, 5)
    )


def decide(strategy: Strategy, past: np.ndarray, **more: Any) -> np.ndarray:
    names = tuple(f"S{i}" for i in range(past.shape[2])) if past.shape[2] != 5 else SECTORS
    look = strategy.looks_back
    return strategy.weights(Known(past if look is None else past[:, -look:], past.shape[1], names, **more))


def test_inverse_volatility() -> None:
    past = simulated()
    expected = 1 / past[:, -63:].std(axis=1, ddof=1)
    np.testing.assert_allclose(
        decide(make_strategy("inverse_volatility"), past), expected / expected.sum(axis=1, keepdims=True)
    )
    still = past.copy()
    still[0, :, 2] = 0.0
    weights = decide(make_strategy("inverse_volatility"), still)
    assert weights[0, 2] > 0.999
    assert np.isfinite(weights).all()


@pytest.mark.parametrize("assets", [2, 7, 15])
def test_minimum_variance_is_optimal(assets: int) -> None:
    """The conditions of Karush, Kuhn and Tucker hold, which are sufficient for a convex programme."""
    rng = np.random.default_rng(assets)
    factors = rng.standard_normal((500, assets, 3)) + 0.8
    covariance = factors @ factors.transpose(0, 2, 1) + rng.uniform(0.01, 1, (500, 1, assets)) * np.eye(
        assets
    )
    weights = long_only_minimum_variance(covariance)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    gradient = (covariance @ weights[..., None])[..., 0]
    variance = np.sum(gradient * weights, axis=1, keepdims=True)
    np.testing.assert_allclose(
        np.where(weights > 0, gradient, variance), np.broadcast_to(variance, weights.shape), rtol=1e-8
    )
    assert (gradient >= variance * (1 - 1e-8)).all()
    assert (weights == 0).any()
    assert ((weights > 0).sum(axis=1) > 1).any()


def test_minimum_variance_of_two_and_with_short_sales() -> None:
    covariance = np.array([[[4.0, 1.0], [1.0, 9.0]], [[1.0, 1.8], [1.8, 4.0]]])
    np.testing.assert_allclose(long_only_minimum_variance(covariance), [[8 / 11, 3 / 11], [1, 0]], atol=1e-12)
    past = simulated(3)
    weights = decide(make_strategy("minimum_variance", long_only=False), past)
    for row, held in zip(past, weights, strict=True):
        inverse = np.linalg.inv(np.cov(row[-126:].T))
        np.testing.assert_allclose(held, inverse.sum(axis=1) / inverse.sum(), rtol=1e-6)


def test_risk_parity_contributions_are_equal() -> None:
    rng = np.random.default_rng(3)
    factors = rng.standard_normal((400, 9, 4))
    covariance = factors @ factors.transpose(0, 2, 1) * 1e-4 + rng.uniform(1e-7, 1e-3, (400, 1, 9)) * np.eye(
        9
    )
    weights = risk_parity(covariance)
    assert (weights > 0).all()
    share = weights * (covariance @ weights[..., None])[..., 0]
    np.testing.assert_allclose(share / share.sum(axis=1, keepdims=True), 1 / 9, rtol=1e-9)
    diagonal = np.eye(9)[None] * np.arange(1, 10)
    np.testing.assert_allclose(
        risk_parity(diagonal)[0], (h := np.arange(1, 10) ** -0.5) / h.sum(), rtol=1e-12
    )


def test_optimisers_agree_with_skfolio() -> None:
    optimization = pytest.importorskip("skfolio.optimization")
    past = simulated(3)
    ours = {
        "minimum_variance": decide(make_strategy("minimum_variance", lookback=126), past),
        "risk_parity": decide(make_strategy("risk_parity", lookback=126), past),
    }
    theirs = {"minimum_variance": optimization.MeanRisk(), "risk_parity": optimization.RiskBudgeting()}
    for name, estimator in theirs.items():
        found = decide(SkfolioStrategy(estimator, lookback=126), past)
        np.testing.assert_allclose(ours[name], found, atol=2e-4, err_msg=name)
        variances = [
            [w @ np.cov(row[-126:].T) @ w for row, w in zip(past, weights, strict=True)]
            for weights in (ours[name], found)
        ]
        if name == "minimum_variance":
            assert (np.array(variances[0]) <= np.array(variances[1]) * (1 + 1e-9)).all()


def test_a_skfolio_optimiser_runs_and_its_failure_names_day_and_path() -> None:
    optimization = pytest.importorskip("skfolio.optimization")
    simple = simulated(2, 80)
    strategy = as_strategy(optimization.InverseVolatility)
    assert isinstance(strategy, SkfolioStrategy)
    assert strategy.name == "InverseVolatility"
    run = run_paths(SkfolioStrategy(optimization.InverseVolatility(), 50), simple, keep_weights=True)
    sigma = simple[1, :50].std(axis=0)
    assert run.weights is not None
    np.testing.assert_allclose(run.weights[1, 0], (1 / sigma) / (1 / sigma).sum(), rtol=1e-6)
    with pytest.raises(StrategyError, match=r"'MeanRisk' on day 50, path 0: it raised"):
        run_paths(SkfolioStrategy(optimization.MeanRisk(min_weights=0.5), 50), simple)


def test_momentum() -> None:
    past = simulated(6)
    formation = np.prod(1 + past[:, -252:-21], axis=1) - 1
    weights = decide(make_strategy("momentum"), past)
    for row, held in zip(formation, weights, strict=True):
        best = np.argsort(row)[-2:]  # 34 percent of five, rounded
        assert set(np.flatnonzero(held)) == set(best)
        assert held[best].tolist() == [0.5, 0.5]
    both = decide(make_strategy("momentum", short=True), past)
    np.testing.assert_allclose(both.sum(axis=1), 0, atol=1e-15)
    assert (np.take_along_axis(both, formation.argmin(axis=1)[:, None], 1) == -0.5).all()


def test_time_series_momentum() -> None:
    past = simulated(6)
    rose = np.prod(1 + past[:, -252:], axis=1) > 1
    share = 1 / past[:, -63:].std(axis=1, ddof=1)
    share /= share.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(decide(make_strategy("time_series_momentum"), past), share * rose)
    np.testing.assert_allclose(
        decide(make_strategy("time_series_momentum", short=True), past), share * np.where(rose, 1, -1)
    )
    assert rose.any()
    assert not rose.all()


def test_volatility_target_and_sixty_forty() -> None:
    past = simulated(6)
    sigma = past[:, -21:].mean(axis=2).std(axis=1, ddof=1) * 252**0.5
    exposure = decide(make_strategy("volatility_target", target=0.12), past).sum(axis=1)
    np.testing.assert_allclose(exposure, np.minimum(0.12 / sigma, 1.5))
    assert decide(make_strategy("sixty_forty"), past)[0].tolist() == [0.12] * 5


def test_regime_switching_follows_causal_labels(market: tuple[pd.DataFrame, RegimeLabels]) -> None:
    returns = market[0]
    labeller = RuleRegimes().fit(returns)
    simple = returns.to_numpy()[None, :400]
    strategy = make_strategy("regime_switching", labels=labeller, exposure={"crisis": 0.1, "bear": 0.4})
    ledger = run_paths(strategy, simple, rebalance=5, keep_weights=True)
    codes = labeller.filter(returns.iloc[:400]).codes
    expected = np.array([1, 1, 0.4, 0.1])[codes[ledger.decisions - 1]]
    assert ledger.weights is not None
    np.testing.assert_allclose(ledger.weights[0].sum(axis=1), expected)
    assert len(np.unique(expected)) > 1
    exposures = make_strategy("regime_switching").exposures  # type: ignore[attr-defined]
    np.testing.assert_allclose(exposures(("a", "b", "c", "d")), [1, 1, 2 / 3, 0])
    assert exposures(("bull", "crisis")).tolist() == [1, 0]
    with pytest.raises(StrategyError, match="exposure names 'boom'"):
        run_paths(make_strategy("regime_switching", labels=labeller, exposure={"boom": 0}), simple)


def test_the_default_labeller_has_seen_nothing_after_2012() -> None:
    from spade_finance.backtest.strategies.regime_switching import default_labeller

    assert default_labeller().training_window_[1] <= "2012-12-31"


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_runs_with_its_defaults_and_treats_paths_alone(name: str) -> None:
    simple = simulated(4, 300)
    strategy = make_strategy(name)
    ledger = run_paths(strategy, simple, keep_weights=True)
    assert np.isfinite(ledger.returns).all()
    assert repr(strategy).lower().replace("_", "").startswith(name.replace("_", ""))
    alone = run_paths(strategy, simple[2:3], keep_weights=True)
    assert ledger.weights is not None
    assert alone.weights is not None
    np.testing.assert_allclose(ledger.weights[2], alone.weights[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("momentun", {}, "did you mean 'momentum'"),
        ("momentum", {"window": 3}, "has no parameter 'window'; it has lookback, skip, top, short"),
        ("momentum", {"lookback": 20}, "skip=21: it must be below lookback=20"),
        ("inverse_volatility", {"lookback": 1.5}, "lookback=1.5: pass a whole number"),
        ("volatility_target", {"target": -1}, "target=-1"),
        ("regime_switching", {"exposure": (1, 9)}, "exposure=9"),
        ("regime_switching", {"labels": RuleRegimes()}, "is no fitted labeller"),
        ("minimum_variance", {"long_only": "yes"}, "long_only='yes'"),
    ],
)
def test_bad_parameters_are_refused(name: str, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_strategy(name, **parameters)
