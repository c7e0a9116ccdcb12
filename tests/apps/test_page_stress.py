# SPDX-License-Identifier: Apache-2.0
"""The Stress page's logic on the shipped model, without a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

import spade_finance as sf
from apps.dashboard.views import _stress_book as book_of
from apps.dashboard.views import _stress_scenario as scenario_of
from apps.dashboard.views import _stress_views as views
from apps.dashboard.views import _stress_work as work
from apps.dashboard.views._stress_engine import LabelledOnce, Request
from apps.dashboard.views._stress_reverse import find_ways
from apps.dashboard.work import Cancelled, Job
from spade_finance.exceptions import InputError
from spade_finance.stress import Portfolio, Scenario, load_library
from tests.apps.reading import words

RunPage = Callable[..., Any]
OWN = Scenario("script", "Own script", "", "bear:10,crisis:15")


@pytest.fixture(scope="module")
def model() -> Any:
    return sf.ScenarioGenerator.load("default")


# ---- the page


def test_the_page_shows_the_losses_of_what_the_address_says(run_page: RunPage, model: Any) -> None:
    test = run_page(
        "stress", scenario="own", script="crisis:25", paths="80", seed="3", weights="Energy:0.5,Financials:-0.2",
        s_view="drawdowns",
    )  # fmt: skip
    assert not test.exception
    assert not test.error
    shown = dict(zip(*(test.dataframe[0].value[c] for c in ("sector", "weight")), strict=True))
    assert (shown["Energy"], shown["Financials"], shown["InfoTech"]) == (50.0, -20.0, 0.0)
    assert "Cash 70.0 %" in words(test)
    # The same numbers as the library gives for the same paths.
    scenarios = model.sample("crisis:25", n_paths=80, random_state=3)
    report = sf.stress(scenarios, {"Energy": 0.5, "Financials": -0.2})
    value, error = report.number("es", 0.975)
    assert f"{100 * value:.1f}<small> ± {100 * error:.1f}" in words(test)
    assert test.query_params["weights"] == "Energy:0.5,Financials:-0.2"

    test.button(key="stress:half").click().run()
    assert not test.error
    assert "Cash 50.0 %" in words(test)
    test.button(key="stress:equal").click().run()
    assert "weights" not in test.query_params
    assert "Cash 0.0 %" in words(test)


def test_a_sector_that_the_model_lacks_is_said_and_mended(run_page: RunPage) -> None:
    test = run_page(
        "stress", scenario="own", script="crisis:10", paths="50", weights="Enrgy:1", s_view="drawdowns"
    )
    assert not test.exception
    assert "Energy" in test.error[0].value
    assert "losses follow" in words(test)
    test.button(key="stress:mend").click().run()
    assert not test.error
    assert "Worst drawdown" in words(test)


def test_reverse_stress_asks_first(run_page: RunPage) -> None:
    test = run_page("stress", task="reverse", loss="30", **{"from": "nonsense"})
    assert not test.exception
    assert not test.error
    assert "An answer reads like this" in words(test)
    assert test.button(key="stress:find").label == "Find what loses 30 %"
    assert "from" not in test.query_params


# ---- the portfolio


def test_a_book_that_can_be_ruined_is_warned_of_in_every_view(run_page: RunPage) -> None:
    test = run_page(
        "stress",
        scenario="own",
        script="crisis:60",
        paths="60",
        weights="Energy:12,Financials:-11",
        s_view="drawdowns",
    )
    assert not test.exception
    assert "of 60 paths lose the whole capital" in test.warning[0].value


def test_weights_survive_the_address() -> None:
    weights = (("Energy", 1 / 3), ("A, B: 50 %", -0.2))
    again = book_of.WEIGHTS.read(book_of.WEIGHTS.write(weights))
    assert [name for name, _ in again] == ["Energy", "A, B: 50 %"]
    np.testing.assert_allclose([w for _, w in again], [1 / 3, -0.2], rtol=1e-9)
    assert book_of.WEIGHTS.read("") == ()


@pytest.mark.parametrize(
    "said", ["Energy", "Energy:x", ":1", "Energy:nan", "Energy:1,Energy:2", "Energy:inf"]
)
def test_nonsense_weights_are_refused(said: str) -> None:
    with pytest.raises(ValueError, match="expected weights"):
        book_of.WEIGHTS.read(said)


def test_a_long_portfolio_is_not_put_into_the_address() -> None:
    written = book_of.WEIGHTS.write(tuple((f"Sector number {i}", 0.01) for i in range(100)))
    assert len(written) < 20
    with pytest.raises(ValueError, match="uploaded again"):
        book_of.WEIGHTS.read(written)


def test_an_edit_changes_its_cell_only() -> None:
    before = {"A": 1 / 3, "B": 2 / 3}
    shown = {"A": 33.3333, "B": 66.6667}
    assert book_of.changed(before, shown, {"A": 33.3333, "B": -5.0}) == {"A": 1 / 3, "B": -0.05}
    assert book_of.changed(before, shown, {"A": None, "B": 66.6667}) == {"A": 0.0, "B": 2 / 3}


def test_an_upload_is_read_by_the_library_and_names_no_place_of_ours(model: Any) -> None:
    found = book_of.read_weights(
        "../etc/my book.csv", "asset,weight\nEnergy,0.6\nInfoTech,-0.1\ncash,0.5\n", model
    )
    assert found == (("Energy", 0.6), ("InfoTech", -0.1))
    with pytest.raises(InputError, match=r"bad\.csv line 2: the weight of 'Energy' is '60%'") as fault:
        book_of.read_weights("bad.csv", "asset,weight\nEnergy,60%\n", model)
    assert "/" not in str(fault.value)
    with pytest.raises(InputError, match="no sector of the model"):
        book_of.read_weights("bad.csv", "asset,weight\nGold,1\n", model)


def test_the_weights_file_that_is_given_is_the_one_that_is_read(model: Any) -> None:
    book = Portfolio({"Energy": 0.25, "InfoTech": -1 / 3})
    found = dict(book_of.read_weights("w.csv", book_of.to_csv(book), model))
    assert found == pytest.approx({"Energy": 0.25, "InfoTech": -1 / 3})


# ---- the scenario


def test_the_dial_turns_the_harshest_regime_only(model: Any) -> None:
    script = "bull:20,bull~crisis:5,crisis*1.15:30,bear*0.9:10;Energy[5]=crisis:10"
    assert scenario_of.harshest(script, model) == "crisis"
    turned = scenario_of.dialed(script, model, 0.8)
    assert turned == "bull:20,bull~crisis*0.8:5,crisis*0.8:30,bear*0.9:10;Energy[5]=crisis*0.8:10"
    assert scenario_of.harshest("markov:60", model) is None
    low, high = model.severity_range_
    offered = [float(s) for s in scenario_of.severities(model)]
    assert low <= offered[0] < offered[1] < offered[-1] <= high
    assert 1.0 in offered
    for end in (offered[0], offered[-1]):  # within the range: no leave is needed
        model.sample(f"crisis*{end}:5", n_paths=2, random_state=0)


def test_the_whole_library_is_offered(model: Any) -> None:
    assert set(scenario_of.usable(model)) == set(load_library())


# ---- numbers and long work


def test_tables_hold_the_reports_numbers(model: Any) -> None:
    report = sf.stress(model.sample("crisis:25", n_paths=60, random_state=1), {"Energy": 1.0})
    table = views.level_table(report, "var").set_index("horizon")
    assert list(table.index) == ["1 day", "5 days", "10 days", "20 days", "whole scenario"]
    value, _ = report.number("var", 0.99, 5)
    assert float(table.loc["5 days", "99 %"].split()[0]) == pytest.approx(100 * value, abs=0.06)
    depth = views.drawdown_table(report).set_index("what").loc["worst drawdown", "mean"]
    assert depth.startswith("−")


def test_labels_are_made_once(model: Any) -> None:
    calls = []

    class Counting:
        regimes_ = model.regimes_

        def label(self, returns: Any) -> Any:
            calls.append(len(returns))
            return object()

    once = LabelledOnce(Counting())
    returns = sf.load_sectors().iloc[:300]
    assert once.label(returns) is once.label(returns.copy())
    once.label(returns.iloc[1:])
    assert calls == [300, 299]
    assert once.regimes_ == model.regimes_


def test_the_full_report_is_the_command_lines(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPADE_BROWSER", "none")
    request = Request(OWN, Portfolio({"Energy": 1.0}), 40, 5)
    job = Job("x", "x")
    files = work.make_report(job, model, request, (), "default", parts=())
    assert files.pdf is None
    assert job.share is not None
    assert 0 < job.share < 1
    saved = json.loads(files.json)
    assert saved["options"]["model"] == "default"
    again = sf.run_stress(model, OWN, {"Energy": 1.0}, 40, 5, parts=())
    wanted = {(r["measure"], r["level"], r["horizon_days"], r["regime"]): r["value"] for r in saved["rows"]}
    value, _ = again.number("es", 0.975)
    assert wanted["es", 0.975, 25, None] == pytest.approx(value, rel=1e-12)
    assert "<html" in files.html


def test_long_work_ends_when_it_is_cancelled(model: Any) -> None:
    job = Job("x", "x")
    job.cancel()
    with pytest.raises(Cancelled):
        work.make_report(job, model, Request(OWN, Portfolio({"Energy": 1.0}), 40, 5), (), "default")
    with pytest.raises(Cancelled):
        find_ways(job, model, Portfolio({"Energy": 1.0}), 0.2, 21, None, 0, ())


def test_progress_never_goes_back() -> None:
    job = Job("x", "x")
    tell, seen = work.Shares(job), []
    for what, done, total in (
        ("paths", 1, 2),
        ("views", 0, 1),
        ("nowcast", 0, 1),
        ("paths", 0, 2),
        ("history", 1, 1),
    ):
        tell(what, done, total)
        seen.append(job.share)
    assert seen == sorted(seen)  # type: ignore[type-var]
    assert sum(work.PARTS.values()) == pytest.approx(1.0)


def test_equal_requests_have_equal_keys(model: Any) -> None:
    one = Request(OWN, Portfolio({"Energy": 1.0}), 40, 5)
    assert one.key(model) == replace(one, portfolio=Portfolio({"Energy": 1.0})).key(model)
    assert one.key(model) != replace(one, portfolio=Portfolio({"Energy": 0.9})).key(model)
    assert one.key(model) != replace(one, scenario=replace(OWN, script="bear:25")).key(model)
