# SPDX-License-Identifier: Apache-2.0
"""`PathTimelines`: one timeline a path, as random scripts give them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spade_finance.exceptions import InputError
from spade_finance.regimes.timeline import RegimeTimeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["PathTimelines"]


@dataclass(frozen=True, eq=False)
class PathTimelines:
    """Timelines of many paths that differ only in the market's drawn days.

    Attributes
    ----------
    regimes : K names; sectors : S names
    codes : (n_paths, T) int8
        The market's regime on each path and day; the heaviest where the script gives a blend.
    weights : (T, K) float
        The market's regime on days that the script fixes, the same on every path; zeros on drawn days.
    severity : (T,) float
        The market's severity, the same on every path; 1 (the typical episode) on drawn days.
    sector_weights, sector_severity : (S, T, K), (S, T) float
        Overrides, the same on every path; see :class:`~.timeline.RegimeTimeline`.
    """

    regimes: tuple[str, ...]
    codes: NDArray[np.int8]
    weights: NDArray[np.float64]
    severity: NDArray[np.float64]
    sectors: tuple[str, ...]
    sector_weights: NDArray[np.float64]
    sector_severity: NDArray[np.float64]

    def __post_init__(self) -> None:
        drawn = np.asarray(~self.weights.any(axis=1))
        filled = np.where(drawn[:, None], np.eye(len(self.regimes))[0], self.weights)
        fixed = RegimeTimeline(  # checks everything but the codes
            self.regimes, filled, self.severity, self.sectors, self.sector_weights, self.sector_severity
        )
        codes = np.array(self.codes, dtype=np.int8)
        if codes.ndim != 2 or codes.shape[1] != fixed.n_days or len(codes) < 1:
            raise InputError(f"codes has shape {codes.shape}; expected (n_paths, {fixed.n_days})")
        if codes.min() < 0 or codes.max() >= len(fixed.regimes):
            raise InputError(f"codes must lie in 0 to {len(fixed.regimes) - 1}")
        if (codes[:, ~drawn] != fixed.codes[~drawn]).any():
            raise InputError("codes differ from the heaviest of weights on a day that the script fixes")
        if (fixed.severity[drawn] != 1).any():
            raise InputError("severity must be 1 on drawn days")
        weights = np.where(drawn[:, None], 0.0, fixed.weights)
        for array in (codes, weights):
            array.setflags(write=False)
        for name in ("regimes", "sectors", "severity", "sector_weights", "sector_severity"):
            object.__setattr__(self, name, getattr(fixed, name))
        object.__setattr__(self, "codes", codes)
        object.__setattr__(self, "weights", weights)

    @property
    def n_paths(self) -> int:
        """Number of paths."""
        return len(self.codes)

    @property
    def n_days(self) -> int:
        """Number of trading days T."""
        return int(self.codes.shape[1])

    @property
    def drawn(self) -> NDArray[np.bool_]:
        """(T,) whether the market's regime is drawn for each path on that day."""
        return np.asarray(~self.weights.any(axis=1))

    @property
    def deterministic_prefix(self) -> int:
        """Days from the start until the first drawn one: the same timeline on every path."""
        drawn = np.flatnonzero(self.drawn)
        return int(drawn[0]) if drawn.size else self.n_days

    def path_weights(
        self, paths: slice | Sequence[int] | NDArray[np.intp] = slice(None)
    ) -> NDArray[np.float64]:
        """(n, T, K) market weights of the chosen paths: shared rows where fixed, one-hot where drawn."""
        hard = np.eye(len(self.regimes))[self.codes[paths]]  # (n, T, K)
        return np.where(self.drawn[:, None], hard, self.weights)

    def timeline(self, path: int) -> RegimeTimeline:
        """The timeline of one path."""
        if not -self.n_paths <= path < self.n_paths:
            raise InputError(f"path={path} but there are {self.n_paths} paths; count from 0")
        return RegimeTimeline(
            self.regimes,
            self.path_weights([path])[0],
            self.severity,
            self.sectors,
            self.sector_weights,
            self.sector_severity,
        )

    def __getitem__(self, paths: slice) -> PathTimelines:
        if not isinstance(paths, slice):
            raise TypeError(
                "paths are cut with a slice, such as timelines[0:64]; one path is timelines.timeline(i)"
            )
        return self._with(codes=self.codes[paths])

    def head(self, n_days: int) -> PathTimelines:
        """First `n_days` days of every path."""
        if not 1 <= n_days <= self.n_days:
            raise InputError(f"n_days={n_days} but there are {self.n_days} days; give 1 to {self.n_days}")
        return PathTimelines(
            self.regimes,
            self.codes[:, :n_days],
            self.weights[:n_days],
            self.severity[:n_days],
            self.sectors,
            self.sector_weights[:, :n_days],
            self.sector_severity[:, :n_days],
        )

    @classmethod
    def repeat(cls, timeline: RegimeTimeline, n_paths: int) -> PathTimelines:
        """The same fixed timeline on `n_paths` paths."""
        if n_paths < 1:
            raise InputError(f"n_paths={n_paths}; give at least 1")
        return cls(
            timeline.regimes,
            np.broadcast_to(timeline.codes, (n_paths, timeline.n_days)),
            timeline.weights,
            timeline.severity,
            timeline.sectors,
            timeline.sector_weights,
            timeline.sector_severity,
        )

    def to_frame(self) -> pd.DataFrame:
        """Long table ``path, step, regime, severity`` (severity is the market's), one row a path and day."""
        import pandas as pd

        names = np.array(self.regimes, dtype=object)[self.codes.ravel()]
        return pd.DataFrame(
            {
                "path": np.repeat(np.arange(self.n_paths, dtype=np.int32), self.n_days),
                "step": np.tile(np.arange(self.n_days, dtype=np.int32), self.n_paths),
                "regime": names,
                "severity": np.tile(self.severity, self.n_paths),
            }
        )

    def digest(self) -> str:
        """16 hex digits of the SHA-256 of every value."""
        sha = hashlib.sha256(json.dumps([self.regimes, self.sectors, *self.codes.shape]).encode())
        sha.update(np.ascontiguousarray(self.codes).tobytes())
        for values in (self.weights, self.severity, self.sector_weights, self.sector_severity):
            sha.update((values + 0.0).astype("<f8").tobytes())
        return sha.hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PathTimelines):
            return NotImplemented
        if (self.regimes, self.sectors) != (other.regimes, other.sectors):
            return False
        names = ("codes", "weights", "severity", "sector_weights", "sector_severity")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        return hash(self.digest())

    def __len__(self) -> int:
        return self.n_paths

    def __repr__(self) -> str:
        return (
            f"PathTimelines({self.n_paths} paths x {self.n_days} days, "
            f"{int(self.drawn.sum())} of them drawn, regimes {', '.join(self.regimes)})"
        )

    def _with(self, codes: NDArray[np.int8]) -> PathTimelines:
        return PathTimelines(
            self.regimes,
            codes,
            self.weights,
            self.severity,
            self.sectors,
            self.sector_weights,
            self.sector_severity,
        )
