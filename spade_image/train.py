# SPDX-License-Identifier: Apache-2.0
"""From a folder of pairs to a model folder: :func:`train` puts data, task, trainer and files together.

While it runs, the model folder holds ``state/`` (everything to resume by), ``metrics.jsonl``, ``samples/`` (grids of
map, photo and sample) and ``logs/`` (TensorBoard); at every stop ``model.safetensors``, ``config.json`` and
``card.md`` with the averaged weights.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from spade_core.checkpoint import CheckpointError, load_state, write_atomic
from spade_core.distributed import barrier, is_main, process_group, rank, world_size
from spade_core.trainer import Tick, Trainer
from spade_image.card import write_card
from spade_image.data import PairSet, data_hash, find_pairs, palette_for
from spade_image.decide import asked, options_of_data
from spade_image.exceptions import InputError
from spade_image.grids import colour_table, coloured, grid, pixels_of, write_png
from spade_image.labels import LabelShift, is_coloured, pixels_of_label
from spade_image.layouts import Listing
from spade_image.loader import Loader
from spade_image.options import Options
from spade_image.palette import Palette
from spade_image.perceptual import find_vgg
from spade_image.precision import resolve_amp, resolve_device
from spade_image.preprocess import Geometry
from spade_image.presets import Preset, preset
from spade_image.task import ImageTask, TaskSettings, shown_pairs
from spade_image.trackers import Trackers
from spade_image.training_config import TrainingConfig, TrainingReport, check_numbers

__all__ = ["TrainingConfig", "TrainingReport", "train"]

STATE = "state/state.safetensors"
RUN = "state/run.json"
_LEFT = {"state", "samples", "logs", "metrics.jsonl"}
"""What a training that broke off before its first save leaves in its folder."""
ROWS = 6
"""Pairs in a sample grid."""

Say = Callable[[str], None]


def train(
    config: TrainingConfig,
    *,
    say: Say = lambda text: None,
    on_tick: Callable[[Tick], bool | None] | None = None,
) -> TrainingReport:
    """Train a model and write its folder.

    Under ``torchrun`` every process calls this; the first one writes.

    Parameters
    ----------
    config : TrainingConfig
    say : callable
        Receives lines about what is done.
    on_tick : callable, optional
        Receives the trainer's reports; returning True stops.

    Raises
    ------
    InputError
        Data, settings or weights that training cannot begin with; or an unfinished training stands in the way.
    CheckpointError
        ``resume`` with a state that is missing, damaged, or of other settings.
    """
    with process_group() as ranks:
        device = ranks.device if config.device == "auto" else resolve_device(config.device)
        return _Run(config, device, say if is_main() else (lambda text: None)).go(on_tick)


@dataclass(frozen=True)
class _Data:
    train: Listing
    val: Listing
    palette: Palette | None
    shift: LabelShift
    hash: str


class _Run:
    """One call of :func:`train`."""

    def __init__(self, config: TrainingConfig, device: torch.device, say: Say) -> None:
        self.config, self.device, self.say = config, device, say
        self.preset: Preset = preset(config.preset)
        self.out = config.out
        check_numbers(config)
        self.check_folder()
        self.data = self.find_data()
        self.options = self.make_options()
        self.geometry = Geometry(
            config.preprocess_mode or self.preset.preprocess_mode,
            config.load_size or self.load_size(),
            self.options.crop_size,
            self.options.aspect_ratio,
        )
        self.batch_size = config.batch_size or self.preset.batch_size
        self.check_grid()
        self.bf16 = resolve_amp(config.amp, device)

    # --- preparing ---

    def check_grid(self) -> None:
        """Refuse what would leave batch norm a single value a channel."""
        o = self.options
        values = self.batch_size * world_size() * math.prod(o.latent_size)
        if o.generator == "spade" and values == 1 and "instance" not in o.norm_G:
            raise InputError(
                f"--crop-size {o.crop_size} leaves a coarse grid of 1 x 1, which batch norm cannot normalise with "
                f"--batch-size 1: give a batch of 2 or more, or --crop-size {2 ** (o.n_doublings + 1)}"
            )

    def check_folder(self) -> None:
        """Refuse to write over something else, or over an unfinished training that is not to be continued."""
        unfinished = (self.out / STATE).is_file()
        if self.config.resume:
            if not unfinished:
                raise CheckpointError(
                    f"--resume: {self.out} holds no unfinished training; leave --resume out to start one"
                )
            load_state(self.out / STATE)  # a damaged one is refused before anything is read, said or written
            return
        if unfinished:
            raise InputError(
                f"{self.out} holds an unfinished training: add --resume, or remove {self.out / 'state'} to start anew"
            )
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"--out {self.out} is a file: give a folder")
        there = {path.name for path in self.out.iterdir()} if self.out.is_dir() else set()
        if there - _LEFT and "config.json" not in there:
            raise InputError(f"{self.out} is a folder of something else: give a new or empty one")

    def find_data(self) -> _Data:
        config = self.config
        listings = [
            find_pairs(config.folders, split, skip_unmatched=config.skip_unmatched)
            for split in ("train", "val")
        ]
        shift = config.label_shift or self.preset.label_shift
        palette = palette_for(config.folders, listings[0].pairs, config.palette)
        return _Data(
            listings[0], listings[1], palette, shift, data_hash([p for lst in listings for p in lst.pairs])
        )

    def make_options(self) -> Options:
        data, folders = self.data, self.config.folders
        Options.from_flags(
            {"label_nc": 1} | self.preset.options | dict(self.config.options)
        )  # before labels are read
        known = asked(self.preset, folders, data.train.pairs, data.palette, self.config.options)
        if known.label_nc is None:
            self.say("reading the labels once, to learn the classes")
        every = [*data.train.pairs, *data.val.pairs]
        found = options_of_data(folders, every, data.palette, data.shift, known=known)
        return Options.from_flags(self.preset.options | dict(self.config.options) | found)

    def load_size(self) -> int:
        """Resize a little larger than the crop, as published (286 for 256)."""
        crop = self.options.crop_size
        return self.preset.load_size if crop == 256 else max(crop, round(crop * 286 / 256))

    def pair_set(self, listing: Listing, cache_mb: float) -> PairSet:
        return PairSet(
            listing.pairs, self.options, self.geometry,
            palette=self.data.palette, shift=self.data.shift, cache_mb=cache_mb,
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """Everything that the course of the training depends on, in JSON values."""
        c = self.config
        return {
            "options": self.options.to_flags(),
            "geometry": asdict(self.geometry),
            "batch_size": self.batch_size,
            "accumulate": c.accumulate,
            "processes": world_size(),
            "seed": c.seed,
            "flip": c.flip,
            "label_shift": self.data.shift,
            "ema_samples": c.ema_samples or self.preset.ema_samples,
            "bf16": self.bf16,
            "channels_last": c.channels_last,
            "vgg": None if self.options.no_vgg_loss else str(c.vgg_weights or "torchvision"),
            "data_hash": self.data.hash,
        }

    def check_same(self, settings: Mapping[str, Any]) -> None:
        """Say which setting differs from those of the training that is to be resumed."""
        file = self.out / RUN
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return  # the state's own fingerprint still decides
        flat = [_flat(before), _flat(json.loads(json.dumps(settings)))]
        for name in sorted(flat[0].keys() | flat[1].keys()):
            was, now = (f.get(name) for f in flat)
            if was != now:
                raise CheckpointError(
                    f"--resume: {name} was {was!r} and is now {now!r}: give the command that began the training, "
                    "with --resume added"
                )

    # --- running ---

    def go(self, on_tick: Callable[[Tick], bool | None] | None) -> TrainingReport:
        c = self.config
        settings = self.settings()
        if c.resume:
            self.check_same(settings)
        vgg = None
        source = ""
        if self.options.no_vgg_loss:
            self.say("without the perceptual (VGG) loss, as asked")
        else:
            found = find_vgg(c.vgg_weights)
            vgg, source = found.features, found.source
            self.say(f"perceptual loss: {source}")
        pairs = self.pair_set(self.data.train, c.cache_mb)
        loader = Loader(
            pairs,
            self.batch_size,
            seed=c.seed,
            rank=rank(),
            world_size=world_size(),
            flip=c.flip,
            workers=c.workers,
        )
        validation = self.pair_set(self.data.val, c.cache_mb / 4)
        # a bad file ends here, before anything is written
        if not pairs.preload(c.workers):
            self.say("pictures are read as they are needed; `spade-image check` reads them all")
        for index in shown_pairs(c.n_shown, len(validation)):
            validation.decode(index)
        sample_steps = c.sample_steps or self.preset.sample_steps
        tick = c.tick_steps or min(self.preset.tick_steps, sample_steps)
        every = max(tick, round(sample_steps / tick) * tick)
        fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        task = ImageTask(
            self.options, loader, validation,
            TaskSettings(
                seed=c.seed, device=self.device, bf16=self.bf16, channels_last=c.channels_last,
                accumulate=c.accumulate, ema_samples=settings["ema_samples"], n_shown=c.n_shown, every=every,
                fingerprint=fingerprint,
            ),
            vgg,
        )  # fmt: skip
        epochs = self.options.niter + self.options.niter_decay
        max_steps = c.steps or max(1, math.ceil(epochs * task.steps_per_epoch))
        task.last_step = max_steps
        self.announce(task, max_steps)
        if is_main():
            (self.out / "state").mkdir(parents=True, exist_ok=True)
            write_atomic(self.out / RUN, (json.dumps(settings, indent=1) + "\n").encode())
        barrier()
        tracker = Trackers(self.out, c.tensorboard)
        table = colour_table(self.options.n_classes, self.data.palette)
        history: list[dict[str, float]] = []

        def listen(report: Tick) -> bool | None:
            history.append({"step": float(report.step), **report.metrics})
            if "val_l1" in report.metrics and task.shown is not None:
                shown = task.shown
                columns = [
                    coloured(shown.ids.numpy(), table),
                    pixels_of(shown.photos),
                    pixels_of(shown.samples),
                ]
                picture = grid([column[:: max(1, len(column) // ROWS)][:ROWS] for column in columns])
                write_png(self.out / "samples" / f"step_{report.step:07d}.png", picture)
                tracker.image("map | photo | sample", picture, report.step)
            return on_tick(report) if on_tick is not None else None

        trainer = Trainer(
            task, max_steps=max_steps, max_minutes=c.max_minutes, tick_steps=tick,
            state_path=self.out / STATE, on_tick=listen, tracker=tracker,
        )  # fmt: skip
        try:
            result = trainer.run(resume=c.resume)
        finally:
            loader.close()
            tracker.close()
        metrics: dict[str, float] = {}
        for row in history:
            metrics |= row
        metrics.pop("step", None)
        report = TrainingReport(
            self.out, result.reason, result.message, result.step, max_steps, result.minutes, self.options,
            metrics, history, is_main=is_main(),
        )  # fmt: skip
        content_hash = self.save(task, report, source)
        return replace(report, content_hash=content_hash)

    def announce(self, task: ImageTask, max_steps: int) -> None:
        o, d = self.options, self.data
        h, w = o.output_size
        self.say(
            f"{len(d.train.pairs)} training and {len(d.val.pairs)} validation pairs ({d.train.layout}"
            f"{', validation held out of training' if d.val.held_out else ''}), {w}x{h} pixels, {o.label_nc} classes"
            f"{' and dontcare' if o.contain_dontcare_label else ''}{'' if o.no_instance else ', instance edges'}"
        )
        if d.palette is not None and is_coloured(pixels_of_label(d.train.pairs[0].label)):
            self.say(f"coloured masks are read by {d.palette.source}")
        counts = ", ".join(
            f"{k} {sum(p.numel() for p in net.parameters()) / 1e6:.1f}M" for k, net in task.modules.items()
        )
        self.say(
            f"{o.generator} ({counts} weights), {max_steps} steps of {task.batch_total} samples on {self.device}"
            f"{' in bfloat16' if self.bf16 else ''}{f', {world_size()} processes' if world_size() > 1 else ''}"
        )

    def save(self, task: ImageTask, report: TrainingReport, vgg_source: str) -> str:
        """Write the model folder with the averaged weights (on every process: the statistics are computed together)."""
        with task.averaged():
            content_hash = ""
            if is_main():
                model = task.model
                names = {} if self.data.palette is None else self.data.palette.names
                table = colour_table(self.options.n_classes, self.data.palette)
                if any(i in names for i in range(self.options.label_nc)):
                    model.label_names = tuple(names.get(i, f"class{i}") for i in range(self.options.label_nc))
                model.palette = table[: self.options.label_nc].tolist()
                model.provenance = {
                    "preset": self.preset.name,
                    "seed": self.config.seed,
                    "steps": report.step,
                    "samples": report.step * task.batch_total,
                    "minutes": round(report.minutes, 2),
                    "ended": report.reason,
                    "training_pairs": len(self.data.train.pairs),
                    "layout": self.data.train.layout,
                    "data_hash": self.data.hash,
                    "label_shift": self.data.shift,
                    "preprocess_mode": self.geometry.preprocess_mode,
                    "load_size": self.geometry.load_size,
                    "perceptual_loss": vgg_source or "none (--no-vgg)",
                    "weights": f"averaged, half-life {self.settings()['ema_samples']:g} samples",
                    "metrics": report.metrics,
                }
                content_hash = model.save(self.out, write_card(model, report))
        if is_main() and report.reason == "finished":
            shutil.rmtree(self.out / "state", ignore_errors=True)
        barrier()
        return content_hash


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in tree.items():
        out |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return out
