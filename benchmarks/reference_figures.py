# SPDX-License-Identifier: Apache-2.0
"""The feasibility study's reference figures, computed again on the embedded data as shipped.

The study (seven groups of 20 stocks, 1990 to 2022) included one stock that the shipped data no longer have, a labeller
written for it, and a scorecard of 24 distances over a floor of pseudo-truths. Here the data, the labeller and the
scorecard are those of the package, so data and labels can be compared directly and distances only in kind: the same
protocol of windows of 256 days and 28 paths, geometric mean over metrics of distance over floor.

    python -m benchmarks.reference_figures                 about three minutes; writes docs/reference_figures.md
    python -m benchmarks.reference_figures --out -         prints it
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import spade_finance as sf
from spade_finance.evaluate import evaluate, facts
from spade_finance.evaluate.compare import KEYS
from spade_finance.evaluate.errors import count_episodes
from spade_finance.evaluate.report import EvaluationReport
from spade_finance.exceptions import LookAheadWarning
from spade_finance.regimes import RegimeLabels

OUT = Path(__file__).resolve().parents[1] / "docs" / "reference_figures.md"
LAST_TRAINING_DAY = "2012-12-31"
WINDOW_DAYS, N_PATHS = 256, 28

STUDY_SETUP = {
    "training days, 1990 to 2012": "5,796",
    "held-out days, 2013 to 2022": "2,516",
    "volatility of the market by regime in training, % a year": "12 / 18 / 22 / 43",
    "label changes in training": "84",
    "label changes held out": "42",
    "held-out days of crisis": "85",
}
STUDY_SCORES = {
    "iid_bootstrap": "1.37 (scaled)",
    "block_bootstrap_10": "1.28 (scaled)",
    "block_bootstrap": "1.36",
    "block_bootstrap_scaled": "1.25",
    "fhs": "1.63, 1.37 scaled",
    "regime_t": "1.32 (scaled)",
    "model": "1.19 to 1.23 (SPADE, structured head)",
}


def setup(returns: pd.DataFrame, labels: RegimeLabels) -> dict[str, str]:
    """The study's set-up on the shipped data."""
    train = returns.index <= LAST_TRAINING_DAY
    codes = labels.align(returns).codes
    market = returns.mean(axis=1).to_numpy()
    by_regime = [
        100 * facts.volatility(market[train][None, :, None], (codes[train] == k))[0, 0]
        for k in range(len(labels.regimes))
    ]
    changes = np.diff(codes) != 0
    return {
        "training days, 1990 to 2012": f"{train.sum():,}",
        "held-out days, 2013 to 2022": f"{(~train).sum():,}",
        "volatility of the market by regime in training, % a year": " / ".join(f"{v:.0f}" for v in by_regime),
        "label changes in training": f"{changes[train[1:]].sum()}",
        "label changes held out": f"{changes[~train[1:] & ~train[:-1]].sum()}",
        "held-out days of crisis": f"{(codes[~train] == len(labels.regimes) - 1).sum()}",
    }


def more(returns: pd.DataFrame, labels: RegimeLabels) -> list[str]:
    """What a reader of the scores must know about these data."""
    held = returns.loc[returns.index > LAST_TRAINING_DAY]
    codes = labels.align(held).codes
    spells = [f"{name} {count_episodes(codes, k)}" for k, name in enumerate(labels.regimes)]
    train = returns.loc[:LAST_TRAINING_DAY]
    extreme = train.abs().max().sort_values(ascending=False)
    sector = str(extreme.index[0])
    day = train[sector].abs().idxmax()
    return [
        f"- Spells held out: {', '.join(spells)}. A regime that came once or twice carries no verdict.",
        f"- Largest move of a sector in one training day: {sector}, {100 * train.loc[day, sector]:+.1f} % on "
        f"{day:%Y-%m-%d}. The study's data had a single stock's day of 67 % that every bootstrap replayed.",
    ]


def geometric(report: EvaluationReport, column: str) -> float:
    """Geometric mean over metrics of distance over floor, as the study took it: every metric weighs the same."""
    scores = report.scores
    values = scores[column][scores[list(report.columns)].gt(0).all(axis=1)]
    return float(np.exp(np.log(values).mean()))


def score_table(report: EvaluationReport) -> str:
    """Study's and shipped scores, one row a column."""
    rows = []
    for column in STUDY_SCORES:
        if column not in report.columns:
            continue
        inside = 100 * report.summary().loc[column, "inside 95 %"]
        rows.append(
            f"| {column} | {STUDY_SCORES[column]} | {geometric(report, column):.2f} | {inside:.0f} % |"
        )
    head = "| column | study | as shipped | statistics in the real interval |"
    return "\n".join([head, "|---|---|---|---|", *rows])


def distance_table(report: EvaluationReport) -> str:
    """Distance over floor of the block bootstraps and the model, metric by metric, all days."""
    columns = [c for c in ("model", "block_bootstrap", "block_bootstrap_scaled") if c in report.columns]
    scores = report.scores.dropna(subset=columns)  # what is said but not scored has no distance
    scores = scores[scores["regime"].isna()].set_index([k for k in KEYS if k not in ("asset", "regime")])
    rows = []
    for (metric, group, horizon), row in scores.iterrows():
        days = "" if pd.isna(horizon) or horizon == 1 else f", {horizon:.0f} days"
        rows.append(f"| {metric}{days} | {group} | " + " | ".join(f"{row[c]:.2f}" for c in columns) + " |")
    return "\n".join(
        [f"| metric | group | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns), *rows]
    )


def page(report: EvaluationReport, returns: pd.DataFrame, labels: RegimeLabels, model_hash: str) -> str:
    """The whole page."""
    found = setup(returns, labels)
    shown = [f"| {what} | {STUDY_SETUP[what]} | {found[what]} |" for what in STUDY_SETUP]
    n_metrics = len(report.scores.dropna(subset=["model"]))
    window = f"{report.window[0]:%Y-%m-%d} to {report.window[1]:%Y-%m-%d}"
    return "\n".join(
        [
            "# Reference figures",
            "",
            "Written by `python -m benchmarks.reference_figures`; not edited by hand. The feasibility study's",
            "figures beside those of the data, labels and scorecard as shipped.",
            "",
            "## Set-up",
            "",
            "| | study | as shipped |",
            "|---|---|---|",
            *shown,
            "",
            *more(returns, labels),
            "",
            "## Scores on the held-out years",
            "",
            f"Window {window}, labels of the shipped model's (`{model_hash}`) labeller, maps of {WINDOW_DAYS} days, "
            f"{N_PATHS} paths.",
            f"Geometric mean over {n_metrics} metrics of distance over the real data's own sampling error",
            "(lower is better, 1 is ideal). The study took 24 other distances over a floor of pseudo-truths drawn from",
            "the baselines: compare the order of the rows, not the numbers.",
            "",
            score_table(report),
            "",
            "## Metric by metric, all days",
            "",
            "Distance over the real data's own sampling error.",
            "",
            distance_table(report),
            "",
            "Not computed again: the study's classifier, signature and forecast distances (the scorecard has its own),",
            "novelty (the scorecard's section of that name), and its parts 2 and 3, which are about other data.",
            "",
        ]
    )


def main() -> None:
    """Compute and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default=str(OUT), help="file to write, - for standard output")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    returns = sf.load_sectors()
    model = sf.ScenarioGenerator.load("default")
    labels = model.label(returns)
    baselines = [name for name in STUDY_SCORES if name != "model"]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "error", LookAheadWarning
        )  # the study's window must be held out for the model too
        report = evaluate(
            model,
            returns,
            baselines,
            from_date=pd.Timestamp(LAST_TRAINING_DAY) + pd.Timedelta(days=1),
            sections="none",
            seed=args.seed,
            n_replicates=N_PATHS,
            window_days=WINDOW_DAYS,
        )
    text = page(report, returns, labels, model.hash_[:12])
    if args.out == "-":
        print(text)
    else:
        from spade_finance.io.atomic import write_text

        write_text(args.out, text)


if __name__ == "__main__":
    main()
