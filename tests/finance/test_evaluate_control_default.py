# SPDX-License-Identifier: Apache-2.0
"""Switches and control on the embedded data, with the shipped model and one baseline."""

from __future__ import annotations

import numpy as np
import pytest

import spade_finance as sf
from spade_finance.baselines import BlockBootstrap
from spade_finance.evaluate.control_section import ControlSection
from spade_finance.evaluate.floor import resample
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Material
from spade_finance.evaluate.switch_section import SwitchSection
from spade_finance.regimes.timeline import RegimeTimeline


@pytest.fixture(scope="module")
def shipped() -> Material:
    model = sf.ScenarioGenerator.load("default")
    returns = sf.load_sectors().loc["1998":, list(model.sectors_)]
    labels = model.label(returns)
    n = int((returns.index <= model.training_window_[1]).sum())
    past, window = returns.iloc[:n], returns.iloc[n:]
    generators = {"model": model, "block_bootstrap": BlockBootstrap().fit(past, labels)}
    codes = np.asarray(labels.codes)
    timeline = RegimeTimeline.from_codes(codes[n:], model.regimes_, model.sectors_)
    columns = {
        name: Panel.from_simple(
            g.sample(timeline, 6, 1).simple_array, model.sectors_, model.regimes_, codes[n:]
        )
        for name, g in generators.items()
    }
    real = Panel.from_frame(window, model.regimes_, codes[n:])
    training = Panel.from_frame(past, model.regimes_, codes[:n])
    return Material(
        real, resample(real, 4), columns, generators, training, window.index, past.index, lambda _: labels, 0
    )


def test_the_shipped_models_map_rules(shipped: Material) -> None:
    found = ControlSection(n_paths=16).measure(shipped)
    rows = found.statistics.set_index("metric")
    assert rows.loc["pulse_before_exact_largest", "model"] == 0.0
    assert rows.loc["pulse_inside_40", "model"] > 1.0
    assert 0.1 < rows.loc["sector_own", "real"] < 0.7
    assert rows.loc["sector_own", "model"] > 0.15
    assert rows.loc["sector_own", "block_bootstrap"] == 0.0
    assert rows.loc["severity_slope", "model"].between(0.9, 1.1).all()
    assert rows.loc["severity_slope", "block_bootstrap"].eq(0.0).all()
    assert {"bull", "sideways", "bear"} == set(found.distances[found.distances["floor"].notna()]["regime"])


def test_switches_of_the_embedded_data(shipped: Material) -> None:
    found = SwitchSection().measure(shipped)
    rows = found.distances.set_index("metric")
    assert np.isnan(rows.loc["switch_volatility_into_worst", "floor"])  # 2020 alone
    assert rows.loc["switch_volatility_worse", ["model", "block_bootstrap", "floor"]].gt(0).all()
    history = found.statistics.set_index("metric").loc["switch_volatility_after_into_worst_history"]
    assert history["real_low"] < history["real"] < history["real_high"]
    assert history["model"] == pytest.approx(history["real"], rel=0.3)
