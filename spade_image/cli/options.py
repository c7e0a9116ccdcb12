# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from spade_image.layouts import Folders

Data = Annotated[
    Path | None,
    Parameter(
        metavar="DIR",
        help="Folder of pairs: train_img and train_label (val_img, val_label; train_inst), Cityscapes, ADE20K, or "
        "images and labels.",
    ),
]
LayoutName = Annotated[
    Literal["auto", "folders", "cityscapes", "ade20k", "custom"],
    Parameter(help="How the folder is laid out; auto looks."),
]
ImageDir = Annotated[
    Path | None, Parameter(metavar="DIR", help="Photos, where they lie apart (with --label-dir).")
]
LabelDir = Annotated[Path | None, Parameter(metavar="DIR", help="Label maps, where they lie apart.")]
InstanceDir = Annotated[Path | None, Parameter(metavar="DIR", help="Instance maps, where they lie apart.")]
PaletteFile = Annotated[
    Path | None,
    Parameter(
        metavar="FILE",
        help="Which colour is which class: .json or 'id r g b name' lines. Default: palette.* or dataset.json in "
        "--data, or a known palette.",
    ),
]
Shift = Annotated[
    Literal["none", "ade20k"] | None,
    Parameter(help="ade20k: ids 1..150 become 0..149, 0 becomes dontcare. Default: as the preset says."),
]
Json = Annotated[
    bool, Parameter(negative="", show_default=False, help="Print the numbers as JSON instead of a table.")
]


def folders(
    data: Path | None, layout: str, image_dir: Path | None, label_dir: Path | None, instance_dir: Path | None
) -> Folders:
    """Put the options that say where data lies together.

    Raises
    ------
    InputError
        Neither a folder nor two, or one of two that belong together.
    """
    from spade_image.exceptions import InputError
    from spade_image.layouts import Folders

    if (image_dir is None) != (label_dir is None):
        raise InputError("--image-dir and --label-dir go together: give both")
    if data is None:
        if image_dir is None:
            raise InputError("where is the data? give --data DIR, or --image-dir and --label-dir")
        data = image_dir.parent
    return Folders(data, layout, image_dir, label_dir, instance_dir)  # type: ignore[arg-type]
