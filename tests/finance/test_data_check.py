# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spade_finance as sf
from spade_finance.data import DataCheck, check_returns, read_raw
from spade_finance.data.suspicion import acf1, local_sigma, robust_sigma, runs
from spade_finance.exceptions import InputError
from spade_finance.returns import prices


def made(n_days: int = 1000, n_columns: int = 3, seed: int = 0) -> pd.DataFrame:
    """Returns of a sound market: one common factor, normal, 1 % a day, on weekdays."""
    rng = np.random.default_rng(seed)
    x = 0.007 * rng.standard_normal((n_days, 1)) + 0.007 * rng.standard_normal((n_days, n_columns))
    index = pd.bdate_range("2010-01-04", periods=n_days, name="date")
    return pd.DataFrame(x, index=index, columns=list("ABCDEF")[:n_columns])


def found(check: DataCheck, kind: str, column: str | None = None) -> pd.DataFrame:
    rows = check.findings[check.findings["kind"] == kind]
    return rows if column is None else rows[rows["column"] == column]


def test_a_sound_table_has_no_findings() -> None:
    check = check_returns(made())
    assert check.findings.empty
    assert check.ok
    assert check.span["rows"] == 1000
    assert check.span["absent_business_days"] == 0
    assert "usable as it is" in repr(check)


def test_the_table_agrees_with_pandas_and_scipy() -> None:
    from scipy import stats

    data = made()
    row = check_returns(data).table.loc["B"]
    assert row["volatility"] == pytest.approx(data["B"].std() * np.sqrt(252))
    assert row["return"] == pytest.approx(data["B"].mean() * 252)
    assert row["skew"] == pytest.approx(stats.skew(data["B"]))
    assert row["kurtosis"] == pytest.approx(stats.kurtosis(data["B"]))
    assert row["acf1"] == pytest.approx(data["B"].autocorr(1), abs=2e-3)
    assert row["worst_date"] == data["B"].idxmin()
    assert row["best"] == data["B"].max()


def test_a_bad_print_is_told_from_a_crash_day() -> None:
    data = made()
    data.iloc[500] = [-0.2, -0.22, -0.18]  # a crash: everything falls
    data.iloc[700, 0], data.iloc[701, 0] = 0.25, 1 / 1.25 - 1  # a wrong price for one day
    check = check_returns(data)
    crash = found(check, "outlier").query("date == @data.index[500]")
    assert set(crash["level"]) == {"note"}
    assert len(crash) == 3
    print_ = found(check, "outlier", "A").query("date == @data.index[700]").iloc[0]
    assert print_["level"] == "look"
    assert "undone the next day: a bad print?" in print_["detail"]
    assert check.table.loc["A", "outliers"] == 3
    assert check.findings["level"].tolist() == sorted(
        check.findings["level"], key=["error", "look", "note"].index
    )


def test_a_crisis_day_is_far_out_of_the_decades_and_near_in_its_month() -> None:
    data = made(2000)
    data.iloc[1000:1100] *= 5
    data.iloc[1050, 0] = -0.13
    detail = found(check_returns(data), "outlier", "A").query("date == @data.index[1050]").iloc[0]["detail"]
    whole, near = (
        float(part.split()[-1]) for part in (detail.split(" robust")[0], detail.split(" of the surr")[0])
    )
    assert whole > 10
    assert near < 5


@pytest.mark.parametrize(("factor", "name"), [(1 / 2, "2:1"), (1 / 3, "3:1"), (10.0, "10:1")])
def test_an_unadjusted_split_is_recognised_in_prices(factor: float, name: str) -> None:
    level = prices(made())
    level.iloc[400:, 1] *= factor
    finding = found(check_returns(level, kind="price"), "outlier", "B").iloc[0]
    assert f"the size of a {name} split" in finding["detail"]
    assert finding["date"] == level.index[400]
    assert finding["level"] == "look"


def test_stale_runs_are_found_with_their_span() -> None:
    data = made()
    data.iloc[100:110, 2] = 0.0
    data.iloc[200:204, 1] = 0.0123
    check = check_returns(data)
    stale = found(check, "stale run", "C").iloc[0]
    assert (stale["date"], stale["until"], stale["value"]) == (data.index[100], data.index[109], 10)
    assert check.table.loc["C", "longest_stale"] == 10
    assert check.table.loc["C", "zeros"] == pytest.approx(0.01)
    repeated = found(check, "repeated return", "B").iloc[0]
    assert (repeated["date"], repeated["until"], repeated["value"]) == (data.index[200], data.index[203], 4)


def test_scattered_zeros_are_no_stale_run() -> None:
    rng = np.random.default_rng(5)
    data = made(5000)
    data = data.where(rng.random(data.shape) > 0.1, 0.0)  # a tenth of the days without a change
    check = check_returns(data)
    assert found(check, "stale run").empty
    assert check.table["zeros"].between(0.08, 0.12).all()


def test_gaps_weekends_and_standstills() -> None:
    data = made().drop(made().index[300:308])
    data.loc[pd.Timestamp("2010-01-09")] = [0.01, 0.01, -0.01]  # a Saturday
    data.iloc[600] = 0.0
    check = check_returns(data.sort_index())
    gap = found(check, "gap").iloc[0]
    assert gap["value"] == 8
    assert gap["level"] == "look"
    assert (gap["date"], gap["until"]) == (made().index[299], made().index[308])
    assert found(check, "weekend").iloc[0]["value"] == 1
    assert found(check, "standstill").iloc[0]["value"] == 1
    assert check.span["longest_gap_days"] == (made().index[308] - made().index[299]).days
    assert check.span["absent_business_days"] == 8


def test_faulty_tables_are_described_not_refused() -> None:
    data = made()
    data.iloc[10, 0] = np.nan
    data.iloc[20, 1] = np.inf
    data.iloc[30, 2] = -1.5
    messy = pd.concat([data.iloc[500:], data.iloc[:502]])
    check = check_returns(messy, source="messy.csv")
    assert not check.ok
    assert check.refusal is not None
    assert "messy.csv: 2 dates more than once" in check.refusal
    assert found(check, "duplicate date")["date"].tolist() == data.index[500:502].tolist()
    assert found(check, "unsorted").iloc[0]["value"] == 1
    assert found(check, "missing", "A").iloc[0]["date"] == data.index[10]
    assert found(check, "infinite", "B").iloc[0]["date"] == data.index[20]
    assert found(check, "impossible", "C").iloc[0]["value"] == -1.5
    assert check.table.loc["A", "missing"] == 1
    assert f"refused: {check.refusal}" in check.summary


def test_columns_that_are_dead_copied_empty_or_rounded() -> None:
    data = made().assign(
        D=0.0, E=lambda t: t["A"], F=np.nan, G=lambda t: t["B"].round(3), H=lambda t: t["B"].round(4)
    )
    check = check_returns(data)
    assert found(check, "constant", "D").shape[0] == 1
    assert found(check, "copy", "E").iloc[0]["detail"] == "the same numbers as column A"
    assert found(check, "missing", "F").iloc[0]["value"] == 1000
    assert found(check, "rounded").set_index("column")["level"].to_dict() == {"G": "look", "H": "note"}
    assert found(check, "rounded", "G").iloc[0]["value"] == 3
    assert np.isnan(check.table.loc["F", "volatility"])


def test_a_price_in_large_ticks_is_suspected_and_a_fine_one_is_not() -> None:
    level = prices(made(2520, seed=3), 20.0)
    coarse = (level * 8).round() / 8
    assert set(found(check_returns(coarse, kind="price"), "coarse prices")["column"]) == {"A", "B", "C"}
    fine = (level * 100).round() / 100
    assert found(check_returns(fine, kind="price"), "coarse prices").empty


def test_smoothed_returns_are_suspected_by_their_autocorrelation() -> None:
    appraised = made().rolling(3).mean().dropna()
    check = check_returns(appraised)
    assert found(check, "autocorrelation")["value"].between(0.5, 0.8).all()
    assert len(found(check, "autocorrelation")) == 3


def test_percent_and_prices_are_told_by_the_refusal() -> None:
    assert "looks like percent" in str(check_returns(100 * made()).refusal)
    assert "looks like prices" in str(check_returns(prices(made())).refusal)


def test_everything_survives_json() -> None:
    data = made().assign(D=np.nan)
    data.iloc[5, 0] = np.inf
    report = check_returns(data).to_dict()
    text = json.dumps(report, allow_nan=False)
    assert json.loads(text)["columns"][0]["first"] == "2010-01-04"
    assert report["schema"] == 1
    assert report["ok"] is False


def test_nothing_to_check_is_said() -> None:
    with pytest.raises(InputError, match="nothing to check"):
        check_returns(made().iloc[:0])
    with pytest.raises(InputError, match="read it with read_raw"):
        check_returns(made().reset_index())
    with pytest.raises(InputError, match="kind='x' is unknown"):
        check_returns(made(), kind="x")
    assert check_returns(made().iloc[:1]).refusal is not None


def test_the_embedded_sectors_are_sound_but_for_their_known_defects() -> None:
    check = check_returns(sf.load_sectors())
    assert check.ok
    assert set(check.findings["level"]) == {"note"}
    coarse = found(check, "coarse prices")
    assert coarse["column"].tolist() == ["Industrials"]  # one stock, quoted in eighths
    assert coarse.iloc[0]["until"].year < 1999
    assert len(found(check, "outlier")) == 54  # SOURCE.md says so


def test_the_stock_that_the_sectors_leave_out_is_found_out() -> None:
    skfolio = pytest.importorskip("skfolio.datasets")
    check = check_returns(skfolio.load_sp500_dataset(), kind="price")
    assert check.table["longest_stale"].idxmax() == "RRC"
    assert len(found(check, "stale run", "RRC")) > 10
    worst = found(check, "outlier", "RRC").query("value < -0.6").iloc[0]
    assert worst["level"] == "look"


def test_a_century_with_saturdays_and_a_bank_holiday(shared: Path) -> None:
    check = check_returns(read_raw(shared / "data" / "kf10_daily.csv.gz"))
    assert found(check, "weekend").iloc[0]["value"] == 1158
    assert found(check, "gap").iloc[0]["date"] == pd.Timestamp("1933-03-03")
    assert len(found(check, "rounded")) == 10


# ---- the small statistics ----


def test_robust_sigma_is_the_standard_deviation_of_normals_and_ignores_outliers() -> None:
    x = np.random.default_rng(0).standard_normal(100_000)
    assert robust_sigma(x) == pytest.approx(1.0, abs=0.02)
    x[:1000] = 1e6
    assert robust_sigma(x) == pytest.approx(1.0, abs=0.04)
    assert robust_sigma(np.zeros(10)) == 0.0


def test_local_sigma_follows_the_volatility() -> None:
    x = np.random.default_rng(0).standard_normal(2000)
    x[1000:] *= 4
    near = local_sigma(x)
    assert np.median(near[1100:]) / np.median(near[:900]) == pytest.approx(4.0, rel=0.25)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 4))
def test_runs_are_exactly_the_long_stretches(flags: list[bool], at_least: int) -> None:
    covered = np.zeros(len(flags), dtype=bool)
    for start, length in runs(np.array(flags, dtype=bool), at_least):
        assert length >= at_least
        assert all(flags[start : start + length])
        assert start == 0 or not flags[start - 1]
        covered[start : start + length] = True
    text = "".join("x" if f else " " for f in flags)
    assert covered.sum() == sum(len(part) for part in text.split() if len(part) >= at_least)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 1e3), st.integers(0, 1000))
def test_autocorrelation_has_no_unit(scale: float, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(300)
    assert acf1(scale * x) == pytest.approx(acf1(x), rel=1e-9)
