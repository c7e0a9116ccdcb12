# SPDX-License-Identifier: Apache-2.0
"""Fitted labellers as JSON and back: parameters, names, process and state; nothing is pickled."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.regimes.base import BaseRegimes
from spade_finance.regimes.estimator import plain
from spade_finance.regimes.process import SemiMarkovProcess
from spade_finance.regimes.registry import labeller_class

__all__ = ["labeller_from_config", "labeller_to_config"]


def labeller_to_config(labeller: BaseRegimes) -> dict[str, Any]:
    """JSON-able form of a fitted labeller and its sectors'; a Generator as random state becomes null."""
    if not hasattr(labeller, "regimes_"):
        raise InputError(f"this {type(labeller).__name__} is not fitted; call fit(returns) first")
    params = labeller.get_params()
    if isinstance(params["random_state"], np.random.Generator):
        params["random_state"] = None
    config: dict[str, Any] = {
        "method": labeller.method,
        "params": params,
        "regimes": labeller.regimes_,
        "training_window": labeller.training_window_,
        "convergence": {key: v for key, v in labeller.convergence_.items() if key != "seconds"},
        "summary": labeller.summary_.to_dict(orient="list"),
        "state": labeller._state(),
    }
    if hasattr(labeller, "columns_"):
        config["columns"] = labeller.columns_
    if hasattr(labeller, "process_"):
        config["process"] = labeller.process_.to_config()
    if hasattr(labeller, "sector_labellers_"):
        config["sectors"] = {
            name: labeller_to_config(own) for name, own in labeller.sector_labellers_.items()
        }
    return cast(dict[str, Any], plain(config))


def labeller_from_config(config: dict[str, Any]) -> BaseRegimes:
    """The labeller again; InputError if the config is damaged or of an unknown method."""
    try:
        own = labeller_class(config["method"])(**config["params"])
        if own.random_state is None:
            own.random_state = 0
        own.regimes_ = tuple(config["regimes"])
        first, last = config["training_window"]
        own.training_window_ = (str(first), str(last))
        own.convergence_ = dict(config["convergence"])
        summary = {name: np.array(column, dtype=float) for name, column in config["summary"].items()}
        table = pd.DataFrame(summary, index=pd.Index(own.regimes_, name="regime"))
        own.summary_ = table.astype({"days": "int64", "spells": "int64"})
        own._restore(config["state"])
        if "columns" in config:
            own.columns_ = tuple(str(name) for name in config["columns"])
        if "process" in config:
            own.process_ = SemiMarkovProcess.from_config(config["process"])
        if "sectors" in config:
            own.sector_labellers_ = {
                str(name): labeller_from_config(part) for name, part in config["sectors"].items()
            }
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"labeller config is damaged ({type(error).__name__}: {error}); fit the labeller again"
        ) from error
    return own
