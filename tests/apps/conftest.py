# SPDX-License-Identifier: Apache-2.0
"""What the dashboard's tests share: a page run without a browser, a server, and a real browser on it."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spade_finance.stress.pdf import find_browser

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "apps" / "dashboard" / "app.py"


# ---- without a browser


@pytest.fixture
def run_page() -> Callable[..., Any]:
    """``run_page("generate", script="bull:20", paths="60")``: an AppTest of the whole app, run once at that page."""
    pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")
    from streamlit.testing.v1 import AppTest

    def run(page: str, *, timeout: float = 60, **query: str) -> Any:
        # AppTest knows no address but the query, so the frame is called with the page chosen.
        test = AppTest.from_string(_ONE_PAGE.format(root=str(ROOT), page=page), default_timeout=timeout)
        for name, value in query.items():
            test.query_params[name] = value
        return test.run()

    return run


_ONE_PAGE = """
import sys
sys.path.insert(0, {root!r})
from apps.dashboard import shell, state
info = next(info for info in shell.PAGES if info.name == {page!r})
state.adopt(info.name)
shell._run(info)
for said in state.finish():
    import streamlit as st
    st.warning(said)
"""


# ---- a server


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    def find() -> int:
        with socket.socket() as place:
            place.bind(("127.0.0.1", 0))
            return int(place.getsockname()[1])

    return find


@pytest.fixture(scope="session")
def dashboard(free_port: Callable[[], int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running dashboard, warmed: its first page has been drawn."""
    pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")
    folder = tmp_path_factory.mktemp("dashboard")
    port = free_port()
    log = folder / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "spade_finance.cli", "dashboard", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, server, log)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            pytest.fail(f"the dashboard ended at once: {log.read_text(errors='replace')[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the dashboard did not answer within a minute")


# ---- a browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium under Playwright; tests skip with the reason where there is none."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("no playwright: pip install playwright")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium that starts ({str(error).splitlines()[0]}): set SPADE_BROWSER to one")
        yield found
        found.close()


@pytest.fixture
def open_page(browser: Any, dashboard: str) -> Iterator[Callable[..., Any]]:
    """``page = open_page("/?script=bull:20", width=390, dark=True)``; an error on the page fails the test."""
    contexts, faults = [], []

    def open_(path: str = "/", *, width: int = 1440, dark: bool = False) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900 if width > 600 else 844},
            color_scheme="dark" if dark else "light",
            has_touch=width < 600,
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(90_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(dashboard + path)
        page.wait_for_selector("h1")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not faults, f"errors in the browser: {faults}"


@pytest.fixture
def settled() -> Callable[..., None]:
    """``settled(page)``: wait until the app has stopped running and its figures are drawn."""

    def wait(page: Any, *, timeout: float = 60_000) -> None:
        page.wait_for_timeout(250)
        page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']", timeout=timeout)
        page.wait_for_timeout(400)

    return wait


@pytest.fixture
def screenshot() -> Callable[[Any, str], Path]:
    """``screenshot(page, "generate-desktop")``: the whole page as a PNG, kept for whoever wants to look.

    In ``SPADE_SCREENSHOTS``, by default ``test-results/screenshots`` in the checkout.
    """
    folder = Path(os.environ.get("SPADE_SCREENSHOTS") or ROOT / "test-results" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)

    def take(page: Any, name: str) -> Path:
        place = folder / f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name)}.png"
        size = page.viewport_size
        tall = page.evaluate("() => document.querySelector('[data-testid=stMain]')?.scrollHeight ?? 900")
        page.set_viewport_size({"width": size["width"], "height": min(int(tall) + 20, 6000)})
        page.wait_for_timeout(700)
        page.screenshot(path=place)
        page.set_viewport_size(size)
        return place

    return take
