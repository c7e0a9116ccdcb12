# SPDX-License-Identifier: Apache-2.0
"""After training a regime has, in scenarios, the moments of all its training days: the held-back ones too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.regimes import RegimeLabels
from spade_finance.regimes.timeline import RegimeTimeline
from tests.finance.conftest import REGIMES, TINY, simulated_market


@pytest.fixture(scope="module")
def long_market() -> tuple[pd.DataFrame, RegimeLabels]:
    """Three thousand days, three times as wild in the block that training holds back as elsewhere."""
    returns, labels = simulated_market(3000, seed=5)
    from spade_finance.windows import validation_blocks

    held = validation_blocks(labels.codes, 0.1, TINY["window_days"])
    assert held.sum() == 300
    wild = returns.copy()
    wild[held] = np.expm1(3 * np.log1p(returns[held]))
    return wild, labels


@pytest.fixture(scope="module")
def drawn(long_market: tuple[pd.DataFrame, RegimeLabels], quick_levelling: None) -> np.ndarray:
    """Log returns (paths, days, sectors) under the training labels, severity 1."""
    model = sf.ScenarioGenerator("quick", 0, **(TINY | {"slow_states": False})).fit(*long_market)
    returns, labels = long_market
    timeline = RegimeTimeline.from_codes(labels.codes, labels.regimes, [str(c) for c in returns.columns])
    return np.asarray(model.sample(timeline, 48, random_state=1).log_array, dtype=float)


def test_volatility_is_that_of_all_training_days(
    drawn: np.ndarray, long_market: tuple[pd.DataFrame, RegimeLabels]
) -> None:
    returns, labels = long_market
    real = np.log1p(returns.to_numpy())
    for k in range(4):
        days = labels.codes == k
        ratio = drawn[:, days].reshape(-1, 3).std(0) / real[days].std(0)
        # Without the held-back tenth the real volatility would be a fourth lower.
        assert ratio == pytest.approx(np.ones(3), abs=0.06), labels.regimes[k]


def test_correlation_is_that_of_all_training_days(
    drawn: np.ndarray, long_market: tuple[pd.DataFrame, RegimeLabels]
) -> None:
    returns, labels = long_market
    real = np.log1p(returns.to_numpy())
    pairs = np.triu_indices(3, 1)
    for k in range(4):
        days = labels.codes == k
        got = np.corrcoef(drawn[:, days].reshape(-1, 3).T)[pairs].mean()
        assert got == pytest.approx(np.corrcoef(real[days].T)[pairs].mean(), abs=0.04), labels.regimes[k]


@pytest.mark.usefixtures("quick_levelling")
def test_levelling_finds_a_correlation_back_that_was_changed(
    market: tuple[pd.DataFrame, RegimeLabels],
) -> None:
    from spade_finance.model.calibrate import _with_correlation, level_regimes
    from spade_finance.model.config import preset
    from spade_finance.model.labelled import TypicalVolatility, labelled_arrays
    from spade_finance.model.network import ScenarioNetwork
    from spade_finance.model.start import fit_start

    returns, labels = market
    data = labelled_arrays(labels, returns, TypicalVolatility.fit(labels, returns))
    right = fit_start(data, 4, 2)
    wrong = _with_correlation(right, np.log([0.5, 1.0, 1.0, 0.8]))
    config = preset("quick", **TINY, rank=2)
    levelled = level_regimes(ScenarioNetwork(config, wrong).eval(), wrong, data)
    pairs = np.triu_indices(3, 1)
    for k, name in enumerate(REGIMES):
        real = np.corrcoef(data.log_returns[data.codes == k].T)[pairs].mean()
        before = wrong.innovations.correlation[k][pairs].mean()
        after = levelled.innovations.correlation[k][pairs].mean()
        # Regimes of a few hundred days are only moved part of the way: TAIL_PRIOR_DAYS.
        assert abs(after - real) < 0.4 * abs(before - real) + 0.04, name


def test_statistics_move_and_what_was_learned_stays(market: tuple[pd.DataFrame, RegimeLabels]) -> None:
    import torch

    from spade_finance.model.config import preset
    from spade_finance.model.labelled import TypicalVolatility, labelled_arrays
    from spade_finance.model.network import ScenarioNetwork
    from spade_finance.model.start import fit_start

    returns, labels = market
    data = labelled_arrays(labels, returns, TypicalVolatility.fit(labels, returns))
    part, whole = (fit_start(rows, 4, 2) for rows in (data.rows(slice(0, 900)), data))
    config = preset("quick", **TINY, rank=2)
    moved, learned = ScenarioNetwork(config, part), {}
    fresh = ScenarioNetwork(config, whole)
    with torch.no_grad():
        for name, parameter in moved.named_parameters():
            learned[name] = 0.01 * torch.randn_like(parameter)
            parameter += learned[name]
    moved.move_statistics(part, whole)
    for name in ("level", "own_level", "bank.own", "bank.common"):
        target = fresh.get_parameter(name) + learned[name]
        torch.testing.assert_close(moved.get_parameter(name), target, rtol=1e-4, atol=1e-5)
    for name, buffer in fresh.named_buffers():
        torch.testing.assert_close(moved.get_buffer(name), buffer)
