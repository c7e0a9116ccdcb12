# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.regimes import RegimeLabels

REGIMES = ("bull", "sideways", "bear", "crisis")
SECTORS = ("Energy", "Tech", "Health Care")


def simulated_market(n_days: int = 1600, seed: int = 3) -> tuple[pd.DataFrame, RegimeLabels]:
    """Sector returns of known regimes: volatility 10, 15, 22, 45 % a year, correlation .3 to .7, t innovations."""
    rng = np.random.default_rng(seed)
    codes: list[int] = []
    while len(codes) < n_days:
        codes += [int(rng.choice(4, p=[0.4, 0.25, 0.2, 0.15]))] * int(rng.integers(20, 80))
    code = np.array(codes[:n_days])
    rho = np.array([0.3, 0.4, 0.5, 0.7])[code][:, None]
    volatility = np.array([0.10, 0.15, 0.22, 0.45])[code][:, None] / 252**0.5
    mean = np.array([0.15, 0.08, -0.1, -0.4])[code][:, None] / 252
    mixing = np.sqrt(4 / rng.chisquare(6, (n_days, 1)))
    common, own = rng.standard_normal((n_days, 1)), rng.standard_normal((n_days, 3))
    log_returns = mean + volatility * mixing * (np.sqrt(rho) * common + np.sqrt(1 - rho) * own)
    dates = pd.bdate_range("2010-01-04", periods=n_days, name="date")
    labels = RegimeLabels.from_codes(code, REGIMES, dates)
    own_codes = np.column_stack([code, code, np.roll(code, 7)])
    names = pd.DataFrame(np.array(REGIMES, dtype=object)[own_codes], index=dates, columns=list(SECTORS))
    return pd.DataFrame(np.expm1(log_returns), index=dates, columns=list(SECTORS)), labels.with_sectors(names)


@pytest.fixture(scope="session")
def market() -> tuple[pd.DataFrame, RegimeLabels]:
    """Simulated returns and their true labels."""
    return simulated_market()


@pytest.fixture(scope="session")
def quick_levelling() -> Iterator[None]:
    """Regimes levelled with a fifth of the simulated days: nearly all that training a tiny generator takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spade_finance.model.calibrate.PATH_DAYS", 200_000)
        yield


@pytest.fixture(scope="session")
def tiny_model(market: tuple[pd.DataFrame, RegimeLabels], quick_levelling: None) -> sf.ScenarioGenerator:
    """A generator trained for a few steps on the simulated market; shared by tests that only sample."""
    return sf.ScenarioGenerator("quick", 0, **TINY).fit(*market)


TINY = {
    "steps": 6,
    "batch_windows": 4,
    "window_days": 96,
    "channels": 8,
    "validate_every": 3,
    "map_hidden": 16,
}
"""A generator small enough for tests."""
