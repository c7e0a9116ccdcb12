# SPDX-License-Identifier: Apache-2.0
"""The data set that travels with the package: daily returns of seven US sectors, 1990 to 2022. No network.

In a wheel it lies in ``spade_finance/_data``; in a checkout (an editable install, too) in the top-level
``data/``. ``data/SOURCE.md`` says where it comes from, why it starts where it starts and what is wrong with
it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from spade_finance.data.files import exact_floats
from spade_finance.exceptions import InputError

_FILE = "us_sectors_daily.csv.gz"


def data_folder() -> Path:
    """Return the folder with the embedded data: inside the installed package, else the checkout's ``data/``.

    Raises
    ------
    InputError
        If neither holds the data (a damaged or hand-made installation).
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "_data", package.parent / "data")
    for folder in candidates:
        if (folder / _FILE).is_file():
            return folder
    raise InputError(
        f"the embedded data ({_FILE}) is missing from {candidates[0]} and {candidates[1]}: "
        "reinstall spade-finance, or run data/build_sectors.py in a checkout"
    )


def sectors_info() -> dict[str, Any]:
    """Provenance of the embedded data: source package and version, hashes, span, groups, known defects."""
    info: dict[str, Any] = json.loads((data_folder() / "us_sectors_daily.json").read_text(encoding="utf-8"))
    return info


def load_sectors() -> pd.DataFrame:
    """Daily simple returns (decimals) of seven US equity sectors, 1990-01-03 to 2022-12-28.

    Returns
    -------
    DataFrame of shape (8312, 7)
        Index ``date`` (trading days of the New York exchanges), columns InfoTech, Financials, ConsDisc,
        ConsStaples, Energy, HealthCare, Industrials, float64, no gaps in a row. A fresh copy each call.

    Raises
    ------
    InputError
        If the file is missing, or is not the one whose hash stands beside it.

    Notes
    -----
    Equal-weight groups of 19 large stocks that *survived* to 2022: means are too high, and Industrials is
    General Electric alone. See ``data/SOURCE.md`` before concluding anything from levels.
    """
    packed = (data_folder() / _FILE).read_bytes()
    expected, found = sectors_info()["sha256"], hashlib.sha256(packed).hexdigest()
    if found != expected:
        raise InputError(
            f"the embedded data {data_folder() / _FILE} is damaged (sha256 {found[:12]}..., expected "
            f"{expected[:12]}...): reinstall spade-finance"
        )
    table = pd.read_csv(io.BytesIO(gzip.decompress(packed)), dtype=str)
    days = pd.to_datetime(table.pop("date"), format="%Y-%m-%d")
    return exact_floats(table.set_index(pd.DatetimeIndex(days, name="date").as_unit("ns")))
