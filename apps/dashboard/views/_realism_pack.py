# SPDX-License-Identifier: Apache-2.0
"""An evaluation as files: what is asked goes to a process, and what a page shows of the report comes back.

Nothing is pickled: tables travel as Parquet, exhibits as JSON, returns as plain arrays.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.evaluate.report import EvaluationReport
    from spade_finance.evaluate.section import Exhibit

__all__ = ["WRITING", "Request", "Steps", "pack", "unpack", "words"]

KEPT_PATHS = 8
"""Replicates a column that a page's charts have; the tables and the report used all."""
SECTION_WEIGHT = 4
"""Steps that a section counts for beside fitting or sampling one column, for the time left."""
WRITING = "writing the report"


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be compared.

    Attributes
    ----------
    model : str
        Content hash.
    data : str
        What the real returns are, in words.
    content : str
        A digest of them, so that other data of the same name are seen to be others.
    """

    model: str
    data: str
    content: str
    from_date: str | None
    baselines: tuple[str, ...]
    sections: tuple[str, ...]
    seed: int
    n_replicates: int
    n_resamples: int

    def options(self) -> dict[str, Any]:
        """As :func:`spade_finance.evaluate.evaluate` takes them."""
        return {
            "baselines": self.baselines or "none", "from_date": self.from_date, "sections": self.sections or "none",
            "seed": self.seed, "n_replicates": self.n_replicates, "n_resamples": self.n_resamples,
        }  # fmt: skip

    def to_json(self) -> str:
        """For :meth:`from_json`."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Inverse of :meth:`to_json`."""
        said: dict[str, Any] = json.loads(text)
        lists: dict[str, Any] = {name: tuple(v) for name, v in said.items() if isinstance(v, list)}
        return cls(**(said | lists))


def words(what: str) -> str:
    """``fitting block_bootstrap`` and the like, as a sentence begins."""
    return what[:1].upper() + what[1:].replace("_", " ")


class Steps:
    """How far an evaluation is, in steps, from what its callback says."""

    def __init__(self, request: Request) -> None:
        self.columns = len(request.baselines)
        self.total = 2 * self.columns + 1 + SECTION_WEIGHT * len(request.sections) + 1

    def __call__(self, what: str, at: int) -> int:
        if what.startswith(("fitting ", "labelling ")):
            return at
        if what.startswith("sampling "):
            return self.columns + at
        if what == WRITING:
            return self.total - 1
        return 2 * self.columns + 1 + SECTION_WEIGHT * at


# ---- the report


def pack(report: EvaluationReport, folder: Path) -> None:
    """Write what a page shows of a report, of each panel only the first replicates."""
    import numpy as np

    _write(report.statistics, folder / "statistics")
    _write(report.distances, folder / "distances")
    arrays: dict[str, Any] = {}
    for i, panel in enumerate(report.panels.values()):
        arrays[f"{i}:simple"] = panel.simple[:KEPT_PATHS]
        arrays[f"{i}:segments"] = panel.segments if panel.segments.ndim == 1 else panel.segments[:KEPT_PATHS]
        if panel.codes is not None:
            arrays[f"{i}:codes"] = panel.codes if panel.codes.ndim == 1 else panel.codes[:KEPT_PATHS]
    np.savez(folder / "panels.npz", **arrays)
    rest = {
        "columns": report.columns,
        "window": [day.isoformat() for day in report.window],
        "sectors": report.sectors,
        "in_loss": sorted(report.in_loss),
        "look_ahead": report.look_ahead,
        "notes": report.notes,
        "provenance": {name: str(value) for name, value in report.provenance.items()},
        "panels": [[name, p.sectors, p.regimes] for name, p in report.panels.items()],
        "seconds": dict(report.seconds),
        "sections": {
            name: {
                "findings": part.findings,
                "notes": part.notes,
                "exhibits": [_exhibit(e) for e in part.exhibits],
            }
            for name, part in report.sections.items()
        },
    }
    (folder / "report.json").write_text(json.dumps(rest), encoding="utf-8")


def unpack(folder: Path) -> EvaluationReport:
    """The report that :func:`pack` wrote; its sections' rows stand in its tables."""
    import numpy as np
    import pandas as pd

    from spade_finance.evaluate.panel import Panel
    from spade_finance.evaluate.report import EvaluationReport
    from spade_finance.evaluate.section import Exhibit, SectionResult

    rest = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    panels = {}
    with np.load(folder / "panels.npz", allow_pickle=False) as arrays:
        for i, (name, sectors, regimes) in enumerate(rest["panels"]):
            codes = arrays.get(f"{i}:codes")
            panels[name] = Panel(
                arrays[f"{i}:simple"], codes, arrays[f"{i}:segments"], tuple(sectors), tuple(regimes)
            )
    first, last = (pd.Timestamp(day) for day in rest["window"])
    return EvaluationReport(
        statistics=_read(folder / "statistics"),
        distances=_read(folder / "distances"),
        columns=tuple(rest["columns"]),
        window=(first, last),
        sectors=tuple(rest["sectors"]),
        in_loss=frozenset(rest["in_loss"]),
        look_ahead=rest["look_ahead"],
        notes=tuple(rest["notes"]),
        provenance=rest["provenance"],
        panels=panels,
        sections={
            name: SectionResult(
                exhibits=tuple(
                    Exhibit(e["title"], e["caption"], _table(e["table"]), _figure(e["figure"]))
                    for e in part["exhibits"]
                ),
                findings=tuple(part["findings"]),
                notes=tuple(part["notes"]),
            )
            for name, part in rest["sections"].items()
        },
        seconds=rest["seconds"],
    )


def _write(table: pd.DataFrame, place: Path) -> None:
    """A table as Parquet; arrays in its cells beside it."""
    import numpy as np

    plain = table.copy()
    arrays: dict[str, Any] = {}
    for name in table.columns:
        cells = table[name].tolist() if table[name].dtype == object else []
        inside = {i: cell for i, cell in enumerate(cells) if isinstance(cell, np.ndarray)}
        if inside:
            arrays |= {f"{name}:{i}": cell for i, cell in inside.items()}
            plain[name] = [None if i in inside else cell for i, cell in enumerate(cells)]
    plain.to_parquet(place.with_suffix(".parquet"))
    np.savez(place.with_suffix(".npz"), **arrays)


def _read(place: Path) -> pd.DataFrame:
    """Inverse of :func:`_write`."""
    import numpy as np
    import pandas as pd

    table = pd.read_parquet(place.with_suffix(".parquet"))
    with np.load(place.with_suffix(".npz"), allow_pickle=False) as arrays:
        for name in dict.fromkeys(key.rpartition(":")[0] for key in arrays.files):
            cells = table[name].astype(object).tolist()
            for i in range(len(cells)):
                cells[i] = arrays[f"{name}:{i}"] if f"{name}:{i}" in arrays.files else cells[i]
            table[name] = pd.Series(cells, index=table.index, dtype=object)
    return table


def _exhibit(exhibit: Exhibit) -> dict[str, Any]:
    table, figure = exhibit.table, exhibit.figure
    return {
        "title": exhibit.title,
        "caption": exhibit.caption,
        "figure": None if figure is None else figure.to_json(),
        "table": None if table is None else _told(table),
    }


def _told(table: pd.DataFrame) -> Mapping[str, Any]:
    """A table as plain values; what is missing is None."""
    index = table.index.to_frame(index=False)
    return {
        "columns": [str(c) for c in table.columns],
        "names": [None if n is None else str(n) for n in table.index.names],
        "index": [[_plain(v) for v in row] for row in index.astype(object).to_numpy().tolist()],
        "data": [[_plain(v) for v in row] for row in table.astype(object).to_numpy().tolist()],
    }


def _plain(value: Any) -> Any:
    import pandas as pd

    value = value.item() if hasattr(value, "item") else value
    if value is None or isinstance(value, bool | str):
        return value
    if pd.isna(value):
        return None
    return value if isinstance(value, int | float) else str(value)


def _table(told: Mapping[str, Any] | None) -> pd.DataFrame | None:
    import pandas as pd

    if told is None:
        return None
    names = told["names"]
    index: Any = (
        pd.Index([row[0] for row in told["index"]], name=names[0], dtype=object)
        if len(names) == 1
        else pd.MultiIndex.from_tuples([tuple(row) for row in told["index"]], names=names)
    )
    return pd.DataFrame(told["data"], index=index, columns=told["columns"], dtype=object)


def _figure(told: str | None) -> Any:
    if told is None:
        return None
    import plotly.io

    return plotly.io.from_json(told, skip_invalid=False)
