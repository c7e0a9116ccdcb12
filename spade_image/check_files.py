# SPDX-License-Identifier: Apache-2.0
"""One pair of files read and judged: damaged, of two sizes, with ids that no class stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spade_image.exceptions import InputError
from spade_image.labels import ColouredMask, LabelShift, read_ids, read_instances, read_photo
from spade_image.layouts import Pair
from spade_image.palette import Palette
from spade_image.preprocess import DONTCARE

__all__ = ["Finding", "Seen", "read_all"]

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
class Seen:
    """What one pair holds: photo size, pixels by id, what is wrong, whether it needs a palette."""

    pair: Pair
    size: tuple[int, int] | None = None
    counts: Counter[int] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    coloured: bool = False


def read_all(
    pairs: list[Pair],
    palette: Palette | None,
    shift: LabelShift,
    label_nc: int | None,
    dontcare: bool | None,
    workers: int,
) -> Iterator[Seen]:
    """Read pairs in several threads, and yield what was seen, in order.

    Parameters
    ----------
    pairs : list of Pair
    palette : Palette, optional
    shift : "none" or "ade20k"
    label_nc, dontcare : optional
        By which ids are judged; None allows all.
    workers : int
    """
    with ThreadPoolExecutor(max(1, workers)) as pool:
        yield from pool.map(lambda pair: _read(pair, palette, shift, label_nc, dontcare), pairs)


def _read(
    pair: Pair, palette: Palette | None, shift: LabelShift, label_nc: int | None, dontcare: bool | None
) -> Seen:
    seen = Seen(pair)

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
    seen: Seen, error: Callable[[str, Path, str], None], label_nc: int | None, dontcare: bool | None
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
