# SPDX-License-Identifier: Apache-2.0
"""Drawn landscapes: pictures that show what their maps say, the same for the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spade_image.check import check_data
from spade_image.cli import main
from spade_image.exceptions import InputError
from spade_image.landscape_light import CLASSES, GRASS, HOUSE, MOODS, SKY, SUN, TREE, light
from spade_image.landscapes import draw_landscape
from spade_image.layouts import Folders
from spade_image.scenes import write_scenes


def test_the_same_seed_is_the_same_scene() -> None:
    one, again = draw_landscape(3, 7, 96, 64), draw_landscape(3, 7, 96, 64)
    np.testing.assert_array_equal(one.photo, again.photo)
    np.testing.assert_array_equal(one.ids, again.ids)
    assert (one.photo != draw_landscape(3, 8, 96, 64).photo).any()
    assert one.photo.shape == (64, 96, 3)
    assert one.ids.shape == one.instances.shape == (64, 96)
    with pytest.raises(InputError, match="too small"):
        draw_landscape(0, 0, 16, 64)


def test_all_classes_occur_and_what_stands_has_a_number() -> None:
    scenes = [draw_landscape(0, k, 64, 64) for k in range(30)]
    counts = np.bincount(np.concatenate([s.ids.ravel() for s in scenes]), minlength=len(CLASSES))
    assert len(counts) == len(CLASSES) == 9
    assert (counts > 0.003 * counts.sum()).all()
    for scene in scenes:
        assert scene.instances.max() <= 12
        assert np.isin(scene.ids[scene.instances > 0], range(6, 9)).all()


def picture(ids: np.ndarray, mood: str) -> np.ndarray:
    return light(ids, np.random.default_rng(0), MOODS[mood])


def test_the_mood_decides_the_light() -> None:
    ids = np.full((128, 128), SKY, dtype=np.uint8)
    ids[80:] = GRASS
    ids[20:60, 10:60] = TREE
    means = {mood: {c: picture(ids, mood)[ids == c].mean(0) for c in (SKY, GRASS, TREE)} for mood in MOODS}
    assert means["night"][SKY].mean() < 0.5 * means["day"][SKY].mean()
    assert means["winter"][GRASS].min() > 180 > means["day"][GRASS].max()
    assert np.argmax(means["autumn"][TREE]) == 0  # red leaves
    assert np.argmax(means["day"][TREE]) == 1


def test_windows_sit_in_walls_that_are_wide_enough_and_light_up_at_night() -> None:
    ids = np.full((256, 256), GRASS, dtype=np.uint8)
    ids[100:180, 40:120] = HOUSE
    ids[100:180, 200:206] = HOUSE  # too narrow for any
    wall = picture(ids, "night")
    lit = wall[..., 0] > 150
    assert lit[100:180, 40:120].mean() > 0.05
    assert not lit[:, 200:206].any()
    assert not lit[ids == GRASS].any()


def test_the_sun_glows_on_the_sky() -> None:
    ids = np.full((128, 128), SKY, dtype=np.uint8)
    plain = picture(ids, "evening")
    ids[20:40, 60:80] = SUN
    change = np.abs(picture(ids, "evening") - plain).mean(-1)
    assert change[45, 70] > 5 * max(change[120, 5], 1e-9)


def test_written_landscapes_pass_the_check(tmp_path: Path) -> None:
    folder = write_scenes(
        tmp_path / "d", n_train=20, n_val=2, width=64, height=64, kind="landscapes", instances=True
    )
    report = check_data(Folders(folder))
    assert report.ok
    assert report.options == {"label_nc": 9, "contain_dontcare_label": False, "no_instance": False}
    assert report.names[3] == "grass"
    assert json.loads((folder / "dataset.json").read_text())["name"] == "landscapes"
    with pytest.raises(InputError, match="choose one of shapes, landscapes"):
        write_scenes(tmp_path / "e", kind="portraits")
    with pytest.raises(InputError, match="too small"):
        write_scenes(tmp_path / "e", kind="landscapes", width=8)
    assert not (tmp_path / "e").exists()


def test_the_command_draws_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["shapes", "--kind", "landscapes", "--n-train", "1", "--n-val", "1", "--width", "64"]
    assert main([*arguments, "--height", "32", "--out", str(tmp_path / "d")]) == 0
    assert "--use-vae" in capsys.readouterr().err
    assert len(list((tmp_path / "d" / "train_img").iterdir())) == 1
