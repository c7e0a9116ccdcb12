# SPDX-License-Identifier: Apache-2.0
r"""Scale and shape apart: panels whose every path has the same volatility in each regime.

A generator that only misses the level of volatility looks bad on every statistic of size, and one that hits
the level by chance hides what else is wrong with it. In a *shape panel* each asset of each path is rescaled,
regime by regime, to a reference volatility:

.. math:: \tilde r_{t,i} = r_{t,i}\, \sigma^{ref}_{k_t,i} / \hat\sigma_{k_t,i}

on log returns, so that no simple return can fall below -1. Statistics of one regime that have no scale (skew,
L-moments, tail index, correlation) are the same in both forms; those of all days are not, for the ratio of a
crisis to calm is scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.catalogue import catalogue
from spade_finance.evaluate.metric import SHAPE, Metric
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.stylised import facts_metrics
from spade_finance.exceptions import InputError

Array = NDArray[np.float64]

MIN_OWN_DAYS = 20
"""Days of a regime below which a path is rescaled by all paths' volatility, not by its own."""

IN_SHAPE = {
    ("w1", None),
    ("l_kurtosis", None),
    ("hill_left", None),
    ("hill_right", None),
    ("intermittency", None),
    ("acf_absolute", None),
    ("acf_absolute_far", None),
    ("leverage", None),
    ("es_97_5", None),
    ("w1", "each regime"),
}
"""Metrics also measured on shape panels: of all days, and the distribution in each regime."""


def regime_volatility(panel: Panel) -> Array:
    """Daily volatility of log returns, root mean square about the mean, (regimes, assets), all paths pooled.

    One row for a panel without labels; NaN for a regime without days.
    """
    return np.stack([_pooled(panel, inside) for inside in _by_regime(panel)])


def shape_panel(panel: Panel, reference_volatility: Array) -> Panel:
    """The panel with each path's own volatility per regime and asset replaced by a reference.

    Parameters
    ----------
    panel : Panel
    reference_volatility : (regimes, assets)
        Daily volatility of log returns, e.g. :func:`regime_volatility` of the real window; one row for a
        panel without labels. A regime with a NaN here keeps its scale.

    Returns
    -------
    Panel
        Every asset is rescaled by itself: the first one is a market series of the right volatility, no longer
        the mean of the sectors.

    Raises
    ------
    InputError
        If the reference has another shape.
    """
    wanted = (max(len(panel.regimes), 1) if panel.codes is not None else 1, panel.simple.shape[2])
    if np.shape(reference_volatility) != wanted:
        raise InputError(
            f"reference_volatility has shape {np.shape(reference_volatility)}: this panel needs {wanted}, one "
            "row a regime and one column an asset (see regime_volatility)"
        )
    log = panel.log
    factor = np.ones_like(log)
    for inside, reference in zip(_by_regime(panel), reference_volatility, strict=True):
        wide = np.broadcast_to(inside, log.shape[:2])
        own = _own(log, wide, _pooled(panel, inside))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = reference / own
        ratio = np.where(np.isfinite(ratio), ratio, 1.0)
        if inside.ndim == 1:
            factor[:, inside] = ratio[:, None]
        else:
            factor = np.where(wide[..., None], ratio[:, None], factor)
    return Panel(np.expm1(log * factor), panel.codes, panel.segments, panel.sectors, panel.regimes)


def shape_metrics(real: Panel) -> list[Metric]:
    """Metrics for shape panels of this window, named ``shape_...``, group "shape"."""
    return list(_renamed(real))


def _renamed(real: Panel) -> Iterator[Metric]:
    for metric in [*catalogue(real), *facts_metrics(real)]:
        if (metric.name, "each regime" if metric.regime else None) in IN_SHAPE:
            yield replace(metric, name=SHAPE + metric.name, group="shape")


def _by_regime(panel: Panel) -> list[NDArray[np.bool_]]:
    if panel.codes is None:
        return [np.ones(panel.n_days, dtype=bool)]
    return [panel.in_regime(k) for k in range(len(panel.regimes))]


def _pooled(panel: Panel, inside: NDArray[np.bool_]) -> Array:
    """Volatility (assets,) of all paths' days together."""
    if not inside.any():
        return np.full(panel.simple.shape[2], np.nan)
    days = panel.log[:, inside] if inside.ndim == 1 else panel.log[inside]
    return np.asarray(days.reshape(-1, days.shape[-1]).std(0))


def _own(log: Array, inside: NDArray[np.bool_], pooled: Array) -> Array:
    """Volatility (paths, assets) of each path; the pooled one where it has too few days."""
    weight = inside.astype(np.float64)
    count = weight.sum(1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.einsum("pta,pt->pa", log, weight) / count
        variance = np.einsum("pta,pta,pt->pa", log, log, weight) / count - mean**2
        own = np.sqrt(np.maximum(variance, 0.0))
    return np.where((count >= MIN_OWN_DAYS) & (own > 0), own, pooled)
