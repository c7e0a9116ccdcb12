# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spade_image.data import FIXED_SIZE, find_pairs
from spade_image.decide import options_of_data
from spade_image.exceptions import InputError
from spade_image.layouts import Folders
from spade_image.options import Options
from spade_image.presets import PRESETS, preset
from spade_image.scenes import CLASSES, draw_scene, write_scenes
from tests.image.conftest import pair


def test_published_presets_have_the_published_maps() -> None:
    channels = {
        name: Options.from_flags(PRESETS[name].options).semantic_nc
        for name in ("coco", "ade20k", "cityscapes", "facades")
    }
    assert channels == {"coco": 184, "ade20k": 151, "cityscapes": 36, "facades": 13}
    sizes = {name: Options.from_flags(p.options).output_size for name, p in PRESETS.items()}
    assert sizes["cityscapes"] == (256, 512)
    assert sizes["camvid"] == (96, 128)
    assert sizes["coco"] == sizes["ade20k"] == sizes["facades"] == (256, 256)
    assert all(p.preprocess_mode in FIXED_SIZE for p in PRESETS.values())
    with pytest.raises(InputError, match="choose one of auto, cityscapes"):
        preset("imagenet")


def test_auto_reads_the_classes_off_the_data(tmp_path: Path, scenes: Path) -> None:
    where = Folders(scenes)
    assert options_of_data(where, find_pairs(where, "train").pairs, None) == {
        "label_nc": 5, "contain_dontcare_label": False, "no_instance": False,
    }  # fmt: skip
    for name in "ab":
        pair(tmp_path, name, np.array([[0, 6], [255, 2]], dtype=np.uint8))
    where = Folders(tmp_path)
    assert options_of_data(where, find_pairs(where, "train").pairs, None) == {
        "label_nc": 7, "contain_dontcare_label": True, "no_instance": True,
    }  # fmt: skip


def test_scenes_are_the_same_for_the_same_seed_and_coloured_as_their_map_says(tmp_path: Path) -> None:
    one, other = draw_scene(1, 5, 48, 32), draw_scene(1, 5, 48, 32)
    np.testing.assert_array_equal(one.photo, other.photo)
    assert (one.ids != draw_scene(1, 6, 48, 32).ids).any()
    assert one.photo.shape == (32, 48, 3)
    for number in range(30):
        scene = draw_scene(0, number)
        for i in np.unique(scene.ids):
            assert np.abs(scene.photo[scene.ids == i].mean(0) - CLASSES[i][1]).max() < 35
        assert ((scene.ids >= 2) == (scene.instances > 0)).all()
    write_scenes(tmp_path / "s", n_train=1, n_val=1)
    with pytest.raises(InputError, match="is not empty"):
        write_scenes(tmp_path / "s")
    with pytest.raises(InputError, match="too small"):
        draw_scene(0, 0, 4, 4)
