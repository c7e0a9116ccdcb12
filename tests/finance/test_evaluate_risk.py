# SPDX-License-Identifier: Apache-2.0
"""The risk section on processes of known truth, on odd windows, and on the embedded data."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import spade_finance as sf
from spade_finance.evaluate.coverage import kupiec
from spade_finance.evaluate.errors import episode_clusters
from spade_finance.evaluate.floor import resample
from spade_finance.evaluate.forecasts import from_paths
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.portfolios import Book, make_windows
from spade_finance.evaluate.risk_measures import coverage_table
from spade_finance.evaluate.risk_section import RiskSection
from spade_finance.evaluate.section import Material, SectionResult

SECTORS = ("A", "B", "C")
REGIMES = ("calm", "wild")
VOLATILITY = np.array([0.008, 0.025])


@dataclass
class Process:
    """Student-t returns of each regime's volatility, times `scale`; what a generator must offer."""

    scale: float = 1.0
    n_sectors: int = 3

    def sample(self, timeline: Any, n_paths: int, random_state: int) -> Any:
        """Paths under a timeline."""
        return SimpleNamespace(
            simple_array=self.draw(timeline.codes, n_paths, np.random.default_rng(random_state))
        )

    def draw(self, codes: np.ndarray, n_paths: int, rng: np.random.Generator) -> np.ndarray:
        """Simple returns (paths, days, sectors): a common factor and one's own, five degrees of freedom."""
        shape = (n_paths, len(codes))
        mixing = np.sqrt(3 / rng.chisquare(5, (*shape, 1)))
        both = rng.standard_normal((*shape, 1)) + rng.standard_normal((*shape, self.n_sectors))
        return np.expm1(self.scale * VOLATILITY[codes % 2][:, None] * mixing * both / 2**0.5)


def spells(n_days: int) -> np.ndarray:
    """Two regimes in turn, spells of 40 to 90 days."""
    lengths = np.random.default_rng(0).integers(40, 90, size=n_days // 40 + 1)
    return np.repeat(np.arange(len(lengths)) % 2, lengths)[:n_days].astype(np.int8)


def material(
    n_days: int = 1000,
    *,
    n_sectors: int = 3,
    regimes: tuple[str, ...] = REGIMES,
    labels: bool = True,
    generators: bool = True,
    seed: int = 1,
    names: tuple[str, ...] = ("model", "half"),
) -> Material:
    """Real days of the true process; "model" is that process, "half" has half its volatility."""
    rng = np.random.default_rng(seed)
    codes, sectors = spells(n_days), SECTORS[:n_sectors]
    kinds = {
        "model": Process(1.0, n_sectors),
        "half": Process(0.5, n_sectors),
        "twin": Process(1.0, n_sectors),
    }
    known = codes if labels else None

    def panel(process: Process, n_paths: int) -> Panel:
        return Panel.from_simple(process.draw(codes, n_paths, rng), sectors, regimes if labels else (), known)

    real = panel(kinds["model"], 1)
    return Material(
        real,
        resample(real, 32, random_state=2),
        {name: panel(kinds[name], 8) for name in names},
        {name: kinds[name] for name in names} if generators else {},
        panel(kinds["model"], 1) if generators else None,
        pd.bdate_range("2015-01-01", periods=n_days),
        None,
        None,
        seed,
    )


@pytest.fixture(scope="module")
def found() -> SectionResult:
    """The truth, its twin and half the volatility on a thousand days."""
    return RiskSection().measure(material(names=("model", "half", "twin")))


def cells(result: SectionResult, metric: str, column: str, **where: Any) -> pd.Series:
    """Values of a column on the rows of a metric."""
    rows = result.statistics[result.statistics["metric"] == metric]
    for key, value in where.items():
        rows = rows[rows[key].isna() if value is None else rows[key] == value]
    assert len(rows), f"no rows of {metric}"
    return rows[column].astype(float)


def test_the_truth_passes_and_half_the_volatility_fails_everywhere(found: SectionResult) -> None:
    for metric in ("coverage_adjusted_p", "acerbi_szekely_z2_adjusted_p"):
        assert cells(found, f"{metric}_95", "model").min() > 0.05
        assert (cells(found, f"{metric}_95", "half", horizon_days=1) < 0.01).all()
    assert (cells(found, "kupiec_p_99", "half") < 0.01).all()
    assert (cells(found, "acerbi_szekely_z2_97_5", "half", horizon_days=1) < -1).all()
    assert cells(found, "acerbi_szekely_z2_97_5", "model", horizon_days=1).abs().max() < 1
    assert (cells(found, "traffic_light_red_years", "half") == 4).all()
    assert (cells(found, "traffic_light_red_years", "model") == 0).all()


def test_hit_rates_are_the_closed_form_and_their_rows_agree_with_kupiec(found: SectionResult) -> None:
    # half the volatility puts the quantile of a t at half its place
    wrong = stats.t.cdf(stats.t.ppf(0.05, 5) / 2, 5)
    rates = cells(found, "hit_rate_95", "half", horizon_days=1, regime=None, asset="equal weight")
    assert rates.iloc[0] == pytest.approx(wrong, abs=0.04)
    row = found.statistics[
        (found.statistics["metric"] == "hit_rate_95")
        & (found.statistics["asset"] == "equal weight")
        & (found.statistics["horizon_days"] == 1)
        & found.statistics["regime"].isna()
    ].iloc[0]
    assert row["real"] == pytest.approx(0.05)
    assert row["real_low"] < row["model"] < row["real_high"] < row["half"]
    assert 0 < row["model:se"] < row["floor"]
    p = cells(found, "kupiec_p_95", "model", horizon_days=1, regime=None, asset="equal weight").iloc[0]
    assert p == pytest.approx(float(kupiec(round(row["model"] * 1000), 1000, 0.05)[1]))


def test_scores_prefer_the_truth_and_call_its_twin_equal(found: SectionResult) -> None:
    assert (cells(found, "dm_model_fz0_97_5_adjusted_p", "half") < 0.05).all()
    assert (cells(found, "dm_model_fz0_97_5_t", "half") < -3).all()
    assert (cells(found, "dm_model_fz0_97_5_adjusted_p", "twin") > 0.05).all()
    assert (cells(found, "dm_oracle_pinball_97_5_t", "half") > 3).all()
    table = next(e.table for e in found.exhibits if e.title == "Scores of VaR and ES")
    assert table is not None
    sets = table["in 90 % confidence set"]
    assert sets["half"] == "no"
    assert sets["model"].startswith("1") or sets["twin"].startswith("1")
    marked = [c for c in table.columns if "▲" in table.loc["half", c]]
    assert len(marked) == len(table.columns) - 1


def test_distances_are_near_the_floor_for_the_truth_and_far_for_half(found: SectionResult) -> None:
    rows = found.distances
    assert (rows["floor"] > 0).all()
    assert (rows[["model", "half", "twin"]].to_numpy(dtype=float) >= 0).all()
    ratio = {
        c: np.exp(np.log((rows[c] / rows["floor"]).clip(lower=0.25)).mean())
        for c in ("model", "twin", "half")
    }
    assert ratio["model"] < 2
    assert ratio["twin"] < 2
    assert ratio["half"] > 8
    assert {"hit_rate_95", "pinball_97_5", "fz0_97_5"} <= set(rows["metric"])


def test_the_page_gets_its_exhibits_and_plain_sentences(found: SectionResult) -> None:
    titles = [e.title for e in found.exhibits]
    assert titles == [
        "Coverage by regime", "Breaches in time", "Breaches by book and level", "Traffic light by year",
        "Scores of VaR and ES",
    ]  # fmt: skip
    coverage = found.exhibits[0].table
    assert coverage is not None
    assert list(coverage.columns[:3]) == ["all days", "calm", "wild"]
    cell = coverage.loc[("half", "99 %"), "all days"]
    assert cell.endswith("red")
    wild = coverage.loc[("model", "99 %"), "wild"]
    assert "not assessable" in wild  # 4 to 5 expected
    assert "Not forecasts" in found.exhibits[0].caption
    text = " ".join(found.findings)
    assert "0 reject model" in text
    assert "clearly better than half" in text
    hits = coverage.loc[("model", "99 %"), "all days"].split(" ")[0]
    assert f"{hits} breaches of model's VaR, 10.0 expected" in found.findings[0]


def test_the_same_seed_gives_the_same_rows_whoever_else_is_compared() -> None:
    both = material(200, n_sectors=2)
    first = RiskSection().measure(both)
    pd.testing.assert_frame_equal(RiskSection().measure(both).statistics, first.statistics)
    alone = Material(
        both.real,
        both.floor,
        {"half": both.columns["half"]},
        both.generators,
        both.training,
        both.dates,
        seed=1,
    )
    rates = cells(RiskSection().measure(alone), "hit_rate_95", "half")
    np.testing.assert_array_equal(rates, cells(first, "hit_rate_95", "half"))


def test_two_halves_of_one_process_are_rarely_called_different() -> None:
    codes, rng = spells(400), np.random.default_rng(5)
    book = Book(("a", "b"), np.array([[1.0, 0.0], [0.5, -0.5]]))
    paths = Process(n_sectors=2).draw(codes, 340, rng)
    rejected = 0
    for i in range(40):  # each of 40 paths is real once, the other 300 are the column
        windows = make_windows(paths[300 + i], book.weights, 1, codes, REGIMES, episode_clusters(codes))
        if i == 0:
            daily = np.einsum("ntd,pd->ptn", paths[:300], book.weights).astype(np.float32)
            forecast = from_paths(daily, windows, codes, n_groups=2)
        table = coverage_table({1: forecast}, {1: windows}, book)
        rejected += int((table[["hits_adjusted", "z2_adjusted"]].min(axis=None)) < 0.05)
    assert rejected <= 6  # 2 expected


def test_scenarios_without_a_generator_are_pooled_by_regime_and_say_so() -> None:
    result = RiskSection().measure(material(500, generators=False))
    assert any("nothing to draw paths" in note and "model, half" in note for note in result.notes)
    assert any("eigen portfolios are those of the real window" in note for note in result.notes)
    assert (cells(result, "coverage_adjusted_p_95", "half", horizon_days=1) < 0.01).all()
    assert cells(result, "coverage_adjusted_p_95", "model").min() > 0.05


def test_without_labels_there_are_no_regime_rows() -> None:
    result = RiskSection().measure(material(400, labels=False))
    assert result.statistics["regime"].isna().all()
    assert result.distances["regime"].isna().all()
    assert list(result.exhibits[0].table.columns[:2]) == ["all days", "ES: Z2 (p)"]


def test_one_sector_has_equal_weight_alone() -> None:
    result = RiskSection().measure(material(300, n_sectors=1))
    assert set(result.statistics["asset"]) == {"equal weight", "all books"}
    assert any("one sector" in note for note in result.notes)


def test_sixty_days_are_too_few_and_nothing_is_raised() -> None:
    result = RiskSection().measure(material(60))
    assert result.statistics.empty
    assert result.distances.empty
    assert any("1-day VaR is left out" in note for note in result.notes)
    short = RiskSection().measure(material(150))
    assert "hit_rate_99" not in set(short.statistics["metric"])
    assert any("5-day VaR is left out" in note for note in short.notes)


def test_a_regime_that_scenarios_never_enter_is_left_out_of_their_tests() -> None:
    whole = material(400, regimes=("calm", "wild", "worst"), generators=False, names=("model",))
    panel = whole.columns["model"]
    calm = Panel(
        panel.simple[:, :200], np.zeros(200, dtype=int), panel.segments[:200], SECTORS, panel.regimes
    )
    given = Material(whole.real, whole.floor, {"scenarios": calm}, dates=whole.dates)
    result = RiskSection().measure(given)
    n_wild = int((whole.real.codes == 1).sum())
    assert any(f"scenarios: no VaR on {n_wild} of 400 days" in note for note in result.notes)
    assert cells(result, "hit_rate_95", "scenarios", regime="wild").isna().all()
    assert cells(result, "fz0_95", "scenarios", regime=None).isna().all()


@pytest.mark.slow
def test_the_shipped_model_on_the_embedded_window() -> None:
    from spade_finance.baselines import make_baseline
    from spade_finance.baselines.base import aligned_codes

    model, returns = sf.ScenarioGenerator.load("default"), sf.load_sectors()
    first, last = model.training_window_
    labels = model.label(returns)
    past, window = returns.loc[first:last], returns.loc[last:].iloc[1:]
    codes = aligned_codes(labels, window.index)
    real = Panel.from_frame(window, labels.regimes, codes)
    training = Panel.from_frame(past, labels.regimes, aligned_codes(labels, past.index))
    generators = {"model": model, "regime_t": make_baseline("regime_t").fit(past, labels)}
    columns = dict.fromkeys(generators, real)
    result = RiskSection().measure(
        Material(
            real, resample(real, 64), columns, generators, training, window.index, past.index, model.label
        )
    )
    rates = cells(result, "hit_rate_95", "model", horizon_days=1, regime=None)
    assert rates.between(0.02, 0.09).all()
    assert np.isfinite(result.distances[["floor", "model", "regime_t"]].to_numpy(dtype=float)).all()
    assert len(result.findings) >= 5
