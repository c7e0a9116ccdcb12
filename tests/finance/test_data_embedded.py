# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.data import embedded, sectors_info
from spade_finance.exceptions import InputError

DATA = Path(__file__).resolve().parents[2] / "data"
GROUPS = ["InfoTech", "Financials", "ConsDisc", "ConsStaples", "Energy", "HealthCare", "Industrials"]


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_sectors", DATA / "build_sectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_sectors_are_what_the_interface_promises() -> None:
    returns = sf.load_sectors()
    assert list(returns.columns) == GROUPS
    assert returns.index.name == "date"
    assert isinstance(returns.index, pd.DatetimeIndex)
    assert returns.index.is_monotonic_increasing
    assert returns.index.is_unique
    assert (returns.dtypes == "float64").all()
    assert np.isfinite(returns.to_numpy()).all()
    assert returns.to_numpy().min() > -1
    info = sectors_info()
    assert len(returns) == info["rows"]
    assert str(returns.index[0].date()) == info["first_date"]
    assert str(returns.index[-1].date()) == info["last_date"]
    assert list(info["groups"]) == GROUPS


def test_a_caller_cannot_spoil_the_next_callers_copy() -> None:
    mine = sf.load_sectors()
    mine.iloc[0, 0] = 99.0
    assert sf.load_sectors().iloc[0, 0] != 99.0


def test_the_days_are_the_exchanges_trading_days() -> None:
    days = sf.load_sectors().index
    assert (days.day_of_week < 5).all()
    assert pd.Timestamp("2001-09-17") in days  # reopened
    for closed in ("2001-09-11", "2004-06-11", "2007-01-02", "2012-10-29", "2018-12-05", "1994-04-27"):
        assert pd.Timestamp(closed) not in days
    per_year = pd.Series(1, index=days).groupby(days.year).sum()
    assert per_year.loc[1990:2021].between(248, 254).all()


def test_known_days_of_the_market_are_in_it() -> None:
    market = sf.load_sectors().mean(axis=1)
    assert market["2008-10-13"] > 0.09
    assert market["2020-03-16"] < -0.09
    assert market["2020-03-24"] > 0.07
    assert market.loc["2017"].std() < 0.4 * market.loc["2008"].std()


def test_the_shipped_file_is_the_described_one() -> None:
    packed = (DATA / "us_sectors_daily.csv.gz").read_bytes()
    described = json.loads((DATA / "us_sectors_daily.json").read_text(encoding="utf-8"))
    assert hashlib.sha256(packed).hexdigest() == described["sha256"]
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == described["sha256_uncompressed"]
    source = (DATA / "SOURCE.md").read_text(encoding="utf-8")
    for fact in (described["sha256"], described["source"]["sha256"], described["source"]["version"]):
        assert fact in source


def test_the_script_rebuilds_the_shipped_file(builder: ModuleType) -> None:
    pytest.importorskip("skfolio", reason="the source is in the skfolio wheel ([portfolio])")
    content, packed, description = builder.build()
    shipped = json.loads((DATA / "us_sectors_daily.json").read_text(encoding="utf-8"))
    if description["source"]["sha256"] != shipped["source"]["sha256"]:
        pytest.skip(
            f"skfolio {description['source']['version']} ships other prices than the ones we built from"
        )
    assert content == gzip.decompress((DATA / "us_sectors_daily.csv.gz").read_bytes())
    assert packed == builder.to_gzip_bytes(content)  # no time stamp in it
    unchanged = {key: value for key, value in shipped.items() if key not in ("sha256", "source")}
    assert {key: value for key, value in description.items() if key not in ("sha256", "source")} == unchanged


def test_sector_returns_are_equal_weight_means_rebalanced_daily(builder: ModuleType) -> None:
    skfolio = pytest.importorskip("skfolio.datasets")
    prices = skfolio.load_sp500_dataset()
    energy = prices[["CVX", "XOM"]].pct_change().iloc[1:].mean(axis=1)
    np.testing.assert_allclose(sf.load_sectors()["Energy"], energy, rtol=0, atol=5.1e-9)


def test_the_reasons_for_the_start_still_hold(builder: ModuleType) -> None:
    """SOURCE.md starts in 1990 because rounding hardly touches the sectors; here are its limits."""
    skfolio = pytest.importorskip("skfolio.datasets")
    prices = skfolio.load_sp500_dataset()
    early = builder.coarseness(prices).loc[1990:1995]
    assert early["noise % sectors"].max() < 5.5
    assert early["zero % sectors"].max() < 2.0
    assert early["acf1 bias"].abs().max() < 0.003
    moved = builder.transplant(prices)
    assert moved["volatility %"].abs().max() < 2.0
    assert moved["acf1"].abs().max() < 0.02
    assert moved["correlation"].abs().max() < 0.02


def test_a_wheels_layout_is_found_and_damage_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "spade_finance"
    (package / "data").mkdir(parents=True)
    monkeypatch.setattr(embedded, "__file__", str(package / "data" / "embedded.py"))
    with pytest.raises(InputError, match=r"missing from .*_data.* reinstall"):
        sf.load_sectors()
    shutil.copytree(DATA, package / "_data")
    assert embedded.data_folder() == package / "_data"
    assert sf.load_sectors().shape == (8312, 7)
    file = package / "_data" / "us_sectors_daily.csv.gz"
    damaged = bytearray(file.read_bytes())
    damaged[5000] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(InputError, match=r"is damaged .* reinstall"):
        sf.load_sectors()
