# SPDX-License-Identifier: Apache-2.0
"""A user's own function as a strategy: ``f(past_returns) -> weights``, from a module or a file.

By default the function is called path by path with a DataFrame of simple returns (t, S), columns the sectors;
a function whose parameter is annotated as an array, or that fails on a DataFrame and works on an array, gets an
array (t, S). It returns S weights: a sequence in the sectors' order, or a Series or dict by sector. A function
marked ``@strategy(vectorised=True)`` gets all paths at once, (n, t, S), and returns (n, S): as fast as ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd

from spade_finance.backtest.strategies.base import BadWeights, Known, PathFailure, Strategy, Values, days
from spade_finance.exceptions import InputError

__all__ = ["WARM_UP", "FunctionStrategy", "load", "strategy"]

WARM_UP = 63
"""Days that pass before a function without ``warm_up`` decides for the first time: a quarter."""

Function = TypeVar("Function", bound=Callable[..., Any])
Kind = Literal["pandas", "numpy", "vectorised"]

_OPTIONS = "__spade_strategy__"


def strategy(
    *, vectorised: bool = False, warm_up: int = WARM_UP, lookback: int | None = None
) -> Callable[[Function], Function]:
    """Say how a function wants to be called.

    Parameters
    ----------
    vectorised : bool
        It takes all paths at once: an array (n, t, S) to weights (n, S).
    warm_up : int
        Days of past returns before its first decision.
    lookback : int, optional
        Days of past returns that it is given at most; default all.

    Examples
    --------
    >>> @strategy(vectorised=True, warm_up=21, lookback=21)
    ... def calmest(past):
    ...     sigma = past.std(axis=1)
    ...     return (sigma == sigma.min(axis=1, keepdims=True)) * 1.0
    """
    days("warm_up", warm_up, 0)
    if lookback is not None:
        days("lookback", lookback, 1)
        if lookback < warm_up:
            warm_up = lookback if warm_up == WARM_UP else warm_up

    def mark(function: Function) -> Function:
        setattr(
            function, _OPTIONS, {"vectorised": bool(vectorised), "warm_up": warm_up, "lookback": lookback}
        )
        return function

    return mark


class FunctionStrategy(Strategy):
    """A function of past returns as a strategy.

    Parameters
    ----------
    function : callable
        ``f(past_returns) -> weights``; see the module.
    name : str, optional
        For messages and reports; default the function's own.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self.function = function
        self.name = name or str(getattr(function, "__name__", type(function).__name__))  # type: ignore[misc]
        options = getattr(function, _OPTIONS, {})
        self._warm_up = int(options.get("warm_up", WARM_UP))
        self._lookback: int | None = options.get("lookback")
        self._kind: Kind | None = "vectorised" if options.get("vectorised") else _annotated(function)

    def __repr__(self) -> str:
        return self.name

    @property
    def warm_up(self) -> int:
        """Days before the first decision unless the engine is told otherwise."""
        return self._warm_up

    @property
    def looks_back(self) -> int | None:
        """Days of past returns that the function is given at most."""
        return self._lookback

    @property
    def path_by_path(self) -> bool:
        """Whether the function takes one path at a time."""
        return self._kind != "vectorised"

    def weights(self, known: Known) -> Any:
        """Target weights (n, S), as the function returns them (checked by the engine)."""
        if self._kind == "vectorised":
            return self.function(known.past)
        out = np.empty((len(known.past), len(known.sectors)))
        for row, past in enumerate(known.past):
            try:
                out[row] = self._one(past, known)
            except (Exception, SystemExit) as error:
                raise PathFailure(row, error) from error
        return out

    def _one(self, past: Values, known: Known) -> Values:
        if self._kind is not None:
            return self._call(self._kind, past, known)
        try:
            found = self._call("pandas", past, known)
        except Exception as error:
            try:
                found = self._call("numpy", past, known)
            except Exception:
                raise error from None
            self._kind = "numpy"
            return found
        self._kind = "pandas"
        return found

    def _call(self, kind: Kind, past: Values, known: Known) -> Values:
        if kind == "pandas":
            table = pd.DataFrame(past.copy(), columns=list(known.sectors), index=known.dates)
            return _one_path(self.function(table), known.sectors)
        mine = past.copy()
        mine.flags.writeable = False
        return _one_path(self.function(mine), known.sectors)


def _annotated(function: Callable[..., Any]) -> Kind | None:
    """What the first parameter's annotation asks for, if anything."""
    try:
        first = next(iter(inspect.signature(function).parameters.values()), None)
    except (TypeError, ValueError):
        return None
    said = "" if first is None or first.annotation is inspect.Parameter.empty else str(first.annotation)
    return "pandas" if "DataFrame" in said else "numpy" if "ndarray" in said.lower() else None


def _one_path(returned: Any, sectors: tuple[str, ...]) -> Values:
    """Weights (S,) of one path in the sectors' order."""
    if isinstance(returned, pd.Series) and set(returned.index) <= set(sectors):
        returned = {str(name): value for name, value in returned.items()}
    if isinstance(returned, Mapping):
        if strangers := [name for name in returned if name not in sectors]:
            raise BadWeights(f"its weights name {strangers[0]!r}; the sectors are {', '.join(sectors)}")
        return np.array([float(returned.get(name, 0.0)) for name in sectors])
    weights = np.asarray(returned, dtype=np.float64)
    if weights.shape != (len(sectors),):
        raise BadWeights(
            f"it returned weights of shape {weights.shape}; needed are {len(sectors)}, one for each asset"
        )
    return weights


def load(text: str) -> Any:
    """The object that ``"module:name"`` or ``"path/to/file.py:name"`` stands for; a function comes as a strategy.

    Modules are looked up as Python does, the current folder first.

    Raises
    ------
    InputError
        No such module, file or name in it, or its code fails when it is run.
    """
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise InputError(f"strategy {text!r}: write module:function or my_file.py:function")
    module = _from_file(text, Path(place)) if place.endswith(".py") else _from_module(text, place)
    if not hasattr(module, name):
        mine = [
            key
            for key, value in vars(module).items()
            if callable(value)
            and not key.startswith("_")
            and getattr(value, "__module__", "") == module.__name__
        ]
        raise InputError(
            f"strategy {text!r}: {place} has no {name!r}; it defines {', '.join(sorted(mine)[:10]) or 'no function'}"
        )
    found = getattr(module, name)
    return FunctionStrategy(found, text) if inspect.isroutine(found) else found


def _from_file(text: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"strategy {text!r}: there is no file {path}")
    label = f"spade_user_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(label, path)
    if spec is None or spec.loader is None:
        raise InputError(f"strategy {text!r}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[label] = module  # dataclasses and annotations look their module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[label]
        raise _failed(text, error) from error
    return module


def _from_module(text: str, place: str) -> ModuleType:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(f"{error.name}.")):
            raise InputError(
                f"strategy {text!r}: there is no module {place!r} here or among the installed ones; for a file write "
                "its path, my_file.py:function"
            ) from error
        raise _failed(text, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(text, error) from error
    finally:
        sys.path.remove(here)


def _failed(text: str, error: BaseException) -> InputError:
    said = " ".join(str(error).split())
    where = f" (line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
    return InputError(f"strategy {text!r}: importing it raised {type(error).__name__}{where}: {said}")
