# SPDX-License-Identifier: Apache-2.0
"""Sampling speed, as ratios to named alternatives in the same run; the docs quote this table.

- *block bootstrap*: regime-matched stationary block bootstrap (mean block 25), vectorised over paths, the same script;
- *modulation per path*: the same generator, but gamma, beta and all else a map decides computed for every path;
- *markov*: every path draws its own timeline; modulations looked up per local label pattern, or computed per path.

Rows are the median of the repeats, run turn by turn so that a busy moment of the machine hits every column.

    python benchmarks/speed.py --paths 10000 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import spade_finance as sf
from spade_finance.baselines import make_baseline
from spade_finance.model.request import SampleRequest


def per_path(model: sf.ScenarioGenerator, script: str, n_paths: int) -> None:
    """Sample with the map's work done again for every path."""
    request = SampleRequest.make(
        model, script, n_paths, 0, start=None, start_vol="long-run", history=None, extrapolate=False
    )
    sampler, size = model.sampler_, model.config_.chunk_paths
    usable, sampler.patterns.usable = sampler.patterns.usable, False
    try:
        job = request._drawn_job(sampler)
        for _ in sampler.run(-(-n_paths // size), job):
            pass
    finally:
        sampler.patterns.usable = usable


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default")
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=252)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    model = sf.ScenarioGenerator.load(args.model)
    first, last = model.training_window_
    returns = sf.load_sectors().loc[first:last]
    labels = model.label(returns)
    bootstrap = make_baseline("block_bootstrap").fit(returns, labels)
    third = args.days // 3
    fixed = f"bull:{args.days - 2 * third},crisis:{third},bear:{third}"
    markov = f"markov:{args.days}"
    jobs: dict[str, Callable[[], Any]] = {
        "block bootstrap, fixed script": lambda: bootstrap.sample(fixed, args.paths, random_state=0),
        "generator, fixed script": lambda: model.sample(fixed, args.paths, 0),
        "generator, fixed, modulation per path": lambda: per_path(model, fixed, args.paths),
        "generator, markov": lambda: model.sample(markov, args.paths, 0),
        "generator, markov, modulation per path": lambda: per_path(model, markov, args.paths),
    }
    for job in jobs.values():  # imports, caches, thread pools
        job()
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(args.repeats):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - began)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    base = median["block bootstrap, fixed script"]
    rows = [
        {"what": name, "seconds": t, "ratio_to_bootstrap": t / base, "paths_per_second": args.paths / t}
        for name, t in median.items()
    ]
    fixed_s, markov_s = median["generator, fixed script"], median["generator, markov"]
    ratios = {
        "modulation_per_path_over_cached_fixed": median["generator, fixed, modulation per path"] / fixed_s,
        "modulation_per_path_over_cached_markov": median["generator, markov, modulation per path"] / markov_s,
        "markov_over_fixed": markov_s / fixed_s,
    }
    if args.json:
        print(
            json.dumps(
                {
                    "paths": args.paths,
                    "days": args.days,
                    "sectors": len(model.sectors_),
                    "rows": rows,
                    "ratios": ratios,
                }
            )
        )
        return
    print(f"{args.paths} paths x {args.days} days x {len(model.sectors_)} sectors, median of {args.repeats}")
    for row in rows:
        speed = f"x{row['ratio_to_bootstrap']:5.1f} bootstrap   {row['paths_per_second']:8.0f} paths/s"
        print(f"{row['what']:42s} {row['seconds']:8.2f} s   {speed}")
    for name, ratio in ratios.items():
        print(f"{name:42s} {ratio:8.2f}")


if __name__ == "__main__":
    main()
