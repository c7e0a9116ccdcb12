# SPDX-License-Identifier: Apache-2.0
"""Official weight files in and out: identical names, identical numbers, one clear error for anything else."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as new_spectral_norm

from spade_core.spectral import from_parametrized_keys, warm_up_spectral
from spade_image import ImageModel, InputError, ModelError, Options, from_official, official, to_official
from spade_image.convert import read_state
from spade_image.exceptions import ConversionWarning

LABELS = {"label_nc": 5, "contain_dontcare_label": False, "no_instance": True}
SMALL = {"ngf": 2, "ndf": 3, "crop_size": 64, "num_upsampling_layers": "normal", **LABELS}


def write(net: nn.Module, path: Path) -> dict[str, Tensor]:
    """Save as the official code does, and return what was saved."""
    state = {k: v.detach().clone() for k, v in net.state_dict().items()}
    torch.save(net.state_dict(), path)
    return state


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert list(a) == list(b)
    for key, value in a.items():
        assert value.dtype == b[key].dtype
        assert torch.equal(value, b[key]), key


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ngf=st.integers(2, 3),
    layers=st.sampled_from(["normal", "more", "most"]),
    norm=st.sampled_from(["syncbatch", "batch", "instance"]),
    kernel=st.sampled_from([1, 3]),
    spectral=st.booleans(),
    vae=st.booleans(),
    label_nc=st.integers(1, 6),
    bare=st.booleans(),
    num_d=st.integers(1, 3),
    n_layers=st.integers(1, 4),
    norm_d=st.sampled_from(["spectralinstance", "spectralbatch", "instance", "none", "spectral"]),
    aspect=st.sampled_from([1.0, 2.0]),
)
def test_round_trip_bit_for_bit(tmp_path: Path, **drawn: Any) -> None:
    flags = {
        "ngf": drawn["ngf"], "ndf": 2, "label_nc": drawn["label_nc"], "no_instance": drawn["bare"],
        "contain_dontcare_label": not drawn["bare"], "num_upsampling_layers": drawn["layers"], "crop_size": 256,
        "norm_G": f"{'spectral' * drawn['spectral']}spade{drawn['norm']}{drawn['kernel']}x{drawn['kernel']}",
        "use_vae": drawn["vae"], "num_D": drawn["num_d"], "n_layers_D": drawn["n_layers"], "norm_D": drawn["norm_d"],
        "aspect_ratio": drawn["aspect"], "z_dim": 5, "norm_E": drawn["norm_d"],
    }  # fmt: skip
    nets = {"G": official.build_generator(flags), "D": official.build_discriminator(flags)}
    if flags["use_vae"]:
        nets["E"] = official.build_encoder(flags)
    saved = {letter: write(net, tmp_path / f"latest_net_{letter}.pth") for letter, net in nets.items()}
    stated = {k: flags[k] for k in ("label_nc", "no_instance", "contain_dontcare_label", "num_upsampling_layers",
                                    "aspect_ratio", "crop_size", "norm_G")}  # fmt: skip
    model = from_official(
        tmp_path / "latest_net_G.pth",
        discriminator=tmp_path / "latest_net_D.pth",
        encoder=tmp_path / "latest_net_E.pth" if "E" in nets else None,
        options=stated,
    )
    for name in ("ngf", "ndf", "use_vae", "num_D", "n_layers_D", "norm_G", "num_upsampling_layers"):
        assert getattr(model.options, name) == flags[name], name
    model.save(tmp_path / "model")
    written = to_official(ImageModel.load(tmp_path / "model"), tmp_path / "back", prefix="7")
    for letter in nets:
        path = tmp_path / "back" / f"7_net_{letter}.pth"
        assert path in written
        same(saved[letter], torch.load(path, weights_only=True))
    again = Options.read(tmp_path / "back" / "options.json")
    assert again == model.options


def test_names_and_colours_survive_the_round_trip(tmp_path: Path) -> None:
    names, colours = (
        ("sky", "Straße", "road"),
        [[1, 2, 3], [4, 5, 6], [1, 2, 3]],
    )  # two classes may share a colour
    flags = SMALL | {"label_nc": 3, "contain_dontcare_label": True, "no_instance": False, "ngf": 1}
    model = ImageModel.build(flags)
    model.label_names, model.palette = names, colours
    folder = tmp_path / "official"
    assert folder / "classes.json" in to_official(model, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConversionWarning)  # options.json beside the weights says everything
        back = from_official(folder / "latest_net_G.pth", discriminator=folder / "latest_net_D.pth")
    assert (tuple(back.label_names), back.palette) == (names, colours)
    assert back.options == model.options
    back.save(tmp_path / "m")
    again = ImageModel.load(tmp_path / "m")
    assert (again.label_names, again.palette) == (names, colours)
    # and once more: official files to a model to official files
    to_official(again, tmp_path / "twice")
    assert (tmp_path / "twice" / "classes.json").read_bytes() == (folder / "classes.json").read_bytes()
    # a model without names leaves none, and not another model's
    to_official(ImageModel.build(flags, discriminator=False), folder)
    assert not (folder / "classes.json").exists()
    assert from_official(folder / "latest_net_G.pth").label_names == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"classes": [{"id": 0, "name": "a"}]}', "names 1 classes, but the weights are read as label_nc=5"),
        ('{"classes": [{"id": 0}, {"id": 1}, {"id": 2}, {"id": 3}, {"id": 4, "name": "a"}]}', "1 of 5 classes have a"),
        ('{"classes": [{"name": "a"}]}', "is not of the form"),
        ('{"classes": 3}', "is not of the form"),
        ("[", "is not of the form"),
        (json.dumps({"classes": [{"id": i, "color": [0, 0, 999]} for i in range(5)]}), r"numbers 0\.\.255"),
    ],
)  # fmt: skip
def test_wrong_class_files(tmp_path: Path, text: str, message: str) -> None:
    write(official.build_generator(SMALL), tmp_path / "G.pth")
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match=message):
        from_official(tmp_path / "G.pth", options=SMALL, classes=tmp_path / "c.json")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"label_nc": 35, "crop_size": 512, "aspect_ratio": 2.0, "num_upsampling_layers": "more"}, True),
        ({"label_nc": 150, "contain_dontcare_label": True, "no_instance": True}, True),
        ({"label_nc": 182, "contain_dontcare_label": True}, True),
        ({"label_nc": 13, "no_instance": True}, True),
    ],
)
def test_published_models_need_no_options(tmp_path: Path, flags: dict[str, Any], expected: bool) -> None:
    write(official.build_generator({"ngf": 2, **flags}), tmp_path / "G.pth")
    with pytest.warns(ConversionWarning, match="assumed num_upsampling_layers=.*label_nc="):
        model = from_official(tmp_path / "G.pth")
    assert (model.options == Options.from_flags({"ngf": 2, **flags})) is expected


def test_nothing_is_assumed_of_what_was_stated(tmp_path: Path) -> None:
    write(official.build_generator(SMALL), tmp_path / "G.pth")
    (tmp_path / "opt.json").write_text(
        '{"num_upsampling_layers": "normal", "label_nc": 4, "no_instance": false}'
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConversionWarning)
        model = from_official(tmp_path / "G.pth", options=tmp_path / "opt.json")
    assert (model.options.label_nc, model.options.no_instance) == (4, False)


@pytest.mark.parametrize(("crop", "aspect"), [(128, 1.0), (128, 2.0), (192, 1.0)])
def test_size_of_a_vae_from_its_first_layer(tmp_path: Path, crop: int, aspect: float) -> None:
    flags = {**SMALL, "use_vae": True, "z_dim": 4, "crop_size": crop, "aspect_ratio": aspect}
    write(official.build_generator(flags), tmp_path / "G.pth")
    with pytest.warns(ConversionWarning, match=f"crop_size={crop}"):
        model = from_official(tmp_path / "G.pth", options=LABELS | {"num_upsampling_layers": "normal"})
    assert model.options.latent_size == Options.from_flags(flags).latent_size


def test_image_is_the_same_after_conversion(tmp_path: Path) -> None:
    net = official.build_generator({**SMALL, "init_variance": 1.0})
    warm_up_spectral(net)
    write(net, tmp_path / "G.pth")
    model = from_official(tmp_path / "G.pth", options=SMALL)
    ids = (torch.arange(64)[:, None] // 10 + torch.arange(64) // 13)[None] % 5
    with torch.no_grad():
        expected = net.eval()(official.preprocess(ids, flags=SMALL))
    torch.testing.assert_close(model.generate(ids)[:, 0], expected, atol=1e-5, rtol=0)


def test_newer_spectral_norm_both_ways(tmp_path: Path) -> None:
    """Keys of a layer that torch itself parametrised are read, and written on request."""
    net = official.build_generator(SMALL)
    saved = write(net, tmp_path / "G.pth")
    model = from_official(tmp_path / "G.pth", options=SMALL)
    to_official(model, tmp_path / "new", parametrized=True)
    new = torch.load(tmp_path / "new" / "latest_net_G.pth", weights_only=True)
    prefix = "up_0.conv_s."
    theirs = new_spectral_norm(nn.Conv2d(32, 16, 1, bias=False))
    theirs.load_state_dict(
        {k.removeprefix(prefix): v for k, v in new.items() if k.startswith(prefix)}, strict=True
    )
    torch.testing.assert_close(theirs.eval().weight, _weight(net.eval().up_0.conv_s))
    same(saved, from_parametrized_keys(new))
    again = from_official(tmp_path / "new" / "latest_net_G.pth", options=SMALL)
    same(saved, dict(again.generator.state_dict()))


def _weight(layer: nn.Module) -> Tensor:
    """The normalised weight of a layer in evaluation, from its parts."""
    flat = layer.weight_orig.detach().flatten(1)
    return layer.weight_orig.detach() / (layer.weight_u @ (flat @ layer.weight_v))


def test_files_of_torch_before_1_0(tmp_path: Path) -> None:
    """Without weight_v, the sigma that the file was used with comes back."""
    net = official.build_generator({**SMALL, "init_variance": 1.0})
    state = write(net, tmp_path / "G.pth")
    old = {k: v for k, v in state.items() if not k.endswith(("weight_v", "num_batches_tracked"))}
    expected = {}
    for key in [k for k in state if k.endswith("weight_orig")]:
        stem = key.removesuffix("_orig")
        sigma = 1.7  # whatever it was, weight says so
        old[stem] = expected[stem] = state[key] / sigma
    torch.save({f"module.{k}": v for k, v in old.items()}, tmp_path / "old.pth")
    model = from_official(tmp_path / "old.pth", options=SMALL)
    for stem, value in expected.items():
        torch.testing.assert_close(_weight(model.generator.get_submodule(stem.rpartition(".")[0])), value)


class Unsafe:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must not run",))


def test_what_is_not_a_plain_state_dict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.pth"
    with pytest.raises(ModelError, match="no weight file"):
        read_state(path)
    torch.save({"w": Unsafe()}, path)
    with pytest.raises(ModelError, match="not a plain state dict"):
        read_state(path)
    assert "must not run" not in capsys.readouterr().out
    torch.save(official.build_generator(SMALL), path)  # a whole module
    with pytest.raises(ModelError, match="not a plain state dict"):
        read_state(path)
    torch.save({"epoch": 3, "state": {}}, path)
    with pytest.raises(ModelError, match="no plain state dict"):
        read_state(path)
    write(official.build_generator(SMALL), path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match="damaged"):
        read_state(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ngf": 8}, "ngf=8, but the weights say 2"),
        ({"norm_G": "spectralspadeinstance3x3"}, "norm_G"),
        ({"use_vae": True}, "use_vae=True"),
        ({"num_upsampling_layers": "most"}, "up_4"),
        ({"label_nc": 9, "no_instance": True}, "9 channels.*the weights have 5"),
    ],
)
def test_options_against_the_weights(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    write(official.build_generator(SMALL), tmp_path / "G.pth")
    with pytest.raises(ModelError, match=words):
        from_official(tmp_path / "G.pth", options={**LABELS, **options})


def test_batch_and_syncbatch_share_their_weights(tmp_path: Path) -> None:
    write(official.build_generator(SMALL), tmp_path / "G.pth")
    model = from_official(tmp_path / "G.pth", options={**SMALL, "norm_G": "spectralspadebatch3x3"})
    assert isinstance(model.generator.head_0.norm_0.param_free_norm, nn.BatchNorm2d)


def test_files_of_two_trainings(tmp_path: Path) -> None:
    for name, net in (
        ("G", official.build_generator({**SMALL, "use_vae": True})),
        ("plain", official.build_generator(SMALL)),
        ("D", official.build_discriminator({**SMALL, "label_nc": 7})),
        ("E", official.build_encoder({**SMALL, "ngf": 4})),
    ):
        write(net, tmp_path / f"{name}.pth")
    common = {"options": {**LABELS, "num_upsampling_layers": "normal"}}
    for kwargs, words in (
        ({"discriminator": tmp_path / "D.pth"}, "reads 10 channels"),
        ({"encoder": tmp_path / "E.pth"}, "ngf=4, the generator 2"),
    ):
        with pytest.raises(ModelError, match=words):
            from_official(tmp_path / "G.pth", **common, **kwargs)
    with pytest.raises(ModelError, match="takes no style"):
        from_official(tmp_path / "plain.pth", **common, encoder=tmp_path / "E.pth")
    with pytest.raises(ModelError, match="no official SPADE generator"):
        from_official(tmp_path / "D.pth")
    state = official.build_generator(SMALL).state_dict()
    del state["up_3.conv_1.bias"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(ModelError, match=r"up_3.conv_1.bias"):
        from_official(tmp_path / "cut.pth", **common)


def test_other_generators_have_no_official_form(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'unet'"):
        to_official(ImageModel.build({**SMALL, "generator": "unet"}), tmp_path)


# ---- the model folder ----


def test_folder(tmp_path: Path) -> None:
    model = ImageModel.build({**SMALL, "use_vae": True, "z_dim": 4})
    model.label_names, model.palette = ("a", "b", "c", "d", "e"), [[i, 2 * i, 255] for i in range(5)]
    model.provenance = {"seed": 3}
    warm_up_spectral(model.generator)
    content = model.save(tmp_path / "m")
    back = ImageModel.load(tmp_path / "m")
    assert (back.options, back.label_names, back.palette, back.provenance, back.content_hash) == (
        model.options, model.label_names, model.palette, {"seed": 3}, content,
    )  # fmt: skip
    assert back.networks().keys() == {"G", "E", "D"}
    ids = torch.zeros(1, 64, 64, dtype=torch.long)
    assert torch.equal(back.generate(ids, z=2, seed=1), model.generate(ids, z=2, seed=1))
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(ModelError, match="damaged"):
        ImageModel.load(tmp_path / "m")
    with pytest.raises(ModelError, match="no model folder"):
        ImageModel.load(tmp_path / "nowhere")
