# SPDX-License-Identifier: Apache-2.0
"""The scorecard's sections as the page's template wants them: findings, exhibits, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.reports.html import embedded

if TYPE_CHECKING:
    from spade_finance.evaluate.report import EvaluationReport
    from spade_finance.evaluate.section import Exhibit

WIDE_COLUMNS = 8
"""A figure or table with more columns than this keeps its width and scrolls on a phone."""


def section_blocks(report: EvaluationReport) -> list[dict[str, Any]]:
    """One block a section, in the order of the scorecard."""
    from spade_finance.evaluate.scorecard import make_section

    return [
        {
            "name": name,
            "title": make_section(name).title,
            "findings": list(result.findings),
            "exhibits": [_exhibit(exhibit) for exhibit in result.exhibits],
            "notes": [note.rstrip(".") for note in result.notes],
        }
        for name, result in report.sections.items()
    ]


def _exhibit(exhibit: Exhibit) -> dict[str, Any]:
    block: dict[str, Any] = {
        "title": exhibit.title,
        "caption": exhibit.caption,
        "figure": None,
        "table": None,
    }
    if exhibit.figure is not None:
        block["figure"] = embedded(exhibit.figure) | {"title": exhibit.title}
    elif exhibit.table is not None:
        table = exhibit.table
        names = [str(name or "") for name in table.index.names]
        labels = [row if isinstance(row, tuple) else (row,) for row in table.index]
        block["table"] = {
            "headings": [*names, *(str(column) for column in table.columns)],
            "rows": [
                [*(_text(v) for v in label), *(_text(v) for v in values)]
                for label, values in zip(labels, table.astype(object).to_numpy(), strict=True)
            ],
            "labels": len(names),
        }
    return block


def _text(value: Any) -> str:
    """A cell: words as they are, numbers to three figures, what is missing as a dash."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    return f"{value:,.3g}" if isinstance(value, float | np.floating) else str(value)
