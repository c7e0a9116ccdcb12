# SPDX-License-Identifier: Apache-2.0
"""A quantstats tearsheet of one path of a backtest, and which paths are worth one.

A tearsheet shows one history; of thousands of paths the **median** and the **worst decile** are shown, by terminal
wealth: the path that half of all ended below, and the one that a tenth of all ended at or below. They are examples of
an ordinary and of a bad outcome, not summaries: what holds over all paths stands in the backtest's own report.
"""

from __future__ import annotations

import contextlib
import functools
import html
import io
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.integrations.optional import need
from spade_finance.io.atomic import atomic_path

__all__ = ["MIN_DAYS", "pick_paths", "tearsheet", "tearsheets"]

MIN_DAYS = 126
"""Half a year: quantstats' rolling figures have no value before."""
OUTSIDE = re.compile(r"<link\b[^>]*\bhref=\"https?://[^>]*>\s*|(?<=<body) onload=\"save\(\)\"")
"""What a browser would fetch of quantstats' page (its icon), and a call of a script that is not there."""


def pick_paths(wealth: npt.ArrayLike) -> dict[str, int]:
    """Positions of the median and the worst-decile path by terminal wealth.

    Parameters
    ----------
    wealth : array of shape (n,)
        Terminal wealth (or total return) of each path.

    Returns
    -------
    dict
        ``{"median": i, "worst_decile": j}``: the paths of rank ceil(n / 2) and ceil(n / 10) from the poorest,
        the empirical quantiles (always paths that exist). Of equal wealths the first counts as the poorer.

    Raises
    ------
    InputError
        No path, another shape, or a missing value.
    """
    values = np.asarray(wealth, dtype=np.float64)
    if values.ndim != 1 or not values.size or np.isnan(values).any():
        missing = f", {int(np.isnan(values).sum())} of them missing" if values.size else ""
        raise InputError(f"wealth has shape {values.shape}{missing}: pass one number a path")
    order = np.argsort(values, kind="stable")
    n = len(order)
    return {"median": int(order[-(-n // 2) - 1]), "worst_decile": int(order[-(-n // 10) - 1])}


def tearsheet(
    returns: pd.Series[float],
    path: str | os.PathLike[str],
    title: str = "Strategy",
    benchmark: pd.Series[float] | None = None,
    *,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write quantstats' HTML report of one series of returns: one file, nothing fetched, whole or not at all.

    Parameters
    ----------
    returns : Series of T daily simple returns (decimals), indexed by date
        At least 126 days.
    path : path
        File to write, ``.html``.
    title : str
        Heading.
    benchmark : Series, optional
        Daily simple returns on the same dates. (A ticker, which quantstats would download, is refused.)
    provenance : mapping, optional
        What made the path (``scen.provenance``), shown below the heading.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        quantstats is absent; returns undated, short, missing, constant or below -100 %; a benchmark of other dates.
    """
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"path {target} is no page: give a name that ends in .html")
    series = _checked(returns, "returns", MIN_DAYS).rename("Strategy")
    other = None
    if benchmark is not None:
        other = _checked(benchmark, "benchmark", MIN_DAYS)
        if not other.index.equals(series.index):
            raise InputError("benchmark has other dates than returns: reindex it to returns.index")
        other = other.rename(str(benchmark.name) if benchmark.name is not None else "Benchmark")
    reports, look = _library()
    shown = {html.escape(str(k)): html.escape(str(v)) for k, v in (provenance or {}).items()}
    with _quiet(look), atomic_path(target) as part:
        # quantstats puts the heading into the page as it is
        reports.html(series, benchmark=other, title=html.escape(title), parameters=shown, output=str(part))
        part.write_text(OUTSIDE.sub("", part.read_text(encoding="utf-8")), encoding="utf-8")
    return target


def tearsheets(
    returns: pd.DataFrame,
    folder: str | os.PathLike[str],
    title: str = "Strategy",
    benchmark: pd.DataFrame | None = None,
    *,
    provenance: Mapping[str, Any] | None = None,
) -> dict[str, Path]:
    """Tearsheets of the median and the worst-decile path of a backtest.

    Parameters
    ----------
    returns : DataFrame of shape (T, n)
        Daily simple returns of the strategy, one column a path, indexed by date.
    folder : path
        Where ``tearsheet_median.html`` and ``tearsheet_worst_decile.html`` are written.
    benchmark : DataFrame of shape (T, n), optional
        The benchmark's returns on the same paths.
    provenance : mapping, optional
        What made the paths, shown on both pages.

    Returns
    -------
    dict
        ``{"median": file, "worst_decile": file}``

    Raises
    ------
    InputError
        As :func:`tearsheet` and :func:`pick_paths`.
    """
    wealth = np.prod(1.0 + returns.to_numpy(dtype=np.float64), axis=0)
    written = {}
    for what, i in pick_paths(wealth).items():
        name = f"{title}: {what.replace('_', ' ')} path ({returns.columns[i]})"
        written[what] = tearsheet(
            returns.iloc[:, i],
            Path(folder) / f"tearsheet_{what}.html",
            name,
            None if benchmark is None else benchmark.iloc[:, i].rename("Benchmark"),
            provenance=provenance,
        )
    return written


def _checked(returns: pd.Series[float], name: str, least: int) -> pd.Series[float]:
    if not isinstance(returns, pd.Series):
        raise InputError(
            f"{name} is {type(returns).__name__}: pass a Series of daily simple returns, indexed by date"
        )
    if not isinstance(returns.index, pd.DatetimeIndex):
        raise InputError(
            f"{name} is indexed by {returns.index.dtype}, not by dates: sample with start='2026-01-05', or set one"
        )
    if len(returns) < least:
        raise InputError(f"{name} has {len(returns)} days: a tearsheet needs {least}")
    values = returns.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all() or (values < -1).any():
        at = int(np.argmax(~np.isfinite(values) | (values < -1)))
        raise InputError(
            f"{name} is {values[at]} on {returns.index[at]:%Y-%m-%d}: give finite decimal simple returns, at least -1"
        )
    if not np.ptp(values) > 0:
        raise InputError(
            f"{name} never moves (every day is {values[0]:g}): a tearsheet divides by its volatility"
        )
    return pd.Series(values, index=returns.index, name=returns.name)


@functools.lru_cache(1)
def _library() -> tuple[Any, dict[str, Any]]:
    """quantstats' reports, and the matplotlib settings that importing it leaves behind, which are its look."""
    mpl = need("matplotlib", "quantstats", "a tearsheet")
    with _quiet():
        reports = need("quantstats", "quantstats", "a tearsheet").reports
        return reports, {k: v for k, v in mpl.rcParams.items() if k != "backend"}


@contextlib.contextmanager
def _quiet(look: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Keep quantstats to itself: warnings, log lines, prints, and matplotlib's settings and figures."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    disabled, open_before = logging.root.manager.disable, set(plt.get_fignums())
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), mpl.rc_context(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            settings: Any = mpl.rcParams
            settings.update(look or {})
            yield
    finally:
        for number in set(plt.get_fignums()) - open_before:
            plt.close(number)
        logging.disable(disabled)
