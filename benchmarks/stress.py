# SPDX-License-Identifier: Apache-2.0
"""Time of a whole stress report, by part, as ratios to plain sampling of the same paths.

*plain sampling* draws the scenario's paths and drops them. Rows are seconds of wall time and of processor time; on a
busy machine the ratios and the processor time are what can be compared.

    python benchmarks/stress.py --scenario gfc --paths 10000
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import spade_finance as sf
from spade_finance.stress import find_scenario, load_library, run_stress
from spade_finance.stress.pdf import write_pdf
from spade_finance.stress.run import PARTS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default")
    parser.add_argument("--scenario", default="gfc")
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows: list[dict[str, float | str]] = []

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        rows.append({"what": what, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu})
        if not args.json:
            print(f"{what:36s} {rows[-1]['wall']:7.1f} s wall {rows[-1]['cpu']:7.1f} s cpu", flush=True)

    with timed("load the model, label its history"):
        model = sf.ScenarioGenerator.load(args.model)
        model.history()
    script = find_scenario(args.scenario, load_library()).script
    model.sample(script, 64, 0)  # thread pools
    with timed("plain sampling"):
        for _ in model.sample_batches(script, args.paths, 0):
            pass
    with timed("numbers of the model alone"):
        run_stress(model, args.scenario, None, args.paths, 0, parts=())
    for part in PARTS:
        with timed(f"model and {part}"):
            run_stress(model, args.scenario, None, args.paths, 0, parts=(part,))
    with timed("everything"):
        report = run_stress(model, args.scenario, None, args.paths, 0)
    with tempfile.TemporaryDirectory() as folder:
        with timed("html and json"):
            report.to_html(Path(folder) / "report.html")
            report.to_json(Path(folder) / "report.json")
        with timed("pdf"):
            write_pdf(Path(folder) / "report.html", Path(folder) / "report.pdf")
    base = next(row for row in rows if row["what"] == "plain sampling")
    for row in rows:
        row["ratio"] = float(row["wall"]) / float(base["wall"])
    if args.json:
        print(json.dumps({"paths": args.paths, "scenario": args.scenario, "rows": rows}, indent=1))
        return
    print(f"\n{args.scenario}, {args.paths:,} paths, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for row in rows:
        print(f"{row['what']:36s} {row['ratio']:7.2f} x plain sampling")


if __name__ == "__main__":
    main()
