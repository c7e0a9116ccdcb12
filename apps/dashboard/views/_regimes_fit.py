# SPDX-License-Identifier: Apache-2.0
"""A labeller fitted in a process of its own: no fit can be interrupted from within, a process can be ended at once."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..processes import run_child

if TYPE_CHECKING:
    import pandas as pd

    from ..work import Job

__all__ = ["fit_in_process"]


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
    from spade_finance.regimes import from_config

    with tempfile.TemporaryDirectory(prefix="spade-labels-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        write_returns(returns, folder / "returns.parquet")
        asked = {"method": method, "options": options}
        (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        run_child(job, "views._regimes_child", folder, text=text, most_seconds=most_seconds)
        return from_config(json.loads((folder / "labeller.json").read_text(encoding="utf-8")))
