# SPDX-License-Identifier: Apache-2.0
"""What a call of ``sample`` asks a baseline for: the regime of every day, and what of the wish it cannot heed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.regimes import SemiMarkovProcess
    from spade_finance.regimes.history import History

CodeArray = NDArray[np.integer]


@dataclass(frozen=True)
class Asked:
    """A resolved timeline.

    Attributes
    ----------
    codes : (days,) or (n_paths, days) int
    severity : (days,) float or None
        The market's; None where it is 1 throughout.
    text : str or None
        The script, where the wish came as one.
    soft, own, replays : bool
        Whether it has blends of regimes; sectors with timelines of their own; days replayed from history, whose
        severities need nobody's leave.
    """

    codes: CodeArray
    severity: NDArray[np.float64] | None = None
    text: str | None = None
    soft: bool = False
    own: bool = False
    replays: bool = False

    def ignored(self, honours_severity: bool) -> tuple[str, ...]:
        """What of the wish has no effect on a baseline."""
        parts = {
            "severity": self.severity is not None and not honours_severity,
            "blends": self.soft,
            "sector timelines": self.own,
        }
        return tuple(name for name, asked in parts.items() if asked)


def resolve(
    script: Any,
    n_paths: int,
    rng: np.random.Generator,
    *,
    regimes: tuple[str, ...],
    sectors: tuple[str, ...],
    process: Callable[[], SemiMarkovProcess],
    history: History | None,
) -> Asked:
    """Resolve whatever says which regime holds when.

    Parameters
    ----------
    script : str, RegimeTimeline, PathTimelines or int array
    n_paths : int
        Timelines to draw, where the script is random.
    rng : Generator
        Advanced by random scripts only.
    regimes, sectors : tuple of str
    process : callable
        Gives the fitted process of random scripts; called for those only.
    history : History or None
        For replays and ``now``.

    Raises
    ------
    InputError
        On other regimes than the baseline's, or something that is no timeline.
    """
    if isinstance(script, str):
        from spade_finance.regimes.script import parse_script
        from spade_finance.regimes.script_ast import Replay

        parsed = parse_script(script, regimes=regimes, sectors=sectors)
        replays = any(isinstance(segment, Replay) for segment in parsed.segments)
        if not parsed.is_random:
            return replace(_of(parsed.resolve(regimes, sectors, history)), text=script, replays=replays)
        drawn = parsed.resolve_paths(
            process(), rng.spawn(n_paths), regimes=regimes, sectors=sectors, history=history
        )
        return replace(_of(drawn), text=script, replays=replays)
    if hasattr(script, "regimes") and hasattr(script, "codes"):  # RegimeTimeline or PathTimelines
        if tuple(script.regimes) != regimes:
            raise InputError(
                f"script has regimes {', '.join(script.regimes)} but this baseline was fitted with "
                f"{', '.join(regimes)}: use one labeller for both"
            )
        return _of(script)
    codes = np.asarray(script)
    if codes.dtype.kind not in "iu":
        raise InputError("script must be text, a RegimeTimeline or an array of integer regime codes")
    return Asked(codes)


def _of(timeline: Any) -> Asked:
    severity = np.asarray(timeline.severity, dtype=np.float64)
    weights = np.asarray(timeline.weights)
    return Asked(
        timeline.codes,
        severity if (severity != 1).any() else None,
        None,
        bool(((weights > 0) & (weights < 1)).any()),
        bool(np.asarray(timeline.sector_weights).any()),
    )


def check_codes(
    asked: CodeArray, n_paths: int, regimes: tuple[str, ...], training_codes: CodeArray, who: str
) -> None:
    """Refuse codes of a wrong shape, unknown ones, and regimes that `who` has never seen."""
    if asked.ndim not in (1, 2) or asked.shape[-1] < 1 or (asked.ndim == 2 and len(asked) != n_paths):
        raise InputError(
            f"script has codes of shape {asked.shape}: needs (days,) or (n_paths={n_paths}, days) with "
            "at least one day"
        )
    known = np.unique(training_codes)
    for code in np.unique(asked):
        if not 0 <= code < len(regimes):
            raise InputError(f"script asks for regime code {code}: there are {len(regimes)} regimes")
        if code not in known:
            raise InputError(
                f"script asks for {regimes[code]!r}, which never occurs in the training data of {who}: a "
                "baseline cannot draw what it has not seen; fit it on longer history"
            )
