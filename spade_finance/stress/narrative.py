# SPDX-License-Identifier: Apache-2.0
"""Paths and timelines in plain English: what held for how long, when the money went, and who led the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.regimes.spells import runs

__all__ = ["Spell", "leaders", "percent", "spells_in_words", "spells_of", "tell_loss", "tell_path"]

Array = NDArray[np.float64]

LEADS = 1.25
"""A sector leads a loss when its part is so many times an even one."""
MOST_NAMED = 3
MOST_SPELLS = 8


@dataclass(frozen=True)
class Spell:
    """A run of days in one regime, ``start`` counted from 0."""

    regime: str
    start: int
    days: int


def spells_of(codes: NDArray[Any], regimes: Sequence[str]) -> tuple[Spell, ...]:
    """Spells of codes (T,)."""
    starts, lengths, of = runs(np.asarray(codes))
    return tuple(Spell(regimes[k], int(s), int(d)) for s, d, k in zip(starts, lengths, of, strict=True))


def percent(value: float, digits: int = 1) -> str:
    """``-12.3 %`` of a decimal, with a true minus sign and without a negative zero."""
    text = f"{100 * value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−") + " %"


def spells_in_words(spells: Sequence[Spell], led: str | None = None, worst: int | None = None) -> str:
    """``18 days of bear, then 9 of crisis led by Financials``: `led` is named in the spell `worst`."""
    parts = []
    for i, spell in enumerate(spells[:MOST_SPELLS]):
        days = f"{spell.days} day{'s' * (spell.days != 1)}" if i == 0 else f"{spell.days}"
        parts.append(f"{days} of {spell.regime}" + (f" led by {led}" if led and i == worst else ""))
    if len(spells) > MOST_SPELLS:
        rest = spells[MOST_SPELLS:]
        parts.append(f"{sum(s.days for s in rest)} more in {len(rest)} spells")
    return ", then ".join(parts)


def leaders(
    contributions: Array, sectors: Sequence[str], *, most: int = MOST_NAMED
) -> list[tuple[str, float]]:
    """Sectors that lost more than their even part, worst first, each with its share of all losses.

    Parameters
    ----------
    contributions : (S,) decimal profit of each sector; those that lost count

    Returns
    -------
    list of (sector, share of the gross loss); empty where nothing was lost
    """
    lost = np.maximum(-np.asarray(contributions, dtype=np.float64), 0.0)
    taking_part = int((np.abs(contributions) > 0).sum())
    if lost.sum() <= 0 or taking_part < 2:
        return []
    share = lost / lost.sum()
    order = np.argsort(-share)[:most]
    return [(sectors[s], float(share[s])) for s in order if share[s] >= LEADS / taking_part]


def tell_path(
    codes: NDArray[Any], regimes: Sequence[str], contributions: Array, sectors: Sequence[str]
) -> str:
    """One path in a phrase: ``18 days of bear, then 9 of crisis led by Financials``.

    Parameters
    ----------
    codes : (T,) regime of each day
    contributions : (spells, S) profit of each sector in each spell, decimal
    """
    spells = spells_of(codes, regimes)
    worst = int(contributions.sum(1).argmin())
    led = leaders(contributions[worst], sectors, most=1)
    return spells_in_words(spells, led[0][0] if led else None, worst)


def tell_loss(
    codes: NDArray[Any], regimes: Sequence[str], contributions: Array, sectors: Sequence[str]
) -> str:
    """Where the money went, in sentences; arguments as in :func:`tell_path`."""
    spells = spells_of(codes, regimes)
    total = contributions.sum()
    result = "loses" if total < 0 else "gains"
    text = f"The book {result} {percent(abs(total))}"
    if len(spells) > 1:
        parts = [
            f"{'+' if c > 0 else ''}{percent(c)} in the {s.regime}"
            for s, c in zip(spells, contributions.sum(1), strict=True)
        ]
        text += ": " + ", ".join(parts[:MOST_SPELLS])
    text += "."
    by_sector = contributions.sum(0)
    order = [s for s in np.argsort(by_sector) if by_sector[s] < 0][:MOST_NAMED]
    if order and total < 0:
        named = [f"{sectors[s]} {percent(by_sector[s])}" for s in order]
        text += f" By sector, in points of capital: {', '.join(named)}."
    return text
