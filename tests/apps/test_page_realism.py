# SPDX-License-Identifier: Apache-2.0
"""The Realism page without a browser: the quick picture, its views, the whole scorecard as work, own returns."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

from apps.dashboard.views import _realism_pack as packing
from apps.dashboard.views import _realism_run as work
from apps.dashboard.views import _realism_views as views
from apps.dashboard.views import realism
from apps.dashboard.work import Cancelled, Job
from spade_finance import ScenarioGenerator, load_sectors
from spade_finance.evaluate import evaluate

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def model() -> ScenarioGenerator:
    return ScenarioGenerator.load("default")


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realism, "LIGHT", (2, 4))


def request(model: ScenarioGenerator, **changes: Any) -> work.Request:
    said: dict[str, Any] = {
        "model": model.hash_, "data": realism.EMBEDDED, "content": "", "from_date": "2021-01-04",
        "baselines": ("block_bootstrap",), "sections": (), "seed": 3, "n_replicates": 3, "n_resamples": 6,
    }  # fmt: skip
    return work.Request(**(said | changes))


@pytest.fixture(scope="module")
def run(model: ScenarioGenerator) -> tuple[work.Found, Any]:
    """A scorecard as the page's work does it, in a process, and what the library says here."""
    job, asked = Job("realism", "test"), request(model, sections=("facts",))
    found = work.run_scorecard(job, model, load_sectors(), asked)
    assert job.share is not None
    assert job.share > 0.7
    return found, evaluate(model, load_sectors(), **asked.options())


@pytest.fixture(scope="module")
def found(run: tuple[work.Found, Any]) -> work.Found:
    return run[0]


def test_the_report_is_the_librarys(run: tuple[work.Found, Any]) -> None:
    found, report = run
    assert (found.report.columns, str(report.window[0].date())) == (
        ("model", "block_bootstrap"),
        "2021-01-04",
    )
    assert (report.provenance["seed"], report.provenance["n_replicates"]) == (3, 3)
    for mine, its in ((found.report.table, report.table), (found.report.summary(), report.summary())):
        pd.testing.assert_frame_equal(mine.astype(object).fillna("-"), its.astype(object).fillna("-"))
    assert json.loads(found.json) == json.loads(report.to_json())
    assert found.report.verdict() == report.verdict()
    assert found.titles == {"facts": "Stylised facts"}
    mine, its = found.report.sections["facts"], report.sections["facts"]
    assert (mine.findings, mine.notes) == (its.findings, its.notes)
    assert [e.title for e in mine.exhibits] == [e.title for e in its.exhibits]
    for left, right in zip(mine.exhibits, its.exhibits, strict=True):
        if right.table is not None:
            pd.testing.assert_frame_equal(views.exhibit_words(left.table), views.exhibit_words(right.table))
        if right.figure is not None:
            assert json.loads(left.figure.to_json()) == json.loads(right.figure.to_json())
    for name, panel in report.panels.items():
        np.testing.assert_array_equal(found.report.panels[name].simple, panel.simple[: packing.KEPT_PATHS])
    assert "<html" in found.html()
    assert found.html().count("block_bootstrap") > 10


def test_cancelling_ends_it_in_the_middle_of_a_section(model: ScenarioGenerator) -> None:
    class Impatient(Job):
        """Cancelled as soon as a section, which says nothing until it is done, is under way."""

        def progress(self, done: float, total: float, text: str = "") -> None:
            if text.startswith("Stylised"):
                self.at = time.monotonic()
                self.cancel()
            super().progress(done, total, text)

    job = Impatient("realism", "test")
    with pytest.raises(Cancelled):
        work.run_scorecard(job, model, load_sectors(), request(model, sections=("facts",), n_replicates=64))
    assert time.monotonic() - job.at < 3


def test_steps_never_go_back_and_end_at_the_total(model: ScenarioGenerator) -> None:
    asked = request(model, baselines=("a", "b"), sections=("facts", "risk"))
    steps = packing.Steps(asked)
    said = [
        steps("fitting a", 0), steps("fitting b", 1), steps("sampling model", 0), steps("sampling a", 1),
        steps("sampling b", 2), steps("Stylised facts", 0), steps("Risk", 1), steps(packing.WRITING, 0),
    ]  # fmt: skip
    assert said == sorted(set(said))
    assert said[-1] == steps.total - 1


def test_few_replicates_are_kept_for_the_charts(found: work.Found) -> None:
    assert all(panel.n_paths <= packing.KEPT_PATHS for panel in found.report.panels.values())


def test_every_number_has_its_floor_and_its_mark(found: work.Found) -> None:
    table = found.report.table
    words = views.number_table(found.report, table)
    assert len(words) == len(table)
    assert {"real", "95 % interval", "floor", "model", "block bootstrap"} <= set(words.columns)
    high = table["model:verdict"].eq("too high").to_numpy()
    low = table["model:verdict"].eq("too low").to_numpy()
    assert high.any() or low.any()
    assert words["model"].str.endswith("▲").to_numpy().tolist() == high.tolist()
    assert words["model"].str.endswith("▼").to_numpy().tolist() == low.tolist()
    row = table.index[
        (table["metric"] == "volatility") & (table["asset"] == "market") & table["regime"].isna()
    ][0]
    said = words.loc[row, "model"].split(" ± ")[0]
    assert float(said) == pytest.approx(100 * table.loc[row, "model"], rel=0.01)
    assert words.loc[row, "unit"] == "%"


def test_an_exhibits_table_is_words() -> None:
    table = pd.DataFrame({"a_b": [1234, None], "c": [0.12345, "▲"]}, index=pd.Index(["x", "y"], name="who"))
    words = views.exhibit_words(table)
    assert words.to_dict("list") == {"who": ["x", "y"], "a b": ["1,234", "–"], "c": ["0.123", "▲"]}


def test_the_quick_picture_and_its_views(run_page: Run) -> None:
    at = run_page("realism")
    assert not at.exception
    assert not at.error
    assert any("A quick picture" in i.value for i in at.info)
    assert at.get("plotly_chart")
    for view, chosen in (("numbers", "All numbers"), ("metrics", "Metric by metric"), ("charts", "Charts")):
        at.button_group(key="widget:e_view").set_value(view).run()
        assert not at.exception, chosen
        assert not at.error, chosen
    at.button_group(key="widget:e_view").set_value("numbers").run()
    whole = len(at.dataframe[0].value)
    at.button_group(key="widget:e_groups").set_value(["risk"]).run()
    assert set(at.dataframe[0].value["group"]) == {"risk"}
    assert 0 < len(at.dataframe[0].value) < whole


def test_a_finished_scorecard_takes_the_quick_pictures_place(run_page: Run, found: work.Found) -> None:
    at = run_page("realism", e_view="overview")
    job = Job("realism", "The whole scorecard")
    job.state, job.result = "done", found
    at.session_state["job:realism"] = job
    at.run()
    assert not at.exception
    assert not at.error
    assert any("LOOK" in w.value or "out of sample" in w.value for w in at.warning) == (
        found.report.look_ahead is not None
    )
    assert not any("A quick picture" in i.value for i in at.info)
    assert any("moved on" in i.value for i in at.info)  # it was asked for with other choices
    at.button(key="realism:back").click().run()
    assert any("A quick picture" in i.value for i in at.info)


def test_returns_of_other_sectors_are_refused_in_words(
    run_page: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load_sectors().rename(columns={"Energy": "Gold"})
    monkeypatch.setattr(realism, "upload_returns", lambda *a, **k: own)
    at = run_page("realism")
    assert not at.exception
    assert any("Gold" in e.value and "not one of the model" in e.value for e in at.error)
    assert any("A quick picture" in i.value for i in at.info)  # the rest of the page is there


def test_an_address_that_names_unknown_parts_is_mended(run_page: Run) -> None:
    at = run_page("realism", e_sections="facts,nonsense", e_view="risk", e_baselines="fhs,magic")
    assert not at.exception
    assert not at.error
    assert at.session_state["choice:e_sections"] == ("facts",)
    assert at.session_state["choice:e_baselines"] == ("fhs",)
    assert at.session_state["choice:e_view"] == "overview"
