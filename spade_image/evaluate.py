# SPDX-License-Identifier: Apache-2.0
"""How good are the pictures? :func:`evaluate` scores models on pairs that they were not trained on.

Beside the models stand what the numbers mean something against: the real photos (the most that the judge can give), the
class-mean colouring, and an untrained generator. Every column is drawn under the same maps and stored to 8 bits, as a
PNG would be; a model with a style encoder draws a random style a map, never the photo's own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from spade_core.checkpoint import write_atomic
from spade_core.seeding import derive_seed, torch_generator
from spade_image.data import PairSet, Samples, data_hash, find_pairs, palette_for
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
    import pandas as pd

__all__ = ["Column", "EvaluationConfig", "EvaluationResult", "evaluate"]

REAL, MEANS, UNTRAINED = "real photos", "class means", "untrained"

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


@dataclass(frozen=True)
class Column:
    """One kind of pictures, scored; NaN where a number has no meaning."""

    name: str
    fid: float
    kid: float
    kid_std: float
    """Over KID's subsets."""
    miou: float
    miou_error: float
    """Standard error, pictures drawn with replacement."""
    accuracy: float
    accuracy_error: float
    iou: dict[str, float]
    """By class."""
    spatial: SpatialControl | None = None
    model: dict[str, Any] = field(default_factory=dict)
    """Which model: hash, parameters, training."""


@dataclass(frozen=True)
class EvaluationResult:
    """Scores of models and of what they are compared with."""

    columns: tuple[Column, ...]
    evaluators: dict[str, str]
    """Which network made which numbers."""
    provenance: dict[str, Any]

    def __getitem__(self, name: str) -> Column:
        """Return a column by name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{name!r}: columns are {', '.join(c.name for c in self.columns)}")

    @property
    def ceiling(self) -> Column:
        """The real photos' column."""
        return self[REAL]

    @property
    def table(self) -> pd.DataFrame:
        """Measures by column."""
        import pandas as pd

        rows: dict[str, dict[str, float]] = {}
        for c in self.columns:
            numbers = {
                "FID": c.fid,
                "KID x 1000": 1000 * c.kid,
                "mIoU %": 100 * c.miou,
                "mIoU, % of real": 100 * c.miou / self.ceiling.miou,
                "pixel accuracy %": 100 * c.accuracy,
                "pixel accuracy, % of real": 100 * c.accuracy / self.ceiling.accuracy,
            }
            if c.spatial is not None:
                numbers |= {
                    "change inside": c.spatial.inside,
                    "change outside": c.spatial.outside,
                    "leakage %": 100 * c.spatial.leakage,
                }
            rows[c.name] = numbers
        return pd.DataFrame(rows)

    @property
    def by_class(self) -> pd.DataFrame:
        """IoU of every class in percent, by column."""
        import pandas as pd

        return pd.DataFrame({c.name: {k: 100 * v for k, v in c.iou.items()} for c in self.columns})

    @property
    def by_distance(self) -> pd.DataFrame:
        """Change by distance from a repainted region's border (8-bit levels), by column."""
        import pandas as pd

        return pd.DataFrame({c.name: c.spatial.by_distance for c in self.columns if c.spatial is not None})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; numbers without meaning are None."""
        columns = {
            c.name: {
                "fid": c.fid, "kid": c.kid, "kid_std": c.kid_std, "miou": c.miou, "miou_std_error": c.miou_error,
                "miou_of_real": c.miou / self.ceiling.miou, "pixel_accuracy": c.accuracy,
                "pixel_accuracy_std_error": c.accuracy_error,
                "pixel_accuracy_of_real": c.accuracy / self.ceiling.accuracy, "iou": c.iou,
                "spatial_control": None if c.spatial is None else c.spatial.to_dict(), "model": c.model,
            }
            for c in self.columns
        }  # fmt: skip
        body = {"schema": 1, "columns": columns, "evaluators": self.evaluators, "provenance": self.provenance}
        return _without_nan(body)  # type: ignore[no-any-return]

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the JSON text, and write it whole or not at all where a path is given."""
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, text.encode())
        return text

    def to_markdown(self) -> str:
        """Return the tables, as Markdown, with the evaluators' names below."""
        parts = [_markdown(self.table, "")]
        parts += [f"- {numbers}: {who}" for numbers, who in self.evaluators.items()]
        parts += ["", "IoU by class, percent", "", _markdown(self.by_class, "class")]
        if len(self.by_distance.columns):
            parts += [
                "Change by distance from the repainted region's border (pixels, negative inside), 8-bit levels", "",
                _markdown(self.by_distance, "distance"),
            ]  # fmt: skip
        return "\n".join(parts)

    def __str__(self) -> str:
        lines = [self.table.to_string(float_format=lambda v: f"{v:.3g}", na_rep="–"), ""]
        return "\n".join([*lines, *(f"{numbers}: {who}" for numbers, who in self.evaluators.items())])


def _markdown(table: pd.DataFrame, corner: str) -> str:
    head = [corner, *map(str, table.columns)]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * len(table.columns)}"]
    for name, row in table.iterrows():
        cells = ["–" if math.isnan(v) else _figure(v) for v in row]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


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
