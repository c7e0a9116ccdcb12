# SPDX-License-Identifier: Apache-2.0
"""What a domain tells the trainer: its modules, its optimisers, its randomness, and one step.

A minimal task::

    class Fit(Task):
        def __init__(self, data, seed=0):
            self.net = Net()
            self.adam = torch.optim.Adam(self.net.parameters())
            self.rng = np.random.default_rng(seed)               # which samples
            self.noise = torch_generator(seed, "noise")          # which noise
            self.modules = {"net": self.net}
            self.optimizers = {"net": self.adam}
            self.emas = {"net": EMA(self.net, halflife=500)}     # the trainer updates it
            self.generators = {"rng": self.rng, "noise": self.noise}
            self.fingerprint = sha256_of(config, data)           # optional: refuses a foreign state

        def step(self, step):
            loss = ...
            self.adam.zero_grad(); loss.backward(); self.adam.step()
            return {"loss": loss.detach()}

Everything that changes from step to step must be in one of these tables (or in ``extra_state``): then a
resumed training is the uninterrupted one, bit for bit.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from spade_core.checkpoint import CheckpointError
from spade_core.ema import EMA
from spade_core.tree import all_finite

__all__ = ["Task"]

_NONE: Mapping[str, Any] = MappingProxyType({})


class Task:
    """Base of all trainings; a subclass fills the tables and writes :meth:`step`.

    Attributes
    ----------
    modules : mapping of nn.Module
        Everything with weights, unwrapped.
    optimizers : mapping of Optimizer
    schedules : mapping of LRScheduler
        The trainer calls ``.step()`` on each after every step.
    emas : mapping of EMA
        Keys are keys of ``modules``; the trainer updates each after every step by ``samples_per_step``.
    generators : mapping
        numpy Generators, ``torch.Generator`` and ``random.Random`` objects that :meth:`step` draws from.
        The global generators of Python and torch are kept by the trainer; numpy's global one is not.
    samples_per_step : float
        The unit of the EMAs' half-lives: the batch size for samples, 1 for steps.
    fingerprint : str
        Of configuration and data; a state with another one is refused.
    """

    modules: Mapping[str, nn.Module] = _NONE
    optimizers: Mapping[str, Optimizer] = _NONE
    schedules: Mapping[str, LRScheduler] = _NONE
    emas: Mapping[str, EMA] = _NONE
    generators: Mapping[str, Any] = _NONE
    samples_per_step: float = 1.0
    fingerprint: str = ""

    def step(self, step: int) -> Mapping[str, float | Tensor]:
        """Train one step (``step`` counts from 0) and return scalars to be watched and averaged."""
        raise NotImplementedError

    def validate(self, step: int) -> Mapping[str, float]:
        """Measure after ``step`` steps, once a tick; draw from generators of its own, not training's."""
        return {}

    def extra_state(self) -> Any:
        """Return what else must survive: nested dicts, lists, tuples of numbers, text and tensors."""
        return None

    def load_extra_state(self, state: Any) -> None:
        """Take back what :meth:`extra_state` returned."""

    def state(self) -> dict[str, Any]:
        """Collect everything that :meth:`load_state` needs (tensors are not copied)."""
        return {
            "fingerprint": self.fingerprint,
            "modules": {k: dict(v.state_dict()) for k, v in self.modules.items()},
            "optimizers": {k: v.state_dict() for k, v in self.optimizers.items()},
            "schedules": {k: v.state_dict() for k, v in self.schedules.items()},
            "emas": {k: v.state_dict() for k, v in self.emas.items()},
            "generators": {k: generator_state(v) for k, v in self.generators.items()},
            "global_rng": global_rng_state(),
            "extra": self.extra_state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Raises
        ------
        CheckpointError
            It is the state of another task.
        """
        if state["fingerprint"] != self.fingerprint:
            raise CheckpointError(
                "the training state was made with other settings or data: resume with the same ones, "
                "or start again"
            )
        try:
            for kind in ("modules", "optimizers", "schedules", "emas"):
                table: Mapping[str, Any] = getattr(self, kind)
                if table.keys() != state[kind].keys():
                    raise KeyError(f"{kind} {sorted(table)} against {sorted(state[kind])} in the state")
                for name, item in table.items():
                    item.load_state_dict(state[kind][name])
            for name, generator in self.generators.items():
                set_generator_state(generator, state["generators"][name])
        except (KeyError, RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0]
            raise CheckpointError(f"the training state is of another model: {first}") from error
        set_global_rng_state(state["global_rng"])
        self.load_extra_state(state["extra"])

    def is_finite(self) -> bool:
        """Say whether every weight and average is finite."""
        return all(all_finite(dict(m.state_dict())) for m in self.modules.values()) and all(
            all_finite(e.average) for e in self.emas.values()
        )


def generator_state(generator: Any) -> Any:
    """Return a generator's state as a tree; numpy is known by its ``bit_generator``, not imported.

    Raises
    ------
    TypeError
        Not a numpy Generator, ``torch.Generator`` or ``random.Random``.
    """
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    if hasattr(generator, "bit_generator"):
        return _plain(generator.bit_generator.state)
    raise TypeError(
        f"{type(generator).__name__} is no random generator that can be saved: pass a numpy Generator, "
        "a torch.Generator or a random.Random"
    )


def set_generator_state(generator: Any, state: Any) -> None:
    """Put a generator where :func:`generator_state` found it."""
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.bit_generator.state = state


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _plain(v) for k, v in node.items()}
    return node.tolist() if hasattr(node, "tolist") else node


def global_rng_state() -> dict[str, Any]:
    """Return the state of Python's and torch's global generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"python": random.getstate(), "torch": torch.get_rng_state(), "cuda": cuda}


def set_global_rng_state(state: Mapping[str, Any]) -> None:
    """Put the global generators where :func:`global_rng_state` found them."""
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
