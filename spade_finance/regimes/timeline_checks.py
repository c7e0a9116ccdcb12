# SPDX-License-Identifier: Apache-2.0
"""What names, rows and severities a timeline may have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MAX_DAYS",
    "RESERVED",
    "check_names",
    "check_rows",
    "check_severity",
    "fit",
    "number_array",
    "one_hot",
]

RESERVED = ("markov", "now", "date", "step", "path", "severity")
"""Words of the grammar and of our files; no regime may be called so."""

MAX_DAYS = 25_200
"""Longest timeline, in trading days: 100 years of 252, as long as daily records of US markets are."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_REGIMES = 127  # codes are int8


def check_names(
    regimes: Sequence[str], sectors: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Regime and sector names as tuples, or `InputError` when a name cannot be used.

    Regimes are words ``[A-Za-z_][A-Za-z0-9_]*``, unique and not reserved; sectors any unique non-empty text.
    """
    if isinstance(regimes, str) or isinstance(sectors, str):
        raise InputError("regimes and sectors must be lists of names, not one text; write ['bull', 'crisis']")
    regimes, sectors = tuple(regimes), tuple(sectors)
    if not 1 <= len(regimes) <= _MAX_REGIMES:
        raise InputError(f"regimes has {len(regimes)} names; give between 1 and {_MAX_REGIMES}")
    for name in regimes:
        if not isinstance(name, str) or not _WORD.fullmatch(name):
            raise InputError(
                f"regime name {name!r} is not a plain word; use letters, digits and _ (not first a digit)"
            )
        if name in RESERVED:
            raise InputError(f"regime name {name!r} is reserved; choose one not among {', '.join(RESERVED)}")
    for name in sectors:
        if not isinstance(name, str) or not name:
            raise InputError(f"sector name {name!r} is not a text; rename the column")
    for kind, names in (("regime", regimes), ("sector", sectors)):
        twice = [n for n in dict.fromkeys(names) if names.count(n) > 1]
        if twice:
            raise InputError(f"{kind} name {twice[0]!r} occurs twice; names must be unique")
    return regimes, sectors


def check_severity(
    timeline: Any,
    severity_range: tuple[float, float] | Mapping[str, tuple[float, float]],
    extrapolate: bool = False,
) -> None:
    """Refuse severities that the model has not seen in training.

    Parameters
    ----------
    timeline : RegimeTimeline or PathTimelines
        A soft day is held to the range of its heaviest regime; days drawn from the process have severity 1.
    severity_range : (low, high) or mapping regime -> (low, high)
        The trained range; a regime that the mapping does not name is not checked.
    extrapolate : bool
        Accept any severity.

    Raises
    ------
    InputError
        Naming the first severity out of range, the range and the flag.
    """
    if extrapolate:
        return
    ranges = dict(severity_range) if isinstance(severity_range, Mapping) else {}
    low = np.full(len(timeline.regimes), -np.inf)
    high = np.full(len(timeline.regimes), np.inf)
    for k, regime in enumerate(timeline.regimes):
        if not isinstance(severity_range, Mapping):
            low[k], high[k] = severity_range
        elif regime in ranges:
            low[k], high[k] = ranges[regime]
    market = timeline.weights.argmax(axis=-1)
    own = timeline.sector_weights.argmax(axis=-1)
    rows = [("the market", market, timeline.severity, timeline.weights.any(axis=-1))]
    for s, sector in enumerate(timeline.sectors):
        label = timeline.sector_weights[s].any(axis=-1)
        rows.append((sector, own[s], timeline.sector_severity[s], label))
    slack = 1e-9  # a range quoted to nine digits includes its own ends
    for who, codes, severity, labelled in rows:
        outside = (severity < low[codes] * (1 - slack)) | (severity > high[codes] * (1 + slack))
        bad = np.flatnonzero(outside & labelled)
        if bad.size:
            step, k = int(bad[0]), int(codes[bad[0]])
            raise InputError(
                f"severity {severity[step]:.4g} of {timeline.regimes[k]!r} for {who} at step {step} is "
                f"outside the trained range {low[k]:.4g} to {high[k]:.4g}; stay within it, or "
                "pass extrapolate=True (--extrapolate)"
            )


def number_array(name: str, values: ArrayLike, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """A float64 copy of finite values of the given shape."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be numbers") from None
    array = fit(name, array, shape)
    if not np.isfinite(array).all():
        raise InputError(f"{name} has values that are not finite; fill or drop them")
    return array


def fit(name: str, array: NDArray[np.float64], shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """`array`, if it has this shape; None is any length."""
    if array.ndim != len(shape) or any(n not in (m, None) for n, m in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("T" if n is None else str(n) for n in shape) + "," * (len(shape) == 1)
        raise InputError(f"{name} has shape {array.shape}; expected ({wanted})")
    return array


def check_rows(name: str, weights: NDArray[np.float64], *, blank_allowed: bool) -> None:
    """Refuse rows of weights that do not sum to 1 (or to 0, where blank rows have a meaning)."""
    total = weights.sum(axis=-1)
    good = np.isclose(total, 1.0, rtol=0, atol=1e-9) | (blank_allowed & (total == 0))
    if not good.all():
        wanted = "1, or 0 for with the market" if blank_allowed else "1"
        raise InputError(
            f"{name} has a row that sums to {total[~good].flat[0]:.6g}; each must sum to {wanted}"
        )
    if (weights < 0).any():
        raise InputError(f"{name} has a negative weight {weights.min():.6g}")


def one_hot(name: str, codes: ArrayLike, n_regimes: int, *, blank_allowed: bool) -> NDArray[np.float64]:
    """(T,) codes as (T, K) rows; -1 gives a row of zeros."""
    array = np.asarray(codes)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} must be a list of whole numbers, one a day")
    lowest = -1 if blank_allowed else 0
    bad = array[(array < lowest) | (array >= n_regimes)]
    if bad.size:
        raise InputError(f"{name} has {bad[0]}; codes must lie in {lowest} to {n_regimes - 1}")
    rows = np.zeros((len(array), n_regimes))
    days = np.flatnonzero(array >= 0)
    rows[days, array[days]] = 1.0
    return rows
