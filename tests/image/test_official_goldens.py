# SPDX-License-Identifier: Apache-2.0
"""Every golden of the official system, through ``spade_image.official`` and its option names alone."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from spade_core import SPADE, SPADEResBlk
from spade_image import official
from spade_image.options import parse_norm_g

ATOL, RTOL = 2e-5, 1e-4


class Goldens:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases: dict[str, Any] = json.loads((folder / "meta.json").read_text())["cases"]

    def arrays(self, name: str) -> dict[str, Tensor]:
        with np.load(self.folder / name, allow_pickle=False) as file:
            tensors = {k: torch.from_numpy(file[k]) for k in file.files}
        return {k: t.float() if t.dtype == torch.float16 else t for k, t in tensors.items()}

    def case(self, name: str) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
        entry = self.cases[name]
        weights = self.arrays(entry["weights"]) if "weights" in entry else {}
        return entry.get("flags", {}), weights, self.arrays(entry["io"])

    def of_kind(self, kind: str) -> list[str]:
        return [name for name, entry in self.cases.items() if entry["kind"] == kind]


@pytest.fixture(scope="module")
def goldens(shared: Path) -> Goldens:
    folder = shared / "goldens" / "spade_official"
    if not folder.is_dir():
        pytest.skip(f"no goldens at {folder}")
    return Goldens(folder)


def close(a: Tensor, b: Tensor, name: str = "") -> None:
    torch.testing.assert_close(a, b, atol=ATOL, rtol=RTOL, msg=lambda text: f"{name}: {text}")


def image_of(u8: Tensor) -> Tensor:
    return (u8.float() / 255 - 0.5) / 0.5


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v.clone() for k, v in tensors.items() if k.startswith(prefix)}


def test_the_list_of_kinds_is_covered_here(goldens: Goldens) -> None:
    """A new kind or case in the index needs a test; the lists below are the index's."""
    known = [*GENERATORS, *DISCRIMINATORS, "E_256", "layers", "losses", "vgg_slim", "train_det", "preprocess"]
    assert sorted(goldens.cases) == sorted(known)


def test_every_flag_of_the_index_is_known(goldens: Goldens) -> None:
    stated = [entry["flags"] for entry in goldens.cases.values() if "flags" in entry]
    assert len(stated) > 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for flags in stated:
            official.Options.from_flags(flags)


GENERATORS = [
    "G_det_normal_syncbatch",
    "G_vae_more_batch_ar2",
    "G_det_more_instance_ar2",
    "G_det_most_batch1x1_nospectral",
]
DISCRIMINATORS = ["D_default", "D_dontcare_edge_nonsquare"]


@pytest.mark.parametrize("name", GENERATORS)
def test_generator(goldens: Goldens, name: str) -> None:
    """From ids to the image: preprocessing, every stage, the output; the coarse grid and parameter count."""
    flags, weights, io = goldens.case(name)
    net = official.build_generator(flags)
    net.load_state_dict(weights, strict=True)
    assert sum(p.numel() for p in net.parameters()) == goldens.cases[name]["n_params"]
    assert list(net.latent_size) == goldens.cases[name]["latent_sw_sh"][::-1]
    segmap = official.preprocess(io["label"], io.get("instance"), flags=flags)
    torch.testing.assert_close(segmap, io["segmap"].float(), atol=0, rtol=0)

    seen: dict[str, Tensor] = {}
    stages = goldens.cases[name]["stage_stats_eval"]
    for stage in stages:
        net.get_submodule(stage).register_forward_hook(lambda m, i, out, s=stage: seen.update({s: out}))
    with torch.no_grad():
        out = net.eval()(segmap, z=io.get("z"))
    close(out, io["fake_image"], "fake_image")
    for stage, stats in stages.items():
        h = seen[stage]
        assert list(h.shape) == stats["shape"], stage
        close(h.flatten()[:8], torch.tensor(stats["first8"]), stage)
        close(torch.stack([h.mean(), h.std(correction=0), h.abs().max()]),
              torch.tensor([stats["mean"], stats["std"], stats["absmax"]]), stage)  # fmt: skip


@pytest.mark.parametrize("name", GENERATORS)
def test_generator_that_follows_the_map_is_the_same_at_the_official_size(goldens: Goldens, name: str) -> None:
    flags, weights, io = goldens.case(name)
    net = official.build_generator(flags, follow_map=True)
    net.load_state_dict(weights, strict=True)
    with torch.no_grad():
        close(net.eval()(io["segmap"].float(), z=io.get("z")), io["fake_image"])


def test_generator_one_forward_in_training(goldens: Goldens) -> None:
    names = [n for n in goldens.of_kind("generator") if "train_fake_image" in goldens.case(n)[2]]
    assert names
    for name in names:
        flags, weights, io = goldens.case(name)
        net = official.build_generator(flags)
        net.load_state_dict(weights, strict=True)
        with torch.no_grad():
            close(net.train()(io["segmap"].float(), z=io.get("z")), io["train_fake_image"])
        after, state = part(io, "after_train_fwd/"), net.state_dict()
        assert after
        for key, value in after.items():
            close(state[key], value, key)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminator(goldens: Goldens, name: str) -> None:
    flags, weights, io = goldens.case(name)
    net = official.build_discriminator(flags)
    net.load_state_dict(weights, strict=True)
    with torch.no_grad():
        out = net.eval()(io["input"].float())
    assert sum(len(scale) for scale in out) == sum(key.startswith("D") for key in io)
    for i, scale in enumerate(out):
        for j, feature in enumerate(scale):
            close(feature, io[f"D{i}/feat{j}"], f"D{i}/feat{j}")


def test_encoder(goldens: Goldens) -> None:
    flags, weights, io = goldens.case("E_256")
    net = official.build_encoder(flags)
    net.load_state_dict(weights, strict=True)
    with torch.no_grad():
        mu, logvar = net.eval()(image_of(io["image_u8"]))
    close(mu, io["mu"])
    close(logvar, io["logvar"])
    close(official.kld_loss(mu, logvar), io["kld"].reshape(()))


def test_layers(goldens: Goldens) -> None:
    """The SPADE layer and block under the words of ``norm_G``, as our options read them."""
    _, weights, io = goldens.case("layers")
    entries = goldens.cases["layers"]["entries"]
    for tag, entry in entries.items():
        word = parse_norm_g(entry.get("config_text", entry.get("norm_G", "")))
        if entry["module"] == "SPADE":
            net: nn.Module = SPADE(
                entry["norm_nc"], entry["label_nc"], norm=word.norm, kernel_size=word.kernel_size
            )
        else:
            net = SPADEResBlk(
                entry["fin"], entry["fout"], entry["semantic_nc"],
                norm=word.norm, kernel_size=word.kernel_size, spectral=word.spectral,
            )  # fmt: skip
        net.load_state_dict(part(weights, f"{tag}/"), strict=True)
        case = part(io, f"{tag}/")
        x, segmap = case["x"], case["segmap"].float()
        norm = net.param_free_norm if entry["module"] == "SPADE" else None
        if "out_train" in case:
            # the stored statistics are those after the training call, `out` was made before it: step back
            for key, value in (("mean", x.mean((0, 2, 3))), ("var", x.var((0, 2, 3), unbiased=True))):
                getattr(norm, f"running_{key}").copy_((case[f"running_{key}_after"] - 0.1 * value) / 0.9)
        with torch.no_grad():
            close(net.eval()(x, segmap), case["out"], tag)
            if "out_train" in case:
                close(net.train()(x, segmap), case["out_train"], tag)
                close(norm.running_mean, case["running_mean_after"], tag)
                close(norm.running_var, case["running_var_after"], tag)


def nested(io: dict[str, Tensor], prefix: str) -> list[list[Tensor]]:
    out: list[list[Tensor]] = []
    while f"{prefix}/D{len(out)}/feat0" in io:
        i, scale = len(out), []
        while f"{prefix}/D{i}/feat{len(scale)}" in io:
            scale.append(io[f"{prefix}/D{i}/feat{len(scale)}"])
        out.append(scale)
    return out


def test_losses(goldens: Goldens) -> None:
    _, _, io = goldens.case("losses")
    values = goldens.cases["losses"]["values"]
    fake, real = nested(io, "fake"), nested(io, "real")
    got = {"feature_matching_lambda10_numD2": official.feature_matching_loss(fake, real, 10.0)}
    for mode in ("hinge", "ls", "original", "w"):
        got[f"gan_{mode}_G"] = official.gan_loss(fake, True, for_discriminator=False, mode=mode)
        got[f"gan_{mode}_D_fake"] = official.gan_loss(fake, False, mode=mode)
        got[f"gan_{mode}_D_real"] = official.gan_loss(real, True, mode=mode)
    got["kld_unweighted_sum"] = official.kld_loss(io["mu"], io["logvar"])
    got["kld_lambda0.05"] = official.kld_loss(io["mu"], io["logvar"], 0.05)
    assert got.keys() == values.keys()
    for name, value in values.items():
        assert float(got[name]) == pytest.approx(value, rel=1e-5), name


def test_perceptual_loss(goldens: Goldens) -> None:
    _, weights, io = goldens.case("vgg_slim")
    entry = goldens.cases["vgg_slim"]
    fake, real = image_of(io["fake_u8"]), image_of(io["real_u8"])
    net = official.vgg_features(weights)
    for features in (weights, net):
        close(official.vgg_loss(features, fake, real).reshape(1), io["loss"])
    cuts = [[net[: i + 1](image) for i in (1, 6, 11, 20, 29)] for image in (fake, real)]
    per_slice = torch.stack([(f - r).abs().mean() for f, r in zip(*cuts, strict=True)])
    close(per_slice, torch.tensor(entry["per_slice_l1"]))
    close(official.vgg_loss(lambda image: cuts[0] if image is fake else cuts[1], fake, real), io["loss"][0])


def test_training_iterations(goldens: Goldens) -> None:
    """Whole iterations: losses, first gradients, and what the weights are after the last."""
    names = goldens.of_kind("training")
    assert names
    for name in names:
        flags, weights, io = goldens.case(name)
        entry = goldens.cases[name]
        nets = official.Networks(
            official.build_generator(flags),
            official.build_discriminator(flags),
            official.build_encoder(flags) if flags["use_vae"] else None,
        )
        by_letter = {"G": nets.generator, "D": nets.discriminator, "E": nets.encoder}
        for letter, net in by_letter.items():
            if net is not None:
                net.load_state_dict(part(weights, f"{letter}/"), strict=True)
        optimizers = official.build_optimizers(flags, nets)
        for letter, optimizer in (("G", optimizers.generator), ("D", optimizers.discriminator)):
            assert optimizer.param_groups[0]["lr"] == entry["lrs"][letter]
            assert optimizer.param_groups[0]["betas"] == (flags["beta1"], flags["beta2"])
        for it, expected in enumerate(entry["losses_per_iteration"]):
            segmap = official.preprocess(io[f"in{it}/label"], io.get(f"in{it}/instance"), flags=flags)
            batch = official.Batch(segmap, image_of(io[f"in{it}/image_u8"]))
            eps = [io[k] for k in (f"eps/{2 * it}", f"eps/{2 * it + 1}") if k in io]
            step = official.training_step(nets, optimizers, batch, flags, step=it, eps=eps or None)
            assert step.losses.keys() == expected.keys()
            for loss, value in expected.items():
                near = {"rel": 1e-4, "abs": 1e-6} if it == 0 else {"rel": 1e-2, "abs": 2e-3}
                assert float(step.losses[loss]) == pytest.approx(value, **near), (name, it, loss)
            if it == 0:
                assert step.fake is not None
                if step.fake.shape == io["fake_it0"].shape:
                    close(step.fake, io["fake_it0"], "fake_it0")
                else:
                    close(step.fake[..., ::4, ::4], io["fake_it0"], "fake_it0")
                for letter, net in by_letter.items():
                    if net is not None:
                        compare_gradients(net, part(io, f"grad_it0/{letter}/"))
        for letter, net in by_letter.items():
            if net is not None:
                compare_finals(net, part(weights, f"{letter}/"), part(io, f"final/{letter}/"))


def compare_gradients(net: nn.Module, stored: dict[str, Tensor]) -> None:
    assert stored
    parameters = dict(net.named_parameters())
    largest = max(float(gradient.abs().max()) for gradient in stored.values())
    for name, gradient in stored.items():
        ours = parameters[name].grad
        assert ours is not None
        # a bias in front of a norm has no effect: its gradient is rounding, and depends on the number of threads
        scale = max(float(gradient.abs().max()), 1e-2 * largest)
        torch.testing.assert_close(
            ours[: gradient.shape[0]], gradient, rtol=1e-3, atol=1e-4 * scale + 1e-9, msg=name
        )


def compare_finals(net: nn.Module, start: dict[str, Tensor], stored: dict[str, Tensor]) -> None:
    """Adam with beta1=0 turns rounding into whole steps, so weights are compared by where they moved."""
    state = net.state_dict()
    assert stored
    for name, value in stored.items():
        ours, begin = (t[: value.shape[0]] if value.dim() else t for t in (state[name], start[name]))
        if "running" in name or name.endswith(("weight_u", "weight_v")):
            torch.testing.assert_close(ours, value, rtol=5e-2, atol=5e-3, msg=name)
        elif not name.endswith(("conv_0.bias", "fc.bias")):  # see compare_gradients
            a, b = (ours - begin).flatten(), (value - begin).flatten()
            assert float(torch.cosine_similarity(a, b, dim=0)) > 0.99, name
            assert 0.99 < float(a.norm() / b.norm()) < 1.01, name


PREPROCESS = ["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "fixed", "none"]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("mode", PREPROCESS)
def test_preprocessing_of_files(goldens: Goldens, mode: str, flip: bool) -> None:
    _, _, io = goldens.case("preprocess")
    entries = goldens.cases["preprocess"]["entries"]
    assert sorted(entries) == sorted([*PREPROCESS, *(f"{m}/flip" for m in PREPROCESS)])
    key = f"{mode}/flip" if flip else mode
    entry = entries[key]
    assert (entry["preprocess_mode"], entry["flip"]) == (mode, flip)
    geometry = official.Geometry(
        mode, entry["load_size"], entry["crop_size"], entry["aspect_ratio"],
        tuple(entry["crop_pos_xy"] or (0, 0)), flip,
    )  # fmt: skip
    photo, label = Image.fromarray(io["image"].numpy()), Image.fromarray(io["label"].numpy())
    ids = official.transform_label(label, geometry, label_nc=5)
    assert list(ids.shape[1:]) == entry["out_hw"]
    assert torch.equal(ids, io[f"out/{key}/label"].long())
    close(official.transform_image(photo, geometry), image_of(io[f"out/{key}/image_u8"]))


def test_to_uint8(goldens: Goldens) -> None:
    _, _, io = goldens.case("preprocess")
    assert torch.equal(official.to_uint8(io["tensor2im/in"]).movedim(0, -1), io["tensor2im/out"])


def test_colours(goldens: Goldens) -> None:
    _, _, io = goldens.case("preprocess")
    sizes = [int(key.removeprefix("colormap/")) for key in io if key.startswith("colormap/")]
    assert len(sizes) == 5
    for n in sizes:
        assert official.colour_map(n) == [tuple(rgb) for rgb in io[f"colormap/{n}"].tolist()], n
