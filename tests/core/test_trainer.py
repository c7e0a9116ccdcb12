# SPDX-License-Identifier: Apache-2.0
"""The loop. Run as a script (``test_trainer.py STATE STEPS``) this file is the training that a test kills."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spade_core import EMA, CheckpointError, SPADEResBlk, Task, Tick, Trainer
from spade_core.checkpoint import load_state, save_state
from spade_core.optim import linear_decay
from spade_core.seeding import seed_everything, torch_generator
from spade_core.tracking import JsonLinesTracker, read_json_lines


class Fit(Task):
    """Everything that must survive: spectral vectors, running statistics, all random states."""

    samples_per_step = 4

    def __init__(self, pause: float = 0.0, before_step: Callable[[int], None] | None = None) -> None:
        seed_everything(0)
        self.net = SPADEResBlk(3, 5, 2, 1, nhidden=4, norm="batch", spectral=True)
        self.adam = torch.optim.Adam(self.net.parameters(), 1e-2)
        self.rng, self.noise, self.python = np.random.default_rng(1), torch_generator(2), random.Random(3)
        self.modules = {"net": self.net}
        self.optimizers = {"adam": self.adam}
        self.schedules = {"lr": torch.optim.lr_scheduler.LambdaLR(self.adam, linear_decay(10, 100))}
        self.emas = {"net": EMA(self.net, halflife=40)}
        self.generators = {"rng": self.rng, "noise": self.noise, "python": self.python}
        self.fingerprint = "fit-1"
        self.pause, self.before_step, self.seen = pause, before_step, []

    def step(self, step: int) -> dict[str, Any]:
        if self.before_step is not None:
            self.before_step(step)
        time.sleep(self.pause)
        x = torch.from_numpy(self.rng.normal(size=(4, 3, 8))).float()
        m = torch.rand(4, 2, 8, generator=self.noise) + 0.1 * torch.rand(1) + 0.1 * self.python.random()
        loss = (self.net(x, m) - x.mean(1, keepdim=True)).square().mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        self.seen.append(step)
        return {"loss": loss, "index": step}

    def validate(self, step: int) -> dict[str, float]:
        return {"validation": torch.rand(1).item()}  # disturbs the global generator on purpose

    def extra_state(self) -> Any:
        return {"seen": self.seen}

    def load_extra_state(self, state: Any) -> None:
        self.seen = list(state["seen"])


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


N = 47


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The state after N steps without interruption."""
    torch.set_num_threads(1)
    task = Fit()
    result = Trainer(task, max_steps=N, tick_steps=10).run()
    assert (result.reason, result.step) == ("finished", N)
    assert [t.step for t in result.ticks] == [10, 20, 30, 40, N]
    assert task.seen == list(range(N))
    return task.state()


def test_whole_training_moves_everything(whole: dict[str, Any]) -> None:
    start = Fit().state()
    for key in ("modules", "optimizers", "schedules", "emas", "generators", "global_rng"):
        assert not same(whole[key], start[key]), key
    assert not same(whole["emas"]["net"]["average"], whole["modules"]["net"])


def interrupt_by_signal(number: int) -> dict[str, Any]:
    return {"before_step": lambda step: os.kill(os.getpid(), number) if step == 22 else None}


@pytest.mark.parametrize(
    ("task_options", "options", "reason", "steps"),
    [
        (interrupt_by_signal(signal.SIGTERM), {}, "signal", 23),
        (interrupt_by_signal(signal.SIGINT), {}, "signal", 23),
        ({}, {"on_tick": lambda tick: tick.step == 20}, "stopped", 20),
        ({"pause": 0.01}, {"max_minutes": 0.1 / 60}, "time", None),
    ],
)
def test_interrupted_and_resumed_is_uninterrupted(
    whole: dict[str, Any], tmp_path: Path, task_options: dict, options: dict, reason: str, steps: int | None
) -> None:
    path = tmp_path / "state" / "state.safetensors"
    first = Trainer(Fit(**task_options), max_steps=N, tick_steps=10, state_path=path, **options).run()
    assert first.reason == reason
    assert 0 < first.step < N
    assert steps is None or first.step == steps
    assert "resume" in first.message
    torch.rand(5)
    random.random()
    task = Fit()
    second = Trainer(task, max_steps=N, tick_steps=10, state_path=path).run(resume=True)
    assert (second.reason, second.step) == ("finished", N)
    assert same(task.state(), whole)
    assert same(load_state(path)["task"], whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_killed_process_resumes_to_identical_weights(
    whole: dict[str, Any], tmp_path: Path, number: int
) -> None:
    """SIGTERM saves and ends; after SIGKILL the last tick's state is there."""
    path = tmp_path / "state.safetensors"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(path), str(N)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("tick 30"):
                process.send_signal(number)
                break
        rest = process.stdout.read()
    if number == signal.SIGTERM:
        assert process.returncode == 0
        assert "signal SIGTERM received at step" in rest
    else:
        assert process.returncode == -signal.SIGKILL
    assert 20 <= load_state(path)["step"] < N
    task = Fit()
    Trainer(task, max_steps=N, tick_steps=10, state_path=path).run(resume=True)
    assert same(task.state(), whole)


def test_more_steps_later_are_as_if_asked_for_at_once(whole: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "s"
    Trainer(Fit(), max_steps=13, tick_steps=10, state_path=path).run()
    task = Fit()
    Trainer(task, max_steps=N, tick_steps=7, state_path=path).run(resume=True)
    assert same(task.state(), whole)


def test_tracker_holds_the_same_lines_after_a_resume(tmp_path: Path) -> None:
    def lines(name: str, *runs: tuple[int, bool]) -> list[dict]:
        for stop_at, resume in runs:

            def interrupt(step: int, stop_at: int = stop_at) -> None:
                if step == stop_at:
                    os.kill(os.getpid(), signal.SIGINT)

            tracker = JsonLinesTracker(tmp_path / f"{name}.jsonl")
            task = Fit(before_step=interrupt)
            Trainer(task, max_steps=N, tick_steps=10, state_path=tmp_path / name, tracker=tracker).run(resume)
        return read_json_lines(tmp_path / f"{name}.jsonl")

    expected = lines("one", (-1, False))
    assert [line["step"] for line in expected] == [10, 20, 30, 40, N]
    assert lines("two", (17, False), (31, True), (-1, True)) == expected
    assert lines("two", (-1, False)) == expected  # a fresh start forgets the old lines


def test_tick_reports_means_progress_and_time_left() -> None:
    ticks: list[Tick] = []
    Trainer(Fit(pause=0.002), max_steps=25, tick_steps=10, on_tick=ticks.append).run()
    losses = []
    task = Fit()
    for step in range(10):
        losses.append(task.step(step)["loss"].item())
        task.schedules["lr"].step()
    assert ticks[0].metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-6)
    assert ticks[0].metrics.keys() == {"loss", "index", "validation"}
    assert [t.step for t in ticks] == [10, 20, 25]
    assert ticks[0].minutes_left == pytest.approx(ticks[0].minutes * 1.5, rel=1e-6)
    assert ticks[-1].minutes_left == 0


@pytest.mark.parametrize("trouble", ["nan metric", "huge metric", "nan weight", "raised"])
def test_divergence_stops_and_keeps_the_last_good_state(tmp_path: Path, trouble: str) -> None:
    class Bad(Fit):
        def step(self, step: int) -> dict[str, Any]:
            metrics = super().step(step)
            if step == 26:
                if trouble == "nan weight":
                    with torch.no_grad():
                        self.net.conv_s.weight_orig.fill_(float("nan"))
                elif trouble == "raised":
                    raise FloatingPointError("the scale collapsed")
                else:
                    metrics["loss"] = torch.tensor(float("nan") if trouble == "nan metric" else -1e12)
            return metrics

    path = tmp_path / "s"
    task = Bad()
    result = Trainer(task, max_steps=N, tick_steps=10, state_path=path).run()
    assert (result.reason, result.step) == ("diverged", 20)
    assert "weights of step 20 are kept" in result.message
    assert {
        "nan metric": "loss=nan at step 26",
        "huge metric": "loss=-1e+12",
        "nan weight": "loss=nan",
        "raised": "collapsed",
    }[trouble] in result.message
    good = Fit()
    Trainer(good, max_steps=20, tick_steps=10).run()
    assert same(task.state(), good.state())
    assert same(load_state(path)["task"], good.state())


def test_a_bad_weight_is_noticed_when_stopping_between_ticks(tmp_path: Path) -> None:
    class Bad(Fit):
        def step(self, step: int) -> dict[str, Any]:
            metrics = super().step(step)
            if step == 13:
                with torch.no_grad():
                    self.net.conv_s.weight_orig[0] = float("inf")
                os.kill(os.getpid(), signal.SIGTERM)
            return metrics

    task = Bad()
    result = Trainer(task, max_steps=N, tick_steps=10, state_path=tmp_path / "s").run()
    assert (result.reason, result.step) == ("diverged", 10)
    assert task.is_finite()


def test_measuring_does_not_change_training(whole: dict[str, Any]) -> None:
    task = Fit()
    task.validate = lambda step: {}
    Trainer(task, max_steps=N, tick_steps=3, on_tick=lambda tick: torch.rand(3).sum() < 0).run()
    assert same(task.state(), whole)


def test_states_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def resume(task: Task, at: Path = path) -> None:
        Trainer(task, max_steps=9, state_path=at).run(resume=True)

    with pytest.raises(CheckpointError, match="nothing to resume"):
        resume(Fit())
    Trainer(Fit(), max_steps=3, state_path=path).run()
    other = Fit()
    other.fingerprint = "fit-2"
    with pytest.raises(CheckpointError, match="other settings or data"):
        resume(other)
    other = Fit()
    other.modules = {"net": SPADEResBlk(3, 6, 2, 1)}
    with pytest.raises(CheckpointError, match="another model") as error:
        resume(other)
    assert "\n" not in str(error.value)
    other = Fit()
    other.emas = {}
    with pytest.raises(CheckpointError, match=r"another model.*emas"):
        resume(other)
    save_state(tmp_path / "foreign", {"step": 3})
    with pytest.raises(CheckpointError, match="not a training state"):
        resume(Fit(), tmp_path / "foreign")


def test_signal_handlers_are_put_back_and_threads_do_not_need_them() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    Trainer(Fit(), max_steps=2).run()
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    results = []
    thread = threading.Thread(target=lambda: results.append(Trainer(Fit(), max_steps=2).run()))
    thread.start()
    thread.join()
    assert results[0].reason == "finished"


def test_second_ctrl_c_does_not_wait() -> None:
    # A shell that starts us in the background has Ctrl-C ignored; then there is no usual answer to fall back on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        check_second_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)


def check_second_ctrl_c() -> None:
    def twice(step: int) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        Trainer(Fit(before_step=twice), max_steps=9).run()


def test_all_numpy_generators_can_be_kept() -> None:
    for kind in ("PCG64", "MT19937", "Philox", "SFC64"):

        class OneDraw(Task):
            def __init__(self, kind: str = kind) -> None:
                self.generators = {"rng": np.random.Generator(getattr(np.random, kind)(5))}

        task, other = OneDraw(), OneDraw()
        task.generators["rng"].random(7)
        other.load_state(task.state())
        assert other.generators["rng"].random() == task.generators["rng"].random(), kind
    strange = Task()
    strange.generators = {"rng": object()}
    with pytest.raises(TypeError, match="object is no random generator"):
        strange.state()


@pytest.mark.parametrize(("name", "value"), [("max_steps", 0), ("tick_steps", 0), ("max_minutes", 0.0)])
def test_impossible_limits(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Trainer(Fit(), **({"max_steps": 1} | {name: value}))


def main() -> None:
    path, steps = Path(sys.argv[1]), int(sys.argv[2])
    trainer = Trainer(
        Fit(pause=0.05),
        max_steps=steps,
        tick_steps=10,
        state_path=path,
        save_minutes=0,
        on_tick=lambda tick: print("tick", tick.step, flush=True),
    )
    result = trainer.run()
    print(result.reason, result.message, flush=True)


if __name__ == "__main__":
    main()
