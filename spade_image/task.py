# SPDX-License-Identifier: Apache-2.0
"""Image training as the core's trainer sees it: one step of generator and discriminator, averages, a measurement.

The step is the official one (see :mod:`spade_image.steps`) with what its users miss: gradient accumulation, several
processes, bfloat16, averaged weights. All noise follows from the seed and the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from spade_core import EMA, Task
from spade_core.distributed import rank, world_size
from spade_core.optim import linear_decay
from spade_core.seeding import derive_seed, seed_everything, torch_generator
from spade_image.average import reestimate
from spade_image.data import PairSet, Samples
from spade_image.encoder import reparameterize
from spade_image.loader import Loader
from spade_image.losses import Features, _cut
from spade_image.model import ImageModel
from spade_image.options import Options
from spade_image.parallel import average_gradients, broadcast_weights
from spade_image.precision import InPrecision
from spade_image.preprocess import preprocess
from spade_image.steps import Batch, Networks, build_optimizers, discriminator_losses, generator_losses

__all__ = ["ImageTask", "Shown", "TaskSettings", "colour_error", "shown_pairs"]

STATISTICS_BATCHES = 16
"""Batches from which the averaged weights get their running statistics."""


@dataclass(frozen=True)
class TaskSettings:
    """How to train, beside the networks' options."""

    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    bf16: bool = False
    channels_last: bool = False
    accumulate: int = 1
    """Batches whose gradients make one step."""
    ema_samples: float = 10_000.0
    """Half-life of the averaged weights, training samples."""
    n_shown: int = 16
    """Validation pairs that are measured."""
    every: int = 500
    """Steps between measurements."""
    fingerprint: str = ""


@dataclass(frozen=True)
class Shown:
    """Validation pairs with what the averaged weights draw: ids ``(B, H, W)``, photos and samples ``(B, 3, H, W)``."""

    ids: Tensor
    photos: Tensor
    samples: Tensor


class ImageTask(Task):
    """The training of one model.

    Parameters
    ----------
    options : Options
    loader : Loader
        Of training batches; its batch size is one process's share of one pass.
    validation : PairSet
        Pairs to measure and to show, not trained on.
    settings : TaskSettings
    vgg : optional
        VGG19's features; needed unless ``no_vgg_loss``.
    """

    def __init__(
        self,
        options: Options,
        loader: Loader,
        validation: PairSet,
        settings: TaskSettings,
        vgg: nn.Module | None = None,
    ) -> None:
        self.options, self.loader, self.validation, self.settings = options, loader, validation, settings
        seed_everything(derive_seed(settings.seed, "weights") % 2**32)
        self.model = ImageModel.build(options, discriminator=True)
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.modules = dict(self.model.networks())
        for net in self.modules.values():
            net.to(settings.device, memory_format=layout)  # type: ignore[call-overload]
            net.train()
        broadcast_weights(*self.modules.values())
        # from here on the processes differ (dropout)
        seed_everything(derive_seed(settings.seed, "training", rank()) % 2**32)

        adams = build_optimizers(options, self.networks(bf16=False))
        self.optimizers = {"G": adams.generator, "D": adams.discriminator}
        for adam in self.optimizers.values():
            for group in adam.param_groups:
                group["fused"] = True  # one kernel for all weights instead of a dozen for each
        self.batch_total = loader.batch_size * settings.accumulate * world_size()
        decay = linear_decay(options.niter, options.niter_decay)

        def factor(step: int) -> float:
            return decay(step * self.batch_total // len(loader.pairs))  # whole epochs, as published

        self.schedules = {name: LambdaLR(adam, factor) for name, adam in self.optimizers.items()}
        self.samples_per_step = float(self.batch_total)
        averaged = {name: net for name, net in self.modules.items() if name != "D"}
        self.emas = {name: EMA(net, settings.ema_samples) for name, net in averaged.items()}
        self.fingerprint = settings.fingerprint
        self.nets = self.networks(bf16=settings.bf16)
        self.vgg: Features | None = None
        if vgg is not None:
            self.vgg = _vgg(vgg.to(settings.device, memory_format=layout), settings)  # type: ignore[call-overload]
        self.shown: Shown | None = None

    def networks(self, *, bf16: bool) -> Networks:
        """Return the networks for the step's functions."""
        kind = self.settings.device.type
        wrapped = {k: InPrecision(net, kind, True) if bf16 else net for k, net in self.modules.items()}
        return Networks(wrapped["G"], wrapped["D"], wrapped.get("E"))

    # --- one step ---

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state; the optimisers' averages are laid out in memory as their weights again."""
        super().load_state(state)
        for adam in self.optimizers.values():
            for parameter, kept in adam.state.items():
                for name, value in kept.items():
                    # the fused kernel walks all of them in the order of memory
                    if value.shape == parameter.shape and value.stride() != parameter.stride():
                        kept[name] = torch.empty_like(parameter).copy_(value)

    @property
    def steps_per_epoch(self) -> float:
        """Steps that see as many samples as there are pairs."""
        return len(self.loader.pairs) / self.batch_total

    def batch_of(self, samples: Samples) -> Batch:
        """Turn ids into the networks' map, on the device."""
        samples = samples.to(self.settings.device)
        segmap = preprocess(samples.label, samples.instance, flags=self.options)
        if self.settings.channels_last:
            segmap = segmap.contiguous(memory_format=torch.channels_last)
            samples = Samples(
                samples.image.contiguous(memory_format=torch.channels_last), samples.label, samples.instance
            )
        return Batch(segmap, samples.image)

    def _noise(self, step: int, turn: str, part: int) -> Tensor | None:
        """Draw the style noise of this process's samples: the joint batch's, of which it takes its share."""
        if not self.options.use_vae:
            return None
        size = self.loader.batch_size
        generator = torch_generator(self.settings.seed, "style", turn, step, part)
        joint = torch.randn(size * world_size(), self.options.z_dim, generator=generator)
        return joint[rank() * size : (rank() + 1) * size].to(self.settings.device)

    def step(self, step: int) -> dict[str, float | Tensor]:
        """Train one step of the generator (every ``D_steps_per_G``-th time) and one of the discriminator."""
        parts = self.settings.accumulate
        batches = [self.batch_of(self.loader.batch(step * parts + i)) for i in range(parts)]
        sums: dict[str, Tensor] = {}

        def add(terms: Mapping[str, Tensor]) -> None:
            for name, value in terms.items():
                sums[name] = (
                    sums.get(name, torch.zeros((), device=value.device)) + value.detach().float() / parts
                )

        if step % self.options.D_steps_per_G == 0:
            self.optimizers["G"].zero_grad()
            self.modules["D"].requires_grad_(False)  # it only judges here; saves its weights' gradients
            for i, batch in enumerate(batches):
                terms = generator_losses(
                    self.nets, batch, self.options, vgg=self.vgg, eps=self._noise(step, "G", i)
                ).terms
                if "KLD" in terms:  # a sum over the batch, where the others are means
                    terms["KLD"] = terms["KLD"] * (parts * world_size())
                total = torch.stack([t.reshape(()) for t in terms.values()]).sum() / parts
                total.backward()  # type: ignore[no-untyped-call]
                add(terms)
            self.modules["D"].requires_grad_(True)
            average_gradients(p for g in self.optimizers["G"].param_groups for p in g["params"])
            self.optimizers["G"].step()
        self.optimizers["D"].zero_grad()
        for i, batch in enumerate(batches):
            terms = discriminator_losses(self.nets, batch, self.options, eps=self._noise(step, "D", i))
            total = (terms["D_Fake"] + terms["D_real"]) / parts
            total.backward()  # type: ignore[no-untyped-call]
            add(terms)
        average_gradients(self.modules["D"].parameters())
        self.optimizers["D"].step()
        return dict(sums)

    # --- averaged weights and what they draw ---

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Lend the averaged weights, with running statistics of their own, to the networks; in evaluation mode.

        On several processes all must enter together.
        """
        with ExitStack() as stack:
            for name, ema in self.emas.items():
                stack.enter_context(ema.applied(self.modules[name]))
            try:
                reestimate(self.modules["G"], self._statistics_passes())
                for name in self.emas:
                    self.modules[name].eval()
                yield
            finally:
                for name in self.emas:
                    self.modules[name].train()

    def _statistics_passes(self) -> Iterator[Callable[[], object]]:
        pairs = self.loader.pairs
        # a batch of two gives poor variances: as many samples a pass as a step has, but at least 4
        size = max(4, self.loader.batch_size)
        order = np.random.default_rng(derive_seed(self.settings.seed, "statistics")).permutation(len(pairs))
        count = min(STATISTICS_BATCHES, -(-len(pairs) // size))
        for i in range(count):
            chosen = [int(order[k % len(pairs)]) for k in range(i * size, (i + 1) * size)]
            batch = self.batch_of(pairs.batch([pairs.get(k) for k in chosen]))

            def run(batch: Batch = batch, number: int = i) -> Tensor:
                return self.draw(batch, "statistics", number)

            yield run

    @torch.no_grad()
    def draw(self, batch: Batch, turn: str = "show", number: int = 0) -> Tensor:
        """Generate under a batch's maps, in the styles of its photos where the model has an encoder."""
        if not self.options.use_vae:
            return self.nets.generator(batch.segmap)
        assert self.nets.encoder is not None
        mu, logvar = self.nets.encoder(batch.image)
        eps = torch.randn(mu.shape, generator=torch_generator(self.settings.seed, turn, number))
        return self.nets.generator(batch.segmap, reparameterize(mu, logvar, eps.to(mu.device)))

    def look(self) -> Shown:
        """Draw the shown validation pairs with the averaged weights."""
        count = min(self.settings.n_shown, len(self.validation))
        chosen = shown_pairs(count, len(self.validation))
        size = max(1, self.loader.batch_size)
        ids, photos, samples = [], [], []
        with self.averaged():
            for i in range(0, count, size):
                found = self.validation.batch([self.validation.get(k) for k in chosen[i : i + size]])
                samples.append(self.draw(self.batch_of(found), "show", i).float().cpu())
                ids.append(found.label[:, 0])
                photos.append(found.image)
        return Shown(torch.cat(ids), torch.cat(photos), torch.cat(samples))

    def validate(self, step: int) -> dict[str, float]:
        """Measure what the averaged weights draw on validation pairs, every so many steps."""
        if step % self.settings.every and step != self.last_step:
            return {}
        self.shown = self.look()
        return {
            "val_colour_error": colour_error(self.shown.ids, self.shown.photos, self.shown.samples),
            "val_l1": float((self.shown.photos - self.shown.samples).abs().mean()) * 127.5,
        }

    last_step: int = -1
    """The step after which to measure in any case."""


def shown_pairs(n_shown: int, n_pairs: int) -> list[int]:
    """Return which validation pairs are measured and shown: evenly spread."""
    return [int(i) for i in np.linspace(0, n_pairs - 1, min(n_shown, n_pairs))]


def _vgg(net: nn.Module, settings: TaskSettings) -> Callable[[Tensor], list[Tensor]]:
    assert isinstance(net, nn.Sequential)
    kind = settings.device.type

    def features(image: Tensor) -> list[Tensor]:
        with torch.autocast(kind, torch.bfloat16, enabled=settings.bf16):
            return [f.float() for f in _cut(net, image)]

    return features


def colour_error(ids: Tensor, photos: Tensor, samples: Tensor) -> float:
    """Return how far each class's mean colour is from the photos', 0..255, averaged over classes and channels.

    Parameters
    ----------
    ids : Tensor (B, H, W)
    photos, samples : Tensor (B, 3, H, W)
        In [-1, 1].
    """
    classes = torch.unique(ids)
    errors = []
    for c in classes:
        difference = _mean_colour(photos, ids == c) - _mean_colour(samples, ids == c)
        errors.append(difference.abs().mean() * 127.5)
    return float(torch.stack(errors).mean())


def _mean_colour(images: Tensor, where: Tensor) -> Tensor:
    weight = where[:, None].float()
    return (images * weight).sum((0, 2, 3)) / weight.sum()
