# SPDX-License-Identifier: Apache-2.0
"""The noise floor: how far real data lie from themselves.

The real window is one draw. A perfect generator would still miss its statistics by that draw's sampling
error, so a distance means something only beside it. The error is read from resamples of the window under its
own regime map: regime-matched stationary block bootstrap with long blocks (a whole short spell stays
together, which keeps episodes of a crisis apart as episodes), the seams kept as borders that no
autocorrelation crosses.

Limit: a regime with one or two episodes in the window shows too small an error, for between episodes nothing
is seen.
"""

from __future__ import annotations

import numpy as np

from spade_finance.baselines.bootstrap import RegimeSampler
from spade_finance.evaluate.panel import Panel

MEAN_BLOCK_DAYS = 60
N_RESAMPLES = 128


def resample(
    real: Panel,
    n_resamples: int = N_RESAMPLES,
    mean_block: float = MEAN_BLOCK_DAYS,
    random_state: int | np.random.Generator = 0,
) -> Panel:
    """Resamples of a one-path panel under its own regimes.

    Parameters
    ----------
    real : Panel
        One path; codes (days,) or None (then blocks are drawn from all days).
    n_resamples : int
    mean_block : float
        Mean block length in days.

    Returns
    -------
    Panel
        (n_resamples, days) with the real codes, every new block a new segment.
    """
    rng = np.random.default_rng(random_state)
    codes = np.zeros(real.n_days, dtype=np.int8) if real.codes is None else np.asarray(real.codes).reshape(-1)
    sampler = RegimeSampler(codes, int(codes.max()) + 1, mean_block)
    days, jumped = sampler.draw(codes, n_resamples, rng)
    segments = np.cumsum(jumped, axis=0, dtype=np.int32).T
    return Panel(real.simple[0][days.T], real.codes, segments, real.sectors, real.regimes)
