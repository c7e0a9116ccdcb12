# SPDX-License-Identifier: Apache-2.0
"""Which photo belongs to which label file, in the folder layouts that users have.

===========  ===============================================================================================
layout       files
===========  ===============================================================================================
folders      ``{train,val}_img``, ``{train,val}_label`` and, if there are instances, ``{train,val}_inst``
cityscapes   ``leftImg8bit/{train,val}/*/*_leftImg8bit.png`` and
             ``gtFine/{train,val}/*/*_{labelIds,instanceIds}.png``
ade20k       one tree of ``*_train_*`` and ``*_val_*``, .jpg and .png; or
             ``{images,annotations}/{training,validation}``
custom       ``images``, ``labels`` (and ``instances``), or three folders given by name
===========  ===============================================================================================

Files pair by equal stems (Cityscapes: by the first three parts between underscores), in natural order. A layout
without a validation part lends every tenth training pair to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from spade_image.exceptions import InputError

__all__ = ["LAYOUTS", "Folders", "Layout", "Listing", "Pair", "detect_layout", "list_pairs", "natural"]

Layout = Literal["auto", "folders", "cityscapes", "ade20k", "custom"]
LAYOUTS = ("folders", "cityscapes", "ade20k", "custom")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
HOLD_OUT = 10

_ADE_FOLDERS = {"train": "training", "val": "validation", "test": "testing"}


@dataclass(frozen=True)
class Folders:
    """Where data lies: one folder in a known layout, or the custom folders by name."""

    data: Path
    layout: Layout = "auto"
    image_dir: Path | None = None
    label_dir: Path | None = None
    instance_dir: Path | None = None


@dataclass(frozen=True)
class Pair:
    """A photo, its label file, and its instance file if there is one."""

    stem: str
    image: Path
    label: Path
    instance: Path | None = None


@dataclass
class Listing:
    """The pairs of one split, and the files that have no partner."""

    layout: str
    split: str
    pairs: list[Pair] = field(default_factory=list)
    photos_alone: list[Path] = field(default_factory=list)
    labels_alone: list[Path] = field(default_factory=list)
    without_instance: list[Pair] = field(default_factory=list)
    doubles: list[Path] = field(default_factory=list)
    held_out: bool = False
    """Whether train and val were cut from the same files."""

    @property
    def has_instances(self) -> bool:
        """Whether any pair has an instance file."""
        return any(pair.instance is not None for pair in self.pairs)


def natural(text: str) -> list[tuple[int, int | str]]:
    """Sort key: numbers in a name by value, so that 2 comes before 10."""
    return [(0, int(p)) if p.isdigit() else (1, p.lower()) for p in re.split(r"(\d+)", text) if p]


def _files(folder: Path, pattern: str = "**/*") -> list[Path]:
    found = [p for p in folder.glob(pattern) if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    return sorted(found, key=lambda p: natural(p.relative_to(folder).as_posix()))


def detect_layout(data: Path) -> str:
    """Return the layout of a folder.

    Raises
    ------
    InputError
        It does not exist or is none of the known ones; the message lists what is expected and what is there.
    """
    if not data.is_dir():
        raise InputError(f"--data {data} is not a folder: give one that holds train_img and train_label")
    if (data / "leftImg8bit").is_dir() and (data / "gtFine").is_dir():
        return "cityscapes"
    if (data / "train_img").is_dir() or (data / "train_label").is_dir():
        return "folders"
    if (data / "images" / "training").is_dir() or next(data.glob("**/*_train_*.jpg"), None) is not None:
        return "ade20k"
    if (data / "images").is_dir() or (data / "labels").is_dir():
        return "custom"
    there = ", ".join(sorted(p.name for p in data.iterdir())[:8]) or "nothing"
    raise InputError(
        f"--data {data} is in no known layout (it holds {there}): make the folders train_img and train_label (and "
        "val_img, val_label), or give --image-dir and --label-dir"
    )


def list_pairs(folders: Folders, split: str = "train") -> Listing:
    """Pair the files of one split ("train", "val", or another that the layout has).

    Raises
    ------
    InputError
        A folder of the layout is missing.
    """
    custom = folders.image_dir is not None or folders.label_dir is not None
    layout = "custom" if custom else folders.layout
    if layout == "auto":
        layout = detect_layout(folders.data)  # type: ignore[assignment]
    if layout not in LAYOUTS:
        raise InputError(f"layout={layout!r} is unknown: choose one of auto, {', '.join(LAYOUTS)}")
    if not custom and not folders.data.is_dir():
        raise InputError(
            f"--data {folders.data} is not a folder: give one that holds train_img and train_label"
        )
    make: dict[str, Callable[[Folders, str], Listing | None]] = {
        "folders": _folders, "cityscapes": _cityscapes, "ade20k": _ade20k, "custom": _custom,
    }  # fmt: skip
    own = make[layout](folders, split)
    if own is not None and split != "train":
        return own
    if split not in ("train", "val"):
        raise InputError(
            f"--data {folders.data} has no split {split!r} in the layout {layout}: use train or val"
        )
    train = own if split == "train" else make[layout](folders, "train")
    if train is None:
        raise InputError(f"--data {folders.data}: no training part in the layout {layout}")
    if make[layout](folders, "val") is not None or len(train.pairs) < 2:
        return train
    # no validation part of its own: every tenth pair (of a few, the last)
    chosen = set(range(HOLD_OUT - 1, len(train.pairs), HOLD_OUT)) or {len(train.pairs) - 1}
    train.held_out, train.split = True, split
    train.pairs = [p for i, p in enumerate(train.pairs) if (i in chosen) == (split == "val")]
    return train


def _pair(
    layout: str,
    split: str,
    photos: Iterable[Path],
    labels: Iterable[Path],
    instances: Iterable[Path],
    key: Callable[[Path], str],
) -> Listing:
    listing = Listing(layout, split)

    def table(paths: Iterable[Path]) -> dict[str, Path]:
        out: dict[str, Path] = {}
        for path in paths:
            if out.setdefault(key(path), path) is not path:
                listing.doubles.append(path)
        return out

    by_photo, by_label, by_instance = table(photos), table(labels), table(instances)
    for name, photo in by_photo.items():
        if name not in by_label:
            listing.photos_alone.append(photo)
            continue
        pair = Pair(name, photo, by_label[name], by_instance.get(name))
        listing.pairs.append(pair)
        if by_instance and pair.instance is None:
            listing.without_instance.append(pair)
    listing.labels_alone = [path for name, path in by_label.items() if name not in by_photo]
    return listing


def _under(*folders: Path) -> Callable[[Path], str]:
    """Key: the path below whichever of the folders holds it, without suffix."""

    def key(path: Path) -> str:
        for folder in folders:
            if path.is_relative_to(folder):
                return path.relative_to(folder).with_suffix("").as_posix()
        return path.stem

    return key


def _of_folders(layout: str, split: str, image: Path, label: Path, instance: Path | None) -> Listing:
    for what, folder in (("photos", image), ("labels", label)):
        if not folder.is_dir():
            raise InputError(
                f"the folder of {what}, {folder}, does not exist: make it, or correct the option"
            )
    instances = _files(instance) if instance is not None and instance.is_dir() else []
    roots = [image, label, *([instance] if instance is not None else [])]
    return _pair(layout, split, _files(image), _files(label), instances, _under(*roots))


def _folders(where: Folders, split: str) -> Listing | None:
    image, label, instance = (where.data / f"{split}_{kind}" for kind in ("img", "label", "inst"))
    if split != "train" and not image.is_dir() and not label.is_dir():
        return None
    return _of_folders("folders", split, image, label, instance)


def _custom(where: Folders, split: str) -> Listing | None:
    if where.image_dir is not None or where.label_dir is not None:
        if where.image_dir is None or where.label_dir is None:
            raise InputError("--image-dir and --label-dir go together: give both")
        if split != "train":
            return None
        return _of_folders("custom", split, where.image_dir, where.label_dir, where.instance_dir)
    image, label, instance = (where.data / kind for kind in ("images", "labels", "instances"))
    if (image / "train").is_dir():
        if split != "train" and not (image / split).is_dir():
            return None
        return _of_folders("custom", split, image / split, label / split, instance / split)
    return None if split != "train" else _of_folders("custom", split, image, label, instance)


def _cityscapes(where: Folders, split: str) -> Listing | None:
    image, label = where.data / "leftImg8bit" / split, where.data / "gtFine" / split
    if split != "train" and not image.is_dir():
        return None
    for folder in (image, label):
        if not folder.is_dir():
            raise InputError(
                f"{folder} does not exist: unpack leftImg8bit and gtFine of Cityscapes side by side"
            )
    return _pair(
        "cityscapes",
        split,
        _files(image, "**/*_leftImg8bit.*"),
        _files(label, "**/*_labelIds.png"),
        _files(label, "**/*_instanceIds.png"),
        lambda path: "_".join(path.stem.split("_")[:3]),
    )


def _ade20k(where: Folders, split: str) -> Listing | None:
    folder = _ADE_FOLDERS.get(split, split)
    image, label = where.data / "images" / folder, where.data / "annotations" / folder
    if (where.data / "images").is_dir():
        if split != "train" and not image.is_dir():
            return None
        return _of_folders("ade20k", split, image, label, None)
    files = [p for p in _files(where.data) if f"_{split}_" in p.name]
    if split != "train" and not files:
        return None
    photos = [p for p in files if p.suffix.lower() in (".jpg", ".jpeg")]
    labels = [p for p in files if p.suffix.lower() == ".png" and not re.search(r"_(seg|parts_\d+)$", p.stem)]
    return _pair("ade20k", split, photos, labels, [], lambda path: path.stem)
