# SPDX-License-Identifier: Apache-2.0
"""``spade-image convert``: official weight files to a model folder, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

EXAMPLE = """\
Examples:
  spade-image convert --from-official latest_net_G.pth --out my-model
  spade-image convert --from-official 50_net_G.pth --encoder 50_net_E.pth \\
      --options opt.json --out my-model
  spade-image convert --to-official my-model --out checkpoints"""


def convert(
    *,
    out: Annotated[
        Path, Parameter(metavar="DIR", help="The model folder to write, or the folder of .pth files.")
    ],
    from_official: Annotated[
        Path | None, Parameter(metavar="G.pth", help="The generator's official weights.")
    ] = None,
    encoder: Annotated[Path | None, Parameter(metavar="E.pth", help="The style encoder's.")] = None,
    discriminator: Annotated[
        Path | None, Parameter(metavar="D.pth", help="The discriminator's, to train further.")
    ] = None,
    options: Annotated[
        Path | None,
        Parameter(
            metavar="FILE",
            help="Official options as JSON, for what shapes do not tell (crop_size, ...). Default: options.json "
            "beside G.pth.",
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        Parameter(
            metavar="FILE",
            help="Names and colours of the classes (palette.json). Default: classes.json beside G.pth.",
        ),
    ] = None,
    to_official: Annotated[
        Path | None, Parameter(metavar="MODEL", help="A model folder, to be written for the official code.")
    ] = None,
    parametrized: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="torch's newer names of spectral norm in the .pth files."
        ),
    ] = False,
) -> int:
    """Convert official weights to a model folder, or a model folder to official weights.

    Weight files are read as plain tensors: nothing in them can run.
    """
    from spade_image.cli.console import note
    from spade_image.exceptions import InputError

    if (from_official is None) == (to_official is None):
        raise InputError("give either --from-official G.pth or --to-official MODEL")
    from spade_image.convert import from_official as read
    from spade_image.convert import to_official as write
    from spade_image.embedded import load_model

    if to_official is not None:
        for path in write(load_model(to_official), out, parametrized=parametrized):
            note(f"written: {path}")
        return 0
    assert from_official is not None
    if out.is_dir() and any(out.iterdir()) and not (out / "config.json").is_file():
        raise InputError(f"{out} is a folder of something else: give a new or empty one")
    model = read(
        from_official, encoder=encoder, discriminator=discriminator, options=options, classes=classes
    )
    model.save(out)
    note(f"written: {out}")
    return 0
