# SPDX-License-Identifier: Apache-2.0
r"""Episode bootstrap: the real window made again from whole spells of its regimes, drawn with replacement.

Which interval belongs to which statistic:

``block``
    Statistics of all days. Resamples of :mod:`.floor`: blocks of 60 days on average under the window's own
    regime map, so the mix of regimes stays what it was.
``episode``
    Statistics of one regime, or of a difference between two. What varies from crisis to crisis is the crisis,
    not the day: spells are the observations, and a crisis that came once has no interval of this kind. Spells
    longer than a quarter are cut into parts (:func:`.errors.episode_clusters`), for one bull spell of five
    years is not one observation. With n of them the spread is stretched by :math:`\sqrt{n / (n - 1)}\,
    t_{n-1, .975} / z_{.975}`, the small-sample correction of a mean.

Limit: what the window did not show no bootstrap can. On simulated panels of 1,200 days with slow volatility
and twelve spells a regime, nominal 95 % intervals cover the truth in 86 % (block) and 89 % (episode) of
windows, least for volatility and VaR: read a value just outside as close.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.errors import count_episodes, episode_clusters
from spade_finance.evaluate.panel import Panel

MIN_EPISODES = 3
"""Spells of a regime below which nothing is said about it: the verdict is "not assessable"."""

PADDING = -1
"""Code of days that belong to no regime: they fill up resamples that are shorter than the longest."""


def resample_episodes(
    real: Panel, n_resamples: int = 128, random_state: int | np.random.Generator = 0
) -> Panel | None:
    """Resamples of a one-path panel by its spells.

    Of every regime as many clusters are drawn with replacement as it has, and set one behind the other, so
    the days of a regime vary in number from resample to resample, as episodes do in length.

    Parameters
    ----------
    real : Panel
        One path with codes (days,).
    n_resamples : int

    Returns
    -------
    Panel or None
        (n_resamples, longest); each cluster is a segment of its own and days behind a resample's end have
        code -1: read it regime by regime only. None for a panel without labels.
    """
    if real.codes is None:
        return None
    rng = np.random.default_rng(random_state)
    codes = np.asarray(real.codes).reshape(-1)
    cluster = episode_clusters(codes)
    first = np.flatnonzero(np.concatenate([[True], cluster[1:] != cluster[:-1]]))
    blocks = np.split(np.arange(len(codes)), first[1:])
    by_regime = [np.flatnonzero(codes[first] == k) for k in np.unique(codes)]
    days: list[NDArray[np.intp]] = []
    segments: list[NDArray[np.int32]] = []
    for _ in range(n_resamples):
        drawn = np.concatenate([rng.choice(own, len(own)) for own in by_regime])
        days.append(np.concatenate([blocks[i] for i in drawn]))
        lengths = [len(blocks[i]) for i in drawn]
        segments.append(np.repeat(np.arange(len(drawn), dtype=np.int32), lengths))
    longest = max(len(row) for row in days)
    simple = np.zeros((n_resamples, longest, real.simple.shape[2]))
    new_codes = np.full((n_resamples, longest), PADDING, dtype=np.int8)
    new_segments = np.full((n_resamples, longest), len(first), dtype=np.int32)
    for i, (row, segment) in enumerate(zip(days, segments, strict=True)):
        simple[i, : len(row)] = real.simple[0, row]
        new_codes[i, : len(row)] = codes[row]
        new_segments[i, : len(row)] = segment
    return Panel(simple, new_codes, new_segments, real.sectors, real.regimes)


def clusters_in(real: Panel) -> dict[str, int]:
    """Number of clusters (spells, long ones cut) of each regime of a one-path panel."""
    if real.codes is None:
        return {}
    codes = np.asarray(real.codes).reshape(-1)
    cluster = episode_clusters(codes)
    return {name: len(np.unique(cluster[codes == k])) for k, name in enumerate(real.regimes)}


def few_clusters(n: int) -> float:
    """Factor on the spread of a bootstrap of n clusters: 1.58 for five, 1.02 for a hundred."""
    from scipy import stats

    return float(np.sqrt(n / (n - 1)) * stats.t(n - 1).ppf(0.975) / stats.norm.ppf(0.975))


def episodes_in(real: Panel) -> dict[str, int]:
    """Number of spells of each regime of a one-path panel."""
    if real.codes is None:
        return {}
    codes = np.asarray(real.codes).reshape(-1)
    return {name: count_episodes(codes, k) for k, name in enumerate(real.regimes)}
