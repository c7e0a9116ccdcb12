# SPDX-License-Identifier: Apache-2.0
r"""One kind of change, real beside the columns: curves, their episode band, distances and how sure they are.

.. math:: d_c = \operatorname{mean}_\tau \bigl| \operatorname{mean}_p x^{(c)}_{p \tau} - x^{real}_\tau \bigr|, \qquad
    floor = \sqrt{\tfrac{n}{n-1}} \operatorname{mean}_b \operatorname{mean}_\tau \bigl| x^{(b)}_\tau -
    \operatorname{mean}_{b'} x^{(b')}_\tau \bigr|

over stretches of offsets :math:`\tau`, replicates p, and resamples b of the n real events, drawn whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.switch import (
    CURVES,
    Curve,
    Switches,
    binned,
    resampled_events,
    widening,
)

Array = NDArray[np.float64]

FEWEST_EVENTS = 4
"""Resampling fewer real events than this gives no interval worth the name."""
N_BOOTSTRAP = 400


@dataclass(frozen=True, eq=False)
class KindMeasures:
    """What a kind of change looks like.

    Attributes
    ----------
    kind : int
        Position in :data:`~.switch.KINDS`.
    real : (1, events, 30, 1 + sectors)
    resamples : (resamples, events, 30, 1 + sectors) or None
        None under :data:`FEWEST_EVENTS` events.
    columns : mapping of str to (paths, events, 30, 1 + sectors)
    shared : bool
        Whether all columns have the real events, one by one.
    """

    kind: int
    real: Array
    resamples: Array | None
    columns: Mapping[str, Array]
    shared: bool

    @classmethod
    def of(
        cls, kind: int, real: Switches, columns: Mapping[str, Switches], rng: np.random.Generator
    ) -> KindMeasures | None:
        """Measures of one kind; None where the real data have no such change."""
        stack = real.of(kind)
        n_events = stack.shape[1]
        if not n_events:
            return None
        enough = n_events >= FEWEST_EVENTS
        stacks = {name: s.of(kind) for name, s in columns.items() if (s.kind == kind).any()}
        shared = all(columns[name].common and s.shape[1] == n_events for name, s in stacks.items())
        resamples = resampled_events(stack, N_BOOTSTRAP, rng) if enough else None
        return cls(kind, stack, resamples, stacks, shared)

    @property
    def n_events(self) -> int:
        """Real changes of this kind."""
        return int(self.real.shape[1])

    def floor(self, curve: Curve) -> float:
        """Distance that real events have from themselves; NaN for too few."""
        if self.resamples is None or not curve.scored:
            return float("nan")
        values = binned(self.resamples, curve)
        return widening(self.n_events) * nan_mean(np.abs(values - column_mean(values)))

    def distances(self, curve: Curve, without: int | None = None) -> dict[str, float]:
        """Distance of each column; `without` leaves out one event, of the columns too where they share it."""
        keep = np.arange(self.n_events) != (-1 if without is None else without)
        truth = binned(self.real[:, keep], curve)[0]
        out = {}
        for name, stack in self.columns.items():
            seen = stack[:, keep] if self.shared else stack
            out[name] = nan_mean(np.abs(column_mean(binned(seen, curve)) - truth))
        return out

    def interval(self, values: Array, resampled: Array) -> tuple[Array, Array]:
        """95 % interval about real `values` (bins,) from `resampled` (resamples, bins) of the same statistic."""
        shift = np.nanquantile(resampled, [0.025, 0.975], axis=0) - column_mean(resampled)
        return values + widening(self.n_events) * shift[0], values + widening(self.n_events) * shift[1]


@dataclass(frozen=True)
class Excess:
    """Geometric mean of distance over floor of each column, and how sure the differences to the first column are.

    Attributes
    ----------
    ratio : mapping of str to float
        1 is as near as real events are to themselves.
    log_difference : mapping of str to (float, float)
        Log ratio of the column less that of the first column, and its standard error by leaving out real
        events in turn (delete-one jackknife within kinds).
    """

    ratio: Mapping[str, float]
    log_difference: Mapping[str, tuple[float, float]]


def excess(kinds: list[KindMeasures]) -> Excess | None:
    """Excess over the floor of all kinds and curves that have one; None without any."""
    curves = [c for c in CURVES if c.scored]
    floors = {(m.kind, c.name): m.floor(c) for m in kinds for c in curves}
    used = [(m, c) for m in kinds for c in curves if floors[m.kind, c.name] > 0]
    names = [n for n in kinds[0].columns if all(n in m.columns for m, _ in used)] if used else []
    if not names:
        return None
    full = np.array([_logs(m.distances(c), names, floors[m.kind, c.name]) for m, c in used])
    keep = np.isfinite(full).all(1)
    used, full = [u for u, k in zip(used, keep, strict=True) if k], full[keep]
    if not used:
        return None
    total = full.mean(0)
    variance = np.zeros(len(names))
    for kind in {m.kind: m for m, _ in used}.values():
        rows = [i for i, (m, _) in enumerate(used) if m is kind]
        left = []
        for event in range(kind.n_events):
            values = full.copy()
            for i in rows:
                curve = used[i][1]
                values[i] = _logs(kind.distances(curve, event), names, floors[kind.kind, curve.name])
            mean = values.mean(0)
            left.append(mean - mean[0])
        n = len(left)
        spread = np.stack(left) - np.mean(left, axis=0)
        variance += (n - 1) / n * (spread**2).sum(0)
    return Excess(
        dict(zip(names, np.exp(total).tolist(), strict=True)),
        {n: (float(total[i] - total[0]), float(np.sqrt(variance[i]))) for i, n in enumerate(names)},
    )


def column_mean(values: Array) -> Array:
    """Mean over the first axis of what is finite; NaN where nothing is."""
    seen = np.isfinite(values)
    count = seen.sum(0)
    total = np.where(seen, values, 0.0).sum(0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def nan_mean(values: Array) -> float:
    """Mean of what is finite; NaN if nothing is."""
    seen = values[np.isfinite(values)]
    return float(seen.mean()) if len(seen) else float("nan")


def _logs(distances: Mapping[str, float], names: list[str], floor: float) -> Array:
    values = np.array([distances[n] for n in names])
    return np.log(np.maximum(values, 1e-12) / floor)
