# SPDX-License-Identifier: Apache-2.0
"""Neural opponents and ablations of our own model: trained once, kept in the user's cache, selected by name.

========================  =============================================================================
``timevae``               variational autoencoder of windows (Desai et al. 2021)
``tcn_gan``               QuantGAN-style GAN of temporal convolutional networks (Wiese et al. 2020)
``diffusion``             conditional diffusion on windows (Karras et al. 2022)
``spade``                 our own model, trained on the same days with the quick preset
``concat``                the same with the map concatenated at the trunk's input
``concat_layers``         ... concatenated at every layer
``film``                  ... one modulation a window, of its mean map
``tables``                ... a trunk that does not see the map; per-regime statistics only
``unconditional``         ... neither
========================  =============================================================================

Nothing heavy is imported before a baseline is made.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spade_finance.baselines.base import Baseline

_PACKAGE = __name__


def _lazy(module: str, name: str, **settings: Any) -> Callable[..., Baseline]:
    def make(**changes: Any) -> Baseline:
        baseline: Baseline = getattr(import_module(f"{_PACKAGE}.{module}"), name)(**{**settings, **changes})
        return baseline

    return make


OPPONENTS: dict[str, Callable[..., Baseline]] = {
    "timevae": _lazy("timevae", "TimeVAE"),
    "tcn_gan": _lazy("tcn_gan", "TcnGan"),
    "diffusion": _lazy("diffusion", "Diffusion"),
}
"""Name -> unfitted neural baseline; takes its settings as keywords."""

OWN: dict[str, Callable[..., Baseline]] = {
    arm: _lazy("own", "OwnModel", arm=arm)
    for arm in ("spade", "concat", "concat_layers", "film", "tables", "unconditional")
}
"""Name -> our own model with another (or its own) way of reading the map."""

NEURAL: dict[str, Callable[..., Baseline]] = {**OPPONENTS, **OWN}
"""Everything that takes minutes to train."""

__all__ = ["NEURAL", "OPPONENTS", "OWN"]
