# SPDX-License-Identifier: Apache-2.0
"""The Generate page in a real browser: painted with a mouse, with keys and a finger, downloaded, linked, looked at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spade_finance.scenarios import ScenarioSet

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
Settled = Callable[..., None]
LEFT, RIGHT, MARKET_Y = 98, 14, 30
"""Pixels beside the days of a wide painter, and the height of the market's row."""


def script(page: Any) -> str:
    return str(page.get_by_label("Timeline as text", exact=True).input_value())


def ready(page: Any, settled: Settled) -> Any:
    surface = page.locator(".painter .canvas svg").first
    surface.wait_for()
    page.wait_for_selector(".js-plotly-plot")
    settled(page)
    return surface


def spot(surface: Any, day: float, days: int, y: float = MARKET_Y) -> tuple[float, float]:
    box = surface.bounding_box()
    share = (day + 0.5) / days
    return box["x"] + LEFT + share * (box["width"] - LEFT - RIGHT), box["y"] + y


def drag(page: Any, start: tuple[float, float], stop: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    for i in range(1, 6):
        page.mouse.move(*(a + (b - a) * i / 5 for a, b in zip(start, stop, strict=True)))
    page.mouse.up()


def fan_width(page: Any) -> np.ndarray:
    """Height of the 90 % band after each day, from the figure that is on the page."""
    traces = json.loads(
        page.evaluate(
            "() => JSON.stringify(document.querySelector('.js-plotly-plot')._fullData"
            ".filter(t => t.name === '90 % of paths').map(t => Array.from(t.y)))"
        )
    )
    y = np.array(traces[0], dtype=float)
    low, high = y[: len(y) // 2], y[len(y) // 2 :][::-1]
    return np.asarray(high - low)[1:]  # all paths begin at 100


def test_painting_generating_downloading_and_linking(
    open_page: Open, settled: Settled, tmp_path: Path, screenshot: Callable[..., Path]
) -> None:
    page = open_page("/?script=bull:120&paths=400")
    surface = ready(page, settled)
    calm = fan_width(page)

    drag(page, spot(surface, 60, 120), spot(surface, 89, 120))  # the brush is the worst regime
    settled(page)
    assert script(page) == "bull:60,crisis:30,bull:30"
    wide = fan_width(page)
    growth = np.diff(np.square(wide))
    assert np.allclose(wide[:60], calm[:60])  # equal beginnings give equal paths
    assert growth[60:89].mean() > 4 * growth[:59].mean()
    assert wide[-1] > 1.3 * calm[-1]

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Parquet").click()
    place = tmp_path / "paths.parquet"
    waiting.value.save_as(place)
    scenarios = ScenarioSet.load(place)
    assert (scenarios.n_paths, scenarios.n_days, len(scenarios.sectors)) == (400, 120, 7)
    assert scenarios.provenance["script"] == "bull:60,crisis:30,bull:30"
    value = 100 * np.cumprod(1 + scenarios.simple_array.mean(axis=2, dtype=np.float64), axis=1)
    np.testing.assert_allclose(np.diff(np.quantile(value, [0.05, 0.95], axis=0), axis=0)[0], wide, rtol=1e-6)

    linked = open_page(page.url.partition("//")[2].partition("/")[2].join(["/", ""]))
    ready(linked, settled)
    assert script(linked) == script(page)
    np.testing.assert_allclose(fan_width(linked), wide)
    screenshot(linked, "generate-desktop-light")


def test_every_way_to_paint(open_page: Open, settled: Settled) -> None:
    page = open_page("/?script=bull:60,crisis:20,bear:40&paths=50")
    surface = ready(page, settled)

    page.locator("[data-brush=blend]").first.click()
    drag(page, spot(surface, 50, 120), spot(surface, 59, 120))
    settled(page)
    assert script(page) == "bull:50,bull~crisis:10,crisis:20,bear:40"
    page.locator("[data-brush=blend]").first.click()

    page.get_by_label("Undo").first.click()
    settled(page)
    assert script(page) == "bull:60,crisis:20,bear:40"
    page.get_by_label("Redo").first.click()
    settled(page)
    assert script(page) == "bull:50,bull~crisis:10,crisis:20,bear:40"

    lane = 4 + 56 + 8
    drag(page, spot(surface, 100, 120, lane + 22), spot(surface, 100, 120, lane + 1))
    settled(page)
    assert script(page).endswith("bear*1.19:40")  # the edge of the trained range

    x, y = spot(surface, 79.5, 120)
    drag(page, (x, y), spot(surface, 89.5, 120))  # the border between crisis and bear
    settled(page)
    assert "crisis:30,bear*1.19:30" in script(page)

    page.get_by_role("button", name="Sectors").first.click()
    page.locator("[data-brush=bear]").first.click()
    row = lane + 44 + 10 + 4 * 26 + 11  # Energy, the fifth
    drag(page, spot(surface, 10, 120, row), spot(surface, 29, 120, row))
    settled(page)
    assert script(page).endswith(";Energy[10]=bear:20")

    # Keys: the market's first ten days become sideways, then the sector goes back with the market.
    page.keyboard.press("Home")
    for _ in range(5):
        page.keyboard.press("ArrowUp")
    for _ in range(9):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("2")
    settled(page)
    assert script(page).startswith("sideways:10,bull:40,")
    assert "sideways" in page.locator(".painter .status").first.inner_text()
    page.get_by_label("Undo").first.click()  # what the server makes of a stroke is no step of its own
    settled(page)
    assert script(page).startswith("bull:50,")
    page.get_by_label("Redo").first.click()
    settled(page)
    assert script(page).startswith("sideways:10,bull:40,")

    page.locator(".painter .days").first.fill("150")
    page.locator(".painter .days").first.press("Enter")
    settled(page)
    assert "bear*1.19:60" in script(page)

    page.get_by_label("Timeline as text", exact=True).fill("bull:20,markov:80")
    page.keyboard.press("Control+Enter")
    settled(page)
    assert page.locator(".painter .days").first.input_value() == "100"
    assert page.get_by_label("Undo").first.is_enabled()


def test_wrong_text_is_said_and_painting_mends_it(open_page: Open, settled: Settled) -> None:
    page = open_page("/?script=bull:60,boom:20&paths=50")
    page.get_by_text("unknown regime").wait_for()
    settled(page)
    surface = page.locator(".painter .canvas svg").first
    drag(page, spot(surface, 10, 120), spot(surface, 19, 120))
    settled(page)
    assert script(page).startswith("bull:10,crisis:10,")
    assert page.get_by_text("unknown regime").count() == 0


def test_a_finger_paints_on_a_phone(
    open_page: Open, settled: Settled, screenshot: Callable[..., Path]
) -> None:
    page = open_page("/?script=bull:60&paths=50", width=390, dark=True)
    surface = page.locator(".painter .canvas svg").first
    surface.wait_for()
    settled(page)
    box = surface.bounding_box()
    left, width = box["x"] + 70, box["width"] - 70 - 14
    client = page.context.new_cdp_session(page)

    def touch(kind: str, share: float) -> None:
        points = [] if kind == "touchEnd" else [{"x": left + share * width, "y": box["y"] + MARKET_Y}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.505)
    for share in (0.6, 0.7, 0.8, 0.9, 0.995):
        touch("touchMove", share)
    touch("touchEnd", 0)
    settled(page)
    assert script(page) == "bull:30,crisis:30"
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(page, "generate-phone-dark")


STAND_IN = ".st-key-fan-stage [data-testid=stMarkdown] img"
WATCH = """
window.both = 0; window.first = 0;
const watch = () => {
  const image = document.querySelector('%s');
  const shown = image && image.getClientRects().length > 0;
  const chart = document.querySelector('.st-key-fan-stage .js-plotly-plot .main-svg .trace');
  if (shown && !chart) window.first += 1;
  if (shown && chart) window.both += 1;
  requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
"""


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_a_stand_in_is_there_until_plotly_is(
    browser: Any, dashboard: str, settled: Settled, screenshot: Callable[..., Path], width: int, dark: bool
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.add_init_script(WATCH % STAND_IN)
    held: list[Any] = []
    page.route("**/PlotlyChart*.js", lambda request: held.append(request))
    page.goto(f"{dashboard}/?paths=60&script=bull:30,crisis:10")
    image = page.locator(STAND_IN)
    image.wait_for()
    page.wait_for_function(
        "() => getComputedStyle(document.querySelector('.st-key-fan-stage')).minHeight === '460px'"
    )
    assert image.get_attribute("alt").startswith("Fan chart over 40 days")
    assert page.evaluate(f"() => document.querySelector('{STAND_IN}').naturalWidth > 0")
    page.locator(".painter .canvas svg").first.wait_for()  # above it, and later than it
    settled(page)
    place, stage = image.bounding_box(), page.locator(".st-key-fan-stage").bounding_box()
    assert place == pytest.approx(stage, abs=1)
    assert page.locator(".js-plotly-plot").count() == 0
    form = f"{'phone' if width < 600 else 'desktop'}-{'dark' if dark else 'light'}"
    screenshot(page, f"generate-first-{form}")
    for request in held:
        request.continue_()
    page.wait_for_selector(".js-plotly-plot .main-svg .trace")
    settled(page)
    assert not image.is_visible()
    assert page.locator(".st-key-fan-stage").bounding_box() == pytest.approx(stage, abs=1)  # nothing jumped
    chart = page.locator(".js-plotly-plot").bounding_box()
    assert chart == pytest.approx(stage, abs=1)
    assert page.evaluate("() => window.first > 0 && window.both === 0")
    screenshot(page, f"generate-then-{form}")
    context.close()


def test_going_back_goes_back(open_page: Open, settled: Settled) -> None:
    page = open_page("/?script=bull:40&paths=50")
    ready(page, settled)
    page.get_by_text("Numbers", exact=True).click()
    page.get_by_text("The equal-weight market by regime").wait_for()
    settled(page)
    assert "view=numbers" in page.url
    page.get_by_role("link", name="Regimes").click()
    page.get_by_role("heading", name="Regimes").wait_for()
    settled(page)
    page.get_by_role("link", name="Generate").click()  # choices are kept from page to page
    page.get_by_text("The equal-weight market by regime").wait_for()
    settled(page)
    assert script(page) == "bull:40"
    assert "view=numbers" in page.url
    assert "script=bull" in page.url
    page.go_back()  # to the address that the link had before the choices were written into it
    settled(page)
    page.go_back()
    page.get_by_role("heading", name="Regimes").wait_for()


def test_nothing_leaves_the_machine(browser: Any, dashboard: str, settled: Settled) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(dashboard)
    ready(page, settled)
    page.close()
    foreign = [
        url
        for url in asked
        if not url.startswith((dashboard, "data:", "blob:", dashboard.replace("http", "ws")))
    ]
    assert not foreign


@pytest.mark.parametrize("view", ["sectors", "correlation", "what-if"])
@pytest.mark.parametrize(("width", "dark"), [(1440, True), (390, False)])
def test_it_looks_right_in_every_form(
    open_page: Open, settled: Settled, screenshot: Callable[..., Path], view: str, width: int, dark: bool
) -> None:
    page = open_page(f"/?view={view}&paths=100", width=width, dark=dark)
    ready(page, settled)
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("[data-testid=stException]").count() == 0
    screenshot(page, f"generate-{view}-{'phone' if width < 600 else 'desktop'}-{'dark' if dark else 'light'}")
