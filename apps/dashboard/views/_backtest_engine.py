# SPDX-License-Identifier: Apache-2.0
"""What the Backtest page computes: named strategies on the sample that all pages share, and on the real history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..engine import gate, sample
from ._stress_engine import labelled_once

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.backtest import BacktestResult
    from spade_finance.backtest.compare import Comparison
    from spade_finance.backtest.record import RealRun
    from spade_finance.model import ScenarioGenerator

__all__ = ["Trading", "about", "compared", "names", "real_returns", "run"]

KNOWN_DAYS = 252


@dataclass(frozen=True)
class Trading:
    """How strategies trade: basis points of what is traded, of shorts a year, and when."""

    cost_bps: float
    slippage_bps: float
    borrow_bps: float
    rebalance: str

    def options(self) -> dict[str, Any]:
        """As ``backtest`` takes them."""
        return {
            "cost_bps": self.cost_bps, "slippage_bps": self.slippage_bps, "borrow_bps": self.borrow_bps,
            "rebalance": self.rebalance,
        }  # fmt: skip


def names() -> tuple[str, ...]:
    """Strategies that the page offers: those of the registry, and no others."""
    from spade_finance.backtest import STRATEGIES

    return STRATEGIES


def about(name: str) -> str:
    """A strategy's own first line, without markup."""
    import re

    from spade_finance.backtest.strategies.registry import strategy_class

    line = (strategy_class(name).__doc__ or "").strip().splitlines()[0]
    plain = re.sub(r":math:`([^`]*)`", lambda m: re.sub(r"\\(?:text\{([^}]*)\}|(\w+))", r"\1\2", m[1]), line)
    return re.sub(r":\w+:`~?([^`]*)`", r"\1", plain).replace("`", "")


def run(
    model: ScenarioGenerator, script: str, chosen: tuple[str, ...], n_paths: int, seed: int, trading: Trading,
    start_vol: str | float, extrapolate: bool,
) -> dict[str, BacktestResult]:  # fmt: skip
    """Every strategy on the same paths, all measured from the same day on, the real history's own run with each."""
    from dataclasses import replace

    scenarios = sample(model, script, n_paths, seed, start_vol=start_vol, extrapolate=extrapolate)
    past = real_returns(model)
    known = None if past is None else past.iloc[-_reach(names()) :]
    warm_up = None if past is not None else _reach(chosen, least=0)
    key = (model.hash_, script, n_paths, seed, str(start_vol), extrapolate, warm_up)
    found = {}
    for name in chosen:
        result = _on_paths(scenarios, known, name, trading, warm_up, key)
        if past is not None:
            real = _on_history(labelled_once(model), past, name, trading, model.hash_)
            result = replace(result, real=real)
        found[name] = result
    return found


@st.cache_resource(max_entries=32, show_spinner=False)
def _on_paths(
    _scenarios: Any, _known: Any, name: str, trading: Trading, warm_up: int | None, key: tuple[Any, ...]
) -> BacktestResult:
    from spade_finance.backtest import backtest, make_strategy

    with gate():
        return backtest(make_strategy(name), _scenarios, history=_known, warm_up=warm_up, **trading.options())


@st.cache_resource(max_entries=40, show_spinner=False)
def _on_history(_model: Any, _past: pd.DataFrame, name: str, trading: Trading, model_hash: str) -> RealRun:
    from dataclasses import replace

    import pandas as pd

    from spade_finance.backtest import Costs, make_strategy
    from spade_finance.backtest.run import run_real

    costs = Costs(trading.cost_bps, trading.slippage_bps, trading.borrow_bps)
    with gate():
        found = run_real(
            make_strategy(name),
            _past,
            tuple(_model.sectors_),
            _model.label(_past),
            costs=costs,
            rebalance=trading.rebalance,
        )
    return replace(found, training_end=pd.Timestamp(_model.training_window_[1]))


def compared(results: dict[str, BacktestResult], base: str, key: tuple[Any, ...]) -> Comparison:
    """Paired differences and the model confidence set."""
    return _compared(results, base, tuple(results), key)


@st.cache_data(max_entries=8, show_spinner=False)
def _compared(
    _results: dict[str, BacktestResult], base: str, chosen: tuple[str, ...], key: tuple[Any, ...]
) -> Comparison:
    from spade_finance.backtest.compare import compare

    return compare(_results, base)


def real_returns(model: ScenarioGenerator) -> pd.DataFrame | None:
    """The real returns that stand beside a model; None for one of a reader's own data, whose folder holds none."""
    if not model.embedded_history_:
        return None
    from spade_finance.data import load_sectors

    return load_sectors()[list(model.sectors_)]


def _reach(chosen: tuple[str, ...], least: int = KNOWN_DAYS) -> int:
    """Days that strategies look back on, a year at least."""
    from spade_finance.backtest import make_strategy

    made = [make_strategy(name) for name in chosen]
    return max(least, *(max(s.needs, s.looks_back or 0) for s in made))
