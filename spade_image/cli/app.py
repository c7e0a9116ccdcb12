# SPDX-License-Identifier: Apache-2.0
"""The tree of commands. Importing it must stay instant: commands import what they need when they run."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from spade_image.cli import check, convert, evaluate, export, generate, shapes, train

EPILOGUE = """\
Errors are one line on stderr: exit code 2 for bad usage or input, 1 for failures, 130 on Ctrl-C.
--debug, anywhere, shows the traceback."""

_SETTINGS: dict[str, Any] = {
    "help_format": "plaintext",
    "version_flags": (),
    "suppress_keyboard_interrupt": False,
}


def _version() -> str:
    from importlib.metadata import version

    return version("spade-finance")


app = App(
    name="spade-image",
    version=_version,
    help="Photos from label maps: train, generate, evaluate.\n\n"
    "New here? Try: spade-image train --data shapes --preset tiny --out my-model",
    help_epilogue=EPILOGUE,
    **{**_SETTINGS, "version_flags": ("--version",)},
)
# Each command module has its function and an EXAMPLE; a new one is imported above and gets its line here.
app.command(check.check, help_epilogue=check.EXAMPLE)
app.command(train.train, help_epilogue=train.EXAMPLE)
app.command(generate.generate, help_epilogue=generate.EXAMPLE)
app.command(evaluate.evaluate, help_epilogue=evaluate.EXAMPLE)
app.command(convert.convert, help_epilogue=convert.EXAMPLE)
app.command(export.export, help_epilogue=export.EXAMPLE)
app.command(shapes.shapes, help_epilogue=shapes.EXAMPLE)
