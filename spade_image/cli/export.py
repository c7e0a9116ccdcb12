# SPDX-License-Identifier: Apache-2.0
"""``spade-image export``: a generator for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from spade_image.cli.options import Json

EXAMPLE = """\
Examples:
  spade-image export --model my-model --out generator.onnx
  spade-image export --model my-model --out generator.pt2 --size 256x512"""


def export(
    *,
    model: Annotated[Path, Parameter(metavar="MODEL", help="A model folder.")],
    out: Annotated[Path, Parameter(metavar="FILE", help="The file to write, .onnx or .pt2.")],
    format: Annotated[
        Literal["onnx", "torch"] | None, Parameter(help="Default: torch for .pt2, else onnx.")
    ] = None,
    size: Annotated[
        str | None, Parameter(metavar="HxW", help="Height and width of the maps; default the training size.")
    ] = None,
    check: Annotated[bool, Parameter(help="Compare the written file's output with the network's.")] = True,
    json: Json = False,
) -> int:
    """Write the generator as ONNX or by torch.export, checked against the network.

    The input is the map with a channel a class (then dontcare, then instance
    edges); any batch, the one height and width.
    """
    sides = _sides(size)
    from spade_image.cli.console import note, print_json, print_pairs
    from spade_image.embedded import load_model
    from spade_image.export import export_model

    kind: Literal["onnx", "torch"] = format or ("torch" if out.suffix == ".pt2" else "onnx")
    report = export_model(load_model(model), out, kind, size=sides, check=check)
    if json:
        print_json({"schema": 1, **report.to_dict()})
    else:
        print_pairs(report.to_dict(), title=f"Export of {model}")
    if report.remark:
        note(report.remark)
    note(f"written: {out}")
    return 0


def _sides(size: str | None) -> tuple[int, int] | None:
    from spade_image.exceptions import InputError

    if size is None:
        return None
    height, _, width = size.lower().partition("x")
    if not (height.isdigit() and width.isdigit()):
        raise InputError(f"--size {size!r} is not HxW: write height and width in pixels, such as 96x128")
    return int(height), int(width)
