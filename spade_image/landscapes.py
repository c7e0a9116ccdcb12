# SPDX-License-Identifier: Apache-2.0
"""Drawn landscapes: maps of nine everyday classes and pictures of them in the light of a day, for ``tiny_image_model``.

A map is made of a horizon, mountains, water, a road, houses and trees; one in four is painted over with free brush
strokes, as a user would. :mod:`spade_image.landscape_light` turns any such map into a picture, so that the pictures
of a training show exactly what their maps say. Nothing to download and nobody's rights; the same seed gives the same
scenes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_core.seeding import derive_seed
from spade_image.exceptions import InputError
from spade_image.landscape_light import (
    CLASSES,
    GRASS,
    HOUSE,
    MOUNTAIN,
    ROAD,
    ROOF,
    SKY,
    SUN,
    TREE,
    WATER,
    light,
)
from spade_image.scenes import Scene

__all__ = ["CLASSES", "draw_landscape", "draw_map"]

Bits = NDArray[np.bool_]
Grid = NDArray[np.float64]
_LEAST = 32


def draw_landscape(seed: int, number: int, width: int = 128, height: int = 128) -> Scene:
    """Draw landscape ``number`` of a seed: its map, and a picture of it in a light of its own.

    Parameters
    ----------
    seed, number : int
    width, height : int
        Pixels, at least 32 each.

    Returns
    -------
    Scene
        Instances number houses and trees.

    Raises
    ------
    InputError
        A side below 32.
    """
    if min(width, height) < _LEAST:
        raise InputError(
            f"a landscape of {width}x{height} pixels is too small: give sides of {_LEAST} or more"
        )
    rng = np.random.default_rng(derive_seed(seed, "landscape", number))
    ids, instances = draw_map(rng, 2 * width, 2 * height)
    photo = light(ids, rng)  # twice as fine as wanted, then averaged: smooth edges
    fine = photo.reshape(height, 2, width, 2, 3).mean((1, 3))
    return Scene(np.clip(fine + 0.5, 0, 255).astype(np.uint8), ids[1::2, 1::2], instances[1::2, 1::2])


def draw_map(
    rng: np.random.Generator, width: int, height: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Draw a map of classes ``(height, width)``, and the numbers of its houses and trees."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / height, x / width
    ids = np.full((height, width), SKY, dtype=np.uint8)
    instances = np.zeros((height, width), dtype=np.uint16)
    horizon = rng.uniform(0.38, 0.66)
    if rng.random() < 0.6:
        centre, size = (rng.uniform(0.1, 0.9), rng.uniform(0.08, horizon - 0.1)), rng.uniform(0.035, 0.075)
        ids[_ellipse(x, y, centre, size, size * width / height)] = SUN
    for _ in range(int(rng.integers(0, 3))):
        ids[y > horizon - _ridge(rng, x[0], rng.uniform(0.06, 0.28))[None, :]] = MOUNTAIN
    ids[y > horizon + _wave(rng, x[0], 0.015)[None, :]] = GRASS
    if rng.random() < 0.65:
        ids[_water(rng, x, y, horizon)] = WATER
    if rng.random() < 0.6:
        ids[_road(rng, x, y, horizon)] = ROAD
    if rng.random() < 0.25:
        _brush(rng, ids, x, y)
    things = [(float(b), "house") for b in rng.uniform(horizon + 0.05, 0.98, int(rng.integers(0, 4)))]
    things += [(float(b), "tree") for b in rng.uniform(horizon, 1.05, int(rng.integers(0, 8)))]
    for k, (base, kind) in enumerate(sorted(things), start=1):  # the far ones first
        near = 0.5 + 1.1 * (base - horizon) / (1.0 - horizon)
        at = rng.uniform(0.0, 1.0)
        parts = (_house if kind == "house" else _tree)(rng, x, y, at, base, near)
        for number, where in parts:
            ids[where], instances[where] = number, k
    return ids, instances


# ---- parts of the land ----


def _ellipse(x: Grid, y: Grid, centre: tuple[float, float], a: float, b: float) -> Bits:
    return ((x - centre[0]) / a) ** 2 + ((y - centre[1]) / b) ** 2 < 1


def _wave(rng: np.random.Generator, x: Grid, size: float) -> Grid:
    """A smooth random line over x."""
    total = np.zeros_like(x)
    for k in range(1, 5):
        total += np.sin(2 * np.pi * (k * x * rng.uniform(0.6, 1.2) + rng.random())) * rng.normal() / k
    return size * total


def _ridge(rng: np.random.Generator, x: Grid, size: float) -> Grid:
    """The outline of mountains: straight slopes between random peaks, with small teeth."""
    count = int(rng.integers(4, 9))
    at = np.sort(rng.uniform(-0.15, 1.15, count))
    heights = rng.uniform(0.1, 1.0, count)
    heights[::2] *= 0.35
    line = np.interp(x, at, heights)
    teeth = np.interp(x, np.linspace(0, 1, 40), rng.normal(0, 0.05, 40))
    return size * np.clip(line + teeth, 0.0, None)


def _water(rng: np.random.Generator, x: Grid, y: Grid, horizon: float) -> Bits:
    kind = rng.random()
    land = y > horizon + 0.02
    if kind < 0.4:  # the sea up to the horizon, with a shore
        shore = horizon + rng.uniform(0.1, 0.6) * (1 - horizon) + _wave(rng, x[0], 0.03)[None, :]
        return (y > horizon) & (y < shore)
    if kind < 0.7:  # the foreground
        shore = horizon + rng.uniform(0.35, 0.7) * (1 - horizon) + _wave(rng, x[0], 0.03)[None, :]
        return y > shore
    centre = (rng.uniform(0.1, 0.9), rng.uniform(horizon + 0.12, 0.95))
    return land & _ellipse(x, y, centre, rng.uniform(0.15, 0.45), rng.uniform(0.05, 0.13))


def _road(rng: np.random.Generator, x: Grid, y: Grid, horizon: float) -> Bits:
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    ends = rng.uniform(0.2, 0.8), rng.uniform(0.0, 1.0)
    bend = rng.normal(0, 0.25)
    middle = ends[0] + (ends[1] - ends[0]) * depth**1.3 + bend * depth * (1 - depth)
    return (y > horizon + 0.015) & (np.abs(x - middle) < 0.008 + rng.uniform(0.07, 0.2) * depth**1.2)


def _house(
    rng: np.random.Generator, x: Grid, y: Grid, at: float, base: float, near: float
) -> list[tuple[int, Bits]]:
    half, tall = near * rng.uniform(0.09, 0.16), near * rng.uniform(0.11, 0.22)
    peak = near * rng.uniform(0.07, 0.14)
    wall = (np.abs(x - at) < half) & (y < base) & (y > base - tall)
    up = (base - tall - y) / peak  # 0 at the eaves, 1 at the ridge
    flat = rng.choice([0.0, 0.5])  # a gable, or a hipped roof
    roof = (up >= 0) & (up < 1) & (np.abs(x - at) < (half + 0.015 * near) * (1 - (1 - flat) * up))
    return [(HOUSE, wall), (ROOF, roof)]


def _tree(
    rng: np.random.Generator, x: Grid, y: Grid, at: float, base: float, near: float
) -> list[tuple[int, Bits]]:
    tall, wide = near * rng.uniform(0.2, 0.36), near * rng.uniform(0.07, 0.13)
    trunk = (np.abs(x - at) < 0.013 * near) & (y < base) & (y > base - 0.5 * tall)
    up = (base - y) / tall
    if rng.random() < 0.4:  # a fir: three skirts
        skirt = (1.0 - up) + 0.12 * ((3 * (up - 0.2)) % 1.0 < 0.35)
        crown = (up > 0.18) & (up < 1) & (np.abs(x - at) < wide * np.clip(skirt, 0, None))
    else:
        crown = np.zeros_like(trunk)
        for _ in range(6):
            centre = (at + rng.normal(0, 0.45) * wide, base - tall * rng.uniform(0.5, 0.85))
            crown |= _ellipse(x, y, centre, 0.7 * wide, 0.2 * tall)
    return [(TREE, trunk | crown)]


def _brush(rng: np.random.Generator, ids: NDArray[np.uint8], x: Grid, y: Grid) -> None:
    """Paint strokes of random classes, as a hand would."""
    for _ in range(int(rng.integers(1, 6))):
        number = int(rng.choice([SKY, SUN, MOUNTAIN, GRASS, WATER, ROAD, TREE, HOUSE, ROOF]))
        p, step = rng.uniform(0, 1, 2), rng.normal(0, 0.12, 2)
        thick = rng.uniform(0.02, 0.1)
        for _ in range(int(rng.integers(1, 7))):
            ids[_ellipse(x, y, (float(p[0]), float(p[1])), thick, thick)] = number
            p, step = p + step * 0.5, step + rng.normal(0, 0.05, 2)
