# SPDX-License-Identifier: Apache-2.0
"""Outputs that are whole or absent: write beside the target, then rename."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spade_finance.exceptions import InputError

__all__ = ["atomic_path", "check_writable", "write_text"]


@contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `target` that becomes `target` when the block ends well.

    The block creates a file or a folder at the path it gets. Any exception, Ctrl-C included, removes what was
    written and leaves a previous `target` as it was. Missing parent folders are made.

    Parameters
    ----------
    target : path
        Where the finished file or folder will stand; an existing one is replaced.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        if target.is_dir() and not target.is_symlink():
            # os.replace cannot put anything in a folder's place: move the old one aside, so that a failing
            # rename still leaves one of the two whole.
            aside = part.with_suffix(".old")
            os.replace(target, aside)
            try:
                os.replace(part, target)
            except BaseException:
                os.replace(aside, target)
                raise
            _remove(aside)
        else:
            os.replace(part, target)
    finally:
        _remove(part)


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `target` as UTF-8, whole or not at all."""
    with atomic_path(target) as part:
        part.write_text(text, encoding="utf-8")


def check_writable(target: str | os.PathLike[str], *, name: str = "--out", folder: bool = False) -> Path:
    """Find out before long work whether `target` can be written, leaving nothing behind.

    Parameters
    ----------
    target : path
        The file or folder that will be written.
    name : str
        The parameter's name, for the message.
    folder : bool
        Whether `target` is meant to be a folder (of reports, a model) instead of a file.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If something of the other kind stands there, or the nearest existing folder cannot be written.
    """
    target = Path(target)
    try:
        if target.is_dir() and not folder:
            raise InputError(f"{name} {target} is a folder: give the file to write in it")
        if target.exists() and not target.is_dir() and folder:
            raise InputError(f"{name} {target} is a file: give a folder to write into")
        place = target if folder and target.is_dir() else target.parent
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir():
            raise InputError(f"{name} {target} cannot be written: {place} is not a folder")
        probe = place / f".{uuid.uuid4().hex[:8]}.probe"
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{name} {target} cannot be written: {reason}; choose another place") from error
    return target


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
