# SPDX-License-Identifier: Apache-2.0
"""Text -> Script -> text, Script -> timeline -> text -> timeline, and what equal beginnings promise."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spade_finance.regimes.history import History
from spade_finance.regimes.path_timelines import PathTimelines
from spade_finance.regimes.script import (
    Hold,
    Markov,
    Now,
    Override,
    Replay,
    Script,
    State,
    parse_script,
)
from spade_finance.regimes.timeline import RegimeTimeline

REGIMES = ("bull", "sideways", "bear", "crisis")
SECTORS = ("Energy", "Info Tech", 'The "odd" one', "a[0]=b:1,c;d", "3M", " spaced ", "Börse\n2", "now")
DAYS = pd.bdate_range("2008-08-01", "2009-06-30", name="date")

quick = settings(max_examples=25, deadline=None)

regime = st.sampled_from(REGIMES)
any_severity = st.floats(0.01, 100.0)
short_severity = st.integers(1, 99_999).map(lambda n: n / 1000).filter(lambda s: 0.01 <= s <= 100)


def states(severity: st.SearchStrategy[float]) -> st.SearchStrategy[State]:
    level = st.just(1.0) | severity
    return st.builds(State, regime, level) | st.builds(State, regime, level, regime, level)


def holds(severity: st.SearchStrategy[float], longest: int = 40) -> st.SearchStrategy[Hold]:
    return st.builds(Hold, states(severity), st.integers(1, longest))


history_days = st.sampled_from([day.date() for day in DAYS])
replays = st.tuples(history_days, history_days).map(lambda pair: Replay(min(pair), max(pair)))
markovs = st.builds(Markov, st.integers(1, 40), st.none() | regime)


@st.composite
def scripts(
    draw: st.DrawFn,
    severity: st.SearchStrategy[float] = any_severity,
    others: st.SearchStrategy[Replay | Markov] | None = None,
    now: bool = False,
) -> Script:
    """Valid scripts; overrides lie one after the other within the days that every market part guarantees."""
    segment = holds(severity) if others is None else holds(severity) | others
    segments = draw(st.lists(segment, min_size=1, max_size=4))
    if now and draw(st.booleans()):
        segments.insert(0, Now(draw(st.integers(1, 30))))
    length = sum(1 if isinstance(s, Replay) else s.days for s in segments)
    overrides = []
    for sector in draw(st.lists(st.sampled_from(SECTORS), unique=True, max_size=3)):
        at = 0
        for _ in range(draw(st.integers(1, 3))):
            start = at + draw(st.integers(0, 5))
            own = []
            while start + sum(h.days for h in own) < length and len(own) < draw(st.integers(1, 3)):
                room = length - start - sum(h.days for h in own)
                own.append(draw(holds(severity, longest=room)))
            if not own:
                break
            overrides.append(Override(sector, start, tuple(own)))
            at = overrides[-1].stop
    return Script(tuple(segments), tuple(draw(st.permutations(overrides))))


@st.composite
def spelled(draw: st.DrawFn, script: Script) -> str:
    """The script as a person might type it, built from the grammar and not from ``str``."""

    def gap() -> str:
        return draw(st.sampled_from(["", "", " ", "\t", "\n  "]))

    def number(value: float) -> str:
        forms = [
            repr(float(value)),
            f"{value:.20e}",
            f"{value!r}00" if "e" not in repr(value) else repr(value),
        ]
        if value == int(value):
            forms += [str(int(value)), f"{int(value)}."]
        if repr(value).startswith("0."):
            forms.append(repr(value)[1:])
        return draw(st.sampled_from([form for form in forms if float(form) == value]))

    def level(value: float) -> str:
        if value == 1 and draw(st.booleans()):
            return ""
        return f"{gap()}*{gap()}{number(value)}"

    def days(n: int) -> str:
        return draw(st.sampled_from(["", "0", "00"])) + str(n)

    def state(s: State) -> str:
        text = s.regime + level(s.severity)
        return text if s.to is None else f"{text}{gap()}~{gap()}{s.to}{level(s.to_severity)}"

    def segment(s: Hold | Replay | Markov | Now) -> str:
        if isinstance(s, Hold):
            return f"{state(s.state)}{gap()}:{gap()}{days(s.days)}"
        if isinstance(s, Replay):
            return f"{s.start:%Y-%m-%d}{gap()}..{gap()}{s.end:%Y-%m-%d}"
        if isinstance(s, Now):
            return f"now{gap()}:{gap()}{days(s.days)}"
        inner = "" if s.regime is None else f"{gap()}({gap()}{s.regime}{gap()})"
        return f"markov{inner}{gap()}:{gap()}{days(s.days)}"

    def override(o: Override) -> str:
        quoted = '"' + o.sector.replace('"', '""') + '"'
        plain = o.sector.isascii() and o.sector.isidentifier()
        name = draw(st.sampled_from([o.sector, quoted])) if plain else quoted
        own = f"{gap()},{gap()}".join(map(segment, o.holds))
        return f"{name}{gap()}[{gap()}{days(o.start)}{gap()}]{gap()}={gap()}{own}"

    head = f"{gap()},{gap()}".join(map(segment, script.segments))
    tail = "".join(f"{gap()};{gap()}{override(o)}" for o in script.overrides)
    return gap() + head + tail + gap()


@quick
@given(scripts(others=replays | markovs, now=True))
def test_canonical_text_parses_to_the_same_script(script: Script) -> None:
    parsed = parse_script(str(script), regimes=REGIMES, sectors=SECTORS)
    assert parsed == script
    assert str(parsed) == str(script)
    assert not set(" \t") & set(str(Script(parsed.segments)))


@quick
@given(st.data(), scripts(others=replays | markovs, now=True))
def test_any_spelling_of_the_grammar_is_read(data: st.DataObject, script: Script) -> None:
    text = data.draw(spelled(script))
    assert parse_script(text, regimes=REGIMES, sectors=SECTORS) == script


@quick
@given(scripts(severity=short_severity))
def test_deterministic_timeline_round_trips_to_text(script: Script) -> None:
    timeline = script.resolve(REGIMES, SECTORS)
    again = parse_script(timeline.to_script(), regimes=REGIMES, sectors=SECTORS).resolve(REGIMES, SECTORS)
    assert again == timeline
    assert again.digest() == timeline.digest()
    assert again.to_script() == timeline.to_script()


def market_by_definition(script: Script) -> tuple[list[list[float]], list[float]]:
    """Weights and severities of the holds, written out from the interface's sentence on blends."""
    weights, severities = [], []
    for hold in script.segments:
        s = hold.state
        for k in range(1, hold.days + 1):
            share = 0.0 if s.to is None else k / (hold.days + 1)
            row = dict.fromkeys(REGIMES, 0.0)
            row[s.regime] += 1 - share
            row[s.to or s.regime] += share
            weights.append(list(row.values()))
            severities.append(s.severity ** (1 - share) * s.to_severity**share)
    return weights, severities


@quick
@given(scripts())
def test_rows_follow_the_definition_and_overrides_leave_the_market_alone(script: Script) -> None:
    timeline = script.resolve(REGIMES, SECTORS)
    weights, severities = market_by_definition(script)
    np.testing.assert_allclose(timeline.weights, weights, atol=1e-12)
    np.testing.assert_allclose(timeline.severity, severities, rtol=1e-11)
    covered = np.zeros((len(SECTORS), timeline.n_days), dtype=bool)
    for override in script.overrides:
        covered[SECTORS.index(override.sector), override.start : override.stop] = True
        own = Script(override.holds).resolve(REGIMES)
        s = SECTORS.index(override.sector)
        assert np.array_equal(timeline.sector_weights[s, override.start : override.stop], own.weights)
        assert np.array_equal(timeline.sector_severity[s, override.start : override.stop], own.severity)
    assert np.array_equal(timeline.has_override, covered)


@quick
@given(scripts(severity=short_severity), st.data())
def test_pieces_of_a_timeline_join_to_the_whole(script: Script, data: st.DataObject) -> None:
    timeline = script.resolve(REGIMES, SECTORS)
    if timeline.n_days > 1:
        cut = data.draw(st.integers(1, timeline.n_days - 1))
        assert timeline.head(cut).concat(timeline[cut:]) == timeline
        assert timeline.head(cut) != timeline


@quick
@given(scripts(), scripts())
def test_segments_read_alone_or_in_company(first: Script, second: Script) -> None:
    """The market of ``a,b`` is the market of ``a`` then that of ``b``."""
    a, b = Script(first.segments), Script(second.segments)
    joined = Script(a.segments + b.segments)
    assert joined.resolve(REGIMES) == a.resolve(REGIMES).concat(b.resolve(REGIMES))


class CoinProcess:
    """A stand-in: one uniform number a day and path, so that shorter samples begin longer ones."""

    def sample(self, n_days, generators, start=None):
        codes = np.empty((len(generators), n_days), dtype=np.int8)
        for i, generator in enumerate(generators):
            u = generator.random(n_days)
            codes[i] = (u * len(REGIMES)).astype(np.int8)
            if isinstance(start, str):
                codes[i, 0] = REGIMES.index(start)
            elif start is not None:
                codes[i, 0] = np.searchsorted(np.cumsum(start[0]), u[0])
        return codes


def history() -> History:
    codes = np.repeat([0, 2, 3, 1], 60)[: len(DAYS)].astype(np.int8)
    return History(REGIMES, DAYS[: len(codes)], codes, np.where(codes == 3, 1.7, 1.0))


def paths(script: Script, n: int, seed: int = 0) -> PathTimelines:
    generators = [np.random.default_rng([seed, i]) for i in range(n)]
    return script.resolve_paths(
        CoinProcess(), generators, regimes=REGIMES, sectors=SECTORS, history=history()
    )


PAST = [day.date() for day in history().dates]
past_replays = st.tuples(st.sampled_from(PAST), st.sampled_from(PAST)).map(
    lambda pair: Replay(min(pair), max(pair))
)


@quick
@given(
    scripts(others=past_replays | markovs, now=True),
    scripts(others=past_replays | markovs),
    scripts(others=past_replays | markovs),
)
def test_equal_beginnings_of_scripts_give_equal_beginnings_of_timelines(
    a: Script, b: Script, c: Script
) -> None:
    days = Script(a.segments).n_days(history())
    left = paths(Script(a.segments + b.segments, a.overrides), 3)
    right = paths(Script(a.segments + c.segments, a.overrides), 3)
    assert left.head(days) == right.head(days)
    assert left.head(days) == paths(a, 3)


@quick
@given(st.integers(1, 60), st.integers(1, 60), scripts(others=markovs))
def test_a_longer_draw_begins_like_a_shorter_one(n: int, m: int, tail: Script) -> None:
    short, long = sorted((n, m))
    a = paths(Script((Now(short), *tail.segments)), 4)
    b = paths(Script((Now(long),)), 4)
    assert a.head(short) == b.head(short)


@quick
@given(scripts(others=past_replays | markovs, now=True))
def test_a_path_depends_on_its_own_generator_alone(script: Script) -> None:
    many, few = paths(script, 5), paths(script, 2)
    assert np.array_equal(many.codes[:2], few.codes)
    assert many[:2] == few
    assert many.timeline(1) == few.timeline(1)


@quick
@given(scripts(others=past_replays | markovs, now=True))
def test_every_path_is_the_fixed_timeline_where_the_script_fixes_it(script: Script) -> None:
    drawn = paths(script, 3)
    at = 0
    for segment in script.segments:
        part = Script((segment,))
        days = part.n_days(history())
        fixed = not isinstance(segment, Markov | Now)
        assert (drawn.drawn[at : at + days] != fixed).all()
        if fixed:
            alone = part.resolve(REGIMES, SECTORS, history())
            for i in range(3):
                rows = drawn.timeline(i)[at : at + days]
                assert np.array_equal(rows.weights, alone.weights)
                assert np.array_equal(rows.severity, alone.severity)
        elif isinstance(segment, Markov) and segment.regime is not None:
            assert (drawn.codes[:, at] == REGIMES.index(segment.regime)).all()
        at += days
    assert at == drawn.n_days
    prefix = drawn.deterministic_prefix
    assert not drawn.drawn[:prefix].any()
    assert prefix == drawn.n_days or drawn.drawn[prefix]


@quick
@given(scripts())
def test_a_fixed_script_gives_the_same_timeline_on_every_path(script: Script) -> None:
    timeline = script.resolve(REGIMES, SECTORS)
    drawn = script.resolve_paths(None, [np.random.default_rng(0)] * 2, regimes=REGIMES, sectors=SECTORS)
    assert drawn == PathTimelines.repeat(timeline, 2)
    assert drawn.timeline(0) == drawn.timeline(1) == timeline


soft_rows = st.lists(
    st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any), min_size=1, max_size=12
).map(lambda rows: np.array(rows, float) / np.sum(rows, axis=1, keepdims=True))


@quick
@given(weights=soft_rows, data=st.data())
def test_soft_timelines_round_trip_through_frames_and_files(weights, data, tmp_path_factory) -> None:
    n_days = len(weights)
    level = st.floats(1e-3, 1e3)
    severity = data.draw(st.lists(level, min_size=n_days, max_size=n_days))
    own = np.zeros((len(SECTORS), n_days, 4))
    own_severity = np.ones((len(SECTORS), n_days))
    for s in data.draw(st.lists(st.integers(0, len(SECTORS) - 1), unique=True, max_size=3)):
        on = np.array(data.draw(st.lists(st.booleans(), min_size=n_days, max_size=n_days)))
        own[s] = np.where(on[:, None], weights[::-1], 0.0)
        own_severity[s] = np.where(on, data.draw(level), 1.0)
    timeline = RegimeTimeline(REGIMES, weights, severity, SECTORS, own, own_severity)
    assert RegimeTimeline.from_frame(timeline.to_frame(), REGIMES, SECTORS) == timeline
    path = tmp_path_factory.mktemp("timelines") / "timeline.csv"
    timeline.save(path)
    read = RegimeTimeline.load(path, REGIMES, SECTORS)
    assert read == timeline
    assert read.digest() == timeline.digest()
    assert parse_script(str(path), regimes=REGIMES, sectors=SECTORS).resolve(REGIMES, SECTORS) == timeline


@quick
@given(scripts(others=replays | markovs, now=True))
def test_a_script_changed_by_hand_is_judged_by_what_it_now_says(script: Script) -> None:
    parsed = parse_script(str(script), regimes=REGIMES, sectors=SECTORS)
    longer = dataclasses.replace(parsed, segments=(*parsed.segments, Hold(State("bear"), 7)))
    assert parse_script(longer, regimes=REGIMES, sectors=SECTORS) == longer
    wrong = dataclasses.replace(parsed, segments=(*parsed.segments, Hold(State("bear"), -7)))
    with pytest.raises(ValueError, match="whole number"):
        parse_script(wrong, regimes=REGIMES, sectors=SECTORS)


@quick
@given(st.dates(datetime.date(1, 1, 1), datetime.date(9999, 12, 31)))
def test_any_date_of_the_calendar_is_read(day: datetime.date) -> None:
    script = Script((Replay(day, day),))
    assert parse_script(str(script), regimes=REGIMES) == script
