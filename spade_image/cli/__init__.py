# SPDX-License-Identifier: Apache-2.0
"""The command line, ``spade-image``: thin commands over the Python functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What was typed after ``spade-image``; default ``sys.argv[1:]``.

    Returns
    -------
    int
        0 on success, 2 on bad usage or input, 1 on failure, 130 on Ctrl-C (143 on SIGTERM).
    """
    from spade_image.cli.boundary import run

    return run(arguments)
