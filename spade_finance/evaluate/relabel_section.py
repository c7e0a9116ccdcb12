# SPDX-License-Identifier: Apache-2.0
"""The scorecard's part on labels: are generated regimes recognised, and does the map matter at all?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.distance_figures import confusion_maps
from spade_finance.evaluate.energy import WINDOW_DAYS, MapScores, is_aligned, scale_panel
from spade_finance.evaluate.errors import jackknife_spread
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.relabel import (
    STRETCH_DAYS,
    agreement,
    block_shuffle,
    confusion,
    relabel,
    row_shares,
    separation,
    stretches_of,
    with_errors,
)
from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult
from spade_finance.evaluate.section_rows import Part, cell, distance, frame, keys, statistic
from spade_finance.exceptions import InputError

Array = NDArray[np.float64]

Labelled = tuple[int, tuple[int, int], NDArray[np.integer]]
"""A path, the stretch of it (first day, end) and that stretch's labels."""

PATHS = 12
CONTROL_PATHS = 16
N_SHUFFLES = 8
STREAM = 320
_WINDOW, _RESAMPLED = "real window", "real, resampled"
SHUFFLE_DAYS = 60
MEASURES = ("label_agreement", "label_kappa", "label_recall")


class LabelsSection(Section):
    """Relabelled paths against their script, beside real data's self-consistency; shuffled labels as control."""

    name: ClassVar[str] = "labels"
    title: ClassVar[str] = "Does the label hold?"

    def measure(self, material: Material) -> SectionResult:
        """Agreement, confusion, and what is left of both when labels are shuffled in blocks."""
        if material.real.codes is None:
            return SectionResult(notes=("no labels: there is nothing to hold",))
        part, names = Part(), tuple(material.columns)
        maps = _relabelled(material, part)
        _shuffled(material, part)
        exhibits = []
        if maps:
            figure = confusion_maps(maps, material.real.regimes)
            exhibits.append(Exhibit("What the labeller sees in generated paths", _MAPS, figure=figure))
        if part.statistics:
            exhibits.append(Exhibit("Labels and their control", _TABLE, table=_table(part, names)))
        return SectionResult(
            frame(part.statistics),
            frame(part.distances),
            tuple(exhibits),
            tuple(_findings(part, names)),
            tuple(part.notes),
        )


_MAPS = (
    "Rows: the regime that was asked for; columns: the share of its days that the model's own labeller calls so, in "
    f"{PATHS} paths of two years each. Right: real days under the same treatment, the window itself (cut into the "
    "same stretches) and resampled under its own labels (regimes kept, days in another order)."
)
_TABLE = (
    "Agreement, Cohen's kappa and mean recall of relabelled days with the script. Shuffled: kappa with the script's "
    f"blocks of {SHUFFLE_DAYS} days in another order, near zero if it is the script that labels follow. Separation: "
    "standard deviation over days of the regime's log volatility; kept: the share of its square that shuffled labels "
    "find. Map value: how much worse the energy score gets when the paths of other maps are scored instead, %; zero "
    "if the map does nothing."
)


def _relabelled(material: Material, part: Part) -> dict[str, Array]:
    """Rows on agreement; the confusion maps of the first column, the real window and its resamples."""
    real = material.real
    if material.label is None:
        part.notes.append("no labeller is known: generated paths cannot be relabelled")
        return {}
    panels = {_WINDOW: real, _RESAMPLED: material.floor}
    panels |= {name: panel for name, panel in material.columns.items() if panel.codes is not None}
    try:
        labels = {name: _labels(material, panel) for name, panel in panels.items()}
    except InputError as error:
        part.notes.append(f"generated paths cannot be relabelled: {error}")
        return {}
    counts = {name: _counts(panel, labels[name]) for name, panel in panels.items()}
    if counts[_WINDOW].sum() == 0:
        part.notes.append("the labeller does not label these days: generated paths cannot be relabelled")
        return {}
    columns = [name for name in panels if name in material.columns]
    found = {name: with_errors(counts[name]) for name in panels}
    noise = _of_a_window(np.stack([agreement(one) for one in counts[_RESAMPLED]]), real.n_days)
    for i, metric in enumerate(MEASURES):
        key = keys(metric, "labels", "number" if metric == "label_kappa" else "percent")
        values = {n: (float(found[n][0][i]), float(found[n][1][i])) for n in columns}
        row = statistic(key, float(found[_RESAMPLED][0][i]), noise[:, i], values)
        part.statistics.append(row | {"real_high": min(row["real_high"], 1.0)})
        own = float(found[_WINDOW][0][i])
        nothing = dict.fromkeys(columns, (np.nan, np.nan))
        part.statistics.append(statistic(key | {"metric": f"{metric}_window"}, own, 0.0, nothing))
    missed = 1 - float(found[_RESAMPLED][0][0])
    part.distances.append(
        distance(
            keys("label_agreement", "labels", "percent"),
            missed if missed > 0 else np.nan,
            {n: 1 - float(found[n][0][0]) for n in columns},
        )
    )
    for k, regime in enumerate(real.regimes):
        recall = {name: _recall(counts[name], k) for name in panels}
        if np.isfinite(recall[_RESAMPLED][0]):
            each = np.array([row_shares(c)[k, k] for c in counts[_RESAMPLED]])
            noise_of_one = _of_a_window(each[np.isfinite(each)], real.n_days)
            key = keys("label_recall", "labels", "percent", regime)
            row = statistic(key, recall[_RESAMPLED][0], noise_of_one, {n: recall[n] for n in columns})
            part.statistics.append(row | {"real_high": min(row["real_high"], 1.0)})
    if real.n_days >= 4 * SHUFFLE_DAYS:
        shuffled = {n: _kappa_of_shuffled(material, panels[n], labels[n]) for n in panels}
        values = {n: shuffled[n] for n in columns if panels[n].n_days >= 4 * SHUFFLE_DAYS}
        value, spread = shuffled[_RESAMPLED]
        part.statistics.append(statistic(keys("label_kappa_shuffled", "labels"), value, spread, values))
    first = next(iter(material.columns))
    shown = [first] if first in counts else []
    return {name: row_shares(counts[name].sum(0)) for name in [*shown, _WINDOW, _RESAMPLED]}


def _of_a_window(by_stretch: Array, n_days: int) -> Array:
    """Values with the spread that whole windows would have, from those of stretches of them."""
    centre = by_stretch.mean(0)
    return np.asarray(centre + (by_stretch - centre) * np.sqrt(min(STRETCH_DAYS / n_days, 1.0)))


def _labels(material: Material, panel: Panel) -> list[Labelled]:
    """Labels of one stretch of each path; the one real path takes every stretch."""
    training = material.training
    history = np.zeros((0, len(panel.sectors))) if training is None else training.simple[0, :, 1:]
    if training is not None and material.dates is not None and material.training_dates is not None:
        history = history[np.asarray(material.training_dates < material.dates[0])]
    n_stretches = PATHS if panel.n_paths == 1 else min(PATHS, panel.n_paths)
    out: list[Labelled] = []
    for i, stretch in enumerate(stretches_of(panel.n_days, n_stretches)):
        path = min(i, panel.n_paths - 1)
        returns = panel.simple[path, :, 1:]
        codes = relabel(
            material.label, returns, stretch, history, panel.sectors, panel.regimes, material.dates
        )
        out.append((path, stretch, codes))
    return out


def _asked(panel: Panel) -> NDArray[np.integer]:
    return np.broadcast_to(np.asarray(panel.codes), (panel.n_paths, panel.n_days))


def _counts(panel: Panel, labels: list[Labelled]) -> Array:
    """Confusion counts (stretches, regimes, regimes)."""
    codes = _asked(panel)
    return np.stack([confusion(codes[p, a:b], found, len(panel.regimes)) for p, (a, b), found in labels])


def _recall(counts: Array, k: int) -> tuple[float, float]:
    """Share of regime k found again, with its jackknife error over paths that have it."""
    seen = counts[counts[:, k].sum(1) > 0]
    if not len(seen):
        return np.nan, np.nan
    value = float(row_shares(seen.sum(0))[k, k])
    if len(seen) < 2:
        return value, np.nan
    left_out = [[row_shares(seen.sum(0) - one)[k, k]] for one in seen]
    return value, float(jackknife_spread(np.array(left_out))[0])


def _kappa_of_shuffled(material: Material, panel: Panel, labels: list[Labelled]) -> tuple[float, float]:
    """Kappa of relabelled days with the script's blocks in another order."""
    order = block_shuffle(panel.n_days, SHUFFLE_DAYS, material.rng(STREAM))
    codes, counts = _asked(panel), []
    for p, (a, b), found in labels:
        end = min(b, len(order))
        counts.append(confusion(codes[p][order[a:end]], found[: end - a], len(panel.regimes)))
    value, error = with_errors(np.stack(counts))
    return float(value[1]), float(error[1])


def _shuffled(material: Material, part: Part) -> None:
    """What is left of conditional fidelity when labels are shuffled in blocks."""
    real = material.real
    if real.n_days < 4 * SHUFFLE_DAYS or len(np.unique(np.asarray(real.codes))) < 2:
        part.notes.append(
            "the window is too short, or has one regime only, for the control of shuffled labels"
        )
        return
    true, kept = {}, {}
    for name, panel in {_WINDOW: real, _RESAMPLED: material.floor, **material.columns}.items():
        if panel.codes is None or panel.n_days < 4 * SHUFFLE_DAYS:
            continue
        market, codes, n = panel.log[:CONTROL_PATHS, :, 0], np.asarray(panel.codes), len(panel.regimes)
        codes = codes if codes.ndim == 1 else codes[:CONTROL_PATHS]
        true[name] = separation(market, codes, n)
        rng = material.rng(STREAM)
        orders = [block_shuffle(panel.n_days, SHUFFLE_DAYS, rng) for _ in range(N_SHUFFLES)]
        again = [separation(market[:, : len(o)], codes[..., o], n) ** 2 for o in orders]
        kept[name] = np.mean(again, axis=0) / np.maximum(true[name] ** 2, 1e-9)
    for metric, unit, found in (
        ("regime_separation", "number", true),
        ("separation_shuffled", "percent", kept),
    ):
        values = {n: _mean(v) for n, v in found.items() if n in material.columns}
        row = statistic(keys(metric, "labels", unit), float(found[_WINDOW][0]), found[_RESAMPLED], values)
        part.statistics.append(row)
    _map_value(material, part)


def _map_value(material: Material, part: Part) -> None:
    """Loss of energy score when every window is scored with the paths of another window's map."""
    real = material.real
    columns = {n: p for n, p in material.columns.items() if p.n_paths > 1 and is_aligned(p, real)}
    if not columns:
        return
    scores = MapScores(real, scale_panel(real, material.training))
    order = block_shuffle(scores.days, WINDOW_DAYS, material.rng(STREAM, 1))

    def value(panel: Panel) -> tuple[float, float]:
        x = panel.log[:64]
        ratio, left_out = scores.ratio(scores.terms(x, order).score, scores.terms(x).score)
        return ratio - 1.0, float(jackknife_spread(left_out[:, None])[0])

    own, error = value(material.floor)
    values = {name: value(panel) for name, panel in columns.items()}
    part.statistics.append(statistic(keys("map_value", "labels", "percent"), own, error, values))


def _mean(by_path: Array) -> tuple[float, float]:
    error = by_path.std(ddof=1) / np.sqrt(len(by_path)) if len(by_path) > 1 else np.nan
    return float(by_path.mean()), float(error)


_TITLES = {
    "label_agreement": ("agreement, %", 100.0),
    "label_kappa": ("kappa", 1.0),
    "label_recall": ("mean recall, %", 100.0),
    "label_kappa_shuffled": ("kappa, shuffled", 1.0),
    "regime_separation": ("separation", 1.0),
    "separation_shuffled": ("kept when shuffled, %", 100.0),
    "map_value": ("map value, %", 100.0),
}


def _table(part: Part, names: tuple[str, ...]) -> pd.DataFrame:
    table: dict[str, dict[str, str]] = {name: {} for name in (_WINDOW, _RESAMPLED, *names)}
    for metric, (title, factor) in _TITLES.items():
        row = part.values(metric)
        if row is None:
            continue
        digits = 1 if factor > 1 else 2
        window = part.values(f"{metric}_window")
        about_window = metric.endswith(("separation", "separation_shuffled"))
        own = window["real"] if window is not None else row["real"] if about_window else np.nan
        table[_WINDOW][title] = cell(factor * own, np.nan, digits)
        table[_RESAMPLED][title] = cell(np.nan if about_window else factor * row["real"], np.nan, digits)
        for name in names:
            value, error = row.get(name, np.nan), row.get(f"{name}:se", np.nan)
            table[name][title] = cell(factor * value, factor * error, digits)
    return pd.DataFrame.from_dict(table, orient="index")


def _findings(part: Part, names: tuple[str, ...]) -> list[str]:
    subject = names[0]
    row, window = part.values("label_agreement"), part.values("label_agreement_window")
    out = []
    if row is not None and window is not None and np.isfinite(row.get(subject, np.nan)):
        out.append(
            f"The labeller finds the script again on {cell(100 * row[subject], 100 * row[f'{subject}:se'], 1)} % of "
            f"{subject}'s days; on {100 * row['real']:.1f} % of real days resampled under their labels, and on "
            f"{100 * window['real']:.1f} % of the real window's own."
        )
    kept, value = part.values("separation_shuffled"), part.values("map_value")
    if kept is not None and np.isfinite(kept.get(subject, np.nan)):
        text = (
            f"Shuffled labels leave {100 * kept[subject]:.0f} % of the variance between {subject}'s regimes"
        )
        if value is not None and subject in value:
            worse = cell(100 * value[subject], 100 * value[f"{subject}:se"], 0)
            text += f", and paths of other maps score {worse} % worse"
        out.append(text + ".")
    return out
