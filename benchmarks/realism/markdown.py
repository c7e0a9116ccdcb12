# SPDX-License-Identifier: Apache-2.0
"""Markdown tables."""

from __future__ import annotations

from typing import Any


def table(head: list[Any], rows: list[list[Any]]) -> list[str]:
    """A Markdown table."""
    return [
        "| " + " | ".join(map(str, head)) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
    ]


def bold(name: str) -> str:
    """Our own columns stand out."""
    return f"**{name}**" if name in ("spade", "default") else name
