# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spade_image.cli import main
from tests.image.test_synthesis import model_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "styled"
    model_of(use_vae=True).save(path)
    return path


def run(folder: Path, scenes: Path, out: Path, *more: str) -> int:
    return main(
        ["generate", "--model", str(folder), "--labels", str(scenes / "val_label"), "--out", str(out), *more]
    )


def test_maps_alone_suffice(
    folder: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, scenes, tmp_path / "a", "--samples", "2") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "written: 8 picture(s)" in said.err
    names = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert len(names) == 10
    assert {"report.html", "report.json"} < set(names)


def test_styles_on_the_command_line(folder: Path, scenes: Path, tmp_path: Path) -> None:
    first, second, *_ = sorted((scenes / "val_img").glob("*.png"))
    assert run(folder, scenes, tmp_path / "a", "--style", str(first), "--style", str(second)) == 0
    assert run(folder, scenes, tmp_path / "b", "--interpolate", str(first), str(second), "--steps", "3") == 0
    assert len(list((tmp_path / "a").glob("*.png"))) == 8
    assert len(list((tmp_path / "b").glob("*.png"))) == 12


def test_the_seed_decides(folder: Path, scenes: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run(folder, scenes, tmp_path / name, "--seed", seed) == 0
    a, b, c = (np.asarray(Image.open(sorted((tmp_path / n).glob("*.png"))[0])) for n in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_bad_input_is_one_line_and_code_2(
    folder: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(np.zeros((40, 50), dtype=np.uint8)).save(file)
    cases = {
        "multiples of 32": ["--size", "50x40"],
        "no model folder": ["--model", str(tmp_path / "none")],
        "is a file": ["--out", str(file)],
        "--batch-size 0": ["--batch-size", "0"],
    }
    for said, arguments in cases.items():
        base = {"--model": str(folder), "--labels": str(scenes / "val_label"), "--out": str(tmp_path / "out")}
        base |= dict([arguments])
        assert main(["generate", *(word for pair in base.items() for word in pair)]) == 2
        error = capsys.readouterr().err.strip().splitlines()
        assert said in error[-1]
        assert error[-1].startswith("error: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["generate", "evaluate"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"spade-image {command} --model my-model" in capsys.readouterr().out
