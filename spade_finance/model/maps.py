# SPDX-License-Identifier: Apache-2.0
"""Regime timeline -> the map the network reads.

The *market map* ``(channels, days)`` stacks, for every day t and from days <= t only:

====================  =====================================================================================
``K`` regime weights  soft market label, rows sum to one
severity              ``log`` of the episode's intensity
step over 5, 21 days  typical log-volatility of the day's label less its mean over the 5 (21) days before:
                      how far, and how lately, the timeline has switched (study, part 2, item 4, without the
                      part that peeks at the future)
``K`` own shares      mean over sectors of the sectors' own labels; all zero when every sector is with the market
own severity          mean over sectors of own log severity
====================  =====================================================================================

The *sector map* ``(sectors, K + 1, days)`` holds each sector's own soft label and log severity, zero where the
sector is with the market; the market map stands beside it in every layer that reads it.

A timeline is continued to the left with its first day, so that day 0 is treated as an old state and not as a switch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEP_WINDOWS = (5, 21)
"""Days over which a switch is remembered in the map."""


@dataclass(frozen=True)
class Maps:
    """Encoded timelines: ``market`` (batch, channels, days), ``sector`` (batch, sectors, K + 1, days), float32."""

    market: NDArray[np.float32]
    sector: NDArray[np.float32]


def n_market_channels(n_regimes: int) -> int:
    """Channels of the market map."""
    return 2 * n_regimes + 2 + len(STEP_WINDOWS)


def encode(
    weights: NDArray[np.floating],
    severity: NDArray[np.floating],
    own_weights: NDArray[np.floating],
    own_severity: NDArray[np.floating],
    log_levels: NDArray[np.floating],
) -> Maps:
    """Encode a batch of timelines.

    Parameters
    ----------
    weights : (batch, days, K)
        Market label weights.
    severity : (batch, days)
        Market severity, 1 typical.
    own_weights : (batch, sectors, days, K)
        Sectors' own label weights; an all-zero row means "with the market".
    own_severity : (batch, sectors, days)
        Sectors' own severity.
    log_levels : (K,)
        Typical log-volatility of the market in each regime (training data).
    """
    level = weights @ log_levels + np.log(severity)  # (b, t)
    steps = [level - _mean_before(level, window) for window in STEP_WINDOWS]
    own = np.concatenate(
        [
            own_weights.swapaxes(-1, -2),
            np.log(own_severity)[:, :, None, :] * (own_weights.sum(-1) > 0)[:, :, None, :],
        ],
        axis=2,
    )  # (b, s, k + 1, t)
    market = np.concatenate(
        [weights.swapaxes(-1, -2), np.log(severity)[:, None], np.stack(steps, 1), own.mean(1)], axis=1
    )  # (b, c, t)
    return Maps(market.astype(np.float32), own.astype(np.float32))


def _mean_before(level: NDArray[np.floating], window: int) -> NDArray[np.floating]:
    """Mean over the ``window`` days before each day; days before the first count as the first."""
    padded = np.concatenate([np.repeat(level[:, :1], window, axis=1), level[:, :-1]], axis=1)
    total = np.cumsum(np.concatenate([np.zeros_like(padded[:, :1]), padded], axis=1), axis=1)
    return (total[:, window:] - total[:, :-window]) / window
