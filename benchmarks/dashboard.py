# SPDX-License-Identifier: Apache-2.0
"""How long a reader of the dashboard waits, in a real browser on a warm server; docs/dashboard.md quotes the table.

- *first picture*: from the address entered to the fan on the screen, and to the chart that answers the mouse; in a
  browser that has never been there (empty cache) and in one that has;
- *plain page*: the same figure alone, written by plotly as one HTML file, opened from the disk by a new browser;
- *controls*: from a change to the changed figure (Stress: to the changed numbers), a sample of 500 paths each
  time that was not there before; and the sample alone in this process.

Needs playwright and a Chromium (``SPADE_BROWSER`` names one).

    python benchmarks/dashboard.py --repeats 5
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import spade_finance as sf
from spade_finance.stress.pdf import find_browser

SCRIPT = "bull:60,crisis:20,bear:40"
CHART = ".js-plotly-plot .main-svg .trace"
# A time is taken after the frame in which a thing first stood has been painted.
SEEN = """
window.seen = {};
const look = (name, css) => {
  if (name in window.seen || !document.querySelector(css)) return;
  window.seen[name] = 0;
  requestAnimationFrame(() => setTimeout(() => (window.seen[name] = performance.now())));
};
new MutationObserver(() => {
  look('frame', 'h1'); look('picture', '.st-key-fan-stage [data-testid=stMarkdown] img');
  look('chart', 'CHART');
}).observe(document, { subtree: true, childList: true });
window.figure = () => JSON.stringify(
  document.querySelector('.js-plotly-plot')?._fullData?.map((t) => [t.y.length, t.y[t.y.length >> 1]]));
window.numbers = () => document.querySelector('.spade-cards')?.innerText;
""".replace("CHART", CHART)


def visit(context: Any, url: str) -> dict[str, float]:
    """Seconds until the frame, the first picture and the chart."""
    page = context.new_page()
    page.add_init_script(SEEN)
    page.goto(url, wait_until="commit")
    page.wait_for_function("() => window.seen.chart > 0", timeout=180_000)
    seen = {name: value / 1000 for name, value in page.evaluate("window.seen").items()}
    page.close()
    return {"picture": seen["chart"], **seen}


def idle(page: Any) -> None:
    page.wait_for_timeout(300)
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']", timeout=60_000)
    page.wait_for_timeout(300)


def answer(page: Any, change: Callable[[], None], what: str = "figure") -> float:
    """Seconds from a change to another figure (or other numbers) on the screen."""
    idle(page)
    old = page.evaluate(f"() => {{ window.start = performance.now(); return window.{what}() }}")
    change()
    done = f"old => window.{what}() && window.{what}() !== old && performance.now() - window.start"
    return float(page.wait_for_function(done, arg=old, polling="raf", timeout=60_000).json_value()) / 1000


def controls(page: Any, url: str, repeats: int) -> dict[str, list[float]]:
    """Seconds of each control."""

    def at(query: str, css: str = CHART) -> None:
        page.goto(f"{url}{query}")
        page.wait_for_selector(css)
        idle(page)

    def each(change: Callable[[int], None], what: str = "figure") -> list[float]:
        return [answer(page, lambda i=i: change(i), what) for i in range(repeats)]

    def drag(i: int) -> None:  # the crisis' severity, on the lane below the market's row
        box = page.locator(".painter .canvas svg").first.bounding_box()
        x, y = box["x"] + 98 + 70.5 / 120 * (box["width"] - 112), box["y"] + 90
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y - 6 - 3 * i, steps=3)
        page.mouse.up()

    def typed(label: str, value: str) -> None:
        place = page.get_by_label(label, exact=True)
        place.fill(value)
        place.press("Control+Enter")

    def nervous() -> None:
        page.get_by_label("Volatility on the first day").click()
        page.get_by_role("option").last.click()

    found = {}
    at("/?paths=500&seed=21")
    found["severity (drag on the painter)"] = each(drag)
    at("/?paths=500&seed=22")
    days = page.locator(".painter input.days").first
    found["days"] = each(lambda i: (days.fill(str(121 + i)), days.press("Enter")))
    at("/?paths=500&seed=23")
    found["timeline as text"] = each(lambda i: typed("Timeline as text", f"bull:{40 + i},crisis:20,bear:60"))
    at(f"/?paths={500 - 50 * repeats}&seed=24")
    slider = page.locator("[data-testid=stSlider] [role=slider], [data-testid=stSlider] input").first
    found["paths (to 500)"] = each(lambda i: slider.press("ArrowRight"))
    at("/?paths=500&seed=25")
    found["seed"] = each(lambda i: page.get_by_test_id("stNumberInputStepUp").first.click())
    found["first day's volatility"] = []
    for i in range(repeats):
        at(f"/?paths=500&seed={40 + i}")
        page.get_by_text("More", exact=True).click()
        found["first day's volatility"].append(answer(page, nervous))
    at("/?paths=500&seed=26")
    found["single paths (no new sample)"] = each(lambda i: page.get_by_text("single paths").click())
    at("/stress?paths=500&seed=27", ".spade-cards")
    dial = page.locator("[data-testid=stSlider] [role=slider], [data-testid=stSlider] input").last
    found["Stress: severity dial"] = each(lambda i: dial.press("ArrowRight"), "numbers")
    at(f"/backtest?paths={500 - 50 * repeats}&seed=28", ".spade-cards")
    slider = page.locator("[data-testid=stSlider] [role=slider], [data-testid=stSlider] input").first
    found["Backtest: paths (to 500), three strategies"] = each(
        lambda i: slider.press("ArrowRight"), "numbers"
    )
    steps = page.get_by_test_id("stNumberInputStepUp")  # the seed's, then the cost's
    found["Backtest: cost"] = each(lambda i: steps.nth(1).click(), "numbers")
    return found


def plain_page(browser: Any, folder: Path, repeats: int) -> list[float]:
    """Seconds until plotly's own page of the same figure, and nothing else, stands in a new browser."""
    from spade_finance.plotting import fan_chart

    figure = fan_chart(sf.ScenarioGenerator.load("default").sample(SCRIPT, 500, 7))
    figure.write_html(folder / "plain.html", include_plotlyjs=True)
    found = []
    for _ in range(repeats):
        context = browser.new_context()
        found.append(visit(context, (folder / "plain.html").as_uri())["chart"])
        context.close()
    return found


def sampling(repeats: int) -> list[float]:
    """Seconds of 500 paths over 120 days, in this process."""
    model, found = sf.ScenarioGenerator.load("default"), []
    for i in range(repeats + 1):
        start = time.perf_counter()
        model.sample(SCRIPT, 500, i)
        found.append(time.perf_counter() - start)
    return found[1:]


def serve() -> tuple[subprocess.Popen[bytes], str]:
    """A server of one's own, and its address."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    command = [sys.executable, "-m", "spade_finance.cli", "dashboard", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
            return server, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.2)
    server.terminate()
    raise SystemExit("the dashboard did not answer within a minute")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=("visits", "controls"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    size = {"width": 1440, "height": 900}
    rows: dict[str, list[float]] = {}
    server, url = serve()
    try:
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
            visit(browser.new_context(viewport=size), url)  # warms the server
            for _ in range(args.repeats if args.only != "controls" else 0):
                context = browser.new_context(viewport=size)
                for kind in ("new browser", "again"):
                    for name, value in visit(context, url).items():
                        rows.setdefault(f"{kind}: {name}", []).append(value)
                context.close()
            if args.only != "controls":
                rows["plain page of the figure: chart"] = plain_page(browser, Path(folder), args.repeats)
            if args.only != "visits":
                page = browser.new_page(viewport=size)
                page.add_init_script(SEEN)
                rows |= controls(page, url, args.repeats)
            browser.close()
    finally:
        server.terminate()
        server.wait()
    if args.only != "visits":
        rows["the sample alone"] = sampling(args.repeats)
    table = {name: (statistics.median(found), max(found)) for name, found in rows.items()}
    if args.json:
        print(json.dumps({name: {"median_s": m, "worst_s": w} for name, (m, w) in table.items()}, indent=1))
        return
    print(f"{'seconds':44}{'median':>8}{'worst':>8}")
    for name, (median, worst) in table.items():
        print(f"{name:44}{median:8.2f}{worst:8.2f}")
    plain = "plain page of the figure: chart"
    for one, other in (
        ("new browser: picture", plain),
        ("again: picture", plain),
        ("seed", "the sample alone"),
    ):
        if one in table and other in table:
            print(f"{one} / {other}: {table[one][0] / table[other][0]:.2f}")


if __name__ == "__main__":
    main()
