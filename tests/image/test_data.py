# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spade_image.data import PairSet, find_pairs, palette_for
from spade_image.exceptions import InputError
from spade_image.layouts import Folders, list_pairs, natural
from spade_image.loader import Loader
from spade_image.options import Options
from spade_image.preprocess import Geometry, preprocess
from tests.image.conftest import pair, save

FIXED = Geometry("fixed", 32, 32)
FIVE = Options(label_nc=5, no_instance=True, crop_size=32)


def blank(path: Path) -> Path:
    return save(path, np.zeros((4, 4), dtype=np.uint8))


def stems(folders: Folders, split: str) -> list[str]:
    return [p.stem for p in list_pairs(folders, split).pairs]


# ---- layouts ----


def test_folders_with_instances(scenes: Path) -> None:
    listing = find_pairs(Folders(scenes), "train")
    assert (listing.layout, len(listing.pairs), listing.has_instances) == ("folders", 16, True)
    assert len(find_pairs(Folders(scenes), "val").pairs) == 4
    p = listing.pairs[3]
    assert (p.image.name, p.label.parent.name, p.instance and p.instance.parent.name) == (
        "scene00003.png", "train_label", "train_inst",
    )  # fmt: skip


def test_cityscapes_pairs_by_three_parts(tmp_path: Path) -> None:
    for split, city in (("train", "ulm"), ("val", "bonn")):
        blank(tmp_path / "leftImg8bit" / split / city / f"{city}_000000_000019_leftImg8bit.png")
        for kind in ("labelIds", "instanceIds", "color"):
            blank(tmp_path / "gtFine" / split / city / f"{city}_000000_000019_gtFine_{kind}.png")
    listing = find_pairs(Folders(tmp_path), "train")
    assert listing.layout == "cityscapes"
    assert listing.pairs[0].label.name.endswith("labelIds.png")
    assert listing.pairs[0].instance is not None
    assert stems(Folders(tmp_path), "val") == ["bonn_000000_000019"]


def test_ade20k_in_both_trees(tmp_path: Path) -> None:
    for split in ("train", "val"):
        blank(tmp_path / "flat" / "a" / f"ADE_{split}_00000001.jpg")
        blank(tmp_path / "flat" / "a" / f"ADE_{split}_00000001.png")
    for split in ("training", "validation"):
        blank(tmp_path / "parse" / "images" / split / "x.jpg")
        blank(tmp_path / "parse" / "annotations" / split / "x.png")
    for tree in ("flat", "parse"):
        for split in ("train", "val"):
            listing = find_pairs(Folders(tmp_path / tree), split)
            assert (listing.layout, len(listing.pairs)) == ("ade20k", 1)


def test_custom_folders_lend_every_tenth_pair_to_validation(tmp_path: Path) -> None:
    for i in range(25):
        blank(tmp_path / "photos" / f"p{i}.jpg")
        blank(tmp_path / "maps" / f"p{i}.png")
    where = Folders(tmp_path, image_dir=tmp_path / "photos", label_dir=tmp_path / "maps")
    assert stems(where, "val") == ["p9", "p19"]
    assert len(stems(where, "train")) == 23
    assert list_pairs(where, "val").held_out
    assert sorted(["p10", "p9"], key=natural) == ["p9", "p10"]


def test_unmatched_files_stop_training_unless_skipped(tmp_path: Path) -> None:
    for name in "ab":
        pair(tmp_path, name, np.zeros((8, 8), dtype=np.uint8))
    (tmp_path / "train_label" / "b.png").unlink()
    with pytest.raises(
        InputError, match=r"1 photo\(s\) without label and 0 label\(s\).*b.png.*--skip-unmatched"
    ):
        find_pairs(Folders(tmp_path), "train")
    assert [p.stem for p in find_pairs(Folders(tmp_path), "train", skip_unmatched=True).pairs] == ["a"]


def test_unknown_layouts_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        list_pairs(Folders(tmp_path / "none"))
    (tmp_path / "stuff").mkdir()
    with pytest.raises(InputError, match=r"no known layout \(it holds stuff\).*train_img and train_label"):
        list_pairs(Folders(tmp_path))


# ---- reading ----


def test_photo_is_bicubic_labels_are_nearest_and_values_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photo, ids = (
        rng.integers(0, 256, (50, 70, 3), dtype=np.uint8),
        rng.integers(0, 5, (50, 70), dtype=np.uint8),
    )
    save(tmp_path / "train_img" / "a.png", photo)
    save(tmp_path / "train_label" / "a.png", ids)
    save(tmp_path / "train_img" / "b.png", photo)
    save(tmp_path / "train_label" / "b.png", ids)
    options = Options(label_nc=5, no_instance=True, crop_size=32)
    listed = list_pairs(Folders(tmp_path), "train").pairs
    batch = (found := PairSet(listed, options, FIXED)).batch([found.get(0)])
    expected = np.asarray(Image.fromarray(photo).resize((32, 32), Image.Resampling.BICUBIC))
    torch.testing.assert_close(
        batch.image[0], torch.from_numpy(expected.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
    )
    nearest = np.asarray(Image.fromarray(ids).resize((32, 32), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(batch.label[0, 0].numpy(), nearest)
    assert batch.instance is None


def test_instances_are_resized_with_their_labels_and_become_edges(scenes: Path) -> None:
    options = Options(label_nc=5, crop_size=64)
    pairs = PairSet(list_pairs(Folders(scenes), "train").pairs, options, Geometry("fixed", 64, 64))
    sample = pairs.get(0)
    assert sample.instances is not None
    original = np.asarray(Image.open(pairs.pairs[0].instance))  # type: ignore[arg-type]
    np.testing.assert_array_equal(sample.instances, original.repeat(2, 0).repeat(2, 1))
    found = pairs.batch([sample])
    channels = preprocess(found.label, found.instance, flags=options)[0]
    assert channels.shape == (6, 64, 64)
    for y, x in ((10, 10), (40, 31), (32, 50), (63, 63)):
        around = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        differs = any(
            sample.instances[v, u] != sample.instances[y, x] for v, u in around if v < 64 and u < 64
        )
        assert bool(channels[5, y, x]) == differs
    assert 0 < channels[5].mean() < 0.5


def test_the_short_side_gets_the_size_asked_for(tmp_path: Path) -> None:
    pair(tmp_path, "a", np.zeros((60, 90), dtype=np.uint8))
    pair(tmp_path, "b", np.zeros((60, 90), dtype=np.uint8))
    pairs = PairSet(
        list_pairs(Folders(tmp_path), "train").pairs, FIVE, Geometry("scale_shortside_and_crop", 40, 32)
    )
    assert pairs.decode(0).ids.shape == (40, 60)  # the original leaves 60 and shrinks 90
    assert pairs.get(0).ids.shape == (32, 32)


def test_crop_and_flip_take_photo_labels_and_instances_together(tmp_path: Path) -> None:
    ids = np.arange(40 * 48, dtype=np.int64).reshape(40, 48) % 5
    for name in "ab":
        save(tmp_path / "train_img" / f"{name}.png", np.repeat((ids * 50).astype(np.uint8)[..., None], 3, 2))
        save(tmp_path / "train_label" / f"{name}.png", ids.astype(np.uint8))
        save(tmp_path / "train_inst" / f"{name}.png", (ids + 1000).astype(np.uint16))
    options = Options(label_nc=5, crop_size=32)
    pairs = PairSet(list_pairs(Folders(tmp_path), "train").pairs, options, Geometry("crop", 32, 32))
    sample = pairs.get(0, where=(0.999, 0.0), flip=True)
    np.testing.assert_array_equal(sample.ids, ids[:32, 16:][:, ::-1])
    np.testing.assert_array_equal(sample.photo[..., 0], 50 * sample.ids)
    np.testing.assert_array_equal(sample.instances, sample.ids + 1000)


def test_beyond_the_picture_there_is_dontcare(tmp_path: Path) -> None:
    for name in "ab":
        pair(tmp_path, name, np.full((20, 40), 3, dtype=np.uint8))
    listed = list_pairs(Folders(tmp_path), "train").pairs
    void = Options(label_nc=5, contain_dontcare_label=True, no_instance=True, crop_size=32)
    sample = PairSet(listed, void, Geometry("crop", 32, 32)).get(0)
    assert (sample.ids[:20] == 3).all()
    assert (sample.ids[20:] == 255).all()
    assert (sample.photo[20:] == 0).all()


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.full((8, 8), 7, dtype=np.uint8), r"x.png holds the id\(s\) 7, but label_nc=5 .* give --label-nc 8"),
        (np.full((8, 8), 255, dtype=np.uint8), r"holds the id\(s\) 255.*give --dontcare"),
        (np.zeros((8, 9), dtype=np.uint8), r"x.png has 8x8 pixels but its label map 9x8"),
        (np.zeros((8, 8, 3), dtype=np.uint8) + np.arange(3, dtype=np.uint8), "mask of RGB colours"),
    ],
)  # fmt: skip
def test_a_bad_pair_is_named_with_the_fix(tmp_path: Path, ids: np.ndarray, message: str) -> None:
    pair(tmp_path, "w", np.zeros((8, 8), dtype=np.uint8))
    pair(tmp_path, "x", ids)
    save(tmp_path / "train_img" / "x.png", np.zeros((8, 8, 3), dtype=np.uint8))
    pairs = PairSet(list(find_pairs(Folders(tmp_path), "val").pairs), FIVE, FIXED)
    with pytest.raises(InputError, match=message):
        pairs.get(0)


def test_instances_that_are_missing_are_refused_before_training(tmp_path: Path) -> None:
    pair(tmp_path, "a", np.zeros((8, 8), dtype=np.uint8))
    listed = list_pairs(Folders(tmp_path), "train").pairs
    with pytest.raises(InputError, match=r"1 of 1 pairs have no instance map.*--no-instance"):
        PairSet(listed, Options(label_nc=5, crop_size=32), FIXED)
    with pytest.raises(InputError, match=r"preprocess_mode='none' gives pictures of several sizes"):
        PairSet(listed, FIVE, Geometry("none"))


def test_palette_is_found_beside_the_data_or_known(tmp_path: Path) -> None:
    camvid = np.array([[128, 128, 128], [128, 0, 0], [128, 64, 128], [0, 0, 0]], dtype=np.uint8)
    for name in "ab":
        pair(tmp_path, name, np.tile(camvid[None], (4, 1, 1)))
    listed = list_pairs(Folders(tmp_path), "train").pairs
    found = palette_for(Folders(tmp_path), listed)
    assert found is not None
    assert "camvid" in found.source
    (tmp_path / "palette.txt").write_text("0 128 128 128 a\n")
    assert palette_for(Folders(tmp_path), listed).source == "palette.txt"  # type: ignore[union-attr]


# ---- batches ----


def loader(scenes: Path, size: int = 4, **more: int) -> Loader:
    listed = find_pairs(Folders(scenes), "train").pairs
    return Loader(PairSet(listed, FIVE, Geometry("resize_and_crop", 40, 32)), size, seed=3, **more)


def test_batches_follow_from_seed_and_number_alone(scenes: Path) -> None:
    one, other = loader(scenes), loader(scenes)
    first = [one.batch(i) for i in range(6)]
    again = other.batch(5)  # without the five before
    assert torch.equal(first[5].image, again.image)
    assert torch.equal(first[5].label, again.label)
    assert sorted(one.index(k) for k in range(16)) == list(range(16))  # an epoch sees every pair once
    assert [one.index(k) for k in range(16)] != [one.index(k) for k in range(16, 32)]
    one.close()
    other.close()


def test_two_processes_share_the_batch_of_one(scenes: Path) -> None:
    whole, parts = loader(scenes, 4), [loader(scenes, 2, rank=r, world_size=2) for r in range(2)]
    joint = torch.cat([p.batch(1).image for p in parts])
    assert torch.equal(joint, whole.batch(1).image)
    for each in (whole, *parts):
        each.close()


def test_half_of_the_samples_are_flipped(scenes: Path) -> None:
    found = loader(scenes)
    flips = 0
    for k in range(200):
        plain = found.pairs.decode(3).photo
        drawn = found.sample(k, 3).photo
        where = [
            x for x in range(9) if any(np.array_equal(drawn, plain[y : y + 32, x : x + 32]) for y in range(9))
        ]
        flips += not where
    found.close()
    assert 70 < flips < 130
