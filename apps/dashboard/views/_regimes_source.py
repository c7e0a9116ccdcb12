# SPDX-License-Identifier: Apache-2.0
"""Whose returns: the embedded sectors, or the reader's own file with what is odd about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..boundary import report
from ..files import download, upload_returns
from ..formats import count
from ..tables import table

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.data.check import DataCheck

__all__ = ["Source", "embedded", "own_returns", "sample_bytes", "sample_download"]

SAMPLE_START = "2013-01-01"


@dataclass(frozen=True)
class Source:
    """Returns and what to call them; `hash` is of their content."""

    name: str
    returns: pd.DataFrame
    hash: str


def embedded() -> Source:
    """The data that travel with the program."""
    return _embedded()


@st.cache_resource(show_spinner=False)
def _embedded() -> Source:
    from spade_finance.data import load_sectors
    from spade_finance.model.fitting import data_hash

    returns = load_sectors()
    return Source("the embedded US sectors", returns, data_hash(returns))


def own_returns(key: str, label: str = "Your daily returns or prices") -> Source | None:
    """A place for a file and its data check; None, with words, until there is a file that can be used.

    The file is kept for the session under `key`, so that it is still there after a visit to another page.
    """
    from spade_finance.data import validate_returns
    from spade_finance.model.fitting import data_hash

    raw = upload_returns(label, key=f"{key}:file", raw=True)
    if raw is not None:
        st.session_state[key] = (raw, st.session_state[f"{key}:file:kind"])
        st.session_state[f"{key}:name"] = st.session_state[f"{key}:file"].name
    kept = st.session_state.get(key)
    if kept is not None and raw is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            name = st.session_state.get(f"{key}:name", "the file")
            st.text(f"In use: {name}, uploaded before.", width="content")
            st.button(
                "Remove",
                icon=":material/close:",
                on_click=st.session_state.pop,
                args=(key,),
                key=f"{key}:drop",
            )
    if kept is None:
        st.caption(
            "A date column first, then one column an asset. It stays in this session and is seen by no other."
        )
        sample_download(key)
        return None
    raw, kind = kept
    check = _checked(raw, kind)
    if check.refusal is not None:
        from spade_finance.exceptions import InputError

        report(InputError(check.refusal))
        _findings(check, opened=True)
        sample_download(key)
        return None
    _findings(check, opened=False)
    returns = validate_returns(raw, source="your file", kind=kind)
    return Source("your returns", returns, data_hash(returns))


@st.cache_data(max_entries=8, show_spinner="Looking through the data…")
def _checked(raw: pd.DataFrame, kind: str) -> DataCheck:
    from spade_finance.data import check_returns

    return check_returns(raw, kind=kind, source="your file")


def _findings(check: DataCheck, *, opened: bool) -> None:
    span, found = check.span, check.findings[check.findings["kind"] != "refused"]
    odd = int((found["level"] != "note").sum())
    words = f"{count(span['rows'], 'row')} from {span['start']} to {span['end']}, {count(span['columns'], 'column')}"
    verdict = "nothing looks wrong" if odd == 0 else f"{count(odd, 'thing')} worth a look"
    with st.expander(f"Data check: {words}; {verdict}", expanded=opened, icon=":material/fact_check:"):
        st.caption(
            f"{span['absent_business_days']:,} of {span['business_days']:,} weekdays have no row; the longest gap is "
            f"{count(span['longest_gap_days'], 'day')}. **error**: refused; **look**: probably a fault; **note**: "
            "worth knowing."
        )
        if len(found):
            table(finding_rows(found), rows=8)
        table(column_rows(check))


def finding_rows(found: Any) -> Any:
    """Findings as text, the gravest first."""
    import pandas as pd

    day = found["date"].dt.strftime("%Y-%m-%d").fillna("")
    until = found["until"].dt.strftime("%Y-%m-%d").fillna("")
    when = [f"{a} to {b}" if b and b != a else a for a, b in zip(day, until, strict=True)]
    return pd.DataFrame(
        {
            "level": found["level"],
            "what": found["kind"],
            "column": found["column"],
            "when": when,
            "detail": found["detail"],
        }
    )


def column_rows(check: DataCheck) -> Any:
    """The columns' figures as text; a year has 252 days."""
    import pandas as pd

    from ..formats import number, percent

    table = check.table
    return pd.DataFrame(
        {
            "column": table.index,
            "return a year": [percent(v) for v in table["return"]],
            "volatility a year": [percent(v) for v in table["volatility"]],
            "worst day": [percent(v) for v in table["worst"]],
            "best day": [percent(v) for v in table["best"]],
            "excess kurtosis": [number(v, digits=1) for v in table["kurtosis"]],
            "zero days": [percent(v) for v in table["zeros"]],
            "empty cells": [f"{v:,.0f}" for v in table["missing"]],
        }
    )


def sample_download(key: str) -> None:
    """A file to try it with."""
    download("No file at hand? Take a sample", "sample-returns.csv", sample_bytes, key=f"{key}:sample")


def sample_bytes() -> bytes:
    """The embedded sectors' last ten years as CSV, as ``write_returns`` writes it."""
    import tempfile
    from pathlib import Path

    from spade_finance.data import load_sectors, write_returns

    with tempfile.TemporaryDirectory(prefix="spade-sample-") as folder:
        return write_returns(load_sectors().loc[SAMPLE_START:], Path(folder) / "sample.csv").read_bytes()
