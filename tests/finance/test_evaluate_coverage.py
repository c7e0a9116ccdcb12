# SPDX-License-Identifier: Apache-2.0
"""Coverage and shortfall tests against likelihoods written here, published tables and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from spade_finance.evaluate.acerbi import count_breaches
from spade_finance.evaluate.coverage import (
    assessable,
    conditional_coverage,
    independence,
    kupiec,
    traffic_light,
    transitions,
)
from spade_finance.evaluate.multiplicity import max_t, rank_p, studentised


@pytest.mark.parametrize(("x", "n", "p"), [(0, 250, 0.01), (7, 250, 0.01), (60, 1000, 0.05), (30, 30, 0.05)])
def test_kupiec_is_the_binomial_likelihood_ratio(x: int, n: int, p: float) -> None:
    ratio, value = kupiec(x, n, p)
    by_hand = 2 * (stats.binom.logpmf(x, n, x / n) - stats.binom.logpmf(x, n, p))
    assert ratio == pytest.approx(by_hand, abs=1e-9)
    assert value == pytest.approx(stats.chi2.sf(by_hand, 1), abs=1e-12)


@pytest.mark.parametrize(
    ("p", "n", "lowest", "highest"),
    [
        (0.01, 510, 2, 10), (0.01, 1000, 5, 16), (0.025, 510, 7, 20), (0.025, 1000, 16, 35),
        (0.05, 510, 17, 35), (0.05, 1000, 38, 64),
    ],
)  # fmt: skip
def test_kupiec_non_rejection_regions_of_the_paper(p: float, n: int, lowest: int, highest: int) -> None:
    accepted = np.flatnonzero(kupiec(np.arange(120), n, p)[1] > 0.05)
    assert (accepted[0], accepted[-1]) == (lowest, highest)


def test_christoffersen_of_a_published_example() -> None:
    # J.P. Morgan's 1998 trading days in Jorion's "Value at Risk": 20 exceptions of 252, 6 right after another.
    counts = [[218, 14], [14, 6]]
    assert kupiec(20, 252, 0.05)[0] == pytest.approx(3.91, abs=0.005)
    assert independence(counts)[0] == pytest.approx(9.53, abs=0.005)
    assert conditional_coverage(counts, 0.05)[0] == pytest.approx(13.44, abs=0.01)
    assert conditional_coverage(counts, 0.05)[1] == pytest.approx(stats.chi2.sf(13.44, 2), rel=0.01)


def test_transitions_are_counted_as_a_loop_counts_them() -> None:
    rng = np.random.default_rng(0)
    hits, inside = rng.random((2, 300)) < 0.3, rng.random(300) < 0.8
    for mask in (None, inside):
        expected = np.zeros((2, 2, 2), dtype=int)
        for s in range(2):
            for t in range(1, 300):
                if mask is None or (mask[t] and mask[t - 1]):
                    expected[s, int(hits[s, t - 1]), int(hits[s, t])] += 1
        np.testing.assert_array_equal(transitions(hits, mask), expected)


def test_size_under_the_null_and_power_against_clusters() -> None:
    rng = np.random.default_rng(1)
    hits = rng.random((3000, 1000)) < 0.05
    counts = transitions(hits)
    assert (kupiec(hits.sum(1), 1000, 0.05)[1] < 0.05).mean() == pytest.approx(0.05, abs=0.015)
    # The asymptotic law of the other two rejects too often in ten years of 5 % tails: 50 hits, 2 or 3 in a row.
    for p in (independence(counts)[1], conditional_coverage(counts, 0.05)[1]):
        assert 0.03 < (p < 0.05).mean() < 0.1
    clustered = np.repeat(rng.random((500, 500)) < 0.05, 2, axis=1)
    assert (independence(transitions(clustered))[1] < 0.05).mean() > 0.99
    assert (kupiec((rng.random((500, 1000)) < 0.09).sum(1), 1000, 0.05)[1] < 0.05).mean() > 0.95


def test_traffic_light_is_the_basel_table_and_its_binomial_definition() -> None:
    expected = [0] * 5 + [1] * 5 + [2] * 6
    np.testing.assert_array_equal(traffic_light(np.arange(16), 250), expected)
    for n in (60, 126, 500, 1000, 2500):
        x = np.arange(min(80, n) + 1)
        below = stats.binom.cdf(x, n, 0.01)
        zones = np.where(below < 0.95, 0, np.where(below < 0.9999, 1, 2))
        np.testing.assert_array_equal(traffic_light(x, n), zones)
    assert traffic_light(0, 3) == 0  # no breach is no alarm, however few days


def test_five_expected_hits_can_be_assessed_and_fewer_cannot() -> None:
    assert assessable(100, 0.05)
    assert assessable(500, 0.01)
    assert not assessable(96, 0.05)
    assert np.isnan(kupiec(0, 0, 0.01)[1])


def shortfall_case(
    scale_es: float = 1.0, scale_var: float = 1.0, volatility: float = 1.0
) -> tuple[NDArray, ...]:
    """Standard Gaussian draws, the first of them real, and forecasts scaled off the truth: tail 5 %."""
    rng = np.random.default_rng(2)
    draws = rng.standard_normal((1, 500, 1500)).astype(np.float32)
    quantile = -stats.norm.ppf(0.05)
    var = np.full((1, 500), quantile * scale_var)
    es = np.full((1, 500), stats.norm.pdf(quantile) / 0.05 * scale_es)
    return volatility * rng.standard_normal((1, 500)), draws, var, es


def test_acerbi_szekely_is_zero_under_the_truth_and_negative_when_es_is_understated() -> None:
    everything = np.ones((1, 500), dtype=bool)
    real, draws, var, es = shortfall_case()
    found = count_breaches(real, draws, var, es, everything, 0.05)
    for z in (found.z1[0, 0, 1:], found.z2[0, 0, 1:]):
        assert abs(z.mean()) < 4 * z.std() / len(z) ** 0.5
    understated = count_breaches(*shortfall_case(scale_es=0.8), everything, 0.05)
    for z in (understated.z1[0, 0, 1:], understated.z2[0, 0, 1:]):
        assert z.mean() == pytest.approx(1 - 1 / 0.8, abs=4 * z.std() / len(z) ** 0.5)
    too_many = count_breaches(*shortfall_case(scale_var=0.6), everything, 0.05)
    assert too_many.z2[0, 0, 1:].mean() < -0.5


def test_breaches_are_summed_by_group_as_a_loop_sums_them() -> None:
    rng = np.random.default_rng(3)
    real, draws = rng.standard_normal((2, 60)), rng.standard_normal((2, 60, 7)).astype(np.float32)
    var, es = rng.uniform(0.2, 0.8, (2, 60)), rng.uniform(1, 2, (2, 60))
    var[:, 10:13] = np.nan
    groups = np.stack([np.ones(60, dtype=bool), rng.random(60) < 0.6])
    found = count_breaches(real, draws, var, es, groups, 0.05)
    for p in range(2):
        for g in range(2):
            for i in range(8):
                x = real[p] if i == 0 else draws[p, :, i - 1]
                hits = [t for t in range(60) if groups[g, t] and np.isfinite(var[p, t]) and x[t] < -var[p, t]]
                used = [t for t in range(60) if groups[g, t] and np.isfinite(var[p, t])]
                assert found.hits[p, g, i] == len(hits)
                assert found.pairs[p, g, i] == sum(t - 1 in hits for t in hits)
                ratio = sum(-x[t] / es[p, t] for t in hits)
                assert found.ratio[p, g, i] == pytest.approx(ratio, rel=1e-5)
                assert found.z2[p, g, i] == pytest.approx(1 - ratio / (len(used) * 0.05), rel=1e-5)


def test_p_values_from_own_paths_have_the_right_size_and_find_half_the_volatility() -> None:
    everything = np.ones((1, 500), dtype=bool)
    _, draws, var, es = shortfall_case()
    # every draw takes the real one's place in turn
    found = count_breaches(draws[:, :, 0].astype(float), draws[:, :, 1:], var, es, everything, 0.05)
    turns = np.stack([np.roll(found.hits[0, 0], k) for k in range(0, 1500, 5)])
    assert (rank_p(turns) <= 0.05).mean() <= 0.06
    z2 = np.stack([np.roll(found.z2[0, 0], k) for k in range(0, 1500, 5)])
    assert (rank_p(z2, "low") <= 0.05).mean() == pytest.approx(0.05, abs=0.02)
    doubled = count_breaches(*shortfall_case(volatility=2.0), everything, 0.05)
    assert rank_p(doubled.hits)[0, 0] == pytest.approx(2 / 1501)
    assert rank_p(doubled.z2, "low")[0, 0] == pytest.approx(1 / 1501)


def test_rank_p_counts_ties_and_leaves_out_what_is_missing() -> None:
    assert rank_p(np.array([3.0, 1.0, 3.0, 5.0, np.nan]), "low") == pytest.approx(3 / 4)
    assert rank_p(np.array([3.0, 1.0, 3.0, 5.0, np.nan]), "high") == pytest.approx(3 / 4)
    assert rank_p(np.array([9.0, 1.0, 2.0, 3.0])) == pytest.approx(0.5)
    assert np.isnan(rank_p(np.array([np.nan, 1.0, 2.0])))


def test_max_t_costs_nothing_for_copies_and_is_sidak_for_independent_tests() -> None:
    rng = np.random.default_rng(4)
    one = rng.standard_normal(4001)
    one[0] = 2.5
    alone = rank_p(np.abs(studentised(one)), "high")
    copies = max_t(studentised(np.stack([one, one, one])))
    np.testing.assert_allclose(copies, alone)
    many = rng.standard_normal((20, 4001))
    many[0, 0] = 3.0
    adjusted = max_t(studentised(many))[0]
    assert adjusted == pytest.approx(1 - (1 - 2 * stats.norm.sf(3.0)) ** 20, abs=0.015)
    missing = many.copy()
    missing[5] = np.nan
    assert max_t(studentised(missing))[5] == 1.0
