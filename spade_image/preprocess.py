# SPDX-License-Identifier: Apache-2.0
"""From label ids, instance ids and photos to what the networks see, and from their output to 8-bit pixels.

The map that the networks see has ``semantic_nc`` channels: one a class, one for dontcare (id 255 in the files) where
``contain_dontcare_label``, and last the edges between instances unless ``no_instance``.

ADE20K counts from 1 and means "unlabelled" by 0. The official code intends to shift ids down by one, with
"unlabelled" last, but drops the result: its published ADE20K weights read 0 as unlabelled and 1..150 as classes.
Both ways are here: leave the ids as they are for those weights; :func:`shift_ade20k` gives what was intended
(classes from 0, unlabelled 255), :func:`unshift_ade20k` goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spade_image.exceptions import InputError
from spade_image.generator import resolve
from spade_image.options import Options

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "DONTCARE", "MODES", "Geometry", "class_codes", "edges", "label_ids", "one_hot", "photo_tensor", "preprocess",
    "shift_ade20k", "to_uint8", "transform_image", "transform_label", "unshift_ade20k",
]  # fmt: skip

DONTCARE = 255
"""Id in label files of pixels that no class describes."""

MODES = (
    "resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "scale_shortside",
    "scale_shortside_and_crop", "fixed", "none",
)  # fmt: skip
_GRID_OF_NONE = 32


# ---- ids to channels ----


def _four_dims(ids: Tensor, name: str) -> Tensor:
    ids = ids[:, None] if ids.dim() == 3 else ids
    if ids.dim() != 4 or ids.shape[1] != 1:
        raise InputError(f"{name} of shape {tuple(ids.shape)}: pass ids as (B, H, W) or (B, 1, H, W)")
    if ids.is_floating_point():
        if not bool((ids == ids.round()).all()):
            raise InputError(f"{name} holds fractions: pass whole ids (a map read with bilinear resizing?)")
        ids = ids.round()
    return ids.long()


def class_codes(label: Tensor, flags: Options | Mapping[str, Any]) -> Tensor:
    """Return class indices ``(B, 1, H, W)`` in 0..n_classes - 1: 255 becomes the dontcare class ``label_nc``.

    Raises
    ------
    InputError
        An id without a class; the message lists the first ones.
    """
    options = resolve(flags)
    ids = _four_dims(label, "label")
    if options.label_nc <= DONTCARE:
        marked = ids == DONTCARE
        if not options.contain_dontcare_label and bool(marked.any()):
            raise InputError(
                f"label holds the id {DONTCARE} (dontcare) in {float(marked.float().mean()):.1%} of its pixels, but "
                "contain_dontcare_label=False: set it to True, or give these pixels a class"
            )
        ids = torch.where(marked, options.label_nc, ids)
    wrong = (ids < 0) | (ids >= options.n_classes)
    if bool(wrong.any()):
        found = torch.unique(ids[wrong]).tolist()
        shown = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
        raise InputError(
            f"label holds the id(s) {shown}, but label_nc={options.label_nc} allows 0..{options.label_nc - 1}"
            f"{f' and {DONTCARE}' if options.contain_dontcare_label else ''}: raise label_nc, or correct the map"
        )
    return ids


def one_hot(label: Tensor, flags: Options | Mapping[str, Any]) -> Tensor:
    """Return ``(B, n_classes, H, W)`` floats for ids ``(B, H, W)`` or ``(B, 1, H, W)``; see :func:`class_codes`."""
    options = resolve(flags)
    ids = class_codes(label, options)
    out = torch.zeros(ids.shape[0], options.n_classes, *ids.shape[2:], device=ids.device)
    return out.scatter_(1, ids, 1.0)


def edges(instance: Tensor) -> Tensor:
    """Mark pixels whose left, right, upper or lower neighbour is of another instance.

    Both sides of a boundary are marked; the picture's own border is not.

    Parameters
    ----------
    instance : Tensor (B, H, W) or (B, 1, H, W)
        Instance ids.

    Returns
    -------
    Tensor (B, 1, H, W)
        1.0 and 0.0.
    """
    ids = _four_dims(instance, "instance")
    edge = torch.zeros_like(ids, dtype=torch.bool)
    across = ids[..., 1:] != ids[..., :-1]
    edge[..., 1:] |= across
    edge[..., :-1] |= across
    down = ids[..., 1:, :] != ids[..., :-1, :]
    edge[..., 1:, :] |= down
    edge[..., :-1, :] |= down
    return edge.float()


def preprocess(
    label: Tensor, instance: Tensor | None = None, *, flags: Options | Mapping[str, Any]
) -> Tensor:
    """Turn ids into the map that the networks see.

    Parameters
    ----------
    label : Tensor (B, H, W) or (B, 1, H, W)
        Class ids; 255 is dontcare.
    instance : Tensor of the same shape, optional
        Instance ids; needed unless ``no_instance``, and unused then.
    flags : Options or mapping of official names

    Returns
    -------
    Tensor (B, semantic_nc, H, W)

    Raises
    ------
    InputError
        An id without a class, missing instances, or two different sizes.
    """
    options = resolve(flags)
    hot = one_hot(label, options)
    if options.no_instance:
        return hot
    if instance is None:
        raise InputError(
            "instance is missing, but the network reads instance edges (no_instance=False): pass instance ids, or "
            "the label ids themselves to mark the edges between classes"
        )
    edge = edges(instance)
    if edge.shape[2:] != hot.shape[2:] or edge.shape[0] != hot.shape[0]:
        raise InputError(
            f"label of shape {tuple(label.shape)} and instance of shape {tuple(instance.shape)} do not fit: pass both "
            "at the same size"
        )
    return torch.cat([hot, edge.to(hot.device)], 1)


def shift_ade20k(label: Tensor) -> Tensor:
    """Shift ADE20K ids as the original intended: 1..150 to 0..149, 0 (unlabelled) to 255 (dontcare).

    Not for the published ADE20K weights, which were trained on the ids as they are in the files.
    """
    ids = label.long()
    return torch.where(ids == 0, DONTCARE, ids - 1)


def unshift_ade20k(label: Tensor) -> Tensor:
    """Undo :func:`shift_ade20k`: 0..149 to 1..150, 255 to 0."""
    ids = label.long()
    return torch.where(ids == DONTCARE, 0, ids + 1)


# ---- files to tensors ----


@dataclass(frozen=True)
class Geometry:
    """How a picture is resized, cropped and flipped; the same for photo, labels and instances.

    ``resize_and_crop``: to a square of ``load_size``, then a square crop; ``scale_width``: to the width
    ``load_size``; ``scale_shortside``: the short side to ``load_size`` (the original shrinks the long side only;
    that is not copied); ``fixed``: to ``crop_size`` by ``round(crop_size / aspect_ratio)``; ``none``: every side to
    the nearest multiple of 32. A crop is square, ``crop_size`` wide; beyond the picture there is black, or class 0.
    """

    preprocess_mode: str = "resize_and_crop"
    load_size: int = 286
    crop_size: int = 256
    aspect_ratio: float = 1.0
    crop_pos: tuple[int, int] = (0, 0)
    """x and y of the crop's upper left corner."""
    flip: bool = False
    """Left to right, last of all."""

    def __post_init__(self) -> None:
        """Check the mode and sizes."""
        if self.preprocess_mode not in MODES:
            raise InputError(
                f"preprocess_mode={self.preprocess_mode!r} is unknown: choose one of {', '.join(MODES)}"
            )
        for name in ("load_size", "crop_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)} must be at least 1")

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height after resizing, before any crop."""
        mode, load = self.preprocess_mode, self.load_size
        if mode.startswith("resize"):
            return load, load
        if mode.startswith("scale_width"):
            return load, max(1, int(load * height / width))
        if mode.startswith("scale_shortside"):
            short = min(width, height)
            return max(1, int(width * load / short)), max(1, int(height * load / short))
        if mode == "fixed":
            return self.crop_size, max(1, round(self.crop_size / self.aspect_ratio))
        if mode == "none":
            grid = _GRID_OF_NONE
            return max(grid, round(width / grid) * grid), max(grid, round(height / grid) * grid)
        return width, height

    def apply(self, image: Image.Image, *, smooth: bool) -> Image.Image:
        """Transform one picture: bicubic if ``smooth``, else nearest (PIL's)."""
        from PIL import Image as Pillow

        size = self.resized(*image.size)
        if size != image.size:
            image = image.resize(size, Pillow.Resampling.BICUBIC if smooth else Pillow.Resampling.NEAREST)
        if "crop" in self.preprocess_mode:
            x, y = self.crop_pos
            image = image.crop((x, y, x + self.crop_size, y + self.crop_size))
        return image.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT) if self.flip else image


def photo_tensor(image: Image.Image) -> Tensor:
    """Return ``(3, H, W)`` floats in [-1, 1] of a photo: ``(x / 255 - 0.5) / 0.5``."""
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return (pixels.movedim(-1, 0).float() / 255.0 - 0.5) / 0.5


def label_ids(image: Image.Image) -> Tensor:
    """Return ``(1, H, W)`` int64 ids of a one-channel picture: grey, 16-bit, or palette (by its indices).

    Raises
    ------
    InputError
        A picture with colours; convert it by its palette first.
    """
    ids = np.array(image)
    if ids.ndim != 2:
        raise InputError(
            f"a label picture of mode {image.mode!r} has {ids.shape[-1]} channels: convert its colours to ids first "
            "(a palette file, see `spade-image check`)"
        )
    return torch.from_numpy(ids.astype(np.int64))[None]


def transform_image(image: Image.Image, geometry: Geometry) -> Tensor:
    """Return the transformed photo ``(3, H, W)`` in [-1, 1]."""
    return photo_tensor(geometry.apply(image.convert("RGB"), smooth=True))


def transform_label(label: Image.Image, geometry: Geometry, label_nc: int | None = None) -> Tensor:
    """Return the transformed ids ``(1, H, W)``; with ``label_nc``, 255 becomes that id."""
    ids = label_ids(geometry.apply(label, smooth=False))
    return ids if label_nc is None else torch.where(ids == DONTCARE, label_nc, ids)


def to_uint8(image: Tensor) -> Tensor:
    """Turn ``(..., H, W)`` in [-1, 1] into 8-bit: ``clip((x + 1) / 2 * 255)``, truncated as in the original.

    Raises
    ------
    InputError
        A value is not finite.
    """
    if not bool(torch.isfinite(image).all()):
        raise InputError("image holds values that are not finite: the weights or the training are damaged")
    return ((image.detach().float() + 1) / 2 * 255.0).clamp(0, 255).to(torch.uint8)
