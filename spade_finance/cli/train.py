# SPDX-License-Identifier: Apache-2.0
"""``spade-finance train``: learn a model from a file of returns."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from spade_finance.cli.boundary import Terminated
from spade_finance.cli.options import Json, Kind, check_seed, day, read_table, whole
from spade_finance.cli.regimes import Count, Method

EXAMPLE = """\
Examples:
  spade-finance train sectors.csv --out my-model --preset quick
  spade-finance train closes.csv --kind price --out my-model \\
      --until 2018-12-31 --max-minutes 20
  spade-finance train sectors.csv --out my-model --resume"""

GO_ON = "the same command with --resume continues"


def train(
    returns: Annotated[
        Path, Parameter(metavar="RETURNS", help="Returns: .csv, .csv.gz or .parquet, the date first.")
    ],
    /,
    *,
    out: Annotated[Path, Parameter(metavar="MODEL", help="The model folder to write.")],
    labels: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="A labels file (see 'regimes') instead of fitting --method."),
    ] = None,
    method: Method = "jump",
    n_regimes: Count = 4,
    preset: Annotated[
        Literal["quick", "default", "large"],
        Parameter(help="quick: under 3 minutes on 2 cores; default: under 30; large: hours."),
    ] = "default",
    seed: Annotated[
        int, Parameter(metavar="N", help="Seed, 0 or more: the same seed gives the same weights.")
    ] = 0,
    max_minutes: Annotated[
        float | None,
        Parameter(
            metavar="MINUTES",
            help="Stop the training steps and save after so many minutes; --resume goes on. Labelling before "
            "and levelling after them (under a minute for 23 years of 7 sectors) come on top.",
        ),
    ] = None,
    resume: Annotated[
        bool, Parameter(negative="", show_default=False, help="Continue the unfinished training in --out.")
    ] = False,
    until: Annotated[
        str | None,
        Parameter(
            metavar="DATE", help="Last training day, YYYY-MM-DD; later rows stay unseen, for 'evaluate'."
        ),
    ] = None,
    kind: Kind = "simple",
    json: Json = False,
) -> int:
    """Train a model on daily returns of some sectors.

    Ctrl-C saves first: the same command with --resume continues to the same
    weights as an uninterrupted run.
    """
    whole(n_regimes, "--n-regimes", 2, 12)
    check_seed(seed)
    last = day(until, "--until")
    from spade_finance.cli.console import note, print_json, print_pairs, progress
    from spade_finance.cli.info import short
    from spade_finance.exceptions import InputError
    from spade_finance.io.atomic import check_writable

    if max_minutes is not None and not (math.isfinite(max_minutes) and max_minutes > 0):
        raise InputError(f"--max-minutes {max_minutes:g} is no time: give a positive number of minutes")
    check_writable(out, folder=True)
    _check_folder(out, resume)
    table = read_table(returns, kind)
    assert table is not None
    if last is not None:
        table = table.loc[: str(last)]
        if table.empty:
            raise InputError(
                f"--until {last} is before the first day of {returns}: no row is left to train on"
            )
    from spade_finance.model import ScenarioGenerator

    labeller: Any
    if labels is not None:
        from spade_finance.regimes import RegimeLabels

        labeller = RegimeLabels.load(labels)
    else:
        from spade_finance.regimes import make_labeller

        labeller = make_labeller(method, n_regimes=n_regimes, random_state=seed, per_sector=True)
    note(f"training on {len(table):,} days, {table.index[0]:%Y-%m-%d} to {table.index[-1]:%Y-%m-%d}, "
         f"{table.shape[1]} sectors, preset {preset}")  # fmt: skip
    generator: Any = ScenarioGenerator(preset=preset, random_state=seed)
    state = out / "state"
    with progress(1, "labelling", "{task.fields[state]}") as (bar, task):
        try:
            generator.fit(
                table,
                labeller,
                progress=_listener(bar, task),
                max_minutes=max_minutes,
                checkpoint_dir=state,
                resume=resume,
            )
        except (KeyboardInterrupt, Terminated):  # while levelling: the steps themselves stop in order
            if (state / "state.safetensors").is_file():
                note(GO_ON)
            raise
    result = generator.training_result_
    reason, message = result["reason"], result["message"]
    if reason == "signal":
        note(message)
        note(GO_ON)
        return 143 if "SIGTERM" in message else 130
    generator.save(out)
    if reason == "finished":
        shutil.rmtree(state, ignore_errors=True)
    if reason == "diverged":
        raise RuntimeError(f"{message}; the model written to {out} is the last good one")
    if json:
        print_json({"schema": 1, "out": str(out), **generator.describe()})
    else:
        print_pairs(short(generator.describe()), title=f"Model {out}")
    note(f"written: {out}" + ("" if reason == "finished" else f" ({message})"))
    note(f"next: spade-finance generate --model {out} --regimes markov:252 --paths 1000 --out x.parquet")
    return 0


def _check_folder(out: Path, resume: bool) -> None:
    """Refuse to write over something else, or over an unfinished training that is not to be continued."""
    from spade_finance.exceptions import InputError

    unfinished = (out / "state").is_dir() and any((out / "state").iterdir())
    if resume and not unfinished:
        raise InputError(f"--resume: {out} holds no unfinished training; leave --resume out to start one")
    if not out.is_dir() or resume:
        return
    if unfinished:
        raise InputError(
            f"{out} holds an unfinished training: add --resume, or remove {out / 'state'} to start anew"
        )
    if any(out.iterdir()) and not (out / "config.json").is_file():
        raise InputError(f"{out} is a folder of something else: give a new or empty one")


def _listener(bar: Any, task: Any) -> Callable[[Any], None]:
    """Turn the trainer's reports into a bar, or into lines where stderr is no terminal."""
    from spade_finance.cli.console import note

    def listen(tick: Any) -> None:
        figures = [
            f"{name} {tick.metrics[name]:.4g}" for name in ("loss", "validation") if name in tick.metrics
        ]
        left = f"{tick.minutes_left:.1f} min left"
        bar.update(
            task,
            total=tick.max_steps,
            completed=tick.step,
            description="training",
            state=", ".join([*figures, left]),
        )
        if bar.disable:
            note(f"step {tick.step}/{tick.max_steps}: {', '.join([*figures, left])}")

    return listen
