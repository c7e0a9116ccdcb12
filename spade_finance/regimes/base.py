# SPDX-License-Identifier: Apache-2.0
"""What every labeller does: fit, name the regimes, label in hindsight or causally, travel as JSON.

A labeller sees the equal-weight market of the returns it is given. Everything that new data are judged by
(scalers, centres, parameters, names) comes from :meth:`BaseRegimes.fit` and is frozen;
:meth:`BaseRegimes.filter` of day t uses days up to t only. Sectors are labelled by labellers of the same
kind, one fitted to each sector alone.

A concrete labeller stores its constructor's arguments and fills in six small methods: ``_fit``, ``_smooth``,
``_filter``, ``_reorder``, ``_state``, ``_restore``; they speak integer codes and arrays only.
"""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.data.validate import validate_returns
from spade_finance.exceptions import ConvergenceWarning, InputError, RareRegimeWarning
from spade_finance.regimes.estimator import Estimator, whole_number
from spade_finance.regimes.features import market_log_returns
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.regimes.naming import economic_order, regime_names
from spade_finance.regimes.process import SemiMarkovProcess
from spade_finance.regimes.spells import confirm, merge_short, runs

__all__ = ["MIN_ROWS", "BaseRegimes"]

MIN_ROWS = 250
"""Fewest days a labeller is fitted to: about one year."""

RARE_DAYS = 60
"""A regime with fewer training days than this is reported as rare: a quarter's worth."""

Array = NDArray[np.float64]
Codes = NDArray[np.int64]


class BaseRegimes(Estimator, ABC):
    """Common part of the five labellers.

    Parameters
    ----------
    n_regimes : int, 2 to 12
        Names follow: 2 bull, crisis; 3 bull, bear, crisis; 4 bull, sideways, bear, crisis; from 5 on r1 ..
        rN.
    random_state : int or numpy Generator
        Of the restarts.
    min_days : int
        Smoothed spells shorter than this many days go to a neighbour (1: none do).
    confirm_days : int
        Causal labels change on this many equal days in a row (1: at once).
    per_sector : bool
        Whether ``fit`` also fits one labeller to each sector (else :meth:`label_sectors` does, when first
        asked).

    Attributes
    ----------
    regimes_ : tuple of K names, calm to worst
    process_ : SemiMarkovProcess of the smoothed training labels (sectors' labellers have none)
    convergence_ : dict with ``status`` ("converged", "not converged", "time limit", "exact"), ``iterations``,
        ``message``, ``seconds`` and ``fallback`` (what was used instead, or None)
    summary_ : DataFrame, one row a regime: annual volatility and mean log return of the market (decimals),
        days,
        share of days, spells, of the smoothed training labels
    training_window_ : (first, last) training date
    columns_ : tuple of the columns it was fitted to; others are refused (absent from files of older versions)
    sector_labellers_ : dict of name -> fitted labeller (absent until sectors were fitted)
    """

    method: ClassVar[str]

    def __init__(
        self,
        n_regimes: int = 4,
        *,
        random_state: int | np.random.Generator = 0,
        min_days: int = 1,
        confirm_days: int = 1,
        per_sector: bool = False,
    ) -> None:
        self.n_regimes = n_regimes
        self.random_state = random_state
        self.min_days = min_days
        self.confirm_days = confirm_days
        self.per_sector = per_sector

    # What a concrete labeller fills in

    @abstractmethod
    def _fit(self, market: Array, start: BaseRegimes | None) -> None:
        """Learn from the market's log returns (T,); `start` is a fitted labeller to start from, if any."""

    @abstractmethod
    def _smooth(self, market: Array) -> tuple[Codes, Array]:
        """Codes (T,) and probabilities (T, K) in hindsight, with fitted parameters."""

    @abstractmethod
    def _filter(self, market: Array) -> tuple[Codes, Array]:
        """The same, row t from days up to t only."""

    @abstractmethod
    def _reorder(self, order: Codes) -> None:
        """Renumber the fitted regimes: the i-th becomes what was ``order[i]``."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """JSON-able fitted parameters."""

    @abstractmethod
    def _restore(self, state: dict[str, Any]) -> None:
        """Set fitted parameters from :meth:`_state`."""

    # Fitting

    def fit(self, returns: pd.DataFrame, y: None = None) -> Self:
        """Fit to simple returns (T, S) in decimals, at least 250 days.

        Raises
        ------
        InputError
            Bad, short or constant returns; a parameter out of range; fewer regimes found than asked for.

        Warns
        -----
        RareRegimeWarning
            A regime has fewer than 60 days or is seen only once.
        ConvergenceWarning
            The fit stopped early; ``convergence_`` says why and what was used.
        """
        self._check_parameters()
        returns = validate_returns(returns, source="returns", min_rows=MIN_ROWS)
        for attribute in ("sector_labellers_", "process_"):
            vars(self).pop(attribute, None)
        self._fit_market(returns.index, market_log_returns(returns), None)
        self.columns_: tuple[str, ...] = tuple(returns.columns)
        self._warn_rare()
        if self.convergence_["status"] in ("not converged", "time limit"):
            warnings.warn(
                f"{type(self).__name__}: {self.convergence_['message']}", ConvergenceWarning, stacklevel=2
            )
        if self.per_sector:
            self._fit_sectors(returns)
        return self

    def _check_parameters(self) -> None:
        regime_names(self.n_regimes)
        for name in ("min_days", "confirm_days"):
            whole_number(name, getattr(self, name), 1, 250, "days")

    def _fit_market(self, dates: pd.Index[Any], market: Array, start: BaseRegimes | None) -> None:
        if not np.ptp(market) > 1e-9:
            raise InputError(
                f"returns: the market does not move (every day is {float(market[0]):g}); pass real returns"
            )
        begun = time.perf_counter()
        self.convergence_: dict[str, Any] = {
            "status": "exact",
            "iterations": 0,
            "message": "",
            "fallback": None,
        }
        self._fit(market, start)
        raw = self._smooth_codes(market, False)[0]
        order = self._order(market, raw)
        self._reorder(order)
        codes = np.argsort(order)[raw]
        self.regimes_: tuple[str, ...] = regime_names(self.n_regimes)
        self.training_window_: tuple[str, str] = (f"{dates[0]:%Y-%m-%d}", f"{dates[-1]:%Y-%m-%d}")
        self._check_found(codes, sector=start is not None)
        self.summary_ = _summary(market, codes, self.regimes_)
        if start is None:  # scripts draw market timelines; sectors need labels only
            self.process_ = SemiMarkovProcess(min_days=int(self.min_days)).fit(codes, self.regimes_)
        self.convergence_["seconds"] = round(time.perf_counter() - begun, 3)

    def _order(self, market: Array, codes: Codes) -> Codes:
        """The fitted codes from calm to worst; a method that knows its own order says so here."""
        return economic_order(market, codes, self.n_regimes)

    def _check_found(self, codes: Codes, *, sector: bool) -> None:
        found = len(np.unique(codes))
        if found < self.n_regimes and not sector:
            raise InputError(too_few(self.n_regimes, found, len(codes)))

    @property
    def weak_(self) -> str:
        """What to say of regimes with fewer than 60 training days or a single episode; empty where there are none."""
        rare = self.summary_[(self.summary_["days"] < RARE_DAYS) | (self.summary_["spells"] < 2)]
        found = ", ".join(
            f"{name} ({int(r['days'])} days, {int(r['spells'])} spells)" for name, r in rare.iterrows()
        )
        return found and (
            f"few training days or episodes: {found}; statistics of these regimes are weak, fewer regimes or more "
            "history help"
        )

    def _warn_rare(self) -> None:
        if weak := self.weak_:
            warnings.warn(
                f"{weak} (silence: warnings.filterwarnings on RareRegimeWarning)",
                RareRegimeWarning,
                stacklevel=3,
            )

    def _fit_sectors(self, returns: pd.DataFrame) -> None:
        fitted: dict[str, BaseRegimes] = {}
        for name in returns.columns:
            own = type(self)(**self.get_params() | {"per_sector": False})
            try:
                own._fit_market(returns.index, market_log_returns(returns[[name]]), self)
            except InputError as error:
                raise InputError(f"sector {name!r}: {error}") from None
            fitted[str(name)] = own
        self.sector_labellers_: dict[str, BaseRegimes] = fitted
        stopped = [name for name, own in fitted.items() if own.convergence_["fallback"]]
        if stopped:
            warnings.warn(
                f"{type(self).__name__}: the fits of {', '.join(stopped)} stopped early; see convergence_ of "
                "sector_labellers_",
                ConvergenceWarning,
                stacklevel=3,
            )

    # Labelling

    def smooth(self, returns: pd.DataFrame) -> RegimeLabels:
        """Labels in hindsight of all days of `returns` (T, S), with the fitted parameters.

        A day's label uses days before and after it; never evaluate or trade on these as if they had been
        known.
        """
        returns = self._checked(returns, whole=True)
        codes, probabilities = self._smooth_codes(market_log_returns(returns))
        return self._labels(codes, probabilities, returns, causal=False)

    def filter(self, returns: pd.DataFrame) -> RegimeLabels:
        """Causal labels: the row of day t does not change when returns after t change.

        Pass the whole history that was known, not only its last days: averages start from the training
        data's.
        """
        returns = self._checked(returns, whole=True)
        codes, probabilities = self._filter_codes(market_log_returns(returns))
        return self._labels(codes, probabilities, returns, causal=True)

    def label_sectors(self, returns: pd.DataFrame, causal: bool = False) -> pd.DataFrame:
        """Regime names (T, S) of each sector by its own returns.

        Unfitted sectors (``per_sector=False``) are fitted here first, on the rows of `returns` that lie
        inside this labeller's training window, so that later days stay unseen.

        Raises
        ------
        InputError
            A column that is no fitted sector; too few rows inside the training window to fit on.
        """
        returns = self._checked(returns)
        if not hasattr(self, "sector_labellers_"):
            first, last = self.training_window_
            inside = returns.loc[first:last]
            if len(inside) < MIN_ROWS:
                raise InputError(
                    f"returns: {len(inside)} rows lie inside the labeller's training window {first} to "
                    f"{last}; sectors need {MIN_ROWS} to be fitted on: pass the training returns once, "
                    "or fit with per_sector=True"
                )
            self._fit_sectors(inside)
        unknown = [str(c) for c in returns.columns if str(c) not in self.sector_labellers_]
        if unknown:
            raise InputError(
                f"sector {unknown[0]!r} was not fitted; known are {', '.join(self.sector_labellers_)}"
            )
        names = np.array(self.regimes_, dtype=object)
        table = {}
        for name in returns.columns:
            own, market = self.sector_labellers_[str(name)], market_log_returns(returns[[name]])
            codes, _ = own._filter_codes(market) if causal else own._smooth_codes(market, False)
            table[str(name)] = names[codes]
        return pd.DataFrame(table, index=returns.index)

    def _smooth_codes(self, market: Array, probabilities: bool = True) -> tuple[Codes, Array]:
        """Codes after the minimum duration; a labeller may save the work of probabilities not asked for."""
        codes, p = self._smooth(market)
        return (merge_short(codes, p, self.min_days) if self.min_days > 1 else codes), p

    def _filter_codes(self, market: Array) -> tuple[Codes, Array]:
        codes, p = self._filter(market)
        return confirm(codes, self.confirm_days), p

    def _labels(self, codes: Codes, p: Array, returns: pd.DataFrame, *, causal: bool) -> RegimeLabels:
        dates = pd.DatetimeIndex(returns.index)
        return RegimeLabels.from_codes(codes, self.regimes_, dates, probabilities=p, causal=causal)

    def _checked(self, returns: pd.DataFrame, *, whole: bool = False) -> pd.DataFrame:
        """Valid returns; `whole`: of the columns whose market this labeller knows, no more and no fewer."""
        if not hasattr(self, "regimes_"):
            raise InputError(f"this {type(self).__name__} is not fitted; call fit(returns) first")
        returns = validate_returns(returns, source="returns", min_rows=2)
        known = getattr(self, "columns_", tuple(getattr(self, "sector_labellers_", ())))
        if whole and known and set(returns.columns) != set(known):
            raise InputError(
                f"returns have the columns {', '.join(returns.columns)} but this {type(self).__name__} was fitted to "
                f"{', '.join(known)}: pass those, or fit a labeller to these returns"
            )
        return returns

    def to_config(self) -> dict[str, Any]:
        """Everything needed to label new data exactly as this labeller does, as JSON has it."""
        from spade_finance.regimes.labeller_config import labeller_to_config

        return labeller_to_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BaseRegimes:
        """Restore a fitted labeller from :meth:`to_config`, of whatever method the config names."""
        from spade_finance.regimes.labeller_config import labeller_from_config

        return labeller_from_config(config)


def too_few(wanted: int, found: int, n_days: int) -> str:
    """What to say where a fit finds fewer regimes than were asked for."""
    way_out = (
        f"pass n_regimes={found} or a longer history"
        if found >= 2
        else "the history has to be longer or livelier"
    )
    return f"n_regimes={wanted}: only {found} {'is' if found == 1 else 'are'} found in these {n_days} days; {way_out}"


def _summary(market: Array, codes: Codes, regimes: tuple[str, ...]) -> pd.DataFrame:
    """One row a regime: annual volatility and mean of log returns (decimals), days, share, spells."""
    spelled = runs(codes)[2]
    rows = []
    for k in range(len(regimes)):
        own = market[codes == k]
        rows.append(
            {
                "volatility": float(own.std() * np.sqrt(252)) if len(own) else float("nan"),
                "mean_return": float(own.mean() * 252) if len(own) else float("nan"),
                "days": len(own),
                "share": len(own) / len(codes),
                "spells": int((spelled == k).sum()),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(regimes, name="regime"))
