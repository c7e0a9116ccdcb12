# SPDX-License-Identifier: Apache-2.0
"""Level every regime: after training, what the generator gives under the training labels has the training data's
mean and volatility, sector by sector and regime by regime.

Means and volatilities of a regime are what users ask for first and what a few hundred windows teach least well;
simulating and correcting them costs a second.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from spade_finance.model.network import ScenarioNetwork
from spade_finance.model.sampling import Sampler, StartVolatility
from spade_finance.model.start import LabelledReturns, StartStatistics

ROUNDS, SEED = 2, 20_190_318
PATH_DAYS = 1_000_000
"""About so many simulated days a round, at least one chunk of paths."""
SPAN_DAYS = 2048
"""The training labels are simulated in stretches of this many days, to bound memory."""


def level_regimes(
    network: ScenarioNetwork, start: StartStatistics, data: LabelledReturns
) -> NDArray[np.float64]:
    """Correct the network's regime tables in place; returns the last round's log ratio of volatilities, (K, S).

    Timelines have severity 1 and every sector with the market: the typical episode is the one that has the
    regime's own volatility.
    """
    if not network.tables:
        return np.zeros_like(start.moments.volatility)
    ratio = np.zeros_like(start.moments.volatility)
    for round_ in range(ROUNDS):
        count, total, square = _simulate(Sampler(network, start), data.codes, SEED + round_)
        seen = count > 0
        mean = total / np.maximum(count, 1)[:, None]
        spread = np.sqrt(np.maximum(square / np.maximum(count, 1)[:, None] - mean**2, 1e-12))
        ratio = np.where(seen[:, None], np.log(start.moments.volatility / spread), 0.0)
        shift = np.where(seen[:, None], start.moments.mean - mean, 0.0)
        with torch.no_grad():
            network.level.add_(torch.as_tensor(ratio, dtype=torch.float32))
            network.mean.add_(torch.as_tensor(shift, dtype=torch.float32))
    return ratio


def _simulate(
    sampler: Sampler, codes: NDArray[np.int_], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Days, sums and sums of squares of simulated log returns by regime, (K,), (K, S), (K, S)."""
    network = sampler.network
    n_regimes, n_sectors = network.n_regimes, network.n_sectors
    count, total, square = (
        np.zeros(n_regimes),
        np.zeros((n_regimes, n_sectors)),
        np.zeros((n_regimes, n_sectors)),
    )
    free = StartVolatility(np.full(n_sectors + 3, np.nan))
    n_chunks = max(1, round(PATH_DAYS / (len(codes) * network.config.chunk_paths)))
    for first in range(0, len(codes), SPAN_DAYS):
        part = codes[first : first + SPAN_DAYS]
        weights = np.eye(n_regimes)[part][None]
        conditions = sampler.condition(
            weights, np.ones((1, len(part))), np.zeros((1, n_sectors, len(part), n_regimes)),
            np.ones((1, n_sectors, len(part))),
        )  # fmt: skip
        # A stretch of its own seeds; chunk numbers only tell the paths apart.
        job = lambda chunk, w=weights, c=conditions, s=seed + first: sampler.chunk(s, chunk, w, c, free)  # noqa: E731
        for y in sampler.run(n_chunks, job):
            for k in np.unique(part):
                days = y[:, part == k].astype(np.float64)
                count[k] += days.shape[0] * days.shape[1]
                total[k] += days.sum((0, 1))
                square[k] += (days**2).sum((0, 1))
    return count, total, square
