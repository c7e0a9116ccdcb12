# SPDX-License-Identifier: Apache-2.0
"""Files in and out: uploads limited in size and rows and read by the library's own validators; downloads made when
they are asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.regimes import RegimeTimeline
    from spade_finance.scenarios import ScenarioSet

__all__ = [
    "MAX_BYTES", "MAX_ROWS", "download", "download_scenarios", "fresh_folder", "read_timeline", "read_upload", "upload",
    "upload_returns", "uploaded_text",
]  # fmt: skip

MAX_BYTES = 20 * 2**20
MAX_ROWS = 30_000
MAX_COLUMNS = 200

_SUFFIXES = {"parquet": ("Parquet", ".parquet"), "csv": ("CSV", ".csv"), "netcdf": ("netCDF", ".nc")}
MIME = {
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
    ".nc": "application/x-netcdf",
    ".json": "application/json",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".zip": "application/zip",
}


# ---- in


def upload(label: str, types: list[str], *, key: str, help: str | None = None) -> Any:
    """A place to drop one file; None, or Streamlit's uploaded file of at most :data:`MAX_BYTES`.

    Raises
    ------
    InputError
        If it is larger.
    """
    from spade_finance.exceptions import InputError

    found = st.file_uploader(label, type=types, key=key, help=help)
    if found is not None and found.size > MAX_BYTES:
        raise InputError(
            f"{found.name} has {found.size / 2**20:.0f} MB; at most {MAX_BYTES // 2**20} MB are read here: "
            "give fewer rows or columns, or use the command line"
        )
    return found


def upload_returns(label: str, *, key: str, raw: bool = False) -> pd.DataFrame | None:
    """A place to drop a table of returns, with the choice of what it holds; validated simple returns, or None.

    Parameters
    ----------
    raw : bool
        True gives the table as it is (for ``check_returns``), duplicates and gaps included, only its form read.

    Raises
    ------
    InputError
        The library's own words on what is wrong with it, or that it is too large.
    """
    kinds = {"simple": "simple returns", "log": "log returns", "price": "prices"}
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with right:
        kind = st.selectbox("It holds", list(kinds), format_func=kinds.__getitem__, key=f"{key}:kind")
    with left:
        file = upload(
            label, ["csv", "gz", "parquet"], key=key,
            help=f"A date column first, then one column per asset; decimals (0.01 is one percent). CSV, CSV.gz or "
            f"Parquet, up to {MAX_BYTES // 2**20} MB and {MAX_ROWS:,} rows.",
        )  # fmt: skip
    if file is None:
        return None
    return read_upload(file.name, file.getvalue(), kind, raw=raw)


@st.cache_data(max_entries=16, show_spinner="Reading the file…")
def read_upload(name: str, content: bytes, kind: str = "simple", *, raw: bool = False) -> pd.DataFrame:
    """Read an uploaded table through ``spade_finance.data``; the name serves for messages and the suffix alone.

    Raises
    ------
    InputError
    """
    from spade_finance.data import read_raw, validate_returns
    from spade_finance.exceptions import InputError

    if len(content) > MAX_BYTES:
        raise InputError(f"{name}: more than {MAX_BYTES // 2**20} MB")
    _refuse_bombs(name, content)
    with tempfile.TemporaryDirectory(prefix="spade-upload-") as folder:
        place = Path(folder) / _safe(name)
        place.write_bytes(content)
        try:
            table = read_raw(place)
        except InputError as error:
            # Where it lay on the server is nobody's business.
            raise InputError(str(error).replace(str(place), name)) from None
    if len(table) > MAX_ROWS or table.shape[1] > MAX_COLUMNS:
        raise InputError(
            f"{name}: {len(table):,} rows and {table.shape[1]:,} columns; at most {MAX_ROWS:,} and {MAX_COLUMNS} are "
            "taken here: cut it, or use the command line"
        )
    return table if raw else validate_returns(table, source=name, kind=kind)


def read_timeline(
    name: str, content: bytes, regimes: tuple[str, ...], sectors: tuple[str, ...]
) -> RegimeTimeline:
    """Read an uploaded ``timeline.csv``.

    Raises
    ------
    InputError
    """
    from spade_finance.exceptions import InputError
    from spade_finance.regimes import RegimeTimeline

    if len(content) > MAX_BYTES // 10:
        raise InputError(f"{name}: {len(content):,} bytes is more than a timeline has")
    with tempfile.TemporaryDirectory(prefix="spade-upload-") as folder:
        place = Path(folder) / _safe(name)
        place.write_bytes(content)
        return RegimeTimeline.load(place, regimes, sectors)


def uploaded_text(file: Any, *, most: int = 2_000_000) -> str:
    """Text of an uploaded file.

    Raises
    ------
    InputError
        If it is too long or no UTF-8 text.
    """
    from spade_finance.exceptions import InputError

    content: bytes = file.getvalue()
    if len(content) > most:
        raise InputError(f"{file.name}: {len(content):,} bytes, at most {most:,} are read here")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{file.name}: is not UTF-8 text; save it as UTF-8") from None


def _refuse_bombs(name: str, content: bytes) -> None:
    """A gzip file says how large it becomes only while it does; stop in time."""
    import gzip
    import io
    import zlib

    from spade_finance.exceptions import InputError

    if content[:2] != b"\x1f\x8b":
        return
    try:
        with gzip.open(io.BytesIO(content)) as stream:
            if len(stream.read(4 * MAX_BYTES + 1)) > 4 * MAX_BYTES:
                raise InputError(f"{name}: unpacks to more than {4 * MAX_BYTES // 2**20} MB")
    except (OSError, EOFError, zlib.error):
        return  # the reader says what is wrong with it


def _safe(name: str) -> str:
    """A file name that cannot leave its folder."""
    last = Path(name.replace("\\", "/")).name
    return "".join(c if c.isalnum() or c in "._- " else "_" for c in last).lstrip(".") or "upload"


def fresh_folder() -> Path:
    """A new empty folder of this session, removed with it."""
    kept: list[tempfile.TemporaryDirectory[str]] = st.session_state.setdefault("files:folders", [])
    kept.append(tempfile.TemporaryDirectory(prefix="spade-dashboard-", ignore_cleanup_errors=True))
    for old in kept[:-8]:
        old.cleanup()
    del kept[:-8]
    return Path(kept[-1].name)


# ---- out


def download(
    label: str, name: str, content: bytes | str | Callable[[], bytes | str], *, key: str, **more: Any
) -> None:
    """A button that saves a file; a callable is called when it is pressed."""
    suffix = Path(name).suffix
    st.download_button(
        label, content, file_name=name, mime=MIME.get(suffix, "application/octet-stream"), key=key, on_click="ignore",
        icon=more.pop("icon", ":material/download:"), **more,
    )  # fmt: skip


def download_scenarios(scenarios: ScenarioSet, stem: str, *, key: str) -> None:
    """Buttons for the scenario formats, written by ``ScenarioSet.save`` and so exactly as the command line's."""
    for kind, (title, suffix) in _SUFFIXES.items():
        download(
            title, stem + suffix, lambda suffix=suffix: scenario_bytes(scenarios, suffix),  # type: ignore[misc]
            key=f"{key}:{kind}", width="stretch",
        )  # fmt: skip


def scenario_bytes(scenarios: ScenarioSet, suffix: str) -> bytes:
    """A scenario file's content."""
    with tempfile.TemporaryDirectory(prefix="spade-download-") as folder:
        place = Path(folder) / f"scenarios{suffix}"
        scenarios.save(place)
        return place.read_bytes()
