# SPDX-License-Identifier: Apache-2.0
"""The Stress page in a real browser: a portfolio uploaded and edited, a report made, downloaded and read again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
Settled = Callable[..., None]


def shortfall(page: Any) -> str:
    """ES at the end, as the card says it."""
    card = page.locator(".spade-cards > div", has_text="ES 97.5 % at the end").first
    return str(card.locator("dd").inner_text())


def write_weight(page: Any, row: int, percent: str) -> None:
    """Write into the table, which is a canvas: its cell opens as a field of its own."""
    field = page.locator("#portal input")
    for _ in range(10):
        box = page.locator("[data-testid=stDataFrame] canvas").first.bounding_box()
        page.mouse.dblclick(box["x"] + 0.8 * box["width"], box["y"] + 36 + 35 * row + 17)
        page.wait_for_timeout(700)
        if field.count():
            break
    field.fill(percent)
    page.keyboard.press("Enter")


def test_a_portfolio_is_uploaded_edited_and_reported(
    open_page: Open, settled: Settled, tmp_path: Path, screenshot: Callable[..., Path]
) -> None:
    page = open_page("/stress?scenario=own&script=crisis:30&paths=100&s_view=drawdowns&report_paths=500")
    page.wait_for_selector(".js-plotly-plot")
    settled(page)
    equal = shortfall(page)

    broken, good = tmp_path / "broken.csv", tmp_path / "banks.csv"
    broken.write_text("asset,weight\nFinancials,half\n")
    good.write_text("asset,weight\nFinancials,0.9\nEnergy,0.1\n")
    page.get_by_role("button", name="Upload").first.click()
    page.set_input_files("input[type=file]", str(broken))
    page.get_by_text("the weight of 'Financials' is 'half', no number").wait_for()
    page.set_input_files("input[type=file]", str(good))
    page.wait_for_url(re.compile("weights=Financials"))
    settled(page)
    page.keyboard.press("Escape")
    banks = shortfall(page)
    assert banks != equal
    page.get_by_text("banks: Financials 90 %, Energy 10 %").wait_for()

    write_weight(page, 0, "-50")
    page.wait_for_url(re.compile(r"InfoTech(:|%3A)-0\.5"))
    settled(page)
    assert shortfall(page) not in (equal, banks)
    page.get_by_text("net 50.0 %").wait_for()
    screenshot(page, "stress-desktop-light")
    settled(page)

    page.get_by_role("button", name="Make the report").click()
    page.get_by_role("button", name="Cancel").wait_for()
    ready = page.get_by_role("button", name="report.json")
    ready.wait_for(timeout=240_000)
    with page.expect_download() as waiting:
        ready.click()
    place = tmp_path / "report.json"
    waiting.value.save_as(place)
    saved = json.loads(place.read_text(encoding="utf-8"))
    assert saved["options"]["n_paths"] == 500
    assert saved["options"]["scenario"]["script"] == "crisis:30"
    weights = saved["options"]["portfolios"][0]["weights"]
    assert {k: v for k, v in weights.items() if v} == {"InfoTech": -0.5, "Financials": 0.9, "Energy": 0.1}

    linked = open_page(f"/{page.url.rpartition('/')[2]}", width=390, dark=True)
    linked.wait_for_selector(".js-plotly-plot")
    settled(linked)
    assert shortfall(linked) == shortfall(page)
    assert linked.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(linked, "stress-phone-dark")
