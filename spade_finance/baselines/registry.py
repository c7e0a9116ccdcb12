# SPDX-License-Identifier: Apache-2.0
"""Baselines by name, as ``--baselines`` takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spade_finance.baselines.base import Baseline
from spade_finance.baselines.bootstrap import BlockBootstrap
from spade_finance.baselines.fhs import FilteredHistorical
from spade_finance.baselines.regime_t import RegimeStudentT
from spade_finance.exceptions import InputError

BASELINES: dict[str, Callable[[], Baseline]] = {
    "block_bootstrap": BlockBootstrap,
    "block_bootstrap_scaled": lambda: BlockBootstrap(scaled=True),
    "regime_t": RegimeStudentT,
    "fhs": FilteredHistorical,
}
"""Name -> unfitted baseline with its default settings."""

STANDARD: tuple[str, ...] = tuple(BASELINES)
"""Every baseline that fits in seconds."""


def make_baseline(name: str) -> Baseline:
    """Unfitted baseline of that name; InputError listing the names otherwise."""
    if name not in BASELINES:
        raise InputError(f"baseline {name!r} is unknown: pass one of {', '.join(BASELINES)}")
    return BASELINES[name]()


def baseline_names(choice: str | Sequence[str]) -> tuple[str, ...]:
    """Names for "standard", "all", "none", "name,name" or a sequence of names, without repeats.

    Raises
    ------
    InputError
        On an unknown name.
    """
    if isinstance(choice, str):
        fixed = {"standard": STANDARD, "all": tuple(BASELINES), "none": ()}
        if choice in fixed:
            return fixed[choice]
        choice = [part.strip() for part in choice.split(",") if part.strip()]
    for name in choice:
        if name not in BASELINES:
            raise InputError(
                f"baselines names {name!r}, which is unknown: pass standard, all, none or some of "
                f"{', '.join(BASELINES)}"
            )
    return tuple(dict.fromkeys(choice))
