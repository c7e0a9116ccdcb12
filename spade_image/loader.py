# SPDX-License-Identifier: Apache-2.0
"""Batches by number: which pairs, where cropped, flipped or not, all from the seed; the next one read ahead."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from spade_core.seeding import derive_seed
from spade_image.data import PairSet, Sample, Samples

__all__ = ["Loader"]


class Loader:
    """Batches by number, the next one read ahead.

    Parameters
    ----------
    pairs : PairSet
    batch_size : int
        Of this process.
    seed : int
    rank, world_size : int
        This process takes every ``world_size``-th run of ``batch_size`` samples.
    flip : bool
        Flip half of the samples.
    workers : int
        Threads that decode.
    """

    def __init__(
        self,
        pairs: PairSet,
        batch_size: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        flip: bool = True,
        workers: int = 2,
    ) -> None:
        self.pairs, self.batch_size, self.seed = pairs, batch_size, seed
        self.rank, self.world_size, self.flip = rank, world_size, flip
        self._order: tuple[int, NDArray[np.int64]] | None = None
        self._pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="decode")
        self._ahead: tuple[int, Future[Samples]] | None = None

    def index(self, k: int) -> int:
        """Return which pair sample ``k`` of the training is: each epoch is a new order of all pairs."""
        epoch, place = divmod(k, len(self.pairs))
        if self._order is None or self._order[0] != epoch:
            order = np.random.default_rng(derive_seed(self.seed, "order", epoch)).permutation(len(self.pairs))
            self._order = (epoch, order)
        return int(self._order[1][place])

    def sample(self, k: int, index: int) -> Sample:
        """Return sample ``k`` (pair ``index``), cropped and flipped by its own randomness."""
        rng = np.random.default_rng(derive_seed(self.seed, "augment", k))
        x, y, coin = rng.random(3)
        return self.pairs.get(index, where=(float(x), float(y)), flip=self.flip and coin < 0.5)

    def _load(self, numbers: Sequence[tuple[int, int]]) -> Samples:
        return self.pairs.batch([self.sample(k, index) for k, index in numbers])

    def batch(self, number: int) -> Samples:
        """Return batch ``number`` of this process."""
        future = self._submit(number) if self._ahead is None or self._ahead[0] != number else self._ahead[1]
        samples = future.result()
        self._ahead = (number + 1, self._submit(number + 1))
        return samples

    def _submit(self, number: int) -> Future[Samples]:
        first = (number * self.world_size + self.rank) * self.batch_size
        numbers = [(k, self.index(k)) for k in range(first, first + self.batch_size)]
        return self._pool.submit(self._load, numbers)

    def close(self) -> None:
        """Stop reading ahead."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._ahead = None
