# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spade_image import InputError, official
from spade_image.exceptions import OptionWarning
from spade_image.inference import FastGenerator
from spade_image.options import Options, parse_norm_g

SMALL = {"ngf": 2, "ndf": 4, "label_nc": 5, "no_instance": True, "crop_size": 64}


def shapes(net: nn.Module) -> dict[str, tuple[int, ...]]:
    return {k: tuple(v.shape) for k, v in net.state_dict().items()}


# ---- options ----


def test_official_defaults_and_channels() -> None:
    coco = Options(label_nc=182, contain_dontcare_label=True)
    assert (coco.semantic_nc, coco.n_classes, coco.latent_size) == (184, 183, (8, 8))
    city = Options.from_flags(
        {"label_nc": 35, "aspect_ratio": 2.0, "crop_size": 512, "num_upsampling_layers": "more"}
    )
    assert (city.semantic_nc, city.latent_size, city.output_size) == (36, (4, 8), (256, 512))
    assert Options.from_flags(city.to_flags()) == city


@pytest.mark.parametrize(
    ("flags", "grid"),
    [
        ({"crop_size": 128, "aspect_ratio": 4.0}, (1, 4)),  # thin
        ({"crop_size": 96, "aspect_ratio": 1.5}, (2, 3)),
        ({"crop_size": 160, "aspect_ratio": 2.0}, (2, 5)),  # 2.5 rounds to the even 2
        ({"crop_size": 96, "aspect_ratio": 2.0}, (2, 3)),  # 1.5 rounds to the even 2
        ({"crop_size": 100, "aspect_ratio": 0.5}, (6, 3)),  # upright; 100 // 32 = 3
        ({"crop_size": 128, "num_upsampling_layers": "most"}, (1, 1)),
    ],
)
def test_coarse_grid(flags: dict[str, Any], grid: tuple[int, int]) -> None:
    assert Options(**flags).latent_size == grid


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            {"crop_size": 64, "aspect_ratio": 2.0, "num_upsampling_layers": "more"},
            ("crop_size=64", "0 x 1", "normal"),
        ),
        ({"crop_size": 64, "num_upsampling_layers": "most"}, ("crop_size=64", "0 x 0", "crop_size=128")),
        ({"crop_size": 64, "aspect_ratio": 4.0}, ("aspect_ratio=4", "0 x 2", "crop_size=96")),
    ],
)
def test_a_grid_of_no_pixels_says_what_to_choose(flags: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        official.build_generator({**SMALL, **flags})
    assert all(word in str(error.value) for word in words), str(error.value)


def test_the_advised_crop_works() -> None:
    for ratio in (1.0, 2.0, 3.0, 4.0, 5.0):
        with pytest.raises(InputError) as error:
            Options(crop_size=16, aspect_ratio=ratio).latent_size  # noqa: B018
        advised = int(str(error.value).rpartition("crop_size=")[2].split()[0])
        assert min(Options(crop_size=advised, aspect_ratio=ratio).latent_size) >= 1
        with pytest.raises(InputError):
            Options(crop_size=advised - 1, aspect_ratio=ratio).latent_size  # noqa: B018


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"ngf": 0}, "ngf=0"),
        ({"crop_sise": 64}, "'crop_size'"),
        ({"num_upsampling_layers": "lots"}, "normal, more, most"),
        ({"norm_G": "spadewhite3x3"}, "batch, instance, syncbatch"),
        ({"norm_G": "spadebatch4x4"}, "4x4"),
        ({"norm_D": "spectralwhite"}, "spectralwhite"),
        ({"norm_E": "white"}, "white"),
        ({"semantic_nc": 9}, "semantic_nc=9"),
        ({"aspect_ratio": 0.0}, "aspect_ratio=0.0"),
        ({"ngf": 1, "num_upsampling_layers": "most", "crop_size": 128}, "ngf=1"),
    ],
)
def test_wrong_options_are_refused(flags: dict[str, Any], words: str) -> None:
    def build_all() -> None:
        for build in (official.build_generator, official.build_discriminator, official.build_encoder):
            build({**SMALL, **flags})

    with pytest.raises(InputError, match=words):
        build_all()


def test_options_of_paths_and_devices_are_ignored() -> None:
    assert Options.from_flags({**SMALL, "gpu_ids": [0], "name": "x", "batchSize": 4}) == Options.from_flags(
        SMALL
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("spectralspadesyncbatch3x3", ("sync_batch", 3, True)),
        ("spadeinstance5x5", ("instance", 5, False)),
        ("spadespectralbatch1x1", ("batch", 1, True)),
        ("batch", ("batch", 3, False)),
    ],
)
def test_norm_g(word: str, expected: tuple[str, int, bool]) -> None:
    norm = parse_norm_g(word)
    assert (norm.norm, norm.kernel_size, norm.spectral) == expected


# ---- names and shapes, against the published table ----


@pytest.mark.parametrize("layers", ["normal", "more", "most"])
@pytest.mark.parametrize("norm", ["spectralspadesyncbatch3x3", "spadebatch1x1", "spectralspadeinstance5x5"])
def test_generator_state_dict(layers: str, norm: str) -> None:
    nf, s = 4, 5
    flags = {**SMALL, "ngf": nf, "crop_size": 256, "num_upsampling_layers": layers, "norm_G": norm}
    widths = {"head_0": (16, 16), "G_middle_0": (16, 16), "G_middle_1": (16, 16),
              "up_0": (16, 8), "up_1": (8, 4), "up_2": (4, 2), "up_3": (2, 1)}  # fmt: skip
    if layers == "most":
        widths["up_4"] = (1, 0.5)
    k, spectral = int(norm[-1]), "spectral" in norm
    table: dict[str, tuple[int, ...]] = {"fc.weight": (16 * nf, s, 3, 3), "fc.bias": (16 * nf,)}
    for block, (a, b) in widths.items():
        fin, fout = int(a * nf), int(b * nf)
        fm = min(fin, fout)
        convs = {"conv_0": (fm, fin, 3), "conv_1": (fout, fm, 3)} | (
            {"conv_s": (fout, fin, 1)} if fin != fout else {}
        )
        for name, (o, i, side) in convs.items():
            key = f"{block}.{name}"
            table[f"{key}.weight_orig" if spectral else f"{key}.weight"] = (o, i, side, side)
            if spectral:
                table |= {f"{key}.weight_u": (o,), f"{key}.weight_v": (i * side * side,)}
            if name != "conv_s":
                table[f"{key}.bias"] = (o,)
        spades = {"norm_0": fin, "norm_1": fm} | ({"norm_s": fin} if fin != fout else {})
        for name, c in spades.items():
            key = f"{block}.{name}"
            if "instance" not in norm:
                table |= {f"{key}.param_free_norm.running_mean": (c,), f"{key}.param_free_norm.running_var": (c,),
                          f"{key}.param_free_norm.num_batches_tracked": ()}  # fmt: skip
            table |= {f"{key}.mlp_shared.0.weight": (128, s, k, k), f"{key}.mlp_shared.0.bias": (128,)}
            for head in ("mlp_gamma", "mlp_beta"):
                table |= {f"{key}.{head}.weight": (c, 128, k, k), f"{key}.{head}.bias": (c,)}
    last = nf // 2 if layers == "most" else nf
    table |= {"conv_img.weight": (3, last, 3, 3), "conv_img.bias": (3,)}
    assert shapes(official.build_generator(flags)) == table


def test_first_layer_of_a_vae() -> None:
    net = official.build_generator(
        {**SMALL, "use_vae": True, "crop_size": 128, "aspect_ratio": 2.0, "z_dim": 7}
    )
    assert shapes(net)["fc.weight"] == (32 * 4 * 2, 7)


@pytest.mark.parametrize(
    ("flags", "millions"),
    [
        ({"label_nc": 182, "contain_dontcare_label": True}, (97.481, 5.905)),
        ({"label_nc": 150, "contain_dontcare_label": True, "no_instance": True}, (96.492, 5.837)),
        (
            {"label_nc": 35, "num_upsampling_layers": "more", "crop_size": 512, "aspect_ratio": 2.0},
            (93.048, 5.601),
        ),
        ({"label_nc": 13, "no_instance": True}, (92.359, 5.554)),
    ],
)
def test_published_sizes(flags: dict[str, Any], millions: tuple[float, float]) -> None:
    with torch.device("meta"):
        nets = [
            build({**flags, "init_type": "none"})
            for build in (official.build_generator, official.build_discriminator)
        ]
        encoder = official.build_encoder({"ngf": 64, "init_type": "none"})
    counts = [sum(p.numel() for p in net.parameters()) / 1e6 for net in nets]
    assert counts == pytest.approx(millions, abs=6e-4)
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(10.463, abs=6e-4)


def test_initial_weights() -> None:
    torch.manual_seed(0)
    net = official.build_generator({**SMALL, "ngf": 4})
    weight = net.head_0.conv_0.weight_orig
    fan = 64 * 9 + 64 * 9
    assert float(weight.detach().std()) == pytest.approx(0.02 * (2 / fan) ** 0.5, rel=0.02)
    assert not net.head_0.conv_0.bias.any()
    affine = official.build_discriminator({**SMALL, "norm_D": "spectralbatch", "ndf": 64})
    scale = affine.discriminator_0.model3[0][1].weight.detach()
    assert float(scale.mean()) == pytest.approx(1, abs=5e-3)
    assert float(scale.std()) == pytest.approx(0.02, rel=0.15)


# ---- sizes ----


def segmap_of(options: dict[str, Any], height: int, width: int, batch: int = 1) -> Tensor:
    label = torch.arange(height)[:, None] // 9 + torch.arange(width) // 7
    return official.preprocess((label % options["label_nc"])[None].repeat(batch, 1, 1), flags=options)


def test_official_size_whatever_the_map() -> None:
    net = official.build_generator({**SMALL, "aspect_ratio": 1.7, "crop_size": 128}).eval()
    for size in ((96, 160), (75, 128), (16, 300)):
        assert net(segmap_of(SMALL, *size)).shape == (1, 3, 64, 128)


@pytest.mark.parametrize("size", [(32, 32), (32, 160), (96, 64), (224, 32)])
def test_following_the_map(size: tuple[int, int]) -> None:
    net = official.build_generator(SMALL, follow_map=True).eval()
    out = net(segmap_of(SMALL, *size))
    assert out.shape == (1, 3, *size)
    assert torch.isfinite(out).all()


def test_a_size_off_the_grid_names_both_numbers() -> None:
    net = official.build_generator(SMALL, follow_map=True)
    with pytest.raises(ValueError, match=r"\(64, 100\).*multiple of 32"):
        net(segmap_of(SMALL, 64, 100))


def test_one_coarse_pixel() -> None:
    """Legal in evaluation and with two images in training; one in training, and instance norm ever, say why not."""
    for norm in ("spectralspadesyncbatch3x3", "spadebatch3x3"):
        flags = {**SMALL, "crop_size": 32, "norm_G": norm}
        net = official.build_generator(flags)
        with pytest.raises(ValueError, match=r"batch of 1 with a coarse grid of 1 x 1.*batch of 2"):
            net(segmap_of(SMALL, 32, 32))
        assert torch.isfinite(net(segmap_of(SMALL, 32, 32, batch=2))).all()
        assert torch.isfinite(net.eval()(segmap_of(SMALL, 32, 32))).all()
    instance = {**SMALL, "norm_G": "spadeinstance3x3"}
    with pytest.raises(InputError, match=r"crop_size=32.*1 x 1.*crop_size=64"):
        official.build_generator({**instance, "crop_size": 32})
    with pytest.raises(ValueError, match="one coarse position"):
        official.build_generator(instance, follow_map=True)(segmap_of(SMALL, 32, 32))


# ---- styles ----


def test_style_is_drawn_on_the_cpu_and_matters() -> None:
    net = official.build_generator({**SMALL, "use_vae": True, "init_variance": 1.0}).eval()
    segmap = segmap_of(SMALL, 64, 64)
    torch.manual_seed(1)
    a = net(segmap)
    torch.manual_seed(1)
    assert torch.equal(a, net(segmap))
    assert not torch.allclose(a, net(segmap), atol=1e-3)
    with pytest.raises(ValueError, match="takes no noise"):
        official.build_generator(SMALL)(segmap, torch.randn(1, 256))


@pytest.mark.parametrize("crop", [64, 128, 256])
@pytest.mark.parametrize(
    "norm", ["spectralinstance", "instance", "batch", "none", "spectralnone", "spectralsync_batch"]
)
def test_encoder_at_any_crop_and_norm(crop: int, norm: str) -> None:
    net = official.build_encoder({"ngf": 2, "crop_size": crop, "norm_E": norm, "z_dim": 9}).eval()
    mu, logvar = net(torch.randn(2, 3, 40, 70))
    assert mu.shape == logvar.shape == (2, 9)
    assert ("layer6.0.weight_orig" in net.state_dict()) == (
        norm in ("spectralinstance", "spectralsync_batch")
    )


def test_reparameterize() -> None:
    mu, logvar, eps = torch.randn(3, 4), torch.randn(3, 4), torch.randn(3, 4)
    torch.testing.assert_close(official.reparameterize(mu, logvar, eps), mu + eps * logvar.exp().sqrt())
    draws = [
        official.reparameterize(mu, logvar, generator=torch.Generator().manual_seed(5)) for _ in range(2)
    ]
    assert torch.equal(*draws)


# ---- discriminator ----


@pytest.mark.parametrize(
    "norm", ["spectralinstance", "spectralbatch", "instance", "batch", "none", "spectral", "syncbatch"]
)
@pytest.mark.parametrize("sides", [(16, 16), (16, 50), (33, 70)])
def test_discriminator_shapes(norm: str, sides: tuple[int, int]) -> None:
    flags = {**SMALL, "norm_D": norm, "num_D": 2, "n_layers_D": 3}
    out = official.build_discriminator(flags)(torch.randn(2, 8, *sides))
    assert [len(scale) for scale in out] == [4, 4]

    def halved(n: int) -> int:
        return n // 2 + 1

    for scale, (h, w) in zip(out, (sides, tuple((n + 1) // 2 for n in sides)), strict=True):
        # two convolutions of stride 2, then two of stride 1 that add a pixel each
        assert scale[-1].shape == (2, 1, halved(halved(h)) + 2, halved(halved(w)) + 2)


def test_discriminator_without_features() -> None:
    out = official.build_discriminator({**SMALL, "no_ganFeat_loss": True})(torch.randn(2, 8, 32, 32))
    assert [len(scale) for scale in out] == [1, 1]


def test_judge_halves_and_sizes() -> None:
    net = official.build_discriminator(SMALL).eval()
    segmap, fake, real = torch.rand(2, 5, 32, 32), torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32)
    of_fake, of_real = official.judge(net, segmap, fake, real)
    torch.testing.assert_close(of_fake[0][-1], net(torch.cat([segmap, fake], 1))[0][-1])
    torch.testing.assert_close(of_real[1][0], net(torch.cat([segmap, real], 1))[1][0])
    with pytest.raises(InputError, match=r"\(2, 5, 32, 32\).*\(2, 3, 32, 64\)"):
        official.judge(net, segmap, torch.randn(2, 3, 32, 64), real)


# ---- preprocessing ----


def test_one_hot_dontcare_and_edges() -> None:
    label = torch.tensor([[[0, 0, 1], [2, 255, 1]]])
    flags = {"label_nc": 3, "contain_dontcare_label": True}
    out = official.preprocess(label, torch.tensor([[[7, 7, 300], [7, 7, 300]]]), flags=flags)
    assert out.shape == (1, 5, 2, 3)
    assert out[0, :4].argmax(0).tolist() == [[0, 0, 1], [2, 3, 1]]
    assert (out[0, :4].sum(0) == 1).all()
    assert out[0, 4].tolist() == [[0, 1, 1], [0, 1, 1]]


def test_edges_against_a_loop() -> None:
    ids = torch.randint(0, 3, (2, 7, 9), generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(2, 1, 7, 9)
    for b in range(2):
        for y in range(7):
            for x in range(9):
                near = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
                inside = [(v, u) for v, u in near if 0 <= v < 7 and 0 <= u < 9]
                expected[b, 0, y, x] = float(any(ids[b, v, u] != ids[b, y, x] for v, u in inside))
    assert torch.equal(official.edges(ids), expected)


@pytest.mark.parametrize(
    ("label", "flags", "words"),
    [
        ([[0, 9]], {"no_instance": True}, r"id\(s\) 9.*label_nc=5 allows 0..4"),
        ([[0, -1]], {"no_instance": True}, r"id\(s\) -1"),
        ([[0, 255]], {"no_instance": True}, "255.*50.0%.*contain_dontcare_label"),
        ([[0, 1]], {"no_instance": False}, "instance is missing"),
    ],
)
def test_wrong_ids(label: list[list[int]], flags: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        official.preprocess(torch.tensor([label]), flags={"label_nc": 5, **flags})


def test_ade20k_both_ways() -> None:
    ids = torch.tensor([[[0, 1, 150]]])
    shifted = official.shift_ade20k(ids)
    assert shifted.tolist() == [[[255, 0, 149]]]
    assert torch.equal(official.unshift_ade20k(shifted), ids)
    flags = {"label_nc": 150, "contain_dontcare_label": True, "no_instance": True}
    assert official.preprocess(ids, flags=flags)[0].argmax(0).tolist() == [
        [0, 1, 150]
    ]  # the published weights
    assert official.preprocess(shifted, flags=flags)[0].argmax(0).tolist() == [[150, 0, 149]]


def test_scale_shortside_scales_the_short_side() -> None:
    from spade_image.preprocess import Geometry

    assert Geometry("scale_shortside", load_size=150).resized(400, 300) == (200, 150)
    assert Geometry("scale_shortside", load_size=150).resized(300, 400) == (150, 200)


# ---- losses and the iteration ----


def test_perceptual_loss_needs_its_features() -> None:
    nets = official.Networks(official.build_generator(SMALL), official.build_discriminator(SMALL))
    batch = official.Batch(segmap_of(SMALL, 64, 64), torch.randn(1, 3, 64, 64))
    with pytest.raises(InputError, match="no_vgg_loss=True"):
        official.generator_losses(nets, batch, SMALL)


def test_iteration_with_a_vae_and_fewer_generator_steps() -> None:
    flags = {**SMALL, "use_vae": True, "z_dim": 6, "no_vgg_loss": True, "D_steps_per_G": 2}
    torch.manual_seed(0)
    nets = official.Networks(
        official.build_generator(flags), official.build_discriminator(flags), official.build_encoder(flags)
    )
    optimizers = official.build_optimizers(flags, nets)
    batch = official.Batch(segmap_of(SMALL, 64, 64, batch=2), torch.rand(2, 3, 64, 64))
    before = nets.encoder.fc_mu.weight.detach().clone()
    first = official.training_step(nets, optimizers, batch, flags, step=0)
    assert first.losses.keys() == {"KLD", "GAN", "GAN_Feat", "D_Fake", "D_real"}
    moved = nets.encoder.fc_mu.weight.detach().clone()
    assert not torch.equal(before, moved)
    second = official.training_step(nets, optimizers, batch, flags, step=1)
    assert second.losses.keys() == {"D_Fake", "D_real"}
    assert torch.equal(moved, nets.encoder.fc_mu.weight)
    eps = [torch.zeros(2, 6), torch.zeros(2, 6)]
    with torch.no_grad():
        mu, _ = nets.encoder(batch.image)
        expected = nets.generator(batch.segmap, mu)
    got = official.training_step(nets, optimizers, batch, flags, step=2, eps=eps)
    assert got.fake is not None
    torch.testing.assert_close(
        got.fake, expected, atol=2e-2, rtol=2e-2
    )  # spectral vectors moved once in between


def test_optimizers() -> None:
    nets = official.Networks(official.build_generator(SMALL), official.build_discriminator(SMALL))
    for flags, rates, betas in (
        ({}, (1e-4, 4e-4), (0.0, 0.9)),
        ({"no_TTUR": True}, (2e-4, 2e-4), (0.5, 0.999)),
        ({"no_TTUR": True, "beta1": 0.3}, (2e-4, 2e-4), (0.3, 0.9)),
    ):
        pair = official.build_optimizers({**SMALL, **flags}, nets)
        assert tuple(o.param_groups[0]["lr"] for o in (pair.generator, pair.discriminator)) == rates
        assert pair.generator.param_groups[0]["betas"] == betas


# ---- what the official functions refuse, in words ----


@pytest.mark.parametrize("vae", [False, True])
def test_a_map_of_another_kind_is_refused_in_words(vae: bool) -> None:
    flags = {"ngf": 1, "nhidden": 2, "label_nc": 5, "crop_size": 64, "use_vae": vae, "z_dim": 4}
    net = official.build_generator(flags).eval()
    wanted = r"the generator reads floats \(B, 6, H, W\)"
    for wrong in (torch.zeros(1, 5, 64, 64), torch.zeros(6, 64, 64), torch.zeros(1, 6, 64, 64).long()):
        with pytest.raises(InputError, match=wanted):
            net(wrong)
        with pytest.raises(InputError, match=wanted):
            net(segmap=wrong)
        with pytest.raises(InputError, match=wanted):
            FastGenerator(net)(wrong)
    with pytest.raises(InputError, match=r"segmap is float32 of shape \(6, 64, 64\)"):
        FastGenerator(net).prepare(torch.zeros(6, 64, 64))
    if vae:
        for z in (torch.zeros(1, 3), torch.zeros(4), torch.zeros(3, 4)):
            with pytest.raises(InputError, match=r"pass \(N, 4\)"):
                net(torch.zeros(2, 6, 64, 64), z)
        assert net(torch.zeros(1, 6, 64, 64), torch.zeros(3, 4)).shape == (3, 3, 64, 64)
    else:
        with pytest.raises(ValueError, match="takes no noise"):
            net(torch.zeros(1, 6, 64, 64), torch.zeros(1, 4))


def test_unknown_options_are_named() -> None:
    flags = {"ngf": 1, "label_nc": 5, "crop_size": 64}
    for build in (official.build_generator, official.build_discriminator, official.build_encoder):
        with pytest.warns(
            OptionWarning, match=r"option\(s\) 'colour', 'resolution' are unknown and have no effect"
        ):
            build(flags | {"resolution": 256, "colour": 1})
        with pytest.raises(InputError, match="did you mean 'label_nc'"):
            build(flags | {"lable_nc": 5})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            build(flags | {"nThreads": 0, "netG": "spade", "checkpoints_dir": "x"})
    with pytest.raises(InputError, match="netG='pix2pixhd' is not available"):
        official.build_generator(flags | {"netG": "pix2pixhd"})
