# SPDX-License-Identifier: Apache-2.0
"""Label, instance and photo files to arrays; whatever is wrong with a file is one line that names it.

Labels are whole ids: 8 or 16 bits, a palette PNG (by its indices), grey stored as RGB, or class colours, which
need a :class:`~spade_image.palette.Palette`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from spade_image.exceptions import InputError
from spade_image.palette import Palette
from spade_image.preprocess import DONTCARE

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "ColouredMask",
    "LabelShift",
    "is_coloured",
    "open_image",
    "pixels_of_label",
    "read_ids",
    "read_instances",
    "read_photo",
    "shifted",
]

LabelShift = Literal["none", "ade20k"]
"""What happens to ids when read: nothing, or ADE20K's 0 -> 255 (unlabelled) and 1..150 -> 0..149."""


class ColouredMask(InputError):
    """A mask holds colours and there is no palette to read them by."""


def open_image(path: Path) -> Image.Image:
    """Open and decode a picture.

    Raises
    ------
    InputError
        It is missing, truncated or no picture.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except UnidentifiedImageError:
        raise InputError(
            f"{path} is not a picture that can be read: replace it, or remove the pair"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path} is truncated or damaged ({error}): copy it again from its source, or remove the pair"
        ) from error


def read_photo(path: Path) -> Image.Image:
    """Read a photo as RGB."""
    return open_image(path).convert("RGB")


def is_coloured(pixels: NDArray[np.generic]) -> bool:
    """Say whether an array from a picture holds colours (and not one channel, or grey in three)."""
    return pixels.ndim == 3 and not bool(
        (pixels[..., 0] == pixels[..., 1]).all()
        and (pixels[..., 0] == pixels[..., min(2, pixels.shape[2] - 1)]).all()
    )


def pixels_of_label(path: Path) -> NDArray[np.generic]:
    """Read a label file's own numbers or colours: ``(H, W)`` or ``(H, W, 3)``."""
    image = open_image(path)
    if image.mode == "F":
        raise InputError(f"{path} holds fractions (mode F): save labels as whole ids, 8- or 16-bit PNG")
    if image.mode in ("LA", "RGBA", "PA"):
        image = image.convert({"LA": "L", "RGBA": "RGB", "PA": "P"}[image.mode])
    elif image.mode not in ("1", "L", "P", "RGB") and not image.mode.startswith("I"):
        image = image.convert("RGB")
    return np.array(image)


def read_ids(path: Path, palette: Palette | None = None, shift: LabelShift = "none") -> NDArray[np.int32]:
    """Read a label file as ``(H, W)`` ids.

    Parameters
    ----------
    path : Path
    palette : Palette, optional
        For masks of class colours; ignored for files of ids.
    shift : "none" or "ade20k"

    Raises
    ------
    ColouredMask
        Colours without a palette.
    InputError
        The file is missing, damaged, or holds a colour that the palette lacks.
    """
    pixels = pixels_of_label(path)
    if is_coloured(pixels):
        if palette is None:
            raise ColouredMask(
                f"{path} is a mask of RGB colours, and there is no palette that says which colour is which class: put "
                "palette.json or palette.txt ('id r g b name' a line) in the data folder, give --palette FILE, or let "
                "`spade-image check --data DIR --write-palette` collect the colours for you to name"
            )
        ids = palette.convert(pixels[..., :3].astype(np.uint8), str(path))
    elif pixels.ndim == 3 and palette is not None and len(palette.ids) > 0 and _all_known(pixels, palette):
        ids = palette.convert(pixels[..., :3].astype(np.uint8), str(path))  # greys may be class colours too
    else:
        ids = (pixels[..., 0] if pixels.ndim == 3 else pixels).astype(np.int32)
    return shifted(ids, shift)


def _all_known(pixels: NDArray[np.generic], palette: Palette) -> bool:
    return all((int(v),) * 3 in palette.ids for v in np.unique(pixels[..., 0]))


def shifted(ids: NDArray[np.int32], shift: LabelShift) -> NDArray[np.int32]:
    """Apply a shift to ids; see :func:`spade_image.preprocess.shift_ade20k`."""
    return ids if shift == "none" else np.where(ids == 0, DONTCARE, ids - 1).astype(np.int32)


def read_instances(path: Path) -> NDArray[np.int32]:
    """Read an instance file as ``(H, W)`` ids: any whole numbers; colours become one number each."""
    pixels = pixels_of_label(path)
    if pixels.ndim == 3:
        from spade_image.palette import codes_of

        return codes_of(pixels.astype(np.uint8))
    return pixels.astype(np.int32)
