# SPDX-License-Identifier: Apache-2.0
"""What a strategy is: a rule that turns past returns into target weights, for many paths at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.regimes.base import BaseRegimes

__all__ = ["BadWeights", "Known", "PathFailure", "Strategy", "Values"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """All that is known when a strategy decides.

    Attributes
    ----------
    past : (n, t, S)
        Simple returns of the days so far, decimal, oldest first, at most the strategy's ``lookback``;
        read-only. No memory behind it holds a later return.
    step : int
        Number of days of the path that have passed; the weights earn from the next day on.
    sectors : tuple of S str
    dates : DatetimeIndex of length t, or None
        Dates of the rows of `past`, where all of them have one.
    codes : (n,) or None
        Causal regime of the last day, for a strategy with a ``labeller``: what the labeller's ``filter`` says
        from the days so far. Never the scenario's own timeline, which is known only in hindsight.
    regimes : tuple of K str
        The labeller's regimes, calm to worst.
    """

    past: Values
    step: int
    sectors: tuple[str, ...]
    dates: pd.DatetimeIndex | None = None
    codes: NDArray[Any] | None = None
    regimes: tuple[str, ...] = ()


class BadWeights(ValueError):
    """What a function returned is no set of weights; its text is a whole clause for the message."""


class PathFailure(Exception):
    """What a strategy raises that works path by path: the failing row and what happened there."""

    def __init__(self, row: int, cause: BaseException) -> None:
        super().__init__(f"row {row}: {cause}")
        self.row, self.cause = row, cause


class Strategy(ABC):
    """A rule from past returns to target weights; paths must not influence one another.

    A concrete strategy is a frozen dataclass of its parameters with :meth:`weights`, and says how far it looks
    back.
    """

    name: ClassVar[str] = "strategy"

    @property
    def needs(self) -> int:
        """Days of past returns without which it cannot decide."""
        return 0

    @property
    def warm_up(self) -> int:
        """Days of past returns before its first decision, unless the engine is told otherwise."""
        return self.needs

    @property
    def looks_back(self) -> int | None:
        """Days of past returns that it is given at most; None for all of them."""
        return self.needs

    @property
    def labeller(self) -> BaseRegimes | None:
        """Fitted labeller whose causal labels it wants, or None."""
        return None

    @property
    def path_by_path(self) -> bool:
        """Whether it is called once a path, hundreds of times slower than arrays of paths."""
        return False

    @abstractmethod
    def weights(self, known: Known) -> Values:
        """Target weights (n, S), decimal shares of wealth.

        What is missing from a sum of 1 lies in cash, what exceeds it is borrowed; negative is sold short.
        """


FLAT = 1e-8
"""Daily deviation below which an asset counts as not moving: about 0.016 percent a year."""


def deviations(past: Values) -> Values:
    """Sample standard deviations (n, S) of past returns (n, t, S), at least :data:`FLAT`."""
    return np.maximum(past.std(axis=1, ddof=1), FLAT)


def covariances(past: Values) -> Values:
    """Sample covariance matrices (n, S, S) of past returns (n, t, S)."""
    centred = past - past.mean(axis=1, keepdims=True)
    return np.asarray(np.matmul(centred.transpose(0, 2, 1), centred) / (past.shape[1] - 1))


def days(name: str, value: Any, least: int = 1) -> None:
    """Refuse anything but a whole number of days."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name}={value!r}: pass a whole number of days, {least} or more")


def number(name: str, value: Any, least: float, most: float) -> None:
    """Refuse anything but a number from `least` to `most`."""
    plain = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not plain or not least <= float(value) <= most:
        raise InputError(f"{name}={value!r}: pass a number from {least:g} to {most:g}")
