# SPDX-License-Identifier: Apache-2.0
"""finval's report is shown as the package gives it, or left out with a note."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from spade_finance.evaluate.finval_report import PATHS, RESAMPLED, WINDOW_DAYS, FinvalSection, finval_report

from .distance_doubles import draw, make_codes, make_material


def test_the_section_prints_the_packages_own_words() -> None:
    finval = pytest.importorskip("finval")
    codes = make_codes(600, 1)
    material = make_material(
        600, 8, n_resamples=8, block_bootstrap=draw(codes, 8, 2, scale=2.0), fhs=draw(codes, 8, 3)
    )
    result = FinvalSection().measure(material)
    titles = [e.title for e in result.exhibits]
    assert titles == [
        "finval on model",
        "finval on block_bootstrap",
        f"finval on {RESAMPLED}",
        "finval, metric by metric",
    ]
    n = 600 // WINDOW_DAYS
    windows = material.columns["model"].log[:PATHS, :, 1:].reshape(PATHS * n, WINDOW_DAYS, 3)
    real = material.real.log[0, :, 1:].reshape(n, WINDOW_DAYS, 3)
    days = np.arange(0, 600, 10)
    own = finval.validate_full(
        windows, real, feature_names=["S0", "S1", "S2"], n_independent=n, seed=0,
        forecast_samples=material.columns["model"].log[:, days, 1:].transpose(1, 0, 2),
        actuals=material.real.log[0, days, 1:], regime_labels=np.asarray(material.real.codes)[days],
    )  # fmt: skip
    shown = result.exhibits[0].table
    assert shown is not None
    assert list(shown.index) == own.summary().splitlines()
    metrics = result.exhibits[-1].table
    assert metrics is not None
    ks = own.to_dict()["metrics"]["marginal_ks"]
    assert metrics.loc[("distribution", "marginal_ks"), "model: value"] == ks["value"]
    assert metrics.loc[("distribution", "marginal_ks"), "model: quality"] == ks["quality"]
    values = metrics.xs("marginal_ks", level="metric").iloc[0]
    assert values["block_bootstrap: value"] > values["model: value"]  # twice too loud
    assert result.statistics.empty
    assert result.distances.empty


def test_reports_without_forecasts_have_no_conditional_part() -> None:
    pytest.importorskip("finval")
    x = np.random.default_rng(0).normal(0, 0.01, (24, 60, 2))
    report = finval_report(x[:12], x[12:], ("a", "b"))
    assert "crps" not in report.metrics
    assert "marginal_ks" in report.metrics


def test_not_installed_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "finval" else found(name, *a)
    )
    result = FinvalSection().measure(make_material(120, 2, n_resamples=4))
    assert "not installed" in result.notes[0]
    assert not result.exhibits


def test_short_windows_are_a_note() -> None:
    pytest.importorskip("finval")
    result = FinvalSection().measure(make_material(120, 2, n_resamples=4))
    assert "needs 10 real windows" in result.notes[0]
