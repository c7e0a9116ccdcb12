# SPDX-License-Identifier: Apache-2.0
"""A labeller fitted in a process of its own: no fit can be interrupted from within, a process can be ended at once.

Nothing is pickled: the returns go as Parquet, the fitted labeller comes back as its own JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ..work import Job

__all__ = ["fit_in_process"]

_PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from spade_finance.data import read_returns
from spade_finance.exceptions import InputError
from spade_finance.io.atomic import atomic_path
from spade_finance.regimes import make_labeller
source, target, method, options = sys.argv[1:]
try:
    answer = {"labeller": make_labeller(method, **json.loads(options)).fit(read_returns(source)).to_config()}
except InputError as error:
    answer = {"refused": str(error)}
with atomic_path(target) as part:
    part.write_text(json.dumps(answer), encoding="utf-8")
"""


def fit_in_process(
    job: Job, returns: pd.DataFrame, method: str, text: str, *, most_seconds: float = 0.0, **options: Any
) -> Any:
    """The labeller ``make_labeller(method, **options)`` fitted to `returns`.

    Parameters
    ----------
    job : Job
        Reported to, and asked whether to go on; when it is cancelled the process ends at once.
    text : str
        What the reader is told meanwhile.
    most_seconds : float
        The longest that it can take, for the progress bar; 0 when nobody knows.

    Raises
    ------
    InputError
        What the labeller refuses.
    Cancelled
    """
    from spade_finance.data import write_returns
    from spade_finance.exceptions import InputError
    from spade_finance.regimes import from_config

    with tempfile.TemporaryDirectory(prefix="spade-labels-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        source = write_returns(returns, folder / "returns.parquet")
        target, log = folder / "labeller.json", folder / "messages.log"
        with log.open("wb") as messages:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(source), str(target), method, json.dumps(options)],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=messages, stderr=subprocess.STDOUT,
            )  # fmt: skip
            begun = time.monotonic()
            try:
                while process.poll() is None:
                    job.progress(min(time.monotonic() - begun, 0.98 * most_seconds), most_seconds, text)
                    time.sleep(0.1)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        if not target.is_file():
            said = log.read_text(encoding="utf-8", errors="replace")
            raise RuntimeError(f"fitting {method} ended with exit code {process.returncode}: {said[-2000:]}")
        answer = json.loads(target.read_text(encoding="utf-8"))
    if "refused" in answer:
        raise InputError(answer["refused"])
    return from_config(answer["labeller"])
