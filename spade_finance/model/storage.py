# SPDX-License-Identifier: Apache-2.0
"""Model folders: arrays in ``model.safetensors``, everything else in ``config.json``, words in ``card.md``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.exceptions import InputError, ModelError

if TYPE_CHECKING:
    from spade_finance.model.estimator import ScenarioGenerator

FORMAT = 1
DEFAULT = "default"


def save(model: ScenarioGenerator, folder: Path) -> Path:
    """Write the folder; see :func:`spade_core.checkpoint.save_model` for what happens when it exists."""
    import torch

    from spade_core.checkpoint import save_model
    from spade_finance.model.card import card

    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is a file; name a folder for the model.")
    tensors = {name: torch.from_numpy(np.array(a, order="C")) for name, a in _arrays(model).items()}
    save_model(folder, tensors, _config(model), card(model))
    return folder


def load(cls: type[ScenarioGenerator], folder: str | os.PathLike[str]) -> ScenarioGenerator:
    """Read and verify a folder."""
    import torch

    from spade_core.checkpoint import CheckpointError, load_model
    from spade_finance.model.config import GeneratorConfig
    from spade_finance.model.labelled import TypicalVolatility
    from spade_finance.model.network import ScenarioNetwork
    from spade_finance.model.start import StartStatistics
    from spade_finance.model.state import ModelHistory
    from spade_finance.regimes import SemiMarkovProcess, from_config

    path = default_folder() if str(folder) == DEFAULT else Path(folder)
    try:
        stored = load_model(path)
    except CheckpointError as error:
        raise ModelError(str(error)) from error
    config = stored.config
    if config.get("kind") != "spade_finance.ScenarioGenerator" or config.get("format") != FORMAT:
        raise ModelError(
            f"{path} is not a scenario model of format {FORMAT} (kind={config.get('kind')!r}, "
            f"format={config.get('format')!r}); train again with this version."
        )
    arrays = {name: tensor.numpy() for name, tensor in stored.tensors.items()}
    model = cls(preset=config["preset"], random_state=config["random_state"], **_tuples(config["changes"]))
    regimes, sectors = tuple(config["regimes"]), tuple(config["sectors"])
    start: StartStatistics = _unflatten(StartStatistics, "start", arrays)
    with torch.random.fork_rng():
        network = ScenarioNetwork(GeneratorConfig.from_dict(config["architecture"]), start)
    network.load_state_dict(
        {k.removeprefix("network."): v for k, v in stored.tensors.items() if k.startswith("network.")}
    )
    network.eval()
    history = {k.removeprefix("history."): v for k, v in arrays.items() if k.startswith("history.")}
    table = pd.DataFrame(config["severity_table"]).set_index("regime")
    model._set(
        network_=network,
        start_=start,
        regimes_=regimes,
        sectors_=sectors,
        labeller_=None if config["labeller"] is None else from_config(config["labeller"]),
        process_=SemiMarkovProcess.from_config(config["process"]),
        typical_=TypicalVolatility.from_config(config["typical_volatility"], regimes, sectors),
        severity_range_=tuple(config["severity_range"]),
        severity_table_=table,
        training_window_=tuple(pd.Timestamp(d) for d in config["training_window"]),
        n_training_days_=config["training_days"],
        data_hash_=config["data_hash"],
        training_result_=config["training"],
        curve_=config["curve"],
        regime_summary_=config["regime_summary"],
        embedded_history_=config["embedded_history"],
        hash_=config["model_hash"],
        card_=stored.card,
        _history=ModelHistory.from_arrays(history, regimes)
        if history and not config["embedded_history"]
        else None,
    )
    return model


def default_folder() -> Path:
    """Folder of the shipped model."""
    from spade_finance.data.embedded import data_folder

    return data_folder() / "default_model"


def model_hash(model: ScenarioGenerator) -> str:
    """SHA-256 of all arrays and of the settings that sampling depends on: equal hashes, equal paths."""
    digest = hashlib.sha256()
    for name, array in sorted(_arrays(model).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    settings = {"architecture": model.config_.to_dict(), "process": model.process_.to_config()}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def _config(model: ScenarioGenerator) -> dict[str, Any]:
    first, last = model.training_window_
    table = model.severity_table_.reset_index()
    return {
        "kind": "spade_finance.ScenarioGenerator",
        "format": FORMAT,
        "model_hash": model.hash_,
        "preset": model.preset,
        "random_state": model.random_state if isinstance(model.random_state, int) else None,
        "changes": {k: list(v) if isinstance(v, tuple) else v for k, v in model.changes.items()},
        "architecture": model.config_.to_dict(),
        "regimes": list(model.regimes_),
        "sectors": list(model.sectors_),
        "training_window": [f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"],
        "training_days": model.n_training_days_,
        "data_hash": model.data_hash_,
        "severity_range": list(model.severity_range_),
        "severity_table": json.loads(table.to_json(orient="records", double_precision=15)),
        "typical_volatility": model.typical_.to_config(),
        "labeller": None if model.labeller_ is None else model.labeller_.to_config(),
        "process": model.process_.to_config(),
        "regime_summary": model.regime_summary_,
        "embedded_history": model.embedded_history_,
        "training": model.training_result_,
        "curve": model.curve_,
    }


def _arrays(model: ScenarioGenerator) -> dict[str, NDArray[Any]]:
    out = {f"network.{k}": v.detach().cpu().numpy() for k, v in model.network_.state_dict().items()}
    out |= _flatten(model.start_, "start")
    if model._history is not None and not model.embedded_history_:
        out |= {f"history.{k}": np.asarray(v) for k, v in model._history.to_arrays().items()}
    return out


def _flatten(record: Any, prefix: str) -> dict[str, NDArray[Any]]:
    """Arrays of a nested dataclass by dotted name; plain numbers become arrays of rank 0."""
    out: dict[str, NDArray[Any]] = {}
    for field in dataclasses.fields(record):
        value, name = getattr(record, field.name), f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(value):
            out |= _flatten(value, name)
        else:
            out[name] = np.asarray(value, dtype=np.float64)
    return out


def _unflatten(kind: type[Any], prefix: str, arrays: dict[str, NDArray[Any]]) -> Any:
    import typing

    values: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint, name = hints[field.name], f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(hint):
            values[field.name] = _unflatten(typing.cast(type[Any], hint), name, arrays)
        else:
            if name not in arrays:
                raise ModelError(f"the model lacks {name}; it was written by another version, train again.")
            values[field.name] = float(arrays[name]) if hint is float else arrays[name].astype(np.float64)
    return kind(**values)


def _tuples(changes: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()}
