# SPDX-License-Identifier: Apache-2.0
"""Label maps, instances and photos for a trained model: found, read, and checked against what the model knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spade_image.data import _nearest, unknown_ids
from spade_image.exceptions import InputError
from spade_image.labels import LabelShift, is_coloured, pixels_of_label, read_ids, read_instances, read_photo
from spade_image.layouts import SUFFIXES, natural
from spade_image.palette import PALETTE_FILES, Palette, codes_of, from_code, read_palette, recognise
from spade_image.preprocess import DONTCARE, photo_tensor

if TYPE_CHECKING:
    from spade_image.model import ImageModel

__all__ = [
    "LabelFile",
    "fitting_sizes",
    "list_labels",
    "map_size",
    "read_map",
    "style_photo",
    "styles_listed",
]


MOST_PIXELS = 1 << 27
"""Of one picture: 11,585 squared, for which even tiles need gigabytes."""


@dataclass(frozen=True)
class LabelFile:
    """A label file, the name its pictures get, and its instance file and photo where there are any."""

    stem: str
    label: Path
    instance: Path | None = None
    photo: Path | None = None


def pictures_in(folder: Path) -> list[Path]:
    """Return the picture files below a folder, in natural order."""
    found = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return sorted(found, key=lambda p: natural(p.relative_to(folder).as_posix()))


def list_labels(labels: Path, instances: Path | None = None, photos: Path | None = None) -> list[LabelFile]:
    """List one label file or those of a folder, with partners of equal names.

    Raises
    ------
    InputError
        Nothing is there, two files would have pictures of one name, or a partner is missing.
    """
    if not labels.exists():
        raise InputError(f"--labels {labels} does not exist: give a label map or a folder of them")
    files = pictures_in(labels) if labels.is_dir() else [labels]
    if not files:
        raise InputError(f"--labels {labels} holds no picture: give a folder of label maps (.png)")
    stems: dict[str, Path] = {}
    for path in files:
        stem = path.relative_to(labels).with_suffix("").as_posix() if labels.is_dir() else path.stem
        if stem in stems:
            raise InputError(
                f"{stems[stem].name} and {path.name} would both be written as {stem}.png: rename one"
            )
        stems[stem] = path

    def partner(what: str, where: Path | None, stem: str) -> Path | None:
        if where is None:
            return None
        if where.is_file() and len(stems) == 1:
            return where
        if not where.is_dir():
            raise InputError(f"--{what} {where} is no folder: give one with a file for each label map")
        for suffix in SUFFIXES:
            if (where / f"{stem}{suffix}").is_file():
                return where / f"{stem}{suffix}"
        raise InputError(f"--{what} {where} has no file named {stem}: every label map needs one of its name")

    return [
        LabelFile(stem, path, partner("instances", instances, stem), partner("photos", photos, stem))
        for stem, path in stems.items()
    ]


# ---- colours ----


def palette_of(model: ImageModel) -> Palette | None:
    """Return the model's own colours as a palette; black is dontcare where no class has it."""
    if not model.palette:
        return None
    ids: dict[tuple[int, int, int], int] = {}
    for i, (r, g, b) in enumerate(model.palette):
        ids.setdefault((int(r), int(g), int(b)), i)
    if model.options.contain_dontcare_label:
        ids.setdefault((0, 0, 0), DONTCARE)
    return Palette(ids, dict(enumerate(model.label_names)), "the model's own palette")


def palette_for_labels(model: ImageModel, labels: Path, given: Path | None = None) -> Palette | None:
    """Return by which colours masks are read: given; a palette file beside them or above; the model's own; a known one.

    Files of ids need none, and get None where nothing says otherwise.
    """
    if given is not None:
        return read_palette(given)
    files = pictures_in(labels) if labels.is_dir() else [labels]
    colours: set[tuple[int, int, int]] = set()
    for path in files[:20]:
        pixels = pixels_of_label(path)
        if is_coloured(pixels):
            colours |= {from_code(int(c)) for c in np.unique(codes_of(pixels.astype(np.uint8)))[:1000]}
    if not colours:
        return None
    own = palette_of(model)
    if own is not None and colours <= own.ids.keys():
        return own
    folder = labels if labels.is_dir() else labels.parent
    for place in (folder, folder.parent):
        for name in PALETTE_FILES:
            if (place / name).is_file():
                return read_palette(place / name)
    return recognise(colours) or own


# ---- sizes ----


def fitting_sizes(width: int, height: int, step: int) -> list[tuple[int, int]]:
    """Return the nearest smaller and larger (width, height) whose sides are multiples of ``step``."""
    below = tuple(max(step, side // step * step) for side in (width, height))
    above = tuple(-(-side // step) * step for side in (width, height))
    return list(dict.fromkeys([(below[0], below[1]), (above[0], above[1])]))


def map_size(
    model: ImageModel, size: str, width: int, height: int, where: Path | str = "the map"
) -> tuple[int, int]:
    """Return the width and height at which to draw a map.

    Parameters
    ----------
    model : ImageModel
    size : str
        "map" (as it is), "nearest" (as it is if that fits, else the nearest size that does), "model" (as in training),
        or "512x256".
    width, height : int
        The map's.
    where : path
        For the message.

    Raises
    ------
    InputError
        The size does not fit the model's grid; the message names the nearest that do.
    """
    width_height = _size_asked(model, size, width, height, where)
    pixels = width_height[0] * width_height[1]
    if pixels > MOST_PIXELS:
        raise InputError(
            f"{where} would be drawn at {width_height[0]}x{width_height[1]}, {pixels / 1e6:,.0f} million pixels, more "
            f"than {MOST_PIXELS / 1e6:,.0f} million: draw it in parts"
        )
    return width_height


def _size_asked(model: ImageModel, size: str, width: int, height: int, where: Path | str) -> tuple[int, int]:
    step = model.grid
    if size == "model":
        tall, wide = model.options.output_size
        return wide, tall
    if size == "nearest":
        return max(step, round(width / step) * step), max(step, round(height / step) * step)
    if size == "map":
        chosen, source = (width, height), str(where)
    else:
        parts = size.lower().split("x")
        if len(parts) != 2 or not all(p.isdigit() and int(p) for p in parts):
            raise InputError(
                f"--size {size} is no size: give map, nearest, model, or WIDTHxHEIGHT such as 512x256"
            )
        chosen, source = (int(parts[0]), int(parts[1])), f"--size {size}"
    if chosen[0] % step or chosen[1] % step:
        near = " or ".join(f"{w}x{h}" for w, h in fitting_sizes(*chosen, step))
        raise InputError(
            f"{source} has {chosen[0]}x{chosen[1]} pixels, but this model draws sides that are multiples of {step}: "
            f"give --size {near}, or --size nearest (maps are resized by nearest neighbour)"
        )
    return chosen


# ---- files to tensors ----


@dataclass(frozen=True)
class LabelMap:
    """A map ready to draw: ids ``(H, W)`` and instance ids or None."""

    ids: Tensor
    instances: Tensor | None
    own_size: tuple[int, int]
    """Width and height of the file, pixels, before it was brought to the size of ``ids``."""


def read_map(
    model: ImageModel,
    file: LabelFile,
    *,
    size: str = "nearest",
    palette: Palette | None = None,
    shift: LabelShift = "none",
) -> LabelMap:
    """Read a label file, check its ids, and bring it to the size at which it is drawn.

    Raises
    ------
    InputError
        Damaged, an id or colour that the model does not know, a size that does not fit.
    """
    ids = read_ids(file.label, palette, shift)
    check_ids(model, ids, file.label)
    instances = None
    if file.instance is not None and not model.options.no_instance:
        instances = read_instances(file.instance)
        if instances.shape != ids.shape:
            raise InputError(
                f"{file.label.name} has {ids.shape[1]}x{ids.shape[0]} pixels but its instance map "
                f"{instances.shape[1]}x{instances.shape[0]}: bring both to one size"
            )
    width, height = map_size(model, size, ids.shape[1], ids.shape[0], file.label)
    resized = [None if a is None else _nearest(a, height, width) for a in (ids, instances)]
    assert resized[0] is not None
    return LabelMap(
        torch.from_numpy(resized[0].astype(np.int64)),
        None if resized[1] is None else torch.from_numpy(resized[1].astype(np.int64)),
        (ids.shape[1], ids.shape[0]),
    )


def check_ids(model: ImageModel, ids: NDArray[np.int32], where: Path) -> None:
    """Refuse ids that the model has no class for, naming file and ids."""
    o = model.options
    wrong = unknown_ids(np.unique(ids), o)
    if not len(wrong):
        return
    shown = ", ".join(map(str, wrong[:8])) + (", ..." if len(wrong) > 8 else "")
    names = (
        f" ({', '.join(model.label_names[:6])}{', ...' if o.label_nc > 6 else ''})"
        if model.label_names
        else ""
    )
    known = f"0..{o.label_nc - 1}{names}{f' and {DONTCARE} (dontcare)' if o.contain_dontcare_label else ''}"
    shift = "; ADE20K's files count from 1: --label-shift ade20k" if list(wrong) == [o.label_nc] else ""
    raise InputError(
        f"{where} holds the id(s) {shown}, but the model knows {known}: give these pixels one of those{shift}"
    )


def styles_listed(paths: list[Path]) -> list[Path]:
    """Return style photos, folders replaced by the pictures in them.

    Raises
    ------
    InputError
        A path does not exist, or a folder holds no picture.
    """
    out: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"--style {path} does not exist: give a photo, or a folder of them")
        found = pictures_in(path) if path.is_dir() else [path]
        if not found:
            raise InputError(f"--style {path} holds no picture: give a folder of photos")
        out += found
    return out


def style_photo(path: Path) -> Tensor:
    """Read a style photo as ``(1, 3, 256, 256)`` in [-1, 1], the size that the encoder reads."""
    from PIL import Image

    photo = read_photo(path)
    return photo_tensor(photo.resize((256, 256), Image.Resampling.BICUBIC))[None]
