# SPDX-License-Identifier: Apache-2.0
r"""FRTB-style expected shortfall: ten-day shocks, cascaded over liquidity horizons (Basel MAR33.4-33.5).

.. math:: ES = \sqrt{ES_T(P)^2 + \sum_{j \ge 2} \left( ES_T(P, j)
               \sqrt{\frac{LH_j - LH_{j-1}}{T}} \right)^2}, \qquad T = 10,\; LH = 10, 20, 40, 60, 120

:math:`ES_T(P, j)` shocks only the positions whose liquidity horizon is at least :math:`LH_j`, all others
standing still. Confidence is 97.5 %, shocks are overlapping ten-day returns, positions are held over the ten
days.

**Horizons.** MAR33.12 gives equity prices of large firms 10 days and of small ones 20. The sectors of the
embedded data are groups of the largest US firms: 10. A sector that this table does not know counts as small:
20. A bank's own table overrides both.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.stress.measures import NONE, Estimate, Sample, influence_error

BASE_DAYS = 10
LADDER = (10, 20, 40, 60, 120)
LEVEL = 0.975
LARGE_CAP_DAYS, OTHER_DAYS = 10, 20
LARGE_CAPS = frozenset(
    {"InfoTech", "Financials", "ConsDisc", "ConsStaples", "Energy", "HealthCare", "Industrials"}
)

Vector = NDArray[np.float64]

__all__ = ["LADDER", "LEVEL", "cascade_es", "liquidity_days", "read_liquidity", "rungs", "ten_day_shocks"]


def liquidity_days(sectors: Sequence[str], table: Mapping[str, int] | None = None) -> dict[str, int]:
    """Liquidity horizon of each sector, days.

    Raises
    ------
    InputError
        If `table` names no sector or a horizon that is none of :data:`LADDER`.
    """
    out = {name: LARGE_CAP_DAYS if name in LARGE_CAPS else OTHER_DAYS for name in sectors}
    for name, days in (table or {}).items():
        if name not in out:
            raise InputError(f"liquidity: {name!r} is no sector; known are {', '.join(sectors)}")
        if days not in LADDER:
            raise InputError(
                f"liquidity: {name!r} has {days!r} days; the rule knows {', '.join(map(str, LADDER))}"
            )
        out[name] = int(days)
    return out


def read_liquidity(path: str | os.PathLike[str]) -> dict[str, int]:
    """Read a table of liquidity horizons: CSV with columns ``asset,days``."""
    file = Path(path)
    try:
        rows = [row for row in csv.reader(file.read_text(encoding="utf-8-sig").splitlines()) if any(row)]
    except FileNotFoundError:
        raise InputError(f"liquidity {file} does not exist: check the name and the folder") from None
    except (OSError, UnicodeDecodeError):
        raise InputError(f"liquidity {file}: cannot be read as UTF-8 CSV") from None
    if not rows or [cell.strip().lower() for cell in rows[0]] != ["asset", "days"]:
        raise InputError(f"liquidity {file}: the first line must be 'asset,days'")
    out: dict[str, int] = {}
    for row in rows[1:]:
        if len(row) != 2 or not row[1].strip().isdigit():
            raise InputError(
                f"liquidity {file}: {','.join(row)!r} is not asset,days with a whole number of days"
            )
        if row[0].strip() in out:
            raise InputError(f"liquidity {file}: {row[0].strip()!r} stands twice")
        out[row[0].strip()] = int(row[1])
    return out


def ten_day_shocks(days: Vector) -> Vector | None:
    """Simple returns (T - 9, S, n) of every ten days of (T, S, n); None if there are fewer days."""
    if len(days) < BASE_DAYS:
        return None
    level = np.cumsum(np.log1p(np.maximum(days, -1 + 1e-12)), axis=0)
    level = np.concatenate([np.zeros_like(level[:1]), level])
    return np.asarray(np.expm1(level[BASE_DAYS:] - level[:-BASE_DAYS]))


def cascade_es(
    losses: Mapping[int, NDArray[np.floating]],
    clusters: NDArray[np.integer],
    n_clusters: int,
    level: float = LEVEL,
) -> Estimate:
    """The cascade from losses (N,) of each rung: ``{10: all positions, 20: those of 20 days or more, ...}``.

    The standard error is clustered and follows from the rungs' influence functions (delta method).
    """
    total, influence = 0.0, np.zeros(n_clusters)
    for j, rung in enumerate(LADDER):
        if rung not in losses:
            break
        factor = 1.0 if j == 0 else (rung - LADDER[j - 1]) / BASE_DAYS
        part = Sample(losses[rung], clusters, n_clusters).es(level)
        if part.influence is None:
            return NONE
        total += factor * part.value**2
        influence += factor * part.value * part.influence
    if total <= 0:
        return NONE
    value = float(np.sqrt(total))
    return Estimate(value, influence_error(influence / value, len(np.unique(clusters))))


def rungs(weights: Vector, days: Sequence[int]) -> dict[int, Vector]:
    """Weights that each rung shocks, from the sectors' horizons; rungs without a position are left out."""
    horizon = np.asarray(days)
    out = {}
    for rung in LADDER:
        part = np.where(horizon >= rung, weights, 0.0)
        if rung == LADDER[0] or part.any():
            out[rung] = part
    return out
