# SPDX-License-Identifier: Apache-2.0
"""Novelty: copies, rounded copies, loud copies, new windows; verbatim matches against a loop; dispersion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spade_finance.evaluate.novelty import nearest_distances, verbatim_matches
from spade_finance.evaluate.novelty_section import NoveltySection
from spade_finance.evaluate.panel import Panel

from .distance_doubles import draw, make_codes, make_material, panel

RNG = np.random.default_rng(0)
TRAINING = RNG.normal(0, 0.01, (400, 3))


def test_verbatim_matches_are_a_loops() -> None:
    x = RNG.normal(0, 0.01, (2, 60, 3))
    x[0, 5:12] = TRAINING[100:107]
    x[0, 12:15] = TRAINING[40:43]  # another piece: no stretch of eight
    x[1, 30] = TRAINING[7]
    x[1, 50:60] = np.expm1(
        np.log1p(TRAINING[390:400]).astype(np.float32).astype(np.float64)
    )  # as a file keeps it
    x[1, 20] = TRAINING[9] + [0, 0, 1e-5]  # one sector is another day's
    segments = np.repeat([0, 1], 30)
    lengths = (1, 3, 5, 10)
    found = verbatim_matches(x, segments, TRAINING, lengths)
    for p in range(2):
        for j, k in enumerate(lengths):
            places = [t for t in range(60 - k + 1) if segments[t] == segments[t + k - 1]]
            hits = [
                t
                for t in places
                if any(np.abs(x[p, t : t + k] - TRAINING[i : i + k]).max() < 2e-7 for i in range(400 - k + 1))
            ]
            assert found[p, j] == pytest.approx(len(hits) / len(places))
    assert found[0, 2] > 0
    assert found[1, 3] > 0
    assert np.isnan(verbatim_matches(x[:, :4], segments[:4], TRAINING, (10,))).all()


def test_repeated_values_hide_no_match() -> None:
    """One sector with many zero days: every training day that matches is tried, not the first alone."""
    training = np.zeros((50, 1))
    training[30:33, 0] = [0.01, -0.02, 0.03]
    x = np.array([[[0.0], [0.01], [-0.02], [0.03]]])
    assert verbatim_matches(x, np.zeros(4, int), training, (4,))[0, 0] == 1.0


def test_nearest_neighbours_know_copies_and_do_not_see_volume() -> None:
    index = np.stack([TRAINING[i : i + 10] for i in range(391)])
    fresh = np.random.default_rng(5).normal(0, 0.01, (40, 10, 3))
    assert nearest_distances(index[::40], index).max() < 1e-3
    np.testing.assert_allclose(
        nearest_distances(fresh, index), nearest_distances(3 * fresh, index), atol=1e-5
    )
    unit = fresh[0] / np.linalg.norm(fresh[0])
    by_hand = min(np.linalg.norm(unit - w / np.linalg.norm(w)) for w in index)
    assert nearest_distances(fresh[:1], index)[0] == pytest.approx(by_hand, abs=1e-5)
    assert nearest_distances(np.zeros((1, 10, 3)), index)[0] == pytest.approx(np.sqrt(2))


def test_section_tells_new_from_copied_and_narrow_from_wide() -> None:
    codes = make_codes(1200, 1)
    material = make_material(
        narrow=draw(codes, 16, 20, scale=0.5, spread=0.0), wide=draw(codes, 16, 21, scale=2.0, spread=0.0)
    )
    assert material.training is not None
    rng = np.random.default_rng(6)
    start = rng.integers(0, 1500 - 1200, 16)
    copies = np.stack([material.training.simple[0, s : s + 1200, 1:] for s in start])
    columns = dict(material.columns) | {"copy": panel(copies, codes), "loud_copy": panel(1.5 * copies, codes)}
    result = NoveltySection().measure(replace(material, columns=columns))
    rows = result.statistics.set_index(["metric", "horizon_days"])
    novelty = rows.xs("novelty_ratio", level="metric").iloc[0]
    for name in ("model", "narrow", "wide"):
        assert novelty[name] == pytest.approx(1.0, abs=0.02), name
    assert novelty["copy"] < 0.01
    assert novelty["loud_copy"] < 0.05
    verbatim = rows.xs("verbatim_share", level="metric")
    assert (verbatim["copy"] == 1.0).all()
    assert (verbatim[["model", "loud_copy", "real"]] == 0.0).all().all()
    spread = rows.xs("dispersion_ratio", level="metric").iloc[0]
    assert abs(spread["model"] - 1) < 3 * spread["model:se"]
    assert spread["narrow"] < 0.9 < 1.1 < spread["wide"]
    assert result.distances.empty
    assert "copying: copy 0.00, loud_copy" in result.findings[0]
    assert [e.title for e in result.exhibits] == ["Novelty against dispersion", "Novelty and dispersion"]


def test_section_says_what_it_cannot_know() -> None:
    material = make_material(60, 4, n_resamples=8)
    blind = NoveltySection().measure(replace(material, training=None))
    assert blind.statistics.empty
    assert any("no training days" in note for note in blind.notes)
    short = NoveltySection().measure(material)
    assert any("too few days" in note for note in short.notes)
    assert any("no dispersion ratio" in note for note in short.notes)


def test_windows_of_joined_scenarios_stay_inside_them() -> None:
    material = make_material(400, 8, n_resamples=12)
    whole = material.columns["model"]
    codes = np.tile(np.asarray(whole.codes)[:200], (8, 1))
    joined = Panel(whole.simple[:, :200], codes, np.repeat([0, 1], 100), whole.sectors, whole.regimes)
    result = NoveltySection().measure(replace(material, columns={"scenarios": joined}))
    row = result.statistics.iloc[0]
    assert row["metric"] == "novelty_ratio"
    assert row["scenarios"] == pytest.approx(1.0, abs=0.05)
    assert "dispersion_ratio" not in set(result.statistics["metric"])


def test_bootstraps_of_the_embedded_data_are_found_out() -> None:
    """The study's figures: .5 to .6 for block bootstraps, whatever their scale, 1 for parametric models."""
    from spade_finance.baselines import make_baseline
    from spade_finance.data import load_sectors
    from spade_finance.evaluate.floor import resample
    from spade_finance.evaluate.section import Material
    from spade_finance.regimes.labels import RegimeLabels

    returns = load_sectors().loc["1998":"2012"]
    volatility = returns.mean(axis=1).rolling(41, center=True, min_periods=5).std()
    codes = np.searchsorted(volatility.quantile([0.5, 0.9]), volatility).astype(np.int8)
    names = ("calm", "normal", "wild")
    labels = RegimeLabels.from_codes(codes, names, returns.index)
    cut = returns.index.searchsorted(np.datetime64("2010-01-01"))
    train, test, asked = returns.iloc[:cut], returns.iloc[cut:], codes[cut:]
    columns = {}
    for name in ("regime_t", "block_bootstrap", "block_bootstrap_scaled"):
        drawn = make_baseline(name).fit(train, labels).sample(asked, n_paths=8, random_state=1)
        columns[name] = Panel.from_simple(drawn.simple_array, tuple(test.columns), names, asked)
    real = Panel.from_frame(test, names, asked)
    material = Material(
        real, resample(real, 16), columns, training=Panel.from_frame(train, names, codes[:cut])
    )
    row = NoveltySection().measure(material).statistics.iloc[0]
    assert row["regime_t"] == pytest.approx(1.0, abs=0.05)
    assert 0.35 < row["block_bootstrap"] < 0.75
    assert 0.35 < row["block_bootstrap_scaled"] < 0.8
