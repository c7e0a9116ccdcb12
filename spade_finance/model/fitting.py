# SPDX-License-Identifier: Apache-2.0
"""Returns and labels in, fitted generator out: label, measure, train, level."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError, LookAheadWarning
from spade_finance.windows import validation_blocks, with_embargo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spade_core.trainer import Tick
    from spade_finance.model.estimator import ScenarioGenerator

STATE_FILE, CURVE_FILE = "state.safetensors", "curve.jsonl"


def fit_generator(
    model: ScenarioGenerator,
    returns: pd.DataFrame,
    labels: Any,
    *,
    progress: bool | Callable[[Tick], bool | None],
    max_minutes: float | None,
    checkpoint_dir: str | os.PathLike[str] | None,
    resume: bool,
    exclude: Sequence[tuple[Any, Any]] = (),
) -> ScenarioGenerator:
    """See :meth:`~spade_finance.model.estimator.ScenarioGenerator.fit`."""
    import torch

    from spade_core.tracking import JsonLinesTracker, read_json_lines
    from spade_core.trainer import Trainer
    from spade_finance.data import validate_returns
    from spade_finance.model.batches import WindowData
    from spade_finance.model.calibrate import level_regimes, level_severity
    from spade_finance.model.labelled import TypicalVolatility, labelled_arrays, with_own_labels
    from spade_finance.model.network import ScenarioNetwork
    from spade_finance.model.start import fit_start, history_states
    from spade_finance.model.state import ModelHistory
    from spade_finance.model.training import GeneratorTask
    from spade_finance.regimes.severity import episodes, severity_range

    config = model.config
    returns = validate_returns(returns, source="returns", min_rows=2)
    if not 2 <= returns.shape[1] <= 64:
        raise InputError(
            f"returns have {returns.shape[1]} column(s); the generator is for correlated sectors: give 2 to 64."
        )
    excluded = excluded_days(returns.index, exclude)
    kept, everything, given = returns[~excluded], returns, labels
    returns = covered(returns, excluded)
    labeller, labels = _labels(returns, labels, kept)
    labels = with_own_labels(labels, returns, labeller)
    known = labels.align(kept)
    typical = TypicalVolatility.fit(known, kept)
    data = labelled_arrays(labels, returns, typical)
    n_regimes = len(labels.regimes)

    held = validation_blocks(data.codes, config.validation_share, config.window_days, avoid=excluded)
    trainable = with_embargo(held | excluded)
    start = fit_start(data.rows(trainable), n_regimes, config.rank)
    windows = WindowData(data, start, history_states(data, start), config.slow_states)
    with torch.random.fork_rng():
        torch.manual_seed(_seed(model.random_state))
        network = ScenarioNetwork(config, start)
        task = GeneratorTask(network, windows, held, _seed(model.random_state), excluded)
        folder = None if checkpoint_dir is None else Path(checkpoint_dir)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        trainer = Trainer(
            task,
            max_steps=config.steps,
            max_minutes=max_minutes,
            tick_steps=config.validate_every or 100,
            state_path=None if folder is None else folder / STATE_FILE,
            on_tick=_print_tick if progress is True else (progress or None),
            tracker=None if folder is None else JsonLinesTracker(folder / CURVE_FILE),
        )
        result = trainer.run(resume=resume)
    task.finish()
    # Statistics describe the whole training window; only the search for the best weights needed a part held back.
    seen = data.rows(~excluded)
    partial, start = start, fit_start(seen, n_regimes, config.rank)
    network.move_statistics(partial, start)
    start = level_regimes(network, start, seen)
    level_severity(network, start, seen)
    network.eval()

    if excluded.any():  # replays and "now" may look back on everything
        labeller, labels = _labels(everything, given if labeller is None else labeller, kept)
        labels = with_own_labels(labels, everything, labeller)
        data = labelled_arrays(labels, everything, typical)
    filtered = labels if labeller is None else labeller.filter(everything)
    process = labels_process(known) if labeller is None else labeller.process_
    ranges = severity_range(episodes(known, kept, typical=typical.market), labels.regimes)
    if folder is not None and (folder / CURVE_FILE).is_file():  # none before the first tick
        curve = [
            {k: v for k, v in row.items() if k != "time"} for row in read_json_lines(folder / CURVE_FILE)
        ]
    else:
        curve = [{"step": tick.step, **tick.metrics} for tick in result.ticks]
    model._set(
        network_=network,
        start_=start,
        regimes_=labels.regimes,
        sectors_=tuple(str(c) for c in returns.columns),
        labeller_=labeller,
        process_=process,
        typical_=typical,
        severity_range_=tuple(ranges.loc["all", ["min", "max"]].astype(float)),
        severity_table_=ranges,
        training_window_=(returns.index[0], returns.index[-1]),
        n_training_days_=len(kept),
        data_hash_=data_hash(kept),
        training_result_={
            "reason": result.reason,
            "steps": result.step,
            "message": result.message,
            "validation_of_start": _finite(task.start_score),
            "validation_of_model": _finite(task.best_score),
        }
        | (
            {"excluded": [[f"{pd.Timestamp(d):%Y-%m-%d}" for d in span] for span in exclude]}
            if exclude
            else {}
        ),
        curve_=curve,
        embedded_history_=False,
        regime_summary_=_summary(seen, labels.regimes),
        _history=ModelHistory.from_labelled(labels, filtered, data, start),
    )
    from spade_finance.model.storage import model_hash

    model.hash_ = model_hash(model)
    return model


def excluded_days(index: pd.Index, exclude: Sequence[tuple[Any, Any]]) -> NDArray[np.bool_]:
    """Which days lie in one of the spans (first day, last day), both included.

    Raises
    ------
    InputError
        A span that is no pair of dates in order, or that holds none of the days.
    """
    out = np.zeros(len(index), dtype=bool)
    for span in exclude:
        try:
            first, last = (pd.Timestamp(day) for day in span)
        except (TypeError, ValueError):
            raise InputError(
                f"exclude={span!r} is no pair of dates: write ('2007-10-01', '2009-06-30')"
            ) from None
        inside = (index >= first) & (index <= last)
        if not inside.any():
            raise InputError(
                f"exclude={span!r} holds none of the returns' days "
                f"({index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d})"
            )
        out |= inside
    return out


def covered(returns: pd.DataFrame, excluded: NDArray[np.bool_]) -> pd.DataFrame:
    """Returns with the excluded days replaced by days drawn from the others.

    Filters and features run over every day; what they meet in the gap must not be what happened there.
    """
    if not excluded.any():
        return returns
    donors = np.random.default_rng(0).choice(np.flatnonzero(~excluded), size=int(excluded.sum()))
    out = returns.copy()
    out.iloc[np.flatnonzero(excluded)] = returns.to_numpy()[donors]
    return out


def _labels(returns: pd.DataFrame, labels: Any, kept: pd.DataFrame) -> tuple[Any, Any]:
    """(labeller or None, smoothed labels of the returns); an unfitted labeller learns from the kept days."""
    from spade_finance.regimes import JumpRegimes, RegimeLabels

    if isinstance(labels, RegimeLabels):
        return None, labels.align(returns)
    labeller = JumpRegimes() if labels is None else labels
    if not hasattr(labeller, "smooth"):
        raise InputError(
            f"labels={labels!r} is neither a labeller nor RegimeLabels; pass sf.JumpRegimes() or labels read "
            "with RegimeLabels.load."
        )
    if not hasattr(labeller, "regimes_"):
        labeller = type(labeller)(**labeller.get_params()).fit(kept)
    elif pd.Timestamp(labeller.training_window_[1]) > returns.index[-1]:
        warnings.warn(
            f"the labeller was fitted up to {labeller.training_window_[1]}, after the training window's end "
            f"{returns.index[-1]:%Y-%m-%d}: regimes know the hold-out. Fit it on the training returns.",
            LookAheadWarning,
            stacklevel=4,
        )
    return labeller, labeller.smooth(returns)


def labels_process(labels: Any) -> Any:
    """Semi-Markov process of given labels."""
    from spade_finance.regimes import SemiMarkovProcess

    return SemiMarkovProcess().fit(labels.codes, labels.regimes)


def data_hash(returns: pd.DataFrame) -> str:
    """SHA-256 of dates, names and values."""
    import hashlib

    digest = hashlib.sha256("\x1f".join(map(str, returns.columns)).encode())
    digest.update(returns.index.to_numpy().astype("datetime64[D]").astype(np.int64).tobytes())
    digest.update(np.ascontiguousarray(returns.to_numpy(dtype=np.float64)).tobytes())
    return digest.hexdigest()


def _summary(data: Any, regimes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Annual volatility of the market and days, by regime, for the card."""
    market = np.log1p(np.expm1(data.log_returns).mean(1))
    rows = []
    for k, regime in enumerate(regimes):
        days = market[data.codes == k]
        rows.append(
            {
                "regime": regime,
                "days": len(days),
                "spells": int(
                    ((data.codes == k) & np.concatenate([[True], data.codes[1:] != data.codes[:-1]])).sum()
                ),
                "annual_log_return": float(252 * days.mean()) if len(days) else None,
                "annual_volatility": float(np.sqrt(252) * days.std()) if len(days) else None,
            }
        )
    return rows


def _finite(x: float) -> float | None:
    return x if np.isfinite(x) else None


def _seed(random_state: Any) -> int:
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    return int(random_state)


def _print_tick(tick: Tick) -> None:
    shown = "  ".join(f"{k} {v:.4f}" for k, v in tick.metrics.items())
    print(f"step {tick.step}/{tick.max_steps}  {shown}  {tick.minutes_left:.1f} min left", flush=True)
