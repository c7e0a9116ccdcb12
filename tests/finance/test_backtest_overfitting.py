# SPDX-License-Identifier: Apache-2.0
"""Luck or skill: against the papers' worked examples, loops written here, and known answers."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from spade_finance.backtest import overfitting as over
from spade_finance.backtest.grid import assess, parse_grid, variant_name
from spade_finance.exceptions import InputError


def noise(days: int, n: int, seed: int) -> np.ndarray:
    return 0.01 * np.random.default_rng(seed).standard_normal((days, n))


def planted(days: int = 1000, n: int = 9, seed: int = 0) -> np.ndarray:
    """One of nine variants has an annual Sharpe ratio near 3."""
    returns = noise(days, n, seed)
    returns[:, 4] += 0.0019
    return returns


# --- published numbers ----------------------------------------------------------------------------------------------


def test_probabilistic_sharpe_of_the_papers_hedge_fund() -> None:
    """Bailey & Lopez de Prado (2012), section 3: two years of months, Sharpe .458 a month."""
    assert over.probabilistic_sharpe(0.458, 24) == pytest.approx(0.982, abs=6e-4)
    assert over.probabilistic_sharpe(0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=6e-4)


@pytest.mark.parametrize(("trials", "published"), [(100, 0.9004), (46, 0.9505)])
def test_deflated_sharpe_of_the_papers_example(trials: int, published: float) -> None:
    """Bailey & Lopez de Prado (2014), numerical example: annual Sharpe 2.5, variance 1/2, 1,250 days."""
    level = over.expected_maximum_sharpe(0.5 / 250, trials)
    if trials == 100:
        assert level == pytest.approx(0.1132, abs=5e-5)
    found = over.probabilistic_sharpe(2.5 / math.sqrt(250), 1250, -3, 10, level)
    assert found == pytest.approx(published, abs=1e-4)


def test_minimum_backtest_length_of_the_papers_example() -> None:
    """Bailey et al. (2014): with five years of data no more than 45 configurations should be tried."""
    assert over.minimum_backtest_years(45) == pytest.approx(5.0, abs=0.05)
    assert over.minimum_backtest_years(45) < 2 * math.log(45)
    assert over.minimum_backtest_years(45, 2.0) == pytest.approx(over.minimum_backtest_years(45) / 4)


# --- independent computation ----------------------------------------------------------------------------------------


def test_moments_against_scipy() -> None:
    returns = np.random.default_rng(3).standard_t(5, (400, 3)) * 0.01
    sharpe, skew, kurtosis = over.moments(returns)
    np.testing.assert_allclose(sharpe, returns.mean(0) / returns.std(0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(skew, sps.skew(returns), rtol=1e-10)
    np.testing.assert_allclose(kurtosis, sps.kurtosis(returns, fisher=False), rtol=1e-10)
    flat = over.moments(np.full((50, 1), 0.0004))
    assert all(np.isnan(part).all() for part in flat)


def test_expected_maximum_against_simulation() -> None:
    for n in (5, 20, 200):
        drawn = np.random.default_rng(n).standard_normal((40_000, n)).max(axis=1)
        # the closed form is an approximation for large n
        assert over.expected_maximum_sharpe(1.0, n) == pytest.approx(drawn.mean(), abs=0.05)
    assert over.expected_maximum_sharpe(1.0, 1) == 0.0


def test_minimum_track_record_is_where_the_probability_reaches_the_level() -> None:
    days = float(over.minimum_track_record(0.06, -0.7, 8.0, benchmark=0.01, confidence=0.95))
    spread = math.sqrt(1 + 0.7 * 0.06 + 7 / 4 * 0.06**2)
    assert sps.norm.cdf(0.05 * math.sqrt(days - 1) / spread) == pytest.approx(0.95, abs=1e-12)
    assert over.minimum_track_record(-0.01) == np.inf
    assert np.isnan(over.minimum_track_record(np.nan))


def test_deflated_sharpe_against_its_formula_written_out() -> None:
    returns = planted(700, 6, 2)
    daily = returns.mean(0) / returns.std(0, ddof=1)
    best, g = int(daily.argmax()), 0.5772156649015329
    top = (1 - g) * sps.norm.ppf(1 - 1 / 6) + g * sps.norm.ppf(1 - 1 / (6 * math.e))
    level = math.sqrt(np.var(daily, ddof=1)) * top
    a, b = sps.skew(returns[:, best]), sps.kurtosis(returns[:, best], fisher=False)
    spread = math.sqrt(1 - a * daily[best] + (b - 1) / 4 * daily[best] ** 2)
    wanted = sps.norm.cdf((daily[best] - level) * math.sqrt(699) / spread)
    assert over.deflated_sharpe(returns) == pytest.approx(wanted, abs=1e-12)


def loop_cscv(returns: np.ndarray, blocks: int) -> list[float]:
    """Logits split by split, ranks by scipy."""
    size = len(returns) // blocks
    parts = np.split(returns[len(returns) - size * blocks :], blocks)
    logits = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in chosen])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in chosen])
        best = int(np.argmax(inside.mean(0) / inside.std(0, ddof=1)))
        rank = sps.rankdata(outside.mean(0) / outside.std(0, ddof=1))[best]
        logits.append(math.log(rank / (returns.shape[1] + 1 - rank)))
    return logits


@pytest.mark.parametrize(("blocks", "n"), [(4, 3), (6, 4), (8, 5)])
def test_cscv_against_a_loop(blocks: int, n: int) -> None:
    returns = noise(413, n, 7) + np.linspace(0, 6e-4, n)
    logits = np.array(loop_cscv(returns, blocks))
    found = over.cscv(returns, blocks)
    np.testing.assert_allclose(found.logits, logits, atol=1e-12)
    assert found.pbo == pytest.approx((logits < 0).mean() + (logits == 0).mean() / 2)
    line = np.polyfit(found.in_sample, found.out_of_sample, 1)
    assert found.slope == pytest.approx(line[0], rel=1e-8)
    assert found.probability_of_loss == (found.out_of_sample < 0).mean()


def test_cscv_takes_all_splits_of_sixteen_blocks() -> None:
    assert len(over.cscv(noise(640, 4, 0)).logits) == math.comb(16, 8) == 12_870


def test_effective_trials() -> None:
    assert over.effective_trials(noise(20_000, 8, 1)) == pytest.approx(8, abs=0.2)
    one = noise(500, 1, 2)
    assert over.effective_trials(np.repeat(one, 8, axis=1)) == pytest.approx(1.0)
    assert over.effective_trials(one) == 1.0


# --- known answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [8, 9])
def test_without_skill_the_probability_of_overfitting_is_one_half(n: int) -> None:
    found = np.array([over.cscv(noise(480, n, seed), 8).pbo for seed in range(150)])
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert error < 0.03
    assert abs(found.mean() - 0.5) < 3 * error


def test_without_skill_the_deflated_sharpe_ratio_rejects() -> None:
    """At the 5 % level the best of ten is called skilled at most so often; undeflated far more often."""
    deflated, naive = [], []
    for seed in range(150):
        returns = noise(500, 10, seed + 1000)
        sharpe, skew, kurtosis = over.moments(returns)
        i = int(sharpe.argmax())
        deflated.append(over.deflated_sharpe(returns))
        naive.append(float(over.probabilistic_sharpe(sharpe[i], 500, skew[i], kurtosis[i])))
    assert np.mean(np.array(deflated) > 0.95) <= 0.05
    assert np.mean(np.array(naive) > 0.95) > 0.25


def test_a_planted_skill_is_found() -> None:
    returns = planted()
    found = over.cscv(returns)
    assert found.pbo < 0.01
    assert (found.chosen == 4).mean() > 0.95
    assert over.deflated_sharpe(returns) > 0.95
    ability = over.superior_ability(returns, n_draws=499)
    assert ability.spa < 0.02
    assert ability.reality_check < 0.02


def test_superior_ability_holds_its_level_and_knows_a_benchmark() -> None:
    values = [
        over.superior_ability(noise(250, 5, 50 + s), n_draws=99, block_days=1, plain=False).spa
        for s in range(30)
    ]
    assert np.mean(np.array(values) < 0.05) <= 0.15
    assert 0.35 < np.mean(values) < 0.75
    # a market that everybody rides is no skill
    market = noise(600, 1, 9)[:, 0] + 0.002
    riders = market[:, None] + 0.2 * noise(600, 5, 10)
    assert over.superior_ability(riders, n_draws=199).spa < 0.02
    assert over.superior_ability(riders, market, n_draws=199).spa > 0.1
    assert over.superior_ability(np.zeros((50, 2)), n_draws=99).spa == 1.0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: over.cscv(noise(400, 1, 0)), "at least 2 variants"),
        (lambda: over.cscv(noise(400, 3, 0), 7), "even number"),
        (lambda: over.cscv(noise(30, 3, 0)), "too few"),
        (lambda: over.cscv(np.full((400, 3), np.nan)), "missing"),
        (lambda: over.minimum_track_record(0.1, confidence=0.4), "confidence=0.4"),
    ],
)
def test_bad_input_is_one_clear_line(call: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()


# --- grids ----------------------------------------------------------------------------------------------------------


def test_a_grid_is_every_combination_in_order(tmp_path: Any) -> None:
    wanted = [
        {"lookback": 20, "top": 0.2},
        {"lookback": 20, "top": 0.5},
        {"lookback": 60, "top": 0.2},
        {"lookback": 60, "top": 0.5},
    ]
    assert parse_grid("lookback=20,60;top=0.2,0.5") == wanted
    (tmp_path / "grid.toml").write_text("lookback = [20, 60]\ntop = [0.2, 0.5]\n")
    (tmp_path / "grid.json").write_text('{"lookback": [20, 60], "top": [0.2, 0.5]}')
    assert parse_grid(tmp_path / "grid.toml") == parse_grid(str(tmp_path / "grid.json")) == wanted
    assert variant_name(wanted[1]) == "lookback=20 top=0.5"
    assert parse_grid({"short": [True, False]}) == parse_grid("short=true,false")


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("lookback", "'lookback' is not name=value"),
        ("lookback=20,,60", "not name=value"),
        ("lookback=20", "grid has 1 variant:"),
        ("a=1,2;a=3,4", "named twice"),
        ("a=1,1", "names a value twice"),
        ("9=1,2", "no name of an option"),
        (";".join(f"{c}=1,2" for c in "abcdefgh"), "grid has 256 variants"),
        ({"a": [[1], [2]]}, "no plain values"),
        ("absent.toml", "absent.toml: No such file"),
    ],
)
def test_a_bad_grid_is_refused(grid: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_grid(grid)


def test_a_broken_grid_file_is_refused(tmp_path: Any) -> None:
    (tmp_path / "grid.toml").write_text("lookback = [20,")
    with pytest.raises(InputError, match="cannot be read"):
        parse_grid(tmp_path / "grid.toml")


def test_assessing_a_grid_over_paths_and_on_the_real_history() -> None:
    cube = np.stack([noise(320, 4, seed) for seed in range(12)])
    cube[:, :, 2] += 0.003
    real = pd.DataFrame(noise(640, 4, 99), index=pd.bdate_range("2015-01-01", periods=640))
    names = ["a", "b", "c", "d"]
    market = cube.mean(axis=2)
    panel = assess(
        cube, names, real, market=market, real_market=real.mean(axis=1), cscv_paths=10, spa_paths=2
    )
    assert panel.chosen().index[0] == "c"
    assert panel.paths["pbo"].notna().sum() == 10
    assert panel.paths["spa"].notna().sum() == panel.paths["spa_market"].notna().sum() == 2
    table = panel.table.set_index("statistic")
    assert table.loc["pbo", "mean"] == pytest.approx(panel.paths["pbo"].mean())
    assert table.loc["pbo", "mean"] < 0.05
    assert table.loc["deflated", "mean"] == pytest.approx(
        np.mean([over.deflated_sharpe(path) for path in cube])
    )
    assert panel.real is not None
    assert panel.real["pbo"] == over.cscv(real.to_numpy()).pbo
    assert table.loc["deflated", "real"] == over.deflated_sharpe(real.to_numpy())
    years = over.minimum_backtest_years(4, panel.real["best_sharpe"])
    assert panel.backtest_years == years
    assert "0.00" in panel.verdict()
    assert panel.to_dict()["variants"] == names
    mean, error = panel.mean_sharpe()
    np.testing.assert_allclose(mean, panel.sharpe.mean(axis=0))
    np.testing.assert_allclose(error, panel.sharpe.std(axis=0, ddof=1) / 12**0.5)
    with pytest.raises(InputError, match="at least 2 variants"):
        assess(cube[:, :, :1], ["a"])


def test_short_paths_are_assessed_without_cross_validation() -> None:
    panel = assess(np.stack([noise(40, 3, s) for s in range(3)]), ["a", "b", "c"], spa_paths=0)
    assert panel.paths["pbo"].isna().all()
    assert "too short" in panel.notes[0]
    assert "deflated" in panel.verdict()
