# SPDX-License-Identifier: Apache-2.0
"""Builds `us_sectors_daily.csv.gz`: daily simple returns of seven US sectors, from a data set in a wheel.

    pip install ".[portfolio]"
    python data/build_sectors.py            # writes the file and its .json beside this script
    python data/build_sectors.py --table    # also measures how coarse the early prices are (SOURCE.md quotes
    it)

Source: `sp500_dataset` inside the skfolio package (BSD-3-Clause): adjusted daily closes of 20 large US
stocks, 1990-01-02 to 2022-12-28, rounded to a tenth of a cent. No network. A sector is the equal-weight mean
of its stocks' simple returns, rebalanced every day. The reasons for the start and for what is left out:
SOURCE.md.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
from importlib import metadata, resources
from pathlib import Path

import numpy as np
import pandas as pd

GROUPS: dict[str, tuple[str, ...]] = {
    "InfoTech": ("AAPL", "AMD", "MSFT"),
    "Financials": ("BAC", "JPM"),
    "ConsDisc": ("BBY", "HD"),
    "ConsStaples": ("KO", "PEP", "PG", "WMT"),
    "Energy": ("CVX", "XOM"),
    "HealthCare": ("JNJ", "LLY", "MRK", "PFE", "UNH"),
    "Industrials": ("GE",),
}
START = "1990-01-02"  # first price; the first return is one trading day later
SOURCE_FILE = "sp500_dataset.csv.gz"
SOURCE_SHA256 = "ee21cac28befb1d0a739a9ceb22184f995394726aa0cfde9a21941d1ac04ac0d"
PRICE_STEP = 0.001  # currency units: the source rounds to a tenth of a cent
FLOAT_FORMAT = "%.8f"  # 5e-9 of rounding, far below the source's own

KNOWN_DEFECTS = [
    "survivorship: stocks that were among the largest at the end of the span, so mean returns are too high",
    "Industrials is General Electric alone: a stock's jumps and idiosyncratic variance, not a sector's",
    "few stocks a sector (1 to 5): volatilities above, correlations below those of real sector indices",
    "RRC (Range Resources) is left out: stale before 1996 and a 67 % print after",
    "coarse early prices: rounded to a tenth of a cent; quoted in eighths until 1997, sixteenths until 2001",
    "ends on 2022-12-28, two trading days before the year's end",
]


def source_prices() -> tuple[pd.DataFrame, str]:
    """Adjusted closes (n_days, n_stocks) in the installed skfolio, and the sha256 of the file they are in."""
    raw = resources.files("skfolio.datasets.data").joinpath(SOURCE_FILE).read_bytes()
    table = pd.read_csv(io.BytesIO(gzip.decompress(raw)), index_col=0, parse_dates=True)
    return table, hashlib.sha256(raw).hexdigest()


def sector_returns(prices: pd.DataFrame) -> pd.DataFrame:
    """Equal-weight daily rebalanced simple returns (n_days - 1, n_sectors) of the groups' prices."""
    stocks = [ticker for group in GROUPS.values() for ticker in group]
    simple = (prices[stocks] / prices[stocks].shift(1) - 1.0).iloc[1:]
    sectors = pd.DataFrame({name: simple[list(group)].mean(axis=1) for name, group in GROUPS.items()})
    sectors.index.name = "date"
    return sectors


def to_csv_bytes(sectors: pd.DataFrame) -> bytes:
    """The table as CSV bytes, the same on every platform; minus zero is written as zero."""
    rounded = sectors.round(8) + 0.0
    text = rounded.to_csv(float_format=FLOAT_FORMAT, date_format="%Y-%m-%d", lineterminator="\n")
    return text.encode("ascii")


def to_gzip_bytes(content: bytes) -> bytes:
    """Gzip without file name or time stamp: equal content gives equal bytes (for one version of zlib)."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
        stream.write(content)
    return buffer.getvalue()


def build() -> tuple[bytes, bytes, dict[str, object]]:
    """CSV bytes, gzip bytes and description of the data file, from the installed skfolio."""
    prices, source_sha256 = source_prices()
    if source_sha256 != SOURCE_SHA256:
        print(
            f"note: this skfolio ships another {SOURCE_FILE} (sha256 {source_sha256}) than the one "
            "SOURCE.md describes"
        )
    prices = prices.loc[START:]
    sectors = sector_returns(prices)
    if not np.isfinite(sectors.to_numpy()).all() or not sectors.index.is_monotonic_increasing:
        raise SystemExit("the source has missing prices or unsorted dates; look before building from it")
    content = to_csv_bytes(sectors)
    packed = to_gzip_bytes(content)
    description: dict[str, object] = {
        "name": "us_sectors_daily",
        "content": "daily simple returns (decimals) of seven US sectors, adjusted for splits and dividends",
        "file": "us_sectors_daily.csv.gz",
        "sha256": hashlib.sha256(packed).hexdigest(),
        "sha256_uncompressed": hashlib.sha256(content).hexdigest(),
        "first_date": f"{sectors.index[0]:%Y-%m-%d}",
        "last_date": f"{sectors.index[-1]:%Y-%m-%d}",
        "rows": len(sectors),
        "groups": {name: list(group) for name, group in GROUPS.items()},
        "weights": "equal within a sector, rebalanced daily",
        "source": {
            "package": "skfolio",
            "version": metadata.version("skfolio"),
            "file": f"skfolio/datasets/data/{SOURCE_FILE}",
            "sha256": source_sha256,
            "license": "BSD-3-Clause",
        },
        "known_defects": KNOWN_DEFECTS,
    }
    return content, packed, description


# ---- how coarse are the early prices?
# -------------------------------------------------------------------------


def coarseness(prices: pd.DataFrame) -> pd.DataFrame:
    r"""Per year, what the price grid does to returns; means over the 19 stocks unless named otherwise.

    ``noise`` is the share of a return's standard deviation that the source's rounding makes: an error uniform
    over one step has variance :math:`\delta^2 / 12`, a return has two of them, :math:`\sqrt{2 \delta^2 / 12}
    / P \,/\, \sigma_r`. Rounding alone moves the lag-1 autocorrelation by :math:`-noise^2 / 2`. ``tick`` is
    the exchange's own step, read off as the smallest changes within a quarter, relative to the price.
    """
    stocks = [ticker for group in GROUPS.values() for ticker in group]
    close = prices[stocks]
    simple = (close / close.shift(1) - 1.0).iloc[1:]
    sectors = sector_returns(prices)
    market = sectors.mean(axis=1)
    step = close.diff().abs()
    step = step.where(step > PRICE_STEP / 2)
    tick = step.resample("QE").quantile(0.02) / close.resample("QE").mean()
    rows = {}
    for year in range(1990, 2003):
        r, p, s = (x.loc[str(year)] for x in (simple, close, sectors))
        rounding = np.sqrt(2.0 * PRICE_STEP**2 / 12.0 * (1.0 / p**2).mean())
        noise = rounding / r.std()
        sector_noise = pd.Series(
            {
                name: np.sqrt((rounding[list(g)] ** 2).sum()) / len(g) / s[name].std()
                for name, g in GROUPS.items()
            }
        )
        rows[year] = {
            "zero % stocks": 100 * r.eq(0).mean().mean(),
            "zero % worst": 100 * r.eq(0).mean().max(),
            "zero % sectors": 100 * s.eq(0).mean().mean(),
            "distinct prices %": 100 * (p.nunique() / len(p)).mean(),
            "tick %": 100 * tick.loc[str(year)].mean().mean(),
            "noise % stocks": 100 * noise.mean(),
            "noise % worst": 100 * noise.max(),
            "noise % sectors": 100 * sector_noise.max(),
            "acf1 bias": -(noise.max() ** 2) / 2,
            "acf1 stocks": r.apply(lambda x: x.autocorr(1)).mean(),
            "acf1 sectors": s.apply(lambda x: x.autocorr(1)).mean(),
            "acf1 market": market.loc[str(year)].autocorr(1),
            "market vol %": 100 * np.sqrt(252) * market.loc[str(year)].std(),
        }
    return pd.DataFrame(rows).T.rename_axis("year")


def transplant(prices: pd.DataFrame) -> pd.DataFrame:
    """What coarse prices do to fine data: 2003 to 2007 put onto the price grids of early years.

    Each stock of 2003 to 2007 is scaled to its mean price of the early year and its price rounded, first to
    the source's step, then to the exchange's tick of that year. Returns each figure's change against the
    original, taken per sector and averaged (the volatility and the kurtosis in percent of the original).
    """
    stocks = [ticker for group in GROUPS.values() for ticker in group]
    fine = prices.loc["2003":"2007", stocks]
    step = prices[stocks].diff().abs()
    step = step.where(step > PRICE_STEP / 2)

    def figures(p: pd.DataFrame) -> pd.Series:
        s = sector_returns(p)
        upper = np.triu_indices(s.shape[1], 1)
        return pd.Series(
            {
                "volatility": s.std().mean(),
                "kurtosis": s.kurt().mean(),
                "acf1": s.apply(lambda x: x.autocorr(1)).mean(),
                "acf1 of |r|": s.abs().apply(lambda x: x.autocorr(1)).mean(),
                "correlation": s.corr().to_numpy()[upper].mean(),
                "zero %": 100 * s.eq(0).mean().mean(),
            }
        )

    base = figures(fine)
    rows = {}
    for year in (1990, 1992, 1995):
        level = prices.loc[str(year), stocks].mean()
        scaled = fine / fine.mean() * level
        tick = step.loc[str(year)].quantile(0.02).clip(lower=PRICE_STEP)
        for name, grid in (("rounding", PRICE_STEP), ("tick", tick)):
            change = figures((scaled / grid).round() * grid) - base
            change["volatility"] *= 100 / base["volatility"]
            change["kurtosis"] *= 100 / base["kurtosis"]
            rows[f"{year} {name}"] = change
    table = pd.DataFrame(rows).T.rename(columns={"volatility": "volatility %", "kurtosis": "kurtosis %"})
    return table.rename_axis("grid of")


def main() -> None:
    """Write the data file and its description beside this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the measurements that SOURCE.md quotes")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write to"
    )
    arguments = parser.parse_args()
    _, packed, description = build()
    (arguments.out / "us_sectors_daily.csv.gz").write_bytes(packed)
    text = json.dumps(description, indent=2) + "\n"
    (arguments.out / "us_sectors_daily.json").write_text(text, encoding="utf-8", newline="\n")
    print(
        f"{description['rows']} days, {description['first_date']} to {description['last_date']}, "
        f"{len(packed)} bytes"
    )
    if arguments.table:
        prices, _ = source_prices()
        with pd.option_context("display.width", 250, "display.max_columns", 30):
            print(coarseness(prices).round(3).to_string())
            print(transplant(prices).round(3).to_string())


if __name__ == "__main__":
    main()
