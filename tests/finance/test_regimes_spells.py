# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spade_finance.exceptions import InputError
from spade_finance.regimes.naming import economic_order, regime_names
from spade_finance.regimes.spells import confirm, merge_short, runs

CODES = hnp.arrays(np.int64, st.integers(1, 120), elements=st.integers(0, 3))


def test_runs_of_a_series() -> None:
    starts, lengths, values = runs(np.array([2, 2, 0, 1, 1, 1]))
    assert starts.tolist() == [0, 2, 3]
    assert lengths.tolist() == [2, 1, 3]
    assert values.tolist() == [2, 0, 1]
    assert [len(part) for part in runs(np.array([], dtype=int))] == [0, 0, 0]


@given(CODES, st.integers(1, 12))
def test_merging_leaves_no_short_spell(codes: np.ndarray, min_days: int) -> None:
    merged = merge_short(codes, np.eye(4)[codes], min_days)
    lengths = runs(merged)[1]
    assert len(merged) == len(codes)
    assert len(lengths) == 1 or lengths.min() >= min_days
    assert set(merged) <= set(codes)
    long = np.repeat(runs(codes)[1], runs(codes)[1])
    if (long >= min_days).all():
        assert (merged == codes).all()


def test_a_short_spell_goes_to_the_likelier_neighbour() -> None:
    codes = np.array([0] * 10 + [1] * 2 + [2] * 5)
    towards_2 = np.tile([0.1, 0.5, 0.4], (17, 1))
    towards_0 = np.tile([0.4, 0.5, 0.1], (17, 1))
    assert merge_short(codes, towards_2, 3).tolist() == [0] * 10 + [2] * 7
    assert merge_short(codes, towards_0, 3).tolist() == [0] * 12 + [2] * 5
    tie = np.tile([0.25, 0.5, 0.25], (17, 1))
    assert merge_short(codes, tie, 3).tolist() == [0] * 12 + [2] * 5  # the longer neighbour


def test_a_short_spell_between_alike_neighbours_joins_them() -> None:
    codes = np.array([0] * 4 + [1] * 2 + [0] * 4)
    assert merge_short(codes, np.eye(2)[codes], 5).tolist() == [0] * 10


def test_confirmation_waits_and_never_looks_ahead() -> None:
    raw = np.array([0, 0, 1, 0, 1, 1, 1, 2, 1, 2, 2, 2])
    assert confirm(raw, 1).tolist() == raw.tolist()
    assert confirm(raw, 3).tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2]


@given(CODES, st.integers(1, 8), st.data())
def test_confirmation_is_causal(codes: np.ndarray, days: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(codes)))
    assert confirm(codes[:cut], days).tolist() == confirm(codes, days)[:cut].tolist()


def test_names_by_number() -> None:
    assert regime_names(2) == ("bull", "crisis")
    assert regime_names(3) == ("bull", "bear", "crisis")
    assert regime_names(4) == ("bull", "sideways", "bear", "crisis")
    assert regime_names(6) == ("r1", "r2", "r3", "r4", "r5", "r6")
    for bad in (1, 13, 2.0, True, "4"):
        with pytest.raises(InputError, match="n_regimes="):
            regime_names(bad)  # type: ignore[arg-type]


def _market(volatility: list[float], mean: list[float]) -> tuple[np.ndarray, np.ndarray]:
    codes = np.repeat(np.arange(len(volatility)), 100)
    sign = np.tile([1.0, -1.0], len(codes) // 2)
    return np.array(mean)[codes] + np.array(volatility)[codes] * sign, codes


def test_order_is_by_volatility() -> None:
    returns, codes = _market([0.03, 0.01, 0.02, 0.005], [0.01, -0.01, 0.0, -0.02])
    assert economic_order(returns, codes, 4).tolist() == [3, 1, 2, 0]


def test_inner_regimes_of_like_volatility_are_ordered_by_mean() -> None:
    returns, codes = _market([0.01, 0.0150, 0.0155, 0.03], [0.0, -0.001, 0.001, -0.01])
    assert economic_order(returns, codes, 4).tolist() == [0, 2, 1, 3]
    returns, codes = _market([0.01, 0.0150, 0.0180, 0.03], [0.0, -0.001, 0.001, -0.01])
    assert economic_order(returns, codes, 4).tolist() == [0, 1, 2, 3]


def test_the_ends_stay_by_volatility_even_when_close() -> None:
    returns, codes = _market([0.0100, 0.0101, 0.0290, 0.0300], [-0.01, 0.01, -0.01, 0.01])
    assert economic_order(returns, codes, 4).tolist() == [0, 1, 2, 3]


def test_regimes_without_days_come_last() -> None:
    returns, codes = _market([0.02, 0.01], [0.0, 0.0])
    assert economic_order(returns, codes * 2, 4).tolist() == [2, 0, 1, 3]
