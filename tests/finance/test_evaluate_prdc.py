# SPDX-License-Identifier: Apache-2.0
"""Precision, recall, density and coverage against loops, the closed form, and broken samples."""

from __future__ import annotations

import numpy as np

from spade_finance.evaluate.likeness_parts import prdc_part
from spade_finance.evaluate.prdc import expected_coverage, prdc

from .distance_doubles import draw, make_codes, make_material


def test_measures_are_the_papers_loops() -> None:
    rng = np.random.default_rng(0)
    x, y, k = rng.standard_normal((12, 2)), rng.standard_normal((15, 2)) + 0.7, 3

    def radius(points: np.ndarray, i: int) -> float:
        return float(sorted(np.linalg.norm(points - points[i], axis=1))[k])

    near = [[np.linalg.norm(a - b) <= radius(x, i) for b in y] for i, a in enumerate(x)]
    precision = np.mean([any(near[i][j] for i in range(12)) for j in range(15)])
    recall = np.mean([any(np.linalg.norm(a - y[j]) <= radius(y, j) for j in range(15)) for a in x])
    density = np.sum(near) / (k * 15)
    coverage = np.mean([any(row) for row in near])
    np.testing.assert_allclose(prdc(x, y, k), [precision, recall, density, coverage])


def test_equal_laws_have_density_one_and_the_closed_form_of_coverage() -> None:
    rng = np.random.default_rng(1)
    found = np.mean([prdc(*rng.standard_normal((2, 80, 3)), 3) for _ in range(60)], axis=0)
    assert abs(found[2] - 1) < 0.05
    assert abs(found[3] - expected_coverage(80, 80, 3)) < 0.012
    assert abs(expected_coverage(10**6, 10**6, 5) - (1 - 0.5**5)) < 1e-4  # k coin tosses


def test_missing_modes_and_outliers_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    two = np.concatenate([rng.standard_normal((100, 2)), rng.standard_normal((100, 2)) + 12])
    precision, recall, density, coverage = prdc(two, rng.standard_normal((200, 2)))
    assert precision > 0.9
    assert recall < 0.6
    assert coverage < 0.6
    assert density > 0.8
    outliers = prdc(two, two + 40)
    assert outliers.max() == 0.0


def test_rows_of_the_section_see_a_generator_that_is_too_quiet() -> None:
    codes = make_codes(1200, 1)
    part = prdc_part(make_material(n_resamples=24, quiet=draw(codes, 8, 3, scale=0.35, spread=0.0)))
    for measure in ("density", "coverage"):
        row = part.values(measure)
        assert row is not None
        assert abs(row["model"] - row["real"]) < 4 * row["floor"]
        assert row["quiet"] < row["model"] - 4 * row["quiet:se"]
