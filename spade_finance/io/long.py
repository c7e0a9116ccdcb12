# SPDX-License-Identifier: Apache-2.0
"""Long scenario files, one row a path and day: Parquet row group by row group, CSV line by line."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from spade_finance.exceptions import InputError
from spade_finance.io.atomic import write_text
from spade_finance.io.layout import RESERVED, Block, Header, decode, encode

__all__ = ["CsvSink", "ParquetSink", "read_csv", "read_parquet"]


class ParquetSink:
    """Appends blocks to a Parquet file, one row group each."""

    def __init__(self, part: Path, header: Header) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.header = header
        fields = [("path", pa.int32()), ("step", pa.int32())]
        if header.dates is not None:
            fields.append(("date", pa.timestamp("us")))
        fields.append(("regime", pa.dictionary(pa.int8(), pa.string(), ordered=True)))
        fields += [(sector, pa.float32()) for sector in header.sectors]
        self.schema = pa.schema(fields)
        # Dictionaries pay for the repeating columns and only cost time on returns, which never repeat.
        repeating = [name for name in RESERVED if name in self.schema.names]
        self.file = pq.ParquetWriter(part, self.schema, use_dictionary=repeating)

    def write(self, block: Block) -> None:
        """Append the rows of `block`."""
        self.file.write_table(_table(self.header, block, self.schema))

    def finish(self, provenance: dict[str, Any], n_paths: int, target: Path) -> None:
        """Add the metadata and close."""
        self.file.add_key_value_metadata({"spade": encode(self.header, provenance, n_paths)})
        self.file.close()

    def abandon(self) -> None:
        """Close after an error; the caller removes the file."""
        self.file.close()


class CsvSink:
    """Appends blocks to a CSV file, gzipped when the name says so. Floats keep their shortest exact form."""

    def __init__(self, part: Path, header: Header, *, compressed: bool) -> None:
        self.header = header
        self.part = part
        # No file name and no time in the gzip header: the same scenarios give the same bytes.
        self.raw = part.open("wb")
        self.file: IO[bytes] = (
            gzip.GzipFile("", "wb", compresslevel=4, fileobj=self.raw, mtime=0)  # type: ignore[assignment]
            if compressed
            else self.raw
        )
        text = io.StringIO()
        columns = [name for name in RESERVED if name != "date" or header.dates is not None]
        csv.writer(text, lineterminator="\n").writerow([*columns, *header.sectors])
        self.file.write(text.getvalue().encode())

    def write(self, block: Block) -> None:
        """Append the rows of `block`."""
        import pyarrow as pa
        import pyarrow.csv as pacsv

        table = _table(self.header, block)
        if self.header.dates is not None:
            at = table.schema.names.index("date")
            table = table.set_column(at, "date", table["date"].cast(pa.date32()))
        # Numbers, dates and regime names (plain words) never need quotes.
        pacsv.write_csv(table, self.file, pacsv.WriteOptions(include_header=False, quoting_style="none"))

    def finish(self, provenance: dict[str, Any], n_paths: int, target: Path) -> None:
        """Close, and write the metadata beside `target`."""
        self.abandon()
        metadata = json.loads(encode(self.header, provenance, n_paths))
        metadata["csv_bytes"] = self.part.stat().st_size
        write_text(_beside(target), json.dumps(metadata, indent=1, ensure_ascii=False) + "\n")

    def abandon(self) -> None:
        """Close after an error; the caller removes the file."""
        self.file.close()
        self.raw.close()


def read_parquet(path: Path) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """Read the rows and, if there is any, the metadata."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    if len(set(table.schema.names)) < len(table.schema.names):
        raise InputError(f"{path} has a column twice: name each sector once")
    found = table.schema.metadata or {}
    frame = table.to_pandas()
    # pandas files keep path, step or date in the index, or a row number without a name.
    named = [name for name in frame.index.names if name is not None]
    frame = frame.reset_index(named).reset_index(drop=True) if named else frame.reset_index(drop=True)
    file_keys = pq.read_metadata(path).metadata or {}
    text = file_keys.get(b"spade", found.get(b"spade"))
    return frame, None if text is None else decode(text, path)


def read_csv(path: Path) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """Read the rows and, if the file beside it belongs to it, the metadata."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    beside = _beside(path)
    metadata = None
    if beside.is_file():
        text = beside.read_text(encoding="utf-8")
        metadata = decode(text, beside)
        if metadata.get("csv_bytes") != path.stat().st_size:
            metadata = None
    # Parsing decimal text as float32 straight away gives the very float32 that was written.
    types = {sector: pa.float32() for sector in metadata["sectors"]} if metadata else {}
    types |= {"regime": pa.dictionary(pa.int32(), pa.string()), "date": pa.string()}
    table = pacsv.read_csv(path, convert_options=pacsv.ConvertOptions(column_types=types))
    if len(set(table.schema.names)) < len(table.schema.names):
        raise InputError(f"{path} has a column twice: name each sector once")
    return table.to_pandas(), metadata


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".meta.json")


def _table(header: Header, block: Block, schema: Any = None) -> Any:
    """Long rows of `block` as a pyarrow table, path after path."""
    import pyarrow as pa

    m, days = block.simple.shape[:2]
    codes = np.broadcast_to(block.codes, (m, days)).reshape(-1)
    columns: dict[str, Any] = {
        "path": np.repeat(block.paths, days),
        "step": np.tile(np.arange(days, dtype=np.int32), m),
    }
    if header.dates is not None:
        columns["date"] = pa.array(np.tile(header.dates.as_unit("us").to_numpy(), m))
    columns["regime"] = pa.DictionaryArray.from_arrays(
        pa.array(codes), pa.array(header.regimes), ordered=True
    )
    if schema is None:
        columns["regime"] = columns["regime"].cast(pa.string())
    for s, sector in enumerate(header.sectors):
        columns[sector] = np.ascontiguousarray(block.simple[:, :, s]).reshape(-1)
    return pa.table(columns, schema=schema)
