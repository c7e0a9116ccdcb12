# SPDX-License-Identifier: Apache-2.0
"""The engine against a plain loop, against bt, and against answers known by hand."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.backtest.calendar import rebalance_steps
from spade_finance.backtest.costs import Costs
from spade_finance.backtest.engine import run_batches, run_paths
from spade_finance.backtest.ledger import Ledger
from spade_finance.backtest.strategies import make_strategy
from spade_finance.backtest.strategies.base import Known, Strategy
from spade_finance.exceptions import InputError
from spade_finance.scenarios import ScenarioSet

SECTORS = ("Energy", "Tech", "Health Care")


def simulated(n: int = 6, days: int = 130, seed: int = 0, scale: float = 0.02) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, (n, days, 3)) * scale


@dataclass(frozen=True)
class LongShort(Strategy):
    """Weights that depend on the past, go short and borrow."""

    name = "long_short"

    @property
    def needs(self) -> int:
        return 5

    def weights(self, known: Known) -> np.ndarray:
        score = known.past[:, -5:].sum(axis=1)
        return 1.5 * np.tanh(20 * score) + 0.2


@dataclass(frozen=True)
class Fixed(Strategy):
    """The same weights always."""

    name = "fixed"
    held: tuple[float, ...] = (0.5, 0.3, 0.2)

    def weights(self, known: Known) -> np.ndarray:
        return np.tile(self.held, (len(known.past), 1))


@dataclass(eq=False)
class Script(Strategy):
    """Given weights, one row a decision."""

    rows: np.ndarray
    name = "script"
    done: int = 0

    def weights(self, known: Known) -> np.ndarray:
        self.done += 1
        return self.rows[self.done - 1][None]


def plain_loop(
    weights_at: Any, simple: np.ndarray, costs: Costs, steps: list[int], lag: int, shared: np.ndarray
) -> dict[str, np.ndarray]:
    """One path, day by day, asset by asset, in units of money: what the engine must agree with."""
    days, assets = simple.shape
    rate, fee_rate = (costs.cost_bps + costs.slippage_bps) / 1e4, costs.borrow_bps_per_year / 1e4 / 252
    interest = (1 + costs.cash_rate) ** (1 / 252) - 1
    cash, position = 1.0, [0.0] * assets
    out = {name: np.zeros(days) for name in ("returns", "turnover", "costs")}
    orders = {step + lag - 1: step for step in steps}
    for t in range(days):
        start = cash + sum(position)
        if t in orders:
            step = orders[t]
            target = weights_at(np.concatenate([shared, simple[:step]]))

            def left(after: float, start: float = start, target: Any = target, held: Any = position) -> float:
                traded = sum(abs(target[i] * after - held[i]) for i in range(assets))
                return after + rate * traded - start

            low, high = 0.0, start  # bisection: wealth after the trade
            for _ in range(60):
                middle = 0.5 * (low + high)
                low, high = (low, middle) if left(middle) > 0 else (middle, high)
            traded = sum(abs(target[i] * low - position[i]) for i in range(assets))
            out["turnover"][t] = traded / start
            out["costs"][t] = rate * traded / start
            position = [target[i] * low for i in range(assets)]
            cash = low - sum(position)
        after_trade = cash + sum(position)
        fee = fee_rate * sum(-p for p in position if p < 0)
        out["costs"][t] += fee / after_trade
        position = [p * (1 + simple[t, i]) for i, p in enumerate(position)]
        cash = cash * (1 + interest) - fee
        out["returns"][t] = (cash + sum(position)) / start - 1
    return out


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("rebalance", ["daily", "monthly"])
def test_agrees_with_a_plain_loop_in_every_feature(rebalance: Any, lag: int) -> None:
    simple, strategy = simulated(3), LongShort()
    history = simulated(1, 8, seed=9)[0]
    dates = pd.bdate_range("2020-01-08", periods=simple.shape[1])
    costs = Costs(cost_bps=12, slippage_bps=8, borrow_bps_per_year=150, cash_rate=0.04)
    ledger = run_paths(
        strategy, simple, costs=costs, rebalance=rebalance, execution_lag=lag, history=history, dates=dates
    )
    months = dates.strftime("%Y-%m")
    if rebalance == "monthly":
        steps = [t for t in range(len(dates)) if t == 0 or months[t] != months[t - 1]]
    else:
        steps = list(range(0, len(dates), 1 if rebalance == "daily" else rebalance))
    steps = [t for t in steps if t + lag - 1 < len(dates)]

    def weights_at(past: np.ndarray) -> np.ndarray:
        return 1.5 * np.tanh(20 * past[-5:].sum(axis=0)) + 0.2

    assert ledger.turnover.max() > 1
    assert (ledger.costs > 0).mean() > 0.5  # borrow fees on most days
    for i in range(len(simple)):
        expected = plain_loop(weights_at, simple[i], costs, steps, lag, history)
        for name, values in expected.items():
            np.testing.assert_allclose(getattr(ledger, name)[i], values, rtol=0, atol=1e-12, err_msg=name)


def test_agrees_with_bt_including_costs() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bt = pytest.importorskip("bt")
    simple = simulated(1, 252, seed=3, scale=0.01)
    dates = pd.bdate_range("2019-12-31", periods=253)
    price = pd.DataFrame(
        100 * np.cumprod(np.concatenate([np.ones((1, 3)), 1 + simple[0]]), axis=0), dates, ["A", "B", "C"]
    )
    rate = 10e-4
    ledger = run_paths(
        Fixed(), simple, costs=Costs(cost_bps=10), rebalance="monthly", dates=dates[1:], keep_weights=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = bt.Strategy(
            "fixed",
            [
                bt.algos.RunOnDate(*dates[ledger.decisions]),  # our step d trades at the close before day d
                bt.algos.WeighSpecified(A=0.5, B=0.3, C=0.2),
                bt.algos.Rebalance(),
            ],
        )
        test = bt.Backtest(
            plan, price, initial_capital=1e6, commissions=lambda q, p: abs(q) * p * rate, integer_positions=False,
            progress_bar=False,
        )  # fmt: skip
        bt.run(test)
    total = getattr(test.strategy, "values").reindex(dates)  # noqa: B009 - a Series, which a linter mistakes
    theirs = total.to_numpy()[1:] / 1e6
    ours = np.cumprod(1 + ledger.returns[0])
    free = np.cumprod(1 + run_paths(Fixed(), simple, costs=Costs(0), dates=dates[1:]).returns[0])
    assert free[-1] - ours[-1] > 1e-3
    # bt books a trade's cost on the close it trades at, we on the bar that follows.
    closes = ledger.decisions[1:] - 1
    ours, theirs = np.delete(ours, closes), np.delete(theirs, closes)
    # It takes a purchase's fee from that purchase alone, so that its weights miss their targets by the fee:
    np.testing.assert_allclose(ours[:20], theirs[:20], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-6)
    # given the weights that it really holds after each trade, we agree all year.
    value = test.strategy.positions.reindex(dates)[["A", "B", "C"]] * price
    held = value.div(total, axis=0).to_numpy()[ledger.decisions]
    exact = run_paths(Script(held), simple, costs=Costs(cost_bps=10), rebalance="monthly", dates=dates[1:])
    np.testing.assert_allclose(
        np.delete(np.cumprod(1 + exact.returns[0]), closes), theirs, rtol=0, atol=1e-11
    )


def test_equal_weight_daily_without_costs_is_the_mean_of_simple_returns() -> None:
    simple = simulated(20, 60)
    ledger = run_paths(make_strategy("equal_weight"), simple, costs=Costs(0), rebalance="daily")
    np.testing.assert_allclose(ledger.returns, simple.mean(axis=2), rtol=0, atol=1e-14)
    held = run_paths(make_strategy("equal_weight"), simple, costs=Costs(0), rebalance=1000)
    np.testing.assert_allclose(
        np.cumprod(1 + held.returns, axis=1), np.cumprod(1 + simple, axis=1).mean(axis=2), rtol=1e-12
    )


def test_cash_and_costs_by_hand() -> None:
    flat = np.zeros((1, 252, 3))
    sixty = run_paths(make_strategy("sixty_forty"), flat, costs=Costs(0, cash_rate=0.05), rebalance=1000)
    assert np.prod(1 + sixty.returns) == pytest.approx(0.6 + 0.4 * 1.05, abs=1e-12)
    bought = run_paths(Fixed(), flat, costs=Costs(30, slippage_bps=20), rebalance=1000)
    # all wealth v buys v / (1 + k) of assets and pays k times that
    assert bought.returns[0, 0] == pytest.approx(1 / 1.005 - 1, abs=1e-15)
    assert bought.turnover[0, 0] == pytest.approx(1 / 1.005, abs=1e-15)
    assert not bought.returns[0, 1:].any()
    short = run_paths(Fixed((-1.0, 0.0, 0.0)), flat, costs=Costs(0, borrow_bps_per_year=252), rebalance=1000)
    assert np.prod(1 + short.returns) == pytest.approx(1 - 252 * 1e-4, abs=1e-13)


def test_ruin_ends_a_path_and_no_other() -> None:
    simple = np.zeros((3, 12, 3))
    simple[1, 4] = -0.6
    simple[2, 4] = -0.5
    ledger = run_paths(Fixed((1.0, 0.5, 0.5)), simple, costs=Costs(0), rebalance=5)
    assert ledger.ruined.tolist() == [-1, 4, 4]
    assert ledger.returns[1, 4] == -1 == ledger.returns[2, 4]
    assert not ledger.returns[1:, 5:].any()
    assert not ledger.turnover[1:, 5:].any()
    assert not ledger.returns[0].any()
    assert "2 ruined" in repr(ledger)
    cut = ledger.invested(3)
    assert cut.ruined.tolist() == [-1, 1, 1]
    assert cut.decisions.tolist() == [-3, 2, 7]


def test_a_total_loss_of_one_asset_costs_its_weight() -> None:
    simple = np.zeros((1, 3, 3))
    simple[0, 1, 0] = -1.0
    ledger = run_paths(Fixed(), simple, costs=Costs(0), rebalance=10)
    np.testing.assert_allclose(ledger.returns[0], [0, -0.5, 0], atol=1e-15)


def test_warm_up_is_cash_and_is_cut_off() -> None:
    simple = simulated(4, 100)
    strategy = make_strategy("inverse_volatility", lookback=21)
    ledger = run_paths(strategy, simple, costs=Costs(cash_rate=0.03))
    assert ledger.first == 21
    np.testing.assert_allclose(ledger.returns[:, :21], 1.03 ** (1 / 252) - 1, rtol=1e-12)
    assert ledger.invested().returns.shape == (4, 79)
    later = run_paths(strategy, simple, warm_up=40)
    assert later.decisions[0] == 40
    known = run_paths(strategy, simple, history=simulated(1, 30)[0])
    assert known.first == 0
    with pytest.raises(InputError, match="warm_up=10: strategy 'inverse_volatility' needs 21 days"):
        run_paths(strategy, simple, warm_up=10)
    with pytest.raises(InputError, match="needs 252 days of past returns and the path has 100"):
        run_paths(make_strategy("momentum"), simple)


def test_a_longer_lag_moves_the_trade_and_not_the_decision() -> None:
    simple = simulated(5, 80)
    now, later = (
        run_paths(LongShort(), simple, rebalance=10, execution_lag=lag, keep_weights=True) for lag in (1, 3)
    )
    np.testing.assert_array_equal(now.weights, later.weights)
    assert np.flatnonzero(now.turnover[0])[0] == 5
    assert np.flatnonzero(later.turnover[0])[0] == 7
    with pytest.raises(InputError, match="execution_lag=0"):
        run_paths(LongShort(), simple, execution_lag=0)


def test_calendar() -> None:
    dates = pd.DatetimeIndex(["2020-01-30", "2020-01-31", "2020-02-03", "2020-02-04", "2020-04-01"])
    assert rebalance_steps("monthly", 5, 0, dates).tolist() == [0, 2, 4]
    assert rebalance_steps("monthly", 5, 1, dates).tolist() == [1, 2, 4]
    assert rebalance_steps("weekly", 5, 0, dates).tolist() == [0, 2, 4]
    assert rebalance_steps("quarterly", 5, 0, dates).tolist() == [0, 4]
    assert rebalance_steps("daily", 3, 1, None).tolist() == [1, 2]
    assert rebalance_steps("monthly", 64, 0, None).tolist() == [0, 21, 42, 63]
    assert rebalance_steps(np.array([True, False, True, True, False]), 5, 1).tolist() == [2, 3]
    for bad in ("yearly", 0, True, np.array([True]), np.zeros(5, dtype=bool), 2.5):
        with pytest.raises(InputError, match="rebalance"):
            rebalance_steps(bad, 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cost_bps", -1),
        ("slippage_bps", 1e4),
        ("borrow_bps_per_year", np.nan),
        ("cash_rate", -1),
        ("cost_bps", "5"),
    ],
)
def test_costs_are_checked(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        Costs(**{name: value})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"simple": np.zeros((3, 3))}, "simple has shape"),
        ({"history": np.zeros((4, 2))}, "history has shape"),
        ({"sectors": ["a"]}, "sectors has 1 names"),
        ({"dates": pd.bdate_range("2020", periods=3)}, "dates has 3 days"),
        ({"max_gross": 0}, "max_gross=0"),
        ({"costs": Costs(2000)}, "could cost more than all wealth"),
        ({"warm_up": -1}, "warm_up=-1"),
    ],
)
def test_options_are_checked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run_paths(Fixed(), **{"simple": np.zeros((2, 10, 3)), **options})


def test_returns_that_are_none_are_refused() -> None:
    for value in (np.nan, np.inf, -1.5):
        simple = np.zeros((3, 10, 3))
        simple[1, 4, 2] = value
        with pytest.raises(InputError, match=f"asset 2 on path 1, day 4 is {value}"):
            run_paths(Fixed(), simple)
    with pytest.raises(InputError, match="path 0 leaves the range of numbers on day 7"):
        run_paths(Fixed(), np.full((1, 30, 3), 1e40), rebalance=100)


def test_the_input_is_left_alone_and_float32_is_worked_in_double() -> None:
    simple = simulated(3, 50)
    copy = simple.copy()
    ledger = run_paths(LongShort(), simple)
    np.testing.assert_array_equal(simple, copy)
    small = simple.astype(np.float32)
    np.testing.assert_allclose(run_paths(LongShort(), small).returns, ledger.returns, atol=1e-6)
    np.testing.assert_array_equal(
        run_paths(LongShort(), small).returns, run_paths(LongShort(), small.astype(np.float64)).returns
    )


def scenario_set(n: int = 40, days: int = 60) -> ScenarioSet:
    codes = np.repeat([0, 1], days // 2)
    return ScenarioSet(np.log1p(simulated(n, days)), SECTORS, ("bull", "crisis"), codes)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from spade_finance.backtest import engine

    scen = scenario_set()
    whole = run_paths(LongShort(), scen.simple_array, codes=scen.codes, regimes=scen.regimes)
    monkeypatch.setattr(engine, "_WORK_VALUES", 700)
    monkeypatch.setattr(engine, "_LEDGER_VALUES", 400)
    seen: list[int] = []
    parts = list(
        run_batches(
            LongShort(), (scen.subset(slice(i, i + 15)) for i in range(0, 40, 15)), progress=seen.append
        )
    )
    assert len(parts) > 3
    assert seen[-1] == 40
    joined = Ledger.concat(parts)
    np.testing.assert_array_equal(joined.returns, whole.returns)
    np.testing.assert_array_equal(joined.turnover, whole.turnover)
    assert joined.paths.tolist() == list(range(40))
    assert joined.codes is not None
    assert joined.codes.tolist() == scen.codes.tolist()
    with pytest.raises(InputError, match="cannot be joined"):
        Ledger.concat([parts[0], run_paths(Fixed(), scen.simple_array)])


def test_backtest_end_to_end() -> None:
    import spade_finance as sf
    from spade_finance.backtest import metrics

    scen = scenario_set(30, 80)
    dates = pd.bdate_range("2015-01-01", periods=300, name="date")
    real = pd.DataFrame(simulated(1, 300, seed=5)[0][:, ::-1], dates, list(SECTORS)[::-1])
    seen: list[tuple[int, int]] = []
    result = sf.backtest(
        "inverse_volatility", scen, cost_bps=7, real=real, warm_up=63, progress=lambda *x: seen.append(x)
    )
    ledger = run_paths(make_strategy("inverse_volatility"), scen.simple_array, costs=Costs(7)).invested()
    assert seen[-1] == (30, 30)
    np.testing.assert_array_equal(result.record.measures["sharpe"], metrics.sharpe(ledger.returns))
    assert result.assumptions["cost_bps"] == 7
    assert result.real is not None
    mark = run_paths(
        make_strategy("inverse_volatility"), real[list(SECTORS)].to_numpy()[None], costs=Costs(7), dates=dates
    ).invested()
    np.testing.assert_array_equal(result.real.returns.to_numpy(), mark.returns[0])
    assert result.real.returns.index[0] == dates[63]
    streamed = sf.backtest(
        "inverse_volatility", (scen.subset(slice(i, i + 10)) for i in (0, 10, 20)), cost_bps=7
    )
    np.testing.assert_array_equal(streamed.record.measures["calmar"], result.record.measures["calmar"])
    with pytest.raises(InputError, match="real: column 'Other' is no sector"):
        sf.backtest("equal_weight", scen, real=real.rename(columns={"Energy": "Other"}))
    with pytest.raises(InputError, match="real history: the first decision needs 63"):
        sf.backtest("inverse_volatility", scen, real=real.iloc[:40])
    with pytest.raises(InputError, match="hold no path"):
        sf.backtest("equal_weight", iter(()))
