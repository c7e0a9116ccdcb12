# SPDX-License-Identifier: Apache-2.0
"""`EvaluationReport`: the numbers of an evaluation, ready to read, print, save as data or as a page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.evaluate.catalogue import is_in_loss
from spade_finance.evaluate.panel import Panel

SCHEMA = 1
GROUPS = ("marginals", "dependence", "dynamics", "risk")
SUBJECTS = ("model", "scenarios")


@dataclass(frozen=True)
class EvaluationReport:
    """Result of :func:`spade_finance.evaluate.evaluate`.

    Attributes
    ----------
    statistics, distances : DataFrame
        See :class:`spade_finance.evaluate.compare.Comparison`.
    columns : tuple of str
        "model" (or "scenarios"), then the baselines.
    window : (Timestamp, Timestamp)
        First and last real day compared.
    in_loss : frozenset of str
        Metrics, or families of them, that the model was trained to match.
    look_ahead : str or None
        The warning, if the window overlaps the training data.
    notes : tuple of str
        What was left out and why.
    """

    statistics: pd.DataFrame
    distances: pd.DataFrame
    columns: tuple[str, ...]
    window: tuple[pd.Timestamp, pd.Timestamp]
    sectors: tuple[str, ...]
    in_loss: frozenset[str]
    look_ahead: str | None
    notes: tuple[str, ...]
    provenance: dict[str, Any]
    panels: Mapping[str, Panel] = field(repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """Statistics by asset (``kind`` "statistic"), then one distance a metric (``kind`` "distance").

        Columns ``kind, metric, group, regime, asset, horizon_days, unit, real, real_low, real_high, floor,
        in_loss``, then one a column with its value and ``<column>:se`` with its standard error.
        """
        both = pd.concat(
            [self.statistics.assign(kind="statistic"), self.distances.assign(kind="distance")],
            ignore_index=True,
        )
        both["in_loss"] = [is_in_loss(m, self.in_loss) for m in both["metric"]]
        head = ["kind", "metric", "group", "regime", "asset", "horizon_days", "unit"]
        head += ["real", "real_low", "real_high", "floor", "in_loss"]
        return both[[*head, *(c for c in both.columns if c not in head)]]

    @property
    def scores(self) -> pd.DataFrame:
        """Distance over noise floor, one row a metric: one is as good as the real data can tell."""
        keys = ["metric", "group", "regime", "horizon_days"]
        out = self.distances[keys].copy()
        out["in_loss"] = [is_in_loss(m, self.in_loss) for m in out["metric"]]
        floor = self.distances["floor"].where(self.distances["floor"] > 0)
        for column in self.columns:
            out[column] = self.distances[column] / floor
        return out

    def summary(self) -> pd.DataFrame:
        """One row a column.

        ``score`` is the geometric mean over metrics of distance / floor (lower is better, one is ideal), then
        by group; ``not in loss`` leaves out metrics the model was trained on; ``inside 95 %`` is the share of
        statistics within the real interval; ``metrics`` how many entered.
        """
        scores = self.scores
        # Metrics that some column lacks would make means incomparable.
        common = scores[scores[list(self.columns)].gt(0).all(axis=1)]
        if common.empty:
            common = scores
        rows: dict[str, dict[str, float]] = {}
        for column in self.columns:
            value = np.log(common[column].clip(lower=1e-3))
            row = {"score": _geometric(value)}
            row |= {g: _geometric(value[common["group"] == g]) for g in GROUPS}
            if self.in_loss:
                row["not in loss"] = _geometric(value[~common["in_loss"]])
            seen = self.statistics[self.statistics[column].notna() & self.statistics["real"].notna()]
            inside = seen[column].between(seen["real_low"], seen["real_high"])
            row["inside 95 %"] = float(inside.mean()) if len(seen) else np.nan
            row["metrics"] = float(value.notna().sum())
            rows[column] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def verdict(self) -> str:
        """Wins and losses of the first column against the best baseline, in plain words."""
        subject, others = self.columns[0], list(self.columns[1:])
        summary = self.summary()["score"]
        text = (
            f"{subject}: score {summary[subject]:.2f} (distance in units of real data's own sampling error)."
        )
        if not others:
            return text
        best = str(summary[others].idxmin())
        both = self.scores.dropna(subset=[subject, best])
        worse = both[both[subject] > both[best]]
        text += (
            f" Best baseline: {best}, {summary[best]:.2f}. {subject.capitalize()} is nearer to the real data "
            f"than {best} on {len(both) - len(worse)} of {len(both)} metrics and farther on {len(worse)}"
        )
        clear = worse[worse[subject] > worse[best] + 0.5].copy()
        if clear.empty:
            return text + "; nowhere by more than half the sampling error."
        clear["gap"] = clear[subject] - clear[best]
        clear = clear.sort_values("gap", ascending=False)
        listed = [
            f"{metric_title(r)} ({r[subject]:.1f} against {r[best]:.1f})" for _, r in clear.head(8).iterrows()
        ]
        return text + f". It loses most on {', '.join(listed)}."

    def __repr__(self) -> str:
        span = f"{self.window[0]:%Y-%m-%d} to {self.window[1]:%Y-%m-%d}"
        head = f"EvaluationReport: {span}, {len(self.distances)} metrics"
        lines = [head, self.summary().round(2).to_string(), self.verdict()]
        if self.look_ahead:
            lines.insert(1, self.look_ahead)
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the schema of the interface: absent fields are None."""
        rows = []
        for record in self.table.astype(object).to_dict("records"):
            row = {str(key): _plain(value) for key, value in record.items()}
            values = {c: row.pop(c, None) for c in self.columns}
            errors = {c: row.pop(f"{c}:se", None) for c in self.columns}
            rows.append(row | {"values": values, "std_error": errors})
        return {
            "schema": SCHEMA,
            "real": {
                "start": f"{self.window[0]:%Y-%m-%d}",
                "end": f"{self.window[1]:%Y-%m-%d}",
                "assets": list(self.sectors),
            },
            "columns": list(self.columns),
            "rows": rows,
            "summary": {
                c: {k: _plain(v) for k, v in row.items()}
                for c, row in self.summary().to_dict("index").items()
            },
            "verdict": self.verdict(),
            "look_ahead": self.look_ahead,
            "notes": list(self.notes),
            "provenance": {k: _plain(v) for k, v in self.provenance.items()},
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """JSON text; also written to `path`, whole or not at all, if one is given."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        if path is not None:
            from spade_finance.io.atomic import write_text

            write_text(path, text + "\n")
        return text

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Self-contained page; also written to `path`, whole or not at all, if one is given."""
        from spade_finance.evaluate.pages import evaluation_page

        text = evaluation_page(self)
        if path is not None:
            from spade_finance.io.atomic import write_text

            write_text(path, text)
        return text


def metric_title(row: Any) -> str:
    """``var 95, crisis`` from a row's keys."""
    title = METRIC_TITLES.get(row["metric"], str(row["metric"]).replace("_", " "))
    horizon = row["horizon_days"]
    if row["metric"] in ("excess_kurtosis", "w1") and pd.notna(horizon) and horizon > 1:
        title += f", {int(horizon)} days"
    regime = row["regime"]
    return title if regime is None or pd.isna(regime) else f"{title}, {regime}"


METRIC_TITLES = {
    "annual_return": "annual return",
    "skewness": "skew",
    "hill_left": "tail index, losses",
    "hill_right": "tail index, gains",
    "w1": "distribution of returns (W1)",
    "mean_correlation": "mean correlation",
    "correlation_matrix": "correlations, pair by pair",
    "lower_tail_dependence": "joint losses (5 % tail)",
    "upper_tail_dependence": "joint gains (5 % tail)",
    "acf_return": "autocorrelation of returns, lag 1",
    "acf_absolute": "autocorrelation of |returns|",
    "acf_squared": "autocorrelation of squared returns",
    "acf_absolute_crisis_free": "autocorrelation of |returns|, crisis-free",
    "leverage": "leverage effect",
    "worst_day": "worst day",
    "var_95": "VaR 95 %",
    "var_97_5": "VaR 97.5 %",
    "var_99": "VaR 99 %",
    "es_95": "ES 95 %",
    "es_97_5": "ES 97.5 %",
    "es_99": "ES 99 %",
}


def _geometric(logs: pd.Series) -> float:
    return float(np.exp(logs.mean())) if logs.notna().any() else float("nan")


def _plain(value: Any) -> Any:
    """A JSON value; NaN and missing become None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        if not np.isfinite(value):
            return None
        return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e9 else value
    return None if pd.isna(value) else str(value)
