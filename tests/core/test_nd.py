# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

import spade_core
from spade_core import nd


def test_no_class_is_named_after_a_dimension() -> None:
    ours = [
        name
        for module in (spade_core, nd)
        for name, item in vars(module).items()
        if inspect.isclass(item) and item.__module__.startswith("spade_core")
    ]
    assert "SPADE" in ours
    assert not [name for name in ours if name.lower().endswith(("1d", "2d"))]


@pytest.mark.parametrize(("ndim", "kind"), [(1, nn.Conv1d), (2, nn.Conv2d)])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 4), (5, 2)])
def test_same_padding_keeps_the_size(ndim: int, kind: type, kernel: int, dilation: int) -> None:
    layer = nd.conv(ndim, 3, 5, kernel, dilation=dilation)
    assert isinstance(layer, kind)
    size = (17, 13)[:ndim]
    assert layer(torch.randn(2, 3, *size)).shape == (2, 5, *size)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 3])
def test_causal_convolution_is_the_weighted_sum_of_the_past(kernel: int, dilation: int) -> None:
    layer = nd.conv(1, 2, 3, kernel, dilation=dilation, causal=True)
    x = torch.randn(2, 2, 15)
    expected = layer.bias[None, :, None].expand(2, 3, 15).clone()
    for j in range(kernel):
        lag = dilation * (kernel - 1 - j)
        past = torch.zeros_like(x)
        past[..., lag:] = x[..., : 15 - lag]
        expected += torch.einsum("oc,bct->bot", layer.weight[..., j], past)
    torch.testing.assert_close(layer(x), expected)


def test_strided_causal_convolution_sees_no_later_input() -> None:
    layer = nd.conv(1, 1, 1, 4, stride=2, causal=True)
    x = torch.randn(1, 1, 16)
    y = x.clone()
    y[..., 7:] += 1  # outputs 0..3 stand at days 0, 2, 4, 6
    assert torch.equal(layer(x)[..., :4], layer(y)[..., :4])
    assert not torch.equal(layer(x)[..., 4:], layer(y)[..., 4:])


@pytest.mark.parametrize(("n_in", "n_out"), [(5, 12), (12, 5), (7, 7), (3, 10)])
def test_resize_takes_the_floor(n_in: int, n_out: int) -> None:
    x = torch.randn(1, 2, n_in)
    index = [i * n_in // n_out for i in range(n_out)]
    assert torch.equal(nd.resize_nearest(x, (n_out,)), x[..., index])
    image = x[..., None].expand(1, 2, n_in, n_in)
    assert torch.equal(nd.resize_nearest(image, (n_out, n_out)), image[:, :, index][..., index])


def test_upsample_repeats() -> None:
    x = torch.randn(1, 1, 3, 2)
    assert torch.equal(nd.upsample_nearest(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize("ndim", [1, 2])
def test_pool_leaves_padding_out_of_the_mean(ndim: int) -> None:
    ones = torch.ones(1, 1, *(8, 6)[:ndim])
    assert torch.equal(nd.avg_pool(ndim, 3, stride=2, padding=1)(ones).unique(), torch.ones(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ndim": 3}, "ndim=3"),
        ({"ndim": 2, "causal": True}, "ndim=1"),
        ({"ndim": 1, "kernel_size": 4}, "kernel_size=4"),
        ({"ndim": 1, "causal": True, "padding": 2}, "padding=2"),
    ],
)
def test_impossible_convolutions_are_refused(arguments: dict, message: str) -> None:
    arguments = {"in_channels": 1, "out_channels": 1, "kernel_size": 3} | arguments
    with pytest.raises(ValueError, match=message):
        nd.conv(**arguments)
