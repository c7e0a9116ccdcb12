# SPDX-License-Identifier: Apache-2.0
"""The dependence statistics that stand beside the catalogue's correlations and tail dependence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from spade_finance.evaluate import facts
from spade_finance.evaluate.catalogue import MIN_REGIME_DAYS, catalogue
from spade_finance.evaluate.dependence import (
    EigenPortfolios,
    correlation_breakdown,
    cross_leverage,
    eigenvalues,
    low_variance_portfolios,
    marchenko_pastur_edge,
)
from spade_finance.evaluate.metric import Metric, Values
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.tails import l_moments

CROSS_LAGS = tuple(range(1, 11))
MIN_TAIL_DAYS = 300
"""Days of a regime for tail dependence of its own at 5 %: 15 days in the tail."""

N_PORTFOLIOS = 3
MIN_TRAINING_DAYS = 250


def dependence_metrics(real: Panel, training: Panel | None = None) -> list[Metric]:
    """Dependence statistics of this window that the catalogue does not have; none for a single sector."""
    if len(real.sectors) < 2:
        return []
    metrics = [*_all_days(real)]
    if real.codes is not None:
        for k, regime in enumerate(real.regimes):
            if real.days_in(k) >= MIN_REGIME_DAYS:
                metrics += _one_regime(k, regime, real.days_in(k))
        metrics += _breakdown(real)
    portfolios = portfolios_of(training, real.sectors)
    if portfolios is not None:
        metrics += _portfolios(real, portfolios)
    return metrics


def known_dependence(real: Panel) -> list[Metric]:
    """The catalogue's own metrics of dependence that have a single value."""
    return [m for m in catalogue(real) if m.group == "dependence" and not m.curve]


def portfolios_of(training: Panel | None, sectors: tuple[str, ...]) -> EigenPortfolios | None:
    """Low-variance portfolios of the training days; None without enough of them."""
    if training is None or training.n_days < MIN_TRAINING_DAYS or training.sectors != sectors:
        return None
    rows = training.simple[0, :, 1:]
    return low_variance_portfolios(rows, N_PORTFOLIOS) if (rows.std(0) > 0).all() else None


def worst_and_calmest(real: Panel) -> tuple[int, int] | None:
    """The worst and the calmest regime with enough real days; None with fewer than two."""
    seen = [k for k in range(len(real.regimes)) if real.days_in(k) >= MIN_REGIME_DAYS]
    return (seen[-1], seen[0]) if len(seen) > 1 else None


def _all_days(real: Panel) -> Iterator[Metric]:
    size = len(real.sectors)

    def spectrum(p: Panel) -> Values:
        return np.asarray(p.memo("eigenvalues", lambda: eigenvalues(p.simple[..., 1:])))

    yield Metric("eigen_spectrum", "dependence", spectrum, "log", curve=True)
    yield Metric("eigen_share", "dependence", lambda p: spectrum(p)[:, 0] / size, unit="percent")
    yield Metric("eigen_above_edge", "dependence", lambda p: _above_edge(spectrum(p), p.n_days), scored=False)
    yield Metric(
        "tail_dependence_asymmetry",
        "dependence",
        lambda p: facts.tail_dependence(p.simple[..., 1:]) - facts.tail_dependence(-p.simple[..., 1:]),
    )
    yield Metric(
        "cross_leverage",
        "dependence",
        lambda p: cross_leverage(p.simple[..., 0], p.simple[..., 1:], CROSS_LAGS, p.segments).mean(1),
        assets=real.sectors,
    )


def _one_regime(k: int, regime: str, days: float) -> Iterator[Metric]:
    yield Metric(
        "eigen_share",
        "dependence",
        lambda p: eigenvalues(p.simple[..., 1:], p.in_regime(k))[:, 0] / len(p.sectors),
        regime=regime,
        unit="percent",
    )
    if days < MIN_TAIL_DAYS:
        return
    for name, sign in (("lower", 1.0), ("upper", -1.0)):
        yield Metric(
            f"{name}_tail_dependence",
            "dependence",
            lambda p, sign=sign: facts.tail_dependence(  # type: ignore[misc]
                sign * p.simple[..., 1:], mask=p.in_regime(k)
            ),
            regime=regime,
        )


def _breakdown(real: Panel) -> Iterator[Metric]:
    pair = worst_and_calmest(real)
    if pair is None:
        return
    worst, calm = pair
    yield Metric(
        "correlation_breakdown",
        "dependence",
        lambda p: correlation_breakdown(p.simple[..., 1:], p.in_regime(worst), p.in_regime(calm)),
        by_regime=True,
        regimes=(real.regimes[worst], real.regimes[calm]),
    )


def _portfolios(real: Panel, portfolios: EigenPortfolios) -> Iterator[Metric]:
    def of(p: Panel) -> Values:
        return np.asarray(p.memo("low eigen", lambda: portfolios.returns(p.simple[..., 1:])))

    def metric(
        name: str, measure: Callable[[Panel], Values], scale: str, unit: str, regime: str | None = None
    ) -> Metric:
        return Metric(
            f"low_eigen_{name}",
            "dependence",
            measure,
            scale,
            regime,
            1,
            unit,
            assets=portfolios.names,
            scored=name != "excess_kurtosis",
        )

    yield metric("volatility", lambda p: facts.volatility(of(p)), "log", "percent")
    yield metric("var_99", lambda p: facts.var_es(of(p), 0.99)[0], "log", "percent")
    yield metric("es_97_5", lambda p: facts.var_es(of(p), 0.975)[1], "log", "percent")
    yield metric("l_kurtosis", lambda p: l_moments(of(p))[3], "linear", "number")
    yield metric("excess_kurtosis", lambda p: facts.excess_kurtosis(of(p)), "log", "number")
    if real.codes is not None:
        for k, regime in enumerate(real.regimes):
            if real.days_in(k) >= MIN_REGIME_DAYS:
                yield metric(
                    "volatility",
                    lambda p, k=k: facts.volatility(of(p), p.in_regime(k)),  # type: ignore[misc]
                    "log",
                    "percent",
                    regime,
                )


def _above_edge(values: Values, n_days: int) -> Values:
    edge = marchenko_pastur_edge(values.shape[1], n_days)
    return np.asarray((values > edge).sum(1, dtype=np.float64))
