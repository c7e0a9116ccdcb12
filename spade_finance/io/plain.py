# SPDX-License-Identifier: Apache-2.0
"""Any result of ours as values that JSON has: the one place that decides what becomes of NaN, dates and arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """Make `value` of JSON's own types: NaN and infinities None, numpy numbers numbers, dates YYYY-MM-DD."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat()[:10] if hasattr(value, "isoformat") else str(value)
