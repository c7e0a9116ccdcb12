# SPDX-License-Identifier: Apache-2.0
"""Sampling: fixed, padded chunks of paths, the map's work done once and shared by all of them.

A chunk holds the paths ``c * size .. (c + 1) * size - 1`` whatever was asked for, on one thread, because floating
point depends on the batch's shape and on how many threads share a sum: path i of seed s is then the same path, byte
for byte, for any number of paths and of workers. Chunks run side by side in threads.

For drawn timelines (``markov``, ``now``), where every path has its own map, gamma and beta are looked up per
distinct *local pattern*: the day's labels as far back as the layers can see. Few patterns make up all timelines, and
they are kept from chunk to chunk.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spade_finance.model import noise as noise_
from spade_finance.model.batches import path_inputs
from spade_finance.model.dynamics import HALF_LIVES, step
from spade_finance.model.maps import encode
from spade_finance.model.moments import own_news
from spade_finance.model.network import Conditions, ScenarioNetwork, join_days
from spade_finance.model.patterns import PatternCache
from spade_finance.model.slow import n_shocks, simulate_slow
from spade_finance.model.start import StartStatistics
from spade_finance.windows import MAP_CONTEXT_DAYS

if TYPE_CHECKING:
    from spade_finance.model.tilt import Tilt

DAY_MULTIPLE = 32
"""Horizons are padded to a multiple of this; the surplus days are dropped."""
MOST_LEVELS = 8
"""Tables of modulations kept for severities other than 1."""
POOL_CHAINS, POOL_DAYS = 512, 500
"""Resting states of the bank: so many independent chains run for so many days."""


@dataclass(frozen=True)
class StartVolatility:
    """Where the slow states stand on day 0.

    ``states`` (S + 3,) fixes those that are not NaN; the others are drawn from their stationary law. ``bank``
    (2 S + 2, 5) fixes the clustering bank, else it is drawn at rest.
    """

    states: NDArray[np.float64]
    bank: NDArray[np.float32] | None = None


class Sampler:
    """Paths of a trained network under given timelines."""

    def __init__(self, network: ScenarioNetwork, start: StartStatistics) -> None:
        self.network, self.start, self.config = network.eval(), start, network.config
        self.log_levels = np.log(start.market_volatility)
        self._resting: NDArray[np.float32] | None = None
        self.patterns = PatternCache(self)
        self._levelled: OrderedDict[bytes, PatternCache] = OrderedDict()

    def patterns_at(self, severities: NDArray[np.float64] | None) -> PatternCache:
        """The looked-up modulations for these severities (K,) by regime; the last few are kept."""
        if severities is None:
            return self.patterns
        key = severities.tobytes()
        if key not in self._levelled:
            self._levelled[key] = PatternCache(self, severities)
        self._levelled.move_to_end(key)
        while len(self._levelled) > MOST_LEVELS:
            self._levelled.popitem(last=False)
        return self._levelled[key]

    # -- conditions -----------------------------------------------------------------------------------------------

    def condition(
        self,
        weights: NDArray[np.floating],
        severity: NDArray[np.floating],
        own_weights: NDArray[np.floating],
        own_severity: NDArray[np.floating],
    ) -> Conditions:
        """The map's work for a batch of timelines (m, T, ...), continued to the left with their first day."""
        context = MAP_CONTEXT_DAYS if self.config.trunk == "causal" else 0

        def extended(x: NDArray[np.floating], axis: int) -> NDArray[np.floating]:
            first = np.repeat(np.take(x, [0], axis=axis), context, axis=axis)
            return np.concatenate([first, x], axis=axis)

        w = extended(weights, 1)
        maps = encode(
            w, extended(severity, 1), extended(own_weights, 2), extended(own_severity, 2), self.log_levels
        )
        market, sector, weight = (
            torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)) for x in (maps.market, maps.sector, w)
        )
        with torch.inference_mode():
            if not context or self.config.conditioning == "film":  # FiLM reads the whole window
                return self.network.condition(market, sector, weight, context)
            # Block by block: floating point depends on a tensor's shape, and equal beginnings of two scripts must
            # give equal modulations to the byte whatever their lengths.
            blocks = [
                self.network.condition(
                    market[..., first : first + context + DAY_MULTIPLE].contiguous(),
                    sector[..., first : first + context + DAY_MULTIPLE].contiguous(),
                    weight[:, first : first + context + DAY_MULTIPLE].contiguous(),
                    context,
                )
                for first in range(0, weights.shape[1], DAY_MULTIPLE)
            ]
        return join_days(blocks)

    # -- paths ----------------------------------------------------------------------------------------------------

    def chunk(
        self,
        seed: int,
        chunk: int,
        weights: NDArray[np.floating],
        conditions: Conditions,
        start: StartVolatility,
        tilt: Tilt | None = None,
    ) -> NDArray[np.float32]:
        """Log returns (chunk_paths, T, S) of one chunk; ``weights`` (m, T, K) as in its conditions."""
        size, n_days = self.config.chunk_paths, weights.shape[1]
        paths = range(chunk * size, (chunk + 1) * size)
        n_sectors, rank = self.network.n_sectors, self.network.rank
        z = noise_.draw(seed, paths, n_days, n_sectors, rank)
        if tilt is not None:
            z = tilt.apply(z, paths, weights)
        slow, bank = self._states(seed, paths, n_days, start)
        scale = noise_.heavy_tail(z.mixing, weights, self.start.innovations.nu)
        with torch.inference_mode():
            returns: Tensor = self.network(conditions, path_inputs(z.factors, z.own, scale, slow, bank))
        return np.ascontiguousarray(returns.numpy().transpose(0, 2, 1))

    def _states(
        self, seed: int, paths: range, n_days: int, start: StartVolatility
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Slow states of every day (n, T, S + 3) and the bank's state before day 0 (n, 2 S + 2, 5)."""
        law = self.start.slow
        first = np.empty((len(paths), len(law.sd)))
        which = np.empty(len(paths), dtype=int)
        shocks = np.empty((len(paths), n_shocks(n_days), len(law.sd)), dtype=np.float32)
        for i, rng in enumerate(noise_.path_generators(seed, paths, noise_.START_STREAM)):
            first[i] = law.sd * rng.standard_normal(len(law.sd))
            which[i] = rng.integers(POOL_CHAINS)
            rng.standard_normal(dtype=np.float32, out=shocks[i])
        first = np.where(np.isnan(start.states), first, start.states)
        slow = simulate_slow(shocks, first, law, n_days) if self.config.slow_states else None
        bank = (
            self.resting()[which] if start.bank is None else np.repeat(start.bank[None], len(paths), axis=0)
        )
        return np.zeros((len(paths), n_days, len(law.sd)), np.float32) if slow is None else slow, bank

    def resting(self) -> NDArray[np.float32]:
        """States of the bank at rest, (POOL_CHAINS, 2 S + 2, 5), from long runs of innovations."""
        if self._resting is None:
            innovations = self.start.innovations
            share = np.full(len(innovations.nu), 1 / len(innovations.nu))
            rng = np.random.Generator(np.random.Philox(key=[20190318, 0]))
            n_sectors, rank = self.network.n_sectors, self.network.rank
            loadings = np.tensordot(share, innovations.loadings, 1)
            own = np.sqrt(1 - (loadings**2).sum(-1))
            nu = float(np.exp(share @ np.log(innovations.nu)))
            state = np.zeros((POOL_CHAINS, 2 * n_sectors + 2, len(HALF_LIVES)))
            for _ in range(POOL_DAYS):
                normals = rng.standard_normal((POOL_CHAINS, n_sectors + rank))
                mix = np.sqrt((nu - 2) / rng.chisquare(nu, POOL_CHAINS))[:, None]
                e = mix * (
                    normals[:, :rank] @ loadings.T + own * own_news(normals[:, rank:], innovations.tail)
                )
                state = step(state, e)
            self._resting = state.astype(np.float32)
        return self._resting

    def run(
        self,
        n_chunks: int,
        job: Callable[[int], Any],
        *,
        workers: int | None = None,
        first_chunk: int = 0,
    ) -> Iterator[Any]:
        """Results of ``job(chunk)`` in order, computed side by side; at most a few wait in memory."""
        workers = max(1, min(workers or len(_usable_cores()), n_chunks))
        self.resting()
        with _one_thread_each(), ThreadPoolExecutor(workers) as pool:
            pending = []
            try:
                for chunk in range(first_chunk, first_chunk + n_chunks):
                    pending.append(pool.submit(job, chunk))
                    if len(pending) > 2 * workers:
                        yield pending.pop(0).result()
                while pending:
                    yield pending.pop(0).result()
            finally:
                for future in pending:
                    future.cancel()


def padded_days(n_days: int) -> int:
    """The horizon that is computed for ``n_days``."""
    return -(-n_days // DAY_MULTIPLE) * DAY_MULTIPLE


def _usable_cores() -> set[int] | range:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Torch on one thread a chunk: chunks are the unit of parallel work, and sums keep their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
