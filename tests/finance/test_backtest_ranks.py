# SPDX-License-Identifier: Apache-2.0
"""The rank test on worlds whose true ranking is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from spade_finance.backtest.ranks import FLOORS, SLOW_PATHS, kendall, rank_test, spearman
from spade_finance.exceptions import InputError
from spade_finance.regimes import RegimeLabels
from spade_finance.scenarios import ScenarioSet

SECTORS = ("a", "b", "c", "d", "e", "f")
DRIFT = np.linspace(-0.0015, 0.0025, 6)
SIZE = np.linspace(0.006, 0.016, 6)[[2, 5, 0, 3, 1, 4]]
REGIMES = ("calm", "wild")


def drawn(n: int, codes: np.ndarray, drift: np.ndarray, seed: int) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal((n, len(codes), 6))
    return drift + SIZE * (1.0 + codes[:, None]) * z


class World:
    """A generator that knows the truth, or its opposite."""

    sectors_, regimes_ = SECTORS, REGIMES
    training_window_ = (pd.Timestamp("2000-01-03"), pd.Timestamp("2004-12-31"))

    def __init__(self, drift: np.ndarray = DRIFT) -> None:
        self.drift = drift
        self.asked: list[Any] = []

    def label(self, returns: pd.DataFrame) -> RegimeLabels:
        codes = ((np.arange(len(returns)) // 50) % 2).astype(int)
        return RegimeLabels.from_codes(codes, REGIMES, pd.DatetimeIndex(returns.index))

    def sample(self, timeline: Any, n_paths: int, random_state: int) -> ScenarioSet:
        self.asked.append((timeline.codes.copy(), n_paths, random_state))
        simple = drawn(n_paths, timeline.codes, self.drift, 1000 + random_state)
        return ScenarioSet.from_simple(simple, SECTORS, REGIMES, timeline.codes)


STRATEGIES = dict(zip(SECTORS, np.eye(6), strict=True))


def run(weights: Any, simple: np.ndarray, codes: Any, regimes: Sequence[str]) -> np.ndarray:
    assert len(codes) == simple.shape[1]
    return simple @ weights


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    days = pd.bdate_range("2000-01-03", "2008-12-31", name="date")
    codes = (np.arange(len(days)) // 50) % 2
    return pd.DataFrame(drawn(1, codes, DRIFT, 1)[0], days, list(SECTORS))


def test_a_generator_that_knows_the_truth_ranks_rightly(real: pd.DataFrame) -> None:
    world = World()
    test = rank_test(world, real, STRATEGIES, run, baselines="none", n_paths=40, seed=3)
    held = real.loc["2005":]
    codes = world.label(real).codes[-len(held) :]
    np.testing.assert_array_equal(world.asked[0][0], codes)  # the held-out days' own regimes
    assert world.asked[0][1:] == (40, 3)
    truth = held.mean() / held.std() * 252**0.5
    scores = test.scores[test.scores["measure"] == "sharpe"].set_index("strategy")
    np.testing.assert_allclose(scores["real"], truth, rtol=1e-6)
    cell = test.cell("model")
    assert cell["spearman"] == pytest.approx(sps.spearmanr(scores["model"], truth).statistic)
    assert cell["kendall"] == pytest.approx(sps.kendalltau(scores["model"], truth).statistic)
    assert cell["spearman"] > 0.9
    assert cell["low"] > test.chance > 0.7
    assert test.cell("model", "volatility")["spearman"] == 1.0
    assert "carried over" in test.verdict()
    assert test.span == "2005-01-03 to 2008-12-31"
    assert test.cell(FLOORS[0])["spearman"] > 0.8
    assert test.cell(FLOORS[1])["spearman"] > 0.5
    assert test.cell(FLOORS[0])["std_error"] > 0


def test_a_generator_that_has_it_backwards_is_called_out(real: pd.DataFrame) -> None:
    test = rank_test(World(DRIFT[::-1]), real, STRATEGIES, run, baselines="none", n_paths=40)
    assert test.cell("model")["high"] < 0
    assert "reversed" in test.verdict()


def test_a_generator_without_a_clue_cannot_be_trusted(real: pd.DataFrame) -> None:
    test = rank_test(World(np.full(6, 4e-4)), real, STRATEGIES, run, baselines="none", n_paths=10)
    assert "cannot show" in test.verdict()


def test_baselines_are_ranked_beside_the_model(real: pd.DataFrame) -> None:
    seen: list[str] = []
    test = rank_test(
        World(),
        real,
        STRATEGIES,
        run,
        baselines=["block_bootstrap", "regime_t"],
        n_paths=8,
        progress=seen.append,
    )
    assert test.sources == ["model", "block_bootstrap", "regime_t"]
    assert list(dict.fromkeys(test.table["source"])) == [*test.sources, *FLOORS]
    assert seen == ["held-out years", "model", "block_bootstrap", "regime_t", "uncertainty"]
    assert test.cell("block_bootstrap")["spearman"] > 0.8
    again = rank_test(World(), real, STRATEGIES, run, baselines=["block_bootstrap", "regime_t"], n_paths=8)
    pd.testing.assert_frame_equal(test.table, again.table)
    assert test.to_dict()["strategies"] == list(SECTORS)


def test_halves_of_the_real_years(real: pd.DataFrame) -> None:
    test = rank_test(World(), real, STRATEGIES, run, baselines="none", n_paths=4)
    held = real.loc["2005":].to_numpy()
    first, second = held[: len(held) // 2], held[len(held) // 2 :]
    wanted = sps.spearmanr(first.std(0, ddof=1), second.std(0, ddof=1)).statistic
    assert test.cell(FLOORS[1], "volatility")["spearman"] == pytest.approx(wanted)


def test_correlations_with_ties_and_constants() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, (5, 9)).astype(float), rng.integers(0, 4, (5, 9)).astype(float)
    np.testing.assert_allclose(
        spearman(a, b), [sps.spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    )
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))
    assert np.isnan(kendall(np.ones(4), np.arange(4.0)))


def test_too_little_to_rank_is_refused(real: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="at least 4 strategies"):
        rank_test(World(), real, {"a": STRATEGIES["a"]}, run)
    with pytest.raises(InputError, match="at least 60"):
        rank_test(World(), real.loc[:"2005-01-20"], STRATEGIES, run)


class Slow:
    """Weights of a strategy that is called path by path."""

    path_by_path = True

    def __init__(self, weights: np.ndarray) -> None:
        self.weights, self.met = weights, list[int]()


def test_slow_strategies_meet_the_first_paths_only(real: pd.DataFrame) -> None:
    slow = Slow(STRATEGIES["b"])

    def either(strategy: Any, simple: np.ndarray, codes: Any, regimes: Sequence[str]) -> np.ndarray:
        if strategy is slow:
            slow.met.append(len(simple))
        return run(getattr(strategy, "weights", strategy), simple, codes, regimes)

    whole = rank_test(World(), real, STRATEGIES, run, baselines="none", n_paths=40, seed=3)
    few = rank_test(World(), real, STRATEGIES, run, baselines="none", n_paths=SLOW_PATHS, seed=3)
    test = rank_test(World(), real, {**STRATEGIES, "b": slow}, either, baselines="none", n_paths=40, seed=3)
    assert slow.met == [1, SLOW_PATHS]
    row = test.scores["strategy"] == "b"
    pd.testing.assert_frame_equal(test.scores[~row], whole.scores[~row])
    by_hand = drawn(40, World().label(real.loc["2005":]).codes, DRIFT, 1003)[:SLOW_PATHS, :, 1]  # type: ignore[misc]
    score = test.scores[row & (test.scores["measure"] == "volatility")]["model"].iloc[0]
    assert score == pytest.approx(by_hand.std(axis=1, ddof=1).mean() * 252**0.5, rel=0.02)
    assert few.notes == whole.notes
    assert f"b by the first {SLOW_PATHS} of 40 paths only" in test.notes[-1]
    assert np.isfinite(test.table["spearman"]).all()
