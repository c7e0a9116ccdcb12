# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from spade_core import SPADEGenerator, stages_for
from spade_core.generator import Stage


def small(ndim: int = 2, **options: object) -> SPADEGenerator:
    torch.manual_seed(0)
    arguments = {"z_dim": 8, "ngf": 2, "resolution": 64, "nhidden": 4} | options
    return SPADEGenerator(3, ndim=ndim, **arguments)


def map_of(*size: int, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("resolution", [64, 128, 256, 512])
def test_simple_form_gives_the_resolution_asked_for(resolution: int, ndim: int) -> None:
    net = small(ndim, resolution=resolution)
    assert net.n_doublings == {64: 4, 128: 5, 256: 6, 512: 7}[resolution]
    with torch.no_grad():
        out = net(map_of(*(resolution,) * ndim, batch=1))
    assert out.shape == (1, 3, *(resolution,) * ndim)
    assert out.abs().max() <= 1


@pytest.mark.parametrize("ngf", [1, 3, 8])
def test_width_follows_ngf(ngf: int) -> None:
    net = small(ngf=ngf)
    assert net.fc.out_features == 16 * ngf * 4 * 4
    assert net.conv_img.in_channels == ngf
    assert net(map_of(64, 64)).shape == (2, 3, 64, 64)


@pytest.mark.parametrize("size", [(64, 128), (32, 96), (128, 32)])
def test_output_follows_the_map(size: tuple[int, int]) -> None:
    assert small()(map_of(*size)).shape == (2, 3, *size)


def test_fixed_output_size_and_linear_head_and_channels() -> None:
    net = small(1, output_size=(128,), head="linear", out_channels=7)
    assert net(map_of(50)).shape == (2, 7, 128)


def test_official_layout() -> None:
    widths = [(s.name, s.fin, s.fout, s.double) for s in stages_for(4, 7)]
    assert widths == [
        ("head_0", 64, 64, False),
        ("G_middle_0", 64, 64, True),
        ("G_middle_1", 64, 64, True),
        ("up_0", 64, 32, True),
        ("up_1", 32, 16, True),
        ("up_2", 16, 8, True),
        ("up_3", 8, 4, True),
        ("up_4", 4, 2, True),
    ]
    assert [s.double for s in stages_for(4, 5)] == [False, True, False, True, True, True, True]


def test_official_parameter_counts() -> None:
    """The published presets: COCO 97.481 M; with noise ('more', 512x256) 101.137 M."""
    with torch.device("meta"):
        coco = SPADEGenerator(184, stages=stages_for(64, 5), first="map", norm="sync_batch")
        city = SPADEGenerator(36, stages=stages_for(64, 6), latent_size=(4, 8), norm="sync_batch")
    assert sum(p.numel() for p in coco.parameters()) / 1e6 == pytest.approx(97.481, abs=5e-4)
    assert sum(p.numel() for p in city.parameters()) / 1e6 == pytest.approx(101.137, abs=5e-4)


def test_noise_is_reproducible_and_matters() -> None:
    net, m = small(), map_of(64, 64)
    a, b = (net.eval()(m, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b)
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(5))
    assert torch.equal(net(m, z), a)
    assert not torch.equal(net(m, z + 1), a)


@pytest.mark.parametrize("ndim", [1, 2])
def test_one_map_for_many_noises_by_cached_modulations(ndim: int) -> None:
    net = small(ndim).eval()
    m, z = map_of(*(64,) * ndim, batch=1), torch.randn(3, 8)
    cached = net(m, z, modulations=net.modulations(m))
    assert torch.equal(cached, net(m, z))
    assert cached.shape[0] == 3
    torch.testing.assert_close(cached, net(m.expand(3, *m.shape[1:]), z), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("first", ["noise", "map"])
@pytest.mark.parametrize("ndim", [1, 2])
def test_gradient_reaches_every_parameter(ndim: int, first: str) -> None:
    net = small(ndim, first=first, norm="rms")
    out = net(map_of(*(64,) * ndim))
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-5, name


def test_spectral_norm_is_on_blocks_only() -> None:
    keys = small().state_dict()
    assert "up_0.conv_s.weight_orig" in keys
    assert "fc.weight" in keys
    assert "conv_img.weight" in keys
    assert "up_0.norm_0.mlp_gamma.weight" in keys
    assert not [k for k in small(spectral=False).state_dict() if "orig" in k]


def test_progressive_causal_series_does_not_know_the_future() -> None:
    net = small(1, first="noise", causal=True, norm="rms", head="linear").eval()
    m, z = map_of(128), torch.randn(2, 8)
    for day in (1, 37, 64, 100):
        other = m.clone()
        other[..., day:] += 1
        assert torch.equal(net(m, z)[..., :day], net(other, z)[..., :day])
        assert not torch.equal(net(m, z)[..., day:], net(other, z)[..., day:])


def test_own_trunk() -> None:
    net = small(1, stages=[Stage("a", 8, 8, False), Stage("b", 8, 4, True)], latent_size=(6,))
    assert list(net.blocks()) == ["a", "b"]
    assert net(map_of(20)).shape == (2, 3, 20)


@pytest.mark.parametrize("resolution", [0, -64, 32, 100, 192, 1024])
def test_impossible_resolution(resolution: int) -> None:
    with pytest.raises(ValueError, match=rf"resolution={resolution} .*64, 128, 256, 512"):
        small(resolution=resolution)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small()(map_of(64, 60)), r"\(64, 60\).*multiple of 16"),
        (lambda: small()(map_of(8, 64)), r"\(8, 64\).*multiple of 16"),
        (lambda: small()(map_of(64)), "2 side"),
        (lambda: small()(map_of(16, 16)), "norm='instance'"),
        (lambda: small(first="map")(map_of(64, 64), torch.zeros(2, 8)), "first='map' takes no noise"),
        (lambda: small(first="label"), "first='label'"),
        (lambda: small(head="relu"), "head='relu'"),
        (lambda: small(ngf=0), "ngf=0"),
        (lambda: small(ngf=1, resolution=512), "ngf=1"),
        (lambda: small(ndim=3), "ndim=3"),
        (lambda: stages_for(4, 8), "doublings=8"),
    ],
)
def test_errors_name_what_is_wrong(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
