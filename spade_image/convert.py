# SPDX-License-Identifier: Apache-2.0
"""Official weight files to a model and back: the same names, the same numbers.

``*_net_G.pth``, ``*_net_E.pth`` and ``*_net_D.pth`` are plain state dicts; they are read with ``weights_only=True``, so
nothing in them can run. What the shapes say is read from them; the rest comes from the official options or from what
the published models are known to use, with a warning that says what was assumed.

The official files know nothing of what classes are called: :func:`to_official` writes names and colours beside them as
``classes.json``, and the options as ``options.json``, and :func:`from_official` reads both where they lie beside the
generator's file, so that a model comes back as it was.

Both forms of torch's spectral norm are read (``weight_orig, weight_u, weight_v`` and ``parametrizations.*``), and
files of torch before 1.0, which lack ``weight_v``.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spade_core.checkpoint import write_atomic
from spade_core.spectral import from_parametrized_keys, to_parametrized_keys
from spade_image.class_names import classes_text, read_classes
from spade_image.exceptions import ConversionWarning, ModelError
from spade_image.model import ImageModel
from spade_image.options import Options, read_flags
from spade_image.shapes import discriminator_flags, encoder_flags, generator_flags, label_flags

__all__ = ["from_official", "official_state", "read_state", "to_official"]

OPTIONS, CLASSES = "options.json", "classes.json"


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Read an official weight file into tensors by official name.

    Raises
    ------
    ModelError
        The file is missing, damaged, or anything but a plain state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(
            f"no weight file at {path}: pass an official *_net_G.pth, *_net_E.pth or *_net_D.pth"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's words on the older file format
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises half a dozen kinds for a damaged file, and a long text for an unsafe one
        raise ModelError(
            f"{path} is not a plain state dict, or is damaged ({type(error).__name__}); nothing in it was run. Save it "
            "again with torch.save(net.state_dict(), path)"
        ) from error
    if (
        not isinstance(loaded, Mapping)
        or not loaded
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in loaded.items())
    ):
        raise ModelError(f"{path} holds no plain state dict (names to tensors): save net.state_dict() alone")
    return _clean({k: v.detach().contiguous() for k, v in loaded.items()}, path)


def _clean(state: dict[str, Tensor], where: object) -> dict[str, Tensor]:
    """Drop DataParallel's prefix, take both spectral forms, complete files of torch before 1.0."""
    if all(k.startswith("module.") for k in state):
        state = {k.removeprefix("module."): v for k, v in state.items()}
    state = from_parametrized_keys(state)
    for key in [k for k in state if k.endswith("weight_orig")]:
        stem = key.removesuffix("_orig")
        u, normalised = state.get(f"{stem}_u"), state.pop(stem, None)
        if f"{stem}_v" in state:
            continue
        if u is None:
            raise ModelError(f"{where} lacks {stem}_u: the file is incomplete")
        # sigma = u . W v must be what the file was used with: v along W^T u, as long as gives that sigma
        wu = state[key].flatten(1).t().double() @ u.double()
        sigma = wu.norm()
        if normalised is not None:
            sigma = state[key].double().norm() / normalised.double().norm()
        state[f"{stem}_v"] = (wu * (sigma / wu.square().sum())).to(u.dtype)
    return state


def from_official(
    generator: str | Path,
    *,
    encoder: str | Path | None = None,
    discriminator: str | Path | None = None,
    options: str | Path | Mapping[str, Any] | None = None,
    classes: str | Path | None = None,
) -> ImageModel:
    """Make a model of official weight files.

    Parameters
    ----------
    generator : path
        ``*_net_G.pth``.
    encoder, discriminator : path, optional
        ``*_net_E.pth``, ``*_net_D.pth`` of the same training.
    options : path or mapping, optional
        Official option names (JSON) for what shapes cannot tell: ``num_upsampling_layers`` normal or more,
        ``crop_size``, ``aspect_ratio``, ``contain_dontcare_label``, ``no_instance``, batch or syncbatch. Default:
        ``options.json`` beside the generator's file, if it is there.
    classes : path, optional
        Names and colours of the classes, see :mod:`spade_image.class_names`. Default: ``classes.json`` beside the
        generator's file, if it is there.

    Returns
    -------
    ImageModel
        Generating at the map's own size; ``save`` writes it as a model folder.

    Raises
    ------
    ModelError
        A file is no plain state dict, is of another network, or contradicts the options.

    Warns
    -----
    ConversionWarning
        Something was assumed; the message says what, and how to state it.
    """
    stated: dict[str, Any] = {}
    beside = Path(generator).parent
    if options is None and (beside / OPTIONS).is_file():
        options = beside / OPTIONS
    if isinstance(options, Mapping):
        stated = dict(options)
    elif options is not None:
        stated = read_flags(options)
    files = {"G": generator, "E": encoder, "D": discriminator}
    states = {letter: read_state(path) for letter, path in files.items() if path is not None}

    known, open_questions = generator_flags(states["G"], stated)
    semantic_nc = int(known.pop("semantic_nc"))
    known |= label_flags(semantic_nc, stated)
    if "D" in states:
        known |= discriminator_flags(states["D"], semantic_nc)
    if "E" in states:
        if not known["use_vae"]:
            raise ModelError(f"{generator} takes no style, but an encoder was given: leave the encoder out")
        known |= encoder_flags(states["E"], known["ngf"])
    for name, value in known.items():
        if name in stated and stated[name] != value and not _same_norm(name, stated[name], value):
            raise ModelError(
                f"options say {name}={stated[name]!r}, but the weights say {value!r}: correct the options"
            )
    flags = {**known, **{k: v for k, v in stated.items() if k != "semantic_nc"}}
    assumed = [
        f"{name}={value!r}" for name, value in known.items() if name in open_questions and name not in stated
    ]
    labels = ("label_nc", "contain_dontcare_label", "no_instance")
    if not any(name in stated for name in labels):
        assumed += [f"{name}={known[name]!r}" for name in labels]
    if assumed:
        warnings.warn(
            f"shapes do not tell everything; assumed {', '.join(assumed)}: state them in --options if they differ",
            ConversionWarning,
            stacklevel=2,
        )
    resolved = Options.from_flags(flags)
    model = ImageModel.build(resolved, encoder="E" in states, discriminator="D" in states)
    for letter, net in model.networks().items():
        _load(net, states[letter], files[letter])
    if classes is not None or (beside / CLASSES).is_file():
        model.label_names, model.palette = read_classes(classes or beside / CLASSES, resolved.label_nc)
    model.provenance = {
        "source": "official weights",
        "files": {k: Path(v).name for k, v in files.items() if v},
    }
    return model


def _same_norm(name: str, stated: Any, found: Any) -> bool:
    """Say whether two norm words give the same state dict (batch and syncbatch do)."""
    if not name.startswith("norm_"):
        return False

    def plain(word: str) -> str:
        return str(word).replace("sync_", "").replace("sync", "").removesuffix("none")

    return plain(stated) == plain(found)


def _load(net: nn.Module, state: Mapping[str, Tensor], path: object) -> None:
    try:
        net.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        raise ModelError(f"{path} is of another network: {lines[0][:300]}") from error


def official_state(net: nn.Module, *, parametrized: bool = False) -> dict[str, Tensor]:
    """Return a network's tensors by official name; ``parametrized`` gives torch's newer spectral-norm names."""
    state = {k: v.detach().cpu().clone() for k, v in net.state_dict().items()}
    return to_parametrized_keys(state) if parametrized else state


def to_official(
    model: ImageModel, folder: str | Path, *, prefix: str = "latest", parametrized: bool = False
) -> list[Path]:
    """Write ``{prefix}_net_G.pth`` (and ``_E``, ``_D`` where the model has them) for the official code.

    Each file appears whole or not at all. ``options.json`` beside them holds the official options, and ``classes.json``
    the classes' names and colours where the model has them.

    Raises
    ------
    ModelError
        The generator is not SPADE: the official code has no other.
    """
    if model.options.generator != "spade":
        raise ModelError(
            f"generator={model.options.generator!r} has no official form: only a model trained with --generator spade "
            "can be written for the official code"
        )
    import json

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for letter, net in model.networks().items():
        buffer = io.BytesIO()
        torch.save(official_state(net, parametrized=parametrized), buffer)
        written.append(folder / f"{prefix}_net_{letter}.pth")
        write_atomic(written[-1], buffer.getvalue())
    flags = {k: v for k, v in model.options.to_flags().items() if k != "generator"}
    written.append(folder / OPTIONS)
    write_atomic(written[-1], (json.dumps(flags, indent=1) + "\n").encode())
    text = classes_text(model.label_names, model.palette)
    if text:
        written.append(folder / CLASSES)
        write_atomic(written[-1], text.encode())
    else:  # of another model that was written here before
        (folder / CLASSES).unlink(missing_ok=True)
    return written
