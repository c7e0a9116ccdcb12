# SPDX-License-Identifier: Apache-2.0
"""A picture of a landscape's map: colours and textures of its classes in one of five moods, and mixtures of them.

Everything is a function of the map, of the mood and of noise: windows sit where walls are wide enough, trunks where
trees are narrow, glow lies around the sun, shade under what stands. A network that reads the map can learn all of it,
and what it cannot know (the mood, the colour of the walls) is the style.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CLASSES",
    "GRASS",
    "HOUSE",
    "MOODS",
    "MOUNTAIN",
    "ROAD",
    "ROOF",
    "SKY",
    "SUN",
    "TREE",
    "WATER",
    "Mood",
    "light",
]

SKY, SUN, MOUNTAIN, GRASS, WATER, ROAD, TREE, HOUSE, ROOF = range(9)
CLASSES: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("sky", (120, 180, 240)),
    ("sun", (255, 220, 60)),
    ("mountain", (130, 120, 130)),
    ("grass", (110, 180, 80)),
    ("water", (50, 100, 200)),
    ("road", (90, 90, 95)),
    ("tree", (30, 100, 45)),
    ("house", (230, 200, 160)),
    ("roof", (180, 70, 50)),
)
"""Name and colour in the map, by id."""

Grid = NDArray[np.float64]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Mood:
    """Colours 0..255 under one light."""

    zenith: Colour
    haze: Colour
    """The sky at the horizon."""
    sun: Colour
    cloud: Colour
    stone: Colour
    snow: Colour
    grass: Colour
    water: Colour
    road: Colour
    leaf: Colour
    trunk: Colour
    wall: Colour
    roof: Colour
    window: Colour

    def mixed(self, other: Mood, share: float) -> Mood:
        """Return a mood on the way to another."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Mood(
            *(tuple((1 - share) * a + share * b for a, b in zip(p, q, strict=True)) for p, q in pairs)
        )  # type: ignore[arg-type]


MOODS: dict[str, Mood] = {
    "day": Mood(
        (58, 122, 214), (188, 219, 246), (255, 244, 190), (250, 252, 255), (128, 122, 126), (244, 246, 250),
        (104, 168, 62), (52, 116, 178), (104, 104, 110), (48, 118, 44), (96, 68, 44), (236, 214, 178), (182, 74, 52),
        (70, 92, 120),
    ),
    "evening": Mood(
        (78, 66, 138), (252, 164, 92), (255, 214, 120), (250, 176, 150), (112, 76, 100), (240, 178, 150),
        (124, 116, 52), (104, 92, 140), (96, 76, 84), (74, 78, 34), (74, 44, 36), (232, 168, 120), (150, 54, 44),
        (255, 214, 120),
    ),
    "night": Mood(
        (8, 12, 38), (44, 58, 108), (236, 238, 222), (46, 54, 90), (34, 38, 64), (92, 104, 142), (22, 48, 46),
        (18, 32, 76), (36, 38, 54), (10, 34, 34), (24, 22, 30), (66, 64, 86), (48, 30, 46), (255, 208, 104),
    ),
    "autumn": Mood(
        (112, 150, 190), (226, 222, 206), (255, 238, 190), (240, 238, 232), (134, 116, 104), (232, 226, 218),
        (164, 144, 66), (84, 112, 130), (112, 104, 102), (204, 104, 30), (80, 56, 42), (230, 206, 176), (150, 66, 50),
        (76, 84, 96),
    ),
    "winter": Mood(
        (138, 168, 206), (226, 234, 242), (255, 250, 226), (242, 245, 250), (126, 134, 150), (252, 253, 255),
        (236, 241, 248), (122, 158, 186), (150, 154, 164), (112, 142, 138), (72, 62, 58), (206, 184, 160),
        (226, 230, 240), (64, 80, 104),
    ),
}  # fmt: skip


def _noise(rng: np.random.Generator, shape: tuple[int, int], cell_y: float, cell_x: float) -> Grid:
    """Smooth noise of about unit size whose grains are so many pixels high and wide."""
    from PIL import Image

    height, width = shape
    small = rng.normal(0, 1, (max(2, round(height / cell_y)), max(2, round(width / cell_x)))).astype(
        np.float32
    )
    return np.asarray(
        Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64
    )


def _soft(mask: NDArray[np.bool_], radius: float) -> Grid:
    """A mask, blurred, 0..1."""
    from PIL import Image, ImageFilter

    image = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, dtype=np.float64) / 255


def _opened(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """What is left of a mask where it is at least ``size`` pixels wide."""
    from PIL import Image, ImageFilter

    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(image.filter(ImageFilter.MinFilter(size)).filter(ImageFilter.MaxFilter(size))) > 0


def _run(mask: NDArray[np.bool_]) -> Grid:
    """Pixels from the beginning of each run of True along the last axis; 0 outside."""
    count = np.cumsum(mask, axis=-1)
    return (count - np.maximum.accumulate(np.where(mask, 0, count), axis=-1)).astype(np.float64)


def light(ids: NDArray[np.uint8], rng: np.random.Generator, mood: Mood | None = None) -> Grid:
    """Picture a map.

    Parameters
    ----------
    ids : array (H, W)
        Classes, see :data:`CLASSES`.
    rng : numpy Generator
    mood : Mood, optional
        Default: one of :data:`MOODS` drawn, mixed a little with another, walls and roofs in a colour of their own.

    Returns
    -------
    array (H, W, 3)
        0..255.
    """
    if mood is None:
        first, second = rng.choice(len(MOODS), 2, p=[0.24, 0.19, 0.19, 0.19, 0.19])
        every = list(MOODS.values())
        mood = every[int(first)].mixed(every[int(second)], float(rng.uniform(0, 0.35)))
    shape = ids.shape
    unit = shape[0] / 256  # textures grow with the picture
    y = np.linspace(0, 1, shape[0])[:, None]

    def noise(cell_y: float, cell_x: float) -> Grid:
        return _noise(rng, (shape[0], shape[1]), max(1.0, cell_y * unit), max(1.0, cell_x * unit))

    def painted(colour: Colour | Grid, texture: Grid) -> Grid:
        return np.asarray(colour) * (1 + texture)[..., None]

    out = np.zeros((*shape, 3))
    # the sky: a gradient down to the horizon, clouds, the glow of the sun
    down = np.clip(y / 0.6, 0, 1)[..., None]
    sky = np.asarray(mood.zenith) * (1 - down) + np.asarray(mood.haze) * down + np.zeros((*shape, 3))
    clouds = np.clip(noise(22, 60) + 0.5 * noise(9, 22) - 0.5, 0, 1)[..., None] * 0.7
    sky = sky * (1 - clouds) + np.asarray(mood.cloud) * clouds
    sun = ids == SUN
    glow = np.clip(1.6 * _soft(sun, 14 * unit) + 0.9 * _soft(sun, 30 * unit), 0, 0.75)[..., None]
    sky = sky * (1 - glow) + np.asarray(mood.sun) * glow
    rough, fine = noise(7, 7), noise(2.5, 2.5)
    out[ids == SKY] = sky[ids == SKY]
    out[sun] = painted(mood.sun, 0.01 * fine)[sun]

    # mountains: slanting rock, snow below the upper edge
    stone = ids == MOUNTAIN
    depth = _run(stone.T).T / unit
    snow = np.clip((16 + 8 * rough - depth) / 4, 0, 1)[..., None]
    rock = painted(mood.stone, 0.16 * noise(10, 5) + 0.05 * fine)
    hazy = np.clip(depth / 160, 0, 0.6)[..., None]
    rock = rock * (1 - hazy) + np.asarray(mood.haze) * hazy
    out[stone] = (rock * (1 - snow) + painted(mood.snow, 0.03 * fine) * snow)[stone]

    # the ground; nearer is lighter, grass in blades, water in ripples that mirror the sky
    grass = ids == GRASS
    out[grass] = painted(mood.grass, 0.30 * (y - 0.75) + 0.10 * noise(7, 2) + 0.10 * noise(16, 24))[grass]
    water = ids == WATER
    ripple = noise(2.2, 16)
    mirror = np.clip(0.25 + 0.22 * ripple, 0, 0.8)[..., None]
    sea = painted(mood.water, 0.05 * fine) * (1 - mirror) + np.asarray(mood.haze) * mirror
    shore = np.clip(1 - _soft(water, 3 * unit), 0, 1)[..., None]
    out[water] = (sea * (1 - 0.3 * shore) + 255 * 0.3 * shore * np.asarray(mood.haze) / 255)[water]
    road = ids == ROAD
    edge = np.clip((0.72 - _soft(road, 3 * unit)) / 0.12, 0, 1)[..., None]
    way = painted(mood.road, 0.06 * fine + 0.04 * rough)
    out[road] = (way * (1 - 0.55 * edge) + 0.55 * edge * np.asarray(mood.haze))[road]

    # what stands: light from the upper left, shade below
    tree, wall, roof = ids == TREE, ids == HOUSE, ids == ROOF
    standing = tree | wall | roof
    bulge = _soft(tree, 5 * unit)
    slope = np.gradient(bulge, axis=0) + 0.7 * np.gradient(bulge, axis=1)
    crown = painted(mood.leaf, 0.26 * noise(5, 5) + np.clip(7 * unit * slope, -0.4, 0.55))
    foot = _run(tree[::-1].T).T[::-1] < 48 * unit  # else the tips of firs would be wood
    thin = tree & foot & ~_opened(tree, 2 * round(5.5 * unit) + 1)
    out[tree] = crown[tree]
    out[thin] = painted(mood.trunk, 0.1 * fine)[thin]
    tint = 1 + rng.normal(0, 0.07, 3)
    out[wall] = painted(np.asarray(mood.wall) * tint, 0.03 * noise(3, 12))[wall]
    panes = _windows(wall, unit)
    out[panes] = painted(mood.window, 0.05 * fine)[panes]
    under = np.clip(1 - _run(wall.T).T / (6 * unit), 0, 1) * wall  # the eaves' shadow
    rows = np.sin(2 * np.pi * np.arange(shape[0]) / (6 * unit))[:, None]
    out[roof] = painted(np.asarray(mood.roof) * np.roll(tint, 1), 0.07 * rows + 0.05 * fine)[roof]
    shade = np.roll(_soft(standing, 7 * unit), round(6 * unit), axis=0)
    shade[: round(6 * unit)] = 0
    on_land = (grass | road | water)[..., None]
    out *= 1 - (0.55 * shade[..., None] * on_land + 0.3 * under[..., None])
    return np.clip(out + rng.normal(0, 2.0, (*shape, 1)), 0, 255)


def _windows(wall: NDArray[np.bool_], unit: float) -> NDArray[np.bool_]:
    """Panes in rows, centred in each stretch of wall."""
    pitch_x, pitch_y = 22 * unit, 24 * unit
    left, right = _run(wall), _run(wall[:, ::-1])[:, ::-1]
    across = left + right - 1
    margin = (across - np.floor(across / pitch_x) * pitch_x) / 2
    u = (left - margin) % pitch_x
    v = _run(wall.T).T % pitch_y
    inside = (left > margin) & (right > margin)
    return wall & inside & (np.abs(u - pitch_x / 2) < 5 * unit) & (np.abs(v - 15 * unit) < 5.5 * unit)
