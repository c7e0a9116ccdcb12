# SPDX-License-Identifier: Apache-2.0
r"""Repaint one region of a map: how much of the picture changes inside it, and how much outside.

A generator that follows its map changes what was repainted and leaves the rest alone. One edit gives one connected
region another class; the same noise is drawn before and after. Change is the mean absolute difference of the two
pictures over a pixel's three channels, in 8-bit levels:

.. math:: \text{leakage} = \frac{\text{mean change outside}}{\text{mean change inside}}

Some change just outside is right (light, shadow, a new border), so the change is also given by distance from the
region's border. A generator that ignores its map has no leakage either, because nothing changes: read leakage together
with the change inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spade_core.seeding import derive_seed, torch_generator
from spade_image.exceptions import InputError
from spade_image.model import ImageModel
from spade_image.preprocess import DONTCARE, to_uint8

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DISTANCES", "Edit", "SpatialControl", "choose_edits", "repaint", "spatial_control"]

DISTANCES: tuple[tuple[float, float], ...] = (
    (-math.inf, -8), (-8, -4), (-4, 0), (0, 4), (4, 8), (8, 16), (16, 32), (32, math.inf),
)  # fmt: skip
"""Rings around the border in pixels: negative inside, positive outside; a pixel at the border is 1 away from it."""


@dataclass(frozen=True)
class Edit:
    """One repainting: which map, which pixels ``(H, W)`` bool, from which class to which."""

    map_index: int
    region: NDArray[np.bool_]
    before: int
    after: int


def repaint(ids: NDArray[np.integer], edit: Edit) -> NDArray[np.integer]:
    """Return a copy of ``(H, W)`` ids with the edit's region in its new class."""
    out = np.array(ids)
    out[edit.region] = edit.after
    return out


def choose_edits(
    maps: Sequence[NDArray[np.integer]],
    label_nc: int,
    n_edits: int = 48,
    *,
    smallest: float = 0.01,
    largest: float = 0.25,
    seed: int = 0,
) -> list[Edit]:
    """Choose edits by chance: a map, one of its connected regions (4 neighbours), and another class that maps hold.

    Parameters
    ----------
    maps : sequence of (H, W) ids
    label_nc : int
        Classes, without dontcare; dontcare is neither repainted nor painted.
    n_edits : int
    smallest, largest : float
        Size of a region as a share of its map.
    seed : int

    Raises
    ------
    InputError
        No map has a region of such a size, or there is one class only.
    """
    from scipy.ndimage import label as components

    if n_edits < 1:
        raise InputError(f"n_edits={n_edits} must be at least 1")
    present = sorted({int(c) for ids in maps for c in np.unique(ids) if 0 <= c < label_nc and c != DONTCARE})
    if len(present) < 2:
        raise InputError(f"the maps hold {len(present)} class(es): repainting needs at least 2")
    found: list[list[tuple[NDArray[np.bool_], int]]] = []
    for ids in maps:
        regions = []
        for c in np.unique(ids):
            if int(c) not in present:
                continue
            pieces, count = components(ids == c)
            sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:] / ids.size
            regions += [
                (pieces == k + 1, int(c)) for k in np.flatnonzero((sizes >= smallest) & (sizes <= largest))
            ]
        found.append(regions)
    usable = [i for i, regions in enumerate(found) if regions]
    if not usable:
        raise InputError(
            f"no map has a connected region of {smallest:.0%} to {largest:.0%} of its pixels: choose other limits"
        )
    rng = np.random.default_rng(derive_seed(seed, "edits"))
    order: list[int] = []
    edits = []
    for _ in range(n_edits):
        if not order:  # every map once before any twice
            order = [usable[k] for k in rng.permutation(len(usable))]
        i = order.pop()
        region, before = found[i][int(rng.integers(len(found[i])))]
        others = [c for c in present if c != before]
        edits.append(Edit(i, region, before, others[int(rng.integers(len(others)))]))
    return edits


@dataclass(frozen=True)
class SpatialControl:
    """What repainting changed; changes in 8-bit levels, standard errors over edits, clustered by map."""

    inside: float
    """Mean absolute change inside the repainted regions."""
    outside: float
    leakage: float
    """Outside over inside, of the means; NaN where nothing changed inside."""
    share_outside: float
    """Share of the whole picture's change that is outside."""
    std_errors: dict[str, float]
    by_distance: dict[str, float]
    """Mean change by distance from the border, pixels; negative inside."""
    n_edits: int

    @property
    def table(self) -> pd.DataFrame:
        """Change by distance, in 8-bit levels."""
        import pandas as pd

        rows = {
            "distance from the border, pixels": list(self.by_distance),
            "change": list(self.by_distance.values()),
        }
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "inside": self.inside, "outside": self.outside, "leakage": self.leakage,
            "share_outside": self.share_outside, "std_errors": self.std_errors,
            "by_distance": self.by_distance, "n_edits": self.n_edits,
        }  # fmt: skip


Draw = Callable[[NDArray[np.integer], int], Tensor]
"""Ids ``(H, W)`` and the number of the noise to 8-bit pixels ``(3, H, W)``."""


def drawing(model: ImageModel, seed: int = 0) -> Draw:
    """Return how a model draws one map, the noise following from the seed and a number."""

    def draw(ids: NDArray[np.integer], number: int) -> Tensor:
        z = None
        if model.options.use_vae:
            z = torch.randn(1, model.options.z_dim, generator=torch_generator(seed, "spatial", number))
        return to_uint8(model.generate(torch.from_numpy(ids.astype(np.int64))[None], z=z))[0, 0]

    return draw


def spatial_control(
    draw: ImageModel | Draw,
    maps: Sequence[NDArray[np.integer]],
    edits: Sequence[Edit],
    *,
    seed: int = 0,
    on_edit: Callable[[int], None] | None = None,
) -> SpatialControl:
    """Measure how much of the picture changes where the map does, and where it does not.

    Parameters
    ----------
    draw : ImageModel or callable
        Ids ``(H, W)`` and a number (the noise's) to 8-bit pixels ``(3, H, W)``.
    maps : sequence of (H, W) ids
    edits : sequence of Edit
        From :func:`choose_edits`; the same for all that are compared.
    seed : int
        Of the noise.
    on_edit : callable, optional
        Receives the number of edits done.
    """
    if isinstance(draw, ImageModel):
        draw = drawing(draw, seed)
    if not edits:
        raise InputError("edits is empty: choose at least one by choose_edits")
    rows = []
    rings = np.zeros((2, len(DISTANCES)))
    before: dict[int, NDArray[np.float64]] = {}
    for done, edit in enumerate(edits, start=1):
        i = edit.map_index
        if i not in before:
            before[i] = draw(maps[i], i).numpy().astype(np.float64)
        after = draw(repaint(maps[i], edit), i).numpy().astype(np.float64)
        change = np.abs(after - before[i]).mean(0)  # (H, W)
        inside, outside = change[edit.region], change[~edit.region]
        rows.append((i, inside.mean(), outside.mean(), outside.sum() / max(change.sum(), 1e-12)))
        distance = signed_distance(edit.region)
        for k, (low, high) in enumerate(DISTANCES):
            ring = (
                (distance > low) & (distance <= high) if low >= 0 else (distance >= low) & (distance < high)
            )
            rings[:, k] += change[ring].sum(), ring.sum()
        if on_edit is not None:
            on_edit(done)
    clusters = np.array([row[0] for row in rows])
    values = np.array([row[1:] for row in rows])
    means = values.mean(0)
    errors = dict(zip(("inside", "outside", "share_outside"), _clustered(values, clusters), strict=True))
    leak = values[:, 1] - (means[1] / means[0] if means[0] else 0.0) * values[:, 0]  # linearised ratio
    errors["leakage"] = float(_clustered(leak[:, None], clusters)[0] / means[0]) if means[0] else math.nan
    by_distance = {
        _ring_name(low, high): float(rings[0, k] / rings[1, k]) if rings[1, k] else math.nan
        for k, (low, high) in enumerate(DISTANCES)
    }
    return SpatialControl(
        float(means[0]), float(means[1]), float(means[1] / means[0]) if means[0] else math.nan, float(means[2]),
        {k: float(v) for k, v in errors.items()}, by_distance, len(edits),
    )  # fmt: skip


def signed_distance(region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return every pixel's distance to the nearest one on the region's other side; negative inside."""
    from scipy.ndimage import distance_transform_edt

    out: NDArray[np.float64] = np.where(
        region, -distance_transform_edt(region), distance_transform_edt(~region)
    )
    return out


def _clustered(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standard errors of the columns' means, rows of one cluster taken together."""
    names = np.unique(clusters)
    if len(names) < 2:
        return np.full(values.shape[1], np.nan)
    centred = values - values.mean(0)
    sums = np.stack([centred[clusters == c].sum(0) for c in names])
    out: NDArray[np.float64] = np.sqrt(len(names) / (len(names) - 1) * (sums**2).sum(0)) / len(values)
    return out


def _ring_name(low: float, high: float) -> str:
    if math.isinf(low):
        return f"below {high:g}"
    return f"above {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
