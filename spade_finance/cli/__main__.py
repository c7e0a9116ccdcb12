# SPDX-License-Identifier: Apache-2.0
"""``python -m spade_finance.cli`` is ``spade-finance``."""

from __future__ import annotations

import sys

from spade_finance.cli import main

if __name__ == "__main__":
    sys.exit(main())
