# SPDX-License-Identifier: Apache-2.0
"""The portfolio on the Stress page: a table to edit, a file to drop, presets; its weights are in the address."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import streamlit as st

from ..boundary import boundary, report
from ..engine import sample
from ..files import download, upload, uploaded_text
from ..formats import percent
from ..kinds import Choice, one_of
from ..state import bind, get, put

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator
    from spade_finance.stress import Portfolio

__all__ = ["REBALANCE", "WEIGHTS", "changed", "choose_book", "read_weights", "to_csv"]

Weights = tuple[tuple[str, float], ...]

LONGEST_ADDRESS = 1500
"""Characters of weights in the address; what is longer stays in the session."""
_TOO_LONG = "uploaded"
REBALANCINGS = {"daily": "every day", "monthly": "every 21 days", "none": "never (bought and held)"}


def _read(said: str) -> Weights:
    if said == _TOO_LONG:
        raise ValueError("the portfolio was too long for an address; expected its file to be uploaded again")
    found: dict[str, float] = {}
    for part in filter(None, said.split(",")):
        name, colon, number = part.rpartition(":")
        name = unquote(name)
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not colon or not name or not math.isfinite(weight) or name in found:
            raise ValueError("expected weights such as Energy:0.5,InfoTech:-0.2")
        found[name] = weight
    return tuple(found.items())


def _write(weights: Weights) -> str:
    said = ",".join(f"{quote(name, safe=' &+()')}:{weight:.10g}" for name, weight in weights)
    return said if len(said) <= LONGEST_ADDRESS else _TOO_LONG


WEIGHTS: Choice[Weights] = Choice("weights", (), _read, _write)
"""Decimal weights by sector; none is the equal weight."""
REBALANCE = one_of("rebalance", "daily", tuple(REBALANCINGS))


def choose_book(model: ScenarioGenerator) -> Portfolio | None:
    """Draw the editor; the portfolio, or None after saying why there is none."""
    from spade_finance.exceptions import InputError

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Equal", key="stress:equal", on_click=_use, args=((), "equal weight"))
        st.button(
            "Long-short", key="stress:long-short", on_click=_long_short, args=(model,),
            help="Long the calmer half of the sectors, short the more volatile half, 100 % each.",
        )  # fmt: skip
        st.button(
            "Half cash", key="stress:half", on_click=_use, args=(_even(model.sectors_, 0.5), "half in cash"),
            help="Half of the capital at equal weight, half in cash that earns nothing.",
        )  # fmt: skip
        with st.popover("Upload"):
            _upload(model)
    weights = _editor(model)
    st.selectbox(
        "Weights are restored", tuple(REBALANCINGS), format_func=REBALANCINGS.__getitem__, **bind(REBALANCE)
    )
    try:
        book = _book(model, weights)
    except InputError as error:
        report(error)
        st.button("Back to equal weight", on_click=_use, args=((), "equal weight"), key="stress:mend")
        return None
    words = f"Cash {percent(book.cash)} · longs and shorts together {percent(book.gross)} · net {percent(book.net)}"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(words)
        download("weights.csv", "weights.csv", lambda: to_csv(book), key="stress:weights", type="tertiary")
    return book


def to_csv(book: Portfolio) -> str:
    """The weights file that the command line reads."""
    rows = [
        f'"{name}",{weight:.10g}' if "," in str(name) else f"{name},{weight:.10g}"
        for name, weight in book.weights.items()
    ]
    return "\n".join(["asset,weight", *rows]) + "\n"


def read_weights(name: str, text: str, model: ScenarioGenerator) -> Weights:
    """Weights of an uploaded file, through the stress engine's own reader.

    Raises
    ------
    InputError
        In its words, without the place that the file had here.
    """
    from spade_finance.exceptions import InputError
    from spade_finance.stress import read_portfolio

    with tempfile.TemporaryDirectory(prefix="spade-upload-") as folder:
        place = Path(folder) / f"{_stem(name)}.csv"
        place.write_text(text, encoding="utf-8")
        try:
            book = read_portfolio(place)
            book.vector(model.sectors_)
        except InputError as error:
            raise InputError(str(error).replace(str(place), name)) from None
    return tuple((str(sector), float(weight)) for sector, weight in book.weights.items())


def changed(
    weights: Mapping[str, float], shown: Mapping[str, float], edited: Mapping[str, Any]
) -> dict[str, float]:
    """Weights after an edit of the table.

    Parameters
    ----------
    weights : decimal, before
    shown, edited : percent, as the table showed them and as it holds them now; an emptied cell is no weight
    """
    new = {}
    for name, now in edited.items():
        value = 0.0 if now is None or (isinstance(now, float) and math.isnan(now)) else float(now)
        new[name] = weights.get(name, 0.0) if value == shown[name] else round(value / 100, 12)
    return new


# ---- parts


def _editor(model: ScenarioGenerator) -> dict[str, float]:
    """The table of weights; decimal weights by sector, and those of sectors that the model does not have."""
    import pandas as pd

    sectors = model.sectors_
    chosen: Weights = get(WEIGHTS)
    held: dict[str, float] = dict(chosen) or dict(_even(sectors))
    slot = st.session_state.setdefault("stress:editor", {"version": 0, "base": None, "held": None})
    key = f"stress:table:{slot['version']}"
    foreign = (
        slot["held"] != held or slot["sectors"] != sectors
    )  # a preset, a file, the address, another model
    if foreign or (key not in st.session_state and slot["base"] != held):
        slot |= {"version": slot["version"] + 1, "base": held, "held": held, "sectors": sectors}
        key = f"stress:table:{slot['version']}"
    base: dict[str, float] = slot["base"]
    shown = {name: round(100 * base.get(name, 0.0), 4) for name in sectors}
    table = st.data_editor(
        pd.DataFrame({"sector": list(shown), "weight": list(shown.values())}), key=key, hide_index=True,
        disabled=["sector"], num_rows="fixed", height=36 + 35 * min(len(sectors), 9), row_height=35,
        column_config={
            "sector": st.column_config.TextColumn("Sector", width="medium"),
            "weight": st.column_config.NumberColumn(
                "Weight, % of capital", help="Negative is short; what is missing from 100 is cash, what exceeds it is "
                "borrowed at no cost.", format="%.2f",
            ),
        },
    )  # fmt: skip
    now = dict(zip(table["sector"], table["weight"], strict=True))
    new = changed(base, shown, now) | {name: w for name, w in base.items() if name not in sectors}
    if new != {**dict.fromkeys(new, 0.0), **held}:
        slot["held"] = new
        put(WEIGHTS, tuple(new.items()))
    return new


def _book(model: ScenarioGenerator, weights: Mapping[str, float]) -> Portfolio:
    import pandas as pd

    from spade_finance.stress import Portfolio, equal_weight

    every: Any = get(REBALANCE)
    if not get(WEIGHTS):
        return equal_weight(model.sectors_, every)
    name, of = st.session_state.get("stress:name", ("portfolio", None))
    book = Portfolio(pd.Series(dict(weights)), every, name if of == get(WEIGHTS) else "portfolio")
    book.vector(model.sectors_)
    return book


def _use(weights: Weights, name: str) -> None:
    """Take weights; they are called so until they are edited."""
    put(WEIGHTS, weights)
    st.session_state["stress:name"] = (name, weights)


def _even(sectors: tuple[str, ...], total: float = 1.0) -> Weights:
    return tuple((name, total / len(sectors)) for name in sectors)


def _long_short(model: ScenarioGenerator) -> None:
    """Long the calmer half, short the other, by the volatility that the model gives them over a year."""
    spread = sample(model, "markov:252", 50, 7).simple_array.std(axis=(0, 1))
    order = [model.sectors_[i] for i in spread.argsort(kind="stable")]
    half = max(1, len(order) // 2)
    side = dict.fromkeys(order[:half], 1 / half) | (
        dict.fromkeys(order[-half:], -1 / half) if len(order) > 1 else {}
    )
    _use(tuple((name, side.get(name, 0.0)) for name in model.sectors_), "long-short")


def _upload(model: ScenarioGenerator) -> None:
    with boundary():
        file = upload(
            "Weights file", ["csv"], key="stress:file",
            help="Columns asset,weight; weights are decimals (0.25 is 25 %), negative is short; 'cash' is allowed.",
        )  # fmt: skip
        st.code("asset,weight\nEnergy,0.6\nInfoTech,-0.1", language=None)
        if file is None or st.session_state.get("stress:uploaded") == file.file_id:
            return
        weights = read_weights(file.name, uploaded_text(file), model)
        st.session_state["stress:uploaded"] = file.file_id
        _use(weights, _stem(file.name))


def _stem(name: str) -> str:
    """A portfolio's name from its file's."""
    stem = Path(name.replace("\\", "/")).stem
    return "".join(c if c.isalnum() or c in "._- " else "_" for c in stem).strip(". ")[:60] or "portfolio"
