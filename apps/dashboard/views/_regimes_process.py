# SPDX-License-Identifier: Apache-2.0
"""What the Regimes page shows of the process behind labels, and of other labellers: durations, moves, agreement."""

from __future__ import annotations

import numpy as np
import streamlit as st

from .. import tables
from ..figures import show
from ..formats import count, days, number, percent
from ..headings import heading
from ..kinds import one_of, some_of
from ..state import bind, get, put
from . import _regimes_figures as draw
from . import _regimes_maps as maps
from . import _regimes_numbers as figures
from ._regimes_labels import METHODS, SLOW, Seen, quickly, ready

__all__ = ["MEASURE", "WITH", "agreement", "durations", "transitions"]

WITH = some_of("r_with", ("hmm", "gmm", "rules"), tuple(METHODS))
MEASURE = one_of("r_measure", "kappa", ("kappa", "share", "adjusted_rand", "crisis_share"))
_MEASURES = {
    "kappa": "Beyond chance (kappa)",
    "share": "Same label",
    "adjusted_rand": "Adjusted Rand",
    "crisis_share": "On the worst regime",
}


def durations(seen: Seen) -> None:
    """Spells that history shows against the fitted laws."""
    labels, process = seen.labels.smoothed, seen.labels.process
    from spade_finance.plot_style import regime_colors

    colors = regime_colors(labels.regimes)
    st.markdown(
        f"Share of spells that last longer than so many days: history as steps, the fitted "
        f"**{_FAMILIES.get(process.family_, process.family_)}** law as a line. Scripts with `markov` and `now` draw "
        "their spells from these laws."
    )
    for i in range(0, len(labels.regimes), 2):
        for column, regime in zip(st.columns(2, gap="medium"), labels.regimes[i : i + 2], strict=False):
            with column:
                lengths, cut = figures.spells(labels, regime)
                if not len(lengths):
                    st.info(f"{regime}: no spell in these returns.")
                    continue
                show(
                    maps.survival(regime, colors[regime], figures.spell_survival(lengths, cut), process),
                    key=f"survival:{regime}", title=f"{regime}: {count(len(lengths), 'spell')}",
                    alt=f"Survival of {regime} spells: history's steps and the fitted law.",
                )  # fmt: skip
    table = process.expected_durations()
    import pandas as pd

    seen_days = [figures.spells(labels, r)[0] for r in labels.regimes]
    tables.table(
        pd.DataFrame(
            {
                "regime": labels.regimes,
                "spells seen": [len(v) for v in seen_days],
                "mean, seen": [days(v.mean()) if len(v) else "–" for v in seen_days],
                "mean, law": [days(v) for v in table["mean"]],
                "median, law": [days(v) for v in table["median"]],
                "8 of 10 last, law": [
                    f"{a:,.0f} to {days(b)}" for a, b in zip(table["p10"], table["p90"], strict=True)
                ],
                "share of time, law": [percent(v, digits=0) for v in table["share"]],
            }
        )
    )
    first, last = seen.labels.fitted
    st.caption(
        f"Law of the spells from {first} to {last}; each regime's is drawn toward the common one, and the two spells "
        "that the ends of the data cut count for as long as they were seen. Steps by Kaplan and Meier."
    )


def transitions(seen: Seen) -> None:
    """Where a spell leads."""
    labels, process = seen.labels.smoothed, seen.labels.process
    left, right = st.columns([3, 2], gap="large")
    with left:
        show(
            maps.move_map(process.transition_, figures.moves(labels), labels.regimes), key="moves",
            title="Where a spell leads: the fitted chance, and the moves seen in brackets",
            alt="A map of the chance of each next regime by the regime that ends.",
        )  # fmt: skip
    with right:
        heading("In words")
        lines = []
        for k, regime in enumerate(labels.regimes):
            to = int(np.argmax(process.transition_[k]))
            lines.append(
                f"- After **{regime}** ({days(process.mean_durations_[k])} on average) most often "
                f"**{labels.regimes[to]}**: {percent(process.transition_[k, to], digits=0)}."
            )
        st.markdown("\n".join(lines))
        st.caption(
            "A regime does not follow itself: how long it lasts is the law of durations, not this table. Moves that "
            "history did not show keep a small chance, by the destinations' overall frequencies."
        )


def agreement(seen: Seen) -> None:
    """The labellers against each other."""
    from spade_finance.regimes.compare import agreement as compare

    there = ready(seen.source, seen.n_regimes)
    model, columns = seen.model, set(seen.source.returns.columns)
    known = model is not None and model.labeller_ is not None and set(model.sectors_) == columns
    options = [m for m in METHODS if m != seen.labels.method and (m != "model" or known)]
    chosen = tuple(m for m in get(WITH) if m in options and (m not in SLOW or m in there))
    if chosen != get(WITH):
        put(WITH, chosen)
    usable = [m for m in options if m not in SLOW or m in there]
    st.multiselect("Compared with", usable, format_func=METHODS.__getitem__, **bind(WITH))
    waiting = [METHODS[m] for m in options if m not in usable]
    if waiting:
        st.caption(
            f"{' and '.join(waiting)}: choose one as the labeller once, and it can be compared here too."
        )
    found = {METHODS[seen.labels.method]: seen.labels}
    with st.spinner("Labelling…"):
        for method in chosen:
            found[METHODS[method]] = quickly(seen.source, method, seen.n_regimes, seen.model)
    if len(found) < 2:
        st.info("Choose at least one labeller to compare with.", icon=":material/compare_arrows:")
        return
    smoothed = {name: labels.smoothed for name, labels in found.items()}
    show(
        draw.ribbons(smoothed, slice(0, len(seen.labels.smoothed))), key="ribbons",
        title="The same days by each labeller, in hindsight",
        alt="One ribbon for each labeller over the whole history.",
    )  # fmt: skip
    table = compare(smoothed)
    st.segmented_control("Agreement", list(_MEASURES), format_func=_MEASURES.__getitem__, **bind(MEASURE))
    left, right = st.columns([3, 2], gap="large")
    with left:
        show(
            maps.agreement_map(table, get(MEASURE), list(smoothed)), key="agreement",
            title=f"{_MEASURES[get(MEASURE)]}: 1 is full agreement",
            alt=f"Pairwise agreement from {table[get(MEASURE)].min():.2f} to {table[get(MEASURE)].max():.2f}.",
        )  # fmt: skip
    with right:
        heading("What it measures")
        st.markdown(
            "- **Beyond chance** (Cohen's kappa): days with the same label, over what two labellers with these shares "
            "would share by luck.\n- **Same label**: the plain share of days.\n- **Adjusted Rand**: whether days are "
            "grouped alike, blind to the groups' names.\n- **On the worst regime**: days that both call the worst, of "
            "those that either does.\n\nDifferent numbers of regimes are compared by rank, calm to worst."
        )
    import pandas as pd

    tables.table(
        pd.DataFrame(
            {
                "one": [a for a, _ in table.index],
                "other": [b for _, b in table.index],
                "same label": [percent(v, digits=0) for v in table["share"]],
                "kappa": [number(v) for v in table["kappa"]],
                "adjusted Rand": [number(v) for v in table["adjusted_rand"]],
                "on the worst regime": [percent(v, digits=0) for v in table["crisis_share"]],
            }
        )
    )


_FAMILIES = {"geometric": "geometric", "nbinom": "negative binomial", "lognormal": "log-normal"}
