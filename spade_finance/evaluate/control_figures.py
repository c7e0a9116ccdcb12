# SPDX-License-Identifier: Apache-2.0
"""The experiments drawn: pulses, and the answers to severity and to a blend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spade_finance.evaluate.control_pulse import PULSES, PulseResult
from spade_finance.evaluate.control_severity import BLEND, SeverityResult
from spade_finance.plot_style import GENERATED, TEXT, column_colors, lift_legend, regime_colors, style

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def pulse_figure(result: PulseResult, names: Sequence[str], regimes: Sequence[str]) -> Figure:
    """Volatility around pulses of four lengths; the pulse shaded, the real levels dashed."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1, len(PULSES), subplot_titles=[f"{n} days of {regimes[-1]}" for n in PULSES], shared_yaxes=True,
        horizontal_spacing=0.02,
    )  # fmt: skip
    color = regime_colors(regimes)
    shapes: list[dict[str, Any]] = []
    for j, n in enumerate(PULSES, 1):
        for name in reversed(names):
            if name in result.curves[n]:
                y = 100 * np.exp(result.curves[n][name])
                figure.add_trace(_line(result.blocks[n], y, name, names, legend=j == 1), row=1, col=j)
        shapes.append(_shaded(j, n, color[regimes[-1]], 0.15))
        for level, regime in ((result.calm, regimes[0]), (result.worst, regimes[-1])):
            if np.isfinite(level):
                height = 100 * float(np.exp(level))
                line = {"color": color[regime], "width": 1.4, "dash": "dash"}
                at = {
                    "x0": 0,
                    "x1": 1,
                    "y0": height,
                    "y1": height,
                    "xref": f"{_axis('x', j)} domain",
                    "yref": _axis("y", j),
                }
                shapes.append({"type": "line", "line": line} | at)
    figure.update_layout(shapes=shapes)  # all at once: one by one takes plotly seconds
    style(figure, "", 400)
    figure.update_xaxes(title_text="days since the pulse began")
    figure.update_yaxes(title_text="volatility, % a year", row=1, col=1)
    figure.update_yaxes(range=[0, _top(result, names)])
    return lift_legend(figure)


def _top(result: PulseResult, names: Sequence[str]) -> float:
    """End of the axis: a fifth above the evaluated column and 99 in 100 values of all, percent a year."""
    mine = [c[names[0]] for c in result.curves.values() if names[0] in c]
    every = np.concatenate([y for c in result.curves.values() for y in c.values()])
    highest = max([float(np.quantile(every, 0.99)), *(float(y.max()) for y in mine)])
    seen = [x for x in (highest, result.worst) if np.isfinite(x)]
    return 120 * float(np.exp(max(seen)))


def severity_figure(result: SeverityResult, names: Sequence[str], regimes: Sequence[str]) -> Figure:
    """Left: volatility over that at the middle severity against the severity asked. Right: along the blend."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    heads = [f"severity, constant {regime}" for regime in result.levels]
    blend = f"blend {regimes[0]}~{regimes[-1]}:{BLEND}"
    figure = make_subplots(1, len(heads) + 1, subplot_titles=[*heads, blend], horizontal_spacing=0.06)
    x = result.severities
    for j, by_column in enumerate(result.levels.values(), 1):
        ideal = x / x[len(x) // 2]
        figure.add_trace(
            go.Scatter(
                x=x, y=ideal, mode="lines", line={"color": TEXT, "width": 1.6, "dash": "dot"}, name="as asked",
                legendgroup="as asked", showlegend=j == 1,
            ),
            row=1, col=j,
        )  # fmt: skip
        for name in reversed(names):
            if name in by_column:
                y = np.exp(by_column[name] - by_column[name][len(x) // 2])
                figure.add_trace(_line(x, y, name, names, legend=j == 1), row=1, col=j)
        figure.update_xaxes(title_text="severity asked", row=1, col=j)
        figure.update_yaxes(title_text="volatility, multiple" if j == 1 else None, row=1, col=j)
    last = len(heads) + 1
    for name in reversed(names):
        if name in result.blend:
            y = 100 * np.exp(result.blend[name])
            figure.add_trace(_line(result.blend_days, y, name, names, legend=last == 1), row=1, col=last)
    figure.update_layout(shapes=[_shaded(last, BLEND, TEXT, 0.1)])
    style(figure, "", 400)
    figure.update_xaxes(title_text="days since the blend began", row=1, col=last)
    figure.update_yaxes(title_text="volatility, % a year", row=1, col=last)
    return lift_legend(figure)


def _line(x: Any, y: Any, name: str, names: Sequence[str], *, legend: bool) -> Any:
    import plotly.graph_objects as go

    mine = name == names[0]
    color = GENERATED if mine else column_colors(names)[name]
    return go.Scatter(
        x=x, y=y, mode="lines", line={"color": color, "width": 2.6 if mine else 1.1}, opacity=1.0 if mine else 0.5,
        name=name, legendgroup=name, showlegend=legend, hovertemplate="%{x:.3g}: %{y:.3g}",
    )  # fmt: skip


def _shaded(panel: int, n_days: int, color: str, opacity: float) -> dict[str, Any]:
    """The first days of a panel's time axis, from its bottom to its top."""
    at = {"x0": -0.5, "x1": n_days - 0.5, "y0": 0, "y1": 1, "xref": _axis("x", panel)}
    look = {"type": "rect", "fillcolor": color, "opacity": opacity, "line": {"width": 0}}
    return look | at | {"yref": f"{_axis('y', panel)} domain"}


def _axis(name: str, panel: int) -> str:
    """Plotly's name of a panel's axis, panels counted from 1."""
    return name if panel == 1 else f"{name}{panel}"
