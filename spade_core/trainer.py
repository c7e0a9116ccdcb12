# SPDX-License-Identifier: Apache-2.0
"""One training loop that knows no domain.

It calls ``task.step``, moves schedules and averages, reports once a tick, saves, resumes bit for bit, and
stops at the last step, on time, on a signal, when a callback says so, or when the numbers run away, keeping
the last good state::

    trainer = Trainer(task, max_steps=10_000, tick_steps=100, state_path=folder / "state/state.safetensors")
    result = trainer.run(resume=False)          # TrainingResult(reason="finished", step=10000, ...)

What is good: all metrics of the tick are finite and moderate, and so are all weights at its end.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from torch import Tensor

from spade_core.checkpoint import CheckpointError, load_state, save_state
from spade_core.distributed import any_rank, is_main, mean_over_ranks, rank
from spade_core.task import Task, global_rng_state, set_global_rng_state
from spade_core.tracking import Tracker
from spade_core.tree import pack, unpack

__all__ = ["Task", "Tick", "Trainer", "TrainingResult"]

Reason = Literal["finished", "time", "signal", "stopped", "diverged"]


@dataclass(frozen=True)
class Tick:
    """The report of one tick."""

    step: int
    """Steps done."""
    max_steps: int
    metrics: dict[str, float]
    """Means of the steps' metrics since the last tick, and what ``task.validate`` returned."""
    minutes: float
    """Of this run."""
    minutes_left: float
    """To the last step or the time limit, at the present speed."""


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended."""

    reason: Reason
    step: int
    """Steps behind the weights that the task now holds (the last good ones after divergence)."""
    minutes: float
    message: str
    """One line for the user."""
    ticks: list[Tick] = field(default_factory=list, repr=False)


class Trainer:
    """The loop.

    Parameters
    ----------
    task : Task
    max_steps : int
        Steps in total, those before a resume included.
    max_minutes : float, optional
        Of this run; then it saves and ends with reason "time".
    tick_steps : int
        Steps between reports. Training itself does not depend on it, unless ``validate`` draws from the
        task's generators.
    state_path : path, optional
        Where to save; other ranks than the first add their number. None: nothing is saved.
    save_minutes : float
        Save at the first tick after so many minutes, besides at the end.
    on_tick : callable, optional
        Called with every :class:`Tick` on the first rank; returning True stops with reason "stopped".
    tracker : Tracker, optional
        Receives every tick's metrics.
    max_abs_metric : float
        A larger metric counts as divergence.

    Raises
    ------
    ValueError
        A step count below 1 or a time limit that is not positive.
    """

    def __init__(
        self,
        task: Task,
        *,
        max_steps: int,
        max_minutes: float | None = None,
        tick_steps: int = 100,
        state_path: str | Path | None = None,
        save_minutes: float = 5.0,
        on_tick: Callable[[Tick], bool | None] | None = None,
        tracker: Tracker | None = None,
        max_abs_metric: float = 1e8,
    ) -> None:
        for name, value in (("max_steps", max_steps), ("tick_steps", tick_steps)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if max_minutes is not None and not max_minutes > 0:
            raise ValueError(f"max_minutes={max_minutes} must be positive; leave it out for no limit")
        self.task, self.on_tick, self.tracker = task, on_tick, tracker
        self.max_steps, self.max_minutes, self.tick_steps = max_steps, max_minutes, tick_steps
        self.save_minutes, self.max_abs_metric = save_minutes, max_abs_metric
        self.state_path = None if state_path is None else _of_rank(Path(state_path))
        self.done = 0
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._good: tuple[Any, dict[str, Tensor]] | None = None  # packed: on the CPU
        self._signal: str | None = None

    def run(self, resume: bool = False) -> TrainingResult:
        """Train to the end, or to the next reason to stop.

        Parameters
        ----------
        resume : bool
            Continue from ``state_path``.

        Raises
        ------
        CheckpointError
            There is nothing to resume, or the state is damaged or another task's.
        """
        if resume:
            self._resume()
        if self.tracker is not None and is_main():
            self.tracker.rewind(self.done)
        self._good, ticks = pack(self._state()), []
        self._started, self._started_at = time.monotonic(), self.done
        self._saved = self._started
        reason: Reason = "finished"
        message = ""
        with self._signals():
            while self.done < self.max_steps:
                stop = self._reason_to_stop()
                if stop is None:
                    trouble = self._one_step()
                    if trouble is None and (self.done % self.tick_steps == 0 or self.done == self.max_steps):
                        trouble, tick, wants_stop = self._tick()
                        if trouble is None:
                            ticks.append(tick)
                            stop = "stopped" if wants_stop and self.done < self.max_steps else None
                    if trouble is not None:
                        reason, message = "diverged", self._go_back(trouble)
                        break
                if stop is not None:
                    reason = stop
                    break
            if reason != "diverged" and any_rank(not self.task.is_finite()):
                reason = "diverged"
                message = self._go_back(f"a weight is not finite after step {self.done - 1}")
            self._save()
        message = message or self._describe(reason)
        return TrainingResult(reason, self.done, self._minutes(), message, ticks)

    # --- one step, one tick ---

    def _one_step(self) -> str | None:
        """Train one step; return what is wrong with it, if anything."""
        task = self.task
        metrics: dict[str, float] = {}
        try:
            for name, value in task.step(self.done).items():
                metrics[name] = float(value.detach()) if isinstance(value, Tensor) else float(value)
            bad = [f"{k}={v:g}" for k, v in metrics.items() if not abs(v) <= self.max_abs_metric]
        except FloatingPointError as error:  # a task may say so itself
            bad = [str(error)]
        if any_rank(bool(bad)):
            return f"{', '.join(bad) or 'a metric on another process'} at step {self.done}"
        for schedule in task.schedules.values():
            schedule.step()
        for name, ema in task.emas.items():
            ema.update(task.modules[name], task.samples_per_step)
        for k, v in metrics.items():
            self._sums[k] = self._sums.get(k, 0.0) + v
            self._counts[k] = self._counts.get(k, 0) + 1
        self.done += 1
        return None

    def _tick(self) -> tuple[str | None, Tick, bool]:
        """Report: (what is wrong, the tick, whether a callback wants to stop)."""
        if any_rank(not self.task.is_finite()):
            return f"a weight is not finite after step {self.done - 1}", self._report({}), False
        metrics = mean_over_ranks({k: v / self._counts[k] for k, v in self._sums.items()})
        self._sums, self._counts = {}, {}
        rng = global_rng_state()  # measuring must not change what is trained
        metrics.update({k: float(v) for k, v in self.task.validate(self.done).items()})
        tick = self._report(metrics)
        wants_stop = False
        if is_main():
            if self.tracker is not None:
                self.tracker.log(tick.step, tick.metrics)
            wants_stop = self.on_tick is not None and bool(self.on_tick(tick))
        set_global_rng_state(rng)
        self._good = pack(self._state())
        if any_rank(time.monotonic() - self._saved > 60 * self.save_minutes):
            self._save()
        return None, tick, any_rank(wants_stop)

    def _report(self, metrics: dict[str, float]) -> Tick:
        minutes = self._minutes()
        left = (self.max_steps - self.done) * minutes / max(1, self.done - self._started_at)
        if self.max_minutes is not None:
            left = min(left, max(0.0, self.max_minutes - minutes))
        return Tick(self.done, self.max_steps, metrics, minutes, left)

    def _minutes(self) -> float:
        return (time.monotonic() - self._started) / 60

    # --- stopping ---

    def _reason_to_stop(self) -> Reason | None:
        if any_rank(self._signal is not None):
            return "signal"
        if self.max_minutes is not None and any_rank(self._minutes() >= self.max_minutes):
            return "time"
        return None

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn the first Ctrl-C or SIGTERM into a request to stop; a second one acts as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        usual: dict[int, Any] = {}

        def request(number: int, frame: FrameType | None) -> None:
            self._signal = signal.Signals(number).name
            signal.signal(number, usual[number])

        self._signal = None
        for number in (signal.SIGINT, signal.SIGTERM):
            usual[number] = signal.signal(number, request)
        try:
            yield
        finally:
            for which, handler in usual.items():
                signal.signal(which, handler)

    def _describe(self, reason: Reason) -> str:
        at = f"at step {self.done} of {self.max_steps}"
        kept = "" if self.state_path is None else "; the state is saved, resume to continue"
        return {
            "finished": f"finished {at}",
            "time": f"time limit of {self.max_minutes} minutes reached {at}{kept}",
            "signal": f"{self._signal or 'a signal'} received {at}{kept}",
            "stopped": f"stopped by the callback {at}{kept}",
            "diverged": "",
        }[reason]

    def _go_back(self, trouble: str) -> str:
        assert self._good is not None
        self._restore(unpack(*self._good))
        return f"training diverged ({trouble}); the weights of step {self.done} are kept"

    # --- state ---

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.done,
            "sums": dict(self._sums),
            "counts": dict(self._counts),
            "task": self.task.state(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.task.load_state(state["task"])
        self.done, self._sums, self._counts = state["step"], dict(state["sums"]), dict(state["counts"])

    def _save(self) -> None:
        if self.state_path is not None:
            save_state(self.state_path, self._state())
        self._saved = time.monotonic()

    def _resume(self) -> None:
        if self.state_path is None or not self.state_path.exists():
            raise CheckpointError(f"nothing to resume at {self.state_path}: start without resuming")
        state = load_state(self.state_path)
        if not isinstance(state, dict) or state.keys() != {"step", "sums", "counts", "task"}:
            raise CheckpointError(f"{self.state_path} is not a training state: start without resuming")
        self._restore(state)


def _of_rank(path: Path) -> Path:
    return path if rank() == 0 else path.with_name(f"{path.stem}.rank{rank()}{path.suffix}")
