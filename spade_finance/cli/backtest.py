# SPDX-License-Identifier: Apache-2.0
"""``spade-finance backtest``: a strategy on many synthetic histories, and how far to trust it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from spade_finance.cli.options import (
    History,
    Json,
    Kind,
    Model,
    Script,
    Seed,
    check_paths,
    check_seed,
    day,
    load_model,
    read_table,
)

if TYPE_CHECKING:
    from spade_finance.backtest.result import BacktestResult

EXAMPLE = """\
Examples:
  spade-finance backtest --regimes "markov:1260" --strategy momentum --out momentum
  spade-finance backtest --model my-model --regimes "bull:250,crisis:60,bull:250" \\
      --strategy my_rules:low_risk --cost-bps 10 --out low-risk
  spade-finance backtest --regimes "markov:1260" --strategy momentum \\
      --grid "lookback=63,126,252;top=0.2,0.34,0.5" --out grid
  spade-finance backtest --list"""


def backtest(
    *,
    model: Model = "default",
    regimes: Annotated[Script | None, Parameter(metavar="SCRIPT")] = None,
    strategy: Annotated[
        str | None,
        Parameter(
            metavar="NAME", help="A strategy by name (--list), or module:function, or file.py:function."
        ),
    ] = None,
    paths: Annotated[int, Parameter(metavar="N", help="Number of paths, 1 or more.")] = 1000,
    seed: Seed = 0,
    cost_bps: Annotated[
        float,
        Parameter(metavar="BPS", help="Cost of what is bought or sold, basis points (5 is 0.05 percent)."),
    ] = 5.0,
    slippage_bps: Annotated[
        float, Parameter(metavar="BPS", help="Slippage of what is bought or sold, basis points.")
    ] = 0.0,
    borrow_bps: Annotated[
        float, Parameter(metavar="BPS", help="Yearly fee on what is sold short, basis points.")
    ] = 0.0,
    rebalance: Annotated[
        str, Parameter(metavar="WHEN", help="daily, weekly, monthly, quarterly, or a number of days.")
    ] = "monthly",
    compare: Annotated[
        str,
        Parameter(
            metavar="NAMES", help="Strategies on the same paths: all, none, or names separated by commas."
        ),
    ] = "all",
    grid: Annotated[
        str | None,
        Parameter(
            metavar="GRID",
            help="Variants that were tried, for the overfitting statistics: 'lookback=60,120;top=0.2,0.5', or a "
            ".toml or .json file of lists. Default: the compared strategies are the trials.",
        ),
    ] = None,
    baselines: Annotated[
        str,
        Parameter(
            metavar="NAMES",
            help="Generators beside the model in the rank test: names separated by commas, standard (twelve: slow), "
            "or none.",
        ),
    ] = "block_bootstrap,block_bootstrap_scaled,regime_t,fhs",
    history: Annotated[
        History,
        Parameter(
            metavar="RETURNS",
            help="Real returns: the marks in the report, the held-out years of the rank test, and what 'now' and "
            "replays continue; default the model's own data.",
        ),
    ] = None,
    kind: Kind = "simple",
    start: Annotated[
        str | None,
        Parameter(metavar="DATE", help="First date, YYYY-MM-DD: days get business days from there on."),
    ] = None,
    extrapolate: Annotated[
        bool, Parameter(negative="", show_default=False, help="Allow severities beyond the trained range.")
    ] = False,
    tearsheet: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Also write quantstats tearsheets of the median and a bad path.",
        ),
    ] = False,
    out: Annotated[
        Path | None, Parameter(metavar="DIR", help="Folder for report.html and report.json.")
    ] = None,
    json: Json = False,
    list_: Annotated[
        bool, Parameter(name="--list", negative="", show_default=False, help="List the strategies and stop.")
    ] = False,
) -> None:
    """Judge a strategy on many synthetic histories instead of one.

    Prints distributions over paths, the real history's own result beside
    them, and whether ranks found on synthetic paths may be trusted. Writes
    report.html and report.json.
    """
    from spade_finance.cli.console import note, print_frame, print_json, say
    from spade_finance.exceptions import InputError
    from spade_finance.io.atomic import check_writable

    if list_:
        _list(json)
        return
    for name, value in (("--regimes SCRIPT", regimes), ("--strategy NAME", strategy), ("--out DIR", out)):
        if value is None:
            raise InputError(f"backtest needs {name} (--list shows the strategies, --help an example)")
    assert regimes is not None
    assert strategy is not None
    assert out is not None
    check_paths(paths)
    check_seed(seed)
    first = day(start, "--start")
    check_writable(out, folder=True)
    for file in ("report.html", "report.json"):
        check_writable(out / file)
    _check_names(strategy, compare, grid, baselines)
    from spade_finance.backtest.costs import Costs

    costs = Costs(float(cost_bps), float(slippage_bps), float(borrow_bps))
    when = _rebalance(rebalance)
    if tearsheet:
        from spade_finance.integrations.optional import need

        need("quantstats", "quantstats", "--tearsheet")
    past = read_table(history, kind)
    generator = load_model(model)
    from spade_finance.backtest.measures import upper
    from spade_finance.backtest.study import study

    with _stages() as tell, redirect_stdout(sys.stderr):  # what a strategy prints is no result
        result = study(
            generator,
            regimes,
            strategy,
            n_paths=paths,
            seed=seed,
            costs=costs,
            rebalance=when,
            against=_against(compare),
            grid=grid,
            history=past,
            baselines=baselines,
            start=None if first is None else str(first),
            extrapolate=extrapolate,
            progress=tell,
        )
        tell("drawing the report", 0, 1)
        result = result.with_panels(provenance={"model": model, **_hash(generator)})
        result.to_html(out / "report.html")
        result.to_json(out / "report.json")
    written = [out / "report.html", out / "report.json"]
    if tearsheet:
        written += _tearsheets(result, out)
    if json:
        print_json(result.to_dict())
        return
    print_frame(
        result.summary(),
        title=f"{strategy} on {paths:,} paths of {result.record.n_days:,} days: {regimes}",
        caption=_caption(result),
    )
    for panel in (result.comparison, result.overfitting, result.ranks):
        if panel is not None:
            say()
            say(upper(panel.verdict()))
    for remark in result.remarks:
        say(f"note: {remark}")
    note("written: " + ", ".join(map(str, written)))


def _list(json: bool) -> None:
    """Names and first lines of the strategies."""
    from dataclasses import fields

    from spade_finance.backtest.strategies.registry import STRATEGIES, strategy_class
    from spade_finance.cli.console import print_json, print_pairs

    rows = {}
    for name in STRATEGIES:
        kind: Any = strategy_class(name)
        options = ", ".join(f"{f.name}={f.default!r}" for f in fields(kind))
        about = (kind.__doc__ or "").strip().splitlines()[0]
        rows[name] = {
            "about": re.sub(r":math:`([^`]*)`", _formula, about).replace("`", ""),
            "options": options,
        }
    if json:
        print_json({"schema": 1, "strategies": [{"name": n, **r} for n, r in rows.items()]})
        return
    print_pairs(
        {n: f"{r['about']}" + (f"\n({r['options']})" if r["options"] else "") for n, r in rows.items()}
    )


def _formula(found: re.Match[str]) -> str:
    """A formula without its markup."""
    return re.sub(r"\\(text\{([^}]*)\}|(\w+))", lambda m: m[2] or m[3], found[1])


def _check_names(strategy: str, compare: str, grid: str | None, baselines: str) -> None:
    """Refuse unknown strategies and baselines and bad grids before the model is loaded."""
    from spade_finance.backtest.study import check_choice

    check_choice(strategy, _against(compare), grid, baselines)


def _against(compare: str) -> list[str] | None:
    """Names of ``--compare``; None for all."""
    if compare == "all":
        return None
    return [] if compare == "none" else [word.strip() for word in compare.split(",") if word.strip()]


def _rebalance(text: str) -> str | int:
    """A frequency's name or a number of days."""
    from spade_finance.backtest.calendar import FREQUENCIES
    from spade_finance.exceptions import InputError

    if text in FREQUENCIES:
        return text
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise InputError(f"--rebalance {text!r}: write {', '.join(FREQUENCIES)} or a number of days such as 10")


def _stages() -> Any:
    """A context that yields ``tell(what, done, total)`` and shows it as a bar on stderr."""
    from contextlib import contextmanager

    from spade_finance.cli.console import progress

    @contextmanager
    def bar() -> Any:
        with progress(1, "starting") as (shown, task):

            def tell(what: str, done: int, total: int) -> None:
                shown.update(task, description=what, completed=done, total=total)

            yield tell

    return bar()


def _hash(generator: Any) -> dict[str, Any]:
    found = getattr(generator, "hash_", None)
    return {} if found is None else {"model_hash": found}


def _caption(result: BacktestResult) -> str:
    window = result.real_window
    real = (
        ""
        if window is None
        else (
            f" Real: the same strategy from {window[0].index[0]:%Y-%m-%d} to {window[0].index[-1]:%Y-%m-%d}."
        )
    )
    return f"Net of costs; ± one standard error over paths; percent where it says %.{real}"


def _tearsheets(result: BacktestResult, out: Path) -> list[Path]:
    """Quantstats pages of the path of median terminal wealth and of the one at the worst decile."""
    import pandas as pd

    from spade_finance.integrations.quantstats import tearsheet

    make: Callable[..., Path] = tearsheet
    written = []
    for name, path in (("median", result.typical_path()), ("worst_decile", result.bad_path())):
        title = f"{result.strategy}: {path.name}"
        if not isinstance(path.index, pd.DatetimeIndex):
            first = pd.Timestamp("2000-01-03") if result.real is None else result.real.returns.index[-1]
            path = path.set_axis(pd.bdate_range(first + pd.offsets.BDay(1), periods=len(path), name="date"))
        written.append(make(path, out / f"tearsheet_{name}.html", title, provenance=result.provenance))
    return written
