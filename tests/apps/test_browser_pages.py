# SPDX-License-Identifier: Apache-2.0
"""Every page as first opened, on a desk and on a phone, light and dark: nothing broken, cut off or nameless."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

FORMS = {
    "desktop-light": (1440, False),
    "desktop-dark": (1440, True),
    "phone-light": (390, False),
    "phone-dark": (390, True),
}
# What a person who cannot see would be told nothing of, and what reaches past the edge without a scroll bar of its own.
NAMELESS = """
() => [...document.querySelector('[data-testid=stMain]').querySelectorAll('button, input, img')]
  .filter((e) => e.checkVisibility() && e.type !== 'file')
  .filter((e) => !(e.innerText?.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
    || e.labels?.length || e.title || e.hasAttribute('alt')))
  .map((e) => e.outerHTML.slice(0, 300))
"""
CUT_OFF = """
() => {
  const scrolls = (e) => e && e.dataset?.testid !== 'stMain'
    && (['auto', 'scroll'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  return [...document.querySelectorAll('[data-testid=stMain] *')]
    .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > window.innerWidth + 1)
    .filter((e) => !e.closest('svg') && !scrolls(e.parentElement))
    .map((e) => e.outerHTML.slice(0, 200));
}
"""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["generate", "regimes", "realism", "stress", "backtest", "images", "model"])
def test_a_page_as_first_opened(
    open_page: Callable[..., Any],
    settled: Callable[..., None],
    screenshot: Callable[[Any, str], Path],
    name: str,
    form: str,
) -> None:
    width, dark = FORMS[form]
    page = open_page("/" if name == "generate" else f"/{name}", width=width, dark=dark)
    page.locator(".spade-foot").wait_for()
    settled(page)
    page.wait_for_selector("[data-testid=stSpinner]", state="detached")
    screenshot(page, f"page-{name}-{form}")
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(CUT_OFF) == []


def test_the_checks_would_find_a_fault(open_page: Callable[..., Any], settled: Callable[..., None]) -> None:
    page = open_page("/model", width=390)
    page.locator(".spade-foot").wait_for()
    settled(page)
    page.evaluate(
        """() => document.querySelector('.spade-foot').insertAdjacentHTML('beforeend',
        "<button id='nameless' style='width:600px'></button>")"""
    )
    for check in (NAMELESS, CUT_OFF):
        (found,) = page.evaluate(check)
        assert "nameless" in found
