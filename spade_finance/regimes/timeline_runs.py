# SPDX-License-Identifier: Apache-2.0
"""Reading a timeline back: runs of one regime, blends, and free soft rows; as a script and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spade_finance.exceptions import InputError
from spade_finance.regimes.script import MAX_SEVERITY, MIN_SEVERITY
from spade_finance.regimes.script_ast import Hold, Override, Script, State
from spade_finance.regimes.script_resolve import hold_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spade_finance.regimes.timeline import RegimeTimeline

__all__ = ["Run", "describe", "runs", "to_script"]

_BLEND_DIGITS = 10  # longest severity recovered from a blend, whose own are kept to twelve digits
_DESCRIBED = 12  # runs put in words before "n more"


@dataclass(frozen=True)
class Run:
    """Days ``start .. start + days - 1`` that read as one.

    `state` is the regime and severity held, or the blend walked through; None for soft rows that no script
    can write. `regime` is the one held, a blend's first, or the heaviest of the soft rows.
    """

    start: int
    days: int
    regime: str
    state: State | None


def runs(
    weights: NDArray[np.float64], severity: NDArray[np.float64], regimes: Sequence[str]
) -> tuple[Run, ...]:
    """Longest runs from the start on; (T, K) weights whose rows sum to 1 and (T,) severities."""
    hard = weights.max(axis=1) == 1.0
    same = (weights[1:] == weights[:-1]).all(axis=1) & (severity[1:] == severity[:-1])
    breaks = np.append(np.flatnonzero(~same) + 1, len(weights))
    codes = weights.argmax(axis=1)
    found: list[Run] = []
    day = soft = 0  # soft: where the soft rows that end before `day` begin

    def close_soft() -> None:
        if soft < day:
            heaviest = regimes[int(weights[soft:day].sum(axis=0).argmax())]
            found.append(Run(soft, day - soft, heaviest, None))

    while day < len(weights):
        if hard[day]:
            close_soft()
            stop = int(breaks[np.searchsorted(breaks, day, side="right")])
            regime = regimes[codes[day]]
            found.append(Run(day, stop - day, regime, State(regime, float(severity[day]))))
            day = soft = stop
        elif (blend := _blend(weights[day:], severity[day:], regimes)) is not None:
            close_soft()
            state, days = blend
            found.append(Run(day, days, state.regime, state))
            day = soft = day + days
        else:
            day += 1
    close_soft()
    return tuple(found)


def to_script(timeline: RegimeTimeline) -> str:
    """See :meth:`.RegimeTimeline.to_script`."""
    regimes = timeline.regimes
    segments = _holds("the market", 0, timeline.weights, timeline.severity, regimes)
    overrides = []
    for s, start, stop in _own_stretches(timeline):
        rows = timeline.sector_weights[s, start:stop], timeline.sector_severity[s, start:stop]
        holds = _holds(timeline.sectors[s], start, *rows, regimes)
        overrides.append(Override(timeline.sectors[s], start, holds))
    return str(Script(segments, tuple(overrides)))


def describe(timeline: RegimeTimeline) -> str:
    """See :meth:`.RegimeTimeline.describe`."""
    told = [_words(timeline.segments())]
    for s, start, stop in _own_stretches(timeline):
        own = runs(
            timeline.sector_weights[s, start:stop], timeline.sector_severity[s, start:stop], timeline.regimes
        )
        told.append(f"{timeline.sectors[s]} on its own from step {start}: {_words(own)}")
    return "; ".join(told)


def _blend(
    weights: NDArray[np.float64], severity: NDArray[np.float64], regimes: Sequence[str]
) -> tuple[State, int] | None:
    """The blend that starts in the first row, if one does: its first day tells its length, 1 / (n + 1)."""
    pair = np.flatnonzero(weights[0])
    if len(pair) != 2:
        return None
    second = int(pair[weights[0, pair].argmin()]) if weights[0, pair[0]] != 0.5 else int(pair[1])
    first = int(pair[pair != second][0])
    days = round(1.0 / weights[0, second]) - 1
    if not 1 <= days <= len(weights) or weights[days - 1, second] != days / (days + 1):
        return None  # seen at a glance, so that long soft timelines stay quick to read
    rows, _ = hold_rows(State(regimes[first], 1.0, regimes[second]), days, regimes)
    if not np.array_equal(rows, weights[:days]):
        return None
    for ends in _severity_ends(severity[:days]):
        state = State(regimes[first], ends[0], regimes[second], ends[1])
        if np.array_equal(hold_rows(state, days, regimes)[1], severity[:days]):
            return state, days
    return None


def _severity_ends(severity: NDArray[np.float64]) -> Iterator[tuple[float, float]]:
    """Pairs of severities that may have been blended into these, simplest first.

    The blend is a straight line in logs with end points one step outside; they are recovered by extrapolation
    and rounded to as many digits as reproduce it.
    """
    first, last, n = float(severity[0]), float(severity[-1]), len(severity)
    if first == last:
        yield first, last
        return
    slope = np.log(last / first) / (n - 1)
    ends = first / np.exp(slope), last * np.exp(slope)
    for digits in range(1, _BLEND_DIGITS + 1):
        before, after = (float(f"{end:.{digits}g}") for end in ends)
        yield before, after


def _own_stretches(timeline: RegimeTimeline) -> Iterator[tuple[int, int, int]]:
    """(sector, start, stop) of every unbroken stretch in which a sector has a label of its own."""
    for s, own in enumerate(timeline.has_override):
        edges = np.flatnonzero(np.diff(own, prepend=False, append=False))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            yield s, int(start), int(stop)


def _holds(
    who: str, offset: int, weights: NDArray[np.float64], severity: NDArray[np.float64], regimes: Sequence[str]
) -> tuple[Hold, ...]:
    holds = []
    for run in runs(weights, severity, regimes):
        first = offset + run.start
        if run.state is None:
            raise InputError(
                f"the soft labels of {who} at step {first} are no blend that a script can write; save the "
                "timeline as a .csv file instead"
            )
        for level in (run.state.severity, run.state.to_severity):
            if not MIN_SEVERITY <= level <= MAX_SEVERITY:
                raise InputError(
                    f"severity {level:g} of {who} at step {first} is outside a script's {MIN_SEVERITY:g} to "
                    f"{MAX_SEVERITY:g}; save the timeline as a .csv file instead"
                )
        holds.append(Hold(run.state, run.days))
    return tuple(holds)


def _words(found: Sequence[Run]) -> str:
    parts = []
    for i, run in enumerate(found[:_DESCRIBED]):
        days = f"{run.days} day{'s' * (run.days != 1)}" if i == 0 else str(run.days)
        parts.append(f"{days} {_state_words(run)}")
    if len(found) > _DESCRIBED:
        rest = found[_DESCRIBED:]
        parts.append(f"{sum(run.days for run in rest)} more in {len(rest)} segments")
    return ", then ".join(parts)


def _state_words(run: Run) -> str:
    state = run.state
    if state is None:
        return f"of soft labels, mostly {run.regime}"
    at = "" if state.severity == 1 else f" at severity {state.severity:.4g}"
    if state.to is None:
        return f"of {state.regime}{at}"
    to = "" if state.to_severity == 1 else f" at severity {state.to_severity:.4g}"
    return f"blending from {state.regime}{at} to {state.to}{to}"
