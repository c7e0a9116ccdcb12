# SPDX-License-Identifier: Apache-2.0
"""Seeds: named streams from one number, the same on every machine and in every process."""

from __future__ import annotations

import hashlib
import random

import torch

__all__ = ["derive_seed", "seed_everything", "torch_generator"]


def derive_seed(seed: int, *labels: int | str) -> int:
    """Return a 63-bit seed for a named stream of ``seed`` (SHA-256 of all labels)."""
    text = "\x1f".join(f"{type(label).__name__}:{label}" for label in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, *labels: int | str, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a torch generator for a named stream of ``seed``."""
    return torch.Generator(device).manual_seed(derive_seed(seed, *labels))


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python and torch (all devices); for initial weights and dropout."""
    random.seed(seed)
    torch.manual_seed(seed)
