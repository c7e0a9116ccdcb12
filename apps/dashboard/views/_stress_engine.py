# SPDX-License-Identifier: Apache-2.0
"""What the Stress page computes: at once from the shared sample, or a second later with history beside it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..engine import gate, sample

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.model import ScenarioGenerator
    from spade_finance.stress import Portfolio, Scenario, SeverityDial, StressReport

__all__ = ["Request", "beside", "labelled_once", "measured_dial", "quick"]

BESIDE = ("block_bootstrap", "history")
DIAL_PATHS = 200


@dataclass(frozen=True)
class Request:
    """What is stressed, and how.

    Attributes
    ----------
    scenario : Scenario
    portfolio : Portfolio
    n_paths, seed, start_vol, extrapolate : as ``sample`` takes them
    """

    scenario: Scenario
    portfolio: Portfolio
    n_paths: int
    seed: int
    start_vol: str | float = "long-run"
    extrapolate: bool = False

    def key(self, model: ScenarioGenerator) -> tuple[Any, ...]:
        """Equal for equal results."""
        book = self.portfolio
        weights = tuple((str(name), float(weight)) for name, weight in book.weights.items())
        scenario = (self.scenario.name, self.scenario.title, self.scenario.script, self.scenario.history)
        return (
            model.hash_, scenario, book.name, weights, book.rebalance, self.n_paths, self.seed, str(self.start_vol),
            self.extrapolate,
        )  # fmt: skip


def quick(model: ScenarioGenerator, request: Request) -> StressReport:
    """The portfolio's own numbers on the sample that all pages share."""
    scenarios = sample(
        model, request.scenario.script, request.n_paths, request.seed, start_vol=request.start_vol,
        extrapolate=request.extrapolate,
    )  # fmt: skip
    return _quick(scenarios, request, request.key(model))


@st.cache_data(max_entries=24, show_spinner=False)
def _quick(_scenarios: Any, _request: Request, key: tuple[Any, ...]) -> StressReport:
    from dataclasses import replace

    from spade_finance.stress import stress

    return replace(stress(_scenarios, _request.portfolio), scenario=_request.scenario)


def beside(model: ScenarioGenerator, request: Request) -> StressReport:
    """The same numbers of the same paths, a block bootstrap and real history beside them."""
    return _beside(labelled_once(model), request, request.key(model))


@st.cache_data(max_entries=12, show_spinner=False)
def _beside(_model: Any, _request: Request, key: tuple[Any, ...]) -> StressReport:
    from spade_finance.stress import run_stress

    with gate():
        return run_stress(
            _model, _request.scenario, _request.portfolio, _request.n_paths, _request.seed, parts=BESIDE,
            start_vol=_request.start_vol, extrapolate=_request.extrapolate,
        )  # fmt: skip


def measured_dial(model: ScenarioGenerator, portfolio: Portfolio, regime: str) -> SeverityDial:
    """The severity dial of a regime, for the market and this portfolio, with the real episodes."""
    weights = tuple((str(name), float(weight)) for name, weight in portfolio.weights.items())
    return _dial(labelled_once(model), portfolio, (model.hash_, portfolio.name, weights), regime)


@st.cache_data(max_entries=8, show_spinner=False)
def _dial(_model: Any, _portfolio: Portfolio, key: tuple[Any, ...], regime: str) -> SeverityDial:
    from spade_finance.exceptions import InputError
    from spade_finance.stress import severity_dial
    from spade_finance.stress.history import LabelledHistory

    try:
        history = LabelledHistory.of_model(_model, None)
    except InputError:  # a model of a reader's own data: its folder holds no returns
        history = None
    with gate():
        return severity_dial(_model, _portfolio, regime=regime, n_paths=DIAL_PATHS, history=history)


# ---- labels


class LabelledOnce:
    """A model that labels the same returns only once; labelling history is most of the work of a short report.

    Everything else is the model's own.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Any] = {}
        labeller = getattr(model, "labeller_", None)
        self.labeller_ = None if labeller is None else _Labeller(self, labeller)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def label(self, returns: pd.DataFrame) -> Any:
        """``model.label``."""
        return self.once("market", returns, self._model.label)

    def once(self, kind: str, returns: pd.DataFrame, make: Any) -> Any:
        """What `make` says of these returns, kept."""
        from spade_finance.stress.lineage import data_hash

        key = (kind, data_hash(returns))
        with self._lock:
            if key not in self._known:
                self._known[key] = make(returns)
            return self._known[key]


class _Labeller:
    def __init__(self, owner: LabelledOnce, labeller: Any) -> None:
        self._owner, self._labeller = owner, labeller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._labeller, name)

    def label_sectors(self, returns: pd.DataFrame) -> Any:
        return self._owner.once("sectors", returns, self._labeller.label_sectors)


def labelled_once(model: ScenarioGenerator) -> Any:
    """:class:`LabelledOnce` of a model, one for all sessions."""
    return _labelled(model, model.hash_)


@st.cache_resource(max_entries=4, show_spinner=False)
def _labelled(_model: ScenarioGenerator, model_hash: str) -> LabelledOnce:
    return LabelledOnce(_model)
