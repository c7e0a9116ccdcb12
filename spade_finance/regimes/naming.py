# SPDX-License-Identifier: Apache-2.0
"""Names of regimes and the order that gives them, calm to worst.

Regimes are ordered by the volatility of the market on their days, so the last one, the crisis, is always the
most volatile. Where two neighbours *between* the first and the last are alike in volatility (within
`VOLATILITY_TIE`), the one with the higher mean return comes first: "sideways" and "bear" are told apart by
direction, not by a volatility difference that is noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError

__all__ = ["VOLATILITY_TIE", "economic_order", "regime_names"]

VOLATILITY_TIE = 1.10
"""Two inner regimes whose volatilities differ by less than this ratio are ordered by mean return."""

_NAMES: dict[int, tuple[str, ...]] = {
    2: ("bull", "crisis"),
    3: ("bull", "bear", "crisis"),
    4: ("bull", "sideways", "bear", "crisis"),
}


def regime_names(n_regimes: int) -> tuple[str, ...]:
    """Names of `n_regimes` regimes, calm to worst; ``r1 .. rN`` from five on.

    Raises
    ------
    InputError
        If `n_regimes` is not a whole number from 2 to 12.
    """
    if isinstance(n_regimes, bool) or not isinstance(n_regimes, int | np.integer) or not 2 <= n_regimes <= 12:
        raise InputError(f"n_regimes={n_regimes!r}: pass a whole number from 2 to 12 (4 is the default)")
    return _NAMES.get(int(n_regimes), tuple(f"r{k + 1}" for k in range(int(n_regimes))))


def economic_order(
    log_returns: NDArray[np.float64], codes: NDArray[Any], n_regimes: int
) -> NDArray[np.int64]:
    """Positions of arbitrary regime codes, calm to worst.

    Parameters
    ----------
    log_returns : (T,) decimal log returns of the market (or of one sector)
    codes : (T,) int in ``0 .. n_regimes - 1``, in any order
    n_regimes : int

    Returns
    -------
    (K,) int
        ``order[i]`` is the old code of the i-th regime, calm to worst. Codes that never occur keep their
        place among the others by their old number, after the regimes that do.
    """
    volatility, mean = np.full(n_regimes, np.inf), np.zeros(n_regimes)
    for k in range(n_regimes):
        own = log_returns[codes == k]
        if len(own):
            volatility[k], mean[k] = np.sqrt(np.mean((own - own.mean()) ** 2)), own.mean()
    order = np.argsort(volatility, kind="stable")
    for i in range(1, n_regimes - 2):  # inner neighbours only: first and last stay by volatility
        low, high = order[i], order[i + 1]
        close = np.isfinite(volatility[high]) and volatility[high] < VOLATILITY_TIE * volatility[low]
        if close and mean[high] > mean[low]:
            order[i], order[i + 1] = high, low
    return order.astype(np.int64)
