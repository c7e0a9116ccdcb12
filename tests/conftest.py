# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # the processes share the cores already; set before torch is loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _numerical_warnings_of_our_own_are_errors() -> Iterator[None]:
    """Pytest's ini filter matches a whole module name; ours must match every module below the packages."""
    with warnings.catch_warnings():
        for category in (RuntimeWarning, FutureWarning, DeprecationWarning):
            warnings.filterwarnings("error", category=category, module=r"spade_(core|finance|image)")
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared reference data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SPADE_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared reference folder at {folder} (set SPADE_SHARED)")
    return folder
