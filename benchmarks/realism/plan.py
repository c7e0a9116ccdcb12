# SPDX-License-Identifier: Apache-2.0
"""What is compared with what: panels, splits, crises, columns, and the shards that all of it is cut into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parents[2]

OURS = ("spade", "concat", "concat_layers", "film", "unconditional", "spade_bare", "concat_bare")
"""Our generator and what it loses when the map reaches it otherwise; ``_bare``: the trunk alone must carry the map,
without per-regime statistics in the head."""
ON_CHANGES = ("spade", "concat_layers", "spade_bare", "concat_bare")
NEURAL = ("timevae", "tcn_gan", "diffusion")
SEEDS = 5


@dataclass(frozen=True)
class Split:
    """Train up to a day, test from the next one on."""

    panel: str
    until: str
    test_until: str | None = None
    seeds: int = 1

    @property
    def name(self) -> str:
        return f"{self.panel}-{self.until[:4]}"


@dataclass(frozen=True)
class Crisis:
    """Days that nothing is learnt from, and whose labels are then asked for."""

    panel: str
    name: str
    first: str
    last: str


@dataclass(frozen=True)
class Change:
    """A direct change between regimes that the training days of a split are to be without."""

    split: Split
    source: tuple[str, ...]
    target: tuple[str, ...]


SPLITS = (
    Split("embedded", "2012-12-31", seeds=SEEDS),
    Split("kf10", "1962-12-31", "1979-12-31"),  # a window apart from the next one's, and of a like length
    Split("kf10", "1998-12-31"),
)
RECENT = (
    ("2000-02", "2000-03-01", "2003-03-31"),
    ("2008-09", "2007-10-01", "2009-06-30"),
    ("2011", "2011-07-01", "2011-12-30"),
    ("2020", "2020-02-18", "2020-06-30"),
)
OLDER = (
    ("1929-33", "1929-09-01", "1933-07-31"),
    ("1937", "1937-08-01", "1938-06-30"),
    ("1962", "1962-04-01", "1962-11-30"),
    ("1973-74", "1973-10-01", "1974-12-31"),
    ("1987", "1987-10-01", "1988-01-31"),
)
CRISES = (
    *(Crisis("embedded", *c) for c in RECENT),
    *(Crisis("kf10", *c) for c in (*OLDER, *RECENT)),
)
CHANGES = (
    Change(SPLITS[0], ("bull", "sideways"), ("crisis",)),
    Change(SPLITS[2], ("bull",), ("bear",)),
)
"""Rare enough to be withheld, and with enough days of the target regime left to learn it from."""
SHARED_PANELS = {"kf10": "data/kf10_daily.csv.gz"}


class MissingPanelError(Exception):
    """Data that may not travel with the project are not beside it."""


@lru_cache(maxsize=2)
def returns_of(panel: str) -> pd.DataFrame:
    """Decimal simple returns of a panel."""
    import spade_finance as sf

    if panel == "embedded":
        return sf.load_sectors()
    folder = Path(os.environ.get("SPADE_SHARED", ROOT.parent / "shared"))
    file = folder / SHARED_PANELS[panel]
    if not file.is_file():
        raise MissingPanelError(
            f"panel {panel!r} is not in {folder}: set SPADE_SHARED to the folder that holds {SHARED_PANELS[panel]}"
        )
    return sf.read_returns(file)


@dataclass(frozen=True)
class Shard:
    """One piece of work with a file of its own: ``fit`` a column, ``score`` columns, a whole ``crisis``, ``change``."""

    kind: str
    what: Split | Crisis | Change
    columns: tuple[str, ...]
    seed: int = 0

    @property
    def name(self) -> str:
        if isinstance(self.what, Crisis):
            return f"crisis-{self.what.panel}-{self.what.name}"
        if isinstance(self.what, Change):
            return f"change-{self.what.split.name}"
        columns = (
            self.columns[0] if len(self.columns) == 1 else f"{self.columns[0]}-and-{len(self.columns) - 1}"
        )
        return f"{self.kind}-{self.what.name}-{columns}-s{self.seed}"


def shards(panels: tuple[str, ...]) -> Iterator[Shard]:
    """All shards in the order in which they should run: fits, then scores, changes and crises."""
    from spade_finance.baselines import baseline_names

    standard = baseline_names("standard")
    splits = [s for s in SPLITS if s.panel in panels]
    for split in splits:
        for seed in range(split.seeds):
            for column in OURS:
                yield Shard("fit", split, (column,), seed)
        for column in NEURAL:
            yield Shard("fit", split, (column,))
    for split in splits:
        yield Shard("score", split, ("spade", *standard))
        yield Shard("score", split, NEURAL)
        for seed in range(split.seeds):
            yield Shard("score", split, OURS, seed)
        if split.panel == "embedded":
            yield Shard("score", split, ("default",))
    for change in CHANGES:
        if change.split.panel in panels:
            yield Shard("change", change, (*ON_CHANGES, "block_bootstrap", "fhs"))
    for crisis in CRISES:
        if crisis.panel in panels:
            yield Shard("crisis", crisis, ("spade", "concat_layers", *standard))
