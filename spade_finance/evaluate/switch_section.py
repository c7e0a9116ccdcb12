# SPDX-License-Identifier: Apache-2.0
"""The scorecard's part on the days around a change of regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult
from spade_finance.evaluate.switch import AFTER, BEFORE, CURVES, KINDS, Curve, Switches, binned, switches
from spade_finance.evaluate.switch_figures import switch_figure
from spade_finance.evaluate.switch_history import in_all_days
from spade_finance.evaluate.switch_measures import (
    FEWEST_EVENTS,
    Excess,
    KindMeasures,
    excess,
    nan_mean,
)

STREAM = 400
PARTS: dict[str, Sequence[tuple[str, int, int]]] = {
    "volatility": (("before", -BEFORE, 0), ("first_week", 0, 5), ("after", 5, AFTER)),
    "correlation": (("before", -BEFORE, 0), ("after", 0, AFTER)),
    "l_skew": (("before", -BEFORE, 0), ("after", 0, AFTER)),
    "skew": (("before", -BEFORE, 0), ("after", 0, AFTER)),
}
"""Stretches of offsets whose values have rows of their own."""

Row = dict[str, Any]


class SwitchSection(Section):
    """Volatility, correlation and skew from 10 days before to 20 after a change of regime."""

    name: ClassVar[str] = "switch"
    title: ClassVar[str] = "Behaviour at a switch"

    def measure(self, material: Material) -> SectionResult:
        """Curves by kind of change, real with an episode band; see :mod:`.switch`."""
        if material.real.codes is None:
            return SectionResult(notes=("no labels: nothing is said about changes of regime",))
        notes: list[str] = []
        real = switches(material.real)
        columns = {name: switches(p) for name, p in material.columns.items() if p.codes is not None}
        missing = [name for name in material.columns if name not in columns]
        if missing:
            notes.append(f"without labels, and so without curves: {', '.join(missing)}")
        rng = material.rng(STREAM)
        found = [KindMeasures.of(k, real, columns, rng) for k in range(len(KINDS))]
        window = [m for m in found if m is not None]
        if any(not m.shared for m in window):
            notes.append(
                "some columns have changes of regime of their own: their mix of regimes and their number of "
                "events differ from the real window's"
            )
        names = list(columns)
        labels = _labels(material.real.regimes)
        curves = [c for c in CURVES if len(material.real.sectors) > 1 or c.name != "correlation"]
        few = {k for k in range(len(KINDS)) if real.count(k) < FEWEST_EVENTS}
        past = self._history(material, few, rng, notes)
        if not window and not past:
            notes.append("the labels never change: nothing is said about changes of regime")
            return SectionResult(notes=tuple(notes))
        statistics, distances = _rows(window, curves, names, ""), _distances(window, curves, names, "")
        statistics += _rows(past, curves, names, "_history")
        distances += [r | {"floor": np.nan} for r in _distances(past, curves, names, "_history")]
        score = excess(window)
        if score is None:
            notes.append(
                f"no kind of change occurs {FEWEST_EVENTS} times in the window: curves are shown, not scored"
            )
        return SectionResult(
            pd.DataFrame(statistics),
            pd.DataFrame(distances),
            self._exhibits(window, past, curves, names, labels, material),
            _findings(score, window, past, labels),
            (_SETTING, *notes),
        )

    def _history(
        self, material: Material, few: set[int], rng: np.random.Generator, notes: list[str]
    ) -> list[KindMeasures]:
        """Kinds that the window has too few of, in all labelled days."""
        if not few or (material.training is None and not material.generators):
            return []
        real, columns = in_all_days(material, few, notes)
        found = [_without_gaps(k, real, columns, rng) for k in sorted(few)]
        return [m for m in found if m is not None]

    def _exhibits(
        self,
        window: list[KindMeasures],
        past: list[KindMeasures],
        curves: Sequence[Curve],
        names: list[str],
        labels: Mapping[int, str],
        material: Material,
    ) -> tuple[Exhibit, ...]:
        shown = [c for c in curves if c.scored]
        span = f"training{' and window' if material.training is not None else ''}"
        exhibits = [Exhibit(_TABLE_TITLE, _TABLE, table=_table(window, past, curves, names, labels))]
        drawn = [m for m in window if m.resamples is not None]
        if drawn:
            title = "Around a change of regime, held-out window"
            heads = [f"{labels[m.kind]} ({m.n_events} events)" for m in drawn]
            exhibits.append(Exhibit(title, _FIGURE, figure=switch_figure(drawn, heads, shown, names)))
        if past:
            title = f"Around a change of regime that the window has too few of: {span} days"
            heads = [f"{labels[m.kind]} ({m.n_events} events)" for m in past]
            caption = f"{_FIGURE} These days are partly what everyone learnt from: shown, not scored."
            exhibits.append(Exhibit(title, caption, figure=switch_figure(past, heads, shown, names)))
        return tuple(exhibits)


def _without_gaps(
    kind: int, real: Switches, columns: Mapping[str, Switches], rng: np.random.Generator
) -> KindMeasures | None:
    """Measures of a kind with at least two events; one says nothing even about itself."""
    measures = KindMeasures.of(kind, real, columns, rng)
    return measures if measures is not None and measures.n_events > 1 else None


def _labels(regimes: tuple[str, ...]) -> dict[int, str]:
    """Kinds of change in words."""
    worst = regimes[-1]
    return dict(
        enumerate(
            (f"into {worst}", f"out of {worst}", f"worse, short of {worst}", f"calmer, not from {worst}")
        )
    )


def _keys(metric: str, unit: str) -> Row:
    return {
        "metric": metric, "group": "switch", "regime": None, "asset": None, "horizon_days": None, "unit": unit,
    }  # fmt: skip


def _rows(kinds: list[KindMeasures], curves: Sequence[Curve], names: list[str], suffix: str) -> list[Row]:
    """Statistics before and after, one row each."""
    rows = []
    for measures in kinds:
        for curve in curves:
            parts = PARTS[curve.name]
            bins = [(a, b) for _, a, b in parts]
            truth = binned(measures.real, curve, bins)[0]
            resampled = None if measures.resamples is None else binned(measures.resamples, curve, bins)
            values = {n: binned(s, curve, bins) for n, s in measures.columns.items()}
            for i, (part, _, _) in enumerate(parts):
                metric = f"switch_{curve.name}_{part}_{KINDS[measures.kind]}{suffix}"
                row = _keys(metric, curve.unit) | _real(measures, curve, truth, resampled, i)
                for name in names:
                    sample = values[name][:, i] if name in values else np.array([np.nan])
                    row |= _column(name, _shown(sample[np.isfinite(sample)], curve))
                rows.append(row)
    return rows


def _real(
    measures: KindMeasures,
    curve: Curve,
    truth: NDArray[np.float64],
    resampled: NDArray[np.float64] | None,
    i: int,
) -> Row:
    row = {"real": float(_shown(truth, curve)[i]), "real_low": np.nan, "real_high": np.nan, "floor": np.nan}
    if resampled is not None and np.isfinite(truth[i]):
        low, high = measures.interval(truth[i : i + 1], resampled[:, i : i + 1])
        seen = _shown(resampled[:, i], curve)
        row["real_low"], row["real_high"] = float(_shown(low, curve)[0]), float(_shown(high, curve)[0])
        row["floor"] = nan_mean(np.abs(seen - nan_mean(seen)))
    return row


def _column(name: str, seen: NDArray[np.float64]) -> Row:
    n = len(seen)
    error = float(seen.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    return {name: float(seen.mean()) if n else np.nan, f"{name}:se": error}


def _shown(values: NDArray[np.float64], curve: Curve) -> NDArray[np.float64]:
    """Values as a reader wants them: volatility itself, not its logarithm."""
    return np.exp(values) if curve.unit == "percent" else values


def _distances(
    kinds: list[KindMeasures], curves: Sequence[Curve], names: list[str], suffix: str
) -> list[Row]:
    rows = []
    for measures in kinds:
        for curve in curves:
            metric = f"switch_{curve.name}_{KINDS[measures.kind]}{suffix}"
            distance = measures.distances(curve)
            rows.append(
                _keys(metric, "number")
                | {"floor": measures.floor(curve)}
                | {name: distance.get(name, np.nan) for name in names}
            )
    return rows


def _table(
    window: list[KindMeasures],
    past: list[KindMeasures],
    curves: Sequence[Curve],
    names: list[str],
    labels: Mapping[int, str],
) -> pd.DataFrame:
    """Distance over floor, a row a kind and statistic."""
    rows = {}
    for kinds, where in ((window, "window"), (past, "all days, not scored")):
        for measures in kinds:
            if measures.resamples is None and any(m.kind == measures.kind for m in past):
                continue
            for curve in (c for c in curves if c.scored):
                floor = measures.floor(curve)
                distance = measures.distances(curve)
                rows[f"{labels[measures.kind]}: {curve.title.split(',')[0]} ({where})"] = {
                    "events": str(measures.n_events),
                    "floor": _number(floor),
                    **{n: _number(distance.get(n, np.nan) / floor) for n in names},
                }
    return pd.DataFrame.from_dict(rows, orient="index")


def _number(x: float) -> str:
    return f"{x:.2f}" if np.isfinite(x) else "–"


def _findings(
    score: Excess | None, window: list[KindMeasures], past: list[KindMeasures], labels: Mapping[int, str]
) -> tuple[str, ...]:
    """Where the evaluated column stands at switches, and on how many events that rests."""
    out = []
    if score is not None:
        first, *others = score.ratio
        out.append(
            f"At changes of regime {first} is {score.ratio[first]:.2f} times as far from the real curves as real "
            "events are from each other (1 is as near as can be told)"
        )
        if others:
            best = min(others, key=lambda name: score.ratio[name])
            difference, error = score.log_difference[best]
            side = "ahead of" if difference > 0 else "behind"
            sure = "more" if abs(difference) > 2 * error else "less"
            out[-1] += (
                f", {side} the nearest baseline, {best} ({score.ratio[best]:.2f}); the difference in logs, "
                f"{abs(difference):.2f}, is {sure} than two standard errors ({error:.2f}, leaving out real events)"
            )
    rare = [m for m in window if m.resamples is None]
    if rare or past:
        counted = {m.kind: m.n_events for m in past}
        said = [
            f"{labels[k]} {next((m.n_events for m in window if m.kind == k), 0)} (all labelled days: {n})"
            for k, n in sorted(counted.items())
        ]
        if said:
            out.append("Too few in the window to be judged, shown on all labelled days: " + "; ".join(said))
    return tuple(out)


_SETTING = (
    f"an event is the first day of a new regime; its days run from {BEFORE} before to {AFTER} after and stop where "
    "another change comes nearer, so that every day counts under its own label; labels are smoothed and known "
    "in hindsight, for real and generated days alike"
)
_TABLE_TITLE = "Distance from the real curves at a change of regime, in units of the floor"
_TABLE = (
    "Mean absolute difference over stretches of five days (ten for skew) between the mean curve of a column's "
    "replicates and the real curve: of log volatility, mean correlation, L-skewness. The floor is the same for "
    "whole real events drawn with replacement; 1 cannot be told from real. A dash: fewer than "
    f"{FEWEST_EVENTS} events."
)
_FIGURE = (
    "Market volatility (root mean square, annualised), mean correlation of the sectors and L-skewness of the "
    "market, pooled over events and neighbouring days on the same side of the change; columns are means of their "
    "replicates."
)
