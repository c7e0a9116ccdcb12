# SPDX-License-Identifier: Apache-2.0
"""SPADE against what it was made to replace: three generators, one trainer, one budget, one table.

Trains ``spade``, ``concat`` and ``unet`` on CamVid (or other data) with the same preset, seed, losses, discriminator
and budget each: ``--minutes``, ``--steps``, or ``--cpu-minutes``, the processor's own time, which is fair where other
work shares the machine. Then scores all three by :func:`spade_image.evaluate.evaluate`:
FID and KID, mIoU and pixel accuracy (also as a share of the real photos'), and spatial control, beside class means and
an untrained network. Writes ``image_comparison.json`` and ``.md`` to ``--results``, and ``image_comparison.png`` (map,
photo and what each draws) to ``--work``, which is not for publication where the photos' licence forbids it.

Interrupted, the same command goes on: finished models are kept, an unfinished one is resumed, the segmenter is cached.

    python benchmarks/image_comparison.py --data camvid --work runs/comparison --minutes 12 --threads 1
    python benchmarks/image_comparison.py --data camvid --work runs/comparison --model spade=my-model --steps 1500
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

GENERATORS = ("spade", "concat", "unet")
SPENT = "processor_time.json"
HERE = Path(__file__).resolve().parent


def log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def trained(folder: Path) -> bool:
    """Whether a training here has come to its end."""
    from spade_image.model import ImageModel

    if not (folder / "config.json").is_file():
        return False
    if ImageModel.load(folder).provenance.get("ended") in ("finished", "time"):
        return True
    return spent(folder)["done"]


def spent(folder: Path) -> dict[str, Any]:
    """Processor seconds that training has used here, over all runs, and whether that was all it was given."""
    file = folder / SPENT
    return json.loads(file.read_text()) if file.is_file() else {"seconds": 0.0, "done": False}


def train_one(kind: str, folder: Path, args: argparse.Namespace) -> None:
    """Train one generator under the budget, going on where an earlier run was stopped."""
    from spade_core.checkpoint import write_atomic
    from spade_image.layouts import Folders
    from spade_image.train import STATE, TrainingConfig, train

    last = [0.0]
    before = spent(folder)["seconds"] - time.process_time()

    def tell(tick: Any) -> bool:
        if time.monotonic() - last[0] > 60 or tick.step == tick.max_steps:
            last[0] = time.monotonic()
            log(
                f"{kind}: step {tick.step}/{tick.max_steps}, {tick.minutes:.1f} min, {tick.minutes_left:.1f} min left"
            )
        seconds = before + time.process_time()
        done = args.cpu_minutes is not None and seconds >= 60 * args.cpu_minutes
        write_atomic(folder / SPENT, json.dumps({"seconds": seconds, "done": done}).encode())
        return done

    config = TrainingConfig(
        Folders(args.data), folder, args.preset,
        options={"generator": kind, "no_vgg_loss": True, **json.loads(args.options)},
        steps=args.steps, max_minutes=args.minutes, resume=(folder / STATE).is_file(), seed=args.seed,
    )  # fmt: skip
    report = train(config, say=log, on_tick=tell)
    if report.reason not in ("finished", "time") and not spent(folder)["done"]:
        raise SystemExit(
            f"{kind}: training ended by {report.reason} ({report.message}); the same command goes on"
        )


def picture(models: dict[str, Any], args: argparse.Namespace, rows: int = 6) -> None:
    """Draw map, photo and every model's picture of some validation pairs, side by side."""
    import numpy as np
    import torch

    from spade_image.data import PairSet, find_pairs, palette_for
    from spade_image.evaluate import draw_batch
    from spade_image.grids import colour_table, coloured, grid, pixels_of, write_png
    from spade_image.layouts import Folders
    from spade_image.preprocess import Geometry

    first = next(iter(models.values()))
    o = first.options
    pairs = find_pairs(Folders(args.data), args.split).pairs
    palette = palette_for(Folders(args.data), pairs)
    geometry = Geometry("fixed", o.crop_size, o.crop_size, o.aspect_ratio)
    shift = first.provenance.get("label_shift", "none")
    scored = PairSet(pairs, o, geometry, palette=palette, shift=shift)
    numbers = [int(i) for i in np.linspace(0, len(scored) - 1, rows)]
    samples = scored.batch([scored.get(i) for i in numbers])
    columns = [
        coloured(samples.label[:, 0].numpy(), colour_table(o.n_classes, palette)),
        pixels_of(samples.image),
    ]
    with torch.no_grad():
        columns += [
            draw_batch(m, samples, numbers, args.seed).movedim(1, -1).numpy() for m in models.values()
        ]
    write_png(args.work / "image_comparison.png", grid(columns))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of pairs")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/image_comparison"), help="models, cache and picture"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", help="where .json and .md go")
    parser.add_argument(
        "--model", action="append", default=[], metavar="KIND=DIR", help="a trained model to use"
    )
    parser.add_argument("--generators", nargs="+", default=list(GENERATORS), choices=GENERATORS)
    parser.add_argument("--preset", default="camvid")
    parser.add_argument("--options", default="{}", help="further official options, as JSON")
    parser.add_argument("--minutes", type=float, help="training budget of each")
    parser.add_argument("--steps", type=int, help="training steps of each")
    parser.add_argument("--cpu-minutes", type=float, help="processor time for training each")
    parser.add_argument("--split", default="val")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--edits", type=int, default=96)
    parser.add_argument("--segmenter", default="train", help="'train' or a file")
    parser.add_argument("--segmenter-samples", type=int, default=6000)
    args = parser.parse_args(arguments)
    if no_budget(args) and len(args.model) < len(args.generators):
        parser.error(
            "give the budget (--minutes, --cpu-minutes, --steps), or a trained model for each generator (--model)"
        )
    return args


def no_budget(args: argparse.Namespace) -> bool:
    return args.minutes is None and args.steps is None and args.cpu_minutes is None


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    import torch

    from spade_core.checkpoint import write_atomic
    from spade_image.evaluate import EvaluationConfig, evaluate
    from spade_image.layouts import Folders
    from spade_image.model import ImageModel
    from spade_image.segmenter import SegmenterConfig
    from spade_image.washout import wash_out

    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    args.results.mkdir(parents=True, exist_ok=True)
    given = {name: Path(folder) for name, _, folder in (text.partition("=") for text in args.model)}
    models: dict[str, ImageModel] = {}
    for kind in args.generators:
        folder = given.get(kind, args.work / kind)
        if kind not in given and not trained(folder):
            train_one(kind, folder, args)
        models[kind] = ImageModel.load(folder)
        log(f"{kind}: {models[kind].provenance.get('steps', '?')} steps, {folder}")

    said = [""]

    def progress(what: str, done: int, total: int) -> None:
        name = what.partition(" (")[0]
        if name != said[0] or done % 100 == 0:
            said[0] = name
            log(f"{what} {done}/{total}")

    config = EvaluationConfig(
        Folders(args.data), split=args.split,
        segmenter=args.segmenter if args.segmenter == "train" else Path(args.segmenter),
        segmenter_config=SegmenterConfig(samples=args.segmenter_samples, seed=args.seed),
        cache=args.work / "segmenters", edits=args.edits, seed=args.seed,
    )  # fmt: skip
    result = evaluate(models, config, say=log, on_progress=progress)
    picture(models, args)
    budget = "as given"
    if not no_budget(args):
        limits = (
            args.minutes and f"{args.minutes:g} minutes",
            args.cpu_minutes and f"{args.cpu_minutes:g} processor minutes",
            args.steps and f"{args.steps} steps",
        )
        budget = f"{' or '.join(filter(None, limits))} each"
    washed = wash_out()
    body = {
        **result.to_dict(), "budget": budget, "preset": args.preset, "threads": args.threads,
        "given_models": sorted(given), "wash_out": washed.to_dict(),
    }  # fmt: skip
    text = json.dumps(body, indent=1, allow_nan=False) + "\n"
    write_atomic(args.results / "image_comparison.json", text.encode())
    write_atomic(args.results / "image_comparison.md", page(result, washed, models, budget, args).encode())
    log(f"written: {args.results / 'image_comparison.json'}, .md; {args.work / 'image_comparison.png'}")
    print(result)


def page(result: Any, washed: Any, models: dict[str, Any], budget: str, args: argparse.Namespace) -> str:
    """Return the Markdown of the results, which nobody edits by hand."""
    p = result.provenance
    lines = [
        "# Generators compared", "",
        "Written by `benchmarks/image_comparison.py`; run it again instead of editing.", "",
        f"{p['pairs']} pairs of {p['data']} ({p['split']}), {p['size'][1]}x{p['size'][0]} pixels; preset "
        f"{args.preset}, budget {budget}, {args.threads} thread(s), seed {args.seed}, no perceptual loss.", "",
        "| | parameters | steps | minutes |", "|---|---:|---:|---:|",
    ]  # fmt: skip
    for name, model in models.items():
        count = sum(w.numel() for w in model.generator.parameters())
        q = model.provenance
        lines.append(f"| {name} | {count:,} | {q.get('steps', '–')} | {q.get('minutes', '–')} |")
    return "\n".join([*lines, "", result.to_markdown(), washed.to_markdown()])


if __name__ == "__main__":
    main()
