# SPDX-License-Identifier: Apache-2.0
"""`RegimeTimeline`: which regime holds on which day, how severe it is, and which sectors go their own way.

It is what a regime script resolves to and what the model's map is encoded from. Text and files are other
rooms: :mod:`.script` has the grammar, :mod:`.timeline_file` the CSV form, :mod:`.timeline_runs` run-length
reading.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from spade_finance.exceptions import InputError
from spade_finance.regimes.timeline_checks import (
    MAX_DAYS,
    RESERVED,
    check_names,
    check_rows,
    check_severity,
    fit,
    number_array,
    one_hot,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from spade_finance.regimes.timeline_runs import Run

__all__ = ["MAX_DAYS", "RESERVED", "RegimeTimeline", "check_names", "check_severity"]


@dataclass(frozen=True, eq=False)
class RegimeTimeline:
    """Regimes by day for the market, and for sectors that leave it.

    Parameters
    ----------
    regimes : sequence of str, K names
        Calm to worst.
    weights : (T, K) float
        The market's regime on each day; rows are non-negative and sum to 1, one-hot rows are hard labels.
    severity : (T,) float, optional
        Intensity of the episode, in units of the regime's typical realised volatility; default 1.
    sectors : sequence of str, S names
        Columns of the returns, in the model's order.
    sector_weights : (S, T, K) float, optional
        A sector's own regime; an all-zero row means "with the market" that day. Default: all with the market.
    sector_severity : (S, T) float, optional
        Severity of the sector's own regime; 1 where the sector is with the market.

    Arrays are copied, stored as float64 and read-only. Two timelines are equal when every value is.

    Raises
    ------
    InputError
        On names, shapes or values that do not fit together.
    """

    regimes: tuple[str, ...]
    weights: NDArray[np.float64]
    severity: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    sectors: tuple[str, ...] = ()
    sector_weights: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    sector_severity: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        regimes, sectors = check_names(self.regimes, self.sectors)
        n_regimes, n_sectors = len(regimes), len(sectors)
        weights = number_array("weights", self.weights, (None, n_regimes))
        n_days = len(weights)
        if not 1 <= n_days <= MAX_DAYS:
            raise InputError(f"a timeline has {n_days} days; give between 1 and {MAX_DAYS}")
        severity = (
            np.ones(n_days) if self.severity is None else number_array("severity", self.severity, (n_days,))
        )
        sector_weights, sector_severity = (
            np.zeros((n_sectors, n_days, n_regimes)),
            np.ones((n_sectors, n_days)),
        )
        if self.sector_weights is not None:
            sector_weights = number_array("sector_weights", self.sector_weights, sector_weights.shape)
        if self.sector_severity is not None:
            sector_severity = number_array("sector_severity", self.sector_severity, sector_severity.shape)
        check_rows("weights", weights, blank_allowed=False)
        check_rows("sector_weights", sector_weights, blank_allowed=True)
        for name, values in (("severity", severity), ("sector_severity", sector_severity)):
            if not (values > 0).all():
                raise InputError(f"{name} has {values[~(values > 0)].flat[0]}; severities must be positive")
        if (sector_severity[sector_weights.sum(-1) == 0] != 1).any():
            raise InputError("sector_severity must be 1 on days when the sector is with the market")
        checked = (regimes, weights, severity, sectors, sector_weights, sector_severity)
        for name, value in zip(self.__dataclass_fields__, checked, strict=True):
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def from_codes(
        cls,
        codes: ArrayLike,
        regimes: Sequence[str],
        sectors: Sequence[str] = (),
        *,
        severity: ArrayLike | None = None,
        sector_codes: Mapping[str, ArrayLike] | None = None,
        sector_severity: Mapping[str, ArrayLike] | None = None,
    ) -> RegimeTimeline:
        """Timeline of hard labels.

        Parameters
        ----------
        codes : (T,) int
            Position of each day's regime in `regimes`.
        severity : (T,) float, optional
            Default 1.
        sector_codes, sector_severity : mapping sector -> (T,), optional
            A sector's own codes, -1 on days with the market, and its severities.
        """
        regimes, sectors = check_names(regimes, sectors)
        weights = one_hot("codes", codes, len(regimes), blank_allowed=False)
        own_weights = np.zeros((len(sectors), *weights.shape))
        own_severity = np.ones((len(sectors), len(weights)))
        given = {"sector_codes": dict(sector_codes or {}), "sector_severity": dict(sector_severity or {})}
        for what, values in given.items():
            unknown = [name for name in values if name not in sectors]
            if unknown:
                raise InputError(
                    f"{what} names {unknown[0]!r}; known sectors: {', '.join(sectors) or 'none'}"
                )
        for name, own in given["sector_codes"].items():
            rows = one_hot(f"sector_codes[{name!r}]", own, len(regimes), blank_allowed=True)
            own_weights[sectors.index(name)] = fit(f"sector_codes[{name!r}]", rows, weights.shape)
        for name, own in given["sector_severity"].items():
            row = number_array(f"sector_severity[{name!r}]", own, (len(weights),))
            own_severity[sectors.index(name)] = row
        return cls(regimes, weights, severity, sectors, own_weights, own_severity)  # type: ignore[arg-type]

    @property
    def n_days(self) -> int:
        """Number of trading days T."""
        return len(self.weights)

    @property
    def codes(self) -> NDArray[np.int8]:
        """(T,) the heaviest regime of each day, the calmer one on a tie."""
        return np.asarray(self.weights.argmax(axis=1), dtype=np.int8)

    @property
    def sector_codes(self) -> NDArray[np.int8]:
        """(S, T) the heaviest regime of each sector's own label, -1 where it is with the market."""
        own = self.sector_weights.argmax(axis=2).astype(np.int8)
        return np.where(self.has_override, own, np.int8(-1))

    @property
    def has_override(self) -> NDArray[np.bool_]:
        """(S, T) whether the sector has a label of its own."""
        return np.asarray(self.sector_weights.any(axis=2))

    @property
    def is_hard(self) -> bool:
        """Whether every label, sectors' own ones too, is a single regime."""
        return bool(np.isin(self.weights, (0, 1)).all() and np.isin(self.sector_weights, (0, 1)).all())

    def head(self, n_days: int) -> RegimeTimeline:
        """First `n_days` days."""
        if not 1 <= n_days <= self.n_days:
            raise InputError(
                f"n_days={n_days} but the timeline has {self.n_days} days; give 1 to {self.n_days}"
            )
        return self[:n_days]

    def __getitem__(self, days: slice) -> RegimeTimeline:
        if not isinstance(days, slice):
            raise TypeError("a timeline is cut with a slice of days, such as timeline[10:60]")
        return RegimeTimeline(
            self.regimes,
            self.weights[days],
            self.severity[days],
            self.sectors,
            self.sector_weights[:, days],
            self.sector_severity[:, days],
        )

    def __len__(self) -> int:
        return self.n_days

    def concat(self, *others: RegimeTimeline) -> RegimeTimeline:
        """This timeline, then `others` in order; all must know the same regimes and sectors."""
        parts = (self, *others)
        for other in others:
            if (other.regimes, other.sectors) != (self.regimes, self.sectors):
                raise InputError(
                    f"timelines of regimes {self.regimes} and {other.regimes}, sectors {self.sectors} and "
                    f"{other.sectors} cannot be joined; both must be the same"
                )
        return RegimeTimeline(
            self.regimes,
            np.concatenate([p.weights for p in parts]),
            np.concatenate([p.severity for p in parts]),
            self.sectors,
            np.concatenate([p.sector_weights for p in parts], axis=1),
            np.concatenate([p.sector_severity for p in parts], axis=1),
        )

    def segments(self) -> tuple[Run, ...]:
        """The market's timeline as runs of one regime and severity, blends and free soft rows."""
        from spade_finance.regimes.timeline_runs import runs

        return runs(self.weights, self.severity, self.regimes)

    def to_script(self) -> str:
        """Canonical script that parses and resolves to an equal timeline.

        Raises
        ------
        InputError
            When soft labels are not a blend that a script can write; `save` keeps those.
        """
        from spade_finance.regimes.timeline_runs import to_script

        return to_script(self)

    def describe(self) -> str:
        """In words: ``60 days of bull, then 20 of crisis``."""
        from spade_finance.regimes.timeline_runs import describe

        return describe(self)

    def to_frame(self) -> pd.DataFrame:
        """Timeline as the table that ``timeline.csv`` holds; see :mod:`.timeline_file`."""
        from spade_finance.regimes.timeline_file import to_frame

        return to_frame(self)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        regimes: Sequence[str],
        sectors: Sequence[str] = (),
        *,
        source: str = "timeline",
    ) -> RegimeTimeline:
        """Timeline from such a table; :mod:`.timeline_file` lists its columns."""
        from spade_finance.regimes.timeline_file import from_frame

        return from_frame(frame, regimes, sectors, source=source)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``timeline.csv`` form, whole or not at all."""
        from spade_finance.regimes.timeline_file import save

        save(self, path)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], regimes: Sequence[str], sectors: Sequence[str] = ()
    ) -> RegimeTimeline:
        """Read what `save` wrote, or a user's own table of the same form."""
        from spade_finance.regimes.timeline_file import load

        return load(path, regimes, sectors)

    def digest(self) -> str:
        """16 hex digits of the SHA-256 of every value, the same on any machine."""
        sha = hashlib.sha256(json.dumps([self.regimes, self.sectors, self.n_days]).encode())
        for values in (self.weights, self.severity, self.sector_weights, self.sector_severity):
            sha.update((values + 0.0).astype("<f8").tobytes())  # + 0.0 turns -0.0 into 0.0
        return sha.hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RegimeTimeline):
            return NotImplemented
        if (self.regimes, self.sectors, self.n_days) != (other.regimes, other.sectors, other.n_days):
            return False
        names = ("weights", "severity", "sector_weights", "sector_severity")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        words = self.describe()
        days = f"{self.n_days} day{'s' * (self.n_days != 1)}"
        return f"RegimeTimeline({days}: {words if len(words) <= 200 else words[:199] + '…'})"
