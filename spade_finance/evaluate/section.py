# SPDX-License-Identifier: Apache-2.0
"""What a part of the scorecard is: it reads the `Material` of an evaluation and returns a `SectionResult`.

A new part is one file with one class; :mod:`.scorecard` lists them in the order of the page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.panel import Panel

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from spade_finance.regimes.timeline import RegimeTimeline


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that a section may read.

    Attributes
    ----------
    real : Panel
        The real window: one path, with its labels or without.
    floor : Panel
        Resamples of the real window under its own labels (see :mod:`.floor`): the real-against-real noise.
    columns : mapping of str to Panel
        The model (or the scenarios) first, then the baselines: replicates of about the window's length, drawn
        under the window's labels. All panels list the same sectors, the market in front.
    generators : mapping of str to object
        What drew the columns, by the same names, each with ``sample(timeline, n_paths, random_state)``. Empty
        when a scenario file is evaluated.
    training : Panel or None
        The days that the baselines learnt from, one path with labels; None where unknown.
    dates, training_dates : DatetimeIndex
        Of the window's and of the training days.
    label : callable or None
        ``label(returns) -> RegimeLabels``: the labeller of the model.
    seed : int
    """

    real: Panel
    floor: Panel
    columns: Mapping[str, Panel]
    generators: Mapping[str, Any] = field(default_factory=dict)
    training: Panel | None = None
    dates: pd.DatetimeIndex | None = None
    training_dates: pd.DatetimeIndex | None = None
    label: Any = None
    seed: int = 0

    def rng(self, *key: int) -> np.random.Generator:
        """Random numbers of one part of one section: the same seed and key give the same numbers."""
        return np.random.default_rng([self.seed, *key])

    def sample(
        self, column: str, timeline: RegimeTimeline | str, n_paths: int, *key: int
    ) -> NDArray[np.float64]:
        """Simple returns (n_paths, days, 1 + sectors), market first, drawn by the generator of a column."""
        seed = int(np.random.SeedSequence([self.seed, *key]).generate_state(1)[0])
        drawn = self.generators[column].sample(timeline, n_paths=n_paths, random_state=seed)
        simple = np.asarray(drawn.simple_array, dtype=np.float64)
        return np.concatenate([simple.mean(-1, keepdims=True), simple], axis=-1)


@dataclass(frozen=True)
class Exhibit:
    """One table or figure of the page, with the words that it needs.

    Exactly one of `table` (printed as it is: strings or numbers, the index shown) and `figure` is given.
    """

    title: str
    caption: str
    table: pd.DataFrame | None = None
    figure: Figure | None = None


@dataclass(frozen=True)
class SectionResult:
    """What a section found.

    Attributes
    ----------
    statistics : DataFrame
        Rows as in :class:`spade_finance.evaluate.compare.Comparison`: metric, group, regime, asset,
        horizon_days, unit, real, real_low, real_high, floor, then a value a column and ``<column>:se``.
    distances : DataFrame
        metric, group, regime, asset, horizon_days, unit, floor (the distance that the resampled real window
        has), then a distance a column, lower is better, never negative. Rows with a floor enter the score;
        rows whose floor is NaN are shown, not scored.
    exhibits : tuple of Exhibit
    findings : tuple of str
        Sentences for the summary, each traceable to a row or an exhibit. Losses as plainly as wins.
    notes : tuple of str
        What was left out and why.
    """

    statistics: pd.DataFrame = field(default_factory=pd.DataFrame)
    distances: pd.DataFrame = field(default_factory=pd.DataFrame)
    exhibits: tuple[Exhibit, ...] = ()
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Section(ABC):
    """One part of the scorecard.

    Attributes
    ----------
    name : str
        Short, one word or two joined by ``_``: the key in ``--sections`` and in the JSON.
    title : str
        Heading on the page.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def measure(self, material: Material) -> SectionResult:
        """Rows, exhibits and findings; raises nothing where data are too few, but says so in a note."""
