# SPDX-License-Identifier: Apache-2.0
"""Libraries that may be absent: imported when used, and named with what installs them when missing."""

from __future__ import annotations

import importlib
from typing import Any

from spade_finance.exceptions import InputError


def need(module: str, package: str, what: str) -> Any:
    """Import `module`, or say which pip package brings it.

    Raises
    ------
    InputError
        The library, or one that it stands on, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = "" if (error.name or module).split(".")[0] == module else f" ({error})"
        raise InputError(f"{what} needs {module}{missing}: pip install {package}") from error
