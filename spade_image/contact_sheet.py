# SPDX-License-Identifier: Apache-2.0
"""A page that shows what was drawn: map, photo and samples in a row, everything inside one file."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spade_image.data import _nearest
from spade_image.grids import colour_table, coloured
from spade_image.inputs import palette_of
from spade_image.labels import open_image
from spade_image.preprocess import DONTCARE

if TYPE_CHECKING:
    from PIL import Image

    from spade_image.model import ImageModel
    from spade_image.synthesis import Drawn, SynthesisReport

__all__ = ["MOST_PICTURES", "contact_sheet", "small_ids"]

SIDE = 320
"""Longest side of a picture on the page, pixels; the files beside it are whole."""
MOST_PICTURES = 600


def small_ids(ids: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return ids ``(H, W)``, by nearest neighbour, no larger than the page shows."""
    scale = min(1.0, SIDE / max(ids.shape))
    height, width = (max(1, round(side * scale)) for side in ids.shape)
    return _nearest(ids.astype(np.int32), height, width)


def _data_url(image: Image.Image, *, smooth: bool) -> str:
    from PIL import Image as Pillow

    scale = SIDE / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Pillow.Resampling.LANCZOS if smooth else Pillow.Resampling.NEAREST)
    buffer = io.BytesIO()
    kind = (
        "JPEG" if smooth and min(image.size) >= 96 else "PNG"
    )  # small pictures are clearer without compression
    image.convert("RGB").save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _sizes(one: Drawn) -> str:
    """Size of the pictures, and of the map where that is another."""
    shown = f"{one.size[0]}x{one.size[1]} pixels"
    return shown + (f", map resized from {one.map_size[0]}x{one.map_size[1]}" if one.resized else "")


def contact_sheet(model: ImageModel, report: SynthesisReport, style_files: list[Path]) -> str:
    """Return the HTML of a report.

    Parameters
    ----------
    model : ImageModel
        For class names and colours.
    report : SynthesisReport
    style_files : list of Path
        Photos whose styles were used, shown on top.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from PIL import Image as Pillow

    table = colour_table(model.options.n_classes, palette_of(model))
    table[DONTCARE if model.options.label_nc <= DONTCARE else 0] = 0
    shown = [one for one in report.drawn if one.preview is not None]
    present: set[int] = set()
    rows: list[dict[str, Any]] = []
    for one in shown:
        ids = one.preview
        assert ids is not None
        present |= {int(i) for i in np.unique(ids)}
        row: dict[str, Any] = {
            "name": one.file.stem,
            "size": _sizes(one),
            "map": _data_url(Pillow.fromarray(coloured(ids, table)), smooth=False),
            "photo": None,
            "samples": [
                {
                    "src": _data_url(open_image(path), smooth=True),
                    "href": path.relative_to(report.out).as_posix(),
                    "name": style.name,
                }
                for path, style in zip(one.images, report.styles, strict=True)
            ],
        }
        if one.file.photo is not None:
            row["photo"] = _data_url(open_image(one.file.photo), smooth=True)
        rows.append(row)
    names = dict(enumerate(model.label_names)) | {DONTCARE: "dontcare"}
    if model.options.label_nc > DONTCARE:
        names = dict(enumerate(model.label_names))
    legend = [
        {"name": names.get(i, f"class {i}"), "colour": "#{:02x}{:02x}{:02x}".format(*table[i])}
        for i in sorted(present)
        if 0 <= i < len(table)
    ]
    styles = [
        {"src": _data_url(open_image(path), smooth=True), "name": path.name} for path in style_files[:24]
    ]
    environment = Environment(
        loader=PackageLoader("spade_image", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    provenance = [(k.replace("_", " "), str(v)) for k, v in report.provenance.items() if v is not None]
    return environment.get_template("contact_sheet.html.j2").render(
        rows=rows, legend=legend, styles=styles, hidden=len(report.drawn) - len(shown), count=len(report.images),
        maps=len(report.drawn), provenance=provenance,
    )  # fmt: skip
