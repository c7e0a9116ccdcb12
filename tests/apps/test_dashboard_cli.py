# SPDX-License-Identifier: Apache-2.0
"""``spade-finance dashboard``: found, refused in words, and gone after Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spade_finance.cli import main
from spade_finance.cli.dashboard import app_script


def test_the_script_is_found() -> None:
    assert app_script().name == "app.py"
    assert (app_script().parent / ".streamlit" / "config.toml").is_file()


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "streamlit" else found(name, *more)
    )
    assert main(["dashboard"]) == 2
    assert 'pip install "spade-finance[app]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--port", "0"], "--port 0"),
        (["--models", "nowhere"], "is no folder"),
        (["--host", "no such host"], "is no address"),
    ],
)
def test_bad_usage_is_refused(more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("streamlit")
    assert main(["dashboard", *more]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("streamlit")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["dashboard", "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot be used" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_it_serves_this_machine_and_ends_with_ctrl_c(free_port: Callable[[], int], tmp_path: Path) -> None:
    pytest.importorskip("streamlit")
    port = free_port()
    command: list[Any] = [sys.executable, "-m", "spade_finance.cli", "dashboard", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail("the dashboard did not answer")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert f"http://127.0.0.1:{port}" in said
    assert "Traceback" not in said
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
