# SPDX-License-Identifier: Apache-2.0
"""KS and W1 against scipy, the energy score against closed forms and broken generators, signature MMD."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from spade_finance.evaluate.distance_parts import MIN_WINDOWS, energy_part, marginal_part, shaping
from spade_finance.evaluate.distances import distances, noise, summed
from spade_finance.evaluate.distances_section import DistancesSection
from spade_finance.evaluate.energy import WINDOW_DAYS, MapScores, energy_terms, features, is_aligned
from spade_finance.evaluate.errors import jackknife_spread
from spade_finance.evaluate.likeness_parts import signature_part

from .distance_doubles import draw, make_codes, make_material, panel

CODES = make_codes(1200, 1)


def test_ks_and_w1_are_scipys() -> None:
    rng = np.random.default_rng(0)
    made, real = rng.standard_t(4, (4000, 2)), rng.standard_normal((700, 2))
    made[::7] = real[:572]  # ties must not disturb
    found = distances(made, np.arange(4000) // 100, real)
    for a in range(2):
        assert found.ks[a] == pytest.approx(stats.ks_2samp(made[:, a], real[:, a]).statistic, abs=1e-12)
        w1 = stats.wasserstein_distance(made[:, a], real[:, a]) / real[:, a].std()
        assert found.w1[a] == pytest.approx(w1, rel=0.02)


def test_errors_of_distances_are_those_of_repeated_draws() -> None:
    """Paths with a level of their own: errors must be clustered, independent days would give a third of them."""
    real = np.random.default_rng(1).standard_normal((600, 1))
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = 1.3 * np.exp(0.4 * rng.standard_normal((40, 1))) * rng.standard_normal((40, 100))
        found.append(distances(x.reshape(-1, 1), np.repeat(np.arange(40), 100), real))
    for value, error in (("ks", "ks_se"), ("w1", "w1_se")):
        spread = np.std([getattr(d, value)[0] for d in found], ddof=1)
        claimed = np.mean([getattr(d, error)[0] for d in found])
        assert 0.7 * spread < claimed < 1.4 * spread


def test_noise_is_each_path_against_all() -> None:
    x = np.random.default_rng(2).standard_normal((3, 50, 1))
    ks, _ = noise(x.reshape(-1, 1), np.repeat(np.arange(3), 50))
    for p in range(3):
        assert ks[p, 0] == pytest.approx(stats.ks_2samp(x[p, :, 0], x.ravel()).statistic)


def test_sums_stay_inside_segments() -> None:
    x = np.arange(24.0).reshape(2, 12, 1)
    values, path = summed(x, 3, np.repeat([0, 1], 6), stride=2)
    by_hand = [
        (p, sum(x[p, t : t + 3, 0])) for p in range(2) for t in range(0, 10, 2) if t // 6 == (t + 2) // 6
    ]
    assert [(p, v) for p, v in zip(path, values[:, 0], strict=True)] == by_hand


def test_ks_tells_scale_from_shape_and_calls_equal_laws_equal() -> None:
    material = make_material(
        n_resamples=24,
        louder=draw(CODES, 10, 5, scale=1.6, spread=0.0),
        thin=draw(CODES, 10, 6, degrees=np.inf, spread=0.0),
    )
    part, exact = marginal_part(material, shaping(material))
    rows = {(r["metric"], r["asset"], r["horizon_days"]): r for r in part.distances}
    raw, shape = rows["ks", "sectors", 1], rows["shape_ks", "sectors", 1]
    assert raw["model"] < 2 * raw["floor"]
    assert shape["model"] < 2 * shape["floor"]
    assert raw["louder"] > 3 * raw["floor"]
    assert shape["louder"] < 2 * shape["floor"]
    assert shape["thin"] > 1.25 * shape["model"]
    assert set(exact) == {"1", "5", "20", "shape_1", "shape_5", "shape_20"}


def test_energy_terms_give_the_crps_of_the_gaussian() -> None:
    """In one dimension the energy score is the CRPS, known in closed form for the standard Gaussian."""
    y = np.array([0.0, 1.0, -2.0])
    x = np.random.default_rng(3).standard_normal((20_000, 3, 1))
    score = energy_terms({"a": x}, {"a": y.reshape(1, 3, 1)}).score["a"]
    crps = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(score, crps, atol=0.015)


def test_ratios_and_their_jackknife_are_a_loops() -> None:
    material = make_material()
    scores = MapScores(material.real, material.real)
    terms = scores.terms(material.columns["model"].log)
    value, left_out = scores.ratio(terms.pair, terms.cross, k=2, block="weeks")
    middle = scores.codes[np.arange(scores.days // 5) * 5 + 2] == 2
    top, bottom = terms.pair["weeks"], terms.cross["weeks"]
    assert value == pytest.approx(top[middle].sum() / bottom[middle].sum())
    window = np.arange(len(top)) * 5 // WINDOW_DAYS
    by_hand = [
        top[middle & (window != w)].sum() / bottom[middle & (window != w)].sum()
        for w in np.unique(window[middle])
    ]
    np.testing.assert_allclose(left_out, by_hand)


def test_energy_score_prefers_the_true_law() -> None:
    broken = {
        "louder": draw(CODES, 10, 5, scale=1.5, spread=0.0),
        "softer": draw(CODES, 10, 5, scale=0.6, spread=0.0),
        "mapless": draw(CODES, 10, 5, ignore_map=True, spread=0.0),
        "alone": draw(CODES, 10, 5, common=0.05, spread=0.0),
        "again": draw(CODES, 10, 77, spread=0.0),
    }
    material = make_material(**broken)
    part = energy_part(material)
    row = part.values("energy_score")
    assert row is not None
    assert row["model"] == pytest.approx(1.0, abs=0.03)
    for name in ("louder", "softer", "mapless", "alone"):
        assert row[name] > row["model"] + 3 * row[f"{name}:se"], name
    assert abs(row["again"] - row["model"]) < 3 * row["again:se"]
    assert {r["regime"] for r in part.distances} == {None, "calm", "normal", "wild"}
    assert "better than" in part.findings[0] or "level with" in part.findings[0]
    # too narrow and too wide paths are told apart by the two halves of the score
    scores = MapScores(material.real, material.training or material.real)
    spread = {}
    for name in ("model", "louder", "softer"):
        terms = scores.terms(material.columns[name].log, centred=True)
        spread[name] = scores.ratio(terms.pair, terms.cross)[0]
    assert spread["softer"] < 0.93 < spread["model"] < 1.07 < spread["louder"]


def test_paired_errors_are_smaller_than_separate_ones() -> None:
    material = make_material(again=draw(CODES, 10, 77, spread=0.0))
    scores = MapScores(material.real, material.real)
    reference = scores.terms(material.floor.log[:20]).score
    one, two = (
        scores.ratio(scores.terms(material.columns[n].log).score, reference)[1] for n in ("model", "again")
    )
    paired = jackknife_spread((one - two)[:, None])[0]
    assert paired < 0.9 * np.hypot(jackknife_spread(one[:, None])[0], jackknife_spread(two[:, None])[0])


def test_features_of_one_sector_and_alignment() -> None:
    z = np.random.default_rng(4).standard_normal((3, 120, 2))
    assert "portfolios" not in features(z)
    assert all(np.isfinite(block).all() for block in features(np.zeros((2, 60, 4))).values())
    one, two = make_codes(120, 3), make_codes(120, 4)
    a, b = panel(draw(one, 2, 0), one), panel(draw(two, 2, 0), two)
    assert is_aligned(a, a)
    assert not is_aligned(b, a)
    assert not is_aligned(panel(draw(one, 2, 0), None), a)


def test_signature_mmd_sees_the_order_of_days() -> None:
    pytest.importorskip("pysiglib")
    from spade_finance.evaluate.signature import discrepancy, normalised_signatures, paths, signature_mmd

    rng = np.random.default_rng(5)

    def walk(n: int, ar: float) -> np.ndarray:
        e = rng.standard_normal((n, 20, 2))
        for t in range(1, 20):
            e[:, t] = ar * e[:, t - 1] + np.sqrt(1 - ar**2) * e[:, t]
        return e

    real, group = walk(100, 0.0), np.repeat(np.arange(8), 50)
    same, other = signature_mmd(real, walk(400, 0.0), group), signature_mmd(real, walk(400, 0.5), group)
    assert abs(same.squared) < 4 * same.squared_se
    assert other.squared > 6 * other.squared_se
    assert other.distance > 1.5 * same.distance
    x, y = (normalised_signatures(paths(w)) for w in (real[:6], walk(5, 0.0)))
    np.testing.assert_allclose((x**2).sum(1), 1.0)
    by_hand = (
        np.mean([x[i] @ x[j] for i in range(6) for j in range(6) if i != j])
        + np.mean([y[i] @ y[j] for i in range(5) for j in range(5) if i != j])
        - 2 * np.mean([a @ b for a in x for b in y])
    )
    found = discrepancy(x @ x.T, y @ y.T, x @ y.T, np.array([0, 0, 1, 1, 1]))
    assert found.squared == pytest.approx(by_hand)


def test_without_pysiglib_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spade_finance.evaluate.signature.is_installed", lambda: False)
    part = signature_part(make_material(300, 4, n_resamples=10))
    assert not part.statistics
    assert "pysiglib is not installed" in part.notes[0]


def test_section_on_a_window_of_sixty_days_says_what_it_cannot_say() -> None:
    result = DistancesSection().measure(make_material(60, 4, n_resamples=10))
    said = " ".join(result.notes)
    for missing in ("20-day", f"under {MIN_WINDOWS * WINDOW_DAYS} days", "classifiers", "precision"):
        assert missing in said
    assert set(result.distances["metric"]) == {"ks", "shape_ks"}


def test_section_without_labels_and_with_one_sector() -> None:
    material = make_material(300, 6, n_sectors=1, n_resamples=16)
    bare = replace(
        material,
        real=panel(material.real.simple[..., 1:], None),
        floor=panel(material.floor.simple[..., 1:], None),
        columns={"scenarios": panel(material.columns["model"].simple[:, :250, 1:], None)},
        training=None,
        label=None,
    )
    result = DistancesSection().measure(bare)
    assert "energy_score" not in set(result.distances["metric"])
    assert np.isfinite(result.distances["scenarios"]).all()
    assert any("no labels" in note for note in result.notes)
    assert all(exhibit.table is not None or exhibit.figure is not None for exhibit in result.exhibits)


def test_section_has_every_part_and_sees_what_is_too_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pysiglib")
    monkeypatch.setattr("spade_finance.evaluate.two_sample.N_TREES", 10)
    material = make_material(560, 6, n_resamples=9, louder=draw(CODES[:560], 6, 5, scale=1.6, spread=0.0))
    first = DistancesSection().measure(material)
    assert {
        "ks",
        "shape_ks",
        "energy_score",
        "c2st_trees",
        "c2st_network",
        "signature_mmd",
        "coverage",
    } <= set(first.distances["metric"])
    assert (first.distances[["floor", "model", "louder"]] >= 0).all().all()
    both = first.distances.set_index("metric")
    for metric in ("c2st_trees", "c2st_network", "signature_mmd"):
        assert both.loc[metric, "louder"] > both.loc[metric, "model"]
    assert [e.title for e in first.exhibits][:3] == [
        "Energy score given the map",
        "Energy skill by scale, %",
        "Classifier two-sample tests",
    ]
