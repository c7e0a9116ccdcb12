# SPDX-License-Identifier: Apache-2.0
"""Tables of words and written numbers: as high as their rows, names kept in sight, numbers to the right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["numeric", "table"]

_ROW, _TALL_ROW, _HEAD = 35, 66, 38
MOST_NAMES = 210
"""Pixels of a column of names at the most; longer ones take two lines, and all rows are tall."""
_NUMBER = re.compile(r"^[+\-−~<]?[\d.,]+(?![\w-])")
_DASH = ("", "–", "-")


def table(
    frame: pd.DataFrame,
    *,
    key: str | None = None,
    rows: int = 24,
    widths: dict[str, Any] | None = None,
    formats: dict[str, str] | None = None,
) -> None:
    """Draw a table.

    Parameters
    ----------
    frame : DataFrame
        Texts (see :mod:`.formats`) or numbers; its index is not shown.
    rows : int
        The most that are seen at once.
    widths : mapping of str to int or "small", "medium", "large", optional
        Of columns.
    formats : mapping of str to str, optional
        Of columns of numbers.
    """
    import pandas as pd

    first = frame.columns[0]
    wide = _names_width(frame[first])
    widths = {str(first): min(MOST_NAMES, wide), **(widths or {})}
    # Streamlit wraps texts in rows of more than four lines' height only.
    row, rows = (_TALL_ROW, min(rows, 12)) if wide > MOST_NAMES else (_ROW, rows)
    columns = {}
    for name in frame.columns:
        column, is_first = frame[name], name == first
        settings: dict[str, Any] = {"pinned": is_first, "width": widths.get(str(name))}
        if pd.api.types.is_numeric_dtype(column):
            columns[str(name)] = st.column_config.NumberColumn(
                **settings, format=(formats or {}).get(str(name))
            )
        else:
            side: Literal["left", "right"] = "right" if not is_first and numeric(column) else "left"
            columns[str(name)] = st.column_config.Column(**settings, alignment=side)
    st.dataframe(
        frame, key=key, hide_index=True, height=_HEAD + row * min(len(frame), rows), row_height=row,
        column_config=columns,
    )  # fmt: skip


def _names_width(names: pd.Series) -> int:
    """Pixels that a column takes in one line."""
    longest = max([len(str(names.name)), *(len(str(name)) for name in names)], default=0)
    return max(70, 26 + 7 * longest)


def numeric(column: pd.Series) -> bool:
    """Whether every cell begins with a number, or says that there is none."""
    said = [str(value).strip() for value in column]
    known = [value for value in said if value not in _DASH]
    return bool(known) and all(_NUMBER.match(value) for value in known)
