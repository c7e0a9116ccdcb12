# SPDX-License-Identifier: Apache-2.0
"""What the Generate page shows of a sample: fan, sectors, correlations, numbers, and the other timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from ..cards import Card, cards
from ..choices import EXTRAPOLATE, PATHS, SEED, START_VOL, start_level
from ..engine import sample
from ..figures import show
from ..formats import number, percent
from ..headings import heading
from ..kinds import flag, text
from ..painter import timeline
from ..scripts import calmest, read_script
from ..state import bind, get, put
from ..summary import regime_correlations, wealth
from ..tables import table

if TYPE_CHECKING:
    from spade_finance.model import ScenarioGenerator
    from spade_finance.scenarios import ScenarioSet

__all__ = ["VIEWS"]

LINES = flag("lines")
BESIDE = flag("beside")
AGAINST = text("against")
SHOWN_LINES = 40


def fan(model: ScenarioGenerator, script: str, scenarios: ScenarioSet, asset: str | None) -> None:
    """The fan with its ribbon; single paths on request."""
    figure = _fan(scenarios, asset, lines=get(LINES))
    end = wealth(scenarios, asset)[:, -1]
    low, middle, high = np.quantile(100 * end, [0.05, 0.5, 0.95])
    show(
        figure, key="fan",
        title=f"Value of {_of(asset)}, start = 100: median, half and 90 % of {scenarios.n_paths:,} paths",
        alt=f"Fan chart over {scenarios.n_days} days; at the end the median is {middle:.0f}, and 90 % of paths lie "
        f"between {low:.0f} and {high:.0f}.",
        preview=True,
    )  # fmt: skip
    st.toggle(f"Show {SHOWN_LINES} single paths", **bind(LINES))


def sectors(model: ScenarioGenerator, script: str, scenarios: ScenarioSet, asset: str | None) -> None:
    """Small multiples."""
    from spade_finance.plotting import sector_fans

    figure = sector_fans(scenarios)
    figure.update_yaxes(matches="y")
    show(figure, key="sectors", alt="One small fan for each sector, all on one scale.")


def correlations(model: ScenarioGenerator, script: str, scenarios: ScenarioSet, asset: str | None) -> None:
    """A heat map for each regime, history's beside it on request."""
    from spade_finance.plotting import correlation_heatmaps

    if len(scenarios.sectors) < 2:
        st.info("A single sector has nothing to be correlated with.")
        return
    st.toggle("History beside it", help="The model's own data, labelled by its labeller.", **bind(BESIDE))
    made = regime_correlations(scenarios.simple_array, scenarios.codes, scenarios.regimes)
    if not made:
        st.info("No regime holds for at least 20 path-days: ask for more paths or days.")
        return
    real = _real_correlations(model) if get(BESIDE) else {}
    found = _regime_numbers(scenarios, None)
    heading("Correlation of daily returns between sectors, by regime")
    apart = ~np.eye(len(scenarios.sectors), dtype=bool)
    strongest = max(float(m[apart].max()) for m in [*made.values(), *real.values()])
    pictures: list[tuple[str, str, Any]] = [(r, "generated", m) for r, m in made.items()]
    if get(BESIDE):
        pictures = [p for r, m in made.items() for p in ((r, "generated", m), (r, "history", real.get(r)))]
    for i in range(0, len(pictures), 2):
        for column, (regime, source, matrix) in zip(st.columns(2), pictures[i : i + 2], strict=False):
            with column:
                if matrix is None:
                    st.info(f"History has too few days of {regime}.")
                    continue
                figure = correlation_heatmaps({source: {regime: matrix}}, scenarios.sectors)
                figure.update_layout(
                    coloraxis={"showscale": False, "cmax": strongest},
                    height=390,
                    margin={"t": 30, "l": 10, "r": 10, "b": 10},
                )
                figure.layout.annotations = ()
                mean = float(matrix[apart].mean())
                error = (
                    found.loc[(regime, "generated"), "mean_correlation_se"] if source == "generated" else None
                )
                show(
                    figure, key=f"correlation:{regime}:{source}",
                    title=f"{regime}, {source}: mean {number(mean, error)}",
                    alt=f"Correlations in {regime}, {source}: {mean:.2f} on average.",
                )  # fmt: skip


def numbers(model: ScenarioGenerator, script: str, scenarios: ScenarioSet, asset: str | None) -> None:
    """The table by regime with standard errors."""
    from spade_finance.evaluate.regimes import RegimeTable

    st.toggle("History beside it", help="The model's own data, labelled by its labeller.", **bind(BESIDE))
    found = _regime_numbers(scenarios, asset, model if get(BESIDE) else None)
    sources = tuple(dict.fromkeys(found.index.get_level_values(1)))
    words = (
        RegimeTable(found, asset or "market", sources)
        .summary()
        .reset_index()
        .replace("-", "\u2212", regex=True)
    )
    heading(f"{_of(asset).capitalize()} by regime")
    table(words if get(BESIDE) else words.drop(columns="source"))
    st.caption(
        "Percent; returns and volatility a year (252 days), the rest a day. VaR and ES are positive losses. ± is one "
        "standard error, clustered by path (history: by episode). Mean correlation is that of all sectors."
    )


def counterfactual(model: ScenarioGenerator, script: str, scenarios: ScenarioSet, asset: str | None) -> None:
    """A second timeline under the same noise: what the first one alone changes."""
    import pandas as pd

    from spade_finance.stress import Portfolio
    from spade_finance.stress import counterfactual as compare

    _follow(calmest(read_script(script, model), model))
    st.markdown(
        "**The other timeline.** The same noise drives both, path by path, so the difference is the timelines' alone."
    )
    against = timeline(model, AGAINST, key="against", label="Other timeline", extrapolate=get(EXTRAPOLATE))
    if against is None:
        return
    source = _Sampled(model)
    other = source.sample(against, get(PATHS), get(SEED))
    if other.n_days != scenarios.n_days:
        st.info(
            f"The other timeline has {other.n_days:,} days, the first {scenarios.n_days:,}: give both one length.",
            icon=":material/straighten:",
        )
        st.button("Use the calmest regime throughout", on_click=put, args=(AGAINST, ""), key="against:calm")
        return
    held = [asset] if asset else list(model.sectors_)
    book = Portfolio(pd.Series(1 / len(held), index=held), name=_of(asset))
    found = compare(source, script, against, book, n_paths=get(PATHS), seed=get(SEED))
    row = found.table.iloc[0]
    unpaired = percent(row.std_error_independent)
    cards(
        [
            Card("This timeline", percent(row.return_script, signed=True), "mean return over the timeline"),
            Card("The other", percent(row.return_against, signed=True), "mean return over the timeline"),
            Card(
                "Difference",
                percent(row.difference, row.std_error, signed=True),
                f"mean over paired paths; unpaired, its standard error would be {unpaired}",
            ),
        ]
    )
    levels = [100 * wealth(s, asset) for s in (scenarios, other)]
    low = min(float(np.quantile(v, 0.05, axis=0).min()) for v in levels)
    high = max(float(np.quantile(v, 0.95, axis=0).max()) for v in levels)
    room = 0.06 * (high - low)
    for column, (name, one) in zip(
        st.columns(2), (("This timeline", scenarios), ("The other", other)), strict=True
    ):
        with column:
            figure = _fan(one, asset, lines=False)
            figure.update_yaxes(range=[low - room, high + room], row=1, col=1)
            figure.update_layout(showlegend=False, height=380)
            show(
                figure,
                key=f"fan:{name}",
                title=f"{name}: {one.provenance['script']}",
                alt=f"Fan chart of {name.lower()}.",
            )
    _difference(found.daily[_of(asset)], get(PATHS))


def _follow(calm: str) -> None:
    """The other timeline is the calm one of this one until the reader makes it another."""
    if get(AGAINST) in ("", st.session_state.get("against:followed")):
        st.session_state["against:followed"] = calm
        put(AGAINST, calm)


def _difference(daily: Any, n_paths: int) -> None:
    import plotly.graph_objects as go

    from spade_finance.plot_style import GENERATED, band, style

    x = daily.index.to_numpy()
    figure = go.Figure()
    figure.add_trace(
        band(x, 100 * daily["p05"].to_numpy(), 100 * daily["p95"].to_numpy(), 0.22, "90 % of paths")
    )
    mean, error = 100 * daily["mean"].to_numpy(), 200 * daily["std_error"].to_numpy()
    figure.add_trace(band(x, mean - error, mean + error, 0.5, "mean ± 2 standard errors"))
    figure.add_trace(go.Scatter(x=x, y=mean, name="mean", line={"color": GENERATED, "width": 2.2}))
    style(figure, "Difference in value, this timeline minus the other, % of the start", 320)
    figure.update_yaxes(title_text="% of the start", zeroline=True, zerolinecolor="rgba(128,128,128,0.6)")
    figure.update_xaxes(title_text="trading day")
    show(figure, key="difference", alt=f"Mean difference at the end {mean[-1]:.1f} percent of the start.")


class _Sampled:
    """The model with the page's options and cache, as the counterfactual engine takes one."""

    def __init__(self, model: ScenarioGenerator) -> None:
        self.model, self.sectors_, self.regimes_ = model, model.sectors_, model.regimes_

    def sample(self, script: Any, n_paths: int, seed: int) -> ScenarioSet:
        return sample(
            self.model,
            script,
            n_paths,
            seed,
            start_vol=start_level(get(START_VOL)),
            extrapolate=get(EXTRAPOLATE),
        )


def _fan(scenarios: ScenarioSet, asset: str | None, *, lines: bool) -> Any:
    from spade_finance.plotting import fan_chart, spaghetti

    weights = None if asset is None else {asset: 1.0}
    figure = fan_chart(scenarios, weights)
    if lines:
        for trace in spaghetti(scenarios, weights, n_shown=SHOWN_LINES).data:
            if str(trace.name).startswith("path "):
                figure.add_trace(trace.update(opacity=0.5, line={"width": 0.8}))
    return figure


def _of(asset: str | None) -> str:
    return "the equal-weight market" if asset is None else asset


@st.cache_data(max_entries=24, show_spinner=False)
def _cached_numbers(
    _scenarios: ScenarioSet, key: tuple[Any, ...], asset: str | None, _model: Any, beside: bool
) -> Any:
    from spade_finance.evaluate.regimes import regime_table

    real = None
    if beside:
        returns = _history_returns(_model)
        real = {"history": (returns, _model.label(returns))}
    return regime_table(_scenarios, real, asset=asset or "market").table


def _regime_numbers(scenarios: ScenarioSet, asset: str | None, model: ScenarioGenerator | None = None) -> Any:
    made = scenarios.provenance
    key = (
        made["model_hash"],
        made["script"],
        made["seed"],
        made["start_vol"],
        made["timeline"],
        scenarios.n_paths,
    )
    with st.spinner("Labelling history…") if model is not None else st.empty():
        return _cached_numbers(scenarios, key, asset, model, model is not None)


def _history_returns(model: ScenarioGenerator) -> Any:
    """The returns that the model's own history is of.

    Raises
    ------
    InputError
        If they do not travel with the model.
    """
    from spade_finance.data import load_sectors
    from spade_finance.exceptions import InputError

    if not model.embedded_history_:
        raise InputError(
            "this model was trained on other data than the embedded sectors, and a model folder holds no returns: "
            "history cannot be shown beside it here; the Realism page takes your file"
        )
    return load_sectors()[list(model.sectors_)]


def _real_correlations(model: ScenarioGenerator) -> dict[str, Any]:
    with st.spinner("Labelling history…"):
        return _labelled_correlations(model, model.hash_)


@st.cache_data(max_entries=4, show_spinner=False)
def _labelled_correlations(_model: ScenarioGenerator, model_hash: str) -> dict[str, Any]:
    from spade_finance.baselines.base import aligned_codes

    returns = _history_returns(_model)
    codes = aligned_codes(_model.label(returns), returns.index)
    return regime_correlations(returns.to_numpy()[None], np.asarray(codes), _model.regimes_)


View = Callable[["ScenarioGenerator", str, "ScenarioSet", "str | None"], None]

VIEWS: dict[str, tuple[str, View]] = {
    "fan": ("Fan", fan),
    "sectors": ("Sectors", sectors),
    "correlation": ("Correlation", correlations),
    "numbers": ("Numbers", numbers),
    "what-if": ("What if not", counterfactual),
}
