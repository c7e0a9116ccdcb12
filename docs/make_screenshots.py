# SPDX-License-Identifier: Apache-2.0
"""Remake the dashboard's pictures in docs/images: starts the server, opens four pages, waits for their figures.

python -m docs.make_screenshots            needs the [app,image] extras, playwright and a Chromium
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.dashboard import serve
from spade_finance.stress.pdf import find_browser

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

    server, address = serve()
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
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
