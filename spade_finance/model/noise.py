# SPDX-License-Identifier: Apache-2.0
"""Noise: what makes one path of a map differ from another, drawn path by path.

Path ``i`` of seed ``s`` has a counter-based generator of its own (Philox keyed by ``(s, i)``), and consumes its
normals day by day, so a path does not change with the number of paths, and its first days do not change with the
horizon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TIMELINE_STREAM, START_STREAM, DAILY_STREAM = 0, 1, 2
_GRID = np.linspace(-6.5, 6.5, 1301)


def path_generator(seed: int, path: int, stream: int) -> np.random.Generator:
    """The generator of one path's stream; streams are 2^128 draws apart and never meet."""
    # uint64 by hand: numpy would make a float of a list with a seed beyond 2^63
    key, counter = np.array([seed, path], dtype=np.uint64), np.array([0, 0, stream, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def path_generators(seed: int, paths: range, stream: int) -> Iterator[np.random.Generator]:
    """The same generators one after the other: one object moved from path to path, five times quicker to make."""
    bits = np.random.Philox(0)
    generator, nothing = np.random.Generator(bits), np.zeros(4, dtype=np.uint64)
    for path in paths:
        counter, key = np.array([0, 0, stream, 0], dtype=np.uint64), np.array([seed, path], dtype=np.uint64)
        bits.state = {
            "bit_generator": "Philox", "state": {"counter": counter, "key": key}, "buffer": nothing,
            "buffer_pos": 4, "has_uint32": 0, "uinteger": 0,
        }  # fmt: skip
        yield generator


@dataclass(frozen=True)
class Noise:
    """Daily standard normals of a chunk, float32: ``factors`` (n, T, r), ``own`` (n, T, S), ``mixing`` (n, T)."""

    factors: NDArray[np.float32]
    own: NDArray[np.float32]
    mixing: NDArray[np.float32]


def width(n_sectors: int, rank: int) -> int:
    """Normals a path consumes each day."""
    return rank + n_sectors + 1


def split(normals: NDArray[np.float32], rank: int) -> Noise:
    """Name the columns of ``normals`` (n, T, width)."""
    return Noise(normals[..., :rank], normals[..., rank:-1], normals[..., -1])


def draw(seed: int, paths: range, n_days: int, n_sectors: int, rank: int) -> Noise:
    """Daily noise of some paths."""
    normals = np.empty((len(paths), n_days, width(n_sectors, rank)), dtype=np.float32)
    for row, generator in zip(normals, path_generators(seed, paths, DAILY_STREAM), strict=True):
        generator.standard_normal(dtype=np.float32, out=row)
    return split(normals, rank)


def heavy_tail(
    mixing: NDArray[np.float32], weights: NDArray[np.floating], nu: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Scale that turns normals into a unit-variance t: ``sqrt((nu - 2) / chi2_nu)``, (n, T).

    The chi-square is a monotone function of the ``mixing`` normal, so that two timelines with the same noise keep
    the same ranks. ``weights`` (n or 1, T, K) blend the logarithms of the regimes' scales.
    """
    out = np.zeros_like(mixing)
    for k in np.flatnonzero(weights.reshape(-1, weights.shape[-1]).any(0)):
        log_scale = np.interp(mixing, _GRID, _log_scale(float(nu[k]))).astype(np.float32)
        out += weights[..., k].astype(np.float32) * log_scale
    return np.exp(out)


@lru_cache(maxsize=64)
def _log_scale(nu: float) -> NDArray[np.float64]:
    from scipy.stats import chi2, norm

    return 0.5 * np.log((nu - 2) / chi2.ppf(norm.sf(_GRID), nu))
