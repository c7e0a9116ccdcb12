# SPDX-License-Identifier: Apache-2.0
"""A drawing surface for maps of classes: brushes in the classes' colours, fill, undo, keys and touch."""

from .codes import LONGEST, decode, encode, resized
from .surface import MapClass, surface

__all__ = ["LONGEST", "MapClass", "decode", "encode", "resized", "surface"]
