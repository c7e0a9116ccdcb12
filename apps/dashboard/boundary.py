# SPDX-License-Identifier: Apache-2.0
"""Where errors become words: an input's fault says what to do, ours apologises with a number that the log has.

The shell puts one boundary around every page. A fragment runs again without the page, so it is declared with
:func:`fragment` instead of ``st.fragment``, which puts a boundary around it as well.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import secrets
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

import streamlit as st

__all__ = ["boundary", "fragment", "report"]

P = ParamSpec("P")
log = logging.getLogger("spade.dashboard")


@contextlib.contextmanager
def boundary(*, way_out: Callable[[], None] | None = None) -> Iterator[None]:
    """Turn an exception of the block into words on the page.

    Parameters
    ----------
    way_out : callable, optional
        Draws what the reader can do about it below the words (a button, a link).
    """
    try:
        yield
    except Exception as error:  # Streamlit's own control flow is no Exception
        report(error)
        if way_out is not None:
            way_out()


def report(error: BaseException) -> None:
    """Say what went wrong: an input's fault as it is, anything else as an apology with the log's number."""
    text = _words(error)
    if text is not None:
        st.error(_plain(text), icon=":material/info:")
        if pointer := getattr(error, "pointer", ""):
            st.code(pointer, language=None)
        return
    number = secrets.token_hex(3)
    log.error("error %s", number, exc_info=error)
    st.error(
        f"Something went wrong on our side, and we are sorry. What you set is kept: change it or reload the page. "
        f"If it happens again, report number **{number}** with the server's log.",
        icon=":material/error:",
    )


def _words(error: BaseException) -> str | None:
    """The message of an error that the input is to blame for; None for ours."""
    import sys

    from spade_finance.exceptions import InputError

    image = sys.modules.get("spade_image.exceptions")
    checkpoint = sys.modules.get("spade_core.checkpoint")
    kinds: list[type[BaseException]] = [InputError]
    kinds += [image.InputError] if image is not None else []
    kinds += [checkpoint.CheckpointError] if checkpoint is not None else []
    if isinstance(error, tuple(kinds)):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for this: ask for fewer paths or days."
    if isinstance(error, TimeoutError | ConnectionError):
        return f"The network did not answer ({error}): try again."
    return None


def fragment(function: Callable[P, None] | None = None, *, run_every: float | None = None) -> Any:
    """``st.fragment`` with a boundary of its own: ``@fragment`` or ``@fragment(run_every=0.5)``."""

    def decorate(inner: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(inner)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            with boundary():
                inner(*args, **kwargs)

        return st.fragment(guarded, run_every=run_every)

    return decorate if function is None else decorate(function)


def _plain(text: str) -> str:
    """Text for a Markdown place, with nothing in it that Markdown would take for its own."""
    for mark in "\\`*_[]~$#<>|:":
        text = text.replace(mark, "\\" + mark)
    return text
