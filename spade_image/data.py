# SPDX-License-Identifier: Apache-2.0
"""Pairs of photo and map, decoded, resized, cropped, flipped and stacked.

Everything random about sample k of a training (which pair, where cropped, flipped or not) follows from the seed
and k alone, so a resumed run, a run on several processes and an uninterrupted one see the same batches without
any state. Decoded pictures stay in memory where they fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spade_image.decide import without_instances
from spade_image.exceptions import InputError
from spade_image.labels import LabelShift, read_ids, read_instances, read_photo
from spade_image.layouts import Folders, Listing, Pair, list_pairs
from spade_image.options import Options
from spade_image.palette import Palette, find_palette, from_code, read_palette, recognise
from spade_image.preprocess import DONTCARE, Geometry, photo_tensor

__all__ = ["PairSet", "Sample", "Samples", "data_hash", "find_pairs", "palette_for"]

FIXED_SIZE = ("resize_and_crop", "crop", "scale_width_and_crop", "scale_shortside_and_crop", "fixed")
"""Ways of resizing that give every sample one size, as a batch needs."""


@dataclass(frozen=True)
class Sample:
    """One decoded pair: photo ``(H, W, 3)`` 8-bit, ids ``(H, W)``, instance ids ``(H, W)`` or None."""

    photo: NDArray[np.uint8]
    ids: NDArray[np.int32]
    instances: NDArray[np.int32] | None

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return self.photo.nbytes + self.ids.nbytes + (0 if self.instances is None else self.instances.nbytes)


@dataclass(frozen=True)
class Samples:
    """A batch: photos ``(B, 3, H, W)`` in [-1, 1], ids and instance ids ``(B, 1, H, W)`` int64."""

    image: Tensor
    label: Tensor
    instance: Tensor | None

    def to(self, device: torch.device) -> Samples:
        """Return it on a device."""
        move = {"device": device, "non_blocking": True}
        return Samples(
            self.image.to(**move),  # type: ignore[call-overload]
            self.label.to(**move),  # type: ignore[call-overload]
            None if self.instance is None else self.instance.to(**move),  # type: ignore[call-overload]
        )


def find_pairs(folders: Folders, split: str, *, skip_unmatched: bool = False) -> Listing:
    """List the pairs of a split that training (or evaluation) can use.

    Raises
    ------
    InputError
        No pair, or files without partner (unless they are to be skipped).
    """
    listing = list_pairs(folders, split)
    alone = [*listing.photos_alone, *listing.labels_alone]
    if alone and not skip_unmatched:
        photos, labels = len(listing.photos_alone), len(listing.labels_alone)
        counts = f"{photos} photo(s) without label and {labels} label(s) without photo"
        raise InputError(
            f"{counts} in {folders.data}, for example {alone[0].name}: files pair by equal names before "
            "the suffix; add "
            "or remove the single ones, or give --skip-unmatched to leave them out"
        )
    if not listing.pairs:
        raise InputError(
            f"no pair of photo and label in {folders.data} ({listing.layout}, {split}): check the names"
        )
    return listing


def palette_for(folders: Folders, pairs: Sequence[Pair], palette: str | Path | None = None) -> Palette | None:
    """Return the palette by which coloured masks are to be read.

    The one given; else a file of the data folder; else, if the first masks are coloured and all their colours
    belong to one known palette, that one; else None.
    """
    if palette is not None:
        return read_palette(palette)
    file = find_palette(folders.data)
    if file is not None:
        found = read_palette(file) if file.name != "dataset.json" else _lenient(file)
        if found is not None:
            return found
    from spade_image.labels import is_coloured, pixels_of_label
    from spade_image.palette import codes_of

    colours: set[tuple[int, int, int]] = set()
    for pair in pairs[:40]:
        try:
            pixels = pixels_of_label(pair.label)
        except InputError:
            continue
        if not is_coloured(pixels):
            return None
        colours |= {from_code(int(c)) for c in np.unique(codes_of(pixels.astype(np.uint8)))}
        if len(colours) > DONTCARE:
            return None
    return recognise(colours)


def _lenient(file: Path) -> Palette | None:
    """Read a dataset.json, which may describe classes without colours."""
    try:
        return read_palette(file)
    except InputError:
        return None


def data_hash(pairs: Sequence[Pair]) -> str:
    """Return a SHA-256 over the names and sizes of the files, in order."""
    digest = hashlib.sha256()
    for pair in pairs:
        for path in (pair.image, pair.label, pair.instance):
            if path is not None:
                digest.update(f"{path.name}:{path.stat().st_size}\n".encode())
    return digest.hexdigest()


class PairSet:
    """The pairs of one split at the size that training reads.

    Parameters
    ----------
    pairs : sequence of Pair
    options : Options
        Classes, dontcare, instance edges, output size.
    geometry : Geometry
        Resizing; its crop and flip are decided sample by sample.
    palette : Palette, optional
    shift : "none" or "ade20k"
    cache_mb : float
        Keep decoded pictures in memory up to this size, MiB.

    Raises
    ------
    InputError
        A way of resizing that gives samples of several sizes, or instances wanted that are not there.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        options: Options,
        geometry: Geometry,
        *,
        palette: Palette | None = None,
        shift: LabelShift = "none",
        cache_mb: float = 2048.0,
    ) -> None:
        if geometry.preprocess_mode not in FIXED_SIZE:
            raise InputError(
                f"preprocess_mode={geometry.preprocess_mode!r} gives pictures of several sizes, which "
                "cannot be stacked: "
                f"choose one of {', '.join(FIXED_SIZE)}"
            )
        missing = without_instances(pairs, options.no_instance)
        if missing:
            raise InputError(
                f"{missing}, but the network reads instance edges: add the maps (train_inst, val_inst), or give "
                "--no-instance"
            )
        self.pairs, self.options, self.geometry = list(pairs), options, geometry
        self.palette, self.shift = palette, shift
        self.size = options.output_size
        self._left = cache_mb * 2**20
        self._cache: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def decode(self, index: int) -> Sample:
        """Read and resize pair ``index``, before any crop.

        Raises
        ------
        InputError
            A damaged file, two sizes, or an id without class; the message names the file.
        """
        if index in self._cache:
            return self._cache[index]
        sample = self._read(self.pairs[index])
        if sample.n_bytes <= self._left:
            self._left -= sample.n_bytes
            self._cache[index] = sample
        return sample

    def preload(self, workers: int = 2) -> bool:
        """Read everything now if it fits in the cache, so that a bad file is found before training; say whether.

        Otherwise only the first pair is read.

        Raises
        ------
        InputError
            As :meth:`decode`.
        """
        first = self.decode(0)
        if first.n_bytes * len(self) > self._left + first.n_bytes:
            return False
        with ThreadPoolExecutor(max(1, workers)) as pool:
            for _ in pool.map(self.decode, range(1, len(self))):
                pass
        return True

    def _read(self, pair: Pair) -> Sample:
        from PIL import Image as Pillow

        photo = read_photo(pair.image)
        ids = read_ids(pair.label, self.palette, self.shift)
        check_sizes(pair, photo.size, ids, "label")
        self._check_ids(pair, ids)
        instances = None
        if not self.options.no_instance and pair.instance is not None:
            instances = read_instances(pair.instance)
            check_sizes(pair, photo.size, instances, "instance")
        width, height = self.geometry.resized(*photo.size)
        if (width, height) != photo.size:
            photo = photo.resize((width, height), Pillow.Resampling.BICUBIC)
        ids = _nearest(ids, height, width)
        instances = None if instances is None else _nearest(instances, height, width)
        return Sample(np.asarray(photo, dtype=np.uint8), ids, instances)

    def _check_ids(self, pair: Pair, ids: NDArray[np.int32]) -> None:
        found = np.unique(ids)
        wrong = unknown_ids(found, self.options)
        if len(wrong):
            o = self.options
            shown = ", ".join(map(str, wrong[:8])) + (", ..." if len(wrong) > 8 else "")
            if list(wrong) == [DONTCARE]:
                fix = "255 is 'dontcare': give --dontcare, or give these pixels a class"
            else:
                fix = f"give --label-nc {int(max(wrong[wrong != DONTCARE])) + 1} or more, or correct the map"
            raise InputError(
                f"{pair.label} holds the id(s) {shown}, but label_nc={o.label_nc} allows 0..{o.label_nc - 1}"
                f"{f' and {DONTCARE}' if o.contain_dontcare_label else ''}: {fix}"
            )

    def get(self, index: int, *, where: tuple[float, float] = (0.5, 0.5), flip: bool = False) -> Sample:
        """Return pair ``index``, cropped and flipped.

        Parameters
        ----------
        index : int
        where : two floats in [0, 1)
            Position of the crop along width and height.
        flip : bool
            Left to right.
        """
        sample = self.decode(index)
        height, width = self.size
        void = DONTCARE if self.options.contain_dontcare_label else 0

        def cut(array: NDArray[np.generic], fill: int) -> NDArray[np.generic]:
            short = [(0, max(0, n - have)) for n, have in zip((height, width), array.shape[:2], strict=True)]
            if any(after for _, after in short):  # beyond the picture: black, dontcare
                array = np.pad(array, [*short, *[(0, 0)] * (array.ndim - 2)], constant_values=fill)
            x = int(where[0] * (array.shape[1] - width + 1))
            y = int(where[1] * (array.shape[0] - height + 1))
            array = array[y : y + height, x : x + width]
            return array[:, ::-1] if flip else array

        return Sample(
            cut(sample.photo, 0),  # type: ignore[arg-type]
            cut(sample.ids, void),  # type: ignore[arg-type]
            None if sample.instances is None else cut(sample.instances, 0),  # type: ignore[arg-type]
        )

    def batch(self, samples: Sequence[Sample]) -> Samples:
        """Stack samples of one size."""
        image = torch.stack([photo_tensor_of(s.photo) for s in samples])
        label = torch.from_numpy(np.stack([s.ids for s in samples]).astype(np.int64))[:, None]
        instance = None
        if not self.options.no_instance:
            maps = [s.instances for s in samples if s.instances is not None]
            instance = torch.from_numpy(np.stack(maps).astype(np.int64))[:, None]
        return Samples(image, label, instance)


def photo_tensor_of(photo: NDArray[np.uint8]) -> Tensor:
    """Return ``(3, H, W)`` in [-1, 1] of ``(H, W, 3)`` pixels."""
    from PIL import Image as Pillow

    return photo_tensor(Pillow.fromarray(np.ascontiguousarray(photo)))


def check_sizes(pair: Pair, photo: tuple[int, int], ids: NDArray[np.int32], what: str) -> None:
    """Refuse a pair of two sizes."""
    if photo != ids.shape[::-1]:
        raise InputError(
            f"{pair.image.name} has {photo[0]}x{photo[1]} pixels but its {what} map "
            f"{ids.shape[1]}x{ids.shape[0]}: bring "
            "both to one size (maps by nearest neighbour), or remove the pair"
        )


def unknown_ids(found: NDArray[np.int32], options: Options) -> NDArray[np.int32]:
    """Return those ids that no channel stands for."""
    known = (found >= 0) & (found < options.n_classes)
    if options.label_nc <= DONTCARE:
        known |= (found == DONTCARE) & options.contain_dontcare_label
    return found[~known]


def _nearest(ids: NDArray[np.int32], height: int, width: int) -> NDArray[np.int32]:
    """Resize ids as PIL's nearest does: output i takes input floor((i + 0.5) * in / out)."""
    if ids.shape == (height, width):
        return ids
    rows = ((np.arange(height) + 0.5) * ids.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * ids.shape[1] / width).astype(np.int64)
    return ids[rows[:, None], columns[None, :]]
