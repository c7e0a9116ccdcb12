# SPDX-License-Identifier: Apache-2.0
"""The scorecard's part on distances: distributions, proper score, classifiers, neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from spade_finance.evaluate.distance_figures import bars
from spade_finance.evaluate.distance_parts import energy_part, marginal_part, shaping
from spade_finance.evaluate.distances import Distances
from spade_finance.evaluate.energy import UNIT_DAYS
from spade_finance.evaluate.likeness_parts import prdc_part, signature_part, two_sample_part
from spade_finance.evaluate.prdc import MEASURES
from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult
from spade_finance.evaluate.section_rows import Part, cell, frame

_ENERGY = (
    "One less the ratio of a column's energy score to that of the resampled real window: 0 is as good as real "
    "days put in another order, more is better. Bars: all days; two standard errors over windows of 60 days. The "
    "resamples know the window that is scored, so a small negative skill is what a very good generator has."
)
_CLASSIFIERS = (
    "Probability that a classifier, trained on other years, scores a real window of 40 days above a generated one "
    "of the same dates: 0.5 cannot be told apart, 1 always. Shaded: 95 % of one resample of the real window "
    "against others (trees, raw). Shape: after every regime's volatility was made equal to the real one. Real "
    "years differ from one another too, and no resample shows that."
)


class DistancesSection(Section):
    """KS, energy score given the map, signature MMD, classifier two-sample tests, precision and coverage."""

    name: ClassVar[str] = "distances"
    title: ClassVar[str] = "Distances"

    def measure(self, material: Material) -> SectionResult:
        """Every distance of every column, with the same distance of the resampled real window from itself."""
        shape = shaping(material)
        marginal, exact = marginal_part(material, shape)
        energy = energy_part(material)
        trees = two_sample_part(material, shape)
        signature, coverage = signature_part(material), prdc_part(material)
        parts = [marginal, energy, trees, signature, coverage]
        names = tuple(material.columns)
        exhibits = [
            *_energy_exhibits(energy, names),
            *_classifier_exhibits(trees, names),
            *_likeness_table(trees, signature, coverage, names),
            *_marginal_table(exact, names),
        ]
        return SectionResult(
            statistics=frame([row for part in parts for row in part.statistics]),
            distances=frame([row for part in parts for row in part.distances]),
            exhibits=tuple(exhibits),
            findings=(*energy.findings, *_classifier_finding(trees, names)),
            notes=tuple(note for part in parts for note in part.notes),
        )


def _energy_exhibits(part: Part, names: tuple[str, ...]) -> list[Exhibit]:
    whole = part.values("energy_score")
    if whole is None:
        return []
    worst = [r for r in part.statistics if r["metric"] == "energy_score" and r["regime"] is not None][-1:]
    rows = {"all days": whole} | {f"{row['regime']} days": row for row in worst}
    title = "Energy score given the map"
    figure = bars(
        rows, names, title=f"{title}: skill against resampled reality, %", axis="skill, % (higher is better)",
        scale=100.0, one_minus=True, reference=0.0,
    )  # fmt: skip
    blocks = {name: part.values(f"energy_score_{name}") for name in UNIT_DAYS}
    table = {
        column: {
            name: cell(100 * (1 - row[column]), 100 * row[f"{column}:se"], 1)
            for name, row in blocks.items()
            if row is not None and column in row
        }
        for column in names
        if column in whole
    }
    return [
        Exhibit(title, _ENERGY, figure=figure),
        Exhibit(
            "Energy skill by scale, %",
            "The same, feature block by feature block: single days of all sectors; sums over weeks and months; "
            "log volatility; a day's return with later absolute returns; random long-short portfolios; the "
            "market's path over a window.",
            table=pd.DataFrame.from_dict(table, orient="index"),
        ),
    ]


def _classifier_exhibits(part: Part, names: tuple[str, ...]) -> list[Exhibit]:
    titles = {
        "c2st_trees": "trees",
        "shape_c2st_trees": "trees, shape alone",
        "c2st_network": "convolutional network",
    }
    rows = {title: row for metric, title in titles.items() if (row := part.values(metric)) is not None}
    if not rows:
        return []
    title = "Classifier two-sample tests"
    figure = bars(
        rows, names, title=f"{title}: AUC on unseen years", axis="AUC (lower is better)", reference=0.5
    )
    return [Exhibit(title, _CLASSIFIERS, figure=figure)]


def _classifier_finding(part: Part, names: tuple[str, ...]) -> list[str]:
    row = part.values("c2st_trees")
    if row is None:
        return []
    order = sorted((n for n in names if row[n] == row[n]), key=lambda n: row[n])
    if names[0] not in order:
        return []
    text = f"Trees tell {names[0]} from real windows with AUC {cell(row[names[0]], row[f'{names[0]}:se'], 2)}"
    best = next((n for n in order if n != names[0]), None)
    if best is not None:
        text += f"; the hardest to tell of the others is {best}, {cell(row[best], row[f'{best}:se'], 2)}"
    shape = part.values("shape_c2st_trees")
    if shape is not None:
        text += f"; by shape alone {names[0]} has {cell(shape[names[0]], shape[f'{names[0]}:se'], 2)}"
    return [text + "."]


def _likeness_table(trees: Part, signature: Part, coverage: Part, names: tuple[str, ...]) -> list[Exhibit]:
    rows = {m: row for m in MEASURES if (row := coverage.values(m)) is not None}
    if (mmd := signature.values("signature_mmd")) is not None:
        rows["signature MMD², 1e-3"] = {k: v * 1e3 if isinstance(v, float) else v for k, v in mmd.items()}
    if (accuracy := trees.values("c2st_trees_accuracy")) is not None:
        rows["accuracy of trees"] = accuracy
    if not rows:
        return []
    table = {
        title: {"real against real": cell(row["real"], (row["real_high"] - row["real"]) / 1.96)}
        | {c: cell(row[c], row[f"{c}:se"]) for c in names}
        for title, row in rows.items()
    }
    return [
        Exhibit(
            "Likeness of windows",
            "Precision and density: do generated windows look like real ones; recall and coverage: are all kinds of "
            "real windows there. Signature MMD² is an unbiased estimate, zero for equal laws. Real against real: "
            "mean and standard deviation over resamples (zero and a half by definition for the last two).",
            table=pd.DataFrame.from_dict(table, orient="columns"),
        )
    ]


def _marginal_table(exact: Mapping[str, Mapping[str, Distances]], names: tuple[str, ...]) -> list[Exhibit]:
    if not exact:
        return []
    table: dict[str, dict[str, str]] = {name: {} for name in names}
    for key, found in exact.items():
        form, days = ("shape, ", key.removeprefix("shape_")) if key.startswith("shape_") else ("", key)
        unit = "day" if days == "1" else "days"
        for name, d in found.items():
            table[name][f"KS {form}{days} {unit}"] = cell(d.ks[0], d.ks_se[0])
            table[name][f"W1 {form}{days} {unit}"] = cell(d.w1[0], d.w1_se[0])
    return [
        Exhibit(
            "Distribution of the market's returns",
            "Kolmogorov-Smirnov and Wasserstein distance (in real standard deviations) of all generated from the "
            "real returns, with Monte-Carlo errors clustered by path; floors stand in the table of distances.",
            table=pd.DataFrame.from_dict(table, orient="index"),
        )
    ]
