# SPDX-License-Identifier: Apache-2.0
"""What can be chosen, and how the address says it: whole numbers, words, dates. Their values are in :mod:`.state`."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["NAMES", "Choice", "day", "flag", "number", "one_of", "some_of", "text", "whole"]

T = TypeVar("T")
S = TypeVar("S", bound=str)

NAMES: set[str] = set()
"""Of every choice that a page has declared."""

LONGEST = 6000
"""Characters of one choice; servers and browsers take addresses of about 8,000."""


@dataclass(frozen=True)
class Choice(Generic[T]):
    """One thing that a person can choose.

    Attributes
    ----------
    name : str
        Its parameter in the address; the same name is the same choice on every page.
    default : T
    read : callable str -> T
        Raises ValueError on a text that means nothing, saying what was expected.
    write : callable T -> str
    """

    name: str
    default: T
    read: Callable[[str], T]
    write: Callable[[T], str] = str

    def __post_init__(self) -> None:
        NAMES.add(self.name)


def whole(name: str, default: int, low: int, high: int) -> Choice[int]:
    """A whole number from `low` to `high`."""

    def read(said: str) -> int:
        if not re.fullmatch(r"\s*-?[0-9]{1,18}\s*", said) or not low <= int(said) <= high:
            raise ValueError(f"expected a whole number from {low:,} to {high:,}")
        return int(said)

    return Choice(name, default, read)


def number(name: str, default: float, low: float, high: float) -> Choice[float]:
    """A number from `low` to `high`."""

    def read(said: str) -> float:
        try:
            value = float(said)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"expected a number from {low:g} to {high:g}")
        return value

    return Choice(name, default, read, lambda value: f"{value:.12g}")


def text(name: str, default: str = "", *, most: int = LONGEST) -> Choice[str]:
    """Any text of at most `most` characters."""

    def read(said: str) -> str:
        if len(said) > most:
            raise ValueError(f"expected at most {most:,} characters")
        return said

    return Choice(name, default, read)


def one_of(name: str, default: S, options: Sequence[S]) -> Choice[S]:
    """One of a few words."""

    def read(said: str) -> S:
        for option in options:
            if said == option:
                return option
        raise ValueError(f"expected one of {', '.join(options)}")

    return Choice(name, default, read)


def some_of(
    name: str, default: Sequence[str], options: Sequence[str] | None = None
) -> Choice[tuple[str, ...]]:
    """Any of a few words, comma-separated in the address; any words at all without `options`."""

    def read(said: str) -> tuple[str, ...]:
        words = tuple(word for word in said.split(",") if word)
        unknown = [word for word in words if options is not None and word not in options]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(options or ())}")
        return words

    return Choice(name, tuple(default), read, lambda words: ",".join(words))


def flag(name: str, default: bool = False) -> Choice[bool]:
    """Yes or no, ``1`` or ``0`` in the address."""

    def read(said: str) -> bool:
        if said not in ("0", "1"):
            raise ValueError("expected 1 (yes) or 0 (no)")
        return said == "1"

    return Choice(name, default, read, lambda value: "1" if value else "0")


def day(name: str, default: datetime.date | None = None) -> Choice[datetime.date | None]:
    """A date, YYYY-MM-DD in the address; empty is none."""

    def read(said: str) -> datetime.date | None:
        if not said:
            return None
        try:
            return datetime.date.fromisoformat(said)
        except ValueError:
            raise ValueError("expected a date such as 2024-01-31") from None

    return Choice(name, default, read, lambda value: "" if value is None else value.isoformat())
