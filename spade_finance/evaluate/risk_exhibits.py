# SPDX-License-Identifier: Apache-2.0
"""The risk section's tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spade_finance.evaluate.coverage import LIGHTS, traffic_light
from spade_finance.evaluate.forecasts import LEVELS
from spade_finance.evaluate.multiplicity import SIZE
from spade_finance.evaluate.risk_compare import ORACLE, shown_level
from spade_finance.evaluate.risk_found import Findings, excess_error, mean_excess
from spade_finance.evaluate.risk_measures import SCORES, TAILS, floor_excess
from spade_finance.plot_style import GENERATED, REAL, TEXT, regime_colors, style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LIGHT_COLORS = ("#009E73", "#E6C229", "#D55E00")
NOT_ASSESSABLE = "not assessable"
DIVERGING = ((0.0, "#2A7FBF"), (0.5, "#F7F7F7"), (1.0, "#D55E00"))


def coverage_exhibit(found: Findings) -> pd.DataFrame:
    """Equal weight, one day: breaches by regime at 95 and 99 %, then tests of all books together."""
    book = found.book.names[0]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for column in found.columns:
        table = found.tables[column]
        mine = table[(table["portfolio"] == book) & (table["horizon"] == 1)]
        for level in (LEVELS[0], LEVELS[-1]):
            part = mine[mine["level"] == level]
            part = part.set_index(part["regime"].fillna(""))
            cells = {
                regime or "all days": _coverage_cell(part.loc[regime or ""], level)
                if (regime or "") in part.index
                else "–"
                for regime in found.windows[1].groups
            }
            rows[column, f"{100 * level:g} %"] = cells | _tests_cells(found, column, level)
    out = pd.DataFrame.from_dict(rows, orient="index")
    out.index = pd.MultiIndex.from_tuples(list(rows), names=["column", "level"])
    return out


def _coverage_cell(row: Any, level: float) -> str:
    """``31 of 25.2, p .24, green`` or why not."""
    head = f"{row['hits']:.0f} of {row['expected']:.1f}"
    if not row["assessable"]:
        return f"{head}, {NOT_ASSESSABLE}"
    text = f"{head}, p {_p(row['kupiec_p'])}"
    if level == LEVELS[-1]:
        text += f", {LIGHTS[int(traffic_light(row['hits'], row['windows'], TAILS[-1]))]}"
    return text


def _tests_cells(found: Findings, column: str, level: float) -> dict[str, str]:
    """ES, clustering, years, and what all books, horizons and regimes say at this level."""
    table = found.tables[column]
    mine = table[table["level"] == level]
    market = mine[
        (mine["portfolio"] == found.book.names[0]) & (mine["horizon"] == 1) & mine["regime"].isna()
    ].iloc[0]
    counted = mine[mine["assessable"]]
    failed = int((counted[["hits_adjusted", "z2_adjusted"]] < SIZE).to_numpy().sum())
    years = found.years[found.years["column"] == column]["light"]
    return {
        "ES: Z2 (p)": _with_p(market["z2"], market["z2_p"]),
        "independence p": _p(market["independence_p"]),
        "clustering p": _p(market["repeat_p"]),
        "years green, yellow, red": " ".join(str(int((years == k).sum())) for k in range(3))
        if level == LEVELS[-1]
        else "",
        "failed, all books": f"{failed} of {2 * len(counted)}",
    }


def score_exhibit(found: Findings) -> pd.DataFrame:
    """How much worse than the oracle each column's VaR and ES are, with marks and the confidence set."""
    shown = {h: level for h, w in found.windows.items() if (level := shown_level(w)) is not None}
    rows: dict[str, dict[str, str]] = {}
    for column in found.columns:
        cells = {}
        for score in SCORES:
            for h, level in shown.items():
                value = 100 * mean_excess(found, column, h, level, score)
                error = 100 * excess_error(found, column, h, level, score)
                text = "–" if not np.isfinite(value) else f"{value:.1f}"
                if np.isfinite(value) and np.isfinite(error):
                    text += f" ± {error:.1f}"
                cells[_heading(score, h, level)] = text + _mark(found, column, score, LEVELS[level], h)
        cells["in 90 % confidence set"] = _membership(found, column)
        rows[column] = cells
    floor = {
        _heading(
            s, h, level
        ): f"{100 * floor_excess(found.noise[h], s, level, 0, found.windows[h].groups[None]):.1f}"
        for s in SCORES
        for h, level in shown.items()
    }
    rows["floor: a resample's own quantiles"] = floor | {"in 90 % confidence set": ""}
    out = pd.DataFrame.from_dict(rows, orient="index")
    out.index.name = "column"
    return out


def _membership(found: Findings, column: str) -> str:
    """Horizons at which the column is in the model confidence set; a dash where it could not enter one."""
    asked = [members[column] for members in found.sets.values() if column in members]
    inside = [str(h) for h, members in found.sets.items() if members.get(column)]
    if not asked:
        return "–"
    return f"{', '.join(inside)} d" if inside else "no"


def _heading(score: str, horizon: int, level: int) -> str:
    name = "FZ0 (VaR, ES)" if score == "fz0" else "pinball (VaR)"
    return f"{name} {100 * LEVELS[level]:g} %, {horizon} d"


def _mark(found: Findings, column: str, score: str, level: float, horizon: int) -> str:
    """▲ clearly worse than the model, ▼ clearly better, ° clearly worse than the oracle."""
    tests = found.tests
    same = tests[(tests["score"] == score) & (tests["level"] == level) & (tests["horizon"] == horizon)]
    same = same[(same["column"] == column) & (same["adjusted"] < SIZE)]
    versus = same[same["against"] == found.columns[0]]
    mark = "" if versus.empty else (" ▲" if versus["t"].iloc[0] < 0 else " ▼")
    oracle = same[same["against"] == ORACLE]
    return mark + ("" if oracle.empty or oracle["t"].iloc[0] < 0 else " °")


def hit_map(found: Findings) -> Figure:
    """Breaches over expected ones, one day, all days: a cell a column, book and level."""
    import plotly.graph_objects as go

    x = [(f"{100 * level:g} %", name) for level in LEVELS for name in found.book.names]
    ratio = np.full((len(found.columns), len(x)), np.nan)
    text = np.full(ratio.shape, "", dtype=object)
    for i, column in enumerate(found.columns):
        table = found.tables[column]
        mine = table[(table["horizon"] == 1) & table["regime"].isna()]
        for _, row in mine.iterrows():
            j = x.index((f"{100 * row['level']:g} %", row["portfolio"]))
            ratio[i, j] = row["hits"] / row["expected"]
            star = "*" if row["hits_adjusted"] < SIZE or row["z2_adjusted"] < SIZE else ""
            text[i, j] = f"{ratio[i, j]:.2f}{star}" if row["assessable"] else "–"
    ratio[text == "–"] = np.nan
    figure = go.Figure(
        go.Heatmap(
            x=[[a for a, _ in x], [b for _, b in x]],
            y=list(found.columns),
            z=np.log2(np.maximum(ratio, 0.25)),
            text=text,
            texttemplate="%{text}",
            textfont={"color": "#222222", "size": 11},
            colorscale=DIVERGING,
            zmin=-1,
            zmax=1,
            xgap=1,
            ygap=1,
            colorbar={
                "tickvals": [-1, 0, 1],
                "ticktext": ["half", "as expected", "double"],
                "thickness": 12,
                "outlinewidth": 0,
            },
            hovertemplate="%{y}, %{x}: %{text} times the expected breaches<extra></extra>",
        )
    )
    style(figure, "Breaches of one-day VaR over expected ones", 190 + 30 * len(found.columns))
    figure.update_layout(margin_t=44)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, tickangle=-90)
    return figure


def year_map(found: Findings) -> Figure:
    """Breaches of the equal-weight book's 99 % VaR by year, in the colours of the traffic light."""
    import plotly.graph_objects as go

    years = list(dict.fromkeys(found.years["year"]))
    shape = (len(found.columns), len(years))
    light, text = np.full(shape, np.nan), np.full(shape, "", dtype=object)
    for row in found.years.to_dict("records"):
        at = found.columns.index(row["column"]), years.index(row["year"])
        light[at], text[at] = row["light"], str(row["hits"])
    steps = [(k + d) / 3 for k in range(3) for d in (0, 1)]
    figure = go.Figure(
        go.Heatmap(
            x=[str(y) for y in years],
            y=list(found.columns),
            z=light,
            text=text,
            texttemplate="%{text}",
            textfont={"color": "#111111"},
            colorscale=[(s, LIGHT_COLORS[i // 2]) for i, s in enumerate(steps)],
            zmin=-0.5,
            zmax=2.5,
            showscale=False,
            xgap=2,
            ygap=2,
            opacity=0.75,
            hovertemplate="%{y}, %{x}: %{text} breaches<extra></extra>",
        )
    )
    style(figure, "Basel traffic light by year: breaches of one-day 99 % VaR", 120 + 28 * len(found.columns))
    figure.update_layout(margin_t=44)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, type="category")
    return figure


def breach_figure(
    found: Findings, dates: Any, codes: NDArray[np.integer] | None, regimes: tuple[str, ...]
) -> Figure:
    """Daily returns of the equal-weight book, the first column's 99 % VaR and ES, breaches marked."""
    import plotly.graph_objects as go

    mine, seen = found.scored[found.columns[0]][1], found.windows[1]
    returns, x = 100 * seen.returns[0], np.arange(seen.count) + 1 if dates is None else dates
    hit = mine.hits[-1, 0]
    figure = go.Figure()
    figure.add_trace(
        go.Bar(
            x=x, y=returns, marker={"color": REAL, "line": {"width": 0}}, name="real return", hoverinfo="skip"
        )
    )
    for values, name, dash in (
        (mine.var[-1, 0], "VaR 99 %", "solid"),
        (mine.es[-1, 0], "ES 99 %", "dot"),
    ):
        line = {"color": GENERATED, "width": 1.4, "dash": dash, "shape": "hv"}
        label = f"{name} of {found.columns[0]}"
        figure.add_trace(
            go.Scatter(x=x, y=-100 * values, mode="lines", line=line, name=label, hoverinfo="skip")
        )
    colors = regime_colors(regimes) if codes is not None else {"": LIGHT_COLORS[2]}
    for k, (regime, color) in enumerate(colors.items()):
        here = hit if codes is None else hit & (codes == k)
        if not here.any():
            continue
        figure.add_trace(
            go.Scatter(
                x=np.asarray(x)[here],
                y=returns[here],
                mode="markers",
                marker={"color": color, "size": 9, "line": {"color": TEXT, "width": 1}},
                name=f"breach of VaR, {regime} ({int(here.sum())})"
                if regime
                else f"breach ({int(here.sum())})",
                hovertemplate="%{x}: %{y:.2f} %<extra></extra>",
            )
        )
    style(figure, "Equal weight, one day: returns against VaR and ES", 400)
    figure.update_yaxes(title_text="return, % a day")
    figure.update_xaxes(title_text="trading day" if dates is None else "", showgrid=False)
    figure.update_layout(bargap=0)
    return figure


def _p(value: float) -> str:
    """Two digits; never a zero."""
    if not np.isfinite(value):
        return "–"
    return "<.01" if value < 0.005 else f"{value:.2f}"


def _with_p(value: float, p: float) -> str:
    return NOT_ASSESSABLE if not np.isfinite(value) else f"{value:.2f} ({_p(p)})"
