# SPDX-License-Identifier: Apache-2.0
"""One portfolio's money on given paths, for the parts that need no windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.stress.engine import Book, Plan
from spade_finance.stress.liquidity import BASE_DAYS
from spade_finance.stress.portfolio import Portfolio

BLOCK = 2048
"""Paths run at a time."""


def run_book(
    simple: NDArray[np.floating[Any]],
    codes: NDArray[np.integer[Any]],
    n_groups: int,
    portfolio: Portfolio,
    sectors: Sequence[str],
) -> Book:
    """Values and contributions of a portfolio.

    Parameters
    ----------
    simple : (n, T, S) decimal simple returns
    codes : (T,) or (n, T) group of each day, 0 to n_groups - 1: its regime, or its spell
    """
    plan = Plan((portfolio,), tuple(sectors), n_groups, (), (BASE_DAYS,) * len(sectors))
    parts = [
        plan.run(simple[i : i + BLOCK], codes if codes.ndim == 1 else codes[i : i + BLOCK])[0]
        for i in range(0, len(simple), BLOCK)
    ]
    return parts[0] if len(parts) == 1 else Book.join(parts)
