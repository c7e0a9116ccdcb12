# SPDX-License-Identifier: Apache-2.0
"""Returns whose regimes are known, and labels to go with them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spade_finance.regimes import RegimeLabels


def business_days(n: int, start: str = "2000-01-03") -> pd.DatetimeIndex:
    return pd.bdate_range(start, periods=n, name="date", unit="ns")


def switching_codes(n_days: int, mean_days: tuple[float, ...], seed: int) -> np.ndarray:
    """Spells of 20 days plus an exponential, the next regime uniform among the others."""
    rng = np.random.default_rng(seed)
    codes: list[int] = []
    k = 0
    while len(codes) < n_days:
        codes += [k] * (20 + int(rng.exponential(mean_days[k])))
        k = int(rng.choice([j for j in range(len(mean_days)) if j != k]))
    return np.array(codes[:n_days])


def switching_returns(
    n_days: int = 2500,
    volatility: tuple[float, ...] = (0.005, 0.012, 0.032),
    drift: tuple[float, ...] = (0.0008, 0.0, -0.0025),
    mean_days: tuple[float, ...] = (150.0, 80.0, 40.0),
    n_sectors: int = 3,
    seed: int = 3,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Simple returns (T, S) of sectors that share a regime-switching factor, and the true codes (T,)."""
    codes = switching_codes(n_days, mean_days, seed)
    rng = np.random.default_rng(seed + 1000)
    level, mean = np.array(volatility)[codes], np.array(drift)[codes]
    factor = mean + level * rng.standard_normal(n_days)
    own = 0.4 * level[:, None] * rng.standard_normal((n_days, n_sectors))
    names = [f"S{i}" for i in range(n_sectors)]
    return pd.DataFrame(np.expm1(factor[:, None] + own), index=business_days(n_days), columns=names), codes


def labels_of(
    codes: list[int] | np.ndarray, regimes: tuple[str, ...] = ("bull", "bear", "crisis")
) -> RegimeLabels:
    return RegimeLabels.from_codes(np.asarray(codes), regimes, business_days(len(codes)))
