# SPDX-License-Identifier: Apache-2.0
"""Remake the pictures of the README and the docs from the shipped model.

Needs kaleido and a Chromium (``BROWSER_PATH`` names it where it is not found)::

    BROWSER_PATH=/usr/bin/chromium python docs/make_images.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import spade_finance as sf
from spade_finance import plotting

FOLDER = Path(__file__).parent / "images"
SCRIPT = "bull:120,crisis:40,bear:60,bull:32"


def save(figure: Any, name: str, width: int = 1100, height: int = 460) -> None:
    """Write a figure on white, so that it reads on a dark page too."""
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white", font_color="#333333")
    FOLDER.mkdir(exist_ok=True)
    figure.write_image(FOLDER / f"{name}.png", width=width, height=height, scale=1.5)


def main() -> None:
    """Draw all of them."""
    model = sf.ScenarioGenerator.load("default")
    scenarios = model.sample(SCRIPT, 1000, 0)
    title = f"Equal-weight market, 1,000 paths under {SCRIPT} (start 100)"
    save(plotting.fan_chart(scenarios, title=title), "fan")
    save(plotting.sector_fans(scenarios), "sectors", height=620)
    save(plotting.training_curve(model.curve_), "training_curve", height=380)


if __name__ == "__main__":
    main()
