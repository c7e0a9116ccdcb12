# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spade_finance.baselines import BlockBootstrap
from spade_finance.baselines.bootstrap import RegimeSampler
from spade_finance.baselines.slow_scale import RegimeMoments, slow_scale
from tests.finance.evaluation_doubles import make_labels, make_returns

RETURNS = make_returns()
LABELS = make_labels(RETURNS)
TIMELINE = np.repeat([0, 3, 2, 1, 0], [60, 40, 50, 30, 20])


@pytest.fixture(scope="module")
def fitted() -> BlockBootstrap:
    return BlockBootstrap(mean_block=25).fit(RETURNS, LABELS)


def days_of(simple: np.ndarray) -> np.ndarray:
    """Training row of every drawn day, found by its value in the first sector (all are different)."""
    history = RETURNS.to_numpy()[:, 0].astype(np.float32)
    order = np.argsort(history)
    near = np.searchsorted(history[order], simple[..., 0]).clip(1, len(history) - 1)
    left = np.abs(history[order][near - 1] - simple[..., 0]) < np.abs(history[order][near] - simple[..., 0])
    return order[near - left]


def test_every_day_is_a_training_day_with_the_wanted_label_and_its_whole_cross_section(fitted):
    drawn = fitted.sample(TIMELINE, 50, 1)
    days = days_of(drawn.simple_array)
    assert (LABELS.codes[days] == TIMELINE).all()
    np.testing.assert_allclose(drawn.simple_array, RETURNS.to_numpy()[days], atol=1e-7)


def test_blocks_continue_history_with_the_stated_probability_unless_the_label_ends(fitted):
    days = days_of(fitted.sample(np.zeros(400, dtype=int), 200, 2).simple_array)
    before, after = days[:, :-1].ravel(), days[:, 1:].ravel()
    codes = np.append(LABELS.codes, -1)
    may_continue = codes[before + 1] == 0
    assert not (after == before + 1)[~may_continue].any()
    share = (after == before + 1)[may_continue].mean()
    error = np.sqrt(0.04 * 0.96 / may_continue.sum())
    assert abs(share - 0.96) < 4 * error + 1 / 900  # a jump may by chance land on the next day


def test_a_new_block_begins_uniformly_among_the_days_of_the_label():
    codes = np.array([0, 0, 1, 0, 1, 1, 0, 0, 0, 1])
    days, jumped = RegimeSampler(codes, 2, 5.0).draw(np.ones(1, dtype=int), 40_000, np.random.default_rng(0))
    assert jumped.all()
    count = np.bincount(days[0], minlength=10)
    assert set(np.flatnonzero(count)) == {2, 4, 5, 9}
    assert np.abs(count[[2, 4, 5, 9]] - 10_000).max() < 5 * np.sqrt(7500)


def test_mean_block_of_one_is_the_independent_bootstrap():
    sampler = RegimeSampler(np.zeros(1000, dtype=int), 1, 1.0)
    days, jumped = sampler.draw(np.zeros(50, dtype=int), 100, np.random.default_rng(0))
    assert jumped.all()
    assert (np.diff(days, axis=0) == 1).mean() < 0.01


def test_mean_block_length_of_unbroken_history_is_the_parameter():
    sampler = RegimeSampler(np.zeros(100_000, dtype=int), 1, 10.0)
    _, jumped = sampler.draw(np.zeros(5000, dtype=int), 100, np.random.default_rng(0))
    assert 1 / jumped[1:].mean() == pytest.approx(10.0, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(
    history=st.lists(st.integers(0, 2), min_size=3, max_size=60),
    wanted=st.lists(st.integers(0, 2), min_size=1, max_size=40),
    per_path=st.booleans(),
    block=st.floats(1.0, 50.0),
)
def test_labels_are_respected_for_any_history_and_timeline(history, wanted, per_path, block):
    history = np.array([0, 1, 2, *history])
    codes = np.array(wanted)
    if per_path:
        codes = np.stack([codes, codes[::-1], (codes + 1) % 3])
    days, _ = RegimeSampler(history, 3, block).draw(codes, 3, np.random.default_rng(0))
    assert (np.broadcast_to(codes, (3, len(wanted))) == history[days].T).all()


def test_timelines_by_path_and_a_common_one_follow_the_same_law(fitted):
    common = fitted.sample(TIMELINE, 400, 3).log_array
    by_path = fitted.sample(np.tile(TIMELINE, (400, 1)), 400, 4).log_array
    for k in range(4):
        a, b = common[:, k == TIMELINE], by_path[:, k == TIMELINE]
        assert a.std() == pytest.approx(b.std(), rel=0.06)
    pairs = [(np.abs(x[:, :59, 0]).ravel(), np.abs(x[:, 1:60, 0]).ravel()) for x in (common, by_path)]
    lag = [np.corrcoef(a, b)[0, 1] for a, b in pairs]
    assert lag[0] == pytest.approx(lag[1], abs=0.04)


def test_beginning_of_the_timeline_alone_does_not_see_its_end(fitted):
    a = fitted.sample(np.repeat([0, 3], [50, 30]), 20, 5).log_array
    b = fitted.sample(np.repeat([0, 1], [50, 30]), 20, 5).log_array
    np.testing.assert_array_equal(a[:, :50], b[:, :50])


def test_slow_scale_is_the_recursion_written_out():
    z = np.random.default_rng(0).standard_normal((300, 2)) * 3
    decay = 0.5 ** (1 / 125)
    variance = np.ones(2)
    expected = [variance]
    for row in z:
        variance = decay * variance + (1 - decay) * np.minimum(row**2, 36.0)
        expected.append(variance)
    np.testing.assert_allclose(slow_scale(z), np.sqrt(expected), rtol=1e-12)


def test_slow_scale_knows_nothing_of_the_day_itself():
    z = np.random.default_rng(1).standard_normal((100, 1))
    changed = z.copy()
    changed[60:] = 50.0
    np.testing.assert_array_equal(slow_scale(z)[:61], slow_scale(changed)[:61])


def test_scaled_bootstrap_removes_a_drift_of_the_level_and_puts_the_start_scale_back():
    rng = np.random.default_rng(0)
    level = np.where(np.arange(4000) < 2000, 0.5, 1.5)  # one regime, first quiet, then loud
    dates = pd.bdate_range("1990-01-01", periods=4000, name="date")
    returns = pd.DataFrame({"A": rng.standard_normal(4000) * 0.01 * level}, index=dates)
    labels = make_labels(returns).from_codes(np.zeros(4000, dtype=np.int8), ("all",), dates)
    scaled = BlockBootstrap(scaled=True).fit(returns, labels)
    codes = np.zeros(2000, dtype=int)
    plain = BlockBootstrap().fit(returns, labels).sample(codes, 20, 0).log_array
    even = scaled.sample(codes, 20, 0).log_array
    kurtosis = [float(((x - x.mean()) ** 4).mean() / x.var() ** 2) for x in (plain, even)]
    assert kurtosis[0] > 4.0  # a mixture of two levels: 4.9 in theory
    assert kurtosis[1] == pytest.approx(3.0, abs=0.6)
    last = scaled.sample(codes, 20, 0, start_vol="last").log_array
    assert last.std() == pytest.approx(0.015, rel=0.12)  # the level history ended with
    twice = scaled.sample(codes, 20, 0, start_vol=2.0).log_array
    moments = RegimeMoments.fit(scaled.log_returns_, scaled.codes_, 1)
    np.testing.assert_allclose(twice - moments.mean[0], 2 * (even - moments.mean[0]), rtol=1e-3, atol=1e-6)
