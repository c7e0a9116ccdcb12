# SPDX-License-Identifier: Apache-2.0
"""Verdicts: where a generated value lies against the interval of the real one."""

from __future__ import annotations

import numpy as np

AS_REAL = "as real"
TOO_HIGH = "too high"
TOO_LOW = "too low"
NOT_ASSESSABLE = "not assessable"

MARKS = {AS_REAL: "", TOO_HIGH: " ▲", TOO_LOW: " ▼", NOT_ASSESSABLE: " ?"}
"""What a table prints behind a value."""


def verdict(value: float, low: float, high: float) -> str:
    """Verdict on a value against the 95 % interval of the real one.

    Parameters
    ----------
    value : float
        Mean over replicates: the generator's expectation of the statistic.
    low, high : float
        The interval that covers the expectation behind the real value in 95 % of windows. A perfect generator
        is therefore called "too high" or "too low" on one fact in twenty.
    """
    if not (np.isfinite(value) and np.isfinite(low) and np.isfinite(high)):
        return NOT_ASSESSABLE
    return TOO_HIGH if value > high else TOO_LOW if value < low else AS_REAL
