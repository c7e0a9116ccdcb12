# SPDX-License-Identifier: Apache-2.0
"""Colours of classes: read from a file, known by name, or collected from the masks themselves.

A palette file is one of

* ``palette.json`` or ``dataset.json``: ``{"classes": [{"id": 0, "name": "sky", "color": [128, 128, 128]}, ...]}``,
  or ``{"sky": [128, 128, 128], ...}`` with ids by order;
* ``palette.txt`` or ``palette.csv``: a class a line, ``id r g b name``, ``r g b name`` or ``name,r,g,b`` (ids by
  order).

Classes named void, unlabelled, ignore or dontcare get the id 255.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_image.exceptions import InputError
from spade_image.preprocess import DONTCARE

__all__ = [
    "KNOWN",
    "PALETTE_FILES",
    "Palette",
    "class_colours",
    "codes_of",
    "find_palette",
    "from_code",
    "read_palette",
]

PALETTE_FILES = ("palette.json", "palette.csv", "palette.txt", "dataset.json")
"""Names under which a palette is looked for in the data folder, in this order."""

Colour = tuple[int, int, int]

_VOID_NAMES = frozenset({"void", "unlabelled", "unlabeled", "ignore", "dontcare", "don't care"})


@dataclass(frozen=True)
class Palette:
    """Which colour is which class."""

    ids: Mapping[Colour, int]
    """Colour -> class id; 255 is dontcare."""
    names: Mapping[int, str] = field(default_factory=dict)
    source: str = ""
    """Where it comes from, for the user."""

    @property
    def label_nc(self) -> int:
        """Classes without dontcare: the highest id plus one."""
        return 1 + max((i for i in self.ids.values() if i != DONTCARE), default=-1)

    def colours(self) -> dict[int, Colour]:
        """Return the (first) colour of every id."""
        out: dict[int, Colour] = {}
        for colour, i in self.ids.items():
            out.setdefault(i, colour)
        return out

    def convert(self, rgb: NDArray[np.uint8], where: str) -> NDArray[np.int32]:
        """Turn ``(H, W, 3)`` colours into ``(H, W)`` ids.

        Raises
        ------
        InputError
            A colour that the palette lacks.
        """
        codes, inverse = np.unique(codes_of(rgb), return_inverse=True)
        table = np.array([self.ids.get(from_code(int(c)), -1) for c in codes], dtype=np.int32)
        ids = table[inverse.reshape(rgb.shape[:2])]
        if (table < 0).any():
            missing = [from_code(int(c)) for c in codes[table < 0]]
            many = (
                "; so many colours mean blurred or JPEG-compressed masks: export them again as PNG without smoothing"
                if len(missing) > 64
                else ": add them to the palette"
            )
            raise InputError(
                f"{where}: {len(missing)} colour(s) in {float((ids < 0).mean()):.1%} of the pixels are "
                "not in the palette "
                f"({self.source}), for example {', '.join(map(str, missing[:3]))}{many}"
            )
        return ids

    def to_json(self) -> str:
        """Return the text of a ``palette.json``."""
        classes = [
            {"id": i, "name": self.names.get(i, f"class{i}"), "color": list(colour)}
            for colour, i in sorted(self.ids.items(), key=lambda item: item[1])
        ]
        return json.dumps({"classes": classes}, indent=1) + "\n"


def codes_of(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return one number a pixel for ``(H, W, 3)`` colours."""
    wide = rgb[..., :3].astype(np.int32)
    out: NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return out


def from_code(code: int) -> Colour:
    """Undo :func:`codes_of` for one number."""
    return code >> 16, code >> 8 & 255, code & 255


# ---- files ----


def find_palette(data: Path) -> Path | None:
    """Return the palette file in a data folder, if there is one."""
    return next((data / name for name in PALETTE_FILES if (data / name).is_file()), None)


def read_palette(path: str | Path) -> Palette:
    """Read a palette file; the module's text says in which forms.

    Raises
    ------
    InputError
        The file is missing or in none of the forms.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"palette {path} cannot be read: {error.strerror}") from error
    rows = _rows_of_json(text, path) if path.suffix == ".json" else list(_rows_of_text(text))
    if not rows:
        raise InputError(f"palette {path} holds no colours: write a class a line, 'id r g b name'")
    ids: dict[Colour, int] = {}
    names: dict[int, str] = {}
    order = 0
    for number, name, colour in rows:
        if name.lower() in _VOID_NAMES:
            number = DONTCARE
        elif number is None:
            number = order
        order += number != DONTCARE
        if len(colour) != 3 or not all(0 <= v <= 255 for v in colour):
            raise InputError(
                f"palette {path}: colour {colour} of {name or number} must be three numbers 0..255"
            )
        if ids.get(colour, number) != number:
            raise InputError(f"palette {path}: colour {colour} stands for the ids {ids[colour]} and {number}")
        ids[colour] = number
        names.setdefault(number, name or f"class{number}")
    return Palette(ids, names, path.name)


Row = tuple[int | None, str, Colour]


def _rows_of_json(text: str, path: Path) -> list[Row]:
    try:
        body = json.loads(text)
        if isinstance(body, dict) and isinstance(body.get("classes"), str | None):
            body = {k: v for k, v in body.items() if isinstance(v, list) and len(v) == 3}
            return [(None, str(name), _colour(colour)) for name, colour in body.items()]
        classes = body["classes"] if isinstance(body, dict) else body
        return [(int(c["id"]), str(c.get("name", "")), _colour(c["color"])) for c in classes if "color" in c]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"palette {path} is not of the form "
            f'{{"classes": [{{"id": 0, "name": "sky", "color": [r, g, b]}}]}}: {error}'
        ) from error


def _colour(value: Any) -> Colour:
    return tuple(int(v) for v in value)  # type: ignore[return-value]


def _rows_of_text(text: str) -> Iterable[Row]:
    for line in text.splitlines():
        parts = [p for p in re.split(r"[,;\s]+", line.split("#")[0].strip()) if p]
        numbers = [int(p) for p in parts if re.fullmatch(r"-?\d+", p)]
        name = " ".join(p for p in parts if not re.fullmatch(r"-?\d+", p))
        if len(numbers) >= 4:
            yield numbers[0], name, (numbers[1], numbers[2], numbers[3])
        elif len(numbers) == 3:
            yield None, name, (numbers[0], numbers[1], numbers[2])


# ---- colours without a file ----


def class_colours(n: int) -> list[Colour]:
    """Return ``n`` distinct colours: the bits of id + 1 spread over the high bits of red, green and blue (as VOC)."""
    colours = []
    for i in range(1, n + 1):
        rgb, rest = [0, 0, 0], i
        for bit in range(7, -1, -1):
            for channel in range(3):
                rgb[channel] |= (rest >> channel & 1) << bit
            rest >>= 3
        colours.append((rgb[0], rgb[1], rgb[2]))
    return colours


def _known(name: str, classes: Iterable[tuple[int, str, Colour]], void: Iterable[Colour]) -> Palette:
    rows = list(classes)
    ids = {colour: i for i, _, colour in rows} | dict.fromkeys(void, DONTCARE)
    return Palette(ids, {i: label for i, label, _ in rows}, f"the known palette {name}")


_CAMVID = """sky 128 128 128,building 128 0 0,pole 192 192 128,road 128 64 128,pavement 60 40 222,tree 128 128 0,
sign 192 128 128,fence 64 64 128,car 64 0 128,pedestrian 64 64 0,bicyclist 0 128 192"""
_VOC = """background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person
pottedplant sheep sofa train tvmonitor"""
_CITYSCAPES = """7 road 128 64 128,8 sidewalk 244 35 232,9 parking 250 170 160,10 railtrack 230 150 140,
11 building 70 70 70,12 wall 102 102 156,13 fence 190 153 153,14 guardrail 180 165 180,15 bridge 150 100 100,
16 tunnel 150 120 90,17 pole 153 153 153,19 trafficlight 250 170 30,20 trafficsign 220 220 0,21 vegetation 107 142 35,
22 terrain 152 251 152,23 sky 70 130 180,24 person 220 20 60,25 rider 255 0 0,26 car 0 0 142,27 truck 0 0 70,
28 bus 0 60 100,29 caravan 0 0 90,30 trailer 0 0 110,31 train 0 80 100,32 motorcycle 0 0 230,33 bicycle 119 11 32,
0 unlabeled 0 0 0,5 dynamic 111 74 0,6 ground 81 0 81"""


def _table(text: str) -> list[tuple[int, str, Colour]]:
    out: list[tuple[int, str, Colour]] = []
    for i, row in enumerate(text.replace("\n", "").split(",")):
        parts = row.split()
        number = int(parts.pop(0)) if parts[0].isdigit() else i
        out.append((number, parts[0], (int(parts[1]), int(parts[2]), int(parts[3]))))
    return out


_VOC_COLOURS = [(0, 0, 0), *class_colours(20)]

KNOWN: dict[str, Palette] = {
    "camvid": _known("camvid (11 classes)", _table(_CAMVID), [(0, 0, 0)]),
    "cityscapes": _known("cityscapes", _table(_CITYSCAPES), []),
    "voc": _known("voc", list(zip(range(21), _VOC.split(), _VOC_COLOURS, strict=True)), [(224, 224, 192)]),
}
"""Palettes that are recognised when every colour of the masks is theirs."""


def recognise(colours: Iterable[Colour]) -> Palette | None:
    """Return the known palette that has all these colours, if it is one alone and there are three or more."""
    found = set(colours)
    fitting = [p for p in KNOWN.values() if found <= p.ids.keys()]
    return fitting[0] if len(fitting) == 1 and len(found) >= 3 else None


def collect(colours: Iterable[Colour]) -> Palette:
    """Make a palette of the colours found: ids in the order of the colours' numbers, names left to the user.

    Raises
    ------
    InputError
        More than 255 colours, which no mask of classes has.
    """
    found = sorted(set(colours))
    if len(found) > DONTCARE:
        raise InputError(
            f"the masks hold {len(found)} different colours, too many for classes: they look blurred or "
            "JPEG-compressed; export them again as PNG without smoothing"
        )
    return Palette({colour: i for i, colour in enumerate(found)}, {}, "collected from the masks")
