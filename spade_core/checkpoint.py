# SPDX-License-Identifier: Apache-2.0
"""Model folders and training states: safetensors and JSON, written whole or not at all, verified when read.

A model folder holds ``model.safetensors``, ``config.json`` and ``card.md``. The config's ``content_hash``
is the SHA-256 of the weights' bytes and of the config's own text (with the hash blanked), so any changed
byte in either file is found. A training state is one safetensors file that carries its own hash. Nothing is
pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from spade_core.tree import pack, unpack

__all__ = [
    "CheckpointError",
    "ModelFolder",
    "load_model",
    "load_state",
    "save_model",
    "save_state",
    "write_atomic",
]

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "card.md"
_BLANK = "-" * 64  # stands where a hash will stand


class CheckpointError(ValueError):
    """A model folder or training state is missing, damaged, or of another model."""


@dataclass(frozen=True)
class ModelFolder:
    """What a model folder holds: tensors by name, the config, the hash of both, and the card's text."""

    tensors: dict[str, Tensor] = field(repr=False)
    config: dict[str, Any] = field(repr=False)
    content_hash: str
    card: str = field(default="", repr=False)


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write a file under a temporary name beside it, flush to disk, then rename: whole or not at all."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_model(
    folder: str | Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any], card: str | None = None
) -> str:
    """Write a model folder and return its content hash.

    A new folder appears complete, by one rename. In an existing one (whose other files, such as ``state/``,
    stay) each file is replaced whole; a power cut between two of them leaves a folder that
    :func:`load_model` refuses.

    Parameters
    ----------
    folder : path
    tensors : mapping of Tensor
        For example a state dict.
    config : mapping
        JSON values only (no NaN).
    card : str, optional
        Markdown; an existing card stays when absent.

    Raises
    ------
    ValueError
        The config holds something that JSON cannot.
    OSError
        The place cannot be written.
    """
    folder = Path(folder)
    weights = safetensors.torch.save(
        {k: v.detach().to("cpu", copy=True).contiguous() for k, v in tensors.items()}
    )
    try:
        body = {"content_hash": _BLANK, **{k: v for k, v in config.items() if k != "content_hash"}}
        text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(f"config cannot be written as JSON: {error}") from error
    content_hash = _content_hash(weights, text.encode())
    files = {WEIGHTS: weights, CONFIG: text.replace(_BLANK, content_hash, 1).encode()}
    if card is not None:
        files[CARD] = card.encode()

    if folder.exists():
        for name, data in files.items():
            write_atomic(folder / name, data)
        return content_hash
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        for name, data in files.items():
            write_atomic(temporary / name, data)
        os.chmod(temporary, 0o777 & ~_umask())
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return content_hash


def load_model(folder: str | Path) -> ModelFolder:
    """Read and verify a model folder.

    Raises
    ------
    CheckpointError
        The folder or a file is missing, cut short or changed; one line says which.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CheckpointError(f"no model folder at {folder}: pass a folder holding {WEIGHTS} and {CONFIG}")
    weights, raw = (_read(folder / name) for name in (WEIGHTS, CONFIG))
    raw = raw.replace(b"\r\n", b"\n")  # a checkout may have changed the line ends
    try:
        config = json.loads(raw)
        content_hash = config.pop("content_hash")
        blanked = raw.replace(content_hash.encode(), _BLANK.encode(), 1)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{folder / CONFIG} is damaged (not the JSON that was written): restore the folder"
        ) from error
    if _content_hash(weights, blanked) != content_hash:
        raise CheckpointError(
            f"{folder} is damaged: {WEIGHTS} and {CONFIG} do not match the stored content_hash; "
            "restore the folder or train again"
        )
    try:
        tensors = safetensors.torch.load(weights)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{folder / WEIGHTS} is not a safetensors file: {error}") from error
    card = folder / CARD
    return ModelFolder(tensors, config, content_hash, card.read_text("utf-8") if card.is_file() else "")


def _content_hash(weights: bytes, config_text: bytes) -> str:
    digest = hashlib.sha256(len(weights).to_bytes(8, "big"))
    digest.update(weights)
    digest.update(config_text)
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error


def save_state(path: str | Path, tree: Any) -> None:
    """Write a nested state (see :mod:`spade_core.tree`) as one verified file, creating its folder."""
    path = Path(path)
    skeleton, tensors = pack(tree)
    data = safetensors.torch.save(tensors, {"sha256": _BLANK, "tree": json.dumps(skeleton)})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data.replace(_BLANK.encode(), hashlib.sha256(data).hexdigest().encode(), 1))


def load_state(path: str | Path) -> Any:
    """Read what :func:`save_state` wrote.

    Raises
    ------
    CheckpointError
        The file is missing, cut short or changed.
    """
    path = Path(path)
    damaged = f"{path} is damaged or not a training state: restore it or start again without resuming"
    data = _read(path)
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        tree, stored = header["__metadata__"]["tree"], header["__metadata__"]["sha256"]
        if hashlib.sha256(data.replace(stored.encode(), _BLANK.encode(), 1)).hexdigest() != stored:
            raise CheckpointError(damaged)
        return unpack(json.loads(tree), safetensors.torch.load(data))
    except CheckpointError:
        raise
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(damaged) from error
