# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spade_image.exceptions import InputError
from spade_image.inputs import LabelFile, fitting_sizes, list_labels, map_size, read_map, style_photo
from spade_image.model import ImageModel
from spade_image.preprocess import to_uint8
from spade_image.scenes import CLASSES
from spade_image.synthesis import SynthesisConfig, generate_images
from tests.image.conftest import save

FLAGS = {"ngf": 2, "nhidden": 4, "label_nc": 5, "contain_dontcare_label": True, "no_instance": True, "crop_size": 32,
         "init_variance": 0.3, "z_dim": 4, "norm_G": "spadebatch3x3"}  # fmt: skip


def model_of(**changes: object) -> ImageModel:
    torch.manual_seed(0)
    model = ImageModel.build(FLAGS | changes, discriminator=False)
    model.label_names = tuple(name for name, _ in CLASSES)
    model.palette = [list(colour) for _, colour in CLASSES]
    model.content_hash = "abc123"
    for net in model.networks().values():
        net.eval()
    return model


@pytest.fixture(scope="module")
def styled() -> ImageModel:
    return model_of(use_vae=True)


@pytest.fixture
def config(scenes: Path, tmp_path: Path) -> SynthesisConfig:
    return SynthesisConfig(scenes / "val_label", tmp_path / "out")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_folder_of_maps_is_drawn_as_the_network_draws_it(config: SynthesisConfig, scenes: Path) -> None:
    model = model_of()
    seen: list[tuple[int, int]] = []
    report = generate_images(model, config, on_map=lambda done, total: seen.append((done, total)))
    labels = sorted((scenes / "val_label").glob("*.png"))
    assert [p.name for p in report.images] == [p.name for p in labels]
    assert seen == [(k + 1, len(labels)) for k in range(len(labels))]
    ids = torch.from_numpy(pixels(labels[1]).astype(np.int64))
    with torch.no_grad():
        expected = model.generator(model.segmap(ids[None]))
    found = pixels(report.images[1]).astype(int)
    assert np.abs(found - to_uint8(expected)[0].movedim(0, -1).numpy().astype(int)).max() <= 1
    body = json.loads((config.out / "report.json").read_text())
    assert [one["images"] for one in body["maps"]] == [[p.name] for p in labels]
    assert body["provenance"]["model"] == "abc123"


def test_pictures_say_what_they_were_made_of(config: SynthesisConfig) -> None:
    path = generate_images(model_of(), replace(config, seed=7)).images[0]
    text = Image.open(path).text
    assert text["spade:model"] == "abc123"
    assert text["spade:seed"] == "7"
    assert text["spade:map"] == path.name


def test_a_seeds_samples_do_not_depend_on_their_number(
    config: SynthesisConfig, styled: ImageModel, scenes: Path
) -> None:
    label = next((scenes / "val_label").glob("*.png"))
    two, four = (
        generate_images(styled, replace(config, labels=label, out=config.out / str(n), samples=n))
        for n in (2, 4)
    )
    assert [p.name for p in four.images] == [f"{label.stem}_{i:02d}.png" for i in range(4)]
    for a, b in zip(two.images, four.images, strict=False):
        np.testing.assert_array_equal(pixels(a), pixels(b))
    assert not np.array_equal(pixels(four.images[0]), pixels(four.images[1]))


def test_styles_under_one_map_are_what_each_alone_would_be(styled: ImageModel, scenes: Path) -> None:
    """They share the map's modulation; drawn one by one, without sharing, they are the same."""
    ids = torch.from_numpy(pixels(next((scenes / "val_label").glob("*.png"))).astype(np.int64))[None]
    z = styled.styles(11, seed=3)
    assert z is not None
    together = styled.generate(ids, z=z, batch_size=4)[0]
    with torch.no_grad():
        alone = torch.cat([styled.generator(styled.segmap(ids), one[None]) for one in z])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_an_interpolation_begins_and_ends_with_the_photos_styles(
    config: SynthesisConfig, styled: ImageModel, scenes: Path
) -> None:
    a, b, *_ = sorted((scenes / "val_img").glob("*.png"))
    one = replace(config, labels=scenes / "val_label" / a.name)
    path = generate_images(styled, replace(one, interpolate=(a, b), steps=3))
    ends = generate_images(styled, replace(one, styles=(a, b), out=config.out / "ends"))
    assert [s.name for s in path.styles] == ["0% of the way", "50% of the way", "100% of the way"]
    assert [s.name for s in ends.styles] == [a.name, b.name]
    for step, end in ((0, 0), (2, 1)):
        found, expected = pixels(path.images[step]).astype(int), pixels(ends.images[end]).astype(int)
        assert np.abs(found - expected).max() <= 1
    mean = (styled.encode(style_photo(a))[0] + styled.encode(style_photo(b))[0]) / 2
    torch.testing.assert_close(path.styles[1].z, mean[0])


def test_draws_around_a_photo_and_folders_of_photos(
    config: SynthesisConfig, styled: ImageModel, scenes: Path
) -> None:
    label = sorted((scenes / "val_label").glob("*.png"))[0]
    folder = scenes / "val_img"
    report = generate_images(styled, replace(config, labels=label, styles=(folder,), samples=2))
    assert len(report.images) == 2 * len(list(folder.iterdir()))
    assert len(set(report.images)) == len(report.images)
    assert report.styles[1].name.endswith(", draw 1")


def test_the_contact_sheet_holds_everything_itself(config: SynthesisConfig, scenes: Path) -> None:
    report = generate_images(model_of(), replace(config, photos=scenes / "val_img"))
    html = report.sheet.read_text()
    sources = re.findall(r'src="([^"]{0,30})', html)
    assert len(sources) == 3 * len(report.drawn)  # map, photo, sample
    assert all(source.startswith("data:image/") for source in sources)
    assert "http" not in html.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in html
    assert all(name in html for name in ("sky", "ground", "abc123"))
    for link in re.findall(r'href="([^"]+\.png)"', html):
        assert (config.out / link).is_file()


def test_masks_in_the_models_colours_are_read(config: SynthesisConfig, tmp_path: Path, scenes: Path) -> None:
    label = sorted((scenes / "val_label").glob("*.png"))[0]
    colours = np.array([colour for _, colour in CLASSES], dtype=np.uint8)
    painted = save(tmp_path / "masks" / label.name, colours[pixels(label)])
    a = generate_images(model_of(), replace(config, labels=label))
    b = generate_images(model_of(), replace(config, labels=painted, out=tmp_path / "b"))
    np.testing.assert_array_equal(pixels(a.images[0]), pixels(b.images[0]))


def test_any_size_whose_grid_fits_and_tiles(config: SynthesisConfig, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = save(tmp_path / "big.png", rng.integers(0, 5, (6, 9), dtype=np.uint8).repeat(32, 0).repeat(32, 1))
    model = model_of()
    whole = generate_images(model, replace(config, labels=label))
    assert pixels(whole.images[0]).shape == (192, 288, 3)
    tiled = generate_images(model, replace(config, labels=label, out=tmp_path / "t", tile=160))
    assert pixels(tiled.images[0]).shape == (192, 288, 3)
    small = generate_images(model, replace(config, labels=label, out=tmp_path / "s", size="model"))
    assert pixels(small.images[0]).shape == (32, 32, 3)
    named = generate_images(model, replace(config, labels=label, out=tmp_path / "n", size="96x64"))
    assert pixels(named.images[0]).shape == (64, 96, 3)


def test_a_map_that_does_not_fit_is_drawn_at_the_nearest_size_or_refused(
    config: SynthesisConfig, tmp_path: Path
) -> None:
    label = save(tmp_path / "odd.png", np.zeros((50, 70), dtype=np.uint8))
    said: list[str] = []
    report = generate_images(model_of(), replace(config, labels=label), say=said.append)
    assert pixels(report.images[0]).shape == (64, 64, 3)
    assert any("odd.png of 70x50 at 64x64" in text for text in said)
    with pytest.raises(InputError, match=r"odd\.png has 70x50 pixels.*--size 64x32 or 96x64"):
        generate_images(model_of(), replace(config, labels=label, size="map"))


def test_sizes_that_fit() -> None:
    assert fitting_sizes(100, 64, 32) == [(96, 64), (128, 64)]
    assert fitting_sizes(10, 10, 32) == [(32, 32)]
    model = model_of()
    assert map_size(model, "nearest", 100, 20) == (96, 32)
    with pytest.raises(InputError, match=r"100x50 pixels.*multiples of 32.*96x32 or 128x64"):
        map_size(model, "map", 100, 50)
    with pytest.raises(InputError, match="--size big is no size"):
        map_size(model, "big", 100, 50)


def test_instances_are_read_or_stood_in_for(scenes: Path, tmp_path: Path) -> None:
    model = model_of(no_instance=False)
    said: list[str] = []
    config = SynthesisConfig(scenes / "val_label", tmp_path / "a")
    without = generate_images(model, config, say=said.append)
    assert any("instance edges" in text for text in said)
    given = replace(config, instances=scenes / "val_inst", out=tmp_path / "b")
    with_maps = generate_images(model, given)
    assert any(
        not np.array_equal(pixels(a), pixels(b))
        for a, b in zip(without.images, with_maps.images, strict=True)
    )
    file = list_labels(scenes / "val_label", scenes / "val_inst")[0]
    assert read_map(model, file).instances is not None
    with pytest.raises(InputError, match="has no file named"):
        list_labels(scenes / "val_label", tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"samples": 3}, "trained without --use-vae"),
        ({"interpolate": (Path("a.png"), Path("b.png"))}, "trained without --use-vae"),
        ({"labels": Path("nowhere")}, "does not exist"),
        ({"tile": 8}, "too small"),
        ({"seed": -1}, "0 or more"),
    ],
)
def test_what_a_plain_model_cannot_do(config: SynthesisConfig, changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        generate_images(model_of(), replace(config, **changes))
    assert not config.out.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"samples": 0}, "at least 1"),
        ({"styles": (Path("nowhere.jpg"),)}, "does not exist"),
        ({"interpolate": (Path("a"), Path("b")), "samples": 2}, "one or the other"),
        ({"interpolate": (Path("a"), Path("b")), "steps": 1}, "both ends are drawn"),
    ],
)
def test_styles_that_make_no_sense(
    config: SynthesisConfig, styled: ImageModel, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        generate_images(styled, replace(config, **changes))


def test_a_style_needs_an_encoder(config: SynthesisConfig, scenes: Path) -> None:
    bare = model_of(use_vae=True)
    bare.encoder = None
    photo = next((scenes / "val_img").glob("*.png"))
    with pytest.raises(InputError, match="needs a style encoder"):
        generate_images(bare, replace(config, styles=(photo,)))
    assert len(generate_images(bare, replace(config, samples=2)).styles) == 2


def test_wrong_ids_end_before_anything_is_drawn(config: SynthesisConfig, tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    save(folder / "a.png", np.zeros((32, 32), dtype=np.uint8))
    save(folder / "b.png", np.full((32, 32), 9, dtype=np.uint8))
    with pytest.raises(
        InputError, match=r"b\.png holds the id\(s\) 9, but the model knows 0\.\.4 \(sky, ground"
    ):
        generate_images(model_of(), replace(config, labels=folder))
    assert not config.out.exists()


def test_two_maps_of_one_name_are_refused(tmp_path: Path) -> None:
    for suffix in (".png", ".bmp"):
        save(tmp_path / f"a{suffix}", np.zeros((32, 32), dtype=np.uint8))
    with pytest.raises(InputError, match=r"both be written as a\.png"):
        list_labels(tmp_path)
    assert list_labels(tmp_path / "a.png") == [LabelFile("a", tmp_path / "a.png")]


@pytest.mark.parametrize(("size", "drawn"), [("nearest", (64, 64)), ("model", (32, 32)), ("96x32", (96, 32))])
def test_a_resized_map_is_said_shown_and_recorded(tmp_path: Path, size: str, drawn: tuple[int, int]) -> None:
    save(tmp_path / "maps" / "a.png", np.zeros((64, 65), dtype=np.uint8))
    save(tmp_path / "maps" / "b.png", np.zeros((drawn[1], drawn[0]), dtype=np.uint8))
    said: list[str] = []
    report = generate_images(
        model_of(), SynthesisConfig(tmp_path / "maps", tmp_path / "out", size=size), say=said.append
    )
    one, other = report.drawn
    assert (one.map_size, one.size, one.resized, other.resized) == ((65, 64), drawn, True, False)
    assert any(f"a.png of 65x64 at {drawn[0]}x{drawn[1]}" in line for line in said)
    assert report.to_dict()["maps"][0]["map_size"] == [65, 64]
    sheet = report.sheet.read_text()
    assert sheet.count("map resized from 65x64") == sheet.count("map resized from") == 1


def test_styles_by_name(config: SynthesisConfig, styled: ImageModel, scenes: Path) -> None:
    model = replace(styled, provenance={"styles": {"day": [0.0] * 4, "night": [1.0, -1.0, 2.0, 0.5]}})
    photo = next((scenes / "val_img").glob("*.png"))
    report = generate_images(model, replace(config, styles=(Path("night"), photo)))
    assert [s.name for s in report.styles] == ["night", photo.name]
    assert report.styles[0].z is not None
    assert report.styles[0].z.tolist() == [1.0, -1.0, 2.0, 0.5]
    assert report.images[0].stem.endswith("_night")
    with pytest.raises(InputError, match="--samples goes with photos"):
        generate_images(model, replace(config, styles=(Path("day"),), samples=3))
    with pytest.raises(InputError, match="noon does not exist"):
        generate_images(model, replace(config, styles=(Path("noon"),)))
