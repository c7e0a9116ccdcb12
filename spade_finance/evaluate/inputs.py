# SPDX-License-Identifier: Apache-2.0
"""What an evaluation compares: the real window, its labels, and the baselines' own data."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.panel import Panel
from spade_finance.exceptions import InputError, LookAheadWarning, ShortHistoryWarning

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels

MIN_DAYS = 60
YEAR = 252


@dataclass
class Window:
    """The real window and what is known about it."""

    returns: pd.DataFrame
    regimes: tuple[str, ...] = ()
    codes: NDArray[np.int8] | None = None
    look_ahead: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def panel(self) -> Panel:
        """The window as a panel of one path."""
        return Panel.from_frame(self.returns, self.regimes, self.codes)


def check_columns(real: pd.DataFrame, sectors: tuple[str, ...]) -> pd.DataFrame:
    """Real returns in the model's order; anything but exactly its sectors is refused."""
    if not isinstance(real, pd.DataFrame) or not isinstance(real.index, pd.DatetimeIndex):
        raise InputError("real must be a DataFrame of simple returns with a DatetimeIndex")
    given = [str(c) for c in real.columns]
    for what, odd in (
        ("is not one of the model's sectors", [c for c in given if c not in sectors]),
        ("of the model's sectors is missing", [s for s in sectors if s not in given]),
    ):
        if odd:
            raise InputError(
                f"real: column {odd[0]!r} {what} ({', '.join(sectors)}): pass exactly those columns, or "
                "train a model on these returns"
            )
    out = real.set_axis(given, axis=1)[list(sectors)]
    if out.isna().any().any():
        raise InputError("real has missing values: fill or drop those days first")
    return out


def find_window(model: Any, real: pd.DataFrame, from_date: Any, labels: RegimeLabels | None) -> Window:
    """Rows that are compared, their labels, and whether the model has seen any of them."""
    from spade_finance.baselines.base import aligned_codes

    end = pd.Timestamp(model.training_window_[1]) if model is not None else None
    if from_date is not None:
        try:
            start = pd.Timestamp(from_date)
        except ValueError:
            raise InputError(f"from_date={from_date!r} is no date: write it as 2013-01-31") from None
    else:
        start = real.index[0] if end is None else end + pd.Timedelta(days=1)
    rows = real.loc[start:]
    if len(rows) < MIN_DAYS:
        raise InputError(
            f"real has {len(rows)} days from {start:%Y-%m-%d} on (it ends {real.index[-1]:%Y-%m-%d}): at "
            f"least {MIN_DAYS} are needed; pass later returns, or an earlier from_date"
        )
    window = Window(rows)
    if len(rows) < YEAR:
        note = f"the real window has only {len(rows)} days: most of its statistics are noise"
        warnings.warn(f"evaluate: {note}", ShortHistoryWarning, stacklevel=3)
        window.notes.append(note)
    if end is not None and rows.index[0] <= end:
        first = max(rows.index[0], pd.Timestamp(model.training_window_[0]))
        window.look_ahead = (
            f"LOOK-AHEAD: the window starts {rows.index[0]:%Y-%m-%d}, the model was trained on data up to "
            f"{end:%Y-%m-%d}: from {first:%Y-%m-%d} to {min(end, rows.index[-1]):%Y-%m-%d} it is compared "
            "with days it has seen. These are not out-of-sample results."
        )
        warnings.warn(window.look_ahead, LookAheadWarning, stacklevel=3)
    if labels is None and model is not None:
        if not hasattr(model, "label"):
            raise InputError(f"{type(model).__name__} has no labeller: pass labels= of the real returns")
        labels = model.label(real)
    if labels is not None:
        window.regimes = tuple(labels.regimes)
        window.codes = aligned_codes(labels, rows.index)
    else:
        window.notes.append("no labels were given: nothing is compared regime by regime")
    return window


@dataclass(frozen=True)
class Training:
    """What the baselines learn from: decimal simple returns and one label a day."""

    returns: pd.DataFrame
    labels: RegimeLabels

    @property
    def panel(self) -> Panel:
        """The same days as a panel of one path."""
        from spade_finance.baselines.base import aligned_codes

        return Panel.from_frame(
            self.returns, tuple(self.labels.regimes), aligned_codes(self.labels, self.returns.index)
        )


def training_data(
    model: Any, window: Window, real: pd.DataFrame, fit: pd.DataFrame | None, labels: RegimeLabels | None
) -> Training | None:
    """Days that the baselines learn from; None where a scenario file came without `fit` or labels."""
    if window.codes is None or (model is None and (fit is None or labels is None)):
        return None
    sectors = list(window.returns.columns)
    returns = check_columns(fit, tuple(sectors)) if fit is not None else _training_rows(model, real, sectors)
    if fit is not None and returns.index[-1] >= window.returns.index[0]:
        window.notes.append(
            f"the baselines' data end {returns.index[-1]:%Y-%m-%d}, after the window's start: they have seen "
            "some of what they are compared with"
        )
    known = (
        labels
        if labels is not None and returns.index.isin(labels.labels.index).all()
        else model and model.label(returns)
    )
    if not known:
        raise InputError("labels do not cover the days of fit: pass labels of both, or a model")
    return Training(returns, known)


def fitted_baselines(
    names: Sequence[str],
    training: Training | None,
    window: Window,
    progress: Callable[[str, int, int], None] | None = None,
) -> Mapping[str, Any]:
    """Baselines that could be fitted, in the order of `names`; why not stands in the notes."""
    from spade_finance.baselines import make_baseline

    if not names:
        return {}
    if training is None:
        window.notes.append("no baselines: with scenarios they need labels and fit")
        return {}
    assert window.codes is not None
    fitted: dict[str, Any] = {}
    needed = set(np.unique(window.codes))
    for number, name in enumerate(names):
        if progress is not None:
            progress(f"fitting {name}", number, len(names))
        baseline = make_baseline(name).fit(training.returns, training.labels)
        unseen = sorted(needed - set(np.unique(baseline.codes_)))
        if unseen:
            window.notes.append(
                f"{name} is left out: its data have no day of {', '.join(window.regimes[k] for k in unseen)}"
            )
        else:
            fitted[name] = baseline
    return fitted


def _training_rows(model: Any, real: pd.DataFrame, sectors: list[str]) -> pd.DataFrame:
    """Rows of `real` up to the training end if there is a year of them, else the model's own data."""
    start, end = (pd.Timestamp(t) for t in model.training_window_)
    rows = real.set_axis([str(c) for c in real.columns], axis=1)[sectors].loc[:end]
    if len(rows) >= YEAR:
        return rows
    own = getattr(model, "training_returns_", None)
    if own is None and getattr(model, "embedded_history_", True):
        from spade_finance.data import load_sectors

        own = load_sectors()
    if own is None or not set(sectors) <= {str(c) for c in own.columns}:
        raise InputError(
            f"baselines have nothing to learn from: real has {len(rows)} days up to the training end "
            f"{end:%Y-%m-%d}; pass fit= (--fit RETURNS), or baselines='none'"
        )
    return own.set_axis([str(c) for c in own.columns], axis=1)[sectors].loc[start:end]
