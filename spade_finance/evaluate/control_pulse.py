# SPDX-License-Identifier: Apache-2.0
"""Pulses: some days of the worst regime inside a calm map. What they do inside, and what they must not do outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.control import Interval, Laboratory, Levels, Reading
from spade_finance.evaluate.control_real import RealDays, bootstrapped

Array = NDArray[np.float64]

PULSES = (5, 10, 40, 120)
LEAD, TAIL = 120, 120
DAYS = LEAD + max(PULSES) + TAIL
SHOWN_BEFORE, SHOWN_AFTER, BLOCK = 20, 60, 5
WITHIN_FACTOR = 2.0
"""Real spells count as of a pulse's length within this factor."""
FEWEST_AFTER_DAYS = 20


@dataclass(frozen=True, eq=False)
class PulseResult:
    """Readings, and for the figure the volatility of each column by blocks of five days around each pulse.

    ``blocks[length]`` are offsets of the blocks' middles from the pulse's first day, ``curves[length][column]``
    log volatilities (blocks,); ``calm`` and ``worst`` the real levels.
    """

    readings: tuple[Reading, ...]
    blocks: Mapping[int, Array]
    curves: Mapping[int, Mapping[str, Array]]
    calm: float
    worst: float


def pulses(lab: Laboratory, everything: RealDays) -> PulseResult:
    """Worst-regime days of 5, 10, 40 and 120 days after 120 calm days, against the same paths without them.

    Inside: log volatility less that of the twin, beside real spells of about that length over real calm days.
    Before: the same over the 20 days before, and the largest difference of any single return (0 where a generator
    does not peek and uses its random numbers in order). After: days 1 to 20 and the rest.
    """
    rng = lab.material.rng(520)
    worst = len(lab.regimes) - 1
    curves: dict[int, dict[str, Array]] = {n: {} for n in PULSES}
    blocks = {n: _blocks(n) for n in PULSES}

    def measure(column: str) -> dict[str, tuple[float, float]] | None:
        base = np.zeros(DAYS, dtype=np.int64)
        twin = lab.draw(column, lab.timeline(base))
        if twin is None:
            return None
        out: dict[str, tuple[float, float]] = {}
        for n in PULSES:
            codes = base.copy()
            codes[LEAD : LEAD + n] = worst
            paths = lab.draw(column, lab.timeline(codes))
            if paths is None:
                return None
            end = LEAD + n
            days = [
                slice(LEAD, end), slice(LEAD - SHOWN_BEFORE, LEAD), slice(end, end + 20), slice(end + 20, DAYS),
            ]  # fmt: skip
            effect = (Levels.of(paths, days) - Levels.of(twin, days))[:, 0]
            for i, name in enumerate(("inside", "before", "after", "rest")):
                out[f"{name}{n}"] = effect[i].number()
            out[f"exact{n}"] = float(np.abs(paths[:, :LEAD] - twin[:, :LEAD]).max()), float("nan")
            around = [slice(LEAD + a, LEAD + b) for a, b in blocks[n]]
            curves[n][column] = Levels.of(paths, around).value[:, 0]
        return out

    found = lab.gather(measure)
    readings: list[Reading] = []
    for n in PULSES:
        spells = everything.spells_of_length(worst, n / WITHIN_FACTOR, n * WITHIN_FACTOR)
        real = everything.level_over_calm(spells, rng)
        beside = f"{len(spells) or 'no'} real spell{'s' * (len(spells) != 1)} of about that length"
        readings.append(
            Reading(
                f"pulse_inside_{n}", f"{n} days of {lab.regimes[worst]}: log volatility inside ({beside})",
                "real" if len(spells) else "–", found.get(f"inside{n}", {}), real, horizon_days=n,
            )
        )  # fmt: skip
    after = _real_after(everything, worst, rng)
    for name, words, ideal, reference in (
        ("before", f"{SHOWN_BEFORE} days before a pulse: log volatility", "0", Interval()),
        ("exact", "largest change of any return before a pulse", "0", Interval()),
        (
            "after",
            "20 days after a pulse: log volatility",
            "real" if after.known else "small",
            after,
        ),
        ("rest", "later than 20 days after a pulse: log volatility", "0", Interval()),
    ):
        readings += _outside(found, name, words, ideal, reference)
    calm, level = everything.level(0, rng).value, everything.level(worst, rng).value
    return PulseResult(
        tuple(readings),
        {n: np.array([(a + b - 1) / 2 for a, b in blocks[n]]) for n in PULSES},
        curves,
        calm,
        level,
    )


def _outside(
    found: Mapping[str, Mapping[str, tuple[float, float]]], name: str, words: str, ideal: str, real: Interval
) -> list[Reading]:
    """One row a length; in the summary the largest of them, which is the one to answer for."""
    metric = f"pulse_{'before_exact' if name == 'exact' else name}"
    rows = [
        Reading(
            f"{metric}_{n}", f"{words} ({n} days)", ideal, found.get(f"{name}{n}", {}), real,
            horizon_days=n, summary=False,
        )
        for n in PULSES
    ]  # fmt: skip
    columns = [c for c in rows[0].columns if all(c in r.columns for r in rows)]
    largest = {c: max((r.columns[c] for r in rows), key=lambda pair: abs(pair[0])) for c in columns}
    most = Reading(
        f"{metric}_largest", f"{words}, largest over lengths", ideal, largest, real,
    )  # fmt: skip
    return [*rows, most]


def _real_after(real: RealDays, worst: int, rng: np.random.Generator) -> Interval:
    """Calm days 1 to 20 that follow directly on the worst regime, over all calm days; rare with many regimes."""
    days, spell = real.days_after(worst, 0, 0, 20)
    calm = real.market[real.codes == 0]
    if len(days) < FEWEST_AFTER_DAYS or not len(calm):
        return Interval()
    level = np.log((calm**2).mean()) / 2
    return bootstrapped(
        lambda x: float(np.log((x**2).mean()) / 2 - level), real.market[days, None], spell, rng
    )


def _blocks(length: int) -> list[tuple[int, int]]:
    """Stretches of five days before, inside and after a pulse, as offsets from its first day."""
    inside = [(a, min(a + BLOCK, length)) for a in range(0, length, BLOCK)]
    before = [(a, a + BLOCK) for a in range(-SHOWN_BEFORE, 0, BLOCK)]
    return before + inside + [(length + a, length + a + BLOCK) for a in range(0, SHOWN_AFTER, BLOCK)]
