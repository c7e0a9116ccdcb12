# SPDX-License-Identifier: Apache-2.0
"""Entropy pooling against closed forms, skfolio and a direct primal solve."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from spade_finance.exceptions import InputError
from spade_finance.scenarios import ScenarioSet
from spade_finance.stress.view_syntax import View, as_views, parse_view
from spade_finance.stress.views import entropy_pooling
from spade_finance.stress.weighted import WeightedLosses

SECTORS = ("Energy", "Tech", "Health Care")


def scenarios(n: int = 800, days: int = 30, seed: int = 0) -> ScenarioSet:
    rng = np.random.default_rng(seed)
    level = np.exp(0.5 * rng.standard_normal((n, 1, 1)))  # paths differ in volatility
    common, own = rng.standard_normal((n, days, 1)), rng.standard_normal((n, days, 3))
    tie = rng.uniform(0.1, 0.9, (n, 1, 1))  # and in correlation
    simple = np.clip(0.01 * level * (np.sqrt(tie) * common + np.sqrt(1 - tie) * own), -0.5, 1.0)
    return ScenarioSet.from_simple(simple, SECTORS, ["calm", "storm"], np.zeros(days, int))


SCEN = scenarios()
MARKET = SCEN.simple_array.mean(axis=2, dtype=float)
END = np.prod(1 + MARKET, axis=1) - 1


def single_day(x: np.ndarray) -> ScenarioSet:
    return ScenarioSet.from_simple(x[:, None, None], ["Only"], ["calm", "storm"], [0])


def test_a_mean_view_on_a_gaussian_is_the_exponential_tilt() -> None:
    """Relative entropy of N(m, s^2) to N(0, s^2) is m^2 / (2 s^2), and the posterior keeps its spread."""
    s = 0.05
    x = s * norm.ppf((np.arange(40_000) + 0.5) / 40_000)
    for m in (-0.05, 0.02):
        found = entropy_pooling(single_day(x), f"return(Only) = {m}")
        assert found.relative_entropy == pytest.approx(m**2 / (2 * s**2), rel=2e-3)
        assert found.ess == pytest.approx(40_000 * np.exp(-(m**2) / (2 * s**2)), rel=2e-3)
        assert found.ess_kish == pytest.approx(40_000 * np.exp(-(m**2) / s**2), rel=5e-3)
        spread = np.sqrt(found.probabilities @ (x - m) ** 2)
        assert spread == pytest.approx(s, rel=2e-3)
        tilt = np.polyfit(x, np.log(found.probabilities), 1)[0]
        assert tilt == pytest.approx(m / s**2, rel=2e-3)


def test_skfolio_finds_the_same_weights() -> None:
    pytest.importorskip("skfolio")
    from skfolio.prior import EntropyPooling

    first = np.prod(1 + MARKET[:, :10], axis=1) - 1
    energy = np.prod(1 + SCEN.simple_array[:, :, 0].astype(float), axis=1) - 1
    rows = pd.DataFrame({"first": first, "energy": energy})  # functionals of paths in the place of assets
    theirs = EntropyPooling(mean_views=["first == -0.01", "energy >= 0.02"]).fit(rows)
    ours = entropy_pooling(SCEN, "return(market, 10) = -1%; return(Energy) >= 2%")
    assert ours.probabilities == pytest.approx(theirs.return_distribution_.sample_weight, rel=2e-3, abs=1e-8)


def test_a_primal_solver_finds_the_same_weights() -> None:
    cp = pytest.importorskip("cvxpy")
    level = np.concatenate([np.ones((len(MARKET), 1)), np.cumprod(1 + MARKET, axis=1)], axis=1)
    drawdown = np.array([min(v / row[: t + 1].max() - 1 for t, v in enumerate(row)) for row in level])
    p = cp.Variable(len(END))
    constraints = [cp.sum(p) == 1, p @ drawdown <= -0.09, p @ (END <= -0.05) == 0.3]
    cp.Problem(cp.Minimize(cp.sum(cp.kl_div(p, np.full(len(END), 1 / len(END))))), constraints).solve(
        solver="CLARABEL"
    )
    ours = entropy_pooling(SCEN, ["drawdown(market) <= -9%", "probability(market, 5%) = 30%"])
    assert ours.probabilities == pytest.approx(p.value, abs=2e-6)
    assert ours.relative_entropy == pytest.approx(
        float((p.value * np.log(np.maximum(p.value, 1e-12) * len(END))).sum()), abs=1e-5
    )


def pooled(p: np.ndarray, i: int, j: int) -> tuple[float, float]:
    """Volatility of i and correlation of i and j, from weighted moments written out."""
    x = SCEN.simple_array.astype(float)
    flat, weight = x.reshape(-1, 3), np.repeat(p / x.shape[1], x.shape[1])
    mean = weight @ flat
    cov = (flat - mean).T @ ((flat - mean) * weight[:, None])
    return float(np.sqrt(252 * cov[i, i])), float(cov[i, j] / np.sqrt(cov[i, i] * cov[j, j]))


def test_volatility_and_correlation_hold_exactly_and_optimally() -> None:
    found = entropy_pooling(SCEN, "volatility(Energy) = 25%; correlation(Energy, Tech) = 0.7")
    volatility, correlation = pooled(found.probabilities, 0, 1)
    assert volatility == pytest.approx(0.25, abs=1e-6)
    assert correlation == pytest.approx(0.7, abs=1e-6)
    assert list(found.table["posterior"]) == pytest.approx([0.25, 0.7], abs=1e-6)
    # optimal: log p is linear in the gradients of the two constraints at the solution
    x, p = SCEN.simple_array.astype(float), found.probabilities
    mean = [p @ x[:, :, k].mean(1) for k in range(2)]
    z = [x[:, :, k] - mean[k] for k in range(2)]
    s = [np.sqrt(p @ np.square(zk).mean(1)) for zk in z]
    gradient = (z[0] * z[1] / (s[0] * s[1]) - 0.35 * (np.square(z[0] / s[0]) + np.square(z[1] / s[1]))).mean(
        1
    )
    design = np.column_stack([np.ones(len(p)), np.square(z[0]).mean(1), gradient])
    fit = np.linalg.lstsq(design, np.log(p), rcond=None)
    assert np.abs(design @ fit[0] - np.log(p)).max() < 1e-5


def test_a_var_view_puts_the_quantile_there() -> None:
    found = entropy_pooling(SCEN, "var(market, 95%, 10) = 6%", portfolio={"Tech": 1.0})
    loss = 1 - np.prod(1 + MARKET[:, :10], axis=1)
    assert found.probabilities[loss >= 0.06].sum() == pytest.approx(0.05, abs=1e-9)
    # within and beyond the quantile all paths stay alike
    assert np.ptp(found.probabilities[loss >= 0.06]) < 1e-12


def test_views_that_hold_already_change_nothing() -> None:
    found = entropy_pooling(SCEN, ["return(market) >= -50%", "volatility(Tech) <= 300%"])
    assert found.relative_entropy == pytest.approx(0.0, abs=1e-12)
    assert found.ess == pytest.approx(SCEN.n_paths)
    assert not found.warnings
    binding = entropy_pooling(SCEN, "return(market) <= -3%")
    assert binding.table["posterior"].iloc[0] == pytest.approx(-0.03, abs=1e-7)


def test_out_of_reach_says_by_how_much() -> None:
    with pytest.raises(InputError) as caught:
        entropy_pooling(SCEN, "return(market) = -60%")
    low, high = 100 * END.min(), 100 * END.max()
    said = str(caught.value)
    assert f"{low:.3g}% to {high:.3g}%" in said
    assert f"nearest to 'return(market) = -60%' is {low:.3g}%, {60 + low:.3g}% off" in said
    assert "\n" not in said
    # each within reach, not together: the range is the one that the other leaves
    pair = "probability(market, 0%, 10) = 0; return(market, 10) = -5%"
    first = np.prod(1 + MARKET[:, :10], axis=1) - 1
    with pytest.raises(InputError, match="given the others") as caught:
        entropy_pooling(SCEN, pair)
    assert f"return(market, 10): {100 * first[first > 0].min():.3g}% to {100 * first.max():.3g}%" in str(
        caught.value
    )
    with pytest.raises(InputError, match=r"correlation\(Energy, Tech\): about"):
        entropy_pooling(SCEN, "correlation(Energy, Tech) = -0.95")


def test_few_effective_paths_are_warned_about() -> None:
    found = entropy_pooling(SCEN, f"return(market) = {float(np.quantile(END, 0.998))}")
    assert found.ess_kish < 50
    assert "effective paths of 800" in found.warnings[0]
    assert "warning:" in repr(found)


def test_numbers_and_paths_of_the_posterior() -> None:
    found = entropy_pooling(SCEN, "return(market) = -3%")
    top = found.top(3)
    assert list(top["probability"]) == sorted(found.probabilities, reverse=True)[:3]
    assert found.numbers().query("measure == 'mean'")["posterior"].iloc[0] == pytest.approx(0.03, abs=1e-7)
    drawn = found.resample(4000, 1)
    assert drawn.n_paths == 4000
    assert drawn.provenance["views"] == "return(market) = -3%"
    end = np.prod(1 + drawn.simple_array.mean(axis=2, dtype=float), axis=1) - 1
    assert end.mean() == pytest.approx(-0.03, abs=1e-3)  # systematic: far nearer than 4000 independent draws
    json.dumps(found.to_dict())


def test_weighted_losses_are_those_of_copies() -> None:
    rng = np.random.default_rng(3)
    x, copies = rng.standard_normal(60), rng.integers(1, 5, 60)
    many = np.sort(np.repeat(x, copies))
    weighted = WeightedLosses(x, copies / copies.sum())
    for level in (0.5, 0.9, 0.95):
        q = many[int(np.ceil(level * len(many) - 1e-9)) - 1]
        assert weighted.var(level)[0] == q
        assert weighted.es(level)[0] == pytest.approx(q + np.maximum(many - q, 0).mean() / (1 - level))
    assert weighted.mean()[0] == pytest.approx(many.mean())
    plain = WeightedLosses(x)
    assert plain.mean()[1] == pytest.approx(x.std() / np.sqrt(60))


def test_standard_errors_of_equal_weights_cover() -> None:
    """ES and VaR of normals: the truth lies within two errors about 95 times of 100."""
    rng, level = np.random.default_rng(5), 0.95
    q = norm.ppf(level)
    es = norm.pdf(q) / (1 - level)
    inside = np.zeros(2)
    for _ in range(300):
        sample = WeightedLosses(rng.standard_normal(1000))
        for k, ((value, error), truth) in enumerate(((sample.var(level), q), (sample.es(level), es))):
            inside[k] += abs(value - truth) < 2 * error
    assert (inside > 0.9 * 300).all()
    assert (inside < 0.99 * 300).all()


def test_a_quantile_beyond_the_effective_paths_is_not_told() -> None:
    x = np.arange(100.0)
    p = np.full(100, 1e-6)
    p[[10, 50, 90, 99]] = 0.25  # worth four paths
    few = WeightedLosses(x, p / p.sum())
    assert np.isnan([*few.var(0.95), *few.es(0.95)]).all()
    value, error = few.var(0.6)
    assert value == 90
    assert error > 1.0  # the heaviest path is one of four, not a certainty


@pytest.mark.parametrize("text", [
    "return(market, 189) = -45%", "volatility(Energy) >= 60%", "correlation(Energy, Health Care) = 0.8",
    "var(portfolio, 95%, 20) <= 25%", "return(market) = -4.5678912%",
    "probability(market, 20%, 63) = 30%", "drawdown(market) <= -30%",
])  # fmt: skip
def test_views_go_to_text_and_back(text: str) -> None:
    view = parse_view(text)
    assert str(view) == text
    assert parse_view(str(view)) == view


def test_views_as_tables_and_quotes() -> None:
    table = {"kind": "return", "who": "market", "value": -0.2, "days": 63}
    assert as_views([table]) == (parse_view("return( market , 63)=-0.2"),)
    assert parse_view('volatility("Odd, ""name""") = 1').who == 'Odd, "name"'
    assert len(as_views("return(market)=0; drawdown(market) >= -5%;")) == 2
    assert as_views(View("return", "market", "=", 0.0))[0].days is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("market down", "cannot be read"), ("mean(market) = 1", "'mean' is unknown"),
        ("return(market) = big", "no number"),
        ("return() = 1", "0 arguments"), ("var(market) = 10%", "1 arguments"),
        ("return(market, 2.5) = 0", "whole number"),
        ("correlation(Energy, Energy) = 0.5", "two different"), ("correlation(Energy, Tech) = 2", "between -1 and 1"),
        ("volatility(Energy) = -5%", "between 0"), ("return(Enrgy) = 0", "did you mean 'Energy'"),
        ("return(market, 99) = 0", "30 days"), ("return(market) = nan", "finite"), ([], "none given"),
        ([3], "neither a text"), ([{"kind": "return"}], "lacks 'who'"), ([{"kind": "return", "whom": 1}], "whom"),
    ],
)  # fmt: skip
def test_bad_views_are_one_clear_line(text, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        entropy_pooling(SCEN, text)
    assert "\n" not in str(caught.value)
