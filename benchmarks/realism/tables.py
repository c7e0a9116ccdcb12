# SPDX-License-Identifier: Apache-2.0
"""The shards' files -> ``benchmarks/results/realism_*.json`` and the tables that the docs show. Nothing by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.realism.markdown import bold, table
from benchmarks.realism.plan import OURS, ROOT, SPLITS, Split
from benchmarks.realism.unseen_tables import OPPONENT, change_tables, control_table, crisis_tables, overall
from spade_finance.evaluate.report import LUCK

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "realism_tables.md"
QUOTED_IN = (ROOT / "README.md", ROOT / "docs" / "realism.md")
BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"
KEYS = ["metric", "group", "regime", "horizon_days", "asset"]


def write_tables(done: Path) -> list[Path]:
    """Write what the shards that are done allow; the files written."""
    from spade_finance.io.atomic import write_text

    shards = {file.stem: json.loads(file.read_text()) for file in sorted(done.glob("*.json"))}
    parts: list[str] = []
    written = []
    by_split: dict[str, pd.Series] = {}
    novelty: list[dict[str, float]] = []
    for split in SPLITS:
        scored = [s for name, s in shards.items() if name.startswith(f"score-{split.name}-")]
        if not scored:
            continue
        frame = unpacked(packed(ratios(scored)))  # what the file holds is what the tables show
        by_split[title_of(split)] = column_scores(frame)
        near = [novelty_of(shard) for shard in scored]
        novelty += near
        record = {
            "command": "python -m benchmarks.realism",
            "split": split.name,
            "window": scored[0]["window"],
            "hashes": {f"{c}-s{s['seed']}": h for s in scored for c, h in s["hashes"].items() if h},
            "novelty": near,
            **packed(frame),
        }
        written.append(_write(f"realism_{split.name}.json", record))
        parts += time_split_tables(split, frame, scored[0]["window"])
        parts += control_table(scored)
    changes = [s for name, s in shards.items() if name.startswith("change-")]
    if changes:
        written.append(
            _write("realism_changes.json", {"command": "python -m benchmarks.realism", "changes": changes})
        )
        parts += change_tables(changes)
    crises = [s for name, s in shards.items() if name.startswith("crisis-")]
    if crises:
        written.append(
            _write("realism_crises.json", {"command": "python -m benchmarks.realism", "crises": crises})
        )
        parts += crisis_tables(crises)
    look = headline(by_split, novelty, crises)
    head = ["# Tables of the realism benchmark\n", PREFACE, *look]
    seconds = sum(s["total_cpu_seconds"] for s in shards.values())
    parts.append(f"\nAll {len(shards)} shards together took {seconds / 3600:.1f} processor hours.\n")
    write_text(PAGE, "\n".join([*head, *parts]))
    for page in QUOTED_IN:
        quote(page, [line for line in look if line.startswith("|")])
    return [*written, PAGE, *QUOTED_IN]


def quote(page: Path, lines: list[str]) -> None:
    """Put the first table between a page's two marks."""
    from spade_finance.io.atomic import write_text

    before, _, rest = page.read_text().partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{page} has no {BEGIN} with {END} after it: the first table stands between them")
    write_text(page, "\n".join([before + BEGIN, *lines, END + after]))


PREFACE = """Written by `python -m benchmarks.realism`, never by hand. What the columns are: [baselines](baselines.md),
[neural baselines](neural_baselines.md); what is measured: [realism](realism.md).

Numbers are distances from the real test window over that window's own sampling error: 1 is as near as the data can
tell, lower is better. A group is the geometric mean over its metrics, the score that over the groups (proper scores,
group `energy`, are shown and stay out of it). Our rows are
means over training seeds with their standard deviation."""


SHOWN_BY_GROUP = ("energy",)
"""Proper scores stay out of the score, as in :mod:`spade_finance.evaluate.report`."""


def title_of(split: Split) -> str:
    """Heading of a split's column."""
    return f"{split.panel}, from {int(split.until[:4]) + 1}"


def headline(
    by_split: dict[str, pd.Series], novelty: list[dict[str, float]], crises: list[dict[str, Any]]
) -> list[str]:
    """One row a column: its score in every test window, and its proper scores on crises that it had not seen."""
    frame = pd.DataFrame(by_split)
    if frame.empty:
        return []
    frame["mean"] = np.exp(np.log(frame).mean(axis=1)).where(frame.notna().all(axis=1))
    frame["novelty"] = pd.DataFrame(novelty).mean()
    for panel in dict.fromkeys(s["panel"] for s in crises):
        mine = [s["scores"] for s in crises if s["panel"] == panel and OPPONENT in s["scores"]]
        names = dict.fromkeys(c for scores in mine for c in scores)
        frame[f"{len(mine)} unseen crises, {panel}"] = pd.Series(
            {
                c: np.exp(np.mean([np.log(overall(s[c], s[OPPONENT])) for s in mine]))
                for c in names
                if all(c in s for s in mine)
            }
        )
    frame = frame.sort_values(["mean", frame.columns[0]])
    rows = [
        [bold(str(name)), *("" if pd.isna(x) else f"{x:.2f}" for x in row)] for name, row in frame.iterrows()
    ]
    return ["\n## In one look\n", *table(["column", *frame.columns], rows), HEADLINE_NOTE]


HEADLINE_NOTE = f"""
Windows: distance over floor, the score below; crises: proper scores over the {OPPONENT}'s, geometric mean, nothing of
the crisis learnt; lower is better in both. Novelty: how far generated days lie from the nearest training days over how
far the real window lies from them, mean over the windows; 1 is right, a copy has 0. `spade` and its ablations are
`quick` models (means over five seeds in the first window, one seed elsewhere), `default` is the shipped one."""


def novelty_of(shard: dict[str, Any]) -> dict[str, float]:
    """Novelty ratio of a shard's columns."""
    return next((row["values"] for row in shard["rows"] if row["metric"] == "novelty_ratio"), {})


def packed(frame: pd.DataFrame) -> dict[str, Any]:
    """Rows of :func:`ratios` for a file: the metrics, and each column's ratios in their order, to four digits."""
    keys = frame[KEYS].astype(object).where(frame[KEYS].notna(), None).to_numpy().tolist()
    metrics = {tuple(key): None for key in keys}
    found: dict[str, dict[tuple[Any, ...], float]] = {}
    for key, column, seed, ratio in zip(keys, frame["column"], frame["seed"], frame["ratio"], strict=True):
        found.setdefault(f"{column} s{seed}", {})[tuple(key)] = float(f"{ratio:.4g}")
    return {
        "keys": KEYS,
        "metrics": [json.dumps(key) for key in metrics],
        "ratios": {name: " ".join(str(values[key]) for key in metrics) for name, values in found.items()},
    }


def unpacked(record: dict[str, Any]) -> pd.DataFrame:
    """Inverse of :func:`packed`."""
    rows = []
    for name, line in record["ratios"].items():
        column, _, seed = name.rpartition(" s")
        for key, ratio in zip(record["metrics"], line.split(), strict=True):
            named = dict(zip(record["keys"], json.loads(key), strict=True))
            rows.append(named | {"column": column, "seed": int(seed), "ratio": float(ratio)})
    return pd.DataFrame(rows)


def column_scores(frame: pd.DataFrame) -> pd.Series:
    """Score of every column, mean over its seeds."""
    return np.exp(group_scores(frame)["score"].groupby("column").mean())


def _write(name: str, record: dict[str, Any]) -> Path:
    from spade_finance.io.atomic import write_text

    path = RESULTS / name
    write_text(path, json.dumps(record, indent=1) + "\n")
    return path


def ratios(scored: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """One row a metric, column and seed: ``ratio``, distance over floor, of the metrics that have a floor."""
    rows = []
    for shard in scored:
        for row in shard["rows"]:
            if row["kind"] != "distance" or not row.get("floor"):
                continue
            for column, value in row["values"].items():
                if value is not None:
                    keys = {key: row.get(key) for key in KEYS}
                    rows.append(
                        keys
                        | {"column": column, "seed": shard["seed"], "ratio": max(value / row["floor"], LUCK)}
                    )
    frame = pd.DataFrame(rows).drop_duplicates([*KEYS, "column", "seed"])
    # Only metrics that every column has make means that can be compared.
    wanted = frame.groupby(["column", "seed"]).ngroups
    count = frame.groupby(KEYS, dropna=False)["ratio"].transform("size")
    return frame[count == wanted].reset_index(drop=True)


def group_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Log group scores, index (column, seed), columns the groups and ``score``."""
    logs = frame.assign(log=np.log(frame["ratio"]))
    groups = logs.pivot_table("log", ["column", "seed"], "group", aggfunc="mean")
    groups = groups[list(dict.fromkeys(frame["group"]))]
    counted = groups.drop(columns=[*SHOWN_BY_GROUP], errors="ignore")
    return groups.assign(score=counted.mean(axis=1))[["score", *groups.columns]]


def time_split_tables(split: Split, frame: pd.DataFrame, window: list[str]) -> list[str]:
    """Scores by group, wins and losses, and the ablation's paired differences."""
    logs = group_scores(frame)
    means = np.exp(logs.groupby("column").mean()).sort_values("score")
    spread = logs.groupby("column").std(ddof=1)
    lines = [f"\n## {split.panel}, trained to {split.until}, tested {window[0]} to {window[1]}\n"]
    lines += table(
        ["column", *means.columns],
        [
            [
                bold(str(name)),
                *(
                    f"{row[g]:.2f}"
                    + (f" ± {row[g] * spread.loc[name, g]:.2f}" if spread.loc[name, g] > 0 else "")
                    for g in means.columns
                ),
            ]
            for name, row in means.iterrows()
        ],
    )
    lines.append(f"\n{frame.groupby(KEYS, dropna=False).ngroups} metrics.")
    opponents = [c for c in means.index if c not in (*OURS, "default")]
    for subject in ("default", "spade"):
        if subject in means.index and opponents:
            lines += wins(frame, subject, opponents)
    if logs.loc[["spade"]].shape[0] > 1 if "spade" in means.index else False:
        lines += seed_differences(logs)
    return lines


def wins(frame: pd.DataFrame, subject: str, opponents: list[str]) -> list[str]:
    """How often the subject is nearer to the real window than the block bootstrap, and than the best on each metric."""
    logs = frame.assign(log=np.log(frame["ratio"]))
    logs[KEYS] = logs[KEYS].astype(object).where(logs[KEYS].notna(), "")
    mean = logs.pivot_table("log", KEYS, "column", aggfunc="mean")
    lines = [f"\n### {subject}: wins, ties and losses by metric\n"]
    rows = []
    against = {OPPONENT: mean[OPPONENT]} if OPPONENT in mean else {}
    against["the best baseline on each metric"] = mean[opponents].min(axis=1)
    for name, other in against.items():
        gap = mean[subject] - other
        for group, part in [("all", gap), *gap.groupby("group", sort=False)]:
            rows.append(
                [
                    name,
                    group,
                    int((part < -TIE).sum()),
                    int((part.abs() <= TIE).sum()),
                    int((part > TIE).sum()),
                ]
            )
    return [*lines, *table(["against", "group", "wins", "ties", "losses"], rows), TIE_NOTE]


TIE = float(np.log(1.1))
TIE_NOTE = "\nA tie is a difference of at most a tenth."


def seed_differences(logs: pd.DataFrame) -> list[str]:
    """Ablations less SPADE, paired by seed, with 95 % t-intervals over seeds."""
    from scipy.stats import t

    lines = ["\n### What the map's way in is worth: log score less SPADE's, paired by seed\n"]
    rows = []
    for base in ("spade", "spade_bare"):
        others = [c for c in OURS if c != base and c.endswith("_bare") == base.endswith("_bare")]
        for other in others:
            if base not in logs.index.get_level_values(0) or other not in logs.index.get_level_values(0):
                continue
            gap = (logs.loc[other] - logs.loc[base]).dropna()
            n = len(gap)
            if n < 2:
                continue
            half = t.ppf(0.975, n - 1) * gap.std(ddof=1) / np.sqrt(n)
            rows.append(
                [f"{other} − {base}", n]
                + [
                    f"{gap[g].mean():+.3f} ± {half[g]:.3f}" + ("*" if abs(gap[g].mean()) > half[g] else "")
                    for g in gap.columns
                ]
            )
    note = (
        "\nPositive: SPADE is nearer to the real window. ± is a 95 % interval over seeds, * excludes zero; many "
        "differences are looked at."
    )
    return [*lines, *table(["difference", "seeds", *logs.columns], rows), note]
