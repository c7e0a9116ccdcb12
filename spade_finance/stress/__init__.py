# SPDX-License-Identifier: Apache-2.0
"""Stress tests: from a narrative to portfolio losses with their uncertainty, by regime and by sector.

Names are imported on first use: the list of scenarios needs none of what a report needs.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spade_finance.stress.counterfactual import Counterfactual, counterfactual
    from spade_finance.stress.dial import SeverityDial, severity_dial
    from spade_finance.stress.library import Scenario, find_scenario, load_library
    from spade_finance.stress.nowcast import Nowcast, nowcast
    from spade_finance.stress.portfolio import Portfolio, equal_weight, read_portfolio
    from spade_finance.stress.report import StressReport
    from spade_finance.stress.reverse import ReverseStress, reverse_stress
    from spade_finance.stress.run import run_stress, stress
    from spade_finance.stress.spillover import Spillover, spillover
    from spade_finance.stress.views import entropy_pooling

_ROOMS = {
    "counterfactual": ("Counterfactual", "counterfactual"),
    "dial": ("SeverityDial", "severity_dial"),
    "library": ("Scenario", "find_scenario", "load_library"),
    "nowcast": ("Nowcast", "nowcast"),
    "portfolio": ("Portfolio", "equal_weight", "read_portfolio"),
    "report": ("StressReport",),
    "reverse": ("ReverseStress", "reverse_stress"),
    "run": ("run_stress", "stress"),
    "spillover": ("Spillover", "spillover"),
    "views": ("entropy_pooling",),
}
_EXPORTS = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Counterfactual",
    "Nowcast",
    "Portfolio",
    "ReverseStress",
    "Scenario",
    "SeverityDial",
    "Spillover",
    "StressReport",
    "counterfactual",
    "entropy_pooling",
    "equal_weight",
    "find_scenario",
    "load_library",
    "nowcast",
    "read_portfolio",
    "reverse_stress",
    "run_stress",
    "severity_dial",
    "spillover",
    "stress",
]


class _CallablePackage(ModuleType):
    """`spade_finance.stress` names this package and the promised function: it is both.

    Some functions share their name with the module they live in; the function is what the name means here, also
    after the import system has put the module in its place.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> StressReport:
        from spade_finance.stress.run import stress

        return stress(*args, **kwargs)

    def __getattribute__(self, name: str) -> Any:
        room = super().__getattribute__("_EXPORTS").get(name)
        if room is None:
            return super().__getattribute__(name)
        return getattr(importlib.import_module(f"{__name__}.{room}"), name)


sys.modules[__name__].__class__ = _CallablePackage
