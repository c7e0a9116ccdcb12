# SPDX-License-Identifier: Apache-2.0
"""Daily returns of tickers from yfinance: cached on disk, retried with patience, reported ticker by ticker.

yfinance answers trouble with an empty frame and a printed line. Here it is silenced and listened to: what it
says becomes the status of that ticker, and nothing at all becomes a :class:`FetchError` that names the likely
cause.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from spade_finance.data.validate import to_days, validate_returns
from spade_finance.exceptions import InputError
from spade_finance.io.atomic import atomic_path

_NETWORK = re.compile(r"resolve|connect|timed? ?out|DNSError|unreachable|SSL|proxy|network", re.IGNORECASE)
_BUSY = re.compile(r"too many requests|rate limit|429|50[0234]", re.IGNORECASE)


class FetchError(RuntimeError):
    """Nothing usable came back from the data service: no network, a refusal, or unknown tickers."""


@dataclass(frozen=True, repr=False)
class FetchResult:
    """What came back.

    Attributes
    ----------
    returns : DataFrame of shape (n_days, n_tickers that answered)
        Decimal simple returns of prices adjusted for splits and dividends, on the days that all of them have.
    table : DataFrame, one row per requested ticker
        ``status`` ("downloaded", "cached" or the reason why not), ``rows`` (prices), ``first``, ``last``,
        ``gaps`` (days between its first and last that another ticker has and it has not), ``left_out`` (its
        days that `returns` lacks because another ticker has none).
    missing : tuple of str
        Tickers without any price.
    """

    returns: pd.DataFrame
    table: pd.DataFrame
    missing: tuple[str, ...]

    def __repr__(self) -> str:
        days = self.returns.index
        missing = f", nothing for {', '.join(self.missing)}" if self.missing else ""
        return (
            f"FetchResult({self.returns.shape[1]} tickers, {len(days)} returns, {days[0]:%Y-%m-%d} to "
            f"{days[-1]:%Y-%m-%d}{missing})\n{self.table.to_string()}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report (not the returns) as JSON-able data."""
        rows = json.loads(self.table.reset_index().to_json(orient="records", date_format="iso"))
        return {"tickers": rows, "missing": list(self.missing), "rows": len(self.returns)}


def fetch(
    tickers: Sequence[str] | str,
    start: str | pd.Timestamp,
    end: str | pd.Timestamp | None = None,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    retries: int = 3,
    wait_seconds: float = 1.0,
) -> FetchResult:
    """Download adjusted daily closes with yfinance and return simple returns.

    Parameters
    ----------
    tickers : sequence of str
        Symbols as Yahoo Finance writes them, such as ``["XLK", "XLF"]``.
    start, end : date
        First and last day, both included; `end` defaults to yesterday, the last day that is surely over.
    cache_dir : path, optional
        Where answers are kept, one Parquet file per ticker and span. Defaults to ``$SPADE_CACHE``, else the
        platform's cache folder. Delete the folder to download afresh.
    retries : int
        Tries after the first one when the network or the service fails; the pause doubles each time.
    wait_seconds : float
        The first pause.

    Returns
    -------
    FetchResult

    Raises
    ------
    InputError
        If the request itself is wrong (no ticker, dates that are none or reversed).
    FetchError
        If the network fails or no ticker has data.
    """
    names = _tickers(tickers)
    first, last = _span(start, end)
    folder = Path(cache_dir) if cache_dir is not None else default_cache()
    closes: dict[str, pd.Series[Any]] = {}
    status: dict[str, str] = {}
    for name in names:
        kept = _from_cache(folder, name, first, last)
        if kept is not None:
            closes[name], status[name] = kept, "cached"
    for name in names:
        if name in closes:
            continue
        close, said = _download(name, first, last, retries, wait_seconds)
        if close is None:
            status[name] = said
            continue
        closes[name], status[name] = close, "downloaded"
        _to_cache(folder, name, first, last, close)
    if not closes:
        told = "; ".join(f"{name}: {status[name]}" for name in names)
        raise FetchError(
            f"no ticker has prices from {first:%Y-%m-%d} to {last:%Y-%m-%d} ({told}); check the symbols on "
            "Yahoo Finance and the dates, or pass a file of your own"
        )
    return _assemble(names, closes, status)


def default_cache() -> Path:
    """``$SPADE_CACHE`` if set, else the platform's cache folder for spade-finance; not created yet."""
    chosen = os.environ.get("SPADE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs  # comes with yfinance

    return Path(platformdirs.user_cache_dir("spade-finance", appauthor=False))


def _tickers(tickers: Sequence[str] | str) -> list[str]:
    given = [tickers] if isinstance(tickers, str) else list(tickers)
    names = list(dict.fromkeys(str(name).strip().upper() for name in given))
    if not names or not all(names):
        raise InputError(f"tickers={tickers!r}: pass at least one symbol, such as XLK")
    return names


def _span(start: Any, end: Any) -> tuple[pd.Timestamp, pd.Timestamp]:
    yesterday = pd.Timestamp.now().normalize() - pd.Timedelta(days=1)
    days = []
    for name, value in (("start", start), ("end", yesterday if end is None else end)):
        try:
            day = pd.Timestamp(value)
        except (ValueError, TypeError):
            day = pd.NaT  # type: ignore[assignment]
        if pd.isna(day):
            raise InputError(f"{name}={value!r} is no date; write YYYY-MM-DD")
        days.append(day.tz_localize(None).normalize())
    first, last = days[0], min(days[1], yesterday)
    if first >= last:
        raise InputError(
            f"start={first:%Y-%m-%d} must lie before end={last:%Y-%m-%d} (which is yesterday at the latest)"
        )
    return first, last


def _cache_file(folder: Path, ticker: str, first: pd.Timestamp, last: pd.Timestamp) -> Path:
    request = json.dumps(
        [1, "yfinance", ticker, f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", "1d", "auto_adjust"]
    )
    plain = re.sub(r"[^A-Z0-9.-]", "_", ticker)
    return folder / "yfinance" / f"{plain}-{hashlib.sha256(request.encode()).hexdigest()[:16]}.parquet"


def _from_cache(folder: Path, ticker: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.Series[Any] | None:
    file = _cache_file(folder, ticker, first, last)
    if not file.is_file():
        return None
    try:
        table = pd.read_parquet(file)
        return pd.Series(
            table["close"].to_numpy("float64"), index=pd.DatetimeIndex(table["date"]), name=ticker
        )
    except Exception:  # whatever is wrong with a cache file, the remedy is to fetch again
        return None


def _to_cache(
    folder: Path, ticker: str, first: pd.Timestamp, last: pd.Timestamp, close: pd.Series[Any]
) -> None:
    file = _cache_file(folder, ticker, first, last)
    try:
        with atomic_path(file) as part:
            pd.DataFrame({"date": close.index, "close": close.to_numpy()}).to_parquet(part, index=False)
    except OSError as error:
        warnings.warn(f"could not keep {ticker} in the cache {folder} ({error})", stacklevel=3)


def _download(
    ticker: str, first: pd.Timestamp, last: pd.Timestamp, retries: int, wait_seconds: float
) -> tuple[pd.Series[Any] | None, str]:
    """One ticker's closes, or None and the reason; FetchError when the network is the reason."""
    import yfinance

    said = ""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(wait_seconds * 2 ** (attempt - 1))
        with _overheard() as heard:
            try:
                frame = yfinance.download(
                    [ticker],
                    start=f"{first:%Y-%m-%d}",
                    end=f"{last + pd.Timedelta(days=1):%Y-%m-%d}",  # yfinance leaves the end out
                    auto_adjust=True,
                    progress=False,
                    threads=False,
                    multi_level_index=False,
                )
            except Exception as error:  # yfinance lets its transport's many kinds of error through
                heard.append(f"{type(error).__name__}: {error}")
                frame = None
        close = _close(frame, ticker)
        if close is not None:
            return close, ""
        said = " ".join(" ".join(heard).split())
        if not (_NETWORK.search(said) or _BUSY.search(said)):
            return None, _short(said) or "nothing came back"
    if _BUSY.search(said):
        raise FetchError(
            f"Yahoo Finance turned the request for {ticker} away {retries + 1} times ({_short(said)}); wait "
            "some minutes and run the same command again: what has arrived is cached"
        )
    raise FetchError(
        f"no network: Yahoo Finance cannot be reached for {ticker} ({_short(said)}); connect and run the "
        "same command again, or use a file of your own, or the embedded sectors (load_sectors), which need "
        "no network"
    )


def _close(frame: Any, ticker: str) -> pd.Series[Any] | None:
    """Adjusted closes of a yfinance frame as a clean series, or None if there are none."""
    if frame is None or len(frame) == 0 or "Close" not in frame.columns:
        return None
    close = frame["Close"]
    if isinstance(close, pd.DataFrame):  # older versions keep a level for the ticker
        close = close.iloc[:, 0]
    close = close.dropna().astype("float64").rename(ticker)
    if close.empty:
        return None
    index = pd.DatetimeIndex(close.index)
    close.index = to_days(index.tz_localize(None) if index.tz is not None else index, f"yfinance {ticker}")
    return close[~close.index.duplicated(keep="last")].sort_index()


def _assemble(names: list[str], closes: dict[str, pd.Series[Any]], status: dict[str, str]) -> FetchResult:
    """Common days of all tickers, as returns, and the report."""
    prices = pd.concat([closes[name] for name in names if name in closes], axis=1, sort=True)
    common = prices.dropna()
    rows = []
    for name in names:
        close = closes.get(name)
        if close is None:
            rows.append({"ticker": name, "status": status[name], "rows": 0})
            continue
        alive = prices.loc[close.index[0] : close.index[-1], name]
        rows.append(
            {
                "ticker": name,
                "status": status[name],
                "rows": len(close),
                "first": close.index[0],
                "last": close.index[-1],
                "gaps": int(alive.isna().sum()),
                "left_out": len(close) - len(common),
            }
        )
    columns = ["ticker", "status", "rows", "first", "last", "gaps", "left_out"]
    table = pd.DataFrame(rows, columns=columns).set_index("ticker")
    table = table.astype({"gaps": "Int64", "left_out": "Int64"})
    if len(common) < 3:
        raise FetchError(
            f"the tickers share {len(common)} days only; fetch them with a span that all of them cover: "
            + ", ".join(
                f"{name} {closes[name].index[0]:%Y-%m-%d} to {closes[name].index[-1]:%Y-%m-%d}"
                for name in closes
            )
        )
    returns = validate_returns(common, source="yfinance", kind="price", min_rows=2)
    return FetchResult(returns, table, tuple(name for name in names if name not in closes))


@contextlib.contextmanager
def _overheard() -> Iterator[list[str]]:
    """Silence yfinance (logger, prints, warnings) inside the block and collect what it logged and printed."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    logger = logging.getLogger("yfinance")
    before = (logger.handlers[:], logger.level, logger.propagate)
    logger.handlers, logger.propagate = [Ear()], False
    logger.setLevel(logging.WARNING)
    printed = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            warnings.simplefilter("ignore")
            yield heard
    finally:
        logger.handlers, logger.propagate = before[0], before[2]
        logger.setLevel(before[1])
        if printed.getvalue().strip():
            heard.append(printed.getvalue())


def _short(said: str, most: int = 160) -> str:
    return said if len(said) <= most else said[: most - 3] + "..."
