# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats

from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.switch import (
    BEFORE,
    CURVES,
    OFFSETS,
    binned,
    drawn,
    find_events,
    kind_of,
    l_skewness,
    log_volatility,
    mean_correlation,
    skewness,
    switches,
)
from spade_finance.evaluate.switch_measures import KindMeasures, excess
from spade_finance.evaluate.switch_section import SwitchSection

from .known_generators import DAILY, RHO, Known, material, panel_of, spells

VOLATILITY = CURVES[0]


def test_windows_stop_at_the_next_change_and_at_borders() -> None:
    codes = np.repeat([0, 1, 0, 2], [30, 8, 40, 50])
    segments = np.zeros(len(codes), dtype=int)
    assert find_events(codes, segments) == [(30, 20, 38), (38, 30, 58), (78, 68, 98)]
    segments[78:] = 1  # the last change is a seam, not an event
    assert find_events(codes, segments) == [(30, 20, 38), (38, 30, 58)]
    segments[50:] = 1  # and a border inside a window cuts it
    assert find_events(codes, segments)[1] == (38, 30, 50)


@pytest.mark.parametrize(
    ("old", "new", "kind"), [(0, 2, 0), (1, 2, 0), (2, 0, 1), (2, 1, 1), (0, 1, 2), (1, 0, 3)]
)
def test_kinds_of_change(old: int, new: int, kind: int) -> None:
    assert kind_of(old, new, 3) == kind


def test_every_day_stands_at_its_offset_and_nowhere_else() -> None:
    codes = np.repeat([0, 1, 0], [30, 8, 40])
    simple = (np.arange(2 * len(codes), dtype=float) / 1000).reshape(2, len(codes), 1)
    found = switches(Panel.from_simple(simple, ["A"], ["bull", "bear"], codes))
    assert found.common
    for event, (day, first, last) in enumerate([(30, 20, 38), (38, 30, 58)]):
        for p, t in itertools.product(range(2), OFFSETS):
            value = found.returns[p, event, t + BEFORE, 1]
            inside = first <= day + t < last
            assert value == simple[p, day + t, 0] if inside else np.isnan(value)


def test_statistics_agree_with_other_sources() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 5)) ** 3 / 100
    x[0, 1, 2:] = np.nan
    market = [row[np.isfinite(row)] for row in x[..., 0].reshape(2, -1)]
    np.testing.assert_allclose(log_volatility(x), [np.log(np.sqrt(252 * (m**2).mean())) for m in market])
    np.testing.assert_allclose(skewness(x), [stats.skew(m) for m in market])
    # L-moments as expectations over all samples of two and three (Hosking 1990, definition 2.1)
    for value, m in zip(l_skewness(x), market, strict=True):
        second = np.mean([max(a) - min(a) for a in itertools.combinations(m, 2)]) / 2
        third = np.mean([c - 2 * b + a for a, b, c in map(sorted, itertools.combinations(m, 3))]) / 3
        assert value == pytest.approx(third / second)
    for value, rows in zip(mean_correlation(x), x[..., 1:].reshape(2, -1, 4), strict=True):
        r = rows[np.isfinite(rows[:, 0])]
        second = r.T @ r / len(r)
        scale = np.sqrt(np.diag(second))
        off = ~np.eye(4, dtype=bool)
        assert value == pytest.approx(second[off].sum() / np.outer(scale, scale)[off].sum())


def test_too_few_days_have_no_shape() -> None:
    x = np.full((1, 1, 4, 3), np.nan)
    x[0, 0, :2] = 0.01
    assert np.isnan(skewness(x)).all()
    assert np.isnan(l_skewness(x)).all()
    assert np.isnan(mean_correlation(x[..., :2])).all()  # one sector
    assert np.isnan(log_volatility(np.full((1, 1, 4, 3), np.nan))).all()


def test_known_curve_of_a_regime_change() -> None:
    """Volatility steps from one regime's to the other's on day 0; the correlation stays what it is."""
    codes = np.tile(np.repeat([0, 2], 40), 12)
    found = switches(panel_of(Known(), codes, 200, 1))
    stack = found.of(0)
    market = np.sqrt(RHO + (1 - RHO) / 3)  # of the mean of three sectors of correlation RHO
    curve = np.log(np.exp(2 * drawn(stack, VOLATILITY)).mean(0)) / 2  # squares have no small-sample bias
    expected = np.log(np.sqrt(252) * market * np.where(OFFSETS < 0, DAILY[0], DAILY[2]))
    np.testing.assert_allclose(curve, expected, atol=0.02)
    np.testing.assert_allclose(drawn(stack, CURVES[1]).mean(0), RHO, atol=0.02)
    np.testing.assert_allclose(drawn(stack, CURVES[2]).mean(0), 0.0, atol=0.01)


def test_floor_is_the_sampling_error_of_the_events() -> None:
    """Mean absolute error of log volatility from 20 events of 5 days: sqrt(2 / pi) / sqrt(2 n), n = 100 Gaussians."""
    floors = []
    for seed in range(12):
        real = switches(panel_of(Known(), np.tile(np.repeat([0, 1], 30), 20), 1, seed))
        measures = KindMeasures.of(0, real, {}, np.random.default_rng(seed))
        assert measures is not None
        floors.append(measures.floor(VOLATILITY))
        n = 5 * measures.n_events
    assert np.mean(floors) == pytest.approx(np.sqrt(2 / np.pi) / np.sqrt(2 * n), rel=0.1)


def test_section_tells_late_from_prompt_and_finds_equals_equal() -> None:
    codes = spells(50, 1)
    columns = {"model": Known(), "late": Known(lag=5), "loud": Known(scale=1.3)}
    found = SwitchSection().measure(material(columns, codes, n_paths=8))
    table = found.distances.set_index("metric")
    for kind in ("into_worst", "out_of_worst", "worse", "calmer"):
        row = table.loc[f"switch_volatility_{kind}"]
        assert row["model"] < 2.2 * row["floor"]
        assert row["late"] > 1.5 * row["model"]
        assert row["loud"] > 1.5 * row["model"]
        row = table.loc[
            f"switch_correlation_{kind}"
        ]  # a late answer does not change what sectors have in common
        assert row["late"] < 2.5 * row["floor"]
    assert np.isnan(table.filter(like="switch_skew_", axis=0)["floor"]).all()
    assert "ahead of the nearest baseline" in found.findings[0]
    after = found.statistics.set_index("metric").loc["switch_volatility_first_week_into_worst"]
    assert after["real_low"] < after["real"] < after["real_high"]
    assert after["late"] < after["real_low"]
    assert [e.figure is None for e in found.exhibits] == [True, False]


def test_intervals_cover_the_truth() -> None:
    """95 % intervals of first-week volatility from 12 events: a percentile bootstrap of few covers a little less."""
    truth = np.log(np.sqrt(252) * DAILY[1] * np.sqrt(RHO + (1 - RHO) / 3))
    codes = np.tile(np.repeat([0, 1, 2], 25), 12)
    first_week = [(0, 5)]
    covered = 0
    for seed in range(60):
        real = switches(panel_of(Known(), codes, 1, seed))
        measures = KindMeasures.of(2, real, {}, np.random.default_rng(seed))
        assert measures is not None
        assert measures.n_events == 12
        assert measures.resamples is not None
        value = binned(measures.real, VOLATILITY, first_week)[0]
        low, high = measures.interval(value, binned(measures.resamples, VOLATILITY, first_week))
        covered += bool(low[0] < truth < high[0])
    assert 0.85 <= covered / 60 <= 1.0


def test_two_halves_of_one_process_are_equal() -> None:
    """Over seeds the excess is about one, and its error covers the difference of two equals."""
    ratios, differences, own = [], [], []
    for seed in range(5):
        codes = spells(30, 10 + seed)
        real = switches(panel_of(Known(), codes, 1, 50 + seed))
        columns = {
            n: switches(panel_of(Known(), codes, 8, s)) for n, s in (("a", 60 + seed), ("b", 80 + seed))
        }
        rng = np.random.default_rng(0)
        kinds = [m for k in range(4) if (m := KindMeasures.of(k, real, columns, rng)) is not None]
        found = excess(kinds)
        assert found is not None
        ratios.append(found.ratio["a"])
        differences.append(found.log_difference["b"])
        own.append(found.log_difference["a"])
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.25)
    assert all(abs(value) < 4 * error for value, error in differences)
    assert own == [(0.0, 0.0)] * 5


def test_rare_changes_are_shown_on_all_days_and_not_scored() -> None:
    codes = np.repeat([0, 1, 0, 1, 0, 1, 0, 1, 0, 2, 0], 30)
    given = material({"model": Known(), "block": Known(refuses=2)}, codes, spells(40, 3))
    found = SwitchSection().measure(given)
    table = found.distances.set_index("metric")
    assert np.isnan(table.loc["switch_volatility_into_worst", "floor"])
    assert np.isfinite(table.loc["switch_volatility_worse", "floor"])
    row = table.loc["switch_volatility_into_worst_history"]
    assert np.isnan(row["floor"])
    assert row["model"] < 0.2
    assert np.isnan(row["block"])
    assert any("block has no curves over training days" in note for note in found.notes)
    assert any("into crisis 1 (all labelled days:" in f for f in found.findings)
    assert sum(e.figure is not None for e in found.exhibits) == 2


def test_what_cannot_be_said_is_noted() -> None:
    codes = spells(20, 4, n_regimes=2)
    given = material({"model": Known()}, codes, sectors=("A",))
    found = SwitchSection().measure(given)
    assert not found.distances["metric"].str.contains("correlation").any()
    assert set(found.distances["metric"]) >= {
        "switch_volatility_into_worst",
        "switch_volatility_out_of_worst",
    }
    blank = dataclasses.replace(given, real=Panel.from_simple(given.real.simple[..., 1:], ["A"]))
    assert SwitchSection().measure(blank).notes[0].startswith("no labels")
    still = material({"model": Known()}, np.r_[np.full(80, 2)])
    assert "never change" in SwitchSection().measure(still).notes[-1]


def test_scenarios_with_timelines_of_their_own() -> None:
    codes = spells(30, 5)
    given = material({}, codes)
    rows = np.stack([spells(70, 100 + i)[: len(codes)] for i in range(6)])
    paths = [panel_of(Known(), row, 1, i).simple[0, :, 1:] for i, row in enumerate(rows)]
    own = Panel.from_simple(np.stack(paths), given.real.sectors, given.real.regimes, rows)
    found = SwitchSection().measure(dataclasses.replace(given, columns={"scenarios": own}))
    row = found.distances.set_index("metric").loc["switch_volatility_into_worst"]
    assert row["scenarios"] < 2.5 * row["floor"]
    assert any("changes of regime of their own" in note for note in found.notes)
