# SPDX-License-Identifier: Apache-2.0
"""How fast is the backtest engine, how much faster than a plain pandas loop, and how much memory does a stream take?

Inverse volatility (63 days), rebalanced every 21 days, 5 bps, 7 sectors; 10,000 paths of 252 days. The loop is what one
writes first: a DataFrame a path, weights from a rolling deviation, a Python step a day. It runs on a few paths in the
same process and is scaled to all of them; its returns must equal the engine's.

    OMP_NUM_THREADS=2 python benchmarks/backtest.py
    python benchmarks/backtest.py --stream-paths 100000
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

import spade_finance as sf
from spade_finance.backtest.costs import Costs
from spade_finance.backtest.engine import run_paths
from spade_finance.backtest.strategies import STRATEGIES, make_strategy

SECTORS = tuple(f"Sector{i}" for i in range(7))
LOOKBACK, EVERY, COST = 63, 21, 5e-4


def simulated(n: int, days: int, seed: int) -> np.ndarray:
    """Float32 simple returns of a common factor and own news, both Student-t."""
    rng = np.random.default_rng(seed)
    common = rng.standard_t(5, (n, days, 1)).astype(np.float32)
    own = rng.standard_t(5, (n, days, len(SECTORS))).astype(np.float32)
    return np.clip(0.0003 + 0.007 * common + 0.005 * own, -0.5, 0.5)


def pandas_loop(simple: np.ndarray) -> pd.Series:
    """One path, day by day."""
    returns = pd.DataFrame(simple.astype(np.float64), columns=list(SECTORS))
    deviation = returns.rolling(LOOKBACK).std()
    held = pd.Series(0.0, index=returns.columns)
    daily = []
    for day in range(len(returns)):
        cost = 0.0
        if day >= LOOKBACK and (day - LOOKBACK) % EVERY == 0:
            inverse = 1.0 / deviation.iloc[day - 1]
            target = inverse / inverse.sum()
            for _ in range(8):  # the cost is paid out of what is invested
                cost = COST * (target * (1.0 - cost) - held).abs().sum()
            held = target
        gain = (held * returns.iloc[day]).sum()
        daily.append((1.0 - cost) * (1.0 + gain) - 1.0)
        held = held * (1.0 + returns.iloc[day]) / (1.0 + gain)
    return pd.Series(daily)


def pandas_by_month(simple: np.ndarray) -> pd.Series:
    """The same path, as somebody writes it who avoids the step a day: drift as a cumulative product."""
    returns = pd.DataFrame(simple.astype(np.float64), columns=list(SECTORS))
    deviation = returns.rolling(LOOKBACK).std()
    held, value, parts = pd.Series(0.0, index=returns.columns), 1.0, [np.ones(LOOKBACK)]
    for start in range(LOOKBACK, len(returns), EVERY):
        inverse = 1.0 / deviation.iloc[start - 1]
        target = inverse / inverse.sum()
        cost = 0.0
        for _ in range(8):
            cost = COST * (target * (1.0 - cost) - held).abs().sum()
        growth = (1.0 + returns.iloc[start : start + EVERY]).cumprod() * target
        total = growth.sum(axis=1)
        parts.append(value * (1.0 - cost) * total.to_numpy())
        value, held = parts[-1][-1], growth.iloc[-1] / total.iloc[-1]
    return pd.Series(np.concatenate([[1.0], *parts])).pct_change().iloc[1:]


def timed(function: Callable[[], Any], repeats: int) -> tuple[float, list[float], Any]:
    """Median seconds, all of them, and the last result."""
    seconds, result = [], None
    for _ in range(repeats):
        begun = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), seconds, result


def speed(paths: int, days: int, loop_paths: int, repeats: int) -> dict[str, Any]:
    """Engine and loop on the same paths."""
    simple = simulated(paths, days, 0)
    strategy = make_strategy("inverse_volatility", lookback=LOOKBACK)
    engine, spread, ledger = timed(
        lambda: run_paths(strategy, simple, costs=Costs(COST * 1e4), rebalance=EVERY, sectors=SECTORS),
        repeats,
    )
    loop, _, slow = timed(lambda: [pandas_loop(path) for path in simple[:loop_paths]], 1)
    months, _, quick = timed(lambda: [pandas_by_month(path) for path in simple[:loop_paths]], 1)
    gap = max(
        float(np.abs(row.to_numpy() - ledger.returns[i % loop_paths]).max())
        for i, row in enumerate([*slow, *quick])
    )
    assert gap < 1e-12, gap
    return {
        "engine_seconds": engine,
        "engine_seconds_range": [min(spread), max(spread)],
        "loop_paths": loop_paths,
        "loop_seconds_scaled": loop / loop_paths * paths,
        "ratio": loop / loop_paths * paths / engine,
        "by_month_seconds_scaled": months / loop_paths * paths,
        "ratio_by_month": months / loop_paths * paths / engine,
        "largest_difference": gap,
    }


def all_strategies(paths: int, days: int) -> dict[str, float]:
    """Seconds of each strategy on the same paths, engine only."""
    simple = simulated(paths, days, 1)
    return {
        name: timed(lambda name=name: run_paths(make_strategy(name), simple), 1)[0] for name in STRATEGIES
    }


def stream(paths: int, days: int, batch: int) -> dict[str, Any]:
    """A whole backtest, measures included, over batches that are made as they are needed."""

    def batches() -> Iterator[sf.ScenarioSet]:
        codes = np.arange(days) // 63 % 2
        for first in range(0, paths, batch):
            size = min(batch, paths - first)
            yield sf.ScenarioSet.from_simple(
                simulated(size, days, first),
                SECTORS,
                ("bull", "crisis"),
                codes,
                paths=np.arange(first, first + size),
            )

    tracemalloc.start()
    begun = time.perf_counter()
    result = sf.backtest("inverse_volatility", batches(), cost_bps=5)
    seconds = time.perf_counter() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "paths": result.n_paths,
        "days": days,
        "seconds_with_the_making_of_paths": seconds,
        "peak_arrays_mb": peak / 1e6,
        "peak_process_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "cube_would_be_mb": paths * days * len(SECTORS) * 8 / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=252)
    parser.add_argument("--loop-paths", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--stream-paths", type=int, default=20_000)
    parser.add_argument("--stream-days", type=int, default=2_520)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = {
        "speed": speed(given.paths, given.days, given.loop_paths, given.repeats),
        "strategies_1000x1260": all_strategies(1000, 1260),
        "stream": stream(given.stream_paths, given.stream_days, given.batch),
    }
    if given.json:
        print(json.dumps(found, indent=2))
        return
    one, flow = found["speed"], found["stream"]
    print(
        f"inverse volatility, {given.paths:,} paths x {given.days} days x {len(SECTORS)} sectors, monthly, 5 bps"
    )
    low, high = one["engine_seconds_range"]
    print(
        f"  engine                    {one['engine_seconds']:10.2f} s   ({low:.2f} to {high:.2f}; target < 10)"
    )
    print(
        f"  pandas loop (scaled)      {one['loop_seconds_scaled']:10.1f} s   (from {one['loop_paths']} paths)"
    )
    print(f"  ratio                     {one['ratio']:10.0f}     (target >= 50)")
    by_month, quicker = one["by_month_seconds_scaled"], one["ratio_by_month"]
    print(f"  pandas, month by month    {by_month:10.1f} s   (ratio {quicker:.0f})")
    print(f"  largest difference        {one['largest_difference']:10.1e}")
    print("each strategy, 1,000 paths x 1,260 days, monthly")
    for name, seconds in found["strategies_1000x1260"].items():
        print(f"  {name:24s}  {seconds:10.2f} s")
    print(f"streamed backtest with all measures, {flow['paths']:,} paths x {flow['days']:,} days")
    print(f"  seconds, paths made too   {flow['seconds_with_the_making_of_paths']:10.1f} s")
    print(
        f"  peak of arrays            {flow['peak_arrays_mb']:10.0f} MB  (all returns {flow['cube_would_be_mb']:,.0f})"
    )
    print(f"  peak of the process       {flow['peak_process_mb']:10.0f} MB")


if __name__ == "__main__":
    main()
