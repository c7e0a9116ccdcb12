# SPDX-License-Identifier: Apache-2.0
"""`evaluate`: a model, or any scenarios, against what happened, the baselines in the same table."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.evaluate.compare import compare
from spade_finance.evaluate.floor import N_RESAMPLES, resample
from spade_finance.evaluate.inputs import (
    Training,
    Window,
    check_columns,
    find_window,
    fitted_baselines,
    training_data,
)
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.report import EvaluationReport
from spade_finance.evaluate.scorecard import measure, section_names
from spade_finance.evaluate.section import Material
from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels

N_REPLICATES = 64


def evaluate(
    model_or_scenarios: Any,
    real: pd.DataFrame,
    baselines: str | Sequence[str] = "standard",
    *,
    from_date: str | pd.Timestamp | None = None,
    fit: pd.DataFrame | None = None,
    labels: RegimeLabels | None = None,
    sections: str | Sequence[str] = "all",
    seed: int = 0,
    n_replicates: int = N_REPLICATES,
    n_resamples: int = N_RESAMPLES,
    window_days: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
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
    sections : "all", "none", names separated by commas, or a sequence of names
        Parts of the scorecard beyond the table of statistics; see :mod:`.scorecard`.
    seed : int
        The same seed gives the same report.
    n_replicates : int
        Replicates of the window by column (scenario files give as many as they have paths for).
    n_resamples : int
        Resamples of the real window for its sampling error and intervals.
    window_days : int, optional
        Sample the window in consecutive pieces of this many days instead of in one piece.
    progress : callable, optional
        Called with (what is being done, steps done, steps in all).

    Returns
    -------
    EvaluationReport

    Raises
    ------
    InputError
        On columns that are not the model's sectors, too short a window, unknown baselines.
    """
    from spade_finance.baselines import baseline_names

    names, parts = baseline_names(baselines), section_names(sections)
    for what, count in (("n_replicates", n_replicates), ("n_resamples", n_resamples)):
        if isinstance(count, bool) or count < 2:
            raise InputError(f"{what}={count!r} is too few for a standard error: pass at least 2")
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
            "ScenarioSet or the path of a scenario file"
        )
    is_model = not isinstance(subject, ScenarioSet)
    sectors = tuple(subject.sectors_ if is_model else subject.sectors)
    window = find_window(subject if is_model else None, check_columns(real, sectors), from_date, labels)
    try:
        training = training_data(subject if is_model else None, window, real, fit, labels)
    except InputError:
        if names:
            raise
        training = None  # without baselines, only novelty and the like go without
    opponents = fitted_baselines(names, training, window, progress)
    provenance: dict[str, Any] = {"seed": seed, "n_replicates": n_replicates, "window_days": window_days}
    given: dict[str, Panel] = {}
    if is_model:
        provenance |= _model_facts(subject)
    else:
        given["scenarios"] = _given(subject, window, len(window.returns))
        provenance |= {f"scenarios {k}": v for k, v in subject.provenance.items()}
        provenance["replicates of scenarios"] = given["scenarios"].n_paths
    if training is not None:
        first, last = training.returns.index[[0, -1]]
        provenance["baselines learnt from"] = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return score_columns(
        window,
        training,
        ({"model": subject} if is_model else {}) | dict(opponents),
        given=given,
        label=getattr(subject, "label", None) if labels is None else None,
        in_loss=frozenset(getattr(subject, "in_loss_metrics_", ())),
        provenance=provenance,
        sections=parts,
        seed=seed,
        n_replicates=n_replicates,
        n_resamples=n_resamples,
        window_days=window_days,
        progress=progress,
    )


def score_columns(
    window: Window,
    training: Training | None,
    generators: Mapping[str, Any],
    *,
    given: Mapping[str, Panel] | None = None,
    label: Any = None,
    in_loss: frozenset[str] = frozenset(),
    provenance: Mapping[str, Any] | None = None,
    sections: Sequence[str] = (),
    seed: int = 0,
    n_replicates: int = N_REPLICATES,
    n_resamples: int = N_RESAMPLES,
    window_days: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> EvaluationReport:
    """Report of any fitted generators on one labelled window, the first being the subject.

    Parameters
    ----------
    window, training : see :mod:`.inputs`
    generators : mapping of str to object
        Fitted, each with ``sample(timeline, n_paths, random_state)``; drawn under the window's labels.
    given : mapping of str to Panel, optional
        Columns that are there already; they stand in front.
    label, in_loss, provenance
        As in :class:`~.section.Material` and :class:`~.report.EvaluationReport`.
    sections, seed, n_replicates, n_resamples, window_days, progress
        As in :func:`evaluate`.
    """
    truth = window.panel
    columns = dict(given or {})
    for number, (name, generator) in enumerate(generators.items()):
        if progress is not None:
            progress(f"sampling {name}", number, len(generators))
        key = seed if name == "model" else _column_seed(seed, name)
        columns[name] = _sampled(generator, window, n_replicates, window_days, key)
    noise = resample(truth, n_resamples, random_state=np.random.default_rng([seed, 0]))
    comparison = compare(truth, noise, columns)
    material = Material(
        real=truth,
        floor=noise,
        columns=columns,
        generators={} if given else generators,
        training=training.panel if training is not None else None,
        dates=pd.DatetimeIndex(window.returns.index),
        training_dates=pd.DatetimeIndex(training.returns.index) if training is not None else None,
        label=label,
        seed=seed,
    )
    results, seconds = measure(material, sections, progress)
    return EvaluationReport(
        statistics=_joined(comparison.statistics, [r.statistics for r in results.values()]),
        distances=_joined(comparison.distances, [r.distances for r in results.values()]),
        columns=tuple(columns),
        window=(window.returns.index[0], window.returns.index[-1]),
        sectors=truth.sectors,
        in_loss=in_loss,
        look_ahead=window.look_ahead,
        notes=tuple(window.notes),
        provenance=dict(provenance or {}),
        panels={"real": truth, **columns},
        sections=results,
        seconds=seconds,
    )


def _joined(first: pd.DataFrame, more: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of all parts below each other."""
    return pd.concat([first, *(part for part in more if len(part))], ignore_index=True)


def _column_seed(seed: int, name: str) -> int:
    """Seed of a baseline's column: its own, whichever others stand beside it."""
    return int(np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1)[0])


def _sampled(generator: Any, window: Window, n_paths: int, window_days: int | None, seed: int) -> Panel:
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


def _given(scenarios: Any, window: Window, n_days: int) -> Panel:
    """Scenarios as replicates of about the window's length; regimes kept only if they are the real ones."""
    panel = Panel.from_scenarios(scenarios, n_days)
    if panel.n_days < 0.8 * n_days:
        window.notes.append(
            f"the scenarios' replicates have {panel.n_days:,} days, the real window {n_days:,}: more or "
            "longer paths would be compared on equal terms"
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
            "window by its mix of regimes too; the rows by regime do not"
        )
    return panel


def _model_facts(model: Any) -> dict[str, Any]:
    """What identifies a model in the report."""
    start, end = (pd.Timestamp(t) for t in model.training_window_)
    return {
        "model": str(getattr(model, "name", None) or type(model).__name__),
        "model hash": getattr(model, "hash_", None),
        "trained on": f"{start:%Y-%m-%d} to {end:%Y-%m-%d}",
        "regimes": ", ".join(model.regimes_),
    }
