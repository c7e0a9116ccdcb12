# SPDX-License-Identifier: Apache-2.0
"""Training a quick model on a reader's returns: live curve, cancel, and the model offered to this session."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from .. import shell
from ..choices import MODEL, SCRIPT
from ..engine import MINE, keep_model
from ..figures import ink, show
from ..files import download
from ..formats import count, days, number, seconds
from ..kinds import one_of, text, whole
from ..processes import run_child
from ..scripts import read_script
from ..state import bind, get, put
from ..work import find, forget, start, watch
from ._regimes_source import own_returns

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from spade_finance.model import ScenarioGenerator

    from ..work import Job
    from ._regimes_source import Source

__all__ = ["MAX_COLUMNS", "MAX_ROWS", "MIN_ROWS", "check_size", "model_zip", "train", "train_job"]

MIN_ROWS, MAX_ROWS = 750, 12_000
MAX_COLUMNS = 16
MOST_MINUTES = 15.0
"""Of the steps; then the best weights so far are used."""
TICK_STEPS = 10
"""Steps between reports."""
FEWEST_BLOCKS = 4
"""A larger share than a quarter is not held back: it would be missed in training."""
OWN = "model:returns"
JOB = "model:training"

BY = one_of("m_by", "jump", ("jump", "hmm", "gmm", "rules"))
COUNT = whole("m_n", 4, 2, 5)
NAME = text("m_name", "my model", most=40)
_METHODS = {"jump": "Jump model", "hmm": "Hidden Markov", "gmm": "Gaussian mixture", "rules": "Rules"}


@dataclass(frozen=True)
class Trained:
    """A finished training."""

    model: ScenarioGenerator
    name: str
    seconds: float


def train() -> None:
    """The form, the running job, or what came of it."""
    job = find(JOB)
    if job is not None and job.state in ("waiting", "running"):
        watch(JOB, live=_live)
        st.caption(
            "The other pages stay usable meanwhile, and offer the model as soon as it is finished. Closing this page "
            "in the browser ends the training after a few minutes."
        )
        return
    if job is not None and job.state == "done":
        _finished(job.result)
        return
    watch(JOB)  # words, when it failed or was cancelled
    if job is not None and job.state == "cancelled":
        st.caption("Nothing of it is kept. Change what you like and train again.")
    _form()


def _form() -> None:
    st.markdown(
        "Train a **quick** model on returns of your own: a few minutes on two cores. It learns the regimes of your "
        "market and how your assets move in each, and is offered on every page of this session."
    )
    source = own_returns(OWN)
    if source is None:
        return
    check_size(source.returns)
    left, middle, right = st.columns(3, gap="medium", vertical_alignment="bottom")
    left.text_input("Name", max_chars=40, **bind(NAME))
    middle.selectbox("Regimes by", list(_METHODS), format_func=_METHODS.__getitem__, **bind(BY))
    right.slider("Regimes", 2, 5, help="Named calm to worst.", **bind(COUNT))
    begun = st.button(
        "Train a quick model", icon=":material/model_training:", type="primary", key="model:train"
    )
    first, last = source.returns.index[0], source.returns.index[-1]
    st.caption(
        f"{days(len(source.returns))}, {first:%d %b %Y} to {last:%d %b %Y}, "
        f"{count(source.returns.shape[1], 'asset')}; seed 0. For a better model, on the command line: "
        "`spade-finance train returns.csv --out MODEL`."
    )
    if begun:
        name = _said(get(NAME))
        job = start(JOB, f"Training {name!r}", train_job, source, get(BY), get(COUNT), name)
        job.then = offer
        st.rerun()


def offer(found: Trained) -> None:
    """Put a finished model into the session's list, wherever its reader is."""
    name = keep_model(found.name, found.model)
    st.toast(
        f"Your model is trained: choose **{name}** in the list of models.", icon=":material/check_circle:"
    )


def check_size(returns: pd.DataFrame) -> None:
    """Refuse what would train badly or for too long here.

    Raises
    ------
    InputError
    """
    from spade_finance.exceptions import InputError

    rows, columns = returns.shape
    if columns < 2:
        raise InputError("your file has 1 column; the model is for assets that move together: give 2 or more")
    if rows < MIN_ROWS:
        raise InputError(
            f"your file has {rows:,} days of returns; a model needs at least {MIN_ROWS} (three years)"
        )
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        raise InputError(
            f"your file has {rows:,} days and {columns} columns; at most {MAX_ROWS:,} and {MAX_COLUMNS} are trained "
            "here: cut it, or use 'spade-finance train', which has no limit"
        )


def train_job(job: Job, source: Source, method: str, n_regimes: int, name: str, **changes: Any) -> Trained:
    """Label, train, level, in a process; ``job.rows`` receives the curve.

    `changes` are of the preset (tests train less).

    Raises
    ------
    InputError
        What the labeller or the model refuses.
    Cancelled
        At once, whatever was under way.
    """
    from spade_finance.data import write_returns
    from spade_finance.model import ScenarioGenerator

    # Measured more often than the command line does, so that the curve moves.
    share = held_share(len(source.returns), ScenarioGenerator("quick").config.window_days)
    asked = {
        "method": method, "n_regimes": n_regimes, "most_minutes": MOST_MINUTES,
        "settings": {"validate_every": TICK_STEPS, "validation_share": share, **changes},
    }  # fmt: skip

    def heard(said: dict[str, Any]) -> None:
        if "row" in said:
            job.rows.append(said["row"])

    with tempfile.TemporaryDirectory(prefix="spade-training-", ignore_cleanup_errors=True) as place:
        folder = Path(place)
        write_returns(source.returns, folder / "returns.parquet")
        (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        run_child(job, "views._model_child", folder, text="getting ready", heard=heard)
        model = ScenarioGenerator.load(folder / "model")
    return Trained(model, name, job.elapsed)


def held_share(n_days: int, window_days: int) -> float:
    """Share of the days to hold back: a tenth, more of a short history, so that a block holds two windows.

    Up to a quarter; of a history too short for that nothing is held back (the tenth stands and holds no two windows).
    """
    blocks = min(10, n_days // (2 * window_days))
    return 1 / blocks if blocks >= FEWEST_BLOCKS else 0.1


def _live(job: Job) -> None:
    rows = list(job.rows)
    if not rows:
        st.caption("The curve begins with the first steps.")
        return
    figure = curve(rows)
    show(figure, key="live", alt=f"The training curve up to step {rows[-1]['step']}.")
    if "validation" not in rows[-1]:
        st.caption("This history is too short to hold days back: the curve is of the training windows alone.")


def curve(rows: Sequence[dict[str, Any]], begun: float | None = None) -> go.Figure:
    """Loss of the training windows and, where days are held back, the score on those; `begun` is the score before."""
    import plotly.graph_objects as go

    from spade_finance.plot_style import GENERATED, style

    figure = go.Figure()
    steps = [row["step"] for row in rows]
    held = [row.get("validation") for row in rows]
    figure.add_trace(
        go.Scatter(
            x=steps, y=[row.get("loss") for row in rows], mode="lines", name="training windows",
            line={"color": ink()["muted"], "width": 1.6}, hovertemplate="step %{x}: %{y:.4f}<extra>training</extra>",
        )
    )  # fmt: skip
    if any(v is not None for v in held):
        figure.add_trace(
            go.Scatter(
                x=steps, y=held, mode="lines+markers", name="held-back days", marker={"size": 5}, connectgaps=True,
                line={"color": GENERATED, "width": 2.4}, hovertemplate="step %{x}: %{y:.4f}<extra>held back</extra>",
            )
        )  # fmt: skip
    if begun is not None:
        figure.add_hline(
            begun, line={"color": GENERATED, "width": 1, "dash": "dot"},
            annotation={"text": "the statistics it starts from", "font": {"size": 11}, "xanchor": "right"},
        )  # fmt: skip
    style(figure, "Score by step (lower is better)", 300)
    figure.update_layout(margin={"t": 70, "l": 56, "r": 12, "b": 44})
    figure.update_xaxes(title={"text": "step", "font": {"size": 12}})
    return figure


def _finished(found: Trained) -> None:
    if st.session_state.get(f"{JOB}:shown") is not found:  # whoever looks here has waited for it
        st.session_state[f"{JOB}:shown"] = found
        put(MODEL, MINE + found.name)
        st.rerun()  # the picker above shows it from now on
    result = found.model.training_result_
    best, begun = result["validation_of_model"], result["validation_of_start"]
    score = (
        f" On the held-back days it scores {number(best, digits=4)}, the statistics it starts from "
        f"{number(begun, digits=4)} (lower is better)."
        if best is not None and begun is not None
        else " The history was too short to hold days back, so the last weights are used and nothing was measured."
    )
    st.success(
        f"**{found.name}** is ready after {seconds(found.seconds)}, {result['steps']} steps, and chosen on every page "
        f"of this session.{score}",
        icon=":material/check_circle:",
    )
    rows = found.model.curve_
    show(curve(rows, begun), key="finished", alt="The training curve.")
    with st.container(horizontal=True):
        info = next(page for page in shell.PAGES if page.name == "generate")
        if st.button("Generate with it", icon=":material/brush:", type="primary", key="model:generate"):
            put(MODEL, MINE + found.name)
            put(SCRIPT, readable(get(SCRIPT), found.model))
            st.switch_page(shell.page_object(info))
        download(
            "Download the model", f"{_stem(found.name)}.zip", lambda: model_zip(found.model, _stem(found.name)),
            key="model:zip",
        )  # fmt: skip
        st.button(
            "Train another", icon=":material/restart_alt:", on_click=forget, args=(JOB,), key="model:another"
        )
    st.caption(
        "The model lives as long as this session: download it to keep it. Unpacked into the folder that the dashboard "
        "was started with (`--models DIR`), or anywhere for `--model`, it is a model like any other; it holds the "
        "labels, states and statistics of your returns: treat it as you treat them."
    )


def readable(script: str, model: ScenarioGenerator) -> str:
    """The script, or one in the model's own regimes where it names others."""
    from spade_finance.exceptions import InputError

    try:
        read_script(script, model)
    except InputError:
        calm, worst = model.regimes_[0], model.regimes_[-1]
        return f"{calm}:60,{worst}:20,{calm}:40"
    return script


def model_zip(model: ScenarioGenerator, stem: str) -> bytes:
    """The model folder, as ``save`` writes it, in one folder of a zip."""
    with tempfile.TemporaryDirectory(prefix="spade-model-") as place:
        folder = model.save(Path(place) / "model")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
            for name in ("config.json", "model.safetensors", "card.md"):
                target.write(folder / name, f"{stem}/{name}")
        return packed.getvalue()


def _said(name: str) -> str:
    """A name that is there, on one line, and means nothing to the address or a page."""
    kept = "".join(c for c in name if c.isalnum() or c in " ._-")
    return " ".join(kept.split()) or "my model"


def _stem(name: str) -> str:
    return name.replace(" ", "-").strip(".") or "model"
