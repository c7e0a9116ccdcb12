# SPDX-License-Identifier: Apache-2.0
"""What the Regimes page shows of labels: history, causal labels, episodes; and the list of its views."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from .. import tables
from ..figures import show
from ..formats import days, percent
from ..headings import heading
from ..kinds import text
from ..state import bind, get, put
from . import _regimes_figures as draw
from . import _regimes_maps as maps
from . import _regimes_numbers as figures
from . import _regimes_process as process
from ._regimes_labels import Seen

__all__ = ["VIEWS", "Seen"]

AT = text("r_at", most=10)
MARGIN = 63
"""Days shown before and after an episode."""


def history(seen: Seen) -> None:
    """Wealth with the ribbon, and what each regime was like."""
    labels = seen.labels.smoothed
    figure = draw.history(seen.market, {"": labels}, colored=labels, around=slice(0, len(labels)))
    show(
        figure, key="history",
        title="The equal-weight market, start = 100 (log scale), by its regime in hindsight",
        alt=f"The market's value from {labels.dates[0]:%Y} to {labels.dates[-1]:%Y}, coloured by regime.",
    )  # fmt: skip
    table = figures.by_regime(labels, seen.source.returns)
    heading("What each regime was like")
    import pandas as pd

    tables.table(
        pd.DataFrame(
            {
                "regime": table.index,
                "return a year": [
                    percent(v, e)
                    for v, e in zip(table["annual_return"], table["annual_return_se"], strict=True)
                ],
                "volatility a year": [
                    percent(v, e) for v, e in zip(table["volatility"], table["volatility_se"], strict=True)
                ],
                "worst day": [percent(v) for v in table["worst_day"]],
                "days": [f"{v:,}" for v in table["days"]],
                "share of days": [percent(v, digits=0) for v in table["share"]],
                "episodes": table["episodes"],
                "mean episode": [days(v) for v in table["mean_days"]],
            }
        )
    )
    st.caption(
        "Equal-weight market, simple returns; return (252 times the daily mean) and volatility a year of 252 days. ± "
        "is one standard error, from a bootstrap of episodes; regimes are chosen in hindsight, so a crisis has a bad "
        "return by construction."
    )


def causal(seen: Seen) -> None:
    """Labels in hindsight against labels as the day itself could have had them."""
    labels = seen.labels
    around, words = _around(seen)
    figure = draw.history(
        seen.market, {"in hindsight (smoothed)": labels.smoothed, "as known on the day (filtered)": labels.causal},
        colored=None, around=around,
    )  # fmt: skip
    agree = float(np.mean(labels.smoothed.codes[around] == labels.causal.codes[around]))
    show(
        figure, key="causal", title=f"The market and two labels of every day, {words}",
        alt=f"Two ribbons under the market; they agree on {agree:.0%} of the days shown.",
    )  # fmt: skip
    late = figures.delays(labels.smoothed, labels.causal)
    table = figures.delay_table(labels.smoothed, labels.causal)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        if late.empty:
            st.info("One regime holds throughout, so nothing begins that could be noticed late.")
        else:
            show(
                draw.delay_strip(late, labels.regimes), key="delays",
                title="How late each episode was noticed, one mark an episode",
                alt="A row of marks for each regime: trading days from an episode's start until it was known.",
            )  # fmt: skip
    with right:
        from spade_finance.regimes.compare import confusion

        show(
            maps.confusion_map(confusion(labels.smoothed, labels.causal)), key="confusion",
            title="What the day's label was, by the regime in hindsight",
            alt="A map of the share of each regime's days by the label they had on the day.",
        )  # fmt: skip
    import pandas as pd

    tables.table(
        pd.DataFrame(
            {
                "regime": table.index,
                "episodes": table["episodes"],
                "noticed": [percent(v, digits=0) for v in table["noticed"]],
                "typical delay (median)": [days(v) for v in table["delay"]],
                "of its days, called so": [percent(v, digits=0) for v in table["caught"]],
                "when called, right": [percent(v, digits=0) for v in table["right"]],
                "false alarms": table["false_alarms"],
            }
        )
    )
    parameters = f"{labels.fitted[0]} to {labels.fitted[1]}"
    st.caption(
        f"Delay in trading days, 0 where it was known on the first day; the median is of the episodes noticed "
        f"while they lasted. The day's label uses that day and earlier ones; the method's parameters are fitted to "
        f"{parameters}, so what they know of those days is not causal. Only days after that are a true test. A false "
        "alarm is a causal episode of which hindsight keeps no day."
    )


def episodes(seen: Seen) -> None:
    """Every episode with its severity."""
    labels, trained = seen.labels, None
    if labels.method == "model" and seen.model is not None:
        trained = seen.model.severity_range_
    table = figures.episode_table(labels.smoothed, seen.source.returns, labels.typical)
    show(
        draw.episode_bubbles(table, labels.regimes, trained), key="episodes",
        title="Severity of each episode (1: as volatile as its regime typically is); larger is longer"
        + ("; band: the model's trained range" if trained else ""),
        alt=f"{len(table)} episodes, severities from {table['severity'].min():.2f} to {table['severity'].max():.2f}.",
    )  # fmt: skip
    import pandas as pd

    latest = table.iloc[::-1]
    tables.table(
        pd.DataFrame(
            {
                "regime": latest["regime"],
                "from": latest["start"].dt.date,
                "to": latest["end"].dt.date,
                "days": latest["days"],
                "severity": latest["severity"],
                "market": [percent(v, signed=True) for v in latest["return"]],
                "worst fall": [percent(v) for v in latest["drawdown"]],
            }
        ),
        rows=11, formats={"severity": "%.2f"},
    )  # fmt: skip
    of = "the model's training days" if labels.typical is not None else "these days"
    st.caption(
        f"Severity: the episode's volatility over its regime's in {of}; episodes under five days are drawn toward 1. "
        "Market: its simple return over the episode, not annualised; worst fall: its deepest drawdown within it."
    )


def _around(seen: Seen) -> tuple[slice, str]:
    """The days to look at: all, or an episode of the worst regime with a quarter on either side."""
    labels = seen.labels.smoothed
    table = figures.episode_table(labels, seen.source.returns, seen.labels.typical)
    worst = table[table["regime"] == labels.regimes[-1]].sort_values("start")
    begun = {f"{row.start:%Y-%m-%d}": row for row in worst.itertuples()}
    if get(AT) not in ("", *begun):
        put(AT, "")

    def words(at: str) -> str:
        if not at:
            return "The whole history"
        return f"{labels.regimes[-1]} from {begun[at].start:%d %b %Y}, {days(begun[at].days)}"

    with st.container(width=420):
        st.selectbox("Look at", ["", *begun], format_func=words, **bind(AT))
    at = get(AT)
    if not at:
        return slice(0, len(labels)), f"{labels.dates[0]:%Y} to {labels.dates[-1]:%Y}"
    start = int(labels.dates.get_loc(begun[at].start))
    around = slice(max(0, start - MARGIN), min(len(labels), start + int(begun[at].days) + MARGIN))
    shown = labels.dates[around]
    return around, f"{shown[0]:%d %b %Y} to {shown[-1]:%d %b %Y}"


VIEWS: dict[str, tuple[str, Callable[[Seen], None]]] = {
    "history": ("History", history),
    "causal": ("Hindsight or known then", causal),
    "durations": ("Durations", process.durations),
    "moves": ("Moves", process.transitions),
    "agreement": ("Agreement", process.agreement),
    "episodes": ("Episodes", episodes),
}
