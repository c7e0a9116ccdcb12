# SPDX-License-Identifier: Apache-2.0
"""The official system by its own option names: networks, losses, preprocessing, one training iteration.

Every function takes :class:`~spade_image.options.Options` or a plain mapping of official names::

    from spade_image import official

    flags = {"ngf": 8, "label_nc": 5, "no_instance": True, "crop_size": 64, "norm_G": "spectralspadesyncbatch3x3"}
    G = official.build_generator(flags)
    G.load_state_dict(official_state_dict, strict=True)
    G.eval()(official.preprocess(label, flags=flags))            # (B, 3, H, W) in [-1, 1]

    nets = official.Networks(G, official.build_discriminator(flags))
    optimizers = official.build_optimizers(flags, nets)
    official.training_step(nets, optimizers, official.Batch(segmap, image), flags, vgg=features).losses

Networks come back initialised as the original does (xavier, gain 0.02) and in training mode. A freshly initialised
network with spectral norm has a meaningless scale in evaluation until it has run in training.
"""

from __future__ import annotations

from spade_image.colours import colour_map
from spade_image.discriminator import build_discriminator, judge
from spade_image.encoder import build_encoder, reparameterize
from spade_image.generator import build_generator
from spade_image.losses import (
    feature_matching_loss,
    gan_loss,
    kld_loss,
    perceptual_distance,
    vgg_features,
    vgg_loss,
)
from spade_image.options import Options
from spade_image.preprocess import (
    Geometry,
    edges,
    one_hot,
    photo_tensor,
    preprocess,
    shift_ade20k,
    to_uint8,
    transform_image,
    transform_label,
    unshift_ade20k,
)
from spade_image.steps import (
    Batch,
    Networks,
    Optimizers,
    TrainingStep,
    build_optimizers,
    discriminator_losses,
    generator_losses,
    training_step,
)

__all__ = [
    "Batch",
    "Geometry",
    "Networks",
    "Optimizers",
    "Options",
    "TrainingStep",
    "build_discriminator",
    "build_encoder",
    "build_generator",
    "build_optimizers",
    "colour_map",
    "discriminator_losses",
    "edges",
    "feature_matching_loss",
    "gan_loss",
    "generator_losses",
    "judge",
    "kld_loss",
    "one_hot",
    "perceptual_distance",
    "photo_tensor",
    "preprocess",
    "reparameterize",
    "shift_ade20k",
    "to_uint8",
    "training_step",
    "transform_image",
    "transform_label",
    "unshift_ade20k",
    "vgg_features",
    "vgg_loss",
]
