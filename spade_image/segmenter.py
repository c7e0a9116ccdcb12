# SPDX-License-Identifier: Apache-2.0
"""A small network that reads the classes back off a photo, trained in minutes on the real pairs.

It is the judge of generated pictures: what it recognises where the map says so. Its score on real photos it has not
seen is what a perfect generator could reach with this judge, and every other score is given as a share of that.

A U-Net of four grids (1/2 to 1/16 of the picture), convolutions 3 x 3 with batch norm and ReLU, the encoder's features
joined to the decoder's of the same grid (Ronneberger et al. 2015, arXiv 1505.04597); written from the paper. Files are
one verified safetensors file; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spade_core.checkpoint import CheckpointError, load_state, save_state
from spade_core.seeding import derive_seed, torch_generator
from spade_image.data import PairSet, data_hash
from spade_image.exceptions import InputError, ModelError
from spade_image.preprocess import DONTCARE

__all__ = ["Segmenter", "SegmenterConfig", "cached_segmenter", "load_segmenter", "train_segmenter"]

KIND = "spade_image_segmenter"
_IGNORED = -100
WIDTHS = (24, 48, 64, 96)


def _conv(fin: int, fout: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    layer = nn.Conv2d(fin, fout, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(fout), nn.ReLU(inplace=True))


class Segmenter(nn.Module):
    """Photo ``(B, 3, H, W)`` in [-1, 1] to scores of the classes ``(B, label_nc, H, W)``.

    Parameters
    ----------
    label_nc : int
        Classes, without dontcare.
    widths : sequence of int
        Channels of the grids, finest (half of the picture) first.
    provenance : dict
        JSON values: data, training, score.
    """

    def __init__(
        self, label_nc: int, widths: Sequence[int] = WIDTHS, provenance: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.label_nc, self.widths = label_nc, tuple(widths)
        self.provenance: dict[str, Any] = provenance or {}
        self.down = nn.ModuleList()
        before = 3
        for i, width in enumerate(self.widths):
            first = _conv(before, width, 2, 5 if i == 0 else 3)
            self.down.append(nn.Sequential(first, _conv(width, width)))
            before = width
        self.up = nn.ModuleList(
            _conv(deep + fine, fine)
            for deep, fine in zip(self.widths[:0:-1], self.widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(self.widths[0], label_nc, 1)

    @property
    def n_features(self) -> int:
        """Length of :meth:`features`."""
        return 2 * sum(self.widths[:2]) + self.widths[-1]

    def _encode(self, photo: Tensor) -> list[Tensor]:
        grids, h = [], photo
        for stage in self.down:
            h = stage(h)
            grids.append(h)
        return grids

    def forward(self, photo: Tensor) -> Tensor:
        """Score the classes of every pixel."""
        grids = self._encode(photo)
        h = grids[-1]  # (B, widths[-1], H / 16, W / 16)
        for stage, skip in zip(self.up, grids[-2::-1], strict=True):
            h = stage(torch.cat([F.interpolate(h, size=skip.shape[2:]), skip], 1))
        return F.interpolate(self.head(h), size=photo.shape[2:], mode="bilinear", align_corners=False)

    def features(self, photo: Tensor) -> Tensor:
        """Describe whole pictures ``(B, n_features)``: texture and layout.

        Means and standard deviations over the two finest grids (without them, flat colours would pass for photos), and
        means over the coarsest.
        """
        grids = self._encode(photo)
        fine = [moment for h in grids[:2] for moment in (h.mean((2, 3)), h.std((2, 3)))]
        return torch.cat([*fine, grids[-1].mean((2, 3))], 1)

    @torch.no_grad()
    def predict(self, photo: Tensor) -> Tensor:
        """Return the likeliest class of every pixel, ``(B, H, W)`` int64."""
        return self(photo).argmax(1)

    @property
    def name(self) -> str:
        """What it is, for reports."""
        p = self.provenance
        made = f", trained on {p['training_pairs']} real pairs" if "training_pairs" in p else ""
        return f"small U-Net segmenter ({self.label_nc} classes{made})"

    def save(self, path: str | Path) -> None:
        """Write one verified file."""
        body = {
            "kind": KIND,
            "label_nc": self.label_nc,
            "widths": list(self.widths),
            "provenance": self.provenance,
        }
        save_state(path, {"about": json.dumps(body), "weights": dict(self.state_dict())})


def load_segmenter(path: str | Path) -> Segmenter:
    """Read what :meth:`Segmenter.save` wrote, in evaluation mode.

    Raises
    ------
    ModelError
        The file is missing, damaged or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(
            f"--segmenter {path} does not exist: give a file that evaluate has written, or 'train' to make one"
        )
    other = f"--segmenter {path} is no segmenter of ours: give a file that evaluate has written, or 'train'"
    try:
        state = load_state(path)
        body = json.loads(state["about"])
        if body["kind"] != KIND:
            raise ModelError(other)
        net = Segmenter(int(body["label_nc"]), body["widths"], body["provenance"])
        net.load_state_dict(state["weights"], strict=True)
    except ModelError:
        raise
    except (CheckpointError, KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise ModelError(f"{other} ({str(error).splitlines()[0]})") from error
    return net.eval()


# ---- training ----


@dataclass(frozen=True)
class SegmenterConfig:
    """How the segmenter is trained; the defaults take a few minutes for 128 x 96 on one core."""

    samples: int = 6_000
    """Training pictures seen, with repetition."""
    batch_size: int = 8
    lr: float = 4e-3
    """Peak of a one-cycle schedule (AdamW)."""
    weight_decay: float = 1e-2
    seed: int = 0
    widths: tuple[int, ...] = field(default=WIDTHS)


def train_segmenter(
    pairs: PairSet,
    config: SegmenterConfig | None = None,
    *,
    on_step: Callable[[int, int, float], None] | None = None,
) -> Segmenter:
    r"""Train on real pairs: cross-entropy with classes weighed by the root of their rarity.

    .. math:: w_c \propto 1 / \sqrt{f_c}, \qquad \textstyle\sum_c f_c w_c = 1

    Photos are flipped, zoomed (1 to 1.5), and changed in brightness, contrast and saturation, so that the judge does
    not insist on one camera's colours. The same seed gives the same network on the same machine.

    Parameters
    ----------
    pairs : PairSet
        Real training pairs.
    config : SegmenterConfig, optional
    on_step : callable, optional
        Receives step, steps and loss.

    Raises
    ------
    InputError
        Settings below 1, or labels without any class.
    """
    config = config or SegmenterConfig()
    for name in ("samples", "batch_size"):
        if getattr(config, name) < 1:
            raise InputError(f"{name}={getattr(config, name)} must be at least 1")
    n = pairs.options.label_nc
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "segmenter", "weights") % 2**32)
        net = Segmenter(n, config.widths)
    net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    weight = _class_weights(pairs)
    adam = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    steps = max(2, -(-config.samples // config.batch_size))
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, config.lr, total_steps=steps, pct_start=0.2)
    rng = torch_generator(config.seed, "segmenter", "data")
    order: list[int] = []
    for step in range(steps):
        while len(order) < config.batch_size:
            order += torch.randperm(len(pairs), generator=rng).tolist()
        chosen, order = order[: config.batch_size], order[config.batch_size :]
        samples = pairs.batch([pairs.get(i) for i in chosen])
        photo, target = augment(samples.image, targets(samples.label[:, 0], n), rng)
        logits = net(photo.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits, target, weight, ignore_index=_IGNORED, reduction="sum")
        loss = loss / weight[target.clamp(min=0)][target >= 0].sum().clamp(min=1e-6)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        cycle.step()
        if on_step is not None:
            on_step(step + 1, steps, float(loss.detach()))
    net.provenance = {
        "training_pairs": len(pairs),
        "data_hash": data_hash(pairs.pairs),
        "size": list(pairs.size),
        **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()},
    }
    # as it will be read from its file: the memory format decides how sums are rounded
    return net.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]


def targets(ids: Tensor, label_nc: int) -> Tensor:
    """Return ids with everything that is no class (dontcare) marked to be ignored."""
    void = (ids == DONTCARE) & (label_nc <= DONTCARE)
    return torch.where(void | (ids < 0) | (ids >= label_nc), _IGNORED, ids)


def _class_weights(pairs: PairSet, most: int = 400) -> Tensor:
    n = pairs.options.label_nc
    counts = torch.zeros(n, dtype=torch.float64)
    step = max(1, len(pairs) // most)
    for i in range(0, len(pairs), step):
        ids = targets(torch.from_numpy(pairs.get(i).ids.astype("int64")), n)
        counts += torch.bincount(ids[ids >= 0], minlength=n)
    if not counts.sum():
        raise InputError(
            "the training labels hold nothing but dontcare (255): the segmenter has nothing to learn"
        )
    share = counts / counts.sum()
    weight = torch.where(share > 0, share.clamp(min=1e-4).rsqrt(), 0.0)
    return (weight / (share * weight).sum()).float()


def augment(photo: Tensor, target: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flip, zoom and recolour each sample of a batch ``(B, 3, H, W)``, ``(B, H, W)``."""
    photos, maps = [], []
    height, width = target.shape[1:]
    for image, label in zip(photo, target, strict=True):
        draw = torch.rand(7, generator=rng).tolist()
        if draw[0] < 0.5:
            image, label = image.flip(-1), label.flip(-1)
        h, w = (max(1, round(side / (1 + 0.5 * draw[1]))) for side in (height, width))
        top, left = int(draw[2] * (height - h + 1)), int(draw[3] * (width - w + 1))
        image = image[None, :, top : top + h, left : left + w]
        image = F.interpolate(image, (height, width), mode="bilinear", align_corners=False)[0]
        cut = label[None, None, top : top + h, left : left + w].float()
        label = F.interpolate(cut, (height, width))[0, 0].long()
        grey = image.mean(0, keepdim=True)
        image = grey + (image - grey) * (0.6 + 0.8 * draw[4])
        image = image * (0.7 + 0.6 * draw[5]) + 0.4 * (draw[6] - 0.5)
        photos.append(image.clamp(-1, 1))
        maps.append(label)
    return torch.stack(photos), torch.stack(maps)


# ---- kept between evaluations ----


def default_cache() -> Path:
    """Return the folder where trained segmenters are kept."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("spade-image", appauthor=False)) / "segmenters"


def cached_segmenter(
    pairs: PairSet,
    config: SegmenterConfig | None = None,
    *,
    folder: str | Path | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
) -> tuple[Segmenter, Path]:
    """Return the segmenter of these pairs and settings with its file: read where it was trained before, else trained.

    Parameters
    ----------
    pairs : PairSet
    config : SegmenterConfig, optional
    folder : path, optional
        Default: the user's cache.
    on_step : callable, optional
    """
    config = config or SegmenterConfig()
    palette = sorted(pairs.palette.ids.items()) if pairs.palette is not None else None
    key = {
        "data": data_hash(pairs.pairs), "size": pairs.size, "label_nc": pairs.options.label_nc, "shift": pairs.shift,
        "palette": palette, "config": asdict(config), "version": 1,
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    path = Path(folder if folder is not None else default_cache()) / f"segmenter_{digest}.safetensors"
    if path.is_file():
        try:
            return load_segmenter(path), path
        except ModelError:
            path.unlink()  # damaged: it can be made again
    net = train_segmenter(pairs, config, on_step=on_step)
    net.save(path)
    return net, path
