# SPDX-License-Identifier: Apache-2.0
r"""Counterfactual pairs: two timelines, the same noise, and the difference path by path.

With the same seed path i of both timelines is driven by the same noise, so

.. math:: \Delta_i = R_i^{A} - R_i^{B}, \qquad SE = s(\Delta) / \sqrt n

is the effect of the timeline alone. Independent draws would need :math:`\operatorname{Var}(R^A) +
\operatorname{Var}(R^B)` instead of :math:`\operatorname{Var}(\Delta)`; the ratio of the two, measured with a
second seed, is how many times fewer paths the pairing needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.errors import jackknife_spread
from spade_finance.exceptions import InputError
from spade_finance.stress.engine import Plan
from spade_finance.stress.measures import path_mean
from spade_finance.stress.portfolio import Portfolio, as_portfolios
from spade_finance.stress.sums import dot

Vector = NDArray[np.float64]

N_GROUPS = 40

__all__ = ["Counterfactual", "counterfactual"]


@dataclass(frozen=True)
class Counterfactual:
    """Differences between two timelines.

    Attributes
    ----------
    script, against : str
    table : DataFrame
        One row a portfolio: ``portfolio, return_script, return_against, difference, std_error,
        std_error_independent, variance_ratio, variance_ratio_se, correlation``; returns at the horizon.
        ``variance_ratio`` is Var of the difference of independent draws over that of pairs (NaN when the
        pairs do not differ at all).
    daily : dict portfolio -> DataFrame
        Index step 0..T; ``mean, std_error, p05, p95`` of the difference in value by day.
    differences : dict portfolio -> (n,) difference in return at the horizon by path
    n_paths : int
    """

    script: str
    against: str
    table: pd.DataFrame
    daily: dict[str, pd.DataFrame]
    differences: dict[str, Vector] = field(repr=False)
    n_paths: int

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "script": self.script,
            "against": self.against,
            "n_paths": self.n_paths,
            "rows": self.table.to_dict("records"),
        }


def counterfactual(
    model: Any,
    script: Any,
    against: Any,
    portfolios: Any = None,
    *,
    n_paths: int = 2000,
    seed: int = 0,
    history: pd.DataFrame | None = None,
    **options: Any,
) -> Counterfactual:
    """Compare two timelines of equal length under the same noise.

    Parameters
    ----------
    model : ScenarioGenerator, or anything with its ``sample``
    script, against : scripts or timelines
    portfolios : Portfolio, mapping, path, or list of them; None is the equal weight
    n_paths, seed : as in ``sample``

    Returns
    -------
    Counterfactual

    Raises
    ------
    InputError
        If the timelines differ in length, or there are fewer than two paths.
    """
    if n_paths < 2:
        raise InputError(f"n_paths={n_paths} is too few for a standard error: pass at least 2")
    books = as_portfolios(portfolios, model.sectors_)
    more = options | ({} if history is None else {"history": history})
    first = model.sample(script, n_paths, seed, **more)
    second = model.sample(against, n_paths, seed, **more)
    if first.n_days != second.n_days:
        raise InputError(
            f"the counterfactual has {second.n_days} days, the scenario {first.n_days}: write timelines of one length"
        )
    other = model.sample(against, n_paths, _independent(seed), **more)
    values = [_values(model, scenarios, books) for scenarios in (first, second, other)]
    rows, daily, differences = [], {}, {}
    for i, book in enumerate(books):
        a, b, apart = (v[i] for v in values)
        delta = a - b
        end, loose = delta[:, -1], a[:, -1] - apart[:, -1]
        effect = path_mean(end)
        ratio, ratio_error = _variance_ratio(loose, end)
        x, y = (v[:, -1] - v[:, -1].mean() for v in (a, b))
        spread = float(np.sqrt(dot(x, x) * dot(y, y)))
        rows.append(
            {
                "portfolio": book.name,
                "return_script": float(a[:, -1].mean() - 1),
                "return_against": float(b[:, -1].mean() - 1),
                "difference": effect.value,
                "std_error": effect.std_error,
                "std_error_independent": path_mean(loose).std_error,
                "variance_ratio": ratio,
                "variance_ratio_se": ratio_error,
                "correlation": float(dot(x, y)) / spread if spread > 0 else float("nan"),
            }
        )
        low, high = np.quantile(delta, [0.05, 0.95], axis=0)
        error = delta.std(axis=0, ddof=1) / np.sqrt(n_paths)
        daily[book.name] = pd.DataFrame(
            {"mean": delta.mean(axis=0), "std_error": error, "p05": low, "p95": high},
            index=pd.RangeIndex(delta.shape[1], name="step"),
        )
        differences[book.name] = end
    return Counterfactual(
        str(first.provenance.get("script", script)),
        str(second.provenance.get("script", against)),
        pd.DataFrame(rows),
        daily,
        differences,
        n_paths,
    )


def _values(model: Any, scenarios: Any, portfolios: Sequence[Portfolio]) -> list[Vector]:
    plan = Plan(portfolios, model.sectors_, len(model.regimes_), (), [10] * len(model.sectors_))
    parts = [
        [
            book.wealth
            for book in plan.run(scenarios.simple_array[a : a + 1024], _rows(scenarios.codes, a, 1024))
        ]
        for a in range(0, scenarios.n_paths, 1024)
    ]
    return [np.concatenate([part[i] for part in parts]) for i in range(len(portfolios))]


def _rows(codes: NDArray[np.integer], first: int, count: int) -> NDArray[np.integer]:
    return codes if codes.ndim == 1 else codes[first : first + count]


def _variance_ratio(loose: Vector, paired: Vector) -> tuple[float, float]:
    """Var(independent) / Var(paired) with its delete-a-group jackknife error."""
    if not paired.var() > 0:
        return float("nan"), float("nan")
    groups = min(N_GROUPS, len(paired))
    of = np.arange(len(paired)) % groups
    left_out = [[np.log(loose[of != g].var() / paired[of != g].var())] for g in range(groups)]
    ratio = float(loose.var(ddof=1) / paired.var(ddof=1))
    if groups < 3 or not np.isfinite(left_out).all():
        return ratio, float("nan")
    return ratio, ratio * float(jackknife_spread(np.array(left_out))[0])


def _independent(seed: int) -> int:
    """A seed that has nothing to do with `seed`."""
    return int(np.random.SeedSequence([seed, 0xC0FFEE]).generate_state(1)[0])
