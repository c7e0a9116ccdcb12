# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import socket
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.integrations import quantstats as ours


def daily(n: int = 130, seed: int = 0) -> pd.Series[float]:
    rng = np.random.default_rng(seed)
    return pd.Series(rng.normal(0.0005, 0.01, n), index=pd.bdate_range("2026-01-05", periods=n))


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 101])
def test_paths_are_picked_by_rank(n: int) -> None:
    wealth = np.random.default_rng(n).permutation(n) + 1.0
    found = ours.pick_paths(wealth)
    assert np.mean(wealth <= wealth[found["median"]]) >= 0.5
    assert np.mean(wealth < wealth[found["median"]]) < 0.5
    assert np.mean(wealth <= wealth[found["worst_decile"]]) >= 0.1
    assert np.mean(wealth < wealth[found["worst_decile"]]) < 0.1


@pytest.mark.parametrize("wealth", [[], [[1.0, 2.0]], [1.0, np.nan]])
def test_no_wealth_to_pick_from(wealth: Any) -> None:
    with pytest.raises(sf.InputError, match="one number a path"):
        ours.pick_paths(wealth)


def test_a_tearsheet_is_one_page_that_fetches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("quantstats")
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a tearsheet opens no connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    mine = plt.figure()
    settings = dict(mpl.rcParams)
    returns = daily()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        file = ours.tearsheet(
            returns,
            tmp_path / "new" / "a.html",
            "Risk <parity>",
            provenance={"script": "bull:130", "seed": 7},
        )
    assert dict(mpl.rcParams) == settings
    assert plt.get_fignums() == [mine.number]
    plt.close(mine)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
    assert [p.name for p in file.parent.iterdir()] == ["a.html"]
    page = file.read_text(encoding="utf-8")
    assert "Risk &lt;parity&gt;" in page
    assert "script: bull:130" in page
    assert "seed: 7" in page
    assert not re.search(r"<(link|script|img|iframe)\b[^>]*\b(src|href)=.https?:", page)
    assert "onload" not in page
    assert page.count("<svg") >= 8
    total = 100 * (np.prod(1 + returns) - 1)
    assert re.search(rf"Cumulative Return</td>\s*<td[^>]*>{total:.2f}%", page)


def test_two_paths_of_a_backtest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, str, float]] = []

    def note(returns: pd.Series[float], path: Path, title: str, *_: Any, **__: Any) -> Path:
        written.append((path.name, title, float(np.prod(1 + returns))))
        return path

    monkeypatch.setattr(ours, "tearsheet", note)
    drift = np.random.default_rng(0).permutation(20) * 1e-4
    table = pd.DataFrame({i: daily() * 0 + d for i, d in enumerate(drift)})
    found = ours.tearsheets(table, tmp_path, "Momentum")
    assert set(found) == {"median", "worst_decile"}
    ends = np.sort((1 + drift) ** 130)
    assert written[0] == (
        "tearsheet_median.html", f"Momentum: median path ({int(np.argsort(drift)[9])})", pytest.approx(ends[9])
    )  # fmt: skip
    assert written[1][0] == "tearsheet_worst_decile.html"
    assert written[1][2] == pytest.approx(ends[1])


def test_what_makes_no_tearsheet_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, out = daily(), tmp_path / "a.html"
    broken = good.copy()
    broken.iloc[3] = np.nan
    for returns, words in (
        (good.to_frame(), "returns is DataFrame: pass a Series"),
        (good.reset_index(drop=True), "returns is indexed by int64, not by dates"),
        (good.iloc[:20], "returns has 20 days: a tearsheet needs 126"),
        (broken, "returns is nan on 2026-01-08"),
        (good * 0 + 0.001, "returns never moves"),
    ):
        with pytest.raises(sf.InputError, match=words):
            ours.tearsheet(returns, out)  # type: ignore[arg-type]
    with pytest.raises(sf.InputError, match="benchmark is str"):
        ours.tearsheet(good, out, benchmark="SPY")  # type: ignore[arg-type]
    with pytest.raises(sf.InputError, match="benchmark has other dates"):
        ours.tearsheet(good, out, benchmark=daily(127))
    with pytest.raises(sf.InputError, match=r"ends in \.html"):
        ours.tearsheet(good, tmp_path / "a.pdf")
    ours._library.cache_clear()
    monkeypatch.setitem(sys.modules, "quantstats", None)
    with pytest.raises(sf.InputError, match="needs quantstats: pip install quantstats"):
        ours.tearsheet(good, out)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_with_a_benchmark_the_page_compares(tmp_path: Path) -> None:
    pytest.importorskip("quantstats")
    page = ours.tearsheet(
        daily(756), tmp_path / "b.html", "S", daily(756, 1).rename("Equal weight")
    ).read_text()
    assert "EOY Returns vs Benchmark" in page
    assert "Equal weight" in page
