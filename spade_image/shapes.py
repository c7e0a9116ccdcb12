# SPDX-License-Identifier: Apache-2.0
"""What the names and shapes in an official state dict say about the network it is of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from spade_image.exceptions import ModelError
from spade_image.options import DOUBLINGS

__all__ = ["discriminator_flags", "encoder_flags", "generator_flags", "label_flags"]

# Channels of the map in the published models: COCO-Stuff, ADE20K, Cityscapes, Facades.
_PUBLISHED: dict[int, dict[str, Any]] = {
    184: {"label_nc": 182, "contain_dontcare_label": True, "no_instance": False},
    151: {"label_nc": 150, "contain_dontcare_label": True, "no_instance": True},
    36: {"label_nc": 35, "contain_dontcare_label": False, "no_instance": False},
    13: {"label_nc": 13, "contain_dontcare_label": False, "no_instance": True},
}
_CITYSCAPES = 36
_TRUNK_WIDTH = 16


def _get(state: Mapping[str, Tensor], key: str, what: str) -> Tensor:
    value = state.get(key)
    if value is None:
        raise ModelError(f"the weights lack {key!r}: they are of no official {what}")
    return value


def label_flags(semantic_nc: int, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Divide the map's channels in classes, dontcare and edges: as stated, else as in the published models.

    Raises
    ------
    ModelError
        The stated options make another number of channels.
    """
    names = ("label_nc", "contain_dontcare_label", "no_instance")
    if not any(name in stated for name in names):
        known = _PUBLISHED.get(semantic_nc)
        return dict(known or {"label_nc": semantic_nc, "contain_dontcare_label": False, "no_instance": True})
    dontcare, bare = bool(stated.get("contain_dontcare_label", False)), bool(stated.get("no_instance", False))
    label_nc = int(stated.get("label_nc", semantic_nc - dontcare - (not bare)))
    if label_nc + dontcare + (not bare) != semantic_nc:
        raise ModelError(
            f"options say label_nc={label_nc}, contain_dontcare_label={dontcare}, no_instance={bare}, which make "
            f"{label_nc + dontcare + (not bare)} channels of the map, but the weights have {semantic_nc}: "
            "correct the options"
        )
    return {"label_nc": label_nc, "contain_dontcare_label": dontcare, "no_instance": bare}


def generator_flags(
    state: Mapping[str, Tensor], stated: Mapping[str, Any]
) -> tuple[dict[str, Any], set[str]]:
    """Read a generator's options; also return the names of those that were only assumed.

    Raises
    ------
    ModelError
        Not an official SPADE generator, or a latent grid that no stated or usual size explains.
    """
    shared = _get(state, "head_0.norm_0.mlp_shared.0.weight", "SPADE generator")  # (128, S, k, k)
    gamma = _get(state, "head_0.norm_0.mlp_gamma.weight", "SPADE generator")  # (16 ngf, 128, k, k)
    first = _get(state, "fc.weight", "SPADE generator")
    ngf, semantic_nc, kernel = gamma.shape[0] // _TRUNK_WIDTH, shared.shape[1], shared.shape[2]
    spectral = "spectral" if "head_0.conv_0.weight_orig" in state else ""
    batch = "head_0.norm_0.param_free_norm.running_mean" in state
    word = str(stated.get("norm_G", ""))
    norm = ("batch" if "batch" in word and "sync" not in word else "syncbatch") if batch else "instance"
    flags: dict[str, Any] = {
        "ngf": ngf,
        "semantic_nc": semantic_nc,
        "norm_G": f"{spectral}spade{norm}{kernel}x{kernel}",
        "use_vae": first.dim() == 2,
        "nhidden": shared.shape[0],
    }
    assumed: set[str] = set()
    cityscapes = semantic_nc == _CITYSCAPES and "label_nc" not in stated
    if "up_4.conv_0.bias" in state:
        flags["num_upsampling_layers"] = "most"
    else:
        flags["num_upsampling_layers"] = stated.get(
            "num_upsampling_layers", "more" if cityscapes else "normal"
        )
        assumed.add("num_upsampling_layers")
        if flags["num_upsampling_layers"] == "most":
            raise ModelError(
                "options say num_upsampling_layers='most', but the weights lack up_4: correct the options"
            )
    if not flags["use_vae"]:
        if cityscapes and "crop_size" not in stated:
            flags |= {"crop_size": 512, "aspect_ratio": stated.get("aspect_ratio", 2.0)}
            assumed |= {"crop_size", "aspect_ratio"}
        return flags, assumed

    flags["z_dim"] = first.shape[1]
    positions = first.shape[0] // (_TRUNK_WIDTH * ngf)
    step = 2 ** DOUBLINGS[flags["num_upsampling_layers"]]
    ratios = [float(stated["aspect_ratio"])] if "aspect_ratio" in stated else [1.0, 2.0]
    sides = (
        [int(stated["crop_size"]) // step]
        if "crop_size" in stated
        else range(1, math.isqrt(4 * positions) + 1)
    )
    for ratio in ratios:
        for side in sides:
            if side * round(side / ratio) == positions:
                flags |= {"crop_size": stated.get("crop_size", side * step), "aspect_ratio": ratio}
                return flags, assumed | {"crop_size", "aspect_ratio"}
    raise ModelError(
        f"fc.weight has {positions} coarse positions, which no crop_size and aspect_ratio "
        f"{'of the options' if 'crop_size' in stated else 'of 1 or 2'} with num_upsampling_layers="
        f"{flags['num_upsampling_layers']} gives: state crop_size, aspect_ratio and num_upsampling_layers"
    )


def _conv_norm(state: Mapping[str, Tensor], prefix: str) -> str:
    """Tell the norm word of ``prefix``, the place of a convolution with or without a norm after it."""
    inside = [k for k in state if k.startswith(f"{prefix}.")]
    spectral = "spectral" if any(k.endswith("weight_orig") for k in inside) else ""
    if f"{prefix}.weight" in state or f"{prefix}.weight_orig" in state:
        return f"{spectral}none"
    return f"{spectral}{'batch' if f'{prefix}.1.running_mean' in state else 'instance'}"


def discriminator_flags(state: Mapping[str, Tensor], semantic_nc: int) -> dict[str, Any]:
    """Read a discriminator's options.

    Raises
    ------
    ModelError
        Not an official multi-scale discriminator, or one of another map.
    """
    first = _get(state, "discriminator_0.model0.0.weight", "multi-scale discriminator")
    scales = len({k.split(".")[0] for k in state if k.startswith("discriminator_")})
    stages = {
        int(k.split(".")[1].removeprefix("model")) for k in state if k.startswith("discriminator_0.model")
    }
    if first.shape[1] != semantic_nc + 3:
        raise ModelError(
            f"the discriminator reads {first.shape[1]} channels, but the generator's map has {semantic_nc} "
            "and an image 3: they are of two trainings"
        )
    flags: dict[str, Any] = {"ndf": first.shape[0], "num_D": scales, "n_layers_D": max(stages)}
    if max(stages) > 1:
        flags["norm_D"] = _conv_norm(state, "discriminator_0.model1.0")
    return flags


def encoder_flags(state: Mapping[str, Tensor], ngf: int) -> dict[str, Any]:
    """Read a style encoder's options.

    Raises
    ------
    ModelError
        Not an official encoder, or one of another width than the generator.
    """
    mu = _get(state, "fc_mu.weight", "style encoder")
    norm = _conv_norm(state, "layer1")
    suffix = "weight_orig" if norm.startswith("spectral") else "weight"
    first = _get(
        state, f"layer1.{suffix}" if norm.endswith("none") else f"layer1.0.{suffix}", "style encoder"
    )
    if first.shape[0] != ngf:
        raise ModelError(
            f"the encoder has ngf={first.shape[0]}, the generator {ngf}: they are of two trainings"
        )
    return {"norm_E": norm, "z_dim": mu.shape[0], "use_vae": True}
