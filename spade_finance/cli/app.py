# SPDX-License-Identifier: Apache-2.0
"""The tree of commands. Importing it must stay instant: commands import what they need when they run."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from spade_finance import __version__
from spade_finance.cli import (
    backtest,
    dashboard,
    data,
    demo,
    evaluate,
    generate,
    info,
    regimes,
    stress,
    train,
)

EPILOGUE = """\
Returns are daily, simple and in decimals (0.01 is one percent) unless --kind says otherwise.
Errors are one line on stderr: exit code 2 for bad usage or input, 1 for failures, 130 on Ctrl-C.
--debug, anywhere, shows the traceback. Not investment advice."""

_SETTINGS: dict[str, Any] = {
    "help_format": "plaintext",
    "version_flags": (),
    "suppress_keyboard_interrupt": False,
}


def _group(name: str, text: str) -> App:
    return App(name=name, help=text, **_SETTINGS)


app = App(
    name="spade-finance",
    version=__version__,
    help="Market scenarios under regimes: a regime timeline in, correlated sector return paths out.\n\n"
    "New here? Try: spade-finance demo",
    help_epilogue=EPILOGUE,
    **{**_SETTINGS, "version_flags": ("--version",)},
)
app.command(demo.demo, help_epilogue=demo.EXAMPLE, version_flags=())
_data = _group("data", "Get returns and look at them: fetch, check.")
_data.command(data.fetch, help_epilogue=data.FETCH_EXAMPLE)
_data.command(data.check, help_epilogue=data.CHECK_EXAMPLE)
app.command(_data)
app.command(regimes.regimes, help_epilogue=regimes.EXAMPLE)
app.command(train.train, help_epilogue=train.EXAMPLE)
app.command(generate.generate, help_epilogue=generate.EXAMPLE)
app.command(evaluate.evaluate, help_epilogue=evaluate.EXAMPLE)
app.command(backtest.backtest, help_epilogue=backtest.EXAMPLE)
app.command(stress.stress, help_epilogue=stress.EXAMPLE)
app.command(dashboard.dashboard, help_epilogue=dashboard.EXAMPLE)
app.command(info.info, help_epilogue=info.EXAMPLE)
