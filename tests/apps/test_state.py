# SPDX-License-Identifier: Apache-2.0
"""Choices, the address, formats, the boundary and long work, without a browser."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

from streamlit.testing.v1 import AppTest

from apps.dashboard import formats, kinds, processes, state, tables, work
from apps.dashboard.engine import Bounded
from spade_finance.exceptions import InputError

SCRIPT = """
import sys
import streamlit as st
from apps.dashboard import kinds, state
A = kinds.whole("a", 3, 0, 10)
B = kinds.one_of("b", "x", ("x", "y"))
C = kinds.some_of("c", (), ("p", "q"))
state.adopt(st.session_state.get("test_page", "one"))
st.slider("A", 0, 10, **state.bind(A))
if st.button("far"):
    pass
st.segmented_control("B", ["x", "y"], **state.bind(B))
st.multiselect("C", ["p", "q"], **state.bind(C))
st.button("nine", on_click=state.put, args=(A, 9))
st.text(f"{state.get(A)} {state.get(B)} {state.get(C)}")
for said in state.finish():
    st.warning(said)
"""


def run(**query: str) -> Any:
    test = AppTest.from_string(SCRIPT, default_timeout=20)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def test_the_address_sets_the_choices_and_the_choices_the_address() -> None:
    test = run(a="7", b="y", c="q")
    assert test.text[0].value == "7 y ('q',)"
    assert test.slider[0].value == 7
    assert dict(test.query_params) == {"a": "7", "b": "y", "c": "q"}
    test.slider[0].set_value(3).run()  # its default: out of the address
    assert test.text[0].value == "3 y ('q',)"
    assert dict(test.query_params) == {"b": "y", "c": "q"}
    test.button[1].click().run()
    assert test.slider[0].value == 9
    assert test.query_params["a"] == "9"


def test_nonsense_in_the_address_is_said_and_the_default_used() -> None:
    test = run(a="eleven", b="z")
    assert not test.exception
    assert test.text[0].value == "3 x ()"
    said = [w.value for w in test.warning]
    assert len(said) == 2
    assert "a=eleven" in said[0]
    assert "0 to 10" in said[0]


def test_a_choice_survives_another_page_but_another_address_wins() -> None:
    test = run(a="7")
    test.session_state["test_page"] = "two"
    test.query_params.clear()
    test.run()
    assert test.text[0].value.startswith("7 ")
    test.session_state["test_page"] = "three"
    test.query_params.clear()
    test.query_params["a"] = "2"
    test.run()
    assert test.text[0].value.startswith("2 ")


def test_an_address_typed_on_the_same_page_wins_over_the_session() -> None:
    test = run(a="7", b="y")
    test.query_params.clear()
    test.query_params["a"] = "4"
    test.run()
    assert test.text[0].value == "4 x ()"  # b stands no longer in it, so it has its default


def test_an_address_that_the_browser_still_has_is_our_own_but_going_back_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = run()
    test.slider[0].set_value(5).run()
    test.slider[0].set_value(6).run()
    assert dict(test.query_params) == {"a": "6"}
    test.query_params["a"] = "5"  # a click that the browser sent before it heard of our last address
    test.button[0].click().run()
    assert test.text[0].value.startswith("6 ")
    monkeypatch.setattr(state, "_went_back", lambda: True)
    test.query_params["a"] = "5"
    test.run()
    assert test.text[0].value.startswith("5 ")
    assert test.slider[0].value == 5
    test.query_params.clear()
    test.run()
    assert test.text[0].value.startswith("3 ")


WAITING = """
import streamlit as st
from apps.dashboard import kinds, state
A = kinds.whole("a", 3, 0, 10)
LATER = kinds.one_of("t_later", "x", ("x", "y"))
state.adopt(st.session_state.get("test_page", "one"))
st.slider("A", 0, 10, **state.bind(A))
if st.toggle("there", key="there"):
    st.segmented_control("Later", ["x", "y"], **state.bind(LATER))
    st.text(state.get(LATER))
for said in state.finish():
    st.warning(said)
"""


def test_a_parameter_waits_for_whoever_asks_for_it() -> None:
    test = AppTest.from_string(WAITING, default_timeout=20)
    for name, value in {"a": "7", "t_later": "y", "b_view": "wealth", "utm_source": "mail"}.items():
        test.query_params[name] = value
    test.run()
    # The Backtest page's parameter is known although nobody has opened that page; nobody knows the last one.
    assert dict(test.query_params) == {"a": "7", "t_later": "y", "b_view": "wealth"}
    assert not test.warning
    test.slider[0].set_value(8).run()
    assert dict(test.query_params) == {"a": "8", "t_later": "y", "b_view": "wealth"}
    test.toggle[0].set_value(True).run()
    assert test.text[0].value == "y"
    test.session_state["test_page"] = "two"
    test.query_params.clear()
    test.run()
    assert test.query_params["b_view"] == "wealth"
    test.query_params.clear()  # typed: what it does not say is gone
    test.query_params["a"] = "1"
    test.run()
    assert dict(test.query_params) == {"a": "1"}


@pytest.mark.parametrize(
    ("choice", "good", "value", "bad"),
    [
        (kinds.whole("n", 1, 0, 5), "5", 5, ["6", "-1", "1.5", "", "²", "٣", "9" * 5000]),
        (kinds.number("x", 1.0, 0, 5), "2.5", 2.5, ["nan", "inf", "6", "a"]),
        (kinds.flag("f"), "1", True, ["2", "yes"]),
        (kinds.day("d"), "2024-02-29", datetime.date(2024, 2, 29), ["2023-02-29", "x"]),
        (kinds.one_of("o", "a", ("a", "b")), "b", "b", ["c"]),
        (kinds.some_of("s", (), ("a", "b")), "b,a", ("b", "a"), ["c"]),
        (kinds.text("t", "", most=3), "abc", "abc", ["abcd"]),
    ],
)
def test_choices_round_trip_and_refuse(choice: Any, good: str, value: Any, bad: list[str]) -> None:
    assert choice.read(good) == value
    assert choice.read(choice.write(value)) == value
    for said in bad:
        with pytest.raises(ValueError):
            choice.read(said)


def test_numbers_are_written_as_finance_does() -> None:
    assert formats.percent(0.1234, 0.004) == "12.3 ± 0.4 %"
    assert formats.percent(-0.05, signed=True) == "\u22125.0 %"
    assert formats.percent(0.05, signed=True) == "+5.0 %"
    assert formats.percent(-0.0001) == "0.0 %"
    assert formats.percent(-0.00987, 0.00031) == "\u22120.99 ± 0.03 %"
    assert formats.number(0.273, 0.0042) == "0.273 ± 0.004"
    assert formats.number(2.0, 1e-17) == "2.00 ± 0.00"
    assert formats.number(2.0, 0.0) == "2.00 ± 0.00"
    assert formats.percent(float("nan")) == "–"
    assert formats.percent(0.1, float("nan")) == "10.0 %"
    assert formats.bps(0.0025) == "25 bps"
    assert formats.count(1000, "path") == "1,000 paths"
    assert formats.count(1, "path") == "1 path"
    assert formats.seconds(125) == "2 min 05 s"


BOUNDARY = """
from apps.dashboard.boundary import boundary
from spade_finance.exceptions import InputError
import streamlit as st
with boundary():
    raise InputError("weights: `x` has *no* value: give one")
with boundary():
    raise KeyError("secret internals")
st.text("the rest")
"""


def test_errors_become_words(caplog: pytest.LogCaptureFixture) -> None:
    test = AppTest.from_string(BOUNDARY, default_timeout=20).run()
    assert not test.exception
    assert test.text[0].value == "the rest"
    first, second = (e.value for e in test.error)
    assert "has \\*no\\* value" in first
    assert "secret" not in second
    number = second.split("**")[1]
    assert any(number in record.getMessage() and record.exc_info for record in caplog.records)


# ---- long work


def waited(job: work.Job, states: tuple[str, ...]) -> bool:
    for _ in range(400):
        if job.state in states:
            return True
        time.sleep(0.01)
    return False


def launched(function: Callable[..., Any], *args: Any) -> work.Job:
    job = work.Job("k", "Working")
    threading.Thread(target=job._run, args=(function, args, {}), daemon=True).start()
    return job


def test_a_job_gives_its_result_and_its_progress() -> None:
    job = launched(lambda job, x: (job.progress(1, 4), x + 1)[1], 2)
    assert waited(job, ("done",))
    assert job.result == 3
    assert job.share == 0.25


def test_a_job_ends_when_it_is_cancelled() -> None:
    def endless(job: work.Job) -> None:
        while True:
            job.progress(0, 0)
            time.sleep(0.005)

    job = launched(endless)
    assert waited(job, ("running",))
    job.cancel()
    assert waited(job, ("cancelled",))


def test_a_job_of_a_reader_who_has_gone_ends() -> None:
    def endless(job: work.Job) -> None:
        while True:
            job.progress(0, 0)
            time.sleep(0.005)

    job = work.Job("k", "Working")
    job._present = lambda: False
    job._last_present = time.monotonic() - work._AWAY_SECONDS - 1
    threading.Thread(target=job._run, args=(endless, (), {}), daemon=True).start()
    assert waited(job, ("cancelled",))


def test_a_job_keeps_its_error() -> None:
    job = launched(lambda job: 1 / 0)
    assert waited(job, ("failed",))
    assert isinstance(job.error, ZeroDivisionError)


DELIVERY = """
import streamlit as st
from apps.dashboard import work
got = st.session_state.setdefault("got", [])
work.deliver()
work.glance()
st.text(str(got))
"""


def test_a_finished_jobs_result_is_handed_over_once() -> None:
    test = AppTest.from_string(DELIVERY, default_timeout=20).run()
    job = work.Job("k", "Working")
    job.then = test.session_state["got"].append
    job.state, job.done, job.total = "running", 1.0, 4.0
    test.session_state["job:k"] = job
    test.run()
    assert test.text[0].value == "[]"
    assert [c.value for c in test.caption] == ["Working: 25%"]
    job.state, job.result = "done", 42
    test.run()
    test.run()
    assert test.text[0].value == "[42]"
    assert not test.caption


# ---- work in a process


CHILD = """
import time
from apps.dashboard.child import serve
def work(folder, tell):
    from spade_finance.exceptions import InputError
    tell(1, 4, "a quarter", row={"x": 1})
    what = (folder / "asked").read_text()
    if what == "refuse":
        raise InputError("no: because")
    if what == "fail":
        raise KeyError("inner")
    while what == "hang":
        time.sleep(0.1)
    (folder / "made").write_text("yes")
serve(work)
"""


@pytest.mark.parametrize("what", ["finish", "refuse", "fail", "hang"])
def test_work_in_a_process(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asked").write_text(what)
    (tmp_path / "somewhere").mkdir()
    (tmp_path / "somewhere" / "program.py").write_text(CHILD, encoding="utf-8")
    monkeypatch.setattr(processes, "_PACKAGE", "somewhere")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    job, heard = work.Job("k", "Working"), []

    def hear(said: dict[str, Any]) -> None:
        heard.append(said["row"])
        if what == "hang":
            job.cancel()

    expected: Any = {"refuse": InputError, "fail": RuntimeError, "hang": work.Cancelled}.get(what)
    if expected is None:
        processes.run_child(job, "program", tmp_path, heard=hear)
    else:
        with pytest.raises(expected, match={"refuse": "^no: because$", "fail": "inner"}.get(what)):
            processes.run_child(job, "program", tmp_path, heard=hear)
    assert (tmp_path / "made").exists() == (expected is None)
    assert heard == [{"x": 1}]
    assert job.share == 0.25


# ---- tables


def test_numbers_stand_to_the_right() -> None:
    for cells in (["12.3 ± 0.4 %", "–"], ["−5 days", "1,234"], ["0.44 (0.1 to 0.5)", ""], ["<1 %", "3"]):
        assert tables.numeric(pd.Series(cells))
    for cells in (["bull", "1"], ["–", ""], ["1st of May", "4"], ["2020-01-02", "2021-03-04"]):
        assert not tables.numeric(pd.Series(cells))


# ---- the bounded cache


def test_the_cache_is_bounded_and_makes_equal_things_once() -> None:
    made: list[int] = []
    cache: Bounded[bytes] = Bounded(100, len)

    def make(i: int) -> bytes:
        made.append(i)
        time.sleep(0.02)
        return bytes(40)

    threads = [threading.Thread(target=cache.get, args=("same", lambda: make(0))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [0]
    for i in range(1, 5):
        cache.get(i, lambda i=i: make(i))  # type: ignore[misc]
    assert cache.bytes <= 100
    assert len(cache) == 2
    cache.get(4, lambda: make(4))
    assert made == [0, 1, 2, 3, 4]


def test_the_cache_survives_a_maker_that_fails() -> None:
    cache: Bounded[bytes] = Bounded(100, len)
    with pytest.raises(ZeroDivisionError):
        cache.get("k", lambda: bytes(1 // 0))
    assert cache.get("k", lambda: b"ok") == b"ok"
