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
    import pandas as pd
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from spade_finance.evaluate import RegimeTable

WIDE = 118
"""Columns of text that the table by regime needs; below, its standard errors go to lines of their own."""

HEADINGS = {
    "annual_return": "return % a year",
    "volatility": "vol. % a year",
    "skewness": "skew",
    "excess_kurtosis": "excess kurt.",
    "mean_correlation": "mean corr.",
    "worst_day": "worst day %",
    "worst_of_60": "worst of 60 days %",
    "var_95": "VaR 95 % 1 day",
    "es_95": "ES 95 % 1 day",
}

__all__ = ["note", "percent", "print_frame", "print_json", "print_pairs", "print_regimes", "progress", "say"]


def percent(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """``+12.3 %`` of 0.123; a dash for a missing number."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:{'+' if signed else ''}.{digits}f} %"


def say(text: str = "") -> None:
    """Print a line of the result."""
    print(text)


def note(text: str) -> None:
    """Print a line about the work, to stderr."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print strict JSON: NaN and infinities as null, numpy numbers as numbers, dates as text."""
    from spade_finance.io.plain import plain

    print(json.dumps(plain(value), indent=1, allow_nan=False, ensure_ascii=False))


def print_pairs(pairs: Mapping[str, Any], title: str = "") -> None:
    """Print names and values in two columns."""
    table = _table(["", ""], text=("",), header=False)
    for name, value in pairs.items():
        table.add_row(str(name), _text(value))
    _print(table, title)


def print_frame(frame: pd.DataFrame, title: str = "", caption: str = "", text: Sequence[str] = ()) -> None:
    """Print a table of finished text or numbers, the index first; those of `text` flush left."""
    levels = [str(name or "") for name in frame.index.names]
    table = _table([*levels, *map(str, frame.columns)], text=(*levels, *text))
    for label, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        labels = label if isinstance(label, tuple) else (label,)
        table.add_row(*map(_text, labels), *map(_text, row))
    _print(table, title, caption)


def print_regimes(table: RegimeTable, title: str, caption: str, sources: Sequence[str] | None = None) -> None:
    """Print figures by regime, a block a regime and a line a source, standard errors beside or below them.

    A narrow screen gets the errors on lines of their own, and not the expected worst of 60 days.
    """
    from rich.text import Text

    from spade_finance.evaluate.regimes import UNITS, with_error

    narrow = console().width < WIDE
    names = [name for name in HEADINGS if not (narrow and name == "worst_of_60")]
    shown = _table(["", "days", *(HEADINGS[name] for name in names)], text=("",))
    shown.columns[0].no_wrap = True
    last = None
    rows = table.to_records()
    drawn = {row["regime"] for row in rows if row["source"] == "generated" and row["days"]}
    for row in rows:
        regime, source = row["regime"], row["source"]
        if regime not in drawn or (sources is not None and source not in sources):
            continue
        if regime != last:
            if last is not None:
                shown.add_section()
            shown.add_row(Text(regime, style="bold"))
            last = regime
        value = {name: math.nan if number is None else number for name, number in row.items()}
        cells = [with_error(value[name], value.get(f"{name}_se", math.nan), UNITS[name]) for name in names]
        cells = [cell.replace(" ± ", "\n±" if narrow else " ±") for cell in cells]
        shown.add_row(source, f"{row['days']:,.0f}", *cells)
    _print(shown, title, caption)


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


def _print(table: Any, title: str, caption: str = "") -> None:
    """Print a table between its title and caption, which run over the whole width of the screen."""
    screen = console()
    if title:
        screen.print(title, style="bold")
    screen.print(table)
    if caption:
        screen.print(caption, style="dim")


def _table(names: Sequence[str], *, text: Sequence[str], header: bool = True) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_header=header, show_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, justify="left" if name in text else "right", overflow="fold", vertical="top")
    return table


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
