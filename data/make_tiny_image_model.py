# SPDX-License-Identifier: Apache-2.0
"""Remake the shipped image model ``data/tiny_image_model``: nine classes, 128x128, styles.

It is trained on drawn landscapes (``spade_image.landscapes``) and on nothing else, so that nobody's rights are in it.
The networks are trained on the CPU (bfloat16 inside, single precision in the weights); the generator's and the
encoder's weights are then rounded to half precision, which the loader widens again without loss, and measured as they
are stored. Same seed, same machine and same number of threads: same hash.

    python data/make_tiny_image_model.py          # some 25 minutes of one core
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spade_core.seeding import derive_seed
from spade_image import ImageModel
from spade_image.average import reestimate
from spade_image.data import PairSet, find_pairs
from spade_image.evaluate import EvaluationConfig, EvaluationResult, evaluate
from spade_image.grids import grid, pixels_of
from spade_image.landscape_light import MOODS, light
from spade_image.landscapes import draw_landscape, draw_map
from spade_image.layouts import Folders
from spade_image.preprocess import Geometry
from spade_image.scenes import write_scenes
from spade_image.segmenter import SegmenterConfig
from spade_image.train import TrainingConfig, train

FOLDER = Path(__file__).parent / "tiny_image_model"
GRID = Path(__file__).parents[1] / "docs" / "images" / "tiny_image_model.png"
SIDE, CROP = 128, 64
"""Pixels of a landscape, and of the window of it that a training step sees."""
OPTIONS: dict[str, Any] = {
    "label_nc": 9, "no_instance": True, "crop_size": CROP, "use_vae": True, "z_dim": 8,
    "ngf": 8, "ndf": 16, "nhidden": 10, "lr": 1e-3, "init_variance": 1.0, "no_vgg_loss": True, "lambda_kld": 0.004,
    "norm_E": "spectral",
}  # fmt: skip
SHOWN = (0, 1, 2, 3)
"""Landscapes of the grid."""
DECAY = 0.3
"""Share of the training over which the rate falls to 0."""


def learn(data: Path, out: Path, steps: int, batch_size: int, seed: int, resume: bool) -> None:
    """Train, showing a line now and then."""
    epochs = steps * batch_size / len(list((data / "train_img").iterdir()))
    decay = max(1, round(DECAY * epochs))
    options = {**OPTIONS, "niter": max(1, round(epochs) - decay), "niter_decay": decay}
    config = TrainingConfig(
        Folders(data), out, "auto", options=options, preprocess_mode="crop", batch_size=batch_size, steps=steps,
        seed=seed, ema_samples=1000.0, tick_steps=100, sample_steps=200, amp="bf16", n_shown=24, resume=resume,
    )  # fmt: skip

    def line(tick: Any) -> None:
        figures = ", ".join(f"{name} {value:.3g}" for name, value in tick.metrics.items())
        print(f"step {tick.step}: {figures}", flush=True)

    report = train(config, say=print, on_tick=line)
    if report.reason != "finished":
        raise SystemExit(f"{report.message}: the same command with --work {out.parent} goes on")


@torch.no_grad()
def stored(model: ImageModel, data: Path, seed: int) -> ImageModel:
    """Keep generator and encoder for whole landscapes, weights rounded to half precision.

    A window may be any part of a landscape, so what the first layer has learnt of positions in it says nothing about
    positions in the whole, and would show as seams: its mean over the window's coarse grid serves everywhere. Running
    statistics are taken anew from whole landscapes. They and the spectral vectors stay in single precision.
    """
    state, n = model.generator.state_dict(), CROP // model.grid
    model.options, model.discriminator = model.options.replace(crop_size=SIDE), None
    side = SIDE // model.grid
    for name in ("fc.weight", "fc.bias"):
        mean = state[name].unflatten(0, (-1, n, n)).mean((1, 2), keepdim=True)
        state[name] = mean.expand(-1, side, side, *mean.shape[3:]).flatten(0, 2)
    model.generator = ImageModel.build(model.options, discriminator=False).generator
    model.generator.load_state_dict(state)
    for net in model.networks().values():
        for weight in net.parameters():
            weight.copy_(weight.half())
    pairs = PairSet(
        find_pairs(Folders(data), "train").pairs, model.options, Geometry("fixed", SIDE, SIDE, 1.0)
    )
    order = np.random.default_rng(derive_seed(seed, "statistics")).permutation(len(pairs))

    def passes() -> Iterator[Callable[[], Any]]:
        for k in range(0, min(len(order), 400), 8):
            some = pairs.batch([pairs.get(int(i)) for i in order[k : k + 8]])
            segmap, z = model.segmap(some.label[:, 0]), model.encode(some.image)[0]
            yield lambda segmap=segmap, z=z: model.generator(segmap, z)

    reestimate(model.generator, passes())
    return model


@torch.no_grad()
def named_styles(model: ImageModel, seed: int, count: int = 16) -> dict[str, list[float]]:
    """Return the mean style of each mood's landscapes, as the encoder reads them."""
    found = {}
    for name, mood in MOODS.items():
        photos = []
        for k in range(count):
            rng = np.random.default_rng(derive_seed(seed, "style", name, k))
            ids, _ = draw_map(rng, 2 * SIDE, 2 * SIDE)
            photos.append(light(ids, rng, mood).reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3)) / 127.5 - 1)
        batch = torch.from_numpy(np.stack(photos)).movedim(-1, 1).float()
        mean = model.encode(batch)[0].mean(0)
        found[name] = [round(float(v), 4) for v in mean]
    return found


def measure(model: ImageModel, data: Path, cache: Path, seed: int) -> EvaluationResult:
    """Score it on the landscapes that it was not trained on."""
    config = EvaluationConfig(
        Folders(data), extractor="segmenter", cache=cache, seed=seed,
        segmenter_config=SegmenterConfig(seed=seed, samples=1500),
    )  # fmt: skip
    return evaluate(model, config, say=print)


def card(model: ImageModel, result: EvaluationResult, args: argparse.Namespace) -> str:
    """Return the card's Markdown."""
    o = model.options
    counts = {k: sum(w.numel() for w in net.parameters()) for k, net in model.networks().items()}
    scores, real = result["model"], result.ceiling
    return "\n".join([
        "# tiny image model",
        "",
        "Draws landscapes from maps of nine classes, in as many lights as there are styles, without any training: the",
        "model behind `spade-image generate --model tiny` and the dashboard's Images page.",
        "",
        "- classes: " + ", ".join(f"{i} {name}" for i, name in enumerate(model.label_names)),
        f"- trained on {args.n_train} landscapes of {SIDE}x{SIDE} drawn by `spade_image.landscapes` "
        f"(seed {args.seed}), {args.steps} steps of {args.batch_size} windows of {CROP}x{CROP}; no photo, "
        "nobody's rights",
        f"- styles by name: {', '.join(model.named_styles)}",
        f"- SPADE, ngf {o.ngf}, {o.nhidden} hidden channels, style of {o.z_dim} numbers, no perceptual loss; "
        + "parameters: "
        + ", ".join(f"{k} {n:,}" for k, n in counts.items()),
        "- stored in half precision, read back to single without loss",
        "- remade by `python data/make_tiny_image_model.py`",
        "",
        f"## Measured on {result.provenance['pairs']} landscapes that it was not trained on",
        "",
        "| | the model | drawn landscapes | class means | untrained |",
        "|---|---:|---:|---:|---:|",
        f"| mIoU % | {100 * scores.miou:.1f} | {100 * real.miou:.1f} | {100 * result['class means'].miou:.1f} "
        f"| {100 * result['untrained'].miou:.1f} |",
        f"| pixel accuracy % | {100 * scores.accuracy:.1f} | {100 * real.accuracy:.1f} "
        f"| {100 * result['class means'].accuracy:.1f} | {100 * result['untrained'].accuracy:.1f} |",
        "",
        f"By {result.evaluators['mIoU, pixel accuracy']}; random styles.",
        "",
        "## Limits",
        "",
        "- It knows drawn landscapes and nothing else: for photos train on photos.",
        f"- Sides of maps are multiples of {model.grid} pixels; far from {SIDE} textures have another scale.",
        "- A sun below the horizon, a house in the sky: it draws them as it can.",
        "",
    ])  # fmt: skip


def write_grid(model: ImageModel, path: Path, seed: int, rows: int = 4) -> None:
    """Picture maps that it was not trained on in every named style, in 256 colours, so that the file is small."""
    from PIL import Image

    scenes = [draw_landscape(seed + 1, k, SIDE, SIDE) for k in SHOWN[:rows]]
    ids = np.stack([scene.ids for scene in scenes])
    drawn = model.generate(
        torch.from_numpy(ids.astype(np.int64)), z=torch.stack(list(model.named_styles.values()))
    )
    colours = np.array(model.palette, dtype=np.uint8)
    picture = grid([colours[ids], *(pixels_of(drawn[:, k]) for k in range(drawn.shape[1]))])
    path.parent.mkdir(parents=True, exist_ok=True)
    small = Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def main() -> None:
    """Draw, train, measure and write the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--n-train", type=int, default=600)
    parser.add_argument("--n-val", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, help="keep drawings and training here; go on with what is there")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--grid", type=Path, default=GRID, help="a picture of what it draws")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as temporary:
        work = args.work or Path(temporary)
        data, trained = work / "landscapes", work / "model"
        if not (data / "dataset.json").is_file():
            write_scenes(
                data,
                n_train=args.n_train,
                n_val=args.n_val,
                width=SIDE,
                height=SIDE,
                seed=args.seed,
                kind="landscapes",
            )
        unfinished = (trained / "state" / "state.safetensors").is_file()
        if unfinished or not (trained / "config.json").is_file():
            learn(data, trained, args.steps, args.batch_size, args.seed, unfinished)
        model = stored(ImageModel.load(trained), data, args.seed)
        result = measure(model, data, work / "judges", args.seed)
        kept = ("seed", "steps", "samples", "training_pairs", "data_hash", "weights", "perceptual_loss")
        model.provenance = {k: model.provenance[k] for k in kept} | {
            "made_by": "data/make_tiny_image_model.py", "data": "spade_image.landscapes", "preprocess_mode": "crop",
            "miou": round(result["model"].miou, 4), "pixel_accuracy": round(result["model"].accuracy, 4),
            "styles": named_styles(model, args.seed),
        }  # fmt: skip
        save(model, args.out, card(model, result, args))
        write_grid(model, args.grid, args.seed)
    print(result)
    size = sum(file.stat().st_size for file in args.out.iterdir())
    print(f"{args.out}: {size / 1e6:.2f} MB, content hash {model.content_hash}")


def save(model: ImageModel, out: Path, text: str) -> None:
    """Write the folder anew, weights in half precision, and check that it reads back the same."""
    before = {k: {n: t.clone() for n, t in net.state_dict().items()} for k, net in model.networks().items()}
    shutil.rmtree(out, ignore_errors=True)
    model.save(out, text, half=True)
    again = ImageModel.load(out)
    for letter, net in again.networks().items():
        for name, value in net.state_dict().items():
            if not torch.equal(value, before[letter][name]):
                raise RuntimeError(f"{letter}.{name} does not read back as it was written")


if __name__ == "__main__":
    main()
