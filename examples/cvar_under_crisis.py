# SPDX-License-Identifier: Apache-2.0
"""Does optimising CVaR on crisis scenarios help when the next crisis comes? Prints what happened, either way.

Four long-only portfolios of the embedded sectors, chosen with data to the end of 2012 only and then held (rebalanced
daily, no costs) through 2013 to 2022, the crash of 2020 among them:

* ``history``: least CVaR over all days to 2012;
* ``scenarios``: least CVaR over days drawn from the shipped model (trained to 2012) under a crisis script;
* ``bootstrap``: the same, days drawn by the regime-matched block bootstrap under the same script;
* ``equal weight``: no optimisation.

``--repeats`` seeds show how much of a result is sampling noise; paired intervals against ``history`` come from a
stationary bootstrap of the ten test years (blocks of 21 days). Run with

    python examples/cvar_under_crisis.py

Needs skfolio (``pip install "spade-finance[portfolio]"``); under a minute on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from arch.bootstrap import StationaryBootstrap
from skfolio import RiskMeasure
from skfolio.optimization import MeanRisk
from skfolio.prior import EmpiricalPrior, SyntheticData

import spade_finance as sf
from spade_finance.baselines import BlockBootstrap
from spade_finance.integrations.skfolio import ScenarioDistribution

LEVEL = 0.95
CRASH = slice("2020-02-20", "2020-03-23")
"""The S&P 500 fell from its high of 19 February to its low of 23 March."""


def least_cvar(days: pd.DataFrame, prior: object) -> np.ndarray:
    """Long-only weights of least CVaR at 95 % under the distribution that `prior` makes of `days`."""
    return MeanRisk(risk_measure=RiskMeasure.CVAR, cvar_beta=LEVEL, prior_estimator=prior).fit(days).weights_


def bootstrapped(days: pd.DataFrame, labels: object, script: str, n: int, seed: int) -> pd.DataFrame:
    """One day each of `n` bootstrap paths, the place in the script even: as ScenarioDistribution draws them."""
    paths = BlockBootstrap().fit(days, labels).sample(script, n, seed).simple_array
    place = np.random.default_rng(seed).permutation(n) * paths.shape[1] // n
    return pd.DataFrame(paths[np.arange(n), place].astype(float), columns=days.columns)


def cvar(returns: np.ndarray) -> float:
    """Mean loss of the worst 5 % of days (positive)."""
    worst = np.sort(returns)[: max(1, round(len(returns) * (1 - LEVEL)))]
    return float(-worst.mean())


def gap(pair: np.ndarray) -> np.ndarray:
    """CVaR of the first column less that of the second."""
    return np.array([cvar(pair[:, 0]) - cvar(pair[:, 1])])


def crash_loss(returns: pd.Series) -> float:
    """Compounded loss over the crash (positive)."""
    return float(1 - (1 + returns.loc[CRASH]).prod())


def drawdown(returns: np.ndarray) -> float:
    """Worst fall from a high (negative)."""
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float((wealth / np.maximum.accumulate(wealth) - 1).min())


def main() -> None:
    """Choose, hold, print."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--script", default="crisis:63", help="the regime script to optimise under")
    words.add_argument("--samples", type=int, default=2000, help="rows of returns for each optimisation")
    words.add_argument("--repeats", type=int, default=10, help="seeds")
    asked = words.parse_args()

    returns = sf.load_sectors()
    past, later = returns.loc[:"2012"], returns.loc["2013":]
    model = sf.ScenarioGenerator.load("default")
    assert model.training_window_[1] <= past.index[-1]  # the model has seen no test day
    labels = model.label(past)

    def ours(seed: int) -> np.ndarray:
        drawn = ScenarioDistribution(model, asked.script, random_state=seed)
        return least_cvar(past, SyntheticData(drawn, n_samples=asked.samples))

    def theirs(seed: int) -> np.ndarray:
        return least_cvar(bootstrapped(past, labels, asked.script, asked.samples, seed), EmpiricalPrior())

    chosen: dict[str, list[np.ndarray]] = {
        "history": [least_cvar(past, EmpiricalPrior())],
        "scenarios": [ours(seed) for seed in range(asked.repeats)],
        "bootstrap": [theirs(seed) for seed in range(asked.repeats)],
        "equal weight": [np.full(returns.shape[1], 1 / returns.shape[1])],
    }
    held = {name: [later @ weights for weights in each] for name, each in chosen.items()}
    print(f"\nWeights (mean over {asked.repeats} seeds where sampled), percent: chosen on data to 2012")
    weights = pd.DataFrame(
        {name: np.mean(each, axis=0) for name, each in chosen.items()}, index=returns.columns
    )
    print((100 * weights).round(1).T.to_string())

    measures: dict[str, Callable[[pd.Series], float]] = {
        "return a year": lambda r: 252 * float(r.mean()),
        "volatility": lambda r: float(r.std() * 252**0.5),
        "CVaR 95 a day": lambda r: cvar(r.to_numpy()),
        "worst day": lambda r: float(r.min()),
        "max drawdown": lambda r: drawdown(r.to_numpy()),
        "crash 2020 loss": crash_loss,
    }
    rows = {}
    for name, each in held.items():
        found = np.array([[f(r) for f in measures.values()] for r in each])
        spread = found.std(axis=0, ddof=1) if len(each) > 1 else np.zeros(len(measures))
        rows[name] = [
            f"{100 * m:.2f}" + (f" ± {100 * s:.2f}" if len(each) > 1 else "")
            for m, s in zip(found.mean(axis=0), spread, strict=True)
        ]
    print(
        f"\n{later.index[0]:%Y-%m-%d} to {later.index[-1]:%Y-%m-%d}, percent (± standard deviation over seeds)"
    )
    print(pd.DataFrame(rows, index=list(measures)).T.to_string())

    print("\nDifferences of CVaR 95 a day, percent, with 95 % intervals (below 0: the first is the safer)")
    mean = {name: np.mean([r.to_numpy() for r in each], axis=0) for name, each in held.items()}
    pairs = [(name, "history") for name in chosen if name != "history"] + [("scenarios", "bootstrap")]
    for one, other in pairs:
        pair = np.column_stack([mean[one], mean[other]])  # of the portfolios of mean weights
        blocks = StationaryBootstrap(21, pair, seed=0)
        low, high = blocks.conf_int(gap, 1000, method="percentile").ravel()
        print(f"  {one + ' - ' + other:25s} {100 * gap(pair)[0]:+.3f}  [{100 * low:+.3f}, {100 * high:+.3f}]")


if __name__ == "__main__":
    main()
