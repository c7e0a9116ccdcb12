# SPDX-License-Identifier: Apache-2.0
"""Drawn scenes for the preset ``tiny``: sky over ground with a disc, a box and a triangle, and their exact maps.

:func:`write_scenes` writes them, or the richer ones of :mod:`spade_image.landscapes`, as a folder of pairs. Nothing to
download and nobody's rights; the same for the same seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spade_core.checkpoint import write_atomic
from spade_core.seeding import derive_seed
from spade_image.exceptions import InputError

__all__ = ["CLASSES", "Scene", "draw_scene", "write_scenes"]

CLASSES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("sky", (120, 180, 240)),
    ("ground", (70, 140, 60)),
    ("disc", (240, 200, 60)),
    ("box", (190, 70, 60)),
    ("triangle", (110, 70, 160)),
)
"""Name and typical colour by id."""


@dataclass(frozen=True)
class Scene:
    """Photo ``(H, W, 3)`` 8-bit, class ids ``(H, W)``, instance ids ``(H, W)`` (0 where there is no object)."""

    photo: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    instances: NDArray[np.uint16]


def draw_scene(seed: int, number: int, width: int = 32, height: int = 32) -> Scene:
    """Draw scene ``number`` of a seed.

    Parameters
    ----------
    seed, number : int
    width, height : int
        Pixels, at least 8 each.

    Raises
    ------
    InputError
        A side below 8.
    """
    if min(width, height) < 8:
        raise InputError(f"a scene of {width}x{height} pixels is too small: give sides of 8 or more")
    rng = np.random.default_rng(derive_seed(seed, "scene", number))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    ids = np.zeros((height, width), dtype=np.uint8)
    instances = np.zeros((height, width), dtype=np.uint16)
    ids[y > height * rng.uniform(0.45, 0.7)] = 1
    for k in range(1, int(rng.integers(2, 5))):
        shape = int(rng.integers(2, 5))
        size = min(width, height) * rng.uniform(0.12, 0.25)
        dx, dy = x - width * rng.uniform(0.1, 0.9), y - height * rng.uniform(0.2, 0.85)
        inside = {
            2: dx**2 + dy**2 < size**2,
            3: (np.abs(dx) < size) & (np.abs(dy) < size),
            4: (dy > -size) & (dy < size) & (np.abs(dx) < (dy + size) / 2),
        }[shape]
        ids[inside], instances[inside] = shape, k
    colours = np.array([colour for _, colour in CLASSES], dtype=np.float64)
    colours = colours * rng.uniform(0.9, 1.1, (len(CLASSES), 1))  # weather
    photo = colours[ids] * (1.05 - 0.1 * y / height)[..., None] + rng.normal(0, 4, (height, width, 3))
    return Scene(np.clip(photo, 0, 255).astype(np.uint8), ids, instances)


def write_scenes(
    folder: str | Path,
    *,
    n_train: int = 96,
    n_val: int = 24,
    width: int = 32,
    height: int = 32,
    seed: int = 0,
    instances: bool = False,
    kind: str = "shapes",
) -> Path:
    """Write scenes in the layout ``{train,val}_{img,label[,inst]}`` with a ``dataset.json``.

    Parameters
    ----------
    folder : path
        New or empty.
    n_train, n_val : int
    width, height : int
        Pixels.
    seed : int
    instances : bool
        Instance maps too.
    kind : "shapes" or "landscapes"
        :func:`draw_scene` or :func:`spade_image.landscapes.draw_landscape`.

    Raises
    ------
    InputError
        The folder holds something already, a count is below 1, or an unknown kind.
    """
    from PIL import Image

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty: give a new folder for the drawn scenes")
    if n_train < 1 or n_val < 1:
        raise InputError(f"n_train={n_train}, n_val={n_val}: draw at least one scene each")
    draw, named = _drawer(kind)
    draw(seed, 0, width, height)  # a size that is too small ends here, before anything is written
    kinds = ("img", "label", "inst") if instances else ("img", "label")
    for split, first, count in (("train", 0, n_train), ("val", n_train, n_val)):
        for part in kinds:
            (folder / f"{split}_{part}").mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            scene = draw(seed, number, width, height)
            name = f"scene{number:05d}.png"
            Image.fromarray(scene.photo).save(folder / f"{split}_img" / name)
            Image.fromarray(scene.ids).save(folder / f"{split}_label" / name)
            if instances:
                Image.fromarray(scene.instances).save(folder / f"{split}_inst" / name)
    classes = [{"id": i, "name": name, "color": list(colour)} for i, (name, colour) in enumerate(named)]
    described = {
        "name": kind,
        "label_nc": len(named),
        "dontcare": None,
        "classes": classes,
        "seed": seed,
    }
    write_atomic(folder / "dataset.json", (json.dumps(described, indent=1) + "\n").encode())
    return folder


def _drawer(
    kind: str,
) -> tuple[Callable[[int, int, int, int], Scene], tuple[tuple[str, tuple[int, int, int]], ...]]:
    if kind == "shapes":
        return draw_scene, CLASSES
    if kind == "landscapes":
        from spade_image import landscapes

        return landscapes.draw_landscape, landscapes.CLASSES
    raise InputError(f"kind={kind!r} is unknown: choose one of shapes, landscapes")
