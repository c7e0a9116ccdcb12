# SPDX-License-Identifier: Apache-2.0
"""Market regimes: labellers, the semi-Markov process of their spells, severities, scripts and timelines.

Five labellers share one protocol (:class:`~spade_finance.regimes.base.BaseRegimes`): ``fit``, ``smooth``
(labels in hindsight), ``filter`` (labels that a day could have had on that day), ``label_sectors``,
``to_config``. Names are imported on first use, so that scripts can be parsed without loading pandas or a
labeller.
"""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "BaseRegimes": "base",
    "from_config": "registry",
    "make_labeller": "registry",
    "METHODS": "registry",
    "RegimeLabels": "labels",
    "regime_names": "naming",
    "JumpRegimes": "jump",
    "HMMRegimes": "hmm",
    "MarkovSwitchingRegimes": "markov",
    "GMMRegimes": "gmm",
    "RuleRegimes": "rules",
    "SemiMarkovProcess": "process",
    "episodes": "severity",
    "severity_series": "severity",
    "severity_range": "severity",
    "sector_severity": "severity",
    "typical_volatility": "severity",
    "agreement": "compare",
    "confusion": "compare",
    "RegimeTimeline": "timeline",
    "Script": "script_ast",
    "parse_script": "script",
}

__all__ = [*_EXPORTS]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
