# SPDX-License-Identifier: Apache-2.0
"""Small stand-ins for the evaluation's tests: labels by plain volatility, a model that is a bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spade_finance.baselines import BlockBootstrap
from spade_finance.regimes.labels import RegimeLabels

REGIMES = ("bull", "sideways", "bear", "crisis")


def make_returns(n_days: int = 2200, n_sectors: int = 3, seed: int = 0) -> pd.DataFrame:
    """Correlated returns whose volatility moves slowly between calm and crisis."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_days)
    level = np.exp(0.7 * np.sin(t / 90) + 0.5 * np.sin(t / 37))
    market = rng.standard_t(5, n_days) * 0.006 * level
    own = rng.standard_t(5, (n_days, n_sectors)) * 0.005 * level[:, None]
    names = [f"Sector{i + 1}" for i in range(n_sectors)]
    dates = pd.bdate_range("2000-01-03", periods=n_days, name="date")
    return pd.DataFrame(np.expm1(market[:, None] + own + 2e-4), index=dates, columns=names)


def make_labels(returns: pd.DataFrame, spell: int = 12) -> RegimeLabels:
    """Four levels of the market's two-sided volatility, spells shorter than `spell` merged into the last."""
    volatility = returns.mean(axis=1).rolling(41, center=True, min_periods=10).std()
    codes = np.searchsorted(volatility.quantile([0.45, 0.75, 0.92]), volatility)
    for _ in range(4):
        starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
        for a, b in zip(starts, [*starts[1:], len(codes)], strict=True):
            if a and b - a < spell:
                codes[a:b] = codes[a - 1]
    return RegimeLabels.from_codes(codes.astype(np.int8), REGIMES, returns.index)


class DoubleModel:
    """What `evaluate` needs of a model, filled with a block bootstrap of the first part of the data."""

    in_loss_metrics_ = frozenset({"acf_absolute", "acf_absolute_crisis_free"})
    hash_ = "0123abcd"

    def __init__(self, returns: pd.DataFrame, labels: RegimeLabels, n_training: int) -> None:
        self.labels = labels
        self.baseline = BlockBootstrap(mean_block=15).fit(returns.iloc[:n_training], labels)
        self.regimes_ = self.baseline.regimes_
        self.sectors_ = self.baseline.sectors_
        self.training_window_ = self.baseline.training_window_
        self.sampled: list[Any] = []

    def label(self, returns: pd.DataFrame) -> RegimeLabels:
        return self.labels

    def sample(self, script: Any, n_paths: int, random_state: int) -> Any:
        self.sampled.append(script)
        return self.baseline.sample(script, n_paths=n_paths, random_state=random_state)
