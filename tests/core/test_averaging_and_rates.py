# SPDX-License-Identifier: Apache-2.0
"""ema.py, optim.py, seeding.py, initialise.py."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from spade_core import EMA, SPADEResBlk
from spade_core.initialise import INITS, init_weights
from spade_core.optim import adam_pair, linear_decay
from spade_core.seeding import derive_seed, seed_everything, torch_generator


def linear(value: float) -> nn.Linear:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, value)
    return net


@pytest.mark.parametrize("n_per_update", [1, 5, 10])
def test_half_life_is_in_units_seen_not_updates(n_per_update: int) -> None:
    net = linear(1.0)
    ema = EMA(net, halflife=10, ramp_up=None)
    nn.init.constant_(net.weight, 0.0)
    for _ in range(20 // n_per_update):
        ema.update(net, n_per_update)
    assert ema.average["weight"].item() == pytest.approx(0.25)


def test_ramp_up_forgets_the_start() -> None:
    net = linear(1.0)
    slow, quick = EMA(net, 1000, ramp_up=None), EMA(net, 1000, ramp_up=0.1)
    nn.init.constant_(net.weight, 0.0)
    for _ in range(100):
        slow.update(net)
        quick.update(net)
    assert slow.average["weight"].item() == pytest.approx(0.5**0.1)
    assert quick.average["weight"].item() < 1e-3


def test_averaging_a_spectral_network_copies_buffers_and_gives_the_weights_back() -> None:
    torch.manual_seed(0)
    block = SPADEResBlk(3, 4, 2, 1, spectral=True, norm="batch")
    ema = EMA(block, 4, ramp_up=None)
    start = block.conv_0.weight_orig.detach().clone()
    adam = torch.optim.Adam(block.parameters(), 0.1)
    for _ in range(4):
        block(torch.randn(2, 3, 8), torch.rand(2, 2, 8)).square().mean().backward()
        adam.step()
        ema.update(block)
    own = block.conv_0.weight_orig.detach().clone()
    with ema.applied(block):
        averaged = block.conv_0.weight_orig.detach().clone()
        assert torch.equal(
            block.norm_0.param_free_norm.running_mean, ema.average["norm_0.param_free_norm.running_mean"]
        )
    assert torch.equal(block.conv_0.weight_orig, own)
    assert torch.equal(ema.average["conv_0.weight_u"], block.conv_0.weight_u)
    assert not torch.equal(averaged, own)
    assert not torch.equal(averaged, start)
    other = EMA(SPADEResBlk(3, 4, 2, 1, spectral=True, norm="batch"), 4)
    other.load_state_dict(ema.state_dict())
    assert other.seen == 4
    assert all(torch.equal(v, ema.average[k]) for k, v in other.average.items())
    with pytest.raises(ValueError, match="another model"):
        other.load_state_dict(EMA(linear(0), 1).state_dict())


def test_weights_come_back_even_after_an_error() -> None:
    net = linear(1.0)
    ema = EMA(net, 1)
    nn.init.constant_(net.weight, 2.0)

    def fail() -> None:
        with ema.applied(net):
            assert net.weight.item() == 1.0
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert net.weight.item() == 2.0


@pytest.mark.parametrize("options", [{"halflife": 0}, {"halflife": -1}, {"halflife": 1, "ramp_up": 0}])
def test_impossible_half_lives(options: dict) -> None:
    with pytest.raises(ValueError, match="halflife="):
        EMA(linear(0), **options)


def test_two_time_scales() -> None:
    g, d = adam_pair(linear(0).parameters(), linear(0).parameters(), lr=2e-4)
    assert [(o.defaults["lr"], o.defaults["betas"]) for o in (g, d)] == [
        (1e-4, (0.0, 0.9)),
        (4e-4, (0.0, 0.9)),
    ]
    g, d = adam_pair(linear(0).parameters(), linear(0).parameters(), lr=2e-4, ttur=False)
    assert [(o.defaults["lr"], o.defaults["betas"]) for o in (g, d)] == [(2e-4, (0.5, 0.999))] * 2
    with pytest.raises(ValueError, match="lr=0"):
        adam_pair([], [], lr=0)


def test_decay_is_the_published_one() -> None:
    """niter 2, niter_decay 4: rates of epochs 1 to 6 are 1, 1, 1, .75, .5, .25 of the full one."""
    assert [linear_decay(2, 4)(epoch) for epoch in range(6)] == [1, 1, 1, 0.75, 0.5, 0.25]
    assert linear_decay(2, 4)(100) == 0
    assert linear_decay(50, 0)(1000) == 1
    with pytest.raises(ValueError, match="n_decay=-1"):
        linear_decay(1, -1)


def test_seed_streams() -> None:
    assert derive_seed(0, "noise", 3) == derive_seed(0, "noise", 3)
    several = {
        derive_seed(s, *labels)
        for s in (0, 1)
        for labels in ((), ("a",), ("b",), ("a", 1), ("a1",), (1, "a"))
    }
    assert len(several) == 12
    assert all(0 <= s < 2**63 for s in several)
    assert torch.equal(
        torch.randn(3, generator=torch_generator(5, "x")), torch.randn(3, generator=torch_generator(5, "x"))
    )
    # a fixed value: the streams must be the same on every machine and in every release
    assert derive_seed(7, "paths", 0) == PINNED
    seed_everything(3)
    first = (random.random(), torch.rand(1).item())
    seed_everything(3)
    assert first == (random.random(), torch.rand(1).item())


PINNED = 6291618962128158160


def test_published_initialisation() -> None:
    """xavier, gain .02: a 3x3 convolution from 64 to 64 channels has standard deviation .000833."""
    block = SPADEResBlk(64, 64, 3, spectral=True)
    init_weights(block)
    assert block.conv_0.weight_orig.std().item() == pytest.approx(0.000833, rel=0.02)
    assert block.norm_0.mlp_gamma.bias.abs().max() == 0
    assert block.norm_0.mlp_gamma.weight.abs().max() > 0


@pytest.mark.parametrize("kind", INITS)
def test_every_initialisation_moves_the_weights(kind: str) -> None:
    net = nn.Sequential(nn.Conv1d(3, 8, 3), nn.BatchNorm1d(8), nn.Linear(8, 8))
    before = net[0].weight.detach().clone()
    init_weights(net, kind)
    assert not torch.equal(net[0].weight, before)
    assert net[0].bias.abs().max() == 0
    assert net[1].weight.mean().item() == pytest.approx(1, abs=0.05)


def test_none_leaves_all_and_unknown_is_refused() -> None:
    net = linear(3.0)
    init_weights(net, "none")
    assert net.weight.item() == 3.0
    with pytest.raises(ValueError, match=r"init='he'.*orthogonal"):
        init_weights(net, "he")
