# SPDX-License-Identifier: Apache-2.0
r"""The semi-Markov process of regimes: which comes next, how long it lasts, and where to start.

Spells of regime k last :math:`D_k` days (any law, see :mod:`.durations`), then the next regime is drawn from
row k of the transition matrix, whose diagonal is zero. With embedded stationary law :math:`\pi` (of the
transition matrix),

.. math:: P(\text{regime } k) = \frac{\pi_k E D_k}{\sum_j \pi_j E D_j}, \qquad
          P(R_k = r) = \frac{P(D_k \ge r)}{E D_k}, \; r \ge 1

are the stationary share of time and the residual life of the spell that a stationary path starts in. A path
that starts *now*, in a spell of known age a, has :math:`P(R = r) = P(D = a + r \mid D \ge a)` days left,
perhaps none. For geometric durations all of this is a Markov chain and ages do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.regimes.durations import fit_durations, survival_table
from spade_finance.regimes.path_probability import log_probability
from spade_finance.regimes.process_sampling import SpellLaws, Start, sample_codes
from spade_finance.regimes.spells import runs

__all__ = ["SemiMarkovProcess"]

Array = NDArray[np.float64]


class SemiMarkovProcess:
    """Semi-Markov process of K regimes.

    Parameters
    ----------
    family : "auto", "geometric", "nbinom" or "lognormal"
        Law of durations; "auto" takes the lowest AIC.
    min_days : int
        Shortest spell, that of the labels' smoothing.
    prior_transitions : float >= 0
        Weight, in observed transitions per row, of the destinations' overall frequencies: what keeps a move
        that history did not show possible.

    Attributes
    ----------
    regimes_ : tuple of K names
    transition_ : (K, K), zero diagonal, rows sum to 1
    stationary_ : (K,) share of time in each regime
    family_ : family used; durations_ : dict of name -> (location, log dispersion)
    spells_ : (K,) int, observed spells, those cut by an end included
    """

    def __init__(self, *, family: str = "auto", min_days: int = 1, prior_transitions: float = 2.0) -> None:
        self.family = family
        self.min_days = min_days
        self.prior_transitions = prior_transitions

    def fit(self, codes: NDArray[Any], regimes: Sequence[str]) -> Self:
        """Estimate from the regime of each day, codes (T,) into `regimes`.

        Raises
        ------
        InputError
            No days, or codes outside the regimes.
        """
        codes = np.asarray(codes)
        n = len(regimes)
        if codes.ndim != 1 or not len(codes) or codes.min() < 0 or codes.max() >= n:
            raise InputError(
                f"codes: expected one whole number from 0 to {n - 1} a day, got shape {codes.shape}"
            )
        if not isinstance(self.min_days, int | np.integer) or self.min_days < 1:
            raise InputError(f"min_days={self.min_days!r}: pass a whole number of days, at least 1")
        if not self.prior_transitions >= 0:
            raise InputError(f"prior_transitions={self.prior_transitions!r}: pass a number >= 0")
        _, lengths, of = runs(codes)
        ends = np.zeros(len(lengths), dtype=bool)
        ends[[0, -1]] = True  # begun before the data, or not over yet
        complete = [lengths[(of == k) & ~ends] for k in range(n)]
        censored = [lengths[(of == k) & ends] for k in range(n)]
        family, params = fit_durations(complete, censored, int(self.min_days), self.family)
        self._set(
            tuple(map(str, regimes)),
            str(family),
            params,
            _transitions(of, n, float(self.prior_transitions)),
            [int((of == k).sum()) for k in range(n)],
        )
        return self

    def _set(
        self,
        regimes: tuple[str, ...],
        family: str,
        params: Sequence[tuple[float, float]],
        transition: Array,
        spells: Sequence[int],
    ) -> None:
        self.regimes_ = regimes
        self.family_ = family
        self.durations_ = {name: (float(a), float(b)) for name, (a, b) in zip(regimes, params, strict=True)}
        self.transition_ = transition
        self.spells_ = np.array(spells, dtype=np.int64)
        tables = [survival_table(family, p, int(self.min_days)) for p in params]  # type: ignore[arg-type]
        mean = np.array([table.sum() for table in tables])  # E D = sum of P(D > j)
        share = _embedded_law(transition) * mean
        self.stationary_: Array = share / share.sum()
        self._laws = SpellLaws(tuple(tables), transition, self.stationary_)

    @property
    def mean_durations_(self) -> Array:
        """Mean spell of each regime (K,), in days."""
        return self._laws.mean

    def expected_durations(self) -> pd.DataFrame:
        """Table by regime: observed ``spells``; ``mean``, ``median``, ``p10``, ``p90`` days; ``share``."""
        laws = self._laws
        rows = {
            "spells": self.spells_,
            "mean": laws.mean,
            "median": [laws.quantile(k, 0.5) for k in range(len(self.regimes_))],
            "p10": [laws.quantile(k, 0.1) for k in range(len(self.regimes_))],
            "p90": [laws.quantile(k, 0.9) for k in range(len(self.regimes_))],
            "share": self.stationary_,
        }
        return pd.DataFrame(rows, index=pd.Index(self.regimes_, name="regime"))

    def sample(
        self,
        n_days: int,
        generators: Sequence[np.random.Generator],
        start: str | tuple[Any, Any] | None = None,
    ) -> NDArray[np.int8]:
        """Draw one timeline per generator.

        Path i depends on ``generators[i]`` alone, and its first k days are the same for every ``n_days >=
        k``. How many numbers a generator gives up grows with `n_days`: pass generators that nothing else
        draws from.

        Parameters
        ----------
        n_days : int >= 1
        generators : sequence of numpy Generator, one a path
        start : None, regime name, or (probabilities (K,), ages (K,) days)
            None: stationary, the first spell from its residual-life law. A name: its spell begins on the
            first day. A pair: today's filtered probabilities and the days that a spell of each regime has
            lasted so far, today included; the first day drawn is tomorrow. Ages beyond the law's support
            count as its oldest.

        Returns
        -------
        (n_paths, n_days) int8 codes

        Raises
        ------
        InputError
            Horizon, regime, probabilities or ages out of range.
        """
        if isinstance(n_days, bool) or not isinstance(n_days, int | np.integer) or n_days < 1:
            raise InputError(f"n_days={n_days!r}: pass a whole number of days, at least 1")
        return sample_codes(self._laws, int(n_days), generators, self._start(start))

    def log_prob(self, codes: NDArray[Any], start: str | tuple[Any, Any] | None = None) -> Array:
        """Log probability of timelines.

        Parameters
        ----------
        codes : (n_days,) or (n_paths, n_days) int
        start : as in :meth:`sample`

        Returns
        -------
        (n_paths,) float; -inf for a timeline that cannot happen (a spell below the minimum, another start)
        """
        paths = np.atleast_2d(np.asarray(codes, dtype=np.int64))
        if paths.ndim != 2 or paths.shape[1] < 1 or paths.min() < 0 or paths.max() >= len(self.regimes_):
            raise InputError(
                f"codes: expected (n_paths, n_days) numbers from 0 to {len(self.regimes_) - 1}, "
                f"got shape {paths.shape}"
            )
        return log_probability(self._laws, paths, self._start(start))

    def _start(self, start: str | tuple[Any, Any] | None) -> Start:
        n = len(self.regimes_)
        if start is None:
            return Start("stationary", self.stationary_, np.zeros(n, dtype=np.int64))
        if isinstance(start, str):
            if start not in self.regimes_:
                raise InputError(f"start={start!r} is no regime; known are {', '.join(self.regimes_)}")
            return Start("entered", np.eye(n)[self.regimes_.index(start)], np.zeros(n, dtype=np.int64))
        weights, ages = np.asarray(start[0], dtype=np.float64), np.asarray(start[1])
        if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any():
            raise InputError(f"start: probabilities must be {n} numbers >= 0, got {weights.tolist()}")
        if abs(weights.sum() - 1) > 1e-6:
            raise InputError(f"start: probabilities sum to {weights.sum():.6g}, not 1; divide by the sum")
        if ages.shape != (n,) or not np.isfinite(ages.astype(float)).all() or (ages < 0).any():
            raise InputError(f"start: ages must be {n} whole days >= 0, got {ages.tolist()}")
        return Start("aged", weights / weights.sum(), np.rint(ages.astype(float)).astype(np.int64))

    def to_config(self) -> dict[str, Any]:
        """JSON-able state."""
        return {
            "regimes": list(self.regimes_),
            "family": self.family_,
            "min_days": int(self.min_days),
            "prior_transitions": float(self.prior_transitions),
            "durations": {name: list(params) for name, params in self.durations_.items()},
            "transition": self.transition_.tolist(),
            "spells": self.spells_.tolist(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Restore from :meth:`to_config`; draws the same paths."""
        family = str(config["family"])
        own = cls(
            family=family,
            min_days=int(config["min_days"]),
            prior_transitions=float(config["prior_transitions"]),
        )
        regimes = tuple(map(str, config["regimes"]))
        params = [(float(config["durations"][r][0]), float(config["durations"][r][1])) for r in regimes]
        transition = np.array(config["transition"], dtype=np.float64)
        own._set(regimes, family, params, transition, [int(s) for s in config["spells"]])
        return own

    def __repr__(self) -> str:
        if not hasattr(self, "regimes_"):
            return f"SemiMarkovProcess(family={self.family!r}, min_days={self.min_days}, unfitted)"
        shown = ", ".join(
            f"{name} {days:.0f} d ({share:.0%})"
            for name, days, share in zip(self.regimes_, self.mean_durations_, self.stationary_, strict=True)
        )
        return f"SemiMarkovProcess({self.family_}: {shown})"


def _transitions(spells: NDArray[np.int64], n_regimes: int, prior: float) -> Array:
    """Transition matrix (K, K) from the sequence of spells, shrunk toward the destinations' frequencies."""
    counts = np.zeros((n_regimes, n_regimes))
    np.add.at(counts, (spells[:-1], spells[1:]), 1.0)
    popular = counts.sum(axis=0) + 0.5  # every regime remains reachable
    towards = np.tile(popular, (n_regimes, 1))
    np.fill_diagonal(towards, 0.0)
    towards /= towards.sum(axis=1, keepdims=True)
    rows = counts + max(prior, 1e-9) * towards  # a row never seen is all prior
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _embedded_law(transition: Array) -> Array:
    """Stationary law (K,) of the sequence of spells: pi = pi P, solved directly (P may be periodic)."""
    n = len(transition)
    system = np.vstack([transition.T - np.eye(n), np.ones(n)])
    solution = np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]
    law = np.maximum(solution, 0.0)
    return np.asarray(law / law.sum())
