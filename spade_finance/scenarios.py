# SPDX-License-Identifier: Apache-2.0
r"""Scenarios: many equally likely return paths of some sectors, with the regime that held on each day.

A :class:`ScenarioSet` is a cube of returns with dims ``(path, time, asset)`` = (n, T, S), decimal, one row a
trading day. It keeps the kind of return it was made from (log from a model, simple from a file) in float32,
and derives the other on demand through :mod:`spade_finance.returns`,

.. math:: s = e^{l} - 1, \qquad l = \ln(1 + s),

computed in float64 and rounded once. Files hold simple returns, so ``simple_returns`` survives a file to the
bit and ``log_returns`` to the last place of float32.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.io.checks import (
    business_days,
    check_codes,
    check_cube,
    check_dates,
    check_paths,
    check_regimes,
    check_sectors,
    convert,
)
from spade_finance.io.layout import Codes, Floats, Header, Paths
from spade_finance.returns import log_from_simple, simple_from_log

if TYPE_CHECKING:
    import xarray as xr

LOG_MIN, LOG_MAX = -16.0, 80.0
"""Beyond these a float32 simple return is -1 (everything lost) or infinite."""

__all__ = ["ScenarioSet", "business_days"]


class ScenarioSet:
    """Return paths of S sectors over T days, drawn under a regime timeline.

    Parameters
    ----------
    log_returns : array of shape (n, T, S)
        Decimal log returns; kept as float32.
    sectors : sequence of S str
        The assets' names, in the cube's order.
    regimes : sequence of K str
        Regime names, calm to worst.
    codes : int array of shape (T,) or (n, T)
        Index into `regimes` of each day's (heaviest) regime: one timeline for all paths, or one a path.
    dates : DatetimeIndex of length T, optional
        The trading days; without them time is counted in steps from 0.
    provenance : mapping, optional
        What made the scenarios, JSON-able: ``model_hash``, ``script``, ``seed``, ``version``, ...
    paths : int array of shape (n,), optional
        Path numbers, rising; default 0 to n - 1.

    Raises
    ------
    InputError
        If shapes disagree, a return is missing, infinite or a total loss, or a name is unusable.

    Examples
    --------
    >>> import numpy as np
    >>> scen = ScenarioSet(np.zeros((2, 3, 1)), ["Energy"], ["bull", "crisis"], [0, 0, 1])
    >>> scen
    ScenarioSet(2 paths x 3 days x 1 sector: Energy; regimes bull 67%, crisis 33%)
    >>> scen.prices(100).dims
    ('path', 'time', 'asset')
    """

    def __init__(
        self,
        log_returns: npt.ArrayLike,
        sectors: Sequence[str],
        regimes: Sequence[str],
        codes: npt.ArrayLike,
        *,
        dates: pd.DatetimeIndex | None = None,
        provenance: Mapping[str, Any] | None = None,
        paths: npt.ArrayLike | None = None,
    ) -> None:
        self._log: Floats | None = check_cube(log_returns, "log_returns", LOG_MIN, LOG_MAX)
        self._simple: Floats | None = None
        self._describe(self._log.shape, sectors, regimes, codes, dates, provenance, paths)

    @classmethod
    def from_simple(
        cls,
        simple_returns: npt.ArrayLike,
        sectors: Sequence[str],
        regimes: Sequence[str],
        codes: npt.ArrayLike,
        *,
        dates: pd.DatetimeIndex | None = None,
        provenance: Mapping[str, Any] | None = None,
        paths: npt.ArrayLike | None = None,
    ) -> ScenarioSet:
        """Build from decimal simple returns (n, T, S) instead of log returns; else as the constructor."""
        self = cls.__new__(cls)
        self._log = None
        self._simple = check_cube(simple_returns, "simple_returns", -1.0, np.inf)
        self._describe(self._simple.shape, sectors, regimes, codes, dates, provenance, paths)
        return self

    # -- what it is

    @property
    def sectors(self) -> tuple[str, ...]:
        """The S sectors' names, in the cube's order."""
        return self._sectors

    @property
    def regimes(self) -> tuple[str, ...]:
        """The K regimes' names, calm to worst."""
        return self._regimes

    @property
    def codes(self) -> Codes:
        """Regime index of each day, int8 of shape (T,) when all paths share it, else (n, T)."""
        return self._codes

    @property
    def dates(self) -> pd.DatetimeIndex | None:
        """The T trading days, or None."""
        return self._dates

    @property
    def paths(self) -> Paths:
        """The n path numbers."""
        return self._paths

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the scenarios: model hash, script, seed, version."""
        return self._provenance

    @property
    def n_paths(self) -> int:
        """Number of paths, n."""
        return self._shape[0]

    @property
    def n_days(self) -> int:
        """Number of trading days, T."""
        return self._shape[1]

    def __len__(self) -> int:
        return self.n_paths

    # -- returns

    @property
    def log_array(self) -> Floats:
        """Decimal log returns as a bare float32 array (n, T, S); do not write into it."""
        if self._log is None:
            self._log = convert(cast(Floats, self._simple), log_from_simple)
        return self._log

    @property
    def simple_array(self) -> Floats:
        """Decimal simple returns as a bare float32 array (n, T, S); do not write into it."""
        if self._simple is None:
            self._simple = convert(cast(Floats, self._log), simple_from_log)
        return self._simple

    @property
    def log_returns(self) -> xr.DataArray:
        """Decimal log returns over (path, time, asset); they add up over time."""
        return self._label(self.log_array, "log_return")

    @property
    def simple_returns(self) -> xr.DataArray:
        """Decimal simple returns over (path, time, asset); they add up over assets. What files hold."""
        return self._label(self.simple_array, "simple_return")

    def prices(self, start: float = 100.0) -> xr.DataArray:
        """Value over (path, time, asset), float64, of `start` invested in each asset before the first day."""
        number = isinstance(start, int | float | np.integer | np.floating) and not isinstance(start, bool)
        if not number or not 0 < start < np.inf:
            said = repr(start) if number or isinstance(start, str) else type(start).__name__
            raise InputError(f"start={said} is no price: pass a positive number such as 100")
        level = start * np.cumprod(1.0 + self.simple_array.astype(np.float64), axis=1)
        return self._label(level, "price")

    @property
    def regime(self) -> xr.DataArray:
        """Regime names over (time,), or (path, time) when each path has its own timeline."""
        import xarray as xr

        dims = ("time",) if self._codes.ndim == 1 else ("path", "time")
        coords = {"time": self._time(), **({"path": self._paths} if len(dims) == 2 else {})}
        return xr.DataArray(np.array(self._regimes, dtype=object)[self._codes], coords, dims, name="regime")

    def portfolio(self, weights: Mapping[str, float] | pd.Series[float] | Sequence[float]) -> xr.DataArray:
        r"""Simple returns over (path, time) of a portfolio rebalanced every day, :math:`\sum_a w_a s_{a}`.

        Parameters
        ----------
        weights : mapping or Series of sector to weight, or S numbers in the sectors' order
            Decimal weights (0.4 is forty percent). A sector left out weighs nothing; what is missing from a
            sum of 1 lies in cash that earns nothing, what exceeds it is borrowed at no cost.

        Returns
        -------
        DataArray of shape (n, T), float64

        Raises
        ------
        InputError
            If a name is no sector, the count differs from S, or a weight is missing or infinite.
        """
        import xarray as xr

        vector = self._weights(weights)
        value = self.simple_array.astype(np.float64) @ vector
        return xr.DataArray(
            value, {"path": self._paths, "time": self._time()}, ("path", "time"), name="simple_return"
        )

    # -- tables

    def to_frame(self) -> pd.DataFrame:
        """Return the long table of a scenario file.

        Returns
        -------
        DataFrame of n * T rows
            Columns ``path`` (int32), ``step`` (int32, from 0), ``date`` (where there are dates), ``regime``
            (ordered categorical, calm to worst), then one float32 column of simple returns a sector.
        """
        n, days = self.n_paths, self.n_days
        columns: dict[str, Any] = {
            "path": np.repeat(self._paths, days),
            "step": np.tile(np.arange(days, dtype=np.int32), n),
        }
        if self._dates is not None:
            columns["date"] = np.tile(self._dates.to_numpy(), n)
        codes = np.broadcast_to(self._codes, (n, days)).reshape(-1)
        columns["regime"] = self._categorical(codes)
        flat = self.simple_array.reshape(n * days, -1)
        columns.update((sector, flat[:, s]) for s, sector in enumerate(self._sectors))
        return pd.DataFrame(columns)

    def path(self, i: int) -> pd.DataFrame:
        """Return one path: ``regime`` and the sectors' simple returns, indexed by date (or step).

        `i` is the path's position, 0 to n - 1.
        """
        if not -self.n_paths <= i < self.n_paths:
            raise InputError(f"path {i} does not exist: there are {self.n_paths}, counted from 0")
        frame = pd.DataFrame(self.simple_array[i], columns=list(self._sectors), index=pd.Index(self._time()))
        frame.index.name = "step" if self._dates is None else "date"
        codes = self._codes if self._codes.ndim == 1 else self._codes[i]
        frame.insert(0, "regime", pd.Series(self._categorical(codes), index=frame.index))
        return frame

    def subset(self, which: slice | npt.ArrayLike) -> ScenarioSet:
        """Return some paths, by position (slice, rising positions or mask); they keep their numbers."""
        index: Any = which if isinstance(which, slice) else np.asarray(which)
        chosen = np.arange(self.n_paths)[index if isinstance(which, slice) or index.size else slice(0)]
        if not chosen.size:
            raise InputError(f"no path is left of {self.n_paths}: choose at least one")
        made = ScenarioSet.__new__(ScenarioSet)
        made._log = None if self._log is None else self._log[chosen]
        made._simple = None if self._simple is None else self._simple[chosen]
        kept = cast(Floats, made._simple if made._log is None else made._log)
        codes = self._codes if self._codes.ndim == 1 else self._codes[chosen]
        made._describe(
            kept.shape,
            self._sectors,
            self._regimes,
            codes,
            self._dates,
            self._provenance,
            self._paths[chosen],
        )
        return made

    @classmethod
    def concat(cls, batches: Sequence[ScenarioSet]) -> ScenarioSet:
        """Join sets that differ in their paths only, numbered from 0 on; the first provenance stays."""
        if not batches:
            raise InputError("batches is empty: there is nothing to join")
        first = batches[0]
        drawn = any(
            batch.codes.ndim == 2 or not np.array_equal(batch.codes, first.codes) for batch in batches
        )
        headers = [Header(b.sectors, b.regimes, b.n_days, b.dates, drawn) for b in batches]
        for header in headers[1:]:
            if difference := headers[0].mismatch(header):
                raise InputError(f"batches cannot be joined: one has {difference}")
        codes = [np.broadcast_to(b.codes, (b.n_paths, b.n_days)) for b in batches]
        joined = cls(
            np.concatenate([batch.log_array for batch in batches]),
            first.sectors,
            first.regimes,
            np.concatenate(codes) if drawn else first.codes,
            dates=first.dates,
            provenance=first.provenance,
        )
        simple = [batch._simple for batch in batches if batch._simple is not None]
        if len(simple) == len(batches):
            joined._simple = np.concatenate(simple)
        return joined

    # -- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to `path` by its suffix: ``.parquet``, ``.csv``, ``.csv.gz``, ``.nc`` or ``.zarr``.

        The file appears whole or not at all. The metadata travels inside it; with CSV it stands beside it, in
        ``NAME.csv.meta.json``. For more paths than memory holds there is
        :class:`~spade_finance.io.writer.ScenarioWriter`.
        """
        from spade_finance.io.writer import ScenarioWriter

        with ScenarioWriter(path, renumber=False) as out:
            out.write(self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ScenarioSet:
        """Read a scenario file, also one from elsewhere (:func:`spade_finance.io.reader.read_scenarios`)."""
        from spade_finance.io.reader import read_scenarios

        found = read_scenarios(path)
        return cls.from_simple(
            found.simple,
            found.sectors,
            found.regimes,
            found.codes,
            dates=found.dates,
            provenance=found.provenance,
            paths=found.paths,
        )

    # -- the rest

    def __eq__(self, other: object) -> bool:
        """Whether everything a file keeps is the same, simple returns to the bit."""
        if not isinstance(other, ScenarioSet):
            return NotImplemented
        names = ("_shape", "_sectors", "_regimes", "_provenance")
        if any(getattr(self, name) != getattr(other, name) for name in names):
            return False
        if (self._dates is None) != (other._dates is None):
            return False
        return (
            (self._dates is None or self._dates.equals(other._dates))
            and np.array_equal(self._codes, other._codes)
            and np.array_equal(self._paths, other._paths)
            and np.array_equal(self.simple_array, other.simple_array)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        n, days, assets = self._shape
        share = np.bincount(self._codes.reshape(-1), minlength=len(self._regimes)) / self._codes.size
        held = ", ".join(f"{r} {p:.0%}" for r, p in zip(self._regimes, share, strict=True) if p > 0)
        names = ", ".join(self._sectors[:8]) + (", ..." if assets > 8 else "")
        span = "" if self._dates is None else f", {self._dates[0]:%Y-%m-%d} to {self._dates[-1]:%Y-%m-%d}"
        made = [
            f"{k.replace('_', ' ')} {self._provenance[k]}"
            for k in ("script", "seed")
            if k in self._provenance
        ]
        return (
            f"ScenarioSet({n} path{'s' * (n != 1)} x {days} day{'s' * (days != 1)} x "
            f"{assets} sector{'s' * (assets != 1)}: {names}{span}; regimes {held}"
            f"{'; ' + ', '.join(made) if made else ''})"
        )

    def _describe(
        self,
        shape: tuple[int, ...],
        sectors: Sequence[str],
        regimes: Sequence[str],
        codes: npt.ArrayLike,
        dates: pd.DatetimeIndex | None,
        provenance: Mapping[str, Any] | None,
        paths: npt.ArrayLike | None,
    ) -> None:
        """Check and keep everything but the returns."""
        n, days, assets = shape
        self._shape = (n, days, assets)
        self._sectors = check_sectors(sectors, assets)
        self._regimes = check_regimes(regimes)
        self._codes = check_codes(codes, n, days, self._regimes)
        self._dates = check_dates(dates, days)
        self._paths = check_paths(paths, n)
        try:
            self._provenance: dict[str, Any] = json.loads(json.dumps(dict(provenance or {}), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InputError(f"provenance must hold plain JSON values: {error}") from error

    def _categorical(self, codes: Codes) -> pd.Categorical:
        dtype = pd.CategoricalDtype(list(self._regimes), ordered=True)
        return pd.Categorical.from_codes(codes.astype(np.int64), dtype=dtype)

    def _label(self, values: npt.NDArray[Any], name: str) -> xr.DataArray:
        import xarray as xr

        coords = {"path": self._paths, "time": self._time(), "asset": list(self._sectors)}
        attrs = {"return_kind": name.removesuffix("_return")} if name != "price" else {}
        return xr.DataArray(values, coords, ("path", "time", "asset"), name=name, attrs=attrs)

    def _time(self) -> Any:
        return np.arange(self.n_days, dtype=np.int32) if self._dates is None else self._dates.to_numpy()

    def _weights(self, weights: Any) -> npt.NDArray[np.float64]:
        if isinstance(weights, pd.Series | Mapping):
            named = {str(k): float(v) for k, v in weights.items()}
            if strangers := [name for name in named if name not in self._sectors]:
                raise InputError(
                    f"weights name {strangers[0]!r}, which is no sector here; "
                    f"known are {', '.join(self._sectors)}"
                )
            vector = np.array([named.get(sector, 0.0) for sector in self._sectors])
        else:
            vector = np.asarray(weights, dtype=np.float64)
        if vector.shape != (len(self._sectors),):
            raise InputError(
                f"weights have shape {vector.shape}: give one number for each of {len(self._sectors)} sectors"
            )
        if not np.isfinite(vector).all():
            raise InputError("weights hold a missing or infinite number: give decimals such as 0.25")
        return vector
