# SPDX-License-Identifier: Apache-2.0
"""``spade-finance regimes``: label the days of a file of returns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from spade_finance.cli.options import Json, Kind, check_seed, read_table, whole

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.regimes import RegimeLabels

EXAMPLE = """\
Examples:
  spade-finance regimes sectors.csv --out labels.csv
  spade-finance regimes sectors.csv --out labels.csv --method hmm \\
      --n-regimes 3 --causal --per-sector"""

Method = Annotated[
    Literal["jump", "hmm", "markov", "gmm", "rules"],
    Parameter(
        help="jump: statistical jump model; hmm: Gaussian hidden Markov; markov: Markov switching (minutes); "
        "gmm: Gaussian mixture; rules: drawdown and volatility."
    ),
]
Count = Annotated[int, Parameter(metavar="N", help="Number of regimes, 2 to 12, named calm to worst.")]


def regimes(
    returns: Annotated[
        Path, Parameter(metavar="RETURNS", help="Returns: .csv, .csv.gz or .parquet, the date first.")
    ],
    /,
    *,
    out: Annotated[Path, Parameter(metavar="FILE", help="The labels file to write, .csv.")],
    method: Method = "jump",
    n_regimes: Count = 4,
    causal: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Label each day from that day and earlier ones only."
        ),
    ] = False,
    per_sector: Annotated[
        bool, Parameter(negative="", show_default=False, help="Label every sector by its own returns too.")
    ] = False,
    kind: Kind = "simple",
    seed: Annotated[int, Parameter(metavar="N", help="Seed of the fit's restarts, 0 or more.")] = 0,
    json: Json = False,
) -> None:
    """Find market regimes and write a label and probabilities for every day.

    The file is CSV: date, regime, p_<regime> ... and sector:<name> columns.
    Labels look back on the whole span unless --causal is given; even then the
    method's parameters are fitted to the whole span.
    """
    whole(n_regimes, "--n-regimes", 2, 12)
    check_seed(seed)
    from spade_finance.cli.console import note, percent, print_frame, print_json, say
    from spade_finance.exceptions import InputError
    from spade_finance.io.atomic import check_writable

    if not str(out).lower().endswith((".csv", ".csv.gz")):
        raise InputError(f"--out {out} is no CSV name: end it in .csv")
    check_writable(out)
    table = read_table(returns, kind)
    assert table is not None
    from spade_finance.regimes import make_labeller

    labeller = make_labeller(method, n_regimes=n_regimes, random_state=seed, per_sector=per_sector).fit(table)
    labels = labeller.filter(table) if causal else labeller.smooth(table)
    if per_sector:
        labels = labels.with_sectors(labeller.label_sectors(table, causal=causal))
    labels.save(out)
    figures = _figures(labels, table)
    status = labeller.convergence_
    if json:
        print_json(
            {
                "schema": 1,
                "out": str(out),
                "method": method,
                "causal": causal,
                "convergence": status,
                "transition": {
                    a: dict(zip(labels.regimes, row, strict=True))
                    for a, row in zip(labels.regimes, labeller.process_.transition_, strict=True)
                },
                "rows": figures.reset_index().to_dict("records"),
            }
        )
        return
    shown = figures.copy()
    for name in ("share", "annual_return", "volatility", "worst_day"):
        shown[name] = [percent(value) for value in figures[name]]
    shown["mean_days"] = [f"{value:.0f}" for value in figures["mean_days"]]
    print_frame(
        shown.rename(columns=lambda name: name.replace("_", " ")),
        title=f"{len(labels):,} days, {labels.dates[0]:%Y-%m-%d} to {labels.dates[-1]:%Y-%m-%d}, "
        f"{method}, {'causal' if causal else 'smoothed'}",
        caption="The equal-weight market: simple returns; return and volatility a year of 252 days.",
    )
    say()
    import pandas as pd

    moves = pd.DataFrame(labeller.process_.transition_, list(labels.regimes), list(labels.regimes))
    print_frame(
        moves.map(lambda p: percent(p, 0)).rename_axis("from"),
        title="Where a spell leads, by regime that it leaves",
    )
    say()
    say(f"fit: {status['status']}" + (f" ({status['message']})" if status.get("message") else ""))
    note(f"written: {out}")


def _figures(labels: RegimeLabels, returns: pd.DataFrame) -> Any:
    """Days, spells and the market's figures by regime, decimals."""
    import numpy as np
    import pandas as pd

    market = returns.mean(axis=1).to_numpy()
    codes = labels.align(returns).codes
    starts = np.flatnonzero(np.r_[True, np.diff(codes) != 0])
    rows = {}
    for k, regime in enumerate(labels.regimes):
        days, spells = market[codes == k], int((codes[starts] == k).sum())
        some = len(days) > 1
        rows[regime] = {
            "days": len(days),
            "share": len(days) / len(codes),
            "spells": spells,
            "mean_days": len(days) / spells if spells else np.nan,
            "annual_return": 252 * days.mean() if some else np.nan,
            "volatility": np.sqrt(252) * days.std(ddof=1) if some else np.nan,
            "worst_day": days.min() if some else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("regime")
