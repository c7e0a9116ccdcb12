# SPDX-License-Identifier: Apache-2.0
"""Long work in a process of its own: it ends the moment that it is cancelled, leaves the server to the other readers,
and gives its memory back.

Nothing is pickled: what goes in and what comes out are files of a folder, in formats of the library's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .child import REFUSED, REFUSED_CODE, SAID

if TYPE_CHECKING:
    from .work import Job

__all__ = ["run_child"]

_PACKAGE = __package__ or ""
_ROOT = Path(__file__).resolve().parents[len(_PACKAGE.split("."))]
_PAUSE = 0.1
"""Seconds between two looks, and so the longest that a cancel waits."""


def run_child(
    job: Job,
    module: str,
    folder: Path,
    *,
    text: str = "",
    most_seconds: float = 0.0,
    heard: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Run a module of this package in a process that works in `folder`, until it ends or the job is cancelled.

    Parameters
    ----------
    job : Job
        Told how far the process says that it is, and asked whether to go on.
    module : str
        Relative to the dashboard, such as ``views._realism_child``; its last line is ``serve(...)`` of :mod:`.child`.
    text, most_seconds : str, float
        What the reader is told until the process says something, and the longest that it can take (0: nobody knows).
    heard : callable, optional
        Receives everything that the process says, as it comes.

    Raises
    ------
    InputError
        What the process refuses.
    Cancelled
        The process has been ended.
    """
    from spade_finance.exceptions import InputError

    log = folder / "messages.log"
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with log.open("wb") as messages:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{_PACKAGE}.{module}", str(folder)],
            cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL, stdout=messages, stderr=subprocess.STDOUT,
        )  # fmt: skip
        begun = time.monotonic()
        last: dict[str, Any] = {}
        try:
            lines = _lines(folder / SAID)
            while True:
                ended = process.poll() is not None  # asked first: what was said before the end is heard
                for said in lines:
                    if said is None:
                        break
                    last = said
                    if heard is not None:
                        heard(said)
                if last:
                    job.progress(last["done"], last["total"], last["text"])
                else:
                    job.progress(min(time.monotonic() - begun, 0.98 * most_seconds), most_seconds, text)
                if ended:
                    break
                time.sleep(_PAUSE)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode == REFUSED_CODE and (folder / REFUSED).is_file():
        raise InputError((folder / REFUSED).read_text(encoding="utf-8"))
    if process.returncode:
        written = log.read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"{module} ended with exit code {process.returncode}: {written[-2000:]}")


def _lines(place: Path) -> Iterator[dict[str, Any] | None]:
    """Everything that is said, as it comes; None whenever there is nothing new."""
    while not place.is_file():
        yield None
    with place.open(encoding="utf-8") as stream:
        part = ""
        while True:
            part += stream.readline()
            if not part.endswith("\n"):  # not yet written to its end
                yield None
                continue
            yield json.loads(part)
            part = ""
