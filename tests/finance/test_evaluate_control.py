# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.evaluate import control_constant, control_pulse, control_sector, control_severity
from spade_finance.evaluate.control import Laboratory, Levels
from spade_finance.evaluate.control_real import RealDays, bootstrapped, own_response
from spade_finance.evaluate.control_section import ControlSection
from spade_finance.evaluate.known_days import known_dates, known_days, own_codes
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import SectionResult

from .known_generators import DAILY, REGIMES, SECTORS, Known, material, spells

WORST_OVER_CALM = float(np.log(DAILY[2] / DAILY[0]))
CODES = np.repeat([0, 1, 0, 2, 1, 2, 0, 1], 40)


@pytest.fixture(scope="module")
def found() -> SectionResult:
    """The section on generators with known answers."""
    generators = {
        "model": Known(),
        "late": Known(lag=5, heed=False),
        "early": Known(lead=5),
        "deaf": Known(heed=False, power=0.0, soft=False),
        "half": Known(power=0.5, leak=0.25),
        "loud": Known(scale=1.25, trend=0.001),
    }
    return ControlSection(n_paths=40).measure(material(generators, CODES, spells(30, 2), n_paths=2))


def value(found: SectionResult, metric: str, column: str, regime: str | None = None) -> float:
    rows = found.statistics[found.statistics["metric"] == metric]
    rows = rows[rows["regime"].isna() if regime is None else rows["regime"] == regime]
    assert len(rows) == 1
    return float(rows.iloc[0][column])


@pytest.mark.parametrize("n", control_pulse.PULSES)
def test_inside_a_pulse(found: SectionResult, n: int) -> None:
    """The twin has the same random numbers, so the effect is exact and not only about right."""
    assert value(found, f"pulse_inside_{n}", "model") == pytest.approx(WORST_OVER_CALM, abs=1e-9)
    if n == 5:  # five days late is all too late
        assert value(found, "pulse_inside_5", "late") == 0.0
    else:
        assert 0 < value(found, f"pulse_inside_{n}", "late") < WORST_OVER_CALM - 0.01


@pytest.mark.parametrize("n", control_pulse.PULSES)
def test_outside_a_pulse(found: SectionResult, n: int) -> None:
    """Five of the twenty days on one side carry the pulse: log of the root of the mean of 5 r^2 + 15, over 20."""
    spilt = 0.5 * np.log((5 * (DAILY[2] / DAILY[0]) ** 2 + 15) / 20)
    for side in ("before", "after", "rest"):
        assert value(found, f"pulse_{side}_{n}", "model") == 0.0
    assert value(found, f"pulse_after_{n}", "late") == pytest.approx(spilt, abs=0.12)
    assert value(found, f"pulse_before_{n}", "early") == pytest.approx(spilt, abs=0.12)
    assert value(found, f"pulse_before_exact_{n}", "model") == 0.0
    assert value(found, f"pulse_before_exact_{n}", "late") == 0.0
    assert value(found, f"pulse_before_exact_{n}", "early") > 0.01


def test_constant_maps(found: SectionResult) -> None:
    level = value(found, "constant_volatility", "model", "crisis")
    error = value(found, "constant_volatility", "model:se", "crisis")
    assert level == pytest.approx(DAILY[2] * np.sqrt(252 * (0.3 + 0.7 / 3)), abs=4 * error)
    assert value(found, "constant_range", "model") == pytest.approx(WORST_OVER_CALM, abs=1e-9)
    # .001 a day over 384 days between the quarters
    for regime in REGIMES:
        assert value(found, "constant_drift", "loud", regime) - value(
            found, "constant_drift", "model", regime
        ) == (pytest.approx(0.384, abs=0.01))
    assert value(found, "constant_level_error", "loud") > value(found, "constant_level_error", "model") + 0.2
    scored = found.distances.set_index("regime")
    assert (scored["floor"] > 0).all()
    assert (scored["model"] < 3.5 * scored["floor"]).all()
    assert (scored["loud"] > 3 * scored["floor"]).all()


def test_repainted_sectors(found: SectionResult) -> None:
    """The market's regime is the calmest, for history has no labels of sectors here."""
    assert value(found, "sector_own", "model") == pytest.approx(WORST_OVER_CALM, abs=1e-9)
    assert value(found, "sector_leak", "model") == 0.0
    assert value(found, "sector_leak", "half") == pytest.approx(0.25 * WORST_OVER_CALM, abs=1e-9)
    assert value(found, "sector_largest", "half") == pytest.approx(0.25 * WORST_OVER_CALM, abs=1e-9)
    assert value(found, "sector_before", "model") == 0.0
    assert value(found, "sector_before", "early") > 0.05
    for column in ("late", "deaf"):
        assert value(found, "sector_own", column) == 0.0
    assert any(note.startswith("late, deaf: the same returns with and without") for note in found.notes)


@pytest.mark.parametrize("regime", ["bull", "crisis"])
@pytest.mark.parametrize(("column", "slope"), [("model", 1.0), ("half", 0.5), ("deaf", 0.0)])
def test_severity(found: SectionResult, regime: str, column: str, slope: float) -> None:
    assert value(found, "severity_slope", column, regime) == pytest.approx(slope, abs=1e-9)
    if column == "deaf":
        assert any(note.startswith("deaf: severity is ignored") for note in found.notes)


def test_blends(found: SectionResult) -> None:
    """Log volatility linear in the weight: nearly even steps; the heaviest regime alone: one jump."""
    error = value(found, "blend_smallest_step", "model:se")
    assert value(found, "blend_smallest_step", "model") > WORST_OVER_CALM / 12 - 3 * error
    assert value(found, "blend_largest_share", "model") < 0.4
    assert value(found, "blend_largest_share", "deaf") > 0.6
    assert value(found, "blend_smallest_step", "deaf") < 0.1


def test_what_the_reader_gets(found: SectionResult) -> None:
    table = found.exhibits[0].table
    assert table is not None
    assert list(table.columns)[:3] == ["ideal", "real", "model"]
    assert len(table) == 18
    assert all(e.figure is not None for e in found.exhibits[1:])
    pulse = found.exhibits[1].figure
    assert pulse is not None
    levels = sorted({round(shape.y0, 6) for shape in pulse.layout.shapes if shape.type == "line"})
    assert levels[1] / levels[0] == pytest.approx(DAILY[2] / DAILY[0], rel=0.1)
    assert [shape.x1 for shape in pulse.layout.shapes if shape.type == "rect"] == [4.5, 9.5, 39.5, 119.5]
    assert "nothing moves before a pulse" in found.findings[1]
    assert "slope of 1.00" in found.findings[3]
    assert any("shown and not scored" in note for note in found.notes)


def test_levels_and_their_errors() -> None:
    """Standard error of log volatility from n Gaussians is 1 / sqrt(2 n); the jackknife over paths finds it."""
    x = np.random.default_rng(0).standard_normal((400, 25, 1))
    value, error = Levels.of(x, [slice(None)]).number()
    assert value == pytest.approx(np.log(np.sqrt(252 * (x**2).mean())))
    assert error == pytest.approx(1 / np.sqrt(2 * 10_000), rel=0.3)
    assert np.isnan(Levels.of(x[:1], [slice(None)]).number()[1])


def history(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Market regime, sectors' own regimes, returns whose volatility is that of the sector's own label alone."""
    rng = np.random.default_rng(seed)
    codes = spells(120, seed)
    own = np.column_stack([np.where(rng.random(len(codes)) < 0.2, rng.permutation(spells(130, s)[: len(codes)]), codes)
                           for s in range(3)])  # fmt: skip
    return codes, own, DAILY[own] * rng.standard_normal(own.shape)


def test_real_response_of_a_sector_in_trouble_of_its_own() -> None:
    codes, own, returns = history()
    panel = Panel.from_simple(returns[None], SECTORS, REGIMES, codes)
    real = RealDays.of(panel, own)
    response, spill, n_days, n_spells = own_response(real, 1, 2, np.random.default_rng(0))
    # written out: a sector's days in crisis with the market in bear, over all its days of market bear
    parts = []
    for i in range(3):
        bear, hit = codes == 1, (codes == 1) & (own[:, i] == 2)
        parts.append(
            (np.log(np.sqrt((returns[hit, i] ** 2).mean() / (returns[bear, i] ** 2).mean())), hit.sum())
        )
    assert n_days == sum(n for _, n in parts)
    assert n_spells == len(np.unique(real.spell[(codes == 1) & (own == 2).any(1)]))
    assert response.value == pytest.approx(np.average([v for v, _ in parts], weights=[n for _, n in parts]))
    assert response.low < response.value < response.high
    # the others' volatility is their own label's business alone, and those labels are compared like with like
    assert abs(spill.value) < 3 * spill.floor


def test_too_little_history_says_nothing() -> None:
    codes, own, returns = history()
    real = RealDays.of(Panel.from_simple(returns[None], SECTORS, REGIMES, codes), np.where(own == 2, 1, own))
    response, spill, n_days, _ = own_response(real, 1, 2, np.random.default_rng(0))
    assert n_days == 0
    assert not response.known
    assert not spill.known
    assert not dataclasses.replace(real, own=None).level(5, np.random.default_rng(0)).known


def test_bootstrap_of_episodes_finds_the_error_of_a_mean() -> None:
    rng = np.random.default_rng(1)
    level = rng.standard_normal(60)
    rows = (level[:, None] + np.zeros(20)).reshape(-1, 1)  # days of an episode are one observation
    got = bootstrapped(lambda x: float(x.mean()), rows, np.repeat(np.arange(60), 20), rng)
    error = level.std(ddof=1) / np.sqrt(60)
    assert got.floor == pytest.approx(np.sqrt(2 / np.pi) * error, rel=0.15)
    assert got.high - got.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert np.isnan(bootstrapped(lambda x: float(x.mean()), rows, np.zeros(1200, dtype=int), rng).low)


def test_all_labelled_days() -> None:
    training = spells(20, 9)
    given = material({"model": Known()}, CODES, training, n_paths=2)
    panel, dates = known_days(given), known_dates(given)
    assert dates is not None
    assert panel.n_days == len(training) + len(CODES) == len(dates)
    np.testing.assert_array_equal(panel.codes, np.concatenate([training, CODES]))
    assert len(np.unique(panel.segments)) == 1  # the window follows on the training days
    assert own_codes(given) is None
    assert given.training_dates is not None
    late = dataclasses.replace(given, dates=given.dates + pd.Timedelta(days=30))
    assert len(np.unique(known_days(late).segments)) == 2
    seen = dataclasses.replace(given, dates=dates[-len(CODES) - 5 : -5])
    assert known_days(seen).n_days == len(training) - 5 + len(CODES)  # days of both count once
    assert known_days(dataclasses.replace(given, training=None)).n_days == len(CODES)


def test_sectors_labels_of_history_are_read() -> None:
    training = spells(60, 9)
    every = np.concatenate([training, CODES])
    own = np.column_stack([every] * 3)
    own[every == 1, 0] = 2
    given = material({"model": Known()}, CODES, training, n_paths=2, own=own)
    np.testing.assert_array_equal(own_codes(given), own)
    lab = Laboratory(given, 8)
    readings = control_sector.repainted(lab, RealDays.everything(given), lab.notes)
    assert "market bear" in readings[0].test
    assert readings[0].columns["model"][0] == pytest.approx(np.log(DAILY[2] / DAILY[1]))
    assert readings[0].real.value == pytest.approx(0.0, abs=1e-12)  # every day of bear is such a day


def test_what_cannot_be_asked_is_noted() -> None:
    given = material({"model": Known()}, CODES, n_paths=2)
    assert "cannot be asked" in ControlSection().measure(dataclasses.replace(given, generators={})).notes[0]
    blank = dataclasses.replace(given, real=Panel.from_simple(given.real.simple[..., 1:], SECTORS))
    assert "no labels" in ControlSection().measure(blank).notes[0]
    narrow = material({"model": Known(severity_range_=(0.99, 1.01))}, CODES, n_paths=2, sectors=("A",))
    lab = Laboratory(narrow, 4)
    assert control_sector.repainted(lab, RealDays.window(narrow), lab.notes) == []
    assert not len(control_severity.asked_severities(lab, lab.notes))
    assert ["one sector" in lab.notes[0], "too narrow" in lab.notes[1]] == [True, True]


def test_a_column_that_refuses_a_regime_is_left_out_and_named() -> None:
    given = material({"model": Known(), "block": Known(refuses=2)}, CODES, n_paths=2)
    lab = Laboratory(given, 4)
    window = RealDays.window(given)
    found = control_constant.constant_maps(lab, window, window)
    rows = {(r.metric, r.regime): r for r in found.readings}
    assert set(rows["constant_volatility", "crisis"].columns) == {"model"}
    assert set(rows["constant_volatility", "bear"].columns) == {"model", "block"}
    assert lab.notes == ["block is left out of some experiments: regime 2 was never seen"]
    assert set(control_pulse.pulses(lab, window).readings[0].columns) == {"model"}


def test_severity_is_asked_within_the_trained_range() -> None:
    asked: list[float] = []

    class Listening(Known):
        def sample(self, timeline: Any, n_paths: int, random_state: int) -> Any:
            asked.extend(timeline.severity[:1])
            return super().sample(timeline, n_paths, random_state)

    given = material({"model": Known()}, CODES, n_paths=2)
    listening = Listening(severity_range_=(0.7, 3.0))
    lab = Laboratory(dataclasses.replace(given, generators={"model": listening}), 4)
    control_severity.severities_and_blends(lab, lab.notes)
    assert 0.7 < min(asked) < 0.71
    assert 1.99 < max(asked) < 2.0
