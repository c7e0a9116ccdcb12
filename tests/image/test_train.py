# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from spade_core.checkpoint import CheckpointError
from spade_core.tracking import read_json_lines
from spade_image.average import reestimate
from spade_image.data import PairSet, find_pairs
from spade_image.exceptions import InputError
from spade_image.folding import folded_copy
from spade_image.layouts import Folders
from spade_image.loader import Loader
from spade_image.model import ImageModel
from spade_image.options import Options
from spade_image.preprocess import Geometry
from spade_image.scenes import write_scenes
from spade_image.task import ImageTask, TaskSettings, colour_error
from spade_image.train import TrainingConfig, train
from tests.image.test_perceptual import slim_vgg

SMALL = {"ngf": 1, "ndf": 2, "nhidden": 2, "num_D": 1, "no_instance": True}


def config(data: Path, out: Path, **more: Any) -> TrainingConfig:
    options = {**SMALL, **more.pop("options", {})}
    settings = {
        "steps": 4,
        "batch_size": 2,
        "tick_steps": 2,
        "sample_steps": 2,
        "n_shown": 2,
        "amp": "off",
    } | more
    return TrainingConfig(Folders(data), out, "tiny", options=options, **settings)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    model = ImageModel.load(folder)
    return {f"{k}.{n}": v for k, net in model.networks().items() for n, v in net.state_dict().items()}


def test_the_tiny_preset_learns_the_colours_of_shapes(tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "data")
    report = train(TrainingConfig(
        Folders(data), tmp_path / "model", "tiny", steps=50, tick_steps=10, sample_steps=50, amp="off",
    ))  # fmt: skip
    matching = [row["GAN_Feat"] for row in report.history]
    assert np.mean(matching[-2:]) < 0.75 * matching[0]
    # the class colours lie 60 levels apart; an untrained generator draws grey
    model = ImageModel.load(tmp_path / "model")
    ids, photos = val_pairs(data)
    untrained = ImageModel.build(model.options).generator.eval()
    with torch.no_grad():
        before = colour_error(ids, photos, untrained(model.segmap(ids)))
        after = colour_error(ids, photos, model.generate(ids)[:, 0])
    assert before > 50
    assert after < 0.4 * before
    assert (report.reason, report.step) == ("finished", 50)
    assert not (tmp_path / "model" / "state").exists()
    # at 32x32 the coarse grid is one position, the same class in nearly every training map
    other = torch.randint(0, 5, (2, 64, 64), generator=torch.Generator().manual_seed(0))
    segmap = model.segmap(other)
    with torch.no_grad():
        exact = folded_copy(model.generator).double()(segmap.double())
        assert float((model.generator(segmap) - exact).abs().max()) < 1e-4


def val_pairs(data: Path) -> tuple[torch.Tensor, torch.Tensor]:
    names = sorted((data / "val_label").iterdir())
    ids = torch.from_numpy(np.stack([np.asarray(Image.open(n)) for n in names]).astype(np.int64))
    photos = np.stack([np.asarray(Image.open(data / "val_img" / n.name)) for n in names])
    return ids, torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path, scenes: Path) -> None:
    vae = {"use_vae": True, "z_dim": 8, "D_steps_per_G": 2}  # noise and skipped turns must survive too
    whole = train(config(scenes, tmp_path / "a", options=vae))
    stopped = train(config(scenes, tmp_path / "b", options=vae), on_tick=lambda tick: tick.step == 2)
    assert (stopped.reason, stopped.step) == ("stopped", 2)
    assert (tmp_path / "b" / "card.md").is_file()
    resumed = train(config(scenes, tmp_path / "b", options=vae, resume=True))
    assert (resumed.reason, resumed.step) == ("finished", 4)
    for (name, a), b in zip(weights(tmp_path / "a").items(), weights(tmp_path / "b").values(), strict=True):
        assert torch.equal(a, b), name
    assert read_json_lines(tmp_path / "a" / "metrics.jsonl") == read_json_lines(
        tmp_path / "b" / "metrics.jsonl"
    )
    assert whole.metrics == resumed.metrics


def test_the_folder_tells_what_it_is(tmp_path: Path, scenes: Path) -> None:
    torch.save(slim_vgg(), tmp_path / "vgg.pth")
    out = tmp_path / "m"
    said: list[str] = []
    report = train(
        config(
            scenes, out, vgg_weights=tmp_path / "vgg.pth", tensorboard=True, options={"no_vgg_loss": False}
        ),
        say=said.append,
    )
    assert {
        "GAN",
        "GAN_Feat",
        "VGG",
        "D_Fake",
        "D_real",
        "val_colour_error",
        "val_l1",
    } <= report.metrics.keys()
    card = (out / "card.md").read_text()
    assert "perceptual loss: VGG19 of vgg.pth (sha256" in card
    assert "16 pairs" in card
    assert any("perceptual loss: VGG19 of vgg.pth" in line for line in said)
    assert Image.open(out / "samples" / "step_0000004.png").size == (3 * 98 - 2, 2 * 98 - 2)
    assert list((out / "logs").glob("events*"))
    model = ImageModel.load(out)
    assert model.content_hash == report.content_hash
    assert tuple(model.label_names) == ("sky", "ground", "disc", "box", "triangle")
    assert model.provenance["steps"] == 4


def test_without_vgg_it_is_said_in_log_and_card(tmp_path: Path, scenes: Path) -> None:
    said: list[str] = []
    train(config(scenes, tmp_path / "m", steps=2), say=said.append)
    assert "without the perceptual (VGG) loss, as asked" in said
    assert "perceptual loss: none (--no-vgg)" in (tmp_path / "m" / "card.md").read_text()


def test_stating_the_classes_does_not_ask_for_instances(tmp_path: Path, scenes: Path) -> None:
    options = {**SMALL, "label_nc": 5, "crop_size": 32, "no_vgg_loss": True}
    del options["no_instance"]
    plain = tmp_path / "data"
    shutil.copytree(scenes, plain, ignore=shutil.ignore_patterns("*_inst"))
    small = config(plain, tmp_path / "m", steps=1)
    train(replace(small, preset="auto", options=options))
    assert ImageModel.load(tmp_path / "m").options.no_instance


@pytest.mark.parametrize("generator", ["concat", "unet"])
def test_the_compared_generators_train_under_the_same_trainer(
    tmp_path: Path, scenes: Path, generator: str
) -> None:
    report = train(config(scenes, tmp_path / "m", steps=2, options={"generator": generator}))
    assert report.reason == "finished"
    assert ImageModel.load(tmp_path / "m").options.generator == generator


@pytest.mark.parametrize("mode", ["ls", "original", "w"])
def test_every_gan_mode_trains(scenes: Path, mode: str) -> None:
    task = make_task(scenes, Options(label_nc=5, crop_size=32, gan_mode=mode, no_vgg_loss=True, **SMALL))  # type: ignore[arg-type]
    assert all(torch.isfinite(torch.as_tensor(v)) for v in task.step(0).values())
    task.loader.close()


def make_task(scenes: Path, options: Options, batch_size: int = 2, **settings: Any) -> ImageTask:
    pairs = PairSet(
        find_pairs(Folders(scenes), "train").pairs, options, Geometry("fixed", 32, options.crop_size)
    )
    return ImageTask(options, Loader(pairs, batch_size, flip=False), pairs, TaskSettings(**settings))


def test_accumulated_gradients_are_those_of_the_whole_batch(scenes: Path) -> None:
    # without batch and spectral norms, whose state moves with every pass; a rate that leaves the generator in place
    options = Options(
        label_nc=5, crop_size=64, use_vae=True, z_dim=8, norm_G="spadeinstance3x3", norm_D="instance", norm_E="none",
        no_vgg_loss=True, init_variance=1.0, lr=1e-12, lambda_kld=1.0, **SMALL,  # type: ignore[arg-type]
    )  # fmt: skip
    whole, parts = make_task(scenes, options, 4), make_task(scenes, options, 2, accumulate=2)
    # one noise for both: the joint batch's rows
    noise = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    whole._noise = lambda step, turn, part: noise  # type: ignore[method-assign]
    parts._noise = lambda step, turn, part: noise[2 * part : 2 * part + 2]  # type: ignore[method-assign]
    first, second = whole.step(0), parts.step(0)
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-5)
    for key in "GDE":
        for a, b in zip(whole.modules[key].parameters(), parts.modules[key].parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4)
    whole.loader.close()
    parts.loader.close()


def test_bfloat16_trains_near_float32_and_keeps_float32_weights(scenes: Path) -> None:
    options = Options(label_nc=5, crop_size=32, no_vgg_loss=True, init_variance=1.0, **SMALL)  # type: ignore[arg-type]
    losses = []
    for bf16 in (False, True):
        task = make_task(scenes, options, bf16=bf16)
        losses.append(task.step(0))
        assert all(p.dtype == torch.float32 for net in task.modules.values() for p in net.parameters())
        task.loader.close()
    for name, value in losses[0].items():
        assert abs(float(value) - float(losses[1][name])) < 0.05 * max(1, abs(float(value)))


def test_rates_decay_by_epochs_as_published(scenes: Path) -> None:
    options = Options(label_nc=5, crop_size=32, niter=2, niter_decay=4, no_vgg_loss=True, **SMALL)  # type: ignore[arg-type]
    task = make_task(scenes, options, batch_size=8)  # two steps an epoch
    factor = task.schedules["G"].lr_lambdas[0]
    assert [1e-4 * factor(step) for step in range(0, 12, 2)] == pytest.approx(
        [1e-4, 1e-4, 1e-4, 7.5e-5, 5e-5, 2.5e-5]
    )
    assert [g["lr"] for name in "GD" for g in task.optimizers[name].param_groups] == [1e-4, 4e-4]
    task.loader.close()


def test_statistics_are_reestimated_as_the_mean_of_all_passes() -> None:
    norm = nn.BatchNorm2d(3)
    net = nn.Sequential(norm)
    batches = [torch.randn(4, 3, 5, 5) + i for i in range(3)]
    assert reestimate(net, [lambda b=b: net(b) for b in batches]) == 3
    means = torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0)
    variances = torch.stack([b.var((0, 2, 3)) for b in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert not net.training
    assert norm.momentum == 0.1


def test_a_constant_channel_is_not_divided_by_its_rounding() -> None:
    net = nn.BatchNorm2d(2, affine=False)
    batch = torch.randn(4, 2, 5, 5)
    batch[:, 1] = 3.0 + 1e-7 * batch[:, 1]
    reestimate(net, [lambda: net(batch)])
    assert net.running_var is not None
    torch.testing.assert_close(net.running_var, torch.stack([batch[:, 0].var(), torch.tensor(1.0)]))
    assert float(net(torch.full((1, 2, 1, 1), 4.0))[0, 1]) == pytest.approx(1.0, abs=1e-4)  # not 316
    norm, small = (
        nn.BatchNorm2d(1, affine=False),
        1e-4 * torch.randn(8, 1, 9, 9),
    )  # small, but no rounding: kept
    reestimate(norm, [lambda: norm(small)])
    torch.testing.assert_close(norm.running_var, small.var().reshape(1))


def test_measuring_leaves_the_training_alone(scenes: Path) -> None:
    task = make_task(scenes, Options(label_nc=5, crop_size=32, no_vgg_loss=True, **SMALL), every=1)  # type: ignore[arg-type]
    task.step(0)
    before = {k: v.clone() for k, v in task.modules["G"].state_dict().items()}
    assert task.validate(1)["val_colour_error"] > 0
    assert all(torch.equal(v, before[k]) for k, v in task.modules["G"].state_dict().items())
    assert task.modules["G"].training
    task.loader.close()


def test_a_loss_that_runs_away_keeps_the_last_good_weights(
    tmp_path: Path, scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = ImageTask.step
    monkeypatch.setattr(
        ImageTask,
        "step",
        lambda self, step: honest(self, step) | ({"GAN": float("nan")} if step == 3 else {}),
    )
    report = train(config(scenes, tmp_path / "m"))
    assert (report.reason, report.step) == ("diverged", 2)
    assert "GAN=nan at step 3" in report.message
    assert all(torch.isfinite(v).all() for v in weights(tmp_path / "m").values() if v.is_floating_point())


def test_folders_that_stand_in_the_way_and_states_that_do_not_fit(tmp_path: Path, scenes: Path) -> None:
    out = tmp_path / "m"
    with pytest.raises(CheckpointError, match="holds no unfinished training"):
        train(config(scenes, out, resume=True))
    train(config(scenes, out), on_tick=lambda tick: True)
    with pytest.raises(InputError, match="holds an unfinished training: add --resume"):
        train(config(scenes, out))
    with pytest.raises(CheckpointError, match=r"options\.lr was 0\.004 and is now 0\.5"):
        train(config(scenes, out, resume=True, options={"lr": 0.5}))
    state = out / "state" / "state.safetensors"
    data = bytearray(state.read_bytes())
    data[len(data) // 2] ^= 1
    state.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"state.safetensors is damaged"):
        train(config(scenes, out, resume=True))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="folder of something else"):
        train(config(scenes, tmp_path / "other"))


def test_colour_error_by_hand() -> None:
    ids = torch.tensor([[[0, 0, 1]]])
    photos, samples = torch.zeros(1, 3, 1, 3), torch.zeros(1, 3, 1, 3)
    samples[0, :, 0] = torch.tensor([0.2, 0.4, -1.0])
    assert colour_error(ids, photos, samples) == pytest.approx((0.3 + 1.0) / 2 * 127.5)
