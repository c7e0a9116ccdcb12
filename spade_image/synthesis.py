# SPDX-License-Identifier: Apache-2.0
"""From label maps to picture files: every style under every map, with a contact sheet.

Styles are photos (through the encoder), draws of noise, draws around a photo's style, or steps between two photos. All
styles of one map share its modulation. Every PNG carries what it was made of (model hash, map, style, seed) as text.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spade_core.checkpoint import write_atomic
from spade_image.exceptions import InputError
from spade_image.inputs import (
    LabelFile,
    LabelMap,
    list_labels,
    palette_for_labels,
    read_map,
    style_photo,
    styles_listed,
)
from spade_image.labels import LabelShift
from spade_image.model import ImageModel
from spade_image.preprocess import to_uint8

__all__ = ["Drawn", "Style", "SynthesisConfig", "SynthesisReport", "generate_images"]

Say = Callable[[str], None]
FAR = 1.5
"""Factor between a map's size and the training's from which on the user is told."""


@dataclass(frozen=True)
class SynthesisConfig:
    """What to draw and where to write it."""

    labels: Path
    out: Path
    instances: Path | None = None
    photos: Path | None = None
    """Real photos of the maps, to stand beside the samples in the contact sheet."""
    styles: tuple[Path, ...] = ()
    """Photos, folders of them, or names of the model's :attr:`~ImageModel.named_styles`."""
    samples: int | None = None
    """Draws: of noise, or around each style photo. Default: one, or the photo's own style."""
    interpolate: tuple[Path, Path] | None = None
    """Two photos between whose styles to go."""
    steps: int = 5
    """Pictures of an interpolation, both ends included."""
    size: str = "nearest"
    """"map", "nearest", "model" or WIDTHxHEIGHT; see :func:`spade_image.inputs.map_size`."""
    tile: int | None = None
    """Draw in tiles of this side, pixels."""
    seed: int = 0
    palette: Path | None = None
    label_shift: LabelShift | None = None
    batch_size: int = 8


@dataclass(frozen=True)
class Style:
    """One style: how files and the sheet call it, and its vector ``(z_dim,)``, None for a deterministic model."""

    suffix: str
    name: str
    z: Tensor | None


@dataclass(frozen=True)
class Drawn:
    """One map's pictures."""

    file: LabelFile
    size: tuple[int, int]
    """Width and height of the pictures, pixels."""
    map_size: tuple[int, int]
    """Width and height of the map's file; where they differ, the map was resized (nearest)."""
    preview: NDArray[np.int32] | None
    """Ids ``(h, w)`` at the size of the contact sheet, for as many maps as it shows."""
    images: list[Path]

    @property
    def resized(self) -> bool:
        """Whether the map was brought to another size."""
        return self.size != self.map_size


@dataclass(frozen=True)
class SynthesisReport:
    """What was written."""

    out: Path
    sheet: Path
    drawn: list[Drawn]
    styles: list[Style]
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def images(self) -> list[Path]:
        """All picture files, map by map."""
        return [path for one in self.drawn for path in one.images]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "schema": 1,
            "maps": [
                {
                    "label": one.file.label.name,
                    "size": list(one.size),
                    "map_size": list(one.map_size),
                    "images": [p.relative_to(self.out).as_posix() for p in one.images],
                }
                for one in self.drawn
            ],
            "styles": [{"name": s.name} for s in self.styles],
            "provenance": self.provenance,
        }


def make_styles(model: ImageModel, config: SynthesisConfig) -> list[Style]:
    """Return the styles that every map is drawn in.

    Raises
    ------
    InputError
        Styles that contradict each other, or that the model cannot have.
    """
    known = model.named_styles
    names = [str(path) for path in config.styles if str(path) in known and not path.exists()]
    photos = styles_listed([path for path in config.styles if str(path) not in names])
    if config.interpolate is not None and (config.styles or config.samples is not None):
        raise InputError("--interpolate goes without --style and --samples: give one or the other")
    if config.samples is not None and config.samples < 1:
        raise InputError(f"--samples {config.samples} must be at least 1")
    if config.interpolate is not None and config.steps < 2:
        raise InputError(f"--steps {config.steps} must be at least 2: both ends are drawn")
    asked = "--interpolate" if config.interpolate else "--style" if config.styles else ""
    if not model.options.use_vae:
        if asked or (config.samples or 1) > 1:
            what = asked or f"--samples {config.samples}"
            raise InputError(
                f"{what} asks for styles, but this model draws one picture a map (it was trained without --use-vae): "
                "leave it out, or train with --use-vae"
            )
        return [Style("", "the model's picture", None)]
    if (photos or config.interpolate) and model.encoder is None:
        raise InputError(
            f"{asked} needs a style encoder, which this model lacks: use --samples, or convert the weights again with "
            "--encoder E.pth"
        )
    if config.interpolate is not None:
        ends = styles_listed(list(config.interpolate))
        if len(ends) != 2:
            raise InputError(f"--interpolate takes two photos, not {len(ends)}")
        a, b = (model.encode(style_photo(path))[0][0] for path in ends)
        at = [k / (config.steps - 1) for k in range(config.steps)]
        return [Style(f"_step{k:02d}", f"{t:.0%} of the way", a + t * (b - a)) for k, t in enumerate(at)]
    if names and config.samples is not None:
        raise InputError("--samples goes with photos or without --style: a style of a name is one style")
    if not photos and not names:
        zs = model.styles(config.samples or 1, None, config.seed)
        assert zs is not None
        alone = len(zs) == 1
        return [Style("" if alone else f"_{i:02d}", f"draw {i}", z) for i, z in enumerate(zs)]
    alone = len(names) + len(photos) == 1
    out = [Style("" if alone else f"_{name}", name, known[name]) for name in names]
    for k, path in enumerate(photos):
        zs = model.styles(config.samples, style_photo(path), config.seed + k)
        assert zs is not None
        part = f"_{path.stem}" if sum(p.stem == path.stem for p in photos) == 1 else f"_{path.stem}{k}"
        part = "" if alone else part
        for i, z in enumerate(zs):
            suffix = part + ("" if len(zs) == 1 else f"_{i:02d}")
            out.append(Style(suffix, path.name + ("" if len(zs) == 1 else f", draw {i}"), z))
    return out


def draw_styles(model: ImageModel, label: LabelMap, styles: list[Style], config: SynthesisConfig) -> Tensor:
    """Draw one map in every style; 8-bit ``(N, 3, H, W)``."""
    vectors = [s.z for s in styles if s.z is not None]
    z = torch.stack(vectors) if vectors else None
    if config.tile is not None and max(label.ids.shape) > config.tile:
        overlap = min(128, config.tile // 2)
        images = model.generate_tiled(
            label.ids, label.instances, z=z, tile=config.tile, overlap=overlap, blend=overlap // 2
        )
    else:
        instances = None if label.instances is None else label.instances[None]
        images = model.generate(label.ids[None], instances, z=z, batch_size=config.batch_size)[0]
    return to_uint8(images)


def png_with_text(pixels: NDArray[np.uint8], about: dict[str, Any]) -> bytes:
    """Return a PNG of ``(H, W, 3)`` pixels that carries texts."""
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    for name, value in about.items():
        info.add_itxt(name, str(value))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def generate_images(
    model: ImageModel,
    config: SynthesisConfig,
    *,
    say: Say = lambda text: None,
    on_map: Callable[[int, int], None] | None = None,
) -> SynthesisReport:
    """Draw every map in every style, and write PNGs, ``report.html`` (the contact sheet) and ``report.json``.

    All maps are read and checked before the first is drawn.

    Parameters
    ----------
    model : ImageModel
    config : SynthesisConfig
    say : callable
        Receives lines about what is done.
    on_map : callable, optional
        Receives maps done and maps in all.

    Raises
    ------
    InputError
        Files, sizes, ids or styles that do not fit the model; one line that names them.
    """
    from spade_image.contact_sheet import MOST_PICTURES, contact_sheet, small_ids

    if config.out.exists() and not config.out.is_dir():
        raise InputError(f"--out {config.out} is a file: give a folder")
    if config.tile is not None and config.tile < 2 * model.grid:
        raise InputError(f"--tile {config.tile} is too small: give {2 * model.grid} pixels or more")
    if config.seed < 0:
        raise InputError(f"--seed {config.seed} must be 0 or more")
    styles = make_styles(model, config)
    files = list_labels(config.labels, config.instances, config.photos)
    palette = palette_for_labels(model, config.labels, config.palette)
    shift = config.label_shift or model.provenance.get("label_shift") or "none"

    def read(file: LabelFile) -> LabelMap:
        return read_map(model, file, size=config.size, palette=palette, shift=shift)

    sizes, own = [], []
    for file in files:  # read twice instead of kept: a folder of maps may be larger than the memory
        found = read(file)
        sizes.append((found.ids.shape[1], found.ids.shape[0]))
        own.append(found.own_size)
    _remark(model, sizes, config, say)
    _remark_resized(model, files, own, sizes, config.size, say)
    provenance = {
        "model": model.content_hash, "generator": model.options.generator, "seed": config.seed,
        "labels": config.labels.name, "size": config.size, "tile": config.tile,
        "version": f"spade-finance {metadata.version('spade-finance')}", "torch": torch.__version__,
        "made": time.strftime("%Y-%m-%d %H:%M"),
    }  # fmt: skip
    drawn = []
    for done, file in enumerate(files, start=1):
        label = read(file)
        pictures = draw_styles(model, label, styles, config).movedim(1, -1).numpy()  # (N, H, W, 3)
        written = []
        for style, pixels in zip(styles, pictures, strict=True):
            path = config.out / f"{file.stem}{style.suffix}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            about = {
                "Software": provenance["version"], "spade:model": model.content_hash, "spade:map": file.label.name,
                "spade:style": style.name, "spade:seed": config.seed,
            }  # fmt: skip
            write_atomic(path, png_with_text(pixels, about))
            written.append(path)
        preview = (
            small_ids(label.ids.numpy()) if done * (len(styles) + 2) <= MOST_PICTURES or done == 1 else None
        )
        drawn.append(Drawn(file, sizes[done - 1], own[done - 1], preview, written))
        if on_map is not None:
            on_map(done, len(files))
    report = SynthesisReport(config.out, config.out / "report.html", drawn, styles, provenance)
    write_atomic(config.out / "report.json", (json.dumps(report.to_dict(), indent=1) + "\n").encode())
    given = list(config.interpolate or config.styles)
    style_files = styles_listed([p for p in given if p.exists() or str(p) not in model.named_styles])
    write_atomic(report.sheet, contact_sheet(model, report, style_files).encode())
    return report


def _remark_resized(
    model: ImageModel,
    files: list[LabelFile],
    own: list[tuple[int, int]],
    sizes: list[tuple[int, int]],
    asked: str,
    say: Say,
) -> None:
    """Say which maps are drawn at another size than their own."""
    changed = [k for k, size in enumerate(own) if size != sizes[k]]
    if not changed:
        return
    (w, h), (to_w, to_h) = own[changed[0]], sizes[changed[0]]
    how = f"at the nearest size that fits (multiples of {model.grid})" if asked == "nearest" else "resized"
    refuse = " (--size map refuses them)" if asked == "nearest" else f" (--size {asked})"
    say(
        f"{len(changed)} of {len(files)} map(s) are drawn {how}: {files[changed[0]].label.name} of {w}x{h} at "
        f"{to_w}x{to_h}{refuse}"
    )


def _remark(model: ImageModel, sizes: list[tuple[int, int]], config: SynthesisConfig, say: Say) -> None:
    """Say what the user may not expect."""
    if not model.options.no_instance and config.instances is None:
        say("the model reads instance edges, and no --instances were given: edges between classes stand in")
    if config.instances is not None and model.options.no_instance:
        say("the model reads no instances: --instances has no effect")
    tall, wide = model.options.output_size
    sides = [max(width / wide, height / tall) for width, height in sizes]
    far = [s for s in sides if s >= FAR or s <= 1 / FAR]
    if far and config.size != "model":
        say(
            f"{len(far)} of {len(sizes)} map(s) are far from the {wide}x{tall} pixels of the training, where textures "
            "have another scale: --size model draws at that size"
        )
