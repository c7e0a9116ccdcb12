# SPDX-License-Identifier: Apache-2.0
"""Where returns come from: the embedded sectors, the user's files, yfinance. All leave as simple returns.

A table of returns is a DataFrame of decimal **simple** returns with a sorted, unique ``DatetimeIndex`` named
``date`` and one column per sector.
"""

from __future__ import annotations

from spade_finance.data.check import DataCheck, check_returns
from spade_finance.data.download import FetchError, FetchResult, fetch
from spade_finance.data.embedded import load_sectors, sectors_info
from spade_finance.data.files import read_raw, read_returns, write_returns
from spade_finance.data.validate import MIN_ROWS, validate_returns

__all__ = [
    "MIN_ROWS",
    "DataCheck",
    "FetchError",
    "FetchResult",
    "check_returns",
    "fetch",
    "load_sectors",
    "read_raw",
    "read_returns",
    "sectors_info",
    "validate_returns",
    "write_returns",
]
