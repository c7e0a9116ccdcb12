# SPDX-License-Identifier: Apache-2.0
"""Self-contained pages: one file, plotly.js inside once, nothing loaded; light, dark, phone and print.

Figures are embedded as JSON and drawn by the page, which puts the reader's colour scheme in place of the two
greys that :mod:`spade_finance.plotting` uses for text and for real data.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from jinja2 import Environment

VERSIONED = ("spade-finance", "torch", "numpy", "pandas", "plotly")
DISCLAIMER = (
    "Not investment advice. Scenarios are draws from a statistical model of the past under a regime "
    "timeline that somebody chose; they are not forecasts."
)


@lru_cache
def environment(room: str) -> Environment:
    """Jinja environment over the templates of a room and the shared ones, everything escaped by default."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    rooms = (f"spade_finance.{room}", "spade_finance.reports")
    return Environment(
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in rooms]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(room: str, template: str, **context: Any) -> str:
    """Page of a room's template (``evaluate``, ``stress`` ...) that extends ``base.html.j2``."""
    page = environment(room).get_template(template)
    return page.render(plotly_js=_plotly_js(), disclaimer=DISCLAIMER, **context)


def embedded(figure: go.Figure, *, wide: bool = False) -> dict[str, Any]:
    """What the ``figure`` macro needs: the title as text, the rest as JSON safe inside a script element.

    Parameters
    ----------
    wide : bool
        Keep a minimum width and scroll sideways on a phone instead of shrinking.
    """
    from spade_finance.plot_style import take_title

    title = take_title(figure)
    height = int(figure.layout.height or 400)
    figure.update_layout(height=None)
    text = re.sub(r"</", r"<\\/", str(figure.to_json()))
    return {"title": title, "json": text, "height": height - 30, "wide": wide}


def versions() -> dict[str, str]:
    """Versions of what made a report."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def provenance_rows(*parts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of everything known, versions last; None is left out."""
    rows = [(str(k).replace("_", " "), str(v)) for part in parts for k, v in part.items() if v is not None]
    return [*rows, ("versions", ", ".join(f"{k} {v}" for k, v in versions().items()))]


@lru_cache(maxsize=1)
def _plotly_js() -> str:
    """The plotly.js bundle, from the installed plotly."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
