# SPDX-License-Identifier: Apache-2.0
"""Spade's dimension-generic core: torch only, no pandas, no finance, no images.

``ndim=1`` for series ``(B, C, T)``, ``ndim=2`` for images ``(B, C, H, W)``; one code for both.
"""

from __future__ import annotations

from spade_core.blocks import BlockModulations, SPADEResBlk
from spade_core.checkpoint import CheckpointError, ModelFolder, load_model, save_model
from spade_core.discriminator import MultiscaleDiscriminator
from spade_core.ema import EMA
from spade_core.generator import SPADEGenerator, Stage, stages_for
from spade_core.losses import feature_matching, gan_loss, kld
from spade_core.norms import CAUSAL_NORMS, NORMS, make_norm
from spade_core.spade import SPADE, MapModulation, Modulation
from spade_core.trainer import Task, Tick, Trainer, TrainingResult

__all__ = [
    "CAUSAL_NORMS",
    "EMA",
    "NORMS",
    "SPADE",
    "BlockModulations",
    "CheckpointError",
    "MapModulation",
    "ModelFolder",
    "Modulation",
    "MultiscaleDiscriminator",
    "SPADEGenerator",
    "SPADEResBlk",
    "Stage",
    "Task",
    "Tick",
    "Trainer",
    "TrainingResult",
    "feature_matching",
    "gan_loss",
    "kld",
    "load_model",
    "make_norm",
    "save_model",
    "stages_for",
]
