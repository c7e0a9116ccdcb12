# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spade_finance as sf
from spade_finance.data import read_returns, validate_returns
from spade_finance.exceptions import InputError, ReturnScaleWarning
from spade_finance.returns import prices, to_log


def made(volatility: float = 0.01, n_days: int = 300, n_columns: int = 3, seed: int = 0) -> pd.DataFrame:
    """Fat-tailed returns (Student t with 4 degrees of freedom) of a daily volatility, in decimals."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(4, size=(n_days, n_columns)) / np.sqrt(2.0) * volatility
    index = pd.bdate_range("2015-01-01", periods=n_days, name="date")
    return pd.DataFrame(np.maximum(x, -0.9), index=index, columns=list("ABCDEFGH")[:n_columns])


def refusal(table: object, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        validate_returns(table, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_sound_table_comes_back_equal_and_apart() -> None:
    table = made()
    checked = validate_returns(table)
    pd.testing.assert_frame_equal(checked, table, check_index_type=False, check_freq=False)
    checked.iloc[0, 0] = 9.0
    assert table.iloc[0, 0] != 9.0


def test_the_three_kinds_of_one_history_agree() -> None:
    simple = made()
    for kind, given_table in (("log", to_log(simple)), ("price", prices(simple, 50.0))):
        expected = simple if kind == "log" else simple.iloc[1:]
        np.testing.assert_allclose(validate_returns(given_table, kind=kind), expected, rtol=1e-10, atol=1e-15)


# ---- decimals or percent? both sides of the line ----


@pytest.mark.parametrize(
    ("name", "volatility"),
    [
        ("money market", 0.0001),
        ("index", 0.01),
        ("leveraged fund", 0.035),
        ("crypto", 0.05),
        ("small coin", 0.09),
    ],
)
def test_decimals_of_any_market_are_accepted(name: str, volatility: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReturnScaleWarning)
        validate_returns(made(volatility))


@pytest.mark.parametrize("volatility", [0.004, 0.007, 0.01, 0.05])
def test_percent_of_anything_from_quiet_stocks_up_is_refused(volatility: float) -> None:
    message = refusal(100 * made(volatility), source="x.csv")
    assert "x.csv: column 'A' looks like percent" in message
    assert "divide by 100" in message


def test_real_sectors_pass_in_decimals_and_fail_in_percent_in_every_year() -> None:
    returns = sf.load_sectors()
    validate_returns(returns)
    for year, table in returns.groupby(returns.index.year):
        validate_returns(table, source=str(year))
        assert "looks like percent" in refusal(100 * table)
        assert "looks like percent" in refusal(100 * to_log(table), kind="log")


@pytest.mark.filterwarnings("ignore::spade_finance.exceptions.ReturnScaleWarning")
def test_the_wildest_years_of_the_century_are_decimals(shared: Path) -> None:
    returns = read_returns(shared / "data" / "kf10_daily.csv.gz")
    for years in ("1929", "1932", "1933", "1987", "2008"):
        validate_returns(returns.loc[years], source=years)
        validate_returns(3 * returns.loc[years], source=f"three times leveraged {years}")
        assert "looks like percent" in refusal(100 * returns.loc[years])
    quietest = returns.loc["1964"]
    assert "looks like percent" in refusal(100 * quietest)


def test_very_volatile_decimals_are_asked_about_not_refused() -> None:
    with pytest.warns(
        ReturnScaleWarning, match=r"volatility of \d\d% a day; if these are percent, divide by 100"
    ):
        validate_returns(made(0.15))


# ---- returns or prices? ----


@pytest.mark.parametrize("start", [0.003, 1.0, 30.0, 4000.0])
@pytest.mark.parametrize("kind", ["simple", "log"])
def test_prices_need_to_be_called_prices(start: float, kind: str) -> None:
    message = refusal(prices(made(), start), kind=kind)
    assert "looks like prices: pass --kind price" in message


def test_one_price_column_among_returns_is_found() -> None:
    table = made().assign(Close=prices(made(), 80.0)["A"])
    assert "column 'Close' is always positive" in refusal(table)


def test_returns_are_not_prices() -> None:
    assert "these look like returns; drop --kind price" in refusal(made(), kind="price")


def test_a_rising_month_and_a_riskfree_rate_are_not_prices() -> None:
    rising = made().abs().iloc[:25] + 1e-4
    validate_returns(rising)
    accrued = made().assign(RF=0.0001 + 0.00001 * np.sin(np.arange(300) / 40))
    validate_returns(accrued)


def test_negative_and_zero_prices_are_named() -> None:
    table = prices(made())
    table.iloc[7, 1] = -3.0
    assert "t.csv: price of 'B' on 2015-01-12 is -3" in refusal(table, kind="price", source="t.csv")


# ---- structure ----


def duplicate(t: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([t.iloc[:5], t.iloc[4:]])


def renamed(*names: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda t: t.set_axis(pd.Index(names, dtype=object), axis=1)


def put(row: int, column: int, value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(t: pd.DataFrame) -> pd.DataFrame:
        t = t.copy()
        t.iloc[row, column] = value
        return t

    return change


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], object], str]] = {
    "duplicate": (duplicate, "1 date more than once (2015-01-07); keep one row per day"),
    "unsorted": (
        lambda t: t.iloc[[1, 0, *range(2, 300)]],
        "2015-01-01 comes after 2015-01-02; sort the rows",
    ),
    "reversed": (lambda t: t.iloc[::-1], "dates are not sorted: "),
    "time zone": (lambda t: t.tz_localize("America/New_York"), "time zone America/New_York; remove it with"),
    "no dates": (lambda t: t.reset_index(drop=True), "the index is int64, not dates"),
    "undated row": (lambda t: t.set_axis([pd.NaT, *t.index[1:]], axis=0), "row 1 has no date"),
    "hole": (
        put(8, 1, np.nan),
        "column 'B' has 1 missing value of 300, the first on 2015-01-13; drop those rows",
    ),
    "late start": (
        lambda t: t.assign(B=t["B"].where(t.index >= "2015-03-02")),
        "column 'B' has 42 missing values of 300, the first on 2015-01-01; it starts on 2015-03-02: use "
        "rows from",
    ),
    "empty column": (lambda t: t.assign(B=np.nan), "column 'B' has no values at all; delete it"),
    "infinite": (put(3, 2, np.inf), "column 'C' on 2015-01-06 is infinite"),
    "total loss": (put(3, 2, -1.0), "column 'C' on 2015-01-06 returns -1: nothing can lose more"),
    "dead": (lambda t: t.assign(C=0.0), "column 'C' is 0 on every day"),
    "stuck": (lambda t: t.assign(C=0.001), "column 'C' is 0.001 on every day"),
    "text": (lambda t: t.assign(C="x"), "column 'C' on 2015-01-01 holds 'x', not a number (and 299 more"),
    "percent sign": (
        lambda t: t.assign(C="1.2%"),
        "holds '1.2%', not a number (and 299 more such cells); write",
    ),
    "boolean": (lambda t: t.assign(C=t["C"] > 0), "column 'C' holds true/false"),
    "complex": (lambda t: t.assign(C=1j), "column 'C' holds complex128"),
    "same name": (renamed("A", "B", "A"), "column 'A' appears 2 times; keep one"),
    "same name as text": (renamed(1, "B", "1"), "column '1' appears 2 times"),
    "nameless": (renamed("A", " ", "C"), "column 2 has no name"),
    "reserved": (renamed("A", "regime", "C"), "may not be called 'regime' (scenario files use it)"),
    "quoted": (renamed("A", 'x"y', "C"), "has a quote or control character"),
    "levels": (lambda t: t.set_axis(pd.MultiIndex.from_product([["A"], list("xyz")]), axis=1), "2 levels"),
    "no columns": (lambda t: t[[]], "no columns besides the date"),
    "one row": (lambda t: t.iloc[:1], "1 row of returns (2015-01-01 to 2015-01-01), at least 20 are needed"),
    "no rows": (lambda t: t.iloc[:0], "0 rows of returns, at least 20"),
    "array": (lambda t: t.to_numpy(), "expected a pandas DataFrame with dates as index"),
    "far past": (
        lambda t: t.set_axis(pd.bdate_range("1500-01-01", periods=300, unit="s"), axis=0),
        "1678 and 2262",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_one_line_with_its_remedy(fault: str) -> None:
    spoil, expected = FAULTS[fault]
    message = refusal(spoil(made()), source="mine.csv")
    assert message.startswith("mine.csv: ")
    assert expected in message


def test_times_of_day_are_dropped_and_intraday_rows_refused() -> None:
    closes = made().set_axis(made().index + pd.Timedelta(hours=16), axis=0)
    assert validate_returns(closes).index.equals(made().index)
    hours = made().set_axis(pd.date_range("2020-01-01", periods=300, freq="h"), axis=0)
    assert "intraday rows must be compounded" in refusal(hours)


def test_weekly_rows_are_asked_about() -> None:
    weekly = made().set_axis(pd.date_range("2015-01-02", periods=300, freq="W-FRI"), axis=0)
    with pytest.warns(ReturnScaleWarning, match="rows are 7 days apart, not daily"):
        validate_returns(weekly)


def test_min_rows_is_the_callers_to_choose() -> None:
    assert len(validate_returns(made().iloc[:3], min_rows=2)) == 3
    assert "at least 500" in refusal(made(), min_rows=500)


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(1e-4, 0.05), seed=st.integers(0, 10_000), n_days=st.integers(60, 200))
def test_the_order_of_columns_does_not_matter(scale: float, seed: int, n_days: int) -> None:
    table = made(scale, n_days, 4, seed)
    shuffled = table[["C", "A", "D", "B"]]
    pd.testing.assert_frame_equal(validate_returns(shuffled)[list(table.columns)], validate_returns(table))
