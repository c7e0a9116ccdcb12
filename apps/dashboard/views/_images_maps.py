# SPDX-License-Identifier: Apache-2.0
"""The painted map as a choice: a start's name, or the map itself as text; from a file, and to one."""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from ..kinds import Choice
from ..map_painter import LONGEST, decode, encode, resized
from ..map_painter.codes import Ids
from ..state import get, put
from ._images_models import UNLABELLED
from ._images_starts import start_map

if TYPE_CHECKING:
    from torch import Tensor

    from spade_image import ImageModel
    from spade_image.labels import LabelShift

__all__ = [
    "MAP", "MAX_IMAGE_BYTES", "chosen_map", "keep_map", "map_png", "read_label_map", "read_photo_file", "sides_of",
]  # fmt: skip

MAX_IMAGE_BYTES = 8 * 2**20
MAX_PIXELS = 24_000_000
HERE = "here:"
MOST_SIDE = 512


def _read(said: str) -> str:
    if said.startswith("z") and len(said) > 60:
        decode(said)
    elif not re.fullmatch(r"[a-z]{0,20}|seed:\d{1,9}|here:[0-9a-f]{12}", said):
        raise ValueError("expected a start's name or a painted map")
    return said


MAP: Choice[str] = Choice("map", "", _read)
"""Empty: the first start. ``here:…``: a map too rich for an address, kept in this session."""


def sides_of(model: ImageModel) -> list[int]:
    """Longest sides, pixels, that this model can draw here."""
    own = max(model.options.output_size)
    usual = [side for side in (64, 96, 128, 192, 256, 384, MOST_SIDE) if side % model.grid == 0]
    return sorted({*usual, own} if own <= MOST_SIDE else set(usual))


def chosen_map(model: ImageModel, side: int) -> Ids:
    """The map that is chosen now, its longest side `side` pixels, every id one of the model's classes."""
    said = get(MAP)
    names = tuple(model.label_names)
    tall, wide = model.options.output_size
    width, height = _fit(wide, tall, side, model.grid)
    ids: Ids | None = None
    if said.startswith(HERE):
        ids = st.session_state.get("images:maps", {}).get(said)
        if ids is None:
            put(MAP, "")
            st.info(
                "The painted map of this link was too rich for an address and lives in the session that painted it: "
                "here is a map to start from.",
                icon=":material/link_off:",
            )
    elif len(said) > 60:
        ids = decode(said)
    if ids is None:
        return start_map(get(MAP), names, model.options.label_nc, width, height)
    width, height = _fit(ids.shape[1], ids.shape[0], side, model.grid)
    known = np.zeros(256, bool)
    known[: model.options.label_nc] = True
    known[UNLABELLED] = model.options.contain_dontcare_label
    ids = ids if ids.shape == (height, width) else resized(ids, width, height)
    return np.where(known[ids], ids, 0).astype(np.uint8)


def _fit(width: int, height: int, side: int, grid: int) -> tuple[int, int]:
    """Width and height with these proportions, both multiples of the grid."""
    scale = side / max(width, height)
    return max(grid, round(width * scale / grid) * grid), max(grid, round(height * scale / grid) * grid)


def keep_map(ids: Ids) -> None:
    """Make a map the chosen one; in the address where it fits, else in this session."""
    said = encode(ids)
    if len(said) > LONGEST:
        said = HERE + hashlib.sha256(said.encode()).hexdigest()[:12]
        kept: dict[str, Ids] = st.session_state.setdefault("images:maps", {})
        kept[said] = ids.copy()
        while len(kept) > 20:
            kept.pop(next(iter(kept)))
    put(MAP, said)


# ---- files


def read_label_map(model: ImageModel, name: str, content: bytes) -> Ids:
    """An uploaded label map at its own size, checked by the image side's own reader.

    Raises
    ------
    InputError
        Too large, no picture, or ids and colours that the model does not know.
    """
    from spade_image.exceptions import InputError
    from spade_image.inputs import check_ids, palette_for_labels
    from spade_image.labels import read_ids

    _measure(name, content)
    with tempfile.TemporaryDirectory(prefix="spade-upload-") as outer:
        place = Path(outer) / "map" / "upload.png"  # palettes are looked for beside a map and above it
        place.parent.mkdir()
        place.write_bytes(content)
        shift: LabelShift = "ade20k" if model.provenance.get("label_shift") == "ade20k" else "none"
        try:
            ids = read_ids(place, palette_for_labels(model, place), shift)
            check_ids(model, ids, place)
        except InputError as error:
            raise InputError(str(error).replace(str(place), name)) from None
    if max(ids.shape) > 8 * min(ids.shape):
        raise InputError(
            f"{name} has {ids.shape[1]}x{ids.shape[0]} pixels: sides of at most 1 to 8 are drawn here"
        )
    scale = min(1.0, MOST_SIDE / max(ids.shape))
    width, height = (max(1, round(n * scale)) for n in (ids.shape[1], ids.shape[0]))
    return resized(ids.astype(np.uint8), width, height)


def read_photo_file(name: str, content: bytes) -> Tensor:
    """An uploaded photo as the encoder reads it, ``(1, 3, 256, 256)``.

    Raises
    ------
    InputError
        Too large, or no picture.
    """
    from spade_image.exceptions import InputError
    from spade_image.inputs import style_photo

    _measure(name, content)
    with tempfile.TemporaryDirectory(prefix="spade-upload-") as folder:
        place = Path(folder) / "photo"
        place.write_bytes(content)
        try:
            return style_photo(place)
        except InputError as error:
            raise InputError(str(error).replace(str(place), name)) from None


def _measure(name: str, content: bytes) -> None:
    """Refuse what is too large before a pixel of it is unpacked."""
    from PIL import Image, UnidentifiedImageError

    from spade_image.exceptions import InputError

    if len(content) > MAX_IMAGE_BYTES:
        raise InputError(
            f"{name} has {len(content) / 2**20:.0f} MB; at most {MAX_IMAGE_BYTES // 2**20} MB are read here: "
            "make it smaller"
        )
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")) as found:
            width, height = found.size
    except Image.DecompressionBombError:
        raise InputError(
            f"{name} has far more than the {MAX_PIXELS // 10**6} million pixels that are read here: make it smaller"
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise InputError(f"{name} is no picture that can be read: upload a PNG") from None
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} has {width:,}x{height:,} pixels; at most {MAX_PIXELS // 10**6} million are read here: "
            "make it smaller"
        )


def map_png(model: ImageModel, ids: Ids, colors: list[str]) -> bytes:
    """The map as a palette PNG: its numbers are the ids, its colours the classes', so that it can be read back."""
    from PIL import Image

    table = np.zeros((256, 3), np.uint8)
    for i, color in enumerate(colors):
        table[i if i < model.options.label_nc else UNLABELLED] = [
            int(color[k : k + 2], 16) for k in (1, 3, 5)
        ]
    image = Image.fromarray(ids, "P")
    image.putpalette(table.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
