# SPDX-License-Identifier: Apache-2.0
"""``spade-finance demo``: the shipped model at work, beside what really happened."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from spade_finance.cli.options import Json, Seed, check_paths, check_seed, load_model

EXAMPLE = """\
Examples:
  spade-finance demo
  spade-finance demo --out ~/demo --paths 5000 --seed 1"""

SCRIPT = "bull:90,bear:45,crisis:27,sideways:45,bull:45"
"""A year: a rally breaks, slides into a crisis, settles and recovers."""
REPLICATES = 32
"""Replicates of the held-out window under its own labels, for the report's comparisons."""


def demo(
    *,
    out: Annotated[
        Path, Parameter(metavar="DIR", help="Folder for scenarios.parquet and report.html.")
    ] = Path("spade-demo"),
    paths: Annotated[int, Parameter(metavar="N", help="Number of paths, 1 or more.")] = 1000,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Draw a year of scenarios and compare them with held-out real returns.

    Uses the shipped model and data. Prints a table by regime, writes
    scenarios.parquet and a self-contained report.html. Needs no network.
    """
    check_paths(paths)
    check_seed(seed)
    from spade_finance.cli.console import note, print_json, print_regimes, progress, say
    from spade_finance.cli.info import short
    from spade_finance.io.atomic import check_writable

    check_writable(out, folder=True)
    scenario_file, report_file = out / "scenarios.parquet", out / "report.html"
    for file in (scenario_file, report_file):
        check_writable(file)
    with progress(5, "loading the model") as (bar, task):
        generator: Any = load_model("default")
        bar.update(task, advance=1, description="drawing scenarios")
        scenarios = generator.sample(SCRIPT, n_paths=paths, random_state=seed)
        scenarios.save(scenario_file)
        bar.update(task, advance=1, description="labelling real returns")
        real = _real(generator)
        from spade_finance.evaluate import regime_table, write_demo_report
        from spade_finance.regimes import RegimeTimeline

        (training, labels), (heldout, _) = real["training"], real["held-out"]
        table = regime_table(scenarios, real, random_state=seed)
        bar.update(task, advance=1, description="replaying the held-out years")
        timeline = RegimeTimeline.from_codes(
            labels.align(heldout).codes, scenarios.regimes, scenarios.sectors
        )
        about = short(generator.describe()) | {"training_log": generator.curve_}
        comparison = generator.sample(timeline, n_paths=REPLICATES, random_state=seed)
        bar.update(task, advance=1, description="drawing the report")
        write_demo_report(
            scenarios,
            training,
            labels,
            heldout,
            labels,
            report_file,
            model_info=about,
            comparison=comparison,
            table=table,
        )
        bar.update(task, advance=1)
    if json:
        print_json(
            {
                "schema": 1,
                "scenarios": str(scenario_file),
                "report": str(report_file),
                "rows": table.to_records(),
                "provenance": scenarios.provenance,
            }
        )
        return
    print_regimes(
        table,
        title=f"{paths:,} paths of {scenarios.n_days} days, {len(scenarios.sectors)} sectors: {SCRIPT}",
        caption="The equal-weight market: percent, a year or a day; ± one standard error. "
        "Worst days deepen with their number.\n"
        f"Held-out: real returns {heldout.index[0]:%Y-%m-%d} to {heldout.index[-1]:%Y-%m-%d}, "
        f"which the model never saw (trained up to {training.index[-1]:%Y-%m-%d}).",
        sources=("generated", "held-out"),
    )
    say()
    say(f"scenarios  {scenario_file}")
    say(f"report     {report_file}")
    note("Not investment advice.")


def _real(generator: Any) -> dict[str, Any]:
    """Real windows and their labels by the model's own labeller: what it learned from, what it never saw."""
    from spade_finance.data import load_sectors

    returns = load_sectors()[list(generator.sectors_)]
    start, end = generator.training_window_
    labels = generator.label(returns)
    return {
        "held-out": (returns.loc[returns.index > end], labels),
        "training": (returns.loc[start:end], labels),
    }
