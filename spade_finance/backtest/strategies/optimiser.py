# SPDX-License-Identifier: Apache-2.0
"""Any skfolio optimiser as a strategy (any estimator with ``fit(returns)`` and then ``weights_``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.backtest.strategies.base import Known, PathFailure, Strategy, Values, days
from spade_finance.exceptions import InputError

__all__ = ["SkfolioStrategy"]


@dataclass(frozen=True, eq=False)
class SkfolioStrategy(Strategy):
    """Refits a clone of an optimiser on the last `lookback` days, path by path, at every decision.

    An optimisation takes milliseconds to seconds: n paths with R decisions take n times R of them. Prefer
    ``minimum_variance`` and ``risk_parity``, which solve all paths at once, where they are what you want.

    Parameters
    ----------
    estimator : object
        Such as ``skfolio.optimization.MeanRisk()``; never fitted itself. skfolio comes with the extra
        ``spade-finance[portfolio]``.
    lookback : int
        Days, at least 2.

    Examples
    --------
    >>> from skfolio.optimization import MeanRisk  # doctest: +SKIP
    >>> sf.backtest(SkfolioStrategy(MeanRisk(), lookback=126), scen)  # doctest: +SKIP
    """

    estimator: Any = None
    lookback: int = 252

    def __post_init__(self) -> None:
        days("lookback", self.lookback, 2)
        if isinstance(self.estimator, type) or not all(
            callable(getattr(self.estimator, verb, None)) for verb in ("fit", "get_params")
        ):
            raise InputError(
                f"estimator={self.estimator!r} is no optimiser: pass an object with fit(returns) that sets weights_, "
                "such as skfolio.optimization.MeanRisk()"
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """The estimator's class."""
        return type(self.estimator).__name__

    @property
    def needs(self) -> int:
        """Days of past returns needed: `lookback`."""
        return self.lookback

    @property
    def path_by_path(self) -> bool:
        """True: an estimator is fitted on one path at a time."""
        return True

    def weights(self, known: Known) -> Values:
        """Target weights (n, S)."""
        from sklearn.base import clone

        out = np.empty((len(known.past), len(known.sectors)))
        for row, past in enumerate(known.past):
            table = pd.DataFrame(past, columns=list(known.sectors), index=known.dates)
            try:
                found = np.asarray(clone(self.estimator).fit(table).weights_, dtype=np.float64)
                if found.shape != (len(known.sectors),):
                    raise ValueError(
                        f"weights_ has shape {found.shape}: one weight for each of {len(known.sectors)} assets is "
                        "needed"
                    )
            except Exception as error:
                raise PathFailure(row, error) from error
            out[row] = found
        return out
