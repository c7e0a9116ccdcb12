# SPDX-License-Identifier: Apache-2.0
r"""Reverse stress test: the most plausible ways to lose X % or more over a horizon.

**The law.** A timeline :math:`\tau` of the horizon comes from the fitted semi-Markov process. Its spells share one
rank of severity u, uniform over three equally likely thirds; a spell of regime k has the u-quantile of the severities
that history's episodes of k had. Given both, the model draws the path. This is the generator's own law with history's
severities in place of the typical one.

**The estimand.** Timelines are grouped into stories c (:mod:`.candidates`), and

.. math:: P(\text{loss} \ge X) = \sum_c P(c)\, P(\text{loss} \ge X \mid c), \qquad
          P(c \mid \text{loss} \ge X) = \frac{P(c) P(\text{loss} \ge X \mid c)}{P(\text{loss} \ge X)} ,

the latter being a story's *plausibility*: of all ways to lose as much, the share that goes like this. P(c) is exact for
stories of one or two spells. P(loss | c) is estimated by stratifying over severity and importance sampling over the
noise (:mod:`.importance`): a pilot run places each story's tilt where half of its paths break and divides the paths
among the stories so that the total is known best.

The loss is that of the book at the end of the horizon; the paths in between may have been worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.stress.candidates import Candidate, candidates
from spade_finance.stress.importance import MOST_SHIFT, cell_estimate, effective_size, spread
from spade_finance.stress.portfolio import Portfolio, as_portfolios
from spade_finance.stress.reverse_draw import Progress, Run, Sampler, representative
from spade_finance.stress.reverse_result import ReverseScenario, ReverseStress, story
from spade_finance.stress.sums import dot

__all__ = ["ReverseScenario", "ReverseStress", "check_request", "reverse_stress"]

Array = NDArray[np.float64]

RANKS = (1 / 6, 1 / 2, 5 / 6)
"""Ranks of severity, the middles of three equally likely thirds."""
PILOT = 32
"""Paths of a story and rank in the pilot run."""
LEAST_PATHS = 24
"""Paths that every story and rank gets in the main run; fewer when few are asked for."""


def reverse_stress(
    model: Any,
    loss: float = 0.2,
    *,
    portfolio: Any = None,
    horizon: int = 63,
    k: int = 5,
    n_timelines: int = 10_000,
    n_paths: int = 12_000,
    random_state: int = 0,
    start: str | None = None,
    history: Any = None,
    progress: Progress | None = None,
) -> ReverseStress:
    """Find the k likeliest distinct ways to lose `loss` or more.

    Parameters
    ----------
    model : ScenarioGenerator
        Or anything with ``regimes_``, ``sectors_``, ``process_``, ``severity_table_`` and ``sample_tilted``.
    loss : float
        Decimal loss at the horizon that counts as a breach, between 0 and 1 (beyond 1 for a levered book).
    portfolio : as :func:`~spade_finance.stress.portfolio.as_portfolios` takes one
        Default the equal weight.
    horizon : int
        Trading days, 5 or more.
    k : int
        Scenarios wanted.
    n_timelines : int
        Timelines drawn for stories of three spells and more.
    n_paths : int
        Paths of the main run; the pilot adds 96 a story, and every story gets at least 24.
    random_state : int
    start : None, regime name or ``"now"``
        Where timelines begin: anywhere (stationary), with a regime just entered, or where the history ends (its
        volatility too).
    history : DataFrame, optional
        For ``"now"``; default the model's own.
    progress : callable, optional
        Called with (paths done, paths in all).

    Raises
    ------
    InputError
        A loss, horizon or number out of range; an unknown regime or sector.
    """
    check_request(loss, horizon, k, n_paths, n_timelines)
    book = as_portfolios(portfolio, model.sectors_)
    if len(book) != 1:
        raise InputError(f"portfolio holds {len(book)} portfolios; reverse stress takes one at a time")
    from_where, start_vol = _start(model, start, history)
    rng = np.random.default_rng([int(random_state), 5])
    found = candidates(
        model.process_, len(model.regimes_), horizon, start=from_where, n_timelines=n_timelines, rng=rng
    )
    sampler = Sampler(
        model, book[0], start_vol, history, rng, progress, len(found) * len(RANKS) * PILOT + n_paths
    )
    none = np.zeros(PILOT)
    pilot = [sampler.run([(c, none) for c in found], rank) for rank in RANKS]
    plan = _plan(found, pilot, loss, n_paths)
    runs = [
        sampler.run(list(zip(found, shifts, strict=True)), rank)
        for rank, shifts in zip(RANKS, plan, strict=True)
    ]
    estimates = [_estimate(i, runs, loss) for i in range(len(found))]
    return _result(
        model, book[0], loss, horizon, k, found, runs, estimates, start, sampler, int(random_state)
    )


def _plan(found: list[Candidate], pilot: list[Run], loss: float, n_paths: int) -> list[list[Array]]:
    """Shifts of each path, by rank and story: where to tilt, and how many paths to spend.

    In the pilot a story's log value is regressed on the score, and taken for Student's t with 4 degrees of freedom:
    this guess places the tilts and divides the paths by Neyman's rule, P(c) times the guessed standard deviation of
    the breach. A wrong guess costs precision, never correctness. Shifts are rounded, so that the plan does not hang on
    the last digits of the pilot.
    """
    from scipy.stats import t

    line = np.log(max(1.0 - loss, 0.02))
    mass = np.zeros((len(RANKS), len(found)))
    shift = np.zeros(len(found))
    for i, candidate in enumerate(found):
        logs = [np.log(np.maximum(run.values[run.story == i, -1], 0.01)) for run in pilot]
        scores = [run.score[run.story == i] for run in pilot]
        level = np.array([x.mean() for x in logs])
        rest = np.concatenate([x - x.mean() for x in logs])
        aim = np.concatenate([s - s.mean() for s in scores])
        slope = min(float(dot(rest, aim)) / max(float(dot(aim, aim)), 1e-12), -1e-9)
        shift[i] = np.round(np.clip((line - level.mean()) / slope, 0.0, MOST_SHIFT), 2)
        chance = np.clip(t.cdf((line - level) / max(rest.std(), 1e-9), 4), 1e-6, 0.5)
        mass[:, i] = candidate.probability * np.sqrt(chance)
    least = int(np.clip(n_paths // (4 * mass.size), 8, LEAST_PATHS))
    free = max(n_paths - least * mass.size, n_paths // 2)
    counts = least + np.floor(np.round(free * mass / mass.sum(), 6)).astype(int)
    return [[spread(int(n), float(d)) for n, d in zip(row, shift, strict=True)] for row in counts]


@dataclass(frozen=True)
class _Estimate:
    value: float
    variance: float
    ess: float
    n_breaches: int
    weights: list[Array]
    """Of each rank's breaching paths of the story, 0 for the others; they add up to `value`."""


def _estimate(i: int, runs: list[Run], loss: float) -> _Estimate:
    """P(loss | story i): strata of severity, equally likely."""
    value = variance = 0.0
    kept = []
    for run in runs:
        own = run.story == i
        hits = 1.0 - run.values[own, -1] >= loss
        p, var, weight = cell_estimate(hits, run.score[own], run.shift[own])
        value += p / len(runs)
        variance += var / len(runs) ** 2
        kept.append(weight * hits / (len(hits) * len(runs)))
    flat = np.concatenate(kept)
    return _Estimate(value, variance, effective_size(flat), int((flat > 0).sum()), kept)


def _result(
    model: Any, book: Portfolio, loss: float, horizon: int, k: int, found: list[Candidate], runs: list[Run],
    estimates: list[_Estimate], start: str | None, sampler: Sampler, seed: int,
) -> ReverseStress:  # fmt: skip
    chance = np.array([c.probability for c in found])
    breach = np.array([e.value for e in estimates])
    joint = chance * breach
    total = float(joint.sum())
    # Errors: of P(loss | c) for all stories, and of the frequencies of those that were counted.
    own = chance**2 * np.array([e.variance for e in estimates])
    counted = np.array([c.std_error for c in found])
    known = counted > 0
    centre = float((counted[known] ** 2 * breach[known]).sum() / max((counted[known] ** 2).sum(), 1e-300))
    from_counts = (counted * (breach - centre)) ** 2  # shares of one sample: only their spread matters
    std_error = float(np.sqrt(own.sum() + from_counts.sum()))
    joint_error = np.sqrt(own + (counted * breach) ** 2)
    order = [i for i in np.argsort(-joint) if found[i].spells and joint[i] > 0][:k]
    scenarios = []
    for rank, i in enumerate(order, 1):
        share = joint[i] / total
        # delta method for a share of a sum whose other parts are independent of it
        share_error = float(
            np.hypot((1 - share) * joint_error[i], share * _others(std_error, joint_error[i])) / total
        )
        row, path = representative(runs, i, estimates[i].weights)
        run = runs[row]
        scenarios.append(
            story(
                rank=rank, codes=run.codes[path], value=run.values[path], simple=run.simple[path], book=book,
                regimes=sampler.regimes, sectors=sampler.sectors, severities=sampler.severities(RANKS[row]),
                severity_rank=RANKS[row], probability=float(chance[i]), probability_error=float(counted[i]),
                breach=float(breach[i]), breach_error=float(np.sqrt(estimates[i].variance)),
                ess=estimates[i].ess, n_breaches=estimates[i].n_breaches, joint=float(joint[i]),
                joint_error=float(joint_error[i]), plausibility=float(share), plausibility_error=share_error,
                spells=found[i].spells,
            )
        )  # fmt: skip
    weights = np.concatenate([chance[i] * w for i, e in enumerate(estimates) for w in e.weights])
    return ReverseStress(
        loss=loss, horizon=horizon, portfolio=book, start=start, probability=total, std_error=std_error,
        ess=effective_size(weights), n_paths=int(sum(len(r.values) for r in runs)), n_stories=len(found),
        scenarios=tuple(scenarios), regimes=sampler.regimes, sectors=sampler.sectors,
        severities={f"{r:.3g}": [float(s) for s in sampler.severities(r)] for r in RANKS},
        provenance={"model_hash": sampler.model_hash, "seed": seed, "horizon_days": horizon, "loss": loss},
    )  # fmt: skip


def _others(total: float, own: float) -> float:
    return float(np.sqrt(max(total**2 - own**2, 0.0)))


def _start(model: Any, start: str | None, history: Any) -> tuple[Any, str]:
    if start is None:
        return None, "long-run"
    if start == "now":
        return model.history(history).timeline.now(), "last"
    if start not in model.regimes_:
        raise InputError(
            f"start={start!r} is no regime; pass None, 'now' or one of {', '.join(model.regimes_)}"
        )
    return start, "long-run"


def check_request(
    loss: float, horizon: int, k: int = 5, n_paths: int = 12_000, n_timelines: int = 10_000
) -> None:
    """Refuse numbers out of range, before any work."""
    if isinstance(loss, bool) or not isinstance(loss, int | float | np.number) or not loss > 0:
        raise InputError(f"loss={loss!r} must be a decimal above 0, such as 0.2 for 20 %")
    if loss >= 2:
        raise InputError(f"loss={loss!r} is more than twice the capital; write 20 % as 0.2")
    for name, value, least, most in (
        ("horizon", horizon, 5, 1260), ("k", k, 1, 50), ("n_paths", n_paths, 500, 10_000_000),
        ("n_timelines", n_timelines, 100, 1_000_000),
    ):  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
            raise InputError(f"{name}={value!r} must be a whole number from {least} to {most:,}")
