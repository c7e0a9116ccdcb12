# SPDX-License-Identifier: Apache-2.0
"""A page as PDF, through a headless browser of the system if there is one. A report never fails for lack of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["BROWSERS", "find_browser", "write_pdf"]

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge",
    "brave-browser",
)  # fmt: skip
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
VARIABLE = "SPADE_BROWSER"
"""Environment variable that names the browser; empty or ``none`` switches PDF off."""
DRAW_MILLISECONDS = 20_000


def find_browser() -> str | None:
    """Path of a browser that prints headlessly: ``SPADE_BROWSER``, the search path, then the usual places."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return None if named.strip().lower() in ("", "none") else shutil.which(named)
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    return next((place for place in PLACES if Path(place).is_file()), None)


def write_pdf(
    html_path: str | os.PathLike[str], pdf_path: str | os.PathLike[str], *, timeout: float = 90.0
) -> bool:
    """Print a page to PDF.

    Parameters
    ----------
    html_path, pdf_path : path
    timeout : float
        Seconds after which the browser is stopped.

    Returns
    -------
    bool
        Whether the file was written; False without a browser, on its failure or after the timeout. The PDF
        appears whole or not at all.
    """
    browser, page, target = find_browser(), Path(html_path).resolve(), Path(pdf_path)
    if browser is None or not page.is_file():
        return False
    with tempfile.TemporaryDirectory(prefix="spade-pdf-", ignore_cleanup_errors=True) as folder:
        made = Path(folder) / "page.pdf"
        command = [
            browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions",
            "--no-pdf-header-footer", f"--user-data-dir={folder}/profile", f"--virtual-time-budget={DRAW_MILLISECONDS}",
            f"--print-to-pdf={made}", page.as_uri(),
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # the browser refuses to run as root otherwise
        if not _run(command, timeout) or not made.is_file() or made.read_bytes()[:5] != b"%PDF-":
            return False
        try:
            from spade_finance.io.atomic import atomic_path

            with atomic_path(target) as unfinished:
                shutil.copyfile(made, unfinished)
        except OSError:
            return False
    return True


def _run(command: list[str], timeout: float) -> bool:
    """Whether the command succeeds in time; it is ended with all it started otherwise."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=timeout,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
