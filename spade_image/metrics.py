# SPDX-License-Identifier: Apache-2.0
r"""Numbers about pictures: agreement of two maps, and distances between two sets of pictures.

Agreement is counted over all pictures together, dontcare left out:

.. math:: \mathrm{IoU}_c = \frac{TP_c}{TP_c + FP_c + FN_c}, \qquad
          \mathrm{mIoU} = \text{mean over the classes that the true maps hold}

FID (Heusel et al. 2017, arXiv 1706.08500) and KID (Binkowski et al. 2018, arXiv 1801.01401) are torchmetrics', on
whatever features they are given: a number is comparable only with others of the same features, the same real pictures
and the same number of pictures.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spade_core.seeding import derive_seed
from spade_image.exceptions import InputError
from spade_image.segmenter import targets

__all__ = ["Agreement", "Distance", "Distances", "FeatureExtractor"]


class FeatureExtractor(nn.Module):
    """What turns pictures into features; subclass it, or use one of :mod:`spade_image.features`.

    ``forward`` takes 8-bit pictures ``(B, 3, H, W)`` and returns ``(B, num_features)`` floats.
    """

    num_features: int
    name: str = ""
    """For the report: which network with which weights."""


class Agreement:
    """Counts how predicted maps agree with the true ones.

    Parameters
    ----------
    label_nc : int
        Classes, without dontcare (255).
    """

    def __init__(self, label_nc: int) -> None:
        self.label_nc = label_nc
        self._counts: list[NDArray[np.int64]] = []

    def update(self, predicted: Tensor, true: Tensor) -> None:
        """Add pictures: two tensors of ids ``(B, H, W)``."""
        n = self.label_nc
        for p, t in zip(predicted, targets(true, n), strict=True):
            known = t >= 0
            table = torch.bincount(t[known] * n + p[known], minlength=n * n).view(n, n)
            hit = table.diagonal()
            # true positives, false positives, false negatives by class
            self._counts.append(torch.stack([hit, table.sum(0) - hit, table.sum(1) - hit]).numpy())

    def _sums(self) -> NDArray[np.int64]:
        if not self._counts:
            raise InputError("no pictures were counted: pass at least one pair")
        total: NDArray[np.int64] = np.sum(self._counts, axis=0)
        return total

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU of every class, 0..1; NaN for one that the true maps do not hold."""
        return _iou(self._sums())

    @property
    def miou(self) -> float:
        """Mean IoU of the classes that the true maps hold."""
        return _mean(self.iou)

    @property
    def accuracy(self) -> float:
        """Share of the pixels with the true class."""
        return _accuracy(self._sums())

    def std_errors(self, n_resamples: int = 200, seed: int = 0) -> tuple[float, float]:
        """Return bootstrap standard errors of mIoU and accuracy, pictures drawn with replacement.

        Frames of one video resemble each other; then these errors are too small.
        """
        counts = np.stack(self._counts)
        if len(counts) < 2:
            return math.nan, math.nan
        rng = np.random.default_rng(derive_seed(seed, "agreement"))
        weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), n_resamples)
        sums = np.tensordot(weights, counts, 1)  # (n_resamples, 3, label_nc)
        values = np.array([[_mean(_iou(s)), _accuracy(s)] for s in sums])
        return float(np.nanstd(values[:, 0], ddof=1)), float(np.nanstd(values[:, 1], ddof=1))


def _iou(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    hit, wrong, missed = sums.astype(np.float64)
    out = np.full(len(hit), np.nan)
    there = hit + missed > 0
    out[there] = hit[there] / (hit + wrong + missed)[there]
    return out


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _accuracy(sums: NDArray[np.int64]) -> float:
    hit, _, missed = sums.sum(1)
    return float(hit / (hit + missed)) if hit + missed else math.nan


# ---- distances between sets ----


@dataclass(frozen=True)
class Distance:
    """FID and KID of one set of pictures to the real ones; KID with the standard deviation over its subsets."""

    fid: float
    kid: float
    kid_std: float


class _Given(nn.Module):
    """Lets torchmetrics take features in the place of pictures, so that both metrics share them."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


class Distances:
    """Distances of sets of pictures to one set of real ones.

    Parameters
    ----------
    extractor : FeatureExtractor
    n_real : int
        Number of real pictures, which bounds KID's subsets.
    subsets, subset_size : int
        KID's; subsets are no larger than the smaller of the sets.
    seed : int
        Of KID's subsets.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        n_real: int,
        *,
        subsets: int = 100,
        subset_size: int = 50,
        seed: int = 0,
    ) -> None:
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.kid import KernelInceptionDistance

        if n_real < 2:
            raise InputError(
                f"FID and KID need at least 2 real pictures, but there are {n_real}: take a larger split"
            )
        self.extractor = extractor.eval()
        self.seed, self.subset_size = seed, min(subset_size, n_real)
        given = _Given(extractor.num_features)
        self.fid = FrechetInceptionDistance(given, reset_real_features=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*save all extracted features.*", category=UserWarning)
            self.kid = KernelInceptionDistance(
                given, subsets=subsets, subset_size=self.subset_size, reset_real_features=False
            )

    @torch.no_grad()
    def _features(self, pictures: Tensor) -> Tensor:
        if pictures.dtype != torch.uint8:
            raise InputError(f"pictures of type {pictures.dtype}: pass 8-bit ones (torch.uint8)")
        return self.extractor(pictures).float()

    def real(self, pictures: Tensor) -> None:
        """Add real pictures, 8-bit ``(B, 3, H, W)``."""
        self._update(pictures, real=True)

    def add(self, pictures: Tensor) -> None:
        """Add pictures of the set that is being measured."""
        self._update(pictures, real=False)

    def _update(self, pictures: Tensor, *, real: bool) -> None:
        features = self._features(pictures)
        self.fid.update(features, real=real)
        self.kid.update(features, real=real)

    def result(self) -> Distance:
        """Return the distances of the set added, and begin the next set.

        Raises
        ------
        InputError
            The set has fewer pictures than KID's subsets, or fewer than 2.
        """
        count = int(self.fid.fake_features_num_samples)
        if count < max(2, self.subset_size):
            raise InputError(
                f"{count} pictures are too few for FID and KID with subsets of {self.subset_size}: add as many as "
                "there are real ones, or choose a smaller subset_size"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, "kid") % 2**32)
            mean, std = self.kid.compute()
        found = Distance(float(self.fid.compute()), float(mean), float(std))
        self.fid.reset()
        self.kid.reset()
        return found
