# SPDX-License-Identifier: Apache-2.0
"""Names and colours of a model's classes as a file, for weights that travel without them.

``classes.json`` is ``{"classes": [{"id": 0, "name": "sky", "color": [120, 180, 240]}, ...]}`` with every class once, in
any order; ``name`` or ``color`` may be missing, for all classes or for none. It is a palette file too (see
:mod:`spade_image.palette`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spade_image.exceptions import InputError

__all__ = ["classes_text", "read_classes"]


def classes_text(names: Sequence[str], palette: Sequence[Sequence[int]] | None) -> str:
    """Return the file's text; empty where there is nothing to say."""
    colours = palette or ()
    rows: list[dict[str, Any]] = []
    for i in range(max(len(names), len(colours))):
        row: dict[str, Any] = {"id": i}
        if i < len(names):
            row["name"] = names[i]
        if i < len(colours):
            row["color"] = [int(c) for c in colours[i]]
        rows.append(row)
    return json.dumps({"classes": rows}, indent=1, ensure_ascii=False) + "\n" if rows else ""


def read_classes(path: str | Path, label_nc: int) -> tuple[tuple[str, ...], list[list[int]] | None]:
    """Read names (may be empty) and colours (may be None) of ``label_nc`` classes.

    Raises
    ------
    InputError
        The file is missing, of another form, or of another number of classes.
    """
    path = Path(path)
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["classes"]
        by_id = {int(row["id"]): row for row in rows}
        names = [str(by_id[i]["name"]) for i in sorted(by_id) if "name" in by_id[i]]
        colours = [[int(c) for c in by_id[i]["color"]] for i in sorted(by_id) if "color" in by_id[i]]
    except OSError as error:
        raise InputError(f"classes={str(path)!r} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"classes={str(path)!r} is not of the form "
            f'{{"classes": [{{"id": 0, "name": "sky", "color": [r, g, b]}}]}}: {error}'
        ) from error
    if sorted(by_id) != list(range(label_nc)):
        raise InputError(
            f"{path} names {len(by_id)} classes, but the weights are read as label_nc={label_nc}: it must have the ids "
            f"0..{label_nc - 1}; state label_nc, contain_dontcare_label, no_instance in the options if they are wrong"
        )
    for what, found in (("name", names), ("color", colours)):
        if found and len(found) < label_nc:
            raise InputError(
                f"{path}: {len(found)} of {label_nc} classes have a {what}: give it to all, or to none"
            )
    if any(len(c) != 3 or not all(0 <= v <= 255 for v in c) for c in colours):
        raise InputError(f"{path}: a colour must be three numbers 0..255")
    return tuple(names), colours or None
