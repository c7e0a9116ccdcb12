# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.integrations import feeds
from spade_finance.scenarios import ScenarioSet, business_days

SECTORS = ("Energy", "Health Care")


def scenarios(
    n: int = 4, days: int = 30, *, dated: bool = True, paths: list[int] | None = None
) -> ScenarioSet:
    rng = np.random.default_rng(0)
    return ScenarioSet.from_simple(
        rng.normal(0.0005, 0.02, (n, days, 2)),
        SECTORS,
        ("bull", "crisis"),
        np.zeros(days, dtype=int),
        dates=business_days("2026-01-05", days) if dated else None,
        paths=paths,
    )


def test_prices_begin_at_the_base_and_give_the_returns_back() -> None:
    scen = scenarios()
    closes = feeds.to_prices(scen, 2, price=50)
    assert closes.shape == (31, 2)
    assert (closes.iloc[0] == 50).all()
    np.testing.assert_allclose(closes.pct_change().iloc[1:], scen.simple_array[2], atol=1e-12)
    np.testing.assert_allclose(closes.iloc[1:], scen.prices(50)[2], rtol=1e-12)
    assert closes.index[0] == pd.Timestamp("2026-01-02")  # the Friday before Monday
    assert closes.index[1:].equals(scen.dates)
    assert closes.index.name == "date"
    assert feeds.to_prices(scen, -1).equals(feeds.to_prices(scen, 3))


def test_undated_scenarios_get_steps_or_business_days() -> None:
    scen = scenarios(dated=False)
    assert list(feeds.to_prices(scen).index) == list(range(31))
    dated = feeds.to_prices(scen, start="2026-01-05")
    assert dated.index.equals(feeds.to_prices(scenarios()).index)


def test_frames_and_wide_tables_hold_every_path_under_its_number() -> None:
    scen = scenarios(paths=[3, 5, 8, 9])
    frames = feeds.price_frames(scen)
    assert list(frames) == [3, 5, 8, 9]
    wide = feeds.to_vectorbt(scen, [1, 3])
    assert wide.columns.names == ["path", "asset"]
    assert list(wide.columns) == [(p, s) for p in (5, 9) for s in SECTORS]
    for number in (5, 9):
        pd.testing.assert_frame_equal(wide[number].rename_axis(columns=None), frames[number])


def test_bars_are_flat() -> None:
    scen = scenarios()
    bars = feeds.to_ohlcv(scen, 1)
    closes = feeds.to_prices(scen, 1)
    assert bars.columns.names == ["asset", "field"]
    for name in SECTORS:
        for field in ("open", "high", "low", "close"):
            assert bars[name][field].equals(closes[name].rename(field))
        assert (bars[name]["volume"] == 0).all()


def test_backtrader_reads_the_documented_columns() -> None:
    frames = feeds.to_backtrader(scenarios(), 1)
    assert list(frames) == list(SECTORS)
    for name, frame in frames.items():
        # backtrader.feeds.PandasData: params datetime=None (the index), open .. openinterest by name, any case
        assert list(frame.columns) == ["open", "high", "low", "close", "volume", "openinterest"]
        assert isinstance(frame.index, pd.DatetimeIndex)
        assert frame["close"].to_numpy() == pytest.approx(feeds.to_prices(scenarios(), 1)[name].to_numpy())


def test_backtrader_buys_and_holds_to_the_last_close() -> None:
    bt = pytest.importorskip("backtrader")
    scen = scenarios()

    class BuyAndHold(bt.Strategy):
        def next(self) -> None:
            if not self.position:
                self.buy(size=10)

    cerebro = bt.Cerebro()
    cerebro.adddata(feeds.backtrader_feeds(scen, 1)["Energy"])
    cerebro.addstrategy(BuyAndHold)
    cerebro.broker.setcash(5000.0)
    cerebro.run()
    closes = feeds.to_prices(scen, 1)["Energy"]
    # ordered on the base row, filled at the next open, which is the next close
    assert cerebro.broker.getvalue() == pytest.approx(5000 + 10 * (closes.iloc[-1] - closes.iloc[1]))


def test_vectorbt_holds_one_portfolio_a_path() -> None:
    vbt = pytest.importorskip("vectorbt")
    scen = scenarios()
    held = vbt.Portfolio.from_holding(feeds.to_vectorbt(scen), freq="1D")
    growth = np.prod(1 + scen.simple_array.astype(float), axis=1) - 1
    np.testing.assert_allclose(held.total_return().to_numpy().reshape(4, 2), growth, rtol=1e-9)


def test_bt_rebalances_to_equal_weight_daily() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bt = pytest.importorskip("bt")
        scen = scenarios()
        algos = [bt.algos.RunDaily(), bt.algos.SelectAll(), bt.algos.WeighEqually(), bt.algos.Rebalance()]
        data = feeds.to_bt(scen, 2)
        result = bt.run(bt.Backtest(bt.Strategy("equal", algos), data, integer_positions=False))
    # bt puts a row of its own before the data; it first trades on the base row's close
    worth = result.prices["equal"].iloc[-31:]
    wanted = np.cumprod(1 + scen.portfolio([0.5, 0.5])[2].to_numpy())
    np.testing.assert_allclose(worth.to_numpy()[1:] / worth.iloc[0], wanted, rtol=1e-6)


def test_what_cannot_be_fed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    scen, undated = scenarios(), scenarios(dated=False)
    with pytest.raises(sf.InputError, match="path 4 does not exist: there are 4"):
        feeds.to_prices(scen, 4)
    with pytest.raises(sf.InputError, match=r"path 1\.5 does not exist"):
        feeds.to_vectorbt(scen, [0, 1.5])  # type: ignore[list-item]
    with pytest.raises(sf.InputError, match="paths is empty"):
        feeds.price_frames(scen, [])
    with pytest.raises(sf.InputError, match="price=0 is no price"):
        feeds.to_ohlcv(scen, price=0)
    with pytest.raises(sf.InputError, match="start='2026-01-05': these scenarios have dates"):
        feeds.to_prices(scen, start="2026-01-05")
    for feed, library in ((feeds.to_backtrader, "backtrader"), (feeds.to_bt, "bt")):
        with pytest.raises(sf.InputError, match=f"{library} needs dates .* pass start"):
            feed(undated)
    monkeypatch.setitem(sys.modules, "backtrader", None)
    with pytest.raises(sf.InputError, match="needs backtrader: pip install backtrader"):
        feeds.backtrader_feeds(scen)
