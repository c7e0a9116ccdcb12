# SPDX-License-Identifier: Apache-2.0
"""Maps to start from: small scenes where the model's classes have everyday names, plain shapes for any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..map_painter.codes import Ids

__all__ = ["start_map", "start_names"]

Grid = NDArray[np.float64]
LANDSCAPE = frozenset({"sky", "sun", "mountain", "grass", "water", "road", "tree", "house", "roof"})


class _Scene:
    """A map under construction; places are shares of the width and the height."""

    def __init__(self, names: Sequence[str], width: int, height: int) -> None:
        self.id = {name: i for i, name in enumerate(names)}
        self.ids = np.zeros((height, width), np.uint8)
        self.y, self.x = (np.mgrid[0:height, 0:width] + 0.5) / np.array([height, width])[:, None, None]

    def put(self, name: str, where: NDArray[np.bool_]) -> None:
        self.ids[where] = self.id[name]

    def land(self, horizon: float) -> None:
        self.ids[:] = self.id["sky"]
        self.put("grass", self.y > horizon)

    def ellipse(self, name: str, x: float, y: float, a: float, b: float) -> None:
        self.put(name, ((self.x - x) / a) ** 2 + ((self.y - y) / b) ** 2 < 1)

    def peak(self, x: float, top: float, foot: float, half: float) -> None:
        slope = np.abs(self.x - x) / half
        self.put("mountain", (self.y > top + (foot - top) * slope) & (self.y < foot) & (slope < 1))

    def tree(self, x: float, foot: float, size: float) -> None:
        self.put("tree", (np.abs(self.x - x) < 0.09 * size) & (self.y < foot) & (self.y > foot - 0.5 * size))
        self.ellipse("tree", x, foot - 0.62 * size, 0.34 * size, 0.4 * size)

    def house(self, x: float, foot: float, size: float) -> None:
        self.put("house", (np.abs(self.x - x) < 0.5 * size) & (self.y < foot) & (self.y > foot - 0.6 * size))
        up = (foot - 0.6 * size - self.y) / (0.42 * size)
        self.put("roof", (up >= 0) & (up < 1) & (np.abs(self.x - x) < 0.58 * size * (1 - 0.8 * up)))


def _valley(s: _Scene) -> None:
    s.land(0.52)
    s.ellipse("sun", 0.24, 0.17, 0.07, 0.07)
    for x, top, half in ((0.12, 0.3, 0.24), (0.72, 0.16, 0.34), (0.45, 0.34, 0.24), (0.98, 0.33, 0.2)):
        s.peak(x, top, 0.53, half)
    depth = np.clip((s.y - 0.53) / 0.47, 0, 1)
    s.put("road", (s.y > 0.53) & (np.abs(s.x - 0.55 + 0.2 * np.sin(3.2 * depth)) < 0.012 + 0.1 * depth**1.3))
    s.house(0.22, 0.74, 0.21)
    s.tree(0.06, 0.8, 0.3)
    s.tree(0.84, 0.76, 0.26)
    s.tree(0.95, 0.88, 0.36)


def _lake(s: _Scene) -> None:
    s.land(0.46)
    s.ellipse("sun", 0.75, 0.2, 0.075, 0.075)
    s.peak(0.3, 0.2, 0.47, 0.34)
    s.peak(0.62, 0.31, 0.47, 0.26)
    s.ellipse("water", 0.52, 0.72, 0.42, 0.17)
    for x, foot, size in ((0.07, 0.62, 0.24), (0.16, 0.58, 0.18), (0.93, 0.66, 0.28), (0.88, 0.97, 0.32)):
        s.tree(x, foot, size)


def _village(s: _Scene) -> None:
    s.land(0.5)
    s.peak(0.8, 0.33, 0.51, 0.3)
    depth = np.clip((s.y - 0.5) / 0.5, 0, 1)
    s.put("road", (s.y > 0.51) & (np.abs(s.x - 0.48 - 0.08 * depth) < 0.015 + 0.16 * depth**1.2))
    for x, foot, size in ((0.66, 0.64, 0.15), (0.3, 0.65, 0.16), (0.84, 0.76, 0.23), (0.14, 0.82, 0.27)):
        s.house(x, foot, size)
    s.tree(0.42, 0.6, 0.15)
    s.tree(0.97, 0.94, 0.36)


def _coast(s: _Scene) -> None:
    s.land(0.5)
    s.ellipse("sun", 0.5, 0.3, 0.08, 0.08)
    shore = 0.66 + 0.22 * s.x + 0.03 * np.sin(9 * s.x)
    s.put("water", (s.y > 0.45) & (s.y < shore))
    s.peak(0.9, 0.33, 0.46, 0.16)
    s.house(0.2, 0.85, 0.2)
    s.tree(0.4, 0.93, 0.26)
    s.tree(0.06, 0.82, 0.24)


def _meadow(s: _Scene) -> None:
    s.land(0.5)


_SCENES: dict[str, Callable[[_Scene], None]] = {
    "valley": _valley, "lake": _lake, "village": _village, "coast": _coast, "meadow": _meadow,
}  # fmt: skip


def _plain(count: int, width: int, height: int) -> Ids:
    return np.zeros((height, width), np.uint8)


def _bands(count: int, width: int, height: int) -> Ids:
    rows = np.arange(height) * min(count, 6) // height
    return np.ascontiguousarray(np.broadcast_to(rows[:, None], (height, width))).astype(np.uint8)


def _discs(count: int, width: int, height: int) -> Ids:
    ids = _plain(count, width, height)
    y, x = np.mgrid[0:height, 0:width] + 0.5
    places = ((0.3, 0.32), (0.7, 0.3), (0.5, 0.68), (0.2, 0.8), (0.82, 0.75))
    for i, (left, top) in enumerate(places[: max(1, count - 1)]):
        ids[np.hypot(x - left * width, y - top * height) < 0.17 * min(width, height)] = min(i + 1, count - 1)
    return ids


_SHAPES: dict[str, Callable[[int, int, int], Ids]] = {"discs": _discs, "bands": _bands, "plain": _plain}


def start_names(names: Sequence[str]) -> list[str]:
    """Starts that suit a model of these classes; the first is where a reader begins."""
    return list(_SCENES) if set(names) >= LANDSCAPE else list(_SHAPES)


def start_map(start: str, names: Sequence[str], count: int, width: int, height: int) -> Ids:
    """The map of a start, or of ``seed:17``: a landscape drawn by chance. Unknown starts give the first."""
    known = start_names(names)
    if known[0] not in _SCENES:
        return _SHAPES.get(start, _SHAPES[known[0]])(count, width, height)
    if start.startswith("seed:"):
        from spade_image.landscapes import CLASSES, draw_map

        drawn, _ = draw_map(np.random.default_rng(int(start[5:])), width, height)
        order = np.array([list(names).index(name) for name, _ in CLASSES], np.uint8)
        chance: Ids = order[drawn]
        return chance
    scene = _Scene(names, width, height)
    _SCENES.get(start, _SCENES[known[0]])(scene)
    return scene.ids
