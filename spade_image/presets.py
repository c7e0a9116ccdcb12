# SPDX-License-Identifier: Apache-2.0
"""What suits a kind of data: classes, sizes, widths and length of training, by name.

``cityscapes``, ``coco``, ``ade20k`` and ``facades`` are the published settings; ``camvid`` and ``tiny`` are small
enough for a laptop; ``auto`` reads classes and instances off the data itself (:mod:`spade_image.decide`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from spade_image.exceptions import InputError
from spade_image.labels import LabelShift
from spade_image.layouts import Folders

__all__ = ["PRESETS", "Preset", "described", "preset"]


@dataclass(frozen=True)
class Preset:
    """Settings by name; every one can be overruled."""

    name: str
    about: str
    options: dict[str, Any] = field(default_factory=dict)
    """Official option names."""
    preprocess_mode: str = "resize_and_crop"
    load_size: int = 286
    batch_size: int = 4
    """Of one process; the published trainings had 32 in all."""
    ema_samples: float = 10_000.0
    """Half-life of the averaged weights, training samples."""
    label_shift: LabelShift = "none"
    tick_steps: int = 50
    sample_steps: int = 500
    """Steps between sample grids."""


_DECAYED = {"niter": 100, "niter_decay": 100}

PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (
        Preset(
            "auto",
            "256x256; classes, dontcare and instances as found in the data",
            {"crop_size": 256, **_DECAYED},
        ),
        Preset(
            "cityscapes",
            "512x256, 35 classes, instances",
            {"label_nc": 35, "crop_size": 512, "aspect_ratio": 2.0, "num_upsampling_layers": "more", **_DECAYED},
            preprocess_mode="fixed",
        ),
        Preset(
            "coco",
            "COCO-Stuff, 256x256, 182 classes and dontcare, instances",
            {"label_nc": 182, "contain_dontcare_label": True, "crop_size": 256, "niter": 100},
        ),
        Preset(
            "ade20k",
            "256x256, 150 classes and dontcare (ids in the files 1..150, 0 unlabelled)",
            {"label_nc": 150, "contain_dontcare_label": True, "no_instance": True, "crop_size": 256, **_DECAYED},
            label_shift="ade20k",
        ),
        Preset(
            "facades",
            "256x256, 13 classes",
            {"label_nc": 13, "no_instance": True, "crop_size": 256, **_DECAYED},
        ),
        Preset(
            "camvid",
            "128x96, 11 classes and dontcare; learns in 40 minutes on two CPU cores",
            {
                "label_nc": 11, "contain_dontcare_label": True, "no_instance": True,
                "crop_size": 128, "aspect_ratio": 4 / 3, "ngf": 16, "ndf": 24, "nhidden": 32,
                "lr": 4e-4, "init_variance": 1.0, "niter": 40, "niter_decay": 20,
            },
            preprocess_mode="fixed",
            ema_samples=2_000.0,
        ),
        Preset(
            "tiny",
            "32x32 drawn shapes, 5 classes; learns in seconds",
            {
                "label_nc": 5, "no_instance": True, "crop_size": 32, "ngf": 4, "ndf": 8, "nhidden": 8,
                "lr": 4e-3, "init_variance": 1.0, "n_layers_D": 3, "niter": 6, "niter_decay": 2,
                "no_vgg_loss": True,
            },
            preprocess_mode="fixed",
            batch_size=8,
            ema_samples=200.0,
            tick_steps=20,
            sample_steps=60,
        ),
    )
}  # fmt: skip


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    InputError
        An unknown name; the message lists the valid ones.
    """
    if name not in PRESETS:
        raise InputError(f"--preset {name!r} is unknown: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def described(folders: Folders) -> dict[str, Any]:
    """Return what ``dataset.json`` in the data folder says; empty without one."""
    file = folders.data / "dataset.json"
    if not file.is_file():
        return {}
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is not JSON ({error}): correct or remove it") from error
    return body if isinstance(body, dict) else {}
