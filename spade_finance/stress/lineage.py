# SPDX-License-Identifier: Apache-2.0
"""Where the numbers come from, and what is needed to make them again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError

NEEDED = ("scenario", "portfolios", "n_paths", "seed", "parts")

__all__ = ["check_model", "data_hash", "model_hash", "read_options"]


def data_hash(returns: pd.DataFrame) -> str:
    """SHA-256 of dates, names and values, as the model's card counts it."""
    digest = hashlib.sha256("\x1f".join(map(str, returns.columns)).encode())
    digest.update(returns.index.to_numpy().astype("datetime64[D]").astype(np.int64).tobytes())
    digest.update(np.ascontiguousarray(returns.to_numpy(dtype=np.float64)).tobytes())
    return digest.hexdigest()


def model_hash(model: Any) -> str:
    """Content hash of a model, as its provenance has it."""
    found = getattr(model, "hash_", None) or model.describe().get("model_hash")
    return str(found)


def read_options(path: str | os.PathLike[str]) -> dict[str, Any]:
    """``options`` and ``provenance`` of a ``report.json``.

    Raises
    ------
    InputError
        If the file is missing, is no JSON, or no stress report of this schema.
    """
    file = Path(path)
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"--rerun {file} does not exist: give the report.json of an earlier run") from None
    except OSError as error:
        raise InputError(f"--rerun {file}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:
        raise InputError(f"--rerun {file}: is no JSON ({str(error).splitlines()[0]})") from None
    options = report.get("options") if isinstance(report, Mapping) else None
    if not isinstance(options, Mapping) or report.get("schema") != 1:
        raise InputError(f"--rerun {file}: is no report.json of 'spade-finance stress'")
    missing = [name for name in NEEDED if name not in options]
    if missing:
        raise InputError(
            f"--rerun {file}: its options lack {missing[0]!r}: it was made from a scenario file or is incomplete"
        )
    return {"options": dict(options), "provenance": dict(report.get("provenance") or {})}


def check_model(model: Any, provenance: Mapping[str, Any]) -> None:
    """Refuse another model than the report's: its numbers would differ."""
    told, found = provenance.get("model_hash"), model_hash(model)
    if told != found:
        raise InputError(
            f"the report was made with model {told}, this one is {found}: pass --model with the folder of that model"
        )


def check_history(returns: pd.DataFrame | None, provenance: Mapping[str, Any]) -> None:
    """Refuse other history than the report's."""
    told = provenance.get("history_hash")
    if returns is None or told is None:
        return
    found = data_hash(returns)
    if told != found:
        raise InputError(
            f"the report was made with history {told[:16]}, this file is {found[:16]}: pass the same returns"
        )
