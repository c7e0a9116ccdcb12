# SPDX-License-Identifier: Apache-2.0
"""The words of a regime script, each with its place in the text, and a cursor over them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from spade_finance.regimes.script_errors import ScriptError, script_error, written

__all__ = ["Cursor", "Token", "tokens"]


class Token(NamedTuple):
    """``text[start:stop]`` and what it is.

    `kind` is one of ``word, quoted, date, number, mark, end``; or ``open`` (a quote that is never closed)
    and ``other`` (a character of no meaning), which no rule accepts, so that faults show in reading order.
    """

    kind: str
    text: str
    start: int
    stop: int


_TOKEN = re.compile(
    r"""
      (?P<date>[0-9]+(?:-[0-9]+)+)
    | (?P<number>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<mark>\.\.|[,;:~*()\[\]=])
    | (?P<open>".*)
    | (?P<space>\s+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(text: str) -> list[Token]:
    """Every token of `text` in order, white space left out, with an ``end`` token last."""
    found = [
        Token(match.lastgroup or "other", match.group(), match.start(), match.end())
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "space"
    ]
    return [*found, Token("end", "", len(text), len(text))]


class Cursor:
    """A place among the tokens of a script, and what to say when they are not as expected."""

    def __init__(self, text: str, regimes: Sequence[str] | None, sectors: Sequence[str] | None) -> None:
        self.text, self.regimes, self.sectors = text, regimes, sectors
        self.tokens = tokens(text)
        self.at = 0

    @property
    def token(self) -> Token:
        """The next token, not taken yet."""
        return self.tokens[self.at]

    def take(self) -> Token:
        """The next token, going past it."""
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, mark: str) -> bool:
        """Go past `mark` if it is next."""
        found = self.token.kind == "mark" and self.token.text == mark
        self.at += found
        return found

    def expect(self, mark: str, wanted: str) -> None:
        """Go past `mark`, which must be next."""
        if not self.accept(mark):
            raise self.fail(f"expected {wanted}")

    def since(self, token: Token) -> tuple[int, int]:
        """Span from `token` to the last token taken."""
        return token.start, self.tokens[self.at - 1].stop

    def fail(self, problem: str, *, at: Token | tuple[int, int] | None = None, hint: str = "") -> ScriptError:
        """The error of a problem at the next token, or at the given place."""
        place = self.token if at is None else at
        span = (place.start, place.stop) if isinstance(place, Token) else place
        if isinstance(place, Token) and place.kind == "open":
            problem = "the double quote is not closed; expected a closing \" after the sector's name"
        return script_error(
            self.text,
            span,
            problem,
            regimes=self.regimes,
            sectors=self.sectors,
            hint=hint or self.comma_hint(),
        )

    def override_example(self) -> str:
        """An override in known names."""
        sector = written(self.sectors[0]) if self.sectors else "Energy"
        return f"{sector}[100]={self.regimes[-1] if self.regimes else 'crisis'}:40"

    def override_hint(self) -> str:
        """For an override among the segments."""
        return f"overrides of sectors come after ';', such as ;{self.override_example()}"

    def quote_hint(self) -> str:
        """For ``My Sector[1]``: a known sector that is no plain word, written without its quotes."""
        name = self.text[self.token.start :].partition("[")[0].strip()
        quoted = written(name)
        return f"write {quoted} with its quotes" if name in (self.sectors or ()) and quoted != name else ""

    def comma_hint(self) -> str:
        """For ``bull:1,000``: the comma was meant inside the number."""
        before = [token.text for token in self.tokens[max(0, self.at - 2) : self.at]]
        if self.token.kind == "number" and len(before) == 2 and before[0].isdigit() and before[1] == ",":
            return f"a comma separates segments, write {before[0]}{self.token.text} without it"
        return ""
