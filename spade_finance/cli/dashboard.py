# SPDX-License-Identifier: Apache-2.0
"""``spade-finance dashboard``: starts the dashboard's server and ends it cleanly."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spade_finance.cli.options import whole
from spade_finance.exceptions import InputError

EXAMPLE = """\
Examples:
  spade-finance dashboard
  spade-finance dashboard --port 8600 --models my-models"""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def dashboard(
    *,
    port: Annotated[int, Parameter(metavar="N", help="Port to listen on.")] = 8501,
    models: Annotated[
        Path | None,
        Parameter(metavar="DIR", help="Folder whose model folders can be chosen, beside the shipped model."),
    ] = None,
    host: Annotated[
        str,
        Parameter(
            metavar="ADDRESS",
            help="Address to listen on. The default answers this machine only; the dashboard has no passwords, so "
            "open it to others (0.0.0.0) only behind something that has.",
        ),
    ] = "127.0.0.1",
) -> None:
    """Start the dashboard: paint a market's future in the browser and see what it does.

    Serves until Ctrl-C. Needs the [app] extra. Nothing leaves the machine:
    no telemetry, and only this machine is answered.
    """
    whole(port, "--port", 1, 65535)
    if importlib.util.find_spec("streamlit") is None:
        raise InputError('the dashboard needs streamlit: install it with pip install "spade-finance[app]"')
    script = app_script()
    if models is not None and not models.is_dir():
        raise InputError(f"--models {models} is no folder: give the folder that holds your model folders")
    _check_free(host, port)
    from spade_finance.cli.console import note

    environment = dict(os.environ)
    if models is not None:
        environment["SPADE_MODELS"] = str(models.resolve())
    shown = f"[{host}]" if ":" in host else host
    note(f"dashboard: http://{shown}:{port}  (Ctrl-C ends it)")
    if host not in _LOOPBACK:
        note("warning: other machines can reach this dashboard, and it asks nobody for a password")
    _serve(script, host, port, environment)


def app_script() -> Path:
    """The file that Streamlit runs: inside the installed package, else in the checkout.

    Raises
    ------
    InputError
        If neither has it (a damaged or hand-made installation).
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "_apps", package.parent / "apps")
    for folder in candidates:
        if (script := folder / "dashboard" / "app.py").is_file():
            return script
    raise InputError(
        f"the dashboard's files are missing from {candidates[0]} and {candidates[1]}: reinstall spade-finance"
    )


def _check_free(host: str, port: int) -> None:
    """InputError when something listens there already; Streamlit would say so with a traceback."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise InputError(f"--host {host!r} is no address of this machine: use 127.0.0.1") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except PermissionError:
            raise InputError(f"--port {port} may not be used here: choose one above 1023") from None
        except OSError as error:
            raise InputError(
                f"--port {port} on {host} cannot be used ({error.strerror}): a dashboard may run there already; "
                f"choose another, such as --port {port + 1 if port < 65535 else port - 1}"
            ) from None


def _serve(script: Path, host: str, port: int, environment: dict[str, str]) -> None:
    """Run the server as a child until it or we are told to end; it ends with us either way."""
    command = [sys.executable, "-m", "streamlit", "run", str(script), f"--server.port={port}"]
    command += [f"--server.address={host}", "--logger.level=warning"]
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        code = server.wait()
    except BaseException:  # Ctrl-C and SIGTERM too; the boundary gives them their exit codes
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        raise
    if code:
        raise RuntimeError(f"the dashboard's server ended with exit code {code}; its own words stand above")
