# SPDX-License-Identifier: Apache-2.0
"""The model's card: what it was trained on, what was measured, and what not to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spade_image.model import ImageModel
    from spade_image.train import TrainingReport

__all__ = ["write_card"]


def write_card(model: ImageModel, report: TrainingReport) -> str:
    """Return the card's Markdown."""
    o, p = model.options, model.provenance
    height, width = o.output_size
    counts = ", ".join(
        f"{letter} {sum(w.numel() for w in net.parameters()):,}" for letter, net in model.networks().items()
    )
    names = (
        ", ".join(f"{i} {name}" for i, name in enumerate(model.label_names)) or f"{o.label_nc}, without names"
    )
    measured = [f"| {name} | {value:.4g} |" for name, value in sorted(report.metrics.items())]
    lines = [
        f"# {o.generator} image model, {o.label_nc} classes, {width}x{height}",
        "",
        "## Trained on",
        "",
        f"- {p['training_pairs']} pairs of photo and label map (layout {p['layout']}, data hash {p['data_hash'][:12]})",
        f"- {width}x{height} pixels, {p['preprocess_mode']}, label shift: {p['label_shift']}",
        f"- classes: {names}{'; and dontcare (255)' if o.contain_dontcare_label else ''}",
        f"- instance edges: {'no' if o.no_instance else 'yes'}; style encoder: {'yes' if o.use_vae else 'no'}",
        f"- {report.step} of {report.max_steps} steps ({p['samples']:,} samples) in {report.minutes:.1f} minutes, "
        f"ended: {report.reason}; seed {p['seed']}, preset {p['preset']}",
        f"- losses: {o.gan_mode} GAN"
        f"{'' if o.no_ganFeat_loss else f', feature matching x {o.lambda_feat:g}'}"
        f"{'' if o.no_vgg_loss else f', perceptual x {o.lambda_vgg:g}'}"
        f"{f', KL x {o.lambda_kld:g}' if o.use_vae else ''}",
        f"- perceptual loss: {p['perceptual_loss']}",
        f"- weights: {p['weights']}, with batch statistics of their own; parameters: {counts}",
        "",
        "## Measured",
        "",
        "The last values while training. `val_` are of validation pairs, in 8-bit levels; the others are training",
        "losses, which say how the two networks stand to each other, not how good the pictures are: for that use",
        "`spade-image evaluate`.",
        "",
        "| | |",
        "|---|---|",
        *measured,
        "",
        "## Limits",
        "",
        "- It draws what its training photos look like, and nothing of classes that they lack.",
        f"- Maps need sides that are multiples of {model.grid} pixels; far from {width}x{height} textures differ.",
        "- Pictures are invented: they show no real place, and are no evidence of one.",
        "",
    ]
    return "\n".join(lines)
