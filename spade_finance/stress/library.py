# SPDX-License-Identifier: Apache-2.0
"""The scenario library: named scripts with a narrative, ours in ``scenarios.toml``, users' in files alike."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from spade_finance.exceptions import InputError

__all__ = ["Scenario", "find_scenario", "load_library"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_FIELDS = ("title", "narrative", "script", "history", "against", "source", "views")
_LOOKS_LIKE_A_SCRIPT = re.compile(r"[:;,]|\.\.|\.csv$", re.IGNORECASE)


@dataclass(frozen=True)
class Scenario:
    """A named timeline and its story.

    Attributes
    ----------
    name, title, narrative, script, source : str
    history : tuple of str
        Date ranges ``2008-09-01..2009-03-31`` of real episodes shown beside it.
    against : str
        Script of the counterfactual timeline; empty picks one.
    views : tuple of str
        What shall hold of its paths, by reweighting them (:mod:`.view_syntax`).
    """

    name: str
    title: str
    narrative: str
    script: str
    history: tuple[str, ...] = ()
    against: str = ""
    source: str = ""
    views: tuple[str, ...] = ()

    @property
    def ranges(self) -> tuple[tuple[date, date], ...]:
        """First and last day of each range of `history`."""
        return tuple(_range(text, self.name) for text in self.history)

    def to_dict(self) -> dict[str, Any]:
        """JSON values from which :meth:`from_dict` builds the same scenario."""
        return asdict(self) | {"history": list(self.history), "views": list(self.views)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scenario:
        """Inverse of :meth:`to_dict`."""
        return cls(
            **{**values, "history": tuple(values.get("history", ())), "views": tuple(values.get("views", ()))}
        )


def load_library(*files: str | os.PathLike[str]) -> dict[str, Scenario]:
    """Scenarios by name: ours, then those of `files`, a later one taking the place of an earlier of its name.

    Raises
    ------
    InputError
        If a file is missing, is no TOML, or holds something else than scenarios; with the place of the fault.
    """
    text = resources.files("spade_finance.stress").joinpath("scenarios.toml").read_text(encoding="utf-8")
    found = _parse(text, "the built-in library")
    for file in files:
        path = Path(file)
        try:
            own = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise InputError(f"library {path} does not exist: check the name and the folder") from None
        except UnicodeDecodeError:
            raise InputError(f"library {path}: is not UTF-8 text") from None
        except OSError as error:
            raise InputError(f"library {path}: cannot be read ({error.strerror or error})") from None
        found |= _parse(own, f"library {path}")
    return found


def find_scenario(name_or_script: str, library: Mapping[str, Scenario]) -> Scenario:
    """Scenario of a name; anything that looks like a script becomes an unnamed scenario of its own.

    Raises
    ------
    InputError
        If it is neither, with the names that come close.
    """
    text = str(name_or_script).strip()
    key = text.lower().replace("-", "_").replace(" ", "_")
    by_key = {name.lower().replace("-", "_"): scenario for name, scenario in library.items()}
    if key in by_key:
        return by_key[key]
    if text and _LOOKS_LIKE_A_SCRIPT.search(text):
        return Scenario("script", "Own script", "", text, _replayed(text), "", "the user's own script")
    close = difflib.get_close_matches(key, by_key, n=3, cutoff=0.45)
    close += [name for name in by_key if key and key in name and name not in close]
    hint = f"did you mean {' or '.join(close[:3])}?" if close else f"known are {', '.join(library)}"
    raise InputError(
        f"--scenario {text!r} is neither a scenario nor a script such as bull:60,crisis:20: {hint} "
        "(spade-finance stress --list)"
    )


def _parse(text: str, source: str) -> dict[str, Scenario]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source}: is not TOML: {error}") from None
    found = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{source}: {name!r} stands outside a scenario: begin one with [its_name]")
        if not _NAME.fullmatch(name):
            raise InputError(f"{source}: [{name}] is no usable name: letters, digits, - and _ only")
        found[name] = _scenario(name, table, f"{source}: [{name}]")
    if not found:
        raise InputError(f"{source}: holds no scenario: write [name], title, narrative and script")
    return found


def _scenario(name: str, table: Mapping[str, Any], where: str) -> Scenario:
    unknown = [key for key in table if key not in _FIELDS]
    if unknown:
        close = difflib.get_close_matches(unknown[0], _FIELDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(_FIELDS)}"
        raise InputError(f"{where} has {unknown[0]!r}: {hint}")
    for key in ("script", "title", "narrative", "against", "source"):
        if key in table and not isinstance(table[key], str):
            raise InputError(f"{where}: {key} must be a text, got {table[key]!r}")
    if not table.get("script", "").strip():
        raise InputError(f'{where} has no script: write one such as script = "bull:60,crisis:20"')
    history = table.get("history", [])
    if not isinstance(history, list) or not all(isinstance(item, str) for item in history):
        raise InputError(f'{where}: history must be a list of ranges such as ["2008-09-01..2009-03-31"]')
    scenario = Scenario(
        name,
        table.get("title", name.replace("_", " ")),
        " ".join(table.get("narrative", "").split()),
        table["script"].strip(),
        tuple(history) or _replayed(table["script"]),
        table.get("against", "").strip(),
        table.get("source", ""),
        _views(table.get("views"), where),
    )
    _check(scenario, where)
    return scenario


def _check(scenario: Scenario, where: str) -> None:
    """Grammar of the scripts, dates of the ranges; regimes and sectors are the model's business."""
    from spade_finance.regimes.script import parse_script

    for script in filter(None, (scenario.script, scenario.against)):
        if script.lower().endswith(".csv"):
            continue
        try:
            parse_script(script)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    try:
        _ = scenario.ranges
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _views(values: Any, where: str) -> tuple[str, ...]:
    """Texts of a scenario's views, given as texts or tables."""
    if values is None:
        return ()
    from spade_finance.stress.view_syntax import as_views

    try:
        return tuple(map(str, as_views(values)))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _replayed(script: str) -> tuple[str, ...]:
    """A script that is nothing but one replay is its own analogue."""
    text = script.strip()
    return (text,) if re.fullmatch(r"\d{4}-\d{2}-\d{2}\s*\.\.\s*\d{4}-\d{2}-\d{2}", text) else ()


def _range(text: str, name: str) -> tuple[date, date]:
    parts = [part.strip() for part in text.split("..")]
    try:
        first, last = (date.fromisoformat(part) for part in parts)
    except ValueError:
        raise InputError(f"{name}: history {text!r} is no range such as 2008-09-01..2009-03-31") from None
    if last <= first:
        raise InputError(f"{name}: history {text!r} runs backwards: write the first date first")
    return first, last


def library_rows(library: Mapping[str, Scenario], built_in: Sequence[str] = ()) -> list[dict[str, str]]:
    """What ``--list`` shows."""
    return [
        {
            "scenario": s.name,
            "title": s.title,
            "script": s.script,
            "narrative": s.narrative,
            "source": s.source,
        }
        for s in library.values()
    ]
