# SPDX-License-Identifier: Apache-2.0
"""Dependence against numpy, closed forms, a copula of known tail, and panels whose dependence is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spade_finance.evaluate import dependence, facts
from spade_finance.evaluate.compare import compare
from spade_finance.evaluate.dependence_metrics import dependence_metrics, portfolios_of, worst_and_calmest
from spade_finance.evaluate.dependence_section import DependenceSection
from spade_finance.evaluate.floor import resample
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Material
from spade_finance.evaluate.verdicts import NOT_ASSESSABLE

RNG = np.random.default_rng(4)
REGIMES = ("calm", "wild")
SPELLS = np.tile(np.repeat([0, 1], [150, 50]), 6).astype(np.int8)


def correlated(n_paths: int, seed: int, codes=SPELLS, wild: float = 0.7, calm: float = 0.3) -> Panel:
    """Gaussian sectors with one correlation in each regime."""
    rng = np.random.default_rng(seed)
    rho = np.where(codes == 1, wild, calm)[:, None]
    common, own = rng.standard_normal((n_paths, len(codes), 1)), rng.standard_normal((n_paths, len(codes), 4))
    x = 0.01 * (np.sqrt(rho) * common + np.sqrt(1 - rho) * own)
    return Panel.from_simple(x, ("A", "B", "C", "D"), REGIMES, codes)


def test_eigenvalues_are_numpys_and_sum_to_the_number_of_sectors():
    x = RNG.standard_normal((3, 200, 5)) + RNG.standard_normal((3, 200, 1))
    got = dependence.eigenvalues(x)
    for p in range(3):
        np.testing.assert_allclose(got[p], np.linalg.eigvalsh(np.corrcoef(x[p].T))[::-1])
    np.testing.assert_allclose(got.sum(1), 5.0)
    none = np.zeros(200, dtype=bool)
    assert np.isnan(dependence.eigenvalues(x, none)).all()


def test_independent_series_lie_below_the_marchenko_pastur_edge_and_one_factor_above():
    x = np.random.default_rng(0).standard_normal((20, 800, 60))
    edge = dependence.marchenko_pastur_edge(60, 800)
    assert edge == pytest.approx((1 + np.sqrt(60 / 800)) ** 2)
    largest = dependence.eigenvalues(x)[:, 0]
    # Below it by Tracy-Widom fluctuations of order n^(-2/3).
    assert 0.95 * edge < largest.mean() < edge
    assert largest.max() < 1.03 * edge
    factor = x + 0.4 * np.random.default_rng(1).standard_normal((20, 800, 1))
    assert ((dependence.eigenvalues(factor) > 1.05 * edge).sum(1) == 1).all()


def test_equal_correlation_has_its_known_first_eigenvalue():
    values = dependence.eigenvalues(correlated(30, 0, np.zeros(2000, dtype=int)).simple[..., 1:])
    assert values[:, 0].mean() == pytest.approx(1 + 3 * 0.3, abs=0.02)


def test_breakdown_is_the_difference_of_the_two_correlations():
    panel = correlated(50, 1)
    got = dependence.correlation_breakdown(panel.simple[..., 1:], SPELLS == 1, SPELLS == 0)
    assert got.mean() == pytest.approx(0.4, abs=0.01)


def test_tail_dependence_of_a_t_copula_is_the_known_one_and_more_than_the_gaussian_copulas():
    # P(U2 <= q | U1 <= q) of a bivariate t, against the copula's own integral.
    rho, nu, q = 0.5, 3, 0.05
    rng = np.random.default_rng(0)
    z = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], (40, 4000))
    t = z / np.sqrt(rng.chisquare(nu, (40, 4000, 1)) / nu)
    wanted = stats.multivariate_t(shape=[[1, rho], [rho, 1]], df=nu).cdf([stats.t(nu).ppf(q)] * 2) / q
    assert facts.tail_dependence(t, q).mean() == pytest.approx(wanted, abs=0.01)
    gauss = stats.multivariate_normal(cov=[[1, rho], [rho, 1]]).cdf([stats.norm.ppf(q)] * 2) / q
    assert facts.tail_dependence(z, q).mean() == pytest.approx(gauss, abs=0.01)
    by_path = rng.random((40, 4000)) < 0.5
    some = [facts.tail_dependence(t[p : p + 1, by_path[p]], q)[0] for p in range(40)]
    np.testing.assert_allclose(facts.tail_dependence(t, q, by_path), some)


def test_cross_leverage_is_the_correlation_across_days():
    market, x = RNG.standard_normal((2, 300)), RNG.standard_normal((2, 300, 3))
    x[:, 1:] *= np.where(market[:, :-1, None] < 0, 2.0, 0.5)
    got = dependence.cross_leverage(market, x, [1, 4])
    assert (got[:, 0] < -0.2).all()
    wide = np.broadcast_to(market[..., None], x.shape)
    np.testing.assert_allclose(got, facts.cross_correlation(wide, np.abs(x), [1, 4]))
    plain = np.corrcoef(market[0, :-1], np.abs(x[0, 1:, 0]))[0, 1]
    assert got[0, 0, 0] == pytest.approx(plain, abs=0.02)


def test_low_variance_portfolios_have_the_smallest_variance_of_standardised_training_returns():
    loadings = RNG.standard_normal((6, 6))
    x = 0.01 * RNG.standard_normal((3000, 6)) @ loadings
    found = dependence.low_variance_portfolios(x, 3)
    assert found.names == ("eigen 6", "eigen 5", "eigen 4")
    np.testing.assert_allclose(np.abs(found.weights).sum(1), 1.0)
    standard = (x - x.mean(0)) / x.std(0)
    unit = found.weights * x.std(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    variances = (standard @ unit.T).var(0)
    np.testing.assert_allclose(variances, np.linalg.eigvalsh(np.corrcoef(x.T))[:3], rtol=1e-8)
    np.testing.assert_allclose(found.shares, variances / 6)
    assert (np.take_along_axis(found.weights, np.abs(found.weights).argmax(1)[:, None], 1) > 0).all()
    assert dependence.low_variance_portfolios(x[:, :2], 3).weights.shape == (1, 2)


def test_halves_of_one_process_are_equal_and_a_shuffled_panel_is_caught():
    """A generator that draws its sectors apart has every marginal right and no dependence."""
    training = correlated(1, 50)
    inside = {"same": [], "apart": []}
    for seed in range(3):
        real, same = correlated(1, seed), correlated(12, 100 + seed)
        rng = np.random.default_rng(seed)
        x = same.simple[..., 1:].copy()
        for k in (0, 1):  # within each regime, so that its marginals stay what they are
            days = np.flatnonzero(k == SPELLS)
            for j in range(4):
                x[:, days, j] = x[:, rng.permutation(days), j]
        apart = Panel.from_simple(x, real.sectors, REGIMES, SPELLS)
        floor = resample(real, 40, random_state=seed)
        table = compare(
            real, floor, {"same": same, "apart": apart}, dependence_metrics(real, training)
        ).statistics
        for name, values in inside.items():
            verdicts = table[f"{name}:verdict"]
            judged = verdicts[(verdicts != "") & (verdicts != NOT_ASSESSABLE)]
            values.append((judged == "as real").mean())
    assert np.mean(inside["same"]) > 0.85
    assert np.mean(inside["apart"]) < 0.65
    shares = table[table["metric"].isin(["eigen_share", "correlation_breakdown"])]
    assert (shares["apart:verdict"] == "too low").all()


def test_metrics_follow_the_window():
    real = correlated(1, 0)
    names = {m.name for m in dependence_metrics(real, real)}
    assert {"correlation_breakdown", "low_eigen_volatility", "eigen_spectrum"} <= names
    assert not [m for m in dependence_metrics(real) if m.name.startswith("low_eigen")]
    unlabelled = Panel(real.simple, None, real.segments, real.sectors, ())
    assert not [m for m in dependence_metrics(unlabelled) if m.needs_regimes]
    assert worst_and_calmest(correlated(1, 0, np.zeros(500, dtype=np.int8))) is None
    single = Panel.from_simple(real.simple[..., 1:2], ("A",), REGIMES, SPELLS)
    assert dependence_metrics(single, single) == []
    short = Panel.from_simple(real.simple[:, :100, 1:], real.sectors, REGIMES, SPELLS[:100])
    assert portfolios_of(short, real.sectors) is None


def test_section_has_its_rows_and_says_what_it_leaves_out():
    real = correlated(1, 0)
    columns = {"model": correlated(8, 1), "rival": correlated(8, 2, calm=0.6)}
    result = DependenceSection().measure(Material(real, resample(real, 32), columns, training=real))
    assert [e.title.split(":")[0] for e in result.exhibits if e.table is not None] == [
        "Dependence between sectors",
        "Low-variance portfolios",
    ]
    assert sum(e.figure is not None for e in result.exhibits) == 2
    assert not result.notes
    row = result.statistics.query("metric == 'correlation_breakdown'").iloc[0]
    wanted = dependence.correlation_breakdown(columns["model"].simple[..., 1:], SPELLS == 1, SPELLS == 0)
    assert row["model"] == pytest.approx(wanted.mean())
    assert row["interval"] == "episode"
    assert row["rival:verdict"] == "too low"
    assert f"by {row['real']:.2f} in the real window" in result.findings[1]
    single = Panel.from_simple(real.simple[..., 1:2], ("A",), REGIMES, SPELLS)
    alone = DependenceSection().measure(Material(single, resample(single, 8), {"model": single}))
    assert alone.statistics.empty
    assert "single sector" in alone.notes[0]
    bare = Panel(real.simple, None, real.segments, real.sectors, ())
    plain = DependenceSection().measure(Material(bare, resample(bare, 8), {"scenarios": bare}))
    assert plain.statistics["regime"].isna().all()
    assert any("without labels" in note for note in plain.notes)
