# SPDX-License-Identifier: Apache-2.0
"""The Generate page's logic on the shipped model, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

RunPage = Callable[..., Any]


def words(test: Any) -> str:
    return " ".join(
        str(e.value)
        for kind in ("markdown", "html", "caption", "info", "error", "warning", "code")
        for e in getattr(test, kind)
    )


def fine(test: Any) -> bool:
    return not test.exception and not test.error


def test_the_first_view_shows_paths_without_being_asked(run_page: RunPage) -> None:
    test = run_page("generate", paths="50")
    assert fine(test), test.error
    assert test.text_area(key="widget:script").value == "bull:60,crisis:20,bear:40"
    assert "Value of the equal-weight market" in words(test)
    assert "50 paths, 6,000 rows, 7 sectors" in words(test)


def test_an_address_reproduces_a_view(run_page: RunPage) -> None:
    test = run_page(
        "generate",
        script="crisis*1.1:30,bull:20;Energy[5]=bear:10",
        paths="60",
        seed="3",
        view="numbers",
        asset="Energy",
    )
    assert fine(test), test.error
    assert test.text_area(key="widget:script").value == "crisis*1.1:30,bull:20;Energy[5]=bear:10"
    assert test.slider(key="widget:paths").value == 60
    table = test.dataframe[0].value
    assert list(table["regime"]) == ["bull", "crisis"]
    assert "±" in table.iloc[0]["volatility % a year"]
    assert "Energy by regime" in words(test)
    assert "--seed 3" in words(test)


def test_a_bad_script_is_pointed_at_and_mended(run_page: RunPage) -> None:
    test = run_page("generate", script="bull:60,crsis:20", paths="50")
    assert not test.exception
    assert "did you mean 'crisis'" in test.error[0].value
    assert "^^^^^" in test.code[0].value
    test.text_area(key="widget:script").set_value("bull:30").run()
    assert fine(test)
    assert test.query_params["script"] == "bull:30"


def test_a_severity_beyond_training_is_refused_and_can_be_allowed(run_page: RunPage) -> None:
    test = run_page("generate", script="crisis*1.5:20", paths="50")
    assert not test.exception
    assert "1.5" in test.error[0].value
    test.toggle(key="widget:extrapolate").set_value(True).run()
    assert fine(test), test.error


def test_too_many_returns_are_refused_with_a_way_out(run_page: RunPage) -> None:
    test = run_page("generate", script="markov:2000", paths="5000")
    assert not test.exception
    assert (
        "spade\\-finance generate" in test.error[0].value or "spade-finance generate" in test.error[0].value
    )


def test_the_counterfactual_shares_the_noise(run_page: RunPage) -> None:
    test = run_page("generate", script="bull:20,crisis:10", paths="60", view="what-if")
    assert fine(test), test.error
    assert test.text_area(key="widget:against").value == "bull:30"
    assert "unpaired" in words(test)
    test.text_area(key="widget:against").set_value("bull:29").run()
    assert "29 days" in words(test)
    test.text_area(key="widget:script").set_value("bear:12").run()
    assert "give both one length" in words(test)


def test_the_other_timeline_follows_until_it_is_chosen(run_page: RunPage) -> None:
    test = run_page("generate", script="bull:20,crisis:10", paths="50", view="what-if")
    test.text_area(key="widget:script").set_value("crisis:40").run()
    assert test.text_area(key="widget:against").value == "bull:40"


@pytest.mark.parametrize("view", ["fan", "sectors", "correlation"])
def test_every_view_draws(run_page: RunPage, view: str) -> None:
    test = run_page("generate", paths="50", view=view, lines="1", start="2026-01-05", start_vol="1.5")
    assert fine(test), test.error


MISSING = """
from apps.dashboard import shell, state
state.adopt("x")
shell._run(shell.PageInfo("nowhere", "Nowhere", "image", "A page of another version."))
shell._run(shell.PageInfo("elsewhere", "Elsewhere", "image", "No engine.", ("no_such_engine",), "image"))
state.finish()
"""


def test_a_page_that_cannot_work_says_so() -> None:
    from streamlit.testing.v1 import AppTest

    test = AppTest.from_string(MISSING, default_timeout=20).run()
    assert fine(test)
    first, second = (e.value for e in test.info)
    assert "not part of this version" in first
    assert "no_such_engine" in second
    assert "spade-finance[image]" in second


def test_an_example_replaces_the_timeline(run_page: RunPage) -> None:
    test = run_page("generate", paths="50")
    next(b for b in test.button if b.label == "Only Energy in crisis").click().run()
    assert fine(test), test.error
    assert test.text_area(key="widget:script").value == "bull:120;Energy[40]=crisis:40"
