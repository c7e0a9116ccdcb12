# SPDX-License-Identifier: Apache-2.0
"""Errors and warnings of the finance side, each one line that says what to do.

An :class:`InputError` is the user's to mend (the command line prints it and exits 2). Anything else that escapes
is ours.
"""

from __future__ import annotations


class InputError(ValueError):
    """The input is at fault: names the parameter, its value, why it is wrong and what to do."""


class ModelError(InputError):
    """A model folder is missing, damaged or of another kind."""


class SpadeWarning(UserWarning):
    """Base of every warning this package raises; silence one kind with ``warnings.filterwarnings``."""


class ReturnScaleWarning(SpadeWarning):
    """Returns look unusually large or small for daily decimal returns."""


class ShortHistoryWarning(SpadeWarning):
    """The history is shorter than what the estimate needs to be reliable."""


class RareRegimeWarning(SpadeWarning):
    """A regime has so few days or episodes that its statistics are weak."""


class LookAheadWarning(SpadeWarning):
    """Information from after the date in question is being used (smoothed labels, a window inside training)."""


class ConvergenceWarning(SpadeWarning):
    """A fit stopped before it converged; its status says what was used instead."""
