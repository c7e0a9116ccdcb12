# SPDX-License-Identifier: Apache-2.0
r"""What every baseline is: ``fit(returns, labels)``, then ``sample(script, n_paths, random_state)``.

A baseline sees exactly what a generator sees: simple returns and one regime label a day in training, and the
wanted label of every day when sampling. It draws

.. math:: r_{1:T} \sim p(\,\cdot \mid k_1, \dots, k_T), \qquad r_t \in \mathbb{R}^{S} \text{ (log returns)}

**What baselines ignore.** They read the heaviest regime of a day only: soft weights (``bear~crisis``),
severity (``crisis*1.5``, but see :mod:`.loglinear`) and a sector's own timeline (``; Energy[10]=crisis:5``)
have no effect on them; what of a script was ignored stands in the scenarios' provenance.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from spade_finance.baselines.asked import Asked, check_codes, resolve
from spade_finance.exceptions import InputError, RareRegimeWarning
from spade_finance.returns import to_log

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels, SemiMarkovProcess
    from spade_finance.regimes.history import History
    from spade_finance.scenarios import ScenarioSet

FloatArray = NDArray[np.floating]
CodeArray = NDArray[np.integer]

RARE_DAYS = 60
"""Below this many training days a regime's statistics are weak and a RareRegimeWarning says so."""

BATCH_PATHS = 250
"""Paths that :meth:`Baseline.sample_batches` draws together, always this many."""


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
    history_ : History
        The training days with their labels: what replays look back on by default.
    data_hash_ : str
        SHA-256 of the training returns.
    last_scale_ : (sectors,) float64
        Volatility scale after the last training day; ones for baselines without one.
    """

    name = "baseline"
    honours_severity = False
    """Whether ``crisis*1.5`` differs from ``crisis``."""

    regimes_: tuple[str, ...]
    sectors_: tuple[str, ...]
    training_window_: tuple[pd.Timestamp, pd.Timestamp]
    log_returns_: NDArray[np.float64]
    codes_: NDArray[np.int8]
    history_: History
    data_hash_: str
    last_scale_: NDArray[np.float64]
    _process: SemiMarkovProcess | None = None

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
        from spade_finance.model.fitting import data_hash
        from spade_finance.regimes.history import History

        self.regimes_ = tuple(labels.regimes)
        self.sectors_ = tuple(str(c) for c in returns.columns)
        self.training_window_ = (returns.index[0], returns.index[-1])
        self.codes_ = aligned_codes(labels, returns.index)
        self.log_returns_ = to_log(returns).to_numpy(dtype=np.float64)
        self.data_hash_ = data_hash(returns)
        self.history_ = History(self.regimes_, pd.DatetimeIndex(returns.index), self.codes_)
        self.last_scale_ = np.ones(len(self.sectors_))
        self._process = None
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
        start: str | pd.Timestamp | None = None,
        start_vol: str | float = "long-run",
        history: History | None = None,
        extrapolate: bool = False,
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
        start : date, optional
            Date of step 0; business days follow.
        start_vol : "long-run", "last" or positive number
            Volatility at the start, for baselines that have a state for it: the long run's, the one after the
            last training day, or that multiple of the long run's.
        history : History, optional
            Labelled past days, for scripts that replay dates or begin with ``now``; default the training days.
        extrapolate : bool
            Allow severities beyond the trained range, for baselines that heed severity.

        Returns
        -------
        ScenarioSet
            Log returns (path, time, asset), float32.

        Raises
        ------
        InputError
            On an unfitted baseline, an unknown or never observed regime, or a bad count.
        """
        self._check(n_paths)
        rng = np.random.default_rng(random_state)
        seed = int(random_state) if isinstance(random_state, int | np.integer) else None
        asked = self._resolve(script, int(n_paths), rng, history)
        log_returns = self._drawn(asked, int(n_paths), start_vol, rng, extrapolate)
        return scenario_set(self, log_returns, asked, seed, start=start)

    def sample_batches(
        self,
        script: Any,
        n_paths: int = 1000,
        random_state: int = 0,
        *,
        start: str | pd.Timestamp | None = None,
        start_vol: str | float = "long-run",
        history: History | None = None,
        extrapolate: bool = False,
    ) -> Iterator[ScenarioSet]:
        """Draw scenarios a batch at a time, for more paths than fit into memory.

        Arguments as in :meth:`sample`, but the seed is an int and the timeline is a script or one for all
        paths. Batch c is drawn whole from the seed (`random_state`, c): path i is the same for any `n_paths`
        (and is not path i of :meth:`sample`).

        Yields
        ------
        ScenarioSet
            At most :data:`BATCH_PATHS` paths, numbered on.
        """
        self._check(n_paths)
        for batch, first in enumerate(range(0, int(n_paths), BATCH_PATHS)):
            rng = np.random.default_rng([int(random_state), batch])
            asked = self._resolve(script, BATCH_PATHS, rng, history)
            log_returns = self._drawn(asked, BATCH_PATHS, start_vol, rng, extrapolate)
            made = scenario_set(self, log_returns, asked, int(random_state), first=first, start=start)
            yield made if first + BATCH_PATHS <= n_paths else made.subset(slice(0, n_paths - first))

    def settings(self) -> dict[str, Any]:
        """Constructor parameters as JSON values, for the provenance."""
        return {k: v for k, v in self.get_params(deep=False).items() if not isinstance(v, Baseline)}

    # --- what a subclass writes -----------------------------------------------------------------------------

    def _fit(self) -> None:
        raise NotImplementedError

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Log returns (n_paths, days, sectors) under codes (days,) or (n_paths, days), scale (sectors,)."""
        raise NotImplementedError

    def _draw_asked(
        self,
        asked: Asked,
        n_paths: int,
        scale: NDArray[np.float64],
        rng: np.random.Generator,
        extrapolate: bool,
    ) -> NDArray[np.float32]:
        """The same for baselines that heed more of the wish than its codes."""
        return self._draw(asked.codes, n_paths, scale, rng)

    def _start_scale(self, start_vol: str | float) -> NDArray[np.float64]:
        """Volatility scale at the start, (sectors,)."""
        if start_vol == "long-run":
            return np.ones(len(self.sectors_))
        if start_vol == "last":
            return self.last_scale_
        if isinstance(start_vol, str) or not np.isfinite(start_vol) or start_vol <= 0:
            raise InputError(
                f"start_vol={start_vol!r} is unknown: pass 'long-run', 'last' or a positive number"
            )
        return np.full(len(self.sectors_), float(start_vol))

    # --- one request ----------------------------------------------------------------------------------------

    def _check(self, n_paths: Any) -> None:
        if not hasattr(self, "log_returns_"):
            raise InputError(f"{type(self).__name__} is not fitted: call fit(returns, labels) first")
        if not isinstance(n_paths, int | np.integer) or isinstance(n_paths, bool) or n_paths < 1:
            raise InputError(f"n_paths={n_paths!r} is no number of paths: pass a whole number of at least 1")

    def _resolve(self, script: Any, n_paths: int, rng: np.random.Generator, history: History | None) -> Asked:
        asked = resolve(
            script,
            n_paths,
            rng,
            regimes=self.regimes_,
            sectors=self.sectors_,
            process=self._fitted_process,
            history=self.history_ if history is None else history,
        )
        check_codes(asked.codes, n_paths, self.regimes_, self.codes_, type(self).__name__)
        return asked

    def _fitted_process(self) -> SemiMarkovProcess:
        """The semi-Markov process of the training labels, fitted on first use."""
        if self._process is None:
            from spade_finance.regimes import SemiMarkovProcess

            self._process = SemiMarkovProcess().fit(self.codes_, self.regimes_)
        return self._process

    def _drawn(
        self,
        asked: Asked,
        n_paths: int,
        start_vol: str | float,
        rng: np.random.Generator,
        extrapolate: bool,
    ) -> NDArray[np.float32]:
        return self._draw_asked(asked, n_paths, self._start_scale(start_vol), rng, extrapolate)


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
    asked: Asked,
    seed: int | None,
    *,
    first: int = 0,
    start: str | pd.Timestamp | None = None,
) -> ScenarioSet:
    """Wrap drawn log returns with the timeline they were drawn under; paths are numbered from `first`."""
    from spade_finance import __version__
    from spade_finance.scenarios import ScenarioSet, business_days

    ignored = asked.ignored(baseline.honours_severity)
    facts = {
        "model": baseline.name,
        "settings": baseline.settings() or None,
        "data_hash": baseline.data_hash_,
        "training_window": [f"{day:%Y-%m-%d}" for day in baseline.training_window_],
        "script": asked.text,
        "ignored": ", ".join(ignored) or None,
        "seed": seed,
        "version": __version__,
    }
    n_paths, n_days = log_returns.shape[:2]
    return ScenarioSet(
        log_returns,
        baseline.sectors_,
        baseline.regimes_,
        asked.codes,
        dates=None if start is None else business_days(start, n_days),
        provenance={key: value for key, value in facts.items() if value is not None},
        paths=np.arange(first, first + n_paths),
    )
