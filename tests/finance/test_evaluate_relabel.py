# SPDX-License-Identifier: Apache-2.0
"""Relabelled paths: confusion, Cohen's kappa, and labels shuffled in blocks, which must destroy what labels gave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, recall_score

from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.relabel import (
    AFTER_DAYS,
    HISTORY_DAYS,
    agreement,
    block_shuffle,
    confusion,
    relabel,
    row_shares,
    separation,
    stretches_of,
    with_errors,
)
from spade_finance.evaluate.relabel_section import LabelsSection
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels

from .distance_doubles import REGIMES, draw, label, make_codes, make_material, panel


def test_confusion_and_agreement_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    asked = rng.integers(0, 3, 300)
    found = np.where(rng.random(300) < 0.6, asked, rng.integers(0, 3, 300))
    counts = confusion(asked, found, 3)
    np.testing.assert_array_equal(counts, confusion_matrix(asked, found))
    share, kappa, recall = agreement(counts)
    assert share == pytest.approx((asked == found).mean())
    assert kappa == pytest.approx(cohen_kappa_score(asked, found))
    assert recall == pytest.approx(recall_score(asked, found, average="macro"))
    unknown = confusion(np.array([0, 1, 2]), np.array([0, -1, 2]), 4)
    assert unknown.sum() == 2
    assert np.isnan(row_shares(unknown)[3]).all()
    assert agreement(unknown)[2] == 1.0  # regimes nobody asked for do not count
    assert np.isnan(agreement(np.zeros((2, 2)))).all()


def test_errors_leave_out_one_path_at_a_time() -> None:
    counts = np.random.default_rng(1).integers(1, 20, (5, 2, 2)).astype(float)
    value, error = with_errors(counts)
    left = np.array([agreement(counts.sum(0) - c)[0] for c in counts])
    assert error[0] == pytest.approx(np.sqrt(4 / 5 * ((left - left.mean()) ** 2).sum()))
    assert value[0] == agreement(counts.sum(0))[0]


def test_stretches_are_labelled_with_the_days_around_them() -> None:
    seen: list[pd.DataFrame] = []

    def watching(returns: pd.DataFrame) -> RegimeLabels:
        seen.append(returns)
        return RegimeLabels.from_codes(np.arange(len(returns)) % 3, REGIMES, returns.index)

    path, history = np.arange(900.0).reshape(900, 1) / 1e6, -np.ones((200, 1)) / 1e3
    dates = pd.bdate_range("2010-01-04", periods=900)
    first = relabel(watching, path, (0, 300), history, ["a"], REGIMES, dates)
    assert len(seen[0]) == HISTORY_DAYS + 300 + AFTER_DAYS
    assert (seen[0].iloc[:HISTORY_DAYS, 0] == -1e-3).all()
    assert seen[0].index[HISTORY_DAYS] == dates[0]
    assert seen[0].index.is_monotonic_increasing
    assert first.tolist() == [(HISTORY_DAYS + t) % 3 for t in range(300)]
    relabel(watching, path, (600, 900), history, ["a"], REGIMES, dates)
    assert seen[1].index[0] == dates[600 - HISTORY_DAYS]
    assert seen[1]["a"].iloc[-1] == path[-1, 0]
    relabel(watching, path, (0, 300), np.zeros((0, 1)), ["a"], REGIMES)
    assert len(seen[2]) == 300 + AFTER_DAYS
    assert (relabel(watching, path, (0, 9), history, ["a"], ("wild", "x"), dates) <= 0).all()
    assert stretches_of(1000, 3, 400) == [(0, 400), (300, 700), (600, 1000)]
    assert stretches_of(100, 2, 400) == [(0, 100), (0, 100)]


def test_block_shuffle_moves_every_block_and_keeps_every_day() -> None:
    for seed in range(20):
        order = block_shuffle(127, 20, np.random.default_rng(seed))
        assert sorted(order) == list(range(120))
        assert (order != np.arange(120)).all()
        assert (np.diff(order.reshape(6, 20), axis=1) == 1).all()
    with pytest.raises(ValueError, match="leaves 1 blocks"):
        block_shuffle(39, 20, np.random.default_rng(0))


def test_separation_is_the_spread_of_log_volatility() -> None:
    rng = np.random.default_rng(2)
    codes = np.repeat([0, 1], 5000)
    x = rng.standard_normal((3, 10_000)) * np.exp(0.8 * codes)
    np.testing.assert_allclose(separation(x, codes, 2), 0.4, atol=0.02)
    np.testing.assert_allclose(separation(x, np.tile(codes, (3, 1)), 4), separation(x, codes, 2))
    assert separation(x, np.zeros(10_000, int), 2).max() < 1e-12


def test_section_finds_true_labels_and_not_those_of_a_generator_that_ignores_the_map() -> None:
    codes = make_codes(1200, 1)
    material = make_material(deaf=draw(codes, 16, 9, ignore_map=True, spread=0.0))
    result = LabelsSection().measure(material)
    by_metric = result.statistics[result.statistics["regime"].isna()].set_index("metric")
    assert by_metric.loc["label_agreement"]["model"] > 0.85
    assert by_metric.loc["label_agreement"]["real"] > 0.8
    assert by_metric.loc["label_agreement_window"]["real"] > 0.85
    assert by_metric.loc["label_kappa"]["model"] > 0.75
    assert abs(by_metric.loc["label_kappa"]["deaf"]) < 0.1
    assert set(result.statistics["regime"].dropna()) == set(REGIMES)
    distance = result.distances.iloc[0]
    assert distance["deaf"] > 3 * distance["model"]
    assert [e.title for e in result.exhibits] == [
        "What the labeller sees in generated paths",
        "Labels and their control",
    ]
    assert "finds the script again" in result.findings[0]


def test_shuffled_labels_destroy_conditional_fidelity() -> None:
    codes = make_codes(1200, 1)
    material = make_material(deaf=draw(codes, 16, 9, ignore_map=True, spread=0.0))
    rows = LabelsSection().measure(material).statistics
    rows = rows[rows["regime"].isna()].set_index("metric")
    assert rows.loc["label_kappa_shuffled", "model"] < 0.3 * rows.loc["label_kappa", "model"]
    assert rows.loc["separation_shuffled", "model"] < 0.25
    assert rows.loc["separation_shuffled", "deaf"] > 0.5
    assert rows.loc["regime_separation", "model"] > 5 * rows.loc["regime_separation", "deaf"]
    value = rows.loc["map_value"]
    assert value["model"] > 0.2
    assert abs(value["deaf"]) < 0.05


def test_section_without_labels_labeller_or_time() -> None:
    material = make_material(60, 4, n_resamples=8)
    bare = replace(material, real=panel(material.real.simple[..., 1:], None))
    assert LabelsSection().measure(bare).notes == ("no labels: there is nothing to hold",)
    blind = LabelsSection().measure(replace(material, label=None))
    assert any("no labeller" in note for note in blind.notes)
    assert any("too short" in note for note in blind.notes)
    assert blind.statistics.empty
    short = LabelsSection().measure(material)
    assert "label_agreement" in set(short.statistics["metric"])

    def refusing(returns: pd.DataFrame) -> RegimeLabels:
        raise InputError("this model was trained on a labels file")

    refused = LabelsSection().measure(replace(material, label=refusing))
    assert any("trained on a labels file" in note for note in refused.notes)


def test_section_with_scenarios_that_bring_timelines_of_their_own() -> None:
    material = make_material(400, 8, n_resamples=12)
    own = np.stack([make_codes(300, s) for s in range(8)])
    simple = np.concatenate([draw(c, 1, 50 + i, spread=0.0) for i, c in enumerate(own)])
    names = material.real.sectors
    scenarios = Panel.from_simple(simple, names, REGIMES, own)
    result = LabelsSection().measure(replace(material, columns={"scenarios": scenarios}, training_dates=None))
    row = result.statistics[result.statistics["regime"].isna()].set_index("metric")
    assert row.loc["label_agreement", "scenarios"] > 0.8
    assert row.loc["separation_shuffled", "scenarios"] < 0.5
    assert "map_value" not in row.index


def test_the_labeller_of_the_tests_is_one() -> None:
    codes = make_codes(900, 4)
    simple = draw(codes, 1, 3, spread=0.0)[0]
    found = label(pd.DataFrame(simple, index=pd.bdate_range("2000-01-03", periods=900))).codes
    assert (found == codes).mean() > 0.85
