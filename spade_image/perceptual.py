# SPDX-License-Identifier: Apache-2.0
"""Where the perceptual loss's VGG19 comes from: a file, torchvision's cache, or the network; else an error.

The loss is never dropped silently: a run either has the weights or was told ``--no-vgg``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from spade_image.exceptions import InputError
from spade_image.losses import vgg_features

__all__ = ["Perceptual", "cached_file", "find_vgg"]

_CHOICES = (
    "run once where there is a network (torchvision's VGG19 is then fetched to its usual cache), give "
    "--vgg-weights FILE (torchvision's vgg19 state dict), or train without it by --no-vgg"
)


@dataclass(frozen=True)
class Perceptual:
    """VGG19's frozen features and where they came from, for the log and the card."""

    features: nn.Sequential
    source: str


def cached_file() -> Path:
    """Return where torchvision keeps VGG19's weights, whether they are there or not."""
    from torchvision.models import VGG19_Weights

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(VGG19_Weights.IMAGENET1K_V1.url).name


def find_vgg(weights: str | Path | None = None, *, download: bool = True) -> Perceptual:
    """Load VGG19 for the perceptual loss.

    Parameters
    ----------
    weights : path, optional
        A local state dict (.pth or .safetensors) of torchvision's vgg19 or its ``features``.
    download : bool
        Fetch to the cache what is not in it.

    Raises
    ------
    InputError
        No weights are to be had; the message names the three choices. Or the file is no VGG19.
    """
    if weights is not None:
        path = Path(weights)
        return Perceptual(_features(_read(path), path), f"VGG19 of {path.name} (sha256 {_short_hash(path)})")
    try:
        path = cached_file()
    except ImportError as error:
        raise InputError(
            f"the perceptual loss needs torchvision: pip install 'spade-finance[image]', or {_CHOICES}"
        ) from error
    if not path.is_file():
        if not download:
            raise InputError(f"VGG19's weights are not in the cache ({path.name}): {_CHOICES}")
        _download(path)
    return Perceptual(_features(_read(path), path), f"torchvision's VGG19 ({path.name})")


def _download(path: Path) -> None:
    from torchvision.models import VGG19_Weights

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            VGG19_Weights.IMAGENET1K_V1.url,
            str(path),
            hash_prefix=path.stem.rpartition("-")[2],
            progress=False,
        )
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash is a RuntimeError
        reason = str(getattr(error, "reason", error)).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"VGG19's weights could not be fetched ({reason}): {_CHOICES}") from error


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"--vgg-weights {path} does not exist: {_CHOICES}") from None
    except Exception as error:  # torch and safetensors raise half a dozen kinds for a damaged file
        raise InputError(f"{path} is no readable weight file ({type(error).__name__}): {_CHOICES}") from error
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise InputError(f"{path} holds no state dict of tensors: save torchvision's vgg19().state_dict()")
    return loaded


def _features(state: dict[str, Tensor], path: Path) -> nn.Sequential:
    try:
        return vgg_features(state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _short_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
