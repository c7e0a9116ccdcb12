# SPDX-License-Identifier: Apache-2.0
"""Generators whose answer to a map is known exactly, and real data from the same law."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.evaluate.floor import resample
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Material
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.regimes.timeline import RegimeTimeline

REGIMES = ("bull", "bear", "crisis")
SECTORS = ("A", "B", "C")
DAILY = np.array([0.006, 0.012, 0.03])
RHO = 0.3


@dataclass
class Known:
    """Gaussian days, volatility by regime, correlation .3 between sectors.

    ``lag`` answers so many days late, ``lead`` so many days early; ``heed`` says whether overrides count, ``leak``
    which share of an override's log volatility the other sectors show; ``power`` is the slope on log severity;
    ``soft`` blends log volatilities by weight, else the heaviest regime counts; ``scale`` multiplies everything.
    """

    lag: int = 0
    lead: int = 0
    heed: bool = True
    leak: float = 0.0
    power: float = 1.0
    soft: bool = True
    scale: float = 1.0
    trend: float = 0.0
    refuses: int = -1
    severity_range_: tuple[float, float] = (0.5, 2.0)

    def sample(self, timeline: RegimeTimeline, n_paths: int, random_state: int) -> Any:
        if self.refuses >= 0 and (timeline.codes == self.refuses).any():
            raise InputError(f"regime {self.refuses} was never seen")
        level = np.log(DAILY[: len(timeline.regimes)])
        weights = timeline.weights if self.soft else np.eye(len(level))[timeline.codes]
        market = weights @ level + self.power * np.log(timeline.severity)
        own = np.repeat(market[:, None], len(timeline.sectors), axis=1)
        if self.heed:
            change = np.where(timeline.has_override, timeline.sector_weights @ level - market, 0.0).T
            others = (change.sum(1, keepdims=True) - change) * self.leak
            own = own + change + others
        path = np.exp(own) * self.scale * np.exp(self.trend * np.arange(len(own)))[:, None]
        if self.lag:
            path = np.concatenate([np.repeat(path[:1], self.lag, 0), path[: -self.lag]])
        if self.lead:
            path = np.concatenate([path[self.lead :], np.repeat(path[-1:], self.lead, 0)])
        rng = np.random.default_rng(random_state)
        common = rng.standard_normal((n_paths, len(path), 1))
        z = np.sqrt(RHO) * common + np.sqrt(1 - RHO) * rng.standard_normal((n_paths, *path.shape))
        return SimpleNamespace(simple_array=path * z)


def spells(n_spells: int, seed: int, n_regimes: int = 3) -> np.ndarray:
    """Codes of spells of 12 to 60 days, every change between neighbours or a jump."""
    rng = np.random.default_rng(seed)
    codes: list[int] = []
    now = 0
    for _ in range(n_spells):
        codes += [now] * int(rng.integers(12, 60))
        now = int(rng.choice([k for k in range(n_regimes) if k != now]))
    return np.array(codes)


def panel_of(
    generator: Known, codes: np.ndarray, n_paths: int, seed: int, sectors: tuple[str, ...] = SECTORS
) -> Panel:
    regimes = REGIMES[: int(codes.max()) + 1]
    timeline = RegimeTimeline.from_codes(codes, regimes, sectors)
    return Panel.from_simple(generator.sample(timeline, n_paths, seed).simple_array, sectors, regimes, codes)


def material(
    generators: dict[str, Known],
    codes: np.ndarray,
    training: np.ndarray | None = None,
    *,
    n_paths: int = 32,
    sectors: tuple[str, ...] = SECTORS,
    own: np.ndarray | None = None,
) -> Material:
    """Real days from the honest generator under `codes`, columns from the given ones under the same."""
    real = panel_of(Known(), codes, 1, 999, sectors)
    columns = {
        name: panel_of(dataclasses.replace(g, refuses=-1), codes, n_paths, 7 + i, sectors)
        for i, (name, g) in enumerate(generators.items())
    }
    n_before = 0 if training is None else len(training)
    dates = pd.bdate_range("2000-01-03", periods=n_before + len(codes), name="date")
    past = None if training is None else panel_of(Known(), training, 1, 998, sectors)

    def label(returns: pd.DataFrame) -> RegimeLabels:
        every = codes if training is None else np.concatenate([training, codes])
        labels = RegimeLabels.from_codes(every, real.regimes, dates)
        if own is None:
            return labels
        names = np.array(real.regimes, dtype=object)[own]
        return labels.with_sectors(pd.DataFrame(names, index=dates, columns=list(sectors)))

    return Material(
        real, resample(real, 8), columns, generators, past, dates[n_before:],
        None if past is None else dates[:n_before], label, 0,
    )  # fmt: skip
