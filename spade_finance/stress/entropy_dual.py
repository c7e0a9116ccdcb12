# SPDX-License-Identifier: Apache-2.0
r"""The dual of entropy pooling: least relative entropy to equal weights under linear constraints.

.. math:: \max_{\lambda} \; -\ln \frac1n \sum_i e^{-\lambda^\top (F_i - b)}, \qquad
          \lambda_j \ge 0 \text{ for } F_j^\top p \le b_j, \;\; \le 0 \text{ for } \ge

convex and smooth, one variable a constraint. Newton's method would do for equalities; bounds ask for L-BFGS-B, which
is followed by Newton steps on the free variables, so that equalities hold to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spade_finance.stress.sums import dot

__all__ = ["Unreachable", "solve"]

Array = NDArray[np.float64]

MET = 1e-8
"""Largest miss of a constraint, in its own standard deviations."""
NEWTON_STEPS = 60
MOST_TILT = 1e4


class Unreachable(Exception):
    """No weights meet the constraints.

    ``ranges``: reachable (low, high) of each constraint, given the others where those alone can be met (``jointly``),
    else alone. ``nearest``: (constraint, reachable value) of the one that misses by most.
    """

    def __init__(
        self, ranges: list[tuple[float, float]], nearest: tuple[int, float] | None, jointly: bool
    ) -> None:
        super().__init__("out of reach")
        self.ranges, self.nearest, self.jointly = ranges, nearest, jointly


def solve(rows: Array, targets: Array, relations: Sequence[str]) -> Array:
    """Probabilities (n,) of least relative entropy to equal ones.

    Parameters
    ----------
    rows : (m, n) value of each constraint on each path
    targets : (m,); relations : m of ``=``, ``<=``, ``>=``

    Raises
    ------
    Unreachable
        No weights do, or only by putting everything on the border.
    """
    from scipy.optimize import minimize

    centre = rows.mean(1)
    scale = np.maximum(rows.std(1), 1e-300)
    f = (rows - targets[:, None]) / scale[:, None]
    if (
        rows.std(1) < 1e-14 * np.maximum(np.abs(centre), 1.0)
    ).any():  # the same on every path: nothing to weigh
        flat = rows.std(1) < 1e-14 * np.maximum(np.abs(centre), 1.0)
        f[flat] = np.where(np.abs(centre - targets) < 1e-12, 0.0, np.sign(centre - targets) * 1e6)[flat, None]
    if not _reachable(f, relations):
        raise _report(rows, targets, relations)
    bounds = [{"=": (None, None), "<=": (0.0, None), ">=": (None, 0.0)}[r] for r in relations]
    found = minimize(_dual, np.zeros(len(rows)), args=(f,), jac=True, method="L-BFGS-B", bounds=bounds,
                     options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10})  # fmt: skip
    x = _polish(np.asarray(found.x), f, relations)
    p = _weights(x, f)
    miss = dot(f, p)
    off = [
        abs(m) if r == "=" else max(0.0, m if r == "<=" else -m) for m, r in zip(miss, relations, strict=True)
    ]
    if max(off) > MET or np.abs(x).max() > MOST_TILT:
        raise _report(rows, targets, relations)
    return p


def _mix(x: Array, f: Array) -> Array:
    """x f, (n,)."""
    return np.asarray((x[:, None] * f).sum(axis=0))


def _weights(x: Array, f: Array) -> Array:
    log = -_mix(x, f)
    p = np.exp(log - log.max())
    return np.asarray(p / p.sum())


def _dual(x: Array, f: Array) -> tuple[float, Array]:
    log = -_mix(x, f)
    top = log.max()
    p = np.exp(log - top)
    total = p.sum()
    return float(top + np.log(total / f.shape[1])), np.asarray(-dot(f, p) / total)


def _polish(x: Array, f: Array, relations: Sequence[str]) -> Array:
    """Newton steps on the variables that are not held at their bound."""
    free = np.array([r == "=" or abs(v) > 1e-10 for r, v in zip(relations, x, strict=True)])
    if not free.any():
        return x
    own = f[free]
    value, _ = _dual(x, f)
    for _ in range(NEWTON_STEPS):
        p = _weights(x, f)
        mean = dot(own, p)
        if np.abs(mean).max() < 1e-14:
            break
        spread = np.stack([dot(own, p * row) for row in own]) - np.outer(mean, mean)
        step = np.linalg.lstsq(spread, mean, rcond=1e-12)[0]
        size = 1.0
        while size > 1e-6:
            trial = x.copy()
            trial[free] += size * step
            signs_hold = all(
                r == "=" or (v >= 0 if r == "<=" else v <= 0) for r, v in zip(relations, trial, strict=True)
            )
            new_value, _ = _dual(trial, f)
            if signs_hold and new_value <= value + 1e-15:
                x, value = trial, new_value
                break
            size /= 2
        else:
            break
    return x


def _reachable(f: Array, relations: Sequence[str]) -> bool:
    """Whether some weights meet all constraints, by linear programming."""
    return _program(np.zeros(f.shape[1]), f, np.zeros(len(f)), relations) is not None


def _program(cost: Array, f: Array, b: Array, relations: Sequence[str]) -> float | None:
    """Least cost of weights under the constraints; None where there are none."""
    from scipy.optimize import linprog

    equal = np.array([r == "=" for r in relations], dtype=bool)
    sign = np.array([-1.0 if r == ">=" else 1.0 for r in relations])
    n = f.shape[1]
    out = linprog(
        cost,
        A_ub=(sign[:, None] * f)[~equal] if (~equal).any() else None,
        b_ub=(sign * b)[~equal] if (~equal).any() else None,
        A_eq=np.vstack([np.ones(n), f[equal]]), b_eq=np.append(1.0, b[equal]), bounds=(0, None), method="highs",
    )  # fmt: skip
    return float(out.fun) if out.status == 0 else None


def _report(rows: Array, targets: Array, relations: Sequence[str]) -> Unreachable:
    ranges, jointly = [], True
    for i in range(len(rows)):
        others = [j for j in range(len(rows)) if j != i]
        ends = []
        for sign in (1.0, -1.0):
            scale = np.maximum(rows.std(1), 1e-300)
            f = (rows[others] - targets[others, None]) / scale[others, None]
            least = _program(sign * rows[i], f, np.zeros(len(others)), [relations[j] for j in others])
            ends.append(None if least is None else sign * least)
        if None in ends:
            jointly = False
            ends = [float(rows[i].min()), float(rows[i].max())]
        ranges.append((float(ends[0] or 0.0), float(ends[1] or 0.0)))
    misses = []
    for i, (low, high) in enumerate(ranges):
        near = float(np.clip(targets[i], low, high))
        misses.append((abs(near - targets[i]) / max(rows[i].std(), 1e-300), i, near))
    worst = max(misses)
    return Unreachable(ranges, (worst[1], worst[2]) if worst[0] > 0 else None, jointly)
