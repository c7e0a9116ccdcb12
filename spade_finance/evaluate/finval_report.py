# SPDX-License-Identifier: Apache-2.0
"""A second opinion: `finval` (MIT), a validator of synthetic financial series by others, its words unedited.

It is shown beside our numbers and never enters the score. It sees windows of 60 days of the real period against
generated ones at the same places, and the days of the period as forecasts given their regime. Its thresholds, its
grades and its names are its own; so are its blind spots: it compares levels of volatility that differ between
training and window as if a generator could know them. The resampled real window stands in the same table.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Exhibit, Material, Section, SectionResult
from spade_finance.evaluate.window_features import cut, starts

Array = NDArray[np.float64]

WINDOW_DAYS = 60
FEWEST_WINDOWS = 10
PATHS = 4
FORECAST_STRIDE = 10
"""Every so many days are judged as forecasts; all of them would take minutes."""

RESAMPLED = "real, resampled"
ALWAYS = ("block_bootstrap",)
"""Columns reported besides the first: a replay of training is what the package compares with, too."""


def finval_report(
    synthetic: Array,
    real: Array,
    sectors: tuple[str, ...],
    forecasts: Array | None = None,
    actuals: Array | None = None,
    regimes: NDArray[np.integer] | None = None,
) -> Any:
    """The ``finval.FullReport`` of generated against real windows.

    Parameters
    ----------
    synthetic : (n, days, sectors)
    real : (m, days, sectors)
        Windows that do not overlap; their number is given to the package as that of independent ones.
    forecasts : (observations, samples, sectors), optional
        Draws for single days given their regime, with `actuals` (observations, sectors) and `regimes`
        (observations,).

    Raises
    ------
    ImportError
        finval is not installed.
    """
    import finval

    given: dict[str, Any] = {}
    if forecasts is not None:
        given = {"forecast_samples": forecasts, "actuals": actuals, "regime_labels": regimes}
    return finval.validate_full(
        synthetic, real, feature_names=list(sectors), n_independent=len(real), seed=0, **given
    )


class FinvalSection(Section):
    """finval's own report of the first column, the block bootstrap and the resampled real window."""

    name: ClassVar[str] = "finval"
    title: ClassVar[str] = "Second opinion: finval"

    def measure(self, material: Material) -> SectionResult:
        """Its reports and its table of metrics, as it gives them; no rows of ours."""
        from importlib.util import find_spec

        if find_spec("finval") is None:
            return SectionResult(notes=("finval is not installed (pip install 'spade-finance[evaluate]')",))
        first = starts(material.real, WINDOW_DAYS, WINDOW_DAYS)
        if len(first) < FEWEST_WINDOWS:
            return SectionResult(
                notes=(f"finval needs {FEWEST_WINDOWS} real windows of {WINDOW_DAYS} days here",)
            )
        names = list(material.columns)
        chosen = {n: material.columns[n] for n in [*names[:1], *(n for n in names[1:] if n in ALWAYS)]}
        chosen[RESAMPLED] = material.floor
        reports, notes = {}, []
        for name, panel in chosen.items():
            try:
                reports[name] = _report(material, panel, first)
            except ImportError as error:
                return SectionResult(notes=(f"finval cannot be imported: {error}",))
            except ValueError as error:
                notes.append(f"finval refuses {name}: {error}")
        if not reports:
            return SectionResult(notes=tuple(notes))
        return SectionResult(exhibits=tuple(_exhibits(reports)), notes=(_SETTING, *notes))


_SETTING = (
    "finval is given log returns; its forecasts are draws given labels known in hindsight, so its conditional lens "
    "says how the regimes are answered, not what could have been foretold"
)


def _report(material: Material, panel: Panel, first: NDArray[np.intp]) -> Any:
    from spade_finance.evaluate.energy import is_aligned

    real = material.real
    own = starts(panel, WINDOW_DAYS, WINDOW_DAYS)
    windows = cut(panel.log[:PATHS, :, 1:], own if len(own) else first[:0], WINDOW_DAYS)
    synthetic = windows.reshape(-1, *windows.shape[2:])
    truth = cut(real.log[:, :, 1:], first, WINDOW_DAYS)[0]
    if not is_aligned(panel, real):
        return finval_report(synthetic, truth, real.sectors)
    days = np.arange(0, real.n_days, FORECAST_STRIDE)
    draws = panel.log[:64, days, 1:].transpose(1, 0, 2)
    return finval_report(
        synthetic, truth, real.sectors, draws, real.log[0, days, 1:], np.asarray(real.codes)[days]
    )


def _exhibits(reports: dict[str, Any]) -> list[Exhibit]:
    texts = [
        Exhibit(
            f"finval on {name}",
            "The package's own summary, unedited.",
            table=pd.DataFrame({"summary": report.summary().splitlines()}).set_index("summary"),
        )
        for name, report in reports.items()
    ]
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for name, report in reports.items():
        for metric, found in report.to_dict()["metrics"].items():
            row = table.setdefault((found["category"], metric), {})
            row[f"{name}: value"] = found["value"]
            row[f"{name}: quality"] = found["quality"] + ("" if found["assessable"] else " (not assessable)")
    metrics = pd.DataFrame.from_dict(table, orient="index")
    metrics.index = pd.MultiIndex.from_tuples(list(table), names=["category", "metric"])
    caption = "Every value and grade that the package computes; lower is better, the names are its own."
    return [*texts, Exhibit("finval, metric by metric", caption, table=metrics)]
