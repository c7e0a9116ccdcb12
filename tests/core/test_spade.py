# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spade_core import CAUSAL_NORMS, NORMS, SPADE, MapModulation, Modulation, SPADEResBlk
from spade_core.blocks import BlockModulations

SIZE = (10, 6)
EITHER = [SPADE, SPADEResBlk]


def build(kind: type, ndim: int, **options: object) -> nn.Module:
    if kind is SPADE:
        return SPADE(6, 4, nhidden=options.pop("nhidden", 8), ndim=ndim, **options)
    return SPADEResBlk(6, 9, 4, ndim, **({"nhidden": 8} | options))


def inputs(ndim: int, batch: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(batch, 6, *SIZE[:ndim]), torch.rand(batch, 4, *SIZE[:ndim])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_spade_is_its_formula() -> None:
    layer = SPADE(5, 3, nhidden=7, ndim=2, kernel_size=3)
    x, m = torch.randn(2, 5, 8, 6), torch.rand(2, 3, 4, 3)
    m_up = m.repeat_interleave(2, 2).repeat_interleave(2, 3)
    h = F.relu(F.conv2d(m_up, layer.mlp_shared[0].weight, layer.mlp_shared[0].bias, padding=1))
    gamma = F.conv2d(h, layer.mlp_gamma.weight, layer.mlp_gamma.bias, padding=1)
    beta = F.conv2d(h, layer.mlp_beta.weight, layer.mlp_beta.bias, padding=1)
    normal = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(layer(x, m), normal * (1 + gamma) + beta)


def test_linear_spade_of_a_constant_map_is_a_table() -> None:
    """nhidden=None, kernel 1: gamma and beta of a one-hot map are columns of the weights."""
    layer = SPADE(5, 3, None, 1, kernel_size=1, norm="none")
    assert layer.mlp_shared is None
    m = torch.zeros(1, 3, 4)
    m[:, 1] = 1
    gamma, beta = layer.modulation(m)
    torch.testing.assert_close(gamma[0, :, 2], layer.mlp_gamma.weight[:, 1, 0] + layer.mlp_gamma.bias)
    torch.testing.assert_close(beta[0, :, 2], layer.mlp_beta.weight[:, 1, 0] + layer.mlp_beta.bias)


def test_block_is_its_formula() -> None:
    block = SPADEResBlk(6, 4, 3, 1, nhidden=5)
    x, m = torch.randn(2, 6, 12), torch.rand(2, 3, 12)
    h = block.conv_0(F.leaky_relu(block.norm_0(x, m), 0.2))
    h = block.conv_1(F.leaky_relu(block.norm_1(h, m), 0.2))
    torch.testing.assert_close(block(x, m), block.conv_s(block.norm_s(x, m)) + h)
    assert (block.conv_0.out_channels, block.conv_1.in_channels) == (4, 4)
    assert block.conv_s.bias is None
    assert block.conv_s.kernel_size == (1,)
    same = SPADEResBlk(4, 4, 3, 1)
    assert same.conv_s is None
    assert same.norm_s is None


def into_middle_column(one: nn.Module, two: nn.Module) -> None:
    """Copy a 1-D module into its 2-D twin: each kernel goes to the middle column of a square of zeros."""
    state = two.state_dict()
    for key, value in one.state_dict().items():
        if state[key].dim() == 4:
            state[key].zero_()[..., state[key].shape[-1] // 2] = value
        else:
            state[key].copy_(value)
    two.load_state_dict(state)


@pytest.mark.parametrize("norm", sorted(NORMS))
@pytest.mark.parametrize("kind", EITHER)
def test_one_dimension_is_two_dimensions_of_width_one(kind: type, norm: str) -> None:
    one, two = (build(kind, ndim, norm=norm) for ndim in (1, 2))
    into_middle_column(one, two)
    x, m = inputs(1)
    assert torch.equal(one(x, m), two(x[..., None], m[..., None])[..., 0])  # error 0.0


@pytest.mark.parametrize("norm", sorted(CAUSAL_NORMS))
@pytest.mark.parametrize("options", [{}, {"nhidden": None}, {"kernel_size": 2}])
@pytest.mark.parametrize("kind", EITHER)
def test_causal_layers_do_not_know_the_future(kind: type, norm: str, options: dict) -> None:
    layer = build(kind, 1, norm=norm, causal=True, **options)
    x, m = inputs(1)
    for day in (1, 4, 9):
        x_other, m_other = x.clone(), m.clone()
        x_other[..., day:] += torch.randn_like(x[..., day:])
        m_other[..., day:] += torch.randn_like(m[..., day:])
        assert torch.equal(layer(x, m)[..., :day], layer(x_other, m_other)[..., :day])
        assert not torch.equal(layer(x, m)[..., day], layer(x_other, m)[..., day])
        assert not torch.equal(layer(x, m)[..., day], layer(x, m_other)[..., day])


def test_dilated_causal_block_does_not_know_the_future() -> None:
    block = SPADEResBlk(
        6, 6, 4, 1, nhidden=8, dilation=4, conv_kernel=2, norm="rms", causal=True, spectral=True
    )
    x, m = torch.randn(2, 6, 40), torch.rand(2, 4, 40)
    y = x.clone()
    y[..., 20:] = 0
    block.eval()
    assert torch.equal(block(x, m)[..., :20], block(y, m)[..., :20])


@pytest.mark.parametrize("norm", sorted(set(NORMS) - CAUSAL_NORMS))
def test_causal_with_a_pooling_norm_is_refused(norm: str) -> None:
    with pytest.raises(ValueError, match=f"norm='{norm}' pools over time.*rms"):
        SPADE(4, 2, ndim=1, norm=norm, causal=True)


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("kind", EITHER)
def test_one_cached_modulation_serves_many_samples(kind: type, ndim: int) -> None:
    layer = build(kind, ndim, norm="rms")
    x, m = inputs(ndim, batch=5)
    m = m[:1]
    cached = layer.modulation(m, SIZE[:ndim]) if kind is SPADE else layer.modulations(m, SIZE[:ndim])
    expected = layer(x, m.expand(5, *m.shape[1:]))
    assert torch.equal(layer(x, cached), layer(x, m))
    torch.testing.assert_close(layer(x, cached), expected)
    if kind is SPADEResBlk:
        assert torch.equal(layer(x, cached._asdict()), layer(x, cached))


def test_modulation_may_have_a_larger_batch_than_the_features() -> None:
    layer = build(SPADE, 1)
    x, m = inputs(1)
    torch.testing.assert_close(layer(x[:1], m), layer(x[:1].expand_as(x), m))


def test_block_without_its_shortcuts_modulation_says_so() -> None:
    block = build(SPADEResBlk, 1)
    x, m = inputs(1)
    full = block.modulations(m)
    with pytest.raises(ValueError, match="norm_s"):
        block(x, BlockModulations(full.norm_0, full.norm_1))


def test_map_modulation_alone() -> None:
    layer = MapModulation(5, 3, nhidden=None, kernel_size=2, ndim=1, causal=True)
    out = layer(torch.rand(2, 3, 6), (12,))
    assert isinstance(out, Modulation)
    assert out.gamma.shape == out.beta.shape == (2, 5, 12)


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("norm", sorted(NORMS))
@pytest.mark.parametrize("kind", EITHER)
class TestContract:
    """What every layer promises, for every norm and dimension."""

    def test_shape_and_gradient_to_every_parameter(self, kind: type, norm: str, ndim: int) -> None:
        options = {"spectral": True} if kind is SPADEResBlk else {}
        layer = build(kind, ndim, norm=norm, **options)
        x, m = inputs(ndim)
        out = layer(x.requires_grad_(), m)
        assert out.shape == (3, 6 if kind is SPADE else 9, *SIZE[:ndim])
        assert torch.isfinite(out).all()
        (out * torch.randn_like(out)).sum().backward()
        for name, parameter in layer.named_parameters():
            assert parameter.grad is not None, name
            if name == "conv_0.bias" and norm in ("instance", "batch", "sync_batch"):
                continue  # the next norm removes what is constant in a channel
            assert parameter.grad.abs().max() > 1e-3, name
        assert x.grad is not None
        assert x.grad.abs().sum() > 0

    def test_saved_weights_give_the_same_output(self, kind: type, norm: str, ndim: int) -> None:
        layer, other = build(kind, ndim, norm=norm), build(kind, ndim, norm=norm)
        x, m = inputs(ndim)
        layer.train()(x, m)
        other.load_state_dict(layer.state_dict())
        assert torch.equal(layer.eval()(x, m), other.eval()(x, m))
        assert torch.equal(layer(x, m), layer(x, m))

    def test_repr_shows_the_settings(self, kind: type, norm: str, ndim: int) -> None:
        text = repr(build(kind, ndim, norm=norm))
        assert f"ndim={ndim}" in text
        assert f"norm={norm}" in text
        assert "label_nc=4" in text


@pytest.mark.parametrize(
    ("shape", "ndim"), [((2, 3, 10), 1), ((2, 4, 10, 6), 1), ((2, 4, 10), 2), ((4, 10), 1)]
)
def test_a_map_that_does_not_fit_is_explained(shape: tuple[int, ...], ndim: int) -> None:
    with pytest.raises(ValueError, match=r"segmap of shape .* label_nc=4"):
        build(SPADE, ndim)(inputs(ndim)[0], torch.rand(shape))


@pytest.mark.parametrize(
    ("name", "options"), [("label_nc", (4, 0)), ("channels", (0, 4)), ("nhidden", (4, 4, 0))]
)
def test_empty_layers_are_refused(name: str, options: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"{name}=0"):
        SPADE(*options)
