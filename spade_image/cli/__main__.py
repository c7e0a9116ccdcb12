# SPDX-License-Identifier: Apache-2.0
"""``python -m spade_image.cli`` is ``spade-image``; so that ``torchrun -m spade_image.cli train ...`` works too."""

from __future__ import annotations

import sys

from spade_image.cli import main

if __name__ == "__main__":
    sys.exit(main())
