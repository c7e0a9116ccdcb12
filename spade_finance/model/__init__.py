# SPDX-License-Identifier: Apache-2.0
"""The 1-D SPADE generator of sector returns: statistics, network, training, sampling, files.

Read in this order: ``config`` (what there is to choose), ``start`` (what is known before training), ``maps`` (timeline
to map), ``trunks`` and ``network`` (map and noise to returns), ``objectives`` and ``training``, ``sampling``,
``estimator`` (the public class).
"""

from __future__ import annotations

from spade_finance.model.config import PRESETS, GeneratorConfig
from spade_finance.model.estimator import ScenarioGenerator

__all__ = ["PRESETS", "GeneratorConfig", "ScenarioGenerator"]
