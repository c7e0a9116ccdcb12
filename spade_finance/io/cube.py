# SPDX-License-Identifier: Apache-2.0
"""Cube scenario files, ``(path, time, asset)``: netCDF-4 with a growing path dimension, chunked Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.io.layout import Block, Codes, Floats, Header, Paths, decode, encode

CHUNK_BYTES = 1 << 20
"""A chunk of a cube file: small enough to read one path quickly, large enough to stream."""
SIMPLE_ATTRS = {"long_name": "simple return", "units": "1"}

__all__ = ["NetcdfSink", "ZarrSink", "read_cube"]


class NetcdfSink:
    """Appends blocks to a netCDF-4 file (HDF5), extending its unlimited ``path`` dimension."""

    def __init__(self, part: Path, header: Header) -> None:
        import h5netcdf
        import h5py  # type: ignore[import-untyped, unused-ignore]

        self.header, self.n = header, 0
        days, assets = header.n_days, len(header.sectors)
        self.file = h5netcdf.File(part, "w")
        self.file.dimensions = {"path": None, "time": days, "asset": assets}
        rows = _rows_a_chunk(header)
        self.file.create_variable("path", ("path",), np.int32, chunks=(max(rows, 1024),))
        time = self.file.create_variable("time", ("time",), np.int32)
        if header.dates is not None:
            time[...] = ((header.dates - pd.Timestamp("1970-01-01")) // pd.Timedelta(days=1)).astype("int32")
            time.attrs["units"] = "days since 1970-01-01"
            time.attrs["calendar"] = "proleptic_gregorian"
        else:
            time[...] = np.arange(days, dtype=np.int32)
        asset = self.file.create_variable("asset", ("asset",), h5py.string_dtype())
        asset[...] = np.array(header.sectors, dtype=object)
        returns = self.file.create_variable(
            "simple_return", ("path", "time", "asset"), np.float32, chunks=(rows, days, assets)
        )
        returns.attrs.update(SIMPLE_ATTRS)
        if header.per_path:
            regime = self.file.create_variable(
                "regime", ("path", "time"), np.int8, chunks=(max(rows, 64), days)
            )
        else:
            regime = self.file.create_variable("regime", ("time",), np.int8)
        regime.attrs.update(_flags(header))

    def write(self, block: Block) -> None:
        """Append the paths of `block`."""
        start, stop = self.n, self.n + len(block.paths)
        self.file.resize_dimension("path", stop)
        self.file.variables["path"][start:stop] = block.paths
        self.file.variables["simple_return"][start:stop] = block.simple
        if self.header.per_path:
            self.file.variables["regime"][start:stop] = block.codes
        elif start == 0:
            self.file.variables["regime"][...] = block.codes
        self.n = stop

    def finish(self, provenance: dict[str, Any], n_paths: int, target: Path) -> None:
        """Add the metadata and close."""
        self.file.attrs.update(_attrs(self.header, provenance, n_paths))
        self.file.close()

    def abandon(self) -> None:
        """Close after an error; the caller removes the file."""
        self.file.close()


class ZarrSink:
    """Appends blocks to a Zarr store (format 2, which every reader knows), a folder."""

    def __init__(self, part: Path, header: Header) -> None:
        try:
            import zarr  # noqa: F401
        except ImportError as error:
            raise InputError(
                "writing .zarr needs the package zarr: pip install 'spade-finance[scale]', "
                "or choose .nc or .parquet"
            ) from error
        self.part, self.header, self.n = part, header, 0

    def write(self, block: Block) -> None:
        """Append the paths of `block`."""
        import xarray as xr

        regime_dims = ("path", "time") if self.header.per_path else ("time",)
        arrays: dict[str, Any] = {"simple_return": (("path", "time", "asset"), block.simple, SIMPLE_ATTRS)}
        if self.header.per_path or self.n == 0:
            arrays["regime"] = (regime_dims, np.asarray(block.codes), _flags(self.header))
        coords: dict[str, Any] = {"path": block.paths}
        if self.n == 0:
            dates = self.header.dates
            coords["time"] = (
                np.arange(self.header.n_days, dtype=np.int32) if dates is None else dates.as_unit("ns")
            )
            coords["asset"] = np.array(self.header.sectors, dtype=f"U{max(map(len, self.header.sectors))}")
        dataset = xr.Dataset(arrays, coords)
        if self.n == 0:
            rows, days, assets = _rows_a_chunk(self.header), self.header.n_days, len(self.header.sectors)
            encoding: dict[str, Any] = {
                "simple_return": {"chunks": (rows, days, assets), "compressors": None},
                "path": {"chunks": (max(rows, 1024),)},
            }
            if self.header.per_path:
                encoding["regime"] = {"chunks": (max(rows, 64), days)}
            dataset.to_zarr(self.part, mode="w-", zarr_format=2, consolidated=False, encoding=encoding)
        else:
            dataset.to_zarr(self.part, append_dim="path", zarr_format=2, consolidated=False)
        self.n += len(block.paths)

    def finish(self, provenance: dict[str, Any], n_paths: int, target: Path) -> None:
        """Add and consolidate the metadata."""
        import zarr

        group = zarr.open_group(self.part, mode="r+", zarr_format=2)
        group.attrs.update(_attrs(self.header, provenance, n_paths))
        zarr.consolidate_metadata(self.part, zarr_format=2)

    def abandon(self) -> None:
        """Nothing stays open; the caller removes the folder."""


Cube = tuple[
    Floats, "Codes | None", "Paths | None", tuple[str, ...], tuple[str, ...], "pd.DatetimeIndex | None"
]
"""Simple returns, codes, path numbers, sectors, regimes, dates."""


def read_cube(path: Path) -> tuple[Cube, dict[str, Any] | None]:
    """Read a netCDF file or Zarr store that holds ``simple_return`` over path, time and asset."""
    import xarray as xr

    opener = xr.open_zarr if path.is_dir() else xr.open_dataset
    with opener(path) as dataset:
        metadata = decode(dataset.attrs["spade"], path) if "spade" in dataset.attrs else None
        dims = ("path", "time", "asset")
        if "simple_return" not in dataset or set(dataset["simple_return"].dims) != set(dims):
            has = (
                ", ".join(f"{name}{list(map(str, v.dims))}" for name, v in dataset.data_vars.items())
                or "nothing"
            )
            raise InputError(
                f"{path} holds no variable simple_return over path, time, asset (it holds {has})"
            )
        returns = dataset["simple_return"].transpose(*dims)
        simple = np.ascontiguousarray(returns.to_numpy(), dtype=np.float32)
        if "asset" not in dataset.coords:
            raise InputError(f"{path} names no sectors: give it a coordinate 'asset'")
        sectors = tuple(str(name) for name in dataset["asset"].to_numpy())
        dates = None
        if "time" in dataset.coords and np.issubdtype(dataset["time"].dtype, np.datetime64):
            dates = pd.DatetimeIndex(dataset["time"].to_numpy())
        paths = None
        if "path" in dataset.coords and np.issubdtype(dataset["path"].dtype, np.integer):
            paths = dataset["path"].to_numpy().astype(np.int32)
        codes, regimes = _regimes(dataset["regime"], path) if "regime" in dataset else (None, ())
    return (simple, codes, paths, sectors, regimes, dates), metadata


def _regimes(variable: Any, path: Path) -> tuple[Codes, tuple[str, ...]]:
    """Codes and names of a regime variable: flags (CF) or strings."""
    if set(variable.dims) not in ({"time"}, {"path", "time"}):
        raise InputError(f"{path}: regime has dims {list(variable.dims)}; expected time, or path and time")
    values = variable.transpose("path", "time").to_numpy() if variable.ndim == 2 else variable.to_numpy()
    if "flag_meanings" in variable.attrs:
        regimes = tuple(str(variable.attrs["flag_meanings"]).split())
        flags = np.atleast_1d(variable.attrs.get("flag_values", np.arange(len(regimes))))
        if len(flags) != len(regimes) or not np.isin(values, flags).all():
            raise InputError(f"{path}: regime holds values outside its flag_values {list(map(int, flags))}")
        order = np.argsort(flags)
        return order[np.searchsorted(flags[order], values)].astype(np.int8), regimes
    names, codes = np.unique(values.astype(str), return_inverse=True)
    return codes.reshape(values.shape).astype(np.int8), tuple(map(str, names))


def _rows_a_chunk(header: Header) -> int:
    return max(1, CHUNK_BYTES // (4 * header.n_days * len(header.sectors)))


def _flags(header: Header) -> dict[str, Any]:
    return {
        "flag_values": np.arange(len(header.regimes), dtype=np.int8),
        "flag_meanings": " ".join(header.regimes),
    }


def _attrs(header: Header, provenance: dict[str, Any], n_paths: int) -> dict[str, Any]:
    """Return the full metadata, and the main facts once more as plain attributes for people."""
    attrs: dict[str, Any] = {"return_kind": "simple", "spade": encode(header, provenance, n_paths)}
    for key in ("model_hash", "script", "seed", "version"):
        if isinstance(provenance.get(key), str | int):
            attrs[key] = provenance[key]
    return attrs
