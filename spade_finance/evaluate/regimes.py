# SPDX-License-Identifier: Apache-2.0
"""The demo's table: each regime, generated beside real, every number with its standard error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.errors import cluster_bootstrap, count_episodes, episode_clusters
from spade_finance.evaluate.panel import MARKET, Panel
from spade_finance.evaluate.pooled import STATISTICS, pooled_errors, pooled_statistics
from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels
    from spade_finance.scenarios import ScenarioSet

UNITS = dict.fromkeys(STATISTICS, "percent") | {
    "skewness": "number",
    "excess_kurtosis": "number",
    "mean_correlation": "number",
}
MIN_DAYS = 5


@dataclass(frozen=True)
class RegimeTable:
    """Figures by regime and source.

    Attributes
    ----------
    table : DataFrame
        Index (regime, source); columns ``days``, ``episodes`` and :data:`~.pooled.STATISTICS` with ``_se``
        columns. Decimals: annual return (arithmetic), annualised volatility, one-day VaR and ES as positive
        losses of `asset`. ``worst_day`` is the smallest return seen and falls with the number of days;
        ``worst_of_60`` is the expected smallest of 60 such days and can be compared between rows.
    asset : str
        "market" (equal weight) or a sector.
    sources : tuple of str
        Generated first.
    """

    table: pd.DataFrame
    asset: str
    sources: tuple[str, ...]

    def __repr__(self) -> str:
        return f"RegimeTable of {self.asset} ({', '.join(self.sources)})\n{self.summary().to_string()}"

    def summary(self) -> pd.DataFrame:
        """Table of text, ready to print: values with standard errors, of the regimes that were generated."""
        rows: dict[Any, dict[str, str]] = {}
        drawn = {
            regime for regime, source in self.table.index if self.table.loc[(regime, "generated"), "days"] > 0
        }
        for key, row in zip(list(self.table.index), self.table.to_dict("records"), strict=True):
            if key[0] not in drawn:
                continue
            cells = {"days": f"{row['days']:,.0f}"}
            for name in STATISTICS:
                if name != "worst_day":
                    cells[HEADINGS[name]] = with_error(row[name], row[f"{name}_se"], UNITS[name])
            rows[key] = cells
        text = pd.DataFrame.from_dict(rows, orient="index")
        text.index = pd.MultiIndex.from_tuples(list(rows), names=["regime", "source"])
        return text

    def to_records(self) -> list[dict[str, Any]]:
        """Rows as plain JSON values, NaN as None."""
        flat = self.table.reset_index()
        return [
            {str(k): None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}
            for row in flat.astype(object).to_dict("records")
        ]


HEADINGS = {
    "annual_return": "return % a year",
    "volatility": "volatility % a year",
    "skewness": "skew",
    "excess_kurtosis": "excess kurtosis",
    "mean_correlation": "mean correlation",
    "worst_day": "worst day %",
    "worst_of_60": "worst of 60 days %",
    "var_95": "95 % VaR, 1 day %",
    "es_95": "95 % ES, 1 day %",
}


def with_error(value: float, error: float, unit: str) -> str:
    """``12.3 ± 0.4`` in percent or plain; a dash for a missing value, no ± for a missing error."""
    if not np.isfinite(value):
        return "–"
    factor, digits = (100.0, 1) if unit == "percent" else (1.0, 2)
    if unit == "percent" and (abs(value) < 0.1 or (np.isfinite(error) and error < 0.0005)):
        digits = 2
    text = f"{value * factor:.{digits}f}"
    if np.isfinite(error):
        text += f" ± {error * factor:.{digits}f}"
    return text


def regime_table(
    generated: ScenarioSet | Panel,
    real: Mapping[str, tuple[pd.DataFrame, RegimeLabels]] | None = None,
    *,
    asset: str = MARKET,
    random_state: int = 0,
) -> RegimeTable:
    """Figures of each regime in generated scenarios beside real windows.

    Parameters
    ----------
    generated : ScenarioSet or Panel
        Standard errors are clustered by path (delete-a-group jackknife).
    real : mapping name -> (simple returns, labels), optional
        For example ``{"held-out": ..., "training": ...}``. Standard errors are clustered by episode, long
        spells cut into quarters (cluster bootstrap); none where there is a single cluster.
    asset : str
        "market" (equal-weight mean of simple returns) or a sector's name. The mean correlation is always "
        "that of
        all sectors.

    Raises
    ------
    InputError
        On an unknown asset, or real columns that are not the scenarios' sectors.
    """
    panel = generated if isinstance(generated, Panel) else Panel.from_scenarios(generated)
    if asset not in panel.assets:
        raise InputError(f"asset={asset!r} is unknown: pass {MARKET!r} or one of {', '.join(panel.sectors)}")
    rows: dict[tuple[str, str], dict[str, float]] = {}
    windows = {name: real_panel(returns, labels, panel) for name, (returns, labels) in (real or {}).items()}
    for k, regime in enumerate(panel.regimes):
        rows[regime, "generated"] = _generated_row(panel, k, asset)
        for name, window in windows.items():
            rows[regime, name] = _real_row(window, k, asset, random_state)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["regime", "source"])
    return RegimeTable(table, asset, ("generated", *windows))


def real_panel(returns: pd.DataFrame, labels: RegimeLabels, like: Panel) -> Panel:
    """Real returns and labels as a panel with the sectors and regimes of another, in their order."""
    from spade_finance.baselines.base import aligned_codes

    missing = [s for s in like.sectors if s not in returns.columns]
    if missing:
        raise InputError(f"real returns have no column {missing[0]!r}, which the scenarios have")
    if tuple(labels.regimes) != like.regimes:
        raise InputError(
            f"real labels have regimes {', '.join(labels.regimes)}, the scenarios {', '.join(like.regimes)}: "
            "label the real returns with the model's own labeller"
        )
    return Panel.from_frame(returns[list(like.sectors)], like.regimes, aligned_codes(labels, returns.index))


def _generated_row(panel: Panel, k: int, asset: str) -> dict[str, float]:
    inside = np.broadcast_to(panel.in_regime(k), panel.simple.shape[:2])
    path, _ = np.nonzero(inside)
    rows = panel.simple[inside]
    return _row(rows, panel.assets.index(asset), path, np.nan, by_path=True, random_state=0)


def _real_row(panel: Panel, k: int, asset: str, random_state: int) -> dict[str, float]:
    codes = np.asarray(panel.codes)
    inside = codes == k
    clusters = episode_clusters(codes)[inside]
    episodes = count_episodes(codes, k)
    at = panel.assets.index(asset)
    return _row(panel.simple[0][inside], at, clusters, episodes, by_path=False, random_state=random_state)


def _row(
    rows: NDArray[np.float64],
    at: int,
    clusters: NDArray[np.integer],
    episodes: float,
    *,
    by_path: bool,
    random_state: int,
) -> dict[str, float]:
    """Statistics of the pooled rows with their errors."""
    out: dict[str, float] = {"days": float(len(rows)), "episodes": float(episodes)}
    if len(rows) < MIN_DAYS:
        return out | {name: np.nan for s in STATISTICS for name in (s, f"{s}_se")}

    def statistic(sample: NDArray[np.float64]) -> NDArray[np.float64]:
        return pooled_statistics(sample, at)

    values = statistic(rows)
    errors = (
        pooled_errors(rows, at, clusters)
        if by_path
        else cluster_bootstrap(statistic, rows, clusters, random_state=random_state)
    )
    errors[STATISTICS.index("worst_day")] = np.nan  # the smallest of all days has no useful standard error
    for i, name in enumerate(STATISTICS):
        out[name], out[f"{name}_se"] = float(values[i]), float(errors[i])
    return out
