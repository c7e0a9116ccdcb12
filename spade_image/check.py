# SPDX-License-Identifier: Apache-2.0
"""Read every file of a data folder and say what stands in training's way, with the fix for each.

An *error* keeps training from beginning; a *warning* is worth a look; a *note* is information.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spade_image.check_files import Finding, read_all
from spade_image.data import palette_for
from spade_image.decide import Asked, asked, find_gap, gap_error, without_instances
from spade_image.exceptions import InputError
from spade_image.labels import LabelShift, is_coloured
from spade_image.labels import pixels_of_label as pixels_of
from spade_image.layouts import Folders, Listing, Pair, list_pairs
from spade_image.palette import Palette, codes_of, collect, from_code, recognise
from spade_image.preprocess import DONTCARE
from spade_image.presets import preset

__all__ = ["CheckReport", "Finding", "SplitSummary", "check_data", "collect_palette"]

RARE = 0.0005


@dataclass
class SplitSummary:
    """What one split holds."""

    pairs: int
    instances: int
    sizes: dict[str, int]
    """``"256x192"`` -> pairs, the commonest first."""
    shares: dict[int, float]
    """Class id -> share of all pixels."""
    held_out: bool = False


@dataclass
class CheckReport:
    """Everything that was found."""

    data: str
    layout: str
    splits: dict[str, SplitSummary]
    findings: list[Finding]
    palette: str
    """How coloured masks are read; empty for ids."""
    options: dict[str, Any]
    """What the data asks of a training: label_nc, contain_dontcare_label, no_instance."""
    names: dict[int, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether training could begin."""
        return not any(f.level == "error" for f in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"schema": 1, "ok": self.ok, **asdict(self)}


def check_data(
    folders: Folders,
    *,
    preset_name: str | None = None,
    label_nc: int | None = None,
    dontcare: bool | None = None,
    instance: bool | None = None,
    palette: Path | None = None,
    label_shift: LabelShift | None = None,
    on_file: Callable[[int, int], None] = lambda done, total: None,
    workers: int = 2,
) -> CheckReport:
    """Check a folder of pairs: what a training would ask of it is decided by :mod:`spade_image.decide`, as there.

    Parameters
    ----------
    folders : Folders
    preset_name : str, optional
        Judge ids by a preset's classes; otherwise by ``label_nc``, or dataset.json, or a palette.
    label_nc, dontcare : optional
        Classes and whether 255 is allowed, over the preset's.
    instance : bool, optional
        Whether instance edges are read, over the preset's.
    palette : Path, optional
    label_shift : "none" or "ade20k", optional
    on_file : callable
        Receives pairs done and in all.
    workers : int
        Threads that read.

    Raises
    ------
    InputError
        The folder is in no known layout, or a palette file cannot be read.
    """
    if label_nc is not None and label_nc < 1:
        raise InputError(f"--label-nc {label_nc} must be at least 1")
    chosen = preset(preset_name or "auto")
    shift = label_shift or chosen.label_shift
    listings = {split: list_pairs(folders, split) for split in ("train", "val")}
    first = listings["train"]
    colours = palette_for(folders, first.pairs, palette)
    known = asked(
        chosen,
        folders,
        first.pairs,
        colours,
        {
            "label_nc": label_nc,
            "contain_dontcare_label": dontcare,
            "no_instance": None if instance is None else not instance,
        },
    )

    findings = [
        f for lst in ([first] if listings["val"].held_out else listings.values()) for f in _of_listing(lst)
    ]
    for listing in listings.values():
        findings += _of_instances(listing, known.no_instance)
    total = sum(len(lst.pairs) for lst in listings.values())
    done = 0
    splits: dict[str, SplitSummary] = {}
    files: dict[int, list[Path]] = {}  # labels by the ids in them
    coloured: list[Pair] = []
    for split, listing in listings.items():
        counts: Counter[int] = Counter()
        sizes: Counter[str] = Counter()
        for seen in read_all(listing.pairs, colours, shift, known.label_nc, known.dontcare, workers):
            done += 1
            on_file(done, total)
            findings += seen.findings
            counts.update(seen.counts)
            for i in seen.counts:
                files.setdefault(i, []).append(seen.pair.label)
            if seen.coloured:
                coloured.append(seen.pair)
            if seen.size is not None:
                sizes[f"{seen.size[0]}x{seen.size[1]}"] += 1
        pixels = sum(counts.values())
        splits[split] = SplitSummary(
            len(listing.pairs),
            sum(p.instance is not None for p in listing.pairs),
            dict(sizes.most_common()),
            {i: n / pixels for i, n in sorted(counts.items())},
            listing.held_out,
        )
    if coloured:
        findings.append(_no_palette(coloured))
    if not first.pairs:
        findings.append(
            Finding(
                "error",
                "no pairs",
                str(folders.data),
                "no photo has a label of the same name",
                "rename the files so that they pair",
            )
        )
    options = _options(known, files, findings)
    findings += _of_classes(splits, options, chosen.name)
    names = {} if colours is None else dict(colours.names)
    order = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda f: order[f.level])
    return CheckReport(
        str(folders.data), first.layout, splits, findings, colours.source if colours and _uses(colours, first) else "",
        options, names,
    )  # fmt: skip


def _uses(palette: Palette, listing: Listing) -> bool:
    """Whether the masks are coloured, so that the palette is what they are read by."""
    for pair in listing.pairs[:1]:
        try:
            return is_coloured(pixels_of(pair.label))
        except InputError:
            return False
    return False


# ---- files without partner ----


def _of_listing(listing: Listing) -> Iterator[Finding]:
    for path in listing.photos_alone:
        yield Finding(
            "error", "unmatched", str(path), "a photo without label",
            "add its label under the same name, remove it, or train with --skip-unmatched",
        )  # fmt: skip
    for path in listing.labels_alone:
        yield Finding(
            "error", "unmatched", str(path), "a label without photo",
            "add its photo under the same name, remove it, or train with --skip-unmatched",
        )  # fmt: skip
    for path in listing.doubles:
        yield Finding(
            "warning", "double", str(path), "a second file of the same name", "remove one of the two"
        )


def _of_instances(listing: Listing, no_instance: bool) -> Iterator[Finding]:
    missing = without_instances(listing.pairs, no_instance)
    if missing:
        yield Finding(
            "error", "instances", listing.split, f"{missing}, but the network reads instance edges",
            "add the maps (train_inst, val_inst), or check and train with --no-instance",
        )  # fmt: skip


def _options(known: Asked, files: dict[int, list[Path]], findings: list[Finding]) -> dict[str, Any]:
    """Complete what is asked by the ids found, and say where these leave their number in doubt."""
    label_nc = known.label_nc
    if label_nc is None:
        used = [i for i in files if i != DONTCARE]
        gap = find_gap(used)
        if gap is not None:
            detail, fix = gap_error(gap, files)
            where = str(files[gap.above[0]][0])
            findings.append(Finding("error" if gap.refused else "warning", "stray ids", where, detail, fix))
        if files and not used:
            detail, fix = "the labels hold nothing but 255 (dontcare)", "give pixels classes from 0 on"
            findings.append(Finding("error", "no classes", "train", detail, fix))
        label_nc = 1 + (gap.below if gap is not None and gap.refused else max(used, default=0))
    return {
        "label_nc": label_nc,
        "contain_dontcare_label": DONTCARE in files if known.dontcare is None else known.dontcare,
        "no_instance": known.no_instance,
    }


def _no_palette(pairs: list[Pair]) -> Finding:
    return Finding(
        "error", "no palette", str(pairs[0].label),
        f"{len(pairs)} label(s) are masks of RGB colours, and nothing says which colour is which class",
        "put palette.json or palette.txt ('id r g b name' a line) in the data folder, give --palette FILE, or add "
        "--write-palette to this command: it collects the colours for you to name",
    )  # fmt: skip


def collect_palette(folders: Folders) -> Palette:
    """Collect the colours of all coloured masks: a known palette if all are its, else ids in order of the colours.

    Raises
    ------
    InputError
        No coloured mask, or more colours than classes can have.
    """
    codes: set[int] = set()
    for split in ("train", "val"):
        for pair in list_pairs(folders, split).pairs:
            try:
                pixels = pixels_of(pair.label)
            except InputError:
                continue  # reported by the check
            if is_coloured(pixels):
                codes |= set(map(int, np.unique(codes_of(pixels.astype(np.uint8)))))
    if not codes:
        raise InputError(f"no mask in {folders.data} is coloured: there is no palette to write")
    colours = [from_code(c) for c in codes]
    return recognise(colours) or collect(colours)


# ---- classes ----


def _of_classes(
    splits: dict[str, SplitSummary], options: dict[str, Any], preset_name: str
) -> Iterator[Finding]:
    train, val = splits["train"].shares, splits["val"].shares
    absent = [i for i in range(options["label_nc"]) if i not in train]
    if absent and train and len(absent) <= options["label_nc"] // 2:
        yield Finding(
            "warning", "absent class", "train", f"the class(es) {_some(absent)} never occur",
            "the model cannot learn them; fine if no map will ask for them",
        )  # fmt: skip
    elif absent and train:
        yield Finding(
            "note", "absent class", "train", f"{len(absent)} of {options['label_nc']} classes never occur",
            "fine for a sample of a larger data set",
        )  # fmt: skip
    rare = [i for i, share in train.items() if share < RARE]
    if rare:
        yield Finding(
            "note", "rare class", "train", f"the class(es) {_some(rare)} cover less than {RARE:.2%} of the pixels each",
            "expect little of them, or merge them with others",
        )  # fmt: skip
    new = [i for i in val if train and i not in train and i != DONTCARE]
    if new:
        yield Finding(
            "warning",
            "only in val",
            "val",
            f"the class(es) {_some(new)} occur only in val",
            "add training pairs",
        )
    if splits["val"].held_out:
        yield Finding(
            "note", "no val part", "val", f"{splits['val'].pairs} training pairs are held out for validation",
            "make val_img and val_label to choose them yourself",
        )  # fmt: skip
    if splits["train"].pairs and splits["train"].pairs < 100:
        yield Finding(
            "note", "few pairs", "train", f"{splits['train'].pairs} training pairs are few",
            "the model will repeat them; a thousand is a better start",
        )  # fmt: skip


def _some(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:12])) + (f" and {len(ids) - 12} more" if len(ids) > 12 else "")
