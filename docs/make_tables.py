# SPDX-License-Identifier: Apache-2.0
"""Measure again what docs/regimes.md and docs/scenarios.md report, section by section.

python docs/make_tables.py labellers      # five labellers on the embedded data, two minutes
python docs/make_tables.py jump           # seeds, penalties, numbers of regimes of the default labeller
python docs/make_tables.py model          # severities, process, now: of the shipped model's labeller
python docs/make_tables.py look-ahead     # smoothed against causal labels of the same
python docs/make_tables.py paths          # standard errors of VaR and ES, five minutes
python docs/make_tables.py entry          # how a crisis begins, in history and in scenarios
python docs/make_tables.py scores         # the baselines' scores, and their spread over seeds
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import spade_finance as sf
from spade_finance.baselines import STANDARD, make_baseline
from spade_finance.evaluate.errors import cluster_bootstrap, episode_clusters, jackknife
from spade_finance.evaluate.facts import var_es
from spade_finance.regimes import agreement
from spade_finance.regimes.severity import episodes, severity_range
from spade_finance.regimes.spells import runs

EVERYTHING = sf.load_sectors()
RETURNS = EVERYTHING.loc[:"2012"]
MARKET = EVERYTHING.mean(axis=1)
LEVELS = (0.95, 0.975, 0.99)


def show(title: str, what: Any) -> None:
    """Print one result."""
    print(f"\n{title}\n{what.to_string() if hasattr(what, 'to_string') else what}", flush=True)


def same(a: Any, b: Any) -> float:
    """Percent of days with the same label."""
    return float(100 * np.mean(np.asarray(a) == np.asarray(b)))


def labellers() -> None:
    """Table of "Which labeller?"."""
    smooth, columns = {}, {}
    for method in ("jump", "hmm", "markov", "gmm", "rules"):
        began = time.process_time()
        labeller = sf.make_labeller(method).fit(RETURNS)
        seconds = time.process_time() - began
        smooth[method], causal = labeller.smooth(RETURNS), labeller.filter(RETURNS)
        later = sf.make_labeller(method).fit(EVERYTHING).smooth(EVERYTHING).align(RETURNS)
        table, (_, lengths, _) = labeller.summary_, runs(smooth[method].codes)
        columns[method] = {
            **{f"volatility {name} %": 100 * v for name, v in table["volatility"].items()},
            "log return in crisis %": 100 * table["mean_return"].iloc[-1],
            "days of crisis": table["days"].iloc[-1],
            "spells": len(lengths),
            "of them crisis": table["spells"].iloc[-1],
            "median spell": np.median(lengths),
            "spells, causal": len(runs(causal.codes)[0]),
            "causal = smoothed %": same(causal.codes, smooth[method].codes),
            "unchanged by refit %": same(later.codes, smooth[method].codes),
            "seconds": seconds,
        }
        show(method, crises(smooth[method]))
        print(labeller.convergence_)
    show("Labellers, 1990 to 2012", pd.DataFrame(columns).round(1))
    show("Agreement", agreement(smooth).round(2))


def crises(labels: Any) -> str:
    """Spells of the worst regime."""
    spells = zip(*runs(labels.codes), strict=True)
    worst = [
        (labels.dates[a], labels.dates[a + n - 1], n) for a, n, k in spells if k == len(labels.regimes) - 1
    ]
    return ", ".join(f"{a:%Y-%m-%d}..{b:%Y-%m-%d} ({n})" for a, b, n in worst)


def jump() -> None:
    """How firm the default labeller's labels are."""
    first = sf.JumpRegimes().fit(RETURNS)
    codes = first.smooth(RETURNS).codes
    for seed in range(8):
        labeller = sf.JumpRegimes(random_state=seed).fit(RETURNS)
        agreed = same(labeller.smooth(RETURNS).codes, codes)
        print(seed, labeller.convergence_["message"], f"{agreed:.1f} % as seed 0")
    show("Refitted up to 2022", sf.JumpRegimes().fit(EVERYTHING).summary_.round(3))
    show("Penalties", first.penalty_path(RETURNS).round(3))
    for n in (2, 3, 5):
        show(f"{n} regimes", sf.JumpRegimes(n_regimes=n).fit(RETURNS).summary_.round(3))


def model() -> None:
    """Severities, the regime process, and where the history ends."""
    shipped = sf.ScenarioGenerator.load("default")
    print(shipped)
    show("Severities in training", shipped.severity_table_.round(3))
    labels = shipped.label(EVERYTHING)
    table = episodes(labels, EVERYTHING, typical=shipped.typical_.market)
    held = table[table["start"] > shipped.training_window_[1]]
    show("Severities held out", severity_range(held, shipped.regimes_).round(3))
    show("Crises", table[table["regime"] == shipped.regimes_[-1]])
    process = shipped.process_
    spells = process.expected_durations()
    survival = process._laws.survival
    spells["left, stationary"] = [(np.arange(1, len(s) + 1) * s).sum() / s.sum() for s in survival]
    show(f"Spells, {process.family_}", spells.round(2))
    show("Transitions %", (100 * process.transition_).round(0))
    history = shipped.history().timeline
    show(f"Now, {history.span}", [x.round(3) for x in history.now()])


def look_ahead() -> None:
    """What smoothed labels would have earned, and how late causal ones are."""
    labeller = sf.ScenarioGenerator.load("default").labeller_
    smooth, causal = labeller.smooth(EVERYTHING), labeller.filter(EVERYTHING)
    worst = len(smooth.regimes) - 1
    for a, n, k in zip(*runs(smooth.codes), strict=True):
        if k == worst:
            print(
                f"{smooth.dates[a]:%Y-%m-%d}, {n} days, seen after",
                np.argmax(causal.codes[a : a + n] == worst),
            )
    called = causal.codes == worst
    print(f"called crisis on {called.sum()} days, wrongly on {(called & (smooth.codes != worst)).sum()}")
    for span in (slice("1990", "2012"), slice("2013", "2022")):
        row = [sharpe(MARKET.loc[span])]
        for labels in (smooth, causal):
            calm = labels.labels.isin(labels.regimes[:2]).shift(1, fill_value=True)
            row.append(sharpe((MARKET * calm).loc[span]))
        print(span.start, span.stop, "Sharpe: always, smoothed, causal", np.round(row, 2))


def sharpe(returns: pd.Series) -> float:
    """Annual, without interest."""
    return float(returns.mean() / returns.std() * np.sqrt(252))


def risk(returns: Any) -> Any:
    """VaR and ES at the three levels, positive losses."""
    return np.array(
        [f[0, 0] for level in LEVELS for f in var_es(np.asarray(returns).reshape(1, -1, 1), level)]
    )


def horizon(generator: Any, script: str, n_paths: int, seed: int) -> Any:
    """Return of the equal-weight market over the script, one number a path."""
    daily = generator.sample(script, n_paths, seed).simple_array.astype(np.float64).mean(2)
    return np.prod(1 + daily, axis=1) - 1


def paths() -> None:
    """Standard errors of VaR and ES against the number of paths."""
    shipped = sf.ScenarioGenerator.load("default")
    print(shipped)
    for script, n, sizes in (
        ("bull:40,crisis:23", 500_000, (500, 1000, 2000, 5000)),
        *((s, 100_000, (2500,)) for s in ("bull:63", "bear:63", "crisis:63", "markov:252")),
    ):
        batch = 20_000
        x = np.concatenate([horizon(shipped, script, batch, seed) for seed in range(n // batch)])
        whole, rows = risk(x), {}
        for size in sizes:
            sets = x[: len(x) // size * size].reshape(-1, size)
            figures = np.stack([risk(one) for one in sets])
            rows[size, "error %"] = 100 * figures.std(0, ddof=1) / whole
            rows[size, "bias %"] = 100 * (figures.mean(0) / whole - 1)
        names = [f"{name} {100 * level:g}" for level in LEVELS for name in ("VaR", "ES")]
        show(
            f"{script}: {dict(zip(names, (100 * whole).round(1), strict=True))}",
            pd.DataFrame(rows, names).T.round(2),
        )
        if script.startswith("bull:40"):
            for k in range(3):
                one = x[k * 10_000 : (k + 1) * 10_000, None]
                print(
                    "jackknife, % of the figure",
                    (100 * jackknife(risk, one, np.arange(10_000)) / whole).round(2),
                )
    labels = shipped.label(RETURNS)
    for name in STANDARD:
        baseline = make_baseline(name).fit(RETURNS, labels)
        x = np.concatenate([horizon(baseline, "bull:40,crisis:23", 20_000, seed) for seed in range(5)])
        print(f"{name}: ES 97.5 {100 * risk(x)[3]:.1f} %")
    inside = labels.codes == len(labels.regimes) - 1
    days, episode = MARKET.loc[:"2012"].to_numpy()[inside, None], episode_clusters(labels.codes)[inside]
    error = cluster_bootstrap(risk, days, episode)
    show(
        "Real one-day VaR, ES in crisis %, and standard errors by episode",
        (100 * np.stack([risk(days), error])).round(2),
    )


def entry() -> None:
    """First 23 days of a crisis: history, the shipped model, the block bootstrap."""
    shipped = sf.ScenarioGenerator.load("default")
    labels = shipped.label(EVERYTHING)
    worst = len(labels.regimes) - 1
    for a, n, k in zip(*runs(labels.codes), strict=True):
        if k == worst:
            lost = np.prod(1 + MARKET.to_numpy()[a : a + min(n, 23)]) - 1
            print(f"{labels.dates[a]:%Y-%m-%d} after {labels.labels.iloc[a - 1]}: {100 * lost:.1f} %")
    bootstrap = make_baseline("block_bootstrap").fit(RETURNS, labels)
    for script in ("crisis:23", "bear:1,crisis:23", "bull:40,crisis:23", "bull:40,bear:20,crisis:23"):
        for name, generator in (("model", shipped), ("block_bootstrap", bootstrap)):
            daily = generator.sample(script, 10_000, 0).simple_array[:, -23:].astype(np.float64).mean(2)
            lost = 100 * (np.prod(1 + daily, axis=1) - 1)
            print(
                f"{script} {name}: {lost.mean():.1f} % on average, ES 97.5 {100 * risk(lost / 100)[3]:.1f} %"
            )


def scores() -> None:
    """Scores of the standard baselines on 2013 to 2022."""
    labels = sf.ScenarioGenerator.load("default").label(EVERYTHING)
    bootstrap = make_baseline("block_bootstrap").fit(RETURNS, labels)
    others = "block_bootstrap_scaled,regime_t,fhs"
    show("Scores", sf.evaluate(bootstrap, EVERYTHING, others, labels=labels).summary().round(2))
    for seed in (1, 2, 3):
        report = sf.evaluate(bootstrap, EVERYTHING, "none", labels=labels, seed=seed)
        print(seed, report.summary().round(2).to_string(header=False))


SECTIONS: dict[str, Callable[[], None]] = {
    "labellers": labellers,
    "jump": jump,
    "model": model,
    "look-ahead": look_ahead,
    "paths": paths,
    "entry": entry,
    "scores": scores,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for section in sys.argv[1:] or SECTIONS:
        print(f"\n== {section}")
        SECTIONS[section]()
