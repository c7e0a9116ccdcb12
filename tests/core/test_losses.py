# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from spade_core import MultiscaleDiscriminator, feature_matching, gan_loss, kld
from spade_core.losses import split_fake_real

D = torch.tensor([[-2.0, 0.5, 3.0]])


@pytest.mark.parametrize(
    ("mode", "real", "for_discriminator", "expected"),
    [
        ("hinge", True, True, (3 + 0.5 + 0) / 3),
        ("hinge", False, True, (0 + 1.5 + 4) / 3),
        ("hinge", True, False, -0.5),
        ("w", True, True, -0.5),
        ("w", False, True, 0.5),
        ("w", True, False, -0.5),
        ("ls", True, True, (9 + 0.25 + 4) / 3),
        ("ls", False, True, (4 + 0.25 + 9) / 3),
        ("original", True, False, sum(math.log1p(math.exp(-d)) for d in (-2, 0.5, 3)) / 3),
        ("original", False, True, sum(math.log1p(math.exp(d)) for d in (-2, 0.5, 3)) / 3),
    ],
)
def test_closed_forms(mode: str, real: bool, for_discriminator: bool, expected: float) -> None:
    assert gan_loss(D, real, for_discriminator, mode).item() == pytest.approx(expected, rel=1e-6)


def test_scales_count_equally_whatever_their_size() -> None:
    big, small = torch.full((1, 1, 100), 3.0), torch.full((1, 1, 2), 1.0)
    assert gan_loss([big, small], True, False).item() == pytest.approx(-2.0)
    features = [[torch.zeros(5), big], [torch.zeros(5), small]]
    assert gan_loss(features, True, False).item() == pytest.approx(-2.0)


def test_feature_matching_leaves_the_prediction_out_and_the_real_side_alone() -> None:
    fake = [
        [torch.ones(2, requires_grad=True), torch.ones(3) * 5, torch.zeros(1)],
        [torch.ones(4), torch.zeros(1)],
    ]
    real = [
        [torch.zeros(2, requires_grad=True), torch.ones(3), torch.ones(1) * 99],
        [torch.ones(4) * 3, torch.ones(1)],
    ]
    loss = feature_matching(fake, real)
    assert loss.item() == pytest.approx((1 + 4 + 2) / 2)
    loss.backward()
    assert fake[0][0].grad is not None
    assert real[0][0].grad is None


def test_feature_matching_needs_features() -> None:
    with pytest.raises(ValueError, match=r"\[1\]"):
        feature_matching([[D]], [[D]])


def test_kld_against_torch_distributions() -> None:
    mu, logvar = torch.randn(3, 4), torch.randn(3, 4)
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum()
    torch.testing.assert_close(kld(mu, logvar), expected)


def test_halves_of_a_joint_pass() -> None:
    net = MultiscaleDiscriminator(2, 2, 1, ndf=2).eval()
    fake, real = torch.randn(3, 2, 64), torch.randn(3, 2, 64)
    of_fake, of_real = split_fake_real(net(torch.cat([fake, real])))
    torch.testing.assert_close(of_fake, net(fake))
    torch.testing.assert_close(of_real, net(real))
    with pytest.raises(ValueError, match="batch of 3"):
        split_fake_real(net(fake))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"mode='relu'.*hinge"):
        gan_loss(D, True, mode="relu")
    with pytest.raises(ValueError, match="real=True"):
        gan_loss(D, False, for_discriminator=False)
