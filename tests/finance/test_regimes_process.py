# SPDX-License-Identifier: Apache-2.0
"""The semi-Markov process against closed forms, enumeration and simulation."""

from __future__ import annotations

import itertools
import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from spade_finance.exceptions import InputError
from spade_finance.regimes import SemiMarkovProcess
from spade_finance.regimes.durations import fit_durations, log_mass, log_survival, survival_table
from tests.finance.regimes_doubles import switching_codes

NAMES = ("bull", "bear", "crisis")
TRANSITION = [[0.0, 0.7, 0.3], [0.6, 0.0, 0.4], [0.2, 0.8, 0.0]]


def process(
    family: str = "lognormal",
    params: tuple[tuple[float, float], ...] = ((1.5, 0.0), (0.7, -0.5), (0.2, 0.3)),
    min_days: int = 1,
    transition: list[list[float]] = TRANSITION,
) -> SemiMarkovProcess:
    names = NAMES[: len(params)]
    return SemiMarkovProcess.from_config(
        {
            "regimes": names,
            "family": family,
            "min_days": min_days,
            "prior_transitions": 2.0,
            "durations": dict(zip(names, params, strict=True)),
            "transition": transition,
            "spells": [5] * len(names),
        }
    )


def generators(n: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.Generator(np.random.Philox(key=[seed, i])) for i in range(n)]


ALL_STARTS = [None, "bear", ([0.5, 0.2, 0.3], [3, 1, 7]), ([0.0, 1.0, 0.0], [0, 0, 0])]


# Duration laws


@pytest.mark.parametrize("params", [(3.0, 0.5), (5.0, -1.0), (0.5, 2.0)])
def test_duration_laws_are_scipys(params: tuple[float, float]) -> None:
    x = np.arange(400)
    size, mean = np.exp(params[1]), np.exp(params[0])
    law = stats.nbinom(size, size / (size + mean))
    np.testing.assert_allclose(log_mass("nbinom", params, x), law.logpmf(x), rtol=1e-9)
    np.testing.assert_allclose(np.exp(log_survival("nbinom", params, x)), law.sf(x - 1), atol=1e-13)
    law = stats.geom(1 / (1 + mean), loc=-1)
    np.testing.assert_allclose(log_mass("geometric", params, x), law.logpmf(x), rtol=1e-9)
    np.testing.assert_allclose(np.exp(log_survival("geometric", params, x)), law.sf(x - 1), atol=1e-13)
    law = stats.lognorm(np.exp(params[1]), scale=np.exp(params[0]))
    np.testing.assert_allclose(np.exp(log_survival("lognormal", params, x)), law.sf(x), atol=1e-13)
    np.testing.assert_allclose(
        np.exp(log_mass("lognormal", params, x)), law.sf(x) - law.sf(x + 1), atol=1e-13
    )


@pytest.mark.parametrize("family", ["geometric", "nbinom"])
@pytest.mark.parametrize("min_days", [1, 7])
def test_survival_tables_have_the_mean_of_the_law(family: str, min_days: int) -> None:
    table = survival_table(family, (np.log(40.0), np.log(0.8)), min_days)
    assert table[0] == 1
    assert table[-1] == 0
    assert (np.diff(table) <= 0).all()
    assert (table[:min_days] == 1).all()
    assert table.sum() == pytest.approx(40 + min_days, rel=1e-6)


@pytest.mark.parametrize(
    ("family", "params"), [("nbinom", (4.0, 1.0)), ("lognormal", (4.0, -0.3)), ("geometric", (4.0, 0.0))]
)
def test_long_histories_give_their_own_law_back(family: str, params: tuple[float, float]) -> None:
    rng = np.random.default_rng(3)
    table = survival_table(family, params, 5)
    draw = [1 + np.searchsorted(1 - table[1:], rng.random(4000), side="right") for _ in range(2)]
    chosen, fitted = fit_durations(draw, [np.array([], dtype=int)] * 2, 5)
    if family == "geometric":  # a negative binomial of size one is the same law
        assert chosen in ("geometric", "nbinom")
    else:
        assert chosen == family
    for own in fitted:
        np.testing.assert_allclose(own, params, atol=0.08)


def test_few_spells_are_drawn_toward_the_others() -> None:
    many, one = np.full(40, 100) + np.arange(40), np.array([10])
    none = np.array([], dtype=int)
    _, (often, once, never) = fit_durations([many, one, none], [none] * 3, 1, "lognormal")
    assert np.log(9) < once[0] < often[0]  # nine days above the least
    assert never[0] == pytest.approx(often[0], abs=0.3)


def test_cut_spells_lengthen_the_estimate() -> None:
    done, none = np.array([30, 50, 40, 60]), np.array([], dtype=int)
    for family in ("geometric", "nbinom", "lognormal"):
        _, [(without, _)] = fit_durations([done], [none], 1, family)
        _, [(with_long, _)] = fit_durations([done], [np.array([400])], 1, family)
        _, [(with_short, _)] = fit_durations([done], [np.array([1])], 1, family)
        assert with_long > without + 0.2
        assert with_short == pytest.approx(without, abs=0.02)  # "at least one day" says nothing


# Fitting


def test_fit_recovers_a_simulated_process() -> None:
    codes = switching_codes(60_000, (150.0, 80.0, 40.0), 1)
    fitted = SemiMarkovProcess(min_days=5).fit(codes, NAMES)
    np.testing.assert_allclose(fitted.mean_durations_, [169.5, 99.5, 59.5], rtol=0.15)
    np.testing.assert_allclose(fitted.transition_, 0.5 * (1 - np.eye(3)), atol=0.09)
    share = np.bincount(codes) / len(codes)
    np.testing.assert_allclose(fitted.stationary_, share, atol=0.05)
    table = fitted.expected_durations()
    assert list(table.index) == list(NAMES)
    assert (table["p10"] < table["median"]).all()
    assert (table["median"] < table["p90"]).all()


def test_transitions_are_counts_shrunk_toward_popular_destinations() -> None:
    codes = np.repeat([0, 1, 0, 1, 0, 2, 1], 30)
    fitted = SemiMarkovProcess(prior_transitions=2.0).fit(codes, NAMES)
    arrivals = np.array([2, 3, 1]) + 0.5
    expected = (np.array([0, 2, 1]) + 2 * np.array([0, arrivals[1], arrivals[2]]) / arrivals[1:].sum()) / 5
    np.testing.assert_allclose(fitted.transition_[0], expected)
    assert (fitted.transition_[~np.eye(3, dtype=bool)] > 0).all()  # 2 -> 0 never happened
    assert np.diag(fitted.transition_).tolist() == [0, 0, 0]
    np.testing.assert_allclose(fitted.transition_.sum(axis=1), 1)


def test_a_single_spell_can_be_fitted() -> None:
    fitted = SemiMarkovProcess().fit(np.zeros(300, dtype=int), NAMES[:2])
    assert fitted.mean_durations_[0] > fitted.mean_durations_[1]
    assert fitted.sample(10, generators(2)).shape == (2, 10)


@pytest.mark.parametrize(
    ("codes", "message"), [([], "shape"), ([0, 3], "0 to 2"), ([[0]], "shape"), ([-1], "0 to 2")]
)
def test_bad_codes_are_refused(codes: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SemiMarkovProcess().fit(np.array(codes, dtype=int), NAMES)


def test_bad_settings_are_refused() -> None:
    for setting in ({"family": "weibull"}, {"min_days": 0}, {"prior_transitions": -1}):
        with pytest.raises(InputError, match=next(iter(setting))):
            SemiMarkovProcess(**setting).fit(np.array([0, 1]), NAMES)


# Laws of paths


@pytest.mark.parametrize("start", ALL_STARTS)
@pytest.mark.parametrize("min_days", [1, 2])
def test_probabilities_of_all_paths_sum_to_one(start, min_days: int) -> None:
    own = process(min_days=min_days)
    paths = np.array(list(itertools.product(range(3), repeat=6)))
    assert np.exp(own.log_prob(paths, start)).sum() == pytest.approx(1, abs=1e-9)


def test_a_stationary_path_is_stationary() -> None:
    """The regime's law is the same on each day, and so is that of two neighbouring days: by enumeration."""
    own = process()
    paths = np.array(list(itertools.product(range(3), repeat=7)))
    weight = np.exp(own.log_prob(paths))
    for day in range(7):
        share = np.bincount(paths[:, day], weights=weight, minlength=3)
        np.testing.assert_allclose(share, own.stationary_, atol=1e-9)
    pairs = [np.bincount(3 * paths[:, d] + paths[:, d + 1], weights=weight, minlength=9) for d in range(6)]
    np.testing.assert_allclose(pairs, np.tile(pairs[0], (6, 1)), atol=1e-9)


@pytest.mark.parametrize("start", ALL_STARTS)
def test_sampled_paths_have_their_probabilities(start) -> None:
    own, n, days = process(), 60_000, 4
    drawn = own.sample(days, generators(n, seed=5), start)
    paths = np.array(list(itertools.product(range(3), repeat=days)))
    p = np.exp(own.log_prob(paths, start))
    counted = np.bincount(drawn @ 3 ** np.arange(days - 1, -1, -1), minlength=len(paths))
    assert not counted[p == 0].any()
    seen = p > 0
    score = (counted[seen] - n * p[seen]) / np.sqrt(n * p[seen] * (1 - p[seen]) + 1e-9)
    rare = n * p[seen] < 10
    assert np.abs(score[~rare]).max() < 4.5
    assert stats.chi2.sf((score[~rare] ** 2).sum(), (~rare).sum()) > 1e-4


def test_geometric_durations_are_a_markov_chain() -> None:
    """Path law, stationary law and indifference to ages of the chain with the same probabilities."""
    means = np.array([6.0, 3.0, 2.0])  # of the excess over one day
    own = process("geometric", tuple((float(np.log(m)), 0.0) for m in means))
    leave = 1 / (1 + means)
    chain = np.diag(1 - leave) + leave[:, None] * np.array(TRANSITION)
    law = np.linalg.matrix_power(chain, 4000)[0]
    np.testing.assert_allclose(own.stationary_, law, atol=1e-9)
    np.testing.assert_allclose(own.mean_durations_, 1 / leave, rtol=1e-9)

    paths = np.random.default_rng(0).integers(0, 3, (50, 9))
    moves = np.log(chain[paths[:, :-1], paths[:, 1:]]).sum(axis=1)
    np.testing.assert_allclose(own.log_prob(paths), np.log(law[paths[:, 0]]) + moves, atol=1e-8)

    today = np.array([0.2, 0.5, 0.3])
    expected = np.log((today @ chain)[paths[:, 0]]) + moves
    for ages in ([1, 1, 1], [30, 2, 11]):
        np.testing.assert_allclose(own.log_prob(paths, (today, ages)), expected, atol=1e-6)


def test_ages_matter_otherwise() -> None:
    own = process("lognormal", ((3.0, -1.0), (3.0, -1.0)), transition=[[0.0, 1.0], [1.0, 0.0]])
    young = own.sample(10, generators(4000), ([1.0, 0.0], [1, 1]))
    old = own.sample(10, generators(4000), ([1.0, 0.0], [25, 1]))
    assert (young == 0).mean() > 0.95 > 0.7 > (old == 0).mean()


def test_an_entered_regime_lasts_its_whole_duration() -> None:
    own = process("nbinom", ((3.0, 1.0), (2.0, 1.0), (2.5, 1.0)), min_days=4)
    drawn = own.sample(400, generators(20_000), "crisis")
    assert (drawn[:, :4] == 2).all()
    first = (drawn == 2).cumprod(axis=1).sum(axis=1)
    # a spell is never followed by its own regime, so the first run is the duration
    assert first.mean() == pytest.approx(own.mean_durations_[2], rel=0.03)


def test_residual_life_of_the_stationary_spell() -> None:
    own = process("lognormal", ((3.0, -0.5), (2.0, -0.5)), transition=[[0.0, 1.0], [1.0, 0.0]])
    drawn = own.sample(1500, generators(8_000, seed=2))
    for k in range(2):
        rows = drawn[drawn[:, 0] == k]
        first = (rows == k).cumprod(axis=1).sum(axis=1)
        survival = survival_table("lognormal", own.durations_[NAMES[k]], 1)
        law = survival[:-1] / survival.sum()  # P(R = r) = P(D >= r) / E D
        days = np.arange(1, len(law) + 1)
        assert first.mean() == pytest.approx(law @ days, rel=0.04)
        assert np.mean(first <= 10) == pytest.approx(law[:10].sum(), abs=0.02)


def test_very_old_spells_count_as_the_oldest_known() -> None:
    own = process()
    for age in (10**4, 10**9):
        drawn = own.sample(5, generators(200), ([0.0, 0.0, 1.0], [1, 1, age]))
        assert drawn.shape == (200, 5)
        assert np.isfinite(own.log_prob(drawn, ([0.0, 0.0, 1.0], [1, 1, age]))).all()


# Seeds and prefixes


@given(st.integers(1, 300), st.integers(0, 300), st.sampled_from(range(len(ALL_STARTS))))
def test_longer_paths_begin_like_shorter_ones(days: int, more: int, which: int) -> None:
    own = process()  # spells of days: several blocks of uniforms
    short = own.sample(days, generators(7), ALL_STARTS[which])
    long = own.sample(days + more, generators(7), ALL_STARTS[which])
    assert short.dtype == np.int8
    np.testing.assert_array_equal(short, long[:, :days])


def test_a_path_depends_on_its_own_generator_only() -> None:
    own = process()
    together = own.sample(200, generators(20))
    alone = own.sample(200, generators(20)[13:14])
    np.testing.assert_array_equal(together[13:14], alone)
    backwards = own.sample(200, generators(20)[::-1])
    np.testing.assert_array_equal(together, backwards[::-1])
    assert len(np.unique(together, axis=0)) == 20


def test_config_round_trip_draws_the_same_paths() -> None:
    fitted = SemiMarkovProcess().fit(switching_codes(4000, (100.0, 50.0, 20.0), 2), NAMES)
    restored = SemiMarkovProcess.from_config(json.loads(json.dumps(fitted.to_config(), allow_nan=False)))
    for start in (None, "bear", ([0.1, 0.2, 0.7], [5, 40, 3])):
        np.testing.assert_array_equal(
            fitted.sample(500, generators(50), start), restored.sample(500, generators(50), start)
        )
    assert repr(restored) == repr(fitted)
    assert restored.expected_durations().equals(fitted.expected_durations())


@pytest.mark.parametrize(("n_days", "start", "message"), [
    (0, None, "n_days=0"),
    (2.5, None, r"n_days=2\.5"),
    (5, "boom", "start='boom' is no regime; known are bull, bear, crisis"),
    (5, ([0.5, 0.5], [1, 1]), "probabilities must be 3"),
    (5, ([0.5, 0.2, 0.2], [1, 1, 1]), r"sum to 0\.9"),
    (5, ([0.5, 0.2, 0.3], [1, -1, 1]), "ages"),
])  # fmt: skip
def test_bad_starts_are_refused(n_days, start, message: str) -> None:
    with pytest.raises(InputError, match=message):
        process().sample(n_days, generators(2), start)


def test_log_prob_refuses_other_regimes_and_knows_the_impossible() -> None:
    with pytest.raises(InputError, match="0 to 2"):
        process().log_prob([0, 1, 3])
    own = process(min_days=3)
    assert own.log_prob([0, 0, 1, 1, 2, 2, 2])[0] == -np.inf  # the second spell is below the minimum
    assert own.log_prob([0, 0, 0], "bear")[0] == -np.inf


@pytest.mark.slow
def test_a_hundred_thousand_years_take_seconds() -> None:
    own = process("lognormal", ((4.5, 0.0), (4.0, 0.0), (3.5, 0.0)))
    streams = generators(100_000)
    begun = time.perf_counter()
    assert own.sample(252, streams).shape == (100_000, 252)
    assert time.perf_counter() - begun < 10
