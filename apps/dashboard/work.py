# SPDX-License-Identifier: Apache-2.0
"""Long work: in a thread, or as a command in a process of its own; with progress, and a way to stop it.

A job belongs to one session and is found again by its key after every rerun::

    if st.button("Train"):
        start("train", "Training a quick model", train_it, returns, preset)      # train_it(job, returns, preset)
    job = watch("train")                          # draws progress and Cancel while it runs, words when it failed
    if job is not None and job.state == "done":
        show(job.result)

The function reports with ``job.progress(done, total, text)``, which also ends it when the reader has cancelled.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import streamlit as st

from .boundary import fragment, report
from .formats import seconds

__all__ = ["Cancelled", "Job", "cancel", "deliver", "find", "forget", "glance", "start", "watch"]

State = Literal["waiting", "running", "done", "failed", "cancelled"]

_PLACES = threading.BoundedSemaphore(max(1, (os.cpu_count() or 2) // 2))
"""Jobs that run at one time on this server; others wait for their turn."""
_AWAY_SECONDS = 180.0
"""A session that has been away so long is not coming back: its jobs end."""


class Cancelled(Exception):
    """Raised in the work itself once the reader has cancelled it."""


class Job:
    """One piece of long work.

    Attributes
    ----------
    state : "waiting", "running", "done", "failed" or "cancelled"
    result : Any
        What the function returned.
    error : BaseException or None
    rows : list
        For the function's own use: what it wants to show while it runs (a training curve).
    then : callable or None
        Takes the result in the reader's session, once, whichever page the reader is on then; see :func:`deliver`.
    """

    def __init__(self, key: str, title: str) -> None:
        self.key, self.title = key, title
        self.state: State = "waiting"
        self.result: Any = None
        self.error: BaseException | None = None
        self.rows: list[Any] = []
        self.done, self.total, self.text = 0.0, 0.0, ""
        self.began = time.monotonic()
        self.ended: float | None = None
        self.then: Callable[[Any], None] | None = None
        self._cancel = threading.Event()
        self._present: Callable[[], bool] = lambda: True
        self._last_present = time.monotonic()

    @property
    def cancelled(self) -> bool:
        """Whether the work should end: the reader said so, or has gone away."""
        if self._present():
            self._last_present = time.monotonic()
        elif time.monotonic() - self._last_present > _AWAY_SECONDS:
            self._cancel.set()
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Ask the work to end."""
        self._cancel.set()

    def progress(self, done: float, total: float, text: str = "") -> None:
        """Say how far it is; raises :class:`Cancelled` when it should end."""
        self.done, self.total, self.text = float(done), float(total), text
        if self.cancelled:
            raise Cancelled

    @property
    def share(self) -> float | None:
        """Share done, 0 to 1; None while it is not known."""
        return min(1.0, max(0.0, self.done / self.total)) if self.total > 0 else None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return (self.ended if self.ended is not None else time.monotonic()) - self.began

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        state: State = "failed"
        try:
            while not _PLACES.acquire(timeout=0.2):
                if self.cancelled:
                    raise Cancelled
            try:
                self.state, self.began = "running", time.monotonic()
                if self.cancelled:
                    raise Cancelled
                self.result = function(self, *args, **kwargs)
                state = "done"
            finally:
                _PLACES.release()
        except Cancelled:
            state = "cancelled"
        except BaseException as error:
            self.error = error
        self.ended = time.monotonic()
        self.state = state


def start(key: str, title: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Job:
    """Begin ``function(job, *args, **kwargs)`` in a thread; an older job of the same key is cancelled.

    The function must not touch Streamlit.
    """
    cancel(key)
    job = Job(key, title)
    job._present = _presence()
    st.session_state[_JOB + key] = job
    threading.Thread(target=job._run, args=(function, args, kwargs), name=f"job {key}", daemon=True).start()
    return job


def find(key: str) -> Job | None:
    """This session's job of a key."""
    job: Job | None = st.session_state.get(_JOB + key)
    return job


def cancel(key: str) -> None:
    """Ask a job to end, if there is one."""
    if (job := find(key)) is not None:
        job.cancel()


def forget(key: str) -> None:
    """Cancel a job and drop what it found."""
    cancel(key)
    st.session_state.pop(_JOB + key, None)


def deliver() -> None:
    """Hand over what finished jobs have for the whole session; every page calls this through the model picker."""
    for job in _jobs():
        if job.state == "done" and (then := job.then) is not None:
            job.then = None
            then(job.result)


def glance() -> None:
    """A line for every running job that the whole session waits for; its end runs the page again."""
    for job in _jobs():
        if job.then is not None and job.state in ("waiting", "running"):
            _glance(job)


@fragment(run_every=2.0)
def _glance(job: Job) -> None:
    if job.state not in ("waiting", "running"):
        st.rerun()
    share = job.share
    st.caption(f"{job.title}" + (f": {share:.0%}" if share is not None else "…"))


def _jobs() -> list[Job]:
    kept = [str(name) for name in st.session_state if str(name).startswith(_JOB)]
    return [job for name in kept if isinstance(job := st.session_state[name], Job)]


def watch(key: str, *, live: Callable[[Job], None] | None = None) -> Job | None:
    """Draw a job: its progress and a Cancel button while it runs, what went wrong if it failed.

    Parameters
    ----------
    live : callable, optional
        Draws more about the running job (a curve from ``job.rows``), twice a second.

    Returns
    -------
    Job or None
        The job, in any state; None when there was none. A page draws the result of ``state == "done"``.
    """
    job = find(key)
    if job is None:
        return None
    if job.state in ("waiting", "running"):
        _running(job, live)
    elif job.state == "failed" and job.error is not None:
        report(job.error)
    elif job.state == "cancelled":
        st.info(f"{job.title}: cancelled after {seconds(job.elapsed)}.", icon=":material/cancel:")
    return job


@fragment(run_every=0.5)
def _running(job: Job, live: Callable[[Job], None] | None) -> None:
    if job.state not in ("waiting", "running"):
        st.rerun()  # the whole page, which draws the result
    with st.container(border=True, key=f"job-{job.key}"):
        words, button = st.columns([5, 1], vertical_alignment="center")
        words.markdown(f"**{job.title}** · {_status(job)}")
        if job._cancel.is_set():
            button.button("Stopping…", key=f"cancel:{job.key}", disabled=True, width="stretch")
        else:
            button.button(
                "Cancel",
                key=f"cancel:{job.key}",
                icon=":material/close:",
                on_click=job.cancel,
                width="stretch",
            )
        st.progress(job.share if job.share is not None else 0.0)
        if live is not None:
            live(job)


def _status(job: Job) -> str:
    if job.state == "waiting":
        return "waiting for its turn"
    said = [job.text] if job.text else []
    share = job.share
    if share is not None:
        said.append(f"{share:.0%}")
        if 0.03 < share < 1:
            said.append(f"about {seconds(job.elapsed * (1 - share) / share)} left")
    return " · ".join([*said, seconds(job.elapsed)])


def _presence() -> Callable[[], bool]:
    """Tells whether this session's browser is still there; yes where Streamlit does not say."""
    from streamlit.runtime import exists, get_instance
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    context = get_script_run_ctx()
    if context is None or not exists():
        return lambda: True
    session, runtime = context.session_id, get_instance()

    def present() -> bool:
        return bool(runtime.is_active_session(session))

    return present


_JOB = "job:"
