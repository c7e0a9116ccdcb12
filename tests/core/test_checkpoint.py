# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from spade_core import CheckpointError, load_model, save_model
from spade_core.checkpoint import load_state, save_state, write_atomic
from spade_core.tree import pack, unpack

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7), "empty": torch.zeros(0, 2)}
CONFIG = {"sectors": ["Énergie", "Tech"], "scale": 0.1, "nested": {"k": None, "n": 2**70}, "ok": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "models" / "m", TENSORS, CONFIG, card="# Card\n")
    return tmp_path / "models" / "m"


def test_model_round_trip(folder: Path) -> None:
    model = load_model(folder)
    assert model.config == CONFIG
    assert model.card == "# Card\n"
    assert model.tensors.keys() == TENSORS.keys()
    assert all(
        torch.equal(model.tensors[k], v) and model.tensors[k].dtype == v.dtype for k, v in TENSORS.items()
    )
    assert sorted(p.name for p in folder.iterdir()) == ["card.md", "config.json", "model.safetensors"]
    assert [p.name for p in folder.parent.iterdir()] == ["m"]


def test_hash_is_of_the_content(folder: Path, tmp_path: Path) -> None:
    first = load_model(folder).content_hash
    assert save_model(tmp_path / "same", TENSORS, CONFIG) == first
    assert save_model(tmp_path / "same again", TENSORS, CONFIG | {"content_hash": "stale"}) == first
    assert save_model(tmp_path / "other", TENSORS, CONFIG | {"scale": 0.2}) != first
    assert save_model(tmp_path / "third", TENSORS | {"b": torch.tensor(8)}, CONFIG) != first


def test_saving_again_replaces_the_files_and_keeps_the_rest(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "x").write_text("kept")
    save_model(folder, {"c": torch.ones(1)}, {"v": 2})
    model = load_model(folder)
    assert (list(model.tensors), model.config, model.card) == (["c"], {"v": 2}, "# Card\n")
    assert (folder / "state" / "x").read_text() == "kept"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_every_flipped_byte_is_found(folder: Path, name: str) -> None:
    path = folder / name
    good = path.read_bytes()
    for i in range(len(good)):
        for flip in (0x01, 0x20):
            path.write_bytes(good[:i] + bytes([good[i] ^ flip]) + good[i + 1 :])
            with pytest.raises(CheckpointError) as error:
                load_model(folder)
            assert "\n" not in str(error.value)
            assert folder.name in str(error.value)
    path.write_bytes(good)
    load_model(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("length", [0, 1, 8, 40, -1])
def test_truncated_files_are_found(folder: Path, name: str, length: int) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(folder)


def test_missing_things_are_named(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model folder at .*nowhere"):
        load_model(folder / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"cannot read .*model\.safetensors: No such file"):
        load_model(folder)


def test_windows_line_ends_are_no_damage(folder: Path) -> None:
    path = folder / "config.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_model(folder).config == CONFIG


def test_a_config_that_json_cannot_hold_leaves_nothing_behind(tmp_path: Path) -> None:
    for bad in ({"x": float("nan")}, {"x": {1, 2}}):
        with pytest.raises(ValueError, match="config cannot be written"):
            save_model(tmp_path / "m", TENSORS, bad)
    assert not list(tmp_path.iterdir())


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_atomic(path, b"old")

    def no_space(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_shared_and_strided_tensors_are_saved_by_value(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    save_model(tmp_path / "m", {"a": base, "b": base, "t": base.T, "s": base[:, ::2]}, {})
    out = load_model(tmp_path / "m").tensors
    assert torch.equal(out["b"], base)
    assert torch.equal(out["t"], base.T)
    assert torch.equal(out["s"], base[:, ::2])


TREE = {
    "step": 12,
    "generator": np.random.default_rng(3).bit_generator.state,
    "python": random.Random(1).getstate(),
    "optim": {
        "state": {0: {"exp_avg": torch.randn(3), "step": torch.tensor(5.0)}},
        "groups": [{"betas": (0.0, 0.9)}],
    },
    "odd": [float("inf"), -0.0, 1e-320, "text", None, True, {}, [], ()],
    "half": torch.randn(2, 2).to(torch.bfloat16),
    "bytes": torch.get_rng_state(),
}


def equal(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(v, b[k]) for k, v in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def test_state_round_trip(tmp_path: Path) -> None:
    save_state(tmp_path / "deep" / "state.safetensors", TREE)
    assert equal(load_state(tmp_path / "deep" / "state.safetensors"), TREE)


def test_pack_says_where_the_strange_thing_is() -> None:
    with pytest.raises(TypeError, match=r"set at a/1"):
        pack({"a": [1, {2}]})
    skeleton, tensors = pack(torch.ones(2))
    assert torch.equal(unpack(skeleton, tensors), torch.ones(2))


def test_flipped_bytes_of_a_state_are_found(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, {"x": torch.arange(3.0), "step": 4})
    good = path.read_bytes()
    for i in range(len(good)):
        path.write_bytes(good[:i] + bytes([good[i] ^ 0x20]) + good[i + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            load_state(path)
    path.write_bytes(good[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(path)
    with pytest.raises(CheckpointError, match="cannot read"):
        load_state(tmp_path / "none")
