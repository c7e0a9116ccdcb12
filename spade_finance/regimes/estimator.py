# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's parameter protocol (``get_params``, ``set_params``) without importing it; JSON values."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np

from spade_finance.exceptions import InputError

__all__ = ["Estimator", "plain", "whole_number"]


class Estimator:
    """Constructor arguments by name; constructors of subclasses only store them."""

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Names of the constructor's arguments, sorted."""
        return sorted(name for name in inspect.signature(cls.__init__).parameters if name != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor arguments by name (`deep` is accepted for scikit-learn's sake)."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Set constructor arguments; InputError for a name the constructor does not have."""
        known = self.parameter_names()
        for name, value in params.items():
            if name not in known:
                raise InputError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({shown})"


def plain(value: Any) -> Any:
    """`value` as JSON has it: NumPy numbers as Python's, NaN as None, tuples and arrays as lists."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and value != value else value


def whole_number(name: str, value: Any, low: int, high: int, unit: str) -> int:
    """`value` if it is a whole number in range; InputError naming the parameter otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise InputError(f"{name}={value!r}: pass a whole number of {unit} from {low} to {high}")
    return int(value)
