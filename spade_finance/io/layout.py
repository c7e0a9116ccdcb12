# SPDX-License-Identifier: Apache-2.0
"""What every scenario file says, whatever its format: columns, header, metadata.

Long formats (``.parquet``, ``.csv``, ``.csv.gz``) hold one row a path and day: ``path`` (int32), ``step``
(int32, from 0), ``date`` (only where the scenarios have dates), ``regime`` and one column a sector with
decimal simple returns (float32). Cube formats (``.nc``, ``.zarr``) hold ``simple_return (path, time, asset)``
and ``regime``, an integer with CF ``flag_values`` and ``flag_meanings``, over ``(time,)`` when all paths
share it, else over ``(path, time)``.

The metadata is one JSON object: in Parquet the file's ``spade`` key, in the cube formats the attribute
``spade``, for CSV the file ``NAME.meta.json`` beside it (a comment line in the CSV would stop other programs
from reading it). That file names the size of its CSV: one left behind by an older CSV is not believed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from spade_finance.exceptions import InputError

SCHEMA = 1
RESERVED = ("path", "step", "date", "regime")
"""Column names of a long file that are not sectors."""
FORMATS = (".parquet", ".csv", ".csv.gz", ".nc", ".zarr")

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]
Paths = npt.NDArray[np.int32]

__all__ = ["FORMATS", "RESERVED", "Block", "Header", "decode", "encode", "file_format"]


@dataclass(frozen=True)
class Header:
    """What all paths of a file share: S sectors, K regimes (calm to worst), T days, perhaps dates."""

    sectors: tuple[str, ...]
    regimes: tuple[str, ...]
    n_days: int
    dates: pd.DatetimeIndex | None
    per_path: bool
    """Whether every path has its own timeline."""

    def mismatch(self, other: Header) -> str | None:
        """Say in words how `other` differs, or None."""
        for name, unit in (("sectors", ""), ("regimes", ""), ("n_days", " days"), ("per_path", "")):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                return f"{name} {theirs}{unit} instead of {mine}{unit}"
        if (self.dates is None) != (other.dates is None):
            return "dates on one side only"
        if self.dates is not None and not self.dates.equals(other.dates):
            return "other dates"
        return None


@dataclass(frozen=True)
class Block:
    """Some paths in a row: simple returns (m, T, S), regime codes (T,) or (m, T), path numbers (m,)."""

    simple: Floats
    codes: Codes
    paths: Paths


def file_format(path: Path) -> str:
    """Return the format of `path` by its suffix, one of :data:`FORMATS`; InputError naming them otherwise."""
    name = path.name.lower()
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(suffix) and len(name) > len(suffix):
            return suffix
    raise InputError(f"scenario file {path} has no known format: end its name in one of {', '.join(FORMATS)}")


def encode(header: Header, provenance: dict[str, Any], n_paths: int) -> str:
    """Return the metadata as one line of JSON."""
    return json.dumps(
        {
            "format": "spade-scenarios",
            "schema": SCHEMA,
            "return_kind": "simple",
            "n_paths": n_paths,
            "n_days": header.n_days,
            "sectors": list(header.sectors),
            "regimes": list(header.regimes),
            "regime_per_path": header.per_path,
            "provenance": provenance,
        },
        allow_nan=False,
        ensure_ascii=False,
    )


def decode(text: str | bytes, source: Path) -> dict[str, Any]:
    """Parse metadata written by :func:`encode`; InputError if it is damaged or of a newer schema."""
    try:
        found = json.loads(text)
        schema = int(found["schema"])
        names = [*found["regimes"], *found["sectors"]]
        sound = isinstance(found["provenance"], dict) and all(isinstance(name, str) for name in names)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{source}: its spade metadata is damaged ({error}); remove it or write the file anew"
        ) from error
    if schema > SCHEMA:
        raise InputError(
            f"{source} was written by a newer version (schema {schema}, this one knows {SCHEMA}): upgrade"
        )
    if not sound:
        raise InputError(f"{source}: its spade metadata is damaged; remove it or write the file anew")
    if found.get("return_kind") != "simple":
        raise InputError(
            f"{source} says it holds {found.get('return_kind')} returns: scenario files hold simple ones"
        )
    return dict(found)
