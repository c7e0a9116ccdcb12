# SPDX-License-Identifier: Apache-2.0
"""Classes, dontcare and instances are decided in one place: what ``check`` passes, ``train`` begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spade_image.check import CheckReport, check_data
from spade_image.data import find_pairs
from spade_image.decide import find_gap, options_of_data
from spade_image.exceptions import InputError
from spade_image.labels import read_ids
from spade_image.layouts import Folders
from spade_image.train import TrainingConfig, train
from tests.image.conftest import pair, save

TINY = {"ngf": 1, "ndf": 2, "nhidden": 2, "num_D": 1, "crop_size": 64, "no_vgg_loss": True}


def ids_of(*values: int, dtype: type = np.uint8) -> np.ndarray:
    return np.resize(np.array(values, dtype=dtype), (16, 16))


def folder(where: Path, *maps: np.ndarray) -> Path:
    for k, ids in enumerate(maps):
        pair(where, f"p{k}", ids)
    return where


def begun(data: Path, out: Path, preset: str = "auto", **options: Any) -> str:
    """Return the error that keeps a training of one step from beginning; empty where it runs."""
    config = TrainingConfig(
        Folders(data), out, preset, options=TINY | options, preprocess_mode="fixed", steps=1, batch_size=2,
        n_shown=1, amp="off",
    )  # fmt: skip
    try:
        train(config)
    except InputError as error:
        return str(error)
    return ""


def errors(report: CheckReport) -> list[str]:
    return [f.kind for f in report.findings if f.level == "error"]


@pytest.mark.parametrize(
    ("ids", "gap", "refused"),
    [
        ([0, 1, 2, 3, 4, 77], (4, (77,)), True),
        ([0, 1, 2, 255], None, False),
        ([0, 1, 23100], (1, (23100,)), True),
        ([0, 128], (0, (128,)), True),  # a mask of grey levels
        ([*range(100), 140, 141], (99, (140, 141)), False),  # more ids below than the gap is wide
        ([7, 8, 11, 12, 13, 17, 19, 20, 33], (20, (33,)), False),  # Cityscapes
        (list(range(0, 182, 7)), None, False),  # a sparse sample of many classes
        ([0, 20, 40], (0, (20, 40)), False),
        ([*range(50), 70, 200, 201], (70, (200, 201)), True),  # the one that is refused, not the first
        ([], None, False),
    ],
)
def test_gaps(ids: list[int], gap: tuple[int, tuple[int, ...]] | None, refused: bool) -> None:
    found = find_gap(ids)
    assert (None if found is None else (found.below, found.above)) == gap
    assert (found is not None and found.refused) is refused


def test_a_stray_id_is_refused_by_both_with_ids_files_and_the_fix(tmp_path: Path) -> None:
    clean = ids_of(0, 1, 2)
    data = folder(tmp_path / "d", clean, clean, ids_of(0, 1, 2, 77), clean)
    report = check_data(Folders(data))
    (finding,) = [f for f in report.findings if f.kind == "stray ids"]
    assert finding.level == "error"
    assert finding.where.endswith("p2.png")
    assert finding.detail == (
        "after the id 2 come 74 ids without a pixel, then 77 in p2.png: read as classes they make 78, most of them "
        "empty"
    )
    assert "--label-nc 78" in finding.fix
    assert report.options["label_nc"] == 3
    text = begun(data, tmp_path / "m")
    assert "77 in p2.png" in text
    assert "--label-nc 78" in text
    assert not (tmp_path / "m").exists()
    # said on purpose: both begin
    assert check_data(Folders(data), label_nc=78).ok
    assert begun(data, tmp_path / "m", label_nc=78) == ""


def test_sixteen_bit_instance_codes_are_no_classes(tmp_path: Path) -> None:
    data = folder(tmp_path / "d", *[ids_of(0, 1, 23100, 24000, dtype=np.uint16)] * 5)
    with pytest.raises(InputError, match=r"23100 in p0\.png, p1\.png, p2\.png and 1 more, 24000 in"):
        options_of_data(Folders(data), find_pairs(Folders(data), "train").pairs, None)


def test_a_doubtful_gap_is_a_warning_and_may_begin(tmp_path: Path) -> None:
    data = folder(tmp_path / "d", *[ids_of(0, 1, 20, 255)] * 4)
    report = check_data(Folders(data))
    assert [f.level for f in report.findings if f.kind == "stray ids"] == ["warning"]
    assert report.ok
    assert report.options == {"label_nc": 21, "contain_dontcare_label": True, "no_instance": True}
    assert begun(data, tmp_path / "m") == ""


def test_a_sparse_sample_of_coco_is_believed(shared: Path) -> None:
    pairs = find_pairs(Folders(shared / "data" / "coco_stuff_samples"), "train").pairs
    ids = {int(i) for p in pairs for i in np.unique(read_ids(p.label))}
    assert 255 in ids
    gap = find_gap(ids)
    assert gap is None or not gap.refused
    assert len(ids) < 100 < max(ids - {255})


@pytest.mark.parametrize(
    ("preset", "given"),
    [
        ("cityscapes", {}),
        ("cityscapes", {"no_instance": True}),
        ("auto", {}),
        ("auto", {"no_instance": False}),
        ("auto", {"label_nc": 3}),
        ("auto", {"label_nc": 3, "contain_dontcare_label": True}),
        ("facades", {}),
        ("ade20k", {}),
    ],
)
@pytest.mark.parametrize("instances", ["all", "some", "none"])
def test_check_and_train_agree(tmp_path: Path, preset: str, given: dict[str, Any], instances: str) -> None:
    data = folder(tmp_path / "d", *[ids_of(1, 2, 255)] * 3)
    for name in {"all": ["p0", "p1", "p2"], "some": ["p1"], "none": []}[instances]:
        save(data / "train_inst" / f"{name}.png", ids_of(1, 5))
    no_instance = given.get("no_instance")
    report = check_data(
        Folders(data), preset_name=preset, label_nc=given.get("label_nc"),
        dontcare=given.get("contain_dontcare_label"), instance=None if no_instance is None else not no_instance,
    )  # fmt: skip
    options = dict(given)
    if preset == "cityscapes":  # as small as the others
        options |= {"num_upsampling_layers": "normal", "aspect_ratio": 1.0}
    assert report.ok == (begun(data, tmp_path / "m", preset, **options) == ""), errors(report)


def test_ids_of_the_validation_part_count_for_both(tmp_path: Path) -> None:
    data = folder(tmp_path / "d", *[ids_of(0, 1)] * 3)
    pair(data, "v", ids_of(0, 2), "val")
    report = check_data(Folders(data))
    assert report.ok
    assert report.options["label_nc"] == 3
    assert begun(data, tmp_path / "m") == ""


def test_a_palette_says_how_many_classes_there_are(tmp_path: Path) -> None:
    data = folder(tmp_path / "d", *[ids_of(0, 1, 5)] * 3)
    (data / "palette.txt").write_text("0 10 20 30 sky\n1 40 50 60 road\n")
    report = check_data(Folders(data))
    assert "unknown ids" in errors(report)
    assert "label_nc=2" in begun(data, tmp_path / "m")
