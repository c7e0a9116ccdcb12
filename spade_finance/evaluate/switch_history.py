# SPDX-License-Identifier: Apache-2.0
"""Given changes of regime of a real panel, drawn again by generators under the labels that led to them.

For changes that the window has too few of (:func:`in_all_days`: these days are part of what everyone learnt from,
shown beside the window, never scored) and for withheld ones (:mod:`.withheld`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.evaluate.facts import stretches
from spade_finance.evaluate.known_days import known_days
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Material
from spade_finance.evaluate.switch import BEFORE, OFFSETS, Switches, find_events, kind_of
from spade_finance.exceptions import InputError
from spade_finance.regimes.timeline import RegimeTimeline

Array = NDArray[np.float64]
Event = tuple[int, int, int]

LEAD_DAYS = 40
"""Days drawn before a change's window, so that what a generator remembers of its script has come and gone."""
N_PATHS = 64
MOST_EVENTS = 40
STREAM = 410


def changes(panel: Panel, wanted: Callable[[int, int], bool]) -> list[Event]:
    """Changes of a one-path panel as :func:`.switch.find_events` gives them, those with ``wanted(old, new)``."""
    codes = np.asarray(panel.codes)
    found = find_events(codes, np.broadcast_to(panel.segments, codes.shape))
    return [e for e in found if wanted(int(codes[e[0] - 1]), int(codes[e[0]]))]


def real_events(panel: Panel, found: list[Event]) -> Switches:
    """The real returns around changes, (1, events, 30, 1 + sectors)."""
    out = _empty(panel, found, 1)
    for i, (day, first, last) in enumerate(found):
        out.returns[:, i, first - day + BEFORE : last - day + BEFORE] = panel.simple[:, first:last]
    return out


def drawn_events(
    panel: Panel, found: list[Event], draw: Callable[[RegimeTimeline, int], Array], n_paths: int
) -> Switches:
    """The same changes drawn anew.

    Parameters
    ----------
    draw : callable
        ``draw(timeline, i)`` -> simple returns (n_paths, days, 1 + sectors), market first, for event i.
    """
    out = _empty(panel, found, n_paths)
    codes = np.asarray(panel.codes)
    first_of = _stretch_starts(np.broadcast_to(panel.segments, codes.shape))
    for i, (day, first, last) in enumerate(found):
        begin = max(int(first_of[day]), day - BEFORE - LEAD_DAYS)
        timeline = RegimeTimeline.from_codes(codes[begin:last], panel.regimes, panel.sectors)
        at = slice(first - day + BEFORE, last - day + BEFORE)
        out.returns[:, i, at] = draw(timeline, i)[:, first - begin :]
    return out


def in_all_days(
    material: Material, kinds: set[int], notes: list[str]
) -> tuple[Switches, dict[str, Switches]]:
    """Changes of some kinds in training days and window: the real ones, and those that each generator draws.

    Parameters
    ----------
    kinds : set of int
        Positions in :data:`~.switch.KINDS`.
    notes : list of str
        Receives the names of generators that cannot draw a regime.

    Returns
    -------
    real : Switches
        At most :data:`MOST_EVENTS` events, evenly chosen.
    columns : mapping of str to Switches
        :data:`N_PATHS` paths of every generator.
    """
    panel = known_days(material)
    n_regimes = len(panel.regimes)
    found = changes(panel, lambda old, new: kind_of(old, new, n_regimes) in kinds)
    if len(found) > MOST_EVENTS:
        found = [found[i] for i in np.linspace(0, len(found) - 1, MOST_EVENTS).astype(int)]
    columns: dict[str, Switches] = {}
    for name in material.generators:

        def draw(timeline: RegimeTimeline, i: int, name: str = name) -> Array:
            return material.sample(name, timeline, N_PATHS, STREAM, i)

        try:
            columns[name] = drawn_events(panel, found, draw, N_PATHS)
        except InputError as error:
            notes.append(f"{name} has no curves over training days: {error}")
    return real_events(panel, found), columns


def _empty(panel: Panel, found: list[Event], n_paths: int) -> Switches:
    codes = np.asarray(panel.codes)
    pair = np.array([[codes[day - 1], codes[day]] for day, _, _ in found], dtype=np.int8).reshape(-1, 2)
    kind = np.array([kind_of(int(a), int(b), len(panel.regimes)) for a, b in pair], dtype=np.int8)
    shape = (n_paths, len(found), len(OFFSETS), panel.simple.shape[2])
    return Switches(
        np.full(shape, np.nan),
        np.broadcast_to(kind, shape[:2]),
        np.broadcast_to(pair, (*shape[:2], 2)),
    )


def _stretch_starts(segments: NDArray[Any]) -> NDArray[np.intp]:
    """First day of the stretch that each day lies in, (days,)."""
    number = stretches(segments)
    starts = np.flatnonzero(np.concatenate([[True], number[1:] != number[:-1]]))
    return starts[number]
