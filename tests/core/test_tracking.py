# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import builtins
from pathlib import Path

import pytest

from spade_core.tracking import JsonLinesTracker, TensorBoardTracker, Tracker, read_json_lines


def test_json_lines_append_rewind_and_survive_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "metrics.jsonl"
    tracker = JsonLinesTracker(path)
    assert isinstance(tracker, Tracker)
    tracker.rewind(0)
    assert not path.exists()
    for step in (10, 20, 30):
        tracker.log(step, {"loss": step / 100})
    with path.open("a") as file:
        file.write('{"step": 40, "lo')
    assert [line["step"] for line in read_json_lines(path)] == [10, 20, 30]
    JsonLinesTracker(path).rewind(20)
    tracker.log(30, {"loss": 9.0})
    assert read_json_lines(path)[-2:] == [{"step": 20, "loss": 0.2}, {"step": 30, "loss": 9.0}]


def test_tensorboard_writes_scalars(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is in the image extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracker = TensorBoardTracker(tmp_path)
    assert isinstance(tracker, Tracker)
    tracker.log(1, {"loss": 0.5})
    tracker.log(2, {"loss": 0.25})
    tracker.close()
    events = EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert [(e.step, e.value) for e in events] == [(1, 0.5), (2, 0.25)]


def test_without_tensorboard_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        TensorBoardTracker(tmp_path)
