# SPDX-License-Identifier: Apache-2.0
"""The log-linear model and the EWMA inside a regime against simulated truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spade_finance.baselines import LogLinearVolatility, RegimeStudentTEwma
from spade_finance.baselines.loglinear import fit_log_volatility, switch_features
from spade_finance.baselines.student_t import StudentT
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels
from tests.finance.evaluation_doubles import make_labels, make_returns

LEVELS = np.log([0.006, 0.02])


def spells(n_days: int, seed: int = 0) -> np.ndarray:
    lengths = np.random.default_rng(seed).integers(15, 60, n_days // 20)
    return np.repeat(np.arange(len(lengths)) % 2, lengths)[:n_days]


def frame(log_returns: np.ndarray, codes: np.ndarray) -> tuple[pd.DataFrame, RegimeLabels]:
    dates = pd.bdate_range("1970-01-01", periods=len(log_returns), name="date")
    labels = RegimeLabels.from_codes(codes.astype(np.int8), ("bull", "crisis"), dates)
    names = [f"S{i}" for i in range(log_returns.shape[1])]
    return pd.DataFrame(np.expm1(log_returns), index=dates, columns=names), labels


# --- log-linear --------------------------------------------------------------------------------------------------


def test_features_are_days_since_the_switch_and_its_step():
    codes = np.array([1, 1, 0, 0, 0, 1])
    x = switch_features(codes, 2, LEVELS)
    since, step = [np.inf, np.inf, 0, 1, 2, 0], np.array([0, 0, -1, -1, -1, 1]) * (LEVELS[1] - LEVELS[0])
    for t in range(6):
        fades = [np.exp(-since[t] / 5), np.exp(-since[t] / 21)]
        np.testing.assert_allclose(x[t], [codes[t] == 0, codes[t] == 1, *fades, *(step[t] * np.array(fades))])
    both = switch_features(np.stack([codes, codes[::-1]]), 2, LEVELS)
    np.testing.assert_array_equal(both[0], x)
    changed = np.append(codes[:4], [1, 0])
    np.testing.assert_array_equal(switch_features(changed, 2, LEVELS)[:4], x[:4])  # no day looks ahead


def test_regression_recovers_simulated_coefficients():
    codes = spells(12_000)
    x = switch_features(codes, 2, LEVELS)
    severity = np.random.default_rng(1).normal(0, 0.3, len(codes))
    x = np.column_stack([x, severity])
    truth = np.array([-5.1, -3.9, 0.2, -0.1, -0.3, 0.25, 0.9])
    e = np.random.default_rng(2).standard_t(6, len(codes)) * np.sqrt(4 / 6)
    found = fit_log_volatility(np.exp(x @ truth) * e, x, np.array([-4.5, -4.5, 0, 0, 0, 0, 1.0]), 2)
    np.testing.assert_allclose(found[:2], truth[:2], atol=0.04)
    np.testing.assert_allclose(found[2:6], truth[2:6], atol=0.2)
    np.testing.assert_allclose(found[6], truth[6], atol=0.05)
    day = np.exp((x - [0, 0, 0, 0, 0, 0, 0]) @ (found - truth))
    assert np.abs(np.log(day)).max() < 0.12  # what matters: the fitted volatility of any day


def test_model_draws_the_switch_response_of_its_history():
    codes = spells(9000, 3)
    x = switch_features(codes, 2, LEVELS)
    louder = np.array(
        [LEVELS[0], LEVELS[1], 0.6, 0.0, 0.0, 0.0]
    )  # the first days after any switch are louder
    rng = np.random.default_rng(0)
    r = (
        np.exp(x @ louder)[:, None]
        * rng.standard_normal((9000, 2))
        @ np.linalg.cholesky([[1, 0.6], [0.6, 1]]).T
    )
    fitted = LogLinearVolatility().fit(*frame(r, codes))
    drawn = fitted.sample(np.repeat([0, 1], 60), 4000, 0).log_array
    late, early = drawn[:, 110:].std(), drawn[:, 60].std()
    assert np.log(late) == pytest.approx(LEVELS[1], abs=0.06)
    assert np.log(early / late) == pytest.approx(0.6, abs=0.15)
    assert np.corrcoef(drawn.reshape(-1, 2).T)[0, 1] == pytest.approx(0.6, abs=0.05)


def test_severity_is_learned_heeded_and_held_to_the_trained_range():
    codes = spells(6000, 4)
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    rng = np.random.default_rng(0)
    intensity = np.repeat(np.exp(rng.normal(0, 0.3, len(starts))), np.diff([*starts, 6000]))
    r = (np.exp(LEVELS)[codes] * intensity)[:, None] * rng.standard_normal((6000, 2))
    fitted = LogLinearVolatility().fit(*frame(r, codes))
    np.testing.assert_allclose(fitted.severity_response_, 1.0, atol=0.15)
    plain, severe = (fitted.sample(s, 800, 0).log_array for s in ("crisis:40", "crisis*1.3:40"))
    ratio = np.log(severe.std() / plain.std()) / np.log(1.3)
    assert ratio == pytest.approx(fitted.severity_response_.mean(), abs=0.02)
    low, high = fitted.severity_range_
    with pytest.raises(InputError, match=rf"severity 9.*{low:.2f} to {high:.2f}"):
        fitted.sample("crisis*9:10", 3, 0)
    fitted.sample("crisis*9:10", 3, 0, extrapolate=True)


# --- EWMA ---------------------------------------------------------------------------------------------------------


def known(half_life: float, strength: float, share: float) -> RegimeStudentTEwma:
    """A model with chosen parameters: two regimes, two sectors."""
    made = RegimeStudentTEwma().fit(
        *frame(0.01 * np.random.default_rng(0).standard_normal((300, 2)), spells(300))
    )
    shape = np.array([[1.0, 0.5], [0.5, 1.0]])
    made.laws_ = [
        StudentT(np.zeros(2), 1e-4 * 0.75 * shape, 8.0, 0.0),
        StudentT(np.zeros(2), 9e-4 * 0.6 * shape, 5.0, 0.0),
    ]
    made.half_life_, made.strength_, made.market_share_ = half_life, strength, share
    made._tabulate()
    return made


def test_variance_of_every_day_is_its_regimes_also_across_a_switch():
    codes = np.repeat([0, 1, 0], 20)
    x = known(12.0, 1.2, 0.4).sample(codes, 12_000, 0).log_array.astype(np.float64)
    target = np.array([0.01, 0.03])[codes]
    np.testing.assert_allclose(x.std(0).mean(1) / target, 1.0, atol=0.06)
    assert x[:, :20].std() / 0.01 == pytest.approx(1.0, abs=0.02)
    assert np.corrcoef(x[:, 10].T)[0, 1] == pytest.approx(0.5, abs=0.03)


def test_normaliser_is_the_product_over_past_days():
    made = known(4.0, 1.0, 0.0)
    codes = np.array([0, 0, 1, 1, 0])
    table, memory = made.log_moment_, made.log_moment_.shape[1]
    rest = made._log_square(codes, resting=True)
    told = made._log_square(codes, resting=False)
    before = np.concatenate([np.zeros(memory, dtype=int), codes])
    for t in range(5):
        past = before[: memory + t][::-1]
        np.testing.assert_allclose(rest[t], sum(table[k, j] for j, k in enumerate(past[:memory])), atol=1e-10)
        np.testing.assert_allclose(
            told[t], sum((table[codes[t - 1 - j], j] for j in range(t)), np.zeros(2)), atol=1e-10
        )
    by_path = made._log_square(np.stack([codes, codes]), resting=True)
    np.testing.assert_allclose(by_path[1], rest, atol=1e-12)


def test_clustering_decays_and_independence_stays_independent():
    codes = np.zeros(2500, dtype=int)

    def memory(x: np.ndarray, lag: int) -> float:
        size = np.abs(x[:, :, 0]) - np.abs(x[:, :, 0]).mean()
        return float((size[:, lag:] * size[:, :-lag]).mean() / size.var())

    x = known(20.0, 1.8, 0.5).sample(codes, 40, 0).log_array.astype(np.float64)
    assert memory(x, 1) > 0.06
    assert memory(x, 1) > memory(x, 20) > memory(x, 60) > -0.01
    still = known(20.0, 0.0, 0.5).sample(codes, 40, 0).log_array.astype(np.float64)
    assert abs(memory(still, 1)) < 0.01
    assert abs((x[:, 1:] * x[:, :-1]).mean() / x.var()) < 0.02


def test_fit_finds_the_parameters_of_its_own_paths():
    codes = spells(3500, 5)
    r = known(15.0, 1.5, 0.5).sample(codes, 1, 3).log_array[0].astype(np.float64)
    found = RegimeStudentTEwma().fit(*frame(r, codes))
    assert 7 <= found.half_life_ <= 32
    assert found.strength_ == pytest.approx(1.5, abs=0.6)
    assert 0.2 <= found.market_share_ <= 1.0
    np.testing.assert_allclose(found.std_.mean(1), [0.01, 0.03], rtol=0.12)
    still = known(15.0, 0.0, 0.5).sample(codes[:1500], 1, 3).log_array[0].astype(np.float64)
    assert RegimeStudentTEwma().fit(*frame(still, codes[:1500])).strength_ <= 0.4


def test_last_state_starts_louder_after_loud_days():
    returns = make_returns(1200)
    labels = make_labels(returns)
    returns.iloc[-15:] *= 4.0
    made = RegimeStudentTEwma().fit(returns, labels)
    assert (made.last_scale_ > 1.3).all()
    codes = np.zeros(3, dtype=int)
    rest, last = (made.sample(codes, 4000, 0, start_vol=v).log_array.std() for v in ("long-run", "last"))
    assert last > 1.2 * rest
