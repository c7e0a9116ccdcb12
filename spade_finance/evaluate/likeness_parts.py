# SPDX-License-Identifier: Apache-2.0
"""Windows of every column beside real ones: classifiers, signature MMD, precision and coverage.

The real-against-real floor is the same test between one resample of the real window and others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate import signature
from spade_finance.evaluate.energy import regime_scales, scale_panel
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.prdc import MEASURES, NEIGHBOURS, expected_coverage, prdc
from spade_finance.evaluate.section import Material
from spade_finance.evaluate.section_rows import Part, distance, keys, statistic
from spade_finance.evaluate.two_sample import (
    MIN_WINDOWS,
    Classifier,
    TwoSample,
    random_trees,
    two_sample_test,
)
from spade_finance.evaluate.two_sample_cnn import convolutional
from spade_finance.evaluate.window_features import CORE, cut, starts, window_features

Array = NDArray[np.float64]
Form = Callable[[Panel], Panel]

TEST_DAYS, TEST_STRIDE = 40, 8
PER_REAL = 3
"""Generated windows for each real one, from different replicates."""

N_FLOOR = 5
NETWORK_FOLDS = 2
SIGNATURE_DAYS, SIGNATURE_PATHS = 20, 8
PRDC_DAYS, PRDC_STRIDE, PRDC_PATHS = 40, 20, 16
FEWEST = 4 * NEIGHBOURS
STREAM = 310


def two_sample_part(material: Material, shape: Form) -> Part:
    """AUC of trees, raw and in shape, and of a small network."""
    part, real = Part(), material.real
    if len(starts(real, TEST_DAYS, TEST_STRIDE)) < MIN_WINDOWS:
        part.notes.append(
            f"the window is too short for classifiers: they need {MIN_WINDOWS} windows of {TEST_DAYS} days"
        )
        return part
    tests: tuple[tuple[str, Form, Panel, Classifier, bool, int], ...] = (
        ("c2st_trees", lambda p: p, scale_panel(real, material.training), random_trees, True, 3),
        ("shape_c2st_trees", shape, real, random_trees, True, 3),
        (
            "c2st_network",
            lambda p: p,
            scale_panel(real, material.training),
            convolutional,
            False,
            NETWORK_FOLDS,
        ),
    )
    for number, (metric, form, scale_of, classifier, by_features, folds) in enumerate(tests):
        truth, floor = form(real), form(_some(material.floor, N_FLOOR * (PER_REAL + 1)))
        scales, constant = regime_scales(scale_of), _unit(scale_of)
        seed = int(material.rng(STREAM, number).integers(2**31 - 100))

        def scaled(panel: Panel, scales: Array = scales, constant: Array = constant) -> Array:
            return panel.log / (constant if panel.codes is None else scales[np.asarray(panel.codes)])

        def run(
            one: Array, panel: Panel, others: Array,
            classifier: Classifier = classifier, by_features: bool = by_features, folds: int = folds, seed: int = seed,
        ) -> TwoSample:  # fmt: skip
            first = starts(panel, TEST_DAYS, TEST_STRIDE)
            first = first[first + TEST_DAYS <= min(one.shape[1], others.shape[1])]
            a, b = cut(one, first, TEST_DAYS)[0], _dealt(others, first, TEST_DAYS)
            if by_features:
                a, b = window_features(a)[0], window_features(b)[0]
            return two_sample_test(a, b, first, TEST_DAYS, classifier, folds, seed)

        found = {}
        for name, panel in material.columns.items():
            found[name] = run(scaled(truth), panel, scaled(form(panel)))
            if not np.isfinite(found[name].auc):
                part.notes.append(f"{metric} of {name}: fewer than {MIN_WINDOWS} whole windows")
        step, resampled = PER_REAL + 1, scaled(floor)
        noise = [
            run(resampled[i : i + 1], truth, resampled[i + 1 : i + step])
            for i in range(0, min(floor.n_paths, N_FLOOR * step) - step + 1, step)
        ]
        group = "two_sample"
        aucs = np.array([t.auc for t in noise])
        values = {n: (t.auc, t.auc_se) for n, t in found.items()}
        part.statistics.append(statistic(keys(metric, group, horizon_days=TEST_DAYS), 0.5, aucs, values))
        part.statistics.append(
            statistic(
                keys(f"{metric}_accuracy", group, "percent", horizon_days=TEST_DAYS),
                0.5,
                np.array([t.accuracy for t in noise]),
                {n: (t.accuracy, t.accuracy_se) for n, t in found.items()},
            )
        )
        part.distances.append(
            distance(
                keys(metric, group, horizon_days=TEST_DAYS),
                float(np.abs(aucs - 0.5).mean()) if len(aucs) else np.nan,
                {n: abs(v - 0.5) for n, (v, _) in values.items()},
            )
        )
    return part


def signature_part(material: Material) -> Part:
    """Unbiased signature MMD squared of months."""
    part, real = Part(), material.real
    if not signature.is_installed():
        part.notes.append(
            "no signature MMD: pysiglib is not installed (pip install 'spade-finance[evaluate]')"
        )
        return part
    unit, days = _unit(real), SIGNATURE_DAYS

    def run(one: Array, panel: Panel, others: Array) -> signature.Discrepancy | None:
        first = starts(panel, days, days)
        first = first[first + days <= min(one.shape[1], others.shape[1])]
        if len(first) < FEWEST:
            return None
        windows = cut(others[:SIGNATURE_PATHS] / unit, first, days)
        group = np.repeat(np.arange(len(windows)), len(first))
        flat = windows.reshape(-1, *windows.shape[2:])
        return signature.signature_mmd(cut(one / unit, first, days)[0], flat, group)

    found = {name: run(real.log, panel, panel.log) for name, panel in material.columns.items()}
    if missing := [name for name, d in found.items() if d is None]:
        part.notes.append(f"no signature MMD of {', '.join(missing)}: fewer than {FEWEST} months")
    floor, step = material.floor.log, SIGNATURE_PATHS + 1
    drawn = [
        run(floor[i : i + 1], real, floor[i + 1 : i + step]) for i in range(0, len(floor) - step + 1, step)
    ]
    noise = [d for d in drawn if d is not None]
    if len(missing) == len(found) or not noise:
        return part
    key = keys("signature_mmd", "two_sample", horizon_days=days)
    values = {n: (d.squared, d.squared_se) if d else (np.nan, np.nan) for n, d in found.items()}
    part.statistics.append(statistic(key, 0.0, np.array([d.squared for d in noise]), values))
    distances = {n: d.distance if d else np.nan for n, d in found.items()}
    part.distances.append(distance(key, float(np.mean([d.distance for d in noise])), distances))
    return part


def prdc_part(material: Material) -> Part:
    """Precision, recall, density and coverage of windows by what a risk manager would measure on them."""
    part, real = Part(), material.real
    unit, days = _unit(real), PRDC_DAYS
    chosen: list[int] = []

    def points(x: Array, first: NDArray[np.intp]) -> Array:
        values, names = window_features(cut(x / unit, first, days))
        chosen[:] = [names.index(c) for c in CORE if c in names]
        return values[..., chosen]

    def run(one: Array, panel: Panel, others: Array) -> Array | None:
        first = starts(panel, days, PRDC_STRIDE)
        first = first[first + days <= min(one.shape[1], others.shape[1])]
        if len(first) < FEWEST:
            return None
        truth = points(one, first)[0]
        centre, spread = truth.mean(0), np.where(truth.std(0) > 0, truth.std(0), 1.0)
        made = (points(others, first) - centre) / spread
        return np.stack([prdc((truth - centre) / spread, m) for m in made])

    found = {n: run(real.log, p, p.log[:PRDC_PATHS]) for n, p in material.columns.items()}
    if missing := [name for name, values in found.items() if values is None]:
        part.notes.append(f"no precision and coverage of {', '.join(missing)}: fewer than {FEWEST} windows")
    floor = material.floor.log
    drawn = [run(floor[i : i + 1], real, floor[i + 1 : i + 2]) for i in range(0, min(len(floor), 48) - 1, 2)]
    noise = np.array([d[0] for d in drawn if d is not None])
    if len(missing) == len(found) or not len(noise):
        return part
    n = len(starts(real, days, PRDC_STRIDE))
    for i, measure in enumerate(MEASURES):
        ideal = float(noise[:, i].mean())
        values = {}
        for name, v in found.items():
            error = v[:, i].std(ddof=1) / np.sqrt(len(v)) if v is not None and len(v) > 1 else np.nan
            values[name] = (float(v[:, i].mean()), float(error)) if v is not None else (np.nan, np.nan)
        key = keys(measure, "two_sample", horizon_days=days)
        part.statistics.append(statistic(key, ideal, noise[:, i], values))
        if measure in ("density", "coverage"):  # the robust pair; precision and recall are shown beside it
            error = float(np.abs(noise[:, i] - ideal).mean())
            part.distances.append(distance(key, error, {c: abs(v - ideal) for c, (v, _) in values.items()}))
    part.notes.append(
        f"precision and coverage: {n} windows of {days} days, {NEIGHBOURS} neighbours; for equal laws density is "
        f"1 and coverage {expected_coverage(n, n):.2f} if windows were independent, which neighbours in time are "
        "not: the ideal beside them is the resampled real window against itself"
    )
    return part


def _unit(panel: Panel) -> Array:
    """One standard deviation of each real asset."""
    deviation = panel.log[0].std(0)
    return np.where(deviation > 0, deviation, 1.0)


def _some(panel: Panel, n_paths: int) -> Panel:
    """The first paths of a panel."""
    if panel.n_paths <= n_paths:
        return panel

    def first(values: NDArray[np.integer]) -> NDArray[np.integer]:
        return values if values.ndim == 1 else values[:n_paths]

    codes = None if panel.codes is None else first(panel.codes)
    return Panel(panel.simple[:n_paths], codes, first(panel.segments), panel.sectors, panel.regimes)


def _dealt(x: Array, first: NDArray[np.intp], window: int) -> Array:
    """Windows (r, n, window, assets), at each place from the next paths in turn."""
    per_real = min(PER_REAL, len(x))
    path = (np.arange(len(first)) * per_real + np.arange(per_real)[:, None]) % len(x)
    return np.asarray(x[path[..., None], first[:, None] + np.arange(window)])
