# SPDX-License-Identifier: Apache-2.0
"""A map of classes as a short text that fits in an address, and back; whatever comes from outside is checked."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST", "MOST_SIDE", "Ids", "decode", "encode", "from_browser", "resized", "to_browser"]

Ids = NDArray[np.uint8]

LONGEST = 4000
"""Characters of a map that an address still takes."""
MOST_SIDE = 1024


def encode(ids: Ids) -> str:
    """Text of a map ``(height, width)``: rows as differences from the row above, packed."""
    height, width = ids.shape
    above = np.zeros_like(ids)
    above[1:] = ids[:-1]
    packed = zlib.compress(struct.pack("<HH", width, height) + (ids ^ above).tobytes(), 9)
    return "z" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(text: str) -> Ids:
    """The map of a text.

    Raises
    ------
    ValueError
        The text is no map, or one of more than 1,024 pixels a side.
    """
    wrong = ValueError("expected a painted map as this page writes it")
    try:
        packed = base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(packed, MOST_SIDE * MOST_SIDE + 4)
        width, height = struct.unpack("<HH", plain[:4])
    except (binascii.Error, zlib.error, struct.error, ValueError):
        raise wrong from None
    whole = unpacker.eof and len(plain) == 4 + width * height
    if text[:1] != "z" or not whole or not 0 < width <= MOST_SIDE or not 0 < height <= MOST_SIDE:
        raise wrong
    rows = np.frombuffer(plain, np.uint8, offset=4).reshape(height, width)
    ids: Ids = np.bitwise_xor.accumulate(rows, axis=0)
    return ids


def resized(ids: Ids, width: int, height: int) -> Ids:
    """The map at another size, each pixel the nearest one's class."""
    rows = (2 * np.arange(height) + 1) * ids.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * ids.shape[1] // (2 * width)
    return np.ascontiguousarray(ids[rows][:, columns])


def to_browser(ids: Ids) -> str:
    """What the surface is given: the bytes, row by row."""
    return base64.b64encode(np.ascontiguousarray(ids).tobytes()).decode()


def from_browser(said: object, width: int, height: int, known: frozenset[int]) -> Ids | None:
    """What the surface has sent, or None where it is no map of that size and those classes."""
    if not isinstance(said, str) or len(said) > 4 * (width * height // 3 + 2):
        return None
    try:
        plain = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(plain) != width * height:
        return None
    ids = np.frombuffer(plain, np.uint8).reshape(height, width)
    return ids if {int(i) for i in np.unique(ids)} <= known else None
