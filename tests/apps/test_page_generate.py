# SPDX-License-Identifier: Apache-2.0
"""The Generate page's logic on the shipped model, without a browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.apps.reading import fine, words

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

RunPage = Callable[..., Any]


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


def test_a_timeline_too_long_for_an_address_is_said(run_page: RunPage) -> None:
    test = run_page("generate", paths="50")
    long = ",".join(["bull:1", "bear:1"] * 500)
    test.text_area(key="widget:script").set_value(long).run()
    assert not test.exception
    assert "6,999 characters; at most 6,000" in test.error[0].value
    assert "script" not in test.query_params
    test.text_area(key="widget:script").set_value("bear:9").run()
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


# ---- the fan's stand-in


def scenarios(script: str = "bull:30,crisis:10,bear:20", **options: Any) -> Any:
    import spade_finance as sf

    return sf.ScenarioGenerator.load("default").sample(script, 80, 3, **options)


def test_the_stand_in_shows_the_fans_quantiles_and_regimes() -> None:
    from apps.dashboard.preview import shapes
    from spade_finance.plotting import fan_chart

    made = scenarios()
    value = 100 * np.cumprod(1 + made.simple_array.mean(axis=2, dtype=np.float64), axis=1)
    value = np.insert(value, 0, 100.0, axis=1)
    low, q25, middle, q75, high = np.quantile(value, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    drawn = shapes(fan_chart(made))
    wide, half, median = (s for s in drawn if s.row == 1)
    for band, (below, above) in ((wide, (low, high)), (half, (q25, q75))):
        np.testing.assert_allclose(band.y, np.concatenate([below, above[::-1]]))
        np.testing.assert_array_equal(band.x, [*range(61), *range(60, -1, -1)])
    np.testing.assert_allclose(median.y, middle)
    ribbon = {s.fill: s for s in drawn if s.row == 2}
    held = {"#009E73": (0, 30), "#D55E00": (30, 40), "#E69F00": (40, 60)}
    for color, (first, last) in held.items():
        area = ribbon[color]
        n = len(area.x) // 2
        at = (area.y[:n] - area.y[n:][::-1]) == 100
        assert (area.x[:n][at].min(), area.x[:n][at].max()) == (first, last)


def test_the_stand_in_is_one_image_that_says_what_it_shows(run_page: RunPage) -> None:
    test = run_page("generate", paths="60", script="bull:30,crisis:10")
    assert fine(test), test.error
    image = next(e.value for e in test.markdown if e.value.startswith("!["))
    alt, data = re.fullmatch(r"!\[(.*)\]\(data:image/svg\+xml;base64,(.*)\)", image).groups()
    assert alt.startswith("Fan chart over 40 days")
    tree = ElementTree.fromstring(base64.b64decode(data))
    assert "script" not in {e.tag.rpartition("}")[2] for e in tree.iter()}
    words = set(tree.itertext())
    assert {"90 % of paths", "median", "bull", "crisis", "trading day", "40"} <= words
    assert "bear" not in words


def test_the_stand_in_goes_with_time(run_page: RunPage, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.dashboard import figures

    test = run_page("generate", paths="50")
    assert any(e.value.startswith("![") for e in test.markdown)
    monkeypatch.setattr(figures, "_READING", 0.0)
    test.number_input(key="widget:seed").set_value(8).run()
    assert fine(test), test.error
    assert not any(e.value.startswith("![") for e in test.markdown)


@pytest.mark.parametrize(
    ("low", "high", "length", "least", "expected"),
    [  # as plotly.js sets them
        (78.26, 132.77, 307, 40, "80 90 100 110 120 130"),
        (1, 120, 905, 80, "20 40 60 80 100 120"),
        (1, 120, 290, 80, "50 100"),
        (-0.011, 0.004, 307, 40, "−0.01 −0.008 −0.006 −0.004 −0.002 0 0.002 0.004"),
    ],
)
def test_the_stand_ins_ticks(low: float, high: float, length: float, least: float, expected: str) -> None:
    from apps.dashboard.preview import ticks

    found = ticks(low, high, length, least)
    assert [float(word.replace("−", "-")) for _, word in found] == [
        float(word.replace("−", "-")) for word in expected.split()
    ]
    assert [word.replace("−", "-") for _, word in found] == [
        f"{v:.{len(found[0][1].partition('.')[2])}f}" for v, _ in found
    ]


def test_a_stand_in_that_would_be_too_large_is_left_out() -> None:
    from apps.dashboard import preview
    from spade_finance.plotting import fan_chart

    figure = fan_chart(scenarios("bull:1400,crisis:100"))
    assert sum(len(s.x) for s in preview.shapes(figure)) < preview.MOST_POINTS
    for _ in range(5):
        figure.add_trace(figure.data[-1])
    assert preview.picture(figure).startswith("<svg")
    for _ in range(6):
        figure.add_trace(figure.data[-1])
    assert preview.markdown(figure, "x") == ""


def test_a_replay_beyond_the_trained_severities_is_said_beside_the_painter(run_page: RunPage) -> None:
    test = run_page("generate", script="1995-01-03..1995-12-29", paths="50")
    assert "Painting over the replay" not in words(test)
    from spade_finance import ScenarioGenerator

    model = ScenarioGenerator.load("default")
    past = model.history().timeline
    low, high = model.severity_range_
    day = past.dates[np.flatnonzero((past.severity > high + 0.02) | (past.severity < low - 0.02))[0]]
    test = run_page("generate", script=f"{day:%Y-%m-%d}..{day:%Y-%m-%d},bull:20", paths="50")
    assert "Painting over the replay" in words(test)
