# SPDX-License-Identifier: Apache-2.0
"""`ScriptError`: where a regime script is wrong, what was expected, and what is known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from spade_finance.exceptions import InputError

__all__ = ["ScriptError", "did_you_mean", "script_error", "written"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN = 20  # names listed before "and n more"
_WINDOW = 78  # characters of script that the pointer shows


class ScriptError(InputError):
    """A regime script cannot be used; one line says where, why and what would do.

    Attributes
    ----------
    position : int or None
        Place of the fault in `text`, counted from 1; None when no place is to blame.
    length : int
        Characters at fault, 0 at the end of the script.
    text : str or None
        The script.
    """

    position: int | None = None
    length: int = 0
    text: str | None = None

    @property
    def pointer(self) -> str:
        """Two lines: the script, and carets under the fault. Empty when no place is to blame."""
        if self.position is None or self.text is None:
            return ""
        text = "".join(c if c.isprintable() else " " for c in self.text)
        at, length = self.position - 1, max(self.length, 1)
        first = max(0, min(at - _WINDOW // 3, len(text) - _WINDOW))
        shown = text[first : first + _WINDOW]
        head, tail = ("…" if first else ""), ("…" if first + _WINDOW < len(text) else "")
        carets = "^" * min(length, max(1, len(shown) - (at - first)))
        return f"{head}{shown}{tail}\n{' ' * (len(head) + at - first)}{carets}"


def script_error(
    text: str,
    span: tuple[int, int],
    problem: str,
    *,
    regimes: Sequence[str] | None = None,
    sectors: Sequence[str] | None = None,
    hint: str = "",
) -> ScriptError:
    """`ScriptError` about ``text[span]``: problem, then what is known, then the hint, on one line."""
    start, stop = span
    fault = text[start:stop]
    fault = repr(fault if len(fault) <= 40 else fault[:39] + "…") if fault else "the end"
    parts = [f"bad script at position {start + 1} ({fault}): {problem}"]
    if regimes is not None:
        parts.append(f"known regimes: {_listed(regimes)}")
    if sectors is not None:
        parts.append(f"known sectors: {_listed(sectors)}")
    if hint:
        parts.append(hint)
    error = ScriptError("; ".join(parts))
    error.position, error.length, error.text = start + 1, stop - start, text
    return error


def did_you_mean(word: str, names: Iterable[str], write: str = "{!r}") -> str:
    """``did you mean 'crisis'?`` when a name is close to `word`, whatever the case; else nothing."""
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"did you mean {write.format(by_lower[close[0]])}?" if close else ""


def written(name: str) -> str:
    """A name as a script writes it: in double quotes, those inside doubled, unless it is a plain word."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none"
    shown = ", ".join(written(name) for name in names[:_SHOWN])
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown)
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
