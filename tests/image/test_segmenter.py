# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spade_image.data import PairSet, find_pairs
from spade_image.exceptions import InputError, ModelError
from spade_image.layouts import Folders
from spade_image.metrics import Agreement
from spade_image.options import Options
from spade_image.preprocess import Geometry
from spade_image.segmenter import (
    Segmenter,
    SegmenterConfig,
    augment,
    cached_segmenter,
    load_segmenter,
    targets,
    train_segmenter,
)

OPTIONS = Options(label_nc=5, no_instance=True, crop_size=32)
QUICK = SegmenterConfig(samples=480, batch_size=8, lr=1e-2, widths=(8, 12, 16, 24))


def pairs_of(scenes: Path, split: str) -> PairSet:
    return PairSet(find_pairs(Folders(scenes), split).pairs, OPTIONS, Geometry("fixed", 32, 32, 1.0))


def score(net: Segmenter, pairs: PairSet) -> float:
    counts = Agreement(5)
    samples = pairs.batch([pairs.get(i) for i in range(len(pairs))])
    counts.update(net.predict(samples.image), samples.label[:, 0])
    return counts.miou


@pytest.fixture(scope="module")
def trained(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Segmenter, Path]:
    return cached_segmenter(pairs_of(scenes, "train"), QUICK, folder=tmp_path_factory.mktemp("cache"))


def test_it_learns_to_read_unseen_photos(scenes: Path, trained: tuple[Segmenter, Path]) -> None:
    torch.manual_seed(0)
    fresh = Segmenter(5, QUICK.widths).eval()
    assert score(trained[0], pairs_of(scenes, "val")) > 0.5
    assert score(fresh, pairs_of(scenes, "val")) < 0.25


def test_the_file_is_the_network_and_is_found_again(scenes: Path, trained: tuple[Segmenter, Path]) -> None:
    net, path = trained
    again = load_segmenter(path)
    photo = torch.rand(2, 3, 32, 48) * 2 - 1
    assert torch.equal(again(photo), net(photo))
    assert again.provenance == net.provenance
    assert again(photo).shape == (2, 5, 32, 48)

    def forbidden(*_: object) -> None:
        pytest.fail("trained again")

    _, same = cached_segmenter(pairs_of(scenes, "train"), QUICK, folder=path.parent, on_step=forbidden)
    assert same == path


def test_a_seed_is_a_network(scenes: Path) -> None:
    few = SegmenterConfig(samples=16, widths=(4, 6))
    pairs = pairs_of(scenes, "train")
    torch.manual_seed(7)
    a = train_segmenter(pairs, few)
    torch.manual_seed(8)
    b = train_segmenter(pairs, few)
    c = train_segmenter(pairs, SegmenterConfig(samples=16, widths=(4, 6), seed=1))
    assert torch.equal(a.head.weight, b.head.weight)
    assert not torch.equal(a.head.weight, c.head.weight)


def test_damaged_and_other_files_are_refused(tmp_path: Path, trained: tuple[Segmenter, Path]) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load_segmenter(tmp_path / "none.safetensors")
    for name, data in (("cut", trained[1].read_bytes()[:-9]), ("text", b"hello")):
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(data)
        with pytest.raises(ModelError, match="no segmenter of ours"):
            load_segmenter(file)


def test_photo_and_map_are_changed_together() -> None:
    label = torch.zeros(32, 48, 64, dtype=torch.long)
    label[:, 14:, 30:] = 1
    photo = label[:, None].float().expand(-1, 3, -1, -1) - 0.5
    rng = torch.Generator().manual_seed(0)
    changed, after = augment(photo, label, rng)
    assert not torch.equal(after, label)
    # recoloured by one affine map a picture: bright where the class is 1, but for the resized border
    for image, ids in zip(changed.mean(1), after, strict=True):
        middle = (image[ids == 1].median() + image[ids == 0].median()) / 2
        assert float(((image > middle).long() == ids).float().mean()) > 0.95
        assert image[ids == 1].median() > image[ids == 0].median() + 0.4


def test_dontcare_teaches_nothing() -> None:
    ids = torch.tensor([[0, 3, 4, 255]])
    assert targets(ids, 4).tolist() == [[0, 3, -100, -100]]
    assert targets(torch.tensor([[255]]), 300).tolist() == [[255]]  # a class where there are so many


def test_bad_settings_are_refused(scenes: Path) -> None:
    with pytest.raises(InputError, match="samples=0"):
        train_segmenter(pairs_of(scenes, "train"), SegmenterConfig(samples=0))
