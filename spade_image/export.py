# SPDX-License-Identifier: Apache-2.0
"""The generator for other programs: ONNX, or a file of ``torch.export``, checked against the network itself.

Spectral norm is folded, so the file holds plain convolutions. Inputs are ``segmap (B, S, H, W)`` floats (one channel a
class, dontcare, edges; as ``official.preprocess`` makes it) and, for a model with styles, ``z (B, z_dim)``; output is
``image (B, 3, H, W)`` in [-1, 1]. The batch is free; height and width are those asked for.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from spade_core.checkpoint import write_atomic
from spade_image.exceptions import InputError
from spade_image.folding import folded_copy
from spade_image.model import ImageModel

__all__ = ["FORMATS", "ExportReport", "export_model"]

FORMATS = ("onnx", "torch")
FLOOR = 1e-4
"""Least tolerance: another runtime's order of float32 sums, on outputs in [-1, 1]."""
FACTOR = 10.0
"""Tolerance over the network's own rounding error, where that is larger."""
POOR = 4e-3
"""Rounding error from which on the user is told: half a level of 8 bits."""


@dataclass(frozen=True)
class ExportReport:
    """What was written and how far it is from the network's own output."""

    path: str
    format: str
    inputs: dict[str, list[int | str]]
    """Shapes; "batch" where any number goes."""
    max_difference: float
    """Largest difference from the network on the batches of the check."""
    float32_error: float
    """Largest difference of the network in float32 from itself in float64, on the same batches."""
    tolerance: float
    """What the difference may be: ten times the network's own rounding error, and at least 1e-4."""
    size_mib: float
    checked_with: str

    @property
    def remark(self) -> str:
        """What the user should know of the network's own rounding; empty where it is harmless."""
        if self.float32_error < POOR:
            return ""
        return (
            f"in float32 the network itself is {self.float32_error:.2g} from its float64 output on the check's maps "
            "(1 is half the range of a picture): they are unlike those of its training; export at the training size"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


class _Entry(nn.Module):
    """The folded network with named inputs."""

    def __init__(self, net: nn.Module, styles: bool) -> None:
        super().__init__()
        self.net, self.styles = net, styles

    def forward(self, segmap: Tensor, z: Tensor | None = None) -> Tensor:
        """Generate."""
        return self.net(segmap, z) if self.styles else self.net(segmap)


def _example(model: ImageModel, size: tuple[int, int], batch: int) -> tuple[Tensor, ...]:
    """A map of blocks and styles that are the same every time."""
    o, (height, width) = model.options, size
    step = model.grid // 4
    rows, columns = torch.arange(height)[:, None] // step, torch.arange(width) // step
    maps = torch.stack([(rows * 3 + columns * 5 + b) % o.label_nc for b in range(batch)])
    segmap = model.segmap(maps).cpu()
    if not o.use_vae:
        return (segmap,)
    return segmap, torch.randn(batch, o.z_dim, generator=torch.Generator().manual_seed(batch))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and deprecation notes of its own code from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def export_model(
    model: ImageModel,
    path: str | Path,
    format: Literal["onnx", "torch"] = "onnx",
    *,
    size: tuple[int, int] | None = None,
    check: bool = True,
) -> ExportReport:
    """Write the generator as ONNX or by ``torch.export``, and compare it with the network.

    Parameters
    ----------
    model : ImageModel
    path : path
        ``.onnx`` or ``.pt2``; appears whole or not at all.
    format : "onnx" or "torch"
        ONNX needs the packages onnx and onnxscript, and onnxruntime for the check.
    size : (height, width), optional
        Default: the training size of the options.
    check : bool
        Run the written file on three batches of different size and compare.

    Returns
    -------
    ExportReport

    Raises
    ------
    InputError
        An unknown format, a size off the grid, or a missing package.
    RuntimeError
        The written file's output differs from the network's by more than ``max(1e-4, 10 e)``, with e the network's own
        rounding error: its float32 output against its float64 output on the same maps. The file is not kept.
    """
    if format not in FORMATS:
        raise InputError(f"format={format!r} is unknown: choose one of {', '.join(FORMATS)}")
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder: give the file to write, .onnx or .pt2")
    height, width = size or model.options.output_size
    if height < model.grid or width < model.grid or height % model.grid or width % model.grid:
        raise InputError(
            f"size=({height}, {width}) does not fit: pass two sides, each a multiple of {model.grid}"
        )
    entry = _Entry(folded_copy(model.generator).cpu(), model.options.use_vae).eval()
    example = _example(model, (height, width), 2)
    names = ["segmap", "z"][: len(example)]
    batch = torch.export.Dim("batch", min=1, max=4096)
    shapes = {name: {0: batch} for name in names}
    with _quiet():
        program = torch.export.export(entry, example, dynamic_shapes=shapes, strict=False)
    data = _onnx_bytes(program, names) if format == "onnx" else _torch_bytes(program)
    difference, rounding, by = 0.0, 0.0, "nothing"
    differences: list[Tensor] = []
    errors: list[Tensor] = []
    if check:
        run, by = _runner(data, format, names)
        exact = copy.deepcopy(entry).double()
        for n in (2, 3, 1):
            inputs = _example(model, (height, width), n)
            with torch.no_grad():
                expected = entry(*inputs)
                differences.append((run(inputs) - expected).abs().max())
                errors.append((expected - exact(*(t.double() for t in inputs))).abs().max())
        # torch's maximum, because Python's overlooks NaN
        difference, rounding = float(torch.stack(differences).max()), float(torch.stack(errors).max())
    tolerance = max(FLOOR, FACTOR * rounding)
    if not difference <= tolerance:
        raise RuntimeError(
            f"the exported file differs from the network by {difference:.2g}, where {tolerance:.2g} is allowed "
            f"({FACTOR:g} times the network's own rounding error of {rounding:.2g}, at least {FLOOR:g}); "
            "it was not kept"
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data)
    free: dict[str, list[int | str]] = {
        name: ["batch", *t.shape[1:]] for name, t in zip(names, example, strict=True)
    }
    return ExportReport(str(path), format, free, difference, rounding, tolerance, len(data) / 2**20, by)


def _onnx_bytes(program: torch.export.ExportedProgram, names: list[str]) -> bytes:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"format='onnx' needs the package {error.name}: pip install onnx onnxscript onnxruntime"
        ) from error
    with _quiet():
        exported = torch.onnx.export(
            program, (), input_names=names, output_names=["image"], dynamo=True, verbose=False
        )
    assert exported is not None
    return bytes(exported.model_proto.SerializeToString())


def _torch_bytes(program: torch.export.ExportedProgram) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "program.pt2")
        with _quiet():
            torch.export.save(program, file)
        return Path(file).read_bytes()


def _runner(data: bytes, format: str, names: list[str]) -> tuple[Any, str]:
    if format == "torch":
        with _quiet():
            module = torch.export.load(io.BytesIO(data)).module()
        return lambda inputs: module(*inputs), "torch.export"
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            "the check needs onnxruntime: pip install onnxruntime, or export with check=False"
        ) from error
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def run(inputs: tuple[Tensor, ...]) -> Tensor:
        feed = {name: t.numpy() for name, t in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return run, f"onnxruntime {onnxruntime.__version__}"
