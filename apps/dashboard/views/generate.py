# SPDX-License-Identifier: Apache-2.0
"""Generate: paint a timeline, see the market that follows, take the paths along."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import streamlit as st

from ..boundary import boundary
from ..cards import Card, cards
from ..choices import EXTRAPOLATE, MODEL, PATHS, SCRIPT, SEED, START_VOL, start_level
from ..engine import open_model, sample
from ..files import download_scenarios
from ..formats import count, days, percent
from ..kinds import day, one_of, text
from ..painter import timeline
from ..sidebar import beginning, beyond, sampling
from ..starts import start_from
from ..state import bind, get, put
from ..summary import summarise
from . import _generate_views as views

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator
    from spade_finance.scenarios import ScenarioSet

VIEW = one_of("view", "fan", tuple(views.VIEWS))
ASSET = text("asset", "", most=120)
START = day("start")


def page() -> None:
    """Draw the page."""
    _sidebar()
    model = open_model()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            "**Pick a brush and drag over the days.** Drag the severity line; click *Sectors* for their own regimes."
        )
        with st.container(width=190):
            start_from(model)
    script = timeline(model, SCRIPT, extrapolate=get(EXTRAPOLATE))
    if script is None:
        st.info("Mend the text above, or start from an example: the picture follows.", icon=":material/draw:")
        return
    scenarios = draw(model, script)
    _results(model, script, scenarios)


def draw(model: ScenarioGenerator, script: str) -> ScenarioSet:
    """The paths that the page's choices ask for."""
    start = get(START)
    return sample(
        model, script, get(PATHS), get(SEED), start=None if start is None else start.isoformat(),
        start_vol=start_level(get(START_VOL)), extrapolate=get(EXTRAPOLATE),
    )  # fmt: skip


def _sidebar() -> None:
    with st.sidebar:
        sampling()
        with st.expander("More"):
            beginning()
            st.date_input(
                "First date", help="Business days follow; without one, days are counted.", **bind(START)
            )
            beyond()


def _results(model: ScenarioGenerator, script: str, scenarios: ScenarioSet) -> None:
    asset = _asset(model)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.segmented_control(
            "View",
            list(views.VIEWS),
            format_func=lambda name: views.VIEWS[name][0],
            required=True,
            label_visibility="collapsed",
            **bind(VIEW),
        )
        with st.container(width=220):
            st.selectbox(
                "Of", ["", *model.sectors_], format_func=lambda s: s or "Market (equal weight)",
                label_visibility="collapsed", **bind(ASSET),
            )  # fmt: skip
    with boundary():
        views.VIEWS[get(VIEW)][1](model, script, scenarios, asset)
    _headline(scenarios, asset)
    _take_along(scenarios, script)


def _asset(model: ScenarioGenerator) -> str | None:
    """The sector looked at; None is the market."""
    if get(ASSET) not in ("", *model.sectors_):
        put(ASSET, "")
    return get(ASSET) or None


def _headline(scenarios: ScenarioSet, asset: str | None) -> None:
    found = summarise(scenarios, asset)
    span = days(scenarios.n_days)
    cards(
        [
            Card("Mean return", percent(*found.mean_return, signed=True), f"over {span}, not annualised"),
            Card("Volatility a year", percent(*found.volatility), "of daily returns, 252 days a year"),
            Card(
                "Chance of a loss",
                percent(*found.loss_chance, digits=0),
                f"paths below their start after {span}",
            ),
            Card(
                "95 % shortfall", percent(*found.shortfall), "mean loss of the worst 5 % of paths at the end"
            ),
            Card("Worst drawdown", percent(*found.drawdown), "deepest fall from a peak, mean of the paths"),
        ]
    )
    st.caption("± is one standard error, clustered by path.")


def _take_along(scenarios: ScenarioSet, script: str) -> None:
    st.space("small")
    left, right = st.columns([1, 1], gap="medium")
    with left, st.container(border=True):
        size = scenarios.n_paths * scenarios.n_days
        st.markdown(
            f"**Take the paths along** · {count(scenarios.n_paths, 'path')}, {count(size, 'row')}, "
            f"{count(len(scenarios.sectors), 'sector')}"
        )
        with st.container(horizontal=True):
            download_scenarios(scenarios, "scenarios", key="paths")
        st.caption("Simple returns in decimals, a regime a day; model, script and seed are written inside.")
    with right, st.expander("How was this made?"):
        _made(scenarios, script)


def _made(scenarios: ScenarioSet, script: str) -> None:
    made = scenarios.provenance
    st.markdown(
        "The address of this page is the whole recipe: whoever opens it sees the same picture. Or elsewhere:"
    )
    model = "default" if get(MODEL) == "default" else "MODEL"
    options = "".join(
        [
            f" --start {get(START)}" if get(START) else "",
            f" --start-vol {get(START_VOL)}" if get(START_VOL) != "long-run" else "",
            " --extrapolate" if get(EXTRAPOLATE) else "",
        ]
    )
    st.code(
        f"spade-finance generate --model {model} --regimes {shlex.quote(script)} --paths {scenarios.n_paths} "
        f"--seed {made['seed']}{options} --out scenarios.parquet",
        language="bash", wrap_lines=True,
    )  # fmt: skip
    st.code(
        f"import spade_finance as sf\n\nmodel = sf.ScenarioGenerator.load({model!r})\n"
        f"scen = model.sample({script!r}, n_paths={scenarios.n_paths}, random_state={made['seed']})",
        language="python", wrap_lines=True,
    )  # fmt: skip
    st.caption(f"Model {made['model_hash'][:16]}, version {made['version']}, timeline {made['timeline']}.")
