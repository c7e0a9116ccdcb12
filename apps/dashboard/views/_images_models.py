# SPDX-License-Identifier: Apache-2.0
"""Image models: the small one that ships, and folders directly inside the configured one; loaded once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ..engine import models_folder
from ..kinds import Choice, text
from ..map_painter import MapClass
from ..state import bind, get, put

if TYPE_CHECKING:
    from spade_image import ImageModel

__all__ = ["IMAGE_MODEL", "classes_of", "image_model_names", "image_model_picker", "open_image_model"]

IMAGE_MODEL: Choice[str] = text("image_model", "", most=120)
"""Empty is the first that there is: the one that ships."""
TINY = "tiny"
UNLABELLED = 255
_FILES = ("config.json", "model.safetensors")


def image_model_names() -> list[str]:
    """``tiny`` and the image models of the configured folder."""
    folder = models_folder()
    names = [TINY] if _tiny_there() else []
    if folder is not None:
        names += sorted(p.name for p in folder.iterdir() if p.name != TINY and _usable(folder, p))
    return names


def _tiny_there() -> bool:
    from spade_image.embedded import tiny_folder
    from spade_image.exceptions import ModelError

    try:
        tiny_folder()
    except ModelError:
        return False
    return True


def _usable(folder: Path, place: Path) -> bool:
    """Whether `place` is an image model that really lies in `folder`, links followed."""
    try:
        inside = place.resolve().parent == folder and not place.name.startswith(".")
        files = [(place / name).resolve() for name in _FILES]
        if not inside or any(not f.is_file() or f.parent != place.resolve() for f in files):
            return False
        return bool(json.loads(files[0].read_text(encoding="utf-8")).get("kind") == "spade_image")
    except (OSError, ValueError, AttributeError):
        return False


def image_model_picker() -> None:
    """The widget that chooses the model."""
    names = image_model_names()
    if get(IMAGE_MODEL) == "" and names:
        put(IMAGE_MODEL, "" if names[0] == TINY else names[0])
    chosen = get(IMAGE_MODEL)
    options = list(dict.fromkeys(["" if n == TINY else n for n in names] + [chosen]))
    st.selectbox(
        "Image model", options, format_func=lambda n: n or "tiny (shipped)", **bind(IMAGE_MODEL),
        help="Folders that `spade-image train` or `spade-image convert` has written; they are looked for in the "
        "folder given as `spade-finance dashboard --models DIR`.",
    )  # fmt: skip


def open_image_model() -> ImageModel:
    """The chosen model, loaded once for all sessions.

    Raises
    ------
    InputError
        There is no such model, it is damaged, or it has more classes than a map of bytes can name.
    """
    from spade_image.embedded import tiny_folder
    from spade_image.exceptions import ModelError

    chosen = get(IMAGE_MODEL) or TINY
    names = image_model_names()
    if chosen != TINY and chosen not in names:
        there = f"choose one of {', '.join(names)}" if names else "there is none in the models' folder"
        raise ModelError(f"image model {chosen!r} is not there: {there}")
    folder = models_folder()
    place = tiny_folder() if chosen == TINY or folder is None else folder / chosen
    with st.spinner("Loading the image model…", show_time=True):
        model = _load(str(place), max((place / name).stat().st_mtime for name in _FILES))
    if model.options.label_nc > UNLABELLED:
        raise ModelError(
            f"image model {chosen} has {model.options.label_nc} classes; maps painted here name at most {UNLABELLED}: "
            "draw with 'spade-image generate'"
        )
    return model


@st.cache_resource(max_entries=3, show_spinner=False)
def _load(place: str, stamp: float) -> ImageModel:
    from spade_image import ImageModel

    model = ImageModel.load(place)
    model.discriminator = None  # of no use here, and often the larger half
    model.fast()
    return model


def classes_of(model: ImageModel) -> list[MapClass]:
    """The model's classes as brushes; names and colours are made up where it has none."""
    from spade_image.palette import class_colours

    count = model.options.label_nc
    colors = model.palette or class_colours(count)
    names = model.label_names or [f"class {i}" for i in range(count)]
    out = [MapClass(i, str(names[i]), _hex(colors[i])) for i in range(count)]
    if model.options.contain_dontcare_label:
        out.append(MapClass(UNLABELLED, "unlabelled", "#000000"))
    return out


def _hex(color: object) -> str:
    red, green, blue = (int(c) for c in color)  # type: ignore[attr-defined]
    return f"#{red:02x}{green:02x}{blue:02x}"
