# SPDX-License-Identifier: Apache-2.0
"""What a data folder asks of a training: classes, dontcare, instance edges; one place, for ``check`` and ``train``.

Options that are given win over the preset's; the preset "auto" goes on to ``dataset.json``, then to the palette of
coloured masks, and reads what is still open off the labels: the highest id but 255, plus one.

A highest id says how many classes there are only where ids are in use more or less throughout. One stray id (77, or
23,100 in a 16-bit file) would make that many classes, all but a few of them empty. So a **gap** of more than 32 ids
without a pixel, and of more than there are ids below it, is refused: the ids are strays, or sparse on purpose, and
only the user knows which. Sparse samples of a large set pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spade_image.exceptions import InputError
from spade_image.labels import LabelShift, read_ids
from spade_image.layouts import Folders, Pair
from spade_image.palette import Palette
from spade_image.preprocess import DONTCARE
from spade_image.presets import Preset, described

__all__ = ["Asked", "Gap", "asked", "find_gap", "gap_error", "options_of_data", "without_instances"]

REFUSED_GAP = 32
"""Unused ids in a row up to which the highest id is believed."""
NOTED_GAP = 8
"""Unused ids in a row from which on ``check`` asks whether they are meant."""
_SHOWN = 6


@dataclass(frozen=True)
class Asked:
    """What is known before the labels are read; None is read off them."""

    label_nc: int | None
    dontcare: bool | None
    no_instance: bool


@dataclass(frozen=True)
class Gap:
    """Ids without a pixel between two that have some."""

    below: int
    """The last id before the gap."""
    above: tuple[int, ...]
    """The ids after it."""
    refused: bool
    """Whether a training would not begin."""

    @property
    def unused(self) -> int:
        """Ids in the gap."""
        return self.above[0] - self.below - 1


def asked(
    preset: Preset,
    folders: Folders,
    pairs: Sequence[Pair],
    palette: Palette | None,
    given: Mapping[str, Any] | None = None,
) -> Asked:
    """Decide what can be decided without the labels.

    Parameters
    ----------
    preset : Preset
    folders : Folders
    pairs : sequence of Pair
        Of the training.
    palette : Palette, optional
        By which coloured masks are read.
    given : mapping, optional
        ``label_nc``, ``contain_dontcare_label``, ``no_instance`` where the user said so (None is not said).
    """
    said = {k: v for k, v in (given or {}).items() if v is not None}
    if preset.name != "auto":
        flags = preset.options | said
        return Asked(
            flags["label_nc"],
            bool(flags.get("contain_dontcare_label", False)),
            bool(flags.get("no_instance", False)),
        )
    no_instance = bool(said.get("no_instance", not any(p.instance is not None for p in pairs)))
    stated = described(folders)
    label_nc, dontcare = said.get("label_nc"), said.get("contain_dontcare_label")
    stated_nc = stated.get("label_nc")
    if label_nc is None and isinstance(stated_nc, int) and not isinstance(stated_nc, bool):
        label_nc = stated_nc
    if label_nc is None and palette is not None:
        label_nc = palette.label_nc or None
    if dontcare is None and label_nc is not None:
        void = palette is not None and DONTCARE in palette.ids.values()
        dontcare = stated.get("dontcare") is not None or void
    return Asked(label_nc, dontcare, no_instance)


def find_gap(ids: Iterable[int]) -> Gap | None:
    """Return the gap that stands in doubt: the first that is refused, else the widest worth a question."""
    used = sorted(i for i in set(ids) if i != DONTCARE)
    gaps = [
        Gap(a, tuple(used[k + 1 :]), b - a - 1 > max(REFUSED_GAP, k + 1))
        for k, (a, b) in enumerate(pairwise(used))
        if b - a - 1 >= NOTED_GAP
    ]
    refused = [gap for gap in gaps if gap.refused]
    return refused[0] if refused else max(gaps, key=lambda gap: gap.unused, default=None)


def gap_error(gap: Gap, files: Mapping[int, Sequence[Path]]) -> tuple[str, str]:
    """Say what is odd about a gap and what to do: two sentences, without a full stop.

    Parameters
    ----------
    gap : Gap
    files : mapping of id to paths
        Where the ids occur.
    """
    shown = [f"{i} in {_names(files.get(i, ()))}" for i in gap.above[:_SHOWN]]
    more = f" and {len(gap.above) - _SHOWN} more ids" if len(gap.above) > _SHOWN else ""
    many = max(gap.above) + 1
    text = (
        f"after the id {gap.below} come {gap.unused:,} ids without a pixel, then {', '.join(shown)}{more}: read "
        f"as classes they make {many:,}, most of them empty"
    )
    fix = f"correct the maps if these are strays (255 is dontcare), or give --label-nc {many} if the ids are meant so"
    return text, fix


def _names(paths: Sequence[Path]) -> str:
    names = [path.name for path in paths[:3]]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return (", ".join(names) or "no file") + more


def options_of_data(
    folders: Folders,
    pairs: Sequence[Pair],
    palette: Palette | None,
    shift: LabelShift = "none",
    *,
    known: Asked | None = None,
) -> dict[str, Any]:
    """Complete what is asked by reading the labels, where something is still open.

    Parameters
    ----------
    folders : Folders
    pairs : sequence of Pair
    palette : Palette, optional
    shift : "none" or "ade20k"
    known : Asked, optional
        Default: :func:`asked` of the preset "auto".

    Returns
    -------
    dict
        ``label_nc``, ``contain_dontcare_label``, ``no_instance``.

    Raises
    ------
    InputError
        Labels without a class, or ids with a gap that makes their number doubtful; the message names ids and files.
    """
    if known is None:
        from spade_image.presets import preset

        known = asked(preset("auto"), folders, pairs, palette)
    label_nc, dontcare = known.label_nc, known.dontcare
    if label_nc is None:
        files: dict[int, list[Path]] = {}
        for pair in pairs:
            for i in np.unique(read_ids(pair.label, palette, shift)):
                files.setdefault(int(i), []).append(pair.label)
        dontcare = DONTCARE in files if dontcare is None else dontcare
        used = [i for i in files if i != DONTCARE]
        if not used:
            raise InputError(
                f"the labels in {folders.data} hold nothing but 255 (dontcare): give pixels classes from 0 on"
            )
        gap = find_gap(used)
        if gap is not None and gap.refused:
            raise InputError(f"{folders.data}: {'; '.join(gap_error(gap, files))}")
        label_nc = max(used) + 1
    return {
        "label_nc": label_nc,
        "contain_dontcare_label": bool(dontcare),
        "no_instance": known.no_instance,
    }


def without_instances(pairs: Sequence[Pair], no_instance: bool) -> str:
    """Say what instance maps are missing for a training that reads their edges; empty where nothing is."""
    missing = [p for p in pairs if p.instance is None]
    if no_instance or not missing:
        return ""
    return f"{len(missing)} of {len(pairs)} pairs have no instance map, for example {missing[0].stem}"
