# SPDX-License-Identifier: Apache-2.0
r"""How much of a Sharpe ratio is luck: the statistics of choosing the best of many variants.

All Sharpe ratios here are *per observation* (a day), :math:`\hat{SR} = \hat\mu / \hat\sigma` with the sample
standard deviation (ddof 1), unless a name says annual; :math:`\gamma_3` is skewness, :math:`\gamma_4` kurtosis
(3 for a normal).

References
----------
Bailey & Lopez de Prado (2012), *The Sharpe ratio efficient frontier*, J. Risk 15(2): PSR, minimum track record.
Bailey & Lopez de Prado (2014), *The deflated Sharpe ratio*, J. Portfolio Management 40(5).
Bailey, Borwein, Lopez de Prado & Zhu (2014), *Pseudo-mathematics and financial charlatanism*, Notices AMS 61(5):
minimum backtest length.
Bailey, Borwein, Lopez de Prado & Zhu (2017), *The probability of backtest overfitting*, J. Computational Finance
20(4): combinatorially symmetric cross-validation.
White (2000), *A reality check for data snooping*; Hansen (2005), *A test for superior predictive ability*.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spade_finance.exceptions import InputError

Array = NDArray[np.float64]

YEAR = 252
N_BLOCKS = 16
"""Blocks of the cross-validation: 12,870 ways to call half of them the sample."""
SPA_DRAWS = 999

__all__ = [
    "Cscv",
    "SuperiorAbility",
    "cscv",
    "deflated_sharpe",
    "effective_trials",
    "expected_maximum_sharpe",
    "minimum_backtest_years",
    "minimum_track_record",
    "moments",
    "probabilistic_sharpe",
    "superior_ability",
]


def moments(returns: ArrayLike) -> tuple[Array, Array, Array]:
    """Daily Sharpe ratio, skewness and kurtosis of returns along the first axis, (T, ...) -> three (...).

    Returns that never change have no Sharpe ratio: NaN in all three.
    """
    values = np.asarray(returns, dtype=np.float64)
    mean = values.mean(axis=0)
    centred = values - mean
    variance = (centred**2).mean(axis=0)
    flat = variance <= (1e-12 * np.maximum(np.abs(mean), 1e-6)) ** 2
    safe = np.where(flat, np.nan, variance)
    n = len(values)
    sharpe = mean / np.sqrt(safe * n / (n - 1)) if n > 1 else np.full_like(mean, np.nan)
    return sharpe, (centred**3).mean(axis=0) / safe**1.5, (centred**4).mean(axis=0) / safe**2


def probabilistic_sharpe(
    sharpe: ArrayLike,
    n_days: int,
    skew: ArrayLike = 0.0,
    kurtosis: ArrayLike = 3.0,
    benchmark: ArrayLike = 0.0,
) -> Array:
    r"""Probability that the true Sharpe ratio exceeds a benchmark (Bailey & Lopez de Prado 2012, eq. 11).

    .. math:: PSR(SR^*) = \Phi\left(\frac{(\hat{SR} - SR^*)\sqrt{T - 1}}
              {\sqrt{1 - \gamma_3 \hat{SR} + \frac{\gamma_4 - 1}{4}\hat{SR}^2}}\right)

    Parameters
    ----------
    sharpe, skew, kurtosis, benchmark : float or arrays that broadcast
        Daily Sharpe ratios, skewness, kurtosis (normal: 3).
    n_days : int
        Observations, T.
    """
    from scipy.stats import norm

    sr = np.asarray(sharpe, dtype=np.float64)
    spread = np.sqrt(_variance_factor(sr, skew, kurtosis))
    return np.asarray(norm.cdf((sr - np.asarray(benchmark)) * np.sqrt(n_days - 1) / spread))


def expected_maximum_sharpe(variance: ArrayLike, n_trials: ArrayLike) -> Array:
    r"""Daily Sharpe ratio that the best of N trials without skill shows on average.

    .. math:: SR_0 = \sqrt{V}\left[(1-\gamma)\Phi^{-1}\!\left(1-\tfrac1N\right)
              + \gamma\,\Phi^{-1}\!\left(1-\tfrac1{Ne}\right)\right], \quad \gamma = 0.5772\ldots

    `variance` is that of the trials' Sharpe ratios. One trial is no choice: 0.
    """
    return np.asarray(np.sqrt(variance) * _expected_maximum(n_trials))


def deflated_sharpe(returns: ArrayLike, chosen: int | None = None, n_trials: float | None = None) -> float:
    r"""Deflated Sharpe ratio: the PSR of the chosen variant against the luckiest of so many trials.

    :math:`DSR = PSR(SR_0)` with :math:`SR_0` of :func:`expected_maximum_sharpe` (Bailey & Lopez de Prado 2014).
    Above 0.95 the best is better than choosing explains.

    Parameters
    ----------
    returns : (T, N)
        Daily returns of all variants that were tried.
    chosen : int, optional
        Column that was chosen; default the one of the highest Sharpe ratio.
    n_trials : float, optional
        Number of independent trials; default N (careful when variants are alike: see
        :func:`effective_trials`).
    """
    values = _matrix(returns)
    sharpe, skew, kurtosis = moments(values)
    best = int(np.nanargmax(sharpe)) if chosen is None else chosen
    trials = values.shape[1] if n_trials is None else n_trials
    level = expected_maximum_sharpe(np.nanvar(sharpe, ddof=1), trials) if values.shape[1] > 1 else 0.0
    return float(probabilistic_sharpe(sharpe[best], len(values), skew[best], kurtosis[best], level))


def effective_trials(returns: ArrayLike) -> float:
    r"""Independent trials that N alike variants amount to, :math:`\bar\rho + (1 - \bar\rho) N`.

    :math:`\bar\rho` is the mean correlation between the variants' returns, at least 0 (Bailey & Lopez de Prado
    2014, appendix 3).
    """
    values = _matrix(returns)
    n = values.shape[1]
    if n == 1:
        return 1.0
    correlation = np.corrcoef(values[:, values.std(axis=0) > 0], rowvar=False)
    correlation = np.atleast_2d(correlation)
    k = len(correlation)
    mean = max(0.0, (correlation.sum() - k) / (k * (k - 1))) if k > 1 else 0.0
    return float(mean + (1.0 - mean) * n)


def minimum_track_record(
    sharpe: ArrayLike,
    skew: ArrayLike = 0.0,
    kurtosis: ArrayLike = 3.0,
    benchmark: float = 0.0,
    confidence: float = 0.95,
) -> Array:
    r"""Days of record needed to call a daily Sharpe ratio greater than a benchmark.

    .. math:: MinTRL = 1 + \left(1 - \gamma_3 \hat{SR} + \tfrac{\gamma_4 - 1}{4}\hat{SR}^2\right)
              \left(\frac{\Phi^{-1}(c)}{\hat{SR} - SR^*}\right)^2

    Infinite where the Sharpe ratio does not exceed the benchmark (Bailey & Lopez de Prado 2012, eq. 13).
    """
    from scipy.stats import norm

    if not 0.5 < confidence < 1:
        raise InputError(f"confidence={confidence!r} is out of range: pass more than 0.5 and less than 1")
    sr = np.asarray(sharpe, dtype=np.float64)
    gap = sr - benchmark
    days = (
        1.0
        + _variance_factor(sr, skew, kurtosis) * (norm.ppf(confidence) / np.where(gap > 0, gap, np.nan)) ** 2
    )
    return np.where(np.isnan(sr), np.nan, np.where(gap > 0, days, np.inf))


def minimum_backtest_years(n_trials: float, annual_sharpe: float = 1.0) -> float:
    r"""Years of data below which N trials without skill are expected to show this annual Sharpe ratio.

    .. math:: MinBTL \approx \left(\frac{(1-\gamma)\Phi^{-1}(1-\frac1N) + \gamma\Phi^{-1}(1-\frac1{Ne})}
              {\overline{SR}}\right)^2

    (Bailey, Borwein, Lopez de Prado & Zhu 2014, theorem 1; bounded by :math:`2\ln N / \overline{SR}^2`).
    """
    if not annual_sharpe > 0:
        return float("inf")
    return float((_expected_maximum(n_trials) / annual_sharpe) ** 2)


@dataclass(frozen=True)
class Cscv:
    """Result of :func:`cscv`.

    Attributes
    ----------
    pbo : float
        Probability of backtest overfitting: how often the best of one half lies in the lower half of the other.
    logits : (C,) float
        Logit of the out-of-sample relative rank of each split's choice.
    chosen : (C,) int
        Variant chosen in each split.
    in_sample, out_of_sample : (C,) float
        Its annual Sharpe ratio on the two halves.
    probability_of_loss : float
        How often the choice loses money (Sharpe ratio below 0) out of sample.
    slope : float
        Regression slope of out-of-sample on in-sample Sharpe ratios of the choices.
    """

    pbo: float
    logits: Array
    chosen: NDArray[np.intp]
    in_sample: Array
    out_of_sample: Array
    probability_of_loss: float
    slope: float


def cscv(returns: ArrayLike, n_blocks: int = N_BLOCKS) -> Cscv:
    r"""Combinatorially symmetric cross-validation of the choice of the best variant by Sharpe ratio.

    The days are cut into S blocks. For each of the :math:`\binom{S}{S/2}` ways to call half of them the sample,
    the variant with the best Sharpe ratio there is looked up in the other half: its rank r of N gives
    :math:`\lambda = \ln\frac{r}{N + 1 - r}`, and PBO is the share of :math:`\lambda < 0`. A :math:`\lambda` of
    exactly 0 counts one half (the paper counts it whole), so that variants without any difference have an
    expectation of one half for odd N too.

    Parameters
    ----------
    returns : (T, N)
        Daily returns of the N >= 2 variants. Days that do not fill the last block are dropped at the start.
    n_blocks : int
        S, even, from 2 to 20.

    Raises
    ------
    InputError
        On fewer than two variants, an odd S, or fewer than 4 days a block.
    """
    values = _matrix(returns)
    n_days, n = values.shape
    if n < 2:
        raise InputError("overfitting needs at least 2 variants to choose from: widen the grid")
    if n_blocks % 2 or not 2 <= n_blocks <= 20:
        raise InputError(f"n_blocks={n_blocks!r}: pass an even number from 2 to 20")
    size = n_days // n_blocks
    if size < 4:
        raise InputError(
            f"{n_days} days are too few for {n_blocks} blocks of at least 4: pass longer returns"
        )
    blocks = values[n_days - size * n_blocks :].reshape(n_blocks, size, n)
    sums, squares = blocks.sum(axis=1), (blocks**2).sum(axis=1)
    half = _splits(n_blocks)
    days = size * n_blocks // 2
    inside = _annual_sharpe(half @ sums, half @ squares, days)
    outside = _annual_sharpe(sums.sum(0) - half @ sums, squares.sum(0) - half @ squares, days)
    chosen = np.argmax(inside, axis=1)
    rows = np.arange(len(half))
    best = outside[rows, chosen][:, None]
    # mid-rank among ties, from 1 to N
    rank = (outside < best).sum(axis=1) + 0.5 * ((outside == best).sum(axis=1) + 1)
    logits = np.log(rank / (n + 1 - rank))
    here, there = inside[rows, chosen], outside[rows, chosen]
    spread = float(np.var(here))
    slope = (
        float(np.mean((here - here.mean()) * (there - there.mean())) / spread) if spread > 0 else float("nan")
    )
    pbo = float((logits < 0).mean() + 0.5 * (logits == 0).mean())
    return Cscv(pbo, logits, chosen, here, there, float((there < 0).mean()), slope)


@dataclass(frozen=True)
class SuperiorAbility:
    """P-values that no variant beats the benchmark: Hansen's SPA and White's reality check."""

    spa: float
    reality_check: float


def superior_ability(
    returns: ArrayLike,
    benchmark: ArrayLike | None = None,
    *,
    block_days: float = 20.0,
    n_draws: int = SPA_DRAWS,
    random_state: int = 0,
    plain: bool = True,
) -> SuperiorAbility:
    """Test whether the best variant's mean return beats a benchmark's, the whole choice considered.

    Stationary bootstrap by :class:`arch.bootstrap.SPA`: the studentised, consistent p-value (Hansen 2005), and
    the plain one that recentres every variant (White 2000).

    Parameters
    ----------
    returns : (T, N)
        Daily returns of the variants.
    benchmark : (T,), optional
        Daily returns to beat; default 0 (cash that earns nothing).
    block_days : float
        Mean length of the bootstrap's blocks.
    n_draws, random_state : int
        Bootstrap draws and their seed.
    plain : bool
        Whether White's test is done too; it is NaN otherwise.
    """
    from arch.bootstrap import SPA

    values = _matrix(returns)
    base = np.zeros(len(values)) if benchmark is None else np.asarray(benchmark, dtype=np.float64)
    moving = values[
        :, (values - base[:, None]).std(axis=0) > 0
    ]  # a variant equal to the benchmark has no error
    if not moving.shape[1]:
        return SuperiorAbility(1.0, 1.0)
    found = {}
    for studentize in (True, False) if plain else (True,):
        test: Any = SPA(
            -base, -moving, block_size=max(1, round(block_days)), reps=n_draws, studentize=studentize,
            bootstrap="stationary", seed=random_state,
        )  # fmt: skip
        test.compute()
        found[studentize] = test.pvalues
    white = float(found[False]["upper"]) if plain else float("nan")
    return SuperiorAbility(float(found[True]["consistent"]), white)


# --- parts ------------------------------------------------------------------------------------------------------


def _variance_factor(sharpe: Array, skew: ArrayLike, kurtosis: ArrayLike) -> Array:
    """T times the variance of the Sharpe ratio's estimator, without its lower bound of 0 breaking a root."""
    factor = 1.0 - np.asarray(skew) * sharpe + (np.asarray(kurtosis) - 1.0) / 4.0 * sharpe**2
    return np.maximum(factor, 1e-12)


def _expected_maximum(n_trials: ArrayLike) -> Array:
    """Expected greatest of N standard normal numbers, by the papers' approximation; 0 for N = 1."""
    from scipy.stats import norm

    n = np.asarray(n_trials, dtype=np.float64)
    many = np.maximum(n, 1.0 + 1e-9)
    value = (1 - np.euler_gamma) * norm.ppf(1 - 1 / many) + np.euler_gamma * norm.ppf(1 - 1 / (many * math.e))
    return np.where(n > 1, np.maximum(value, 0.0), 0.0)


@lru_cache(maxsize=4)
def _splits(n_blocks: int) -> Array:
    """Every choice of half the blocks as rows of 0 and 1, (C, S)."""
    chosen = np.array(list(itertools.combinations(range(n_blocks), n_blocks // 2)))
    rows = np.zeros((len(chosen), n_blocks))
    np.put_along_axis(rows, chosen, 1.0, axis=1)
    return rows


def _annual_sharpe(sums: Array, squares: Array, days: int) -> Array:
    """Annual Sharpe ratios from sums of returns and of their squares; 0 for returns that never change."""
    mean = sums / days
    variance = (squares - days * mean**2) / (days - 1)
    moves = variance > 1e-18
    return np.where(moves, mean / np.sqrt(np.where(moves, variance, 1.0)) * np.sqrt(YEAR), 0.0)


def _matrix(returns: ArrayLike) -> Array:
    """Finite returns (T, N)."""
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or len(values) < 2 or not values.shape[1]:
        raise InputError(f"returns has shape {values.shape}: pass (days, variants) with at least 2 days")
    if not np.isfinite(values).all():
        raise InputError(
            "returns holds missing or infinite values: every variant needs a return on every day"
        )
    return values
