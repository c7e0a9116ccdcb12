# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from spade_image.exceptions import InputError
from spade_image.model import ImageModel
from spade_image.spatial_control import (
    DISTANCES,
    Edit,
    choose_edits,
    repaint,
    signed_distance,
    spatial_control,
)
from spade_image.washout import wash_out


def streets(n: int = 3) -> list[np.ndarray]:
    maps = []
    for k in range(n):
        ids = np.zeros((32, 48), dtype=np.int32)
        ids[16:] = 1
        ids[10:20, 5 + 8 * k : 15 + 8 * k] = 2
        ids[0, :2] = 255
        maps.append(ids)
    return maps


def painter(ids: np.ndarray, _: int) -> Tensor:
    """Follows its map exactly: 40 levels a class."""
    return torch.from_numpy(40 * ids.astype(np.uint8) % 251).expand(3, -1, -1)


def flooder(ids: np.ndarray, _: int) -> Tensor:
    """Sees the whole map at every pixel."""
    level = int(ids[ids != 255].sum()) % 97
    return torch.full((3, *ids.shape), level, dtype=torch.uint8)


def test_edits_are_connected_regions_of_the_right_size_and_never_dontcare() -> None:
    maps = streets()
    edits = choose_edits(maps, 3, 12, smallest=0.02, largest=0.2)
    assert len(edits) == 12
    assert {e.map_index for e in edits} == {0, 1, 2}
    for edit in edits:
        region = maps[edit.map_index] == 2  # the only regions between 2 and 20 percent
        assert np.array_equal(edit.region, region)
        assert edit.before == 2
        assert edit.after in (0, 1)
    again = choose_edits(maps, 3, 12, smallest=0.02, largest=0.2)
    assert [e.after for e in edits] == [e.after for e in again]
    painted = repaint(maps[0], Edit(0, maps[0] == 2, 2, 1))
    assert not (painted == 2).any()
    assert (maps[0] == 2).any()  # a copy


def test_a_generator_that_follows_its_map_leaks_nothing() -> None:
    maps = streets()
    edits = choose_edits(maps, 3, 9, smallest=0.02, largest=0.2)
    found = spatial_control(painter, maps, edits)
    expected = np.mean([40 * abs(e.after - e.before) for e in edits])
    assert found.inside == pytest.approx(expected)
    assert found.outside == found.leakage == found.share_outside == 0
    assert found.by_distance["0 to 4"] == 0
    assert found.by_distance["-4 to 0"] > 0


def test_a_generator_that_floods_leaks_everything() -> None:
    maps = streets()
    edits = choose_edits(maps, 3, 9, smallest=0.02, largest=0.2)
    found = spatial_control(flooder, maps, edits)
    assert found.leakage == pytest.approx(1.0)
    assert found.std_errors["leakage"] == pytest.approx(0.0, abs=1e-12)
    shares = [1 - e.region.mean() for e in edits]
    assert found.share_outside == pytest.approx(np.mean(shares))


def test_standard_errors_take_the_edits_of_a_map_together() -> None:
    maps = streets()
    edits = choose_edits(maps, 3, 12, smallest=0.02, largest=0.2)
    found = spatial_control(painter, maps, edits)
    values = np.array([40.0 * abs(e.after - e.before) for e in edits])
    sums = [sum(values[i] - values.mean() for i, e in enumerate(edits) if e.map_index == k) for k in range(3)]
    assert found.std_errors["inside"] == pytest.approx(math.sqrt(3 / 2 * sum(s**2 for s in sums)) / 12)


def test_a_generator_that_ignores_its_map_has_no_leakage_to_speak_of() -> None:
    maps = streets()
    edits = choose_edits(maps, 3, 3, smallest=0.02, largest=0.2)
    found = spatial_control(lambda ids, _: torch.zeros(3, *ids.shape, dtype=torch.uint8), maps, edits)
    assert found.inside == 0
    assert math.isnan(found.leakage)


def test_distances_cover_every_pixel_once() -> None:
    region = np.zeros((1, 30), dtype=bool)
    region[0, 10:14] = True
    distance = signed_distance(region)[0]
    assert distance[8:16].tolist() == [2, 1, -1, -2, -2, -1, 1, 2]
    rings = [
        (distance > low) & (distance <= high) if low >= 0 else (distance >= low) & (distance < high)
        for low, high in DISTANCES
    ]
    assert np.sum(rings, axis=0).tolist() == [1] * 30


def test_what_cannot_be_repainted_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        choose_edits([np.zeros((8, 8), dtype=np.int32)], 3)
    with pytest.raises(InputError, match="no map has a connected region"):
        choose_edits(streets(), 3, smallest=0.9, largest=0.95)


@pytest.mark.parametrize("kind", ["spade", "concat", "unet"])
def test_every_generator_is_measured_with_the_same_noise(kind: str) -> None:
    torch.manual_seed(0)
    model = ImageModel.build(
        {"ngf": 2, "nhidden": 4, "label_nc": 3, "contain_dontcare_label": True, "no_instance": True, "crop_size": 32,
         "use_vae": True, "z_dim": 4, "generator": kind, "init_variance": 1.0,
         "norm_G": "spadeinstance3x3"},
        discriminator=False,
    )  # fmt: skip
    model.generator.eval()
    ids = np.pad(streets(1)[0], ((0, 0), (0, 16)), mode="edge")
    edits = [Edit(0, ids == 2, 2, 0)]
    found = spatial_control(model, [ids], edits)
    assert found.inside > 0
    assert spatial_control(model, [ids], edits).inside == found.inside
    nothing = spatial_control(model, [ids], [Edit(0, ids == 2, 2, 2)])
    assert nothing.inside == nothing.outside == 0  # the same map and the same noise: the same picture


def test_normalisation_washes_labels_out() -> None:
    washed = wash_out()
    assert washed.output["input"] < 1e-6  # levels: two classes, one picture
    assert washed.after_norm["input"] < 1e-9
    assert (
        washed.after_norm["concat"] < 1e-6
    )  # behind every norm nothing is left, so it is concatenated again
    assert washed.output["concat"] > 1
    assert washed.after_norm["spade"] > 0.1
    assert washed.output["spade"] > 1


def test_running_statistics_do_not_wash_out() -> None:
    assert wash_out(norm="batch").output["input"] > 1
    with pytest.raises(InputError, match="two different"):
        wash_out(classes=(1, 1))
