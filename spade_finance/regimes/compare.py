# SPDX-License-Identifier: Apache-2.0
"""How far labellings of the same days agree."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels

__all__ = ["agreement", "confusion"]


def agreement(labellings: Mapping[str, RegimeLabels]) -> pd.DataFrame:
    """Pairwise agreement of labellings on their common days.

    Labellings with different numbers of regimes are compared by rank, calm to worst: of K regimes, the i-th
    (from 0) stands for rank i / (K - 1), rounded to the finer of the two scales.

    Parameters
    ----------
    labellings : name -> RegimeLabels, at least two

    Returns
    -------
    DataFrame, index (first, second); ``days`` in common, ``share`` of them with the same label, Cohen's
    ``kappa``
        (agreement beyond chance), ``adjusted_rand`` (blind to the names), ``crisis_share`` (days that both
        call the worst regime over days that either does; NaN if neither does)

    Raises
    ------
    InputError
        Fewer than two labellings, or two without a common day.
    """
    if len(labellings) < 2:
        raise InputError(f"labellings: got {len(labellings)}; pass at least two by name to compare them")
    rows = {}
    for (a, first), (b, second) in combinations(labellings.items(), 2):
        x, y, n = _aligned(a, first, b, second)
        worst = (x == n - 1) & (y == n - 1)
        either = (x == n - 1) | (y == n - 1)
        rows[(a, b)] = {
            "days": len(x),
            "share": float(np.mean(x == y)),
            "kappa": _kappa(x, y, n),
            "adjusted_rand": _adjusted_rand(x, y),
            "crisis_share": float(worst.sum() / either.sum()) if either.any() else float("nan"),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["first", "second"])
    return table


def confusion(first: RegimeLabels, second: RegimeLabels) -> pd.DataFrame:
    """Days (K1, K2) on which `first` says the row and `second` the column, over their common dates.

    Raises
    ------
    InputError
        If they have no day in common.
    """
    common = _common("first", first, "second", second)
    table = pd.crosstab(first.labels.loc[common], second.labels.loc[common])
    table = table.reindex(index=list(first.regimes), columns=list(second.regimes), fill_value=0)
    return table.rename_axis(index="first", columns="second").astype("int64")


def _common(a: str, first: RegimeLabels, b: str, second: RegimeLabels) -> pd.DatetimeIndex:
    common = first.dates.intersection(second.dates)
    if not len(common):
        raise InputError(
            f"{a} and {b} have no day in common ({first.dates[0]:%Y-%m-%d} to {first.dates[-1]:%Y-%m-%d}, "
            f"{second.dates[0]:%Y-%m-%d} to {second.dates[-1]:%Y-%m-%d}); label the same returns"
        )
    return common


def _aligned(
    a: str, first: RegimeLabels, b: str, second: RegimeLabels
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    common = _common(a, first, b, second)
    n = max(len(first.regimes), len(second.regimes))
    codes = []
    for labels in (first, second):
        own = labels.codes[labels.dates.get_indexer(common)]
        steps = max(len(labels.regimes) - 1, 1)
        codes.append(np.floor(own * (n - 1) / steps + 0.5).astype(np.int64))  # halves go to the worse regime
    return codes[0], codes[1], n


def _kappa(x: NDArray[np.int64], y: NDArray[np.int64], n: int) -> float:
    """Cohen's kappa; 1 when both say one and the same thing throughout."""
    joint = np.zeros((n, n))
    np.add.at(joint, (x, y), 1.0 / len(x))
    chance = float(joint.sum(axis=1) @ joint.sum(axis=0))
    return 1.0 if chance >= 1.0 else float((np.trace(joint) - chance) / (1.0 - chance))


def _adjusted_rand(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(x, y))
