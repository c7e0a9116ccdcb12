# SPDX-License-Identifier: Apache-2.0
r"""Standard errors that respect what is independent: whole paths, or whole episodes, never days.

Both forms work on *clusters* of rows and a statistic of the pooled rows.

``jackknife``: for many alike clusters (paths), leave out one of G groups of them at a time,

.. math:: SE^2 = \frac{G-1}{G} \sum_g (\hat\theta_{-g} - \bar\theta)^2

Groups of many paths, and not single paths, keep it valid for quantiles (Shao & Wu 1989, delete-d jackknife).

``cluster_bootstrap``: for few unequal clusters (episodes of a regime), draw as many with replacement and take
the standard deviation of the statistic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Statistic = Callable[[Rows], NDArray[np.float64]]

N_GROUPS = 40
N_BOOTSTRAP = 400
LONGEST_CLUSTER_DAYS = 63
"""Longer spells are cut: one bull spell of five years is not one observation."""


def jackknife(
    statistic: Statistic, rows: Rows, cluster: NDArray[np.integer], n_groups: int = N_GROUPS
) -> Rows:
    """Delete-one-group standard errors.

    Parameters
    ----------
    statistic : callable
        (n, assets) rows -> (numbers,).
    rows : (n, assets)
    cluster : (n,) int
        The path of each row.
    n_groups : int
        Groups of paths; fewer when there are fewer paths.

    Returns
    -------
    (numbers,)
        NaN with a single cluster.
    """
    group, n_groups = jackknife_groups(cluster, n_groups)
    if n_groups < 2:
        return np.full(len(statistic(rows)), np.nan)
    return jackknife_spread(np.stack([statistic(rows[group != g]) for g in range(n_groups)]))


def jackknife_groups(cluster: NDArray[np.integer], n_groups: int = N_GROUPS) -> tuple[NDArray[np.intp], int]:
    """Group of each row (n,), clusters dealt out in turn, and how many groups there are."""
    _, index = np.unique(cluster, return_inverse=True)
    n_groups = min(n_groups, int(index.max()) + 1)
    return index % n_groups, n_groups


def jackknife_spread(left_out: Rows) -> Rows:
    """Standard errors (numbers,) from the values without each group, (groups, numbers)."""
    n_groups = len(left_out)
    deviation = left_out - left_out.mean(0)
    return np.asarray(np.sqrt((n_groups - 1) / n_groups * (deviation**2).sum(0)))


def cluster_bootstrap(
    statistic: Statistic,
    rows: Rows,
    cluster: NDArray[np.integer],
    n_bootstrap: int = N_BOOTSTRAP,
    random_state: int | np.random.Generator = 0,
) -> Rows:
    """Standard deviation of a statistic when clusters of rows are drawn with replacement, (numbers,).

    NaN with fewer than two clusters: one episode says nothing about the next.
    """
    order = np.argsort(cluster, kind="stable")
    _, first, count = np.unique(cluster[order], return_index=True, return_counts=True)
    if len(first) < 2:
        return np.full(len(statistic(rows)), np.nan)
    rng = np.random.default_rng(random_state)
    blocks = [order[a : a + n] for a, n in zip(first, count, strict=True)]
    draws = rng.integers(len(blocks), size=(n_bootstrap, len(blocks)))
    values = np.stack([statistic(rows[np.concatenate([blocks[i] for i in draw])]) for draw in draws])
    return np.nanstd(values, axis=0, ddof=1)


def episode_clusters(codes: NDArray[np.integer], longest: int = LONGEST_CLUSTER_DAYS) -> NDArray[np.int64]:
    """Cluster of each day (days,): its regime spell, cut into near-equal parts of at most `longest` days."""
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    ends = np.append(starts[1:], len(codes))
    cluster = np.empty(len(codes), dtype=np.int64)
    number = 0
    for a, b in zip(starts, ends, strict=True):
        parts = int(np.ceil((b - a) / longest))
        cluster[a:b] = number + (np.arange(b - a) * parts) // (b - a)
        number += parts
    return cluster


def count_episodes(codes: NDArray[np.integer], k: int) -> int:
    """Number of spells of regime k."""
    inside = codes == k
    return int((inside[1:] & ~inside[:-1]).sum() + inside[0])
