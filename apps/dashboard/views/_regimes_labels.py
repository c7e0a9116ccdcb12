# SPDX-License-Identifier: Apache-2.0
"""Labels by any labeller: kept by content for all sessions; slow fits as long work that can be cancelled."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ..engine import Bounded
from ..work import find, forget, start, watch
from ._regimes_fit import fit_in_process

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.model import ScenarioGenerator
    from spade_finance.regimes import RegimeLabels, SemiMarkovProcess

    from ..work import Job
    from ._regimes_source import Source

__all__ = ["ABOUT", "METHODS", "SLOW", "Labelled", "Seen", "label_bytes", "labelled", "quickly", "ready"]

METHODS = {
    "model": "The model's own",
    "jump": "Jump model",
    "hmm": "Hidden Markov",
    "markov": "Markov switching",
    "gmm": "Gaussian mixture",
    "rules": "Rules",
}
ABOUT = {
    "model": "the labeller that the chosen model was trained with, as fitted then: later days were unseen",
    "jump": "statistical jump model: clusters of returns, volatility and drawdown, and a price for every change",
    "hmm": "Gaussian hidden Markov model of the market's return",
    "markov": "the same likelihood by statsmodels: EM, then BFGS, for at most a minute",
    "gmm": "mixture of Gaussians on volatility and drawdown: no memory but a shortest spell",
    "rules": "drawdown and volatility against fixed quantiles: nothing to estimate but those",
}
SLOW = ("jump", "markov")
MOST_SECONDS = 60.0
"""Of a Markov-switching fit; its best parameters so far are used then."""
_JOB = "regimes:labels"
_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Labelled:
    """Labels of a source in hindsight and causally, and the process of their spells.

    `typical` is the volatility that severity 1 stands for (None: of these labels' own days); `note` says how the fit
    ended where that is worth saying.
    """

    method: str
    smoothed: RegimeLabels
    causal: RegimeLabels
    process: SemiMarkovProcess
    fitted: tuple[str, str]
    typical: pd.Series | None
    note: str

    @property
    def regimes(self) -> tuple[str, ...]:
        """Names, calm to worst."""
        return self.smoothed.regimes


@dataclass(frozen=True)
class Seen:
    """What a view is drawn from."""

    source: Source
    labels: Labelled
    model: ScenarioGenerator | None
    n_regimes: int

    @property
    def market(self) -> pd.Series:
        """Simple returns of the equal-weight market."""
        return self.source.returns.mean(axis=1)


def labelled(source: Source, method: str, n_regimes: int, model: ScenarioGenerator | None) -> Labelled | None:
    """Labels of the whole source; None, with words or a progress bar, while there are none.

    Raises
    ------
    InputError
        What the labeller refuses.
    """
    key = _key(source, method, n_regimes, model)
    if (kept := _peek(key)) is not None:
        return kept
    if method not in SLOW:
        with st.spinner("Labelling…"):
            return quickly(source, method, n_regimes, model)
    if st.session_state.get(f"{_JOB}:of") != key or find(_JOB) is None:
        title = f"{METHODS[method]} on {len(source.returns):,} days"
        start(_JOB, title, fit_job, source.returns, method, n_regimes)
        st.session_state[f"{_JOB}:of"] = key
    job = watch(_JOB)
    if job is None or job.state in ("waiting", "running"):
        return None
    if job.state != "done":
        st.button(
            "Label again", icon=":material/refresh:", on_click=forget, args=(_JOB,), key="regimes:again"
        )
        return None
    found: Labelled = job.result
    return _cache().get(key, lambda: found)


def quickly(source: Source, method: str, n_regimes: int, model: ScenarioGenerator | None) -> Labelled:
    """Labels here and now, through the cache; for the methods that take about a second."""

    def make() -> Labelled:
        if method == "model":
            return _by_model(source.returns, model)
        from spade_finance.regimes import make_labeller

        return by_labeller(make_labeller(method, n_regimes=n_regimes).fit(source.returns), source.returns)

    return _cache().get(_key(source, method, n_regimes, model), make)


def ready(source: Source, n_regimes: int) -> set[str]:
    """Slow methods whose labels of this source are there already."""
    return {method for method in SLOW if _peek(_key(source, method, n_regimes, None)) is not None}


def fit_job(job: Job, returns: pd.DataFrame, method: str, n_regimes: int) -> Labelled:
    """The work of a slow method."""
    options: dict[str, Any] = {"n_regimes": n_regimes}
    if method == "markov":
        text, most = "maximising the likelihood, at most a minute", MOST_SECONDS
        options["time_limit"] = MOST_SECONDS
    else:
        text, most = "from several beginnings; seconds, or a minute on a busy machine", 0.0
    labeller = fit_in_process(job, returns, method, text, most_seconds=most, **options)
    return by_labeller(labeller, returns)


def by_labeller(labeller: Any, returns: pd.DataFrame) -> Labelled:
    """Labels of a fitted labeller."""
    ended = labeller.convergence_
    notes = [f"The fit: {ended['status']}. {ended['message']}."] if ended.get("fallback") else []
    notes += [f"{weak[0].upper()}{weak[1:]}."] if (weak := labeller.weak_) else []
    return Labelled(
        labeller.method, labeller.smooth(returns), labeller.filter(returns), labeller.process_,
        labeller.training_window_, None, " ".join(notes),
    )  # fmt: skip


def _by_model(returns: pd.DataFrame, model: ScenarioGenerator | None) -> Labelled:
    from spade_finance.exceptions import InputError

    if model is None or model.labeller_ is None:
        raise InputError(
            "this model was trained on a labels file and has no labeller of its own: choose another labeller above"
        )
    labeller = model.labeller_
    first, last = model.training_window_
    smoothed, causal = labeller.smooth(returns), labeller.filter(returns)
    window = (f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")
    return Labelled("model", smoothed, causal, model.process_, window, model.typical_.market, "")


def label_bytes(labels: RegimeLabels) -> bytes:
    """The labels file's content, written by ``RegimeLabels.save`` and so exactly as the command line's."""
    with tempfile.TemporaryDirectory(prefix="spade-labels-") as folder:
        place = Path(folder) / "labels.csv"
        labels.save(place)
        return place.read_bytes()


def _key(source: Source, method: str, n_regimes: int, model: ScenarioGenerator | None) -> tuple[Any, ...]:
    if method == "model":
        return (source.hash, method, "" if model is None else model.hash_)
    return (source.hash, method, n_regimes)


@st.cache_resource(show_spinner=False)
def _cache() -> Bounded[Labelled]:
    # Two tables of probabilities, and two columns of names (references to a few strings).
    return Bounded(_BYTES, lambda v: 2 * len(v.smoothed) * (len(v.regimes) + 3) * 8)


class _Absent(Exception):
    """There is none yet."""


def _peek(key: tuple[Any, ...]) -> Labelled | None:
    def absent() -> Labelled:
        raise _Absent

    try:
        return _cache().get(key, absent)
    except _Absent:
        return None
