# SPDX-License-Identifier: Apache-2.0
"""What ``spade-finance stress`` prints: a report's tables, the library's list, a bar for each part of the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spade_finance.stress import StressReport
    from spade_finance.stress.views import PooledScenarios


def show(report: StressReport, json: bool, written: list[Path]) -> None:
    """Print a report's chief numbers, or all of them as JSON."""
    from spade_finance.cli.console import note, print_frame, print_json, say
    from spade_finance.stress.summary import contribution_summary, regime_summary, summary

    if json:
        print_json(report.to_dict())
        note(f"written: {', '.join(map(str, written))}")
        return
    for portfolio in report.portfolios:
        print_frame(
            summary(report, portfolio.name),
            title=f"{report.scenario.title}: {report.n_paths:,} paths of {report.n_days:,} days",
            caption=f"{portfolio}\n± one standard error, clustered by path. VaR and ES: positive losses.",
        )
        say()
        by_regime = regime_summary(report, portfolio.name)
        if len(by_regime):
            print_frame(by_regime, title="By regime", text=("regime", "source"))
            say()
        if len(report.sectors) > 1:
            print_frame(
                contribution_summary(report, portfolio.name),
                title="By sector",
                caption="Sectors add up to the portfolio.",
            )
            say()
    if report.views is not None:
        _views(report.views)
    for part in (report.reverse, report.nowcast):
        if part is not None:
            say(part.headline)
    for remark in report.notes:
        say(f"note: {remark}")
    note(f"written: {', '.join(map(str, written))}")


def _views(pooled: PooledScenarios) -> None:
    """What the views ask for, what they cost, and the losses before and after."""
    from spade_finance.cli.console import print_frame, say
    from spade_finance.stress.summary import views_summary

    asked, losses = views_summary(pooled)
    n = len(pooled.probabilities)
    print_frame(asked, title="Views", text=("view", "target"))
    say()
    print_frame(
        losses,
        title=f"{pooled.portfolio.name} under the views",
        caption=f"Of {n:,} paths {pooled.ess:,.0f} remain effective by entropy, {pooled.ess_kish:,.0f} by Kish; "
        f"relative entropy {pooled.relative_entropy:.3g}.",
    )
    for warning in pooled.warnings:
        say(f"warning: {warning}")
    say()


def list_scenarios(library: dict[str, Any], json: bool) -> None:
    """Print the scenarios with a paragraph each, or as JSON."""
    from spade_finance.cli.console import console, print_json

    if json:
        print_json({"schema": 1, "scenarios": [s.to_dict() for s in library.values()]})
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("scenario", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    for s in library.values():
        about = Text.assemble(
            (s.title, "bold"), "\n", s.narrative, "\n" if s.narrative else "", (s.script, "dim")
        )
        table.add_row(s.name, about, end_section=True)
    console().print(table)


@contextmanager
def bars() -> Iterator[Any]:
    """A progress bar for each part of the work, as it comes."""
    from spade_finance.cli.console import progress

    with progress(1, "model and history") as (bar, first):
        tasks = {"": first}

        def tell(what: str, done: int, total: int) -> None:
            bar.update(first, completed=1, visible=False)
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total, state="")
            bar.update(tasks[what], completed=done, total=total)

        yield tell
