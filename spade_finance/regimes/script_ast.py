# SPDX-License-Identifier: Apache-2.0
"""What a regime script says, as plain values whose ``str`` is the canonical script.

Nothing is checked here: the parser is the one place that knows what is valid, and resolving a script that was
built by hand sends its own text through the parser first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from spade_finance.regimes.script_errors import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from spade_finance.regimes.history import History
    from spade_finance.regimes.path_timelines import PathTimelines
    from spade_finance.regimes.timeline import RegimeTimeline

__all__ = ["Hold", "Markov", "Now", "Override", "Replay", "Script", "Segment", "State", "TimelineFile"]

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class State:
    """A regime at a severity, or a blend from it to a second one."""

    regime: str
    severity: float = 1.0
    to: str | None = None
    to_severity: float = 1.0

    def __str__(self) -> str:
        first = _at(self.regime, self.severity)
        return first if self.to is None else f"{first}~{_at(self.to, self.to_severity)}"


@dataclass(frozen=True)
class Hold:
    """``state:days``."""

    state: State
    days: int
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.state}:{self.days}"


@dataclass(frozen=True)
class Replay:
    """``date..date``, both included: the labels and severities that history had."""

    start: date
    end: date
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.start.isoformat()}..{self.end.isoformat()}"


@dataclass(frozen=True)
class Markov:
    """``markov:days`` or ``markov(regime):days``: drawn for each path from the regime process."""

    days: int
    regime: str | None = None
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        return f"markov({self.regime}):{self.days}" if self.regime is not None else f"markov:{self.days}"


@dataclass(frozen=True)
class Now:
    """``now:days``: drawn for each path from where the history ends."""

    days: int
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        return f"now:{self.days}"


@dataclass(frozen=True)
class TimelineFile:
    """A whole timeline read from a CSV file."""

    path: str
    timeline: RegimeTimeline = field(repr=False)
    span: Span = field(default=(0, 0), compare=False, repr=False)

    def __str__(self) -> str:
        return self.path


Segment: TypeAlias = Hold | Replay | Markov | Now | TimelineFile


@dataclass(frozen=True)
class Override:
    """``sector[start]=state:days,...``: the sector leaves the market from step `start` on."""

    sector: str
    start: int
    holds: tuple[Hold, ...]
    span: Span = field(default=(0, 0), compare=False, repr=False)

    @property
    def stop(self) -> int:
        """First step on which the sector is back with the market."""
        return self.start + sum(hold.days for hold in self.holds)

    def __str__(self) -> str:
        return f"{written(self.sector)}[{self.start}]={','.join(map(str, self.holds))}"


@dataclass(frozen=True)
class Script:
    """A parsed regime script.

    Attributes
    ----------
    segments : tuple of Hold, Replay, Markov, Now; or one TimelineFile
        The market, in order of time.
    overrides : tuple of Override
        Sectors that go their own way for a while.
    text : str or None
        What the user wrote, for errors that point into it; no part of equality.
    """

    segments: tuple[Segment, ...]
    overrides: tuple[Override, ...] = ()
    text: str | None = field(default=None, init=False, compare=False, repr=False)

    def __str__(self) -> str:
        return ";".join([",".join(map(str, self.segments)), *map(str, self.overrides)])

    @property
    def is_random(self) -> bool:
        """Whether every path draws (part of) its own timeline."""
        return any(isinstance(segment, Markov | Now) for segment in self.segments)

    @property
    def needs_history(self) -> bool:
        """Whether resolving needs a `History`: the script replays dates or starts from now."""
        return any(isinstance(segment, Replay | Now) for segment in self.segments)

    def n_days(self, history: History | None = None) -> int:
        """Trading days of the script; a replay counts the history's days and so needs it."""
        from spade_finance.regimes.script_resolve import segment_days

        return sum(segment_days(self, segment, history) for segment in self.segments)

    def resolve(
        self, regimes: Sequence[str], sectors: Sequence[str] = (), history: History | None = None
    ) -> RegimeTimeline:
        """The timeline of a deterministic script; see :func:`~.script_resolve.resolve`."""
        from spade_finance.regimes.script_resolve import resolve

        return resolve(self, regimes, sectors, history)

    def resolve_paths(
        self,
        process: Any,
        generators: Sequence[np.random.Generator],
        *,
        regimes: Sequence[str],
        sectors: Sequence[str] = (),
        history: History | None = None,
        now: tuple[NDArray[np.floating[Any]], NDArray[np.integer[Any] | np.floating[Any]]] | None = None,
    ) -> PathTimelines:
        """One timeline a generator, for any script; see :func:`~.script_resolve.resolve_paths`."""
        from spade_finance.regimes.script_resolve import resolve_paths

        return resolve_paths(
            self, process, generators, regimes=regimes, sectors=sectors, history=history, now=now
        )


def _at(regime: str, severity: float) -> str:
    """``regime`` or ``regime*severity`` with as many digits as the number needs."""
    if severity == 1:
        return regime
    digits = repr(float(severity))
    return f"{regime}*{digits.removesuffix('.0')}"
