# SPDX-License-Identifier: Apache-2.0
"""Regime scripts on a page: read without ever opening a file, and turned into rows to paint and back.

A row of the painter is a list of segments, plain values that travel to the browser and back:

=========  =================================================================================
``kind``   ``hold``, ``blend``, ``markov``, ``now``; in a sector's row also ``with`` (the market)
``days``   trading days, 1 or more
``regime`` of a hold, the first of a blend, or where ``markov`` starts (may be absent)
``severity``, ``to``, ``to_severity``
=========  =================================================================================

Both directions go through the library's own parser and writer, so the painter can say nothing that the grammar
does not, and equal timelines have equal texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator
    from spade_finance.regimes.script_ast import Hold, Script

__all__ = ["MARKET", "calmest", "held_to_range", "read_script", "rows_of", "script_of", "total_days"]

MARKET = "market"
MAX_DAYS = 2520
"""Ten years: longer than a page is of use for."""
MAX_SEGMENTS = 4000

Rows = dict[str, list[dict[str, Any]]]


def read_script(text: str, model: ScenarioGenerator) -> Script:
    """Parse a script against a model's names.

    Raises
    ------
    ScriptError
        With the place of the fault; also for the name of a timeline file: a page opens no path.
    """
    from spade_finance.regimes.script import ScriptError, parse_script

    if text.strip().lower().endswith(".csv"):
        raise ScriptError(
            "a page opens no files by name: upload the timeline under 'Start from', or write the script itself"
        )
    return parse_script(" ".join(text.split()), regimes=model.regimes_, sectors=model.sectors_)


def total_days(script: Script, model: ScenarioGenerator) -> int:
    """Trading days of a script."""
    return script.n_days(model.history().timeline if script.needs_history else None)


def calmest(script: Script, model: ScenarioGenerator) -> str:
    """The plain counterfactual of a script: its own market without sectors' regimes, else the calmest regime."""
    if script.overrides:
        return str(type(script)(script.segments))
    return f"{model.regimes_[0]}:{total_days(script, model)}"


def rows_of(script: Script, model: ScenarioGenerator) -> Rows:
    """Rows of the painter for a script: ``market``, then every sector.

    Raises
    ------
    InputError
        If it is longer than the painter goes, or has soft labels that no script can write.
    """
    from spade_finance.exceptions import InputError
    from spade_finance.regimes.script_ast import Hold, Markov, Now, Replay, TimelineFile
    from spade_finance.regimes.timeline_runs import runs

    past = model.history().timeline if script.needs_history else None
    n_days = script.n_days(past)
    if n_days > MAX_DAYS:
        raise InputError(
            f"the timeline has {n_days:,} days; the dashboard takes at most {MAX_DAYS:,} (ten years)"
        )
    market: list[dict[str, Any]] = []
    for segment in script.segments:
        if isinstance(segment, Hold):
            market.append(_hold(segment))
        elif isinstance(segment, Markov):
            market.append({"kind": "markov", "days": segment.days} | _some(regime=segment.regime))
        elif isinstance(segment, Now):
            market.append({"kind": "now", "days": segment.days})
        elif isinstance(segment, Replay):
            assert past is not None
            part = past.timeline(past.rows(segment.start, segment.end))
            for run in runs(part.weights, part.severity, model.regimes_):
                severity = _paintable(run, model.severity_range_)
                market.append({"kind": "hold", "days": run.days, "regime": run.regime, "severity": severity})
        elif isinstance(segment, TimelineFile):
            raise InputError("a timeline file cannot be painted")
    rows: Rows = {MARKET: market}
    for sector in model.sectors_:
        rows[sector] = _own_row([o for o in script.overrides if o.sector == sector], n_days)
    return rows


def held_to_range(script: Script, model: ScenarioGenerator) -> str:
    """What painting over a script's replays costs, in words; empty where it costs nothing.

    A replay has the severities that history had; written out as segments, they end at the trained range.
    """
    from spade_finance.regimes.script_ast import Replay
    from spade_finance.regimes.timeline_runs import runs

    low, high = model.severity_range_
    had, days = [], 0
    for segment in script.segments:
        if isinstance(segment, Replay):
            past = model.history().timeline
            part = past.timeline(past.rows(segment.start, segment.end))
            for run in runs(part.weights, part.severity, model.regimes_):
                severity = 1.0 if run.state is None else float(run.state.severity)
                if abs(_paintable(run, model.severity_range_) - severity) > 0.005:
                    had.append(severity)
                    days += run.days
    if not had:
        return ""
    farthest = max(had, key=lambda severity: max(severity / high, low / severity))
    return (
        f"Painting over the replay writes it out as segments, which keep to the trained severities, {low:.2f} to "
        f"{high:.2f}: {days:,} of its days lie beyond them (as far as {farthest:.2f}) and are then held to the range."
    )


def script_of(rows: Mapping[str, Sequence[Mapping[str, Any]]], model: ScenarioGenerator) -> str:
    """Canonical script of painted rows; what came from the browser is checked like anything typed.

    Raises
    ------
    InputError
        If the rows are no timeline.
    """
    from spade_finance.exceptions import InputError
    from spade_finance.regimes.script import parse_script
    from spade_finance.regimes.script_ast import Markov, Now, Override, Script

    if not isinstance(rows, Mapping) or not rows.get(MARKET) or sum(map(len, rows.values())) > MAX_SEGMENTS:
        raise InputError("the painted timeline is empty or has too many pieces: undo the last strokes")
    segments: list[Any] = []
    for piece in _joined(rows[MARKET]):
        if piece["kind"] == "markov":
            segments.append(Markov(_days(piece), piece.get("regime")))
        elif piece["kind"] == "now":
            # 'now' continues the history, so it can only stand first; later it is a draw like any other.
            segments.append(Markov(_days(piece)) if segments else Now(_days(piece)))
        else:
            segments.append(_segment(piece))
    n_days = sum(segment.days for segment in segments)
    if n_days > MAX_DAYS:
        raise InputError(
            f"the timeline has {n_days:,} days; the dashboard takes at most {MAX_DAYS:,} (ten years)"
        )
    overrides = []
    for sector in model.sectors_:
        day, first = 0, 0
        holds: list[Any] = []
        for piece in [*_joined(rows.get(sector, ())), {"kind": "with", "days": 1}]:
            if piece["kind"] == "with":
                if holds:
                    overrides.append(Override(sector, first, tuple(holds)))
                    holds = []
            else:
                first = first if holds else day
                holds.append(_segment(piece))
            day += _days(piece)
    text = str(Script(tuple(segments), tuple(overrides)))
    return str(parse_script(text, regimes=model.regimes_, sectors=model.sectors_))


def _hold(hold: Hold) -> dict[str, Any]:
    state = hold.state
    piece = {"kind": "hold", "days": hold.days, "regime": state.regime, "severity": state.severity}
    if state.to is not None:
        piece |= {"kind": "blend", "to": state.to, "to_severity": state.to_severity}
    return piece


def _own_row(overrides: Sequence[Any], n_days: int) -> list[dict[str, Any]]:
    row: list[dict[str, Any]] = []
    day = 0
    for override in sorted(overrides, key=lambda o: o.start):
        if override.start > day:
            row.append({"kind": "with", "days": override.start - day})
        row += [_hold(hold) for hold in override.holds]
        day = override.stop
    return [*row, {"kind": "with", "days": n_days - day}] if day < n_days else row


def _segment(piece: Mapping[str, Any]) -> Hold:
    from spade_finance.regimes.script_ast import Hold, State

    severity = float(piece.get("severity", 1.0))
    if piece["kind"] == "blend":
        state = State(piece["regime"], severity, piece["to"], float(piece.get("to_severity", 1.0)))
    else:
        state = State(piece["regime"], severity)
    return Hold(state, _days(piece))


def _joined(row: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Pieces of a row, checked for their form, equal neighbours that mean the same joined."""
    from spade_finance.exceptions import InputError

    joined: list[Mapping[str, Any]] = []
    for piece in row:
        if not isinstance(piece, Mapping) or piece.get("kind") not in (
            "hold",
            "blend",
            "markov",
            "now",
            "with",
        ):
            raise InputError("the painted timeline holds something that is no segment: reload the page")
        if piece["kind"] in ("hold", "blend") and not isinstance(piece.get("regime"), str):
            raise InputError("the painted timeline has a segment without a regime: reload the page")
        _days(piece)
        same = joined and {**joined[-1], "days": 0} == {**piece, "days": 0}
        if same and piece["kind"] in ("hold", "with"):
            joined[-1] = {**piece, "days": _days(joined[-1]) + _days(piece)}
        else:
            joined.append(piece)
    return joined


def _days(piece: Mapping[str, Any]) -> int:
    from spade_finance.exceptions import InputError

    days = piece.get("days")
    if isinstance(days, bool) or not isinstance(days, int | float) or days != int(days) or days < 1:
        raise InputError(f"the painted timeline has a segment of {days!r} days: reload the page")
    return int(days)


def _paintable(run: Any, trained: tuple[float, float]) -> float:
    """Severity of a replayed run as a segment of its own: three digits, within the trained range.

    What history had needs nobody's leave, but a segment written out may not go beyond what was trained.
    """
    said = 1.0 if run.state is None else float(run.state.severity)
    low, high = math.ceil(1000 * trained[0]) / 1000, math.floor(1000 * trained[1]) / 1000
    return min(high, max(low, round(said, 3)))


def _some(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
