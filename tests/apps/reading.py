# SPDX-License-Identifier: Apache-2.0
"""What a reader of a page that ``run_page`` ran would see."""

from __future__ import annotations

from typing import Any

KINDS = ("markdown", "html", "caption", "subheader", "code", "info", "success", "warning", "error")


def words(test: Any) -> str:
    """All text on the page."""
    return " ".join(str(element.value) for kind in KINDS for element in getattr(test, kind))


def fine(test: Any) -> bool:
    """Whether nothing went wrong, of ours or of the reader's."""
    return not test.exception and not test.error
