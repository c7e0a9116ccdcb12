# SPDX-License-Identifier: Apache-2.0
"""The colours that the original shows label maps in: by number of classes.

35 classes are Cityscapes' ids 0 to 33 and its licence plate, in that data set's own colours; every other number has the
colours of :func:`spade_image.palette.class_colours`, five of which are others where there are 182 (COCO-Stuff).
"""

from __future__ import annotations

from spade_image.palette import KNOWN, Colour, class_colours

__all__ = ["colour_map"]

_CITYSCAPES_CLASSES = 35
_COCO_CLASSES = 182
_COCO_OTHER: dict[int, Colour] = {
    105: (170, 170, 170), 123: (29, 195, 49), 154: (54, 62, 167), 156: (95, 219, 255), 168: (140, 104, 47),
}  # fmt: skip


def colour_map(n: int) -> list[Colour]:
    """Return the original's colours of ``n`` classes, each (red, green, blue) in 0..255."""
    if n == _CITYSCAPES_CLASSES:
        by_id = {i: colour for colour, i in KNOWN["cityscapes"].ids.items()}
        # ids that share a colour with another have none of their own in a palette
        shared = {18: by_id[17], 34: by_id[26]}
        return [by_id.get(i, shared.get(i, (0, 0, 0))) for i in range(n)]
    colours = class_colours(n)
    if n == _COCO_CLASSES:
        colours = [_COCO_OTHER.get(i, colour) for i, colour in enumerate(colours)]
    return colours
