# SPDX-License-Identifier: Apache-2.0
"""A small market with known regimes, for the tests of distances, novelty and labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.floor import resample
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Material
from spade_finance.regimes.labels import RegimeLabels

REGIMES = ("calm", "normal", "wild")
DAILY = (0.006, 0.012, 0.03)
"""Daily volatility of the common factor by regime: far enough apart for a labeller of forty lines."""


def make_codes(n_days: int, seed: int = 0, n_regimes: int = 3) -> NDArray[np.int8]:
    """Spells of 30 to 90 days."""
    rng = np.random.default_rng(seed)
    codes: list[int] = []
    while len(codes) < n_days:
        k = int(rng.integers(n_regimes))
        codes += [k] * int(rng.integers(30, 91))
    return np.array(codes[:n_days], dtype=np.int8)


def draw(
    codes: NDArray[np.integer],
    n_paths: int,
    seed: int,
    *,
    n_sectors: int = 3,
    scale: float = 1.0,
    degrees: float = 6.0,
    common: float = 0.7,
    spread: float = 0.25,
    ignore_map: bool = False,
) -> NDArray[np.float64]:
    """Simple returns (paths, days, sectors): a Student-t factor and own noise, level of each path drawn anew."""
    rng = np.random.default_rng(seed)
    daily = np.linspace(DAILY[0], DAILY[-1], int(codes.max()) + 1) if codes.max() > 2 else np.array(DAILY)
    level = np.full(len(codes), daily[1]) if ignore_map else daily[codes]
    unit = np.sqrt(degrees / (degrees - 2)) if np.isfinite(degrees) else 1.0

    def noise(*shape: int) -> NDArray[np.float64]:
        return rng.standard_t(degrees, shape) / unit if np.isfinite(degrees) else rng.standard_normal(shape)

    own = noise(n_paths, len(codes), n_sectors)
    factor = noise(n_paths, len(codes), 1)
    path_level = np.exp(spread * rng.standard_normal((n_paths, 1, 1)))
    return np.expm1(
        scale * path_level * level[:, None] * (np.sqrt(common) * factor + np.sqrt(1 - common) * own)
    )


def panel(
    simple: NDArray[np.float64], codes: NDArray[np.integer] | None, regimes: tuple[str, ...] = REGIMES
) -> Panel:
    names = [f"S{i}" for i in range(simple.shape[2])]
    return Panel.from_simple(simple, names, () if codes is None else regimes, codes)


def label(returns: pd.DataFrame) -> RegimeLabels:
    """Regimes by two-sided volatility of 21 days, at the middles between the true levels of the market."""
    volatility = returns.mean(axis=1).rolling(21, center=True, min_periods=5).std()
    level = np.array(DAILY) * np.sqrt(0.7 + 0.3 / returns.shape[1])
    borders = np.sqrt(level[1:] * level[:-1])
    codes = np.searchsorted(borders, volatility.to_numpy()).astype(np.int8)
    return RegimeLabels.from_codes(codes, REGIMES, pd.DatetimeIndex(returns.index))


def make_material(
    n_days: int = 1200,
    n_paths: int = 16,
    n_sectors: int = 3,
    n_resamples: int = 40,
    **others: NDArray[np.float64],
) -> Material:
    """A window of one law; columns: that law again ("model"), then `others` (simple returns of the same days)."""
    codes, before = make_codes(n_days, 1), make_codes(1500, 2)
    real = panel(draw(codes, 1, 10, n_sectors=n_sectors, spread=0.0), codes)
    training = panel(draw(before, 1, 11, n_sectors=n_sectors, spread=0.0), before)
    made = {"model": draw(codes, n_paths, 12, n_sectors=n_sectors, spread=0.0), **others}
    days = pd.bdate_range("2000-01-03", periods=1500 + n_days, name="date")
    return Material(
        real,
        resample(real, n_resamples, random_state=3),
        {name: panel(x, codes) for name, x in made.items()},
        training=training,
        dates=days[1500:],
        training_dates=days[:1500],
        label=label,
    )
