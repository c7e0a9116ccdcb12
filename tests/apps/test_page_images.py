# SPDX-License-Identifier: Apache-2.0
"""The Images page without a browser: maps as text, files in and out, styles, and the page with a small model."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")
pytest.importorskip("torchvision", reason="pictures need the [image] extra")
Image = pytest.importorskip("PIL.Image", reason="pictures need the [image] extra")

import torch  # noqa: E402

from apps.dashboard.map_painter import decode, encode, resized  # noqa: E402
from apps.dashboard.map_painter.codes import from_browser, to_browser  # noqa: E402
from apps.dashboard.views import _images_maps as maps  # noqa: E402
from apps.dashboard.views import _images_starts as starts  # noqa: E402
from spade_image import ImageModel  # noqa: E402
from spade_image.exceptions import InputError  # noqa: E402
from spade_image.landscapes import CLASSES  # noqa: E402
from spade_image.options import Options  # noqa: E402

NAMES = tuple(name for name, _ in CLASSES)
Run = Callable[..., Any]


def small_model(*, styles: bool = True) -> ImageModel:
    torch.manual_seed(0)
    options = Options(
        ngf=2,
        nhidden=4,
        label_nc=9,
        no_instance=True,
        crop_size=64,
        use_vae=styles,
        z_dim=4,
        no_vgg_loss=True,
    )
    model = ImageModel.build(options, discriminator=False)
    model.label_names, model.palette = NAMES, [rgb for _, rgb in CLASSES]
    if styles:
        model.provenance = {"styles": {"day": [1.0, 0, 0, 0], "night": [-1.0, 0, 0, 0]}}
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    small_model().save(place / "styled")
    small_model(styles=False).save(place / "plain")
    return place


@pytest.fixture
def models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPADE_MODELS", str(folder))
    return folder


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


# ---- maps as text


@pytest.mark.parametrize("shape", [(64, 64), (32, 96), (1, 1)])
def test_a_map_comes_back_from_its_text(shape: tuple[int, int]) -> None:
    ids = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(decode(encode(ids)), ids)


def test_a_painted_landscape_fits_in_an_address() -> None:
    for start in (*starts.start_names(NAMES), "seed:3", "seed:11"):
        assert len(encode(starts.start_map(start, NAMES, 9, 128, 128))) < maps.LONGEST


@pytest.mark.parametrize(
    "said", ["", "z", "zAAAA", "x" * 80, "z" + "A" * 100, encode(np.zeros((9, 9), np.uint8))[:-6]]
)
def test_texts_that_are_no_maps_are_refused(said: str) -> None:
    with pytest.raises(ValueError, match="painted map"):
        decode(said)


def test_a_text_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="painted map"):
        decode(encode(np.zeros((2000, 2000), np.uint8)))


def test_resizing_takes_the_nearest_pixel() -> None:
    ids = np.arange(16, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_array_equal(resized(resized(ids, 12, 8), 4, 4), ids)
    np.testing.assert_array_equal(resized(ids, 2, 2), ids[[1, 3]][:, [1, 3]])
    assert resized(ids, 7, 3).shape == (3, 7)


def test_only_maps_of_the_right_size_and_classes_come_from_the_browser() -> None:
    ids = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    np.testing.assert_array_equal(from_browser(to_browser(ids), 3, 2, frozenset({0, 1, 2})), ids)
    assert from_browser(to_browser(ids), 3, 2, frozenset({0, 1})) is None
    assert from_browser(to_browser(ids), 2, 2, frozenset({0, 1, 2})) is None
    for said in (None, 5, "%%%%", "AAAA" * 10_000):
        assert from_browser(said, 3, 2, frozenset({0, 1, 2})) is None


# ---- maps to start from


def test_starts_hold_the_classes_that_they_are_called_after() -> None:
    def classes(start: str) -> set[str]:
        return {NAMES[i] for i in np.unique(starts.start_map(start, NAMES, 9, 96, 64))}

    assert {"sky", "mountain", "road", "house", "roof", "tree", "sun", "grass"} == classes("valley")
    assert "water" in classes("lake") & classes("coast")
    assert classes("meadow") == {"sky", "grass"}
    drawn = starts.start_map("seed:5", NAMES, 9, 64, 64)
    np.testing.assert_array_equal(drawn, starts.start_map("seed:5", NAMES, 9, 64, 64))
    assert (drawn != starts.start_map("seed:6", NAMES, 9, 64, 64)).any()


def test_classes_in_another_order_give_the_same_scene() -> None:
    other = NAMES[::-1]
    for start in ("village", "seed:4"):
        one, two = (starts.start_map(start, names, 9, 64, 64) for names in (NAMES, other))
        np.testing.assert_array_equal(np.array(NAMES)[one], np.array(other)[two])


def test_any_other_model_starts_with_shapes_of_its_classes() -> None:
    for start in starts.start_names(("a", "b")):
        assert starts.start_map(start, ("a", "b"), 2, 64, 32).max() <= 1
    assert len(np.unique(starts.start_map("bands", (), 5, 64, 64))) == 5


# ---- files


def test_a_downloaded_map_is_read_back() -> None:
    model = small_model()
    ids = starts.start_map("village", NAMES, 9, 96, 64)
    colors = [f"#{r:02x}{g:02x}{b:02x}" for _, (r, g, b) in CLASSES]
    content = maps.map_png(model, ids, colors)
    np.testing.assert_array_equal(maps.read_label_map(model, "map.png", content), ids)
    coloured = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    np.testing.assert_array_equal(maps.read_label_map(model, "colours.png", png(coloured)), ids)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture at all", "is no picture"),
        (png(np.full((40, 40), 77, np.uint8)), r"m\.png holds the id\(s\) 77"),
        (png(np.full((40, 40, 3), (1, 2, 3), np.uint8)), "not in the palette"),
        (png(np.zeros((4, 400), np.uint8)), "at most 1 to 8"),
        (b"\x89PNG" + bytes(maps.MAX_IMAGE_BYTES), "at most 8 MB"),
        (png(np.zeros((40, 40), np.uint8))[:-30], "truncated or damaged"),
    ],
)
def test_broken_label_maps_are_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        maps.read_label_map(small_model(), "m.png", content)
    assert "/" not in str(caught.value).partition("m.png")[0]


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked() -> None:
    content = png(np.zeros((6000, 6000), np.uint8))
    assert len(content) < maps.MAX_IMAGE_BYTES
    with pytest.raises(InputError, match="24 million"):
        maps.read_photo_file("p.png", content)


def test_a_large_map_is_brought_to_a_side_that_is_drawn() -> None:
    ids = np.repeat(np.repeat(np.array([[0, 3], [4, 6]], np.uint8), 700, 0), 350, 1)
    read = maps.read_label_map(small_model(), "m.png", png(ids))
    assert read.shape == (512, 256)
    np.testing.assert_array_equal(np.unique(read), [0, 3, 4, 6])


# ---- the page


def test_the_page_draws_every_named_style(run_page: Run, models: Path) -> None:
    at = run_page("images", image_model="styled", side="64")
    assert not at.exception
    assert not at.error
    assert [b.label for b in at.button if (b.key or "").startswith("images:pick")] == ["day", "night"]
    assert any("2 pictures of 64 × 64" in c.value for c in at.caption)
    at.button(key="images:pick:1").click().run()
    assert any(c.value.startswith("**Night**") for c in at.caption)


def test_samples_and_the_way_between(run_page: Run, models: Path) -> None:
    at = run_page("images", image_model="styled", side="64", style="draws", samples="3")
    assert any("3 pictures" in c.value for c in at.caption)
    at.button(key="images:others").click().run()
    assert at.number_input(key="widget:seed").value == 8
    at.button_group(key="widget:style").set_value("between").run()
    assert not at.exception
    assert at.selectbox(key="widget:style_from").value == "day"
    assert any(c.value.startswith("**50 % of the way**") for c in at.caption)


def test_pictures_are_those_of_the_library(models: Path) -> None:
    from apps.dashboard.views._images_styles import Look, pictures
    from spade_image.preprocess import to_uint8

    model = ImageModel.load(models / "styled")
    ids = starts.start_map("lake", NAMES, 9, 64, 64)
    z = torch.randn(2, 4, generator=torch.Generator().manual_seed(3))
    drawn = pictures(model, ids, [Look("a", z[0]), Look("b", z[1])])
    with torch.no_grad():
        segmap = model.segmap(torch.from_numpy(ids.astype(np.int64))[None])
        slow = to_uint8(torch.cat([model.generator(segmap, one[None]) for one in z]))
    assert np.abs(drawn.astype(int) - slow.permute(0, 2, 3, 1).numpy().astype(int)).max() <= 1
    assert pictures(model, ids, [Look("a", z[0]), Look("b", z[1])]) is drawn  # kept, not drawn again


def test_a_model_without_styles_says_so(run_page: Run, models: Path) -> None:
    at = run_page("images", image_model="plain", side="64", style="draws")
    assert not at.exception
    assert not at.error
    assert any("trained without styles" in c.value for c in at.caption)


@pytest.mark.parametrize("name", ["../styled", "/etc", "nothing"])
def test_a_model_outside_the_folder_is_not_opened(run_page: Run, models: Path, name: str) -> None:
    at = run_page("images", image_model=name)
    assert not at.exception
    assert any("is not there" in e.value for e in at.error)


def test_a_link_that_leads_out_of_the_folder_is_no_model(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.dashboard.views._images_models import image_model_names

    inside = tmp_path / "models"
    inside.mkdir()
    (inside / "linked").symlink_to(models / "styled")
    monkeypatch.setenv("SPADE_MODELS", str(inside))
    assert "linked" not in image_model_names()


def test_a_link_with_a_map_shows_that_map(run_page: Run, models: Path) -> None:
    ids = starts.start_map("coast", NAMES, 9, 64, 64)
    at = run_page("images", image_model="styled", side="64", map=encode(ids))
    assert not at.exception
    assert not at.error
    assert at.session_state["choice:map"] == encode(ids)
    broken = run_page("images", image_model="styled", side="64", map="z" + "A" * 100)
    assert not broken.exception
    assert any("painted map" in w.value for w in broken.warning)


def test_a_map_of_another_session_is_said(run_page: Run, models: Path) -> None:
    at = run_page("images", image_model="styled", side="64", map="here:0123456789ab")
    assert not at.exception
    assert any("too rich for an address" in i.value for i in at.info)
