# SPDX-License-Identifier: Apache-2.0
"""Pictures of what was learnt: map, photo and sample side by side, a pair a row."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spade_core.checkpoint import write_atomic
from spade_image.palette import Palette, class_colours
from spade_image.preprocess import to_uint8

__all__ = ["colour_table", "coloured", "grid", "png_bytes", "write_png"]

GAP = 2
_PAPER = 255


def colour_table(n_classes: int, palette: Palette | None = None) -> NDArray[np.uint8]:
    """Return ``(256 or more, 3)`` colours by id: the palette's where it has one, black for ids without class."""
    table = np.zeros((max(256, n_classes), 3), dtype=np.uint8)
    table[:n_classes] = class_colours(n_classes)
    known: Mapping[int, tuple[int, int, int]] = {} if palette is None else palette.colours()
    for i, colour in known.items():
        if 0 <= i < len(table):
            table[i] = colour
    return table


def coloured(ids: NDArray[np.integer], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint ids ``(..., H, W)`` to ``(..., H, W, 3)``."""
    return table[np.clip(ids, 0, len(table) - 1)]


def pixels_of(images: Tensor) -> NDArray[np.uint8]:
    """Turn ``(B, 3, H, W)`` in [-1, 1] into ``(B, H, W, 3)`` 8-bit."""
    out: NDArray[np.uint8] = to_uint8(images).movedim(1, -1).cpu().numpy()
    return out


def grid(columns: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Set pictures side by side: a list of columns, each ``(B, H, W, 3)``, to one ``(H', W', 3)`` picture.

    Small pictures are enlarged (whole factors) so that a row is at least 96 pixels high.
    """
    stacked = np.stack([np.asarray(c) for c in columns], 1)  # (B, columns, H, W, 3)
    factor = max(1, -(-96 // stacked.shape[2]))
    stacked = stacked.repeat(factor, 2).repeat(factor, 3)
    rows, width, h, w, _ = stacked.shape
    out = np.full((rows * (h + GAP) - GAP, width * (w + GAP) - GAP, 3), _PAPER, dtype=np.uint8)
    for i in range(rows):
        for j in range(width):
            out[i * (h + GAP) : i * (h + GAP) + h, j * (w + GAP) : j * (w + GAP) + w] = stacked[i, j]
    return out


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file's bytes of ``(H, W, 3)`` pixels."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a PNG whole or not at all, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, png_bytes(pixels))
