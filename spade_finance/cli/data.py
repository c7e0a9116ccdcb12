# SPDX-License-Identifier: Apache-2.0
"""``spade-finance data``: fetch returns, and look at a file before trusting it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spade_finance.cli.options import Json, Kind, day

FETCH_EXAMPLE = """\
Example:
  spade-finance data fetch XLK XLF XLE XLV --start 2005-01-01 --out sectors.csv"""

CHECK_EXAMPLE = """\
Examples:
  spade-finance data check sectors.csv
  spade-finance data check closes.parquet --kind price --json"""

MOST_FINDINGS = 40


def fetch(
    *tickers: Annotated[str, Parameter(help="Symbols as Yahoo Finance writes them.")],
    start: Annotated[str, Parameter(metavar="DATE", help="First day, YYYY-MM-DD.")],
    end: Annotated[
        str | None, Parameter(metavar="DATE", help="Last day, YYYY-MM-DD; default yesterday.")
    ] = None,
    out: Annotated[
        Path, Parameter(metavar="FILE", help="File for the simple returns: .csv, .csv.gz or .parquet.")
    ],
    json: Json = False,
) -> None:
    """Download daily prices with yfinance (cached) and write simple returns in decimals."""
    from spade_finance.cli.console import note, print_frame, print_json
    from spade_finance.exceptions import InputError
    from spade_finance.io.atomic import check_writable

    if not tickers:
        raise InputError("no ticker is given: name some, for example XLK XLF XLE")
    first, last = day(start, "--start"), day(end, "--end")
    check_writable(out)
    from spade_finance.data import fetch as fetch_returns
    from spade_finance.data import write_returns
    from spade_finance.data.files import suffix_of

    suffix_of(out)
    result = fetch_returns(list(tickers), str(first), None if last is None else str(last))
    write_returns(result.returns, out)
    if json:
        print_json({"schema": 1, "out": str(out), **result.to_dict()})
        return
    table = result.table.copy()
    for name in ("first", "last"):
        table[name] = [f"{date:%Y-%m-%d}" if date == date else None for date in table[name]]
    title = f"{len(result.returns):,} daily simple returns of {result.returns.shape[1]} tickers"
    print_frame(table, title, text=("status",))
    note(f"written: {out}")


def check(
    file: Annotated[
        Path, Parameter(metavar="FILE", help="Returns or prices: .csv, .csv.gz or .parquet, the date first.")
    ],
    /,
    *,
    kind: Kind = "simple",
    json: Json = False,
) -> int:
    """Report what a careful person would want to know of a file.

    Span, gaps, duplicates, stale runs, outliers beyond 10 robust sigmas, zero
    shares, coarse prices. The exit code is 2 if the file would be refused.
    """
    from spade_finance.cli.console import percent, print_frame, print_json, print_pairs, say
    from spade_finance.data import check_returns, read_raw
    from spade_finance.exceptions import InputError

    report = check_returns(read_raw(file), kind=kind, source=file.name)
    if json:
        print_json(report.to_dict())
    else:
        print_pairs(
            {key.replace("_", " "): value for key, value in report.span.items()}, title=f"{file} ({kind})"
        )
        columns = report.table.copy()
        for name in ("return", "volatility", "worst", "best", "zeros"):
            columns[name] = [percent(value) for value in columns[name]]
        for name in ("first", "last", "worst_date", "best_date"):
            columns[name] = [f"{date:%Y-%m-%d}" if date == date else None for date in columns[name]]
        for name in ("skew", "kurtosis", "acf1", "distinct"):
            columns[name] = [f"{value:.2f}" for value in columns[name]]
        say()
        print_frame(
            columns.T.rename_axis([""]),
            title="Columns",
            caption="Return and volatility are a year's, of 252 days.",
        )
        found = report.findings
        if len(found):
            shown = found.head(MOST_FINDINGS)[["level", "kind", "column", "date", "detail"]].copy()
            shown["date"] = [f"{date:%Y-%m-%d}" if date == date else "" for date in shown["date"]]
            more = f"{len(found) - len(shown)} more: --json lists all" if len(found) > len(shown) else ""
            say()
            print_frame(
                shown.set_index("level"), f"{len(found)} findings", more, ("kind", "column", "date", "detail")
            )
        say()
        say("usable as it is" if report.ok else "not usable as it is")
    if report.refusal is not None:
        raise InputError(report.refusal)
    return 0
