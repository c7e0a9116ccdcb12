# SPDX-License-Identifier: Apache-2.0
r"""How long spells last: one law per regime, estimated from few spells, censored ones included.

Three families for a duration :math:`D \ge m` in days, with :math:`X = D - m`:

* ``geometric``: the Markov chain's law, memoryless;
* ``nbinom``: negative binomial of mean :math:`\mu` and size :math:`s` (geometric at s = 1);
* ``lognormal``: :math:`X = \lfloor e^{\mu + \sigma Z} \rfloor`.

A regime has a dozen spells, not a thousand. Each regime's location is drawn toward the pooled one by a wide
normal prior on its logarithm (`LOCATION_SD`) and its dispersion toward the pooled one by a narrower one
(`SHAPE_SD`); the spells at the two ends of the history, whose full length is unknown, enter by their survival
probability. The family, common to all regimes, is the one with the lowest AIC (Akaike 1974) of the
unpenalised likelihood.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError

__all__ = ["FAMILIES", "Family", "fit_durations", "survival_table"]

Family = Literal["geometric", "nbinom", "lognormal"]
Array = NDArray[np.float64]
Counts = NDArray[np.int64]

FAMILIES: tuple[Family, ...] = ("geometric", "nbinom", "lognormal")

LOCATION_SD = 1.0  # of the log of a regime's typical duration about the pooled one
SHAPE_SD = 0.3  # of the log of a regime's dispersion about the pooled one
_POOL_LOCATION = (np.log(60.0), 2.0)  # a quarter of a year, give or take a factor of seven
_POOL_SHAPE_SD = 1.0  # of the log of the pooled dispersion about 1
_TAIL = 1e-12  # probability beyond the tables
_LONGEST = 100_000  # days


def log_survival(family: Family, params: tuple[float, float], excess: NDArray[Any]) -> Array:
    """log P(X >= excess) for whole excess >= 0 days."""
    from scipy import special

    location, log_shape = params
    x = np.asarray(excess, dtype=np.float64)
    with np.errstate(divide="ignore"):
        if family == "lognormal":
            return np.asarray(special.log_ndtr((location - np.log(x)) / np.exp(log_shape)), dtype=np.float64)
        mean = np.exp(location)
        if family == "geometric":
            return np.asarray(x * np.log(mean / (1.0 + mean)), dtype=np.float64)
        size = np.exp(log_shape)
        # P(X >= x) of the negative binomial is a regularised incomplete beta function; of x = 0 it is 1.
        tail = special.betainc(np.maximum(x, 1.0), size, mean / (size + mean))
        return np.asarray(np.where(x > 0, np.log(tail), 0.0), dtype=np.float64)


def log_mass(family: Family, params: tuple[float, float], excess: NDArray[Any]) -> Array:
    """log P(X = excess) for whole excess >= 0 days."""
    from scipy import special

    location, log_shape = params
    x = np.asarray(excess, dtype=np.float64)
    if family == "lognormal":
        upper, lower = log_survival(family, params, x), log_survival(family, params, x + 1)
        with np.errstate(divide="ignore"):
            return np.asarray(upper + np.log(-np.expm1(np.minimum(lower - upper, 0.0))), dtype=np.float64)
    mean = np.exp(location)
    size = 1.0 if family == "geometric" else np.exp(log_shape)
    ways = special.gammaln(x + size) - special.gammaln(size) - special.gammaln(x + 1)
    return np.asarray(
        ways + size * np.log(size / (size + mean)) + x * np.log(mean / (size + mean)), dtype=np.float64
    )


def fit_durations(
    complete: list[Counts], censored: list[Counts], min_days: int, family: str = "auto"
) -> tuple[Family, list[tuple[float, float]]]:
    """Family and (location, log dispersion) of each regime.

    Parameters
    ----------
    complete, censored : one array of durations in days per regime
        Spells seen from begin to end, and those cut by an end of the history (true length at least this).
    min_days : int
        Shortest possible complete spell.
    family : "auto", "geometric", "nbinom" or "lognormal"

    Returns
    -------
    family : the one used
    params : K pairs; location is the log of the mean excess (``geometric``, ``nbinom``) or the mean log
        excess
        (``lognormal``), dispersion is log size or log sigma.
    """
    if family != "auto" and family not in FAMILIES:
        raise InputError(f"family={family!r} is unknown; pass auto or one of {', '.join(FAMILIES)}")
    done = [np.maximum(np.asarray(d) - min_days, 0) for d in complete]
    cut = [np.maximum(np.asarray(d) - min_days, 0) for d in censored]
    tried: list[tuple[float, Family, list[tuple[float, float]]]] = []
    for name in FAMILIES if family == "auto" else (family,):
        kind: Family = name  # type: ignore[assignment]
        params = _fit_family(kind, done, cut)
        likelihood = sum(_log_likelihood(kind, p, d, c) for p, d, c in zip(params, done, cut, strict=True))
        free = len(done) * (1 if kind == "geometric" else 2)
        tried.append((2 * free - 2 * likelihood, kind, params))
    _, chosen, params = min(tried, key=lambda row: row[0])
    return chosen, params


def _log_likelihood(family: Family, params: tuple[float, float], done: Counts, cut: Counts) -> float:
    total = 0.0
    if len(done):
        total += float(log_mass(family, params, done).sum())
    if len(cut):
        total += float(log_survival(family, params, cut).sum())
    return max(total, -1e12)  # finite, so that a minimiser can leave a hopeless corner


def _fit_family(family: Family, done: list[Counts], cut: list[Counts]) -> list[tuple[float, float]]:
    pooled = _maximise(
        family,
        np.concatenate(done),
        np.concatenate(cut),
        centre=(float(_POOL_LOCATION[0]), 0.0),
        spread=(float(_POOL_LOCATION[1]), _POOL_SHAPE_SD),
    )
    # The pooled dispersion is that within regimes: centre each at its own location before pooling again.
    for _ in range(2):
        own = [
            _maximise(family, d, c, centre=pooled, spread=(LOCATION_SD, SHAPE_SD))
            for d, c in zip(done, cut, strict=True)
        ]
        if family == "geometric":
            break
        pooled = (pooled[0], _common_shape(family, own, done, cut))
    return [_maximise(family, d, c, pooled, (LOCATION_SD, SHAPE_SD)) for d, c in zip(done, cut, strict=True)]


def _common_shape(
    family: Family, own: list[tuple[float, float]], done: list[Counts], cut: list[Counts]
) -> float:
    from scipy.optimize import minimize_scalar

    def loss(shape: float) -> float:
        fit = sum(
            _log_likelihood(family, (location, shape), d, c)
            for (location, _), d, c in zip(own, done, cut, strict=True)
        )
        return 0.5 * (shape / _POOL_SHAPE_SD) ** 2 - fit

    return float(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x)


def _maximise(
    family: Family, done: Counts, cut: Counts, centre: tuple[float, float], spread: tuple[float, float]
) -> tuple[float, float]:
    """Posterior mode under independent normal priors."""
    from scipy.optimize import minimize

    fixed_shape = family == "geometric"

    def loss(x: Array) -> float:
        location, shape = float(np.clip(x[0], -7, 11)), 0.0 if fixed_shape else float(np.clip(x[1], -4, 4))
        prior = 0.5 * ((x[0] - centre[0]) / spread[0]) ** 2
        if not fixed_shape:
            prior += 0.5 * ((x[1] - centre[1]) / spread[1]) ** 2
        return float(prior - _log_likelihood(family, (location, shape), done, cut))

    start = [centre[0]] if fixed_shape else list(centre)
    options = {"xatol": 1e-6, "fatol": 1e-8, "maxiter": 2000}
    best = minimize(loss, np.array(start), method="Nelder-Mead", options=options).x
    return float(np.clip(best[0], -7, 11)), 0.0 if fixed_shape else float(np.clip(best[1], -4, 4))


def survival_table(family: Family, params: tuple[float, float], min_days: int) -> Array:
    """P(D > j) for j = 0, 1, ...: from 1 to 0, where less than 1e-12 was left (or at 100,000 days)."""
    length = 256
    while True:
        excess = np.arange(length) + 1 - min_days  # P(D > j) = P(X >= j + 1 - m)
        table = np.where(excess > 0, np.exp(log_survival(family, params, np.maximum(excess, 0))), 1.0)
        if table[-1] < _TAIL or length >= _LONGEST:
            break
        length *= 2
    stop = int(np.argmax(table < _TAIL)) if (table < _TAIL).any() else len(table) - 1
    table = table[: stop + 1]
    table[-1] = 0.0
    return np.asarray(np.minimum.accumulate(table))
