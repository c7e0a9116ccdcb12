# SPDX-License-Identifier: Apache-2.0
"""SPADE for images: from a map of classes to a photo, with the official networks' weights in and out.

Names are imported on first use, so that ``import spade_image`` and ``spade-image --help`` stay instant.
"""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "ImageModel": "spade_image.model",
    "InputError": "spade_image.exceptions",
    "ModelError": "spade_image.exceptions",
    "Options": "spade_image.options",
    "build_image_generator": "spade_image.generators",
    "export_model": "spade_image.export",
    "from_official": "spade_image.convert",
    "load_tiny": "spade_image.embedded",
    "to_official": "spade_image.convert",
}

__all__ = ["official", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    if name == "official":
        return importlib.import_module("spade_image.official")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
