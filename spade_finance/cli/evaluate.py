# SPDX-License-Identifier: Apache-2.0
"""``spade-finance evaluate``: a model, or any scenarios, against real returns and baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from spade_finance.cli.options import Kind, check_seed, day, is_baseline, load_generator, read_table

EXAMPLE = """\
Examples:
  spade-finance evaluate --model default --real sectors.csv --out report.html
  spade-finance evaluate --model my-model --real kf10.csv --from 1999-01-04 \\
      --baselines all --out report.html
  spade-finance evaluate --model default --real sectors.csv --sections risk,switch \\
      --baselines block_bootstrap,fhs --out report.html
  spade-finance evaluate --scenarios x.parquet --real sectors.csv \\
      --out report.html --json report.json"""


SHORT = {
    "marginals": "margins",
    "dependence": "depend.",
    "dynamics": "dynam.",
    "two_sample": "told apart",
    "not in loss": "unseen",
    "inside 95 %": "inside",
}
"""Headings that leave room for a dozen groups on a terminal."""


def evaluate(
    *,
    model: Annotated[
        str | None,
        Parameter(
            metavar="MODEL",
            help="A model folder, 'default' for the one that is shipped, or the name of a baseline.",
        ),
    ] = None,
    scenarios: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="A scenario file, ours or from elsewhere, instead of a model."),
    ] = None,
    real: Annotated[
        Path, Parameter(metavar="RETURNS", help="Real returns; their columns must be the model's sectors.")
    ],
    from_: Annotated[
        str | None,
        Parameter(
            name="--from",
            metavar="DATE",
            help="First day compared, YYYY-MM-DD; default the day after the training window.",
        ),
    ] = None,
    fit: Annotated[
        Path | None,
        Parameter(
            metavar="RETURNS", help="Returns to fit baselines on; default --real up to the training end."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="Labels of --real, for scenarios; a model brings its own labeller."),
    ] = None,
    baselines: Annotated[
        str,
        Parameter(
            metavar="NAMES", help="standard (fit in seconds), all, none, or names separated by commas."
        ),
    ] = "standard",
    sections: Annotated[
        str,
        Parameter(
            metavar="NAMES",
            help="Parts of the scorecard: all, none, or some of facts, dependence, distances, risk, switch, "
            "control, labels, novelty, finval.",
        ),
    ] = "all",
    kind: Kind = "simple",
    seed: Annotated[
        int, Parameter(metavar="N", help="Seed, 0 or more: the same seed gives the same report.")
    ] = 0,
    out: Annotated[Path, Parameter(metavar="FILE", help="The report to write, .html.")],
    json: Annotated[Path | None, Parameter(metavar="FILE", help="A file for the numbers, .json.")] = None,
) -> None:
    """Score a model against real returns, the true opponents in the same table.

    Stylised facts, dependence, distances, VaR and ES backtests, behaviour at a
    switch, control by the map, novelty, labels. Distances are in units of the real
    data's own sampling error. Writes a self-contained HTML report. VaR and ES are
    positive losses.
    """
    check_seed(seed)
    first = day(from_, "--from")
    from spade_finance.cli.console import note, print_frame, progress, say
    from spade_finance.exceptions import InputError
    from spade_finance.io.atomic import check_writable

    if (model is None) == (scenarios is None):
        raise InputError("evaluate needs either --model MODEL or --scenarios FILE, and not both")
    if json is not None and json.absolute() == out.absolute():
        raise InputError(f"--out and --json are the same file {out}: give two names")
    check_writable(out)
    if json is not None:
        check_writable(json, name="--json")
    subject: Any
    if model is not None:
        subject, _ = load_generator(model, None)
    else:
        from spade_finance.scenarios import ScenarioSet

        assert scenarios is not None
        subject = ScenarioSet.load(scenarios)
    returns, learned_from = read_table(real, kind), read_table(fit, kind)
    assert returns is not None
    known = None
    if labels is not None:
        from spade_finance.regimes import RegimeLabels

        known = RegimeLabels.load(labels)
    elif model is not None and is_baseline(model):
        from spade_finance.model import ScenarioGenerator

        known = ScenarioGenerator.load("default").label(returns)
    from spade_finance.evaluate import evaluate as compare

    with progress(1, "evaluating") as (bar, task):

        def show(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        report = compare(
            subject,
            returns,
            baselines,
            from_date=None if first is None else str(first),
            fit=learned_from,
            labels=known,
            sections=sections,
            seed=seed,
            progress=show,
        )
    report.to_html(out)
    if json is not None:
        report.to_json(json)
    start, end = report.window
    summary = report.summary()
    shown = summary.map(lambda value: f"{value:.2f}" if value == value else "–").rename_axis("column")
    shown["metrics"] = [f"{value:.0f}" for value in summary["metrics"]]
    shown = shown.rename(columns=SHORT)
    print_frame(
        shown,
        title=f"{start:%Y-%m-%d} to {end:%Y-%m-%d}: distance from real returns",
        caption="Geometric means over metrics of distance / sampling error: lower is better, 1 is ideal. The score "
        "is the mean of the groups, without energy. unseen: metrics that the training objective did not look at; "
        "inside: share of statistics within the real 95 % interval.",
    )
    say()
    say(report.verdict())
    for remark in report.notes:
        say(f"note: {remark}")
    note(f"written: {out}" + (f", {json}" if json is not None else ""))
