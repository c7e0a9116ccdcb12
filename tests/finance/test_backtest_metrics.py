# SPDX-License-Identifier: Apache-2.0
"""Measures path by path against empyrical-reloaded, and against loops and hand-made paths where it has none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from spade_finance.backtest import metrics
from spade_finance.exceptions import InputError


@pytest.fixture(scope="module")
def paths() -> np.ndarray:
    """Fat tails, a path that only rises, one that ends in ruin, one that never moves, one losing day at first."""
    rng = np.random.default_rng(1)
    returns = rng.standard_t(3, (40, 700)) * 0.01
    returns[0] = np.abs(returns[0])
    returns[1, 300], returns[1, 301:] = -1.0, 0.0
    returns[2] = 0.0003
    returns[3, 0] = -0.3
    return returns


THEIRS = {
    "annual_return": ("annual_return", {}),
    "annual_volatility": ("annual_volatility", {}),
    "sharpe": ("sharpe_ratio", {}),
    "sortino": ("sortino_ratio", {}),
    "calmar": ("calmar_ratio", {}),
    "max_drawdown": ("max_drawdown", {}),
    "expected_shortfall": ("conditional_value_at_risk", {"cutoff": 1 - 0.975}),
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("days", [700, 252, 41, 2])
def test_agrees_with_empyrical_path_by_path(name: str, days: int, paths: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        empyrical = pytest.importorskip("empyrical")
    other, options = THEIRS[name]
    ours = getattr(metrics, name)(paths[:, :days])
    with np.errstate(all="ignore"):
        theirs = np.array([getattr(empyrical, other)(row[:days], **options) for row in paths])
    if name == "expected_shortfall":
        theirs = -theirs
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_drawdowns_agree_with_empyrical(paths: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        empyrical = pytest.importorskip("empyrical")
    np.testing.assert_allclose(
        metrics.drawdowns(paths), empyrical.stats.drawdown_series(paths.T).T, rtol=0, atol=1e-12
    )


def slow_recovery(row: np.ndarray) -> tuple[float, float]:
    """Days to recover and longest run under water of one path, by walking."""
    value, peak, run, longest = 1.0, 1.0, 0, 0
    deepest, trough, old_peak = 0.0, 0, 1.0
    values = []
    for t, r in enumerate(row):
        value *= 1 + r
        values.append(value)
        peak = max(peak, value)
        run = run + 1 if value < peak else 0
        longest = max(longest, run)
        if value / peak - 1 < deepest:
            deepest, trough, old_peak = value / peak - 1, t, peak
    if deepest == 0:
        return 0.0, 0.0
    back = [t for t in range(trough, len(row)) if values[t] >= old_peak]
    return (back[0] - trough if back else np.nan), longest


def test_recovery_agrees_with_a_walk(paths: np.ndarray) -> None:
    expected = np.array([slow_recovery(row) for row in paths])
    assert np.isnan(expected[:, 0]).any()
    np.testing.assert_array_equal(metrics.days_to_recover(paths), expected[:, 0])
    np.testing.assert_array_equal(metrics.longest_under_water(paths), expected[:, 1])
    np.testing.assert_array_equal(metrics.unrecovered(paths), np.isnan(expected[:, 0]))


def test_recovery_by_hand() -> None:
    path = np.array([[0.1, -0.5, 0.2, 0.2, 1.0, -0.1, 0.05]])
    assert metrics.days_to_recover(path)[0] == 3
    assert metrics.longest_under_water(path)[0] == 3
    assert metrics.max_drawdown(path)[0] == pytest.approx(-0.5)


def test_loss_share_agrees_with_a_loop(paths: np.ndarray) -> None:
    for days in (1, 252, 700):
        expected = [
            np.mean([np.prod(1 + row[t : t + days]) < 1 for t in range(700 - days + 1)]) for row in paths
        ]
        ruined = metrics.loss_share(paths, days)[1]
        keep = np.arange(len(paths)) != 1  # of the ruined path every window after the ruin is a loss too
        np.testing.assert_allclose(
            metrics.loss_share(paths, days)[keep], np.array(expected)[keep], atol=1e-12
        )
        assert ruined >= expected[1]
    assert np.isnan(metrics.loss_share(paths, 701)).all()
    assert metrics.loss_share(paths, 252)[0] == 0


def test_turnover_is_bought_and_sold_a_year() -> None:
    assert metrics.annual_turnover(np.full((2, 504), 0.01)) == pytest.approx([2.52, 2.52])


def test_by_regime_is_the_measure_of_those_days(paths: np.ndarray) -> None:
    codes = np.random.default_rng(0).integers(0, 3, paths.shape)
    codes[5, codes[5] == 2] = 0
    turnover = np.abs(paths)
    found = metrics.by_regime(paths, codes, 2, turnover)
    assert np.isnan(found["sharpe"][5])
    for i in (0, 1, 7, 39):
        days = paths[i, codes[i] == 2][None]
        assert found["sharpe"][i] == pytest.approx(metrics.sharpe(days)[0], rel=1e-12)
        assert found["es_97_5"][i] == pytest.approx(metrics.expected_shortfall(days)[0], rel=1e-12)
        assert found["annual_return"][i] == pytest.approx(metrics.annual_return(days)[0], rel=1e-12)
        assert found["turnover"][i] == pytest.approx(turnover[i, codes[i] == 2].mean() * 252)
    shared = metrics.by_regime(paths, codes[0], 1)
    np.testing.assert_allclose(
        shared["volatility"], metrics.annual_volatility(paths[:, codes[0] == 1]), atol=1e-15
    )


def test_measure_is_all_of_them_at_once(paths: np.ndarray) -> None:
    found = metrics.measure(paths, np.abs(paths))
    pairs = {"volatility": "annual_volatility", "es_97_5": "expected_shortfall"}
    for name in ("annual_return", "volatility", "sharpe", "sortino", "calmar", "max_drawdown", "days_to_recover",
                 "unrecovered", "longest_under_water", "es_97_5"):  # fmt: skip
        np.testing.assert_array_equal(
            found[name], getattr(metrics, pairs.get(name, name))(paths), err_msg=name
        )
    np.testing.assert_array_equal(found["loss_1y"], metrics.loss_share(paths, 252))
    assert np.isnan(found["loss_3y"]).all()
    assert {"loss_5y", "turnover"} <= set(found)


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(InputError, match="pass \\(paths, days\\)"):
        metrics.sharpe(np.zeros(5))
    with pytest.raises(InputError, match="level=2"):
        metrics.expected_shortfall(np.zeros((2, 5)), 2)
    with pytest.raises(InputError, match="days=0"):
        metrics.loss_share(np.zeros((2, 5)), 0)
