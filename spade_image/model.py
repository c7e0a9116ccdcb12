# SPDX-License-Identifier: Apache-2.0
"""An image model: its networks, the options that build them, what its classes are called; saved as a folder.

``model.safetensors`` holds the networks under ``G.``, ``E.`` and ``D.`` before the official names; ``config.json``
the options, class names, palette and provenance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from spade_core.checkpoint import CheckpointError, load_model, save_model
from spade_core.seeding import torch_generator
from spade_image.discriminator import build_discriminator
from spade_image.encoder import build_encoder, reparameterize
from spade_image.exceptions import InputError, ModelError
from spade_image.generators import build_image_generator
from spade_image.options import Options
from spade_image.preprocess import preprocess

if TYPE_CHECKING:
    from spade_image.inference import FastGenerator

__all__ = ["ImageModel"]

KIND = "spade_image"


@dataclass
class ImageModel:
    """Networks with everything that using them needs.

    Attributes
    ----------
    generator : nn.Module
        ``G(segmap, z=None)``.
    options : Options
    encoder : nn.Module, optional
        Photo to style; with ``use_vae``.
    discriminator : nn.Module, optional
        Kept for further training and for conversion.
    label_names : sequence of str
        Of the classes, in order; may be empty.
    palette : sequence of (r, g, b), optional
        Colour of each class, 0..255.
    provenance : dict
        JSON values: seed, data, training, or the files the weights came from.
    content_hash : str
        Of the folder it was read from or written to; empty before.
    """

    generator: nn.Module
    options: Options
    encoder: nn.Module | None = None
    discriminator: nn.Module | None = None
    label_names: Sequence[str] = ()
    palette: Sequence[Sequence[int]] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    content_hash: str = ""
    _fast: tuple[object, FastGenerator] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that names and colours are as many as classes."""
        for name, found in (("label_names", self.label_names), ("palette", self.palette)):
            if found is not None and len(found) and len(found) < self.options.label_nc:
                raise InputError(
                    f"{name} has {len(found)} entries, but label_nc={self.options.label_nc}: give one a class"
                )

    # --- build, read, write ---

    @classmethod
    def build(
        cls, options: Options | Mapping[str, Any], *, encoder: bool | None = None, discriminator: bool = True
    ) -> ImageModel:
        """Build freshly initialised networks; the encoder by default where ``use_vae``."""
        resolved = options if isinstance(options, Options) else Options.from_flags(options)
        wants_encoder = resolved.use_vae if encoder is None else encoder
        return cls(
            build_image_generator(resolved.generator, resolved),
            resolved,
            build_encoder(resolved) if wants_encoder else None,
            build_discriminator(resolved) if discriminator else None,
        )

    def networks(self) -> dict[str, nn.Module]:
        """Return the networks that are there, by letter: G, E, D."""
        every = {"G": self.generator, "E": self.encoder, "D": self.discriminator}
        return {letter: net for letter, net in every.items() if net is not None}

    def save(self, folder: str | Path, card: str | None = None, *, half: bool = False) -> str:
        """Write the model folder (whole or not at all, see ``spade_core.checkpoint``); return its content hash.

        Parameters
        ----------
        folder : path
        card : str, optional
            Markdown; default: a plain one where there is none yet.
        half : bool
            Store weights that half precision holds exactly (as after ``weight.half().float()``) in half precision: half
            the size, and :meth:`load` widens them to the very same numbers. The others are stored as they are.
        """
        tensors = {
            f"{letter}.{name}": _halved(value) if half else value
            for letter, net in self.networks().items()
            for name, value in net.state_dict().items()
        }
        config = {
            "kind": KIND,
            "options": self.options.to_flags(),
            "networks": list(self.networks()),
            "label_names": list(self.label_names),
            "palette": None if self.palette is None else [[int(c) for c in rgb] for rgb in self.palette],
            "provenance": self.provenance,
        }
        self.content_hash = save_model(
            folder, tensors, config, card if card is not None else self._card(folder)
        )
        return self.content_hash

    def _card(self, folder: str | Path) -> str | None:
        """A plain card where there is none yet."""
        if (Path(folder) / "card.md").exists():
            return None
        o = self.options
        counts = {k: sum(p.numel() for p in net.parameters()) for k, net in self.networks().items()}
        lines = [
            "# Image model", "",
            f"Generator `{o.generator}`, ngf {o.ngf}, {o.label_nc} classes, {o.num_upsampling_layers} upsampling.",
            "", *(f"- {letter}: {count:,} parameters" for letter, count in counts.items()), "",
            *(f"- {key}: {value}" for key, value in self.provenance.items()),
        ]  # fmt: skip
        return "\n".join(lines) + "\n"

    @classmethod
    def load(cls, folder: str | Path) -> ImageModel:
        """Read a model folder; networks come back in evaluation mode.

        Raises
        ------
        ModelError
            The folder is missing, damaged, or of another kind of model.
        """
        try:
            found = load_model(folder)
        except CheckpointError as error:
            raise ModelError(str(error)) from error
        config = found.config
        if config.get("kind") != KIND:
            raise ModelError(
                f"{folder} is no image model (kind {config.get('kind')!r}): pass a folder of spade-image"
            )
        letters = {name.split(".", 1)[0] for name in found.tensors}
        model = cls.build(config["options"], encoder="E" in letters, discriminator="D" in letters)
        for letter, net in model.networks().items():
            state = {k[2:]: v for k, v in found.tensors.items() if k.startswith(f"{letter}.")}
            try:
                net.load_state_dict(state, strict=True)
            except RuntimeError as error:
                reason = str(error).splitlines()[-1].strip()
                raise ModelError(
                    f"{folder} holds weights of another network than its config says: {reason}"
                ) from error
            net.eval()
        model.label_names = tuple(config["label_names"])
        model.palette = config["palette"]
        model.provenance = config["provenance"]
        model.content_hash = found.content_hash
        return model

    # --- use ---

    def fast(self) -> FastGenerator:
        """Return the generator made ready for drawing; made anew only when a weight has changed."""
        from spade_image.inference import FastGenerator

        state = [*self.generator.parameters(), *self.generator.buffers()]
        version = (id(self.generator), self.device, sum(t._version for t in state))
        if self._fast is None or self._fast[0] != version:
            self._fast = (version, FastGenerator(self.generator))
        return self._fast[1]

    @property
    def device(self) -> torch.device:
        """Where the generator's weights are."""
        return next(self.generator.parameters()).device

    @property
    def named_styles(self) -> dict[str, Tensor]:
        """Styles ``(z_dim,)`` by name, where the model's maker left some; for ``z`` of :meth:`generate`, stacked."""
        found = self.provenance.get("styles") or {}
        return {str(name): torch.tensor(z, dtype=torch.float32) for name, z in found.items()}

    @property
    def grid(self) -> int:
        """Sides of maps are multiples of this many pixels."""
        return int(2**self.options.n_doublings)

    def to(self, device: str | torch.device) -> ImageModel:
        """Move all networks; return self."""
        for net in self.networks().values():
            net.to(device)
        return self

    def segmap(self, maps: Tensor, instances: Tensor | None = None) -> Tensor:
        """Turn ids ``(B, H, W)`` into what the generator sees, ``(B, semantic_nc, H, W)``, on its device.

        A model that reads instance edges is given the edges between classes where ``instances`` is None.
        """
        if instances is None and not self.options.no_instance:
            instances = maps
        return preprocess(maps, instances, flags=self.options).to(self.device)

    @torch.no_grad()
    def encode(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        """Encode photos ``(N, 3, H, W)`` in [-1, 1] to mean and log-variance of their styles, each ``(N, z_dim)``.

        Raises
        ------
        InputError
            The model has no encoder.
        """
        if self.encoder is None:
            raise InputError(
                "the model has no style encoder (trained without use_vae): generate without style"
            )
        training = self.encoder.training
        try:
            mu, logvar = self.encoder.eval()(photos.to(self.device))
        finally:
            self.encoder.train(training)
        return mu, logvar

    def styles(
        self,
        z: int | Tensor | None = None,
        style: Tensor | None = None,
        seed: int = 0,
    ) -> Tensor | None:
        """Return the styles ``(N, z_dim)`` that :meth:`generate` uses for these arguments; None for a network without.

        Sample i of a seed is the same whatever ``z``'s number.
        """
        if not self.options.use_vae:
            if style is not None or isinstance(z, Tensor) or (z is not None and z != 1):
                raise InputError(
                    "style or several samples were asked for, but the model is deterministic (use_vae=False): "
                    "train with use_vae, or leave them out"
                )
            return None
        if isinstance(z, Tensor):
            if style is not None:
                raise InputError(
                    "z and style were both given as styles: pass one of them, or z as a number of draws"
                )
            if z.dim() != 2 or z.shape[1] != self.options.z_dim:
                raise InputError(
                    f"z of shape {tuple(z.shape)}: pass (N, {self.options.z_dim}), or a number of draws"
                )
            return z.to(self.device)
        if z is not None and z < 1:
            raise InputError(f"z={z} must be at least 1 (a number of draws)")

        def noise(n: int, *labels: int) -> Tensor:
            draws = [
                torch.randn(self.options.z_dim, generator=torch_generator(seed, "style", *labels, i))
                for i in range(n)
            ]
            return torch.stack(draws).to(self.device)

        if style is None:
            return noise(1 if z is None else z)
        mu, logvar = self.encode(style)
        if z is None:
            return mu
        around = [
            reparameterize(m.expand(z, -1), v.expand(z, -1), noise(z, k))
            for k, (m, v) in enumerate(zip(mu, logvar, strict=True))
        ]
        return torch.cat(around)

    @torch.no_grad()
    def generate(
        self,
        maps: Tensor,
        instances: Tensor | None = None,
        *,
        z: int | Tensor | None = None,
        style: Tensor | None = None,
        seed: int = 0,
        batch_size: int = 8,
    ) -> Tensor:
        """Draw images: every style under every map, sharing each map's modulation among its styles.

        Parameters
        ----------
        maps : Tensor (B, H, W), int
            Class ids; sides are multiples of :attr:`grid`.
        instances : Tensor (B, H, W), int, optional
            Instance ids, for a model that reads their edges; default: edges between classes.
        z : int or Tensor (N, z_dim), optional
            Number of draws, or the styles themselves. Default: one draw, or the photo's own style.
        style : Tensor (N, 3, H, W), optional
            Photos in [-1, 1] whose styles to use; with ``z=n``, n draws around each.
        seed : int
        batch_size : int
            Images at a time.

        Returns
        -------
        Tensor (B, N, 3, H, W)
            In [-1, 1], on the CPU; N is 1 for a deterministic model.

        Raises
        ------
        InputError
            Ids without a class, a size that does not fit the grid, or styles for a deterministic model.
        """
        segmap = self.segmap(maps, instances)
        styles = self.styles(z, style, seed)
        fast = self.fast()
        images = []
        if styles is None:
            for i in range(0, len(segmap), batch_size):
                images.append(fast(segmap[i : i + batch_size])[:, None].cpu())
            return torch.cat(images)
        for one in torch.split(segmap, 1):
            prepared = fast.prepare(one) if len(styles) > batch_size else one
            drawn = [fast(prepared, part).cpu() for part in torch.split(styles, batch_size)]
            images.append(torch.cat(drawn)[None])
        return torch.cat(images)

    @torch.no_grad()
    def generate_tiled(
        self,
        ids: Tensor,
        instances: Tensor | None = None,
        *,
        z: int | Tensor | None = None,
        style: Tensor | None = None,
        seed: int = 0,
        tile: int = 1024,
        overlap: int | None = 128,
        blend: int = 64,
    ) -> Tensor:
        """Draw one very large map in tiles; see :func:`spade_image.tiles.generate_tiled`.

        Parameters
        ----------
        ids, instances : Tensor (H, W), int
            Sides are multiples of :attr:`grid`.
        z, style, seed
            As in :meth:`generate`.
        tile, overlap, blend : int
            Pixels; ``overlap=None`` is as much as makes the result that of the whole map.

        Returns
        -------
        Tensor (N, 3, H, W)
            On the CPU.
        """
        from spade_image.tiles import generate_tiled

        styles = self.styles(z, style, seed)
        if instances is None and not self.options.no_instance:
            instances = ids
        return generate_tiled(
            self.fast(), ids, instances, self.options, styles,
            tile=tile, overlap=overlap, blend=blend, device=self.device,
        )  # fmt: skip


def _halved(value: Tensor) -> Tensor:
    """Return single-precision numbers in half precision where that loses nothing, else as they are."""
    small = value.half() if value.dtype == torch.float32 else value
    return small if torch.equal(small.to(value.dtype), value) else value
