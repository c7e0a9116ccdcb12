# SPDX-License-Identifier: Apache-2.0
"""Train once: finished trainings by what they depend on, unfinished ones so that they can go on.

The key is the SHA-256 of the method's name and settings, the training returns, the labels, the seed and the
statements of the code (comments, docstrings and layout aside). An entry is a model folder of
:mod:`spade_core.checkpoint`: safetensors and JSON, written whole or not at all, verified when read, never
unpickled. It lies in ``models`` of the data cache (``$SPADE_CACHE``, else the platform's); delete the folder to
train afresh.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spade_finance.exceptions import SpadeWarning

FOLDER = "models"
STATE_FILE = "state.safetensors"


class CacheWarning(SpadeWarning):
    """A cached training is damaged, or a finished one could not be kept."""


class Entry:
    """The place of one training.

    Parameters
    ----------
    name : str
        Of the baseline; begins the folder's name, for people.
    identity : mapping
        Everything the result depends on, as JSON values; see :func:`identity_of`.
    cache_dir : path, optional
        Default: ``$SPADE_CACHE``, else the platform's cache folder.
    """

    def __init__(
        self, name: str, identity: Mapping[str, Any], cache_dir: str | os.PathLike[str] | None = None
    ) -> None:
        from spade_finance.data.download import default_cache

        folder = (default_cache() if cache_dir is None else Path(cache_dir)) / FOLDER
        text = json.dumps(identity, sort_keys=True)
        self.identity: dict[str, Any] = json.loads(text)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:24]
        self.path = folder / f"{name}-{self.key}"
        self.unfinished = folder / f".{name}-{self.key}.training"
        self.name = name

    @property
    def state_path(self) -> Path:
        """Where the trainer keeps the state of an unfinished training."""
        return self.unfinished / STATE_FILE

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Tensors and facts of a finished training; None where there is none, or (with a warning) a bad one."""
        from spade_core.checkpoint import CheckpointError, load_model

        if not self.path.exists():
            return None
        try:
            stored = load_model(self.path)
            if stored.config.get("identity") != self.identity:
                raise CheckpointError(f"{self.path} belongs to another training")
        except CheckpointError as error:
            self.say_damaged(error)
            return None
        return stored.tensors, stored.config["facts"]

    def say_damaged(self, error: Exception) -> None:
        """Warn that what was kept cannot be used."""
        warnings.warn(f"{self.name}: {error}; training again", CacheWarning, stacklevel=2)

    def store(self, tensors: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Keep a finished training; a warning where the place cannot be written."""
        from spade_core.checkpoint import save_model

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not self.path.is_dir():
                self.path.unlink()
            save_model(self.path, tensors, {"identity": self.identity, "facts": dict(facts)})
        except OSError as error:
            if not self.path.is_dir():  # another process may have finished the same training first
                self.say_not_kept(error)
        self.forget_state()

    def say_not_kept(self, error: Exception) -> None:
        """Warn that the training will be needed again."""
        warnings.warn(
            f"{self.name}: the trained model could not be kept in {self.path.parent} ({error}); set SPADE_CACHE "
            "to a folder that can be written",
            CacheWarning,
            stacklevel=2,
        )

    def forget_state(self) -> None:
        """Remove the state of the unfinished training."""
        shutil.rmtree(self.unfinished, ignore_errors=True)


def identity_of(
    name: str,
    settings: Mapping[str, Any],
    seed: int,
    log_returns: NDArray[np.float64],
    labels: Sequence[NDArray[Any]],
    names: Sequence[Sequence[str]],
    packages: Sequence[str],
) -> dict[str, Any]:
    """What a training depends on.

    Parameters
    ----------
    labels : sequence of integer arrays
        Codes of the days, and of the sectors' days where they have labels of their own.
    names : sequence of sequences of str
        Regimes, sectors.
    packages : sequence of str
        Dotted names of the modules and packages whose code makes the result.
    """
    codes = hashlib.sha256(json.dumps([list(n) for n in names]).encode())
    for array in labels:
        codes.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())
    return {
        "name": name,
        "settings": json.loads(json.dumps(dict(settings))),
        "seed": seed,
        "returns": hashlib.sha256(np.ascontiguousarray(log_returns, dtype=np.float64).tobytes()).hexdigest(),
        "labels": codes.hexdigest(),
        "code": code_version(tuple(packages)),
    }


@cache
def code_version(packages: tuple[str, ...]) -> str:
    """SHA-256 of the statements of modules and packages: what they do, not how they are described."""
    digest = hashlib.sha256()
    for name in packages:
        for path in _files(name):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                body = getattr(node, "body", None)
                if isinstance(body, list):
                    node.body = [s for s in body if not _is_text(s)]  # type: ignore[attr-defined]
            digest.update(f"{name}/{path.name}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()


def _files(name: str) -> list[Path]:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ValueError(f"packages names {name!r}, which is no module with a source file")
    origin = Path(found.origin)
    return sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
