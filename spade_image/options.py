# SPDX-License-Identifier: Apache-2.0
"""The options that shape networks, losses and training, under their official names.

:class:`Options` is frozen and checked when made; a mapping of official names (a golden's ``flags``, an
``opt.json``) becomes one by :meth:`Options.from_flags`, which ignores the official options that concern
neither (paths, display, workers), refuses a misspelt name and warns of one that is no option at all.
"""

from __future__ import annotations

import difflib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from spade_image.exceptions import InputError, OptionWarning

__all__ = ["DOUBLINGS", "GENERATORS", "NormG", "Options", "parse_norm_g"]

DOUBLINGS: dict[str, int] = {"normal": 5, "more": 6, "most": 7}
"""num_upsampling_layers -> how often the coarse grid doubles."""

GENERATORS = ("spade", "concat", "unet")
GAN_MODES = ("hinge", "ls", "original", "w")
INIT_TYPES = ("normal", "xavier", "xavier_uniform", "kaiming", "orthogonal", "none")

_NORMS_G = {"syncbatch": "sync_batch", "sync_batch": "sync_batch", "batch": "batch", "instance": "instance"}

# Official options of paths, devices, display and data loading: known, and of no effect on a network.
_ELSEWHERE = frozenset({
    "name", "gpu_ids", "checkpoints_dir", "model", "phase", "batchSize", "preprocess_mode", "load_size",
    "no_flip", "dataroot", "dataset_mode", "serial_batches", "nThreads", "max_dataset_size",
    "load_from_opt_file", "cache_filelist_write", "cache_filelist_read", "display_winsize", "netG", "netD",
    "netE", "nef", "label_dir", "image_dir", "instance_dir", "no_pairing_check", "isTrain", "display_freq",
    "print_freq", "save_latest_freq", "save_epoch_freq", "no_html", "debug", "tf_log", "continue_train",
    "which_epoch", "results_dir", "how_many", "optimizer", "semantic_nc", "channel_divisor",
    "coco_no_portraits", "resnet_n_downsample", "resnet_n_blocks", "resnet_kernel_size",
    "resnet_initial_kernel_size",
})  # fmt: skip

# The official system's other networks, which are not here.
_ONLY = {"netG": "spade", "netD": "multiscale", "netE": "conv"}


@dataclass(frozen=True)
class NormG:
    """What ``norm_G`` says: the norm's name in the core, the kernel on the map, spectral norm or not."""

    norm: str
    kernel_size: int
    spectral: bool


def parse_norm_g(text: str) -> NormG:
    """Read ``norm_G``, such as "spectralspadesyncbatch3x3" or "spadeinstance5x5".

    The prefix "spade" and the kernel (3x3) may be left out.

    Raises
    ------
    InputError
        An unknown norm, or an even kernel (which would change the size).
    """
    match = re.fullmatch(r"(?:spade)?([a-z_]+?)(?:([0-9])x([0-9]))?", text.replace("spectral", ""))
    if match is None or match[1] not in _NORMS_G:
        raise InputError(
            f"norm_G={text!r} is unknown: write [spectral]spade<norm>KxK with norm one of "
            f"{', '.join(sorted(set(_NORMS_G) - {'sync_batch'}))}, for example spectralspadesyncbatch3x3"
        )
    kernel = int(match[2] or 3)
    if kernel % 2 == 0 or match[2] != match[3]:
        raise InputError(
            f"norm_G={text!r} has kernel {match[2]}x{match[3]}: choose 1x1, 3x3, 5x5, 7x7 or 9x9"
        )
    return NormG(_NORMS_G[match[1]], kernel, "spectral" in text)


@dataclass(frozen=True)
class Options:
    """Everything a model folder must know to build its networks again, and the training's weights of losses."""

    ngf: int = 64
    """Base width of the generator and the encoder."""
    ndf: int = 64
    """Base width of the discriminator."""
    label_nc: int = 182
    """Classes, without dontcare."""
    contain_dontcare_label: bool = False
    """One more class, ``label_nc``, for pixels labelled 255."""
    no_instance: bool = False
    """Without the channel of instance edges."""
    output_nc: int = 3
    """Channels that the discriminator expects of an image; the generator always draws 3."""
    z_dim: int = 256
    use_vae: bool = False
    num_upsampling_layers: Literal["normal", "more", "most"] = "normal"
    norm_G: str = "spectralspadesyncbatch3x3"
    norm_D: str = "spectralinstance"
    norm_E: str = "spectralinstance"
    num_D: int = 2
    """Scales of the discriminator."""
    n_layers_D: int = 4
    netD_subarch: Literal["n_layer"] = "n_layer"
    crop_size: int = 256
    """Width of the training image, pixels."""
    aspect_ratio: float = 1.0
    """Width over height of the training image."""
    init_type: str = "xavier"
    init_variance: float = 0.02
    """Gain of the initial weights."""
    gan_mode: Literal["hinge", "ls", "original", "w"] = "hinge"
    lambda_feat: float = 10.0
    lambda_vgg: float = 10.0
    lambda_kld: float = 0.05
    no_ganFeat_loss: bool = False
    no_vgg_loss: bool = False
    lr: float = 0.0002
    beta1: float = 0.0
    beta2: float = 0.9
    no_TTUR: bool = False
    D_steps_per_G: int = 1
    """Discriminator steps for one of the generator."""
    niter: int = 50
    """Epochs at the full rate."""
    niter_decay: int = 0
    """Epochs of linear decay to 0 after them."""
    generator: Literal["spade", "concat", "unet"] = "spade"
    """Ours, not official: which generator stands under the same trainer."""
    nhidden: int = 128
    """Ours, not official: width of the shared layer of every SPADE (128 in all official weights)."""

    def __post_init__(self) -> None:
        """Check every value, naming it."""
        for name in ("ngf", "ndf", "label_nc", "output_nc", "z_dim", "num_D", "n_layers_D", "crop_size",
                     "D_steps_per_G", "nhidden"):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name}={value!r} must be a whole number of at least 1")
        for name in ("niter", "niter_decay", "lambda_feat", "lambda_vgg", "lambda_kld"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name}={getattr(self, name)!r} must not be negative")
        for name in ("aspect_ratio", "lr", "init_variance"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name}={getattr(self, name)!r} must be positive")
        for name, valid in (
            ("num_upsampling_layers", tuple(DOUBLINGS)), ("gan_mode", GAN_MODES), ("init_type", INIT_TYPES),
            ("netD_subarch", ("n_layer",)), ("generator", GENERATORS),
        ):  # fmt: skip
            if getattr(self, name) not in valid:
                raise InputError(
                    f"{name}={getattr(self, name)!r} is unknown: choose one of {', '.join(valid)}"
                )
        parse_norm_g(self.norm_G)

    # --- derived ---

    @property
    def n_classes(self) -> int:
        """Classes with dontcare."""
        return self.label_nc + self.contain_dontcare_label

    @property
    def semantic_nc(self) -> int:
        """Channels of the map that the networks see: classes, dontcare, instance edges."""
        return self.n_classes + (not self.no_instance)

    @property
    def n_doublings(self) -> int:
        """How often the coarse grid doubles."""
        return DOUBLINGS[self.num_upsampling_layers]

    @property
    def latent_size(self) -> tuple[int, int]:
        """Height and width of the coarse grid: ``sw = crop_size // 2^n``, ``sh = round(sw / aspect_ratio)``.

        Raises
        ------
        InputError
            A side of 0.
        """
        step = 2**self.n_doublings
        sw = self.crop_size // step
        sh = round(sw / self.aspect_ratio)
        if sw < 1 or sh < 1:
            smaller = " or num_upsampling_layers=normal" if self.n_doublings > DOUBLINGS["normal"] else ""
            # half a pixel rounds to the even 0, so a height of one needs a little more than half
            least = step * max(1, int(self.aspect_ratio / 2) + 1)
            raise InputError(
                f"crop_size={self.crop_size} with aspect_ratio={self.aspect_ratio:g} and "
                f"num_upsampling_layers={self.num_upsampling_layers} leaves a coarse grid of {sh} x {sw} "
                f"(height x width; the grid doubles {self.n_doublings} times): "
                f"choose crop_size={least} or more{smaller}"
            )
        return sh, sw

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width that the official generator draws, whatever the map's size."""
        step = 2**self.n_doublings
        sh, sw = self.latent_size
        return sh * step, sw * step

    # --- in and out ---

    @classmethod
    def from_flags(cls, flags: Mapping[str, Any]) -> Options:
        """Make options of official names; those left out have the official default.

        ``semantic_nc`` may be given beside ``label_nc`` and must then agree with it.

        Raises
        ------
        InputError
            A wrong value, a contradiction, a network that is not here, or a name that looks like a misspelt option.

        Warns
        -----
        OptionWarning
            Names that are no option, ours or official; they have no effect.
        """
        names = {f.name for f in fields(cls)}
        unknown = [str(name) for name in flags if name not in names and name not in _ELSEWHERE]
        for name in unknown:
            near = difflib.get_close_matches(name, names, 1, 0.8)
            if near:
                raise InputError(f"option {name!r} is unknown: did you mean {near[0]!r}?")
        if unknown:
            shown = ", ".join(map(repr, sorted(unknown)))
            warnings.warn(
                f"option(s) {shown} are unknown and have no effect: remove or correct them",
                OptionWarning,
                stacklevel=3,
            )
        for name, only in _ONLY.items():
            if str(flags.get(name, only)).lower() != only:
                raise InputError(f"{name}={flags[name]!r} is not available: only {only!r} is")
        options = cls(**{k: v for k, v in flags.items() if k in names})
        stated = flags.get("semantic_nc")
        if stated is not None and stated != options.semantic_nc:
            if "label_nc" in flags:
                raise InputError(
                    f"semantic_nc={stated} contradicts label_nc={options.label_nc}, contain_dontcare_label="
                    f"{options.contain_dontcare_label}, no_instance={options.no_instance}, which make "
                    f"{options.semantic_nc}: correct one of them, or leave semantic_nc out"
                )
            extra = options.semantic_nc - options.label_nc
            options = replace(options, label_nc=stated - extra)
        return options

    @classmethod
    def read(cls, path: str | Path) -> Options:
        """Read a JSON file of official names.

        Raises
        ------
        InputError
            The file is missing or not a JSON object.
        """
        return cls.from_flags(read_flags(path))

    def replace(self, **changes: Any) -> Options:
        """Return a copy with other values."""
        return replace(self, **changes)

    def to_flags(self) -> dict[str, Any]:
        """Return plain values by name, for JSON."""
        return asdict(self)


def read_flags(path: str | Path) -> dict[str, Any]:
    """Read a JSON object from a file; :class:`InputError` where that fails."""
    try:
        flags = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"options={str(path)!r} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(
            f"options={str(path)!r} is not JSON ({error}): write one object of option names"
        ) from error
    if not isinstance(flags, dict):
        raise InputError(
            f"options={str(path)!r} holds {type(flags).__name__}: write one object of option names"
        )
    return flags
