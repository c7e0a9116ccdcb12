# SPDX-License-Identifier: Apache-2.0
"""``spade-image train``: learn a model from photos and their label maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from spade_image.cli.options import (
    Data,
    ImageDir,
    InstanceDir,
    Json,
    LabelDir,
    LayoutName,
    PaletteFile,
    Shift,
    folders,
)

EXAMPLE = """\
Examples:
  spade-image train --data shapes --out my-model --preset tiny
  spade-image train --data camvid --out my-model --preset camvid \\
      --no-vgg --max-minutes 40
  spade-image train --data camvid --out my-model --preset camvid \\
      --no-vgg --resume
  torchrun --nproc-per-node 8 -m spade_image.cli train --data cityscapes \\
      --out my-model --preset cityscapes"""

_DATA = Group("Data", sort_key=1)
_NETWORK = Group("Networks (default: the preset's)", sort_key=2)
_TRAINING = Group("Training (default: the preset's)", sort_key=3)

Whole = int | None
Number = float | None


def _of(group: Group, text: str, **more: Any) -> Parameter:
    return Parameter(group=group, help=text, **more)


def train(
    *,
    data: Annotated[
        Data, _of(_DATA, "Folder of pairs (see 'check'), or 'shapes' for drawn scenes that need no data.")
    ] = None,
    out: Annotated[Path, Parameter(metavar="MODEL", help="The model folder to write.")],
    preset: Annotated[
        Literal["auto", "tiny", "camvid", "cityscapes", "coco", "ade20k", "facades"],
        Parameter(help="Classes, sizes, widths and length of training; auto reads the classes off the data."),
    ] = "auto",
    generator: Annotated[
        Literal["spade", "concat", "unet"],
        Parameter(help="spade, or one that it is compared with under the same trainer."),
    ] = "spade",
    no_vgg: Annotated[
        bool, Parameter(negative="", show_default=False, help="Train without the perceptual (VGG19) loss.")
    ] = False,
    vgg_weights: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="torchvision's vgg19 state dict, where there is no network."),
    ] = None,
    resume: Annotated[
        bool, Parameter(negative="", show_default=False, help="Continue the unfinished training in --out.")
    ] = False,
    max_minutes: Annotated[
        Number, Parameter(metavar="MINUTES", help="Stop and save after so many minutes; --resume goes on.")
    ] = None,
    seed: Annotated[int, Parameter(metavar="N", help="Seed, 0 or more.")] = 0,
    layout: Annotated[LayoutName, Parameter(group=_DATA)] = "auto",
    image_dir: Annotated[ImageDir, Parameter(group=_DATA)] = None,
    label_dir: Annotated[LabelDir, Parameter(group=_DATA)] = None,
    instance_dir: Annotated[InstanceDir, Parameter(group=_DATA)] = None,
    palette: Annotated[PaletteFile, Parameter(group=_DATA)] = None,
    label_shift: Annotated[Shift, Parameter(group=_DATA)] = None,
    label_nc: Annotated[Whole, _of(_DATA, "Number of classes, without dontcare.")] = None,
    dontcare: Annotated[
        bool | None, _of(_DATA, "Whether pixels of id 255 have a channel of their own.")
    ] = None,
    instance: Annotated[bool | None, _of(_DATA, "Whether the networks read edges between instances.")] = None,
    skip_unmatched: Annotated[
        bool, _of(_DATA, "Leave out files without partner.", negative="", show_default=False)
    ] = False,
    flip: Annotated[bool, _of(_DATA, "Flip half of the samples left to right.")] = True,
    preprocess_mode: Annotated[
        Literal["resize_and_crop", "crop", "scale_width_and_crop", "scale_shortside_and_crop", "fixed"]
        | None,
        _of(_DATA, "How pictures become one size; 'fixed' does not crop."),
    ] = None,
    load_size: Annotated[Whole, _of(_DATA, "Size before the crop, pixels.")] = None,
    cache_mb: Annotated[float, _of(_DATA, "Keep decoded pictures in memory up to this size, MiB.")] = 2048.0,
    workers: Annotated[int, _of(_DATA, "Threads that decode pictures.")] = 2,
    crop_size: Annotated[Whole, _of(_NETWORK, "Width of the training image, pixels.")] = None,
    aspect_ratio: Annotated[Number, _of(_NETWORK, "Its width over its height.")] = None,
    ngf: Annotated[Whole, _of(_NETWORK, "Base width of the generator.")] = None,
    nhidden: Annotated[
        Whole, _of(_NETWORK, "Width of the layer between map and modulation (128 in official weights).")
    ] = None,
    ndf: Annotated[Whole, _of(_NETWORK, "Base width of the discriminator.")] = None,
    upsampling: Annotated[
        Literal["normal", "more", "most"] | None, _of(_NETWORK, "5, 6 or 7 doublings of the coarse grid.")
    ] = None,
    norm_g: Annotated[
        str | None, _of(_NETWORK, "For example spectralspadesyncbatch3x3.", name="--norm-G", metavar="NORM")
    ] = None,
    use_vae: Annotated[
        bool,
        _of(
            _NETWORK, "Train a style encoder along: many photos for one map.", negative="", show_default=False
        ),
    ] = False,
    gan_mode: Annotated[
        Literal["hinge", "ls", "original", "w"] | None, _of(_TRAINING, "Adversarial loss.")
    ] = None,
    lambda_feat: Annotated[Number, _of(_TRAINING, "Weight of feature matching.")] = None,
    lambda_vgg: Annotated[Number, _of(_TRAINING, "Weight of the perceptual loss.")] = None,
    lambda_kld: Annotated[Number, _of(_TRAINING, "Weight of the style's divergence.")] = None,
    lr: Annotated[Number, _of(_TRAINING, "Learning rate; generator lr/2, discriminator 2 lr.")] = None,
    no_ttur: Annotated[
        bool, _of(_TRAINING, "One rate for both.", name="--no-TTUR", negative="", show_default=False)
    ] = False,
    epochs: Annotated[Whole, _of(_TRAINING, "Epochs at the full rate.")] = None,
    decay_epochs: Annotated[Whole, _of(_TRAINING, "Epochs of linear decay after them.")] = None,
    steps: Annotated[Whole, _of(_TRAINING, "Steps in all, instead of the epochs' number.")] = None,
    batch_size: Annotated[Whole, _of(_TRAINING, "Samples a pass, on each process.")] = None,
    accumulate: Annotated[int, _of(_TRAINING, "Passes whose gradients make one step.")] = 1,
    ema_samples: Annotated[
        Number, _of(_TRAINING, "Half-life of the averaged weights, training samples.")
    ] = None,
    amp: Annotated[
        Literal["auto", "off", "bf16"],
        _of(_TRAINING, "bfloat16 inside the networks; auto where the hardware has it."),
    ] = "auto",
    channels_last: Annotated[bool, _of(_TRAINING, "Memory layout that most hardware prefers.")] = True,
    device: Annotated[str, _of(_TRAINING, "auto, cpu, cuda or cuda:N.", metavar="DEVICE")] = "auto",
    tensorboard: Annotated[
        bool, _of(_TRAINING, "Write curves and pictures for TensorBoard to MODEL/logs.")
    ] = True,
    sample_steps: Annotated[Whole, _of(_TRAINING, "Steps between sample grids in MODEL/samples.")] = None,
    json: Json = False,
) -> int:
    """Train a model on photos and their label maps.

    Ctrl-C saves first: the same command with --resume continues to the same
    weights as an uninterrupted run. While it runs, MODEL/samples shows what
    was learnt: map, photo, sample.
    """
    from spade_image.cli.console import note, print_json, print_pairs, progress
    from spade_image.exceptions import InputError
    from spade_image.train import TrainingConfig
    from spade_image.train import train as train_model

    if no_vgg and (vgg_weights is not None or lambda_vgg is not None):
        raise InputError("--no-vgg contradicts --vgg-weights and --lambda-vgg: give one or the other")
    given = {
        "label_nc": label_nc, "contain_dontcare_label": dontcare, "crop_size": crop_size,
        "no_instance": None if instance is None else not instance,
        "aspect_ratio": aspect_ratio, "ngf": ngf, "nhidden": nhidden, "ndf": ndf,
        "num_upsampling_layers": upsampling, "norm_G": norm_g,
        "use_vae": use_vae or None, "gan_mode": gan_mode, "lambda_feat": lambda_feat, "lambda_vgg": lambda_vgg,
        "lambda_kld": lambda_kld, "lr": lr, "no_TTUR": no_ttur or None, "niter": epochs, "niter_decay": decay_epochs,
        "generator": generator,
        # --vgg-weights asks for the loss even where the preset goes without
        "no_vgg_loss": True if no_vgg else (False if vgg_weights is not None else None),
    }  # fmt: skip
    config = TrainingConfig(
        _drawn(out, resume) if data == Path("shapes") and not data.exists()
        else folders(data, layout, image_dir, label_dir, instance_dir),
        out, preset,
        options={name: value for name, value in given.items() if value is not None},
        preprocess_mode=preprocess_mode, load_size=load_size, batch_size=batch_size, accumulate=accumulate, steps=steps,
        max_minutes=max_minutes, resume=resume, seed=seed, palette=palette, label_shift=label_shift,
        skip_unmatched=skip_unmatched, flip=flip, vgg_weights=vgg_weights, ema_samples=ema_samples, amp=amp,
        channels_last=channels_last, device=device, tensorboard=tensorboard, sample_steps=sample_steps,
        cache_mb=cache_mb, workers=workers,
    )  # fmt: skip
    with progress(1, "preparing", "{task.fields[state]}") as (bar, task):
        report = train_model(config, say=note, on_tick=_listener(bar, task))
    if not report.is_main:
        return 0
    if report.reason == "diverged":
        raise RuntimeError(f"{report.message}; the model written to {out} is the last good one")
    if json:
        print_json(report.to_dict())
    else:
        print_pairs({"steps": report.step, "minutes": report.minutes, **report.metrics}, title=f"Model {out}")
    note(f"written: {out}" + ("" if report.reason == "finished" else f" ({report.message})"))
    if report.reason == "signal":
        note("the same command with --resume continues")
        return 143 if "SIGTERM" in report.message else 130
    note(f"next: spade-image generate --model {out} --labels MAP.png --out DIR")
    return 0


def _drawn(out: Path, resume: bool) -> Any:
    """Draw the scenes of ``--data shapes`` beside the model, once."""
    from spade_image.layouts import Folders
    from spade_image.scenes import write_scenes

    folder = out.parent / f"{out.name}-shapes"
    if not (folder / "dataset.json").is_file():
        write_scenes(folder)
    return Folders(folder)


def _listener(bar: Any, task: Any) -> Callable[[Any], None]:
    """Turn the trainer's reports into a bar, or into lines where stderr is no terminal."""
    from spade_image.cli.console import note

    shown = ("GAN", "GAN_Feat", "VGG", "KLD", "D_Fake", "D_real", "val_colour_error")

    def listen(tick: Any) -> None:
        figures = [f"{name} {tick.metrics[name]:.3g}" for name in shown if name in tick.metrics]
        left = f"{tick.minutes_left:.1f} min left"
        bar.update(
            task,
            total=tick.max_steps,
            completed=tick.step,
            description="training",
            state=", ".join([*figures, left]),
        )
        if bar.disable:
            note(f"step {tick.step}/{tick.max_steps}: {', '.join([*figures, left])}")

    return listen
