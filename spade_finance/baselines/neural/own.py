# SPDX-License-Identifier: Apache-2.0
"""[spade], [concat], [concat_layers], [film], [tables], [unconditional]: our own model and its ablations.

What each name means stands in :mod:`spade_finance.model.ablations`. Here they get a baseline's interface and the
cache: trained once on the baselines' days, with the quick preset unless told otherwise. Unlike other baselines they
read whatever our model reads: blends, severities, and sectors' own timelines.
"""

from __future__ import annotations

import os
import shutil
import signal
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from spade_finance.baselines.asked import check_codes
from spade_finance.baselines.base import Baseline
from spade_finance.baselines.neural.base import Progress
from spade_finance.baselines.neural.cache import Entry, identity_of
from spade_finance.exceptions import ConvergenceWarning, InputError, ModelError
from spade_finance.model.ablations import make_ablation
from spade_finance.model.estimator import ScenarioGenerator

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels
    from spade_finance.regimes.history import History
    from spade_finance.scenarios import ScenarioSet

CODE = (
    "spade_core",
    "spade_finance.model",
    "spade_finance.regimes.severity",
    "spade_finance.windows",
)


class OwnModel(Baseline):
    """Our generator in one of its variants, as a baseline.

    Parameters
    ----------
    arm : str
        A key of :data:`spade_finance.model.ablations.ABLATIONS`.
    preset : {"quick", "default", "large"}
    random_state : int
        Seed of training; the same seed gives every arm the same windows.
    changes : mapping, optional
        Fields of :class:`~spade_finance.model.config.GeneratorConfig` that differ from the preset.
    max_minutes : float, optional
        Limit on training time.
    cache, cache_dir
        Keep the training and take it from there; in this folder (default: the user's cache).

    Attributes
    ----------
    model_ : ScenarioGenerator
    training_ : dict
        How training ended, and whether it came from the cache.
    """

    model_: ScenarioGenerator
    training_: dict[str, Any]

    def __init__(
        self,
        arm: str = "spade",
        *,
        preset: str = "quick",
        random_state: int = 0,
        changes: Mapping[str, Any] | None = None,
        max_minutes: float | None = None,
        cache: bool = True,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.arm = arm
        self.preset = preset
        self.random_state = random_state
        self.changes = changes
        self.max_minutes = max_minutes
        self.cache = cache
        self.cache_dir = cache_dir

    @property
    def name(self) -> str:  # type: ignore[override]
        """Registry name."""
        return self.arm

    def fit(self, returns: pd.DataFrame, labels: RegimeLabels, *, progress: Progress | None = None) -> Self:
        """Train, or take the training from the cache.

        Parameters
        ----------
        returns : DataFrame (days, sectors)
            Decimal simple returns.
        labels : RegimeLabels
            Labels of at least those days; with sectors' own labels the model learns what they do.
        progress : callable, optional
            Receives every :class:`spade_core.trainer.Tick`; returning True stops the training, which is then used
            as it is and not kept.
        """
        self._given = returns, labels, progress
        try:
            return super().fit(returns, labels)
        finally:
            del self._given

    def _fit(self) -> None:
        returns, labels, progress = self._given
        returns = returns.set_axis(list(self.sectors_), axis=1)
        model = make_ablation(self.arm, self.preset, self.random_state, **(self.changes or {}))
        entry = (
            Entry(self.name, self._identity(model, returns, labels), self.cache_dir) if self.cache else None
        )
        kept = None if entry is None else _load(entry)
        if kept is not None:
            self.model_ = kept
        else:
            state = None if entry is None else entry.unfinished
            model.fit(
                returns,
                labels,
                progress=progress or False,
                max_minutes=self.max_minutes,
                checkpoint_dir=state,
                resume=entry is not None and entry.state_path.is_file(),
            )
            reason, message = model.training_result_["reason"], model.training_result_["message"]
            if reason == "signal":
                signal.raise_signal(signal.SIGTERM if "SIGTERM" in message else signal.SIGINT)
                raise KeyboardInterrupt(message)
            if reason == "diverged":
                warnings.warn(f"{self.name}: {message}", ConvergenceWarning, stacklevel=4)
            if entry is not None and reason in ("finished", "time"):
                _store(model, entry)
            self.model_ = model
        self.training_ = {
            **self.model_.training_result_,
            "curve": self.model_.curve_,
            "cached": kept is not None,
        }

    def _identity(
        self, model: ScenarioGenerator, returns: pd.DataFrame, labels: RegimeLabels
    ) -> dict[str, Any]:
        from spade_finance.model.fitting import data_hash

        codes: list[Any] = [self.codes_]
        if labels.sector_codes is not None:
            codes.append(labels.sector_codes.loc[returns.index, list(self.sectors_)].to_numpy())
        settings = {
            "config": model.config.to_dict(), "max_minutes": self.max_minutes, "dates": data_hash(returns)
        }  # fmt: skip
        return identity_of(
            self.name,
            settings,
            self.random_state,
            self.log_returns_,
            codes,
            (self.regimes_, self.sectors_),
            CODE,
        )

    def sample(
        self,
        script: Any,
        n_paths: int = 1000,
        random_state: int | np.random.Generator | None = None,
        *,
        start: str | pd.Timestamp | None = None,
        start_vol: str | float = "long-run",
        history: History | None = None,
        extrapolate: bool = False,
    ) -> ScenarioSet:
        """Draw `n_paths` scenarios; parameters as in :meth:`spade_finance.baselines.base.Baseline.sample`."""
        self._check(n_paths)
        rng = np.random.default_rng(random_state)
        seed = int(random_state) if isinstance(random_state, int | np.integer) else int(rng.integers(2**31))
        wanted = self._timeline(script, int(n_paths), rng, history)
        drawn = self.model_.sample(
            wanted, int(n_paths), seed, start=start, start_vol=start_vol, extrapolate=extrapolate
        )
        return self._named(drawn)

    def sample_batches(
        self,
        script: Any,
        n_paths: int = 1000,
        random_state: int = 0,
        *,
        start: str | pd.Timestamp | None = None,
        start_vol: str | float = "long-run",
        history: History | None = None,
        extrapolate: bool = False,
    ) -> Iterator[ScenarioSet]:
        """As :meth:`sample`, in batches; path i is the same for any `n_paths`, and the one of :meth:`sample`."""
        self._check(n_paths)
        rng = np.random.default_rng(random_state)
        wanted = self._timeline(script, int(n_paths), rng, history)
        for drawn in self.model_.sample_batches(
            wanted, int(n_paths), int(random_state), start=start, start_vol=start_vol, extrapolate=extrapolate
        ):
            yield self._named(drawn)

    def _named(self, drawn: ScenarioSet) -> ScenarioSet:
        drawn.provenance.update(model=self.name, settings=self.settings(), content=self.model_.hash_)
        return drawn

    def settings(self) -> dict[str, Any]:
        """Settings that the result depends on."""
        return {k: v for k, v in super().settings().items() if k not in ("cache", "cache_dir")}

    def _timeline(self, script: Any, n_paths: int, rng: np.random.Generator, history: History | None) -> Any:
        """What our model takes: text, a timeline, or a timeline a path."""
        from spade_finance.regimes.path_timelines import PathTimelines
        from spade_finance.regimes.script import parse_script
        from spade_finance.regimes.timeline import RegimeTimeline

        regimes, sectors = self.regimes_, self.sectors_
        if isinstance(script, str):
            parsed = parse_script(script, regimes=regimes, sectors=sectors)
            past = self.history_ if history is None else history
            if not parsed.is_random:
                return parsed.resolve(regimes, sectors, past)
            if not parsed.needs_history:
                return script
            return parsed.resolve_paths(
                self.model_.process_, rng.spawn(n_paths), regimes=regimes, sectors=sectors, history=past
            )
        if isinstance(script, RegimeTimeline | PathTimelines):
            return script
        codes = np.asarray(script)
        if codes.dtype.kind not in "iu":
            raise InputError("script must be text, a RegimeTimeline or an array of integer regime codes")
        check_codes(codes, n_paths, regimes, self.codes_, f"[{self.name}]")
        if codes.ndim == 1:
            return RegimeTimeline.from_codes(codes, regimes, sectors)
        n_days, n_regimes, n_sectors = codes.shape[1], len(regimes), len(sectors)
        return PathTimelines(
            regimes,
            codes.astype(np.int8),
            np.zeros((n_days, n_regimes)),
            np.ones(n_days),
            sectors,
            np.zeros((n_sectors, n_days, n_regimes)),
            np.ones((n_sectors, n_days)),
        )


def _load(entry: Entry) -> ScenarioGenerator | None:
    if not entry.path.exists():
        return None
    try:
        return ScenarioGenerator.load(entry.path)
    except ModelError as error:
        entry.say_damaged(error)
        return None


def _store(model: ScenarioGenerator, entry: Entry) -> None:
    try:
        if entry.path.is_dir():
            shutil.rmtree(entry.path)
        model.save(entry.path)
    except OSError as error:
        if not entry.path.is_dir():
            entry.say_not_kept(error)
    entry.forget_state()
