# SPDX-License-Identifier: Apache-2.0
"""``spade-image evaluate``: how good the pictures are, beside the real ones, flat colours and an untrained network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from spade_image.cli.options import (
    Data,
    ImageDir,
    InstanceDir,
    LabelDir,
    LayoutName,
    PaletteFile,
    Shift,
    folders,
)

EXAMPLE = """\
Examples:
  spade-image evaluate --model my-model --data camvid
  spade-image evaluate --model spade=my-model --model unet=other-model \\
      --data camvid --split test --json scores.json"""

_DATA = Group("Data", sort_key=1)
_JUDGES = Group("Judges", sort_key=2)

EACH_END = 10
"""Classes printed of the best, and as many of the worst."""


def evaluate(
    *,
    model: Annotated[
        list[str],
        Parameter(
            metavar="[NAME=]MODEL", negative="", help="A model folder; several are compared in one table."
        ),
    ],
    data: Annotated[Data, Parameter(group=_DATA)] = None,
    split: Annotated[str, Parameter(group=_DATA, help="Which pairs to score on: val, test, ...")] = "val",
    json: Annotated[
        Path | None,
        Parameter(negative="", metavar="FILE", help="Write all numbers as JSON; '-' prints them."),
    ] = None,
    markdown: Annotated[
        Path | None, Parameter(negative="", metavar="FILE", help="Write the tables as Markdown.")
    ] = None,
    segmenter: Annotated[
        str,
        Parameter(
            group=_JUDGES,
            metavar="FILE",
            help="Who reads the classes off the pictures: a .safetensors file that evaluate has written, or 'train': a "
            "small network learns it from the real training pairs (minutes; kept for the next time).",
        ),
    ] = "train",
    segmenter_samples: Annotated[
        int | None,
        Parameter(group=_JUDGES, help="Training pictures that it sees, with repetition.", metavar="N"),
    ] = None,
    inception: Annotated[
        Path | None,
        Parameter(
            group=_JUDGES,
            metavar="FILE",
            negative="",
            help="Inception's weights for FID and KID. Default: torch's cache; else the segmenter's features.",
        ),
    ] = None,
    no_inception: Annotated[
        bool,
        Parameter(
            group=_JUDGES, negative="", show_default=False, help="The segmenter's features in any case."
        ),
    ] = False,
    cache: Annotated[
        Path | None,
        Parameter(group=_JUDGES, metavar="DIR", negative="", help="Where trained segmenters are kept."),
    ] = None,
    edits: Annotated[
        int, Parameter(metavar="N", help="Regions repainted for spatial control; 0 for none.")
    ] = 48,
    limit: Annotated[
        int | None, Parameter(group=_DATA, metavar="N", negative="", help="Score so many pairs only.")
    ] = None,
    layout: Annotated[LayoutName, Parameter(group=_DATA)] = "auto",
    image_dir: Annotated[ImageDir, Parameter(group=_DATA)] = None,
    label_dir: Annotated[LabelDir, Parameter(group=_DATA)] = None,
    instance_dir: Annotated[InstanceDir, Parameter(group=_DATA)] = None,
    palette: Annotated[PaletteFile, Parameter(group=_DATA)] = None,
    label_shift: Annotated[Shift, Parameter(group=_DATA)] = None,
    skip_unmatched: Annotated[
        bool, Parameter(group=_DATA, negative="", show_default=False, help="Leave out files without partner.")
    ] = False,
    all_classes: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Print the IoU of every class, not of the best and worst ten.",
        ),
    ] = False,
    batch_size: Annotated[int, Parameter(help="Pictures at a time.")] = 8,
    seed: Annotated[int, Parameter(metavar="N", help="Seed, 0 or more.")] = 0,
) -> int:
    """Score a model's pictures on pairs that it was not trained on.

    FID and KID (lower is better), mIoU and pixel accuracy of what a
    segmentation network sees in them (as a share of what it sees in the real
    photos), and spatial control: one region of the map repainted, how much
    changes inside and outside.
    """
    from spade_image.cli.console import note, print_json, progress
    from spade_image.embedded import load_model
    from spade_image.evaluate import EvaluationConfig
    from spade_image.evaluate import evaluate as score
    from spade_image.exceptions import InputError
    from spade_image.segmenter import SegmenterConfig

    at_least = (("batch-size", batch_size, 1), ("edits", edits, 0), ("seed", seed, 0), ("limit", limit, 2))
    for name, value, least in at_least:
        if value is not None and value < least:
            raise InputError(f"--{name} {value} must be at least {least}")
    if inception is not None and no_inception:
        raise InputError("--inception contradicts --no-inception: give one or the other")
    models = {name: load_model(folder) for name, folder in named(model).items()}
    judge = SegmenterConfig(seed=seed)
    if segmenter_samples is not None:
        judge = SegmenterConfig(seed=seed, samples=segmenter_samples)
    config = EvaluationConfig(
        folders(data, layout, image_dir, label_dir, instance_dir),
        split=split,
        segmenter="train" if segmenter == "train" else Path(segmenter),
        segmenter_config=judge,
        extractor="segmenter" if no_inception else (inception or "auto"),
        cache=cache, palette=palette, label_shift=label_shift, skip_unmatched=skip_unmatched, limit=limit, edits=edits,
        batch_size=batch_size, seed=seed,
    )  # fmt: skip
    with progress(1, "reading") as (bar, task):
        listener = _Listener(bar, task)
        result = score(models, config, say=note, on_progress=listener)
    if json is not None and str(json) == "-":
        print_json(result.to_dict())
    else:
        _print(result, all_classes)
        if json is not None:
            result.to_json(json)
            note(f"written: {json}")
    if markdown is not None:
        from spade_core.checkpoint import write_atomic

        markdown.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(markdown, result.to_markdown().encode())
        note(f"written: {markdown}")
    return 0


def named(models: list[str]) -> dict[str, Path]:
    """Read ``name=folder`` or ``folder`` (named after its last part, or "model" where it is alone)."""
    from spade_image.exceptions import InputError

    out: dict[str, Path] = {}
    for text in models:
        name, equals, folder = text.partition("=")
        if not equals:
            folder, name = text, "model" if len(models) == 1 else Path(text).name
        if not name or not folder or name in out:
            raise InputError(f"--model {text}: give every model a name of its own, as NAME=FOLDER")
        out[name] = Path(folder)
    return out


class _Listener:
    """Turn progress into a bar, or into a few lines where stderr is no terminal."""

    def __init__(self, bar: Any, task: Any) -> None:
        self.bar, self.task, self.said = bar, task, ""

    def __call__(self, what: str, done: int, total: int) -> None:
        from spade_image.cli.console import note

        self.bar.update(self.task, description=what, completed=done, total=total)
        name = what.partition(" (")[0]
        if self.bar.disable and name != self.said:
            self.said = name
            note(name)


def _print(result: Any, all_classes: bool) -> None:
    from spade_image.cli.console import print_table, say

    table = result.table
    rows = [[name, *map(float, row)] for name, row in table.iterrows()]
    caption = "\n".join(f"{numbers}: {who}" for numbers, who in result.evaluators.items())
    p = result.provenance
    title = f"{p['pairs']} pairs of {p['data']} ({p['split']}), {p['size'][1]}x{p['size'][0]} pixels"
    print_table(["", *table.columns], rows, title=title, caption=caption, text=("",))
    say()
    by_class = result.by_class
    title, caption = "IoU by class, percent", ""
    if not all_classes:
        by_class, caption = shortened(by_class, next(c.name for c in result.columns if c.model))
        title += "" if not caption else f": the best {EACH_END} and the worst {EACH_END}"
    rows = [[name, *map(float, row)] for name, row in by_class.iterrows()]
    print_table(["class", *by_class.columns], rows, title=title, caption=caption, text=("class",))


def shortened(by_class: Any, model: str) -> tuple[Any, str]:
    """Return the classes that a model draws best and worst, best first, and what is left out.

    A table of a few classes comes back whole, with nothing to say.
    """
    import pandas as pd

    if len(by_class) <= 2 * EACH_END:
        return by_class, ""
    there = by_class[by_class[model].notna()].sort_values(model, ascending=False, kind="stable")
    absent = len(by_class) - len(there)
    parts = [f"{absent} classes are neither in these maps nor seen in the pictures"] if absent else []
    if len(there) > 2 * EACH_END:
        parts.insert(0, f"{len(there) - 2 * EACH_END} classes between them are left out")
        there = pd.concat([there.head(EACH_END), there.tail(EACH_END)])
    return there, "; ".join([*parts, f"order by {model}; --all-classes or --json has all"])
