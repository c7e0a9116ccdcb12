# SPDX-License-Identifier: Apache-2.0
"""One sector repainted: how much the sector answers, and how much the sectors do that nothing was said about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spade_finance.evaluate.control import Interval, Laboratory, Levels, Reading
from spade_finance.evaluate.control_real import RealDays, own_response

LEAD, LENGTH, TAIL = 40, 40, 20
MOST_SECTORS = 12


def repainted(lab: Laboratory, everything: RealDays, notes: list[str]) -> list[Reading]:
    """Each sector in turn gets 40 days of the worst regime of its own; the market keeps one regime throughout.

    Log volatility inside, less that of the same paths without the override: of the sector (own response), of the
    others (leakage, mean and largest), and of all before the override (must be nothing). The market's regime is the
    one in which history has most such days; real days of that kind stand beside (see
    :func:`.control_real.own_response`). Columns that give the same returns with and without ignore overrides.
    """
    sectors = lab.sectors
    if len(sectors) < 2:
        notes.append("one sector: nothing can be repainted beside it")
        return []
    worst = len(lab.regimes) - 1
    market, (response, spill, n_days, n_spells) = _where_history_has_it(lab, everything)
    regime = lab.regimes[market]
    if everything.own is None:
        notes.append(
            "sectors have no labels of their own in history: nothing real stands beside the repainted sector"
        )
    elif not response.known:
        notes.append(
            f"history has {n_days} sector-days in {lab.regimes[worst]} of their own with the market elsewhere: too "
            "few to stand beside the repainted sector"
        )
    days = [slice(LEAD, LEAD + LENGTH), slice(0, LEAD)]
    assets = list(range(1, 1 + len(sectors)))
    chosen = np.unique(np.linspace(0, len(sectors) - 1, min(len(sectors), MOST_SECTORS)).astype(int))
    ignoring: list[str] = []

    def measure(column: str) -> dict[str, tuple[float, float]] | None:
        codes = np.full(LEAD + LENGTH + TAIL, market)
        twin = lab.draw(column, lab.timeline(codes))
        if twin is None:
            return None
        base = Levels.of(twin, days, assets)
        effects = []
        for i in chosen:
            own = np.full(len(codes), -1)
            own[LEAD : LEAD + LENGTH] = worst
            paths = lab.draw(column, lab.timeline(codes, own={sectors[i]: own}))
            if paths is None:
                return None
            if np.array_equal(paths, twin):
                ignoring.append(column)
                zero = (0.0, 0.0)
                return {"own": zero, "leak": zero, "largest": zero, "before": zero}
            effects.append(Levels.of(paths, days, assets) - base)
        joint = Levels(
            np.stack([e.value for e in effects]), np.stack([e.left_out for e in effects], axis=1)
        )  # (repainted, inside or before, sectors)
        at = np.arange(len(chosen))
        others = np.ones((len(chosen), len(sectors)), dtype=bool)
        others[at, chosen] = False
        return {
            "own": joint.map(lambda x: x[at, 0, chosen].mean()),
            "leak": joint.map(lambda x: x[:, 0][others].mean()),
            "largest": joint.map(lambda x: np.abs(x[:, 0][others]).max()),
            "before": joint.map(lambda x: np.abs(x[:, 1]).mean()),
        }

    found = lab.gather(measure)
    if ignoring:
        notes.append(
            f"{', '.join(ignoring)}: the same returns with and without a sector's own regime; the script's "
            "overrides are ignored, so response and leakage are 0 by construction"
        )
    beside = (
        f"{n_days} real sector-days in {n_spells} spells of {regime}" if response.known else "no real days"
    )
    asked = f"one sector {LENGTH} days in {lab.regimes[worst]}, market {regime}"
    return [
        _reading("own", f"{asked}: its own log volatility ({beside})", found, response),
        _reading("leak", f"{asked}: the others' log volatility", found, spill, "near 0, as real"),
        _reading(
            "largest", f"{asked}: largest |change| of another sector", found, Interval(), "near 0", False
        ),
        _reading("before", f"{asked}: any sector before, mean |change|", found, Interval(), "0"),
    ]


def _where_history_has_it(
    lab: Laboratory, everything: RealDays
) -> tuple[int, tuple[Interval, Interval, int, int]]:
    """The market's regime with most sector-days in the worst regime of their own, and what they were like."""
    worst = len(lab.regimes) - 1
    market = 0
    if everything.own is not None:
        days = [int((everything.own[everything.codes == k] == worst).sum()) for k in range(worst)]
        market = int(np.argmax(days))
    return market, own_response(everything, market, worst, lab.material.rng(530))


def _reading(
    name: str,
    test: str,
    found: Mapping[str, Mapping[str, tuple[float, float]]],
    real: Interval,
    ideal: str = "real",
    summary: bool = True,
) -> Reading:
    return Reading(
        f"sector_{name}", test, "> 0" if ideal == "real" and not real.known else ideal, found.get(name, {}), real,
        horizon_days=LENGTH, summary=summary,
    )  # fmt: skip
