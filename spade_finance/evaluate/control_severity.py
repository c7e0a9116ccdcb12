# SPDX-License-Identifier: Apache-2.0
"""Severity and blends: does an episode that is asked to be harsher come out harsher, and half of one regime half?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.control import Laboratory, Levels, Reading
from spade_finance.regimes.timeline import RegimeTimeline

Array = NDArray[np.float64]

DAYS = 128
N_SEVERITIES = 5
WIDEST = (0.5, 2.0)
"""Severities asked for at most; a model's trained range is narrower."""
NARROWEST = 1.1
"""A range whose ends differ by less than this factor says nothing about a slope."""

BLEND, BLEND_BLOCK, SIDE = 20, 4, 40
SETTLED = 20
"""Days at the end of each side that stand for its level."""
BLEND_FACTOR = 2
"""The blend has so many times the paths: its stretches are short."""


@dataclass(frozen=True, eq=False)
class SeverityResult:
    """Readings, and for the figure log volatilities by severity and regime, and along the blend.

    ``levels[regime][column]`` are (severities,), ``severities`` what was asked; ``blend[column]`` (stretches,) with
    ``blend_days`` their middles, day 0 the blend's first.
    """

    readings: tuple[Reading, ...]
    severities: Array
    levels: Mapping[str, Mapping[str, Array]]
    blend_days: Array
    blend: Mapping[str, Array]


def severities_and_blends(lab: Laboratory, notes: list[str]) -> SeverityResult:
    """Slope of log volatility on log severity, on constant maps of the calmest and the worst regime; a 20-day blend.

    A slope of 1 is right by definition: severity *is* realised volatility over the regime's typical one.
    """
    severities = asked_severities(lab, notes)
    levels: dict[str, dict[str, Array]] = {}
    readings: list[Reading] = []
    if len(severities):
        readings, levels = _severity(lab, severities, notes)
    blend_readings, days, blend = _blend(lab)
    return SeverityResult((*readings, *blend_readings), severities, levels, days, blend)


def asked_severities(lab: Laboratory, notes: list[str]) -> Array:
    """Severities from .5 to 2 inside the evaluated model's trained range, evenly in logs; none for too narrow a one."""
    trained = getattr(lab.material.generators.get(lab.columns[0]), "severity_range_", WIDEST)
    low, high = max(WIDEST[0], float(trained[0])), min(WIDEST[1], float(trained[1]))
    if not high / low >= NARROWEST:
        notes.append(
            f"severities were trained from {low:.2f} to {high:.2f} only: too narrow to measure a slope"
        )
        return np.array([])
    # A hair inside: the ends of a trained range are refused where rounding puts them outside.
    return np.geomspace(low * 1.0001, high / 1.0001, N_SEVERITIES)


def _severity(
    lab: Laboratory, severities: Array, notes: list[str]
) -> tuple[list[Reading], dict[str, dict[str, Array]]]:
    regimes = dict.fromkeys((lab.regimes[0], lab.regimes[-1]))
    levels: dict[str, dict[str, Array]] = {r: {} for r in regimes}
    x = np.log(severities) - np.log(severities).mean()
    ignoring: list[str] = []

    def measure(column: str) -> dict[str, tuple[float, float]] | None:
        out: dict[str, tuple[float, float]] = {}
        same = True
        for regime in regimes:
            codes = np.full(DAYS, lab.regimes.index(regime))
            found: list[Levels] = []
            first = None
            for severity in severities:
                paths = lab.draw(column, lab.timeline(codes, float(severity)))
                if paths is None:
                    return None
                first = paths if first is None else first
                same = same and np.array_equal(first, paths)
                found.append(Levels.of(paths, [slice(None)])[0, 0])
                if len(found) == 2 and same:  # severity is not read: the others would be the same too
                    found = [found[0]] * len(severities)
                    break
            joint = Levels(np.stack([f.value for f in found]), np.stack([f.left_out for f in found], axis=1))
            levels[regime][column] = joint.value
            out[f"slope {regime}"] = joint.map(lambda y: float(x @ y / (x @ x)))
        if same:
            ignoring.append(column)
            return dict.fromkeys(out, (0.0, 0.0))
        return out

    found = lab.gather(measure)
    if ignoring:
        notes.append(f"{', '.join(ignoring)}: severity is ignored, so the slope is 0 by construction")
    asked = f"severity {severities[0]:.2f} to {severities[-1]:.2f}"
    readings = [
        Reading(
            "severity_slope", f"{asked}, constant {regime}: slope of log volatility", "1",
            found.get(f"slope {regime}", {}), regime=regime, horizon_days=DAYS,
        )
        for regime in regimes
    ]  # fmt: skip
    return readings, levels


def blend_timeline(lab: Laboratory) -> RegimeTimeline:
    """40 calm days, 20 days of ``calm~worst``, 40 days of the worst regime."""
    n = len(lab.regimes)
    weights = np.zeros((2 * SIDE + BLEND, n))
    share = np.concatenate([np.zeros(SIDE), np.arange(1, BLEND + 1) / (BLEND + 1), np.ones(SIDE)])
    weights[:, 0], weights[:, -1] = 1 - share, share
    return RegimeTimeline(lab.regimes, weights, sectors=lab.sectors)


def _blend(lab: Laboratory) -> tuple[list[Reading], Array, dict[str, Array]]:
    """Steps of log volatility from the calm side through the blend to the worst side.

    A smooth and monotone answer has no step down and no step that takes most of the way.
    """
    inside = [(a, a + BLEND_BLOCK) for a in range(0, BLEND, BLEND_BLOCK)]
    stretches = [(-SETTLED, 0), *inside, (BLEND + SIDE - SETTLED, BLEND + SIDE)]
    days = [slice(SIDE + a, SIDE + b) for a, b in stretches]
    curves: dict[str, Array] = {}

    def measure(column: str) -> dict[str, tuple[float, float]] | None:
        paths = lab.draw(column, blend_timeline(lab), BLEND_FACTOR * lab.n_paths)
        if paths is None:
            return None
        level = Levels.of(paths, days)[:, 0]
        curves[column] = level.value
        return {
            "smallest": level.map(lambda y: np.diff(y).min()),
            "share": level.map(lambda y: np.diff(y).max() / (y[-1] - y[0])),
        }

    found = lab.gather(measure)
    name = f"{lab.regimes[0]}~{lab.regimes[-1]}:{BLEND}"
    even = 1 / (len(stretches) - 1)
    readings = [
        Reading(
            "blend_smallest_step", f"{name}: smallest step of log volatility on the way up", "≥ 0",
            found.get("smallest", {}), horizon_days=BLEND,
        ),
        Reading(
            "blend_largest_share", f"{name}: largest step as a share of the way", f"about {even:.2f}; 1 is a jump",
            found.get("share", {}), horizon_days=BLEND,
        ),
    ]  # fmt: skip
    return readings, np.array([(a + b - 1) / 2 for a, b in stretches]), curves
