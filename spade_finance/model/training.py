# SPDX-License-Identifier: Apache-2.0
"""One training step of the generator, for :class:`spade_core.trainer.Trainer`; it keeps the best weights it saw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spade_core.discriminator import MultiscaleDiscriminator
from spade_core.ema import EMA
from spade_core.losses import feature_matching, gan_loss, split_fake_real
from spade_core.optim import adam_pair
from spade_core.task import Task
from spade_finance.model.batches import Batch, WindowData
from spade_finance.model.network import ScenarioNetwork, repeat
from spade_finance.model.objectives import energy_score, facts_loss, random_portfolios
from spade_finance.windows import make_sampler, with_embargo

VALIDATION_WINDOWS = 48
VALIDATION_DRAWS = 2
GRADIENT_NORM = 5.0


class GeneratorTask(Task):
    """Train ``network`` on the windows of ``windows`` outside ``held``.

    Parameters
    ----------
    held : (T,) bool
        Days held back for validation; none if all false, and then the last weights are the best.
    excluded : (T,) bool, optional
        Days that nothing may learn from, not even the choice of the best weights.
    """

    def __init__(
        self,
        network: ScenarioNetwork,
        windows: WindowData,
        held: NDArray[np.bool_],
        seed: int,
        excluded: NDArray[np.bool_] | None = None,
    ) -> None:
        self.network, self.windows, config = network, windows, network.config
        self.config = config
        codes = windows.data.codes
        self.portfolios = random_portfolios(network.n_sectors)
        unseen = held if excluded is None else held | excluded
        self.sampler = make_sampler(codes, with_embargo(unseen), config.window_days)
        self.rng = np.random.default_rng(seed)
        self.optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            [p for p in network.parameters() if p.requires_grad],
            lr=config.lr,
            betas=(0.9, 0.99),
            weight_decay=config.weight_decay,
        )
        self.modules: Mapping[str, nn.Module] = {"generator": network}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"generator": self.optimizer}
        self.discriminator: MultiscaleDiscriminator | None = None
        if config.adversarial_weight > 0:
            map_channels = network.n_regimes
            self.discriminator = MultiscaleDiscriminator(
                2 * network.n_sectors + map_channels, n_scales=3, ndim=1, ndf=32
            )
            _, d_optimizer = adam_pair([nn.Parameter(torch.zeros(1))], self.discriminator.parameters())
            self.modules = {**self.modules, "discriminator": self.discriminator}
            self.optimizers = {**self.optimizers, "discriminator": d_optimizer}
        self.emas: Mapping[str, EMA] = {"generator": EMA(network, config.ema_halflife_steps)}
        self.generators: Mapping[str, Any] = {"rng": self.rng}
        self.fingerprint = _fingerprint(config.to_dict(), windows, seed)
        self.validation = self._validation_batches(held)
        self.best: dict[str, Tensor] | None = None
        self.best_score = float("inf")
        if self.validation:  # training must beat the statistics it starts from
            self.best, self.best_score = self._weights(), self._score(*self.validation_losses())
        self.start_score = self.best_score

    # -- the loop's calls -----------------------------------------------------------------------------------------

    def step(self, step: int) -> Mapping[str, float | Tensor]:
        """One batch: two paths of every window's map, all losses, one update."""
        config = self.config
        first = self.sampler.draw(self.rng, config.batch_windows)
        visible = self.rng.random((len(first), self.network.n_sectors)) >= config.own_label_dropout
        told = self.rng.random(len(first)) >= config.severity_dropout
        intensity = np.exp(config.severity_jitter * self.rng.standard_normal(len(first)))
        batch = self.windows.batch(first, config.window_days, visible, told, intensity)
        fake, real = self._standardised(batch, self.rng)
        energy, matching = self._losses(fake, real, batch)
        loss = config.energy_weight * energy + config.facts_weight * matching
        metrics: dict[str, float | Tensor] = {"energy_score": energy, "facts": matching}
        if self.discriminator is not None:
            adversarial, d_metrics = self._adversarial(fake[: len(real)], real, batch)
            loss = loss + config.adversarial_weight * adversarial
            metrics |= d_metrics
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self.optimizer.step()
        return {
            "loss": loss.detach(),
            **{k: v.detach() if isinstance(v, Tensor) else v for k, v in metrics.items()},
        }

    def validate(self, step: int) -> Mapping[str, float]:
        """Score the averaged weights on the held-back windows with fixed noise; remember the best."""
        if not self.validation:
            return {}
        with self.emas["generator"].applied(self.network):
            energy, matching = self.validation_losses()
            score = self._score(energy, matching)
            if score < self.best_score:
                self.best, self.best_score = self._weights(), score
        return {"validation": score, "validation_energy_score": energy, "validation_facts": matching}

    def extra_state(self) -> Any:
        """The best weights so far travel with the state."""
        return {"best": self.best, "best_score": self.best_score if self.best is not None else None}

    def load_extra_state(self, state: Any) -> None:
        """Inverse of :meth:`extra_state`."""
        self.best = state["best"]
        self.best_score = float("inf") if state["best_score"] is None else float(state["best_score"])

    # -- after the loop -------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Put the best (else the averaged) weights into the network."""
        self.network.load_state_dict(self.best if self.best is not None else self.emas["generator"].average)

    def validation_losses(self) -> tuple[float, float]:
        """Energy score and facts loss of the present weights on the held-back windows."""
        totals = []
        with torch.no_grad():
            for draw in range(VALIDATION_DRAWS):
                rng = np.random.default_rng([77, draw])
                for batch in self.validation:
                    fake, real = self._standardised(batch, rng)
                    totals.append([float(x) for x in self._losses(fake, real, batch)])
        energy, matching = np.mean(totals, axis=0)
        return float(energy), float(matching)

    def _score(self, energy: float, matching: float) -> float:
        """What the best weights are chosen by; for a purely adversarial objective the energy score stands in."""
        weights = self.config.energy_weight, self.config.facts_weight
        return weights[0] * energy + weights[1] * matching if any(weights) else energy

    def _weights(self) -> dict[str, Tensor]:
        return {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    # -- parts ----------------------------------------------------------------------------------------------------

    def _validation_batches(self, held: NDArray[np.bool_]) -> list[Batch]:
        if not held.any():
            return []
        sampler = make_sampler(self.windows.data.codes, held, self.config.window_days, balance=False)
        n = min(VALIDATION_WINDOWS, len(sampler.first_days))
        first = sampler.first_days[np.linspace(0, len(sampler.first_days) - 1, n).astype(int)]
        blind = np.zeros((n, self.network.n_sectors), dtype=bool)
        return [self.windows.batch(first, self.config.window_days, blind, np.zeros(n, dtype=bool))]

    def _standardised(self, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Generated (2 B, S, T) and real (B, S, T) returns over their regime's typical volatility."""
        conditions = repeat(self.windows.conditions(self.network, batch), 2)
        fake = self.network(conditions, self.windows.inputs(batch, self.network.rank, rng, repeats=2))
        return fake / batch.reference.repeat(2, 1, 1), batch.real / batch.reference

    def _losses(self, fake: Tensor, real: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        first, second = fake.chunk(2)
        return energy_score(first, second, real, self.portfolios), facts_loss(fake, real, batch.regimes)

    def _adversarial(
        self, fake: Tensor, real: Tensor, batch: Batch
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        """Hinge and feature matching on the map-conditional discriminator, which takes its own step first."""
        assert self.discriminator is not None

        def judged(x: Tensor) -> Tensor:
            return torch.cat([batch.regimes, x.clamp(-8, 8), torch.log(x.abs() + 0.1)], 1)

        optimizer = self.optimizers["discriminator"]
        fakes, reals = split_fake_real(self.discriminator(torch.cat([judged(fake.detach()), judged(real)])))
        d_loss = gan_loss(fakes, real=False) + gan_loss(reals, real=True)
        optimizer.zero_grad()
        d_loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        fakes, reals = split_fake_real(self.discriminator(torch.cat([judged(fake), judged(real)])))
        gan = gan_loss(fakes, real=True, for_discriminator=False)
        matching = feature_matching(fakes, reals)
        total = gan + self.config.feature_matching_weight * matching
        return total, {"gan": gan, "feature_matching": matching, "discriminator": d_loss}


def _fingerprint(config: dict[str, Any], windows: WindowData, seed: int) -> str:
    """Of settings, data and seed: a state made from others is refused. The number of steps may change."""
    digest = hashlib.sha256(json.dumps({**config, "steps": 0, "seed": seed}, sort_keys=True).encode())
    for array in (windows.data.log_returns, windows.data.codes, windows.data.severity):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
