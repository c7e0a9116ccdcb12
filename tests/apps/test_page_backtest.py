# SPDX-License-Identifier: Apache-2.0
"""The Backtest page's logic on the shipped model, without a browser."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

import spade_finance as sf
from apps.dashboard.views import _backtest_engine as engine
from apps.dashboard.views import _backtest_judge as judging
from apps.dashboard.views import _backtest_numbers as numbers
from apps.dashboard.views import _backtest_study as work
from apps.dashboard.views import backtest as page
from apps.dashboard.work import Cancelled, Job
from spade_finance.backtest import STRATEGIES, backtest, make_strategy
from spade_finance.exceptions import InputError
from tests.apps.reading import words

RunPage = Callable[..., Any]
TRADING = engine.Trading(5.0, 0.0, 0.0, "monthly")
CHOSEN = ("equal_weight", "inverse_volatility")


@pytest.fixture(scope="module")
def model() -> Any:
    return sf.ScenarioGenerator.load("default")


@pytest.fixture(scope="module")
def results(model: Any) -> dict[str, Any]:
    return engine.run(model, "bear:40,crisis:40", CHOSEN, 60, 3, TRADING, "long-run", False)


# ---- the page


def test_the_page_compares_what_the_address_names(run_page: RunPage, results: dict[str, Any]) -> None:
    test = run_page(
        "backtest", over="own", script="bear:40,crisis:40", paths="60", seed="3", strategies=",".join(CHOSEN),
        focus="equal_weight",
    )  # fmt: skip
    assert not test.exception
    assert not test.error
    table = test.dataframe[0].value.set_index("strategy")
    assert list(table.index) == ["equal weight", "inverse volatility"]
    value = results["inverse_volatility"].value("volatility")
    assert float(table.loc["inverse volatility", "volatility a year"].split()[0]) == pytest.approx(
        100 * value, abs=0.06
    )
    assert "Equal weight minus the others" in words(test)
    assert "real history" in words(test)
    assert words(test).count("buying in from cash") == 1  # said once, of all strategies
    assert "nobody's code" in words(test)

    test.segmented_control(key="widget:b_view").set_value("regimes").run()
    assert not test.error
    regimes = test.dataframe[0].value
    assert set(regimes["regime"]) == {"bear", "crisis"}
    test.multiselect(key="widget:strategies").set_value([]).run()
    assert not test.error
    assert "Choose a strategy above" in words(test)


def test_code_is_never_taken_from_the_address(run_page: RunPage) -> None:
    test = run_page("backtest", strategies="os:system,my.py:f", paths="50")
    assert not test.exception
    assert "command line only" in words(test)
    assert test.multiselect(key="widget:strategies").value == []


@pytest.mark.parametrize("said", ["/etc/passwd.toml", "grid.json", "lookback", "a=1,2.toml"])
def test_a_grid_is_no_file(said: str) -> None:
    with pytest.raises(InputError, match="opens no files"):
        work.parse(said)


def test_suggested_variants_are_variants() -> None:
    for name, grid in work.SUGGESTED.items():
        made = [make_strategy(name, **options) for options in work.parse(grid)]
        assert 2 <= len(made) <= 12


# ---- numbers


def test_strategies_run_as_the_library_runs_them(model: Any, results: dict[str, Any]) -> None:
    scenarios = model.sample("bear:40,crisis:40", n_paths=60, random_state=3)
    past = sf.load_sectors()[list(model.sectors_)]
    own = backtest("inverse_volatility", scenarios, cost_bps=5, history=past.iloc[-273:], real=past)
    found = results["inverse_volatility"]
    np.testing.assert_allclose(found.record.measures["sharpe"], own.record.measures["sharpe"], rtol=1e-9)
    np.testing.assert_allclose(found.real.returns, own.real.returns, rtol=1e-12)
    assert found.real.training_end == pd.Timestamp(model.training_window_[1])
    assert {r.record.n_days for r in results.values()} == {80}


def test_costs_are_paid(model: Any, results: dict[str, Any]) -> None:
    dear = engine.run(
        model,
        "bear:40,crisis:40",
        CHOSEN[1:],
        60,
        3,
        engine.Trading(100.0, 0.0, 0.0, "monthly"),
        "long-run",
        False,
    )["inverse_volatility"]
    cheap = results["inverse_volatility"]
    assert dear.value("costs") == pytest.approx(20 * cheap.value("costs"), rel=0.05)
    assert dear.value("annual_return") < cheap.value("annual_return")


def test_what_is_taken_along_is_what_was_found(results: dict[str, Any]) -> None:
    table = pd.read_csv(io.StringIO(page.measures_csv(results)))
    assert len(table) == 120
    own = table[table["strategy"] == "equal_weight"]["sharpe"]
    assert own.mean() == pytest.approx(results["equal_weight"].value("sharpe"))
    saved = json.loads(page.numbers_json(results))
    assert [s["strategy"] for s in saved["strategies"]] == list(CHOSEN)


def test_every_strategy_has_words() -> None:
    for name in STRATEGIES:
        said = engine.about(name)
        assert len(said) > 20
        assert not set(said) & set("`\\")


def test_the_real_table_has_no_errors(results: dict[str, Any]) -> None:
    real = numbers.strategy_table(results, "real")
    assert not real.astype(str).apply(lambda column: column.str.contains("±")).any(axis=None)
    assert "P(loss in 1 year)" not in real


# ---- long work


def test_a_study_judges_a_grid(model: Any) -> None:
    ask = work.Ask(
        "bear:40,crisis:40",
        "inverse_volatility",
        (),
        "lookback=21,63,126",
        20,
        3,
        TRADING,
        False,
        False,
        model.hash_,
    )
    job = Job("x", "x")
    of, result, html, data = work.make_study(job, model, ask, "default")
    assert of is ask
    assert result.overfitting.variants == tuple(f"inverse_volatility lookback={n}" for n in (21, 63, 126))
    table = judging.statistics_table(result.overfitting).set_index("statistic")
    share = next(text for name, text in table["mean"].items() if "(PBO)" in name)
    assert 0 <= float(share.split()[0]) <= 1
    saved = json.loads(data)
    assert saved["provenance"]["model_hash"] == model.hash_
    assert len(saved["overfitting"]["variants"]) == 3
    assert "<html" in html
    job.cancel()
    with pytest.raises(Cancelled):
        work.make_study(job, model, ask, "default")
