# SPDX-License-Identifier: Apache-2.0
"""Generated against real returns: stylised facts, distances over real data's noise, baselines, pages."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from spade_finance.evaluate.pages import write_demo_report
from spade_finance.evaluate.regimes import RegimeTable, regime_table
from spade_finance.evaluate.report import EvaluationReport
from spade_finance.evaluate.run import evaluate

__all__ = ["EvaluationReport", "RegimeTable", "evaluate", "regime_table", "write_demo_report"]


class _CallablePackage(ModuleType):
    """`spade_finance.evaluate` names this package and the promised function: it is both."""

    def __call__(self, *args: Any, **kwargs: Any) -> EvaluationReport:
        return evaluate(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
