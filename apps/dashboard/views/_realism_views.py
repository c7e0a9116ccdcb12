# SPDX-License-Identifier: Apache-2.0
"""What a reader looks at: the summary, charts, metric by metric, every number, and the scorecard's parts."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from .. import tables
from ..figures import ink, show
from ..formats import count
from ..headings import heading
from ..kinds import Choice, some_of, text
from ..state import bind, get, put
from . import _realism_figures as figures
from . import _realism_panels as panels

if TYPE_CHECKING:
    from spade_finance.evaluate.report import EvaluationReport
    from spade_finance.evaluate.section import Exhibit

    from ._realism_run import Found

__all__ = ["charts", "metrics", "numbers", "overview", "part", "plain", "share"]

GROUPS = some_of("e_groups", ())
REGIME: Choice[str] = text("e_regime", "", most=60)
ASSET: Choice[str] = text("e_asset", "market", most=120)
_MINUS = re.compile(r"(?<![\w.)-])-(?=[\d.])")
"""A minus before a number; not the dash of a date or a range."""
MARKS = "▲ above the real 95 % interval, ▼ below it, no mark inside it, ? not assessable"


def overview(found: Found) -> None:
    """Groups of metrics, the columns beside each other, and the verdict."""
    report = found.report
    show(
        figures.by_group(report), key="e:groups",
        title="Distance from the real data by group of metrics, in units of its own sampling error",
        alt="Dots by group of metrics, one a column; one is as near as the real data can tell.",
    )  # fmt: skip
    heading("Who is how near")
    summary = report.summary()
    words = pd.DataFrame({"": [_name(n) for n in summary.index]})
    for column in summary.columns:
        values = summary[column].tolist()
        if column == "inside 95 %":
            words["as real"] = [share(v) for v in values]
        elif column == "metrics":
            words[column] = [f"{v:.0f}" for v in values]
        else:
            words[column] = [_number(v) for v in values]
    tables.table(words)
    st.caption(
        "Geometric means over metrics of distance / noise floor: lower is better, 1 is ideal. *Not in loss* leaves out "
        "what the model was trained to match; *as real* is the share of statistics inside the real 95 % interval."
    )
    for name, result in report.sections.items():
        if result.findings:
            st.markdown(f"**{html.escape(found.titles[name])}**")
            st.markdown("\n".join(f"- {plain(f)}" for f in result.findings))


def charts(found: Found) -> None:
    """Clustering, tails, volatility and correlations: real, generated, baselines."""
    from spade_finance import plotting

    report = found.report
    shown = {name: report.panels[name] for name in ("real", *report.columns)}
    show(
        _clear(plotting.volatility_clustering(shown, shade=report.columns[0])), key="e:clustering",
        alt="Autocorrelation of absolute returns by lag: real as points, the columns as lines.",
    )  # fmt: skip
    show(
        _clear(plotting.tails({name: p.simple[..., 0] for name, p in shown.items()})), key="e:tails",
        title="Tails of daily market returns: share of days beyond x",
        alt="Share of days with a loss or a gain beyond x, both axes logarithmic.",
    )  # fmt: skip
    if (figure := figures.volatility(report)) is not None:
        show(figure, key="e:volatility", alt="Volatility by regime: real with its interval, and each column.")
    maps = figures.correlations(report)
    if maps:
        heading("Correlation of daily returns between sectors, calmest and worst regime")
    for pair in zip(maps[::2], maps[1::2], strict=True):
        for column, (title, figure) in zip(st.columns(2), pair, strict=True):
            with column:
                show(figure, key=f"e:correlation:{title}", title=title, alt=f"Correlations in {title}.")


def _clear(figure: Any) -> Any:
    """Real marks in the page's own ink, which is dark on light and light on dark."""
    for trace in figure.data:
        trace.name = (trace.name or "").replace("_", " ")
        if trace.name == "real":
            trace.update(marker_color=ink()["real"], line_color=ink()["real"])
    return figure


def metrics(found: Found) -> None:
    """Every distance over its floor."""
    from spade_finance.evaluate.titles import metric_title

    report = found.report
    scores = report.scores
    scores = scores[scores[list(report.columns)].notna().any(axis=1)]
    scores = _filtered(scores, asset=False)
    if scores.empty:
        st.info("No metric is left by this choice: widen it.", icon=":material/filter_alt_off:")
        return
    show(
        figures.by_metric(scores, report.columns), key="e:metrics",
        title=f"{count(len(scores), 'metric')}: distance over the noise floor",
        alt="One row a metric, one mark a column, on a logarithmic axis.",
    )  # fmt: skip
    if report.in_loss:
        seen = [
            metric_title({**row, "regime": None, "horizon_days": None})
            for row in scores[scores["in_loss"].astype(bool)].to_dict("records")
        ]
        if seen:
            st.caption(f"The model was trained to match: {', '.join(dict.fromkeys(seen))}.")


def numbers(found: Found) -> None:
    """One table: real value, its interval and floor, each column with its error and its mark."""
    report = found.report
    chosen = _filtered(report.table, asset=True, assets=("market", *report.sectors))
    if chosen.empty:
        st.info("No row is left by this choice: widen it.", icon=":material/filter_alt_off:")
        return
    tables.table(number_table(report, chosen), rows=20, widths={"statistic": 190})
    st.caption(
        f"{count(len(chosen), 'row')}. Values are means over replicates ± standard error, percents where the unit says "
        f"so; VaR and ES are positive losses. {MARKS}. The floor is the real value's own sampling error; rows of kind "
        "*distance* compare whole distributions, and are best near their floor."
    )


def number_table(report: EvaluationReport, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of the report's table as words."""
    from spade_finance.evaluate.titles import metric_title
    from spade_finance.evaluate.verdict_table import interval, number
    from spade_finance.evaluate.verdicts import MARKS as SIGNS

    out = []
    for row in rows.to_dict("records"):
        unit = str(row["unit"] or "")
        words = {
            "statistic": metric_title({**row, "regime": None}),
            "regime": _or_dash(row["regime"], "all days"),
            "of": _or_dash(row["asset"], "all sectors"),
            "unit": "%" if unit == "percent" and row["kind"] == "statistic" else "",
        }
        scale = unit if row["kind"] == "statistic" else ""
        words["real"] = number(_float(row["real"]), scale)
        words["95 % interval"] = interval({**row, "unit": scale})
        words["floor"] = number(_float(row["floor"]), scale)
        for name in report.columns:
            value, error = _float(row[name]), _float(row.get(f"{name}:se"))
            said = number(value, scale)
            if error == error and value == value:
                said += f" ± {number(error, scale)}"
            words[_name(name)] = said + SIGNS.get(str(row.get(f"{name}:verdict")), "")
        out.append(words | {"group": row["group"], "kind": row["kind"]})
    table = pd.DataFrame(out)
    told = [c for c in table.columns if c not in ("statistic", "kind", "group", "regime", "of", "unit")]
    table[told] = table[told].replace("-", "\u2212", regex=True)
    return table.loc[:, [c for c in table.columns if c != "unit" or (table[c] != "").any()]]


def _filtered(rows: pd.DataFrame, *, asset: bool, assets: tuple[str, ...] = ()) -> pd.DataFrame:
    """Draw the filters; returns the rows that they leave."""
    groups = list(dict.fromkeys(rows["group"]))
    regimes = [str(r) for r in dict.fromkeys(rows["regime"].dropna())]
    known = get(GROUPS)
    put(GROUPS, tuple(g for g in known if g in groups))
    if get(REGIME) not in ("", "-", *regimes):
        put(REGIME, "")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.pills("Groups", groups, selection_mode="multi", format_func=_name, **bind(GROUPS))
        with st.container(width=190):
            st.selectbox(
                "Regime", ["", "-", *regimes], format_func=lambda r: {"": "All rows", "-": "All days"}.get(r, r),
                **bind(REGIME),
            )  # fmt: skip
        if asset:
            if get(ASSET) not in ("", *assets):
                put(ASSET, "market")
            with st.container(width=220):
                st.selectbox("Of", ["", *assets], format_func=lambda a: a or "Everything", **bind(ASSET))
    chosen: tuple[str, ...] = get(GROUPS)
    if chosen:
        rows = rows[rows["group"].isin(list(chosen))]
    if get(REGIME):
        rows = rows[rows["regime"].isna() if get(REGIME) == "-" else rows["regime"] == get(REGIME)]
    if asset and get(ASSET):
        own = rows["asset"] == get(ASSET)
        rows = rows[own | (rows["asset"].isna() if get(ASSET) == "market" else False)]
    return rows


def part(found: Found, name: str) -> None:
    """One section of the scorecard: findings, exhibits, notes."""
    result = found.report.sections[name]
    st.subheader(found.titles[name], anchor=False)
    if result.findings:
        st.markdown("\n".join(f"- {plain(f)}" for f in result.findings))
    for i, exhibit in enumerate(result.exhibits):
        key = f"e:{name}:{i}"
        if exhibit.figure is not None:
            _figure(exhibit, key, found.report.columns)
        elif exhibit.table is not None:
            heading(exhibit.title)
            words = exhibit_words(exhibit.table, found.report.columns)
            if len(words.columns) == 1:  # a text in lines, which another package wrote
                st.code("\n".join(words.iloc[:, 0]), language=None)
            else:
                tables.table(words, key=key, rows=18)
        if exhibit.caption:
            st.caption(plain(exhibit.caption))
    if not (result.findings or result.exhibits):
        st.info("Nothing could be said on these data; the notes say why.", icon=":material/info:")
    if result.notes:
        with st.expander(f"What was left out ({len(result.notes)})"):
            st.markdown("\n".join(f"- {plain(n)}" for n in result.notes))


def _figure(exhibit: Exhibit, key: str, names: Sequence[str]) -> None:
    """An exhibit's figure, its panels side by side as far as the page is wide."""
    words = exhibit.caption or exhibit.title
    pieces = panels.panels(panels.spaced(exhibit.figure, names))
    if len(pieces) == 1:
        show(panels.upright(pieces[0][1]), key=key, title=exhibit.title, alt=words)
        return
    heading(exhibit.title)
    across = panels.abreast(len(pieces))
    for first in range(0, len(pieces), across):
        row = pieces[first : first + across]
        for j, (column, (title, figure)) in enumerate(zip(st.columns(across), row, strict=False)):
            with column:
                show(panels.upright(figure), key=f"{key}:{first + j}", title=title, alt=f"{title}. {words}")


def exhibit_words(table: pd.DataFrame, names: Sequence[str] = ()) -> pd.DataFrame:
    """An exhibit's table as text: its index in front, numbers to three figures, a dash for what is missing, `names`
    of the registry as words."""
    plain = table.copy()
    plain.columns = [str(c).replace("_", " ") for c in plain.columns]
    names = [str(n or "") for n in table.index.names]
    index = table.index.to_frame(index=False).set_axis(
        [n or " " * (i + 1) for i, n in enumerate(names)], axis=1
    )
    plain = pd.concat([index, plain.reset_index(drop=True)], axis=1)
    spoken = {name: _name(name) for name in names}

    def said(value: Any) -> str:
        text = _cell(value)
        return _MINUS.sub("−", spoken.get(text, text))

    return plain.astype(object).map(said)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or pd.isna(value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (hasattr(value, "dtype") and value.dtype.kind in "iu"):
        return f"{value:,}"
    if isinstance(value, float) or hasattr(value, "dtype"):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def _name(column: object) -> str:
    return str(column).replace("_", " ")


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.2f}"


def share(value: float) -> str:
    """``61 %``."""
    return "–" if pd.isna(value) else f"{100 * value:.0f} %"


def _float(value: Any) -> float:
    return float("nan") if value is None or pd.isna(value) else float(value)


def _or_dash(value: Any, otherwise: str) -> str:
    return otherwise if value is None or pd.isna(value) else str(value)


def plain(said: str) -> str:
    """Text for a Markdown place, with nothing in it that Markdown would take for its own."""
    for mark in "\\`*_[]~$#<>|":
        said = said.replace(mark, "\\" + mark)
    return _MINUS.sub("−", said)
