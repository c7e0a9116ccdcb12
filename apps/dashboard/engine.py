# SPDX-License-Identifier: Apache-2.0
"""Models and samples: loaded once, shared by all sessions, bounded in memory.

A model is named, never typed as a path: ``default``, a folder directly inside the configured folder
(``spade-finance dashboard --models DIR`` or ``SPADE_MODELS``), or ``mine:NAME``, trained in this session and seen
by no other.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

from .choices import MODEL
from .state import bind, get
from .work import deliver, glance

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.model import ScenarioGenerator
    from spade_finance.scenarios import ScenarioSet

__all__ = [
    "MAX_RETURNS", "MINE", "Bounded", "keep_model", "load_model", "model_names", "model_picker", "models_folder",
    "open_model", "sample",
]  # fmt: skip

MINE = "mine:"
MAX_RETURNS = 20_000_000
"""Returns (paths x days x sectors) of one sample: 80 MB."""
CACHE_BYTES = 256 * 2**20
"""Samples kept for all sessions together."""
_LOADED = 4

V = TypeVar("V")


# ---- which models there are


def models_folder() -> Path | None:
    """The configured folder of models, resolved; None without one."""
    said = os.environ.get("SPADE_MODELS", "")
    folder = Path(said).expanduser().resolve() if said else None
    return folder if folder is not None and folder.is_dir() else None


def model_names() -> list[str]:
    """``default``, the models of the configured folder, and this session's own."""
    folder = models_folder()
    names = ["default"]
    if folder is not None:
        names += sorted(p.name for p in folder.iterdir() if p.name != "default" and _usable(folder, p))
    return names + [MINE + name for name in _own()]


def _usable(folder: Path, place: Path) -> bool:
    """Whether `place` is a model folder that really lies in `folder`, links followed."""
    try:
        inside = place.resolve().parent == folder
        return (
            inside
            and not place.name.startswith((".", MINE))
            and all((place / name).resolve().parent == place.resolve() for name in _FILES)
            and all((place / name).is_file() for name in _FILES)
            and _of_returns(place)
        )
    except OSError:
        return False


def _of_returns(place: Path) -> bool:
    """Whether a folder's ``config.json`` says a model of returns; one that says nothing is listed, and explained when
    it is opened."""
    try:
        said = json.loads((place / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        return True
    kind = said.get("kind", KIND) if isinstance(said, dict) else KIND
    return bool(kind == KIND)


KIND = "spade_finance.ScenarioGenerator"
_FILES = ("config.json", "model.safetensors")


def load_model(name: str | None = None) -> ScenarioGenerator:
    """The model of a name (default: the one chosen), loaded once for all sessions.

    Raises
    ------
    InputError
        If there is no such model, or it is damaged.
    """
    from spade_finance.exceptions import ModelError

    name = get(MODEL) if name is None else name
    if name.startswith(MINE):
        if (own := _own().get(name.removeprefix(MINE))) is None:
            raise ModelError(
                f"model {name} was trained in another session, or in one that has ended: choose another model"
            )
        return own
    if name not in model_names():
        raise ModelError(f"model {name!r} is not there: choose one of {', '.join(model_names())}")
    folder = models_folder()
    place = None if name == "default" or folder is None else folder / name
    stamp = 0.0 if place is None else max((place / file).stat().st_mtime for file in _FILES)
    return _load(name if place is None else str(place), stamp)


@st.cache_resource(max_entries=_LOADED, show_spinner=False)
def _load(name: str, stamp: float) -> ScenarioGenerator:
    from spade_finance.model import ScenarioGenerator

    return ScenarioGenerator.load(name)


def open_model(name: str | None = None) -> ScenarioGenerator:
    """:func:`load_model` with a word to the reader while it takes time; what pages call."""
    with st.spinner("Loading the model…", show_time=True):
        return load_model(name)


def keep_model(name: str, model: ScenarioGenerator) -> str:
    """Offer a model that this session has trained to this session's pages; returns its name."""
    _own()[name] = model
    while len(_own()) > _LOADED:
        _own().pop(next(iter(_own())))
    return MINE + name


def _own() -> dict[str, ScenarioGenerator]:
    deliver()  # a training may have ended since
    found: dict[str, ScenarioGenerator] = st.session_state.setdefault("engine:own", {})
    return found


def model_picker() -> str:
    """The widget that chooses the model, and a word on one that is being trained; returns its name."""
    names = model_names()
    chosen = get(MODEL)
    if chosen not in names:
        names = [
            *names,
            chosen,
        ]  # so that the widget says what the address says; loading it says what is wrong
    said: str = st.selectbox(
        "Model", names, format_func=lambda n: "default (shipped)" if n == "default" else n, **bind(MODEL)
    )
    glance()
    return said


# ---- samples


class Bounded(Generic[V]):
    """A cache that all sessions share, bounded in bytes; equal work that is under way is waited for, not repeated.

    Values are shared, not copied: nobody may write into them.
    """

    def __init__(self, most: int, size: Callable[[V], int]) -> None:
        self.most, self.size = most, size
        self.bytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, V] = OrderedDict()
        self._busy: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of `key`, made if it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            try:
                value = make()
                self._keep(key, value)
            finally:
                with self._lock:
                    self._busy.pop(key, None)
        return value

    def _keep(self, key: Hashable, value: V) -> None:
        with self._lock:
            self._kept[key] = value
            self.bytes += self.size(value)
            while self.bytes > self.most and len(self._kept) > 1:
                _, old = self._kept.popitem(last=False)
                self.bytes -= self.size(old)

    def __len__(self) -> int:
        return len(self._kept)


@st.cache_resource(show_spinner=False)
def _samples() -> Bounded[ScenarioSet]:
    return Bounded(
        CACHE_BYTES, lambda s: 2 * s.log_array.nbytes + s.codes.nbytes
    )  # log returns and simple ones


@st.cache_resource(show_spinner=False)
def gate() -> threading.BoundedSemaphore:
    """Samples drawn at one time: each uses all cores, so more at once would only take more memory."""
    return threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))


def sample(
    model: ScenarioGenerator,
    script: Any,
    n_paths: int,
    seed: int,
    *,
    start: str | None = None,
    start_vol: str | float = "long-run",
    history: pd.DataFrame | None = None,
    extrapolate: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ScenarioSet:
    """``model.sample`` through the cache; a sample on a reader's own history is not kept.

    Raises
    ------
    InputError
        What ``sample`` refuses, and more than :data:`MAX_RETURNS` returns.
    """
    from spade_finance.exceptions import InputError
    from spade_finance.regimes import parse_script

    if isinstance(script, str):
        from .scripts import read_script

        parsed: Any = read_script(script, model)
    else:
        parsed = script
    past = None
    if not hasattr(parsed, "weights"):
        parsed = parse_script(parsed, regimes=model.regimes_, sectors=model.sectors_)
        past = model.history(history).timeline if parsed.needs_history else None
    n_days = parsed.n_days(past) if callable(parsed.n_days) else parsed.n_days
    size = n_paths * n_days * len(model.sectors_)
    if size > MAX_RETURNS:
        most = MAX_RETURNS // (n_days * len(model.sectors_))
        raise InputError(
            f"{n_paths:,} paths of {n_days:,} days and {len(model.sectors_)} sectors are {size:,} returns, more than "
            f"the {MAX_RETURNS:,} that the dashboard draws at once: ask for at most {most:,} paths, or use "
            "'spade-finance generate', which has no limit"
        )
    options: dict[str, Any] = {"start": start, "start_vol": start_vol, "extrapolate": extrapolate}

    def draw() -> ScenarioSet:
        with gate():
            return model.sample(parsed, n_paths, seed, history=history, progress=progress, **options)

    if history is not None:
        return draw()
    told = parsed.digest() if hasattr(parsed, "digest") else str(parsed)
    key = (model.hash_, told, n_paths, seed, start, start_vol, extrapolate)
    return _samples().get(key, draw)
