# SPDX-License-Identifier: Apache-2.0
"""The one place where errors become a line and an exit code.

====  ====================================================================
code  when
====  ====================================================================
0     success
1     failure: ours, or the network's
2     bad usage or bad input (`InputError`), or a file that cannot be used
130   Ctrl-C (143: SIGTERM)
====  ====================================================================

A command's own work is plain: it raises. ``--debug``, anywhere on the line, shows the traceback and the
warnings of other libraries.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, TextIO

from spade_image.exceptions import ConversionWarning, InputError, OptionWarning

__all__ = ["run"]


class Terminated(BaseException):
    """SIGTERM, raised where the program stands, so that half-written files are removed on the way out."""


def run(arguments: Sequence[str] | None) -> int:
    """Run one command line; see :func:`spade_image.cli.main`."""
    tokens, debug = _without_debug(sys.argv[1:] if arguments is None else list(arguments))
    try:
        with _our_warnings_only(debug), _sigterm_raises():
            code = _dispatch(tokens)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        # The reader (head, less) has seen enough. What is still buffered must not fail again at exit.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as error:
        return _report(str(error) or "interrupted", 130, error, debug)
    except Terminated as error:
        return _report("terminated", 143, error, debug)
    except InputError as error:
        return _report(str(error), 2, error, debug)
    except (ConnectionError, TimeoutError) as error:
        return _report(f"network: {error}", 1, error, debug)
    except OSError as error:
        return _report(_about_file(error), 2, error, debug)
    except MemoryError as error:
        return _report(f"out of memory: {_SMALLER}", 1, error, debug)
    except ModuleNotFoundError as error:
        text = f"this command needs the package {error.name}: pip install 'spade-finance[image]'"
        return _report(text, 1, error, debug)
    except Exception as error:
        if type(error).__module__.startswith("cyclopts"):
            return _report(f"{error} (--help shows the usage)", 2, error, debug)
        kind = type(error).__name__
        if kind == "CheckpointError":
            return _report(str(error), 2, error, debug)
        if kind == "OutOfMemoryError":
            return _report(f"the accelerator is out of memory: {_SMALLER}", 1, error, debug)
        # A RuntimeError is a sentence of ours; other types say nothing without their name.
        text = str(error) if kind == "RuntimeError" and str(error) else f"{kind}: {error}"
        return _report(text + ("" if debug else " (--debug shows the traceback)"), 1, error, debug)


_SMALLER = "choose a smaller --batch-size (with --accumulate for the same step), --crop-size or --ngf"


def _dispatch(tokens: list[str]) -> int:
    from spade_image.cli.app import app

    code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    return code if isinstance(code, int) else 0


def _without_debug(tokens: Sequence[str]) -> tuple[list[str], bool]:
    """Take ``--debug`` out, wherever it stands before a ``--``."""
    end = tokens.index("--") if "--" in tokens else len(tokens)
    head = [token for token in tokens[:end] if token != "--debug"]
    return [*head, *tokens[end:]], len(head) < end


def _report(text: str, code: int, error: BaseException, debug: bool) -> int:
    with contextlib.suppress(OSError, ValueError):
        if debug:
            traceback.print_exception(error)
        print(f"error: {' '.join(text.split())}", file=sys.stderr, flush=True)
    return code


def _about_file(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason


@contextlib.contextmanager
def _our_warnings_only(debug: bool) -> Iterator[None]:
    """Our own warnings as one line each, once; other libraries' are for developers."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"warning: {' '.join(str(message).split())}", file=sys.stderr, flush=True)

    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        for ours in (ConversionWarning, OptionWarning):
            warnings.simplefilter("once", ours)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does; training has handlers of its own while it runs."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Any = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
