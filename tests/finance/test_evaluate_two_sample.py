# SPDX-License-Identifier: Apache-2.0
"""Classifier two-sample tests: time folds, AUC against scikit-learn, equal and different laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from spade_finance.evaluate.two_sample import auc, random_trees, time_folds, two_sample_test
from spade_finance.evaluate.two_sample_cnn import convolutional
from spade_finance.evaluate.window_features import CORE, cut, starts, window_features

from .distance_doubles import draw, make_codes, panel

WINDOW = 40


def test_auc_is_scikit_learns_with_ties() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 70) + 0.0, rng.integers(0, 7, 90) + 0.0
    truth = roc_auc_score(np.r_[np.ones(70), np.zeros(90)], np.r_[a, b])
    assert auc(a, b) == pytest.approx(truth)


def test_no_training_window_is_within_a_window_of_the_test_days() -> None:
    first = np.arange(0, 900, 7)
    tested = []
    for train, test in time_folds(first, WINDOW, 3):
        days = {d for f in first[test] for d in range(f - WINDOW, f + 2 * WINDOW)}
        assert all(not days & set(range(f, f + WINDOW)) for f in first[train])
        assert len(train) > 0
        tested += list(test)
    assert tested == list(range(len(first)))


def windows(
    law: str, n_paths: int, seed: int, n_days: int = 1000
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((n_paths, n_days, 3))
    if law == "t":
        e = rng.standard_t(3, e.shape) / np.sqrt(3)
    if law == "ar":
        for t in range(1, n_days):
            e[:, t] = 0.45 * e[:, t - 1] + np.sqrt(1 - 0.45**2) * e[:, t]
    first = np.arange(0, n_days - WINDOW + 1, 8)
    return cut(e, first, WINDOW), first


@pytest.mark.parametrize(("law", "found"), [("gauss", False), ("t", True), ("ar", True)])
def test_trees_tell_broken_from_good(law: str, found: bool) -> None:
    real, first = windows("gauss", 1, 1)
    made, _ = windows(law, 2, 2)
    test = two_sample_test(
        window_features(real[0])[0], window_features(made)[0], first, WINDOW, random_trees, seed=3
    )
    if found:
        assert test.auc > 0.5 + 5 * test.auc_se
        assert test.accuracy > 0.5 + 3 * test.accuracy_se
    else:
        assert abs(test.auc - 0.5) < 3 * test.auc_se


@pytest.mark.parametrize(("law", "found"), [("gauss", False), ("ar", True)])
def test_the_network_tells_broken_from_good_and_leaves_the_global_generator_alone(
    law: str, found: bool
) -> None:
    real, first = windows("gauss", 1, 4)
    made, _ = windows(law, 2, 5)
    state = torch.random.get_rng_state()
    test = two_sample_test(real[0], made, first, WINDOW, convolutional, 2, seed=6)
    assert torch.equal(state, torch.random.get_rng_state())
    assert (test.auc > 0.5 + 4 * test.auc_se) if found else (abs(test.auc - 0.5) < 3 * test.auc_se)


def test_classifiers_are_reproducible() -> None:
    real, _ = windows("t", 1, 7, 800)
    made, _ = windows("gauss", 1, 8, 800)
    rows = np.concatenate([real[0], made[0]])
    is_real = np.repeat([1, 0], len(real[0]))
    for classifier, x in ((convolutional, rows), (random_trees, window_features(rows)[0])):
        first = classifier(x, is_real, x, 5)
        np.testing.assert_array_equal(first, classifier(x, is_real, x, 5))
        assert (first != classifier(x, is_real, x, 6)).any()


def test_too_few_windows_are_not_assessed() -> None:
    few = np.zeros((10, 4))
    test = two_sample_test(few, few[None], np.arange(10) * 40, 40, random_trees)
    assert np.isnan(test.auc)
    assert np.isnan(test.accuracy_se)


def test_windows_cross_no_border_and_features_are_finite() -> None:
    codes = make_codes(200)
    one = panel(draw(codes, 2, 0), codes)
    joined = type(one)(one.simple, one.codes, np.repeat([0, 1], 100), one.sectors, one.regimes)
    first = starts(joined, WINDOW, 10)
    assert first.tolist() == [0, 10, 20, 30, 40, 50, 60, 100, 110, 120, 130, 140, 150, 160]
    for x in (np.zeros((2, WINDOW, 4)), cut(one.log, first, WINDOW), one.log[:, :WINDOW, :2]):
        values, names = window_features(x)
        assert np.isfinite(values).all()
        assert values.shape[-1] == len(names)
    values, names = window_features(cut(one.log, first, WINDOW))
    by_name = dict(zip(names, np.moveaxis(values, -1, 0), strict=True))
    assert set(CORE) <= set(by_name)
    x = one.log[1, 10 : 10 + WINDOW]
    assert by_name["volatility"][1, 1] == pytest.approx(0.5 * np.log((x[:, 0] ** 2).mean()))
    assert by_name["leverage"][1, 1] == pytest.approx(np.corrcoef(x[:-1, 0], np.abs(x[1:, 0]))[0, 1])
    unit = x[:, 1:] / np.sqrt((x[:, 1:] ** 2).mean(0))
    pairs = [(unit[:, i] * unit[:, j]).mean() for i in range(3) for j in range(i)]
    assert by_name["mean_correlation"][1, 1] == pytest.approx(np.mean(pairs))
