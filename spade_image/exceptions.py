# SPDX-License-Identifier: Apache-2.0
"""Errors of the image side, each one line that says what to do.

An :class:`InputError` is the user's to mend (the command line prints it and exits 2). Anything else that escapes
is ours.
"""

from __future__ import annotations


class InputError(ValueError):
    """The input is at fault: names the parameter, its value, why it is wrong and what to do."""


class ModelError(InputError):
    """A model folder or weight file is missing, damaged or of another kind."""


class OptionWarning(UserWarning):
    """Options that neither the official code nor ours has were given: they have no effect."""


class ConversionWarning(UserWarning):
    """Official weights left something open and a usual value was assumed; silence with ``warnings.filterwarnings``."""
