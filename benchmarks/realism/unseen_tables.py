# SPDX-License-Identifier: Apache-2.0
"""Tables of what no history shows: experiments on the map, changes and crises that were kept from training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.realism.leave_one_out import METRICS
from benchmarks.realism.markdown import bold, table
from benchmarks.realism.plan import CRISES, OURS

OPPONENT = "block_bootstrap"


EXPERIMENTS = {
    "constant_level_error": "512 days of one regime: error of log volatility (0)",
    "constant_range": "worst over calmest: log volatility",
    "severity_slope": "answer to severity in the worst regime (1)",
    "pulse_inside_40": "40 days of the worst regime: log volatility",
    "pulse_rest_largest": "later than 20 days after a pulse (0)",
    "sector_own": "one sector repainted: its own log volatility",
    "sector_leak": "the other sectors'",
}
"""Readings of the control section that tell the ways of conditioning apart, and what would be right."""


def control_table(scored: Iterable[dict[str, Any]]) -> list[str]:
    """What the map does in every column: means over seeds, the real value beside where history has one."""
    found: dict[str, dict[str, list[float]]] = {}
    real: dict[str, float] = {}
    for shard in scored:
        for name in EXPERIMENTS:
            rows = [r for r in shard["rows"] if r["metric"] == name and r["kind"] == "statistic"]
            if not rows:
                continue
            row = rows[-1]  # the worst regime's where there is one a regime
            if row.get("real") is not None:
                real[name] = row["real"]
            for column, value in row["values"].items():
                if value is not None:
                    found.setdefault(column, {}).setdefault(name, []).append(value)
    names = [n for n in EXPERIMENTS if any(n in values for values in found.values())]
    if not names:
        return []

    def shown(values: list[float] | None) -> str:
        if not values:
            return ""
        spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
        return f"{np.mean(values):.2f}{spread}"

    order = [c for c in (*OURS, "default") if c in found] + [c for c in found if c not in (*OURS, "default")]
    rows = [["real", *(f"{real[n]:.2f}" if n in real else "" for n in names)]]
    rows += [[bold(c), *(shown(found[c].get(n)) for n in names)] for c in order]
    title = "\n### Does the map rule, and only where it should? (± over seeds)\n"
    return [title, *table(["column", *(EXPERIMENTS[n] for n in names)], rows)]


def change_tables(changes: list[dict[str, Any]]) -> list[str]:
    """Scores after a change that was withheld from training, and of the same columns that had seen it."""
    lines = [
        "\n## A change that was never seen\n",
        "Quasi-likelihood of the market's variance and energy score of all sectors over the days after the change; "
        "lower is better; in brackets the standard error over events. The columns on the right have learnt from these "
        "very days.",
    ]
    for s in changes:
        lines.append(
            f"\n### {s['panel']} to {s['until'][:4]}: {s['change']}, {s['events']} events "
            f"({', '.join(s['first_days'])})\n"
        )
        both = s["scores"]
        lines += table(
            ["column", "ql, withheld", "energy, withheld", "ql, seen", "energy, seen"],
            [
                [
                    bold(c),
                    *(
                        f"{both[w][c][m]:.3f} ({both[w][c][m + '_se']:.3f})"
                        for w in ("withheld", "seen")
                        for m in ("ql", "energy")
                    ),
                ]
                for c in both["withheld"]
            ],
        )
    return lines


def crisis_tables(crises: list[dict[str, Any]]) -> list[str]:
    """Proper scores of crises that nothing was learnt from, as ratios to the block bootstrap's."""
    from scipy.stats import t

    order = {f"{c.panel}-{c.name}": i for i, c in enumerate(CRISES)}
    crises = sorted(crises, key=lambda s: order[f"{s['panel']}-{s['crisis']}"])
    lines = [
        "\n## Leave one crisis out\n",
        "Nothing was learnt from the crisis; the labels of its days are given; the proper scores (lower is better) of "
        f"the paths against what happened, as ratios to the {OPPONENT}'s. Geometric mean over crises with the 95 % "
        "t-interval over crises: they are the independent observations.\n",
    ]
    for panel in dict.fromkeys(s["panel"] for s in crises):
        mine = [s for s in crises if s["panel"] == panel and OPPONENT in s["scores"]]
        columns = [c for c in dict.fromkeys(c for s in mine for c in s["scores"]) if c != OPPONENT]
        logs = {
            c: pd.DataFrame(
                [
                    {m: np.log(s["scores"][c][m] / s["scores"][OPPONENT][m]) for m in METRICS}
                    for s in mine
                    if c in s["scores"]
                ]
            )
            for c in columns
        }
        rows = []
        for c in sorted(columns, key=lambda c: logs[c].mean().mean()):
            n, frame = len(logs[c]), logs[c].assign(all=logs[c].mean(axis=1))
            row = [bold(str(c)), n]
            for m in ("all", *METRICS):
                half = t.ppf(0.975, n - 1) * frame[m].std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
                low, high = np.exp(frame[m].mean() - half), np.exp(frame[m].mean() + half)
                span = f" ({low:.2f} to {high:.2f})" if n > 1 else ""
                row.append(f"{np.exp(frame[m].mean()):.2f}{span}")
            rows.append(row)
        lines += [f"\n### {panel}: {', '.join(s['crisis'] for s in mine)}\n"]
        lines += table(["column", "crises", "all", *METRICS], rows)
        lines += ["\nSPADE against it by crisis (energy score; all scores):\n"]
        lines += table(
            ["crisis", "days", "labels", "energy", "all"],
            [
                [
                    s["crisis"],
                    s["days"],
                    ", ".join(f"{k} {100 * v:.0f} %" for k, v in s["regimes"].items() if v),
                    f"{s['scores']['spade']['energy'] / s['scores'][OPPONENT]['energy']:.3f}",
                    f"{overall(s['scores']['spade'], s['scores'][OPPONENT]):.2f}",
                ]
                for s in mine
                if "spade" in s["scores"]
            ],
        )
    return lines


def overall(scores: dict[str, float], reference: dict[str, float]) -> float:
    """Geometric mean ratio over the metrics."""
    return float(np.exp(np.mean([np.log(scores[m] / reference[m]) for m in METRICS])))
