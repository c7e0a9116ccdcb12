# SPDX-License-Identifier: Apache-2.0
"""The scorecard's part on novelty: new windows or copies, and, apart from that, how far paths spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.distance_figures import novelty_and_dispersion
from spade_finance.evaluate.energy import WINDOW_DAYS, MapScores, is_aligned, scale_panel
from spade_finance.evaluate.errors import jackknife_spread
from spade_finance.evaluate.novelty import nearest_distances, verbatim_matches
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult
from spade_finance.evaluate.section_rows import Part, cell, frame, keys, statistic
from spade_finance.evaluate.window_features import cut, starts

Array = NDArray[np.float64]

DAYS = 20
"""Days of a window whose neighbours are sought."""

PATHS = 16
LENGTHS = (1, 3, 5, 10)
MIN_WINDOWS = 10
SPREAD_BLOCKS = ("months", "volatility", "path")
"""Features in which the paths' spread is measured: what paths do over weeks, not the noise of single days."""


class NoveltySection(Section):
    """Nearest-neighbour ratio and verbatim matches against all training days; dispersion ratio per map."""

    name: ClassVar[str] = "novelty"
    title: ClassVar[str] = "Novelty"

    def measure(self, material: Material) -> SectionResult:
        """Rows are shown, not scored: a copy is no better for lying near the real data."""
        part = Part()
        _novelty(material, part)
        _dispersion(material, part)
        names = tuple(material.columns)
        exhibits = []
        novelty, spread = part.values("novelty_ratio"), part.values("dispersion_ratio")
        if novelty is not None and spread is not None:
            exhibits.append(
                Exhibit(
                    "Novelty against dispersion",
                    "Right place: novelty 1 and dispersion 1. A bootstrap lies low (its windows are training "
                    "windows), a generator with one mode lies left (its paths are alike), noise lies right. Two "
                    "standard errors; shaded: resamples of the real window.",
                    figure=novelty_and_dispersion(novelty, spread, names),
                )
            )
        if part.statistics:
            exhibits.append(Exhibit("Novelty and dispersion", _TABLE, table=_table(part, names)))
        return SectionResult(
            statistics=frame(part.statistics),
            exhibits=tuple(exhibits),
            findings=tuple(_findings(part, names)),
            notes=tuple(part.notes),
        )


_TABLE = (
    f"Novelty ratio: mean distance of windows of {DAYS} days to the nearest training window, over that of the real "
    "window, all scaled to one length. Verbatim: share of stretches that stand in the training data to the last digit. "
    "Dispersion ratio: mean distance of two paths of one map over that of a path to what happened (a common "
    "bias taken off); spread ratio: over that of two resamples of the real window. ± one standard error."
)


def _novelty(material: Material, part: Part) -> None:
    if material.training is None:
        part.notes.append("no training days are known: nothing is said about copies")
        return
    training = material.training
    index = _windows(training, 1, 1)
    if index is None or len(starts(material.real, DAYS, DAYS)) < MIN_WINDOWS:
        part.notes.append(f"too few days: novelty needs {MIN_WINDOWS} windows of {DAYS} days")
        return

    def by_path(panel: Panel, n_paths: int) -> Array:
        """Mean distance of each path's windows."""
        windows = _windows(panel, n_paths, DAYS)
        if windows is None:
            return np.full(1, np.nan)
        n = min(panel.n_paths, n_paths)
        return nearest_distances(windows, index).reshape(n, -1).mean(1)

    held_out = float(by_path(material.real, 1)[0])
    values, shares = {}, {}
    for name, panel in material.columns.items():
        ratio = by_path(panel, PATHS) / held_out
        values[name] = _mean(ratio)
        days = panel.segments if panel.segments.ndim == 1 else panel.segments[:PATHS]
        shares[name] = verbatim_matches(panel.simple[:PATHS, :, 1:], days, training.simple[0, :, 1:], LENGTHS)
    floor = by_path(material.floor, PATHS) / held_out
    part.statistics.append(statistic(keys("novelty_ratio", "novelty", horizon_days=DAYS), 1.0, floor, values))
    real = verbatim_matches(
        material.real.simple[:, :, 1:], material.real.segments, training.simple[0, :, 1:], LENGTHS
    )[0]
    for j, k in enumerate(LENGTHS):
        key = keys("verbatim_share", "novelty", "percent", horizon_days=k)
        found = {name: _mean(share[:, j]) for name, share in shares.items()}
        part.statistics.append(statistic(key, float(real[j]), 0.0, found))
    if real[0] > 0:
        part.notes.append("some real days of the window stand in the training data too: they overlap")


def _windows(panel: Panel, n_paths: int, stride: int) -> Array | None:
    """Windows (n, days, sectors) of the first paths' sectors, path by path."""
    first = starts(panel, DAYS, stride)
    if len(first) == 0:
        return None
    found = cut(panel.log[:n_paths, :, 1:], first, DAYS)
    return found.reshape(-1, *found.shape[2:])


def _dispersion(material: Material, part: Part) -> None:
    real = material.real
    columns = {n: p for n, p in material.columns.items() if p.n_paths > 1 and is_aligned(p, real)}
    if not columns or real.n_days < 3 * WINDOW_DAYS:
        part.notes.append(
            f"no dispersion ratio: it needs paths drawn under the window's labels and {3 * WINDOW_DAYS} days"
        )
        return
    scores = MapScores(real, scale_panel(real, material.training))
    half = material.floor.n_paths // 2
    floor = [
        scores.terms(x, centred=True)
        for x in (material.floor.log[:half], material.floor.log[half : 2 * half])
    ]
    spread = {b: (floor[0].pair[b] + floor[1].pair[b]) / 2 for b in SPREAD_BLOCKS}

    terms = {name: scores.terms(panel.log, centred=True) for name, panel in columns.items()}
    pairs = {name: _chosen(t.pair) for name, t in terms.items()}
    calibrated = {n: scores.ratio(pairs[n], _chosen(t.cross)) for n, t in terms.items()}
    own = scores.ratio(spread, {b: (floor[0].cross[b] + floor[1].cross[b]) / 2 for b in SPREAD_BLOCKS})
    key = keys("dispersion_ratio", "novelty")
    part.statistics.append(
        statistic(key, 1.0, _error(own[1]), {n: (v, _error(out)) for n, (v, out) in calibrated.items()})
    )
    against = {name: scores.ratio(pairs[name], spread) for name in terms}
    halves = [scores.ratio(_chosen(f.pair), spread)[1] for f in floor]
    part.statistics.append(
        statistic(
            keys("spread_ratio", "novelty"),
            1.0,
            _error(halves[0] - halves[1]),
            {n: (v, _error(out)) for n, (v, out) in against.items()},
        )
    )


def _chosen(term: Mapping[str, Array]) -> dict[str, Array]:
    return {block: term[block] for block in SPREAD_BLOCKS}


def _error(left_out: Array) -> float:
    return float(jackknife_spread(left_out[:, None])[0])


def _mean(by_path: Array) -> tuple[float, float]:
    error = by_path.std(ddof=1) / np.sqrt(len(by_path)) if len(by_path) > 1 else np.nan
    return float(by_path.mean()), float(error)


def _table(part: Part, names: tuple[str, ...]) -> pd.DataFrame:
    titles = {"novelty_ratio": "novelty", "dispersion_ratio": "dispersion", "spread_ratio": "spread"}
    table: dict[str, dict[str, str]] = {name: {} for name in ("real", *names)}
    for row in part.statistics:
        share = row["metric"] == "verbatim_share"
        days = row["horizon_days"]
        title = f"verbatim, {days} day{'s' if days > 1 else ''}, %" if share else titles[row["metric"]]
        factor = 100.0 if share else 1.0
        table["real"][title] = cell(factor * row["real"], np.nan, 2)
        for name in names:
            value, error = row.get(name, np.nan), row.get(f"{name}:se", np.nan)
            table[name][title] = cell(factor * value, factor * error, 2)
    return pd.DataFrame.from_dict(table, orient="index")


def _findings(part: Part, names: tuple[str, ...]) -> list[str]:
    row, subject = part.values("novelty_ratio"), names[0]
    if row is None or not np.isfinite(row[subject]):
        return []
    text = f"{subject}: novelty {cell(row[subject], row[f'{subject}:se'], 2)} (1 new, 0 a copy)"
    copies = {n: row[n] for n in names[1:] if row[n] < 0.8}
    if copies:
        text += "; copying: " + ", ".join(f"{n} {v:.2f}" for n, v in copies.items())
    days = part.values("verbatim_share", horizon_days=1)
    if days is not None:
        text += f"; {100 * days[subject]:.2f} % of its days stand in the training data to the last digit"
    return [text + "."]
