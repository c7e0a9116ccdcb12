# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from spade_image.check import Finding, check_data, collect_palette
from spade_image.layouts import Folders
from spade_image.palette import read_palette
from tests.image.conftest import pair, save


@pytest.fixture
def good(tmp_path: Path) -> Path:
    ids = np.zeros((16, 16), dtype=np.uint8)
    ids[:, 8:], ids[0, 0] = 1, 255
    for split in ("train", "val"):
        for name in "abc":
            pair(tmp_path, name, ids, split)
    return tmp_path


def found(folder: Path, kind: str, **more: object) -> list[Finding]:
    report = check_data(Folders(folder), **more)  # type: ignore[arg-type]
    return [f for f in report.findings if f.kind == kind]


def test_good_data_has_shares_and_may_begin(good: Path) -> None:
    report = check_data(Folders(good))
    assert report.ok
    assert report.options == {"label_nc": 2, "contain_dontcare_label": True, "no_instance": True}
    shares = report.splits["train"].shares
    assert shares == pytest.approx({0: 127 / 256, 1: 0.5, 255: 1 / 256})
    assert report.splits["val"].sizes == {"16x16": 3}
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True


def test_everything_wrong_is_found_at_once_with_its_fix(good: Path) -> None:
    (good / "train_label" / "a.png").unlink()
    save(good / "val_label" / "z.png", np.zeros((16, 16), dtype=np.uint8))
    save(good / "train_label" / "b.png", np.full((16, 15), 9, dtype=np.uint8))
    data = (good / "val_img" / "c.png").read_bytes()
    (good / "val_img" / "c.png").write_bytes(data[:40])
    report = check_data(Folders(good), label_nc=2, dontcare=False)
    assert not report.ok
    errors = {
        (f.kind, Path(f.where).parent.name, Path(f.where).stem) for f in report.findings if f.level == "error"
    }
    assert errors == {
        ("unmatched", "train_img", "a"),
        ("unmatched", "val_label", "z"),
        ("size", "train_label", "b"),
        ("unknown ids", "train_label", "b"),
        ("unknown ids", "train_label", "c"),
        ("unknown ids", "val_label", "a"),
        ("unknown ids", "val_label", "b"),
        ("unknown ids", "val_label", "c"),
        ("unreadable", "val_img", "c"),
    }
    assert all(f.fix and "/" not in f.detail for f in report.findings)
    by_id = next(
        f for f in report.findings if f.kind == "unknown ids" and "train" in f.where and "b" in f.where[-6:]
    )
    assert by_id.detail == "the id(s) 9 in 100.0% of the pixels, but there are 2 classes (0..1)"
    assert by_id.fix == "give --label-nc 10, or correct the map"


def test_colours_without_palette_and_what_writing_one_does(good: Path) -> None:
    mask = np.zeros((16, 16, 3), dtype=np.uint8)
    mask[:8], mask[8:] = (9, 9, 200), (50, 3, 3)
    for split in ("train", "val"):
        for name in "abc":
            save(good / f"{split}_label" / f"{name}.png", mask)
    (problem,) = found(good, "no palette")
    assert problem.level == "error"
    assert "6 label(s)" in problem.detail
    assert "--write-palette" in problem.fix
    palette = collect_palette(Folders(good))
    assert palette.ids == {(9, 9, 200): 0, (50, 3, 3): 1}
    (good / "palette.json").write_text(palette.to_json())
    report = check_data(Folders(good))
    assert report.ok
    assert report.palette == "palette.json"
    assert report.splits["train"].shares == {0: 0.5, 1: 0.5}
    assert read_palette(good / "palette.json").label_nc == 2


def test_jpeg_labels_missing_instances_and_odd_classes_are_told(good: Path) -> None:
    shutil.move(good / "train_label" / "a.png", good / "train_label" / "a.jpg")
    assert found(good, "lossy label")[0].level == "error"
    save(good / "train_inst" / "b.png", np.zeros((16, 16), dtype=np.uint8))
    assert "2 of 3 pairs have no instance map" in found(good, "instances")[0].detail
    assert "only in val" not in {f.kind for f in check_data(Folders(good)).findings}
    pair(good, "d", np.full((16, 16), 4, dtype=np.uint8), "val")
    assert found(good, "only in val")[0].detail == "the class(es) 4 occur only in val"
    assert found(good, "absent class", label_nc=3)[0].detail == "the class(es) 2 never occur"


def test_the_shared_samples_are_as_their_description_says(shared: Path) -> None:
    folder = shared / "data" / "coco_stuff_samples"
    described = json.loads((folder / "dataset.json").read_text())
    report = check_data(Folders(folder), preset_name="coco")
    assert report.ok
    for split, found_split in report.splits.items():
        stated = described["splits"][split]
        assert (found_split.pairs, found_split.instances) == (stated["pairs"], stated["pairs"])
        assert {str(i): 100 * s for i, s in found_split.shares.items() if s > 5e-6} == pytest.approx(
            stated["percent"], abs=1e-3
        )
