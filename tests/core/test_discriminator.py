# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from spade_core import MultiscaleDiscriminator

SIZE = (48, 64)


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize(
    "norm", ["spectralinstance", "spectral", "batch", "rms", "spectralsync_batch", "none"]
)
def test_structure_shapes_and_gradients(norm: str, ndim: int) -> None:
    torch.manual_seed(0)
    net = MultiscaleDiscriminator(5, 3, ndim, ndf=4, n_layers=3, norm=norm)
    out = net(torch.randn(2, 5, *SIZE[:ndim]))
    assert [len(scale) for scale in out] == [4, 4, 4]
    assert [scale[-1].shape[1] for scale in out] == [1, 1, 1]
    assert [t.shape[1] for t in out[0]] == [4, 8, 16, 1]
    sum((t * torch.randn_like(t)).sum() for scale in out for t in scale).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-3, name


def test_published_sizes_of_a_256_pixel_image() -> None:
    net = MultiscaleDiscriminator(4, 1, ndf=1)
    with torch.no_grad():
        assert [t.shape[-1] for t in net(torch.zeros(1, 4, 256, 256))[0]] == [129, 65, 33, 34, 35]


def test_published_names() -> None:
    keys = set(MultiscaleDiscriminator(4, 2, ndf=2).state_dict())
    expected = {"discriminator_1.model0.0.weight", "discriminator_1.model0.0.bias"}
    expected |= {f"discriminator_0.model{i}.0.0.weight_{s}" for i in (1, 2, 3) for s in ("orig", "u", "v")}
    expected |= {"discriminator_0.model4.0.weight", "discriminator_0.model4.0.bias"}
    assert expected <= keys
    assert len(keys) == 2 * (2 + 9 + 2)


def test_published_parameter_count() -> None:
    with torch.device("meta"):
        net = MultiscaleDiscriminator(187)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(5.905, abs=5e-4)


@pytest.mark.parametrize("ndim", [1, 2])
def test_second_scale_judges_the_pooled_input(ndim: int) -> None:
    net = MultiscaleDiscriminator(3, 2, ndim, ndf=4).eval()
    x = torch.randn(2, 3, *SIZE[:ndim])
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d}[ndim]
    pooled = pool(x, 3, stride=2, padding=1, count_include_pad=False)
    for a, b in zip(net(x)[1], net.discriminator_1(pooled), strict=True):
        assert torch.equal(a, b)


def test_one_dimension_is_two_of_width_one_at_the_first_stage() -> None:
    """Later stages differ: padding makes a width of one grow."""
    one, two = (MultiscaleDiscriminator(3, 1, ndim, ndf=4, kernel_size=3) for ndim in (1, 2))
    with torch.no_grad():
        two.discriminator_0.model0[0].weight.zero_()[..., 1] = one.discriminator_0.model0[0].weight
        two.discriminator_0.model0[0].bias.copy_(one.discriminator_0.model0[0].bias)
    x = torch.randn(2, 3, 40)
    a, b = one.discriminator_0.model0(x), two.discriminator_0.model0(x[..., None])
    torch.testing.assert_close(a, b[..., 0])


def test_predictions_alone() -> None:
    full = MultiscaleDiscriminator(3, 2, 1, ndf=2)
    short = MultiscaleDiscriminator(3, 2, 1, ndf=2, features=False)
    short.load_state_dict(full.state_dict())
    x = torch.randn(1, 3, 64)
    outputs = short.eval()(x)
    assert [len(scale) for scale in outputs] == [1, 1]
    assert torch.equal(outputs[1][0], full.eval()(x)[1][-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_scales": 0}, "n_scales=0"),
        ({"norm": "spectralwhatever"}, "norm='spectralwhatever'.*instance"),
        ({"ndim": 3}, "ndim=3"),
    ],
)
def test_errors(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiscaleDiscriminator(3, **options)
