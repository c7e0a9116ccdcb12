# SPDX-License-Identifier: Apache-2.0
"""Opponents with the generator's own ``fit`` / ``sample``: what a model must beat to be worth its training.

Bootstraps (:mod:`.bootstrap`), filtered historical simulation (:mod:`.fhs`), DCC-GARCH (:mod:`.dcc`), Student-t
by regime (:mod:`.regime_t`, :mod:`.regime_t_ewma`), a log-linear volatility model (:mod:`.loglinear`), vine copulas
(:mod:`.vine`), and any of them given our model's slow states (:mod:`.slow_states`). ``docs/baselines.md`` has the
table; :mod:`.registry` the names. Classes are imported on first use.

They read the heaviest regime of each day and ignore severity and per-sector timelines (see :mod:`.base`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from spade_finance.baselines.registry import (
    BASELINES,
    STANDARD,
    baseline_names,
    fitted,
    fitted_beside,
    make_baseline,
)

if TYPE_CHECKING:
    from spade_finance.baselines.base import Baseline
    from spade_finance.baselines.bootstrap import BlockBootstrap
    from spade_finance.baselines.dcc import DccStudentT
    from spade_finance.baselines.fhs import FilteredHistorical
    from spade_finance.baselines.loglinear import LogLinearVolatility
    from spade_finance.baselines.regime_t import RegimeStudentT
    from spade_finance.baselines.regime_t_ewma import RegimeStudentTEwma
    from spade_finance.baselines.slow_states import GivenSlowStates
    from spade_finance.baselines.vine import RegimeVine

_CLASSES = {
    "Baseline": "base",
    "BlockBootstrap": "bootstrap",
    "DccStudentT": "dcc",
    "FilteredHistorical": "fhs",
    "GivenSlowStates": "slow_states",
    "LogLinearVolatility": "loglinear",
    "RegimeStudentT": "regime_t",
    "RegimeStudentTEwma": "regime_t_ewma",
    "RegimeVine": "vine",
}

__all__ = [
    "BASELINES",
    "STANDARD",
    "Baseline",
    "BlockBootstrap",
    "DccStudentT",
    "FilteredHistorical",
    "GivenSlowStates",
    "LogLinearVolatility",
    "RegimeStudentT",
    "RegimeStudentTEwma",
    "RegimeVine",
    "baseline_names",
    "fitted",
    "fitted_beside",
    "make_baseline",
]


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(importlib.import_module(f"{__name__}.{_CLASSES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
