# SPDX-License-Identifier: Apache-2.0
"""A user's functions: every way to write one, and one clear line for every way to get it wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.backtest.decision import StrategyError
from spade_finance.backtest.engine import run_paths
from spade_finance.backtest.ledger import Ledger
from spade_finance.backtest.strategies import EqualWeight, InverseVolatility, SkfolioStrategy, as_strategy
from spade_finance.backtest.user import FunctionStrategy, strategy
from spade_finance.exceptions import InputError

SECTORS = ("Energy", "Tech", "Health Care")


def simulated(n: int = 5, days: int = 130, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, days, 3)) * 0.01


def run(what: Any, simple: np.ndarray | None = None, **options: Any) -> Ledger:
    simple = simulated() if simple is None else simple
    dates = pd.bdate_range("2021-01-04", periods=simple.shape[1])
    paths = np.arange(100, 100 + len(simple))
    return run_paths(
        as_strategy(what), simple, sectors=SECTORS, dates=dates, paths=paths, keep_weights=True, **options
    )


# ---- ways to write one ----


def pandas_series(past: pd.DataFrame) -> pd.Series:
    inverse = 1 / past.tail(63).std()
    return (inverse / inverse.sum()).sort_index()  # by name, in another order


def pandas_dict(past: pd.DataFrame) -> dict[str, float]:
    return dict(pandas_series(past))


def numpy_array(past: np.ndarray) -> np.ndarray:
    inverse = 1 / past[-63:].std(axis=0, ddof=1)
    return inverse / inverse.sum()


def unannotated_numpy(past):  # type: ignore[no-untyped-def]
    sigma = np.array([past[-63:, i].std(ddof=1) for i in range(3)])  # fails on a DataFrame
    return list(1 / sigma / (1 / sigma).sum())


def unannotated_pandas(past):  # type: ignore[no-untyped-def]
    return pandas_series(past)


@strategy(vectorised=True, lookback=63)
def at_once(past: np.ndarray) -> np.ndarray:
    inverse = 1 / past.std(axis=1, ddof=1)
    return inverse / inverse.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "function", [pandas_series, pandas_dict, numpy_array, unannotated_numpy, unannotated_pandas, at_once]
)
def test_every_way_to_write_one_gives_the_same_weights(function: Any) -> None:
    np.testing.assert_allclose(run(function).weights, run(InverseVolatility(63)).weights, rtol=1e-9)


def test_what_is_called_path_by_path_says_so() -> None:
    assert as_strategy(pandas_series).path_by_path
    assert not as_strategy(at_once).path_by_path
    assert not as_strategy("momentum").path_by_path


def test_a_decorated_function_says_its_warm_up_and_lookback() -> None:
    shapes = set()

    @strategy(warm_up=30, lookback=20)
    def looking(past: np.ndarray) -> np.ndarray:
        shapes.add(past.shape)
        return np.ones(3) / 3

    ledger = run(looking)
    assert ledger.decisions[0] == 30
    assert shapes == {(20, 3)}
    assert run(looking, warm_up=5).decisions[0] == 5
    with pytest.raises(InputError, match="lookback=0"):
        strategy(lookback=0)


def test_from_a_file_and_from_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rules_for_test.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "import numpy as np\n"
        "from spade_finance.backtest.strategies import EqualWeight\n"
        "@dataclass\nclass Half:\n    share: float = 0.5\n"
        "def half(past: np.ndarray):\n    return np.full(past.shape[1], Half().share / past.shape[1])\n"
        "class Mine(EqualWeight):\n    pass\n"
        "class Optimiser:\n"
        "    def get_params(self, deep=True):\n        return {}\n"
        "    def fit(self, table):\n        self.weights_ = np.ones(3) / 3\n        return self\n"
    )
    monkeypatch.chdir(tmp_path)
    by_file = as_strategy("my_rules_for_test.py:half")
    assert by_file.name == "my_rules_for_test.py:half"
    assert run(by_file).weights[0, 0].sum() == pytest.approx(0.5)
    assert run("my_rules_for_test:half").weights[0, 0].sum() == pytest.approx(0.5)
    assert isinstance(as_strategy("my_rules_for_test:Mine"), EqualWeight)
    assert isinstance(as_strategy("my_rules_for_test:Optimiser"), SkfolioStrategy)
    assert isinstance(as_strategy(EqualWeight), EqualWeight)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nowhere_at_all:f", "there is no module 'nowhere_at_all'"),
        ("missing.py:f", "there is no file missing.py"),
        ("broken.py:f", r"importing it raised ModuleNotFoundError: No module named 'not_there'"),
        ("broken:f", r"importing it raised ModuleNotFoundError: No module named 'not_there'"),
        ("syntax.py:f", r"importing it raised SyntaxError \(line 1\)"),
        ("leaving.py:f", "importing it raised SystemExit"),
        ("fine.py:g", "fine.py has no 'g'; it defines f"),
        ("fine.py:number", "'fine.py:number' is no function but int"),
        (":f", "write module:function"),
        ("my_strategy", "strategy 'my_strategy' is unknown"),
    ],
)
def test_what_cannot_be_loaded(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.py").write_text("import not_there\n")
    (tmp_path / "syntax.py").write_text("def f(:\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)\n")
    (tmp_path / "fine.py").write_text("def f(past):\n    return past.mean()\nnumber = 3\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said) as caught:
        as_strategy(text)
    assert "\n" not in str(caught.value)


# ---- ways to get it wrong ----


def bad(kind: str, past: np.ndarray) -> Any:
    """Goes wrong on the path that loses most on its first day, from day 85 (the third decision) on."""
    if len(past) < 80 or past[0].sum() > -0.02:
        return np.ones(3) / 3
    if kind == "raises":
        raise RuntimeError("out of\nideas")
    return {
        "shape": np.ones(4), "nan": np.array([0.5, np.nan, 0.5]), "huge": np.array([30.0, -30.0, 1.0]),
        "text": "buy", "none": None, "stranger": {"Gold": 1.0},
    }[kind]  # fmt: skip


WRONG = {
    "shape": r"path 103: it returned weights of shape \(4,\); needed are 3",
    "nan": "the weight of Tech is nan",
    "huge": r"weights add up to 61 times wealth .* more than max_gross=10",
    "text": "could not convert string",
    "none": r"weights of shape \(\)",
    "stranger": "weights name 'Gold'; the sectors are Energy, Tech, Health Care",
    "raises": "it raised RuntimeError: out of ideas",
}


@pytest.mark.parametrize(
    ("kind", "vectorised"), [*((k, False) for k in WRONG), ("nan", True), ("huge", True), ("raises", True)]
)
def test_a_bad_strategy_is_one_line_that_names_the_day_and_the_path(kind: str, vectorised: bool) -> None:
    simple = simulated()
    simple[:, 0] = 0.0
    simple[3, 0] = -0.01

    def one(past: np.ndarray) -> Any:
        return bad(kind, past)

    @strategy(vectorised=True)
    def all_paths(past: np.ndarray) -> Any:
        return np.array([bad(kind, row) for row in past])

    with pytest.raises(StrategyError, match=WRONG[kind]) as caught:
        run(all_paths if vectorised else one, simple)
    text = str(caught.value)
    assert "\n" not in text
    name = "all_paths" if vectorised else "one"
    assert text.startswith(f"strategy '{name}' on day 85 (2021-05-03), path 103: "), text


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (
            np.ones((5, 4)),
            r"paths 100 to 104: it returned weights of shape \(5, 4\); .* \(5, 3\) for 5 paths",
        ),
        (np.ones(3), r"weights of shape \(3,\)"),
        ("buy", "returned str, which is no array of numbers"),
        (None, r"weights of shape \(\)"),
    ],
)
def test_a_bad_vectorised_strategy(returned: Any, said: str) -> None:
    @strategy(vectorised=True)
    def all_paths(past: np.ndarray) -> Any:
        return returned

    with pytest.raises(StrategyError, match=said):
        run(all_paths)


def test_writing_into_the_past_is_said_to_be_writing() -> None:
    def writes(past: np.ndarray) -> np.ndarray:
        past[-1] = 0
        return np.ones(3) / 3

    @strategy(vectorised=True)
    def writes_all(past: np.ndarray) -> np.ndarray:
        past *= 2
        return past[:, -1]

    for function in (writes, writes_all):
        with pytest.raises(StrategyError, match="may be read, not written"):
            run(function)


def test_leaving_the_interpreter_is_an_error_of_the_strategy() -> None:
    def leaves(past: np.ndarray) -> np.ndarray:
        raise SystemExit(0)

    with pytest.raises(StrategyError, match="raised SystemExit"):
        run(leaves)


def test_other_things_are_no_strategy() -> None:
    for thing in (3, None, dict, object()):
        with pytest.raises(InputError, match="strategy"):
            as_strategy(thing)
    assert isinstance(as_strategy(lambda past: past.mean()), FunctionStrategy)
