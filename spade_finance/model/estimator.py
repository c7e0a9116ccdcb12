# SPDX-License-Identifier: Apache-2.0
"""`ScenarioGenerator`: fit on returns and regimes, sample under a script, save and load."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spade_finance.exceptions import InputError
from spade_finance.model.config import GeneratorConfig, preset

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from spade_core.trainer import Tick
    from spade_finance.model.labelled import TypicalVolatility
    from spade_finance.model.network import ScenarioNetwork
    from spade_finance.model.sampling import Sampler
    from spade_finance.model.start import StartStatistics
    from spade_finance.model.state import ModelHistory
    from spade_finance.model.tilt import TiltedScenarios
    from spade_finance.regimes import RegimeLabels, RegimeTimeline, Script
    from spade_finance.regimes.base import BaseRegimes
    from spade_finance.regimes.path_timelines import PathTimelines
    from spade_finance.regimes.process import SemiMarkovProcess
    from spade_finance.scenarios import ScenarioSet


class ScenarioGenerator:
    """Regime-conditioned generator of correlated daily sector returns.

    Parameters
    ----------
    preset : {"quick", "default", "large"}
        Size and length of training; ``quick`` is a matter of minutes on two cores.
    random_state : int
        Seed of training.
    **changes
        Fields of :class:`~spade_finance.model.config.GeneratorConfig` that differ from the preset.

    Attributes
    ----------
    regimes_, sectors_ : tuple of str
    labeller_ : BaseRegimes or None
        None when the generator was fitted on labels from a file.
    process_ : SemiMarkovProcess
    severity_range_ : (float, float)
        Trained range of episode severities.
    training_window_ : (Timestamp, Timestamp)
    curve_ : list of dict
        The training curve, one row a tick.
    hash_ : str
        Content hash of the model; empty until it is fitted or loaded.

    Examples
    --------
    >>> import spade_finance as sf
    >>> model = sf.ScenarioGenerator.load("default")
    >>> model.sample("bull:60,crisis:20", n_paths=3, random_state=7).n_days
    80
    """

    regimes_: tuple[str, ...]
    sectors_: tuple[str, ...]
    labeller_: Any
    process_: SemiMarkovProcess
    typical_: TypicalVolatility
    network_: ScenarioNetwork
    start_: StartStatistics
    severity_range_: tuple[float, float]
    severity_table_: pd.DataFrame
    training_window_: tuple[pd.Timestamp, pd.Timestamp]
    n_training_days_: int
    data_hash_: str
    training_result_: dict[str, Any]
    curve_: list[dict[str, Any]]
    regime_summary_: list[dict[str, Any]]
    embedded_history_: bool
    hash_: str
    _history: ModelHistory | None
    _sampler: Sampler | None

    def __init__(self, preset: str = "default", random_state: int = 0, **changes: Any) -> None:
        self.preset, self.random_state, self.changes = preset, random_state, changes

    # -- parameters, as scikit-learn wants them -------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor parameters."""
        return {"preset": self.preset, "random_state": self.random_state, **self.changes}

    def set_params(self, **params: Any) -> ScenarioGenerator:
        """Change constructor parameters."""
        for name, value in params.items():
            if name in ("preset", "random_state"):
                setattr(self, name, value)
            else:
                self.changes = {**self.changes, name: value}
        return self

    def __sklearn_clone__(self) -> ScenarioGenerator:
        return ScenarioGenerator(**self.get_params())

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.get_params().items())
        if not self._fitted:
            return f"ScenarioGenerator({shown})"
        first, last = self.training_window_
        return (
            f"ScenarioGenerator({shown}; {len(self.sectors_)} sectors, regimes {', '.join(self.regimes_)}, "
            f"trained on {first:%Y-%m-%d}..{last:%Y-%m-%d}, model {self.hash_[:12]})"
        )

    @property
    def config(self) -> GeneratorConfig:
        """The preset with the changes applied: what :meth:`fit` will use."""
        return preset(self.preset, **self.changes)

    @property
    def config_(self) -> GeneratorConfig:
        """What the fitted network is made of."""
        return self.network_.config

    @property
    def _fitted(self) -> bool:
        return hasattr(self, "network_")

    def _check_fitted(self) -> None:
        if not self._fitted:
            raise InputError(
                "this ScenarioGenerator is not fitted; call fit(...) or ScenarioGenerator.load(...)."
            )

    # -- training -------------------------------------------------------------------------------------------------

    def fit(
        self,
        returns: pd.DataFrame,
        labels: BaseRegimes | RegimeLabels | None = None,
        *,
        progress: bool | Callable[[Tick], bool | None] = False,
        max_minutes: float | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        exclude: Sequence[tuple[Any, Any]] = (),
    ) -> ScenarioGenerator:
        """Train.

        Parameters
        ----------
        returns : DataFrame (days, sectors)
            Daily simple returns in decimals. Everything is fitted on these rows only.
        labels : labeller or RegimeLabels, optional
            A labeller (fitted on these returns if it is not yet), or given labels; default
            :class:`~spade_finance.regimes.JumpRegimes`.
        progress : bool or callable
            True prints a line a tick; a callable receives every :class:`spade_core.trainer.Tick` and may return
            True to stop.
        max_minutes : float, optional
            Stop training after so many minutes, with the best weights so far.
        checkpoint_dir : path, optional
            Where the training state is kept; with ``resume`` an interrupted training continues from it and ends
            with the weights of an uninterrupted one, bit for bit.
        exclude : sequence of (first day, last day)
            Spans that nothing is learnt from: no statistic, no window within 60 days of them, no labeller that is
            fitted here. For leave-one-crisis-out tests.

        Raises
        ------
        InputError
            Returns or labels that cannot be used.
        """
        from spade_finance.model.fitting import fit_generator

        return fit_generator(
            self, returns, labels, progress=progress, max_minutes=max_minutes, checkpoint_dir=checkpoint_dir,
            resume=resume, exclude=exclude,
        )  # fmt: skip

    # -- sampling -------------------------------------------------------------------------------------------------

    def sample(
        self,
        script: str | Script | RegimeTimeline | PathTimelines,
        n_paths: int = 1000,
        random_state: int | np.random.Generator = 0,
        *,
        start: str | pd.Timestamp | None = None,
        start_vol: str | float = "long-run",
        history: pd.DataFrame | None = None,
        extrapolate: bool = False,
        progress: Callable[[int, int], None] | None = None,
        workers: int | None = None,
    ) -> ScenarioSet:
        """Draw paths under a regime script.

        Parameters
        ----------
        script : str, Script, RegimeTimeline or PathTimelines
            See the grammar in :mod:`spade_finance.regimes.script`.
        n_paths : int
        random_state : int or Generator
            The seed; path i of a seed is the same path whatever ``n_paths``. A Generator draws one.
        start : date, optional
            Date of step 0; business days follow.
        start_vol : {"long-run", "last"} or float
            Slow states on day 0: drawn from their stationary law; as the history left them; or the common
            volatility level at this multiple of its long-run value (the other states drawn).
        history : DataFrame, optional
            Simple returns that ``now``, replays and ``start_vol="last"`` look back on; default the model's own.
        extrapolate : bool
            Allow severities beyond the trained range.
        progress : callable, optional
            Called with (paths done, paths in all).
        workers : int, optional
            Threads; default one a core. The result does not depend on it.

        Returns
        -------
        ScenarioSet
        """
        from spade_finance.scenarios import ScenarioSet

        batches = list(
            self.sample_batches(
                script, n_paths, random_state, start=start, start_vol=start_vol, history=history,
                extrapolate=extrapolate, progress=progress, workers=workers,
            )
        )  # fmt: skip
        if len(batches) == 1:
            return batches[0]
        first = batches[0]
        codes = first.codes if first.codes.ndim == 1 else np.concatenate([b.codes for b in batches])
        return ScenarioSet(
            np.concatenate([b.log_array for b in batches]), first.sectors, first.regimes, codes,
            dates=first.dates, provenance=first.provenance,
        )  # fmt: skip

    def sample_batches(
        self,
        script: str | Script | RegimeTimeline | PathTimelines,
        n_paths: int,
        random_state: int | np.random.Generator = 0,
        *,
        start: str | pd.Timestamp | None = None,
        start_vol: str | float = "long-run",
        history: pd.DataFrame | None = None,
        extrapolate: bool = False,
        progress: Callable[[int, int], None] | None = None,
        workers: int | None = None,
    ) -> Iterator[ScenarioSet]:
        """As :meth:`sample`, in batches of consecutive paths: memory stays bounded for any number of paths."""
        from spade_finance.model.request import SampleRequest

        self._check_fitted()
        request = SampleRequest.make(
            self, script, n_paths, random_state, start=start, start_vol=start_vol, history=history,
            extrapolate=extrapolate,
        )  # fmt: skip
        return request.batches(progress=progress, workers=workers)

    def sample_tilted(
        self,
        script: str | Script | RegimeTimeline | PathTimelines,
        n_paths: int = 1000,
        random_state: int | np.random.Generator = 0,
        *,
        shift: float | Sequence[float] | NDArray[np.float64] = 0.0,
        weights: Mapping[str, float] | Sequence[float] | None = None,
        severity: Mapping[str, float] | Sequence[float] | None = None,
        start: str | pd.Timestamp | None = None,
        start_vol: str | float = "long-run",
        history: pd.DataFrame | None = None,
        extrapolate: bool = False,
        progress: Callable[[int, int], None] | None = None,
        workers: int | None = None,
    ) -> TiltedScenarios:
        """Draw paths pushed toward losses, with the weights that take the push out again.

        Parameters
        ----------
        shift : float or (n_paths,) numbers
            How far along the direction of loss, in standard deviations of the whole path's common factor; 0 gives
            the paths of :meth:`sample`, byte for byte. See :mod:`spade_finance.model.tilt`.
        weights : mapping of sector to weight, or S numbers, optional
            Portfolio whose loss sets the direction; default the equal-weight market.
        severity : mapping of regime to severity, or K numbers, optional
            Severity of the days that a path draws; default 1.
        script, n_paths, random_state, start, start_vol, history, extrapolate, progress, workers
            As in :meth:`sample`.

        Returns
        -------
        TiltedScenarios
            ``scenarios``; ``log_weights`` (n_paths,), the log likelihood ratio nominal over tilted.

        Raises
        ------
        InputError
            What :meth:`sample` refuses; a shift, weights or severities that cannot be used.
        """
        from spade_finance.model.request import SampleRequest
        from spade_finance.model.tilt import TiltedScenarios, tilted_request
        from spade_finance.scenarios import ScenarioSet

        self._check_fitted()
        request = SampleRequest.make(
            self, script, n_paths, random_state, start=start, start_vol=start_vol, history=history,
            extrapolate=extrapolate,
        )  # fmt: skip
        request = tilted_request(request, shift, weights, severity, extrapolate)
        tilt = request.tilt
        assert tilt is not None
        scenarios = ScenarioSet.concat(list(request.batches(progress=progress, workers=workers)))
        return TiltedScenarios(scenarios, tilt.log_weights, tilt.score, tilt.shift)

    # -- labels ---------------------------------------------------------------------------------------------------

    def label(self, returns: pd.DataFrame) -> RegimeLabels:
        """Label returns with the model's own fitted labeller, in hindsight.

        Raises
        ------
        InputError
            The model was trained on labels from a file and has no labeller.
        """
        self._check_fitted()
        if self.labeller_ is None:
            raise InputError(
                "this model was trained on a labels file and has no labeller; pass labels or a history with them."
            )
        return self.labeller_.smooth(returns)

    def history(self, returns: pd.DataFrame | None = None) -> ModelHistory:
        """Labels, severities and states of a history (default: the model's own), as ``now`` and replay use them."""
        self._check_fitted()
        if returns is None:
            if self._history is None:
                self._history = self._own_history()
            return self._history
        from spade_finance.model.state import ModelHistory

        return ModelHistory.from_returns(self, returns)

    # -- files ----------------------------------------------------------------------------------------------------

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the model folder (``model.safetensors``, ``config.json``, ``card.md``), whole or not at all."""
        from spade_finance.model.storage import save

        self._check_fitted()
        return save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | os.PathLike[str] = "default") -> ScenarioGenerator:
        """Read a model folder; ``"default"`` is the model that travels with the package.

        Raises
        ------
        ModelError
            The folder is missing, damaged or of another kind.
        """
        from spade_finance.model.storage import load

        return load(cls, folder)

    def describe(self) -> dict[str, Any]:
        """Facts about a fitted model, as ``spade-finance info`` shows them."""
        self._check_fitted()
        from spade_finance.model.card import facts

        return facts(self)

    @property
    def in_loss_metrics_(self) -> frozenset[str]:
        """Families of statistics that the training objective looked at; evaluations mark them."""
        from spade_finance.model.objectives import IN_LOSS

        return IN_LOSS

    # -- set by fit and load --------------------------------------------------------------------------------------

    def _set(self, **fitted: Any) -> ScenarioGenerator:
        for name, value in fitted.items():
            setattr(self, name, value)
        self._history = fitted.get("_history")
        self._sampler = None
        return self

    @property
    def sampler_(self) -> Sampler:
        """The network made ready to sample; kept, with its looked-up modulations, between calls."""
        if self._sampler is None:
            from spade_finance.model.sampling import Sampler

            self._sampler = Sampler(self.network_, self.start_)
        return self._sampler

    def _own_history(self) -> ModelHistory:
        from spade_finance.data import load_sectors
        from spade_finance.model.state import ModelHistory

        if not self.embedded_history_:
            raise InputError("this model carries no history; pass history=RETURNS (--history FILE).")
        return ModelHistory.from_returns(self, load_sectors())


def check_sectors(columns: Sequence[str], sectors: Sequence[str], what: str) -> None:
    """Refuse returns whose columns are not the model's sectors."""
    extra = [c for c in columns if c not in sectors]
    missing = [s for s in sectors if s not in columns]
    if extra or missing:
        said = [
            f"has {extra} that the model does not know" if extra else "",
            f"lacks {missing}" if missing else "",
        ]
        raise InputError(
            f"{what} {' and '.join(s for s in said if s)}; give exactly the model's sectors: {', '.join(sectors)}."
        )
