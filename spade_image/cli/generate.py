# SPDX-License-Identifier: Apache-2.0
"""``spade-image generate``: pictures from label maps alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

EXAMPLE = """\
Examples:
  spade-image generate --model tiny --labels map.png --out pictures --samples 4
  spade-image generate --model my-model --labels maps --out pictures
  spade-image generate --model my-model --labels map.png --out pictures \\
      --style evening.jpg --samples 4
  spade-image generate --model my-model --labels map.png --out pictures \\
      --interpolate day.jpg evening.jpg --steps 7"""

_STYLE = Group("Style (models trained with --use-vae)", sort_key=1)
_SIZE = Group("Size", sort_key=2)


def generate(
    *,
    model: Annotated[
        Path, Parameter(metavar="MODEL", help="The model folder, or 'tiny', the model that comes along.")
    ],
    labels: Annotated[Path, Parameter(metavar="FILE|DIR", help="A label map, or a folder of them.")],
    out: Annotated[
        Path,
        Parameter(metavar="DIR", help="Folder for the PNGs, report.html (a contact sheet) and report.json."),
    ],
    instances: Annotated[
        Path | None,
        Parameter(
            metavar="FILE|DIR",
            negative="",
            help="Instance maps of the same names, where the model reads them.",
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        Parameter(
            metavar="FILE|DIR", negative="", help="Real photos of the same names, to show beside the samples."
        ),
    ] = None,
    style: Annotated[
        list[Path] | None,
        Parameter(
            group=_STYLE,
            metavar="PHOTO",
            negative="",
            help="In this photo's style; several, or a folder: in each. Or the name of a style that the model has.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        Parameter(
            group=_STYLE,
            metavar="N",
            negative="",
            help="Draws a map: of any style, or around each style photo.",
        ),
    ] = None,
    interpolate: Annotated[
        tuple[Path, Path] | None,
        Parameter(group=_STYLE, metavar="A B", negative="", help="Go from photo A's style to photo B's."),
    ] = None,
    steps: Annotated[
        int, Parameter(group=_STYLE, metavar="K", help="Pictures of an interpolation, with both ends.")
    ] = 5,
    size: Annotated[
        str,
        Parameter(
            group=_SIZE,
            metavar="SIZE",
            help="nearest: as each map, or the nearest size that fits; map: refuse others; model: as in training; or "
            "WIDTHxHEIGHT.",
        ),
    ] = "nearest",
    tile: Annotated[
        int | None,
        Parameter(
            group=_SIZE,
            metavar="PIXELS",
            negative="",
            help="Draw larger maps in tiles of this side: less memory.",
        ),
    ] = None,
    batch_size: Annotated[int, Parameter(help="Styles drawn at a time.")] = 8,
    palette: Annotated[
        Path | None,
        Parameter(
            metavar="FILE",
            negative="",
            help="Which colour is which class, for masks of colours. Default: the model's own, or a palette file "
            "beside the maps.",
        ),
    ] = None,
    label_shift: Annotated[
        Literal["none", "ade20k"] | None,
        Parameter(
            help="ade20k: ids 1..150 become 0..149, 0 becomes dontcare. Default: as the model was trained."
        ),
    ] = None,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or cuda:N.", metavar="DEVICE")] = "auto",
    seed: Annotated[int, Parameter(metavar="N", help="Seed of the draws, 0 or more.")] = 0,
) -> int:
    """Draw pictures from label maps.

    No photos are needed. Maps are PNGs of class ids, or of colours that the
    model or a palette knows. The same seed gives the same pictures.
    """
    from spade_image.cli.console import note, progress
    from spade_image.embedded import load_model
    from spade_image.exceptions import InputError
    from spade_image.precision import resolve_device
    from spade_image.synthesis import SynthesisConfig, generate_images

    if batch_size < 1:
        raise InputError(f"--batch-size {batch_size} must be at least 1")
    loaded = load_model(model).to(resolve_device(device))
    config = SynthesisConfig(
        labels, out, instances=instances, photos=photos, styles=tuple(style or ()), samples=samples,
        interpolate=interpolate, steps=steps, size=size, tile=tile, seed=seed, palette=palette, label_shift=label_shift,
        batch_size=batch_size,
    )  # fmt: skip
    with progress(1, "drawing maps") as (bar, task):
        report = generate_images(
            loaded, config, say=note, on_map=lambda done, total: bar.update(task, completed=done, total=total)
        )
    note(f"written: {len(report.images)} picture(s) to {out}, contact sheet {report.sheet}")
    return 0
