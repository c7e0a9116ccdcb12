# SPDX-License-Identifier: Apache-2.0
"""The official generator: the core's, told by options where to start, how often to double and what to normalise.

State-dict names and shapes are the official ones. The coarse grid is ``crop_size // 2^n`` wide and
``round(width / aspect_ratio)`` high. The output either has the official size, which follows from these two options
alone, or follows the map (any sides that are multiples of ``2^n``); the map itself may have any size in the
first case, because every layer resizes it (nearest) to its own grid.

Reference: Park et al. 2019, arXiv 1903.07291.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from spade_core import SPADEGenerator, stages_for
from spade_core.initialise import init_weights
from spade_image.exceptions import InputError
from spade_image.options import Options, parse_norm_g

__all__ = ["ImageGenerator", "build_generator", "check_inputs", "resolve"]


def check_inputs(net: SPADEGenerator, segmap: Tensor, z: Tensor | None = None) -> None:
    """Refuse a map or a style that is not of the network.

    Raises
    ------
    InputError
        A map that is not ``(B, S, H, W)`` floats with the network's channels, or a style that is not ``(N, z_dim)``
        with as many rows as maps (or one map for all).
    """
    shape, channels = tuple(segmap.shape), net.label_nc
    if len(shape) != 4 or shape[1] != channels or not segmap.is_floating_point():
        what = f"{str(segmap.dtype).removeprefix('torch.')} of shape {shape}"
        raise InputError(
            f"segmap is {what}, but the generator reads floats (B, {channels}, H, W), a channel each for its classes, "
            "dontcare and instance edges: make it of ids by official.preprocess(label, instance, flags=flags)"
        )
    if z is None or net.first == "map":  # the core refuses a style that is not wanted
        return
    if z.dim() != 2 or z.shape[1] != net.z_dim or shape[0] not in (1, z.shape[0]):
        raise InputError(
            f"z has shape {tuple(z.shape)} with {shape[0]} map(s): pass (N, {net.z_dim}), a row a map, or one map for "
            "all of them"
        )


class ImageGenerator(SPADEGenerator):
    """The core's generator in two dimensions, which says in words what is wrong with a map."""

    def forward(self, segmap: Tensor, z: Tensor | None = None, **more: Any) -> Tensor:
        """Generate; see :meth:`spade_core.SPADEGenerator.forward`.

        Raises
        ------
        InputError
            See :func:`check_inputs`.
        """
        check_inputs(self, segmap, z)
        return super().forward(segmap, z, **more)


def resolve(flags: Options | Mapping[str, Any]) -> Options:
    """Return options as they are, or made from a mapping of official names."""
    return flags if isinstance(flags, Options) else Options.from_flags(flags)


def build_generator(flags: Options | Mapping[str, Any], *, follow_map: bool = False) -> SPADEGenerator:
    """Build the SPADE generator of official options, freshly initialised, in training mode.

    Parameters
    ----------
    flags : Options or mapping
    follow_map : bool
        Draw an image as large as the map (sides that are multiples of ``2^n``), instead of the official size
        ``crop_size`` by ``round(crop_size / aspect_ratio)``, rounded down to the grid.

    Returns
    -------
    SPADEGenerator
        ``G(segmap, z=None)``: ``(B, semantic_nc, H, W)`` and, with ``use_vae``, ``(B, z_dim)`` to
        ``(B, 3, H', W')`` in [-1, 1]. Without ``z`` one is drawn, on any device.

    Raises
    ------
    InputError
        Options that leave a coarse grid of 0 pixels, or of 1 where the norm is "instance"; a width too small for
        the doublings.
    """
    options = resolve(flags)
    norm = parse_norm_g(options.norm_G)
    height, width = options.latent_size
    if norm.norm == "instance" and height * width == 1 and not follow_map:
        raise InputError(
            f"crop_size={options.crop_size} with num_upsampling_layers={options.num_upsampling_layers} leaves a coarse "
            f"grid of 1 x 1, which norm_G={options.norm_G!r} cannot normalise: choose "
            f"crop_size={2 ** (options.n_doublings + 1)} or more, fewer doublings, or a batch norm"
        )
    try:
        net = ImageGenerator(
            options.semantic_nc,
            options.z_dim,
            stages=stages_for(options.ngf, options.n_doublings),
            latent_size=(height, width),
            first="noise" if options.use_vae else "map",
            norm=norm.norm,
            nhidden=options.nhidden,
            kernel_size=norm.kernel_size,
            spectral=norm.spectral,
            output_size=None if follow_map else options.output_size,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    init_weights(net, options.init_type, options.init_variance)
    return net
