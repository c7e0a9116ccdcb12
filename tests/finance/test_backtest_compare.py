# SPDX-License-Identifier: Apache-2.0
"""Paired differences and the confidence set, on paths whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from spade_finance.backtest.compare import compare, confidence_set
from spade_finance.backtest.record import PathRecord
from spade_finance.backtest.result import BacktestResult
from spade_finance.exceptions import InputError

N, DAYS = 300, 120


def result(name: str, extra: float, seed: int | None = None, n: int = N) -> BacktestResult:
    """A strategy that earns `extra` a day more than the market that all share, and noise of its own."""
    returns = 0.01 * np.random.default_rng(0).standard_normal((n, DAYS)) + extra
    if seed is not None:
        returns = returns + 0.001 * np.random.default_rng(seed).standard_normal((n, DAYS))
    return BacktestResult(name, PathRecord.from_returns(returns, None, None, np.zeros(DAYS, int), ("bull",)))


@pytest.fixture(scope="module")
def results() -> dict[str, BacktestResult]:
    return {
        "a": result("a", 0.0),
        "b": result("b", -2e-4, 1),
        "c": result("c", 0.0, 2),
        "a again": result("a", 0.0),
    }


def test_differences_are_taken_path_by_path(results: dict[str, BacktestResult]) -> None:
    table = compare(results).table.set_index(["strategy", "measure"])
    gap = results["a"].record.measures["annual_return"] - results["b"].record.measures["annual_return"]
    row = table.loc[("b", "annual_return")]
    assert row["difference"] == pytest.approx(gap.mean())
    error = gap.std(ddof=1) / N**0.5
    assert (row["high"] - row["low"]) == pytest.approx(2 * 1.96 * error, rel=0.12)
    assert row["low"] < row["difference"] < row["high"]
    assert row["wins"] == (gap > 0).mean()
    # pairing: far tighter than the two strategies' own errors, and the truth is inside
    assert error < 0.2 * table.loc[("a", "annual_return")]["std_error"]
    assert table.loc[("c", "sharpe")]["low"] < 0 < table.loc[("c", "sharpe")]["high"]
    assert np.isnan(table.loc[("a", "sharpe")]["difference"])
    assert table.loc[("a again", "sharpe")]["wins"] == 0.5


def test_less_volatility_wins(results: dict[str, BacktestResult]) -> None:
    table = compare(results, "b").table.set_index(["strategy", "measure"])
    wilder = (results["b"].record.measures["volatility"] < results["a"].record.measures["volatility"]).mean()
    assert table.loc[("a", "volatility")]["wins"] == pytest.approx(wilder)


def test_the_confidence_set_keeps_equals_and_drops_the_worse(results: dict[str, BacktestResult]) -> None:
    comparison = compare(results)
    assert set(comparison.in_set()) == {"a", "a again", "c"}
    assert comparison.confidence["b"] < 0.01
    assert comparison.confidence["a"] == comparison.confidence["a again"]
    assert comparison.strategies[0] == comparison.base == "a"
    assert "b" not in comparison.verdict().split(": ")[1].replace("a again", "")
    assert comparison.to_dict()["model_confidence_set"]["included"] == comparison.in_set()


def test_the_confidence_set_holds_its_level() -> None:
    """Four alike strategies: the best of them in truth, any one, is in the 90 % set about nine times in ten or more."""
    kept = 0
    for seed in range(30):
        sharpe = dict(zip("abcd", np.random.default_rng(seed).standard_normal((4, 80)), strict=True))
        kept += confidence_set(sharpe, n_draws=100, random_state=seed)["a"] >= 0.1
    assert kept >= 24


def test_paths_without_a_ratio_are_left_out_for_all() -> None:
    rng = np.random.default_rng(3)
    base = rng.standard_normal(200)
    hollow = base - 1.0 + 0.1 * rng.standard_normal(200)
    hollow[:50] = np.nan
    found = confidence_set({"a": base, "b": hollow, "never": np.full(200, np.nan)}, n_draws=200)
    assert list(found.index) == ["a", "b"]
    assert found["b"] < 0.1
    assert confidence_set({"a": base}).to_dict() == {"a": 1.0}


def test_very_many_paths_are_compared_in_groups() -> None:
    many = {name: result(name, extra, seed, 2500) for name, extra, seed in (("a", 1e-4, 1), ("b", 0.0, 2))}
    row = compare(many).table.set_index(["strategy", "measure"]).loc[("b", "annual_return")]
    gap = many["a"].record.measures["annual_return"] - many["b"].record.measures["annual_return"]
    error = gap.std(ddof=1) / len(gap) ** 0.5
    assert (row["high"] - row["low"]) == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_what_cannot_be_compared_is_refused(results: dict[str, BacktestResult]) -> None:
    with pytest.raises(InputError, match="at least 2"):
        compare({"a": results["a"]})
    with pytest.raises(InputError, match="base='z'"):
        compare(results, "z")
    with pytest.raises(InputError, match="same paths"):
        compare({"a": results["a"], "b": result("b", 0.0, 1, 10)})
