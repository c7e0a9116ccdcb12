# SPDX-License-Identifier: Apache-2.0
"""``spade-finance stress``: a scenario, portfolios, a report; the library's list; an exact rerun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from spade_finance.cli.options import (
    History,
    Json,
    Kind,
    check_paths,
    check_seed,
    load_model,
    read_table,
    start_volatility,
)

if TYPE_CHECKING:
    from spade_finance.stress import StressReport

EXAMPLE = """\
Examples:
  spade-finance stress --list
  spade-finance stress --scenario gfc --portfolio weights.csv --out gfc
  spade-finance stress --scenario "bull:60,crisis*1.1:40,bear:60" \\
      --portfolio a.csv --portfolio b.csv --rebalance none --out own
  spade-finance stress --scenario severely_adverse --out views \\
      --view "return(market, 126) = -30%" --view "volatility(Energy) >= 45%"
  spade-finance stress --rerun gfc/report.json --out again

weights.csv has the columns asset,weight (decimal; negative is short; a row
'cash' is allowed, else what is missing from 1 is cash at no interest)."""

Part = Literal[
    "block_bootstrap", "history", "dial", "counterfactual", "spillover", "reverse", "nowcast", "pdf"
]


def stress(
    *,
    model: Annotated[
        str | None,
        Parameter(
            metavar="MODEL", help="A model folder, or 'default' (the default) for the one that is shipped."
        ),
    ] = None,
    scenario: Annotated[
        str | None,
        Parameter(
            metavar="NAME|SCRIPT", help="A scenario of the library (--list), or a regime script, quoted."
        ),
    ] = None,
    portfolio: Annotated[
        list[Path] | None,
        Parameter(
            metavar="FILE",
            negative="",
            help="Weights CSV, asset,weight; may be given several times. Default equal weight.",
        ),
    ] = None,
    rebalance: Annotated[
        Literal["daily", "monthly", "none"],
        Parameter(help="How often the weights are restored; none buys and holds."),
    ] = "daily",
    paths: Annotated[int, Parameter(metavar="N", help="Number of paths, 2 or more.")] = 10_000,
    seed: Annotated[
        int, Parameter(metavar="N", help="Seed, 0 or more: the same seed gives the same report.")
    ] = 0,
    history: History = None,
    kind: Kind = "simple",
    start_vol: Annotated[
        str,
        Parameter(
            metavar="LEVEL", help="Volatility that the paths start from: long-run, last or a multiple."
        ),
    ] = "long-run",
    extrapolate: Annotated[
        bool, Parameter(negative="", show_default=False, help="Allow severities beyond the trained range.")
    ] = False,
    loss: Annotated[
        float,
        Parameter(metavar="SHARE", help="Loss that the reverse stress test looks for: 0.2 is 20 percent."),
    ] = 0.2,
    reverse_horizon: Annotated[
        int, Parameter(metavar="DAYS", help="Trading days over which it looks for that loss, 5 or more.")
    ] = 63,
    view: Annotated[
        list[str] | None,
        Parameter(
            metavar="VIEW",
            negative="",
            help="What shall hold of the paths, quoted; they are reweighted so that it does. Repeatable.",
        ),
    ] = None,
    liquidity: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="Liquidity horizons, CSV asset,days (10, 20, 40, 60 or 120)."),
    ] = None,
    library: Annotated[
        list[Path] | None,
        Parameter(metavar="FILE", negative="", help="More scenarios, TOML; may be given several times."),
    ] = None,
    skip: Annotated[
        list[Part] | None,
        Parameter(negative="", help="Leave out a part of the report, to save its time; repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        Parameter(
            metavar="DIR", help="Folder for report.html, report.json and, where a browser is, report.pdf."
        ),
    ] = None,
    list_: Annotated[
        bool, Parameter(name="--list", negative="", show_default=False, help="List the scenarios and stop.")
    ] = False,
    rerun: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="A report.json: make the same report again, with the same numbers."),
    ] = None,
    json: Json = False,
) -> None:
    """Stress portfolios: losses with standard errors, by regime and sector.

    Draws paths under a named scenario or a script and reports VaR, ES,
    drawdowns and contributions beside history and a block bootstrap, how
    likely such losses are (reverse stress), and what the next quarter looks
    like from today. VaR and ES are positive losses, drawdowns negative.
    """
    from spade_finance.cli.stress_show import list_scenarios, show
    from spade_finance.exceptions import InputError
    from spade_finance.stress.library import load_library

    if list_:
        list_scenarios(load_library(*(library or [])), json)
        return
    if (scenario is None) == (rerun is None):
        raise InputError("stress needs one of --scenario NAME|SCRIPT, --rerun report.json and --list")
    if out is None:
        raise InputError("stress needs --out DIR, the folder for report.html and report.json")
    from spade_finance.io.atomic import check_writable

    check_writable(out, folder=True)
    if rerun is not None:
        report = _again(rerun, model, read_table(history, kind), history)
    else:
        assert scenario is not None
        report = _fresh(
            model or "default", scenario, portfolio, rebalance, paths, seed, history, kind, start_vol, extrapolate,
            loss, reverse_horizon, view, liquidity, library, skip,
        )  # fmt: skip
    written = _write(report, out, pdf="pdf" not in (skip or []))
    show(report, json, written)


def _fresh(
    model: str, scenario: str, portfolio: Any, rebalance: Any, paths: int, seed: int, history: Path | None, kind: Any,
    start_vol: str, extrapolate: bool, loss: float, reverse_horizon: int, view: list[str] | None,
    liquidity: Path | None, library: Any, skip: Any,
) -> StressReport:  # fmt: skip
    check_paths(paths)
    check_seed(seed)
    volatility = start_volatility(start_vol)
    from spade_finance.cli.stress_show import bars
    from spade_finance.stress import find_scenario, load_library, read_portfolio, run_stress
    from spade_finance.stress.liquidity import read_liquidity
    from spade_finance.stress.run import PARTS
    from spade_finance.stress.view_syntax import view_texts

    views = view_texts(view)
    chosen = find_scenario(scenario, load_library(*(library or [])))
    books = [read_portfolio(path, rebalance) for path in portfolio or []]
    horizons = read_liquidity(liquidity) if liquidity is not None else None
    past = read_table(history, kind)
    generator = load_model(model)
    with bars() as tell:
        report = run_stress(
            generator,
            chosen,
            books or None,
            paths,
            seed,
            history=past,
            rebalance=rebalance,
            liquidity=horizons,
            start_vol=volatility,
            extrapolate=extrapolate,
            reverse_loss=loss,
            reverse_horizon=reverse_horizon,
            views=views,
            parts=[part for part in PARTS if part not in (skip or [])],
            progress=tell,
        )
    report.options.update(model=model, history=None if history is None else str(history), kind=kind)
    return report


def _again(rerun: Path, model: str | None, given: Any, history: Path | None) -> StressReport:
    from spade_finance.cli.stress_show import bars
    from spade_finance.exceptions import InputError
    from spade_finance.stress import Portfolio, Scenario, run_stress
    from spade_finance.stress.lineage import check_history, check_model, read_options

    found = read_options(rerun)
    told, provenance = found["options"], found["provenance"]
    name = model or str(told.get("model") or "default")
    generator = load_model(name)
    check_model(generator, provenance)
    if told.get("own_history") and given is None:
        if told.get("history") is None:
            raise InputError(f"--rerun {rerun}: the report used returns of its own: pass them with --history")
        given = read_table(Path(told["history"]), str(told.get("kind", "simple")))
    check_history(given, provenance)
    with bars() as tell:
        report = run_stress(
            generator,
            Scenario.from_dict(told["scenario"]),
            [Portfolio.from_dict(values) for values in told["portfolios"]],
            int(told["n_paths"]),
            int(told["seed"]),
            history=given,
            liquidity=told.get("liquidity") or None,
            start_vol=told.get("start_vol", "long-run"),
            extrapolate=bool(told.get("extrapolate", False)),
            reverse_loss=float(told.get("reverse_loss", 0.2)),
            reverse_horizon=int(told.get("reverse_horizon", 63)),
            views=told.get("views"),
            parts=told["parts"],
            progress=tell,
        )
    kept = told.get("history") if history is None else str(history)
    report.options.update(model=name, history=kept, kind=told.get("kind", "simple"))
    return report


def _write(report: StressReport, out: Path, *, pdf: bool) -> list[Path]:
    """The report's files: each whole or not at all."""
    from spade_finance.io.atomic import write_text

    page, data = report.to_html(), report.to_json()  # both are made before either is written
    write_text(out / "report.html", page)
    write_text(out / "report.json", data + "\n")
    written = [out / "report.html", out / "report.json"]
    if pdf:
        from spade_finance.stress.pdf import write_pdf

        made = write_pdf(out / "report.html", out / "report.pdf")
        written += [out / "report.pdf"] if made else []
    return written
