# SPDX-License-Identifier: Apache-2.0
"""Numbers as finance writes them: percent, basis points, plus-minus; a dash for what is not there."""

from __future__ import annotations

import math

__all__ = ["bps", "count", "days", "number", "percent", "seconds"]

_MINUS = "\u2212"


def percent(value: float | None, error: float | None = None, *, digits: int = 1, signed: bool = False) -> str:
    """``12.3 %`` or ``12.3 ± 0.4 %`` of a decimal value and its standard error; a dash where it is missing."""
    return _written(value, error, 100.0, digits, " %", signed)


def bps(value: float | None, error: float | None = None, *, digits: int = 0, signed: bool = False) -> str:
    """``25 bps`` of a decimal value (1 bp is 0.0001)."""
    return _written(value, error, 1e4, digits, " bps", signed)


def number(value: float | None, error: float | None = None, *, digits: int = 2, signed: bool = False) -> str:
    """``0.52 ± 0.03``."""
    return _written(value, error, 1.0, digits, "", signed)


def days(value: float | None) -> str:
    """``1 day``, ``120 days``."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f} day{'' if round(value) == 1 else 's'}"


def count(value: int, what: str) -> str:
    """``1 path``, ``1,000 paths``."""
    return f"{value:,} {what}{'' if value == 1 else 's'}"


def seconds(value: float) -> str:
    """``8 s``, ``2 min 05 s``, ``1 h 03 min``."""
    whole = max(0, round(value))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _written(
    value: float | None, error: float | None, factor: float, digits: int, unit: str, signed: bool
) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    if (
        error is not None and 0 < factor * error < math.inf
    ):  # an error that is not nought is not written as nought
        needed = math.ceil(-math.log10(2 * factor * error))
        digits = needed if digits < needed <= digits + 3 else digits
    text = f"{factor * value:{'+' if signed else ''},.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    if error is not None and math.isfinite(error):
        text += f" ± {factor * error:,.{digits}f}"
    return text.replace("-", _MINUS) + unit
