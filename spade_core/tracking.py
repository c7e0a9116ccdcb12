# SPDX-License-Identifier: Apache-2.0
"""Where a training's numbers go: JSON lines by default, TensorBoard on request, anything with two methods."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from spade_core.checkpoint import write_atomic

__all__ = ["JsonLinesTracker", "TensorBoardTracker", "Tracker", "read_json_lines"]


@runtime_checkable
class Tracker(Protocol):
    """Receives the metrics of every tick."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record the metrics of one step."""

    def rewind(self, step: int) -> None:
        """Forget what was logged after this step: training resumes from there (0: from the beginning)."""


class JsonLinesTracker:
    """One JSON object a line, ``{"step": 100, "loss": 0.5}``; readable while training runs."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one line."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step} | dict(metrics) | {"step": step}) + "\n")

    def rewind(self, step: int) -> None:
        """Drop the lines after ``step``, and a last line that a kill cut short."""
        if self.path.exists():
            kept = [line for line in read_json_lines(self.path) if line["step"] <= step]
            write_atomic(self.path, "".join(json.dumps(line) + "\n" for line in kept).encode())


def read_json_lines(path: str | Path) -> list[dict[str, Any]]:
    """Read the lines of a :class:`JsonLinesTracker`; an unfinished last line is left out."""
    lines = []
    for text in Path(path).read_text("utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


class TensorBoardTracker:
    """Scalars for TensorBoard.

    Raises
    ------
    ValueError
        The tensorboard package is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ValueError("tracking to TensorBoard needs the package: pip install tensorboard") from error
        self.folder, self._make = Path(folder), SummaryWriter
        self._writer: Any = None

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add one scalar a metric."""
        if self._writer is None:
            self.rewind(step)
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def image(self, name: str, pixels: Any, step: int) -> None:
        """Add a picture, ``(H, W, 3)`` 8-bit."""
        if self._writer is None:
            self.rewind(step)
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def rewind(self, step: int) -> None:
        """Reopen so that TensorBoard hides what was logged after ``step``."""
        self.close()
        self._writer = self._make(str(self.folder), purge_step=step + 1)

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
