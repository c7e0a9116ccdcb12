# SPDX-License-Identifier: Apache-2.0
"""The stylised facts that stand beside the catalogue's own: each with a horizon, a scale and a paper.

The catalogue (:func:`.catalogue.catalogue`) has moments, Hill indices, VaR, mean autocorrelations and the
leverage effect; here are the statistics on which verdicts about tails rest, and the facts over weeks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from spade_finance.evaluate import facts
from spade_finance.evaluate.asymmetry import FirstPassage, first_passage, zumbach
from spade_finance.evaluate.catalogue import MIN_REGIME_DAYS, catalogue
from spade_finance.evaluate.clustering import (
    DECAY_LAGS,
    decay_exponent,
    ewma_standardised,
    garch_standardised,
    intermittency,
    portmanteau,
)
from spade_finance.evaluate.metric import Metric, Values
from spade_finance.evaluate.panel import MARKET, Panel
from spade_finance.evaluate.tails import TailShape, l_moments, tail_shape

HORIZONS = (1, 5, 20, 60)
RETURN_LAGS = tuple(range(1, 21))
FAR_LAGS = slice(20, 60)
"""Positions among :data:`.clustering.DECAY_LAGS` of lags 21 to 60."""

LONG_WINDOW = 500
"""Days below which nothing is said about 1 % quantiles, decays and first passages."""

HILL_REGIME_DAYS = 400
"""Days of a regime for a tail index of its own: 20 days in the tail."""

_MOVES = {"first_passage_loss": "loss", "first_passage_gain": "gain", "gain_loss_asymmetry": "asymmetry"}
_EWMA_TAILS = ("l_kurtosis", "hill_left", "hill_right", "excess_kurtosis")


def facts_metrics(real: Panel) -> list[Metric]:
    """Facts that make sense for this window and that the catalogue does not have."""
    metrics = [*_tails(real), *_conditional_tails(real), *_clustering(real), *_asymmetries(real)]
    if real.codes is not None:
        for k, regime in enumerate(real.regimes):
            if real.days_in(k) >= MIN_REGIME_DAYS:
                metrics += _one_regime(k, regime, real.days_in(k))
    return metrics


def known_facts(real: Panel) -> list[Metric]:
    """The catalogue's metrics that are stylised facts: marginals and dynamics."""
    return [m for m in catalogue(real) if m.group in ("marginals", "dynamics") and not m.curve]


def too_short_for(real: Panel) -> str | None:
    """What a window leaves out for being short, as a note."""
    if real.n_days >= LONG_WINDOW:
        return None
    return (
        f"the window has {real.n_days:,} days: quantile ratios, first passages, the decay of volatility "
        f"clustering and GARCH residuals need {LONG_WINDOW:,}"
    )


def _tails(real: Panel) -> Iterator[Metric]:
    yield Metric("l_skewness", "marginals", _shape("l_skewness"))
    for days in HORIZONS:
        if real.n_days >= 10 * days:
            yield Metric(
                "l_kurtosis", "marginals", _l_kurtosis_of_sums(days), horizon_days=days, seamless=days > 1
            )
    if real.n_days >= 10 * HORIZONS[-1]:
        yield Metric(
            "excess_kurtosis",
            "marginals",
            _kurtosis_of_60_days,
            "log",
            horizon_days=60,
            seamless=True,
            scored=False,
        )
    if real.n_days >= LONG_WINDOW:
        yield Metric("quantile_ratio_left", "marginals", _shape("ratio_left"), "log")
        yield Metric("quantile_ratio_right", "marginals", _shape("ratio_right"), "log")


def _conditional_tails(real: Panel) -> Iterator[Metric]:
    for which, name in enumerate(_EWMA_TAILS):
        scale = "linear" if name == "l_kurtosis" else "log"

        def measure(p: Panel, which: int = which) -> Values:
            return p.memo("ewma tails", lambda: _ewma_tails(p))[which]

        yield Metric(
            f"ewma_{name}", "dynamics", measure, scale, seamless=True, scored=name != "excess_kurtosis"
        )
    if real.n_days >= LONG_WINDOW:
        yield Metric("garch_l_kurtosis", "dynamics", _garch_tails, assets=(MARKET,), seamless=True)


def _clustering(real: Panel) -> Iterator[Metric]:
    yield Metric(
        "acf_return_lags",
        "dynamics",
        lambda p: facts.autocorrelation(p.simple, RETURN_LAGS, p.segments),
        curve=True,
    )
    yield Metric("portmanteau", "dynamics", lambda p: portmanteau(p.simple, groups=p.segments), "log")
    yield Metric("intermittency", "dynamics", lambda p: intermittency(p.simple, p.segments), seamless=True)
    yield Metric(
        "leverage_lags",
        "dynamics",
        lambda p: facts.leverage(p.simple, RETURN_LAGS, p.segments),
        curve=True,
    )
    if real.n_days >= LONG_WINDOW:
        yield Metric("acf_decay", "dynamics", lambda p: decay_exponent(absolute_acf(p)), seamless=True)
        yield Metric(
            "acf_absolute_far",
            "dynamics",
            lambda p: absolute_acf(p)[:, FAR_LAGS].mean(1),
            horizon_days=60,
            seamless=True,
        )


def _asymmetries(real: Panel) -> Iterator[Metric]:
    if real.n_days >= LONG_WINDOW:
        for name, part in _MOVES.items():
            scale = "linear" if part == "asymmetry" else "log"
            yield Metric(name, "dynamics", _passage(part), scale, seamless=True)
    yield Metric("zumbach", "dynamics", lambda p: zumbach(p.log, groups=p.segments), seamless=True)


def _one_regime(k: int, regime: str, days: float) -> Iterator[Metric]:
    yield Metric(
        "l_skewness",
        "marginals",
        lambda p: p.memo(("l", k), lambda: l_moments(p.simple, p.in_regime(k)))[2],
        regime=regime,
    )
    yield Metric(
        "l_kurtosis",
        "marginals",
        lambda p: p.memo(("l", k), lambda: l_moments(p.simple, p.in_regime(k)))[3],
        regime=regime,
        horizon_days=1,
    )
    if days >= HILL_REGIME_DAYS:
        for tail in ("left", "right"):
            yield Metric(
                f"hill_{tail}",
                "marginals",
                lambda p, tail=tail: facts.hill(p.simple, tail, mask=p.in_regime(k)),  # type: ignore[misc]
                "log",
                regime,
            )
    yield Metric(
        "acf_return",
        "dynamics",
        lambda p: facts.autocorrelation(p.simple, [1], p.spells, p.in_regime(k))[:, 0],
        regime=regime,
        horizon_days=1,
    )


def absolute_acf(p: Panel) -> Values:
    """Autocorrelation of absolute simple returns at lags 1 to 64, (paths, lags, asset), computed once."""
    return np.asarray(
        p.memo("acf_abs", lambda: facts.autocorrelation(np.abs(p.simple), DECAY_LAGS, p.segments))
    )


def leverage_curve(p: Panel) -> Values:
    """Leverage at lags 1 to 20, (paths, lags, asset)."""
    return facts.leverage(p.simple, RETURN_LAGS, p.segments)


def _shape(part: str) -> Callable[[Panel], Values]:
    def measure(p: Panel) -> Values:
        shape: TailShape = p.memo("tail shape", lambda: tail_shape(p.simple))
        return np.asarray(getattr(shape, part))

    return measure


def _passage(part: str) -> Callable[[Panel], Values]:
    def measure(p: Panel) -> Values:
        passage: FirstPassage = p.memo("passage", lambda: first_passage(p.log, groups=p.segments))
        return np.asarray(getattr(passage, part))

    return measure


def _spaced_sums(p: Panel, days: int) -> tuple[Values, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Sums of log returns over `days`, every fifth part of the horizon, and which lie in one stretch."""
    sums, valid = facts.aggregate(p.log, days, p.segments)
    step = max(days // 5, 1)
    valid = valid[:, ::step]
    common = bool((valid == valid[:1]).all())
    return sums[:, ::step], valid[0] if common else valid


def _l_kurtosis_of_sums(days: int) -> Callable[[Panel], Values]:
    if days == 1:
        return _shape("l_kurtosis")
    return lambda p: l_moments(*_spaced_sums(p, days))[3]


def _kurtosis_of_60_days(p: Panel) -> Values:
    return facts.excess_kurtosis(*_spaced_sums(p, HORIZONS[-1]))


def _ewma_tails(p: Panel) -> tuple[Values, ...]:
    z, settled = ewma_standardised(p.simple, p.segments)
    return (
        l_moments(z, settled)[3],
        facts.hill(z, "left", mask=settled),
        facts.hill(z, "right", mask=settled),
        facts.excess_kurtosis(z, settled),
    )


def _garch_tails(p: Panel) -> Values:
    return l_moments(garch_standardised(p.simple[..., 0])[..., None])[3]
