# SPDX-License-Identifier: Apache-2.0
"""The fast paths equal the network itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spade_core.spectral import warm_up_spectral
from spade_image import ImageModel, InputError, official
from spade_image.folding import folded_copy
from spade_image.inference import FastGenerator
from spade_image.patterns import MapCodes
from spade_image.tiles import reach, tile_starts

SMALL = {"ngf": 2, "ndf": 3, "label_nc": 5, "crop_size": 64, "init_variance": 1.0, "z_dim": 6}
CLOSE = {"atol": 1e-5, "rtol": 0.0}


def ids(height: int = 64, width: int = 96, batch: int = 2) -> Tensor:
    label = torch.zeros(batch, height, width, dtype=torch.long)
    label[0, 20:40, 10:50], label[-1, 5:60, 30:31], label[-1, :, 60:] = 3, 2, 4
    return label


def ready(flags: dict[str, Any], segmap: Tensor | None = None) -> nn.Module:
    """A network with spectral vectors and running statistics of its own, evaluating."""
    torch.manual_seed(0)
    net = official.build_generator(flags, follow_map=True)
    warm_up_spectral(net)
    if segmap is not None:
        with torch.no_grad():
            for _ in range(2):
                net(segmap)
    return net.eval()


@pytest.mark.parametrize(
    ("norm", "vae", "lookup"),
    [
        ("spectralspadesyncbatch3x3", False, True),
        ("spectralspadesyncbatch3x3", True, False),
        ("spadeinstance5x5", True, True),
        ("spectralspadebatch1x1", True, True),
        ("spectralspadebatch1x1", False, False),
        ("spectralspadeinstance3x3", False, True),
    ],
)
def test_fast_equals_the_network(norm: str, vae: bool, lookup: bool) -> None:
    flags = {**SMALL, "norm_G": norm, "use_vae": vae}
    segmap = official.preprocess(ids(), ids(), flags=flags)
    net = ready(flags, segmap)
    fast = FastGenerator(net, lookup=lookup)
    z = torch.randn(2, 6) if vae else None
    with torch.no_grad():
        expected = net(segmap, z)
    assert float(expected.std()) > 0.01
    torch.testing.assert_close(fast(segmap, z), expected, **CLOSE)
    torch.testing.assert_close(fast(fast.prepare(segmap), z), expected, **CLOSE)


def test_styles_share_one_map() -> None:
    flags = {**SMALL, "use_vae": True}
    segmap = official.preprocess(ids(batch=1), ids(batch=1), flags=flags)
    net = ready(flags, segmap.repeat(2, 1, 1, 1))
    z = torch.randn(5, 6)
    with torch.no_grad():
        expected = net(segmap.repeat(5, 1, 1, 1), z)
    fast = FastGenerator(net)
    dense = FastGenerator(net, lookup=False).prepare(segmap)
    prepared = fast.prepare(segmap)
    for given in (segmap, prepared, dense):
        torch.testing.assert_close(fast(given, z), expected, **CLOSE)
    assert prepared.nbytes < dense.nbytes / 2
    with pytest.raises(InputError, match="2 maps with 5 styles"):
        fast(segmap.repeat(2, 1, 1, 1), z)


def test_soft_maps_take_the_dense_path() -> None:
    net = ready(SMALL)
    segmap = torch.rand(1, 6, 96, 96)
    assert MapCodes.of(segmap) is None
    with torch.no_grad():
        torch.testing.assert_close(FastGenerator(net)(segmap), net(segmap), **CLOSE)


def test_folding_leaves_the_network_alone_even_after_a_training_step() -> None:
    net = official.build_generator(SMALL, follow_map=True)
    segmap = official.preprocess(ids(), ids(), flags=SMALL)
    net(segmap).mean().backward()  # from here on torch's own deepcopy refuses
    before = {k: v.clone() for k, v in net.state_dict().items()}
    folded = folded_copy(net)
    assert not any(k.endswith(("_orig", "_u", "_v")) for k in folded.state_dict())
    assert not any(p.requires_grad for p in folded.parameters())
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in before.items())
    net(segmap).mean().backward()
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(folded_copy(net)(segmap), net(segmap), **CLOSE)


def test_patterns_are_the_neighbourhoods() -> None:
    """Every position's row of the list is its own neighbourhood, and no two rows are alike."""
    segmap = official.preprocess(ids(40, 30), ids(40, 30), flags=SMALL)
    codes = MapCodes.of(segmap)
    assert codes is not None
    assert torch.equal(codes.vectors[codes.codes].movedim(-1, 1), segmap)
    patterns = codes.patterns(2)
    assert patterns is not None
    assert len(torch.unique(patterns.patches.flatten(1), dim=0)) == len(patterns.patches)
    outside = len(codes.vectors)
    for b, y, x in ((0, 0, 0), (0, 20, 10), (1, 39, 29), (1, 5, 30 - 1)):
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                inside = 0 <= y + dy < 40 and 0 <= x + dx < 30
                expected = int(codes.codes[b, y + dy, x + dx]) if inside else outside
                row = patterns.index[b, y * 30 + x]
                assert int(patterns.patches[row, dy + 2, dx + 2]) == expected


# ---- the model ----


def test_generate_is_seeded_by_sample() -> None:
    model = ImageModel.build({**SMALL, "use_vae": True})
    warm_up_spectral(model.generator)
    many = model.generate(ids(), z=5, seed=3, batch_size=2)
    assert many.shape == (2, 5, 3, 64, 96)
    torch.testing.assert_close(model.generate(ids(), z=2, seed=3), many[:, :2], **CLOSE)
    torch.testing.assert_close(model.generate(ids()[1:], z=5, seed=3)[0], many[1], **CLOSE)
    assert not torch.allclose(model.generate(ids(), z=2, seed=4), many[:, :2], atol=1e-3)


def test_generate_with_photos() -> None:
    model = ImageModel.build({**SMALL, "use_vae": True})
    warm_up_spectral(model.generator)
    warm_up_spectral(model.encoder)
    photos = torch.rand(2, 3, 50, 70) * 2 - 1
    out = model.generate(ids(), style=photos)
    mu, _ = model.encode(photos)
    torch.testing.assert_close(model.generate(ids(), z=mu), out, **CLOSE)
    assert model.generate(ids(), style=photos, z=3).shape == (2, 6, 3, 64, 96)


def test_generate_sees_changed_weights() -> None:
    model = ImageModel.build({**SMALL, "no_instance": True})
    warm_up_spectral(model.generator)
    first = model.generate(ids())
    assert first.shape == (2, 1, 3, 64, 96)
    assert model.fast() is model.fast()
    with torch.no_grad():
        model.generator.conv_img.bias.add_(0.5)
    assert not torch.allclose(model.generate(ids()), first, atol=1e-2)


@pytest.mark.parametrize(
    ("vae", "arguments", "words"),
    [
        (False, {"z": 3}, "deterministic"),
        (False, {"style": torch.zeros(1, 3, 64, 64)}, "deterministic"),
        (True, {"z": torch.zeros(2, 5)}, r"\(N, 6\)"),
        (True, {"z": 0}, "z=0"),
        (True, {"z": torch.zeros(2, 6), "style": torch.zeros(1, 3, 64, 64)}, "both"),
    ],
)
def test_wrong_styles(vae: bool, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ImageModel.build({**SMALL, "use_vae": vae}).generate(ids(), **arguments)


# ---- tiles ----


def large(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 5, (height // 32, width // 32), generator=generator)
    label = blocks.repeat_interleave(32, 0).repeat_interleave(32, 1)
    label[torch.rand(label.shape, generator=generator) < 1e-3] = 2
    return label


@pytest.mark.parametrize("vae", [False, True])
def test_tiles_with_enough_overlap_are_the_whole(vae: bool) -> None:
    flags = {**SMALL, "use_vae": vae, "norm_G": "spectralspadesyncbatch1x1"}
    torch.manual_seed(0)
    model = ImageModel.build(flags)
    warm_up_spectral(model.generator)
    label = large(96, 768)
    whole = model.generate(label[None], z=2 if vae else None)[0]
    assert reach(model.generator, 1) < 200
    exact = model.generate_tiled(label, z=2 if vae else None, tile=448, overlap=None, blend=32)
    torch.testing.assert_close(exact, whole, **CLOSE)
    rough = model.generate_tiled(label, z=2 if vae else None, tile=192, overlap=64, blend=32)
    assert float((rough - whole).abs().mean()) < 0.1 * float(whole.std())
    assert not torch.allclose(rough, whole, atol=1e-5)


def test_reach_is_what_the_network_sees() -> None:
    """A changed pixel changes nothing beyond the reach, and something near it."""
    net = ready({**SMALL, "no_instance": True})
    label = torch.zeros(1, 64, 640, dtype=torch.long)
    changed = label.clone()
    changed[..., 320:] = 1
    with torch.no_grad():
        a, b = (net(official.preprocess(x, flags={**SMALL, "no_instance": True})) for x in (label, changed))
    columns = (a - b).abs().amax((0, 1, 2)).nonzero().flatten()
    assert int(columns.min()) >= 320 - reach(net)
    assert int(columns.min()) < 320 - reach(net) // 3


@pytest.mark.parametrize("kind", ["concat", "unet"])
def test_tiles_of_other_generators(kind: str) -> None:
    model = ImageModel.build({**SMALL, "generator": kind, "norm_G": "spectralspadebatch3x3"})
    warm_up_spectral(model.generator)
    label = large(64, 256)
    tiled = model.generate_tiled(label, tile=128, overlap=64, blend=32)
    assert tiled.shape == (1, 3, 64, 256)
    whole = model.generate(label[None])[0]
    torch.testing.assert_close(model.generate_tiled(label, tile=256), whole, **CLOSE)
    with pytest.raises(InputError, match="no overlap"):
        model.generate_tiled(label, overlap=None)


@pytest.mark.parametrize(
    ("length", "tile", "overlap"), [(768, 256, 64), (992, 256, 224), (256, 256, 0), (288, 256, 32)]
)
def test_tiles_cover_and_overlap(length: int, tile: int, overlap: int) -> None:
    from spade_image.tiles import _weights

    starts = tile_starts(length, tile, overlap, 32)
    assert (starts[0], starts[-1] + tile) == (0, length)
    assert all(a + tile - b >= overlap and a < b and b % 32 == 0 for a, b in pairwise(starts))
    total = torch.zeros(length)
    for start in starts:
        total[start : start + tile] += _weights(start, starts, tile, min(32, overlap))
    torch.testing.assert_close(total, torch.ones(length))


@pytest.mark.parametrize(
    ("sides", "arguments", "words"),
    [
        ((64, 100), {}, r"\(64, 100\)"),
        ((64, 256), {"tile": 64, "overlap": 64, "blend": 0}, "tile=64 must be larger than overlap=64"),
        ((64, 256), {"tile": 128, "overlap": 32, "blend": 50}, "blend=50"),
    ],
)
def test_wrong_tiles(sides: tuple[int, int], arguments: dict[str, int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ImageModel.build(SMALL).generate_tiled(torch.zeros(sides, dtype=torch.long), **arguments)
