# SPDX-License-Identifier: Apache-2.0
"""The stylised facts: each a statistic, the real value with its interval, every column with a verdict."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd

from spade_finance.evaluate import facts_figures as figures
from spade_finance.evaluate.compare import Comparison, compare
from spade_finance.evaluate.episodes import MIN_EPISODES, episodes_in
from spade_finance.evaluate.panel import MARKET, Panel
from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult
from spade_finance.evaluate.shape import regime_volatility, shape_metrics, shape_panel
from spade_finance.evaluate.stylised import facts_metrics, known_facts, too_short_for
from spade_finance.evaluate.verdict_table import LEGEND, Line, tally, verdict_table
from spade_finance.evaluate.verdicts import TOO_HIGH, TOO_LOW

_FACTS = (
    ("no linear autocorrelation: lag 1", "acf_return", 1),
    ("no linear autocorrelation: portmanteau over 20 lags, 1 for none", "portmanteau", None),
    ("heavy tails: tail index of losses (Hill)", "hill_left", None),
    ("heavy tails: tail index of gains (Hill)", "hill_right", None),
    ("heavy tails: 1 % over 25 % quantile, losses", "quantile_ratio_left", None),
    ("heavy tails: 99 % over 75 % quantile, gains", "quantile_ratio_right", None),
    ("heavy tails: L-kurtosis, 1 day", "l_kurtosis", 1),
    ("heavy tails: excess kurtosis, 1 day", "excess_kurtosis", 1),
    ("gain/loss asymmetry: A of first passages", "gain_loss_asymmetry", None),
    ("gain/loss asymmetry: days to -5 %", "first_passage_loss", None),
    ("gain/loss asymmetry: days to +5 %", "first_passage_gain", None),
    ("gain/loss asymmetry: L-skewness", "l_skewness", None),
    ("gain/loss asymmetry: skewness", "skewness", None),
    ("aggregational Gaussianity: L-kurtosis, 5 days", "l_kurtosis", 5),
    ("aggregational Gaussianity: L-kurtosis, 20 days", "l_kurtosis", 20),
    ("aggregational Gaussianity: L-kurtosis, 60 days", "l_kurtosis", 60),
    ("aggregational Gaussianity: excess kurtosis, 20 days", "excess_kurtosis", 20),
    ("intermittency: variation of large days by month", "intermittency", None),
    ("volatility clustering: autocorrelation of |r|, lags 1 to 20", "acf_absolute", None),
    ("volatility clustering: of r², lags 1 to 20", "acf_squared", None),
    ("volatility clustering: of |r|, worst regime left out", "acf_absolute_crisis_free", None),
    ("slow decay: autocorrelation of |r|, lags 21 to 60", "acf_absolute_far", 60),
    ("slow decay: exponent of the power law", "acf_decay", None),
    ("conditional heavy tails: L-kurtosis after EWMA", "ewma_l_kurtosis", None),
    ("conditional heavy tails: tail index of losses after EWMA", "ewma_hill_left", None),
    ("conditional heavy tails: tail index of gains after EWMA", "ewma_hill_right", None),
    ("conditional heavy tails: excess kurtosis after EWMA", "ewma_excess_kurtosis", None),
    ("conditional heavy tails: L-kurtosis after GARCH", "garch_l_kurtosis", None),
    ("leverage: corr(r, later r²), lags 1 to 10", "leverage", None),
    ("time asymmetry (Zumbach)", "zumbach", None),
)


class FactsSection(Section):
    """Stylised facts, raw and by shape alone.

    Rows are those that :func:`.compare.compare` does not have by itself; the exhibits show both.
    """

    name: ClassVar[str] = "facts"
    title: ClassVar[str] = "Stylised facts"

    def measure(self, material: Material) -> SectionResult:
        """Facts of the market and the sectors, all days and by regime, raw and by shape."""
        real, columns = material.real, dict(material.columns)
        own = compare(real, material.floor, columns, facts_metrics(real))
        shape = _shape(material)
        known = compare(real, material.floor, columns, known_facts(real)).statistics
        everything = pd.concat([own.statistics, known], ignore_index=True)
        names = tuple(columns)
        lines = [Line(title, metric, None, MARKET, days) for title, metric, days in _FACTS]
        panels = {"real": real, **columns}
        exhibits = (
            Exhibit(
                "Stylised facts of the market",
                f"{LEGEND}. Intervals by block bootstrap under the window's own regimes.",
                table=verdict_table(lines, everything, names),
            ),
            Exhibit(
                "How many facts are as real",
                "Statistics inside the real interval, of those that can be judged: on all days by asset, then "
                "of all assets by regime (intervals by episode bootstrap). A perfect generator has 85 to 95 %: few "
                "spells and slow volatility make the intervals somewhat too narrow.",
                table=_tallies(everything, real, names),
            ),
            Exhibit(
                "Slow decay of volatility clustering",
                "Autocorrelation of absolute market returns on logarithmic axes; a power law is a straight "
                "line. Grey: real, with 95 % of the resampled window; values below zero cannot be drawn.",
                figure=figures.decay(panels, material.floor),
            ),
            Exhibit(
                "Aggregation and leverage",
                "Left: L-kurtosis of market returns over longer horizons, .123 for the Gaussian. Right: "
                "correlation of a day's return with later squared returns.",
                figure=figures.aggregation_and_leverage(panels, material.floor),
            ),
            Exhibit(
                "Quantiles of the market's daily returns",
                "Generated against real; on the diagonal they agree. Shaded: 90 % of the first column's "
                "replicates.",
                figure=figures.quantiles(panels),
            ),
        )
        return SectionResult(
            statistics=pd.concat([own.statistics, shape.statistics], ignore_index=True),
            distances=pd.concat([own.distances, shape.distances], ignore_index=True),
            exhibits=exhibits,
            findings=_findings(lines, everything, names),
            notes=tuple(_notes(real, material)),
        )


def _shape(material: Material) -> Comparison:
    """The metrics of scale-free panels: everything rescaled to the real window's volatility by regime."""
    real = material.real
    bare = Panel(real.simple, None, real.segments, real.sectors, ())
    by_regime, by_asset = regime_volatility(real), regime_volatility(bare)

    def shaped(panel: Panel) -> Panel:
        return shape_panel(panel, by_asset if panel.codes is None else by_regime)

    columns = {name: shaped(panel) for name, panel in material.columns.items()}
    return compare(shaped(real), shaped(material.floor), columns, shape_metrics(real))


def _tallies(statistics: pd.DataFrame, real: Panel, names: tuple[str, ...]) -> pd.DataFrame:
    all_days = statistics[statistics["regime"].isna()]
    groups = {asset: all_days[all_days["asset"] == asset] for asset in real.assets}
    groups |= {f"days of {r}": statistics[statistics["regime"] == r] for r in real.regimes}
    rows = {}
    for title, group in groups.items():
        if group.empty:
            continue
        counts = {name: tally(group, name) for name in names}
        rows[title] = {
            n: f"{hits} of {judged}" if judged else "not assessable" for n, (hits, judged) in counts.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _findings(lines: list[Line], statistics: pd.DataFrame, names: tuple[str, ...]) -> tuple[str, ...]:
    """What the table of the market says of the first column, and of the best other."""
    found = [(line.title, row) for line in lines if (row := line.find(statistics)) is not None]
    market = pd.DataFrame([row for _, row in found])
    if market.empty:
        return ()
    counts = {name: tally(market, name) for name in names}
    subject = names[0]
    hits, judged = counts[subject]
    if not judged:
        return (f"{subject}: no stylised fact of the market can be judged in this window.",)
    text = f"{subject}: {hits} of {judged} stylised facts of the market lie in the real 95 % interval"
    if len(names) > 1:
        best = max(names[1:], key=lambda n: counts[n][0] / max(counts[n][1], 1))
        text += f" (best baseline: {best}, {counts[best][0]} of {counts[best][1]})"
    for verdict in (TOO_HIGH, TOO_LOW):
        missed = [title for title, row in found if row[f"{subject}:verdict"] == verdict]
        if missed:
            text += f"; {verdict}: {', '.join(missed)}"
    return (text + ".",)


def _notes(real: Panel, material: Material) -> list[str]:
    notes = [note for note in (too_short_for(real),) if note]
    if real.codes is None:
        notes.append(
            "without labels no fact is measured by regime, and shape is taken off one volatility only"
        )
    rare = [name for name, count in episodes_in(real).items() if 0 < count < MIN_EPISODES]
    if rare:
        notes.append(
            f"{', '.join(rare)}: fewer than {MIN_EPISODES} spells in the window, so nothing can be said about "
            "what is usual there; values are shown with the interval of resampled days, without a verdict"
        )
    unlabelled = [name for name, panel in material.columns.items() if panel.codes is None]
    if unlabelled and real.codes is not None:
        notes.append(
            f"{', '.join(unlabelled)}: without regimes, rescaled by one volatility in the shape rows"
        )
    return notes
