# SPDX-License-Identifier: Apache-2.0
"""Read every file of a data folder and say what stands in training's way, with the fix for each.

An *error* keeps training from beginning; a *warning* is worth a look; a *note* is information.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spade_image.data import palette_for
from spade_image.exceptions import InputError
from spade_image.labels import ColouredMask, LabelShift, is_coloured, read_ids, read_instances, read_photo
from spade_image.labels import pixels_of_label as pixels_of
from spade_image.layouts import Folders, Listing, Pair, list_pairs
from spade_image.palette import Palette, codes_of, collect, from_code, recognise
from spade_image.preprocess import DONTCARE
from spade_image.presets import described, preset

__all__ = ["CheckReport", "Finding", "SplitSummary", "check_data", "collect_palette"]

RARE = 0.0005
_LOSSY = frozenset({".jpg", ".jpeg", ".webp"})


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    level: Literal["error", "warning", "note"]
    kind: str
    where: str
    detail: str
    fix: str


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


@dataclass
class _Seen:
    pair: Pair
    size: tuple[int, int] | None = None
    counts: Counter[int] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    coloured: bool = False


def check_data(
    folders: Folders,
    *,
    preset_name: str | None = None,
    label_nc: int | None = None,
    dontcare: bool | None = None,
    palette: Path | None = None,
    label_shift: LabelShift | None = None,
    on_file: Callable[[int, int], None] = lambda done, total: None,
    workers: int = 2,
) -> CheckReport:
    """Check a folder of pairs.

    Parameters
    ----------
    folders : Folders
    preset_name : str, optional
        Judge ids by a preset's classes; otherwise by ``label_nc``, or dataset.json, or a palette.
    label_nc, dontcare : optional
        Classes and whether 255 is allowed, over the preset's.
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
    chosen = preset(preset_name or "auto")
    shift = label_shift or chosen.label_shift
    listings = {split: list_pairs(folders, split) for split in ("train", "val")}
    first = listings["train"]
    colours = palette_for(folders, first.pairs, palette)
    stated: dict[str, Any] = {k: v for k, v in described(folders).items() if k in ("label_nc", "dontcare")}
    allowed = label_nc or chosen.options.get("label_nc") or stated.get("label_nc")
    if allowed is None and colours is not None:
        allowed = colours.label_nc
    if dontcare is None:
        dontcare = chosen.options.get("contain_dontcare_label", None if allowed is None else False)
        if "label_nc" not in chosen.options and (
            stated.get("dontcare") is not None or (colours and DONTCARE in colours.ids.values())
        ):
            dontcare = True

    findings = [
        f for lst in ([first] if listings["val"].held_out else listings.values()) for f in _of_listing(lst)
    ]
    total = sum(len(lst.pairs) for lst in listings.values())
    done = 0
    splits: dict[str, SplitSummary] = {}
    every: Counter[int] = Counter()
    coloured: list[Pair] = []
    for split, listing in listings.items():
        counts: Counter[int] = Counter()
        sizes: Counter[str] = Counter()
        for seen in _read_all(listing.pairs, colours, shift, allowed, dontcare, workers):
            done += 1
            on_file(done, total)
            findings += seen.findings
            counts.update(seen.counts)
            if seen.coloured:
                coloured.append(seen.pair)
            if seen.size is not None:
                sizes[f"{seen.size[0]}x{seen.size[1]}"] += 1
        every.update(counts)
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
    found_nc = 1 + max((i for i in every if i != DONTCARE), default=-1)
    options = {
        "label_nc": allowed or max(1, found_nc),
        "contain_dontcare_label": bool(every[DONTCARE]) if dontcare is None else dontcare,
        "no_instance": bool(
            chosen.options.get("no_instance", not all(p.instance is not None for p in first.pairs))
        ),
    }
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
    if listing.without_instance:
        pair = listing.without_instance[0]
        yield Finding(
            "error", "instances", str(pair.image),
            f"{len(listing.without_instance)} of {len(listing.pairs)} pairs have no instance map",
            "add the maps, or remove them all (or train with --no-instance)",
        )  # fmt: skip


# ---- each file ----


def _read_all(
    pairs: list[Pair],
    palette: Palette | None,
    shift: LabelShift,
    label_nc: int | None,
    dontcare: bool | None,
    workers: int,
) -> Iterator[_Seen]:
    with ThreadPoolExecutor(max(1, workers)) as pool:
        yield from pool.map(lambda pair: _read(pair, palette, shift, label_nc, dontcare), pairs)


def _read(
    pair: Pair, palette: Palette | None, shift: LabelShift, label_nc: int | None, dontcare: bool | None
) -> _Seen:
    seen = _Seen(pair)

    def error(kind: str, path: Path, text: str) -> None:
        detail, _, fix = text.partition(": ")
        seen.findings.append(Finding("error", kind, str(path), detail, fix))

    def attempt(path: Path, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except ColouredMask:
            seen.coloured = True
        except InputError as problem:
            error("unreadable", path, str(problem).removeprefix(f"{path} ").removeprefix(f"{path}: "))
        return None

    photo = attempt(pair.image, lambda: read_photo(pair.image).size)
    seen.size = photo
    ids = attempt(pair.label, lambda: read_ids(pair.label, palette, shift))
    instances = None
    if pair.instance is not None:
        instances = attempt(pair.instance, lambda: read_instances(pair.instance))  # type: ignore[arg-type]
    for what, path, array in (("label", pair.label, ids), ("instance", pair.instance, instances)):
        if array is not None and photo is not None and array.shape[::-1] != photo:
            error(
                "size", path or pair.label,
                f"the photo has {photo[0]}x{photo[1]} pixels, its {what} map "
                f"{array.shape[1]}x{array.shape[0]}: resize the "
                "map by nearest neighbour (or the photo), or remove the pair",
            )  # fmt: skip
    if pair.label.suffix.lower() in _LOSSY:
        error("lossy label", pair.label, "labels saved as JPEG or WebP lose their ids: export them as PNG")
    if ids is not None:
        values, counts = np.unique(ids, return_counts=True)
        seen.counts.update(dict(zip(map(int, values), map(int, counts), strict=True)))
        _judge_ids(seen, error, label_nc, dontcare)
    return seen


def _judge_ids(
    seen: _Seen, error: Callable[[str, Path, str], None], label_nc: int | None, dontcare: bool | None
) -> None:
    most = label_nc if label_nc is not None else 2**16
    pixels = sum(seen.counts.values())
    unknown = [i for i in seen.counts if not 0 <= i < most and i != DONTCARE]
    if unknown:
        share = sum(seen.counts[i] for i in unknown) / pixels
        shown = ", ".join(map(str, sorted(unknown)[:6])) + (", ..." if len(unknown) > 6 else "")
        error(
            "unknown ids", seen.pair.label,
            f"the id(s) {shown} in {share:.1%} of the pixels, but there are {most} classes "
            f"(0..{most - 1}): give --label-nc "
            f"{max(unknown) + 1}, or correct the map",
        )  # fmt: skip
    if seen.counts.get(DONTCARE) and dontcare is False and most <= DONTCARE:
        error(
            "unknown ids", seen.pair.label,
            f"255 (dontcare) in {seen.counts[DONTCARE] / pixels:.1%} of the pixels, which has no channel: "
            "give --dontcare, or "
            "give these pixels a class",
        )  # fmt: skip


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
