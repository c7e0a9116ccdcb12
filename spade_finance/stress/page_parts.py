# SPDX-License-Identifier: Apache-2.0
"""The further parts of a stress report as the page's template takes them; None where a part was not computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spade_finance.plot_style import regime_colors
from spade_finance.reports.html import embedded
from spade_finance.stress import figures
from spade_finance.stress.dial_measure import LOSS, RISES, TITLES
from spade_finance.stress.narrative import percent
from spade_finance.stress.summary import label, number_text

if TYPE_CHECKING:
    from spade_finance.stress.report import StressReport

NOWCAST_TITLES = {"return": "mean return", "volatility_first_month": "volatility a year, first month"}


def dial_part(report: StressReport) -> dict[str, Any] | None:
    """Section of the severity dial."""
    part = report.dial
    if part is None:
        return None
    bad = [TITLES[k] for k in RISES if not part.monotone.get(k, True)]
    good = (
        " Volatility, correlation, ES and the probability of losing a fifth do not fall with it, mean and median "
        "return do not rise, judged by paired errors."
    )
    text = (
        f"Trained range of severities {part.trained[0]:.2f} to {part.trained[1]:.2f}; beyond it (dotted) the curve is "
        f"extrapolated.{'' if bad else good} Volatility grows with severity to the power {part.elasticity:.2f}"
    )
    if np.isfinite(part.elasticity_real):
        text += f" in the model and {part.elasticity_real:.2f} over {len(part.episodes)} real episodes"
    curve = part.table[part.table["portfolio"] == "market"]
    rows = []
    for _, row in curve.iterrows():
        cells = [
            split(number_text(row[c], row[f"{c}_se"], "percent")) if c != "mean_correlation"
            else [f"{row[c]:.3f}", f"{row[f'{c}_se']:.3f}"]
            for c in RISES
        ]  # fmt: skip
        rows.append(
            {"title": f"{row['severity']:.2f}" + ("" if row["trained"] else ", extrapolated"), "cells": cells}
        )
    days = f"{part.n_days} days"
    return {"figure": embedded(figures.dial(report)), "text": text + ".", "rows": rows,
            "flag": f"Not monotone in {' and '.join(bad)} over the trained range, judged by paired errors" * bool(bad),
            "headings": ["severity", "volatility a year", "mean correlation", "one-day ES 97.5 %",
                         f"mean return, {days}", f"median, {days}",
                         f"P(loss ≥ {100 * LOSS:.0f} %), {days}"]}  # fmt: skip


def counterfactual_part(report: StressReport) -> dict[str, Any] | None:
    """Section of the paired timelines."""
    part = report.counterfactual
    if part is None:
        return None
    rows = []
    for _, row in part.table.iterrows():
        ratio = float(row["variance_ratio"])
        rows.append(
            {
                "title": row["portfolio"],
                "cells": [
                    [percent(row["return_script"]), ""], [percent(row["return_against"]), ""],
                    split(number_text(row["difference"], row["std_error"], "percent")),
                    split(number_text(row["std_error_independent"], float("nan"), "percent")),
                    [f"{ratio:.1f}" if np.isfinite(ratio) else "–", ""],
                ],
            }
        )  # fmt: skip
    return {
        "figure": embedded(figures.counterfactual(report)), "rows": rows,
        "script": part.script, "against": part.against,
        "headings": ["portfolio", "mean return", "counterfactual", "difference", "error of independent draws",
                     "times fewer paths"],
    }  # fmt: skip


def spillover_part(report: StressReport) -> dict[str, Any] | None:
    """Section of sectors in distress."""
    part = report.spillover
    if part is None or part.table.empty:
        return None
    rows = []
    for _, row in part.table.iterrows():
        cells = [
            _plain_pair(row[c], row[f"{c}_se"]) if c == "correlation"
            else split(number_text(row[c], row[f"{c}_se"], "percent"))
            for c in ("volatility", "rest_volatility", "correlation", "covar_95", "delta_covar_95")
        ]  # fmt: skip
        source = "generated" if row["source"] == "model" else "real"
        rows.append({"title": row["sector"], "what": row["days_of"], "source": source, "days": f"{int(row['days']):,}",
                     "real": source == "real", "cells": cells})  # fmt: skip
    return {
        "figure": embedded(figures.spillover(report)), "rows": rows, "notes": [n.rstrip(".") for n in part.notes],
        "headings": ["sector", "days of", "source", "days", "volatility a year", "volatility of the others",
                     "correlation", "CoVaR 95 %", "ΔCoVaR 95 %"],
    }  # fmt: skip


def reverse_part(report: StressReport) -> dict[str, Any] | None:
    """Section of the reverse stress test."""
    found = report.reverse
    if found is None:
        return None
    rows = [
        {
            "rank": s.rank, "narrative": s.narrative, "detail": s.detail, "script": s.script,
            "plausibility": number_text(s.plausibility, s.plausibility_error, "percent"),
            "probability": number_text(s.probability, s.probability_error or float("nan"), "percent"),
            "breach": number_text(s.breach, s.breach_error, "percent"),
            "ess": f"{s.ess:,.0f}",
        }
        for s in found.scenarios
    ]  # fmt: skip
    return {"headline": found.headline, "rows": rows, "n_stories": found.n_stories, "n_paths": f"{found.n_paths:,}",
            "figure": embedded(figures.reverse_paths(found)) if found.scenarios else None}  # fmt: skip


def nowcast_part(report: StressReport) -> dict[str, Any] | None:
    """Section of the next quarter."""
    now = report.nowcast
    if now is None:
        return None
    rows = []
    for _, row in now.table.iterrows():
        measure, level = str(row["measure"]), row["level"]
        key = (measure, None if pd.isna(level) else float(level), None)
        title = NOWCAST_TITLES.get(measure) or label(key).replace(", whole scenario", "")
        cells = [
            split(number_text(row[a], row[b], "percent"))
            for a, b in (("value", "std_error"), ("usual", "usual_error"))
        ]
        rows.append({"title": title, "cells": cells})
    end = now.regimes_ahead.iloc[-1]
    colors = regime_colors([str(name) for name in now.today.index])
    regimes = [
        {"name": name, "color": colors[str(name)], "today": percent(now.today[name], 0),
         "end": percent(end[name], 0), "usual": percent(now.stationary[name], 0)}
        for name in now.today.index
    ]  # fmt: skip
    return {"headline": now.headline, "figure": embedded(figures.nowcast_fan(now)), "rows": rows, "regimes": regimes,
            "days": now.days}  # fmt: skip


def views_part(pooled: Any) -> dict[str, Any] | None:
    """Section of :class:`~spade_finance.stress.views.PooledScenarios`."""
    if pooled is None:
        return None
    asked = []
    for view, (_, row) in zip(pooled.views, pooled.table.iterrows(), strict=True):
        cells = [[view.show(row[c]).replace("-", "−").replace("%", " %"), ""] for c in ("prior", "posterior")]
        asked.append({"title": str(view), "cells": cells})
    rows = []
    for _, row in pooled.numbers().iterrows():
        title = "mean loss" if row["measure"] == "mean" else label((row["measure"], row["level"], None))
        title = title.replace(", whole scenario", "")
        pairs = (("prior", "prior_error"), ("posterior", "posterior_error"))
        rows.append(
            {"title": title, "cells": [split(number_text(row[a], row[b], "percent")) for a, b in pairs]}
        )
    return {
        "asked": asked, "rows": rows, "figure": embedded(figures.pooled_losses(pooled)), "warnings": pooled.warnings,
        "n": f"{len(pooled.probabilities):,}", "ess": f"{pooled.ess:,.0f}", "kish": f"{pooled.ess_kish:,.0f}",
        "entropy": f"{pooled.relative_entropy:.3g}",
    }  # fmt: skip


def split(text: str) -> list[str]:
    """Value and error apart: ``12.3 %`` and ``0.4``."""
    text = text.replace("-", "−") if text != "–" else text
    value, _, rest = text.partition(" ± ")
    if not rest:
        return [value, ""]
    error, _, unit = rest.partition(" ")
    return [f"{value} {unit}".strip(), error]


def _plain_pair(value: float, error: float) -> list[str]:
    if not np.isfinite(value):
        return ["–", ""]
    known = bool(np.isfinite(error) and error > 0)
    digits = 3 if known and error < 0.01 else 2
    return [f"{value:.{digits}f}".replace("-", "−"), f"{error:.{digits}f}" if known else ""]
