# SPDX-License-Identifier: Apache-2.0
"""Drawing the paths of a reverse stress test's stories, and the path that stands for one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.regimes.path_timelines import PathTimelines
from spade_finance.stress.candidates import Candidate
from spade_finance.stress.money import run_book
from spade_finance.stress.portfolio import Portfolio
from spade_finance.stress.sums import dot

__all__ = ["Run", "Sampler", "drawn_timelines", "representative"]

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

MOST_PLACES = 400
"""Breaching paths among which the medoid is sought."""


@dataclass(frozen=True)
class Run:
    """Paths of one rank of severity, all stories after each other."""

    story: NDArray[np.intp]
    codes: NDArray[np.int8]
    values: Array
    simple: NDArray[np.float32]
    score: Array
    shift: Array


class Sampler:
    """Draws paths of stories, keeping seeds and progress."""

    def __init__(
        self, model: Any, book: Portfolio, start_vol: str, history: Any, rng: Any, progress: Any, total: int
    ) -> None:
        self.model, self.book, self.start_vol, self.history = model, book, start_vol, history
        self.rng, self.progress, self.total, self.done = rng, progress, total, 0
        self.regimes, self.sectors = tuple(model.regimes_), tuple(model.sectors_)
        self.model_hash = str(getattr(model, "hash_", ""))

    def severities(self, rank: float) -> Array:
        """Severity of each regime at a rank, from the quantiles of its historical episodes."""
        table = self.model.severity_table_
        columns = ["min", "p05", "median", "p95", "max"]
        out = np.ones(len(self.regimes))
        for i, name in enumerate(self.regimes):
            levels = table.loc[name, columns].to_numpy(dtype=np.float64) if name in table.index else None
            if levels is not None and np.isfinite(levels).all():
                out[i] = np.interp(rank, [0.0, 0.05, 0.5, 0.95, 1.0], levels)
        return out

    def run(self, cells: list[tuple[Candidate, Array]], rank: float) -> Run:
        """Paths of every story with its shifts, at one rank of severity."""
        which = np.repeat(np.arange(len(cells)), [len(shift) for _, shift in cells])
        codes = np.concatenate([c.draw(len(shift), self.rng) for c, shift in cells])
        shift = np.concatenate([shift for _, shift in cells])
        drawn = self.model.sample_tilted(
            drawn_timelines(codes, self.regimes, self.sectors), len(codes), int(self.rng.integers(2**62)),
            shift=shift, weights=dict(zip(self.sectors, self.book.vector(self.sectors), strict=True)),
            severity=self.severities(rank), start_vol=self.start_vol, history=self.history,
        )  # fmt: skip
        simple = drawn.scenarios.simple_array
        values = run_book(simple, codes, len(self.regimes), self.book, self.sectors).wealth
        self.done += len(codes)
        if self.progress is not None:
            self.progress(self.done, max(self.done, self.total))
        return Run(which, codes, values, simple, np.asarray(drawn.score), shift)


def drawn_timelines(
    codes: NDArray[np.int8], regimes: tuple[str, ...], sectors: tuple[str, ...]
) -> PathTimelines:
    """Timelines (n, T) of hard labels, no sector on its own."""
    n_days = codes.shape[1]
    blank = np.zeros((len(sectors), n_days, len(regimes)))
    ones = np.ones((len(sectors), n_days))
    return PathTimelines(
        regimes, codes, np.zeros((n_days, len(regimes))), np.ones(n_days), sectors, blank, ones
    )


def representative(runs: list[Run], i: int, weights: list[Array]) -> tuple[int, int]:
    """(rank, path) of the weighted medoid of a story's breaching paths.

    The path whose weighted mean distance to all others is least; distance is the root mean square difference of the
    log values over their common spread, plus the share of days in different regimes.
    """
    place, weight = [], []
    for row, run in enumerate(runs):
        paths = np.flatnonzero(run.story == i)
        hit = weights[row] > 0
        place += [(row, int(p)) for p in paths[hit]]
        weight += list(weights[row][hit])
    order = np.argsort(-np.array(weight))[:MOST_PLACES]
    place, mass = [place[j] for j in order], np.array(weight)[order]
    level = np.stack([np.log(np.maximum(runs[r].values[p], 0.01)) for r, p in place])
    level /= max(float(np.sqrt(level.var(axis=0).mean())), 1e-9)
    codes = np.stack([runs[r].codes[p] for r, p in place])
    total = [
        float(dot(np.sqrt(np.square(level - own).mean(axis=1)) + (codes != days).mean(axis=1), mass))
        for own, days in zip(level, codes, strict=True)
    ]
    return place[int(np.argmin(total))]
