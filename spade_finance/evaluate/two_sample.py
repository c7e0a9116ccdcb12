# SPDX-License-Identifier: Apache-2.0
r"""Classifier two-sample tests: can a classifier tell generated windows from real ones that it has not seen?

The area under the ROC curve (AUC) of a classifier on held-out windows is the probability that a random real
window is scored above a random generated one: one half when the two laws are equal, one when they can be told
apart at a glance (Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests", ICLR).

Markets drift and windows overlap, so windows are split **by time**: contiguous folds, with an embargo of a
whole window on either side of the fold that is tested. Real and generated windows lie at the same places of
the same map, and returns are divided by a volatility that the map alone decides: a classifier gains nothing from
knowing which regimes are frequent, and sees at once where a regime is too loud.

Standard errors come from leaving out one stretch of time at a time (jackknife): overlapping windows are one
observation, not twenty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.errors import jackknife_spread

Array = NDArray[np.float64]
Classifier = Callable[[Array, NDArray[np.intp], Array, int], Array]
"""``classifier(train, is_real, test, seed) -> scores``: higher means real."""

N_TREES = 40
MIN_WINDOWS = 40
"""Fewer real windows than this teach a classifier nothing."""


@dataclass(frozen=True)
class TwoSample:
    """Result of a test: mean AUC and balanced accuracy over folds, with standard errors."""

    auc: float
    auc_se: float
    accuracy: float
    accuracy_se: float


NOT_ASSESSABLE = TwoSample(*[float("nan")] * 4)


def two_sample_test(
    real: Array,
    generated: Array,
    first: NDArray[np.intp],
    window: int,
    classifier: Classifier,
    n_folds: int = 3,
    seed: int = 0,
) -> TwoSample:
    """Train on some years, test on the others, in turn.

    Parameters
    ----------
    real : (n, ...)
        Real windows or their features.
    generated : (r, n, ...)
        Generated ones at the same places, r for each.
    first : (n,) int, increasing
        First day of each window.
    window : int
        Days of a window.
    classifier : callable
        See :data:`Classifier`.

    Returns
    -------
    TwoSample
        NaN with fewer than 40 windows.
    """
    if len(first) < MIN_WINDOWS:
        return NOT_ASSESSABLE
    parts: list[tuple[Array, Array, NDArray[np.intp]]] = []
    for number, (train, test) in enumerate(time_folds(first, window, n_folds)):
        if len(train) < MIN_WINDOWS // 2 or len(test) < 2:
            continue
        rows = np.concatenate([real[train], generated[:, train].reshape(-1, *generated.shape[2:])])
        is_real = np.concatenate([np.ones(len(train)), np.zeros(len(rows) - len(train))]).astype(np.intp)
        seen = np.concatenate([real[test], generated[:, test].reshape(-1, *generated.shape[2:])])
        scores = classifier(rows, is_real, seen, seed + number)
        parts.append((scores[: len(test)], scores[len(test) :].reshape(-1, len(test)), first[test] // window))
    if not parts:
        return NOT_ASSESSABLE
    whole = np.mean([_both(real, made) for real, made, _ in parts], axis=0)
    left_out = []
    for fold, (a, b, stretch) in enumerate(parts):
        rest = [_both(*p[:2]) for i, p in enumerate(parts) if i != fold]
        for s in np.unique(stretch):
            keep = stretch != s
            if keep.any():
                left_out.append(np.mean([*rest, _both(a[keep], b[:, keep])], axis=0))
    error = jackknife_spread(np.stack(left_out)) if len(left_out) > 1 else np.full(2, np.nan)
    return TwoSample(float(whole[0]), float(error[0]), float(whole[1]), float(error[1]))


def time_folds(
    first: NDArray[np.intp], window: int, n_folds: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Positions to train on and to test on, fold by fold: no day within a window's length of both."""
    for test in np.array_split(np.arange(len(first)), n_folds):
        if len(test):
            low, high = first[test[0]] - window, first[test[-1]] + window  # windows end before, begin after
            away = (first + window <= low) | (first >= high + window)
            yield np.flatnonzero(away), test


def auc(positive: Array, negative: Array) -> float:
    """Probability that a positive score exceeds a negative one, ties counted half."""
    order = np.sort(negative)
    below = np.searchsorted(order, positive, "left") + np.searchsorted(order, positive, "right")
    return float(below.mean() / 2 / len(order))


def _both(real: Array, made: Array) -> tuple[float, float]:
    """AUC, and the mean of both classes' hit rates at the score that means undecided (0.5)."""
    hits = 0.5 * (float((real > 0.5).mean()) + float((made <= 0.5).mean()))
    return auc(real, made.reshape(-1)), hits


def random_trees(train: Array, is_real: NDArray[np.intp], test: Array, seed: int) -> Array:
    """Extremely randomised trees (Geurts, Ernst & Wehenkel 2006) by scikit-learn, both classes of equal weight.

    They tell more apart here than boosted trees of the same cost.
    """
    from sklearn import config_context
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(
        N_TREES, min_samples_leaf=4, max_features=0.5, class_weight="balanced", random_state=seed, n_jobs=1
    )
    with config_context(assume_finite=True, skip_parameter_validation=True):
        scores = model.fit(train.astype(np.float32), is_real).predict_proba(test.astype(np.float32))[:, 1]
    return np.asarray(scores, dtype=np.float64)
