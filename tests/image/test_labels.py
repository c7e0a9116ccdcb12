# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spade_image.exceptions import InputError
from spade_image.labels import ColouredMask, read_ids, read_instances, read_photo
from spade_image.palette import KNOWN, Palette, class_colours, collect, read_palette, recognise
from tests.image.conftest import save

IDS = np.array([[0, 1, 2], [3, 254, 255]], dtype=np.uint8)
COLOURS = [(10, 20, 30), (200, 0, 0), (0, 200, 0)]


def coloured(ids: np.ndarray) -> np.ndarray:
    return np.array(COLOURS, dtype=np.uint8)[ids]


def test_ids_come_back_from_every_form_of_file(tmp_path: Path) -> None:
    grey = save(tmp_path / "grey.png", IDS)
    wide = save(tmp_path / "wide.png", IDS.astype(np.uint16) + 300)
    rgb = save(tmp_path / "rgb.png", np.stack([IDS] * 3, -1))
    alpha = save(tmp_path / "la.png", np.stack([IDS, np.full_like(IDS, 7)], -1))
    indexed = Image.fromarray(IDS)
    indexed.putpalette([v for colour in class_colours(256) for v in colour])
    indexed.save(tmp_path / "palette.png")
    bits = save(tmp_path / "bits.png", IDS > 2)
    assert Image.open(tmp_path / "palette.png").mode == "P"
    assert Image.open(wide).mode.startswith("I")
    for path in (grey, rgb, alpha, tmp_path / "palette.png"):
        np.testing.assert_array_equal(read_ids(path), IDS)
    np.testing.assert_array_equal(read_ids(wide), IDS.astype(int) + 300)
    np.testing.assert_array_equal(read_ids(bits), IDS > 2)


def test_ade20k_shift_makes_0_dontcare_and_counts_from_0(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.array([[0, 1, 150]], dtype=np.uint8))
    assert read_ids(path, shift="ade20k").tolist() == [[255, 0, 149]]
    assert read_ids(path).tolist() == [[0, 1, 150]]


def test_colours_become_ids_by_the_palette_and_strange_ones_are_named(tmp_path: Path) -> None:
    ids = np.array([[0, 1], [2, 1]])
    path = save(tmp_path / "mask.png", coloured(ids))
    palette = Palette({c: i for i, c in enumerate(COLOURS)}, source="mine")
    np.testing.assert_array_equal(read_ids(path, palette), ids)
    with pytest.raises(
        ColouredMask, match=r"mask.png is a mask of RGB colours.*palette.json.*--write-palette"
    ):
        read_ids(path)
    with pytest.raises(
        InputError, match=r"1 colour\(s\) in 25.0% of the pixels are not in the palette \(mine\).*0, 200, 0"
    ):
        read_ids(path, Palette({c: i for i, c in enumerate(COLOURS[:2])}, source="mine"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "# classes\n0 10 20 30 sky\n1 200 0 0 road\n255 0 200 0 nothing\n"),
        ("p.csv", "name,r,g,b\nsky,10,20,30\nroad,200,0,0\nvoid,0,200,0\n"),
        ("p.json", json.dumps({"sky": [10, 20, 30], "road": [200, 0, 0], "void": [0, 200, 0]})),
        (
            "p.json",
            json.dumps({"classes": [
                {"id": i, "name": n, "color": c}
                for i, n, c in zip((0, 1, 255), ("sky", "road", "x"), COLOURS, strict=True)
            ]}),
        ),
    ],
)  # fmt: skip
def test_palette_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    palette = read_palette(tmp_path / name)
    assert dict(palette.ids) == dict(zip(COLOURS, (0, 1, 255), strict=True))
    assert (palette.names[0], palette.names[1], palette.label_nc) == ("sky", "road", 2)
    (tmp_path / "again.json").write_text(palette.to_json())
    assert dict(read_palette(tmp_path / "again.json").ids) == dict(palette.ids)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing here", "holds no colours"),
        ("0 1 2 3 a\n1 1 2 3 b", "stands for the ids 0 and 1"),
        ("0 1 2 300 a", "0..255"),
    ],
)
def test_bad_palettes_say_why(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_palette(tmp_path / "p.txt")


def test_known_palettes_are_recognised_and_others_collected() -> None:
    camvid = [(128, 128, 128), (128, 0, 0), (128, 64, 128), (0, 0, 0), (192, 192, 128)]
    found = recognise(camvid)
    assert found is not None
    assert "camvid" in found.source
    assert [found.ids[c] for c in camvid] == [0, 1, 3, 255, 2]
    assert recognise([(1, 2, 3), *camvid]) is None
    assert KNOWN["voc"].ids[(192, 128, 128)] == 15  # person, as in every VOC mask
    assert collect([(5, 0, 0), (1, 0, 0)]).ids == {(1, 0, 0): 0, (5, 0, 0): 1}
    with pytest.raises(InputError, match="300 different colours"):
        collect([(i // 256, i % 256, 0) for i in range(300)])


def test_class_colours_are_distinct_and_the_bits_of_voc() -> None:
    assert class_colours(3) == [(128, 0, 0), (0, 128, 0), (128, 128, 0)]
    assert len(set(class_colours(255))) == 255


def test_damaged_files_are_one_line_with_the_remedy(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    data = whole.read_bytes()
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut.jpg is truncated or damaged .*copy it again.*remove the pair"):
        read_photo(cut)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(InputError, match="is not a picture"):
        read_ids(tmp_path / "text.png")
    with pytest.raises(InputError, match="does not exist"):
        read_ids(tmp_path / "none.png")


def test_instances_keep_any_numbers_and_colours_stay_apart(tmp_path: Path) -> None:
    wide = np.array([[1000, 26001]], dtype=np.uint16)
    np.testing.assert_array_equal(read_instances(save(tmp_path / "i.png", wide)), wide)
    rgb = save(tmp_path / "c.png", np.array([[[1, 0, 0], [0, 1, 0], [1, 0, 0]]], dtype=np.uint8))
    found = read_instances(rgb)[0]
    assert found[0] == found[2] != found[1]
