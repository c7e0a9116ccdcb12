# SPDX-License-Identifier: Apache-2.0
"""What a training is told, and what it tells at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spade_image.exceptions import InputError
from spade_image.labels import LabelShift
from spade_image.layouts import Folders
from spade_image.options import Options
from spade_image.precision import Amp

__all__ = ["TrainingConfig", "TrainingReport", "check_numbers"]


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that a training is told; what is None comes from the preset."""

    folders: Folders
    out: Path
    preset: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Official option names that overrule the preset's."""
    preprocess_mode: str | None = None
    load_size: int | None = None
    batch_size: int | None = None
    """Samples a pass on each process."""
    accumulate: int = 1
    """Passes whose gradients make one step."""
    steps: int | None = None
    """Steps in all; default: niter + niter_decay epochs."""
    max_minutes: float | None = None
    resume: bool = False
    seed: int = 0
    palette: Path | None = None
    label_shift: LabelShift | None = None
    skip_unmatched: bool = False
    flip: bool = True
    vgg_weights: Path | None = None
    ema_samples: float | None = None
    amp: Amp = "auto"
    channels_last: bool = True
    device: str = "auto"
    tensorboard: bool = False
    tick_steps: int | None = None
    sample_steps: int | None = None
    n_shown: int = 16
    cache_mb: float = 2048.0
    workers: int = 2


@dataclass(frozen=True)
class TrainingReport:
    """How a training ended."""

    out: Path
    reason: str
    """finished, time, signal, stopped or diverged."""
    message: str
    step: int
    max_steps: int
    minutes: float
    options: Options
    metrics: dict[str, float]
    """The last of each."""
    history: list[dict[str, float]] = field(repr=False, default_factory=list)
    """Every tick's metrics with its step."""
    content_hash: str = ""
    is_main: bool = True
    """Whether this process wrote the files."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "schema": 1, "out": str(self.out), "reason": self.reason, "step": self.step, "max_steps": self.max_steps,
            "minutes": self.minutes, "metrics": self.metrics, "options": self.options.to_flags(),
            "content_hash": self.content_hash,
        }  # fmt: skip


def check_numbers(config: TrainingConfig) -> None:
    """Refuse numbers that no training can have, naming the option."""
    for name in ("load_size", "batch_size", "accumulate", "steps", "tick_steps", "sample_steps", "n_shown"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} {value} must be at least 1")
    if config.ema_samples is not None and not 0 < config.ema_samples < math.inf:
        raise InputError(f"--ema-samples {config.ema_samples:g} must be a positive number of samples")
    if not config.cache_mb >= 0:
        raise InputError(f"--cache-mb {config.cache_mb:g} must not be negative (0 keeps nothing)")
    minutes = config.max_minutes
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise InputError(f"--max-minutes {minutes:g} is no time: give a positive number of minutes")
    if config.seed < 0:
        raise InputError(f"--seed {config.seed} must be 0 or more")
