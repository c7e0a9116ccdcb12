# SPDX-License-Identifier: Apache-2.0
"""The Images page in a real browser: painted with mouse and keys, the picture follows where it was painted."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torchvision", reason="pictures need the [image] extra")
Image = pytest.importorskip("PIL.Image", reason="pictures need the [image] extra")

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
Settled = Callable[..., None]


def ready(page: Any, settled: Settled) -> Any:
    canvas = page.locator(".mapper canvas").first
    try:
        canvas.wait_for(timeout=90_000)
    except Exception:
        if page.get_by_text("has no image model").count():
            pytest.skip("no image model: data/make_tiny_image_model.py makes the one that ships")
        raise
    settled(page)
    return canvas


def drawn(page: Any) -> np.ndarray:
    """The large picture, 0 to 255."""
    source = page.locator("img[alt^='The map drawn']").first.get_attribute("src")
    content = page.request.get(
        source if source.startswith("http") else page.url.split("/images")[0] + source
    ).body()
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(float)


def painted(page: Any) -> np.ndarray:
    """What the canvas shows, pixel by pixel."""
    width, height, data = page.evaluate(
        "() => { const c = document.querySelector('.mapper canvas') ?? [...document.querySelectorAll('*')]"
        ".map(e => e.shadowRoot?.querySelector('.mapper canvas')).find(Boolean);"
        "return [c.width, c.height, Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]; }"
    )
    return np.array(data).reshape(height, width, 4)[..., :3]


def test_painting_changes_the_picture_where_it_was_painted(
    open_page: Open, settled: Settled, screenshot: Callable[..., Path], tmp_path: Path
) -> None:
    page = open_page("/")  # the first page of a fresh server is its root
    page.get_by_role("link", name="Images").click()
    canvas = ready(page, settled)
    before, map_before = drawn(page), painted(page)
    box = canvas.bounding_box()

    names = page.locator(".mapper .brush").all_inner_texts()
    page.locator(".mapper .brush").nth(min(4, len(names) - 1)).click()
    y = box["y"] + 0.85 * box["height"]
    page.mouse.move(box["x"] + 0.15 * box["width"], y)
    page.mouse.down()
    for share in (0.3, 0.5, 0.7, 0.85):
        page.mouse.move(box["x"] + share * box["width"], y)
    page.mouse.up()
    settled(page)
    after, map_after = drawn(page), painted(page)
    height = before.shape[0]
    row = map_after[int(0.85 * map_after.shape[0])]
    assert (row[int(0.2 * len(row)) : int(0.8 * len(row))] == row[len(row) // 2]).all()
    change = np.abs(after - before).mean(axis=(1, 2))
    assert change[int(0.82 * height) : int(0.88 * height)].mean() > 12
    assert change[: height // 4].mean() < 0.35 * change[int(0.82 * height) : int(0.88 * height)].mean()
    assert "map=z" in page.url

    linked = open_page(page.url.partition("//")[2].partition("/")[2].join(["/", ""]))
    ready(linked, settled)
    np.testing.assert_array_equal(painted(linked), map_after)
    np.testing.assert_allclose(drawn(linked), after, atol=1)

    page.get_by_label("Undo").first.click()
    settled(page)
    np.testing.assert_array_equal(painted(page), map_before)
    np.testing.assert_allclose(drawn(page), before, atol=1)

    canvas.focus()  # keys: the whole area under the cursor in the middle is filled with the first class
    page.keyboard.press("f")
    page.keyboard.press("1")
    page.keyboard.press("Space")
    settled(page)
    swatch = page.locator(".mapper .brush i").first.evaluate("e => getComputedStyle(e).backgroundColor")
    middle = painted(page)[map_before.shape[0] // 2, map_before.shape[1] // 2]
    assert middle.tolist() == [int(n) for n in re.findall(r"\d+", swatch)[:3]]
    assert "Painted" in page.locator(".mapper .status").inner_text()

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Map", exact=True).click()
    place = tmp_path / "map.png"
    waiting.value.save_as(place)
    np.testing.assert_array_equal(np.asarray(Image.open(place).convert("RGB")), painted(page))
    page.get_by_role("button", name="Start from…").click()
    page.get_by_role("button", name="Meadow").or_(page.get_by_role("button", name="Bands")).click()
    settled(page)
    page.set_input_files("input[type=file]", place)
    settled(page)
    page.wait_for_timeout(500)
    np.testing.assert_array_equal(painted(page), np.asarray(Image.open(place).convert("RGB")))
    screenshot(page, "images-desktop-light")


def test_a_finger_paints_on_a_phone(
    open_page: Open, settled: Settled, screenshot: Callable[..., Path]
) -> None:
    page = open_page("/", width=390, dark=True)
    page.goto(page.url.rstrip("/") + "/images")
    canvas = ready(page, settled)
    canvas.scroll_into_view_if_needed()
    before = painted(page)
    box = canvas.bounding_box()
    client = page.context.new_cdp_session(page)

    def touch(kind: str, share: float) -> None:
        points = (
            []
            if kind == "touchEnd"
            else [{"x": box["x"] + share * box["width"], "y": box["y"] + 0.9 * box["height"]}]
        )
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.2)
    for share in (0.4, 0.6, 0.8):
        touch("touchMove", share)
    touch("touchEnd", 0)
    settled(page)
    changed = (painted(page) != before).any(axis=2)
    assert changed[int(0.9 * len(changed))].mean() > 0.4
    assert not changed[: len(changed) // 2].any()
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(page, "images-phone-dark")
