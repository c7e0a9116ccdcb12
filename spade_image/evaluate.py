# SPDX-License-Identifier: Apache-2.0
"""How good are the pictures? :func:`evaluate` scores models on pairs that they were not trained on.

Beside the models stand what the numbers mean something against: the real photos (the most that the judge can give), the
class-mean colouring, and an untrained generator. Every column is drawn under the same maps and stored to 8 bits, as a
PNG would be; a model with a style encoder draws a random style a map, never the photo's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from spade_core.seeding import derive_seed, torch_generator
from spade_image.data import PairSet, Samples, data_hash, find_pairs, palette_for
from spade_image.evaluation_result import MEANS, REAL, UNTRAINED, Column, EvaluationResult
from spade_image.exceptions import InputError
from spade_image.features import SegmenterFeatures, find_inception
from spade_image.floors import ClassMeans, untrained
from spade_image.labels import LabelShift
from spade_image.layouts import Folders
from spade_image.metrics import Agreement, Distances, FeatureExtractor
from spade_image.model import ImageModel
from spade_image.options import Options
from spade_image.preprocess import Geometry, to_uint8
from spade_image.segmenter import Segmenter, SegmenterConfig, cached_segmenter, load_segmenter
from spade_image.spatial_control import SpatialControl, choose_edits, spatial_control

if TYPE_CHECKING:
    pass

__all__ = [
    "MEANS",
    "REAL",
    "UNTRAINED",
    "Column",
    "EvaluationConfig",
    "EvaluationResult",
    "draw_batch",
    "evaluate",
]

Say = Callable[[str], None]
Progress = Callable[[str, int, int], None]
"""What is being done, how much of it, out of how much."""


@dataclass(frozen=True)
class EvaluationConfig:
    """What to score on and by whom."""

    folders: Folders
    split: str = "val"
    segmenter: Path | Segmenter | Literal["train"] = "train"
    """A file, a network, or "train": the small one, trained on the real training pairs and kept in ``cache``."""
    segmenter_config: SegmenterConfig = field(default_factory=SegmenterConfig)
    extractor: FeatureExtractor | Path | Literal["auto", "segmenter"] = "auto"
    """Features of FID and KID: a network, a file of Inception's weights, "segmenter", or "auto": Inception if it is in
    torch's cache, else the segmenter."""
    cache: Path | None = None
    palette: Path | None = None
    label_shift: LabelShift | None = None
    skip_unmatched: bool = False
    limit: int | None = None
    """Score so many pairs only, evenly spaced."""
    edits: int = 48
    """Repaintings that measure spatial control; 0 for none."""
    batch_size: int = 8
    seed: int = 0
    cache_mb: float = 2048.0


# ---- drawing ----


def draw_batch(model: ImageModel, samples: Samples, numbers: list[int], seed: int = 0) -> Tensor:
    """Draw a batch's maps, 8-bit ``(B, 3, H, W)``; the style of pair k follows from the seed and k."""
    instance = None if samples.instance is None else samples.instance[:, 0]
    segmap = model.segmap(samples.label[:, 0], instance)
    z = None
    if model.options.use_vae:
        rows = [
            torch.randn(model.options.z_dim, generator=torch_generator(seed, "evaluate", k)) for k in numbers
        ]
        z = torch.stack(rows).to(segmap.device)
    return to_uint8(model.fast()(segmap, z)).cpu()


def _photos(samples: Samples) -> Tensor:
    return (samples.image * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)


def _batches(pairs: PairSet, chosen: list[int], size: int) -> Iterator[tuple[list[int], Samples]]:
    for begin in range(0, len(chosen), size):
        numbers = chosen[begin : begin + size]
        yield numbers, pairs.batch([pairs.get(i) for i in numbers])


# ---- the evaluation ----


def evaluate(
    models: ImageModel | Mapping[str, ImageModel],
    config: EvaluationConfig,
    *,
    say: Say = lambda text: None,
    on_progress: Progress = lambda what, done, total: None,
) -> EvaluationResult:
    """Score models on pairs that they were not trained on.

    Parameters
    ----------
    models : ImageModel or mapping of name to ImageModel
        All of the same classes and size; the first one's options make the untrained column.
    config : EvaluationConfig
    say : callable
        Receives lines about what is done.
    on_progress : callable
        Receives what is being done, how much of it and out of how much.

    Returns
    -------
    EvaluationResult

    Raises
    ------
    InputError
        Data that does not fit the models, models that do not fit each other, fewer than 2 pairs.
    ModelError
        A segmenter or Inception that is missing, damaged, or of other classes.
    """
    named = {"model": models} if isinstance(models, ImageModel) else dict(models)
    if not named:
        raise InputError("no model was given: pass at least one")
    if taken := sorted({REAL, MEANS, UNTRAINED} & named.keys()):
        raise InputError(f"a model is named {taken[0]!r}, which is a column of its own: give it another name")
    return _Evaluation(named, config, say, on_progress).go()


class _Evaluation:
    """One call of :func:`evaluate`."""

    def __init__(
        self, models: dict[str, ImageModel], config: EvaluationConfig, say: Say, progress: Progress
    ) -> None:
        self.models, self.config, self.say, self.progress = models, config, say, progress
        first = next(iter(models.values()))
        self.options: Options = first.options
        self.names = [
            first.label_names[i] if i < len(first.label_names) else f"class{i}"
            for i in range(self.options.label_nc)
        ]
        for name, model in models.items():
            self._check_same(name, model.options)
        shift = config.label_shift or first.provenance.get("label_shift") or "none"
        listings = {
            split: find_pairs(config.folders, split, skip_unmatched=config.skip_unmatched)
            for split in dict.fromkeys(("train", config.split))
        }
        palette = palette_for(config.folders, listings["train"].pairs, config.palette)
        o = self.options
        geometry = Geometry("fixed", o.crop_size, o.crop_size, o.aspect_ratio)

        def pair_set(split: str) -> PairSet:
            return PairSet(
                listings[split].pairs, o, geometry, palette=palette, shift=shift, cache_mb=config.cache_mb / 2
            )

        self.train, self.real = pair_set("train"), pair_set(config.split)
        count = len(self.real) if config.limit is None else min(config.limit, len(self.real))
        if count < 2:
            raise InputError(f"{count} pair(s) to score: FID and KID need at least 2")
        self.chosen = [int(i) for i in np.linspace(0, len(self.real) - 1, count).round()]
        self.provenance: dict[str, Any] = {
            "data": config.folders.data.name, "split": config.split, "pairs": count,
            "data_hash": data_hash(self.real.pairs), "size": list(self.real.size), "seed": config.seed,
            "held_out_of_training_files": listings[config.split].held_out,
        }  # fmt: skip

    def _check_same(self, name: str, options: Options) -> None:
        for field_name in ("label_nc", "contain_dontcare_label", "no_instance", "output_size"):
            a, b = getattr(self.options, field_name), getattr(options, field_name)
            if a != b:
                raise InputError(
                    f"the models do not fit: {field_name} of {name!r} is {b!r}, of {next(iter(self.models))!r} {a!r}: "
                    "evaluate them apart"
                )

    # --- judges ---

    def segmenter(self) -> Segmenter:
        asked, o = self.config.segmenter, self.options
        if isinstance(asked, Segmenter):
            net = asked.eval()
        elif asked == "train":

            def step(done: int, total: int, loss: float) -> None:
                self.progress(f"training the segmenter (loss {loss:.2f})", done, total)

            net, path = cached_segmenter(
                self.train, self.config.segmenter_config, folder=self.config.cache, on_step=step
            )
            self.say(f"segmenter: {path}")
        else:
            net = load_segmenter(asked)
        if net.label_nc != o.label_nc:
            raise InputError(
                f"the segmenter knows {net.label_nc} classes, the model {o.label_nc}: give one of the same classes, or "
                "'train'"
            )
        return net

    def extractor(self, segmenter: Segmenter) -> FeatureExtractor:
        asked = self.config.extractor
        if isinstance(asked, FeatureExtractor):
            return asked
        if asked == "segmenter":
            return SegmenterFeatures(segmenter)
        found = find_inception(None if asked == "auto" else asked)
        return SegmenterFeatures(segmenter) if found is None else found

    # --- scoring ---

    def go(self) -> EvaluationResult:
        config = self.config
        segmenter = self.segmenter()
        extractor = self.extractor(segmenter)
        self.say(f"FID and KID by {extractor.name}")
        distances = Distances(extractor, len(self.chosen), seed=config.seed)
        for _, samples in _batches(self.real, self.chosen, config.batch_size):
            distances.real(_photos(samples))
        means = ClassMeans(self.train)
        floor = untrained(self.options, self.train, config.seed)
        drawers: dict[str, Callable[[list[int], Samples], Tensor]] = {
            REAL: lambda numbers, samples: _photos(samples),
            **{name: self.drawer(model) for name, model in self.models.items()},
            MEANS: lambda numbers, samples: means.draw(samples.label[:, 0]),
            UNTRAINED: self.drawer(floor),
        }
        total = len(drawers) * len(self.chosen)
        done = 0
        columns = []
        spatial = self.spatial({**self.models, UNTRAINED: floor})
        for name, draw in drawers.items():
            agreement = Agreement(self.options.label_nc)
            for numbers, samples in _batches(self.real, self.chosen, config.batch_size):
                pictures = draw(numbers, samples)
                agreement.update(segmenter.predict(pictures.float() / 127.5 - 1), samples.label[:, 0])
                if name != REAL:
                    distances.add(pictures)
                done += len(numbers)
                self.progress(f"scoring: {name}", done, total)
            if name == REAL:  # the real pictures' own distance to others that are real
                for _, samples in _batches(self.train, self.other_real(), config.batch_size):
                    distances.add(_photos(samples))
            distance = distances.result()
            errors = agreement.std_errors(seed=config.seed)
            columns.append(
                Column(
                    name, distance.fid, distance.kid, distance.kid_std, agreement.miou, errors[0], agreement.accuracy,
                    errors[1], dict(zip(self.names, map(float, agreement.iou), strict=True)), spatial.get(name),
                    _about(self.models[name]) if name in self.models else {},
                )
            )  # fmt: skip
        evaluators = {
            "FID, KID": f"{extractor.name}; {len(self.chosen)} pictures; the real photos' own: as many training photos",
            "mIoU, pixel accuracy": segmenter.name,
        }
        if spatial:
            evaluators["change inside, outside, leakage"] = (
                f"{config.edits} regions repainted, mean absolute change in 8-bit levels"
            )
        return EvaluationResult(tuple(columns), evaluators, self.provenance)

    def drawer(self, model: ImageModel) -> Callable[[list[int], Samples], Tensor]:
        return lambda numbers, samples: draw_batch(model, samples, numbers, self.config.seed)

    def other_real(self) -> list[int]:
        """As many training photos as are scored (all, where there are fewer), repeated if need be."""
        order = np.random.default_rng(derive_seed(self.config.seed, "other")).permutation(len(self.train))
        return [int(order[i % len(order)]) for i in range(len(self.chosen))]

    def spatial(self, models: Mapping[str, ImageModel]) -> dict[str, SpatialControl]:
        config = self.config
        if not config.edits:
            return {}
        maps = [self.real.get(i).ids for i in self.chosen]
        edits = choose_edits(maps, self.options.label_nc, config.edits, seed=config.seed)
        found = {}
        for k, (name, model) in enumerate(models.items()):

            def step(done: int, name: str = name, k: int = k) -> None:
                self.progress(f"repainting: {name}", k * len(edits) + done, len(models) * len(edits))

            found[name] = spatial_control(model, maps, edits, seed=config.seed, on_edit=step)
        return found


def _about(model: ImageModel) -> dict[str, Any]:
    kept = ("preset", "seed", "steps", "samples", "minutes", "ended", "training_pairs", "perceptual_loss")
    return {
        "content_hash": model.content_hash,
        "generator": model.options.generator,
        "parameters": sum(p.numel() for p in model.generator.parameters()),
        **{k: model.provenance[k] for k in kept if k in model.provenance},
    }
