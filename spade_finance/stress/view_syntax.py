# SPDX-License-Identifier: Apache-2.0
r"""Views in text: what shall hold of the generated paths.

::

    return(WHO [, DAYS])          mean return over the first DAYS days        return(market, 189) = -45%
    volatility(WHO)               annual volatility of daily returns          volatility(Energy) >= 60%
    correlation(WHO, WHO)         of daily returns                            correlation(Energy, Financials) = 0.8
    var(WHO, LEVEL [, DAYS])      value at risk, a positive loss              var(market, 95%, 20) = 25%
    probability(WHO, LOSS [, DAYS])   of losing LOSS or more                  probability(market, 20%, 63) = 0.3
    drawdown(WHO)                 mean worst drawdown, negative               drawdown(market) <= -30%

WHO is a sector, ``market`` (the equal weight) or ``portfolio`` (the one given); a sector that is no plain word stands
in double quotes. The relation is ``=``, ``>=`` or ``<=``. Numbers are decimal or percent. DAYS default to the whole
scenario. Several views in one text are separated by semicolons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spade_finance.exceptions import InputError

__all__ = ["KINDS", "View", "as_views", "check_names", "parse_view", "view_texts"]

Kind = Literal["return", "volatility", "correlation", "var", "probability", "drawdown"]
Relation = Literal["=", ">=", "<="]

KINDS: dict[str, str] = {
    "return": "return(WHO, DAYS)",
    "volatility": "volatility(WHO)",
    "correlation": "correlation(WHO, WHO)",
    "var": "var(WHO, LEVEL, DAYS)",
    "probability": "probability(WHO, LOSS, DAYS)",
    "drawdown": "drawdown(WHO)",
}
MARKET, PORTFOLIO = "market", "portfolio"
_TEXT = re.compile(r"\s*([a-z]+)\s*\((.*)\)\s*(>=|<=|==|=)\s*([^=<>]+?)\s*$", re.DOTALL)
_ARGUMENT = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,"]+?))\s*(?:,|$)')


@dataclass(frozen=True)
class View:
    """One anchor.

    Parameters
    ----------
    kind : one of :data:`KINDS`
    who : sector, ``market`` or ``portfolio``; other : the second of a correlation
    relation : ``=``, ``>=`` or ``<=``
    value : decimal; a var is a positive loss, a drawdown negative
    days : first so many days; None is the whole scenario (``return``, ``var``, ``probability``)
    level : confidence of a var, loss of a probability
    """

    kind: Kind
    who: str
    relation: Relation
    value: float
    days: int | None = None
    level: float | None = None
    other: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"view {self.kind!r} is unknown; known are {', '.join(KINDS.values())}")
        if self.relation not in ("=", ">=", "<="):
            raise InputError(f"view {self.kind}: relation {self.relation!r} is unknown; use =, >= or <=")
        if not np.isfinite(self.value):
            raise InputError(f"view {self.kind}({self.who}): value {self.value} must be a finite number")
        if self.days is not None and (not float(self.days).is_integer() or self.days < 1):
            raise InputError(
                f"view {self.kind}({self.who}): {self.days} days must be a whole number, 1 or more"
            )
        ranges = {
            "volatility": (0.0, np.inf), "correlation": (-1.0, 1.0), "probability": (0.0, 1.0),
            "drawdown": (-1.0, 0.0), "return": (-np.inf, np.inf), "var": (-np.inf, np.inf),
        }  # fmt: skip
        low, high = ranges[self.kind]
        if not low <= self.value <= high:
            raise InputError(f"view {self}: the value must lie between {low:g} and {high:g}")
        if self.kind == "correlation" and (self.other is None or self.other == self.who):
            raise InputError(f"view correlation({self.who}): name two different sectors")
        if self.kind in ("var", "probability") and self.level is None:
            raise InputError(f"view {KINDS[self.kind]}: the second argument is missing")
        if self.kind == "var" and not 0 < float(self.level or 0) < 1:
            raise InputError(f"view {self}: the level must lie between 0 and 1, such as 95%")

    @property
    def name(self) -> str:
        """Left side as text."""
        parts = [_quoted(self.who)]
        if self.other is not None:
            parts.append(_quoted(self.other))
        if self.level is not None:
            parts.append(f"{100 * self.level:.14g}%")
        if self.days is not None:
            parts.append(str(int(self.days)))
        return f"{self.kind}({', '.join(parts)})"

    @property
    def unit(self) -> str:
        """``percent``, or ``number`` for a correlation."""
        return "number" if self.kind == "correlation" else "percent"

    def show(self, value: float) -> str:
        """A value of this kind as text."""
        return f"{value:.3g}" if self.unit == "number" else f"{100 * value:.3g}%"

    def __str__(self) -> str:
        value = f"{self.value:.14g}" if self.unit == "number" else f"{100 * self.value:.14g}%"
        return f"{self.name} {self.relation} {value}"


def parse_view(text: str) -> View:
    """A view from text.

    Raises
    ------
    InputError
        On what is no view, with the forms that are.
    """
    found = _TEXT.match(text)
    if found is None:
        raise InputError(
            f"view {text.strip()!r} cannot be read; write it like 'return(market, 189) = -45%'. "
            f"Known are {', '.join(KINDS.values())}"
        )
    kind, inside, relation, value = found.groups()
    if kind not in KINDS:
        raise InputError(f"view {text.strip()!r}: {kind!r} is unknown; known are {', '.join(KINDS.values())}")
    arguments = _arguments(inside, text)
    names = 2 if kind == "correlation" else 1
    levels = 1 if kind in ("var", "probability") else 0
    days = 1 if kind in ("return", "var", "probability") else 0
    least, most = names + levels, names + levels + days
    if not least <= len(arguments) <= most:
        raise InputError(f"view {text.strip()!r} has {len(arguments)} arguments; write {KINDS[kind]}")
    rest = [_number(a, text) for a in arguments[names:]]
    return View(
        kind=kind,  # type: ignore[arg-type]
        who=arguments[0],
        other=arguments[1] if names == 2 else None,
        relation="=" if relation == "==" else relation,  # type: ignore[arg-type]
        value=_number(value, text),
        level=rest[0] if levels else None,
        days=_whole(rest[levels], text) if len(rest) > levels else None,
    )


def view_texts(*groups: Any) -> tuple[str, ...]:
    """Texts of several groups of views (each as :func:`as_views` takes them, or None), each view once.

    Parsing a text gives the view back, so that a report made from texts is the report made from the views.
    """
    asked = [str(v) for group in groups if group is not None and len(group) for v in as_views(group)]
    return tuple(dict.fromkeys(asked))


def as_views(views: Any) -> tuple[View, ...]:
    """Views from a text, a list of texts, Views and mappings (as TOML has them).

    Raises
    ------
    InputError
        On none at all, or one that cannot be read.
    """
    if isinstance(views, str):
        views = [part for part in views.split(";") if part.strip()]
    elif isinstance(views, View | Mapping):
        views = [views]
    if not isinstance(views, Sequence) or not len(views):
        raise InputError("views: none given; pass texts such as 'return(market, 63) = -20%'")
    return tuple(_one(v) for v in views)


def check_names(views: Sequence[View], sectors: Sequence[str]) -> None:
    """Refuse views on what is neither a sector, ``market`` nor ``portfolio``."""
    known = (*sectors, MARKET, PORTFOLIO)
    for view in views:
        for who in (view.who, view.other):
            if who is not None and who not in known:
                from spade_finance.regimes.script_errors import did_you_mean

                hint = did_you_mean(who, known)
                raise InputError(
                    f"view on {who!r}: known are {', '.join(known)}{'; ' + hint if hint else ''}"
                )


def _one(view: Any) -> View:
    if isinstance(view, View):
        return view
    if isinstance(view, str):
        return parse_view(view)
    if isinstance(view, Mapping):
        unknown = sorted(set(view) - set(View.__dataclass_fields__))
        if unknown:
            raise InputError(
                f"view has no field {unknown[0]!r}; known are {', '.join(View.__dataclass_fields__)}"
            )
        missing = [name for name in ("kind", "who", "value") if name not in view]
        if missing:
            raise InputError(f"view {dict(view)} lacks {missing[0]!r}")
        return View(**{"relation": "=", **view})
    raise InputError(f"view {view!r} is neither a text nor a table")


def _arguments(inside: str, text: str) -> list[str]:
    found, at = [], 0
    while at < len(inside):
        match = _ARGUMENT.match(inside, at)
        if match is None or match.end() == at:
            raise InputError(f"view {text.strip()!r}: the arguments {inside!r} cannot be read")
        quoted, plain = match.groups()
        found.append(quoted.replace('""', '"') if quoted is not None else plain)
        at = match.end()
    return found


def _number(text: str, view: str) -> float:
    plain = text.strip().replace("−", "-")
    scale = 1.0
    if plain.endswith("%"):
        plain, scale = plain[:-1].strip(), 100.0
    try:
        value = float(plain) / scale
    except ValueError:
        raise InputError(f"view {view.strip()!r}: {text.strip()!r} is no number") from None
    if not np.isfinite(value):
        raise InputError(f"view {view.strip()!r}: {text.strip()!r} is no finite number")
    return value


def _whole(value: float, view: str) -> int:
    if not value.is_integer():
        raise InputError(f"view {view.strip()!r}: {value:g} days is no whole number")
    return int(value)


def _quoted(name: str) -> str:
    if re.fullmatch(r"[^,\"()]+", name) and name == name.strip():
        return name
    return '"' + name.replace('"', '""') + '"'
