# SPDX-License-Identifier: Apache-2.0
"""Our generator with another way of reading the map, and nothing else changed: is SPADE worth having?

Each variant is a :class:`~spade_finance.model.estimator.ScenarioGenerator` of the same preset, objective, data and
seed; only ``conditioning`` differs. The structured head keeps its per-regime statistics in all of them but
``unconditional`` (``head_tables=False`` takes them from any, and then the trunk alone must carry the map).

===================  ==================================================================================
``spade``            gamma and beta of every day's map, at every norm (the model itself)
``concat``           map concatenated at the trunk's input
``concat_layers``    map concatenated at every convolution of the trunk
``film``             one gamma and beta a window, from its mean map
``tables``           the trunk does not see the map; per-regime statistics only
``unconditional``    neither trunk nor statistics know the regime (but a day's tail index is still its regime's)
===================  ==================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    from spade_finance.model.estimator import ScenarioGenerator

ABLATIONS: dict[str, dict[str, Any]] = {
    "spade": {"conditioning": "spade"},
    "concat": {"conditioning": "concat_input"},
    "concat_layers": {"conditioning": "concat_layers"},
    "film": {"conditioning": "film"},
    "tables": {"conditioning": "tables"},
    "unconditional": {"conditioning": "none"},
}
"""Name -> fields of :class:`~spade_finance.model.config.GeneratorConfig`."""


def make_ablation(
    name: str, preset: str = "quick", random_state: int = 0, **changes: Any
) -> ScenarioGenerator:
    """Unfitted generator of that variant.

    Parameters
    ----------
    name : str
        A key of :data:`ABLATIONS`.
    preset, random_state, **changes
        As for :class:`~spade_finance.model.estimator.ScenarioGenerator`.

    Raises
    ------
    InputError
        On an unknown name, or a change of what the name stands for.
    """
    from spade_finance.model.estimator import ScenarioGenerator

    if name not in ABLATIONS:
        raise InputError(f"ablation {name!r} is unknown: pass one of {', '.join(ABLATIONS)}")
    for key in ABLATIONS[name].keys() & changes.keys():
        raise InputError(f"{key}={changes[key]!r} is what the ablation {name!r} sets: leave it out")
    return ScenarioGenerator(preset, random_state, **ABLATIONS[name], **changes)
