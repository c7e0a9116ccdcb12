# SPDX-License-Identifier: Apache-2.0
"""Bad inputs: each is one clear line on stderr and exit code 2, and leaves no file behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.cli import main
from spade_finance.model import ScenarioGenerator

Refuse = Callable[..., str]


@pytest.fixture(scope="session")
def model(tiny_model: ScenarioGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model, hardly trained: enough to refuse by."""
    return tiny_model.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refuse:
    """Run a command that must be refused; return what it said."""

    def call(*arguments: object) -> str:
        before = set(tmp_path.rglob("*"))
        code = main([str(a) for a in arguments])
        seen = capsys.readouterr()
        assert code == 2, seen.err
        assert seen.err.startswith("error: ")
        line, *pointer = seen.err.splitlines()
        assert seen.err.endswith("\n")
        if pointer:  # only where a script is at fault: the script, and carets below
            assert line.startswith("error: bad script at position ")
            assert len(pointer) == 2
            assert set(pointer[1]) == {" ", "^"}
        assert len(line) < 600
        assert set(tmp_path.rglob("*")) == before, "something was left behind"
        return seen.err

    return call


def frame(rows: int = 1200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2010-01-01", periods=rows, name="date")
    return pd.DataFrame(rng.standard_t(5, (rows, 3)) * 0.008, days, ["A", "B", "C"])


def percent() -> pd.DataFrame:
    return frame() * 100


def prices() -> pd.DataFrame:
    return 50 * (1 + frame()).cumprod()


def duplicates() -> pd.DataFrame:
    table = frame()
    return pd.concat([table.iloc[:10], table.iloc[9:]])


def unsorted() -> pd.DataFrame:
    return frame().iloc[::-1]


def nan_column() -> pd.DataFrame:
    return frame().assign(B=np.nan)


def one_row() -> pd.DataFrame:
    return frame(1)


TABLES = {
    percent: ("percent", "100"),
    prices: ("price", "--kind price"),
    duplicates: ("date", "2010-01-14"),
    unsorted: ("sort",),
    nan_column: ("B",),
    one_row: ("row",),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("command", ["data check", "regimes", "train", "evaluate"])
def test_bad_tables(refuse: Refuse, tmp_path: Path, table: Callable[[], pd.DataFrame], command: str) -> None:
    table().to_csv(tmp_path / "bad.csv")
    if command == "evaluate":
        scenarios = tmp_path / "x.csv"
        days = np.arange(300)
        good = pd.DataFrame(
            {"path": 0 * days, "step": days, **{n: 0.01 * np.sin(days + i) for i, n in enumerate("ABC")}}
        )
        good.to_csv(scenarios, index=False)
        arguments = [
            "evaluate",
            "--scenarios",
            scenarios,
            "--real",
            tmp_path / "bad.csv",
            "--out",
            tmp_path / "r.html",
        ]
    elif command == "data check":
        arguments = ["data", "check", tmp_path / "bad.csv", "--json"]
    else:
        out = {"regimes": "l.csv", "train": "model"}[command]
        arguments = [command, tmp_path / "bad.csv", "--out", tmp_path / out, "--method", "rules"]
    said = refuse(*arguments)
    for word in TABLES[table]:
        assert word in said
    assert "bad.csv" in said


def test_prices_are_welcome_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices().to_csv(tmp_path / "prices.csv")
    assert main(["data", "check", str(tmp_path / "prices.csv"), "--kind", "price"]) == 0
    assert "usable" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("bull:10,crash:5", ("position 9", "'crash'", "crisis")),
        ("bull;10", ("position 5", "expected")),
        ("bull:0", ("position 6", "1 or more")),
        ("bull:-5", ("position 6",)),
        ("bull:10;Enrgy[2]=crisis:3", ("'Enrgy'", "Energy")),
        ("bull:10;Energy[8]=crisis:3", ("past the end",)),
        ("", ("position 1",)),
        ("crisis*40:5", ("severity",)),
    ],
)
def test_bad_scripts(refuse: Refuse, tmp_path: Path, model: Path, script: str, says: tuple[str, ...]) -> None:
    said = refuse(
        "generate", "--model", model, "--regimes", script, "--paths", 5, "--out", tmp_path / "x.csv"
    )
    for word in says:
        assert word in said


def test_carets_stand_below_the_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Path
) -> None:
    script = ["--regimes", "bull:10,crash:5", "--paths", "5", "--out", str(tmp_path / "x.csv")]
    assert main(["generate", "--model", str(model), *script]) == 2
    error, shown, carets = capsys.readouterr().err.splitlines()
    assert error.startswith("error: bad script at position 9 ('crash')")
    assert (shown, carets) == ("  bull:10,crash:5", "          ^^^^^")


def test_a_flipped_byte_in_a_model(refuse: Refuse, tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(model, folder)
    for name in ("model.safetensors", "config.json"):
        data = bytearray((model / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(bytes(data))
        for command in (
            ["info", folder],
            ["generate", "--model", folder, "--regimes", "bull:5", "--paths", 2, "--out", tmp_path / "x.csv"],
        ):
            assert str(folder) in refuse(*command)
        shutil.copy(model / name, folder / name)


def test_a_missing_model(refuse: Refuse, tmp_path: Path) -> None:
    for command in (
        ["info", tmp_path / "nowhere"],
        [
            "generate",
            "--model",
            tmp_path / "nowhere",
            "--regimes",
            "bull:5",
            "--paths",
            2,
            "--out",
            tmp_path / "x.csv",
        ],
    ):
        said = refuse(*command)
        assert "does not exist" in said
        assert "spade-finance train" in said
    (tmp_path / "empty").mkdir()
    assert "empty" in refuse("info", tmp_path / "empty")
    (tmp_path / "file").write_text("no model")
    assert "is a file" in refuse("info", tmp_path / "file")


def outputs(place: Path) -> list[list[Any]]:
    return [
        ["generate", "--regimes", "bull:5", "--paths", 2, "--out", place / "x.csv"],
        ["demo", "--out", place / "demo"],
        ["regimes", "r.csv", "--out", place / "l.csv"],
        ["train", "r.csv", "--out", place / "model"],
        ["evaluate", "--model", "default", "--real", "r.csv", "--out", place / "r.html"],
        ["data", "fetch", "XLK", "--start", "2020-01-01", "--out", place / "x.csv"],
    ]


@pytest.mark.parametrize("which", range(6))
def test_unwritable_outputs_are_found_before_the_work(refuse: Refuse, tmp_path: Path, which: int) -> None:
    (tmp_path / "file").write_text("in the way")
    said = refuse(*outputs(tmp_path / "file")[which])
    assert "--out" in said
    assert "cannot be written" in said


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("which", range(6))
def test_folders_without_permission(refuse: Refuse, tmp_path: Path, which: int) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert "Permission denied" in refuse(*outputs(locked)[which])


def test_outputs_of_the_wrong_kind(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    generate = ["generate", "--regimes", "bull:5", "--paths", 2, "--out"]
    assert "is a folder" in refuse(*generate, tmp_path / "x.csv")
    assert ".parquet" in refuse(*generate, tmp_path / "x.xlsx")
    assert ".csv" in refuse("regimes", "r.csv", "--out", tmp_path / "labels.txt")
    (tmp_path / "file").write_text("")
    assert "is a file" in refuse("demo", "--out", tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    assert "something else" in refuse("train", "r.csv", "--out", tmp_path / "other")
    assert "same file" in refuse(
        "evaluate", "--model", "default", "--real", "r.csv", "--out", tmp_path / "r", "--json", tmp_path / "r"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--regimes", "bull:5", "--paths", "0"], "--paths 0"),
        (["--regimes", "bull:5", "--paths", "-3"], "--paths -3"),
        (["--regimes", "bull:5", "--paths", "3", "--seed", "-1"], "--seed -1"),
        (["--regimes", "bull:5", "--paths", "3", "--start", "01/02/2025"], "--start '01/02/2025'"),
        (["--regimes", "bull:5", "--paths", "3", "--start", "2025-02-30"], "YYYY-MM-DD"),
        (["--regimes", "bull:5", "--paths", "3", "--start-vol", "high"], "--start-vol 'high'"),
        (["--regimes", "bull:5", "--paths", "3", "--start-vol", "-1"], "--start-vol '-1'"),
        (["--regimes", "bull:5", "--paths", "3", "--start-vol", "nan"], "--start-vol 'nan'"),
        (["--regimes", "bull:5", "--paths", "3", "--history", "gone.csv"], "gone.csv"),
    ],
)
def test_bad_numbers_and_dates(
    refuse: Refuse, tmp_path: Path, model: Path, arguments: list[str], says: str
) -> None:
    assert says in refuse("generate", "--model", model, "--out", tmp_path / "x.csv", *arguments)


def test_other_bad_options(refuse: Refuse, tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "r.csv")
    train = ["train", tmp_path / "r.csv", "--out", tmp_path / "m"]
    assert "--max-minutes" in refuse(*train, "--max-minutes", "0")
    assert "--until" in refuse(*train, "--until", "1980-01-01")
    assert "--resume" in refuse(*train, "--resume")
    assert "--n-regimes 1" in refuse(*train, "--n-regimes", "1")
    assert "gone.csv" in refuse(*train, "--labels", tmp_path / "gone.csv")
    assert "gone.csv" in refuse("train", tmp_path / "gone.csv", "--out", tmp_path / "m")
    assert "--model" in refuse("evaluate", "--real", tmp_path / "r.csv", "--out", tmp_path / "r.html")
    assert "gone.nc" in refuse(
        "evaluate",
        "--scenarios",
        tmp_path / "gone.nc",
        "--real",
        tmp_path / "r.csv",
        "--out",
        tmp_path / "r.html",
    )
    assert "ticker" in refuse("data", "fetch", "--start", "2020-01-01", "--out", tmp_path / "x.csv")
    assert "--start" in refuse("data", "fetch", "XLK", "--start", "soon", "--out", tmp_path / "x.csv")
    assert "does not exist" in refuse("data", "check", tmp_path / "gone.csv")


def test_columns_that_are_not_the_models(refuse: Refuse, tmp_path: Path, model: Path) -> None:
    frame().to_csv(tmp_path / "r.csv")
    said = refuse("evaluate", "--model", model, "--real", tmp_path / "r.csv", "--out", tmp_path / "r.html")
    assert "'A'" in said
    assert "Energy" in said
    script = ["--regimes", "bull:5", "--paths", 2, "--out", tmp_path / "x.csv"]
    said = refuse("generate", "--model", model, "--history", tmp_path / "r.csv", *script)
    assert "history has ['A', 'B', 'C'] that the model does not know" in said
    assert "Energy" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "--regimes", "bull:5", "--paths", "-1", "--out", "x.csv"],
        ["data", "check", "percent.csv"],
    ],
)
def test_the_installed_command_says_it_in_a_real_process(tmp_path: Path, arguments: list[str]) -> None:
    percent().to_csv(tmp_path / "percent.csv")
    done = subprocess.run(
        [sys.executable, "-m", "spade_finance.cli", *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
