# SPDX-License-Identifier: Apache-2.0
"""``spade-finance generate``: scenarios under a regime script, streamed to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from spade_finance.cli.options import (
    Generator,
    History,
    Json,
    Kind,
    Script,
    Seed,
    check_paths,
    check_seed,
    day,
    load_generator,
    read_table,
    start_volatility,
)

if TYPE_CHECKING:
    from spade_finance.scenarios import ScenarioSet

EXAMPLE = """\
Examples:
  spade-finance generate --regimes "bull:120,crisis:60,bear:60" \\
      --paths 1000 --out x.parquet
  spade-finance generate --regimes "bull:250;Energy[100]=crisis:40" \\
      --paths 500 --start 2026-01-05 --out x.csv
  spade-finance generate --model my-model --regimes markov:252 \\
      --paths 1000000 --seed 7 --out big.nc
  spade-finance generate --model block_bootstrap --regimes "bull:60,crisis:20" \\
      --paths 1000 --out opponent.parquet"""

SUMMARY_VALUES = 8_000_000
"""Returns kept in memory for the table by regime; a longer file is described by its first paths."""


def generate(
    *,
    model: Generator = "default",
    regimes: Script,
    paths: Annotated[int, Parameter(metavar="N", help="Number of paths, 1 or more.")],
    seed: Seed = 0,
    start: Annotated[
        str | None,
        Parameter(metavar="DATE", help="First date, YYYY-MM-DD: steps get business days from there on."),
    ] = None,
    history: History = None,
    kind: Kind = "simple",
    start_vol: Annotated[
        str,
        Parameter(
            metavar="LEVEL",
            help="Volatility that the paths start from: long-run, last (where the history ended) or a "
            "multiple of the long-run level from 0.2 to 5, such as 1.5.",
        ),
    ] = "long-run",
    extrapolate: Annotated[
        bool, Parameter(negative="", show_default=False, help="Allow severities beyond the trained range.")
    ] = False,
    out: Annotated[
        Path, Parameter(metavar="FILE", help="File to write: .parquet, .csv, .csv.gz, .nc or .zarr.")
    ],
    json: Json = False,
) -> None:
    """Draw scenarios: correlated daily sector returns under a regime script.

    The file holds simple returns in decimals, one row a path and day (a cube
    in .nc and .zarr), with the regime of each day. Memory does not grow with
    the number of paths. Path i of a seed is the same for any number of paths.
    """
    check_paths(paths)
    check_seed(seed)
    first, volatility = day(start, "--start"), start_volatility(start_vol)
    from spade_finance.cli.console import note, print_json, print_regimes, progress
    from spade_finance.io.atomic import check_writable
    from spade_finance.io.layout import file_format

    check_writable(out, folder=file_format(out) == ".zarr")
    generator, past = load_generator(model, read_table(history, kind))
    from spade_finance.evaluate import regime_table
    from spade_finance.io.writer import ScenarioWriter
    from spade_finance.scenarios import ScenarioSet

    kept: list[ScenarioSet] = []
    room = SUMMARY_VALUES
    batches = generator.sample_batches(
        regimes,
        n_paths=paths,
        random_state=seed,
        start=None if first is None else str(first),
        start_vol=volatility,
        history=past,
        extrapolate=extrapolate,
    )
    with progress(paths, "paths") as (bar, task), ScenarioWriter(out) as file:
        for batch in batches:
            file.write(batch)
            if room > 0:
                kept.append(batch)
                room -= batch.n_paths * batch.n_days * len(batch.sectors)
            bar.update(task, advance=batch.n_paths)
    sample = ScenarioSet.concat(kept)
    table = regime_table(sample)
    few = f" of the first {sample.n_paths:,} paths" if sample.n_paths < paths else ""
    if json:
        print_json(
            {
                "schema": 1,
                "out": str(out),
                "n_paths": paths,
                "n_days": sample.n_days,
                "sectors": sample.sectors,
                "regimes": sample.regimes,
                "summary_paths": sample.n_paths,
                "rows": table.to_records(),
                "provenance": sample.provenance,
            }
        )
        return
    print_regimes(
        table,
        title=f"{paths:,} paths of {sample.n_days:,} days, {len(sample.sectors)} sectors: {regimes}",
        caption=f"The equal-weight market{few}: percent, a year or a day; "
        "± one standard error, clustered by path.",
    )
    note(f"written: {out}")
