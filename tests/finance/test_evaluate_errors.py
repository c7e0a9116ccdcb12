# SPDX-License-Identifier: Apache-2.0
"""Standard errors against brute force: the experiment repeated many times."""

from __future__ import annotations

import numpy as np
import pytest

from spade_finance.evaluate.errors import cluster_bootstrap, count_episodes, episode_clusters, jackknife
from spade_finance.evaluate.pooled import STATISTICS, pooled_errors, pooled_statistics


def one_experiment(seed: int, n_paths: int = 200, n_days: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Paths with a volatility of their own, so that days of a path are far from independent."""
    rng = np.random.default_rng(seed)
    level = np.exp(0.5 * rng.standard_normal((n_paths, 1, 1)))
    market = rng.standard_normal((n_paths, n_days, 1))
    x = 0.01 * level * (market + rng.standard_normal((n_paths, n_days, 3)))
    rows = np.concatenate([x.mean(2, keepdims=True), x], axis=2).reshape(-1, 4)
    return rows, np.repeat(np.arange(n_paths), n_days)


def statistic(rows: np.ndarray) -> np.ndarray:
    return pooled_statistics(rows, 0)


@pytest.fixture(scope="module")
def repeated() -> np.ndarray:
    """Standard deviation of every statistic over 300 repetitions of the experiment."""
    return np.std([statistic(one_experiment(seed)[0]) for seed in range(300)], axis=0)


NAMES = ("annual_return", "volatility", "mean_correlation", "worst_of_60", "var_95", "es_95")
CHECKED = [STATISTICS.index(name) for name in NAMES]


def test_jackknife_over_paths_is_the_spread_of_repeated_experiments(repeated):
    errors = np.mean([jackknife(statistic, *one_experiment(1000 + s)) for s in range(12)], axis=0)
    np.testing.assert_allclose(errors[CHECKED], repeated[CHECKED], rtol=0.2)


@pytest.mark.parametrize("n_paths", [2, 3, 15, 200])
@pytest.mark.parametrize("at", [0, 2])
def test_shortcut_by_sums_is_the_jackknife(n_paths, at):
    rows, path = one_experiment(5, n_paths)
    rows = rows + 0.01  # a mean far from zero
    slow = jackknife(lambda sample: pooled_statistics(sample, at), rows, path)
    np.testing.assert_allclose(pooled_errors(rows, at, path), slow, rtol=1e-8)
    some = np.random.default_rng(0).random(len(rows)) < 0.3  # paths of unequal length
    slow = jackknife(lambda sample: pooled_statistics(sample, at), rows[some], path[some])
    np.testing.assert_allclose(pooled_errors(rows[some], at, path[some]), slow, rtol=1e-8)


def test_errors_that_ignore_paths_would_be_too_small(repeated):
    rows, _ = one_experiment(0)
    naive = jackknife(statistic, rows, np.arange(len(rows)))
    volatility = STATISTICS.index("volatility")
    assert naive[volatility] < 0.6 * repeated[volatility]


def test_cluster_bootstrap_over_episodes_is_the_spread_of_repeated_experiments():
    few = [one_experiment(s, n_paths=40) for s in range(200)]
    repeated = np.std([statistic(rows) for rows, _ in few], axis=0)
    errors = np.mean([cluster_bootstrap(statistic, rows, c, 200) for rows, c in few[:10]], axis=0)
    np.testing.assert_allclose(errors[CHECKED], repeated[CHECKED], rtol=0.25)


def test_jackknife_of_a_mean_with_one_path_a_group_is_the_textbook_one():
    x = np.random.default_rng(0).standard_normal((30, 1))
    error = jackknife(lambda rows: rows.mean(0), x, np.arange(30))
    assert error[0] == pytest.approx(x.std(ddof=1) / np.sqrt(30))


def test_single_cluster_has_no_error():
    rows = np.random.default_rng(0).standard_normal((50, 4))
    for error in (jackknife, cluster_bootstrap):
        assert np.isnan(error(statistic, rows, np.zeros(50, dtype=int))).all()


def test_long_spells_are_cut_evenly_and_short_ones_kept_whole():
    codes = np.repeat([0, 1, 0], [150, 20, 63])
    clusters = episode_clusters(codes, longest=63)
    lengths = np.bincount(clusters)
    assert lengths.tolist() == [50, 50, 50, 20, 63]
    assert all(len(set(codes[clusters == c])) == 1 for c in range(len(lengths)))
    assert [count_episodes(codes, k) for k in (0, 1, 2)] == [2, 1, 0]
