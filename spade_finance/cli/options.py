# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and the checks that make a typed word a value."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.model import ScenarioGenerator

MAX_SEED = 2**63 - 1
MAX_PATHS = 100_000_000

Kind = Annotated[
    Literal["simple", "log", "price"],
    Parameter(help="What the table holds: simple returns, log returns (both decimal) or prices."),
]
Generator = Annotated[
    str,
    Parameter(
        metavar="MODEL",
        help="A model folder, 'default' for the one that is shipped, or the name of a baseline such as "
        "block_bootstrap (see docs/baselines.md).",
    ),
]
Model = Annotated[
    str, Parameter(metavar="MODEL", help="A model folder, or 'default' for the one that is shipped.")
]
Seed = Annotated[int, Parameter(metavar="N", help="Seed, 0 or more: the same seed gives the same paths.")]
Script = Annotated[
    str,
    Parameter(
        metavar="SCRIPT",
        help="Which regime holds for how many trading days, quoted: 'bull:60,crisis*1.15:20', 'markov:252', "
        "'now:21,crisis:10', '2008-09-01..2009-03-31', or a timeline.csv.",
    ),
]
Json = Annotated[
    bool, Parameter(negative="", show_default=False, help="Print the numbers as JSON instead of a table.")
]
History = Annotated[
    Path | None,
    Parameter(
        metavar="RETURNS",
        help="Returns that 'now', replays and --start-vol last continue; default the model's own data.",
    ),
]


def whole(value: int, name: str, least: int, most: int) -> int:
    """Return `value` if it lies in its range; InputError otherwise."""
    if not least <= value <= most:
        raise InputError(f"{name} {value} is out of range: give a whole number from {least} to {most:,}")
    return value


def check_seed(seed: int) -> int:
    """Return a usable seed."""
    return whole(seed, "--seed", 0, MAX_SEED)


def check_paths(paths: int) -> int:
    """Return a usable number of paths."""
    return whole(paths, "--paths", 1, MAX_PATHS)


def day(text: str | None, name: str) -> datetime.date | None:
    """Parse YYYY-MM-DD; None stays None."""
    if text is None:
        return None
    try:
        if len(text) != 10:
            raise ValueError
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{name} {text!r} is no date: write YYYY-MM-DD, such as 2024-01-31") from None


def start_volatility(text: str) -> float | Literal["long-run", "last"]:
    """Parse ``--start-vol``: ``long-run``, ``last`` or a positive multiple of the long-run level."""
    if text == "long-run":
        return "long-run"
    if text == "last":
        return "last"
    try:
        level = float(text)
    except ValueError:
        level = math.nan
    if not (math.isfinite(level) and level > 0):
        raise InputError(
            f"--start-vol {text!r}: write long-run, last or a positive number (1 is the long-run level)"
        )
    return level


def load_model(model: str) -> ScenarioGenerator:
    """Load a model by name or folder; ModelError saying what to do if it is not there."""
    from spade_finance.exceptions import ModelError

    if model != "default" and not Path(model).is_dir():
        what = "is a file, not a model folder" if Path(model).exists() else "does not exist"
        raise ModelError(
            f"model folder {model} {what}: train one with 'spade-finance train RETURNS --out {model}', "
            "or use --model default"
        )
    from spade_finance.model import ScenarioGenerator

    return ScenarioGenerator.load(model)


def is_baseline(model: str) -> bool:
    """Whether `model` names a baseline and no folder."""
    if model == "default" or Path(model).exists() or not model.isidentifier():
        return False
    from spade_finance.baselines import BASELINES

    return model in BASELINES


def load_generator(model: str, past: pd.DataFrame | None) -> tuple[Any, pd.DataFrame | None]:
    """A model, or a baseline by name, and the history to hand to its ``sample``.

    A baseline is fitted on the embedded data up to the shipped model's training end, or on `past`, which it then
    looks back on by itself.
    """
    if not is_baseline(model):
        return load_model(model), past
    from spade_finance.baselines.registry import fitted_beside

    return fitted_beside(model, "default", past), None


def read_table(path: Path | None, kind: str, **more: Any) -> pd.DataFrame | None:
    """Read a file of returns if one is given."""
    if path is None:
        return None
    from spade_finance.data import read_returns

    return read_returns(path, kind=kind, **more)
