# SPDX-License-Identifier: Apache-2.0
r"""What the neural opponents share: data, conditioning, training, levels, cache. Networks stand in their own files.

A network sees regime-standardised log returns over the causal slow scale that other baselines use too,

.. math:: x_{t,s} = \frac{r_{t,s} - \mu_{k_t,s}}{\sigma_{k_t,s}\, s_{t,s}}

and the regime map the field's own way: one-hot per day, concatenated to its input. What it draws is brought to the
mean and the variance that x has in each regime (our own model's regimes are levelled by simulation too) and mapped
back with the slow scale of the scenario's start, constant along it.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spade_core.checkpoint import CheckpointError
from spade_core.ema import EMA
from spade_core.seeding import derive_seed
from spade_core.task import Task
from spade_core.trainer import Tick, Trainer, TrainingResult
from spade_finance.baselines.base import Baseline, CodeArray
from spade_finance.baselines.neural.cache import Entry, identity_of
from spade_finance.baselines.neural.tails import HeavyTails
from spade_finance.baselines.slow_scale import RegimeMoments, slow_scale
from spade_finance.exceptions import ConvergenceWarning, InputError
from spade_finance.windows import WindowSampler, make_sampler, validation_blocks, with_embargo

if TYPE_CHECKING:
    from spade_finance.regimes import RegimeLabels

Standardise = Literal["regime", "all"]
Progress = Callable[[Tick], bool | None]

CHUNK_DAYS = 32_768
"""Path-days drawn together: what a network's layers hold in memory."""
LEVEL_DAYS = 120_000
"""Simulated days that regimes are levelled on."""
VALIDATION_SHARE = 0.1
VALIDATION_WINDOWS = 48
SHARED_CODE = (
    "spade_core",
    "spade_finance.baselines.neural.base",
    "spade_finance.baselines.neural.tails",
    "spade_finance.baselines.slow_scale",
    "spade_finance.windows",
)


@dataclass(frozen=True)
class TrainingWindows:
    """Standardised returns ready to be cut: ``x`` (days, sectors), ``codes`` (days,), rare regimes drawn more often."""

    x: NDArray[np.float32]
    codes: NDArray[np.integer]
    n_regimes: int
    window_days: int
    sampler: WindowSampler
    held: NDArray[np.integer]
    """First days of windows held back to choose the best weights; none where history is too short."""

    @classmethod
    def make(
        cls,
        x: NDArray[np.floating],
        codes: NDArray[np.integer],
        n_regimes: int,
        window_days: int,
        share: float = VALIDATION_SHARE,
    ) -> TrainingWindows:
        """Hold back one block of about that share of the days, with an embargo around it, as our own model does."""
        labels: NDArray[np.int64] = codes.astype(np.int64)
        held = validation_blocks(labels, share, window_days)
        sampler = make_sampler(labels, with_embargo(held), window_days)
        first = np.flatnonzero(held)
        first = first[: max(0, len(first) - window_days + 1)]
        if len(first) > VALIDATION_WINDOWS:
            first = first[np.linspace(0, len(first) - 1, VALIDATION_WINDOWS).astype(int)]
        return cls(x.astype(np.float32), labels, n_regimes, window_days, sampler, first)

    @property
    def n_sectors(self) -> int:
        """Number of sectors."""
        return self.x.shape[1]

    def draw(self, rng: np.random.Generator, n_windows: int) -> tuple[Tensor, Tensor]:
        """Returns (B, S, W) and maps (B, K, W) of random windows."""
        return self.cut(self.sampler.draw(rng, n_windows))

    def cut(self, first_days: NDArray[np.integer]) -> tuple[Tensor, Tensor]:
        """Returns (B, S, W) and maps (B, K, W) of the windows that begin on these days."""
        days = first_days[:, None] + np.arange(self.window_days)
        x = torch.from_numpy(np.ascontiguousarray(self.x[days].transpose(0, 2, 1)))
        return x, one_hot(self.codes[days], self.n_regimes)


class WindowTask(Task):
    """A training on windows: one network, one numpy generator; the best averaged weights are kept.

    Best by :meth:`held_loss` on the windows held back, where a subclass has one; else the last.
    """

    best: dict[str, Tensor] | None = None
    best_loss = float("inf")

    def __init__(self, network: nn.Module, windows: TrainingWindows, batch_windows: int, seed: int) -> None:
        self.network, self.windows, self.batch_windows = network, windows, batch_windows
        self.rng = np.random.default_rng(derive_seed(seed, "training"))
        self.modules: Mapping[str, nn.Module] = {"network": network}
        self.emas: Mapping[str, EMA] = {"network": EMA(network, halflife=100.0)}
        self.generators: Mapping[str, Any] = {"rng": self.rng}

    def draw(self) -> tuple[Tensor, Tensor]:
        """Next batch."""
        return self.windows.draw(self.rng, self.batch_windows)

    def held_loss(self, x: Tensor, regimes: Tensor, rng: np.random.Generator) -> Tensor | None:
        """Loss of the present weights on windows held back; None where losses do not rank weights."""
        return None

    def validate(self, step: int) -> Mapping[str, float]:
        """Measure the averaged weights, always with the same noise, and remember the best."""
        if not len(self.windows.held):
            return {}
        x, regimes = self.windows.cut(self.windows.held)
        with self.emas["network"].applied(self.network), torch.no_grad():
            loss = self.held_loss(x, regimes, np.random.default_rng(77))
            if loss is None:
                return {}
            if float(loss) < self.best_loss:
                self.best_loss = float(loss)
                self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        return {"validation": float(loss)}

    def extra_state(self) -> Any:
        """The best weights so far travel with the state."""
        return {"best": self.best, "best_loss": None if self.best is None else self.best_loss}

    def load_extra_state(self, state: Any) -> None:
        """Inverse of :meth:`extra_state`."""
        self.best = state["best"]
        self.best_loss = float("inf") if state["best_loss"] is None else float(state["best_loss"])

    def finish(self) -> None:
        """Put the best (else the averaged) weights into the network."""
        self.network.load_state_dict(self.best if self.best is not None else self.emas["network"].average)


class NeuralBaseline(Baseline):
    """Common part of the neural baselines; subclasses write ``_network``, ``_task`` and ``_simulate``.

    Attributes
    ----------
    network_ : nn.Module
    level_ : (2, regimes, sectors) float64
        Factor and shift that bring each regime's draws to the training data's variance and mean.
    training_ : dict
        How training ended: reason, steps, minutes, message, curve, and whether it came from the cache.
    """

    gaussianised: ClassVar[bool] = False
    """Whether the network works on Lambert-W transformed values."""
    chosen_by_loss: ClassVar[bool] = True
    """Whether a part of the days is held back to choose the best weights."""

    window_days: int
    batch_windows: int
    max_steps: int
    max_minutes: float | None
    standardise: Standardise
    levelled: bool
    random_state: int
    cache: bool
    cache_dir: str | os.PathLike[str] | None

    network_: nn.Module
    level_: NDArray[np.float64]
    training_: dict[str, Any]

    def fit(self, returns: pd.DataFrame, labels: RegimeLabels, *, progress: Progress | None = None) -> Self:
        """Train, or take the training from the cache.

        Parameters
        ----------
        returns, labels
            As in :meth:`spade_finance.baselines.base.Baseline.fit`.
        progress : callable, optional
            Receives every :class:`spade_core.trainer.Tick`; returning True stops the training, which is then used
            as it is and not kept.

        Raises
        ------
        InputError
            What the base refuses, settings that cannot be used, or too short a history.
        KeyboardInterrupt
            On Ctrl-C, after the state was saved: the next call goes on from there.
        """
        self._progress = progress
        try:
            return super().fit(returns, labels)
        finally:
            del self._progress

    def _fit(self) -> None:
        self._check_settings()
        n_regimes = len(self.regimes_)
        by_regime = RegimeMoments.fit(self.log_returns_, self.codes_, n_regimes)
        path = slow_scale(by_regime.standardise(self.log_returns_, self.codes_))
        self.last_scale_ = path[-1]
        if self.standardise == "regime":
            self.moments_ = by_regime
        else:
            self.moments_ = RegimeMoments.fit(self.log_returns_, np.full_like(self.codes_, -1), n_regimes)
        x = self.moments_.standardise(self.log_returns_, self.codes_) / path[:-1]
        n_sectors = len(self.sectors_)
        self.tails_ = HeavyTails.fit(x) if self.gaussianised else HeavyTails.none(n_sectors)
        windows = TrainingWindows.make(
            self.tails_.remove(x),
            self.codes_,
            n_regimes,
            self.window_days,
            VALIDATION_SHARE if self.chosen_by_loss else 0.0,
        )
        entry = Entry(self.name, self._identity(), self.cache_dir) if self.cache else None
        kept = entry.load() if entry is not None else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.random_state, "weights"))
            self.network_ = self._network(n_sectors, n_regimes)
            if kept is None:
                result = self._train(windows, entry)
        if kept is not None:
            tensors, self.training_ = kept[0], {**kept[1], "cached": True}
            self.level_ = tensors.pop("level").numpy()
            self.network_.load_state_dict(tensors)
            self.network_.eval()
            return
        self.network_.eval()
        self.level_ = np.stack([np.ones((n_regimes, n_sectors)), np.zeros((n_regimes, n_sectors))])
        if self.levelled:
            self.level_ = self._levels(x)
        self.training_ = {
            "reason": result.reason,
            "steps": result.step,
            "minutes": result.minutes,
            "message": result.message,
            "curve": [{"step": tick.step, **tick.metrics} for tick in result.ticks],
            "cached": False,
        }
        if entry is not None and result.reason in ("finished", "time"):
            weights = {**self.network_.state_dict(), "level": torch.from_numpy(self.level_)}
            entry.store(weights, self.training_)

    def _train(self, windows: TrainingWindows, entry: Entry | None) -> TrainingResult:
        task = self._task(self.network_, windows)
        state = None if entry is None else entry.state_path
        identity = "" if entry is None else entry.key
        task.fingerprint = identity

        def trainer() -> Trainer:
            return Trainer(
                task,
                max_steps=self.max_steps,
                max_minutes=self.max_minutes,
                tick_steps=max(1, self.max_steps // 50),
                state_path=state,
                on_tick=self._progress,
            )

        try:
            try:
                result = trainer().run(resume=state is not None and state.is_file())
            except CheckpointError as error:
                assert entry is not None
                entry.say_damaged(error)
                entry.forget_state()
                result = trainer().run()
        except (
            OSError
        ) as error:  # a full or read-only disk: what is trained is lost, what is asked for is not
            if entry is None:
                raise
            entry.say_not_kept(error)
            task.fingerprint, state = "", None
            result = trainer().run()
        if result.reason == "signal":
            signal.raise_signal(signal.SIGTERM if "SIGTERM" in result.message else signal.SIGINT)
            raise KeyboardInterrupt(result.message)
        if result.reason == "diverged":
            warnings.warn(f"{self.name}: {result.message}", ConvergenceWarning, stacklevel=5)
        task.finish()
        return result

    def _identity(self) -> dict[str, Any]:
        settings = {k: v for k, v in self.settings().items() if k != "random_state"}
        return identity_of(
            self.name, settings, self.random_state, self.log_returns_, (self.codes_,),
            (self.regimes_, self.sectors_), (*SHARED_CODE, type(self).__module__),
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """Settings that the result depends on, as JSON values."""
        return {k: v for k, v in super().settings().items() if k not in ("cache", "cache_dir")}

    def _check_settings(self) -> None:
        for name in ("window_days", "batch_windows", "max_steps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise InputError(f"{name}={value!r} must be a whole number of at least 1")
        if isinstance(self.random_state, bool) or not isinstance(self.random_state, int | np.integer):
            raise InputError(f"random_state={self.random_state!r} is no seed of a training: pass an int")
        if self.standardise not in ("regime", "all"):
            raise InputError(f"standardise={self.standardise!r} is unknown: pass 'regime' or 'all'")
        if self.max_minutes is not None and not self.max_minutes > 0:
            raise InputError(f"max_minutes={self.max_minutes!r} must be positive; leave it out for no limit")

    # --- what a subclass writes -----------------------------------------------------------------------------

    def _network(self, n_sectors: int, n_regimes: int) -> nn.Module:
        raise NotImplementedError

    def _task(self, network: nn.Module, windows: TrainingWindows) -> WindowTask:
        raise NotImplementedError

    def _simulate(self, regimes: Tensor, rng: np.random.Generator) -> Tensor:
        """Standardised returns (n, S, T) under maps (n, K, T)."""
        raise NotImplementedError

    # --- sampling -------------------------------------------------------------------------------------------

    def _standardised(self, codes: CodeArray, n_paths: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws with their heavy tails back in, not levelled, (n_paths, days, sectors)."""
        n_days = codes.shape[-1]
        step = max(1, CHUNK_DAYS // n_days)
        out = np.empty((n_paths, n_days, len(self.sectors_)))
        for first in range(0, n_paths, step):
            part = out[first : first + step]
            wanted = np.broadcast_to(
                codes if codes.ndim == 1 else codes[first : first + step], part.shape[:2]
            )
            with torch.inference_mode():
                u = self._simulate(one_hot(wanted, len(self.regimes_)), rng)
            part[:] = self.tails_.restore(u.numpy().transpose(0, 2, 1))
        return out

    def _levels(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Factor and shift a regime and sector, (2, regimes, sectors), from draws under the training labels."""
        rng = np.random.default_rng(derive_seed(self.random_state, "levels"))
        n_paths = max(2, LEVEL_DAYS // len(x))
        drawn = self._standardised(self.codes_, n_paths, rng)
        n_regimes = len(self.regimes_)
        mine = RegimeMoments.fit(drawn.reshape(-1, x.shape[1]), np.tile(self.codes_, n_paths), n_regimes)
        real = RegimeMoments.fit(x, self.codes_, n_regimes)
        factor = real.std / mine.std
        return np.stack([factor, real.mean - factor * mine.mean])

    def _draw(
        self, codes: CodeArray, n_paths: int, scale: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        factor, shift = self.level_
        x = self._standardised(codes, n_paths, rng)
        x *= factor[codes]
        x += shift[codes]
        x *= self.moments_.std[codes] * scale
        x += self.moments_.mean[codes]
        return x.astype(np.float32)


def one_hot(codes: CodeArray, n_regimes: int) -> Tensor:
    """Maps (n, regimes, days) of codes (n, days)."""
    return torch.from_numpy(
        np.ascontiguousarray(np.eye(n_regimes, dtype=np.float32)[codes].transpose(0, 2, 1))
    )


def normals(rng: np.random.Generator, *shape: int) -> Tensor:
    """Standard normal float32 noise."""
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
