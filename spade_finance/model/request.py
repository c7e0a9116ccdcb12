# SPDX-License-Identifier: Apache-2.0
"""One call of ``sample``: the script resolved, the start states found, chunks turned into scenario sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import InputError
from spade_finance.model.noise import TIMELINE_STREAM, path_generator
from spade_finance.model.sampling import StartVolatility, padded_days
from spade_finance.regimes.path_timelines import PathTimelines
from spade_finance.regimes.timeline import RegimeTimeline
from spade_finance.regimes.timeline_checks import check_severity

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.model.estimator import ScenarioGenerator
    from spade_finance.model.network import Conditions
    from spade_finance.model.tilt import Tilt
    from spade_finance.regimes.script_ast import Script
    from spade_finance.scenarios import ScenarioSet

BATCH_CHUNKS = 16
"""Chunks handed out together."""
MAX_PATHS = 1_000_000_000
START_LEVELS = (0.2, 5.0)
"""Volatility levels, in multiples of the long run, that a scenario may start from."""


@dataclass(frozen=True)
class SampleRequest:
    """What to sample; ``fixed`` is None when every path draws its own timeline from ``script`` or ``given``."""

    model: ScenarioGenerator
    n_paths: int
    seed: int
    fixed: RegimeTimeline | None
    script: Script | None
    given: PathTimelines | None
    history: Any
    start: StartVolatility
    dates: pd.DatetimeIndex | None
    n_days: int
    provenance: dict[str, Any]
    tilt: Tilt | None = None
    severities: NDArray[np.float64] | None = None
    """(K,) severity of drawn days by regime; None is 1."""

    @classmethod
    def make(
        cls,
        model: ScenarioGenerator,
        script: Any,
        n_paths: int,
        random_state: int | np.random.Generator,
        *,
        start: Any,
        start_vol: str | float,
        history: pd.DataFrame | None,
        extrapolate: bool,
    ) -> SampleRequest:
        """Check and resolve everything before any number is drawn."""
        import spade_finance
        from spade_finance.model.fitting import data_hash
        from spade_finance.regimes.script import parse_script
        from spade_finance.scenarios import business_days

        if (
            isinstance(n_paths, bool)
            or not isinstance(n_paths, int | np.integer)
            or not 1 <= n_paths <= MAX_PATHS
        ):
            raise InputError(f"n_paths={n_paths!r} must be a whole number from 1 to {MAX_PATHS}.")
        seed = _seed(random_state)
        regimes, sectors = model.regimes_, model.sectors_
        if history is not None:
            _check_history(history, sectors)
        fixed: RegimeTimeline | None = None
        parsed: Script | None = None
        given: PathTimelines | None = None
        past = None
        if isinstance(script, RegimeTimeline | PathTimelines):
            _check_known(script, regimes, sectors)
            if isinstance(script, RegimeTimeline):
                fixed = script
            else:
                given = script
                if given.n_paths < n_paths:
                    raise InputError(f"n_paths={n_paths} but the timelines are of {given.n_paths} paths.")
            n_days = script.n_days
        else:
            parsed = parse_script(script, regimes=regimes, sectors=sectors)
            if parsed.needs_history:
                past = model.history(history).timeline
            if not parsed.is_random:
                fixed = parsed.resolve(regimes, sectors, past)
            n_days = parsed.n_days(past)
        told = fixed if fixed is not None else given
        if told is None:
            assert parsed is not None
            told = parsed.resolve_paths(
                model.process_,
                [path_generator(seed, 0, TIMELINE_STREAM)],
                regimes=regimes,
                sectors=sectors,
                history=past,
            )
        check_severity(_asked_for(told, parsed, past), model.severity_range_, extrapolate)
        provenance = {
            "model_hash": model.hash_,
            "script": _text(parsed, told),
            "history": "the model's own" if history is None else f"data {data_hash(history)[:16]}",
            "seed": seed,
            "version": spade_finance.__version__,
            "start_vol": float(start_vol)
            if isinstance(start_vol, int | float | np.number)
            else str(start_vol),
            "timeline": told.digest() if fixed is not None or given is not None else "drawn per path",
        }
        dates = None if start is None else business_days(start, n_days)
        states = _start_volatility(model, start_vol, history)
        return cls(model, int(n_paths), seed, fixed, parsed, given, past, states, dates, n_days, provenance)

    def batches(
        self, *, progress: Callable[[int, int], None] | None = None, workers: int | None = None
    ) -> Iterator[ScenarioSet]:
        """Scenario sets of consecutive paths."""
        from spade_finance.scenarios import ScenarioSet

        sampler, size = self.model.sampler_, self.model.config_.chunk_paths
        sampler.patterns_at(self.severities)  # before the threads start
        n_chunks = -(-self.n_paths // size)
        job = self._fixed_job(sampler) if self.fixed is not None else self._drawn_job(sampler)
        returns: list[NDArray[np.float32]] = []
        codes: list[NDArray[np.int8]] = []
        done = 0
        for chunk, (y, label) in enumerate(sampler.run(n_chunks, job, workers=workers)):
            keep = min(size, self.n_paths - chunk * size)
            returns.append(y[:keep, : self.n_days])
            codes.append(label if label.ndim == 1 else label[:keep])
            if len(returns) == BATCH_CHUNKS or chunk == n_chunks - 1:
                first = done
                done += sum(len(r) for r in returns)
                yield ScenarioSet(
                    np.concatenate(returns), self.model.sectors_, self.model.regimes_,
                    codes[0] if codes[0].ndim == 1 else np.concatenate(codes),
                    dates=self.dates, provenance=self.provenance, paths=np.arange(first, done),
                )  # fmt: skip
                returns, codes = [], []
                if progress is not None:
                    progress(done, self.n_paths)

    def _fixed_job(self, sampler: Any) -> Callable[[int], tuple[NDArray[np.float32], NDArray[np.int8]]]:
        timeline = self.fixed
        assert timeline is not None
        pad = padded_days(self.n_days) - self.n_days
        weights = _pad(timeline.weights, pad)[None]
        conditions = sampler.condition(
            weights, _pad(timeline.severity, pad)[None], _pad(timeline.sector_weights, pad, 1)[None],
            _pad(timeline.sector_severity, pad, 1)[None],
        )  # fmt: skip
        codes = timeline.codes.astype(np.int8)
        return lambda chunk: (
            sampler.chunk(self.seed, chunk, weights, conditions, self.start, self.tilt),
            codes,
        )

    def _drawn_job(self, sampler: Any) -> Callable[[int], tuple[NDArray[np.float32], NDArray[np.int8]]]:
        size = self.model.config_.chunk_paths

        def job(chunk: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
            timelines = self._timelines(chunk * size, size)
            weights, conditions = self._drawn_conditions(sampler, timelines)
            returns = sampler.chunk(self.seed, chunk, weights, conditions, self.start, self.tilt)
            return returns, timelines.codes

        return job

    def _timelines(self, first: int, size: int) -> PathTimelines:
        if self.given is not None:
            rows = np.minimum(np.arange(first, first + size), self.given.n_paths - 1)
            return self.given._with(codes=self.given.codes[rows])
        assert self.script is not None
        generators = [path_generator(self.seed, path, TIMELINE_STREAM) for path in range(first, first + size)]
        model = self.model
        return self.script.resolve_paths(
            model.process_, generators, regimes=model.regimes_, sectors=model.sectors_, history=self.history
        )

    def _drawn_conditions(
        self, sampler: Any, timelines: PathTimelines
    ) -> tuple[NDArray[np.floating], Conditions]:
        pad = padded_days(self.n_days) - self.n_days
        weights = _pad(timelines.path_weights(), pad, 1)
        plain = (
            not timelines.sector_weights.any()
            and bool((timelines.severity == 1).all())
            and bool(((timelines.weights == 0) | (timelines.weights == 1)).all())
        )
        patterns = sampler.patterns_at(self.severities)
        if plain and patterns.usable:
            return weights, patterns.conditions(_pad(timelines.codes, pad, 1))
        n = len(weights)
        severity = np.repeat(_pad(timelines.severity, pad, 0)[None], n, axis=0)
        if self.severities is not None:
            drawn = np.broadcast_to(_pad(timelines.drawn, pad), severity.shape)
            severity = np.where(drawn, self.severities[_pad(timelines.codes, pad, 1)], severity)

        def shared(x: NDArray[np.floating], axis: int) -> NDArray[np.floating]:
            return np.repeat(_pad(x, pad, axis)[None], n, axis=0)

        return weights, sampler.condition(
            weights, severity, shared(timelines.sector_weights, 1),
            shared(timelines.sector_severity, 1),
        )  # fmt: skip


def _pad(x: NDArray[Any], days: int, axis: int = 0) -> NDArray[Any]:
    """Repeat the last day."""
    last = np.repeat(np.take(x, [-1], axis=axis), days, axis=axis)
    return np.concatenate([x, last], axis=axis)


def _seed(random_state: Any) -> int:
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if (
        isinstance(random_state, bool)
        or not isinstance(random_state, int | np.integer)
        or not 0 <= random_state < 2**64
    ):
        raise InputError(
            f"random_state={random_state!r} must be a whole number from 0 to 2**64 - 1, or a Generator."
        )
    return int(random_state)


def _check_history(history: Any, sectors: tuple[str, ...]) -> None:
    """Refuse a history of something else also where the script does not look back on it."""
    import pandas as pd

    from spade_finance.model.estimator import check_sectors

    if not isinstance(history, pd.DataFrame):
        raise InputError(f"history is {type(history).__name__}: pass a DataFrame of simple returns.")
    check_sectors([str(c) for c in history.columns], sectors, "history")


def _check_known(
    timeline: RegimeTimeline | PathTimelines, regimes: tuple[str, ...], sectors: tuple[str, ...]
) -> None:
    if tuple(timeline.regimes) != regimes:
        raise InputError(f"the timeline's regimes {timeline.regimes} are not the model's: {regimes}.")
    if tuple(timeline.sectors) != sectors:
        raise InputError(
            f"the timeline's sectors {timeline.sectors} are not the model's: {sectors}; build it with them."
        )


def _asked_for(
    timeline: RegimeTimeline | PathTimelines, script: Script | None, history: Any
) -> RegimeTimeline | PathTimelines:
    """The timeline with the severities of replayed days at 1: what history had needs nobody's leave."""
    from spade_finance.regimes.script_ast import Replay
    from spade_finance.regimes.script_resolve import segment_days

    if script is None or not any(isinstance(segment, Replay) for segment in script.segments):
        return timeline
    severity, day = timeline.severity.copy(), 0
    for segment in script.segments:
        n_days = segment_days(script, segment, history)
        if isinstance(segment, Replay):
            severity[day : day + n_days] = 1.0
        day += n_days
    return replace(timeline, severity=severity)


def _text(script: Script | None, timeline: RegimeTimeline | PathTimelines) -> str:
    if script is not None and not str(script).endswith(".csv"):
        return str(script)
    if isinstance(timeline, RegimeTimeline):
        try:
            return timeline.to_script()
        except InputError:
            pass
    return f"timeline {timeline.digest()}"


def _start_volatility(
    model: ScenarioGenerator, start_vol: str | float, history: pd.DataFrame | None
) -> StartVolatility:
    states = np.full(len(model.sectors_) + 3, np.nan)
    if start_vol == "long-run":
        return StartVolatility(states)
    if start_vol == "last":
        past = model.history(history)
        return StartVolatility(past.slow, past.bank)
    low, high = START_LEVELS
    if (
        isinstance(start_vol, bool)
        or not isinstance(start_vol, int | float | np.number)
        or not low <= start_vol <= high
    ):
        raise InputError(
            f"start_vol={start_vol!r} must be 'long-run', 'last', or a multiple of the long-run volatility level "
            f"from {low} to {high} (1 is the long run)."
        )
    states[0] = np.log(start_vol)
    return StartVolatility(states)
