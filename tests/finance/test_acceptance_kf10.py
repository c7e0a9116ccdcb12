# SPDX-License-Identifier: Apache-2.0
"""Ten US industries from 1926: train with the quick preset through the command line and look at what comes out.

The band of a statistic is the central 95 % of its values on single paths of the regime-matched block bootstrap of the
training data under the same script: what the real data's own blocks say a path of that script looks like.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.baselines import make_baseline
from spade_finance.cli import main

pytestmark = pytest.mark.slow

SCRIPT = "bull:120,crisis:60,bear:60"
N_PATHS = 600


@pytest.fixture(scope="module")
def trained(
    shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[sf.ScenarioGenerator, sf.ScenarioSet, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("kf10")
    source, model, out = shared / "data" / "kf10_daily.csv.gz", folder / "model", folder / "scenarios.parquet"
    assert (
        main(["train", str(source), "--until", "1998-12-31", "--preset", "quick", "--out", str(model)]) == 0
    )
    assert (
        main(
            [
                "generate",
                "--model",
                str(model),
                "--regimes",
                SCRIPT,
                "--paths",
                str(N_PATHS),
                "--out",
                str(out),
            ]
        )
        == 0
    )
    return (
        sf.ScenarioGenerator.load(model),
        sf.ScenarioSet.load(out),
        sf.read_returns(source).loc[:"1998-12-31"],
    )


def mean_abs_acf(x: np.ndarray) -> np.ndarray:
    """Mean autocorrelation of |x| over lags 1 to 20 of each row."""
    a = np.abs(x)
    a = a - a.mean(1, keepdims=True)
    variance = (a**2).mean(1)
    return np.mean([(a[:, k:] * a[:, :-k]).mean(1) / variance for k in range(1, 21)], axis=0)


def kurtosis(x: np.ndarray) -> np.ndarray:
    c = x - x.mean(1, keepdims=True)
    return (c**4).mean(1) / (c**2).mean(1) ** 2 - 3


def market(scenarios: sf.ScenarioSet) -> np.ndarray:
    return np.log1p(np.expm1(scenarios.log_array.astype(float)).mean(2))


def mean_correlation(x: np.ndarray) -> float:
    c = np.corrcoef(x.reshape(-1, x.shape[-1]).T)
    return float(c[~np.eye(len(c), dtype=bool)].mean())


def test_crisis_is_wilder_and_more_correlated(
    trained: tuple[sf.ScenarioGenerator, sf.ScenarioSet, pd.DataFrame],
) -> None:
    _, scen, _ = trained
    bull, crisis = (scen.log_array[:, scen.codes == k].astype(float) for k in (0, 3))
    assert np.isfinite(scen.log_array).all()
    assert (crisis.std((0, 1)) > 2 * bull.std((0, 1))).all()
    assert mean_correlation(crisis) > mean_correlation(bull) + 0.05


def test_volatility_by_regime_is_the_training_data_s(
    trained: tuple[sf.ScenarioGenerator, sf.ScenarioSet, pd.DataFrame],
) -> None:
    model, scen, returns = trained
    codes = model.label(returns).codes
    logs = np.log1p(returns.to_numpy())
    for k in (0, 2, 3):
        got = scen.log_array[:, scen.codes == k].astype(float).std((0, 1))
        assert got == pytest.approx(logs[codes == k].std(0), rel=0.15)


def test_clustering_and_tails_lie_in_the_bootstrap_band(
    trained: tuple[sf.ScenarioGenerator, sf.ScenarioSet, pd.DataFrame],
) -> None:
    model, scen, returns = trained
    bootstrap = make_baseline("block_bootstrap").fit(returns, model.label(returns))
    rival = market(bootstrap.sample(SCRIPT, N_PATHS, random_state=0))
    ours, calm = market(scen), scen.codes != 3
    stretches = {"all": slice(None), "bull": slice(0, 120), "bear": slice(180, 240)}
    assert calm[stretches["bull"]].all()
    for name, days in stretches.items():
        for measure in (mean_abs_acf, kurtosis):
            low, high = np.quantile(measure(rival[:, days]), [0.025, 0.975])
            assert low < np.mean(measure(ours[:, days])) < high, (name, measure.__name__)


def test_severity_sets_realised_volatility(
    trained: tuple[sf.ScenarioGenerator, sf.ScenarioSet, pd.DataFrame],
) -> None:
    model, _, _ = trained
    for regime in ("bull", "crisis"):
        low, one, high = (
            float(market(model.sample(f"{regime}*{s}:60", 400, 1, extrapolate=True)).std())
            for s in (0.7, 1.0, 1.4)
        )
        assert low / one == pytest.approx(0.7, abs=0.07)
        assert high / one == pytest.approx(1.4, abs=0.14)
