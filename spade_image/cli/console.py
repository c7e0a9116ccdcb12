# SPDX-License-Identifier: Apache-2.0
"""Tables, progress bars and JSON on the terminal: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["note", "print_json", "print_pairs", "print_table", "progress", "say"]


def say(text: str = "") -> None:
    """Print a line of the result."""
    print(text)


def note(text: str) -> None:
    """Print a line about the work, to stderr."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print strict JSON: NaN and infinities as null, numpy numbers as numbers, other things as text."""
    print(json.dumps(plain(value), indent=1, allow_nan=False, ensure_ascii=False))


def plain(value: Any) -> Any:
    """Make `value` of JSON's own types."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def print_pairs(pairs: Mapping[str, Any], title: str = "") -> None:
    """Print names and values in two columns."""
    print_table(
        ["", ""], [[name, value] for name, value in pairs.items()], title=title, text=("",), header=False
    )


def print_table(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str = "",
    caption: str = "",
    text: Sequence[str] = (),
    header: bool = True,
) -> None:
    """Print a table; the columns of `text` flush left, the others right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_header=header, show_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name in text else "right", overflow="fold", vertical="top")
    for row in rows:
        table.add_row(*map(_text, row))
    screen = console()
    if title:
        screen.print(title, style="bold")
    screen.print(table)
    if caption:
        screen.print(caption, style="dim")


@contextmanager
def progress(total: int, what: str, *extra: str) -> Iterator[tuple[Progress, TaskID]]:
    """Show a bar with time left on stderr while the block runs; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *map(TextColumn, extra)]
    with Progress(
        *columns, TimeRemainingColumn(), console=screen, transient=True, disable=not screen.is_terminal
    ) as bar:
        yield bar, bar.add_task(what, total=total, state="")


def console() -> Console:
    """Make a console on the present stdout; where that is no terminal, wide enough for every table."""
    from rich.console import Console

    class Pipe(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    plain_text: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    screen = Pipe(**plain_text)
    return screen if screen.is_terminal else Pipe(**plain_text, width=max(140, screen.width))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "–" if not math.isfinite(value) else f"{value:,.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if value is None else str(value)
