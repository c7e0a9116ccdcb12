# SPDX-License-Identifier: Apache-2.0
"""What the Model page shows of a model: card, training, limits, provenance."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from .. import tables
from ..figures import ink, show
from ..files import download
from ..formats import count, days, number, percent
from ..headings import heading
from ._model_train import curve, train
from ._regimes_source import embedded

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from spade_finance.model import ScenarioGenerator

__all__ = ["VIEWS", "card_text"]


def card(model: ScenarioGenerator) -> None:
    """What it is, and the regimes it knows."""
    facts = model.describe()
    first, last = facts["training_window"]
    config = model.config_
    sectors, layers = ", ".join(facts["sectors"]), _CONDITIONING.get(config.conditioning, config.conditioning)
    best, begun = (facts["metrics"].get(f"validation_of_{k}") for k in ("model", "start"))
    measured = (
        f"On days held back from training it scores {number(best, digits=4)}; the statistics alone, before any "
        f"training of the network, {number(begun, digits=4)} (lower is better: an energy score plus stylised facts)."
        if best is not None and begun is not None
        else "No days could be held back from this history, so nothing was measured on unseen ones."
    )
    st.markdown(
        f"A generator of daily returns of **{count(len(facts['sectors']), 'sector')}** ({_plain(sectors)}) that is "
        f"told which regime holds on every day. It learned from {days(facts['training_days'])}, {first} to {last}; "
        f"everything in it, labels included, saw those days only.\n\n"
        f"The timeline's regimes and severities pass through **{layers}** "
        f"into a {_TRUNK.get(config.trunk, config.trunk)} of {facts['parameters']:,} weights, which bends means, "
        f"volatilities and correlations that are fitted as statistics. {measured}"
    )
    heading("Regimes, calm to worst")
    tables.table(regime_rows(model))
    st.caption(
        "Of the training days. Market: equal weight; log return and volatility a year of 252 days. Mean spell and "
        "share of time: of the fitted law, in the long run. Severity: an episode's volatility over its regime's; 1 is "
        "typical."
    )


def training(model: ScenarioGenerator) -> None:
    """Curves."""
    result, rows = model.training_result_, model.curve_
    begun = result["validation_of_start"]
    if not rows:
        st.info("This model was saved without its training curve.", icon=":material/show_chart:")
        return
    show(
        curve(rows, begun), key="curve",
        alt=f"Training loss and score on held-back days over {rows[-1]['step']} steps.",
    )  # fmt: skip
    st.caption(
        "Weights are averaged over the steps, and those that score best on the held-back days are kept. "
        + (
            "The dotted line is the score before the first step: a training that does not get below it has learned "
            "nothing that the statistics did not know."
            if begun is not None
            else "No days could be held back here: the last weights are kept, unmeasured."
        )
    )
    parts = [name for name in _PARTS if any(name in row for row in rows)]
    if parts:
        show(_parts(rows, parts), key="parts", alt="The parts of the objective over the steps.")
        st.caption(
            "Energy score: how far whole windows of paths are from what happened, in all sectors and horizons at once. "
            "Stylised facts: clustering, tails and correlations of random portfolios."
        )
    st.markdown(
        f"Preset **{model.preset}**, seed {model.random_state}, {count(result['steps'], 'step')}; "
        f"{_plain(str(result['message']))}."
    )


def limits(model: ScenarioGenerator) -> None:
    """What not to ask of it."""
    facts = model.describe()
    st.markdown("**What it does not do well, or at all**")
    st.markdown("\n".join(f"- {line}" for line in facts["limits"]))
    low, high = facts["severity_range"]
    rows = [
        f"- Severities from **{low:.2f} to {high:.2f}** were seen; beyond that it extrapolates, and sets the dial too "
        "timidly where the range is narrow."
    ]
    for row in facts["regime_summary"]:
        if row["spells"] < 10:
            rows.append(
                f"- **{_plain(row['regime'])}** rests on {count(row['spells'], 'episode')} and {days(row['days'])}: "
                "its mean return says little."
            )
    last = facts["training_window"][1]
    rows.append(f"- Nothing after **{last}** is in it; markets have moved on since, and it has not.")
    if facts["metrics"].get("validation_of_model") is None:
        rows.append("- Its weights were chosen without a look at unseen days: no day was held back.")
    st.markdown("**Of this model in particular**")
    st.markdown("\n".join(rows))
    if _of_embedded(model):
        from spade_finance.data.embedded import sectors_info

        st.markdown("**Of the data it learned from**")
        st.markdown(
            "\n".join(f"- {_plain(line[:1].upper() + line[1:])}." for line in sectors_info()["known_defects"])
        )
    st.caption("How good it is where it is good, chart by chart and against baselines: the Realism page.")


def provenance(model: ScenarioGenerator) -> None:
    """Where it comes from, to the last digit."""
    import pandas as pd

    facts = model.describe()
    first, last = facts["training_window"]
    low, high = facts["severity_range"]
    said = {
        "Training window": f"{first} to {last}, {days(facts['training_days'])}",
        "Preset and seed": f"{facts['preset']}, {facts['seed']}",
        "Steps": f"{facts['steps']:,} ({facts['stopped']})",
        "Severity range": f"{low:.3f} to {high:.3f}",
        "Labeller": facts["labeller"] or "labels from a file",
        "Durations": f"{model.process_.family_}, semi-Markov",
        "History for replays": facts["history"],
        "Parameters": f"{facts['parameters']:,}",
    }
    st.table(pd.DataFrame({"fact": said.keys(), "of this model": said.values()}).set_index("fact"))
    for words, value in (
        ("Model hash: equal hashes give equal paths for equal scripts and seeds", facts["model_hash"]),
        ("Data hash: of the training days' dates, names and values", facts["data_hash"]),
    ):
        st.caption(words)
        st.code(value, language=None, wrap_lines=True)
    heading("Severities in training")
    table = model.severity_table_
    tables.table(
        pd.DataFrame(
            {
                "regime": table.index,
                "episodes": table["episodes"].astype(int),
                **{w: [number(v) for v in table[c]] for c, w in _SEVERITY.items()},
            }
        )
    )
    text = card_text(model)
    with st.expander("card.md, as it lies in the model's folder", icon=":material/description:"):
        st.code(text, language="markdown", wrap_lines=True)
    with st.expander("Architecture, every field", icon=":material/schema:"):
        st.json(facts["architecture"])
    download("card.md", "card.md", text, key="model:card")


def own(model: ScenarioGenerator) -> None:
    """Train one."""
    train()


def regime_rows(model: ScenarioGenerator) -> Any:
    """A row a regime, in words."""
    import pandas as pd

    facts, process = model.describe(), model.process_
    severity, mean = (
        facts["severity_by_regime"],
        dict(zip(process.regimes_, process.mean_durations_, strict=True)),
    )
    share = dict(zip(process.regimes_, process.stationary_, strict=True))
    rows = []
    for row in facts["regime_summary"]:
        name = row["regime"]
        own = severity.get(name, {})
        rows.append(
            {
                "regime": name,
                "market a year": percent(row["annual_log_return"]),
                "volatility a year": percent(row["annual_volatility"]),
                "days": f"{row['days']:,}",
                "episodes": f"{row['spells']:,}",
                "mean spell": days(mean.get(name)),
                "share of time": percent(share.get(name), digits=0),
                "severity": f"{number(own.get('min'))} to {number(own.get('max'))}",
            }
        )
    return pd.DataFrame(rows)


def card_text(model: ScenarioGenerator) -> str:
    """The card that came with it, else the one that ``save`` would write."""
    from spade_finance.model.card import card as written

    return str(getattr(model, "card_", None) or written(model))


def _parts(rows: list[dict[str, Any]], parts: list[str]) -> go.Figure:
    from plotly.subplots import make_subplots

    from spade_finance.plot_style import GENERATED, lift_legend, style

    figure = make_subplots(1, len(parts), subplot_titles=[_PARTS[p] for p in parts], horizontal_spacing=0.12)
    import plotly.graph_objects as go

    for i, part in enumerate(parts, start=1):
        for prefix, words, width in (("", "training windows", 1.6), ("validation_", "held-back days", 2.4)):
            name = prefix + part
            if prefix and not any(name in row for row in rows):
                continue
            figure.add_trace(
                go.Scatter(
                    x=[row["step"] for row in rows], y=[row.get(name) for row in rows], mode="lines", name=words,
                    legendgroup=words, showlegend=i == 1, connectgaps=True,
                    line={"width": width, "color": GENERATED if prefix else ink()["muted"]},
                ),
                row=1, col=i,
            )  # fmt: skip
    style(figure, "What the score is made of", 330)
    lift_legend(figure)
    figure.update_layout(margin={"t": 142, "l": 52, "r": 12, "b": 44})
    figure.update_annotations(font={"size": 12})
    figure.update_xaxes(title={"text": "step", "font": {"size": 12}})
    return figure


def _of_embedded(model: ScenarioGenerator) -> bool:
    """Whether it was trained on the data that travel with the program."""
    return model.embedded_history_ and set(model.sectors_) <= set(embedded().returns.columns)


def _plain(said: str) -> str:
    """Names from a file are no Markdown."""
    return "".join("\\" + c if c in "\\`*_[]~$#<>|:" else c for c in said)


_PARTS = {"energy_score": "Energy score", "facts": "Stylised facts"}
_SEVERITY = {"min": "least", "p05": "5 %", "median": "median", "p95": "95 %", "max": "most"}
_CONDITIONING = {"spade": "SPADE layers", "concat": "concatenation", "film": "FiLM layers"}
_TRUNK = {"causal": "causal network"}

VIEWS: dict[str, tuple[str, Callable[[ScenarioGenerator], None]]] = {
    "card": ("Card", card),
    "training": ("Training", training),
    "limits": ("Limits", limits),
    "provenance": ("Provenance", provenance),
    "own": ("Train your own", own),
}
