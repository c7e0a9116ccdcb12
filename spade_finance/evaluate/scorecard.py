# SPDX-License-Identifier: Apache-2.0
"""The parts of the scorecard by name, in the order of the page."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence

from spade_finance.evaluate.section import Material, Section, SectionResult
from spade_finance.exceptions import InputError

SECTIONS: dict[str, str] = {
    "facts": "facts_section:FactsSection",
    "dependence": "dependence_section:DependenceSection",
    "distances": "distances_section:DistancesSection",
    "risk": "risk_section:RiskSection",
    "switch": "switch_section:SwitchSection",
    "control": "control_section:ControlSection",
    "labels": "relabel_section:LabelsSection",
    "novelty": "novelty_section:NoveltySection",
    "finval": "finval_report:FinvalSection",
}
"""Name -> module and class inside :mod:`spade_finance.evaluate`; imported when it is wanted."""

Progress = Callable[[str, int, int], None]


def section_names(choice: str | Sequence[str]) -> tuple[str, ...]:
    """Names for "all", "none", "name,name" or a sequence of names, in the order of the page.

    Raises
    ------
    InputError
        On an unknown name.
    """
    if isinstance(choice, str):
        if choice in ("all", "none"):
            return tuple(SECTIONS) if choice == "all" else ()
        choice = [part.strip() for part in choice.split(",") if part.strip()]
    for name in choice:
        if name not in SECTIONS:
            raise InputError(
                f"sections names {name!r}, which is unknown: pass all, none or some of {', '.join(SECTIONS)}"
            )
    return tuple(name for name in SECTIONS if name in choice)


def make_section(name: str) -> Section:
    """The section of that name."""
    module, _, kind = SECTIONS[name].partition(":")
    made: Section = getattr(importlib.import_module(f"spade_finance.evaluate.{module}"), kind)()
    return made


def measure(
    material: Material, names: Sequence[str], progress: Progress | None = None
) -> tuple[Mapping[str, SectionResult], Mapping[str, float]]:
    """Results and processor seconds of the named sections."""
    results, seconds = {}, {}
    for number, name in enumerate(names):
        section = make_section(name)
        if progress is not None:
            progress(section.title, number, len(names))
        began = time.process_time()
        results[name] = section.measure(material)
        seconds[name] = time.process_time() - began
    return results, seconds
