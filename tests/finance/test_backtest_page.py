# SPDX-License-Identifier: Apache-2.0
"""The page: every promised picture, numbers in them that are right, nothing fetched."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spade_finance.backtest import figures, panels
from spade_finance.backtest.compare import compare
from spade_finance.backtest.grid import assess
from spade_finance.backtest.ranks import FLOORS, rank_test
from spade_finance.backtest.record import PathRecord, RealRun
from spade_finance.backtest.result import BacktestResult
from spade_finance.exceptions import InputError
from tests.finance.test_backtest_ranks import STRATEGIES, World, drawn, run

REGIMES = ("calm", "wild")
N, DAYS = 40, 300


def made(name: str, extra: float, *, real: bool = True, n: int = N, days: int = DAYS) -> BacktestResult:
    rng = np.random.default_rng(0)
    returns = 0.01 * rng.standard_normal((n, days)) + extra
    codes = (np.arange(days) > days // 2).astype(int)
    index = pd.bdate_range("2015-01-01", periods=900, name="date")
    history = RealRun(
        pd.Series(0.0003 + 0.01 * rng.standard_normal(900), index), None, None, np.arange(900) % 2, REGIMES
    )
    record = PathRecord.from_returns(
        returns, np.full((n, days), 0.01), np.full((n, days), 5e-6), codes, REGIMES
    )
    return BacktestResult(
        name,
        record,
        history if real else None,
        {"cost_bps": 5.0},
        {"script": "calm:300", "model_hash": "abc123"},
    )


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    one, two = made("<momentum>", 5e-4), made("other", 0.0)
    days = pd.bdate_range("2000-01-03", "2006-12-31", name="date")
    real = pd.DataFrame(drawn(1, (np.arange(len(days)) // 50) % 2, np.zeros(6), 1)[0], days, list("abcdef"))
    cube = np.stack([one.record.returns, two.record.returns], axis=2)
    return one.with_panels(
        compare({one.strategy: one, "other": two}),
        assess(cube[:20], [one.strategy, "other"], real[["a", "b"]].iloc[-400:], spa_paths=1),
        rank_test(World(), real, STRATEGIES, run, baselines="none", n_paths=4),
    )


def test_the_page_has_every_part_and_fetches_nothing(result: BacktestResult, tmp_path: Path) -> None:
    result.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    before_plotly = page.split('<script id="plotly">')[0]
    assert not re.findall(r"(?:src|href)=[\"']https?:", before_plotly)
    assert "<momentum>" not in before_plotly.replace("\\u003cmomentum", "").split("<script")[0]
    headings = re.findall(r"<h2>(.*?)</h2>", before_plotly)
    assert headings[:-1] == [
        "The strategy as a distribution",
        "By regime",
        "Over time",
        "Strategies compared",
        "Luck or skill: choosing among 2",
        "May synthetic ranks be trusted?",
        "Costs and assumptions",
        "Limits",
    ]
    figures_json = re.findall(
        r'<script type="application/json" class="plot-data">(.*?)</script>', before_plotly, re.S
    )
    assert len(figures_json) == 13
    for text in figures_json:
        assert json.loads(text)["data"]
    for said in ("abc123", "cost_bps", "Sharpe ratio", FLOORS[0], "Not investment advice", "calm:300"):
        assert said in before_plotly


def test_a_bare_result_makes_a_page_too() -> None:
    page = made("x", 0.0, real=False, n=2, days=30).to_html()
    assert "No real history was given" in page
    assert "May synthetic ranks be trusted" not in page


def test_the_wealth_fan_holds_paths_and_history(result: BacktestResult) -> None:
    figure = figures.wealth_fan(result)
    wealth = 100 * np.cumprod(1 + result.record.returns.astype(np.float64), axis=1)
    median = next(trace for trace in figure.data if trace.name == "median")
    np.testing.assert_allclose(median.y, [100, *np.quantile(wealth, 0.5, axis=0)])
    np.testing.assert_array_equal(median.x, np.arange(DAYS + 1))
    real = next(trace for trace in figure.data if (trace.name or "").startswith("real"))
    assert result.real is not None
    np.testing.assert_allclose(real.y, [100, *(100 * np.cumprod(1 + result.real.returns.to_numpy()[-DAYS:]))])
    assert real.customdata[1] == f"{result.real.returns.index[-DAYS]:%Y-%m-%d}"
    assert real.customdata[-1] == f"{result.real.returns.index[-1]:%Y-%m-%d}"


def test_the_drawdown_cone_and_the_probability_of_loss(result: BacktestResult) -> None:
    wealth = np.cumprod(1 + result.record.returns.astype(np.float64), axis=1)
    depth = np.stack([[100 * (w[t] / max(1.0, *w[: t + 1]) - 1) for t in range(DAYS)] for w in wealth])
    median = next(trace for trace in figures.drawdown_cone(result).data if trace.name == "median")
    np.testing.assert_allclose(median.y, [0, *np.median(depth, axis=0)], atol=1e-10)
    loss = next(trace for trace in figures.loss_probability(result).data if trace.name == "paths")
    np.testing.assert_allclose(loss.y, 100 * (wealth < 1).mean(axis=0))
    assert loss.x[251] == 1.0


def test_rolling_sharpe_and_months(result: BacktestResult) -> None:
    figure = figures.rolling_sharpe(result, 60)
    median = next(trace for trace in figure.data if trace.name == "median")
    last = result.record.returns[:, -60:].astype(np.float64)
    wanted = np.median(last.mean(1) / last.std(1, ddof=1) * 252**0.5)
    assert median.y[-1] == pytest.approx(wanted)
    assert len(median.y) == DAYS - 59
    heat = figures.months(result).data[0]
    path = result.typical_path().to_numpy()
    assert heat.z[0][1] == pytest.approx(100 * (np.prod(1 + path[21:42]) - 1))
    assert np.isfinite(np.asarray(heat.z, dtype=float)).sum() == -(-DAYS // 21)
    dated = BacktestResult("x", result.record, dates=pd.bdate_range("2026-01-05", periods=DAYS))
    january = np.prod(1 + dated.typical_path().loc["2026-01"]) - 1
    assert figures.months(dated).data[0].z[0][0] == pytest.approx(100 * january)
    with pytest.raises(InputError, match="days=5"):
        figures.rolling_sharpe(result, 5)


def test_histograms_mark_the_real_history(result: BacktestResult) -> None:
    figure = figures.histogram(result, "max_drawdown")
    assert sum(figure.data[0].y) == pytest.approx(100, abs=5)
    real = next(trace for trace in figure.data if trace.name.startswith("real"))
    assert real.x[0] == pytest.approx(100 * result.value("max_drawdown", column="real"))
    assert len(next(t for t in figure.data if t.name == "earlier real windows").x) == 2
    with pytest.raises(InputError, match="measure='nonsense'"):
        figures.histogram(result, "nonsense")


def test_panels_draw_what_was_found(result: BacktestResult) -> None:
    assert result.comparison is not None
    assert result.ranks is not None
    assert result.overfitting is not None
    compared = panels.compared(result.comparison)
    assert compared.data[0].x[0] == result.value("sharpe", column="p50")
    ranks = panels.rank_correlations(result.ranks)
    assert ranks.data[-1].x[0] == result.ranks.cell("model")["spearman"]
    over = panels.overfitted(result.overfitting)
    assert sum(over.data[0].y) == pytest.approx(100)
    for make in (result.plot_wealth, result.plot_drawdown, result.plot_regimes, result.plot_rolling_sharpe,
                 result.plot_months, result.plot_loss, result.plot_distribution):  # fmt: skip
        assert make().data
