# SPDX-License-Identifier: Apache-2.0
"""The scorecard's part on control: does the map rule, and only where it should?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from spade_finance.evaluate.control import Laboratory, Reading
from spade_finance.evaluate.control_constant import ConstantResult, constant_maps
from spade_finance.evaluate.control_figures import pulse_figure, severity_figure
from spade_finance.evaluate.control_pulse import PULSES, pulses
from spade_finance.evaluate.control_real import RealDays
from spade_finance.evaluate.control_sector import repainted
from spade_finance.evaluate.control_severity import severities_and_blends
from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult

N_PATHS = 320


class ControlSection(Section):
    """Experiments on the map: constant maps, pulses, a repainted sector, severity and blends.

    Parameters
    ----------
    n_paths : int
        Paths of every experiment; scripts that are compared are drawn with the same random numbers.
    """

    name: ClassVar[str] = "control"
    title: ClassVar[str] = "Does the map rule, and only where it should?"

    def __init__(self, n_paths: int = N_PATHS) -> None:
        self.n_paths = n_paths

    def measure(self, material: Material) -> SectionResult:
        """Draws from the columns' generators; see :mod:`.control` and its experiments."""
        lab = Laboratory(material, self.n_paths)
        if not lab.columns:
            return SectionResult(
                notes=("scenarios without a generator cannot be asked for other maps: left out",)
            )
        if material.real.codes is None or len(material.real.regimes) < 2:
            return SectionResult(notes=("no labels: there is no map to control",))
        window, everything = RealDays.window(material), RealDays.everything(material)
        constant = constant_maps(lab, window, everything)
        pulse = pulses(lab, everything)
        sector = repainted(lab, everything, lab.notes)
        severity = severities_and_blends(lab, lab.notes)
        readings = [*constant.readings, *pulse.readings, *sector, *severity.readings]
        readings = [r for r in readings if r.columns]
        names = [n for n in lab.columns if any(n in r.columns for r in readings)]
        if not names:
            return SectionResult(notes=tuple(lab.notes))
        exhibits = (
            Exhibit(self.title, _TABLE, table=_table(readings, names)),
            Exhibit(
                f"Pulses of {lab.regimes[-1]} in a {lab.regimes[0]} map", _PULSE,
                figure=pulse_figure(pulse, names, lab.regimes),
            ),
            Exhibit("Severity and blends", _SEVERITY, figure=severity_figure(severity, names, lab.regimes)),
        )  # fmt: skip
        return SectionResult(
            pd.DataFrame([r.row() for r in readings]),
            pd.DataFrame(_distances(constant, lab.regimes, names)),
            exhibits,
            tuple(_findings(readings, names[0], names[1:])),
            (_SCORED, *lab.notes),
        )


def _distances(
    constant: ConstantResult, regimes: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Level of each regime on constant maps against the real one; the window's have a floor and are scored."""
    rows = []
    by_regime = {r.regime: r for r in constant.readings if r.metric == "constant_volatility"}
    for k, regime in enumerate(regimes):
        truth = constant.reference[k]
        values = by_regime[regime].columns
        if not truth.known:
            continue
        row: dict[str, Any] = {
            "metric": "constant_log_volatility", "group": "control", "regime": regime, "asset": None,
            "horizon_days": None, "unit": "number", "floor": truth.floor if constant.from_window[k] else np.nan,
        }  # fmt: skip
        for name in names:
            level = values.get(name, (np.nan, np.nan))[0]
            row[name] = abs(float(np.log(level)) - truth.value)
        rows.append(row)
    return rows


def _table(readings: Sequence[Reading], names: Sequence[str]) -> pd.DataFrame:
    """One row a test."""
    rows = {}
    for reading in readings:
        if reading.summary:
            digits = 4 if reading.metric.startswith("pulse_before_exact") else 2
            real = _text(reading.real.value, np.nan, digits)
            if np.isfinite(reading.real.low):
                real += f" [{reading.real.low:.2f}, {reading.real.high:.2f}]"
            rows[reading.test] = {
                "ideal": reading.ideal,
                "real": real,
                **{n: _text(*reading.columns.get(n, (np.nan, np.nan)), digits) for n in names},
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def _text(value: float, error: float, digits: int) -> str:
    if not np.isfinite(value):
        return "–"
    shown = "0" if value == 0 else f"{value:.{digits}f}"
    return f"{shown} ± {error:.{digits}f}" if np.isfinite(error) and error > 0 else shown


def _findings(readings: Sequence[Reading], first: str, others: Sequence[str]) -> list[str]:
    """What the evaluated column does, beside the baseline that does best at the same."""
    by = {r.metric: r for r in readings if r.regime is None and first in r.columns}
    out = []
    if "constant_level_error" in by:
        out.append(
            f"Asked for 512 days of one regime, {first} misses its real log volatility by "
            f"{_pair(by['constant_level_error'], first)}{_best(by['constant_level_error'], others)}"
        )
    if "pulse_before_exact_largest" in by:
        change = by["pulse_before_exact_largest"].columns[first][0]
        said = (
            "nothing moves before a pulse, to the last digit" if change == 0
            else f"returns before a pulse change by up to {change:.2g}: the future leaks back, or random numbers "
            "are not used in order"
        )  # fmt: skip
        inside = {n: by[f"pulse_inside_{n}"] for n in PULSES if f"pulse_inside_{n}" in by}
        effects = ", ".join(f"{r.columns[first][0]:.2f} ({n} days)" for n, r in inside.items())
        after = by["pulse_after_largest"].columns[first]
        out.append(
            f"{first}: {said}; inside, log volatility rises by {effects}; in the 20 days after it is still off by at "
            f"most {after[0]:.2f} ± {after[1]:.2f}"
        )
    if "sector_own" in by:
        own, leak = by["sector_own"], by["sector_leak"]
        real = f" (real {own.real.value:.2f} and {leak.real.value:.2f})" if own.real.known else ""
        out.append(
            f"One sector repainted: {first} raises its log volatility by {_pair(own, first)} and that of the others by "
            f"{_pair(leak, first)}{real}"
        )
    slopes = [r for r in readings if r.metric == "severity_slope" and first in r.columns]
    if slopes:
        said = ", ".join(f"{_pair(r, first)} in {r.regime}" for r in slopes)
        out.append(f"Log volatility answers to log severity with a slope of {said} (1 is right)")
    if "blend_smallest_step" in by:
        step, error = by["blend_smallest_step"].columns[first]
        how = "rises all the way" if step > -2 * error else "does not rise all the way"
        out.append(
            f"Through a 20-day blend from calm to worst the volatility of {first} {how} (smallest step {step:.2f} ± "
            f"{error:.2f} in logs)"
        )
    return out


def _pair(reading: Reading, name: str) -> str:
    return _text(*reading.columns[name], 2)


def _best(reading: Reading, others: Sequence[str]) -> str:
    seen = [n for n in others if n in reading.columns and np.isfinite(reading.columns[n][0])]
    if not seen:
        return ""
    best = min(seen, key=lambda n: abs(reading.columns[n][0]))
    return f" (nearest baseline: {best}, {_pair(reading, best)})"


_SCORED = (
    "constant maps, pulses, repainted sectors, severities and blends are asked for, they did not happen: they are "
    "shown and not scored, but for the level of a regime that the window itself has two spells of"
)
_TABLE = (
    "Differences of log volatility (.1 is about 10 %), each ± its standard error over paths; what two scripts are "
    "compared on was drawn with the same random numbers. Real: all labelled days, with the 95 % interval of resampled "
    "episodes. 0 without an error: exactly nothing, or an instruction that the baseline does not read. A baseline "
    "whose returns change before a pulse need not peek: it may use its random numbers in another order than the days'."
)
_PULSE = (
    "Volatility of the market in blocks of five days on a calm map with some days of the worst regime (shaded). "
    "Dashed: the real levels of the two regimes. A single extreme draw of a heavy-tailed baseline may leave the frame."
)
_SEVERITY = (
    "Left: volatility on constant maps, as a multiple of that at the middle severity, against the severity asked, "
    "within the trained range; dotted: as asked. Right: the way from the calmest regime to the worst through a blend."
)
