# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from spade_image.cli import main
from spade_image.labels import read_ids
from spade_image.model import ImageModel
from tests.image.conftest import pair, save

Run = Callable[..., tuple[int, str, str]]
QUICK = (
    "--preset", "tiny", "--no-vgg", "--ngf", 1, "--ndf", 2, "--steps", 2, "--batch-size", 2, "--amp", "off",
    "--no-tensorboard", "--label-nc", 5,
)  # fmt: skip


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return call


def error_of(err: str) -> str:
    """The one error line, at the end."""
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    return lines[0]


def test_help_is_instant_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); from spade_image.cli import main; main(['train', '--help']);"
        "heavy = {'torch', 'numpy', 'PIL', 'torchvision', 'pandas'} & set(sys.modules);"
        "print('HEAVY', sorted(heavy), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "HEAVY []" in result.stderr
    assert "--vgg-weights" in result.stdout
    assert "Examples:" in result.stdout


@pytest.mark.parametrize("command", ["check", "train", "convert", "export", "shapes"])
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"spade-image {command}" in out.split("Example")[1]


def test_from_shapes_to_a_model_and_to_official_files_and_back(tmp_path: Path, run: Run) -> None:
    data, model = tmp_path / "s", tmp_path / "m"
    assert run("shapes", "--out", data, "--n-train", 8, "--n-val", 2)[0] == 0
    code, out, err = run("train", "--data", data, "--out", model, *QUICK, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert (report["reason"], report["step"], report["options"]["ngf"]) == ("finished", 2, 1)
    assert "8 training and 2 validation pairs" in err
    assert "without the perceptual (VGG) loss, as asked" in err
    assert run("convert", "--to-official", model, "--out", tmp_path / "pth")[0] == 0
    again = run(
        "convert", "--from-official", tmp_path / "pth" / "latest_net_G.pth",
        "--options", tmp_path / "pth" / "options.json", "--out", tmp_path / "back",
    )  # fmt: skip
    assert again[0] == 0, again[2]
    ids = torch.from_numpy(read_ids(next((data / "val_label").iterdir())).astype(np.int64))[None]
    first, second = (ImageModel.load(folder).generate(ids) for folder in (model, tmp_path / "back"))
    torch.testing.assert_close(first, second)


def test_shapes_need_no_data(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("train", "--data", "shapes", "--out", "m", *QUICK)
    assert code == 0, err
    assert "96 training and 24 validation pairs" in err
    assert "val_colour_error" in out


def test_check_prints_shares_and_exits_2_when_training_could_not_begin(
    tmp_path: Path, run: Run, scenes: Path
) -> None:
    code, out, _ = run("check", "--data", scenes)
    assert code == 0
    assert "sky" in out
    assert "training can begin" in out
    bad = tmp_path / "bad"
    shutil.copytree(scenes, bad)
    (bad / "train_label" / "scene00003.png").unlink()
    code, out, err = run("check", "--data", bad)
    assert code == 2
    assert "a photo without label" in out
    assert "1 finding(s) keep training from beginning" in error_of(err)
    code, out, err = run("check", "--data", bad, "--json")
    assert code == 2
    assert json.loads(out)["ok"] is False


def test_a_palette_is_written_to_be_named(tmp_path: Path, run: Run) -> None:
    mask = np.zeros((8, 8, 3), dtype=np.uint8)
    mask[4:] = (9, 90, 0)
    for name in "ab":
        pair(tmp_path, name, mask)
    assert run("check", "--data", tmp_path)[0] == 2
    code, _, err = run("check", "--data", tmp_path, "--write-palette")
    assert code == 0
    assert "2 colours" in err
    assert "exists already" in error_of(run("check", "--data", tmp_path, "--write-palette")[2])


def broken(folder: Path, what: str) -> None:
    label = folder / "train_label" / "scene00000.png"
    photo = folder / "train_img" / "scene00000.png"
    if what == "truncated":
        photo.write_bytes(photo.read_bytes()[:200])
    elif what == "colours":
        save(label, np.random.default_rng(0).integers(0, 9, (32, 32, 3), dtype=np.uint8))
        (folder / "dataset.json").unlink()
    elif what == "ids":
        save(label, np.full((32, 32), 77, dtype=np.uint8))
    elif what == "unmatched":
        label.unlink()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("truncated", "scene00000.png is truncated or damaged"),
        ("colours", "is a mask of RGB colours, and there is no palette"),
        ("ids", "holds the id(s) 77, but label_nc=5 allows 0..4: give --label-nc 78"),
        ("unmatched", "1 photo(s) without label"),
    ],
)
def test_bad_data_is_one_line_and_nothing_is_written(
    tmp_path: Path, run: Run, scenes: Path, what: str, words: str
) -> None:
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    broken(data, what)
    code, _, err = run("train", "--data", data, "--out", tmp_path / "m", *QUICK)
    assert code == 2
    assert words in error_of(err)
    assert not (tmp_path / "m").exists()


def test_a_corrupt_state_and_bad_usage_are_one_line(tmp_path: Path, run: Run, scenes: Path) -> None:
    out = tmp_path / "m"
    (out / "state").mkdir(parents=True)
    (out / "state" / "state.safetensors").write_bytes(b"x" * 100)
    code, _, err = run("train", "--data", scenes, "--out", out, *QUICK, "--resume")
    assert code == 2
    assert "state.safetensors is damaged" in error_of(err)
    assert len(err.splitlines()) == 1  # before anything about the training is said
    for arguments, words in (
        (("train", "--out", out), "where is the data?"),
        (("train", "--data", tmp_path / "none", "--out", out / "x"), "is not a folder"),
        (
            ("train", "--data", scenes, "--out", out / "x", "--max-minutes", "-1"),
            "--max-minutes -1 is no time",
        ),
        (
            ("train", "--data", scenes, "--out", out / "x", "--no-vgg", "--vgg-weights", "f"),
            "--no-vgg contradicts",
        ),
        (("train", "--data", scenes, "--out", out / "x", "--generator", "dcgan"), "generator"),
        (("convert", "--out", out / "x"), "give either --from-official"),
        (("export", "--model", out / "none", "--out", out / "x.onnx"), "no model folder"),
        (("export", "--model", out, "--out", out / "x.onnx", "--size", "big"), "is not HxW"),
        (("paint",), "paint"),
    ):
        code, _, err = run(*arguments)
        assert code == 2, arguments
        assert words in error_of(err)


def test_ctrl_c_saves_and_the_same_command_resumes(tmp_path: Path, scenes: Path) -> None:
    out = tmp_path / "m"
    command = [sys.executable, "-m", "spade_image.cli", "train", "--data", str(scenes), "--out", str(out)]
    command += [str(a) for a in QUICK]
    command[command.index("--steps") + 1] = "100000"
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 90
        while not (out / "metrics.jsonl").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command with --resume continues" in err
    assert (out / "state" / "state.safetensors").is_file()
    assert ImageModel.load(out).provenance["ended"] == "signal"


def test_what_cannot_work_is_said_before_anything_is_done(
    tmp_path: Path, run: Run, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m"
    model = tmp_path / "model"
    ImageModel.build({"ngf": 1, "nhidden": 2, "label_nc": 5, "no_instance": True, "crop_size": 32}).save(
        model
    )
    label = next((scenes / "val_label").glob("*.png"))
    train = ("train", "--data", scenes, "--out", out, *QUICK)
    draw = ("generate", "--model", model, "--labels", label, "--out", tmp_path / "o")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for arguments, words in (
        ((*draw, "--device", "cuda"), "--device cuda: torch finds no GPU here"),
        ((*train, "--device", "cuda:3"), "--device cuda:3: torch finds no GPU here"),
        ((*draw, "--device", "potato"), "--device potato is unknown"),
        ((*train, "--device", "meta"), "--device meta is unknown"),
        ((*draw, "--size", "99999968x32"), "million pixels"),
        (("export", "--model", model, "--out", tmp_path), "is a folder: give the file"),
        (("check", "--data", scenes, "--label-nc", 0), "--label-nc 0 must be at least 1"),
        ((*train, "--ema-samples", 0), "--ema-samples 0 must be a positive"),
        ((*train, "--cache-mb", -1), "--cache-mb -1 must not be negative"),
        (
            ("train", "--data", scenes, "--out", out, "--preset", "tiny", "--batch-size", 1),
            "leaves a coarse grid of 1 x 1",
        ),
    ):
        code, _, err = run(*arguments)
        assert (code, words in error_of(err)) == (2, True), (arguments, err)
    assert not out.exists()


def test_a_training_that_broke_off_before_its_first_save_may_begin_anew(
    tmp_path: Path, run: Run, scenes: Path
) -> None:
    out = tmp_path / "m"
    (out / "state").mkdir(parents=True)
    (out / "state" / "run.json").write_text("{}")
    (out / "metrics.jsonl").write_text("")
    assert run("train", "--data", scenes, "--out", out, *QUICK)[0] == 0
    assert (out / "config.json").is_file()
