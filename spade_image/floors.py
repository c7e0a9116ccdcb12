# SPDX-License-Identifier: Apache-2.0
"""What a trained generator must beat: one that was never trained, and flat colours that a child could fill in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spade_core.seeding import derive_seed, torch_generator
from spade_image.average import reestimate
from spade_image.data import PairSet
from spade_image.model import ImageModel
from spade_image.options import Options
from spade_image.preprocess import preprocess
from spade_image.segmenter import targets

__all__ = ["ClassMeans", "untrained"]

_PASSES, _BATCH = 8, 8


class ClassMeans:
    """Every class in its mean colour over the training photos: right colours, no texture, exact shapes.

    Parameters
    ----------
    pairs : PairSet
        Training pairs.
    """

    def __init__(self, pairs: PairSet) -> None:
        n = pairs.options.label_nc
        sums, counts = np.zeros((n + 1, 3)), np.zeros(n + 1)
        for i in range(len(pairs)):
            sample = pairs.get(i)
            ids = targets(torch.from_numpy(sample.ids.astype(np.int64)), n).numpy().ravel()
            ids[ids < 0] = n  # the last row is dontcare
            pixels = sample.photo.reshape(-1, 3).astype(np.float64)
            counts += np.bincount(ids, minlength=n + 1)
            sums += np.stack([np.bincount(ids, pixels[:, c], n + 1) for c in range(3)], 1)
        overall = sums.sum(0) / counts.sum()
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], overall)
        self.label_nc = n
        self.colours: NDArray[np.uint8] = np.round(means).astype(np.uint8)
        """By class, dontcare last; ``(label_nc + 1, 3)``."""

    def draw(self, ids: Tensor) -> Tensor:
        """Fill maps ``(B, H, W)``; 8-bit ``(B, 3, H, W)``."""
        known = targets(ids, self.label_nc)
        table = torch.from_numpy(self.colours)
        return table[torch.where(known < 0, self.label_nc, known)].movedim(-1, 1)


def untrained(options: Options, pairs: PairSet, seed: int = 0) -> ImageModel:
    """Return a freshly initialised model, its norms' statistics taken on training maps as a trained model's are.

    Parameters
    ----------
    options : Options
    pairs : PairSet
        Training pairs.
    seed : int
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "untrained") % 2**32)
        model = ImageModel.build(options, discriminator=False)

    def passes() -> Iterator[Callable[[], object]]:
        order = np.random.default_rng(derive_seed(seed, "untrained", "maps")).permutation(len(pairs))
        for k in range(_PASSES):
            chosen = [int(order[j % len(order)]) for j in range(k * _BATCH, (k + 1) * _BATCH)]
            samples = pairs.batch([pairs.get(i) for i in chosen])
            segmap = preprocess(samples.label, samples.instance, flags=options)
            z = None
            if options.use_vae:
                z = torch.randn(_BATCH, options.z_dim, generator=torch_generator(seed, "untrained", "z", k))

            def run(segmap: Tensor = segmap, z: Tensor | None = z) -> Tensor:
                return model.generator(segmap, z)

            yield run

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "untrained", "dropout") % 2**32)
        reestimate(model.generator, passes())
    model.label_names = ()
    model.provenance = {"ended": "never trained", "seed": seed}
    return model
