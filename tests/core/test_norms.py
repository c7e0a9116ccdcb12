# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from spade_core.norms import CAUSAL_NORMS, NORMS, make_norm


def reference(name: str, x: torch.Tensor) -> torch.Tensor:
    space = tuple(range(2, x.dim()))
    over = {"instance": space, "batch": (0, *space), "sync_batch": (0, *space), "group": space, "layer": (1,)}
    if name == "none":
        return x
    if name == "rms":
        return x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt()
    dims = over[name]
    if name == "group":  # gcd(12, 32) = 4 groups of three neighbouring channels
        g = x.unflatten(1, (4, 3))
        dims = tuple(range(2, g.dim()))
        return (
            (g - g.mean(dims, keepdim=True)) / (g.var(dims, unbiased=False, keepdim=True) + 1e-5).sqrt()
        ).view_as(x)
    return (x - x.mean(dims, keepdim=True)) / (x.var(dims, unbiased=False, keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("name", NORMS)
def test_closed_form_in_training(name: str, ndim: int) -> None:
    x = 3 + 2 * torch.randn(4, 12, *(9, 7)[:ndim], dtype=torch.float64)
    norm = make_norm(name, 12, ndim).double().train()
    assert not list(norm.parameters())
    torch.testing.assert_close(norm(x), reference(name, x))


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("name", ["batch", "sync_batch"])
def test_batch_norms_keep_published_running_statistics(name: str, ndim: int) -> None:
    norm = make_norm(name, 5, ndim)
    assert set(norm.state_dict()) == {"running_mean", "running_var", "num_batches_tracked"}
    x = 1 + torch.randn(3, 5, *(6, 4)[:ndim])
    norm.train()(x)
    dims = (0, *range(2, x.dim()))
    torch.testing.assert_close(norm.running_mean, 0.1 * x.mean(dims))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * x.var(dims, unbiased=True))
    shape = (1, 5, *[1] * ndim)
    expected = (x - norm.running_mean.view(shape)) / (norm.running_var.view(shape) + 1e-5).sqrt()
    torch.testing.assert_close(norm.eval()(x), expected)


@pytest.mark.parametrize("name", NORMS)
def test_causal_norms_are_exactly_those_that_do_not_pool_over_time(name: str) -> None:
    norm = make_norm(name, 4, 1).train()
    x = torch.randn(2, 4, 20)
    y = x.clone()
    y[..., 10:] *= 3
    assert torch.equal(norm(x)[..., :10], norm(y)[..., :10]) == (name in CAUSAL_NORMS)


def test_a_function_of_channels_is_a_norm() -> None:
    norm = make_norm(lambda channels: nn.GroupNorm(1, channels), 6, 1)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_channels == 6


def test_unknown_norm_lists_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"norm='spectral' is unknown.*instance.*rms") as error:
        make_norm("spectral", 3, 1)
    assert all(name in str(error.value) for name in NORMS)
