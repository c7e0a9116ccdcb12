# SPDX-License-Identifier: Apache-2.0
"""Level every regime: after training, what the generator gives under the training labels has the training data's
mean, volatility, correlation and heaviness of tails, regime by regime.

These are what users ask for first and what a few hundred windows teach least well; simulating and correcting them costs
seconds. The correlation is levelled by one number a regime: the share of the sectors' variance that the equal-weight
market keeps. It belongs to what is simulated, not to the innovations alone, because volatility that all sectors share
for a while correlates their returns again. Heaviness is the fourth moment of standardised returns capped at
six deviations: the market's sets the degrees of freedom that a regime's sectors share, a sector's its own news' tail.

Severity is levelled likewise: an episode asked to be a tenth more intense than the typical one is a tenth more
volatile, and its mean return is a tenth further from zero. Left alone, the trunk draws its own conclusions about drift
from a few dozen episodes, and a milder crisis may come out as the costlier one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from spade_finance.model.moments import MAX_TAIL
from spade_finance.model.network import ScenarioNetwork
from spade_finance.model.sampling import Sampler, StartVolatility
from spade_finance.model.start import LabelledReturns, StartStatistics

Array = NDArray[np.float64]

ROUNDS, SEED = 3, 20_190_318
PATH_DAYS = 1_000_000
"""About so many simulated days a round, at least one chunk of paths."""
SEVERITIES = (0.8, 1.2)
"""Between these the answers of volatility and mean to severity are measured and brought into proportion."""
MAX_GAIN = 3.0
SPAN_DAYS = 2048
"""The training labels are simulated in stretches of this many days, to bound memory."""
CAP = 36.0
"""Squared deviations beyond six standard deviations count as six: a few prints must not set a tail."""
TAIL_PRIOR_DAYS = 500.0
"""Weight, in days, of the tail as fitted in a regime's correction."""
MAX_NU = 60.0
MAX_COMMUNALITY = 0.98
"""Every sector keeps some news of its own."""


@dataclass
class _Sums:
    """Running sums by regime: days (K,), returns and squares (K, S), squares of the market (K,); capped moments of the
    market (K, 2) and of the sectors (S, 2), standardised by the training data's moments, with their days."""

    days: Array
    total: Array
    square: Array
    market_square: Array
    market: Array
    sectors: Array

    @classmethod
    def empty(cls, n_regimes: int, n_sectors: int) -> _Sums:
        shape = (n_regimes, n_sectors)
        return cls(
            np.zeros(n_regimes),
            np.zeros(shape),
            np.zeros(shape),
            np.zeros(n_regimes),
            np.zeros((n_regimes, 2)),
            np.zeros((n_sectors, 2)),
        )

    def add(self, k: int, y: Array, start: StartStatistics, market_mean: Array) -> None:
        """Count log returns (days, S) of regime k."""
        self.days[k] += len(y)
        self.total[k] += y.sum(0)
        self.square[k] += (y**2).sum(0)
        self.market_square[k] += (y.mean(1) ** 2).sum()
        market = (y.mean(1) - market_mean[k]) / start.market_volatility[k]
        sectors = (y - start.moments.mean[k]) / start.moments.volatility[k]
        self.market[k] += [(market**2).sum(), (np.minimum(market**2, CAP) ** 2).sum()]
        self.sectors += np.stack([(sectors**2).sum(0), (np.minimum(sectors**2, CAP) ** 2).sum(0)], axis=1)

    @property
    def common(self) -> Array:
        """(K,) mean covariance of two sectors over the mean variance of one; NaN for a regime without days."""
        n_sectors = self.total.shape[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = (self.square / self.days[:, None] - (self.total / self.days[:, None]) ** 2).mean(1)
            market = self.market_square / self.days - (self.total.mean(1) / self.days) ** 2
            return np.maximum(n_sectors * market / variance - 1, 1e-3) / (n_sectors - 1)

    @property
    def market_heaviness(self) -> Array:
        """(K,); NaN for a regime without days."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.days * self.market[:, 1] / self.market[:, 0] ** 2

    @property
    def sector_heaviness(self) -> Array:
        """(S,)."""
        return self.days.sum() * self.sectors[:, 1] / self.sectors[:, 0] ** 2


def level_regimes(network: ScenarioNetwork, start: StartStatistics, data: LabelledReturns) -> StartStatistics:
    """Correct the network's regime tables in place; returns the statistics with corrected tails.

    Timelines have severity 1 and every sector with the market: the typical episode is the one that has the
    regime's own volatility.
    """
    if not network.tables:
        return start
    n_regimes, n_sectors = start.moments.mean.shape
    market_mean = _market_mean(data, n_regimes)
    real = _Sums.empty(n_regimes, n_sectors)
    for k in np.unique(data.codes):
        real.add(k, data.log_returns[data.codes == k], start, market_mean)
    trust = real.days / (real.days + TAIL_PRIOR_DAYS)
    for round_ in range(ROUNDS):
        seen = _simulate(Sampler(network, start), data.codes, SEED + round_, market_mean)
        has = seen.days > 0
        mean = seen.total / np.maximum(seen.days, 1)[:, None]
        spread = np.sqrt(np.maximum(seen.square / np.maximum(seen.days, 1)[:, None] - mean**2, 1e-12))
        ratio = np.where(has[:, None], np.log(start.moments.volatility / spread), 0.0)
        shift = np.where(has[:, None], start.moments.mean - mean, 0.0)
        with torch.no_grad():
            network.level.add_(torch.as_tensor(ratio, dtype=torch.float32))
            network.mean.add_(torch.as_tensor(shift, dtype=torch.float32))
        if round_ < ROUNDS - 1:  # the last round only levels what these corrections moved
            start = _with_correlation(start, np.where(has, np.log(real.common / seen.common), 0.0) * trust)
            heavier = np.where(has, np.log(real.market_heaviness / seen.market_heaviness), 0.0) * trust
            own_heavier = np.log(real.sector_heaviness / seen.sector_heaviness)
            start = _with_tails(start, heavier, own_heavier)
            network.set_innovations(start.innovations)
    return start


def level_severity(network: ScenarioNetwork, start: StartStatistics, data: LabelledReturns) -> None:
    """Correct, in place, how each regime's volatility and mean answer to severity: both in proportion."""
    if not network.tables:
        return
    market_mean = _market_mean(data, network.n_regimes)
    low, high = SEVERITIES
    for _ in range(ROUNDS - 1):
        means, spreads = [], []
        for severity in SEVERITIES:  # the same noise twice: differences need few paths
            sums = _simulate(Sampler(network, start), data.codes, SEED, market_mean, severity)
            days = np.maximum(sums.days, 1)[:, None]
            means.append(sums.total / days)
            spreads.append(0.5 * np.log(np.maximum(sums.square / days - means[-1] ** 2, 1e-12)).mean(1))
        has, step = sums.days > 0, np.log(high / low)
        gain = np.where(has, 1 - (spreads[1] - spreads[0]) / step, 0.0) + network.severity_gain.numpy()
        drift = np.where(has[:, None], start.moments.mean - (means[1] - means[0]) / step, 0.0)
        network.severity_gain.copy_(
            torch.as_tensor(np.clip(gain, 1 / MAX_GAIN, MAX_GAIN), dtype=torch.float32)
        )
        network.severity_drift.add_(torch.as_tensor(drift, dtype=torch.float32))


def _with_correlation(start: StartStatistics, log_factor: Array) -> StartStatistics:
    """Multiply the innovations' correlations of every regime, (K,) in logs, as far as their variances allow."""
    loadings = start.innovations.loadings
    room = MAX_COMMUNALITY / np.maximum((loadings**2).sum(2), 1e-12)
    loadings = loadings * np.sqrt(np.minimum(np.exp(log_factor)[:, None], room))[:, :, None]
    idiosyncratic = np.sqrt(1 - (loadings**2).sum(2))
    return replace(
        start, innovations=replace(start.innovations, loadings=loadings, idiosyncratic=idiosyncratic)
    )


def _with_tails(start: StartStatistics, heavier: Array, own_heavier: Array) -> StartStatistics:
    """Move the tails by log ratios of heaviness, (K,) and (S,).

    The fourth moment of the shared scale is ``(nu - 2) / (nu - 4)``, a factor of the market's. A sector's own news
    are only part of its heaviness, so their tail moves by a damped step.
    """
    nu = start.innovations.nu
    shared = np.maximum((nu - 2) / np.maximum(nu - 4, 0.5) * np.exp(heavier), 1 + 2 / (MAX_NU - 4))
    tail = start.innovations.tail + 0.15 * (own_heavier - heavier.mean())
    innovations = replace(
        start.innovations,
        nu=np.clip((4 * shared - 2) / (shared - 1), 4.2, MAX_NU),
        tail=np.clip(tail, 0.0, MAX_TAIL),
    )
    return replace(start, innovations=innovations)


def _market_mean(data: LabelledReturns, n_regimes: int) -> Array:
    """Mean log return of the market in each regime, (K,)."""
    market = data.log_returns.mean(1)
    days = [market[data.codes == k] for k in range(n_regimes)]
    return np.array([x.mean() if len(x) else 0.0 for x in days])


def _simulate(
    sampler: Sampler, codes: NDArray[np.int_], seed: int, market_mean: Array, severity: float = 1.0
) -> _Sums:
    """Sums over simulated log returns under the training labels."""
    network, n_sectors, n_regimes = sampler.network, sampler.network.n_sectors, sampler.network.n_regimes
    sums = _Sums.empty(n_regimes, n_sectors)
    free = StartVolatility(np.full(n_sectors + 3, np.nan))
    n_chunks = max(1, round(PATH_DAYS / (len(codes) * network.config.chunk_paths)))
    for first in range(0, len(codes), SPAN_DAYS):
        part = codes[first : first + SPAN_DAYS]
        n_days = len(part)
        weights = np.eye(n_regimes)[part][None]
        conditions = sampler.condition(
            weights,
            np.full((1, n_days), severity),
            np.zeros((1, n_sectors, n_days, n_regimes)),
            np.ones((1, n_sectors, n_days)),
        )
        # A stretch of its own seeds; chunk numbers only tell the paths apart.
        job = lambda chunk, w=weights, c=conditions, s=seed + first: sampler.chunk(s, chunk, w, c, free)  # noqa: E731
        for y in sampler.run(n_chunks, job):
            for k in np.unique(part):
                sums.add(
                    int(k),
                    y[:, part == k].reshape(-1, n_sectors).astype(np.float64),
                    sampler.start,
                    market_mean,
                )
    return sums
