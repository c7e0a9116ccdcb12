# SPDX-License-Identifier: Apache-2.0
"""``spade-image shapes``: draw a small data set to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

EXAMPLE = """\
Example:
  spade-image shapes --out shapes --n-train 200"""


def shapes(
    *,
    out: Annotated[Path, Parameter(metavar="DIR", help="A new folder.")],
    n_train: Annotated[int, Parameter(help="Training pairs.")] = 96,
    n_val: Annotated[int, Parameter(help="Validation pairs.")] = 24,
    width: Annotated[int, Parameter(help="Pixels.")] = 32,
    height: Annotated[int, Parameter(help="Pixels.")] = 32,
    instances: Annotated[bool, Parameter(negative="", help="Instance maps too.")] = False,
    seed: Annotated[int, Parameter(metavar="N", help="Seed.")] = 0,
) -> int:
    """Draw scenes of sky, ground and three shapes with their exact label maps."""
    from spade_image.cli.console import note
    from spade_image.scenes import write_scenes

    write_scenes(
        out, n_train=n_train, n_val=n_val, width=width, height=height, seed=seed, instances=instances
    )
    note(f"written: {out}")
    note(f"next: spade-image train --data {out} --preset tiny --out my-model")
    return 0
