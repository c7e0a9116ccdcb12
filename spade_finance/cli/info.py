# SPDX-License-Identifier: Apache-2.0
"""``spade-finance info``: what a model is."""

from __future__ import annotations

from typing import Any

from spade_finance.cli.options import Json, Model, load_model

EXAMPLE = """\
Examples:
  spade-finance info default
  spade-finance info my-model --json"""


def info(
    model: Model,
    /,
    *,
    json: Json = False,
) -> None:
    """Show what a model is.

    Its regimes, sectors, training window, severity range, hash, number of
    parameters and card.
    """
    from spade_finance.cli.console import print_json, print_pairs, say

    facts: dict[str, Any] = dict(load_model(model).describe())
    if json:
        print_json({"schema": 1, **facts})
        return
    card = facts.pop("card", None)
    nested = {name: value for name, value in facts.items() if isinstance(value, dict)}
    print_pairs({_title(k): v for k, v in facts.items() if k not in nested}, title=f"Model {model}")
    for name, value in nested.items():
        say()
        print_pairs({_title(k): v for k, v in value.items()}, title=_title(name))
    if card:
        say()
        say(str(card).strip())


def _title(name: Any) -> str:
    return str(name).replace("_", " ")
