# SPDX-License-Identifier: Apache-2.0
"""Labellers by the name of their method."""

from __future__ import annotations

import importlib
from typing import Any

from spade_finance.exceptions import InputError
from spade_finance.regimes.base import BaseRegimes

__all__ = ["METHODS", "from_config", "labeller_class", "make_labeller"]

_CLASSES = {
    "jump": "JumpRegimes",
    "hmm": "HMMRegimes",
    "markov": "MarkovSwitchingRegimes",
    "gmm": "GMMRegimes",
    "rules": "RuleRegimes",
}

METHODS: tuple[str, ...] = tuple(_CLASSES)
"""Known methods; the first is the default."""


def labeller_class(method: str) -> type[BaseRegimes]:
    """Class of a method's labeller; InputError naming the known ones."""
    if method not in _CLASSES:
        raise InputError(f"method={method!r} is unknown; pass one of {', '.join(METHODS)}")
    kind: type[BaseRegimes] = getattr(
        importlib.import_module(f"spade_finance.regimes.{method}"), _CLASSES[method]
    )
    return kind


def make_labeller(method: str = "jump", **parameters: Any) -> BaseRegimes:
    """An unfitted labeller, ``make_labeller("hmm", n_regimes=3)``; InputError for an unknown parameter."""
    kind = labeller_class(method)
    known = kind.parameter_names()
    for name in parameters:
        if name not in known:
            raise InputError(f"method {method!r} has no parameter {name!r}; it has {', '.join(known)}")
    return kind(**parameters)


def from_config(config: dict[str, Any]) -> BaseRegimes:
    """A fitted labeller from its JSON form (``BaseRegimes.to_config``)."""
    return BaseRegimes.from_config(config)
