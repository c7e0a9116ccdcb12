# SPDX-License-Identifier: Apache-2.0
r"""What every baseline is: ``fit(returns, labels)``, then ``sample(script, n_paths, random_state)``.

A baseline sees exactly what a generator sees: simple returns and one regime label a day in training, and the
wanted label of every day when sampling. It draws

.. math:: r_{1:T} \sim p(\,\cdot \mid k_1, \dots, k_T), \qquad r_t \in \mathbb{R}^{S} \text{ (log returns)}

**What baselines ignore.** They read the heaviest regime of a day only: soft weights (``bear~crisis``),
severity (``crisis*1.5``) and a sector's own timeline (``; Energy[10]=crisis:5``) have no effect on them.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from spade_finance.exceptions import InputError, RareRegimeWarning
from spade_finance.returns import to_log

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels
    from spade_finance.regimes.history import History
    from spade_finance.scenarios import ScenarioSet

FloatArray = NDArray[np.floating]
CodeArray = NDArray[np.integer]

RARE_DAYS = 60
"""Below this many training days a regime's statistics are weak and a RareRegimeWarning says so."""


class Baseline(BaseEstimator):
    """Common part of the baselines; subclasses write ``_fit`` and ``_draw``.

    Attributes
    ----------
    regimes_, sectors_ : tuple of str
        Names in the order of the codes and of the columns.
    training_window_ : (Timestamp, Timestamp)
        First and last training day.
    log_returns_ : (days, sectors) float64
        Training log returns.
    codes_ : (days,) int
        Training labels.
    last_scale_ : (sectors,) float64
        Slow volatility scale after the last training day; ones for baselines without one.
    """

    name = "baseline"

    regimes_: tuple[str, ...]
    sectors_: tuple[str, ...]
    training_window_: tuple[pd.Timestamp, pd.Timestamp]
    log_returns_: NDArray[np.float64]
    codes_: NDArray[np.int8]
    last_scale_: NDArray[np.float64]

    def fit(self, returns: pd.DataFrame, labels: RegimeLabels) -> Self:
        """Learn from simple returns and one label a day.

        Parameters
        ----------
        returns : DataFrame (days, sectors)
            Decimal simple returns.
        labels : RegimeLabels
            Must cover every date of `returns`; other dates are not looked at.

        Raises
        ------
        InputError
            On missing values, or dates without a label.
        """
        if not isinstance(returns, pd.DataFrame) or returns.empty:
            raise InputError("returns must be a DataFrame of simple returns with at least one row and column")
        bad = returns.columns[returns.isna().any()]
        if len(bad):
            raise InputError(f"returns column {bad[0]!r} has missing values: fill or drop those days first")
        self.regimes_ = tuple(labels.regimes)
        self.sectors_ = tuple(str(c) for c in returns.columns)
        self.training_window_ = (returns.index[0], returns.index[-1])
        self.codes_ = aligned_codes(labels, returns.index)
        self.log_returns_ = to_log(returns).to_numpy(dtype=np.float64)
        self.last_scale_ = np.ones(len(self.sectors_))
        counts = np.bincount(self.codes_, minlength=len(self.regimes_))
        for regime, days in zip(self.regimes_, counts, strict=True):
            if 0 < days < RARE_DAYS:
                warnings.warn(
                    f"{type(self).__name__}: regime {regime!r} has only {days} training days (fewer than "
                    f"{RARE_DAYS}); its scenarios repeat very little history",
                    RareRegimeWarning,
                    stacklevel=2,
                )
        self._fit()
        return self

    def sample(
        self,
        script: Any,
        n_paths: int = 1000,
        random_state: int | np.random.Generator | None = None,
        *,
        start_vol: str | float = "long-run",
        history: History | None = None,
    ) -> ScenarioSet:
        """Draw `n_paths` scenarios under a regime timeline.

        Parameters
        ----------
        script : str, RegimeTimeline or integer codes (days,) or (n_paths, days)
            The regime of every day; codes index ``regimes_``.
        n_paths : int
            Number of paths.
        random_state : int or numpy Generator
            The same int gives the same paths (for the same `n_paths`).
        start_vol : "long-run", "last" or positive number
            Slow volatility scale at the start, for baselines that have one: the long run's, the one after the
            last training day, or that multiple of the long run's.
        history : History, optional
            Labelled past days, for scripts that replay dates or begin with ``now``.

        Returns
        -------
        ScenarioSet
            Log returns (path, time, asset), float32.

        Raises
        ------
        InputError
            On an unfitted baseline, an unknown or never observed regime, or a bad count.
        """
        if not hasattr(self, "log_returns_"):
            raise InputError(f"{type(self).__name__} is not fitted: call fit(returns, labels) first")
        if not isinstance(n_paths, int | np.integer) or isinstance(n_paths, bool) or n_paths < 1:
            raise InputError(f"n_paths={n_paths!r} is no number of paths: pass a whole number of at least 1")
        rng = np.random.default_rng(random_state)
        codes, text = self._resolve(script, int(n_paths), rng, history)
        self._check_codes(codes, int(n_paths))
        scale = self._start_scale(start_vol)
        log_returns = self._draw(codes, int(n_paths), scale, rng)
        seed = int(random_state) if isinstance(random_state, int | np.integer) else None
        return scenario_set(self, log_returns, codes, text, seed)

    # --- what a subclass writes -----------------------------------------------------------------------------

    def _fit(self) -> None:
        raise NotImplementedError

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Log returns (n_paths, days, sectors) under codes (days,) or (n_paths, days), scale (sectors,)."""
        raise NotImplementedError

    def _start_scale(self, start_vol: str | float) -> NDArray[np.float64]:
        """Slow scale at the start, (sectors,)."""
        if start_vol == "long-run":
            return np.ones(len(self.sectors_))
        if start_vol == "last":
            return self.last_scale_
        if isinstance(start_vol, str) or not np.isfinite(start_vol) or start_vol <= 0:
            raise InputError(
                f"start_vol={start_vol!r} is unknown: pass 'long-run', 'last' or a positive number"
            )
        return np.full(len(self.sectors_), float(start_vol))

    # --- the timeline ---------------------------------------------------------------------------------------

    def _resolve(
        self, script: Any, n_paths: int, rng: np.random.Generator, history: History | None
    ) -> tuple[CodeArray, str | None]:
        """Codes (days,) or (n_paths, days) of whatever says which regime holds when, and its text."""
        if isinstance(script, str):
            from spade_finance.regimes.script import parse_script

            parsed = parse_script(script, regimes=self.regimes_, sectors=self.sectors_)
            if not parsed.is_random:
                return parsed.resolve(self.regimes_, self.sectors_, history).codes, script
            from spade_finance.regimes import SemiMarkovProcess

            process = SemiMarkovProcess().fit(self.codes_, self.regimes_)
            drawn = parsed.resolve_paths(
                process, rng.spawn(n_paths), regimes=self.regimes_, sectors=self.sectors_, history=history
            )
            return drawn.codes, script
        if hasattr(script, "regimes") and hasattr(script, "codes"):  # RegimeTimeline or PathTimelines
            if tuple(script.regimes) != self.regimes_:
                raise InputError(
                    f"script has regimes {', '.join(script.regimes)} but this baseline was fitted with "
                    f"{', '.join(self.regimes_)}: use one labeller for both"
                )
            return script.codes, None
        codes = np.asarray(script)
        if codes.dtype.kind not in "iu":
            raise InputError("script must be text, a RegimeTimeline or an array of integer regime codes")
        return codes, None

    def _check_codes(self, codes: CodeArray, n_paths: int) -> None:
        if codes.ndim not in (1, 2) or codes.shape[-1] < 1 or (codes.ndim == 2 and len(codes) != n_paths):
            raise InputError(
                f"script has codes of shape {codes.shape}: needs (days,) or (n_paths={n_paths}, days) with "
                "at least one day"
            )
        known = np.unique(self.codes_)
        for code in np.unique(codes):
            if not 0 <= code < len(self.regimes_):
                raise InputError(
                    f"script asks for regime code {code}: there are {len(self.regimes_)} regimes"
                )
            if code not in known:
                raise InputError(
                    f"script asks for {self.regimes_[code]!r}, which never occurs in the training data of "
                    f"{type(self).__name__}: a baseline cannot draw what it has not seen; fit it on longer "
                    "history"
                )


def aligned_codes(labels: RegimeLabels, index: pd.Index) -> NDArray[np.int8]:
    """Regime codes of the dates of `index`, (days,); InputError where a date has no label."""
    position = pd.Index(labels.labels.index).get_indexer(index)
    if (position < 0).any():
        first = index[position < 0][0]
        raise InputError(
            f"labels have no entry for {pd.Timestamp(first):%Y-%m-%d} ({int((position < 0).sum())} of "
            f"{len(index)} days): label the same returns that are fitted"
        )
    return np.asarray(labels.codes, dtype=np.int8)[position]


def scenario_set(
    baseline: Baseline,
    log_returns: NDArray[np.float32],
    codes: CodeArray,
    script: str | None,
    seed: int | None,
) -> ScenarioSet:
    """Wrap drawn log returns with the timeline they were drawn under."""
    from spade_finance import __version__
    from spade_finance.scenarios import ScenarioSet

    facts = {"model": baseline.name, "script": script, "seed": seed, "version": __version__}
    return ScenarioSet(
        log_returns,
        baseline.sectors_,
        baseline.regimes_,
        codes,
        provenance={key: value for key, value in facts.items() if value is not None},
    )
