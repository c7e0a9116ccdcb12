# SPDX-License-Identifier: Apache-2.0
"""Dial, counterfactual pairs, spill-over and history's columns against models and data of known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

import spade_finance as sf
from spade_finance.regimes import RegimeLabels, RegimeTimeline, parse_script
from spade_finance.stress.dial import severity_dial, severity_grid
from spade_finance.stress.history import LabelledHistory
from spade_finance.stress.numbers import make_plan
from spade_finance.stress.portfolio import as_portfolios
from spade_finance.stress.spillover import figures, spillover

REGIMES = ("calm", "wild")
SECTORS = ("A", "B", "C")
SD, MEAN, RHO = np.array([0.005, 0.02]), np.array([0.001, -0.002]), 0.4


class Severe:
    """Gaussian sectors with correlation 0.4; volatility is the regime's times severity to a power, and the mean grows
    by `drift` for each unit of severity."""

    regimes_, sectors_ = REGIMES, SECTORS
    severity_range_ = (0.7, 1.4)
    training_window_ = (pd.Timestamp("2001-01-01"), pd.Timestamp("2003-12-31"))

    def __init__(self, power: float = 1.0, drift: float = 0.0) -> None:
        self.power, self.drift = power, drift

    def timeline(self, script: Any) -> RegimeTimeline:
        if isinstance(script, RegimeTimeline):
            return script
        return parse_script(script, regimes=REGIMES, sectors=SECTORS).resolve(REGIMES, SECTORS, None)

    def sample(self, script: Any, n_paths: int, random_state: int, **options: Any) -> sf.ScenarioSet:
        timeline = self.timeline(script)
        rng = np.random.default_rng(random_state)
        common = rng.standard_normal((n_paths, timeline.n_days, 1))
        own = rng.standard_normal((n_paths, timeline.n_days, 3))
        z = np.sqrt(RHO) * common + np.sqrt(1 - RHO) * own
        scale = (SD[timeline.codes] * timeline.severity**self.power)[:, None]
        mean = MEAN[timeline.codes] + self.drift * (timeline.severity - 1)
        simple = mean[:, None] + scale * z
        for s in range(3):
            bad = timeline.sector_codes[s] >= 0
            simple[:, bad, s] *= 4.0
        told = {"script": script if isinstance(script, str) else "timeline"}
        return sf.ScenarioSet.from_simple(simple, SECTORS, REGIMES, timeline.codes, provenance=told)


# ---- dial


def test_the_dial_finds_volatility_correlation_and_es_of_a_known_model() -> None:
    dial = severity_dial(Severe(), n_paths=400, seed=1)
    market = dial.table[dial.table["portfolio"] == "market"]
    sd = SD[1] * np.sqrt((1 + 2 * RHO) / 3)
    for row in market.to_dict("records"):
        own = sd * row["severity"]
        assert abs(row["volatility"] - own * np.sqrt(252)) < 4 * row["volatility_se"]
        assert abs(row["mean_correlation"] - RHO) < 4 * row["mean_correlation_se"]
        es = own * norm.pdf(norm.ppf(0.975)) / 0.025 - MEAN[1]
        assert abs(row["es_97_5"] - es) < 4 * row["es_97_5_se"]
        assert abs(row["mean_return"] - ((1 + MEAN[1]) ** 63 - 1)) < 4 * row["mean_return_se"]
    assert dial.elasticity == pytest.approx(1.0, abs=0.01)
    assert dial.monotone == dict.fromkeys(
        ("volatility", "mean_correlation", "es_97_5", "mean_return", "median_return", "prob_loss_20"), True
    )
    middle = market.iloc[3]
    drawn = Severe().sample(f"wild*{middle['severity']:.6g}:63", 400, 1).simple_array.astype(float)
    lost = np.array([np.prod(1 + path.mean(axis=1)) <= 0.8 for path in drawn])
    assert middle["prob_loss_20"] == lost.mean()
    assert middle["prob_loss_20_se"] == pytest.approx(lost.std() / np.sqrt(400), rel=0.5)
    assert list(market["trained"]) == [False, *[True] * (len(market) - 2), False]


def test_a_dial_that_turns_the_wrong_way_is_seen() -> None:
    dial = severity_dial(Severe(power=-1.0), n_paths=200, seed=1)
    assert not dial.monotone["volatility"]
    assert not dial.monotone["es_97_5"]


def test_a_drift_that_rises_with_severity_is_seen_where_single_days_cannot_show_it() -> None:
    """A quarter's result: the days grow wilder, but the mean return rises and losses become rarer."""
    dial = severity_dial(Severe(power=0.1, drift=0.004), n_paths=200, seed=1)
    assert dial.monotone == {
        "volatility": True, "mean_correlation": True, "es_97_5": False, "mean_return": False,
        "median_return": False, "prob_loss_20": False,
    }  # fmt: skip
    calm = severity_dial(Severe(power=0.5, drift=-0.001), n_paths=200, seed=1)
    assert all(calm.monotone.values())


def test_the_dial_is_held_against_real_episodes() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 0, 1, 0, 1], 60)
    level = np.repeat([1, 0.8, 1, 1.0, 1, 1.25], 60)
    z = np.sqrt(RHO) * rng.standard_normal((360, 1)) + np.sqrt(1 - RHO) * rng.standard_normal((360, 3))
    dates = pd.bdate_range("2003-01-01", periods=360, name="date")
    returns = pd.DataFrame((SD[codes] * level)[:, None] * z, index=dates, columns=list(SECTORS))
    history = LabelledHistory(returns, RegimeLabels.from_codes(codes, REGIMES, dates))
    model = Severe()
    sd = SD * np.sqrt((1 + 2 * RHO) / 3)
    model.typical_ = type("Typical", (), {"market": pd.Series(sd, index=list(REGIMES))})()  # type: ignore[attr-defined]
    dial = severity_dial(model, n_paths=200, seed=1, history=history)
    assert len(dial.episodes) == 3
    np.testing.assert_allclose(dial.episodes["severity"], [0.8, 1.0, 1.25], rtol=0.25)
    np.testing.assert_allclose(dial.episodes["dial_volatility"], dial.episodes["volatility"], rtol=0.08)
    assert list(dial.episodes["in_training"]) == [True, True, False]
    assert dial.elasticity_real == pytest.approx(1.0, abs=0.15)


def test_the_grid_covers_the_trained_range_and_one_step_beyond() -> None:
    grid = severity_grid(0.7, 1.2)
    assert (np.diff(grid) > 0).all()
    assert {0.7, 1.0, 1.2} <= set(grid.tolist())
    assert grid[0] < 0.7
    assert grid[-1] > 1.2
    assert ((grid[1:-1] >= 0.7) & (grid[1:-1] <= 1.2)).all()


# ---- counterfactual pairs


def test_equal_timelines_differ_by_exactly_nothing() -> None:
    pair = sf.counterfactual(Severe(), "calm:10,wild:5", "calm:10,wild:5", n_paths=50, seed=3)
    assert (pair.differences["equal weight"] == 0).all()
    assert (pair.daily["equal weight"] == 0).all().all()
    assert np.isnan(pair.table["variance_ratio"].iloc[0])


def test_the_pair_measures_the_effect_and_how_many_paths_it_saves() -> None:
    pair = sf.counterfactual(Severe(), "calm:2,wild:3", "calm:5", n_paths=6000, seed=3)
    row = pair.table.iloc[0]
    sd = SD * np.sqrt((1 + 2 * RHO) / 3)
    truth = (1 + MEAN[0]) ** 2 * ((1 + MEAN[1]) ** 3 - (1 + MEAN[0]) ** 3)
    assert abs(row["difference"] - truth) < 3.5 * row["std_error"]
    independent = (2 * sd[0] ** 2 + 3 * sd[1] ** 2) + 5 * sd[0] ** 2
    paired = 3 * (sd[1] - sd[0]) ** 2
    assert abs(row["variance_ratio"] - independent / paired) < 4 * row["variance_ratio_se"] + 0.02
    assert row["std_error"] < row["std_error_independent"]
    daily = pair.daily["equal weight"]
    assert (daily["mean"].iloc[:3] == 0).all()
    assert daily["mean"].iloc[-1] == pytest.approx(row["difference"])


def test_pairs_of_unequal_length_are_refused() -> None:
    with pytest.raises(sf.InputError, match="4 days, the scenario 5"):
        sf.counterfactual(Severe(), "calm:5", "calm:4", n_paths=10)


# ---- spill-over


def test_covar_of_a_gaussian_pair_matches_the_integral() -> None:
    rng = np.random.default_rng(4)
    rho, n = 0.6, 400_000
    x = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], n, method="cholesky") * [0.02, 0.01]
    joint = multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    q = norm.ppf(0.95)

    def beyond(c: float) -> float:
        """P(rest > c | sector > q)."""
        return float(1 - norm.cdf(q) - norm.cdf(c) + joint.cdf([q, c])) / 0.05

    def usual(c: float) -> float:
        return 1 - float(joint.cdf([1, c]) - joint.cdf([-1, c])) / (norm.cdf(1) - norm.cdf(-1))

    covar = brentq(lambda c: beyond(c) - 0.05, 1, 5)
    median = brentq(lambda c: usual(c) - 0.05, 0, 5)
    found = dict(zip(("sd", "rest_sd", "correlation", "covar", "delta"), figures(x), strict=True))
    assert found["correlation"] == pytest.approx(rho, abs=0.005)
    assert found["covar"] == pytest.approx(0.01 * covar, rel=0.01)
    assert found["delta"] == pytest.approx(0.01 * (covar - median), rel=0.05)


def test_spillover_by_regime_and_of_a_sector_on_its_own() -> None:
    model = Severe()
    by_regime = spillover(model.sample("calm:20,wild:20", 200, 0)).table
    assert set(by_regime["days_of"]) == set(REGIMES)
    row = by_regime[(by_regime["sector"] == "A") & (by_regime["days_of"] == "wild")].iloc[0]
    rest_sd = SD[1] * np.sqrt((1 + RHO) / 2)
    assert abs(row["rest_volatility"] - rest_sd * np.sqrt(252)) < 4 * row["rest_volatility_se"]
    assert abs(row["correlation"] - RHO / np.sqrt((1 + RHO) / 2)) < 4 * row["correlation_se"]

    script = "calm:40;A[10]=wild:20"
    scenarios, without = model.sample(script, 300, 0), model.sample("calm:40", 300, 0)
    alone = spillover(scenarios, timeline=model.timeline(script), without=without)
    assert list(alone.table["days_of"]) == ["A in wild, market calm", "A with the market, market calm"]
    ratio = alone.table["volatility"].iloc[0] / alone.table["volatility"].iloc[1]
    assert ratio == pytest.approx(4.0, rel=0.1)
    assert alone.others is not None
    change = alone.others.set_index("affected")
    assert change.loc["A", "volatility_change"] == pytest.approx(3.0, rel=0.05)
    assert change.loc["B", "volatility_change"] == 0
    assert change.loc["B", "mean_change"] == 0


def test_it_says_when_history_has_no_such_days() -> None:
    model, script = Severe(), "calm:40;A[10]=wild:20"
    rng = np.random.default_rng(1)
    dates = pd.bdate_range("2003-01-01", periods=300, name="date")
    returns = pd.DataFrame(0.01 * rng.standard_normal((300, 3)), dates, list(SECTORS))
    own = pd.DataFrame("calm", dates, list(SECTORS), dtype=object)
    labels = RegimeLabels.from_codes(np.zeros(300, dtype=int), REGIMES, dates)
    scenarios = model.sample(script, 50, 0)
    never = spillover(scenarios, LabelledHistory(returns, labels, own), timeline=model.timeline(script))
    assert "has no day of 'A in wild, market calm'" in never.notes[0]
    own.iloc[50:150, 0] = "wild"
    once = spillover(scenarios, LabelledHistory(returns, labels, own), timeline=model.timeline(script))
    row = once.table[once.table["source"] == "history"].iloc[0]
    assert row["days"] == 100
    assert "100 days in 1 spell" in once.notes[0]


# ---- history


def test_history_rows_are_those_of_the_real_windows() -> None:
    from spade_finance.stress.history import episode_books, episode_rows, history_rows
    from spade_finance.stress.tables import Writer

    rng = np.random.default_rng(2)
    codes = np.repeat([0, 1, 0, 1, 0], [100, 60, 100, 90, 50])
    dates = pd.bdate_range("2003-01-01", periods=400, name="date")
    returns = pd.DataFrame(SD[codes][:, None] * rng.standard_normal((400, 3)), dates, list(SECTORS))
    history = LabelledHistory(returns, RegimeLabels.from_codes(codes, REGIMES, dates))
    plan = make_plan(as_portfolios(None, SECTORS), SECTORS, 2, None)
    rows = pd.DataFrame(history_rows(history, plan, 0, REGIMES, Writer("p", "history", 50, None), [1]))
    market = returns.mean(axis=1).to_numpy()
    es = rows[(rows["measure"] == "es") & (rows["level"] == 0.95) & (rows["horizon_days"] == 1)].iloc[0]
    worst = np.sort(-market[codes == 1])[::-1]
    share = 150 * 0.05
    assert es["value"] == pytest.approx((worst[:7].sum() + 0.5 * worst[7]) / share, rel=1e-5)
    assert es["std_error"] > 0
    spells = [market[100:160], market[260:350]]
    depth = np.mean([_drawdown(np.cumprod(np.append(1.0, 1 + x))) for x in spells])
    found = rows[(rows["measure"] == "max_drawdown") & rows["level"].isna()].iloc[0]
    assert found["value"] == pytest.approx(depth)

    one = history.episodes([(dates[100].date(), dates[159].date())])
    books = episode_books(history, one, plan)[0]
    table = pd.DataFrame(episode_rows(list(books.values()), Writer("p", "history", 60, None)))
    value = table[table["measure"] == "return"].iloc[0]
    assert value["value"] == pytest.approx(np.prod(1 + market[100:160]) - 1)
    assert np.isnan(value["std_error"])
    assert not history.episodes([(dates[0].date(), pd.Timestamp("2030-01-01").date())])


def _drawdown(path: np.ndarray) -> float:
    return float((path / np.maximum.accumulate(path) - 1).min())
