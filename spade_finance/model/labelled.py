# SPDX-License-Identifier: Apache-2.0
"""Returns and labels -> the arrays the generator is fitted on, with the scales that define severity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.model.start import LabelledReturns
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.regimes.severity import (
    sector_severity,
    sector_typical_volatility,
    severity_series,
    typical_volatility,
)
from spade_finance.returns import log_from_simple


@dataclass(frozen=True)
class TypicalVolatility:
    """Daily volatilities that severity 1 stands for, of the training data: ``market`` (K,), ``sectors`` (S, K)."""

    market: pd.Series
    sectors: pd.DataFrame

    @classmethod
    def fit(cls, labels: RegimeLabels, returns: pd.DataFrame) -> TypicalVolatility:
        """Measure on training data; ``labels`` carry the sectors' own."""
        assert labels.sector_labels is not None
        return cls(
            typical_volatility(labels, returns),
            sector_typical_volatility(labels.sector_labels, returns, labels.regimes),
        )

    def to_config(self) -> dict[str, Any]:
        """JSON values."""
        return {"market": self.market.tolist(), "sectors": self.sectors.to_numpy().tolist()}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], regimes: tuple[str, ...], sectors: tuple[str, ...]
    ) -> TypicalVolatility:
        """Inverse of :meth:`to_config`."""
        return cls(
            pd.Series(config["market"], index=list(regimes), dtype=float),
            pd.DataFrame(config["sectors"], index=list(sectors), columns=list(regimes), dtype=float),
        )


def with_own_labels(labels: RegimeLabels, returns: pd.DataFrame, labeller: Any | None) -> RegimeLabels:
    """Labels with the sectors' own: as given, by the labeller, or (without either) the market's for every sector."""
    if labels.sector_labels is not None:
        return labels
    if labeller is not None:
        return labels.with_sectors(labeller.label_sectors(returns))
    market = labels.labels.to_numpy()
    return labels.with_sectors(
        pd.DataFrame({str(c): market for c in returns.columns}, index=returns.index, dtype=object)
    )


def labelled_arrays(
    labels: RegimeLabels, returns: pd.DataFrame, typical: TypicalVolatility
) -> LabelledReturns:
    """Arrays of the days of ``returns`` (all labelled, columns in the model's order)."""
    own = labels.sector_codes
    assert own is not None
    assert labels.sector_labels is not None
    sectors = list(returns.columns)
    return LabelledReturns(
        log_returns=np.asarray(log_from_simple(returns.to_numpy(dtype=np.float64))),
        codes=labels.codes,
        severity=severity_series(labels, returns, typical=typical.market).to_numpy(),
        own_codes=own[sectors].to_numpy(),
        own_severity=sector_severity(
            labels.sector_labels[sectors], returns, labels.regimes, typical=typical.sectors
        ).to_numpy(),
    )
