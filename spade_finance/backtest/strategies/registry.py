# SPDX-License-Identifier: Apache-2.0
"""Strategies by name, and whatever a user may call a strategy made one."""

from __future__ import annotations

import difflib
from dataclasses import fields
from typing import Any

from spade_finance.backtest.strategies.base import Strategy
from spade_finance.backtest.strategies.equal_weight import EqualWeight
from spade_finance.backtest.strategies.inverse_volatility import InverseVolatility
from spade_finance.backtest.strategies.minimum_variance import MinimumVariance
from spade_finance.backtest.strategies.momentum import Momentum
from spade_finance.backtest.strategies.optimiser import SkfolioStrategy
from spade_finance.backtest.strategies.regime_switching import RegimeSwitching
from spade_finance.backtest.strategies.risk_parity import RiskParity
from spade_finance.backtest.strategies.sixty_forty import SixtyForty
from spade_finance.backtest.strategies.time_series_momentum import TimeSeriesMomentum
from spade_finance.backtest.strategies.volatility_target import VolatilityTarget
from spade_finance.exceptions import InputError

__all__ = ["STRATEGIES", "as_strategy", "make_strategy", "strategy_class"]

_CLASSES: dict[str, type[Strategy]] = {
    kind.name: kind
    for kind in (
        EqualWeight,
        InverseVolatility,
        MinimumVariance,
        RiskParity,
        Momentum,
        TimeSeriesMomentum,
        VolatilityTarget,
        SixtyForty,
        RegimeSwitching,
    )
}

STRATEGIES: tuple[str, ...] = tuple(_CLASSES)
"""Names that :func:`make_strategy` knows."""


def strategy_class(name: str) -> type[Strategy]:
    """Class of a named strategy; InputError with the nearest name otherwise."""
    if name in _CLASSES:
        return _CLASSES[name]
    near = difflib.get_close_matches(name, STRATEGIES, 1)
    raise InputError(
        f"strategy {name!r} is unknown{f'; did you mean {near[0]!r}?' if near else ''}; known are "
        f"{', '.join(STRATEGIES)}, or write module:function or my_file.py:function"
    )


def make_strategy(name: str, **parameters: Any) -> Strategy:
    """A strategy by name, ``make_strategy("momentum", lookback=126)``.

    Raises
    ------
    InputError
        An unknown name or parameter, or a parameter out of its range.
    """
    kind = strategy_class(name)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for parameter in parameters:
        if parameter not in known:
            raise InputError(
                f"strategy {name!r} has no parameter {parameter!r}; it has {', '.join(known) or 'none'}"
            )
    return kind(**parameters)


def _usable(text: str, found: Any) -> Any:
    """What was loaded for `text`, refused where it is plain data."""
    if isinstance(found, Strategy) or callable(found) or hasattr(found, "fit"):
        return found
    raise InputError(
        f"strategy {text!r} is no function but {type(found).__name__}: name a function of past returns"
    )


def as_strategy(what: Any) -> Strategy:
    """Whatever stands for a strategy, made one.

    Parameters
    ----------
    what : Strategy, str, callable or estimator
        A strategy (or its class, with default parameters); a known name; ``"module:function"`` or
        ``"my_file.py:function"``; a function ``f(past_returns) -> weights``; an estimator with ``fit`` and
        ``weights_`` (skfolio), or its class.

    Raises
    ------
    InputError
        If it is none of these, or cannot be loaded.
    """
    from spade_finance.backtest.user import FunctionStrategy, load

    if isinstance(what, str):
        return as_strategy(_usable(what, load(what))) if ":" in what else make_strategy(what)
    if isinstance(what, Strategy):
        return what
    if isinstance(what, type):
        if issubclass(what, Strategy) or hasattr(what, "fit"):
            try:
                return as_strategy(what())
            except TypeError as error:
                raise InputError(
                    f"strategy {what.__name__}: it needs arguments ({error}): pass an object"
                ) from None
        raise InputError(f"strategy {what.__name__}: this class is neither a Strategy nor an optimiser")
    if hasattr(what, "fit") and hasattr(what, "get_params"):
        return SkfolioStrategy(what)
    if callable(what):
        return FunctionStrategy(what)
    raise InputError(
        f"strategy={what!r} is a {type(what).__name__}: pass a name ({', '.join(STRATEGIES)}), module:function, a "
        "function of past returns, or a skfolio optimiser"
    )
