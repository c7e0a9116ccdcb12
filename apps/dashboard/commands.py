# SPDX-License-Identifier: Apache-2.0
"""The program's own commands as long work: a process that can be ended at any moment, and gives its memory back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .work import Cancelled, start

if TYPE_CHECKING:
    from .work import Job

__all__ = ["start_command"]


def start_command(key: str, title: str, arguments: Sequence[str], folder: Path) -> Job:
    """Begin ``spade-finance ARGUMENTS`` as the job `key`; its result is `folder`.

    Parameters
    ----------
    arguments : sequence of str
        As on the command line, never through a shell. Options whose values come from a reader are written
        ``--name=value``.
    folder : Path
        Where the command writes, one of :func:`.files.fresh_folder`; also its working folder.
    """
    return start(key, title, _run, list(arguments), folder)


def _run(job: Job, arguments: list[str], folder: Path) -> Path:
    from spade_finance.exceptions import InputError

    log = folder / "messages.log"
    with log.open("wb") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", "spade_finance.cli", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=messages,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    code = process.wait(0.3)
                    break
                except subprocess.TimeoutExpired:
                    job.progress(0, 0)
        except Cancelled:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
    said = log.read_text(encoding="utf-8", errors="replace")
    if code == 2:
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        raise InputError(lines[-1].removeprefix("error: ") if lines else "the command refused its input")
    if code:
        raise RuntimeError(f"{' '.join(arguments[:1])} ended with exit code {code}: {said[-2000:]}")
    return folder
