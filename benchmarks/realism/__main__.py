# SPDX-License-Identifier: Apache-2.0
"""How real are our scenarios, beside the strongest opponents? One command, resumable, nothing edited by hand.

Four protocols, the same settings everywhere, no retuning:

- time split: train to a day, test on the days after it; the embedded panel (to 2012, five seeds of our model and its
  ablations) and the ten Ken French industries (to 1962, tested to 1979, and to 1998);
- leave one crisis out: nothing is learnt from the crisis, its label path is asked for, and what happened is scored;
- withhold one direct change between regimes from training, and ask for it;
- the ablations of our own model: the map concatenated, modulating by window, or not there at all.

Every column sees the same labels, of a labeller fitted on its training days, and severity 1. Work is cut into shards;
a shard that has its file in ``--work`` is not run again, so an interrupted benchmark goes on where it was. The tables
are written to ``benchmarks/results/realism_*.json`` and ``docs/realism_tables.md`` from the shards' files alone.

    python -m benchmarks.realism                       everything that is missing, then the tables
    python -m benchmarks.realism --list                what there is and what is done
    python -m benchmarks.realism --only fit --shard 1/2    every second fit, beside another process with 2/2
    python -m benchmarks.realism --tables              the tables from what is done

The panels beyond the embedded one are not ours to pass on: set SPADE_SHARED to the folder that holds them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.realism.plan import ROOT, MissingPanelError, Shard, returns_of, shards

WORK = ROOT / "runs" / "realism"


def run(shard: Shard, work: Path) -> dict[str, Any]:
    """Do one shard's work."""
    if shard.kind == "fit":
        from benchmarks.realism.fits import fit

        return fit(work, shard.what, shard.columns[0], shard.seed)  # type: ignore[arg-type]
    if shard.kind == "score":
        from benchmarks.realism.time_split import score

        return score(work, shard.what, shard.columns, shard.seed)  # type: ignore[arg-type]
    if shard.kind == "change":
        from benchmarks.realism.unseen_change import score_change

        return score_change(work, shard.what, shard.columns)  # type: ignore[arg-type]
    from benchmarks.realism.leave_one_out import score_crisis

    return score_crisis(shard.what, shard.columns)  # type: ignore[arg-type]


def log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.realism",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=WORK, help="where models and shards are kept")
    parser.add_argument("--panels", default="embedded,kf10")
    parser.add_argument("--only", help="shards whose names begin so (a comma between several)")
    parser.add_argument("--shard", default="1/1", help="i/n: every n-th shard, beginning with the i-th")
    parser.add_argument("--list", action="store_true", help="show the shards and stop")
    parser.add_argument("--tables", action="store_true", help="only write the tables from what is done")
    args = parser.parse_args()

    panels = []
    for panel in args.panels.split(","):
        try:
            returns_of(panel)
            panels.append(panel)
        except MissingPanelError as error:
            log(f"left out: {error}")
    wanted = [
        s for s in shards(tuple(panels)) if not args.only or s.name.startswith(tuple(args.only.split(",")))
    ]
    index, _, count = args.shard.partition("/")
    wanted = wanted[int(index) - 1 :: int(count)]
    done = args.work / "shards"
    done.mkdir(parents=True, exist_ok=True)
    if args.list:
        for shard in wanted:
            print("done   " if (done / f"{shard.name}.json").is_file() else "missing", shard.name)
        return
    if not args.tables:
        from spade_finance.io.atomic import write_text

        for number, shard in enumerate(wanted, 1):
            file = done / f"{shard.name}.json"
            if file.is_file():
                continue
            log(f"{number}/{len(wanted)} {shard.name}")
            began = time.process_time()
            try:
                result = run(shard, args.work)
            except FileNotFoundError as error:
                log(f"   put off: {error}")
                continue
            result |= {"shard": shard.name, "total_cpu_seconds": round(time.process_time() - began, 1)}
            write_text(file, json.dumps(result, indent=1, allow_nan=False) + "\n")
            log(f"   {result['total_cpu_seconds']:.0f} processor seconds")
    from benchmarks.realism.tables import write_tables

    for path in write_tables(done):
        log(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
