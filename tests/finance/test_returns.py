# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from spade_finance.exceptions import InputError
from spade_finance.returns import KINDS, log_from_simple, prices, simple_from_log, to_log, to_simple


@pytest.fixture
def level() -> pd.DataFrame:
    index = pd.date_range("2020-01-01", periods=5, name="date")
    return pd.DataFrame({"A": [100.0, 110.0, 99.0, 99.0, 50.0], "B": [1.0, 2.0, 4.0, 1.0, 1.5]}, index=index)


def test_prices_give_the_returns_a_hand_calculation_gives(level: pd.DataFrame) -> None:
    simple = to_simple(level, "price")
    assert simple.index.equals(level.index[1:])
    np.testing.assert_allclose(simple["A"], [0.1, -0.1, 0.0, 50 / 99 - 1], rtol=0, atol=1e-15)
    np.testing.assert_allclose(simple["B"], [1.0, 1.0, -0.75, 0.5], rtol=0, atol=1e-15)


def test_log_returns_add_up_to_the_log_of_the_whole_move(level: pd.DataFrame) -> None:
    total = to_log(to_simple(level, "price")).sum()
    np.testing.assert_allclose(total, np.log(level.iloc[-1] / level.iloc[0]), rtol=1e-14)


def test_prices_rebuild_the_prices_the_returns_came_from(level: pd.DataFrame) -> None:
    rebuilt = prices(to_simple(level, "price")[["A"]], start=100.0)
    np.testing.assert_allclose(rebuilt["A"], level["A"].iloc[1:], rtol=1e-14)


@given(st.lists(st.floats(-0.99, 20.0), min_size=1, max_size=50))
def test_simple_to_log_and_back(values: list[float]) -> None:
    simple = np.array(values)
    np.testing.assert_allclose(simple_from_log(log_from_simple(simple)), simple, rtol=1e-12, atol=1e-15)


def test_tiny_returns_keep_their_digits() -> None:
    tiny = np.array([1e-17, -3e-16])
    np.testing.assert_allclose(log_from_simple(tiny), tiny, rtol=1e-14)  # log(1 + x) would say 0


def test_each_container_comes_back_as_itself(level: pd.DataFrame) -> None:
    simple = to_simple(level, "price")
    array = xr.DataArray(simple.to_numpy(), dims=("time", "asset"), coords={"asset": ["A", "B"]})
    data = xr.Dataset({"r": array})
    assert isinstance(log_from_simple(simple), pd.DataFrame)
    assert isinstance(log_from_simple(simple["A"]), pd.Series)
    assert log_from_simple(array).coords["asset"].to_numpy().tolist() == ["A", "B"]
    xr.testing.assert_allclose(simple_from_log(log_from_simple(data)), data)
    np.testing.assert_allclose(log_from_simple(array).to_numpy(), np.log(1 + simple.to_numpy()))


def test_float32_stays_float32() -> None:
    assert simple_from_log(np.zeros(3, dtype=np.float32)).dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_to_simple_does_not_touch_what_it_is_given(level: pd.DataFrame, kind: str) -> None:
    before = level.copy()
    to_simple(level, kind)
    pd.testing.assert_frame_equal(level, before)


def test_a_total_loss_has_no_log_return() -> None:
    with pytest.raises(InputError, match=r"holds -1: .*loses everything"):
        log_from_simple(np.array([0.1, -1.0]))
    with pytest.raises(InputError, match=r"holds -1\.5"):
        log_from_simple(xr.Dataset({"r": ("time", [0.0, -1.5])}))


def test_missing_values_stay_missing() -> None:
    assert np.isnan(log_from_simple(np.array([np.nan, 0.1]))[0])
    assert np.isnan(log_from_simple(np.array([np.nan]))).all()


def test_a_missing_price_is_not_hidden_as_a_zero_return(level: pd.DataFrame) -> None:
    level.iloc[2, 0] = np.nan
    simple = to_simple(level, "price")
    assert simple["A"].isna().tolist() == [False, True, True, False]


def test_bad_arguments_are_named(level: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="kind='percent' is unknown: pass one of simple, log, price"):
        to_simple(level, "percent")
    level.iloc[3, 1] = 0.0
    with pytest.raises(InputError, match="price of 'B' on 2020-01-04 is 0: prices must be positive"):
        to_simple(level, "price")
    with pytest.raises(InputError, match=r"start=-1\.0 is no price"):
        prices(level, start=-1.0)
