# SPDX-License-Identifier: Apache-2.0
"""Everything the generator knows before training: statistics of the training window, in one record.

The order of the fit is the order of the model: regime means and volatilities, severity, clustering within the
episode (GJR projected on the bank), slow states, innovations; last a simulation that levels every regime's
volatility, because the product of these parts is not of unit variance by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.model.dynamics import BankFit, FilteredSeries, filter_history, fit_bank
from spade_finance.model.moments import (
    Innovations,
    OwnLabelEffect,
    RegimeMoments,
    fit_innovations,
    own_label_effect,
    regime_moments,
)
from spade_finance.model.slow import SlowLaw, filter_slow, fit_slow, measurements

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledReturns:
    """A history with its labels: what the generator is fitted on.

    ``log_returns`` (T, S); ``codes`` (T,), ``severity`` (T,) of the market; ``own_codes``, ``own_severity`` (T, S).
    """

    log_returns: Array
    codes: NDArray[np.int_]
    severity: Array
    own_codes: NDArray[np.int_]
    own_severity: Array

    def __len__(self) -> int:
        return len(self.log_returns)

    def rows(self, keep: slice | NDArray[Any]) -> LabelledReturns:
        """The same record for some days."""
        return LabelledReturns(*(getattr(self, f.name)[keep] for f in fields(self)))


@dataclass(frozen=True)
class StartStatistics:
    """Arrays the generator starts from; K regimes, S sectors, r factors, all on daily log returns."""

    moments: RegimeMoments
    market_volatility: Array
    """(K,) of the equal-weight market."""
    own: OwnLabelEffect
    bank: BankFit
    innovations: Innovations
    slow: SlowLaw
    """Law of the slow states when only the regime is known (sampling)."""
    slow_given_severity: SlowLaw
    """The same when the episodes' severities are known as well (training)."""
    long_run: Array
    """(S + 3,) mean readings of the slow states."""


def fit_start(data: LabelledReturns, n_regimes: int, rank: int) -> StartStatistics:
    """Fit all statistics on the training window."""
    moments = regime_moments(data.log_returns, data.codes, n_regimes)
    market = data.log_returns.mean(1)
    market_volatility = np.array(
        [
            market[data.codes == k].std() if (data.codes == k).sum() > 1 else market.std()
            for k in range(n_regimes)
        ]
    )
    standardised = (data.log_returns - moments.mean[data.codes]) / moments.volatility[data.codes]
    own = own_label_effect(data.log_returns, data.codes, data.own_codes, data.own_severity, moments)
    bank = fit_bank(standardised / data.severity[:, None])
    filtered = filter_history(standardised / data.severity[:, None], bank)
    rough = np.stack([_correlation(filtered.innovations[data.codes == k]) for k in range(n_regimes)])
    readings = measurements(filtered.innovations, data.codes, rough)
    given = fit_slow(readings)
    free_readings = _with_severity(readings, filtered.innovations, data.severity)
    free = fit_slow(free_readings)
    long_run = np.concatenate([np.zeros(readings.shape[1] - 1), readings[:, -1:].mean(0)])
    states = filter_slow(readings, given, long_run)[:-1]
    level = states[:, :1] + states[:, 1:-2]
    innovations = fit_innovations(filtered.innovations / np.exp(level), data.codes, n_regimes, rank)
    return StartStatistics(moments, market_volatility, own, bank, innovations, free, given, long_run)


@dataclass(frozen=True)
class HistoryStates:
    """States before each day and after the last: ``filtered.states`` of the bank, ``slow`` (T + 1, S + 3).

    ``slow`` is given the severities, ``slow_free`` is not.
    """

    slow: Array
    slow_free: Array
    filtered: FilteredSeries


def history_states(data: LabelledReturns, start: StartStatistics) -> HistoryStates:
    """Run a history through the start statistics: where each training window, or a scenario from today, begins."""
    standardised = (data.log_returns - start.moments.mean[data.codes]) / start.moments.volatility[data.codes]
    filtered = filter_history(standardised / data.severity[:, None], start.bank)
    readings = measurements(filtered.innovations, data.codes, start.innovations.correlation)
    slow = filter_slow(readings, start.slow_given_severity, start.long_run)
    free = filter_slow(
        _with_severity(readings, filtered.innovations, data.severity), start.slow, start.long_run
    )
    return HistoryStates(slow, free, filtered)


def _with_severity(readings: Array, innovations: Array, severity: Array) -> Array:
    """Level readings of returns whose severity is not known: the episode's intensity is part of the level."""
    size = np.abs(innovations)
    level = np.minimum(size * severity[:, None] / size.mean(0), 6.0) - 1
    out = readings.copy()
    out[:, 0] = level.mean(1)
    out[:, 1:-2] = level - level.mean(1, keepdims=True)
    return out


def _correlation(x: Array) -> Array:
    if len(x) < 2 or x.shape[1] == 1:
        return np.eye(x.shape[1])
    return np.asarray(np.corrcoef(x, rowvar=False))
