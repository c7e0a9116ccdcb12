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
from numpy.typing import NDArray

from spade_finance.evaluate.catalogue import is_in_loss
from spade_finance.evaluate.compare import RESAMPLED
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import SectionResult
from spade_finance.evaluate.titles import metric_title

SCHEMA = 1
SUBJECTS = ("model", "scenarios")
PROPER_SCORES = ("energy",)
"""Groups of proper scores: mostly noise that no generator can foresee, so their ratios all lie near one. They are
shown by group and stay out of the score."""
LUCK = 0.25
"""Distances below this many sampling errors count as this many: nobody is nearer than that but by luck."""


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
    sections : mapping of str to SectionResult
        Exhibits and findings of the scorecard's parts; their rows stand in the two tables.
    seconds : mapping of str to float
        Processor time of each part.
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
    sections: Mapping[str, SectionResult] = field(default_factory=dict, repr=False)
    seconds: Mapping[str, float] = field(default_factory=dict, repr=False)

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
        return both[[*head, *(c for c in both.columns if c not in (*head, RESAMPLED))]]

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

        Each group's number is the geometric mean over its metrics of distance / floor (lower is better, one is
        ideal); ``score`` is the geometric mean of the groups, so that a group with many metrics does not
        outvote one with few. ``not in loss`` leaves out metrics the model was trained on; ``inside 95 %`` is
        the share of statistics within the real interval; ``metrics`` how many entered.
        """
        scores = self.scores
        # Metrics that some column lacks would make means incomparable.
        common = scores[scores[list(self.columns)].notna().all(axis=1)]
        if common.empty:
            common = scores
        groups = list(dict.fromkeys(common["group"]))
        rows: dict[str, dict[str, float]] = {}
        for column in self.columns:
            value = np.log(common[column].clip(lower=LUCK))
            by_group = value.groupby(common["group"]).mean()
            row = {"score": _geometric(by_group.drop(list(PROPER_SCORES), errors="ignore"))}
            row |= {g: float(np.exp(by_group[g])) for g in groups}
            if self.in_loss:
                own = ~common["in_loss"] & ~common["group"].isin(PROPER_SCORES)
                row["not in loss"] = _geometric(value[own].groupby(common["group"][own]).mean())
            seen = self.statistics[self.statistics[column].notna() & self.statistics["real"].notna()]
            inside = seen[column].between(seen["real_low"], seen["real_high"])
            row["inside 95 %"] = float(inside.mean()) if len(seen) else np.nan
            row["metrics"] = float(value.notna().sum())
            rows[column] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def lead(self, first: str, second: str) -> tuple[float, float]:
        """How much better one column's score is than another's, and how well these data can tell.

        Returns
        -------
        lead, std_error : float
            Log of the second score over the first: positive where the first column is nearer to the real data. The
            error is over the same resamples of the real window for both columns and all metrics; metrics that are not
            statistics of the window (classifiers, switches, labels, experiments on the map) are held fixed, and
            resamples of a window lie around it and not around the truth, so it is a lower bound (two thirds of the
            spread over independent windows of one process, simulated). It knows nothing of how decades differ.
        """
        scores = self.scores
        common = scores[scores[list(self.columns)].notna().all(axis=1)]
        common = common[~common["group"].isin(PROPER_SCORES)]
        if common.empty:
            return float("nan"), float("nan")
        weight = 1 / common.groupby("group")["group"].transform("size") / common["group"].nunique()
        one, two = (np.log(common[c].clip(lower=LUCK)) for c in (first, second))
        difference = float(((two - one) * weight).sum())
        pair = [self.columns.index(first), self.columns.index(second)]
        kept = self.distances.loc[common.index]
        moves: list[NDArray[np.float64]] = []
        for drawn, floor, share in zip(kept.get(RESAMPLED, []), kept["floor"], weight, strict=False):
            if isinstance(drawn, np.ndarray):
                logs = np.log(np.maximum(drawn[pair] / floor, LUCK))
                gap = logs[1] - logs[0]
                seen = np.isfinite(gap)
                if seen.any():
                    moves.append(share * np.where(seen, gap, gap[seen].mean()))
        error = float(np.sum(moves, axis=0).std(ddof=1)) if moves else float("nan")
        return difference, error

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
        lead, error = self.lead(subject, best)
        text += f" Best baseline: {best}, {summary[best]:.2f}"
        if np.isfinite(error):
            side = "ahead" if lead > 0 else "behind"
            text += f" ({subject} {100 * abs(lead):.0f} % {side}, ± {100 * error:.0f} % at least)"
        text += (
            f". {subject.capitalize()} is nearer to the real data "
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
            verdicts = {c: row.pop(f"{c}:verdict", None) for c in self.columns}
            rows.append(row | {"values": values, "std_error": errors, "verdicts": verdicts})
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
            "sections": {name: _section_data(part) for name, part in self.sections.items()},
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


def _section_data(part: SectionResult) -> dict[str, Any]:
    """Findings and tables of a section as plain values; its figures are drawn on the page only."""
    return {
        "findings": list(part.findings),
        "notes": list(part.notes),
        "tables": [
            {
                "title": exhibit.title,
                "caption": exhibit.caption,
                "rows": [
                    {str(key): _plain(value) for key, value in record.items()}
                    for record in exhibit.table.reset_index().astype(object).to_dict("records")
                ],
            }
            for exhibit in part.exhibits
            if exhibit.table is not None
        ],
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
