# SPDX-License-Identifier: Apache-2.0
"""Ten sessions at once: no error, no cross-talk, memory flat. Speaks Streamlit's own protocol, so no browser is needed.

``pytest tests/apps/test_load.py -m slow -s -n 0`` prints what the documentation quotes.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")
pytest.importorskip("websockets")

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SESSIONS, ROUNDS = 10, 20


@pytest.fixture
def server(free_port: Callable[[], int], tmp_path: Path) -> Iterator[tuple[int, int]]:
    """(port, pid) of a dashboard of its own."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "apps/dashboard/app.py", f"--server.port={port}"]
    log = (tmp_path / "server.log").open("wb")
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def megabytes(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


async def session(port: int, number: int, rounds: int, seconds: list[float]) -> None:
    """Generate `rounds` times, each a timeline of its own, and read every word that comes back."""
    url = f"ws://127.0.0.1:{port}/_stcore/stream"
    origin = f"http://127.0.0.1:{port}"
    async with websockets.connect(url, origin=origin, max_size=2**27, subprotocols=["streamlit"]) as socket:
        for i in range(rounds):
            first = 20 + number
            script = f"bull:{first},crisis:{10 + i},bear:{120 - first - 10 - i}"
            request = BackMsg()
            request.rerun_script.query_string = f"script={script}&seed={1000 * number + i}&paths=500"
            began = time.monotonic()
            await socket.send(request.SerializeToString())
            said = await asyncio.wait_for(answer(socket), 300)
            seconds.append(time.monotonic() - began)
            assert f"--regimes {script} --paths 500 --seed {1000 * number + i}" in said, (
                script,
                said[-1500:],
            )
            others = set(re.findall(r"bull:(\d+),crisis", said)) - {str(first), "60"}  # 60 is the example
            assert not others, f"session {number} was told of {others}"
            assert "sorry" not in said


async def answer(socket: object) -> str:
    """All that one run of the script says, as text."""
    parts = []
    while True:
        message = ForwardMsg()
        message.ParseFromString(await socket.recv())  # type: ignore[attr-defined]
        kind = message.WhichOneof("type")
        if kind == "delta":
            element = message.delta.new_element
            if element.WhichOneof("type") in ("alert", "code", "html", "markdown", "exception"):
                parts.append(str(element.code.code_text or element))
                assert element.WhichOneof("type") != "exception", str(element)
        elif kind == "script_finished" and message.script_finished in (
            ForwardMsg.FINISHED_SUCCESSFULLY,
            ForwardMsg.FINISHED_EARLY_FOR_RERUN,
        ):
            if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return "\n".join(parts)
            parts.clear()


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
def test_ten_sessions_at_once(server: tuple[int, int]) -> None:
    port, pid = server
    wait_until_up(port)

    async def everybody(rounds: int, seconds: list[float]) -> None:
        await asyncio.gather(*(session(port, number, rounds, seconds) for number in range(SESSIONS)))

    asyncio.run(session(port, 0, 1, []))
    alone: list[float] = []
    asyncio.run(session(port, 11, 5, alone))
    memory = [megabytes(pid)]
    together: list[float] = []
    for _ in range(4):
        asyncio.run(everybody(ROUNDS // 4, together))
        memory.append(megabytes(pid))
    print(
        f"\none session: median {np.median(alone):.2f} s, worst {max(alone):.2f} s for 500 paths of 120 days\n"
        f"{SESSIONS} sessions at once, {len(together)} generations: median {np.median(together):.2f} s, "
        f"worst {max(together):.2f} s\nmemory of the server, MB: " + ", ".join(f"{m:,.0f}" for m in memory)
    )
    assert len(together) == SESSIONS * ROUNDS
    # The cache of samples fills up first; what comes after it must not grow.
    assert memory[-1] < memory[-2] * 1.08 + 20
    assert memory[-1] < memory[0] + 900


def wait_until_up(port: int) -> None:
    import urllib.request

    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the dashboard did not answer within a minute")
