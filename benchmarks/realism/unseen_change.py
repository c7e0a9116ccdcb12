# SPDX-License-Identifier: Apache-2.0
"""Withheld transitions: a direct change between two regimes is taken out of training, then asked for.

See :mod:`spade_finance.evaluate.withheld`. Columns are fitted without the episodes that begin with the change, and
again with them; both are scored on those episodes: quasi-likelihood of the market's variance (``ql``) and energy score
of all sectors over the days after the change, lower is better, paired by event.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.realism.fits import fit_ours, labeller_of, load
from benchmarks.realism.plan import OURS, Change, returns_of


def score_change(work: Path, change: Change, columns: tuple[str, ...]) -> dict[str, Any]:
    """Scores of every column that has not seen the change and of the same columns that have."""
    from spade_finance.baselines import make_baseline
    from spade_finance.evaluate.withheld import withheld_transition

    split = change.split
    returns = returns_of(split.panel).loc[: split.until]
    labeller = labeller_of(returns)
    labels = labeller.smooth(returns)
    codes = {name: code for code, name in enumerate(labels.regimes)}

    def fit(returns: Any, labels: Any, withheld: Any) -> dict[str, Any]:
        if withheld is None:
            return {name: load(work, split, name, 0, labels) for name in columns}
        left = returns[withheld.usable]
        spans = tuple(withheld.spans(returns.index))
        return {
            name: fit_ours(name, returns, labeller, 0, exclude=spans)
            if name in OURS
            else make_baseline(name).fit(left, labels.align(left))
            for name in columns
        }

    found = withheld_transition(
        returns,
        labels,
        fit,
        source={codes[name] for name in change.source},
        target={codes[name] for name in change.target},
    )
    return {
        "panel": split.panel,
        "until": split.until,
        "change": f"{' or '.join(change.source)} to {' or '.join(change.target)}",
        "events": found["withheld"].n_events,
        "first_days": sorted({f"{returns.index[day]:%Y-%m-%d}" for day in found["withheld"].events["day"]}),
        "scores": {
            what: json.loads(score.table.drop(index="floor", errors="ignore").to_json(orient="index"))
            for what, score in found.items()
        },
    }
