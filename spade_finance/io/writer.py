# SPDX-License-Identifier: Apache-2.0
"""Write scenarios batch by batch, so that a million paths need the memory of one batch."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spade_finance.exceptions import InputError
from spade_finance.io.atomic import atomic_path
from spade_finance.io.cube import NetcdfSink, ZarrSink
from spade_finance.io.layout import Block, Codes, Header, Paths, file_format
from spade_finance.io.long import CsvSink, ParquetSink

if TYPE_CHECKING:
    from spade_finance.scenarios import ScenarioSet

BUFFER_ROWS = 1 << 18
"""Rows (paths times days) gathered before they are written: a sensible Parquet row group."""

__all__ = ["ScenarioWriter"]


class Sink(Protocol):
    """One file being written in one format."""

    def write(self, block: Block) -> None:
        """Append the paths of `block`."""

    def finish(self, provenance: dict[str, Any], n_paths: int, target: Path) -> None:
        """Add the metadata and close."""

    def abandon(self) -> None:
        """Close after an error."""


class ScenarioWriter:
    """Context manager that appends batches of paths to a scenario file.

    The file appears at `path` when the block ends well and not before; an exception (Ctrl-C included) leaves
    nothing behind. Sectors, regimes, days and dates are the first batch's, and every later batch must agree.

    Parameters
    ----------
    path : path
        The file to write, ``.parquet``, ``.csv``, ``.csv.gz``, ``.nc`` or ``.zarr``.
    renumber : bool
        Number the paths on from 0 in the order they come (default), or keep each batch's own numbers.

    Attributes
    ----------
    n_paths : int
        Paths written so far.

    Raises
    ------
    InputError
        On an unknown suffix, a batch unlike the first, path numbers that do not rise, or no batch at all.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> with ScenarioWriter("million.parquet") as out:              # doctest: +SKIP
    ...     for batch in model.sample_batches("markov:252", 1_000_000, random_state=0):
    ...         out.write(batch)
    """

    def __init__(self, path: str | os.PathLike[str], *, renumber: bool = True) -> None:
        self.path = Path(path)
        self.renumber = renumber
        self.n_paths = 0
        self._format = file_format(self.path)
        self._header: Header | None = None
        self._provenance: dict[str, Any] = {}
        self._timeline: Codes | None = None
        self._buffer: list[Block] = []
        self._sink: Sink | None = None
        self._last = -1
        self._atomic: AbstractContextManager[Path] | None = None
        self._part = self.path

    def __enter__(self) -> ScenarioWriter:
        if self.path.is_dir() and not (self._format == ".zarr" and _is_zarr(self.path)):
            raise InputError(f"{self.path} is a folder that is no scenario file: choose another name")
        self._atomic = atomic_path(self.path)
        self._part = self._atomic.__enter__()
        return self

    def write(self, batch: ScenarioSet) -> None:
        """Append the paths of `batch`; its sectors, regimes, days and dates must be the first one's."""
        if self._atomic is None:
            raise RuntimeError("ScenarioWriter.write is called inside its with block")
        header = Header(batch.sectors, batch.regimes, batch.n_days, batch.dates, batch.codes.ndim == 2)
        if self._header is None:
            self._header, self._provenance = header, batch.provenance
            self._timeline = None if header.per_path else batch.codes
        elif difference := self._header.mismatch(header):
            raise InputError(f"a batch for {self.path} differs from the first: {difference}")
        block = Block(batch.simple_array, batch.codes, self._number(batch))
        if self._timeline is not None and not np.array_equal(self._timeline, block.codes):
            raise InputError(f"a batch for {self.path} has another regime timeline than the first")
        self._buffer.append(block)
        self.n_paths += len(block.paths)
        if sum(len(b.paths) for b in self._buffer) * header.n_days >= BUFFER_ROWS:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._atomic is not None
        atomic, self._atomic = self._atomic, None
        try:
            if error is None:
                if self._header is None:
                    raise InputError(f"no paths were given for {self.path}: nothing to write")
                self._flush()
                assert self._sink is not None
                self._sink.finish(self._provenance, self.n_paths, self.path)
            elif self._sink is not None:
                self._sink.abandon()
        except BaseException as failure:
            if error is None and self._sink is not None:
                self._sink.abandon()
            atomic.__exit__(type(failure), failure, failure.__traceback__)
            raise
        atomic.__exit__(kind, error, trace)

    def _number(self, batch: ScenarioSet) -> Paths:
        if self.renumber:
            return np.arange(self.n_paths, self.n_paths + batch.n_paths, dtype=np.int32)
        if len(batch.paths) and int(batch.paths[0]) <= self._last:
            raise InputError(
                f"path {int(batch.paths[0])} comes after path {self._last}: path numbers must rise"
            )
        self._last = int(batch.paths[-1])
        return batch.paths

    def _flush(self) -> None:
        """Write what has been gathered as one block."""
        if not self._buffer:
            return
        assert self._header is not None
        if self._sink is None:
            self._sink = self._open()
        block = Block(
            np.concatenate([b.simple for b in self._buffer]),
            np.concatenate([b.codes for b in self._buffer]) if self._timeline is None else self._timeline,
            np.concatenate([b.paths for b in self._buffer]),
        )
        self._buffer = []
        self._sink.write(block)

    def _open(self) -> Sink:
        assert self._header is not None
        if self._format == ".parquet":
            return ParquetSink(self._part, self._header)
        if self._format == ".nc":
            return NetcdfSink(self._part, self._header)
        if self._format == ".zarr":
            return ZarrSink(self._part, self._header)
        return CsvSink(self._part, self._header, compressed=self._format == ".csv.gz")


def _is_zarr(folder: Path) -> bool:
    """Whether `folder` may be replaced by a Zarr store: it is one, or it is empty."""
    return any((folder / name).is_file() for name in (".zgroup", "zarr.json")) or not any(folder.iterdir())
