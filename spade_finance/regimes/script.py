# SPDX-License-Identifier: Apache-2.0
r"""Regime scripts: from text to :class:`Script`.

::

    script    = segment { "," segment } { ";" override }
    segment   = state ":" days | date ".." date | "markov" [ "(" regime ")" ] ":" days | "now" ":" days
    state     = regime [ "*" severity ] [ "~" regime [ "*" severity ] ]
    override  = sector "[" start "]" "=" state ":" days { "," state ":" days }
    sector    = a column's name, in double quotes when it is not a plain word

Read by recursive descent over the tokens of :mod:`.script_tokens`. White space between tokens is ignored; a
double quote inside a quoted sector is written twice; days and starts are plain digits; a severity is a
decimal number (``2``, ``1.5``, ``.7``, ``1e-1``) between 0.01 and 100. A text that ends in ``.csv`` names a
timeline file instead.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date

from spade_finance.exceptions import InputError
from spade_finance.regimes.script_ast import (
    Hold,
    Markov,
    Now,
    Override,
    Replay,
    Script,
    Segment,
    State,
    TimelineFile,
)
from spade_finance.regimes.script_errors import ScriptError, did_you_mean, script_error
from spade_finance.regimes.script_tokens import Cursor, Token
from spade_finance.regimes.timeline import MAX_DAYS, RESERVED, RegimeTimeline, check_names

__all__ = [
    "MAX_SEVERITY",
    "MIN_SEVERITY",
    "Hold",
    "Markov",
    "Now",
    "Override",
    "Replay",
    "Script",
    "ScriptError",
    "State",
    "TimelineFile",
    "parse_script",
]

MIN_SEVERITY, MAX_SEVERITY = 0.01, 100.0
"""Bounds of a severity in a script: they catch slips such as ``*150``; a model's own range is narrower."""


def parse_script(
    script: str | os.PathLike[str] | Script,
    *,
    regimes: Sequence[str] | None = None,
    sectors: Sequence[str] | None = None,
) -> Script:
    """Parse a regime script, or read the timeline file that it names.

    Parameters
    ----------
    script : str, path or Script
        The text; what ends in ``.csv`` is the path of a timeline file; a `Script` is checked again.
    regimes, sectors : sequence of str, optional
        Known names, which the script must keep to. None leaves names unchecked (a timeline file needs them).

    Returns
    -------
    Script
        With ``str(script)`` canonical: ``parse_script(str(script)) == script``.

    Raises
    ------
    ScriptError
        On anything that is no valid script, with the position of the fault.
    InputError
        When `regimes` or `sectors` are themselves unusable, or `script` is no text.
    """
    if regimes is not None or sectors is not None:
        checked = check_names(("any",) if regimes is None else regimes, () if sectors is None else sectors)
        regimes = None if regimes is None else checked[0]
        sectors = None if sectors is None else checked[1]
    if isinstance(script, Script):
        return _recheck(script, regimes, sectors)
    if isinstance(script, os.PathLike):
        return _read_file(os.fspath(script), regimes, sectors)
    if not isinstance(script, str):
        raise InputError(f"script={script!r} is not a text; write it like 'bull:60,crisis:20'")
    if script.strip().lower().endswith(".csv"):
        return _read_file(script.strip(), regimes, sectors)
    return _Parser(script, regimes, sectors).script()


def _recheck(script: Script, regimes: Sequence[str] | None, sectors: Sequence[str] | None) -> Script:
    """The same script, checked, with positions; a hand-built one is judged by its canonical text."""
    if script.segments and isinstance(script.segments[0], TimelineFile):
        timeline = script.segments[0].timeline
        known = (
            timeline.regimes if regimes is None else regimes,
            timeline.sectors if sectors is None else sectors,
        )
        if len(script.segments) > 1 or script.overrides or known != (timeline.regimes, timeline.sectors):
            raise ScriptError(
                f"the timeline of {script.segments[0].path!r} stands alone and was read for regimes "
                f"{', '.join(timeline.regimes)}, sectors {', '.join(timeline.sectors) or 'none'}; reread it"
            )
        return script
    return _Parser(script.text or str(script), regimes, sectors).script()


def _read_file(path: str, regimes: Sequence[str] | None, sectors: Sequence[str] | None) -> Script:
    if regimes is None:
        raise ScriptError(
            f"the timeline file {path!r} cannot be read without knowing the regimes; pass regimes=[...]"
        )
    try:
        timeline = RegimeTimeline.load(path, regimes, sectors or ())
    except InputError as error:
        raise ScriptError(str(error)) from error
    return Script((TimelineFile(path, timeline),))


class _Parser(Cursor):
    """Every method reads one rule of the grammar."""

    total = 0  # days of the market so far

    def script(self) -> Script:
        segments, overrides = [self.segment(first=True)], []
        while self.accept(","):
            segments.append(self.segment(first=False))
        while self.accept(";"):
            overrides.append(self.override())
        if self.token.kind != "end":
            wanted = (
                "expected ',' or ';' or the end"
                if not overrides
                else "expected ',' and a state, ';' or the end"
            )
            raise self.fail(wanted, hint=_after_hint(self.token))
        self.check_overrides(segments, overrides)
        script = Script(tuple(segments), tuple(overrides))
        object.__setattr__(script, "text", self.text)
        return script

    def segment(self, *, first: bool) -> Segment:
        token = self.token
        if token.kind == "date":
            return self.replay()
        if token.kind == "word" and token.text == "now":
            self.take()
            if not first:
                raise self.fail("'now' may only stand first, since it continues the history", at=token)
            self.expect(":", "':' and a number of days after 'now'")
            return Now(self.days(market=True), self.since(token))
        if token.kind == "word" and token.text == "markov":
            self.take()
            regime = None
            if self.accept("("):
                regime = self.regime()
                self.expect(")", "')' after the regime that 'markov' starts in")
            self.expect(":", "':' and a number of days" + (" or '(' and a regime" if regime is None else ""))
            return Markov(self.days(market=True), regime, self.since(token))
        if token.kind != "word":
            regime = self.regimes[0] if self.regimes else "bull"
            raise self.fail(
                f"expected a segment such as {regime}:60, 2008-09-01..2009-03-31, markov:252 or now:21",
                hint=self.override_hint() if token.kind == "quoted" else "",
            )
        return self.hold(market=True)

    def replay(self) -> Replay:
        token = self.token
        start = self.date()
        if not self.accept(".."):
            raise self.fail("expected '..' and the last date, as in 2008-09-01..2009-03-31")
        if self.token.kind != "date":
            raise self.fail("expected the last date, written YYYY-MM-DD")
        end = self.date()
        if end < start:
            raise self.fail(
                f"the dates run backwards; expected a last date on or after {start}", at=self.since(token)
            )
        return Replay(start, end, self.since(token))

    def hold(self, *, market: bool) -> Hold:
        token = self.token
        state = self.state()
        self.expect(":", f"':' and a number of days after {str(state)!r}")
        return Hold(state, self.days(market=market), self.since(token))

    def state(self) -> State:
        regime, severity = self.regime(), self.severity()
        if not self.accept("~"):
            return State(regime, severity)
        return State(regime, severity, self.regime(), self.severity())

    def override(self) -> Override:
        token = self.token
        if token.kind not in ("word", "quoted"):
            hint = self.quote_hint() or "write a sector that is no plain word in double quotes"
            raise self.fail(f"expected an override such as {self.override_example()}", hint=hint)
        hint = self.quote_hint()
        self.take()
        sector = token.text if token.kind == "word" else token.text[1:-1].replace('""', '"')
        if self.sectors is not None and sector not in self.sectors:
            raise self.fail("unknown sector", at=token, hint=hint or did_you_mean(sector, self.sectors))
        if not sector:
            raise self.fail("the sector's name is empty", at=token)
        self.expect("[", "'[' and the step at which the override starts, counted from 0")
        start = self.whole("the step at which the override starts", least=0)
        self.expect("]", "']' after the override's start")
        self.expect("=", "'=' and the sector's own regimes, such as =crisis:40")
        holds = [self.own_hold()]
        while self.accept(","):
            holds.append(self.own_hold())
        return Override(sector, start, tuple(holds), self.since(token))

    def own_hold(self) -> Hold:
        if self.token.kind == "date" or (self.token.kind == "word" and self.token.text in ("markov", "now")):
            raise self.fail(
                f"an override takes fixed states only; expected one such as {self.override_example()}"
            )
        return self.hold(market=False)

    def regime(self) -> str:
        token = self.token
        if token.kind != "word":
            hint = "regimes are written without quotes" if token.kind == "quoted" else ""
            raise self.fail("expected a regime", hint=hint)
        if token.text in RESERVED:
            raise self.fail(f"{token.text!r} is a reserved word here; expected a regime")
        if self.regimes is not None and token.text not in self.regimes:
            hint = did_you_mean(token.text, self.regimes)
            if self.sectors and token.text in self.sectors:
                hint = self.override_hint()
            raise self.fail("unknown regime", hint=hint)
        return self.take().text

    def severity(self) -> float:
        if not self.accept("*"):
            return 1.0
        token = self.token
        if token.kind != "number":
            raise self.fail("expected a severity, a positive number such as 1.5")
        value = float(token.text)
        if not MIN_SEVERITY <= value <= MAX_SEVERITY:
            raise self.fail(
                f"expected a severity between {MIN_SEVERITY:g} and {MAX_SEVERITY:g}; 1 is the typical episode"
            )
        self.take()
        return value

    def days(self, *, market: bool) -> int:
        token = self.token
        days = self.whole("the number of days", least=1)
        self.total += days if market else 0
        if self.total > MAX_DAYS:
            raise self.fail(f"the script is {self.total} days long by here; {_LIMIT}", at=token)
        return days

    def whole(self, what: str, *, least: int) -> int:
        token = self.token
        if token.kind != "number":
            raise self.fail(f"expected {what}, a whole number")
        if not token.text.isdigit():
            raise self.fail(f"{what} must be a whole number in plain digits, {least} or more")
        digits = token.text.lstrip("0") or "0"  # int() refuses thousands of digits
        if len(digits) > len(str(MAX_DAYS)) or int(digits) > MAX_DAYS:
            raise self.fail(f"{what} is too large; {_LIMIT}")
        if int(digits) < least:
            raise self.fail(f"{what} must be {least} or more")
        self.take()
        return int(digits)

    def date(self) -> date:
        token = self.token
        try:
            if len(token.text) != 10:
                raise ValueError
            value = date.fromisoformat(token.text)
        except ValueError:
            raise self.fail("not a date of the calendar; expected YYYY-MM-DD, such as 2008-09-01") from None
        self.take()
        return value

    def check_overrides(self, segments: list[Segment], overrides: list[Override]) -> None:
        """No override past the end (if known without a history) or over another of its sector."""
        ends = not any(isinstance(segment, Replay) for segment in segments)
        for i, override in enumerate(overrides):
            if ends and override.stop > self.total:
                raise past_the_end(self.text, override, self.total, self.regimes, self.sectors)
            for other in overrides[:i]:
                if (
                    other.sector == override.sector
                    and other.start < override.stop
                    and override.start < other.stop
                ):
                    problem = (
                        f"overrides of one sector overlap: steps {override.start} to {override.stop - 1} "
                        f"here, {other.start} to {other.stop - 1} before; expected separate steps"
                    )
                    raise self.fail(problem, at=override.span)


_LIMIT = f"expected at most {MAX_DAYS} days (100 years of 252)"


def past_the_end(
    text: str,
    override: Override,
    n_days: int,
    regimes: Sequence[str] | None,
    sectors: Sequence[str] | None,
) -> ScriptError:
    """The error of an override that runs past the last step."""
    problem = (
        f"the override runs past the end: its last step is {override.stop - 1}, the script's {n_days - 1}; "
        "expected an earlier start, fewer days or a longer script"
    )
    return script_error(text, override.span, problem, regimes=regimes, sectors=sectors)


def _after_hint(token: Token) -> str:
    """For ``bull:60d``."""
    return "days are plain digits, without a unit" if token.kind == "word" and len(token.text) <= 5 else ""
