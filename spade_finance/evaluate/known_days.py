# SPDX-License-Identifier: Apache-2.0
"""All labelled real days as one panel: the training days, then the window; for what the window alone is too short."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Material

LONGEST_HOLIDAY = pd.Timedelta(days=7)
"""Days further apart than this are not consecutive trading days."""


def known_days(material: Material) -> Panel:
    """Training days before the window, then the window, as one path (the window alone where that is all there is).

    A border lies between the two unless the window begins where the training days end. Needs codes.
    """
    real, past = material.real, material.training
    if past is None or past.codes is None or past.regimes != real.regimes or past.sectors != real.sectors:
        return real
    keep = _days_before(material)
    if not keep:
        return real
    codes = np.concatenate([np.asarray(past.codes)[:keep], np.asarray(real.codes)])
    earlier = np.broadcast_to(past.segments, past.simple.shape[1:2])[:keep]
    later = np.broadcast_to(real.segments, real.simple.shape[1:2]).astype(np.int64)
    later = later - later[0] + earlier[-1] + (0 if _consecutive(material, keep) else 1)
    simple = np.concatenate([past.simple[:, :keep], real.simple], axis=1)
    return Panel(simple, codes, np.concatenate([earlier, later]), real.sectors, real.regimes)


def known_dates(material: Material) -> pd.DatetimeIndex | None:
    """Dates of :func:`known_days`; None where they are not known."""
    if material.dates is None:
        return None
    if len(known_days(material).segments) == len(material.dates):
        return material.dates
    if material.training_dates is None:
        return None
    days = material.training_dates[: _days_before(material)].append(material.dates)
    return pd.DatetimeIndex(days)


def own_codes(material: Material) -> NDArray[np.int64] | None:
    """Every sector's own regime on the days of :func:`known_days`, (days, sectors); None where nobody can say.

    From the labels that ``material.label`` gives, else from the ``labeller_`` of the evaluated model.
    """
    dates = known_dates(material)
    if dates is None or not dates.is_unique:
        return None
    panel = known_days(material)
    returns = pd.DataFrame(panel.simple[0, :, 1:], index=dates.rename("date"), columns=list(panel.sectors))
    labels = None if material.label is None else material.label(returns)
    table = None if labels is None else labels.sector_labels
    if table is None:
        labeller: Any = getattr(next(iter(material.generators.values()), None), "labeller_", None)
        table = labeller.label_sectors(returns) if hasattr(labeller, "label_sectors") else None
    if table is None:
        return None
    position = {name: k for k, name in enumerate(panel.regimes)}
    rows = table.loc[dates, list(panel.sectors)].to_numpy(dtype=object)
    return np.array([[position[name] for name in row] for row in rows], dtype=np.int64)


def _days_before(material: Material) -> int:
    """Training days that lie before the window."""
    assert material.training is not None
    n_days = material.training.n_days
    if material.dates is None or material.training_dates is None:
        return n_days
    return min(n_days, int((material.training_dates < material.dates[0]).sum()))


def _consecutive(material: Material, keep: int) -> bool:
    if material.dates is None or material.training_dates is None:
        return False
    return bool(material.dates[0] - material.training_dates[keep - 1] <= LONGEST_HOLIDAY)
