# SPDX-License-Identifier: Apache-2.0
"""The metrics: what is measured on a panel, in which group it counts, on which scale distances are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate import facts
from spade_finance.evaluate.metric import FAMILIES, Metric, Values, is_in_loss
from spade_finance.evaluate.panel import Panel

__all__ = [
    "ABS_LAGS",
    "FAMILIES",
    "LEVERAGE_LAGS",
    "MIN_REGIME_DAYS",
    "N_QUANTILES",
    "SPELL_LAGS",
    "Metric",
    "Values",
    "catalogue",
    "is_in_loss",
]

ABS_LAGS = tuple(range(1, 21))
LEVERAGE_LAGS = tuple(range(1, 11))
SPELL_LAGS = tuple(range(1, 11))
N_QUANTILES = 100
MIN_REGIME_DAYS = 30
"""A regime with fewer real days than this has no rows of its own."""


def catalogue(real: Panel) -> list[Metric]:
    """Metrics that make sense for this real window: all days, then each regime with enough days."""
    metrics = list(_all_days(real))
    if real.codes is not None:
        for k, regime in enumerate(real.regimes):
            if real.days_in(k) >= MIN_REGIME_DAYS:
                metrics += _one_regime(k, regime, many_sectors=len(real.sectors) > 1)
    return metrics


def _all_days(real: Panel) -> Iterator[Metric]:
    """Metrics over every day of the window."""
    yield Metric("annual_return", "marginals", _moment(0), unit="percent")
    yield Metric("volatility", "marginals", _moment(1), "log", unit="percent")
    yield Metric("skewness", "marginals", _moment(2))
    for days in (1, 5, 20):
        if real.n_days >= 10 * days:
            yield Metric("excess_kurtosis", "marginals", _kurtosis_of_sums(days), "log", horizon_days=days)
    yield Metric("hill_left", "marginals", lambda p: facts.hill(p.simple, "left"), "log")
    yield Metric("hill_right", "marginals", lambda p: facts.hill(p.simple, "right"), "log")
    for days in (1, 5, 20):
        if real.n_days >= 10 * days:
            yield Metric("w1", "marginals", _quantiles_of_sums(days), horizon_days=days, curve=True)
    if len(real.sectors) > 1:
        yield Metric("correlation_matrix", "dependence", lambda p: _pairs(p.simple[..., 1:]), curve=True)
        yield Metric("mean_correlation", "dependence", lambda p: facts.mean_correlation(p.simple[..., 1:]))
        yield Metric(
            "lower_tail_dependence", "dependence", lambda p: facts.tail_dependence(p.simple[..., 1:])
        )
        yield Metric(
            "upper_tail_dependence", "dependence", lambda p: facts.tail_dependence(-p.simple[..., 1:])
        )
    yield Metric(
        "acf_return",
        "dynamics",
        lambda p: facts.autocorrelation(p.simple, [1], p.segments)[:, 0],
        horizon_days=1,
    )
    yield Metric("acf_absolute", "dynamics", lambda p: _mean_acf(np.abs(p.simple), ABS_LAGS, p.segments))
    yield Metric("acf_squared", "dynamics", lambda p: _mean_acf(p.simple**2, ABS_LAGS, p.segments))
    if real.codes is not None and len(real.regimes) > 1:
        yield Metric("acf_absolute_crisis_free", "dynamics", _acf_without_worst, by_regime=True)
    yield Metric(
        "leverage", "dynamics", lambda p: facts.leverage(p.simple, LEVERAGE_LAGS, p.segments).mean(1)
    )
    for level in (0.95, 0.975, 0.99):
        yield from _risk(level)
    yield Metric("worst_day", "risk", lambda p: facts.worst_day(p.simple), unit="percent")


def _one_regime(k: int, regime: str, *, many_sectors: bool) -> Iterator[Metric]:
    """Metrics over the days of regime k."""

    def on(measure: Callable[..., Values]) -> Callable[[Panel], Values]:
        return lambda p: measure(p.simple, mask=p.in_regime(k))

    yield Metric("annual_return", "marginals", _moment(0, k), regime=regime, unit="percent")
    yield Metric("volatility", "marginals", _moment(1, k), "log", regime, unit="percent")
    yield Metric("skewness", "marginals", _moment(2, k), regime=regime)
    yield Metric("excess_kurtosis", "marginals", _moment(3, k), "log", regime, 1)
    yield Metric("w1", "marginals", on(_quantile_function), regime=regime, horizon_days=1, curve=True)
    if many_sectors:
        yield Metric(
            "correlation_matrix",
            "dependence",
            lambda p: _pairs(p.simple[..., 1:], p.in_regime(k)),
            regime=regime,
            curve=True,
        )
        yield Metric(
            "mean_correlation",
            "dependence",
            lambda p: facts.mean_correlation(p.simple[..., 1:], p.in_regime(k)),
            regime=regime,
        )
    yield Metric(
        "acf_absolute",
        "dynamics",
        lambda p: facts.autocorrelation(np.abs(p.simple), SPELL_LAGS, p.spells, p.in_regime(k)).mean(1),
        regime=regime,
    )
    yield from _risk(0.95, k, regime)


def _moment(which: int, k: int | None = None) -> Callable[[Panel], Values]:
    """Annual return, volatility, skewness or excess kurtosis (0 to 3), on all days or those of regime k."""

    def measure(p: Panel) -> Values:
        moments = p.memo(
            ("moments", k), lambda: facts.moments(p.simple, None if k is None else p.in_regime(k))
        )
        return facts.standardised(moments)[which]

    return measure


def _risk(level: float, k: int | None = None, regime: str | None = None) -> Iterator[Metric]:
    """VaR and ES of one-day returns at one level."""
    name = f"{100 * level:g}".replace(".", "_")
    for which, title in enumerate(("var", "es")):

        def measure(p: Panel, which: int = which) -> Values:
            days = None if k is None else p.in_regime(k)
            return p.memo(("risk", level, k), lambda: facts.var_es(p.simple, level, days))[which]

        yield Metric(f"{title}_{name}", "risk", measure, "log", regime, 1, "percent")


def _quantile_function(x: Values, mask: NDArray[np.bool_] | None = None) -> Values:
    """Quantiles of each path, (paths, levels, asset): mean distances of two are Wasserstein-1."""
    levels = (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES
    if mask is None:
        return np.moveaxis(np.quantile(x, levels, axis=1), 0, 1)
    if not mask.any():  # scenarios that never enter this regime
        return np.full((len(x), N_QUANTILES, x.shape[2]), np.nan)
    if mask.ndim == 1:
        return np.moveaxis(np.quantile(x[:, mask], levels, axis=1), 0, 1)
    rows = [
        np.quantile(x[p][mask[p]], levels, axis=0)
        if mask[p].any()
        else np.full((N_QUANTILES, x.shape[2]), np.nan)
        for p in range(len(x))
    ]
    return np.stack(rows)


def _quantiles_of_sums(days: int) -> Callable[[Panel], Values]:
    def measure(p: Panel) -> Values:
        if days == 1:
            return _quantile_function(p.simple)
        sums, valid = facts.aggregate(p.log, days, p.segments)
        common = valid[0] if (valid == valid[:1]).all() else valid
        return _quantile_function(sums, common)

    return measure


def _pairs(x: Values, mask: NDArray[np.bool_] | None = None) -> Values:
    """Correlations above the diagonal, (paths, pairs)."""
    upper = np.triu_indices(x.shape[2], 1)
    return facts.correlation(x, mask)[:, upper[0], upper[1]]


def _mean_acf(
    x: Values, lags: tuple[int, ...], groups: NDArray[np.integer], mask: NDArray[np.bool_] | None = None
) -> Values:
    return facts.autocorrelation(x, lags, groups, mask).mean(1)


def _acf_without_worst(p: Panel) -> Values:
    """Mean autocorrelation of absolute returns inside the stretches without the worst regime."""
    calm = ~p.in_regime(len(p.regimes) - 1)
    keep, segments = np.broadcast_arrays(calm, p.segments)
    return _mean_acf(np.abs(p.simple), ABS_LAGS, facts.stretches(keep, segments), calm)


def _kurtosis_of_sums(days: int) -> Callable[[Panel], Values]:
    """Excess kurtosis of overlapping log returns over some days: it falls with the horizon."""

    def measure(p: Panel) -> Values:
        if days == 1:
            return _moment(3)(p)
        sums, valid = facts.aggregate(p.log, days, p.segments)
        return facts.excess_kurtosis(sums, valid)

    return measure
