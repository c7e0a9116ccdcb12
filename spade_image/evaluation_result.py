# SPDX-License-Identifier: Apache-2.0
"""The scores of an evaluation, as tables, JSON and Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spade_core.checkpoint import write_atomic
from spade_image.spatial_control import SpatialControl

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEANS", "REAL", "UNTRAINED", "Column", "EvaluationResult"]

REAL, MEANS, UNTRAINED = "real photos", "class means", "untrained"


@dataclass(frozen=True)
class Column:
    """One kind of pictures, scored; NaN where a number has no meaning."""

    name: str
    fid: float
    kid: float
    kid_std: float
    """Over KID's subsets."""
    miou: float
    miou_error: float
    """Standard error, pictures drawn with replacement."""
    accuracy: float
    accuracy_error: float
    iou: dict[str, float]
    """By class."""
    spatial: SpatialControl | None = None
    model: dict[str, Any] = field(default_factory=dict)
    """Which model: hash, parameters, training."""


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of models and of what they are compared with."""

    columns: tuple[Column, ...]
    evaluators: dict[str, str]
    """Which network made which numbers."""
    provenance: dict[str, Any]

    def __getitem__(self, name: str) -> Column:
        """Return a column by name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{name!r}: columns are {', '.join(c.name for c in self.columns)}")

    @property
    def ceiling(self) -> Column:
        """The real photos' column."""
        return self[REAL]

    @property
    def table(self) -> pd.DataFrame:
        """Measures by column."""
        import pandas as pd

        rows: dict[str, dict[str, float]] = {}
        for c in self.columns:
            numbers = {
                "FID": c.fid,
                "KID x 1000": 1000 * c.kid,
                "mIoU %": 100 * c.miou,
                "mIoU, % of real": 100 * c.miou / self.ceiling.miou,
                "pixel accuracy %": 100 * c.accuracy,
                "pixel accuracy, % of real": 100 * c.accuracy / self.ceiling.accuracy,
            }
            if c.spatial is not None:
                numbers |= {
                    "change inside": c.spatial.inside,
                    "change outside": c.spatial.outside,
                    "leakage %": 100 * c.spatial.leakage,
                }
            rows[c.name] = numbers
        return pd.DataFrame(rows)

    @property
    def by_class(self) -> pd.DataFrame:
        """IoU of every class in percent, by column."""
        import pandas as pd

        return pd.DataFrame({c.name: {k: 100 * v for k, v in c.iou.items()} for c in self.columns})

    @property
    def by_distance(self) -> pd.DataFrame:
        """Change by distance from a repainted region's border (8-bit levels), by column."""
        import pandas as pd

        return pd.DataFrame({c.name: c.spatial.by_distance for c in self.columns if c.spatial is not None})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; numbers without meaning are None."""
        columns = {
            c.name: {
                "fid": c.fid, "kid": c.kid, "kid_std": c.kid_std, "miou": c.miou, "miou_std_error": c.miou_error,
                "miou_of_real": c.miou / self.ceiling.miou, "pixel_accuracy": c.accuracy,
                "pixel_accuracy_std_error": c.accuracy_error,
                "pixel_accuracy_of_real": c.accuracy / self.ceiling.accuracy, "iou": c.iou,
                "spatial_control": None if c.spatial is None else c.spatial.to_dict(), "model": c.model,
            }
            for c in self.columns
        }  # fmt: skip
        body = {"schema": 1, "columns": columns, "evaluators": self.evaluators, "provenance": self.provenance}
        return _without_nan(body)  # type: ignore[no-any-return]

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the JSON text, and write it whole or not at all where a path is given."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text.encode())
        return text

    def to_markdown(self) -> str:
        """Return the tables, as Markdown, with the evaluators' names below."""
        parts = [_markdown(self.table, "")]
        parts += [f"- {numbers}: {who}" for numbers, who in self.evaluators.items()]
        parts += ["", "IoU by class, percent", "", _markdown(self.by_class, "class")]
        if len(self.by_distance.columns):
            parts += [
                "Change by distance from the repainted region's border (pixels, negative inside), 8-bit levels", "",
                _markdown(self.by_distance, "distance"),
            ]  # fmt: skip
        return "\n".join(parts)

    def __str__(self) -> str:
        lines = [self.table.to_string(float_format=lambda v: f"{v:.3g}", na_rep="–"), ""]
        return "\n".join([*lines, *(f"{numbers}: {who}" for numbers, who in self.evaluators.items())])


def _markdown(table: pd.DataFrame, corner: str) -> str:
    head = [corner, *map(str, table.columns)]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * len(table.columns)}"]
    for name, row in table.iterrows():
        cells = ["–" if math.isnan(v) else _figure(v) for v in row]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
