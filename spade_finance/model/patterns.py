# SPDX-License-Identifier: Apache-2.0
"""Modulations of drawn timelines, looked up by local label pattern.

What a map decides on day t depends on the labels of days t - R .. t (R: reach of the map's features and of the
layers' convolutions on it). A pattern is that row of labels as one integer; its modulations are computed once and kept.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spade_core.spade import Modulation
from spade_finance.model.maps import STEP_WINDOWS
from spade_finance.model.network import Conditions

if TYPE_CHECKING:
    from spade_finance.model.sampling import Sampler

MAX_PATTERNS = 50_000
"""Patterns kept; beyond, the table is emptied."""


class PatternCache:
    """Table of pattern -> everything the map decides on a day.

    ``severities`` (K,) is the market's severity on days of each regime; default 1.
    """

    def __init__(self, sampler: Sampler, severities: NDArray[np.float64] | None = None) -> None:
        self.sampler = sampler
        config, n_regimes = sampler.config, sampler.network.n_regimes
        self.reach = max(STEP_WINDOWS) + 2 * (config.map_kernel - 1)
        self.n_regimes = n_regimes
        self.severities = np.ones(n_regimes) if severities is None else severities
        self.usable = (
            config.trunk == "causal"
            and config.conditioning != "film"
            and n_regimes ** (self.reach + 1) < 2**63
        )
        self._lock = threading.Lock()
        self._keys: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._rows: list[Tensor] = []
        self._layout: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """For copies: everything but the lock, which belongs to one object."""
        with self._lock:
            return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def conditions(self, codes: NDArray[np.int8]) -> Conditions:
        """Conditions of hard market labels (n, T), every sector with the market."""
        keys = self._pattern_keys(codes)
        with self._lock:
            missing = np.setdiff1d(keys, self._keys)
            if len(self._keys) + len(missing) > MAX_PATTERNS:
                self._keys, self._rows, missing = np.empty(0, dtype=np.int64), [], np.unique(keys)
            if len(missing):
                self._add(missing)
            index = torch.from_numpy(np.searchsorted(self._keys, keys))
            rows, layout = list(self._rows), self._layout
        # (patterns, ...) -> (n, T, ...) -> time last
        return _rebuild(layout, [_time_last(row[index]) for row in rows])

    def _pattern_keys(self, codes: NDArray[np.int8]) -> NDArray[np.int64]:
        """One integer for the labels of each day and the ``reach`` days before it."""
        first = np.repeat(codes[:, :1], self.reach, axis=1)
        padded = np.concatenate([first, codes], axis=1).astype(np.int64)
        keys = np.zeros(codes.shape, dtype=np.int64)
        for lag in range(self.reach + 1):
            keys = keys * self.n_regimes + padded[:, lag : lag + codes.shape[1]]
        return keys

    def _add(self, missing: NDArray[np.int64]) -> None:
        powers = self.n_regimes ** np.arange(self.reach, -1, -1, dtype=np.int64)
        codes = (missing[:, None] // powers) % self.n_regimes  # (new, reach + 1)
        n, n_sectors = len(missing), self.sampler.network.n_sectors
        rows: list[Tensor] = []
        for part in np.array_split(codes, -(-n // 256)):
            weights = np.eye(self.n_regimes)[part]
            blank = np.zeros((len(part), n_sectors, *weights.shape[1:]))
            conditions = self.sampler.condition(
                weights, self.severities[part], blank, np.ones((len(part), n_sectors, part.shape[1]))
            )
            tensors: list[Tensor] = []
            self._layout = _flatten(conditions, tensors)
            last = [t[..., -1].clone() for t in tensors]
            rows = last if not rows else [torch.cat(pair) for pair in zip(rows, last, strict=True)]
        keys = np.concatenate([self._keys, missing])
        order = np.argsort(keys)
        merged = rows if not self._rows else [torch.cat(pair) for pair in zip(self._rows, rows, strict=True)]
        self._keys, self._rows = keys[order], [row[torch.from_numpy(order)] for row in merged]


def _flatten(x: Any, tensors: list[Tensor]) -> Any:
    """Collect the tensors of a nested structure; what is returned says how to put them back."""
    if isinstance(x, Tensor):
        tensors.append(x)
        return len(tensors) - 1
    if isinstance(x, Conditions):
        fields = (x.trunk, x.sector, x.mean, x.level, x.loadings, x.idiosyncratic)
        return Conditions(*(_flatten(f, tensors) for f in fields))
    if isinstance(x, Modulation):
        return Modulation(*(_flatten(f, tensors) for f in x))
    if isinstance(x, list | tuple):
        return [_flatten(f, tensors) for f in x]
    return None


def _rebuild(layout: Any, tensors: list[Tensor]) -> Any:
    if isinstance(layout, int):
        return tensors[layout]
    if isinstance(layout, Conditions):
        fields = (
            layout.trunk,
            layout.sector,
            layout.mean,
            layout.level,
            layout.loadings,
            layout.idiosyncratic,
        )
        return Conditions(*(_rebuild(f, tensors) for f in fields))
    if isinstance(layout, Modulation):
        return Modulation(*(_rebuild(f, tensors) for f in layout))
    if isinstance(layout, list):
        return [_rebuild(f, tensors) for f in layout]
    return None


def _time_last(x: Tensor) -> Tensor:
    return x.movedim(1, -1).contiguous()
