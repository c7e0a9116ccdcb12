# SPDX-License-Identifier: Apache-2.0
"""The address in a real browser: Back and Forward at once after a change, and clicks faster than the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

SAID = {"Card": "SPADE layers", "Limits": "What it does not do well", "Provenance": "Data hash"}


def test_back_and_forward_work_at_once(open_page: Callable[..., Any], settled: Callable[..., None]) -> None:
    def shown(name: str) -> None:
        """That view is chosen and drawn, and the address says it."""
        page.locator("button[data-variant=segmented_control][aria-checked=true]", has_text=name).wait_for(
            timeout=60_000
        )
        page.get_by_text(SAID[name]).first.wait_for(timeout=60_000)
        settled(page)
        assert page.locator("button[aria-checked=true]").inner_text() == name
        assert page.url.endswith("/model" if name == "Card" else f"m_view={name.lower()}")

    page = open_page("/model?m_view=provenance")
    shown("Provenance")
    page.get_by_role("radio", name="Limits").click()
    page.get_by_text(SAID["Limits"]).wait_for()
    page.get_by_role("radio", name="Card").click()
    page.get_by_text(SAID["Card"]).first.wait_for()
    page.go_back()  # no pause: what was written a moment ago is gone back from all the same
    shown("Limits")
    page.go_back()
    shown("Provenance")
    page.go_forward()
    shown("Limits")
    # Clicks faster than the address follows: the last one holds.
    for name in ("Card", "Provenance", "Limits", "Card"):
        page.get_by_role("radio", name=name).click(no_wait_after=True)
    shown("Card")
