# SPDX-License-Identifier: Apache-2.0
"""Fitted columns by name: ours and the neural ones trained once and kept, the others fitted anew in seconds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.realism.plan import OURS, Split, returns_of

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.regimes import RegimeLabels


def labeller_of(returns: pd.DataFrame) -> Any:
    """The labeller of every column: fitted on the training days, with one seed."""
    import spade_finance as sf

    return sf.JumpRegimes(random_state=0).fit(returns)


def folder_of(work: Path, split: Split, column: str, seed: int) -> Path:
    """Where a trained column of ours is kept."""
    return work / "models" / split.name / f"{column}-s{seed}"


def fit_ours(
    column: str, returns: pd.DataFrame, labeller: Any, seed: int, exclude: tuple[tuple[str, str], ...] = ()
) -> Any:
    """Our generator or one of its ablations, quick preset; ``_bare`` ones have no per-regime statistics in the head."""
    from spade_finance.model.ablations import make_ablation

    name, bare, _ = column.partition("_bare")
    changes = {"head_tables": False} if bare else {}
    return make_ablation(name, "quick", seed, **changes).fit(returns, labeller, exclude=exclude)


def fit(work: Path, split: Split, column: str, seed: int) -> dict[str, Any]:
    """Train a column and keep it; what it took."""
    train = returns_of(split.panel).loc[: split.until]
    labeller = labeller_of(train)
    began = time.process_time()
    if column in OURS:
        model = fit_ours(column, train, labeller, seed)
        model.save(folder_of(work, split, column, seed))
        facts = {"model_hash": model.hash_, **model.training_result_}
    else:
        from spade_finance.baselines import make_baseline

        make_baseline(column).fit(train, labeller.smooth(train))  # leaves itself in its cache
        facts = {}
    return {"cpu_seconds": round(time.process_time() - began, 1), **facts}


def load(work: Path, split: Split, column: str, seed: int, labels: RegimeLabels) -> Any:
    """A fitted column: something with ``sample``."""
    import spade_finance as sf

    if column == "default":
        return sf.ScenarioGenerator.load("default")
    if column in OURS:
        folder = folder_of(work, split, column, seed)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is missing: its 'fit' shard has not run")
        return sf.ScenarioGenerator.load(folder)
    from spade_finance.baselines import make_baseline

    return make_baseline(column).fit(returns_of(split.panel).loc[: split.until], labels)
