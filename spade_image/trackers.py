# SPDX-License-Identifier: Apache-2.0
"""Where a training's numbers and pictures go: JSON lines always, TensorBoard where wanted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spade_core.distributed import is_main
from spade_core.tracking import JsonLinesTracker

__all__ = ["Trackers"]


class Trackers:
    """JSON lines always, TensorBoard (scalars and pictures) where wanted."""

    def __init__(self, out: Path, tensorboard: bool) -> None:
        self.lines = JsonLinesTracker(out / "metrics.jsonl")
        self.board: Any = None
        if tensorboard and is_main():
            from spade_core.tracking import TensorBoardTracker

            self.board = TensorBoardTracker(out / "logs")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write a tick's metrics."""
        self.lines.log(step, metrics)
        if self.board is not None:
            self.board.log(step, metrics)

    def image(self, name: str, pixels: Any, step: int) -> None:
        """Show a picture ``(H, W, 3)``, 8-bit, to TensorBoard."""
        if self.board is not None:
            self.board.image(name, pixels, step)

    def rewind(self, step: int) -> None:
        """Forget what lies after a step."""
        self.lines.rewind(step)
        if self.board is not None:
            self.board.rewind(step)

    def close(self) -> None:
        """Write what is still held back."""
        if self.board is not None:
            self.board.close()
