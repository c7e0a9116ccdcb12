# SPDX-License-Identifier: Apache-2.0
"""The page of a backtest: a tearsheet whose every number is a distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.backtest import figures, panels
from spade_finance.backtest.compare import MCS_SIZE
from spade_finance.backtest.grid import TITLES
from spade_finance.backtest.measures import MEASURES, shown, upper
from spade_finance.backtest.ranks import FLOORS, RANKED
from spade_finance.plot_style import regime_colors
from spade_finance.reports.html import embedded, provenance_rows, render

if TYPE_CHECKING:
    from spade_finance.backtest.compare import Comparison
    from spade_finance.backtest.grid import Overfitting
    from spade_finance.backtest.ranks import RankTest
    from spade_finance.backtest.result import BacktestResult

HISTOGRAMS = ("sharpe", "annual_return", "max_drawdown", "es_97_5")
DIFFERENCES = ("sharpe", "annual_return", "max_drawdown")
MOST_VARIANTS_SHOWN = 40
ROLLING_DAYS = 126

__all__ = ["backtest_page"]


def backtest_page(result: BacktestResult) -> str:
    """Self-contained HTML of a result and its panels."""
    days = result.record.n_days
    window = result.real_window
    rolling = min(ROLLING_DAYS, days // 2)
    drawn = [name for name in HISTOGRAMS if np.isfinite(result.record.measures.get(name, np.array([]))).any()]
    span = None
    if window is not None:
        index = window[0].index
        span = f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, {len(index):,} days"
    return render(
        "backtest",
        "backtest.html.j2",
        strategy=result.strategy,
        script=str(result.provenance.get("script", f"{days} days")),
        n_paths=f"{result.n_paths:,}",
        n_days=f"{days:,}",
        real_span=span,
        n_windows=len(result.real_windows),
        chips=_chips(result),
        notes=[note.rstrip(".") for note in result.remarks],
        rows=_rows(result.table[result.table["regime"].isna()]),
        wealth=embedded(figures.wealth_fan(result)),
        drawdown=embedded(figures.drawdown_cone(result)),
        histograms=[embedded(figures.histogram(result, name)) for name in drawn],
        regimes=embedded(figures.by_regime(result), wide=True) if result.record.by_regime else None,
        regime_blocks=_regime_blocks(result),
        rolling=embedded(figures.rolling_sharpe(result, rolling)) if rolling >= 20 else None,
        months=embedded(figures.months(result), wide=True),
        loss=embedded(figures.loss_probability(result)),
        comparison=None if result.comparison is None else _comparison(result.comparison),
        overfitting=None if result.overfitting is None else _overfitting(result.overfitting),
        ranks=None if result.ranks is None else _ranks(result.ranks),
        assumptions=[(key, str(value)) for key, value in result.assumptions.items()],
        provenance=provenance_rows({"strategy": result.strategy}, result.provenance),
    )


def _chips(result: BacktestResult) -> list[str]:
    """The numbers that are asked for first."""
    chips = []
    for name in ("sharpe", "annual_return", "max_drawdown", "loss_1y"):
        rows = result.table[(result.table["measure"] == name) & result.table["regime"].isna()]
        if rows.empty:
            continue
        row, unit = rows.iloc[0], MEASURES[name].unit
        sign = " %" if unit == "percent" else ""
        if name == "loss_1y":
            chips.append(f"loss over a year: {shown(row['mean'], unit)}{sign}")
        else:
            chips.append(
                f"{MEASURES[name].title}: {shown(row['p50'], unit)}{sign} "
                f"({shown(row['p05'], unit)} to {shown(row['p95'], unit)})"
            )
    return chips


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Lines of the main table as text."""
    lines = []
    for _, row in table.iterrows():
        unit = row["unit"]
        lines.append(
            {
                "title": MEASURES[row["measure"]].title + (" %" if unit == "percent" else ""),
                "mean": shown(row["mean"], unit),
                "error": shown(row["std_error"], unit, 2),
                "cells": [shown(row[c], unit) for c in ("p05", "p50", "p95", "real")],
                "percentile": shown(row["real_percentile"], "percent", 0),
                "n_paths": f"{int(row['n_paths']):,}",
            }
        )
    return lines


def _regime_blocks(result: BacktestResult) -> list[dict[str, Any]]:
    """One block of lines a regime."""
    colors = regime_colors(result.record.regimes)
    table = result.table[result.table["regime"].notna()]
    return [
        {"regime": regime, "color": colors[regime], "rows": _rows(table[table["regime"] == regime])}
        for regime in result.record.regimes
        if (table["regime"] == regime).any()
    ]


def _comparison(comparison: Comparison) -> dict[str, Any]:
    """Figure, and a line a strategy with paired differences."""
    rows = []
    table = {(row["strategy"], row["measure"]): row for row in comparison.table.to_dict("records")}
    for name in comparison.strategies:
        cells = []
        for measure in DIFFERENCES:
            if (name, measure) not in table:
                cells.append({"value": "–", "error": "", "gap": "", "interval": "", "clear": False})
                continue
            row, unit = table[name, measure], MEASURES[measure].unit
            base = name == comparison.base
            cells.append(
                {
                    "value": shown(row["mean"], unit),
                    "error": shown(row["std_error"], unit, 2),
                    "gap": ""
                    if base
                    else f"{'+' if row['difference'] > 0 else ''}{shown(row['difference'], unit, 2)}",
                    "interval": ""
                    if base
                    else f"{shown(row['low'], unit, 2)} to {shown(row['high'], unit, 2)}",
                    "clear": bool(not base and (row["low"] > 0 or row["high"] < 0)),
                }
            )
        wins = table[name, "sharpe"]["wins"] if (name, "sharpe") in table else float("nan")
        p_value = float(comparison.confidence.get(name, float("nan")))
        rows.append(
            {
                "name": name,
                "base": name == comparison.base,
                "cells": cells,
                "wins": shown(float(wins), "percent", 0),
                "p_value": shown(p_value, "ratio"),
                "inside": p_value >= MCS_SIZE,
            }
        )
    return {
        "figure": embedded(panels.compared(comparison)),
        "base": comparison.base,
        "headings": [
            MEASURES[m].title + (" %" if MEASURES[m].unit == "percent" else "") for m in DIFFERENCES
        ],
        "rows": rows,
        "verdict": upper(comparison.verdict()),
        "level": f"{1 - MCS_SIZE:.0%}",
    }


def _overfitting(panel: Overfitting) -> dict[str, Any]:
    """Figure, statistics, and the variants."""
    units = {"track_days": "days"}
    lines = [
        {
            "title": TITLES[row["statistic"]],
            "cells": [
                shown(row[c], units.get(row["statistic"], "ratio"))
                for c in ("mean", "std_error", "p05", "p50", "p95")
            ],
            "real": "never"
            if np.isinf(row["real"])
            else shown(row["real"], units.get(row["statistic"], "ratio")),
            "n_paths": f"{row['n_paths']:,}",
            "n_infinite": row["n_infinite"],
        }
        for row in panel.table.to_dict("records")
    ]
    (mean, spread), share = panel.mean_sharpe(), panel.chosen()
    real = panel.real["sharpe"] if panel.real is not None else [float("nan")] * len(mean)
    order = np.argsort(-mean)[:MOST_VARIANTS_SHOWN]
    return {
        "figure": embedded(panels.overfitted(panel), wide=True),
        "verdict": upper(panel.verdict()),
        "what": panel.what,
        "count": len(panel.variants),
        "rows": lines,
        "never": any(line["n_infinite"] for line in lines),
        "variants": [
            {
                "name": panel.variants[i],
                "mean": shown(mean[i], "ratio"),
                "error": shown(spread[i], "ratio"),
                "best": shown(float(share.get(panel.variants[i], 0.0)), "percent", 0),
                "real": shown(real[i], "ratio"),
            }
            for i in order
        ],
        "left_out": len(mean) - len(order),
        "years": shown(panel.backtest_years, "ratio", 1),
        "years_of": "the real history's" if panel.real is not None else "the median path's",
        "span": panel.span,
        "notes": panel.notes,
    }


def _ranks(test: RankTest) -> dict[str, Any]:
    """Figure, correlations, and the rankings themselves."""
    names = [name for name in RANKED if (test.table["measure"] == name).any()]
    rows = []
    for source in [*test.sources, *FLOORS]:
        cells = []
        for measure in names:
            cell = test.cell(source, measure)
            cells.append(
                {
                    "value": shown(cell["spearman"], "ratio"),
                    "interval": f"{shown(cell['low'], 'ratio')} to {shown(cell['high'], 'ratio')}",
                }
            )
        sharpe = test.cell(source)
        rows.append(
            {
                "source": source.replace("_", " "),
                "floor": source in FLOORS,
                "cells": cells,
                "kendall": shown(sharpe["kendall"], "ratio"),
                "best": shown(sharpe["best_found"], "percent", 0),
            }
        )
    values = test.scores[test.scores["measure"] == "sharpe"].sort_values("real", ascending=False)
    columns = ["real", *test.sources]
    ranks = values[columns].rank(ascending=False, method="average")
    ranking = [
        {
            "name": str(values.loc[i, "strategy"]),
            "cells": [
                {"rank": f"{ranks.loc[i, c]:g}", "value": shown(float(values.loc[i, c]), "ratio")}
                for c in columns
            ],
        }
        for i in values.index
    ]
    return {
        "figure": embedded(panels.rank_correlations(test)),
        "verdict": upper(test.verdict()),
        "headings": [MEASURES[m].title for m in names],
        "rows": rows,
        "columns": [c.replace("_", " ") for c in columns],
        "ranking": ranking,
        "chance": shown(test.chance, "ratio"),
        "span": test.span,
        "n_paths": f"{test.n_paths:,}",
        "n_days": f"{test.n_days:,}",
        "n_strategies": len(test.strategies),
        "notes": test.notes,
    }
