# SPDX-License-Identifier: Apache-2.0
"""The choices that several pages share. A page's own stand in its file."""

from __future__ import annotations

from .kinds import Choice, flag, one_of, text, whole

__all__ = [
    "EXAMPLE",
    "EXTRAPOLATE",
    "MODEL",
    "PATHS",
    "SCRIPT",
    "SEED",
    "START_VOL",
    "START_VOLS",
    "start_level",
]

EXAMPLE = "bull:60,crisis:20,bear:40"
"""Where a new reader starts."""

MODEL: Choice[str] = text("model", "default", most=120)
SCRIPT: Choice[str] = text("script", EXAMPLE)
SEED: Choice[int] = whole("seed", 7, 0, 2**31 - 1)
PATHS: Choice[int] = whole("paths", 500, 50, 5000)
START_VOLS = {
    "long-run": "Long-run level",
    "last": "Where history ended",
    "0.7": "Calm (0.7 of the long run)",
    "1.5": "Nervous (1.5 times)",
    "2": "Very nervous (2 times)",
}
START_VOL: Choice[str] = one_of("start_vol", "long-run", tuple(START_VOLS))
EXTRAPOLATE: Choice[bool] = flag("extrapolate")


def start_level(said: str) -> str | float:
    """:data:`START_VOL` as ``sample`` takes it."""
    return said if said in ("long-run", "last") else float(said)
