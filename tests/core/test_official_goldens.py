# SPDX-License-Identifier: Apache-2.0
"""The core can carry the official networks: same names, same numbers.

The goldens were computed by the official code; the networks here are put together from ``spade_core`` alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spade_core import (
    SPADE,
    MultiscaleDiscriminator,
    SPADEGenerator,
    SPADEResBlk,
    feature_matching,
    gan_loss,
    kld,
    stages_for,
)
from spade_core.discriminator import conv_with_norm
from spade_core.losses import split_fake_real
from spade_core.optim import adam_pair

ATOL, RTOL = 2e-5, 1e-4
DOUBLINGS = {"normal": 5, "more": 6, "most": 7}
NORMS = {"syncbatch": "sync_batch", "batch": "batch", "instance": "instance"}


class Goldens:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases: dict[str, Any] = json.loads((folder / "meta.json").read_text())["cases"]

    def arrays(self, name: str) -> dict[str, Tensor]:
        with np.load(self.folder / name, allow_pickle=False) as file:
            tensors = {k: torch.from_numpy(file[k]) for k in file.files}
        return {k: t.float() if t.dtype == torch.float16 else t for k, t in tensors.items()}

    def weights(self, name: str) -> dict[str, Tensor]:
        return self.arrays(self.cases[name]["weights"])

    def io(self, name: str) -> dict[str, Tensor]:
        return self.arrays(self.cases[name]["io"])


@pytest.fixture(scope="module")
def goldens(shared: Path) -> Goldens:
    folder = shared / "goldens" / "spade_official"
    if not folder.is_dir():
        pytest.skip(f"no goldens at {folder}")
    return Goldens(folder)


def norm_and_kernel(word: str) -> tuple[str, int]:
    """'spectralspadesyncbatch3x3' -> ('sync_batch', 3); the tests' own reading of the option."""
    word = word.replace("spectral", "").removeprefix("spade")
    return NORMS[word[:-3]], int(word[-1])


def build_generator(flags: dict[str, Any]) -> SPADEGenerator:
    norm, kernel = norm_and_kernel(flags["norm_G"])
    doublings = DOUBLINGS[flags["num_upsampling_layers"]]
    sw = flags["crop_size"] // 2**doublings
    return SPADEGenerator(
        flags["semantic_nc"],
        flags["z_dim"],
        stages=stages_for(flags["ngf"], doublings),
        latent_size=(round(sw / flags["aspect_ratio"]), sw),
        first="noise" if flags["use_vae"] else "map",
        norm=norm,
        kernel_size=kernel,
        spectral="spectral" in flags["norm_G"],
    )


def build_discriminator(flags: dict[str, Any]) -> MultiscaleDiscriminator:
    edge, other = not flags["no_instance"], flags["contain_dontcare_label"]
    return MultiscaleDiscriminator(
        flags["label_nc"] + edge + other + 3,
        flags["num_D"],
        ndf=flags["ndf"],
        n_layers=flags["n_layers_D"],
        norm=flags["norm_D"],
    )


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v.clone() for k, v in tensors.items() if k.startswith(prefix)}


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=ATOL, rtol=RTOL)


GENERATORS = [
    "G_det_normal_syncbatch",
    "G_vae_more_batch_ar2",
    "G_det_more_instance_ar2",
    "G_det_most_batch1x1_nospectral",
]


@pytest.mark.parametrize("name", GENERATORS)
def test_generator_in_evaluation(goldens: Goldens, name: str) -> None:
    net = build_generator(goldens.cases[name]["flags"])
    net.load_state_dict(goldens.weights(name), strict=True)
    io = goldens.io(name)
    segmap = io["segmap"].float()
    with torch.no_grad():
        close(net.eval()(segmap, z=io.get("z")), io["fake_image"])
        cached = net(segmap, z=io.get("z"), modulations=net.modulations(segmap))
    close(cached, io["fake_image"])


def test_generator_one_training_forward(goldens: Goldens) -> None:
    name = GENERATORS[0]
    net = build_generator(goldens.cases[name]["flags"])
    net.load_state_dict(goldens.weights(name), strict=True)
    io = goldens.io(name)
    with torch.no_grad():
        close(net.train()(io["segmap"].float()), io["train_fake_image"])
    after = part(io, "after_train_fwd/")
    assert after
    state = net.state_dict()
    for key, value in after.items():
        close(state[key], value)


@pytest.mark.parametrize("name", ["D_default", "D_dontcare_edge_nonsquare"])
def test_discriminator(goldens: Goldens, name: str) -> None:
    net = build_discriminator(goldens.cases[name]["flags"])
    net.load_state_dict(goldens.weights(name), strict=True)
    io = goldens.io(name)
    with torch.no_grad():
        out = net.eval()(io["input"].float())
    assert sum(len(scale) for scale in out) == sum(key.startswith("D") for key in io)
    for i, scale in enumerate(out):
        for j, feature in enumerate(scale):
            close(feature, io[f"D{i}/feat{j}"])


def test_encoder_from_the_same_pieces(goldens: Goldens) -> None:
    flags, io = goldens.cases["E_256"]["flags"], goldens.io("E_256")
    nf, widths = flags["ngf"], [3]
    net = nn.Module()
    for i, multiple in enumerate((1, 2, 4, 8, 8, 8)):
        widths.append(multiple * nf)
        layer = conv_with_norm(2, *widths[-2:], 3, flags["norm_E"], stride=2, padding=1)
        net.add_module(f"layer{i + 1}", layer)
    net.fc_mu, net.fc_var = nn.Linear(128 * nf, 256), nn.Linear(128 * nf, 256)
    net.load_state_dict(goldens.weights("E_256"), strict=True)
    net.eval()
    with torch.no_grad():
        h = F.interpolate((io["image_u8"].float() / 255 - 0.5) / 0.5, size=(256, 256), mode="bilinear")
        for i in range(6):
            h = F.leaky_relu(net.get_submodule(f"layer{i + 1}")(h), 0.2)
        mu, logvar = net.fc_mu(h.flatten(1)), net.fc_var(h.flatten(1))
    close(mu, io["mu"])
    close(logvar, io["logvar"])
    torch.testing.assert_close(kld(mu, logvar), io["kld"].reshape(()), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("tag", ["spade_sync3", "spade_inst3_up", "spade_batch5_odd"])
def test_layer(goldens: Goldens, tag: str) -> None:
    entry, io = goldens.cases["layers"]["entries"][tag], part(goldens.io("layers"), f"{tag}/")
    norm, kernel = norm_and_kernel(entry["config_text"])
    net = SPADE(entry["norm_nc"], entry["label_nc"], norm=norm, kernel_size=kernel)
    net.load_state_dict(part(goldens.weights("layers"), f"{tag}/"), strict=True)
    segmap = io["segmap"].float()
    if "out_train" in io:
        # the stored running statistics are those after the training call, `out` was made before it: step back
        x, running = io["x"], net.param_free_norm
        batch = {"mean": x.mean((0, 2, 3)), "var": x.var((0, 2, 3), unbiased=True)}
        for key, value in batch.items():
            after = io[f"running_{key}_after"]
            getattr(running, f"running_{key}").copy_((after - 0.1 * value) / 0.9)
    with torch.no_grad():
        close(net.eval()(io["x"], segmap), io["out"])
        if "out_train" in io:
            close(net.train()(io["x"], segmap), io["out_train"])
            for key in ("running_mean", "running_var"):
                close(getattr(running, key), io[f"{key}_after"])


@pytest.mark.parametrize("tag", ["blk_same", "blk_diff", "blk_grow"])
def test_block(goldens: Goldens, tag: str) -> None:
    entry, io = goldens.cases["layers"]["entries"][tag], part(goldens.io("layers"), f"{tag}/")
    norm, kernel = norm_and_kernel(entry["norm_G"])
    net = SPADEResBlk(
        entry["fin"], entry["fout"], entry["semantic_nc"], norm=norm, kernel_size=kernel, spectral=True
    )
    net.load_state_dict(part(goldens.weights("layers"), f"{tag}/"), strict=True)
    with torch.no_grad():
        close(net.eval()(io["x"], io["segmap"].float()), io["out"])


def nested(io: dict[str, Tensor], prefix: str) -> list[list[Tensor]]:
    out: list[list[Tensor]] = []
    while f"{prefix}/D{len(out)}/feat0" in io:
        i, scale = len(out), []
        while f"{prefix}/D{i}/feat{len(scale)}" in io:
            scale.append(io[f"{prefix}/D{i}/feat{len(scale)}"])
        out.append(scale)
    return out


def test_losses(goldens: Goldens) -> None:
    io, values = goldens.io("losses"), goldens.cases["losses"]["values"]
    fake, real = nested(io, "fake"), nested(io, "real")
    got = {"feature_matching_lambda10_numD2": 10 * feature_matching(fake, real)}
    for mode in ("hinge", "ls", "original", "w"):
        got[f"gan_{mode}_G"] = gan_loss(fake, True, for_discriminator=False, mode=mode)
        got[f"gan_{mode}_D_fake"] = gan_loss(fake, False, mode=mode)
        got[f"gan_{mode}_D_real"] = gan_loss(real, True, mode=mode)
    got["kld_unweighted_sum"] = kld(io["mu"], io["logvar"])
    got["kld_lambda0.05"] = 0.05 * got["kld_unweighted_sum"]
    assert got.keys() == values.keys()
    for name, value in values.items():
        assert float(got[name]) == pytest.approx(value, rel=1e-5), name


def one_hot_with_edges(label: Tensor, instance: Tensor, n_classes: int) -> Tensor:
    hot = F.one_hot(label[:, 0].long(), n_classes).movedim(-1, 1).float()
    edge = torch.zeros_like(instance, dtype=torch.bool)
    for dim in (2, 3):
        n = instance.shape[dim]
        differs = instance.narrow(dim, 1, n - 1) != instance.narrow(dim, 0, n - 1)
        edge.narrow(dim, 1, n - 1).logical_or_(differs)
        edge.narrow(dim, 0, n - 1).logical_or_(differs)
    return torch.cat([hot, edge.float()], 1)


def test_three_training_iterations(goldens: Goldens) -> None:
    """Three iterations' losses and the first one's gradients, through our networks and optimisers."""
    case, weights, io = goldens.cases["train_det"], goldens.weights("train_det"), goldens.io("train_det")
    flags = case["flags"]
    g, d = build_generator(flags), build_discriminator(flags)
    g.load_state_dict(part(weights, "G/"), strict=True)
    d.load_state_dict(part(weights, "D/"), strict=True)
    opt_g, opt_d = adam_pair(g.parameters(), d.parameters(), lr=flags["lr"])
    assert (opt_g.param_groups[0]["lr"], opt_d.param_groups[0]["lr"]) == (case["lrs"]["G"], case["lrs"]["D"])

    def judge(segmap: Tensor, fake: Tensor, image: Tensor) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        both = torch.cat([torch.cat([segmap, fake], 1), torch.cat([segmap, image], 1)])
        return split_fake_real(d(both))

    for it, expected in enumerate(case["losses_per_iteration"]):
        n_classes = flags["label_nc"] + flags["contain_dontcare_label"]
        segmap = one_hot_with_edges(io[f"in{it}/label"], io[f"in{it}/instance"], n_classes)
        image = (io[f"in{it}/image_u8"].float() / 255 - 0.5) / 0.5
        fake = g(segmap)
        of_fake, of_real = judge(segmap, fake, image)
        losses = {"GAN": gan_loss(of_fake, True, False), "GAN_Feat": 10 * feature_matching(of_fake, of_real)}
        opt_g.zero_grad()
        sum(losses.values()).backward()
        if it == 0:
            compare_gradients(g, part(io, "grad_it0/G/"))
        opt_g.step()
        with torch.no_grad():
            fake = g(segmap)
        of_fake, of_real = judge(segmap, fake, image)
        losses |= {"D_Fake": gan_loss(of_fake, False), "D_real": gan_loss(of_real, True)}
        opt_d.zero_grad()
        (losses["D_Fake"] + losses["D_real"]).backward()
        if it == 0:
            compare_gradients(d, part(io, "grad_it0/D/"))
        opt_d.step()
        for name, value in expected.items():
            tolerance = {"rel": 1e-4, "abs": 1e-6} if it == 0 else {"rel": 1e-2, "abs": 2e-3}
            assert float(losses[name].detach()) == pytest.approx(value, **tolerance), (it, name)


ROUNDING = 1e-2


def compare_gradients(net: nn.Module, stored: dict[str, Tensor]) -> None:
    assert stored
    parameters = dict(net.named_parameters())
    largest = max(float(gradient.abs().max()) for gradient in stored.values())
    for name, gradient in stored.items():
        ours = parameters[name].grad
        assert ours is not None
        # A bias in front of a norm has no effect: its gradient is rounding, and depends on the number of threads.
        scale = max(float(gradient.abs().max()), ROUNDING * largest)
        torch.testing.assert_close(
            ours[: gradient.shape[0]], gradient, rtol=1e-3, atol=1e-4 * scale + 1e-9, msg=name
        )
