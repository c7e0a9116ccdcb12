# SPDX-License-Identifier: Apache-2.0
"""A report as plain JSON values, in the schema of the interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from spade_finance.io.plain import plain
from spade_finance.stress.catalogue import MEASURES

if TYPE_CHECKING:
    from spade_finance.stress.report import StressReport

SCHEMA = 1


def report_dict(report: StressReport) -> dict[str, Any]:
    """Everything but the paths themselves; the same numbers give the same dictionary."""
    parts = {
        name: None if part is None else part.to_dict()
        for name in ("dial", "counterfactual", "spillover", "reverse", "nowcast", "views")
        for part in (getattr(report, name),)
    }
    whole = {
        "schema": SCHEMA,
        "portfolio": report.portfolios[0].name,
        "portfolios": [p.to_dict() for p in report.portfolios],
        "script": report.provenance.get("script", report.scenario.script),
        "scenario": report.scenario.to_dict(),
        "n_paths": report.n_paths,
        "n_days": report.n_days,
        "regimes": report.regimes,
        "sectors": report.sectors,
        "measures": {name: m.text for name, m in MEASURES.items()},
        "rows": report.table.to_dict("records"),
        "contributions": contributions_dict(report),
        "fans": {name: _columns(table) for name, table in report.fans.items()},
        "drawdown_cones": {name: _columns(table) for name, table in report.drawdown_cones.items()},
        "regime_shares": _columns(report.ribbon),
        **parts,
        "notes": report.notes,
        "provenance": report.provenance,
        "options": report.options,
    }
    return dict(plain(whole))


def contributions_dict(report: StressReport) -> dict[str, Any]:
    """``{portfolio: {source: {"pnl": {sector: {value, std_error}}, "pnl:crisis": ..., "es": ...}}}``."""
    out: dict[str, Any] = {}
    for row in report.contributions.to_dict("records"):
        kind = row["kind"] if row["regime"] is None else f"{row['kind']}:{row['regime']}"
        place = out.setdefault(row["portfolio"], {}).setdefault(row["source"], {}).setdefault(kind, {})
        place[row["sector"]] = {"value": row["value"], "std_error": row["std_error"]}
    return out


def _columns(table: pd.DataFrame) -> dict[str, list[float]]:
    return {str(name): table[name].tolist() for name in table.columns}
