# SPDX-License-Identifier: Apache-2.0
r"""Withheld transitions: train without a direct change between two regimes, then ask for it.

A generator that has learnt what regimes are, and not only which sequences history happened to have, behaves after a
change that it has never seen about as after one that it has. Every episode that begins with the change is taken out
of training whole (so that dropping its rows leaves no such change behind either), and scored against what happened:

* ``ql``: :math:`\operatorname{mean}_t (\ln v_t + r_t^2 / v_t)` of the market over the days after the change, with
  :math:`v_t` the generator's mean square return of that day (Patton 2011; proper for the conditional variance),
* ``energy``: :math:`E\lVert X - y \rVert - \tfrac12 E \lVert X - X' \rVert` of those days of all sectors, in units of
  each sector's own spread and of the root of the number of values (Gneiting & Raftery 2007),
* ``volatility``, ``correlation``, ``l_skew``: distances of the event-averaged curves after the change (:mod:`.switch`).

All are lower-is-better; errors and paired differences are over events, the only independent things here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.facts import stretches
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.switch import BEFORE, CURVES, Switches, binned, resampled_events, widening
from spade_finance.evaluate.switch_history import changes, drawn_events, real_events
from spade_finance.evaluate.switch_measures import FEWEST_EVENTS, N_BOOTSTRAP, column_mean, nan_mean
from spade_finance.exceptions import InputError
from spade_finance.regimes.timeline import RegimeTimeline

Array = NDArray[np.float64]
Codes = NDArray[Any]
Regimes = int | Collection[int]

N_PATHS = 256
FEWEST_DAYS = 60
"""Fewest days of the target regime that must be left to learn it from."""


@dataclass(frozen=True, eq=False)
class Withheld:
    """What may be learnt from.

    Attributes
    ----------
    usable : (days,) bool
        Days outside the withheld episodes. A training window all of whose days are usable holds no such change.
    episodes : tuple of (first, last + 1)
        Rows of the withheld episodes.
    """

    usable: NDArray[np.bool_]
    episodes: tuple[tuple[int, int], ...]

    def spans(self, dates: pd.Index) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
        """First and last date of each episode, as ``ScenarioGenerator.fit(..., exclude=...)`` takes them."""
        return [(pd.Timestamp(dates[a]), pd.Timestamp(dates[b - 1])) for a, b in self.episodes]


def without_transition(codes: Codes, source: Regimes, target: Regimes) -> Withheld:
    """Mask of the days that are left when every episode that begins with a given direct change is taken out.

    Parameters
    ----------
    codes : (days,) int
        Regime of each training day.
    source, target : int or collection of int
        Regimes before and after, for example ``source={0, 1}, target=3`` for calm straight to worst.

    Raises
    ------
    InputError
        Codes that overlap; no such change in these days; too few days of a target regime left to learn it from.
    """
    old, new = _codes_of("source", source), _codes_of("target", target)
    if old & new:
        raise InputError(f"source={source!r} and target={target!r} share a regime: a change needs two")
    codes = np.asarray(codes)
    spell = stretches(codes)
    starts = np.flatnonzero(np.concatenate([[True], spell[1:] != spell[:-1]]))
    ends = np.append(starts[1:], len(codes))
    found = tuple(
        (int(a), int(b))
        for a, b in zip(starts[1:], ends[1:], strict=True)
        if int(codes[a - 1]) in old and int(codes[a]) in new
    )
    if not found:
        raise InputError(
            f"source={source!r}, target={target!r}: there is no such change in these {len(codes)} days; see which "
            "there are with transition_counts(codes)"
        )
    usable = np.ones(len(codes), dtype=bool)
    for a, b in found:
        usable[a:b] = False
    for k in sorted(new & set(np.unique(codes[~usable]).tolist())):
        left = int((codes[usable] == k).sum())
        if left < FEWEST_DAYS:
            raise InputError(
                f"target={k}: only {left} of its {int((codes == k).sum())} days are left without the withheld "
                f"episodes; at least {FEWEST_DAYS} are needed to learn what the regime is: withhold a rarer change"
            )
    return Withheld(usable, found)


def transition_counts(codes: Codes, regimes: Collection[str] | None = None) -> pd.DataFrame:
    """Number of direct changes from each regime (rows) to each other (columns)."""
    codes = np.asarray(codes)
    names = list(range(int(codes.max()) + 1)) if regimes is None else list(regimes)
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    day = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    np.add.at(table, (codes[day - 1], codes[day]), 1)
    return pd.DataFrame(table, index=names, columns=names)


@dataclass(frozen=True, eq=False)
class TransitionScore:
    """Scores after a change.

    Attributes
    ----------
    table : DataFrame
        A row a generator: ``ql``, ``energy`` with ``_se``, ``ql_difference`` and ``energy_difference`` to the first
        generator with ``_se`` (paired by event), ``volatility``, ``correlation``, ``l_skew`` distances. The row
        ``floor`` holds what real events have from themselves (NaN under four events).
    events : DataFrame
        A row an event and generator: ``event``, ``day`` (row of the panel), ``generator``, ``days``, ``ql``,
        ``energy``.
    """

    table: pd.DataFrame
    events: pd.DataFrame

    @property
    def n_events(self) -> int:
        """Changes that were scored."""
        return int(self.events["event"].nunique())

    def __repr__(self) -> str:
        return f"TransitionScore of {self.n_events} events\n{self.table.to_string()}"


def score_transition(
    real: Panel,
    generators: Mapping[str, Any],
    source: Regimes,
    target: Regimes,
    *,
    n_paths: int = N_PATHS,
    seed: int = 0,
) -> TransitionScore:
    """Score generators on the days after a direct change in real data.

    Parameters
    ----------
    real : Panel
        One path with regimes: days that the generators have not learnt from after such a change (training days with
        the episodes of :func:`without_transition` withheld, or later days).
    generators : mapping of str to object
        Each with ``sample(timeline, n_paths, random_state)``; differences are to the first.
    source, target : int or collection of int
    n_paths : int
        Paths of each event; at least 2.

    Raises
    ------
    InputError
        No such change in ``real``; too few paths; what a generator refuses.
    """
    old, new = _codes_of("source", source), _codes_of("target", target)
    if n_paths < 2:
        raise InputError(f"n_paths={n_paths!r}: a score needs at least 2 paths")
    if real.codes is None:
        raise InputError("real has no regimes: label it before scoring changes between them")
    found = changes(real, lambda a, b: a in old and b in new)
    if not found:
        raise InputError(f"source={source!r}, target={target!r}: the real days hold no such change")
    truth = real_events(real, found)
    spread = np.maximum(real.simple[0, :, 1:].std(0), 1e-12)
    rows: list[dict[str, Any]] = []
    drawn: dict[str, Switches] = {}
    for name, generator in generators.items():

        def draw(timeline: RegimeTimeline, i: int, generator: Any = generator) -> Array:
            key = int(np.random.SeedSequence([seed, i]).generate_state(1)[0])
            simple = generator.sample(timeline, n_paths=n_paths, random_state=key).simple_array
            return np.concatenate([simple.mean(-1, keepdims=True), simple], axis=-1, dtype=np.float64)

        drawn[name] = drawn_events(real, found, draw, n_paths)
        for i, (day, _, _) in enumerate(found):
            y, x = truth.returns[0, i, BEFORE:], drawn[name].returns[:, i, BEFORE:]
            seen = np.isfinite(y[:, 0])
            scores = {
                "ql": ql(x[:, seen, 0], y[seen, 0]),
                "energy": energy(x[:, seen, 1:] / spread, y[seen, 1:] / spread),
            }
            rows.append({"event": i, "day": day, "generator": name, "days": int(seen.sum())} | scores)
    events = pd.DataFrame(rows)
    return TransitionScore(_table(events, truth, drawn, np.random.default_rng([seed, 1])), events)


def withheld_transition(
    returns: pd.DataFrame,
    labels: Any,
    fit: Callable[[pd.DataFrame, Any, Withheld | None], Mapping[str, Any]],
    source: Regimes,
    target: Regimes,
    *,
    n_paths: int = N_PATHS,
    seed: int = 0,
) -> dict[str, TransitionScore]:
    """Train with and without a change, and score both on the episodes that were withheld.

    Parameters
    ----------
    returns : DataFrame (days, sectors)
        Decimal simple returns of the training span.
    labels : RegimeLabels
        Of these days.
    fit : callable
        ``fit(returns, labels, withheld) -> {name: generator}``; with ``withheld`` None on everything. A generator
        that takes rows learns from ``returns[withheld.usable]``; ours takes ``exclude=withheld.spans(returns.index)``.

    Returns
    -------
    dict
        ``"withheld"`` and ``"seen"``. The second has learnt from the very days it is scored on: it says what there
        was to be known, not what could have been foreseen.
    """
    labels = labels.align(returns)
    withheld = without_transition(labels.codes, source, target)
    real = Panel.from_frame(returns, labels.regimes, labels.codes)
    return {
        what: score_transition(real, fit(returns, labels, mask), source, target, n_paths=n_paths, seed=seed)
        for what, mask in (("withheld", withheld), ("seen", None))
    }


def ql(paths: Array, real: Array) -> float:
    """Quasi-likelihood loss of the variance that paths (n, days) forecast for the real returns (days,)."""
    variance = np.maximum((paths**2).mean(0), 1e-16)
    return float((np.log(variance) + real**2 / variance).mean())


def energy(paths: Array, real: Array) -> float:
    """Energy score of paths (n, days, assets) for what happened (days, assets), over the root of days x assets."""
    from scipy.spatial.distance import pdist

    flat, y = paths.reshape(len(paths), -1), real.reshape(-1)
    near = np.sqrt(((flat - y) ** 2).sum(1)).mean()
    return float((near - 0.5 * pdist(flat).mean()) / np.sqrt(y.size))


def _table(
    events: pd.DataFrame, truth: Switches, drawn: Mapping[str, Switches], rng: np.random.Generator
) -> pd.DataFrame:
    """Means over events with errors, and distances of the curves after the change."""
    n_events = truth.returns.shape[1]
    wide = {s: events.pivot_table(index="event", columns="generator", values=s) for s in ("ql", "energy")}
    first = next(iter(drawn))
    rows: dict[str, dict[str, float]] = {name: {} for name in drawn}
    for score, values in wide.items():
        for name in drawn:
            difference = values[name] - values[first]
            for what, x in ((score, values[name]), (f"{score}_difference", difference)):
                rows[name][what] = float(x.mean())
                rows[name][f"{what}_se"] = (
                    float(x.std(ddof=1) / np.sqrt(n_events)) if n_events > 1 else np.nan
                )
    floor: dict[str, float] = {}
    many = n_events >= FEWEST_EVENTS
    resampled = resampled_events(truth.returns, N_BOOTSTRAP, rng) if many else None
    for curve in (c for c in CURVES if c.scored):
        bins = [(a, b) for a, b in curve.bins if a >= 0]
        real = binned(truth.returns, curve, bins)[0]
        for name, stack in drawn.items():
            rows[name][curve.name] = nan_mean(np.abs(column_mean(binned(stack.returns, curve, bins)) - real))
        if resampled is not None:
            spread = binned(resampled, curve, bins)
            floor[curve.name] = widening(n_events) * nan_mean(np.abs(spread - column_mean(spread)))
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.loc["floor"] = pd.Series(floor, dtype=float)
    return table


def _codes_of(name: str, regimes: Regimes) -> set[int]:
    given = {int(regimes)} if isinstance(regimes, int | np.integer) else {int(k) for k in regimes}
    if not given or min(given) < 0:
        raise InputError(f"{name}={regimes!r}: pass the code of a regime, or several")
    return given
