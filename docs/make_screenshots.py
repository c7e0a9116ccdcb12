# SPDX-License-Identifier: Apache-2.0
"""Remake the dashboard's pictures in docs/images: starts the server, opens four pages, waits for their figures.

python docs/make_screenshots.py            needs the [app,image] extras, playwright and a Chromium
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "images"
PAGES = {
    "dashboard_generate": (
        "/?script=bull:60,bear~crisis:10,crisis*1.1:40,bear:30,sideways:60;Energy[20]=crisis:40",
        ".js-plotly-plot",
    ),
    "dashboard_stress": ("/stress", ".js-plotly-plot"),
    "dashboard_regimes": ("/regimes?r_view=causal", ".js-plotly-plot"),
    "dashboard_images": ("/images", ".st-key-images-row"),
}
"""Name -> address, and the thing whose lower edge ends the picture."""
WAIT_MS = 180_000
WIDTH, MARGIN = 1440, 4


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settle(page: Any, last: str) -> None:
    """Wait until the page stands still, with its figures drawn."""
    page.wait_for_selector("h1")
    page.locator(last).first.wait_for()
    page.wait_for_timeout(1500)
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")
    page.wait_for_selector("[data-testid='stSpinner']", state="detached")
    page.wait_for_timeout(1500)


def main() -> None:
    """Take the pictures."""
    from playwright.sync_api import sync_playwright

    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "spade_finance.cli", "dashboard", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": 1000}, device_scale_factor=1)
            page.set_default_timeout(WAIT_MS)
            for name, (path, last) in PAGES.items():
                page.set_viewport_size({"width": WIDTH, "height": 1000})
                page.goto(address + path)
                settle(page, last)
                box = page.locator(last).first.bounding_box()
                page.set_viewport_size({"width": WIDTH, "height": round(box["y"] + box["height"]) + MARGIN})
                settle(page, last)
                page.screenshot(path=OUT / f"{name}.png")
                print(OUT.name, name, flush=True)
            browser.close()
    finally:
        server.terminate()
        server.wait(timeout=30)


if __name__ == "__main__":
    main()
