# SPDX-License-Identifier: Apache-2.0
"""What the Backtest page shows: strategies side by side, and one of them as distributions over paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from ..cards import Card, cards
from ..figures import ink, show
from ..headings import heading
from ..tables import table
from ._backtest_numbers import (
    SHORT,
    difference_table,
    measure_table,
    said,
    spaced,
    strategy_table,
    with_error,
)  # fmt: skip

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.backtest import BacktestResult
    from spade_finance.backtest.compare import Comparison

__all__ = ["VIEWS", "comparison", "headline"]

HISTOGRAMS = ("sharpe", "annual_return", "max_drawdown", "es_97_5")


def headline(result: BacktestResult) -> None:
    """One strategy's numbers, the real history's own beside them."""
    items = []
    for name, digits in (
        ("sharpe", 2),
        ("annual_return", 1),
        ("volatility", 1),
        ("max_drawdown", 1),
        ("loss_1y", 0),
    ):
        if name not in set(result.table["measure"]):
            continue
        note = "mean of the paths"
        if name not in ("loss_1y",):
            note = f"90 % of paths {said(result, name, 'p05')} to {said(result, name, 'p95')}"
        real = result.value(name, column="real")
        if np.isfinite(real) and name != "loss_1y":
            note += f"; real {said(result, name, 'real')}"
        items.append(
            Card(SHORT[name][:1].upper() + SHORT[name][1:], with_error(result, name, digits=digits), note)
        )
    cards(items)


# ---- all strategies


def comparison(results: dict[str, BacktestResult], found: Comparison | None) -> None:
    """All strategies on the same paths: Sharpe ratios, every measure, paired differences."""
    from spade_finance.backtest import panels

    if found is None:
        st.info(
            "Choose two strategies or more above, and they are compared path by path.",
            icon=":material/compare_arrows:",
        )
    else:
        figure = panels.compared(found)
        _real_ink(figure)
        _in_words(figure)
        show(
            figure,
            key="backtest:compared",
            alt="Median Sharpe ratio and 90 % of paths of every strategy, real marks.",
        )
    heading("On the generated paths")
    table(strategy_table(results))
    if any(r.real is not None for r in results.values()):
        window = next(iter(results.values())).real_window
        assert window is not None
        index = window[0].index
        heading(f"On the real history, {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}")
        table(strategy_table(results, "real"))
        st.caption(_remarks(*results.values()))
    if found is not None:
        heading(f"{_title(found.base)} minus the others, path by path")
        table(difference_table(found))
        st.caption(
            f"95 % bootstrap intervals over paths. {_title(found.verdict())} It says "
            "which could be "
            "best under this generator, not in the market."
        )


# ---- one strategy


def wealth(result: BacktestResult) -> None:
    """Value over time, the real history on it."""
    end = np.prod(1.0 + result.record.returns.astype(np.float64), axis=1) * 100
    low, middle, high = np.quantile(end, [0.05, 0.5, 0.95])
    figure = result.plot_wealth()
    _real_ink(figure)
    show(
        figure,
        key="backtest:wealth",
        title=f"Value of {spaced(result.strategy)}, start = 100: median, half and 90 % of {result.n_paths:,} paths",
        alt=f"At the end the median is {middle:.0f}, 90 % of paths lie between {low:.0f} and {high:.0f}.",
    )
    st.caption(_real_words(result))


def distributions(result: BacktestResult) -> None:
    """Histograms over paths with the real history's mark."""
    drawn = [n for n in HISTOGRAMS if np.isfinite(result.record.measures.get(n, np.array([np.nan]))).any()]
    for i in range(0, len(drawn), 2):
        for column, name in zip(st.columns(2), drawn[i : i + 2], strict=False):
            with column:
                figure = result.plot_distribution(name)
                _real_ink(figure)
                for trace in figure.data:  # the page's own minus
                    trace.name = str(trace.name).replace(" -", " −")
                words = f"median {said(result, name, 'p50')}, real {said(result, name, 'real')}"
                show(figure, key=f"backtest:{name}", alt=f"{SHORT[name]} over paths: {words}.")
    st.caption(_real_words(result) + " Diamonds are earlier real stretches of that length.")


def drawdown(result: BacktestResult) -> None:
    """The cone of drawdowns."""
    figure = result.plot_drawdown()
    _real_ink(figure)
    show(
        figure,
        key="backtest:drawdown",
        alt=f"Cone of drawdowns; the worst is {said(result, 'max_drawdown', 'mean')} on average.",
    )
    table(
        measure_table(
            result, ("max_drawdown", "days_to_recover", "unrecovered", "longest_under_water", "calmar")
        )
    )
    st.caption(_real_words(result))


def regimes(result: BacktestResult) -> None:
    """The same by the regime that held."""
    if not result.record.by_regime:
        st.info("These paths carry no regimes.")
        return
    import plotly.graph_objects as go

    from spade_finance.backtest.figures import REGIME_MEASURES
    from spade_finance.plot_style import style

    whole = result.plot_regimes()
    pieces = []
    for i, name in enumerate(REGIME_MEASURES):  # four figures, which a phone puts below each other
        axis = "x" if i == 0 else f"x{i + 1}"
        piece = go.Figure([trace for trace in whole.data if (trace.xaxis or "x") == axis])
        piece.update_traces(xaxis="x", yaxis="y")
        piece.update_traces(showlegend=True, selector={"name": "real"})
        title = whole.layout.annotations[i].text
        pieces.append((name, style(piece, f"{title}: median and 90 % of paths", 300)))
    for first, second in zip(pieces[::2], pieces[1::2], strict=True):
        for column, (name, piece) in zip(st.columns(2), (first, second), strict=True):
            with column:
                _real_ink(piece)
                show(
                    piece,
                    key=f"backtest:regime:{name}",
                    alt=f"{SHORT[name]} by regime, median and 90 % of paths.",
                )


def numbers(result: BacktestResult) -> None:
    """Every measure."""
    table(measure_table(result, tuple(dict.fromkeys(result.table["measure"]))))
    st.caption(
        "Net of costs; ± is one standard error over paths. The percentile says how many paths lie below the real "
        "history's "
        "own number. Returns, volatility, Sharpe ratio, turnover and costs are a year (252 days)."
    )


# ---- parts


def _real_words(result: BacktestResult) -> str:
    if result.real_window is None:
        return (
            "No real history stands beside this model: it was trained on data of its own, and a model folder holds no "
            "returns."
        )
    index = result.real_window[0].index
    words = f"Real: the same strategy from {index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, whose regimes are its own."
    return f"{words} {_remarks(result)}"


def _remarks(*results: BacktestResult) -> str:
    """What must be known about results, each thing once."""
    said = dict.fromkeys(remark for result in results for remark in result.remarks)
    return " ".join(f"{remark[:1].upper()}{remark[1:].rstrip('.')}." for remark in said)


def _title(words: str) -> str:
    words = spaced(words)
    return words[:1].upper() + words[1:]


def _in_words(figure: go.Figure) -> None:
    """Names of the registry as words, on the axis and in the legend."""
    for trace in figure.data:
        trace.name = spaced(str(trace.name))
        trace.y = [spaced(str(name)) for name in trace.y]
    figure.update_yaxes(categoryarray=[spaced(str(name)) for name in figure.layout.yaxis.categoryarray])


def _real_ink(figure: go.Figure) -> None:
    """The real history in the page's own ink, light or dark."""
    color = ink()["real"]
    for trace in figure.data:
        if not str(trace.name or "").startswith(("real", "earlier real")):
            continue
        if trace.mode and "lines" in trace.mode:
            trace.line.color = color
        else:
            trace.marker.color = color
            if trace.marker.line.color is not None:
                trace.marker.line.color = color


View = Callable[["BacktestResult"], None]

VIEWS: dict[str, tuple[str, View | None]] = {
    "compare": ("Compare", None),
    "wealth": ("Wealth", wealth),
    "distributions": ("Distributions", distributions),
    "drawdown": ("Drawdowns", drawdown),
    "regimes": ("Regimes", regimes),
    "numbers": ("All numbers", numbers),
}
