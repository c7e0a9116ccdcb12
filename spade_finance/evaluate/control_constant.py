# SPDX-License-Identifier: Apache-2.0
"""Long constant maps: does a regime that is asked for without end keep the level it has in history?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spade_finance.evaluate.control import Interval, Laboratory, Levels, Reading
from spade_finance.evaluate.control_real import RealDays

DAYS = 512
QUARTER = DAYS // 4
FEWEST_DAYS, FEWEST_SPELLS = 60, 2


@dataclass(frozen=True)
class ConstantResult:
    """Readings, and distances from the window's own levels for the score.

    ``reference`` holds each regime's real log volatility; ``from_window`` says which come from the window alone.
    """

    readings: tuple[Reading, ...]
    reference: tuple[Interval, ...]
    from_window: tuple[bool, ...]


def constant_maps(lab: Laboratory, window: RealDays, everything: RealDays) -> ConstantResult:
    """512 days of each regime.

    The level of log volatility against the real regime's (the window's where it has two spells and 60 days of it,
    else that of all labelled days), the drift between the first and the last quarter, and the range from the calmest
    regime to the worst.
    """
    rng = lab.material.rng(510)
    reference, from_window = [], []
    for k in range(len(lab.regimes)):
        enough = (window.codes == k).sum() >= FEWEST_DAYS and window.spells_of(k) >= FEWEST_SPELLS
        reference.append((window if enough else everything).level(k, rng))
        from_window.append(bool(enough))
    truth = np.array([r.value for r in reference])
    days = [slice(None), slice(0, QUARTER), slice(DAYS - QUARTER, DAYS)]

    def measure(column: str) -> dict[str, tuple[float, float]] | None:
        levels: dict[int, Levels] = {}
        for k in range(len(lab.regimes)):
            paths = lab.draw(column, lab.timeline(np.full(DAYS, k)))
            if paths is not None:
                levels[k] = Levels.of(paths, days)[:, 0]
        if not levels:
            return None
        out: dict[str, tuple[float, float]] = {}
        for k, level in levels.items():
            value, error = level[0].number()
            out[f"level{k}"] = float(np.exp(value)), float(np.exp(value)) * error
            out[f"drift{k}"] = level.map(lambda x: x[2] - x[1])
        known = [k for k in levels if np.isfinite(truth[k])]
        if known:
            joint = Levels(
                np.array([levels[k].value[0] for k in known]),
                np.stack([levels[k].left_out[:, 0] for k in known], axis=1),
            )
            out["error"] = joint.map(lambda x: np.abs(x - truth[known]).mean())
        drifts = np.array([out[f"drift{k}"] for k in levels])
        out["drift"] = float(np.abs(drifts[:, 0]).mean()), float(drifts[:, 1].mean())
        worst = len(lab.regimes) - 1
        if {0, worst} <= set(levels):
            out["range"] = (levels[worst][0] - levels[0][0]).number()
        return out

    found = lab.gather(measure)
    readings = [
        Reading(
            "constant_level_error", f"{DAYS} days of each regime: mean error of log volatility", "0",
            found.get("error", {}),
        ),
        Reading(
            "constant_drift", f"{DAYS} days of each regime: mean |drift| of log volatility, last quarter on first",
            "0", found.get("drift", {}),
        ),
        Reading(
            "constant_range", f"log volatility of {lab.regimes[-1]} over {lab.regimes[0]} on constant maps", "real",
            found.get("range", {}), real=Interval(float(truth[-1] - truth[0])),
        ),
    ]  # fmt: skip
    for k, regime in enumerate(lab.regimes):
        readings.append(
            Reading(
                "constant_volatility", f"{DAYS} days of {regime}: volatility", "real", found.get(f"level{k}", {}),
                reference[k].exp(), regime=regime, horizon_days=DAYS, unit="percent", summary=False,
            )
        )  # fmt: skip
        readings.append(
            Reading(
                "constant_drift", f"{DAYS} days of {regime}: drift of log volatility", "0",
                found.get(f"drift{k}", {}), regime=regime, horizon_days=DAYS, summary=False,
            )
        )  # fmt: skip
    return ConstantResult(tuple(readings), tuple(reference), tuple(from_window))
