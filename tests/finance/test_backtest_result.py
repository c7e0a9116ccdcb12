# SPDX-License-Identifier: Apache-2.0
"""Distributions over paths against NumPy written out path by path."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spade_finance.backtest.measures import MEASURES, shown
from spade_finance.backtest.record import KEPT_PATHS, PathRecord, RealRun
from spade_finance.backtest.result import BacktestResult
from spade_finance.exceptions import InputError

REGIMES = ("bull", "bear", "crisis")
N, DAYS = 60, 300


def simulated(
    n: int = N, days: int = DAYS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns, turnover, costs and codes; no day is of the last regime, and few of the second on path 0."""
    rng = np.random.default_rng(seed)
    returns = 0.0005 + 0.01 * rng.standard_normal((n, days))
    turnover = rng.random((n, days)) * 0.02
    codes = (rng.random((n, days)) < 0.4).astype(np.int8)
    codes[0] = 0
    codes[0, :5] = 1
    return returns, turnover, 0.0005 * turnover, codes


def record(**options: int) -> PathRecord:
    return PathRecord.from_returns(*simulated(), REGIMES, **options)


def real_run(days: int = 1000) -> RealRun:
    rng = np.random.default_rng(5)
    index = pd.bdate_range("2018-01-01", periods=days, name="date")
    codes = np.r_[np.full(days - 100, -1), np.zeros(60), np.ones(40)].astype(int)
    returns = pd.Series(0.0004 + 0.011 * rng.standard_normal(days), index)
    return RealRun(
        returns, np.full(days, 0.01), np.full(days, 1e-5), codes, REGIMES, pd.Timestamp("2020-01-01")
    )


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return BacktestResult(
        "momentum",
        record(),
        real_run(),
        {"cost_bps": 5.0},
        {"seed": 0, "script": "markov:300"},
        notes=("odd",),
    )


def test_measures_path_by_path() -> None:
    returns, turnover, costs, _ = simulated()
    found = record().measures
    i = 17
    wealth = np.cumprod(1 + returns[i])
    assert found["annual_return"][i] == pytest.approx(wealth[-1] ** (252 / DAYS) - 1, rel=1e-12)
    assert found["total_return"][i] == pytest.approx(wealth[-1] - 1, rel=1e-12)
    assert found["sharpe"][i] == pytest.approx(
        returns[i].mean() / returns[i].std(ddof=1) * 252**0.5, rel=1e-12
    )
    assert found["max_drawdown"][i] == pytest.approx(
        min(wealth[t] / max(1.0, *wealth[: t + 1]) - 1 for t in range(DAYS)), rel=1e-12
    )
    assert found["costs"][i] == pytest.approx(252 * costs[i].mean())
    assert found["turnover"][i] == pytest.approx(252 * turnover[i].mean())
    grown = np.r_[1.0, wealth]
    assert found["loss_1y"][i] == np.mean([grown[t + 252] < grown[t] for t in range(DAYS - 251)])
    assert np.isnan(found["loss_3y"]).all()


def test_measures_by_regime_over_the_days_of_the_regime() -> None:
    returns, _, _, codes = simulated()
    found = record().by_regime
    assert list(found) == ["bull", "bear"]
    days = returns[9][codes[9] == 1]
    assert found["bear"]["mean_return"][9] == pytest.approx(252 * days.mean())
    assert found["bear"]["volatility"][9] == pytest.approx(days.std(ddof=1) * 252**0.5)
    assert np.isnan(found["bear"]["mean_return"][0])  # five days say nothing
    assert "annual_return" not in found["bear"]


def test_joining_chunks_is_the_whole() -> None:
    returns, turnover, costs, codes = simulated()
    parts, kept = [], 0
    for rows in (slice(0, 20), slice(20, 45), slice(45, N)):
        some = PathRecord.from_returns(
            returns[rows], turnover[rows], costs[rows], codes[rows], REGIMES, keep=max(0, 30 - kept)
        )
        kept += len(some.returns)
        parts.append(some)
    joined, whole = PathRecord.concat(parts), record(keep=30)
    assert joined.n_paths == N
    for name, values in whole.measures.items():
        np.testing.assert_array_equal(joined.measures[name], values)
    for regime, found in whole.by_regime.items():
        for name, values in found.items():
            np.testing.assert_array_equal(joined.by_regime[regime][name], values)
    np.testing.assert_array_equal(joined.returns, whole.returns)
    np.testing.assert_array_equal(joined.codes, whole.codes)
    assert joined.returns.shape == (30, DAYS)
    assert KEPT_PATHS >= 1000


def test_chunks_of_one_timeline_keep_it_once() -> None:
    returns, _, _, _ = simulated()
    code = np.repeat([0, 1], DAYS // 2)
    parts = [PathRecord.from_returns(returns[a : a + 30], None, None, code, REGIMES) for a in (0, 30)]
    assert PathRecord.concat(parts).codes.shape == (DAYS,)
    # a regime that only some chunks met
    rare = PathRecord.from_returns(returns[:5], None, None, np.full(DAYS, 2), REGIMES)
    joined = PathRecord.concat([*parts, rare])
    assert np.isnan(joined.by_regime["bull"]["sharpe"][-5:]).all()
    assert np.isfinite(joined.by_regime["crisis"]["sharpe"][-5:]).all()


def test_the_table_is_mean_error_and_quantiles(result: BacktestResult) -> None:
    values = result.record.measures["sharpe"]
    assert result.value("sharpe") == pytest.approx(values.mean())
    assert result.value("sharpe", column="std_error") == pytest.approx(values.std(ddof=1) / N**0.5)
    for column, level in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
        assert result.value("sharpe", column=column) == pytest.approx(np.quantile(values, level))
    real = result.value("sharpe", column="real")
    assert result.value("sharpe", column="real_percentile") == (values < real).mean()
    assert (
        result.value("unrecovered", column="mean")
        == np.isnan(result.record.measures["days_to_recover"]).mean()
    )
    assert np.isnan(result.value("unrecovered", column="p50"))
    known = result.record.by_regime["bear"]["sharpe"]
    assert result.value("sharpe", "bear") == pytest.approx(np.nanmean(known))
    rows = result.table
    assert int(rows[(rows["measure"] == "sharpe") & (rows["regime"] == "bear")]["n_paths"].iloc[0]) == N - 1
    assert "loss_3y" not in set(rows["measure"])


def test_quantiles_carry_standard_errors() -> None:
    """Against the spread of the median over many samples: pi / 2 times the mean's variance for a normal."""
    rng = np.random.default_rng(2)
    n, days = 2000, 3
    returns = 0.01 * rng.standard_normal((n, days))
    table = BacktestResult(
        "x", PathRecord.from_returns(returns, None, None, np.zeros(days, int), ("a",))
    ).table
    row = table[table["measure"] == "total_return"].iloc[0]
    assert row["p50_se"] == pytest.approx((np.pi / 2) ** 0.5 * row["std_error"], rel=0.15)
    assert row["p05_se"] > row["p50_se"]


def test_the_real_mark_is_the_latest_stretch_as_long_as_a_path(result: BacktestResult) -> None:
    real = real_run()
    assert result.real_window is not None
    series, mark = result.real_window
    pd.testing.assert_series_equal(series, real.returns.iloc[-DAYS:])
    last = series.to_numpy()
    assert mark.measures["volatility"][0] == pytest.approx(last.std(ddof=1) * 252**0.5)
    assert len(result.real_windows) == 3
    earlier = real.returns.iloc[-2 * DAYS : -DAYS].to_numpy()
    assert result.real_windows[1].measures["total_return"][0] == pytest.approx(np.prod(1 + earlier) - 1)
    crisis = result.table.query("regime == 'bull' and measure == 'mean_return'")["real"].iloc[0]
    assert crisis == pytest.approx(252 * last[-100:-40].mean())
    short = BacktestResult("x", record(), real_run(120))
    assert short.real_window is not None
    assert len(short.real_window[0]) == 120
    assert "shorter stretch" in short.remarks[-1]
    seen = replace(real, training_end=real.returns.index[-50])
    assert "seen part of it" in BacktestResult("x", record(), seen).remarks[0]
    first, entry = result.remarks
    assert first == "odd"
    assert "buying in from cash" in entry
    whole = BacktestResult("x", record(), real_run(DAYS))  # not cut: it buys in as the paths do
    assert not any("buying in" in remark for remark in whole.remarks)


def test_median_and_worst_decile_paths(result: BacktestResult) -> None:
    wealth = np.prod(1 + simulated()[0], axis=1)
    for path, level in ((result.typical_path(), 0.5), (result.bad_path(), 0.1)):
        share = (wealth < np.prod(1 + path)).mean()
        assert abs(share - level) < 1.5 / N
    dates = pd.bdate_range("2026-01-05", periods=DAYS)
    dated = BacktestResult("x", record(), dates=dates)
    assert dated.typical_path().index.equals(dates)


def test_json_is_the_schema_of_the_interface(result: BacktestResult, tmp_path: Path) -> None:
    result.to_json(tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["schema"] == 1
    assert found["strategy"] == "momentum"
    assert found["provenance"]["seed"] == 0
    for row in found["rows"]:
        assert {"measure", "regime", "mean", "std_error", "p05", "p50", "p95", "real"} <= set(row)
        assert row["measure"] in MEASURES
    sharpe = next(r for r in found["rows"] if r["measure"] == "sharpe" and r["regime"] is None)
    assert sharpe["mean"] == result.value("sharpe")
    assert next(r for r in found["rows"] if r["measure"] == "unrecovered")["p50"] is None
    assert found["real"]["days"] == DAYS
    assert "NaN" not in (tmp_path / "report.json").read_text()


def test_without_real_history_marks_are_missing() -> None:
    bare = BacktestResult("x", record())
    assert bare.table["real"].isna().all()
    assert json.loads(bare.to_json())["real"] is None
    assert "real" not in repr(bare).splitlines()[0]


def test_repr_says_what_matters(result: BacktestResult) -> None:
    text = repr(result)
    assert "momentum on 60 paths of 300 days; real: 2020-" in text
    assert "Sharpe ratio" in text
    assert "note: odd\nnote: turnover and costs of the paths" in text
    assert shown(0.1234, "percent") == "12.3"
    assert shown(float("nan"), "ratio") == "–"


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="codes has shape"):
        PathRecord.from_returns(np.zeros((3, 5)), None, None, np.zeros(4), REGIMES)
    with pytest.raises(InputError, match=r"returns has shape \(5,\)"):
        PathRecord.from_returns(np.zeros(5), None, None, np.zeros(5), REGIMES)
    with pytest.raises(InputError, match="no records"):
        PathRecord.concat([])
