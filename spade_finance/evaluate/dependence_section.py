# SPDX-License-Identifier: Apache-2.0
"""Dependence between sectors: spectrum, tails, what breaks in a crisis, and what long-short books hold."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd

from spade_finance.evaluate import dependence_figures as figures
from spade_finance.evaluate.compare import compare
from spade_finance.evaluate.dependence_metrics import (
    CROSS_LAGS,
    MIN_TAIL_DAYS,
    dependence_metrics,
    known_dependence,
    portfolios_of,
    worst_and_calmest,
)
from spade_finance.evaluate.episodes import MIN_EPISODES
from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult
from spade_finance.evaluate.verdict_table import LEGEND, Line, tally, verdict_table
from spade_finance.evaluate.verdicts import NOT_ASSESSABLE

_PORTFOLIO_LINES = (
    ("volatility a year", "volatility"),
    ("one-day VaR 99 %", "var_99"),
    ("one-day ES 97.5 %", "es_97_5"),
    ("L-kurtosis", "l_kurtosis"),
    ("excess kurtosis", "excess_kurtosis"),
)


class DependenceSection(Section):
    """What the catalogue does not say about how sectors move together."""

    name: ClassVar[str] = "dependence"
    title: ClassVar[str] = "Dependence between sectors"

    def measure(self, material: Material) -> SectionResult:
        """Correlations, spectrum, tails, breakdown and low-variance portfolios."""
        real, columns = material.real, dict(material.columns)
        if len(real.sectors) < 2:
            return SectionResult(notes=("a single sector has no dependence: the section is left out",))
        own = compare(real, material.floor, columns, dependence_metrics(real, material.training))
        known = compare(real, material.floor, columns, known_dependence(real)).statistics
        everything = pd.concat([own.statistics, known], ignore_index=True)
        names = tuple(columns)
        exhibits = [
            Exhibit(
                "Dependence between sectors",
                f"{LEGEND}. All days by block bootstrap under the window's own regimes, regimes and the "
                "breakdown by episode bootstrap.",
                table=verdict_table(_lines(real.regimes, real.sectors), everything, names),
            )
        ]
        portfolios = portfolios_of(material.training, real.sectors)
        if portfolios is not None:
            lines = [
                Line(f"{name}: {words}", f"low_eigen_{metric}", None, name, 1)
                for name in portfolios.names
                for words, metric in _PORTFOLIO_LINES
            ]
            shares = ", ".join(
                f"{n} {100 * s:.1f} %" for n, s in zip(portfolios.names, portfolios.shares, strict=True)
            )
            exhibits.append(
                Exhibit(
                    "Low-variance portfolios: what long-short books hold",
                    "Portfolios along the smallest eigenvalues of the training correlation, gross exposure "
                    f"one, rebalanced daily (share of standardised training variance: {shares}). Generators "
                    "matched on large moves tend to miss these directions.",
                    table=verdict_table(lines, everything, names),
                )
            )
        panels = {"real": real, **columns}
        exhibits.append(
            Exhibit(
                "Spectrum of the correlation",
                "Above the Marchenko-Pastur edge lie common modes; between the edges, what independent series "
                "of this length would show; below, combinations of sectors that hardly move. Bars: 95 % of "
                "the resampled window.",
                figure=figures.spectrum(panels, material.floor),
            )
        )
        tails = figures.tail_dependence(everything, real.regimes, names)
        if tails is not None:
            exhibits.append(
                Exhibit(
                    "Tail dependence",
                    "Mean over pairs of sectors of the chance that one is in its 5 % tail on a day when the "
                    f"other is; by regime where the window has {MIN_TAIL_DAYS} days of it.",
                    figure=tails,
                )
            )
        return SectionResult(
            statistics=own.statistics,
            distances=own.distances,
            exhibits=tuple(exhibits),
            findings=_findings(everything, names),
            notes=tuple(_notes(material, everything)),
        )


def _lines(regimes: tuple[str, ...], sectors: tuple[str, ...]) -> list[Line]:
    """Lines of the first table."""
    lines = [Line("mean correlation", "mean_correlation")]
    lines += [Line(f"mean correlation, {r}", "mean_correlation", r) for r in regimes]
    lines += [
        Line("correlation breakdown: worst regime less calmest", "correlation_breakdown"),
        Line("share of the largest eigenvalue", "eigen_share"),
        *(Line(f"share of the largest eigenvalue, {r}", "eigen_share", r) for r in regimes),
        Line("eigenvalues above the Marchenko-Pastur edge", "eigen_above_edge"),
        Line("lower tail dependence", "lower_tail_dependence"),
        Line("upper tail dependence", "upper_tail_dependence"),
        Line("tail asymmetry: lower less upper", "tail_dependence_asymmetry"),
    ]
    words = f"cross-leverage, lags 1 to {CROSS_LAGS[-1]}: market on "
    return lines + [Line(words + s, "cross_leverage", None, s) for s in sectors]


def _findings(statistics: pd.DataFrame, names: tuple[str, ...]) -> tuple[str, ...]:
    subject = names[0]
    findings = []
    counts = {name: tally(statistics, name) for name in names}
    hits, judged = counts[subject]
    if judged:
        text = f"{subject}: {hits} of {judged} dependence statistics lie in the real 95 % interval"
        if len(names) > 1:
            best = max(names[1:], key=lambda n: counts[n][0] / max(counts[n][1], 1))
            text += f" (best baseline: {best}, {counts[best][0]} of {counts[best][1]})"
        findings.append(text + ".")
    row = Line("", "correlation_breakdown").find(statistics)
    if row is not None and pd.notna(row[subject]):
        text = (
            f"From the calmest to the worst regime the mean correlation rises by {row['real']:.2f} in the real "
            f"window and by {row[subject]:.2f} in {subject}"
        )
        few = row[f"{subject}:verdict"] == NOT_ASSESSABLE
        findings.append(text + (f" (fewer than {MIN_EPISODES} spells: not assessable)." if few else "."))
    part = statistics[(statistics["metric"] == "low_eigen_volatility") & statistics["regime"].isna()]
    if len(part):
        ratio = (part[subject] / part["real"]).mean()
        findings.append(
            f"Low-variance long-short portfolios have {100 * ratio:.0f} % of their real volatility in {subject}."
        )
    return tuple(findings)


def _notes(material: Material, statistics: pd.DataFrame) -> list[str]:
    real, notes = material.real, []
    if portfolios_of(material.training, real.sectors) is None:
        notes.append("no training days are known (or too few): low-variance portfolios are left out")
    if real.codes is None:
        notes.append("without labels there is no dependence by regime and no correlation breakdown")
    elif worst_and_calmest(real) is None:
        notes.append("only one regime has enough days in the window: no correlation breakdown")
    return notes
