# SPDX-License-Identifier: Apache-2.0
"""Luck or skill, the work of it: a study with overfitting statistics over a grid and the rank test, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._backtest_engine import Trading

if TYPE_CHECKING:
    from spade_finance.backtest import BacktestResult
    from spade_finance.model import ScenarioGenerator

    from ..work import Job

__all__ = ["SUGGESTED", "Ask", "check_size", "make_study", "parse", "read_grid"]

SUGGESTED = {
    "inverse_volatility": "lookback=21,63,126,252",
    "minimum_variance": "lookback=63,126,252;long_only=true,false",
    "risk_parity": "lookback=63,126,252",
    "momentum": "lookback=63,126,252;top=0.2,0.34,0.5",
    "time_series_momentum": "lookback=63,126,252;volatility_days=21,63",
    "volatility_target": "target=0.05,0.1,0.15;lookback=21,63",
    "sixty_forty": "risky=0.2,0.4,0.6,0.8",
}
"""Variants to begin with; strategies without any have nothing to vary here."""
MOST_RETURNS = 200_000_000
"""Strategies times paths times days of one study here."""


@dataclass(frozen=True)
class Ask:
    """What a study is asked."""

    script: str
    strategy: str
    against: tuple[str, ...]
    grid: str | None
    n_paths: int
    seed: int
    trading: Trading
    ranks: bool
    extrapolate: bool
    model_hash: str


def make_study(job: Job, model: Any, ask: Ask, model_name: str) -> tuple[Ask, BacktestResult, str, str]:
    """The study and its two files; runs in a thread."""
    from spade_finance.backtest import Costs
    from spade_finance.backtest.study import study

    stages = {"running strategies on p": (0.0, 0.3), "running strategies on t": (0.3, 0.35), "judging": (0.35, 0.6),
              "rank test": (0.6, 0.95)}  # fmt: skip
    most = 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal most
        low, high = next((span for name, span in stages.items() if what.startswith(name)), (most, most))
        most = max(most, low + (high - low) * (done / total if total else 0.0))
        job.progress(most, 1.0, what)

    job.progress(0, 1, "labelling history")
    trading = ask.trading
    result = study(
        model, ask.script, ask.strategy, n_paths=ask.n_paths, seed=ask.seed, against=list(ask.against), grid=ask.grid,
        costs=Costs(trading.cost_bps, trading.slippage_bps, trading.borrow_bps), rebalance=trading.rebalance,
        rank_paths=None if ask.ranks else 0, extrapolate=ask.extrapolate, progress=tell,
    )  # fmt: skip
    job.progress(0.95, 1.0, "writing the page")
    result = result.with_panels(provenance={"model": model_name, "model_hash": ask.model_hash})
    return ask, result, result.to_html(), result.to_json() + "\n"


def parse(said: str) -> list[dict[str, Any]]:
    """Combinations of a typed grid; never those of a file.

    Raises
    ------
    InputError
        What is wrong with it.
    """
    from pathlib import Path

    from spade_finance.backtest.grid import parse_grid
    from spade_finance.exceptions import InputError

    if "=" not in said or Path(said).suffix.lower() in (".toml", ".json"):
        raise InputError(
            f"grid {said!r}: a page opens no files; write such as lookback=63,126,252;top=0.2,0.5"
        )
    return parse_grid(said)


def read_grid(focus: str, said: str) -> str:
    """The grid as it was typed, checked before any work.

    Raises
    ------
    InputError
        What is wrong with it, or with an option in it.
    """
    from spade_finance.backtest.strategies import make_strategy

    said = said.strip()
    for options in parse(said):
        make_strategy(focus, **options)
    return said


def check_size(model: ScenarioGenerator, ask: Ask) -> None:
    """Refuse what would take too long here.

    Raises
    ------
    InputError
    """
    from spade_finance.exceptions import InputError

    from ..scripts import read_script, total_days

    n_days = total_days(read_script(ask.script, model), model)
    runs = 1 + len(ask.against) + (len(parse(ask.grid)) if ask.grid else 0)
    if runs * n_days * ask.n_paths > MOST_RETURNS:
        raise InputError(
            f"{runs} strategies on {ask.n_paths:,} paths of {n_days:,} days are more than the dashboard takes on: "
            "ask for at "
            f"most {MOST_RETURNS // (runs * n_days):,} paths, or use 'spade-finance backtest', which has no limit"
        )
