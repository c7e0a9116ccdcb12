# SPDX-License-Identifier: Apache-2.0
"""``spade-image shapes``: draw a small data set to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

EXAMPLE = """\
Examples:
  spade-image shapes --out shapes --n-train 200
  spade-image shapes --kind landscapes --out land --n-train 600"""


def shapes(
    *,
    out: Annotated[Path, Parameter(metavar="DIR", help="A new folder.")],
    n_train: Annotated[int, Parameter(help="Training pairs.")] = 96,
    n_val: Annotated[int, Parameter(help="Validation pairs.")] = 24,
    kind: Annotated[
        Literal["shapes", "landscapes"],
        Parameter(help="shapes: five classes; landscapes: nine, in the light of a day."),
    ] = "shapes",
    width: Annotated[int | None, Parameter(help="Pixels; default 32, landscapes 128.")] = None,
    height: Annotated[int | None, Parameter(help="Pixels; default as the width's.")] = None,
    instances: Annotated[bool, Parameter(negative="", help="Instance maps too.")] = False,
    seed: Annotated[int, Parameter(metavar="N", help="Seed.")] = 0,
) -> int:
    """Draw scenes with their exact label maps: sky, ground and three shapes, or landscapes."""
    from spade_image.cli.console import note
    from spade_image.scenes import write_scenes

    side = 128 if kind == "landscapes" else 32
    width, height = width or side, height or side
    write_scenes(
        out,
        n_train=n_train,
        n_val=n_val,
        width=width,
        height=height,
        seed=seed,
        instances=instances,
        kind=kind,
    )
    note(f"written: {out}")
    small = (
        "--preset tiny"
        if kind == "shapes"
        else "--no-vgg --crop-size 128 --ngf 8 --ndf 16 --nhidden 16 --use-vae"
    )
    note(f"next: spade-image train --data {out} {small} --out my-model")
    return 0
