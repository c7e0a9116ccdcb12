# SPDX-License-Identifier: Apache-2.0
"""What a point of the severity dial is worth: figures of single days and of the end, without each group of paths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.errors import jackknife_groups, jackknife_spread
from spade_finance.stress.catalogue import YEAR
from spade_finance.stress.measures import Sample
from spade_finance.stress.sums import gram, weigh

__all__ = ["DAILY", "LOSS", "RISES", "TITLES", "mean_correlation", "measure", "shortfall", "spread_of"]

Vector = NDArray[np.float64]

ES_LEVEL = 0.975
LOSS = 0.20
"""Loss at the dial's horizon whose probability it shows."""
DAILY = ("volatility", "mean_correlation", "es_97_5")
"""Figures of single days, which real episodes have too."""
RISES = {
    "volatility": True, "mean_correlation": True, "es_97_5": True, "mean_return": False,
    "median_return": False, "prob_loss_20": True,
}  # fmt: skip
"""Every figure, and whether it must not fall (or, if False, not rise) with severity."""
TITLES = {
    "volatility": "volatility", "mean_correlation": "mean correlation", "es_97_5": "one-day ES",
    "mean_return": "mean return", "median_return": "median return", "prob_loss_20": "the probability of losing a fifth",
}  # fmt: skip


def measure(simple: NDArray[np.floating], weights: Vector) -> tuple[Vector, Vector]:
    """Figures (P, F) of :data:`RISES` and their values without each group of paths (G, P, F).

    Parameters
    ----------
    simple : (n, T, S) decimal simple returns
    weights : (P, S), restored every day
    """
    n, n_days, n_sectors = simple.shape
    group, n_groups = jackknife_groups(np.arange(n))
    x = np.asarray(simple, dtype=np.float64)
    books = np.stack([weigh(np.moveaxis(x, 2, 1), w) for w in weights], axis=2)  # (n, T, P)
    ends = np.prod(1.0 + books, axis=1) - 1.0
    count = np.bincount(group, minlength=n_groups) * float(n_days)
    sums = np.zeros((n_groups, n_sectors))
    cross = np.zeros((n_groups, n_sectors, n_sectors))
    first, second = np.zeros((n_groups, len(weights))), np.zeros((n_groups, len(weights)))
    for g in range(n_groups):
        rows = x[group == g].reshape(-1, n_sectors)
        sums[g], cross[g] = rows.sum(axis=0), gram(rows)
        own = books[group == g].reshape(-1, len(weights))
        first[g], second[g] = own.sum(axis=0), (own**2).sum(axis=0)

    def figures(keep: NDArray[np.bool_]) -> Vector:
        m = count[keep].sum()
        variance = second[keep].sum(axis=0) / m - (first[keep].sum(axis=0) / m) ** 2
        mean = sums[keep].sum(axis=0) / m
        correlation = mean_correlation(cross[keep].sum(axis=0) / m - np.outer(mean, mean))
        rows = keep[group]
        losses = -books[rows].reshape(-1, len(weights))
        end = ends[rows]
        columns = [
            np.sqrt(YEAR * variance), np.full(len(weights), correlation),
            np.array([shortfall(own) for own in losses.T]), end.mean(axis=0), np.median(end, axis=0),
            (end <= -LOSS).mean(axis=0),
        ]  # fmt: skip
        return np.stack(columns, axis=1)

    every = np.ones(n_groups, dtype=bool)
    return figures(every), np.stack([figures(np.arange(n_groups) != g) for g in range(n_groups)])


def spread_of(left_out: Vector, n_paths: int) -> Vector:
    """Standard errors (P, F); a probability of none or all has that of one more case either way."""
    spread = jackknife_spread(left_out.reshape(len(left_out), -1)).reshape(left_out.shape[1:])
    place = list(RISES).index("prob_loss_20")
    p = 1.0 / (n_paths + 2)
    least = np.sqrt(p * (1 - p) / n_paths)
    spread[:, place] = np.where(spread[:, place] > 0, spread[:, place], least)
    return spread


def shortfall(losses: Vector) -> float:
    """ES 97.5 % of losses (N,)."""
    return Sample(losses, np.zeros(len(losses), dtype=np.int8), 1).es(ES_LEVEL).value


def mean_correlation(covariance: Vector) -> float:
    """Mean of the correlations off the diagonal."""
    scale = np.sqrt(np.diag(covariance))
    if len(scale) < 2 or not (scale > 0).all():
        return float("nan")
    correlation = covariance / np.outer(scale, scale)
    return float((correlation.sum() - len(scale)) / (len(scale) * (len(scale) - 1)))
