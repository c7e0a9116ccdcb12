# SPDX-License-Identifier: Apache-2.0
"""Baselines by name, as ``--baselines`` and ``--model`` take them.

Names are read without importing a single baseline; a baseline's own module is imported when it is made. Others
are added by a dict of makers, name -> ``Callable[[], Baseline]``, that :data:`MORE` names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from spade_finance.exceptions import InputError

if TYPE_CHECKING:
    import pandas as pd

    from spade_finance.baselines.base import Baseline
    from spade_finance.regimes import RegimeLabels

MORE: tuple[tuple[str, str], ...] = (("spade_finance.baselines.neural", "NEURAL"),)
"""Modules, and the dict of makers in each, that belong to ``all``; looked at when a name is not classical."""

MIN_DAYS = 252
"""A baseline is not fitted beside a model on fewer days."""

_ROOM = "spade_finance.baselines"


@dataclass(frozen=True)
class _Factory:
    """Makes an unfitted baseline when called: ``module:class`` with settings, given slow states or not."""

    target: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False

    def __call__(self) -> Baseline:
        module, kind = self.target.split(":")
        made: Baseline = getattr(importlib.import_module(f"{_ROOM}.{module}"), kind)(**self.settings)
        if not self.slow:
            return made
        from spade_finance.baselines.slow_states import GivenSlowStates

        return GivenSlowStates(made)


_CLASSICAL: dict[str, _Factory] = {
    "iid_bootstrap": _Factory("bootstrap:BlockBootstrap", {"mean_block": 1}),
    "block_bootstrap_10": _Factory("bootstrap:BlockBootstrap", {"mean_block": 10}),
    "block_bootstrap": _Factory("bootstrap:BlockBootstrap"),
    "block_bootstrap_auto": _Factory("bootstrap:BlockBootstrap", {"mean_block": "auto"}),
    "block_bootstrap_scaled": _Factory("bootstrap:BlockBootstrap", {"scaled": True}),
    "block_bootstrap_slow": _Factory("bootstrap:BlockBootstrap", slow=True),
    "loglinear": _Factory("loglinear:LogLinearVolatility"),
    "fhs": _Factory("fhs:FilteredHistorical"),
    "fhs_regime": _Factory("fhs:FilteredHistorical", {"filter_by_regime": True}),
    "dcc_t": _Factory("dcc:DccStudentT"),
    "regime_t": _Factory("regime_t:RegimeStudentT"),
    "regime_t_ewma": _Factory("regime_t_ewma:RegimeStudentTEwma"),
    # beyond `standard`: variants of the above, and what needs an extra
    "fhs_plain": _Factory("fhs:FilteredHistorical", {"residuals_by_regime": False}),
    "fhs_regime_slow": _Factory("fhs:FilteredHistorical", {"filter_by_regime": True}, slow=True),
    "regime_t_ewma_slow": _Factory("regime_t_ewma:RegimeStudentTEwma", slow=True),
    "vine": _Factory("vine:RegimeVine"),
}

STANDARD: tuple[str, ...] = tuple(_CLASSICAL)[: tuple(_CLASSICAL).index("fhs_plain")]
"""The opponents of every report; each fits in seconds."""


class _Registry(Mapping[str, Callable[[], "Baseline"]]):
    """Name -> maker of an unfitted baseline. The classical ones are known at once, others when asked for."""

    def __getitem__(self, name: str) -> Callable[[], Baseline]:
        if name in _CLASSICAL:
            return _CLASSICAL[name]
        return _others()[name]

    def __iter__(self) -> Iterator[str]:
        return iter((*_CLASSICAL, *_others()))

    def __len__(self) -> int:
        return len(_CLASSICAL) + len(_others())


BASELINES: Mapping[str, Callable[[], Baseline]] = _Registry()
"""Name -> unfitted baseline with its default settings."""


def _others() -> dict[str, Callable[[], Baseline]]:
    """Makers that other rooms hand in."""
    found: dict[str, Callable[[], Baseline]] = {}
    for module, attribute in MORE:
        found |= getattr(importlib.import_module(module), attribute)
    return found


def make_baseline(name: str) -> Baseline:
    """Unfitted baseline of that name; InputError listing the names otherwise."""
    if name not in BASELINES:
        raise InputError(f"baseline {name!r} is unknown: pass one of {', '.join(BASELINES)}")
    return BASELINES[name]()


def baseline_names(choice: str | Sequence[str]) -> tuple[str, ...]:
    """Names for "standard", "all", "none", "name,name" or a sequence of names, without repeats.

    Raises
    ------
    InputError
        On an unknown name.
    """
    if isinstance(choice, str):
        if choice in ("standard", "none"):
            return STANDARD if choice == "standard" else ()
        if choice == "all":
            return tuple(BASELINES)
        choice = [part.strip() for part in choice.split(",") if part.strip()]
    for name in choice:
        if name not in BASELINES:
            raise InputError(
                f"baselines names {name!r}, which is unknown: pass standard, all, none or some of "
                f"{', '.join(BASELINES)}"
            )
    return tuple(dict.fromkeys(choice))


def fitted(name: str, returns: pd.DataFrame, labels: RegimeLabels) -> Baseline:
    """The baseline of that name, fitted: what ``--model NAME`` stands for.

    Raises
    ------
    InputError
        On an unknown name, or returns and labels that do not fit together.
    """
    return make_baseline(name).fit(returns, labels)


def fitted_beside(
    name: str,
    model: str | Any = "default",
    returns: pd.DataFrame | None = None,
    *,
    days: Literal["training", "all"] = "training",
) -> Baseline:
    """The baseline of that name as an opponent of a model: its sectors, its labels, its history.

    Parameters
    ----------
    name : str
    model : str or ScenarioGenerator
        A fitted model, or the folder of one.
    returns : DataFrame (days, sectors), optional
        Simple returns to fit on, labelled by the model's labeller. Default: the embedded sectors.
    days : {"training", "all"}
        Fit on the days up to the end of the model's training window, or on all.

    Returns
    -------
    Baseline
        Its ``history_`` is the model's (or that of `returns`), filtered probabilities included: ``now`` and
        replays mean the same days as with the model. ``start_vol="last"`` is the state after the last day that
        it was fitted on.

    Raises
    ------
    InputError
        Unknown name; returns that lack the model's sectors, or have too few days; a model without a labeller.
    """
    baseline = make_baseline(name)
    if isinstance(model, str):
        from spade_finance.model import ScenarioGenerator

        model = ScenarioGenerator.load(model)
    if model.labeller_ is None:
        raise InputError(
            f"the model has no labeller, so baseline {name!r} has no labels: fit it with "
            "registry.fitted(name, returns, labels)"
        )
    if returns is None:
        from spade_finance.data import load_sectors

        returns = load_sectors()
    missing = [s for s in model.sectors_ if s not in {str(c) for c in returns.columns}]
    if missing:
        raise InputError(
            f"returns lack {missing[0]!r}, a sector of the model ({', '.join(model.sectors_)}): pass returns "
            "of exactly the model's sectors"
        )
    returns = returns.set_axis([str(c) for c in returns.columns], axis=1)[list(model.sectors_)]
    rows = returns if days == "all" else returns.loc[: model.training_window_[1]]
    if len(rows) < MIN_DAYS:
        raise InputError(
            f"returns have {len(rows)} days up to the end of the model's training "
            f"({model.training_window_[1]:%Y-%m-%d}), too few to fit baseline {name!r} on: pass returns with at "
            f"least {MIN_DAYS}, or days='all'"
        )
    baseline.fit(rows, model.label(returns))
    baseline.history_ = model.history(returns).timeline
    return baseline
