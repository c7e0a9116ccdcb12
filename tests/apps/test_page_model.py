# SPDX-License-Identifier: Apache-2.0
"""The Model page's logic: every view of the shipped model, and training a small one, without a browser."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

from apps.dashboard import work
from apps.dashboard.views import _model_train as training
from apps.dashboard.views import _model_views as views
from apps.dashboard.views._regimes_source import Source
from spade_finance.exceptions import InputError
from spade_finance.model import ScenarioGenerator
from spade_finance.windows import validation_blocks
from tests.apps.reading import fine, words

RunPage = Callable[..., Any]


def market(days: int = 800, assets: int = 2) -> pd.DataFrame:
    """Assets that move together, violently every third half-year."""
    rng = np.random.default_rng(3)
    level = np.where(np.arange(days) // 63 % 3 == 1, 0.03, 0.006)[:, None]
    table = level * (0.8 * rng.standard_normal((days, 1)) + 0.6 * rng.standard_normal((days, assets)))
    index = pd.bdate_range("2015-01-01", periods=days, name="date")
    return pd.DataFrame(table, index=index, columns=[f"S{i}" for i in range(assets)])


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("card", "SPADE layers"),
        ("training", "held-back days"),
        ("limits", "General Electric alone"),
        ("provenance", "953f4e1058fd7e06ddcc1e209d1db267f6736e566570f2ac986937dd0a8c5841"),
        ("own", "A date column first"),
    ],
)
def test_every_view_says_what_it_is_for(run_page: RunPage, view: str, said: str) -> None:
    if view == "provenance":
        said = ScenarioGenerator.load("default").hash_
    test = run_page("model", m_view=view)
    assert fine(test), test.error
    assert said in words(test)


def test_a_model_that_is_not_there_is_said_and_training_still_works(run_page: RunPage) -> None:
    test = run_page("model", model="../../etc")
    assert not test.exception
    assert "is not there" in test.error[0].value
    assert fine(run_page("model", model="mine:gone", m_view="own"))


def test_the_regimes_table_is_the_cards() -> None:
    model = ScenarioGenerator.load("default")
    rows = views.regime_rows(model)
    assert list(rows["regime"]) == list(model.regimes_)
    assert rows["days"].str.replace(",", "").astype(int).sum() == model.n_training_days_
    assert views.card_text(model).startswith("# Scenario model")


def test_what_trains_badly_or_too_long_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="at least 750"):
        training.check_size(market(400))
    with pytest.raises(InputError, match="2 or more"):
        training.check_size(market(800, 1))
    with pytest.raises(InputError, match="spade-finance train"):
        training.check_size(market(800, 17))
    training.check_size(market())


@pytest.mark.slow
def test_a_training_reports_and_gives_a_model_that_travels(tmp_path: Path) -> None:
    returns = market()
    job = work.Job("t", "t")
    found = training.train_job(
        job, Source("mine", returns, "x"), "rules", 2, "mine", steps=4, validate_every=2, channels=8, batch_windows=4
    )  # fmt: skip
    assert [row["step"] for row in job.rows] == [2, 4]
    assert found.model.sectors_ == ("S0", "S1")
    assert found.model.labeller_.sector_labellers_.keys() == {"S0", "S1"}
    assert training.curve(job.rows).data[0].x == (2, 4)

    with zipfile.ZipFile(io.BytesIO(training.model_zip(found.model, "mine"))) as packed:
        assert sorted(packed.namelist()) == ["mine/card.md", "mine/config.json", "mine/model.safetensors"]
        packed.extractall(tmp_path)
    again = ScenarioGenerator.load(tmp_path / "mine")
    assert again.hash_ == found.model.hash_
    same = [m.sample("bull:5", n_paths=2, random_state=1).simple_array for m in (again, found.model)]
    np.testing.assert_array_equal(*same)


def test_a_models_zip_is_its_folder(tmp_path: Path) -> None:
    model = ScenarioGenerator.load("default")
    with zipfile.ZipFile(io.BytesIO(training.model_zip(model, "mine"))) as packed:
        packed.extractall(tmp_path)
    assert ScenarioGenerator.load(tmp_path / "mine").hash_ == model.hash_


@pytest.mark.parametrize(("days", "blocks"), [(900, 10), (2100, 4), (2516, 4), (2600, 5), (8000, 10)])
def test_days_are_held_back_where_two_windows_fit(days: int, blocks: int) -> None:
    window = ScenarioGenerator("quick").config.window_days
    share = training.held_share(days, window)
    assert share == 1 / blocks
    held = validation_blocks(np.zeros(days, dtype=int), share, window)
    assert held.any() == (days >= 4 * 2 * window)
    assert held.mean() < 0.251


def test_a_script_of_other_regimes_is_replaced_by_one_that_can_be_read() -> None:
    model = ScenarioGenerator.load("default")
    assert training.readable("bull:5", model) == "bull:5"
    assert training.readable("r1:5", model) == "bull:60,crisis:20,bull:40"


def test_an_address_is_kept_until_there_is_a_form(run_page: RunPage) -> None:
    test = run_page("model", m_view="own", m_by="gmm", m_n="3", m_name="mine")
    test.session_state["model:returns"] = (market(), "simple")
    test.run()
    assert fine(test), test.error
    assert test.selectbox(key="widget:m_by").value == "gmm"
    assert test.slider(key="widget:m_n").value == 3
    test.session_state["model:returns"] = (market(400), "simple")
    test.run()
    assert not test.exception
    assert "at least 750" in test.error[0].value


def test_a_cancelled_training_leaves_nothing() -> None:
    job = work.Job("t", "t")
    heard: list[float] = []
    usual = job.progress

    def cancelling(done: float, total: float, text: str = "") -> None:
        if text == "levelling the regimes":  # which asks nobody
            heard.append(time.monotonic())
            job.cancel()
        usual(done, total, text)

    job.progress = cancelling  # type: ignore[method-assign]
    with pytest.raises(work.Cancelled):
        training.train_job(
            job, Source("mine", market(520), "x"), "rules", 2, "mine", steps=1, validate_every=1, channels=8,
            batch_windows=4,
        )  # fmt: skip
    assert time.monotonic() - heard[0] < 3
    assert job.result is None


def test_a_training_that_ends_elsewhere_is_in_the_picker_there(run_page: RunPage) -> None:
    model = ScenarioGenerator.load("default")
    test = run_page("regimes")
    job = work.Job(training.JOB, "Training 'mine'")
    job.state, job.then, job.done, job.total = "running", training.offer, 1.0, 2.0
    test.session_state[f"job:{training.JOB}"] = job
    test.run()
    assert any(c.value == "Training 'mine': 50%" for c in test.caption)
    job.state, job.result = "done", training.Trained(model, "mine", 61.0)
    test.run()
    assert fine(test), test.error
    assert "mine:mine" in test.selectbox(key="widget:model").options
    assert test.selectbox(key="widget:model").value == "default"  # nobody's page changes under their hands
    assert any("is trained" in t.value for t in test.toast)


def test_a_finished_training_is_offered_everywhere(run_page: RunPage) -> None:
    model = ScenarioGenerator.load("default")
    test = run_page("model", m_view="own")
    job = work.Job(training.JOB, "Training")
    job.state, job.result, job.ended = "done", training.Trained(model, "my model", 61.0), job.began + 61
    job.then = training.offer
    test.session_state[f"job:{training.JOB}"] = job
    test.run()
    assert fine(test), test.error
    assert "is ready after 1 min 01 s" in words(test)
    assert "mine:my model" in test.selectbox(key="widget:model").options
    assert test.selectbox(key="widget:model").value == "mine:my model"
    test.button(key="model:another").click().run()
    assert "A date column first" in words(test)


@pytest.mark.parametrize(("said", "name"), [("", "my model"), ("a/../b\n", "a..b"), ("Energy 2", "Energy 2")])
def test_names_are_harmless(said: str, name: str) -> None:
    assert training._said(said) == name
    assert "/" not in training._stem(name)
