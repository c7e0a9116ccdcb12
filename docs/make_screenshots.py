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

OUT = Path(__file__).parent / "images"
PAGES = {
    "dashboard_generate": "/?script=bull:60,bear~crisis:10,crisis:40,bear:30,sideways:60",
    "dashboard_stress": "/stress",
    "dashboard_backtest": "/backtest",
    "dashboard_images": "/images",
}
WAIT_MS = 180_000


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
            page = browser.new_page(viewport={"width": 1440, "height": 1000}, device_scale_factor=1)
            page.set_default_timeout(WAIT_MS)
            for name, path in PAGES.items():
                page.goto(address + path)
                page.wait_for_selector("h1")
                page.wait_for_selector(".js-plotly-plot, canvas, img[src*='media']")
                page.wait_for_selector("[data-testid='stStatusWidget']", state="detached")
                page.wait_for_timeout(2500)
                page.screenshot(path=OUT / f"{name}.png")
                print(OUT.name, name, flush=True)
            browser.close()
    finally:
        server.terminate()
        server.wait(timeout=30)


if __name__ == "__main__":
    main()
