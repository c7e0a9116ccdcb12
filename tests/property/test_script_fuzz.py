# SPDX-License-Identifier: Apache-2.0
"""Whatever is typed, a script is read or refused in one clear line."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spade_finance.regimes.script import Script, ScriptError, parse_script

REGIMES = ("bull", "sideways", "bear", "crisis")
SECTORS = ("Energy", "Info Tech", 'The "odd" one')
VALID = [
    "bull:60,crisis:20,bear:40",
    "crisis*1.5:20",
    "bear~crisis:10",
    "bull*.7~crisis*2:8,sideways:5",
    "bull:250;Energy[100]=crisis:40,bear:20",
    'bull:25;"Info Tech"[3]=bear~crisis:4;"The ""odd"" one"[0]=bull:2;"Info Tech"[9]=crisis:1',
    "2008-09-01..2009-03-31,markov:10",
    "markov:252",
    "markov(crisis):252",
    "now:21,crisis:10",
]
MARKS = "0123456789,;:~*()[]=.\"'-+_ eE\n\t"
WORDS = (
    "..",
    "bull",
    "crisis",
    "markov",
    "now",
    "date",
    "Energy",
    "2008-09-01",
    "1.5",
    "99999999999",
    "--",
    '""',
)
ODD = ("\x00", "é", "٣", "²", ".csv", "1e999", "-0")
PIECES = st.sampled_from([*MARKS, *WORDS, *ODD])


def judge(text: str) -> None:
    error = None
    try:
        script = parse_script(text, regimes=REGIMES, sectors=SECTORS)
    except ScriptError as refusal:
        error = refusal
    if error is None:
        assert isinstance(script, Script)
        assert parse_script(str(script), regimes=REGIMES, sectors=SECTORS) == script
        return
    message = str(error)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    if error.position is None:
        assert text.strip().lower().endswith(".csv")
        return
    assert 1 <= error.position <= len(text) + 1
    assert f"position {error.position} " in message
    assert "known regimes: bull, sideways, bear, crisis" in message
    assert "known sectors: Energy" in message
    shown, carets = error.pointer.split("\n")
    fault = text[error.position - 1 : error.position]
    if fault.isprintable() and fault:
        assert shown[carets.index("^")] == fault


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.lists(PIECES, max_size=25).map("".join))
@example("bull:" + "9" * 5000)
@example("bull:" + "0" * 5000)
@example("bull*" + "9" * 5000 + ":3")
@example('bull:5;"' * 300)
@example("(" * 5000)
@example("x\x00.csv")
@example("\ud800.csv")
@example("\ud800")
@example(".csv")
@example("/.csv")
@example("a" * 5000 + ".csv")
def test_random_text_is_read_or_refused(text: str) -> None:
    judge(text)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(VALID), st.integers(1, 3))
def test_mutated_scripts_are_read_or_refused(data: st.DataObject, text: str, edits: int) -> None:
    for _ in range(edits):
        i = data.draw(st.integers(0, len(text)))
        j = data.draw(st.integers(i, min(len(text), i + 4)))
        text = text[:i] + data.draw(st.just("") | PIECES) + text[j:]
    judge(text)


@settings(max_examples=150, deadline=None)
@given(
    content=st.binary(max_size=200)
    | st.lists(PIECES | st.just("step,regime\n0,bull\n"), max_size=20).map("".join)
)
def test_random_files_are_read_or_refused(
    content: bytes | str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "timeline.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        script = parse_script(path, regimes=REGIMES, sectors=SECTORS)
    except ScriptError as refusal:
        message = str(refusal)
    else:
        message = script.resolve(REGIMES, SECTORS).describe()
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("text", VALID)
def test_the_untouched_scripts_are_valid(text: str) -> None:
    assert str(parse_script(text, regimes=REGIMES, sectors=SECTORS)).count(",") == text.count(",")
