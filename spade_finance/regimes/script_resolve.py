# SPDX-License-Identifier: Apache-2.0
"""From a :class:`~.script_ast.Script` to timelines: one when the script fixes every day, else one a path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from spade_finance.exceptions import InputError
from spade_finance.regimes.path_timelines import PathTimelines
from spade_finance.regimes.script import parse_script, past_the_end
from spade_finance.regimes.script_ast import Hold, Markov, Now, Replay, Script, Segment, State, TimelineFile
from spade_finance.regimes.script_errors import ScriptError, script_error
from spade_finance.regimes.timeline import MAX_DAYS, RegimeTimeline, check_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spade_finance.regimes.history import History

    Now_: TypeAlias = tuple[NDArray[np.floating[Any]], NDArray[np.integer[Any] | np.floating[Any]]]

__all__ = ["hold_rows", "resolve", "resolve_paths", "segment_days"]

_SEVERITY_DIGITS = (
    12  # of a blend: math libraries differ in the last bits, timelines and their digests must not
)


class _Draw(NamedTuple):
    segment: Markov | Now
    start: int
    stop: int


def resolve(
    script: Script, regimes: Sequence[str], sectors: Sequence[str] = (), history: History | None = None
) -> RegimeTimeline:
    """The timeline that a deterministic script stands for.

    Parameters
    ----------
    script : Script
        Checked against the names once more, so that a hand-built one is safe.
    regimes, sectors : sequence of str
        The model's names, in its order.
    history : History, optional
        What dates are replayed from: market labels and severities, and sector labels when it carries them.

    Raises
    ------
    ScriptError
        When the script draws timelines (`resolve_paths` takes those), replays dates that the history does not
        have, or is at odds with the names.
    """
    regimes, sectors = check_names(regimes, sectors)
    script = parse_script(script, regimes=regimes, sectors=sectors)
    for segment in script.segments:
        if isinstance(segment, Markov | Now):
            problem = "each path draws its own timeline here, so there is no single one; use resolve_paths"
            raise script_error(_text(script), segment.span, problem)
    return _fixed(script, regimes, sectors, history)[0]


def resolve_paths(
    script: Script,
    process: Any,
    generators: Sequence[np.random.Generator],
    *,
    regimes: Sequence[str],
    sectors: Sequence[str] = (),
    history: History | None = None,
    now: Now_ | None = None,
) -> PathTimelines:
    """One timeline a generator, for any script.

    Days that the script fixes are the same on every path. Drawn segments are drawn in order of time, each
    from the path's own generator, so scripts with equal beginnings give timelines with equal beginnings, and
    path i depends on ``generators[i]`` alone. ``markov`` is stationary wherever it stands: it does not depend
    on what came before it (``markov(crisis)`` after ``crisis:5`` starts a new spell of crisis).

    Parameters
    ----------
    process : regime process
        Has ``sample(n_days, generators, start=None | regime | (probabilities, ages))``, which gives
        (n_paths, n_days) int codes in the order of `regimes`. May be None when the script draws nothing.
    generators : sequence of numpy.random.Generator
        One a path; drawing moves them on.
    history : History, optional
        For replays, and for ``now`` unless `now` is given.
    now : (probabilities (K,), ages (K,) days), optional
        Filtered probabilities of the regimes at the end of the history, and how many days the present spell
        has lasted, should it be of that regime.

    Raises
    ------
    ScriptError
        As `resolve`, and when ``now`` is asked for without a history.
    """
    regimes, sectors = check_names(regimes, sectors)
    script = parse_script(script, regimes=regimes, sectors=sectors)
    if not generators:
        raise InputError("generators is empty; give one a path, at least one")
    known = tuple(getattr(process, "regimes_", regimes))
    if known != regimes:
        raise InputError(
            f"the process knows the regimes {', '.join(known)}, not {', '.join(regimes)}; refit it"
        )
    fixed, draws = _fixed(script, regimes, sectors, history)
    n_paths = len(generators)
    codes = np.repeat(fixed.codes[None, :], n_paths, axis=0)
    weights = fixed.weights.copy()
    for draw in draws:
        start: str | Now_ | None = None
        if isinstance(draw.segment, Markov):
            start = draw.segment.regime
        else:
            start = now if now is not None else _now(script, draw.segment, regimes, history)
        if process is None:
            raise script_error(_text(script), draw.segment.span, "there is no regime process to draw from")
        drawn = np.asarray(process.sample(draw.stop - draw.start, generators, start=start))
        if drawn.shape != (n_paths, draw.stop - draw.start):
            raise ValueError(f"the process drew shape {drawn.shape}, not {(n_paths, draw.stop - draw.start)}")
        codes[:, draw.start : draw.stop] = drawn
        weights[draw.start : draw.stop] = 0.0
    return PathTimelines(
        regimes, codes, weights, fixed.severity, sectors, fixed.sector_weights, fixed.sector_severity
    )


def segment_days(script: Script, segment: Segment, history: History | None) -> int:
    """Trading days of one segment."""
    if isinstance(segment, Replay):
        rows = _replay_rows(script, segment, history)
        return int(rows.stop - rows.start)
    if isinstance(segment, TimelineFile):
        return segment.timeline.n_days
    return segment.days


def hold_rows(
    state: State, days: int, regimes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(days, K) weights and (days,) severities of a state.

    Day k = 1..n of a blend has weight k / (n + 1) on the second regime. Severities are ratios of
    volatilities, so they blend geometrically: s_k = s_1^(1 - w) s_2^w, kept to twelve digits.
    """
    weights = np.zeros((days, len(regimes)))
    severity = np.full(days, float(state.severity))
    first = regimes.index(state.regime)
    weights[:, first] = 1.0
    if state.to is None:
        return weights, severity
    share = np.arange(1, days + 1) / (days + 1)
    second = regimes.index(state.to)
    if second != first:
        weights[:, first], weights[:, second] = 1.0 - share, share
    if state.to_severity != state.severity:
        logs = (1.0 - share) * np.log(state.severity) + share * np.log(state.to_severity)
        severity = np.array([float(f"{s:.{_SEVERITY_DIGITS}g}") for s in np.exp(logs)])
    return weights, severity


def _fixed(
    script: Script, regimes: tuple[str, ...], sectors: tuple[str, ...], history: History | None
) -> tuple[RegimeTimeline, list[_Draw]]:
    """The timeline with stand-in rows on drawn days, and where those are."""
    if isinstance(script.segments[0], TimelineFile):
        return script.segments[0].timeline, []
    if history is not None and script.needs_history and history.regimes != regimes:
        raise InputError(
            f"the history's regimes are {', '.join(history.regimes)}, the model's {', '.join(regimes)}; "
            "label the history with the model's own labeller"
        )
    n_days = script.n_days(history)
    if n_days > MAX_DAYS:
        raise ScriptError(f"the script is {n_days} days long; give at most {MAX_DAYS} (100 years of 252)")
    weights, severity = np.zeros((n_days, len(regimes))), np.ones(n_days)
    own = np.zeros((len(sectors), n_days, len(regimes)))
    own_severity = np.ones((len(sectors), n_days))
    draws, at = [], 0
    for segment in script.segments:
        days = slice(at, at + segment_days(script, segment, history))
        at = days.stop
        if isinstance(segment, Hold):
            weights[days], severity[days] = hold_rows(segment.state, segment.days, regimes)
        elif isinstance(segment, Markov | Now):
            weights[days, 0] = 1.0
            draws.append(_Draw(segment, days.start, days.stop))
        elif isinstance(segment, Replay):
            assert history is not None  # segment_days has refused without one
            rows = _replay_rows(script, segment, history)
            past = history.timeline(rows, sectors)
            weights[days], severity[days] = past.weights, past.severity
            own[:, days], own_severity[:, days] = past.sector_weights, past.sector_severity
    for override in script.overrides:
        if override.stop > n_days:
            raise past_the_end(_text(script), override, n_days, regimes, sectors)
        s, at = sectors.index(override.sector), override.start
        for hold in override.holds:
            own[s, at : at + hold.days], own_severity[s, at : at + hold.days] = hold_rows(
                hold.state, hold.days, regimes
            )
            at += hold.days
    return RegimeTimeline(regimes, weights, severity, sectors, own, own_severity), draws


def _replay_rows(script: Script, segment: Replay, history: History | None) -> slice:
    """Rows of the history that a replay covers."""
    if history is None:
        problem = "replaying dates needs a history; pass history=... (--history RETURNS)"
        raise script_error(_text(script), segment.span, problem)
    try:
        return history.rows(segment.start, segment.end)
    except InputError as error:
        raise script_error(_text(script), segment.span, str(error)) from error


def _now(script: Script, segment: Now, regimes: tuple[str, ...], history: History | None) -> Now_:
    if history is None:
        problem = "'now' continues a history; pass history=... (--history RETURNS)"
        raise script_error(_text(script), segment.span, problem)
    return history.now()


def _text(script: Script) -> str:
    return script.text or str(script)
