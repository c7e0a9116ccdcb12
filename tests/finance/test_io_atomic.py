# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from spade_finance.exceptions import InputError
from spade_finance.io.atomic import atomic_path, check_writable, write_text


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_at_the_end_and_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "x.txt"
    with atomic_path(target) as part:
        part.write_text("half")
        assert not target.exists()
        part.write_text("whole")
    assert target.read_text() == "whole"
    assert names(target.parent) == {"x.txt"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_keeps_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "x.txt"
    write_text(target, "old")

    def fail() -> None:
        with atomic_path(target) as part:
            part.write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert names(tmp_path) == {"x.txt"}


def test_folders_are_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "store"
    for text in ("one", "two"):
        with atomic_path(target) as part:
            part.mkdir()
            (part / text).write_text(text)
    assert names(target) == {"two"}
    assert names(tmp_path) == {"store"}


def test_a_folder_that_cannot_be_replaced_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "store"
    target.mkdir()
    (target / "old").write_text("old")

    def forget() -> None:
        with atomic_path(target):
            pass  # nothing was written, so there is nothing to rename

    with pytest.raises(FileNotFoundError):
        forget()
    assert names(target) == {"old"}
    assert names(tmp_path) == {"store"}


def test_files_get_ordinary_permissions(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "x", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "a" / "b" / "x.csv") == tmp_path / "a" / "b" / "x.csv"
    assert check_writable(tmp_path, folder=True) == tmp_path
    assert names(tmp_path) == set()


def test_checking_finds_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--json .*file/x cannot be written"):
        check_writable(tmp_path / "file" / "x", name="--json")
    with pytest.raises(InputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        check_writable(tmp_path / "file", folder=True)
    with pytest.raises(InputError, match="cannot be written"):
        check_writable(tmp_path / ("x" * 5000 + ".csv"))
