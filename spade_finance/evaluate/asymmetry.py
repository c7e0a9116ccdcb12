# SPDX-License-Identifier: Apache-2.0
r"""Asymmetries of time and sign: how fast losses and gains come, and which way volatility is cascaded.

Arrays as in :mod:`.facts`: log returns ``x (paths, time, asset)``, stretches in ``groups``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.facts import aggregate, cross_correlation

Array = NDArray[np.float64]
Groups = NDArray[np.integer]

THRESHOLD = 0.05
"""Log return whose first passage is timed."""
LONGEST_DAYS = 120
EVERY_DAYS = 10
WEEK = 5
ZUMBACH_LAGS = tuple(range(5, 21))
"""From a week on: nearer lags would correlate a day with itself."""


class FirstPassage(NamedTuple):
    """Mean days to a loss and to a gain, and A = (loss - gain) / (loss + gain), each (paths, asset)."""

    loss: Array
    gain: Array
    asymmetry: Array


def first_passage(
    x: Array,
    threshold: float = THRESHOLD,
    longest: int = LONGEST_DAYS,
    every: int = EVERY_DAYS,
    groups: Groups | None = None,
) -> FirstPassage:
    r"""Days until the price first stands `threshold` below and above its start (Jensen et al. 2003).

    :math:`L = E\min(T_{-\theta}, H)`, :math:`G = E\min(T_{+\theta}, H)` over start days, with the path's own
    mean return taken off, so that a drift is not mistaken for an asymmetry; A = 0 for a symmetric random walk
    and negative where losses come faster, as for equity indices.

    Parameters
    ----------
    x : (paths, time, asset)
        Log returns.
    threshold : float
        Theta, log return.
    longest : int
        H, days after which a passage counts as H: starts need that many days left in their stretch.
    every : int
        Distance of start days.
    groups : (time,) or (paths, time) int, optional
        Stretches.
    """
    n_paths, n_days, n_assets = x.shape
    starts = np.arange(0, n_days - longest + 1, every)
    nothing = np.full((n_paths, n_assets), np.nan)
    if not len(starts):
        return FirstPassage(nothing, nothing.copy(), nothing.copy())
    centred = np.asarray(x, dtype=np.float64) - x.mean(1, keepdims=True)
    level = np.cumsum(np.concatenate([np.zeros((n_paths, 1, n_assets)), centred], axis=1), axis=1)
    origin = level[:, starts]
    not_lost = np.ones(origin.shape, dtype=bool)
    not_gained = not_lost.copy()
    days = np.ones((2, *origin.shape), dtype=np.int16)  # day 1 always passes
    for h in range(1, longest):
        move = level[:, starts + h] - origin
        not_lost &= move > -threshold
        not_gained &= move < threshold
        days[0] += not_lost
        days[1] += not_gained
    if groups is None:
        valid = np.ones((1, len(starts)))
    else:
        wide = np.atleast_2d(groups)
        valid = (wide[:, starts] == wide[:, starts + longest - 1]).astype(np.float64)
    valid = np.broadcast_to(valid, (n_paths, len(starts)))
    with np.errstate(invalid="ignore", divide="ignore"):
        loss, gain = np.einsum("kpsa,ps->kpa", days, valid) / valid.sum(1)[:, None]
        return FirstPassage(loss, gain, (loss - gain) / (loss + gain))


def zumbach(x: Array, lags: tuple[int, ...] = ZUMBACH_LAGS, groups: Groups | None = None) -> Array:
    r"""Mean over lags of :math:`corr(v^c_t, v^f_{t+l}) - corr(v^f_t, v^c_{t+l})`, (paths, asset).

    Coarse volatility :math:`v^c = |\sum_5 r|` and fine volatility :math:`v^f = \sum_5 |r|` of a week (Müller
    et al. 1997; Zumbach 2009): markets have it positive, a coarse move foretells fine ones more than the
    other way round; zero for every process that looks the same backwards, such as a GARCH's squares nearly
    are.
    """
    coarse, valid = aggregate(x, WEEK, groups)
    fine, _ = aggregate(np.abs(x), WEEK, groups)
    coarse = np.abs(coarse)
    if groups is None:
        return _asymmetry(coarse, fine, lags, None, None)
    common = groups.ndim == 1
    weeks = groups[: valid.shape[1]] if common else groups[:, : valid.shape[1]]
    return _asymmetry(coarse, fine, lags, weeks, valid[0] if common else valid)


def _asymmetry(
    coarse: Array, fine: Array, lags: tuple[int, ...], groups: Groups | None, mask: NDArray[np.bool_] | None
) -> Array:
    forwards = cross_correlation(coarse, fine, lags, groups, mask)
    backwards = cross_correlation(fine, coarse, lags, groups, mask)
    return np.asarray((forwards - backwards).mean(1))
