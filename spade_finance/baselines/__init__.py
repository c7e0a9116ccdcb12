# SPDX-License-Identifier: Apache-2.0
"""Opponents with the generator's own ``fit`` / ``sample``: what a model must beat to be worth its training.

========================  =============================================================================
``block_bootstrap``       regime-matched stationary block bootstrap of history
``block_bootstrap_scaled``  the same, history divided by its causal slow volatility scale
``regime_t``              multivariate Student-t per regime
``fhs``                   filtered historical simulation: GJR-GARCH, joint residuals drawn by regime
========================  =============================================================================

They read the heaviest regime of each day and ignore severity and per-sector timelines (see :mod:`.base`).
"""

from __future__ import annotations

from spade_finance.baselines.base import Baseline
from spade_finance.baselines.bootstrap import BlockBootstrap
from spade_finance.baselines.fhs import FilteredHistorical
from spade_finance.baselines.regime_t import RegimeStudentT
from spade_finance.baselines.registry import BASELINES, STANDARD, baseline_names, make_baseline

__all__ = [
    "BASELINES",
    "STANDARD",
    "Baseline",
    "BlockBootstrap",
    "FilteredHistorical",
    "RegimeStudentT",
    "baseline_names",
    "make_baseline",
]
