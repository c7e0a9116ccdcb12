# SPDX-License-Identifier: Apache-2.0
"""``spade-finance info``: what a model is."""

from __future__ import annotations

import sys
from typing import Any

from spade_finance.cli.options import Json, Model, load_model

EXAMPLE = """\
Examples:
  spade-finance info default
  spade-finance info my-model --json"""


def info(model: Model, /, *, json: Json = False) -> None:
    """Show what a model is.

    Its regimes, sectors, training window, severity range, hash, number of
    parameters and card. --json adds the architecture and every figure.
    """
    from spade_finance.cli.console import console, print_json, print_pairs, say

    generator = load_model(model)
    facts: dict[str, Any] = dict(generator.describe())
    card = getattr(generator, "card_", None)
    if json:
        print_json({"schema": 1, **facts, "card": card})
        return
    print_pairs(short(facts), title=f"Model {model}")
    if not card:
        return
    say()
    if sys.stdout.isatty():
        from rich.markdown import Markdown

        console().print(Markdown(card))
    else:
        say(card.strip())


def short(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts that fit on a line, in words."""
    kept = {}
    for name, value in facts.items():
        if isinstance(value, dict) or (
            isinstance(value, list) and (name == "limits" or isinstance(value[0], dict))
        ):
            continue
        if isinstance(value, list | tuple) and len(value) == 2 and name.endswith(("window", "range")):
            value = " to ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in value)
        kept[name.replace("_", " ")] = value
    return kept
