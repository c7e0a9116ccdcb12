# SPDX-License-Identifier: Apache-2.0
"""Makes the small goldens beside this file: what our own networks, with weights from a formula, make of fixed inputs.

They hold outputs only (weights and inputs come from sines, the same on every machine), so a change of numbers by a
later edit shows, wherever the official goldens are not at hand. Run it again only for an intended change:

    python tests/image/make_goldens.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spade_core.spectral import warm_up_spectral
from spade_image import official
from spade_image.generators import build_image_generator
from spade_image.options import Options

FOLDER = Path(__file__).parent / "goldens"
COMMON = {"ngf": 2, "ndf": 4, "label_nc": 4, "init_type": "none"}

GENERATORS: dict[str, dict[str, Any]] = {
    "normal_syncbatch": {"crop_size": 64, "no_instance": True},
    "normal_thin": {"crop_size": 128, "aspect_ratio": 4.0, "contain_dontcare_label": True},
    "normal_odd_aspect": {"crop_size": 96, "aspect_ratio": 1.5, "norm_G": "spadebatch5x5"},
    "normal_1x1_latent": {"crop_size": 32, "no_instance": True, "norm_G": "spectralspadebatch1x1"},
    "more_instance": {
        "crop_size": 128,
        "num_upsampling_layers": "more",
        "norm_G": "spectralspadeinstance3x3",
    },
    "most_vae": {"crop_size": 128, "num_upsampling_layers": "most", "use_vae": True, "z_dim": 8},
    "concat": {"crop_size": 64, "generator": "concat"},
    "unet": {"crop_size": 64, "generator": "unet", "norm_G": "spadeinstance3x3"},
}
DISCRIMINATORS: dict[str, dict[str, Any]] = {
    "default": {},
    "three_scales": {"num_D": 3, "n_layers_D": 3, "no_instance": True},
    "batch": {"norm_D": "spectralbatch"},
    "unprefixed_none": {"norm_D": "none", "n_layers_D": 2},
}


def wave(shape: tuple[int, ...], phase: float, scale: float = 1.0) -> Tensor:
    """Sines of the position: numbers without a random generator."""
    n = int(np.prod(shape)) if shape else 1
    values = np.sin(np.arange(n, dtype=np.float64) * 0.7310585 + phase) * scale
    return torch.from_numpy(values.reshape(shape)).float()


def fill(net: nn.Module) -> nn.Module:
    """Give every parameter and buffer a value from a formula; spectral vectors are those of the weights."""
    for i, (name, value) in enumerate(sorted(net.state_dict().items())):
        if not value.is_floating_point():
            continue
        filled = wave(tuple(value.shape), float(i), 1.6 / max(1.0, float(value[0].numel()) ** 0.5))
        if name.startswith("conv_img"):
            filled *= 0.25  # else tanh saturates
        if name.endswith("running_var"):
            filled = 0.6 + 0.3 * filled.abs()
        value.copy_(filled)
    warm_up_spectral(net)  # else sigma is arbitrary and outputs saturate
    return net


def ids(height: int, width: int, n_classes: int) -> Tensor:
    """Blocks and a disc of classes."""
    y, x = torch.arange(height)[:, None], torch.arange(width)[None]
    label = (x // 13 + 2 * (y // 9)) % n_classes
    label[(y - height // 2) ** 2 + (x - width // 3) ** 2 < 60] = n_classes - 1
    return label[None]


def generator_case(flags: dict[str, Any]) -> dict[str, np.ndarray]:
    options = Options.from_flags({**COMMON, **flags})
    net = fill(build_image_generator(options.generator, options))
    height, width = options.output_size
    label = ids(height, width, options.n_classes)
    segmap = official.preprocess(label, label, flags=options).repeat(2, 1, 1, 1)
    z = wave((2, options.z_dim), 3.0) if options.use_vae else None
    with torch.no_grad():
        out = {"eval": net.eval()(segmap, z)}
        if options.generator != "unet":  # it has dropout in training
            out["train"] = net.train()(segmap, z)
    return {k: v[:1, :, ::3, ::3].numpy().astype(np.float32) for k, v in out.items()}


def discriminator_case(flags: dict[str, Any]) -> dict[str, np.ndarray]:
    options = Options.from_flags({**COMMON, **flags})
    net = fill(official.build_discriminator(options)).eval()
    label = ids(40, 56, options.n_classes)
    segmap = official.preprocess(label, label, flags=options)
    with torch.no_grad():
        out = net(torch.cat([segmap, wave((1, 3, 40, 56), 1.0)], 1))
    return {f"D{i}/feat{j}": f[:, :2].numpy() for i, scale in enumerate(out) for j, f in enumerate(scale)}


def encoder_case() -> dict[str, np.ndarray]:
    net = fill(official.build_encoder({**COMMON, "z_dim": 16, "crop_size": 64})).eval()
    with torch.no_grad():
        mu, logvar = net(wave((1, 3, 60, 90), 2.0))
    return {"mu": mu.numpy(), "logvar": logvar.numpy()}


def cases() -> dict[str, Callable[[], dict[str, np.ndarray]]]:
    return {
        **{f"G_{name}": lambda f=flags: generator_case(f) for name, flags in GENERATORS.items()},
        **{f"D_{name}": lambda f=flags: discriminator_case(f) for name, flags in DISCRIMINATORS.items()},
        "E_small_crop": encoder_case,
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    total = 0
    for name, make in cases().items():
        path = FOLDER / f"{name}.npz"
        np.savez_compressed(path, **make())
        total += path.stat().st_size
    print(f"{len(cases())} goldens, {total / 1024:.0f} KB")


if __name__ == "__main__":
    main()
