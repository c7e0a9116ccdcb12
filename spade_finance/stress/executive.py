# SPDX-License-Identifier: Apache-2.0
"""The executive summary and the limits of a stress report, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spade_finance.stress.dial_measure import TITLES
from spade_finance.stress.narrative import percent

if TYPE_CHECKING:
    from spade_finance.stress.report import StressReport
    from spade_finance.stress.views import PooledScenarios

FEW_EPISODES = 10
PRECISE = 0.05
"""A relative standard error of ES above this is pointed out."""


def summary_sentences(report: StressReport, portfolio: str | None = None) -> list[str]:
    """What the reader must know, one sentence each; parts that were not computed are passed over."""
    name = portfolio or report.portfolios[0].name
    out = [_result(report, name), _tail(report, name), _drawdown(report, name)]
    out += [_beside(report, name), _led(report, name), _paired(report, name)]
    if portfolio is None or portfolio == report.portfolios[0].name:
        if report.reverse is not None:
            out.append(_reverse(report.reverse))
        if report.nowcast is not None:
            out.append(report.nowcast.headline)
        if report.views is not None:
            out.append(_views(report.views))
    return [text for text in out if text]


def _result(report: StressReport, name: str) -> str:
    value, error = report.number("return", portfolio=name)
    if not np.isfinite(value):
        return ""
    loss, loss_error = report.number("prob_loss", 0.2, portfolio=name)
    text = (
        f"Over {report.n_days} trading days {_the(name)} {'gains' if value >= 0 else 'loses'} "
        f"{_text(abs(value), error)} on average"
    )
    median, median_error = report.number("median_return", portfolio=name)
    if np.isfinite(median):
        text += f" (the median path {_text(median, median_error)})"
    if np.isfinite(loss):
        text += f"; it ends 20 % or more lower on {_text(loss, loss_error)} of {report.n_paths:,} paths"
    return text + "."


def _tail(report: StressReport, name: str) -> str:
    es, error = report.number("es", 0.975, portfolio=name)
    ten, ten_error = report.number("es", 0.975, 10, portfolio=name)
    parts = []
    if np.isfinite(es):
        parts.append(f"The mean of the worst 2.5 % of outcomes (ES 97.5 %) is a loss of {_text(es, error)}")
    if np.isfinite(ten):
        parts.append(
            f"over any ten days of it {_text(ten, ten_error)}"
            if parts
            else f"Ten-day ES 97.5 % is {_text(ten, ten_error)}"
        )
    text = "; ".join(parts)
    if np.isfinite(es) and es > 0 and error / es > PRECISE:
        text += f" (the error is {100 * error / es:.0f} % of it: more paths would help)"
    return text + "." if text else ""


def _drawdown(report: StressReport, name: str) -> str:
    mean, error = report.number("max_drawdown", portfolio=name)
    deep, deep_error = report.number("max_drawdown", 0.95, portfolio=name)
    under, under_error = report.number("under_water", portfolio=name)
    if not (np.isfinite(mean) and np.isfinite(deep)):
        return ""
    text = f"The worst drawdown is {_text(mean, error)} on average and beyond {_text(deep, deep_error)} "
    text += "on one path in twenty"
    if np.isfinite(under):
        text += f"; {_text(under, under_error)} of the days are spent under water"
    return text + "."


def _beside(report: StressReport, name: str) -> str:
    """The model's one-day ES against the block bootstrap's and history's."""
    own, error = report.number("es", 0.975, 1, portfolio=name)
    said = []
    for source, text in (
        ("block_bootstrap", "the block bootstrap of history gives"),
        ("history", "the real episode had"),
    ):
        value, own_error = report.number("es", 0.975, 1, portfolio=name, source=source)
        if np.isfinite(value):
            said.append(f"{text} {_text(value, own_error)}")
    if not said or not np.isfinite(own):
        return ""
    return f"One-day ES 97.5 % is {_text(own, error)}; {' and '.join(said)}."


def _led(report: StressReport, name: str) -> str:
    table = report.contributions
    rows = table[
        (table["portfolio"] == name)
        & (table["source"] == report.subject)
        & (table["kind"] == "es")
        & table["regime"].isna()
    ]
    rows = rows.sort_values("value", ascending=False)
    total = float(rows["value"].sum())
    if len(rows) < 2 or not total > 0:
        return ""
    parts = [f"{percent(r['value'] / total, 0)} is {r['sector']}" for _, r in rows.head(3).iterrows()]
    return f"Of the loss in the tail {', '.join(parts)}."


def _paired(report: StressReport, name: str) -> str:
    part = report.counterfactual
    if part is None:
        return ""
    rows = part.table[part.table["portfolio"] == name]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    return (
        f"The timeline alone moves the result by {_text(row['difference'], row['std_error'])} against "
        f"{part.against}, the noise being the same."
    )


def _reverse(found: Any) -> str:
    text = found.headline
    if found.scenarios:
        first = found.scenarios[0]
        text += f" First among them: {first.narrative} ({percent(first.plausibility, 0)} of it)."
    return str(text)


def _views(pooled: PooledScenarios) -> str:
    numbers = pooled.numbers()
    before, after = (
        numbers.loc[(numbers["measure"] == "es") & (numbers["level"] == 0.975), [name, f"{name}_error"]].iloc[
            0
        ]
        for name in ("prior", "posterior")
    )
    head = f"With the paths reweighted so that {', '.join(map(str, pooled.views))}, "
    tail = f"{pooled.ess_kish:,.0f} of {len(pooled.probabilities):,} paths remain effective."
    if not np.isfinite([before.iloc[0], after.iloc[0]]).all():
        return f"{head}too few paths are left to tell ES 97.5 % from: {tail}"
    return (
        f"{head}ES 97.5 % goes from {_text(before.iloc[0], before.iloc[1])} to "
        f"{_text(after.iloc[0], after.iloc[1])}; {tail}"
    )


def assumptions(report: StressReport) -> list[str]:
    """What the numbers take for granted."""
    out = [
        "The regime timeline is an assumption, not a forecast: the scenario says what happens to "
        "regimes, the model what "
        "happens to returns within them.",
        "Weights are shares of the starting capital; what is missing from 1 lies in cash that earns "
        "nothing, what exceeds it "
        "is borrowed at no cost. No trading costs, no taxes, no liquidity effects beyond the ES with "
        "liquidity horizons.",
        "VaR and ES are positive losses, drawdowns negative; a year has 252 trading days. Windows of "
        "several days pool every "
        "start within the scenario; standard errors are clustered by path and speak of Monte-Carlo "
        "error only, not of the "
        "model's own.",
    ]
    for book in report.portfolios:
        out.append(f"Portfolio {book}.")
    if report.reverse is not None:
        out.append(
            "Reverse stress: timelines from the fitted regime process, severities from history's "
            "episodes (one rank for the "
            "whole horizon), losses at the end of the horizon."
        )
    return out


def limits(report: StressReport) -> list[str]:
    """What the report cannot say."""
    out = [
        "The model has seen few crises: what it knows of them rests on their number, not on the "
        "number of paths. A crisis "
        "unlike those is outside it.",
        "Sectors, daily closes, one market: no intraday moves, no single names, no other asset "
        "classes, no funding or "
        "margin calls.",
        "Severity beyond the trained range is extrapolation, and marked so.",
    ]
    trained = report.provenance.get("trained_on")
    if trained:
        first, last = str(trained).split("..")
        out.insert(1, f"It was trained on {first} to {last}; later regime behaviour is not in it.")
    if report.dial is not None and not all(report.dial.monotone.values()):
        names = [TITLES.get(k, k) for k, good in report.dial.monotone.items() if not good]
        out.append(f"The severity dial is not monotone in {', '.join(names)} over its trained range.")
    return out


def _text(value: float, error: float) -> str:
    """``12.3 ± 0.4 %``: one digit, two where the error is smaller than that."""
    digits = 2 if np.isfinite(error) and 0 < error < 0.0005 else 1
    text = percent(float(value), digits)
    if not (np.isfinite(error) and error > 0):
        return text
    return f"{text.removesuffix(' %')} ± {percent(max(float(error), 10.0 ** -(digits + 2)), digits)}"


def _the(name: str) -> str:
    return "the equal-weight portfolio" if name == "equal weight" else f"portfolio {name}"
