# SPDX-License-Identifier: Apache-2.0
"""``spade-image check``: read every file and say what stands in training's way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from spade_image.cli.options import (
    Data,
    ImageDir,
    InstanceDir,
    Json,
    LabelDir,
    LayoutName,
    PaletteFile,
    Shift,
    folders,
)

if TYPE_CHECKING:
    from spade_image.check import CheckReport

EXAMPLE = """\
Examples:
  spade-image check --data my-data
  spade-image check --data my-data --write-palette
  spade-image check --image-dir photos --label-dir masks --palette colours.txt"""

MOST_FINDINGS = 30


def check(
    *,
    data: Data = None,
    layout: LayoutName = "auto",
    image_dir: ImageDir = None,
    label_dir: LabelDir = None,
    instance_dir: InstanceDir = None,
    preset: Annotated[
        Literal["auto", "tiny", "camvid", "cityscapes", "coco", "ade20k", "facades"],
        Parameter(
            help="Judge the ids by a preset's classes; auto by dataset.json, the palette, or what is there."
        ),
    ] = "auto",
    label_nc: Annotated[int | None, Parameter(help="Number of classes, without dontcare.")] = None,
    dontcare: Annotated[bool | None, Parameter(help="Whether pixels of id 255 are allowed.")] = None,
    instance: Annotated[
        bool | None, Parameter(help="Whether the networks are to read edges between instances.")
    ] = None,
    palette: PaletteFile = None,
    label_shift: Shift = None,
    write_palette: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Write palette.json with the masks' colours to --data first.",
        ),
    ] = False,
    json: Json = False,
) -> int:
    """Read every photo and map, and report what is wrong with the fix for it.

    Unmatched files, two sizes in a pair, truncated pictures, ids without class,
    colours without palette; and each class's share of the pixels. The exit
    code is 2 if training could not begin.
    """
    from spade_image.check import check_data
    from spade_image.cli.console import note, print_json, progress, say

    where = folders(data, layout, image_dir, label_dir, instance_dir)
    if write_palette:
        from spade_core.checkpoint import write_atomic
        from spade_image.check import collect_palette
        from spade_image.exceptions import InputError

        target = where.data / "palette.json"
        if target.exists():
            raise InputError(f"{target} exists already: edit it, or remove it first")
        found = collect_palette(where)
        write_atomic(target, found.to_json().encode())
        note(
            f"written: {target} ({len(found.ids)} colours, {found.source}); name the classes, and check the ids, in it"
        )
    with progress(1, "reading") as (bar, task):
        report = check_data(
            where,
            preset_name=preset,
            label_nc=label_nc,
            dontcare=dontcare,
            instance=instance,
            palette=palette,
            label_shift=label_shift,
            on_file=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if json:
        print_json(report.to_dict())
    else:
        _print(report)
    errors = sum(f.level == "error" for f in report.findings)
    if report.ok:
        if not json:
            say("training can begin")
        return 0
    note(f"error: {errors} finding(s) keep training from beginning: see the fix of each")
    return 2


def _print(report: CheckReport) -> None:
    from spade_image.cli.console import print_pairs, print_table, say

    pairs = {}
    for name, split in report.splits.items():
        sizes = ", ".join(f"{size} ({n})" for size, n in list(split.sizes.items())[:3])
        more = f" and {len(split.sizes) - 3} more sizes" if len(split.sizes) > 3 else ""
        held = ", held out of train" if split.held_out and name == "val" else ""
        pairs[name] = f"{split.pairs:,} pairs{held}, {split.instances:,} instance maps; {sizes}{more}"
    o = report.options
    pairs["classes"] = f"{o['label_nc']}{' and dontcare (255)' if o['contain_dontcare_label'] else ''}"
    if report.palette:
        pairs["colours"] = f"read by {report.palette}"
    print_pairs(pairs, title=f"{report.data} (layout {report.layout})")
    ids = sorted({i for split in report.splits.values() for i in split.shares})
    if ids:
        rows = []
        for i in ids:
            name = "dontcare" if i == 255 and i >= o["label_nc"] else report.names.get(i, "")
            rows.append([i, name, *(f"{100 * s.shares.get(i, 0.0):.2f}" for s in report.splits.values())])
        say()
        print_table(
            ["id", "name", *(f"{s} %" for s in report.splits)],
            rows,
            title="Share of the pixels",
            text=("name",),
        )
    if report.findings:
        shown = report.findings[:MOST_FINDINGS]
        hidden = len(report.findings) - len(shown)
        say()
        print_table(
            ["level", "kind", "where", "what", "fix"],
            [[f.level, f.kind, f.where, f.detail, f.fix] for f in shown],
            title=f"{len(report.findings)} finding(s)",
            caption=f"{hidden} more: --json lists all" if hidden else "",
            text=("level", "kind", "where", "what", "fix"),
        )
    say()
