# SPDX-License-Identifier: Apache-2.0
r"""Entropy pooling: generated paths reweighted as little as possible so that stated anchors hold.

Among all probabilities p of the n paths that satisfy the views, take the one nearest to the prior p0 in relative
entropy (Meucci 2008, "Fully Flexible Views: Theory and Practice"),

.. math:: \min_p \sum_i p_i \ln \frac{p_i}{p^0_i} \quad \text{s.t.} \quad F^\top p = b,\; G^\top p \le h,
          \qquad p_i \propto p^0_i e^{-\lambda^\top F_i - \mu^\top G_i}.

The dual in :math:`(\lambda, \mu \ge 0)` has one dimension a view and is solved with scipy (:mod:`.entropy_dual`).
skfolio's ``EntropyPooling`` solves the same dual but takes views on the moments of assets' daily rows; ours are on
functionals of whole paths (a return over 189 days, a drawdown) and on daily moments pooled over days of weighted paths,
so only its solver could be used, at the price of an optional dependency. The tests hold both against each other.

**Moments.** A view on a mean or a probability is linear in p. One on a volatility or a correlation is not; it is solved
exactly by sequential linearisation. With pooled daily means m and volatilities s of the current p,

.. math:: E_p[(x - m)^2] = \sigma^2, \qquad
          E_p\!\left[ z_1 z_2 - \tfrac{\rho}{2} \Big( \tfrac{s_2}{s_1} z_1^2 + \tfrac{s_1}{s_2} z_2^2 \Big) \right]
          \begin{smallmatrix} = \\ \le \\ \ge \end{smallmatrix} 0, \quad z_j = x_j - m_j,

whose solution gives new m and s, until they rest: at the fixed point value and gradient of the linear constraint are
those of the true one, so its optimality conditions hold. (Meucci stops after the first round, means fixed at the
prior.)

**Out of reach.** Views that no weighting of these paths can meet are refused, with the range that can be reached: the
linear programmes min and max of each view given the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.stress.entropy_dual import Unreachable, solve
from spade_finance.stress.portfolio import Portfolio, as_portfolios
from spade_finance.stress.view_problem import Problem
from spade_finance.stress.view_syntax import View, as_views
from spade_finance.stress.weighted import WeightedLosses

if TYPE_CHECKING:
    from spade_finance.scenarios import ScenarioSet

__all__ = ["PooledScenarios", "View", "entropy_pooling"]

Array = NDArray[np.float64]

ROUNDS = 50
LEAST_ESS = 100.0
"""Below this many effective paths, or 2 % of all, the numbers rest on a few paths: warned about."""


@dataclass(frozen=True)
class PooledScenarios:
    """Scenarios with posterior probabilities.

    Attributes
    ----------
    scenarios : ScenarioSet of n paths
    probabilities : (n,) adding up to 1
    views : tuple of View
    table : DataFrame
        One row a view: ``view, relation, target, prior, posterior``.
    relative_entropy : float, nats
    ess : float
        Effective number of paths, ``n exp(-relative entropy)`` (Meucci); 1 a path when nothing was asked.
    ess_kish : float
        ``1 / sum p^2``, what standard errors feel.
    warnings : tuple of str
    """

    scenarios: ScenarioSet
    probabilities: Array
    views: tuple[View, ...]
    table: pd.DataFrame
    relative_entropy: float
    ess: float
    ess_kish: float
    portfolio: Portfolio
    warnings: tuple[str, ...] = ()
    _losses: Array = field(repr=False, default_factory=lambda: np.empty(0))

    @property
    def losses(self) -> WeightedLosses:
        """The portfolio's loss at the horizon, weighted: has ``var(level)``, ``es(level)``, ``mean()``."""
        return WeightedLosses(self._losses, self.probabilities)

    def numbers(self, levels: tuple[float, ...] = (0.95, 0.975, 0.99)) -> pd.DataFrame:
        """Loss before and after the views: ``measure, level, prior, prior_error, posterior, posterior_error``."""
        prior, posterior = WeightedLosses(self._losses), self.losses
        rows = []
        for measure, level in [("mean", None), *((m, lv) for lv in levels for m in ("var", "es"))]:
            before, after = (
                x.mean() if level is None else getattr(x, measure)(level) for x in (prior, posterior)
            )
            rows.append([measure, level, *before, *after])
        columns = ["measure", "level", "prior", "prior_error", "posterior", "posterior_error"]
        return pd.DataFrame(rows, columns=columns)

    def top(self, k: int = 5) -> pd.DataFrame:
        """The k heaviest paths: ``path, probability, times_prior, loss``."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return pd.DataFrame(
            {
                "path": self.scenarios.paths[order],
                "probability": self.probabilities[order],
                "times_prior": self.probabilities[order] * len(self.probabilities),
                "loss": self._losses[order],
            }
        )

    def resample(self, n_paths: int, random_state: int = 0) -> ScenarioSet:
        """Equally likely paths drawn from the posterior by systematic sampling, with repetitions."""
        from spade_finance.scenarios import ScenarioSet

        rng = np.random.default_rng(random_state)
        edges = np.cumsum(self.probabilities)
        rows = np.searchsorted(edges / edges[-1], (rng.random() + np.arange(n_paths)) / n_paths)
        old = self.scenarios
        codes = old.codes if old.codes.ndim == 1 else old.codes[rows]
        views = "; ".join(map(str, self.views))
        return ScenarioSet(
            old.log_array[rows], old.sectors, old.regimes, codes, dates=old.dates,
            provenance=old.provenance | {"views": views, "resampled_seed": random_state},
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        numbers = self.numbers().astype(object)
        numbers = numbers.where(pd.notna(numbers), None)
        return {
            "views": [str(v) for v in self.views],
            "table": self.table.to_dict("records"),
            "relative_entropy": self.relative_entropy,
            "ess": self.ess,
            "ess_kish": self.ess_kish,
            "n_paths": len(self.probabilities),
            "portfolio": self.portfolio.name,
            "numbers": numbers.to_dict("records"),
            "top": self.top().to_dict("records"),
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        lines = [
            f"PooledScenarios({len(self.probabilities):,} paths, worth {self.ess:,.0f} by entropy and "
            f"{self.ess_kish:,.0f} by Kish; relative entropy {self.relative_entropy:.3g})"
        ]
        for view, (_, row) in zip(self.views, self.table.iterrows(), strict=True):
            lines.append(f"{view}: {view.show(row['prior'])} before, {view.show(row['posterior'])} after")
        return "\n".join([*lines, *(f"warning: {w}" for w in self.warnings)])


def entropy_pooling(scenarios: ScenarioSet, views: Any, portfolio: Any = None) -> PooledScenarios:
    """Reweight paths so that the views hold.

    Parameters
    ----------
    scenarios : ScenarioSet
    views : str, View, mapping, or a list of them
        See :mod:`.view_syntax`, for instance ``"return(market, 189) = -45%; volatility(Energy) >= 60%"``.
    portfolio : as :func:`~spade_finance.stress.portfolio.as_portfolios` takes one
        What ``portfolio`` means in the views, and whose losses are reported; default the equal weight.

    Raises
    ------
    InputError
        A view that cannot be read, names no sector or more days than there are, or views out of reach of these
        paths: then with the range that can be reached.
    """
    asked = as_views(views)
    books = as_portfolios(portfolio, scenarios.sectors)
    if len(books) != 1:
        raise InputError(f"portfolio holds {len(books)} portfolios; entropy pooling takes one at a time")
    problem = Problem(scenarios, asked, books[0])
    n = scenarios.n_paths
    probabilities = np.full(n, 1.0 / n)
    prior = [problem.value(v, probabilities) for v in asked]
    moved = np.inf
    for _ in range(ROUNDS):
        rows = [problem.row(v, probabilities) for v in asked]
        try:
            found = solve(
                np.stack([r for r, _ in rows]), np.array([b for _, b in rows]), [v.relation for v in asked]
            )
        except Unreachable as error:
            raise _refusal(problem, asked, probabilities, error) from None
        moved, probabilities = float(np.abs(found - probabilities).max() * n), found
        if problem.linear or moved < 1e-8:
            break
    posterior = [problem.value(v, probabilities) for v in asked]
    _check_met(asked, posterior)
    entropy = float((probabilities * np.log(np.maximum(probabilities * n, 1e-300))).sum())
    kish = 1.0 / float(np.square(probabilities).sum())
    table = pd.DataFrame(
        {
            "view": [v.name for v in asked], "relation": [v.relation for v in asked],
            "target": [v.value for v in asked], "prior": prior, "posterior": posterior,
        }
    )  # fmt: skip
    return PooledScenarios(
        scenarios, probabilities, asked, table, max(entropy, 0.0), n * float(np.exp(-max(entropy, 0.0))), kish,
        books[0], _warnings(kish, n), problem.losses,
    )  # fmt: skip


def _check_met(views: tuple[View, ...], posterior: list[float]) -> None:
    for view, got in zip(views, posterior, strict=True):
        # A quantile of finitely many paths jumps; its constraint, a probability, was met.
        if view.kind == "var":
            continue
        off = got - view.value
        wrong = abs(off) if view.relation == "=" else max(0.0, off if view.relation == "<=" else -off)
        if wrong > 1e-5 * max(1.0, abs(view.value)):
            raise InputError(
                f"view {view}: the weights do not settle (they reach {view.show(got)}); ask for less, or for fewer "
                "volatilities and correlations at once"
            )


def _refusal(problem: Problem, views: tuple[View, ...], p: Array, error: Unreachable) -> InputError:
    """What can be reached instead, in the views' own units."""
    said = []
    for view, (low, high) in zip(views, error.ranges, strict=True):
        if view.kind == "correlation":
            text = "about {:.2f} to {:.2f} taken alone".format(*problem.correlations(view, p))
        else:
            ends = [problem.own_unit(view, x) for x in (low, high)]
            text = f"{view.show(min(ends))} to {view.show(max(ends))}"
        said.append(f"{view.name}: {text}")
    nearest = ""
    if error.nearest is not None:
        i, value = error.nearest
        view = views[i]
        if view.kind != "correlation":
            own = problem.own_unit(view, value)
            nearest = f"; nearest to '{view}' is {view.show(own)}, {view.show(abs(own - view.value))} off"
    asked = "; ".join(map(str, views))
    given = " given the others" if len(views) > 1 and error.jointly else ""
    return InputError(
        f"views out of reach of these {len(p):,} paths: {asked}. Within reach{given}: {'; '.join(said)}{nearest}. "
        "Ask for less, or draw paths under a script that goes there"
    )


def _warnings(kish: float, n: int) -> tuple[str, ...]:
    floor = min(max(LEAST_ESS, 0.02 * n), 0.5 * n)
    if kish >= floor:
        return ()
    return (
        f"the views leave {kish:,.0f} effective paths of {n:,}: they are far from what the scenarios say, and the "
        "numbers rest on a few paths; draw more, or under a script nearer to the views",
    )
