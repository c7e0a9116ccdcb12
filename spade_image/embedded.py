# SPDX-License-Identifier: Apache-2.0
"""The image model that travels with the package: ``load_tiny()``, or ``--model tiny`` on the command line.

In a wheel it lies in ``spade_finance/_data`` beside this package (the folder that holds all embedded data); in a
checkout (an editable install, too) in the top-level ``data/``. ``data/make_tiny_image_model.py`` makes it anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spade_image.exceptions import ModelError

if TYPE_CHECKING:
    from spade_image.model import ImageModel

__all__ = ["TINY", "load_model", "load_tiny", "tiny_folder"]

TINY = "tiny"
"""Name by which the embedded model is asked for."""


def tiny_folder() -> Path:
    """Return the embedded model's folder.

    Raises
    ------
    ModelError
        It is not there (a damaged or hand-made installation).
    """
    around = Path(__file__).resolve().parents[1]
    candidates = [
        place / "tiny_image_model" for place in (around / "spade_finance" / "_data", around / "data")
    ]
    for folder in candidates:
        if (folder / "config.json").is_file():
            return folder
    raise ModelError(
        f"the embedded image model is missing from {candidates[0]} and {candidates[1]}: reinstall spade-finance, "
        "or run data/make_tiny_image_model.py in a checkout"
    )


def load_tiny() -> ImageModel:
    """Load the embedded model: landscapes of nine classes, 128x128, with styles; no training, no network.

    Returns
    -------
    ImageModel
        ``label_names`` and ``palette`` say the classes; ``named_styles`` has the styles day, evening, night, autumn and
        winter for :meth:`ImageModel.generate`'s ``z``.
    """
    from spade_image.model import ImageModel

    return ImageModel.load(tiny_folder())


def load_model(model: str | Path) -> ImageModel:
    """Load a model folder, or the embedded model by its name "tiny" (a folder ``./tiny`` with a model comes first)."""
    from spade_image.model import ImageModel

    if str(model) == TINY and not (Path(model) / "config.json").is_file():
        return load_tiny()
    return ImageModel.load(model)
