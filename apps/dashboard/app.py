# SPDX-License-Identifier: Apache-2.0
"""What ``streamlit run`` runs: finds the package it lies in and hands over to its shell."""

import importlib
import sys
from pathlib import Path

_APPS = Path(__file__).resolve().parents[1]
_IN_WHEEL = _APPS.name == "_apps"
_ROOT = str(_APPS.parents[1] if _IN_WHEEL else _APPS.parent)
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

importlib.import_module(("spade_finance._apps" if _IN_WHEEL else "apps") + ".dashboard.shell").main()
