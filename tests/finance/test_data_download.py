# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import socket
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.data import FetchError, download, fetch
from spade_finance.exceptions import InputError


class Yahoo(types.ModuleType):
    """Answers as yfinance 1.x does: an empty frame and a logged line for every trouble, never an error."""

    def __init__(self) -> None:
        super().__init__("yfinance")
        self.calls: list[tuple[str, str, str]] = []
        self.prices: dict[str, pd.Series[float]] = {}
        self.troubles: list[str] = []  # consumed one per call, before anything is answered

    def download(self, tickers: list[str], start: str, end: str, **options: Any) -> pd.DataFrame:
        assert options["auto_adjust"] is True
        (ticker,) = tickers
        self.calls.append((ticker, start, end))
        empty = pd.DataFrame({"Close": pd.Series(dtype="float64")})
        if self.troubles:
            print("1 Failed download:")
            logging.getLogger("yfinance").error(self.troubles.pop(0))
            return empty
        if ticker not in self.prices:
            logging.getLogger("yfinance").error("$%s: possibly delisted; no timezone found", ticker)
            return empty
        series = self.prices[ticker]
        series = series[(series.index >= start) & (series.index < end)]
        return pd.DataFrame({"Close": series, "Open": series, "Volume": 1})


@pytest.fixture
def yahoo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Yahoo:
    fake = Yahoo()
    days = pd.bdate_range("2019-01-01", "2021-12-31", name="Date")
    rng = np.random.default_rng(0)
    for name, first in (("XLK", "2019-01-01"), ("XLF", "2019-01-01"), ("XLC", "2020-06-01")):
        level = 50 * np.exp(np.cumsum(0.01 * rng.standard_normal(len(days))))
        fake.prices[name] = pd.Series(level, index=days).loc[first:]
    fake.prices["XLF"] = fake.prices["XLF"].drop(pd.Timestamp("2020-03-04"))
    monkeypatch.setitem(sys.modules, "yfinance", fake)
    monkeypatch.setenv("SPADE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        download.time, "sleep", lambda seconds: fake.calls.append(("sleep", str(seconds), ""))
    )
    return fake


def test_returns_are_those_of_the_prices(yahoo: Yahoo) -> None:
    result = sf.fetch(["xlk", "XLF"], "2020-01-02", "2020-12-31")
    together = (
        pd.concat([yahoo.prices["XLK"], yahoo.prices["XLF"]], axis=1).loc["2020-01-02":"2020-12-31"].dropna()
    )
    np.testing.assert_allclose(result.returns, together.pct_change().iloc[1:], rtol=1e-12)
    assert list(result.returns.columns) == ["XLK", "XLF"]
    assert result.returns.index.name == "date"
    assert result.returns.index[-1] == pd.Timestamp("2020-12-31")  # the end is included
    assert pd.Timestamp("2020-03-04") not in result.returns.index
    assert result.missing == ()


def test_every_ticker_is_reported(yahoo: Yahoo) -> None:
    result = fetch(["XLK", "XLF", "NOPE", "XLC"], "2020-01-01", "2020-12-31")
    assert result.missing == ("NOPE",)
    table = result.table
    assert table["status"].to_dict() == {
        "XLK": "downloaded",
        "XLF": "downloaded",
        "NOPE": "$NOPE: possibly delisted; no timezone found",
        "XLC": "downloaded",
    }
    assert table.loc["XLC", "first"] == pd.Timestamp("2020-06-01")
    assert table.loc["XLF", "gaps"] == 1
    assert table.loc["XLK", "gaps"] == 0
    assert table.loc["NOPE", "rows"] == 0
    assert table.loc["XLK", "left_out"] == table.loc["XLK", "rows"] - table.loc["XLC", "rows"]
    assert len(result.returns) == table.loc["XLC", "rows"] - 1
    assert "nothing for NOPE" in repr(result)
    assert result.to_dict()["tickers"][3]["first"].startswith("2020-06-01")


def test_a_second_request_comes_from_the_cache(yahoo: Yahoo, tmp_path: Path) -> None:
    first = fetch(["XLK", "XLF"], "2020-01-01", "2020-12-31")
    calls = len(yahoo.calls)
    again = fetch(["XLF", "XLK"], "2020-01-01", "2020-12-31")
    assert len(yahoo.calls) == calls
    assert set(again.table["status"]) == {"cached"}
    pd.testing.assert_frame_equal(again.returns[["XLK", "XLF"]], first.returns)
    fetch("XLK", "2020-01-01", "2020-11-30")  # another span is another request
    assert len(yahoo.calls) == calls + 1
    assert len(list((tmp_path / "cache" / "yfinance").iterdir())) == 3


def test_a_damaged_cache_file_is_fetched_anew(yahoo: Yahoo, tmp_path: Path) -> None:
    fetch("XLK", "2020-01-01", "2020-12-31", cache_dir=tmp_path / "mine")
    (file,) = (tmp_path / "mine" / "yfinance").iterdir()
    file.write_bytes(b"rubbish")
    assert (
        fetch("XLK", "2020-01-01", "2020-12-31", cache_dir=tmp_path / "mine").table["status"].item()
        == "downloaded"
    )


def test_an_unwritable_cache_costs_a_warning_not_the_answer(yahoo: Yahoo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="could not keep XLK in the cache"):
        assert len(fetch("XLK", "2020-01-01", "2020-12-31", cache_dir=tmp_path / "file").returns)


def test_passing_trouble_is_waited_out_with_growing_pauses(
    yahoo: Yahoo, capfd: pytest.CaptureFixture[str]
) -> None:
    yahoo.troubles = ["Too Many Requests. Rate limited. Try after a while.", "Connection timed out"]
    assert len(fetch("XLK", "2020-01-01", "2020-12-31").returns) > 200
    assert [call[1] for call in yahoo.calls if call[0] == "sleep"] == ["1.0", "2.0"]
    assert capfd.readouterr() == ("", "")  # none of yfinance's chatter
    assert logging.getLogger("yfinance").propagate


def test_no_network_is_said_once_and_plainly(yahoo: Yahoo) -> None:
    yahoo.troubles = ["Failed to perform, curl: (6) Could not resolve host: example.invalid."] * 9
    with pytest.raises(
        FetchError, match=r"no network: .*XLK .*Could not resolve host.*connect and run"
    ) as caught:
        fetch(["XLK", "XLF"], "2020-01-01", "2020-12-31", retries=2)
    assert "\n" not in str(caught.value)
    assert [call[0] for call in yahoo.calls].count("XLK") == 3
    assert [call[0] for call in yahoo.calls].count("XLF") == 0


def test_a_refusing_service_is_told_from_no_network(yahoo: Yahoo) -> None:
    yahoo.troubles = ["Too Many Requests. Rate limited. Try after a while."] * 9
    with pytest.raises(
        FetchError, match=r"turned the request for XLK away 4 times .* what has arrived is cached"
    ):
        fetch("XLK", "2020-01-01", "2020-12-31")


def test_unknown_tickers_alone_are_an_error_without_retries(yahoo: Yahoo) -> None:
    with pytest.raises(FetchError, match=r"no ticker has prices .*NOPE: .*NADA: .*check the symbols"):
        fetch(["NOPE", "NADA"], "2020-01-01", "2020-12-31")
    assert [call[0] for call in yahoo.calls] == ["NOPE", "NADA"]


def test_tickers_without_common_days_are_an_error(yahoo: Yahoo) -> None:
    yahoo.prices["OLD"] = yahoo.prices["XLK"].loc[:"2020-05-29"]
    with pytest.raises(FetchError, match=r"share 0 days only.*OLD 2020-01-01 to 2020-05-29"):
        fetch(["OLD", "XLC"], "2020-01-01", "2020-12-31")


def test_an_exception_inside_yfinance_becomes_the_tickers_status(
    yahoo: Yahoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise KeyError("chart")

    monkeypatch.setattr(yahoo, "download", fail)
    with pytest.raises(FetchError, match="XLK: KeyError: 'chart'"):
        fetch("XLK", "2020-01-01", "2020-12-31")


def test_today_is_never_asked_for(yahoo: Yahoo) -> None:
    """The day's bar is not final while the exchange is open, and the cache would keep it."""
    now = pd.Timestamp.now().normalize()
    days = pd.bdate_range(end=now, periods=30)
    yahoo.prices["NEW"] = pd.Series(np.linspace(10, 11, 30), index=days)
    result = fetch("NEW", days[0], now + pd.Timedelta(days=30))
    assert result.returns.index[-1] < now
    assert yahoo.calls[0][2] == f"{now:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], "2020-01-01"), "pass at least one symbol"),
        ((["XLK", " "], "2020-01-01"), "pass at least one symbol"),
        ((["XLK"], "soon"), "start='soon' is no date; write YYYY-MM-DD"),
        ((["XLK"], "2020-01-01", "NaT"), "end='NaT' is no date"),
        ((["XLK"], "2020-02-01", "2020-01-01"), "start=2020-02-01 must lie before end=2020-01-01"),
        ((["XLK"], "2999-01-01"), "yesterday at the latest"),
    ],
)
def test_bad_requests_never_reach_the_network(yahoo: Yahoo, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch(*arguments)
    assert yahoo.calls == []


def test_the_default_cache_is_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPADE_CACHE", raising=False)
    assert download.default_cache().name == "spade-finance"
    monkeypatch.setenv("SPADE_CACHE", "~/elsewhere")
    assert download.default_cache() == Path.home() / "elsewhere"


def test_the_real_yfinance_without_a_network(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("yfinance")
    try:
        socket.getaddrinfo("finance.yahoo.com", 443)
        pytest.skip("this machine has a network: the offline case cannot be seen here")
    except OSError:
        pass
    with pytest.raises(FetchError, match="no network: Yahoo Finance cannot be reached for SPY"):
        fetch("SPY", "2020-01-01", "2020-02-01", cache_dir=tmp_path, retries=0)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.rglob("*.parquet")) == []
