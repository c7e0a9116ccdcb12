# SPDX-License-Identifier: Apache-2.0
"""Choices: typed, shared by all pages, and written in the address, so that a view can be linked.

A page declares its choices as constants (see :mod:`.kinds`) and asks for their values; a widget is tied to one with
:func:`bind`::

    PATHS = whole("paths", 500, 50, 5000)

    n_paths = get(PATHS)                                  # from the session, else the address, else the default
    st.slider("Paths", 50, 5000, step=50, **bind(PATHS))  # the widget, the session and the address in step
    put(PATHS, 1000)                                      # in a callback, or before the widget is drawn

The address holds what this page asked for and what differs from its default. An address that was typed, linked
or gone back to wins over the session; a part of it that means nothing is said and left at its default. A part that
nobody has asked for yet (a widget that waits for a file, a choice of another page) stays until somebody does.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import streamlit as st

from .kinds import LONGEST, NAMES, Choice

__all__ = ["adopt", "bind", "finish", "get", "link", "put", "reset"]

T = TypeVar("T")

_REMEMBERED = 20
"""Addresses of ours that are known again when the browser still says them."""


# ---- values


def get(choice: Choice[T]) -> T:
    """The value that holds now."""
    _used()[choice.name] = choice
    key = _VALUE + choice.name
    pending: dict[str, str] = st.session_state.get(_PENDING, {})
    if choice.name in pending:
        said = pending.pop(choice.name)
        try:
            st.session_state[key] = choice.read(said)
        except ValueError as error:
            st.session_state.pop(key, None)
            shown = said if len(said) <= 60 else said[:59] + "…"
            _notes().append(
                f"The address says {choice.name}={shown}: {error}. The usual value is used instead."
            )
    value: T = st.session_state.get(key, choice.default)
    return value


def put(choice: Choice[T], value: T) -> None:
    """Set a value, from a callback or before its widget is drawn in this run."""
    st.session_state.get(_PENDING, {}).pop(choice.name, None)
    _used()[choice.name] = choice
    st.session_state[_VALUE + choice.name] = value
    _write_address()


def reset(*choices: Choice[Any]) -> None:
    """Set choices back to their defaults."""
    for choice in choices:
        put(choice, choice.default)


def bind(choice: Choice[T], *, then: Callable[[], None] | None = None) -> dict[str, Any]:
    """Arguments that tie a widget to a choice: ``st.slider("Paths", 50, 5000, **bind(PATHS))``.

    The widget is given neither a value nor a default of its own. `then` is called after a change.
    """
    key = _WIDGET + choice.name
    value = get(choice)
    if st.session_state.get(key, _NOTHING) != _shown(value):
        st.session_state[key] = _shown(value)
    return {"key": key, "on_change": _take, "args": (choice, then)}


def _take(choice: Choice[Any], then: Callable[[], None] | None) -> None:
    """Callback of a bound widget."""
    value = st.session_state.get(_WIDGET + choice.name)
    if isinstance(choice.default, tuple):
        value = tuple(value or ())
    elif value is None and choice.default is not None:  # a segment that was clicked off, an emptied number
        value = get(choice)
    put(choice, value)
    if then is not None:
        then()


def _shown(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


# ---- the address


def link(**changes: str) -> dict[str, str]:
    """The address's parameters as they are now, with changes: for ``st.page_link(..., query_params=link())``."""
    return {**st.session_state.get(_PENDING, {}), **_address(), **changes}


def adopt(page: str) -> None:
    """At the start of a run: take over an address that is not what this session wrote itself."""
    session = st.session_state
    url = {name: st.query_params[name] for name in st.query_params}
    seen = session.get(_PAGE)
    if seen == page and _is_echo(url):
        return
    if seen == page:  # typed, linked or gone back to: what it does not say has its default
        for name in list(_used()):
            session.pop(_VALUE + name, None)
        session[_PENDING] = url
    else:
        session[_USED] = {}
        session[_PENDING] = {**session.get(_PENDING, {}), **url}
    session[_PAGE] = page
    _written().append(url)


def finish() -> list[str]:
    """At the end of a run: write the address; returns what was not understood in it."""
    pending: dict[str, str] = st.session_state.get(_PENDING, {})
    if pending:
        known = _known(pending)
        st.session_state[_PENDING] = {name: said for name, said in pending.items() if name in known}
    _write_address()
    said, st.session_state[_NOTES] = list(_notes()), []
    return said


def _address() -> dict[str, str]:
    """What the address should say; what no address has room for is left out (the page has to say so)."""
    return {
        name: choice.write(get(choice))
        for name, choice in list(_used().items())
        if get(choice) != choice.default and len(choice.write(get(choice))) <= LONGEST
    }


def _write_address() -> None:
    """Write the address if it should say something else than what was last written or read."""
    # What nobody has asked for yet stays: it is for a widget further down, or on another page.
    wanted = {**st.session_state.get(_PENDING, {}), **_address()}
    written = _written()
    if not written or written[-1] != wanted:
        st.query_params.from_dict(wanted)
        written.append(wanted)
        del written[:-_REMEMBERED]


def _is_echo(url: dict[str, str]) -> bool:
    """Whether an address is our own: the last one, or one that the browser still had while we wrote the next.

    The second kind looks like going back, but the browser says when it went back.
    """
    written = _written()
    return bool(written) and (url == written[-1] or (url in written and not _went_back()))


def _went_back() -> bool:
    """Whether this run comes from the browser's Back or Forward."""
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context = get_script_run_ctx()
    return bool(getattr(context, "is_history_navigation", False))


def _known(names: Iterable[str]) -> set[str]:
    """Names of choices; before one is taken for nobody's, the pages that nobody has opened yet are asked."""
    if not NAMES.issuperset(names):
        from . import views

        for page in pkgutil.iter_modules(views.__path__):
            importlib.import_module(f"{views.__name__}.{page.name}")
    return NAMES


def _written() -> list[dict[str, str]]:
    """Addresses that this session's page has had, the last one last."""
    found: list[dict[str, str]] = st.session_state.setdefault(_WRITTEN, [])
    return found


_VALUE, _WIDGET = "choice:", "widget:"
_PENDING, _PAGE, _USED, _NOTES, _WRITTEN = (
    "state:pending",
    "state:page",
    "state:used",
    "state:notes",
    "state:written",
)
_NOTHING = object()


def _used() -> dict[str, Choice[Any]]:
    """Choices that this page asked for."""
    found: dict[str, Choice[Any]] = st.session_state.setdefault(_USED, {})
    return found


def _notes() -> list[str]:
    found: list[str] = st.session_state.setdefault(_NOTES, [])
    return found
