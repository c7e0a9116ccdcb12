# SPDX-License-Identifier: Apache-2.0
"""`evaluate`: a model, or any scenarios, against what happened, the baselines in the same table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.compare import compare
from spade_finance.evaluate.floor import resample
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.report import EvaluationReport
from spade_finance.exceptions import InputError, LookAheadWarning, ShortHistoryWarning

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels

N_REPLICATES = 64
MIN_DAYS = 60
YEAR = 252


@dataclass
class _Window:
    """The real window and what is known about it."""

    returns: pd.DataFrame
    regimes: tuple[str, ...] = ()
    codes: NDArray[np.int8] | None = None
    look_ahead: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def panel(self) -> Panel:
        return Panel.from_frame(self.returns, self.regimes, self.codes)


def evaluate(
    model_or_scenarios: Any,
    real: pd.DataFrame,
    baselines: str | Sequence[str] = "standard",
    *,
    from_date: str | pd.Timestamp | None = None,
    fit: pd.DataFrame | None = None,
    labels: RegimeLabels | None = None,
    seed: int = 0,
    n_replicates: int = N_REPLICATES,
    window_days: int | None = None,
) -> EvaluationReport:
    """Compare generated with real returns, beside the baselines and the real data's own sampling error.

    A model is sampled under the labels that the real window had (its own labeller's), `n_replicates` times
    over the whole window; so is every baseline, with the same labels. Labels are smoothed and used after the
    fact: these are scores *given the regimes*, not forecasts. Everyone gets labels alone: severity 1, no
    sector timelines.

    Parameters
    ----------
    model_or_scenarios : ScenarioGenerator, ScenarioSet or path of a scenario file
    real : DataFrame (days, sectors)
        Decimal simple returns; columns must be the model's sectors. Days before the window are used to label
        it.
    baselines : "standard", "all", "none", names separated by commas, or a sequence of names
        Columns beside the model's. With scenarios they need `labels` and `fit`.
    from_date : date, optional
        First day compared. Default: the day after the model's training window (all of `real` for scenarios).
        An earlier date gives a LookAheadWarning and a red banner on the report.
    fit : DataFrame, optional
        Returns the baselines learn from. Default: the rows of `real` up to the training end, else the model's
        own.
    labels : RegimeLabels, optional
        Labels of `real`. Default: the model's labeller; without both, scenarios are compared on all days
        only.
    seed : int
        The same seed gives the same report.
    n_replicates : int
        Replicates of the window by column (scenario files give as many as they have paths for).
    window_days : int, optional
        Sample the window in consecutive pieces of this many days instead of in one piece.

    Returns
    -------
    EvaluationReport

    Raises
    ------
    InputError
        On columns that are not the model's sectors, too short a window, unknown baselines.
    """
    from spade_finance.baselines import baseline_names

    names = baseline_names(baselines)
    if isinstance(n_replicates, bool) or n_replicates < 2:
        raise InputError(f"n_replicates={n_replicates!r} is too few for a standard error: pass at least 2")
    if window_days is not None and window_days < 1:
        raise InputError(
            f"window_days={window_days!r} is no length: pass at least 1 day, or None for one piece"
        )
    from spade_finance.scenarios import ScenarioSet

    if isinstance(model_or_scenarios, ScenarioSet):
        subject: Any = model_or_scenarios
    elif hasattr(model_or_scenarios, "sample"):
        subject = model_or_scenarios
    elif isinstance(model_or_scenarios, str) or hasattr(model_or_scenarios, "__fspath__"):
        subject = ScenarioSet.load(model_or_scenarios)
    else:
        raise InputError(
            f"model_or_scenarios is a {type(model_or_scenarios).__name__}: pass a fitted model, a "
            f"ScenarioSet or the "
            "path of a scenario file"
        )
    is_model = not isinstance(subject, ScenarioSet)
    sectors = tuple(subject.sectors_ if is_model else subject.sectors)
    window = _window(subject if is_model else None, _check_columns(real, sectors), from_date, labels)
    truth = window.panel
    columns: dict[str, Panel] = {}
    provenance: dict[str, Any] = {"seed": seed, "n_replicates": n_replicates, "window_days": window_days}
    if is_model:
        columns["model"] = _sampled(subject, window, n_replicates, window_days, seed)
        provenance |= _model_facts(subject)
    else:
        columns["scenarios"] = _given(subject, window, len(truth.simple[0]))
        provenance |= {f"scenarios {k}": v for k, v in subject.provenance.items()}
        provenance["replicates of scenarios"] = columns["scenarios"].n_paths
    for i, (name, baseline) in enumerate(
        _fitted(names, subject if is_model else None, window, real, fit, labels).items()
    ):
        key = int(np.random.SeedSequence([seed, i + 1]).generate_state(1)[0])
        columns[name] = _sampled(baseline, window, n_replicates, window_days, key)
    noise = resample(truth, random_state=np.random.default_rng([seed, 0]))
    comparison = compare(truth, noise, columns)
    return EvaluationReport(
        statistics=comparison.statistics,
        distances=comparison.distances,
        columns=tuple(columns),
        window=(window.returns.index[0], window.returns.index[-1]),
        sectors=sectors,
        in_loss=frozenset(getattr(subject, "in_loss_metrics_", ())),
        look_ahead=window.look_ahead,
        notes=tuple(window.notes),
        provenance=provenance,
        panels={"real": truth, **columns},
    )


def _check_columns(real: pd.DataFrame, sectors: tuple[str, ...]) -> pd.DataFrame:
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
                f"train a model "
                "on these returns"
            )
    out = real.set_axis(given, axis=1)[list(sectors)]
    if out.isna().any().any():
        raise InputError("real has missing values: fill or drop those days first")
    return out


def _window(model: Any, real: pd.DataFrame, from_date: Any, labels: RegimeLabels | None) -> _Window:
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
            f"least "
            f"{MIN_DAYS} are needed; pass later returns, or an earlier from_date"
        )
    window = _Window(rows)
    if len(rows) < YEAR:
        note = f"the real window has only {len(rows)} days: most of its statistics are noise"
        warnings.warn(f"evaluate: {note}", ShortHistoryWarning, stacklevel=3)
        window.notes.append(note)
    if end is not None and rows.index[0] <= end:
        first = max(rows.index[0], pd.Timestamp(model.training_window_[0]))
        window.look_ahead = (
            f"LOOK-AHEAD: the window starts {rows.index[0]:%Y-%m-%d}, the model was trained on data up to "
            f"{end:%Y-%m-%d}: from {first:%Y-%m-%d} to {min(end, rows.index[-1]):%Y-%m-%d} it is compared "
            f"with days it "
            "has seen. These are not out-of-sample results."
        )
        warnings.warn(window.look_ahead, LookAheadWarning, stacklevel=3)
    if labels is None and model is not None:
        labels = model.label(real)
    if labels is not None:
        window.regimes = tuple(labels.regimes)
        window.codes = aligned_codes(labels, rows.index)
    else:
        window.notes.append("no labels were given: nothing is compared regime by regime")
    return window


def _sampled(generator: Any, window: _Window, n_paths: int, window_days: int | None, seed: int) -> Panel:
    """Replicates of the window drawn from a model or baseline under the window's labels."""
    from spade_finance.regimes.timeline import RegimeTimeline

    assert window.codes is not None
    sectors = tuple(str(c) for c in window.returns.columns)
    length = window_days or len(window.codes)
    parts, segments = [], []
    for number, first in enumerate(range(0, len(window.codes), length)):
        codes = window.codes[first : first + length]
        timeline = RegimeTimeline.from_codes(codes, window.regimes, sectors)
        piece_seed = (
            seed if window_days is None else int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        )
        parts.append(generator.sample(timeline, n_paths=n_paths, random_state=piece_seed).simple_array)
        segments.append(np.full(len(codes), number, dtype=np.int32))
    simple = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return Panel.from_simple(simple, sectors, window.regimes, window.codes, np.concatenate(segments))


def _given(scenarios: Any, window: _Window, n_days: int) -> Panel:
    """Scenarios as replicates of about the window's length; regimes kept only if they are the real ones."""
    panel = Panel.from_scenarios(scenarios, n_days)
    if panel.n_days < 0.8 * n_days:
        window.notes.append(
            f"the scenarios' replicates have {panel.n_days:,} days, the real window {n_days:,}: more or "
            f"longer paths "
            "would be compared on equal terms"
        )
    if panel.codes is not None and (window.codes is None or panel.regimes != window.regimes):
        if window.codes is not None:
            window.notes.append(
                f"the scenarios' regimes ({', '.join(panel.regimes)}) are not those of the labels "
                f"({', '.join(window.regimes)}): they are compared on all days only"
            )
        return Panel(panel.simple, None, panel.segments, panel.sectors, ())
    if panel.codes is not None:
        window.notes.append(
            "scenarios come with a regime timeline of their own: on all days they differ from the real "
            "window by its "
            "mix of regimes too; the rows by regime do not"
        )
    return panel


def _fitted(
    names: Sequence[str],
    model: Any,
    window: _Window,
    real: pd.DataFrame,
    fit: pd.DataFrame | None,
    labels: RegimeLabels | None,
) -> Mapping[str, Any]:
    """Baselines that could be fitted, in the order of `names`; why not stands in the notes."""
    from spade_finance.baselines import make_baseline

    if not names:
        return {}
    if window.codes is None or (model is None and (fit is None or labels is None)):
        window.notes.append("no baselines: with scenarios they need labels and fit")
        return {}
    sectors = list(window.returns.columns)
    returns = _check_columns(fit, tuple(sectors)) if fit is not None else _training_rows(model, real, sectors)
    if fit is not None and returns.index[-1] >= window.returns.index[0]:
        window.notes.append(
            f"the baselines' data end {returns.index[-1]:%Y-%m-%d}, after the window's start: they have "
            f"seen some of "
            "what they are compared with"
        )
    known = (
        labels
        if labels is not None and returns.index.isin(labels.labels.index).all()
        else model and model.label(returns)
    )
    if not known:
        raise InputError("labels do not cover the days of fit: pass labels of both, or a model")
    fitted: dict[str, Any] = {}
    needed = set(np.unique(window.codes))
    for name in names:
        baseline = make_baseline(name).fit(returns, known)
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
    if own is None:
        from spade_finance.data import load_sectors

        own = load_sectors()
    if not set(sectors) <= {str(c) for c in own.columns}:
        raise InputError(
            f"baselines have nothing to learn from: real has {len(rows)} days up to the training end "
            f"{end:%Y-%m-%d}; "
            "pass fit= (--fit RETURNS), or baselines='none'"
        )
    return own.set_axis([str(c) for c in own.columns], axis=1)[sectors].loc[start:end]


def _model_facts(model: Any) -> dict[str, Any]:
    """What identifies a model in the report."""
    start, end = (pd.Timestamp(t) for t in model.training_window_)
    return {
        "model": str(getattr(model, "name", None) or type(model).__name__),
        "model hash": getattr(model, "hash_", None),
        "trained on": f"{start:%Y-%m-%d} to {end:%Y-%m-%d}",
        "regimes": ", ".join(model.regimes_),
    }
