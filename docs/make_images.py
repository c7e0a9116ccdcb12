# SPDX-License-Identifier: Apache-2.0
"""Remake the pictures of the README and the docs from the shipped model.

Needs kaleido and a Chromium (``BROWSER_PATH`` names it where it is not found)::

    BROWSER_PATH=/usr/bin/chromium python docs/make_images.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import spade_finance as sf
from spade_finance import plotting

FOLDER = Path(__file__).parent / "images"
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
SCRIPT = "bull:120,crisis:40,bear:60,bull:32"


def save(figure: Any, name: str, width: int = 1100, height: int = 460) -> None:
    """Write a figure on white, so that it reads on a dark page too."""
    figure.update_layout(paper_bgcolor="white", plot_bgcolor="white", font_color="#333333")
    FOLDER.mkdir(exist_ok=True)
    figure.write_image(FOLDER / f"{name}.png", width=width, height=height, scale=1.5)


def generators_by_class() -> Any:
    """IoU by class of the pictures of the compared image generators, from the benchmark's own file."""
    import plotly.graph_objects as go

    from spade_finance.plot_style import GENERATED, OTHERS, REAL, style

    columns = json.loads((RESULTS / "image_comparison.json").read_text(encoding="utf-8"))["columns"]
    colors = {"real photos": REAL, "spade": GENERATED, "concat": OTHERS[0], "unet": OTHERS[1]}
    figure = go.Figure()
    for name, color in colors.items():
        iou = columns[name]["iou"]
        figure.add_bar(x=list(iou), y=[100 * value for value in iou.values()], name=name, marker_color=color)
    style(figure, "IoU by class of a segmentation network on each generator's pictures, percent", 420)
    figure.update_layout(barmode="group")
    return figure


def main() -> None:
    """Draw all of them."""
    model = sf.ScenarioGenerator.load("default")
    scenarios = model.sample(SCRIPT, 1000, 0)
    title = f"Equal-weight market, 1,000 paths under {SCRIPT} (start 100)"
    save(plotting.fan_chart(scenarios, title=title), "fan")
    save(plotting.sector_fans(scenarios), "sectors", height=620)
    save(plotting.training_curve(model.curve_), "training_curve", height=380)
    save(generators_by_class(), "generators_by_class", height=420)


if __name__ == "__main__":
    main()
