# SPDX-License-Identifier: Apache-2.0
"""Distances of marginal distributions, and the energy score given the map, for every column."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.catalogue import MIN_REGIME_DAYS
from spade_finance.evaluate.distances import Distances, distances, noise, summed
from spade_finance.evaluate.energy import (
    UNIT_DAYS,
    WINDOW_DAYS,
    EnergyTerms,
    MapScores,
    is_aligned,
    scale_panel,
)
from spade_finance.evaluate.errors import jackknife_spread
from spade_finance.evaluate.panel import MARKET, Panel
from spade_finance.evaluate.section import Material
from spade_finance.evaluate.section_rows import Part, Row, distance, keys, statistic
from spade_finance.evaluate.shape import regime_volatility, shape_panel

Array = NDArray[np.float64]

HORIZONS = (1, 5, 20)
SECTORS = "sectors"
N_FLOOR = 32
"""Resamples that the noise of a distribution's distance is read from."""

MIN_WINDOWS = 3


def marginal_part(
    material: Material, shape: Callable[[Panel], Panel]
) -> tuple[Part, dict[str, dict[str, Distances]]]:
    """KS rows, raw and in shape, and all distances by form and horizon for the exhibit."""
    part, real = Part(), material.real
    horizons = [days for days in HORIZONS if real.n_days >= 10 * days]
    if left_out := [str(days) for days in HORIZONS if days not in horizons]:
        part.notes.append(f"the window is too short for distances of {', '.join(left_out)}-day returns")
    exact: dict[str, dict[str, Distances]] = {}
    for prefix, group, form in (("", "marginals", _raw), ("shape_", "shape", shape)):
        truth, floor = form(real), form(material.floor)
        seen = {days: summed(truth.log, days, truth.segments)[0] for days in horizons}
        exact |= {f"{prefix}{days}": {} for days in horizons}
        for name, panel in material.columns.items():
            formed = form(panel)
            for days in horizons:
                values, path = summed(formed.log, days, formed.segments, max(1, days // 2))
                exact[f"{prefix}{days}"][name] = distances(values, path, seen[days])
        for days in horizons:
            resampled, path = summed(floor.log[:N_FLOOR], days, _first(floor))
            ks = noise(resampled, path)[0] if len(resampled) else np.full((1, seen[days].shape[1]), np.nan)
            for asset, at in ((MARKET, slice(0, 1)), (SECTORS, slice(1, None))):
                part.distances.append(
                    distance(
                        keys(f"{prefix}ks", group, asset=asset, horizon_days=days),
                        float(np.nanmean(ks[:, at])) if np.isfinite(ks[:, at]).any() else np.nan,
                        {name: float(d.ks[at].mean()) for name, d in exact[f"{prefix}{days}"].items()},
                    )
                )
    return part, exact


def _raw(panel: Panel) -> Panel:
    return panel


def shaping(material: Material) -> Callable[[Panel], Panel]:
    """Panels rescaled, path by path and regime by regime, to the real window's volatility."""
    real = material.real
    bare = Panel(real.simple, None, real.segments, real.sectors, ())
    labelled, unlabelled = regime_volatility(real), regime_volatility(bare)
    return lambda panel: shape_panel(panel, unlabelled if panel.codes is None else labelled)


def _first(floor: Panel) -> NDArray[np.integer]:
    return floor.segments if floor.segments.ndim == 1 else floor.segments[:N_FLOOR]


def energy_part(material: Material) -> Part:
    """Energy score of every column drawn under the real labels, as a ratio to the resampled real window's."""
    part, real = Part(), material.real
    if real.codes is None:
        part.notes.append("no labels: no energy score, for there is no map that paths were drawn under")
        return part
    columns = {n: p for n, p in material.columns.items() if p.n_paths > 1 and is_aligned(p, real)}
    if missing := [name for name in material.columns if name not in columns]:
        part.notes.append(
            f"no energy score of {', '.join(missing)}: not drawn day by day under the window's labels"
        )
    if real.n_days < MIN_WINDOWS * WINDOW_DAYS or not columns:
        part.notes.append(f"no energy score under {MIN_WINDOWS * WINDOW_DAYS} days")
        return part
    if material.training is None:
        part.notes.append("without training days, energy scores are scaled by the window's own volatility")
    scores = MapScores(real, scale_panel(real, material.training))
    half = material.floor.n_paths // 2
    floor = [scores.terms(x) for x in (material.floor.log[:half], material.floor.log[half : 2 * half])]
    reference = {name: (floor[0].score[name] + floor[1].score[name]) / 2 for name in floor[0].score}
    terms = {name: scores.terms(panel.log) for name, panel in columns.items()}
    regimes = [(k, r) for k, r in enumerate(real.regimes) if real.days_in(k) >= MIN_REGIME_DAYS]
    rows: list[tuple[int | None, str | None, str]] = [(k, None, "energy_score") for k, _ in regimes]
    rows.append((None, None, "energy_score"))
    rows += [(None, name, f"energy_score_{name}") for name in UNIT_DAYS if name in reference]
    for k, block, metric in rows:
        key = keys(metric, "energy", regime=None if k is None else real.regimes[k])
        values = {n: _with_error(scores.ratio(t.score, reference, k, block)) for n, t in terms.items()}
        halves = [scores.ratio(f.score, reference, k, block)[1] for f in floor]
        part.statistics.append(statistic(key, 1.0, _error(halves[0] - halves[1]), values))
        if block is None:
            part.distances.append(distance(key, 1.0, {n: v for n, (v, _) in values.items()}))
    part.findings += _against_the_best(scores, terms, reference, part.values("energy_score"))
    return part


def _with_error(found: tuple[float, Array]) -> tuple[float, float]:
    """Value and jackknife error over windows; none with fewer than three."""
    return found[0], _error(found[1])


def _error(left_out: Array) -> float:
    return float(jackknife_spread(left_out[:, None])[0]) if len(left_out) >= MIN_WINDOWS else float("nan")


def _against_the_best(
    scores: MapScores, terms: dict[str, EnergyTerms], reference: dict[str, Array], row: Row | None
) -> list[str]:
    """The first column against the best other, as a paired difference over windows."""
    subject, *others = terms
    if row is None:
        return []
    text = f"Energy score given the map: {subject} {_skill(row, subject)} against the resampled real window"
    if others:
        best = min(others, key=lambda name: row[name])
        own, own_out = scores.ratio(terms[subject].score, reference)
        other, other_out = scores.ratio(terms[best].score, reference)
        error = _error(own_out - other_out)
        gap = own - other
        word = "better than" if gap < -2 * error else "worse than" if gap > 2 * error else "level with"
        text += (
            f"; {word} the best baseline, {best} ({_skill(row, best)}; paired difference "
            f"{100 * -gap:+.1f} ± {100 * error:.1f} points)"
        )
    return [text + "."]


def _skill(row: Row, name: str) -> str:
    return f"{100 * (1 - row[name]):+.1f} ± {100 * row[f'{name}:se']:.1f} %"
