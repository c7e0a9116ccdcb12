# SPDX-License-Identifier: Apache-2.0
r"""The official objective's terms, unweighted unless said otherwise.

Generator: GAN + 10 feature matching + 10 perceptual (+ 0.05 KL); discriminator: GAN of fake + GAN of real.

Perceptual loss (Johnson et al. 2016, arXiv 1603.08155, as in pix2pixHD): with :math:`\phi_i` the outputs of VGG19's
relu1_1 .. relu5_1,

.. math:: \tfrac1{32} l_1 + \tfrac1{16} l_2 + \tfrac18 l_3 + \tfrac14 l_4 + l_5, \qquad
          l_i = \mathrm{mean}\,|\phi_i(x) - \phi_i(y)|

on images in [-1, 1] as they are, without ImageNet's normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from spade_core.losses import feature_matching, gan_loss, kld
from spade_image.exceptions import InputError

__all__ = [
    "VGG_CUTS", "VGG_WEIGHTS", "feature_matching_loss", "gan_loss", "kld_loss", "perceptual_distance", "vgg_features",
    "vgg_loss",
]  # fmt: skip

VGG_CUTS = (1, 6, 11, 20, 29)
"""Modules of torchvision's ``vgg19().features`` whose outputs count: relu1_1, relu2_1, relu3_1, relu4_1, relu5_1."""
VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)

# Blocks of VGG19: convolutions between two max-poolings.
_VGG_BLOCKS = (2, 2, 4, 4, 4)

Features = nn.Sequential | Mapping[str, Tensor] | Callable[[Tensor], Sequence[Tensor]]


def feature_matching_loss(
    fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]], lambda_feat: float = 1.0
) -> Tensor:
    """``lambda_feat`` times the mean over scales of the sum over features of ``mean |fake - real|``.

    The prediction (each scale's last tensor) takes no part and the real side gets no gradient.

    Raises
    ------
    ValueError
        Outputs without intermediate features (a discriminator built with ``no_ganFeat_loss``).
    """
    return lambda_feat * feature_matching(fake, real)


def kld_loss(mu: Tensor, logvar: Tensor, lambda_kld: float = 1.0) -> Tensor:
    """``lambda_kld`` times the KL divergence of N(mu, e^logvar) from N(0, 1), summed over batch and dimensions."""
    return lambda_kld * kld(mu, logvar)


def perceptual_distance(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Weigh the mean absolute differences of five features each; the real side gets no gradient.

    Raises
    ------
    InputError
        Not five on both sides.
    """
    if len(fake) != len(VGG_WEIGHTS) or len(real) != len(VGG_WEIGHTS):
        raise InputError(
            f"{len(fake)} and {len(real)} features: pass {len(VGG_WEIGHTS)} of each (relu1_1 .. relu5_1)"
        )
    terms = [w * F.l1_loss(f, r.detach()) for w, f, r in zip(VGG_WEIGHTS, fake, real, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def vgg_features(state: Mapping[str, Tensor]) -> nn.Sequential:
    """Build VGG19's ``features`` as wide as a state dict says (keys ``0.weight`` .. ``34.bias``), frozen, evaluating.

    Raises
    ------
    InputError
        Keys of another network.
    """
    state = {k.removeprefix("features."): v for k, v in state.items() if not k.startswith("classifier.")}
    layers: list[nn.Module] = []
    for convolutions in _VGG_BLOCKS:
        for _ in range(convolutions):
            weight = state.get(f"{len(layers)}.weight")
            if weight is None or weight.dim() != 4:
                raise InputError(
                    f"the VGG weights lack '{len(layers)}.weight': pass the state dict of vgg19().features"
                )
            layers += [nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2, 2))
    net = nn.Sequential(*layers)
    try:
        net.load_state_dict(dict(state))
    except RuntimeError as error:
        raise InputError(
            f"the VGG weights do not fit VGG19: {str(error).splitlines()[-1].strip()}"
        ) from error
    return net.eval().requires_grad_(False)


def _cut(net: nn.Sequential, image: Tensor) -> list[Tensor]:
    out: list[Tensor] = []
    for i, layer in enumerate(net):
        # Not in place: the kept output would be overwritten by a later ReLU of the caller's network.
        image = F.relu(image) if isinstance(layer, nn.ReLU) else layer(image)
        if i in VGG_CUTS:
            out.append(image)
        if i == VGG_CUTS[-1]:
            break
    return out


def vgg_loss(features: Features, fake: Tensor, real: Tensor) -> Tensor:
    """Perceptual distance of two batches of images.

    Parameters
    ----------
    features : callable, nn.Sequential or state dict
        A function from images to the five features; or a network in the order of torchvision's
        ``vgg19().features``; or the latter's state dict (of any width).
    fake, real : Tensor (B, 3, H, W)
        In [-1, 1], at least 16 pixels on each side.

    Returns
    -------
    Tensor
        Not yet times ``lambda_vgg``.

    Raises
    ------
    InputError
        Features of another network, or images of two sizes.
    """
    if fake.shape != real.shape:
        raise InputError(f"fake {tuple(fake.shape)} and real {tuple(real.shape)} must have one shape")
    if isinstance(features, Mapping):
        features = vgg_features(features).to(fake.device)
    net = features
    extract = (lambda image: _cut(net, image)) if isinstance(net, nn.Sequential) else net
    return perceptual_distance(extract(fake), [r.detach() for r in extract(real)])
