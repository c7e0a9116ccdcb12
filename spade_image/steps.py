# SPDX-License-Identifier: Apache-2.0
"""One training iteration as in the original: a step of the generator, then one of the discriminator on a new fake.

``generator_losses`` and ``discriminator_losses`` return the weighted terms by their official names, for any loop;
:func:`training_step` is the plain loop's body. All networks stay in training mode throughout, so every forward,
with or without gradient, moves the running statistics and the spectral vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from spade_image.discriminator import judge
from spade_image.encoder import reparameterize
from spade_image.exceptions import InputError
from spade_image.generator import resolve
from spade_image.losses import Features, feature_matching_loss, gan_loss, kld_loss, vgg_loss
from spade_image.options import Options

__all__ = [
    "Batch", "GeneratorLosses", "Networks", "Optimizers", "TrainingStep", "build_optimizers",
    "discriminator_losses", "generator_losses", "training_step",
]  # fmt: skip


@dataclass(frozen=True)
class Networks:
    """The networks under training; ``encoder`` only with ``use_vae``."""

    generator: nn.Module
    discriminator: nn.Module
    encoder: nn.Module | None = None


@dataclass(frozen=True)
class Batch:
    """Map ``(B, semantic_nc, H, W)`` and photo ``(B, 3, H, W)`` in [-1, 1]."""

    segmap: Tensor
    image: Tensor


@dataclass(frozen=True)
class Optimizers:
    """Of the generator (with the encoder) and of the discriminator."""

    generator: Optimizer
    discriminator: Optimizer


@dataclass(frozen=True)
class GeneratorLosses:
    """The generator's weighted losses by name, their sum, and the fake ``(B, 3, H, W)`` they judge."""

    terms: dict[str, Tensor]
    fake: Tensor

    @property
    def total(self) -> Tensor:
        """The plain sum."""
        return torch.stack([term.reshape(()) for term in self.terms.values()]).sum()


@dataclass(frozen=True)
class TrainingStep:
    """What one iteration reports: detached losses by official name, and the generator step's fake."""

    losses: dict[str, Tensor]
    fake: Tensor | None


def build_optimizers(flags: Options | Mapping[str, Any], networks: Networks) -> Optimizers:
    """Build the official Adams: TTUR rates lr / 2 and lr * 2 with betas (beta1, beta2), else lr and (0.5, 0.999)."""
    options = resolve(flags)
    of_generator = [*networks.generator.parameters()]
    if networks.encoder is not None:
        of_generator += networks.encoder.parameters()
    lr, betas = options.lr, (options.beta1, options.beta2)
    rates = (lr / 2, lr * 2)
    if options.no_TTUR:
        # the official default betas change with the flag, unless they were set
        betas = (0.5, 0.999) if betas == (0.0, 0.9) else betas
        rates = (lr, lr)
    return Optimizers(
        Adam(of_generator, lr=rates[0], betas=betas),
        Adam(networks.discriminator.parameters(), lr=rates[1], betas=betas),
    )


def _draw(
    networks: Networks, batch: Batch, options: Options, eps: Tensor | None
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """Generate; with a VAE also return mu and logvar."""
    if not options.use_vae:
        return networks.generator(batch.segmap), None
    if networks.encoder is None:
        raise InputError("use_vae=True needs the encoder: pass Networks(..., encoder=build_encoder(options))")
    mu, logvar = networks.encoder(batch.image)
    return networks.generator(batch.segmap, reparameterize(mu, logvar, eps)), (mu, logvar)


def generator_losses(
    networks: Networks,
    batch: Batch,
    flags: Options | Mapping[str, Any],
    *,
    vgg: Features | None = None,
    eps: Tensor | None = None,
) -> GeneratorLosses:
    """Compute the generator's losses ``GAN``, ``GAN_Feat``, ``VGG``, ``KLD``, each already weighted.

    Parameters
    ----------
    networks, batch, flags
    vgg : optional
        What :func:`spade_image.losses.vgg_loss` takes; needed unless ``no_vgg_loss``.
    eps : Tensor (B, z_dim), optional
        The VAE's noise; drawn when absent.

    Raises
    ------
    InputError
        ``vgg`` is missing (the loss is never silently dropped), or the encoder is.
    """
    options = resolve(flags)
    if vgg is None and not options.no_vgg_loss:
        raise InputError(
            "vgg is missing, but no_vgg_loss=False: pass VGG19's features, or set no_vgg_loss=True"
        )
    fake, style = _draw(networks, batch, options, eps)
    of_fake, of_real = judge(networks.discriminator, batch.segmap, fake, batch.image)
    terms: dict[str, Tensor] = {}
    if style is not None:
        terms["KLD"] = kld_loss(*style, options.lambda_kld)
    terms["GAN"] = gan_loss(of_fake, True, for_discriminator=False, mode=options.gan_mode)
    if not options.no_ganFeat_loss:
        terms["GAN_Feat"] = feature_matching_loss(of_fake, of_real, options.lambda_feat)
    if not options.no_vgg_loss and vgg is not None:
        terms["VGG"] = options.lambda_vgg * vgg_loss(vgg, fake, batch.image)
    return GeneratorLosses(terms, fake)


def discriminator_losses(
    networks: Networks, batch: Batch, flags: Options | Mapping[str, Any], *, eps: Tensor | None = None
) -> dict[str, Tensor]:
    """Compute ``D_Fake`` and ``D_real`` on a newly generated fake (without gradient, in the generator's own mode)."""
    options = resolve(flags)
    with torch.no_grad():
        fake, _ = _draw(networks, batch, options, eps)
    of_fake, of_real = judge(networks.discriminator, batch.segmap, fake.detach(), batch.image)
    return {
        "D_Fake": gan_loss(of_fake, False, mode=options.gan_mode),
        "D_real": gan_loss(of_real, True, mode=options.gan_mode),
    }


def training_step(
    networks: Networks,
    optimizers: Optimizers,
    batch: Batch,
    flags: Options | Mapping[str, Any],
    *,
    step: int = 0,
    vgg: Features | None = None,
    eps: Sequence[Tensor] | None = None,
) -> TrainingStep:
    """Train one iteration: the generator where ``step`` is a multiple of ``D_steps_per_G``, always the discriminator.

    Gradients stay in ``.grad`` after the call: of generator and encoder from the generator's step, of the
    discriminator from its own.

    Parameters
    ----------
    networks, optimizers, batch, flags
    step : int
        Iteration, from 0.
    vgg : optional
        See :func:`generator_losses`.
    eps : sequence of Tensor (B, z_dim), optional
        The VAE's noise in call order: generator's step (if there is one), then discriminator's.

    Returns
    -------
    TrainingStep
    """
    options = resolve(flags)
    noise = iter(eps) if eps is not None else iter(())
    losses: dict[str, Tensor] = {}
    fake: Tensor | None = None
    if step % options.D_steps_per_G == 0:
        optimizers.generator.zero_grad()
        of_generator = generator_losses(networks, batch, options, vgg=vgg, eps=next(noise, None))
        # only the generator learns here; the discriminator's own gradients are cleared before its step
        of_generator.total.backward()  # type: ignore[no-untyped-call]
        optimizers.generator.step()
        losses |= {name: value.detach() for name, value in of_generator.terms.items()}
        fake = of_generator.fake.detach()
    optimizers.discriminator.zero_grad()
    of_discriminator = discriminator_losses(networks, batch, options, eps=next(noise, None))
    (of_discriminator["D_Fake"] + of_discriminator["D_real"]).backward()  # type: ignore[no-untyped-call]
    optimizers.discriminator.step()
    losses |= {name: value.detach() for name, value in of_discriminator.items()}
    return TrainingStep(losses, fake)
