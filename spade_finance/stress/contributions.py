# SPDX-License-Identifier: Apache-2.0
r"""Who earned and who lost it: profit and expected shortfall split by sector, adding up exactly.

With a sector's profit :math:`c_a` on a path (see :mod:`.engine`), :math:`\sum_a c_a = V_T - 1`, and with the
weights u of the paths in the tail,

.. math:: ES = -\sum_i u_i (V_{T,i} - 1) = \sum_a \Big( -\sum_i u_i c_{a,i} \Big)

(Euler allocation; Tasche 2000). The error of a share of ES takes the VaR as known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spade_finance.stress.engine import Book
from spade_finance.stress.measures import Estimate, Sample, path_mean
from spade_finance.stress.sums import dot

LEVEL = 0.975
COLUMNS = ("portfolio", "source", "kind", "level", "regime", "sector", "value", "std_error")


def contribution_rows(
    book: Book, sectors: Sequence[str], regimes: Sequence[str], portfolio: str, source: str
) -> Iterator[dict[str, Any]]:
    """Rows of kind ``pnl`` (all days, then by regime) and ``es`` (at the horizon)."""
    head = {"portfolio": portfolio, "source": source}
    total = book.contributions.sum(axis=1)
    for a, sector in enumerate(sectors):
        yield head | _row("pnl", None, None, sector, path_mean(total[:, a]))
    for k, regime in enumerate(regimes):
        part = book.contributions[:, k]
        if part.any():
            for a, sector in enumerate(sectors):
                yield head | _row("pnl", None, regime, sector, path_mean(part[:, a]))
    n = len(total)
    sample = Sample(book.losses, np.arange(n), n)
    if not np.isfinite(sample.es(LEVEL).value):
        return
    weights = sample.es_weights(LEVEL)
    for a, sector in enumerate(sectors):
        value = 0.0 - float(dot(weights, total[:, a]))
        # sum of u_i (c_i - c) over paths: a weighted mean's linearisation
        error = float(np.sqrt((weights**2 * (-total[:, a] - value) ** 2).sum()))
        yield head | _row("es", LEVEL, None, sector, Estimate(value, error if n > 1 else float("nan")))


def _row(
    kind: str, level: float | None, regime: str | None, sector: str, estimate: Estimate
) -> dict[str, Any]:
    return {
        "kind": kind,
        "level": level,
        "regime": regime,
        "sector": sector,
        "value": estimate.value,
        "std_error": estimate.std_error,
    }
