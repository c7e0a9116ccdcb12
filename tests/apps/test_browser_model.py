# SPDX-License-Identifier: Apache-2.0
"""The Model and Regimes pages in a real browser: files up, a training begun and cancelled, words where they are due."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spade_finance.data import load_sectors, write_returns

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
Settled = Callable[..., None]


def warm(open_page: Open) -> None:
    """A page of the root first, as a person would open."""
    open_page("/?paths=50&script=bull:5").close()


def test_a_training_is_begun_watched_and_cancelled(
    open_page: Open, settled: Settled, tmp_path: Path, screenshot: Callable[..., Path]
) -> None:
    warm(open_page)
    file = write_returns(load_sectors().iloc[-2100:, :2], tmp_path / "returns.csv")
    page = open_page("/model?m_view=own&m_by=hmm&m_n=3")
    page.set_input_files("input[type=file]", file)
    page.get_by_text("Data check: 2,100 rows").wait_for()
    settled(page)
    screenshot(page, "model-own-desktop-light")
    page.get_by_role("button", name="Train a quick model").click()
    page.get_by_text(re.compile(r"step [1-9]\d* of 250")).first.wait_for(timeout=120_000)
    page.locator(".js-plotly-plot").first.wait_for()  # the live curve, on days held back too
    page.get_by_text("held-back days").first.wait_for()
    screenshot(page, "model-training-desktop-light")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("cancelled after").wait_for(timeout=60_000)
    page.get_by_text("Nothing of it is kept").wait_for()
    settled(page)
    page.get_by_role("button", name="Train a quick model").wait_for()  # the file is still there
    assert page.locator("[data-testid=stException]").count() == 0


def test_a_broken_file_is_answered_with_the_validators_words(
    open_page: Open, settled: Settled, tmp_path: Path, screenshot: Callable[..., Path]
) -> None:
    warm(open_page)
    file = tmp_path / "broken.csv"
    file.write_text("date,A,B\n2020-01-01,0.01,\n2020-01-02,x1,0.02\n", encoding="utf-8")
    page = open_page("/regimes?r_data=own&r_by=hmm", width=390, dark=True)
    page.set_input_files("input[type=file]", file)
    page.get_by_text("holds 'x1', not a number").wait_for()
    settled(page)
    assert page.locator("[data-testid=stException]").count() == 0
    assert "Traceback" not in page.inner_text("body")
    gaps = load_sectors().iloc[-600:].copy()
    gaps.iloc[7, 2] = float("nan")
    file = tmp_path / "gaps.csv"
    gaps.to_csv(file)
    page.set_input_files("input[type=file]", file)
    page.get_by_text("has 1 missing value").wait_for()
    page.get_by_text("Data check: 600 rows").wait_for()
    settled(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(page, "regimes-broken-phone-dark")
