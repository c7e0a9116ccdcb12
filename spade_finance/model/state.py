# SPDX-License-Identifier: Apache-2.0
"""The history a model looks back on: labels for replays, filtered probabilities for ``now``, states for ``last``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.model.labelled import labelled_arrays, with_own_labels
from spade_finance.model.start import LabelledReturns, StartStatistics, history_states
from spade_finance.regimes.history import History

if TYPE_CHECKING:
    from spade_finance.model.estimator import ScenarioGenerator
    from spade_finance.regimes import RegimeLabels


@dataclass(frozen=True)
class ModelHistory:
    """``timeline``: dates, labels, severities, filtered probabilities. ``slow`` (S + 3,), ``bank`` (2 S + 2, 5): states
    after the last day."""

    timeline: History
    slow: NDArray[np.float64]
    bank: NDArray[np.float32]

    @classmethod
    def from_returns(cls, model: ScenarioGenerator, returns: pd.DataFrame) -> ModelHistory:
        """Label returns with the model's fitted labeller and run them through its filters."""
        from spade_finance.data import validate_returns
        from spade_finance.model.estimator import check_sectors

        returns = validate_returns(returns, source="history", min_rows=2)
        check_sectors(list(returns.columns), model.sectors_, "history")
        returns = returns[list(model.sectors_)]
        labels = with_own_labels(model.label(returns), returns, model.labeller_)
        data = labelled_arrays(labels, returns, model.typical_)
        return cls.from_labelled(labels, model.labeller_.filter(returns), data, model.start_)

    @classmethod
    def from_labelled(
        cls, labels: RegimeLabels, filtered: RegimeLabels, data: LabelledReturns, start: StartStatistics
    ) -> ModelHistory:
        """From labels at hand; ``filtered`` gives the probabilities at the end."""
        states = history_states(data, start)
        timeline = History.from_labels(
            _market_only(labels), severity=pd.Series(data.severity, index=labels.dates), filtered=filtered
        )
        return cls(timeline, states.slow_free[-1], states.filtered.states[-1])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """For the model folder."""
        timeline = self.timeline
        assert timeline.probabilities is not None
        return {
            "days": timeline.dates.to_numpy().astype("datetime64[D]").astype(np.int64),
            "codes": timeline.codes.astype(np.int8),
            "severity": timeline.severity,
            "probabilities": timeline.probabilities.astype(np.float32),
            "slow": self.slow,
            "bank": self.bank,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], regimes: tuple[str, ...]) -> ModelHistory:
        """Inverse of :meth:`to_arrays`."""
        dates = pd.DatetimeIndex(arrays["days"].astype("datetime64[D]"), name="date")
        probabilities = arrays["probabilities"].astype(np.float64)
        timeline = History(regimes, dates, arrays["codes"], arrays["severity"], probabilities)
        return cls(timeline, arrays["slow"], arrays["bank"])


def _market_only(labels: RegimeLabels) -> Any:
    """Replays follow the market's labels; a sector's own would pin every sector to what it did."""
    from dataclasses import replace

    return replace(labels, sector_labels=None)
