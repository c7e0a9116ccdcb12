# SPDX-License-Identifier: Apache-2.0
"""A bad script is refused with the place of the fault, what was expected, and what is known."""

from __future__ import annotations

import pytest

from spade_finance.exceptions import InputError
from spade_finance.regimes.script import ScriptError, parse_script

REGIMES = ("bull", "sideways", "bear", "crisis")
SECTORS = ("Energy", "InfoTech", "My Sector")


def refused(text: str, regimes=REGIMES, sectors=SECTORS) -> ScriptError:
    with pytest.raises(ScriptError) as caught:
        parse_script(text, regimes=regimes, sectors=sectors)
    return caught.value


# The mark ^ stands before the fault; what follows are words that the message must hold.
FAULTS = [
    ("^", "expected a segment such as bull:60"),
    ("   ^", "expected a segment"),
    ("^60", "expected a segment"),
    ("^:60", "expected a segment"),
    ("bull^", "expected ':' and a number of days after 'bull'"),
    ("bull:^", "expected the number of days, a whole number"),
    ("bull:^0", "1 or more"),
    ("bull:^-5", "whole number in plain digits"),
    ("bull:^1.5", "whole number in plain digits"),
    ("bull:^1e3", "whole number in plain digits"),
    ("bull:^25201", "too large; expected at most 25200 days (100 years of 252)"),
    ("bull:20000,bear:^20000", "40000 days long by here; expected at most 25200"),
    ("bull:60^d", "days are plain digits, without a unit"),
    ("bull:1,^000", "a comma separates segments, write 1000 without it"),
    ("bull:60,^", "expected a segment"),
    ("bull:60 ^crisis:20", "expected ',' or ';' or the end"),
    ("bull:60^!", "expected ',' or ';' or the end"),
    ("bull:60,^crisi:20", "unknown regime", "did you mean 'crisis'?"),
    ("^BULL:60", "unknown regime", "did you mean 'bull'?"),
    ("bull*^:5", "expected a severity, a positive number such as 1.5"),
    ("bull*^high:5", "expected a severity"),
    ("bull*^nan:5", "expected a severity"),
    ("bull*^0:5", "between 0.01 and 100"),
    ("bull*^-1.5:5", "between 0.01 and 100"),
    ("bull*^150:5", "between 0.01 and 100"),
    ("bull*^1e999:5", "between 0.01 and 100"),
    ("bull*1.5^*2:5", "expected ':' and a number of days after 'bull*1.5'"),
    ("bear~^:5", "expected a regime"),
    ("bear~crisis^~bull:5", "expected ':' and a number of days after 'bear~crisis'"),
    ("bear~^cirsis:5", "unknown regime", "did you mean 'crisis'?"),
    ("^date:5", "'date' is a reserved word here; expected a regime"),
    ("bear~^markov:5", "'markov' is a reserved word"),
    ("markov^", "expected ':' and a number of days or '(' and a regime"),
    ("markov(^)", "expected a regime"),
    ("markov(^now):5", "reserved word"),
    ("markov(crisis^*2):5", "expected ')'"),
    ("markov(crisis)^", "expected ':' and a number of days"),
    ("markov:^0", "1 or more"),
    ("now^(bull):5", "expected ':' and a number of days after 'now'"),
    ("bull:5,^now:5", "'now' may only stand first"),
    ("2008-09-01^", "expected '..' and the last date"),
    ("2008-09-01..^", "expected the last date, written YYYY-MM-DD"),
    ("2008-09-01..^bull:5", "expected the last date"),
    ("^2008-9-1..2009-01-01", "not a date of the calendar; expected YYYY-MM-DD"),
    ("^2008-02-30..2009-01-01", "not a date of the calendar"),
    ("2008-02-28..^2009-02-29", "not a date of the calendar"),
    ("^2008-09-01..2008-08-31", "the dates run backwards"),
    ("2008-09-01..2008-09-05^:5", "expected ',' or ';' or the end"),
    ("bull:250,^Energy[1]=crisis:4", "overrides of sectors come after ';', such as ;Energy[100]=crisis:40"),
    ('bull:250,^"My Sector"[1]=crisis:4', "overrides of sectors come after ';'"),
    ("bull:250;^", "expected an override such as Energy[100]=crisis:40"),
    ("bull:250;^3M[1]=crisis:4", "expected an override", "in double quotes"),
    ("bull:250;^Enrgy[1]=crisis:4", "unknown sector", "did you mean 'Energy'?"),
    ("bull:250;^My Sector[1]=crisis:4", "unknown sector", 'write "My Sector" with its quotes'),
    ('bull:250;^"Energy[1]=crisis:4', "the double quote is not closed"),
    ("bull:250;Energy^", "expected '['"),
    ("bull:250;Energy[^]=crisis:4", "expected the step at which the override starts"),
    ("bull:250;Energy[^-1]=crisis:4", "0 or more"),
    ("bull:250;Energy[^1.5]=crisis:4", "0 or more"),
    ("bull:250;Energy[1^=crisis:4", "expected ']'"),
    ("bull:250;Energy[1]^:crisis:4", "expected '='"),
    ("bull:250;Energy[1]=^", "expected a regime"),
    ("bull:250;Energy[1]=^markov:4", "fixed states only"),
    ("bull:250;Energy[1]=^now:4", "fixed states only"),
    ("bull:250;Energy[1]=^2008-09-01..2008-09-05", "fixed states only"),
    ("bull:250;Energy[1]=crisis:4,^InfoTech[1]=bear:4", "overrides of sectors come after ';'"),
    ("bull:250;^Energy[249]=crisis:2", "runs past the end: its last step is 250, the script's 249"),
    ("bull:250;Energy[1]=crisis:9;^Energy[9]=bear:1", "overlap: steps 9 to 9 here, 1 to 9 before"),
    ("now:10,markov:10;^Energy[15]=crisis:6", "runs past the end"),
]


@pytest.mark.parametrize(
    ("marked", "words"), [(case[0], case[1:]) for case in FAULTS], ids=lambda v: str(v)[:40]
)
def test_the_fault_is_pointed_at(marked: str, words: tuple[str, ...]) -> None:
    at = marked.index("^")
    text = marked[:at] + marked[at + 1 :]
    error = refused(text)
    message = str(error)
    assert error.position == at + 1
    assert message.startswith(f"bad script at position {at + 1} (")
    for word in words:
        assert word in message
    assert "known regimes: bull, sideways, bear, crisis" in message
    assert 'known sectors: Energy, InfoTech, "My Sector"' in message
    assert "\n" not in message
    shown, carets = error.pointer.split("\n")
    assert shown == text
    assert carets.index("^") == at
    assert len(carets) <= max(len(text), at + 1)


def test_neighbouring_overrides_and_other_sectors_do_not_overlap() -> None:
    parse_script(
        "bull:250;Energy[1]=crisis:9;Energy[10]=bear:1;InfoTech[1]=crisis:9", regimes=REGIMES, sectors=SECTORS
    )


def test_the_message_in_full() -> None:
    error = refused("bull:60,crisi:20")
    assert str(error) == (
        "bad script at position 9 ('crisi'): unknown regime; known regimes: bull, sideways, bear, crisis; "
        "known sectors: Energy, InfoTech, \"My Sector\"; did you mean 'crisis'?"
    )
    assert error.pointer == "bull:60,crisi:20\n        ^^^^^"
    assert isinstance(error, InputError)
    assert isinstance(error, ValueError)


def test_a_long_script_is_shown_around_the_fault() -> None:
    text = "bull:1," * 100 + "crisi:2" + ",bear:1" * 100
    shown, carets = refused(text).pointer.split("\n")
    assert len(shown) <= 80
    assert shown[0] == shown[-1] == "…"
    assert shown[carets.index("^") :].startswith("crisi:2")
    assert carets.count("^") == 5


def test_line_breaks_do_not_break_the_message() -> None:
    error = refused('bull:60,\n\tcrisi:20;"a\nb"[0]=bull:1')
    assert error.position == 11
    assert error.pointer.split("\n")[1] == " " * 10 + "^^^^^"
    assert "\n" not in str(refused("bull:5", regimes=("bear",), sectors=("a\nb",)))


def test_many_names_are_not_all_listed() -> None:
    error = refused("bull:5;X1[0]=bull:1", sectors=[f"S{i}" for i in range(500)])
    assert "S19 and 480 more" in str(error)
    assert len(str(error)) < 400
    assert "known sectors: none" in str(refused("bull:5;X[0]=bull:1", sectors=()))


def test_names_are_unchecked_when_not_given() -> None:
    script = parse_script("boom:5;Anything[0]=bust:1")
    assert "known" not in str(refused("boom:0", regimes=None, sectors=None))
    with pytest.raises(ScriptError, match=r"position 1 \('boom'\): unknown regime"):
        script.resolve(REGIMES, SECTORS)
    with pytest.raises(ScriptError, match="unknown sector"):
        parse_script("bull:5;Anything[0]=bear:1").resolve(REGIMES, SECTORS)


@pytest.mark.parametrize("script", [None, 5, b"bull:60", ["bull:60"]])
def test_what_is_no_text_is_refused(script) -> None:
    with pytest.raises(InputError, match="is not a text"):
        parse_script(script, regimes=REGIMES)


def test_unusable_names_are_refused() -> None:
    with pytest.raises(InputError, match="reserved"):
        parse_script("bull:5", regimes=("bull", "markov"))
    with pytest.raises(InputError, match="occurs twice"):
        parse_script("bull:5", regimes=REGIMES, sectors=("A", "A"))
