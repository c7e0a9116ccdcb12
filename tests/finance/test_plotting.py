# SPDX-License-Identifier: Apache-2.0
"""Figures carry the numbers they were given."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from spade_finance import plot_style, plotting
from spade_finance.baselines import BlockBootstrap
from spade_finance.evaluate import facts, regime_table
from spade_finance.evaluate.panel import Panel
from spade_finance.exceptions import InputError
from tests.finance.evaluation_doubles import make_labels, make_returns

RETURNS = make_returns(900)
LABELS = make_labels(RETURNS)
BASELINE = BlockBootstrap().fit(RETURNS, LABELS)
FIXED = BASELINE.sample("bull:30,crisis:20,bear:10", 50, 0)
DRAWN = BASELINE.sample(np.random.default_rng(0).integers(0, 4, (50, 40)), 50, 0)


def named(figure, name):
    return [t for t in figure.data if t.name == name]


def contrast(color: str, background: str) -> float:
    """WCAG contrast ratio."""

    def luminance(c: str) -> float:
        rgb = np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    a, b = sorted([luminance(color), luminance(background)], reverse=True)
    return (a + 0.05) / (b + 0.05)


def test_fan_is_the_quantiles_of_the_compounded_market():
    figure = plotting.fan_chart(FIXED)
    level = 100 * np.cumprod(1 + FIXED.simple_array.astype(np.float64).mean(2), axis=1)
    median = named(figure, "median")[0]
    np.testing.assert_array_equal(median.x, np.arange(61))
    np.testing.assert_allclose(median.y, [100, *np.quantile(level, 0.5, axis=0)])
    band = named(figure, "90 % of paths")[0].y
    np.testing.assert_allclose(band[:61], [100, *np.quantile(level, 0.05, axis=0)])
    np.testing.assert_allclose(band[61:][::-1], [100, *np.quantile(level, 0.95, axis=0)])


def test_fan_of_a_portfolio_uses_its_weights():
    figure = plotting.fan_chart(FIXED, {"Sector2": 1.0}, start=1.0)
    level = np.cumprod(1 + FIXED.simple_array[:, :, 1].astype(np.float64), axis=1)
    np.testing.assert_allclose(named(figure, "median")[0].y, [1, *np.quantile(level, 0.5, axis=0)])


def test_ribbon_of_a_fixed_timeline_is_whole_bands():
    figure = plotting.fan_chart(FIXED)
    crisis = named(figure, "crisis")[0]
    # Between the ends of days t - 1 and t stands the regime of day t: a line that goes up or down first, then along.
    assert crisis.line.shape == "vh"
    np.testing.assert_array_equal(crisis.y[1:], np.repeat([0, 100, 0], [30, 20, 10]))
    assert crisis.y[0] == 0
    assert named(figure, "sideways") == []
    assert named(figure, "crisis")[0].fillcolor == "#D55E00"


def test_ribbon_of_drawn_timelines_is_the_share_of_paths():
    figure = plotting.fan_chart(DRAWN)
    shares = np.array([named(figure, r)[0].y for r in DRAWN.regimes])
    np.testing.assert_allclose(shares[3, 1:], 100 * (DRAWN.codes == 3).mean(0))
    np.testing.assert_array_equal(shares[:, 0], shares[:, 1])
    np.testing.assert_allclose(shares.sum(0), 100.0)


def test_ribbon_of_a_long_timeline_stays_light():
    long = BASELINE.sample(np.tile(np.repeat([0, 3], 500), 10), 3, 0)
    figure = plotting.fan_chart(long)
    median = named(figure, "median")[0]
    assert len(median.x) == 1500
    assert (median.x[0], median.x[-1]) == (0, 10_000)
    crisis = named(figure, "crisis")[0]
    np.testing.assert_array_equal(crisis.y[1:], 100.0 * (long.codes[crisis.x[1:] - 1] == 3))


def test_spaghetti_shows_whole_single_paths():
    figure = plotting.spaghetti(FIXED, n_shown=7)
    lines = [t for t in figure.data if t.name.startswith("path")]
    assert len(lines) == 7
    level = 100 * np.cumprod(1 + FIXED.simple_array[3].astype(np.float64).mean(1))
    np.testing.assert_allclose(named(figure, "path 3")[0].y, [100, *level])


def test_sectors_have_a_panel_each():
    figure = plotting.sector_fans(FIXED)
    assert [a.text for a in figure.layout.annotations] == list(FIXED.sectors)
    level = 100 * np.cumprod(1 + FIXED.simple_array[:, :, 2].astype(np.float64), axis=1)
    np.testing.assert_allclose(named(figure, "median")[2].y, [100, *np.median(level, axis=0)])
    others = [figure.layout[f"yaxis{i}"].matches for i in range(2, len(FIXED.sectors) + 1)]
    assert others == ["y"] * len(others)  # one scale for all rows


def test_title_legend_and_headings_lie_one_below_the_other_and_the_title_can_be_taken():
    figure = plotting.sector_fans(FIXED)
    height, top = figure.layout.height, figure.layout.margin.t
    plot = height - top - figure.layout.margin.b
    legend = (1 - figure.layout.legend.y) * height  # pixels below the upper edge
    heading = top - 22  # a subplot's title, on the upper edge of its plot
    assert figure.layout.title.font.size + 8 <= legend <= heading - 24
    assert plot_style.take_title(figure).startswith("Each sector's value")
    assert figure.layout.title.text is None
    assert figure.layout.height - figure.layout.margin.t - figure.layout.margin.b == plot + 36
    assert (1 - figure.layout.legend.y) * figure.layout.height < 8
    assert plot_style.take_title(figure) == ""


def test_tails_are_shares_of_days_beyond():
    real = RETURNS.mean(axis=1).to_numpy()
    figure = plotting.tails({"generated": FIXED.simple_array.mean(2), "real": real})
    losses, gains = named(figure, "real")
    for trace, sign in ((losses, -1), (gains, 1)):
        for x, y in list(zip(trace.x, trace.y, strict=True))[::9]:
            assert y == pytest.approx(100 * (sign * real >= x / 100 - 1e-12).mean())
    assert losses.x.max() == pytest.approx(-100 * real.min())
    assert figure.layout.xaxis.type == "log"


def test_clustering_is_the_autocorrelation_of_absolute_market_returns():
    real = Panel.from_frame(RETURNS)
    drawn = Panel.from_scenarios(BASELINE.sample(LABELS.codes, 12, 0))
    figure = plotting.volatility_clustering({"real": real, "generated": drawn}, n_lags=30)
    expected = facts.autocorrelation(np.abs(real.simple[..., :1]), list(range(1, 31)))[0, :, 0]
    np.testing.assert_allclose(named(figure, "real")[0].y, expected)
    each = facts.autocorrelation(np.abs(drawn.simple[..., :1]), list(range(1, 31)))[:, :, 0]
    np.testing.assert_allclose(named(figure, "generated")[0].y, each.mean(0))
    band = named(figure, "90 % of generated replicates")[0].y
    np.testing.assert_allclose(band[:30], np.quantile(each, 0.05, axis=0))


def test_heat_maps_carry_matrices_and_mean_correlation():
    calm, crisis = np.array([[1, 0.2], [0.2, 1]]), np.array([[1, 0.8], [0.8, 1]])
    both = {"bull": calm, "crisis": crisis}
    figure = plotting.correlation_heatmaps({"generated": both, "real": both}, ["A", "B"])
    assert [t.name for t in figure.data][1:] == ["generated, crisis", "real, bull", "real, crisis"]
    np.testing.assert_allclose(figure.data[1].z, crisis)
    assert figure.layout.annotations[3].text == "real, crisis (mean 0.80)"


def test_volatility_bars_are_the_table_with_two_standard_errors():
    table = regime_table(FIXED, {"held-out": (RETURNS, LABELS)}).table
    figure = plotting.volatility_by_regime(table)
    bars, marks = figure.data
    assert list(bars.x) == ["bull", "bear", "crisis"]  # sideways was not generated
    np.testing.assert_allclose(bars.y, [100 * table.loc[(r, "generated"), "volatility"] for r in bars.x])
    errors = [200 * table.loc[(r, "generated"), "volatility_se"] for r in bars.x]
    np.testing.assert_allclose(bars.error_y.array, errors)
    np.testing.assert_allclose(marks.y, [100 * table.loc[(r, "held-out"), "volatility"] for r in bars.x])
    assert "a year" in figure.layout.title.text


def test_training_curve_shows_every_number_and_skips_gaps():
    rows = [{"step": 0, "loss": 2.0, "seconds": 1.0}, {"step": 10, "loss": 1.0, "val_es": 0.5}]
    figure = plotting.training_curve(rows)
    assert {t.name for t in figure.data} == {"loss", "val_es"}
    np.testing.assert_array_equal(named(figure, "loss")[0].y, [2.0, 1.0])
    np.testing.assert_array_equal(named(figure, "val_es")[0].x, [10])
    with pytest.raises(InputError, match="'iteration'"):
        plotting.training_curve(rows, x="iteration")


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_regimes_of_any_count_have_colours_of_their_own(n):
    names = [f"r{i + 1}" for i in range(n)]
    colors = plotting.regime_colors(names)
    assert len(set(colors.values())) == n
    assert plotting.regime_colors(["bull", "crisis"]) == {"bull": "#009E73", "crisis": "#D55E00"}


@pytest.mark.parametrize("background", ["#FFFFFF", "#12151A"])
def test_colours_can_be_told_from_light_and_dark_pages(background):
    colors = plotting.regime_colors(["bull", "sideways", "bear", "crisis"]).values()
    for color in (*colors, plotting.GENERATED):
        assert contrast(color, background) > 2.0


def colour_blind(rgb: np.ndarray, kind: str) -> np.ndarray:
    """Full dichromacy by the matrices of Machado, Oliveira & Fernandes (2009), on linear light."""
    matrix = {
        "protan": "0.152286 1.052583 -0.204868 0.114503 0.786281 0.099216 -0.003882 -0.048116 1.051998",
        "deutan": "0.367322 0.860646 -0.227968 0.280085 0.672501 0.047413 -0.011820 0.042940 0.968881",
        "tritan": "1.255528 -0.076749 -0.178779 -0.078411 0.930809 0.147602 0.004733 0.691367 0.303900",
    }[kind]
    return np.clip(np.array(matrix.split(), dtype=float).reshape(3, 3) @ rgb, 0, 1)


@pytest.mark.parametrize("kind", ["protan", "deutan", "tritan"])
def test_regimes_can_be_told_apart_without_full_colour_vision(kind):
    def lab(linear: np.ndarray) -> np.ndarray:
        srgb = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        xyz = np.array(srgb) @ linear
        f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    seen = []
    for color in plotting.regime_colors(["bull", "sideways", "bear", "crisis"]).values():
        rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        seen.append(lab(colour_blind(((rgb + 0.055) / 1.055) ** 2.4, kind)))
    nearest = min(np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i])
    assert nearest > 15  # a difference of 2.3 is just noticeable


def test_every_figure_is_valid_json_with_a_title_and_no_fixed_background():
    table = regime_table(FIXED).table
    figures = [
        plotting.fan_chart(FIXED),
        plotting.spaghetti(DRAWN),
        plotting.sector_fans(FIXED),
        plotting.tails({"generated": FIXED.simple_array}),
        plotting.volatility_by_regime(table),
        plotting.training_curve([{"step": 1, "loss": 1.0}]),
    ]
    for figure in figures:
        json.loads(figure.to_json())
        assert figure.layout.title.text
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_dates_stand_on_the_axis():
    dates = pd.bdate_range("2024-01-01", periods=60)
    dated = type(FIXED)(FIXED.log_array, FIXED.sectors, FIXED.regimes, FIXED.codes, dates=dates)
    figure = plotting.fan_chart(dated)
    found = pd.DatetimeIndex(named(figure, "median")[0].x)
    assert (found[1:] == dates).all()
    assert found[0] == pd.Timestamp("2023-12-29")  # the close before the first day
