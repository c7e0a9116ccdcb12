# SPDX-License-Identifier: Apache-2.0
"""Regime-conditioned market scenarios: a regime timeline in, correlated sector return paths out.

Names are imported on first use, so that ``import spade_finance`` and ``spade-finance --help`` stay instant.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "load_sectors": "spade_finance.data",
    "read_returns": "spade_finance.data",
    "write_returns": "spade_finance.data",
    "validate_returns": "spade_finance.data",
    "fetch": "spade_finance.data",
    "FetchError": "spade_finance.data",
    "check_returns": "spade_finance.data",
    "JumpRegimes": "spade_finance.regimes",
    "HMMRegimes": "spade_finance.regimes",
    "MarkovSwitchingRegimes": "spade_finance.regimes",
    "GMMRegimes": "spade_finance.regimes",
    "RuleRegimes": "spade_finance.regimes",
    "RegimeLabels": "spade_finance.regimes",
    "SemiMarkovProcess": "spade_finance.regimes",
    "make_labeller": "spade_finance.regimes",
    "RegimeTimeline": "spade_finance.regimes",
    "parse_script": "spade_finance.regimes",
    "ScenarioGenerator": "spade_finance.model",
    "ScenarioSet": "spade_finance.scenarios",
    "evaluate": "spade_finance.evaluate",
    "EvaluationReport": "spade_finance.evaluate",
    "backtest": "spade_finance.backtest",
    "BacktestResult": "spade_finance.backtest",
    "stress": "spade_finance.stress",
    "run_stress": "spade_finance.stress",
    "StressReport": "spade_finance.stress",
    "Portfolio": "spade_finance.stress",
    "counterfactual": "spade_finance.stress",
    "severity_dial": "spade_finance.stress",
    "reverse_stress": "spade_finance.stress.reverse",
    "entropy_pooling": "spade_finance.stress.views",
    "nowcast": "spade_finance.stress.nowcast",
    "InputError": "spade_finance.exceptions",
    "ModelError": "spade_finance.exceptions",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
