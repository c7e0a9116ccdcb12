# SPDX-License-Identifier: Apache-2.0
"""No decision depends on a later day, whatever the strategy tries."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.backtest.causal import causal_codes
from spade_finance.backtest.decision import StrategyError
from spade_finance.backtest.engine import run_paths
from spade_finance.backtest.strategies import STRATEGIES, SkfolioStrategy, make_strategy
from spade_finance.backtest.strategies.base import Known, Strategy
from spade_finance.backtest.user import FunctionStrategy
from spade_finance.exceptions import InputError
from spade_finance.regimes import RegimeLabels, RuleRegimes, make_labeller

DAYS, CUT = 120, 70
SHORT = {"lookback": 40}
PARAMETERS: dict[str, dict[str, Any]] = {
    "inverse_volatility": SHORT,
    "minimum_variance": SHORT,
    "risk_parity": SHORT,
    "momentum": SHORT | {"skip": 5},
    "time_series_momentum": SHORT | {"volatility_days": 20},
}


def simulated(n: int = 5, days: int = DAYS, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, (n, days, 3)) * 0.012


@pytest.fixture(scope="module")
def rules(market: tuple[pd.DataFrame, RegimeLabels]) -> RuleRegimes:
    return RuleRegimes().fit(market[0])


class Mean:
    """A stand-in for a skfolio optimiser."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def fit(self, table: pd.DataFrame) -> Mean:
        self.weights_ = np.clip(table.mean().to_numpy(), 0, None) * 100
        return self


def strategies(rules: RuleRegimes) -> list[Strategy]:
    made = [
        make_strategy(name, **PARAMETERS.get(name, {})) for name in STRATEGIES if name != "regime_switching"
    ]
    made.append(make_strategy("regime_switching", labels=rules))
    made.append(FunctionStrategy(lambda past: past.iloc[-20:].mean() * 50, "pandas"))
    made.append(SkfolioStrategy(Mean(), lookback=30))
    return made


def test_an_altered_future_changes_no_earlier_decision(rules: RuleRegimes) -> None:
    simple = simulated()
    altered = simple.copy()
    altered[:, CUT:] = simulated(seed=99)[:, CUT:] * 8
    for strategy in strategies(rules):
        before, after = (
            run_paths(strategy, x, rebalance=3, warm_up=64, keep_weights=True) for x in (simple, altered)
        )
        known = before.decisions <= CUT  # a decision at step CUT has seen the days below CUT
        assert before.decisions[known][-1] == CUT
        np.testing.assert_array_equal(
            before.weights[:, known], after.weights[:, known], err_msg=strategy.name
        )
        np.testing.assert_array_equal(before.returns[:, :CUT], after.returns[:, :CUT], err_msg=strategy.name)
        if strategy.name not in ("equal_weight", "sixty_forty"):  # the test could see a difference
            assert (before.weights[:, ~known] != after.weights[:, ~known]).any(), strategy.name


def test_the_timeline_of_the_scenario_is_never_used(rules: RuleRegimes) -> None:
    simple = simulated()
    for strategy in strategies(rules):
        first, second = (
            run_paths(strategy, simple, codes=codes, regimes=("bull", "crisis"), keep_weights=True)
            for codes in (np.zeros(DAYS, dtype=int), np.ones(DAYS, dtype=int))
        )
        np.testing.assert_array_equal(first.weights, second.weights)


def test_returns_of_a_day_are_earned_by_weights_decided_before_it() -> None:
    simple = np.zeros((1, 30, 3))
    simple[0, 10, 1] = 0.5  # whoever had known

    def winner(past: np.ndarray) -> np.ndarray:
        return (past[-1] == past[-1].max()) & (past[-1] > 0)

    strategy = FunctionStrategy(winner, "yesterday's winner")
    ledger = run_paths(strategy, simple, rebalance="daily", warm_up=1, keep_weights=True)
    assert ledger.returns[0, 10] == 0
    assert ledger.weights[0, :, 1].tolist() == [1.0 if step == 11 else 0.0 for step in ledger.decisions]


@dataclass(eq=False)
class Thief(Strategy):
    """Walks to whatever memory lies behind its view and keeps what it finds of later days."""

    name = "thief"
    look: int | None = 10
    found: list[float] = field(default_factory=list)

    @property
    def looks_back(self) -> int | None:
        return self.look

    def weights(self, known: Known) -> np.ndarray:
        array: Any = known.past
        while isinstance(array.base, np.ndarray):
            array = array.base
        later = array.reshape(len(known.past), -1, 3)[:, known.step :]
        self.found.append(float(np.abs(later).max(initial=0.0)))
        if array.flags.writeable:
            array[:] = 9.0  # and what it writes there hurts nobody but itself
        return np.full((len(known.past), 3), 1 / 3)


@pytest.mark.parametrize("look", [None, 10])
def test_the_memory_behind_the_view_holds_no_future(look: int | None) -> None:
    simple = np.abs(simulated()) + 1e-3
    thief = Thief(look)
    ledger = run_paths(thief, simple, rebalance="daily")
    honest = run_paths(make_strategy("equal_weight"), simple, rebalance="daily")
    assert len(thief.found) == DAYS
    assert thief.found[0] == 0
    # What it wrote is all that it ever finds there.
    assert set(thief.found) <= {0.0, 9.0}
    np.testing.assert_array_equal(ledger.returns, honest.returns)


def test_a_function_finds_no_future_behind_its_table() -> None:
    simple = np.abs(simulated(2)) + 1e-3
    largest = []

    def searching(past: pd.DataFrame) -> np.ndarray:
        array: Any = past.to_numpy()
        while isinstance(array.base, np.ndarray):
            array = array.base
        owned = [x for x in gc.get_referrers(array) if isinstance(x, np.ndarray)]
        largest.append(max(x.size for x in [array, *owned]) - past.size)
        return np.ones(3) / 3

    run_paths(FunctionStrategy(searching), simple[:1], rebalance=30)
    assert max(largest) == 0


def test_an_index_beyond_today_is_an_error_that_names_the_day() -> None:
    def tomorrow(past: np.ndarray) -> np.ndarray:
        return past[len(past)]

    with pytest.raises(
        StrategyError, match=r"'tomorrow' on day 63, path 0: .*sees the days so far and none after"
    ):
        run_paths(FunctionStrategy(tomorrow), simulated())


@pytest.mark.parametrize("method", ["rules", "gmm"])
def test_causal_codes_are_what_the_labeller_filters(
    method: str, market: tuple[pd.DataFrame, RegimeLabels]
) -> None:
    returns = market[0]
    labeller = make_labeller(method).fit(returns)
    simple = np.stack([returns.to_numpy()[i : i + 250] * (1 + 0.3 * i / 250) for i in (0, 250, 700)])
    found = causal_codes(labeller, simple.mean(axis=2))
    for i in range(3):
        table = pd.DataFrame(
            simple[i], pd.bdate_range("2000-01-03", periods=250, name="date"), returns.columns
        )
        assert found[i].tolist() == labeller.filter(table).codes.tolist()
    assert len(np.unique(found)) > 1


def test_a_labeller_that_looks_ahead_is_refused(rules: RuleRegimes) -> None:
    class Prophet(RuleRegimes):
        def _filter(self, market: np.ndarray) -> Any:
            codes = np.roll(super()._filter(market)[0], -30)
            codes[-30:] = 0
            return codes, np.eye(4)[codes]

    prophet = Prophet()
    prophet.__dict__.update(vars(rules))
    simple = simulated(3, 300)
    simple[:, 60:140] *= 6
    simple[:, 200:260] *= 6
    run_paths(make_strategy("regime_switching", labels=rules), simple)
    with pytest.raises(InputError, match="a strategy may not trade on it"):
        run_paths(make_strategy("regime_switching", labels=prophet), simple)
