# SPDX-License-Identifier: Apache-2.0
"""VaR, ES, drawdowns, contributions against closed forms, loops and repeated draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

import spade_finance as sf
from spade_finance.stress.drawdowns import find_spells
from spade_finance.stress.engine import Plan, windows_inside
from spade_finance.stress.liquidity import LADDER, cascade_es, liquidity_days
from spade_finance.stress.measures import Sample, cluster_mean, paths_for_one_percent
from spade_finance.stress.sums import dot, gram, weigh
from spade_finance.stress.tables import volatility

SECTORS = ("A", "B", "C")
WEIGHTS = {"A": 0.5, "B": 0.8, "C": -0.4}
SD = np.array([0.01, 0.02, 0.015])
RHO = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]])
COVARIANCE = RHO * np.outer(SD, SD)
MEAN = np.array([0.0005, 0.0002, -0.0001])


def gaussian(n_paths: int, n_days: int, seed: int, codes: np.ndarray | None = None) -> sf.ScenarioSet:
    """Independent Gaussian simple returns of known mean and covariance."""
    rng = np.random.default_rng(seed)
    simple = rng.multivariate_normal(MEAN, COVARIANCE, (n_paths, n_days), method="cholesky")
    codes = np.zeros(n_days, dtype=int) if codes is None else codes
    return sf.ScenarioSet.from_simple(simple, SECTORS, ("calm", "wild"), codes)


def gaussian_es(level: float, mean: float, sd: float) -> float:
    return sd * norm.pdf(norm.ppf(level)) / (1 - level) - mean


def test_one_day_var_and_es_of_a_gaussian_match_closed_forms_within_their_errors() -> None:
    report = sf.stress(gaussian(4000, 20, 0), WEIGHTS)
    w = np.array(list(WEIGHTS.values()))
    mean, sd = w @ MEAN, np.sqrt(w @ COVARIANCE @ w)
    for level in (0.95, 0.975, 0.99, 0.995):
        for measure, truth in (
            ("var", sd * norm.ppf(level) - mean),
            ("es", gaussian_es(level, mean, sd)),
        ):
            value, error = report.number(measure, level, 1)
            assert abs(value - truth) < 3.5 * error
            assert error < 0.03 * truth
    value, error = report.number("volatility", horizon_days=1)
    assert abs(value - sd * np.sqrt(252)) < 3.5 * error


def test_the_end_of_a_held_book_is_gaussian_in_closed_form() -> None:
    """One day's scenario, so that the horizon's own rows have a closed form too."""
    report = sf.stress(gaussian(20_000, 1, 3), WEIGHTS, rebalance="none")
    w = np.array(list(WEIGHTS.values()))
    mean, sd = w @ MEAN, np.sqrt(w @ COVARIANCE @ w)
    for measure, truth in (("var", sd * norm.ppf(0.99) - mean), ("es", gaussian_es(0.99, mean, sd))):
        value, error = report.number(measure, 0.99)
        assert abs(value - truth) < 3.5 * error
    value, error = report.number("prob_loss", 0.1)
    assert abs(value - norm.sf((0.1 + mean) / sd)) <= 3.5 * error
    value, error = report.number("median_return")
    assert abs(value - mean) < 3.5 * error


def test_standard_errors_match_the_spread_of_repeated_draws_of_dependent_windows() -> None:
    """Ten-day windows overlap and the path has a common shock: naive errors would be several times too small."""
    values, errors = [], []
    plan = Plan([sf.Portfolio({"A": 1.0})], ["A"], 1, (1, 10), (10,))
    paths = np.arange(150)
    for seed in range(150):
        rng = np.random.default_rng(seed)
        level = np.exp(0.4 * rng.standard_normal((150, 1, 1)))
        simple = 0.01 * level * rng.standard_normal((150, 40, 1))
        book = plan.run(simple, np.zeros(40, dtype=int))[0]
        found = []
        for h, levels in ((1, (0.95, 0.99)), (10, (0.95, 0.975))):
            windows = book.windows[h]
            sample = Sample(windows.reshape(-1), np.repeat(paths, windows.shape[1]), 150)
            found += [f(level) for level in levels for f in (sample.var, sample.es)]
        one = book.windows[1]
        found.append(volatility(one.reshape(-1), np.repeat(paths, one.shape[1]), 150))
        found.append(
            cascade_es({10: book.rungs[10].reshape(-1)}, np.repeat(paths, book.rungs[10].shape[1]), 150)
        )
        values.append([e.value for e in found])
        errors.append([e.std_error for e in found])
    ratio = np.mean(errors, axis=0) / np.std(values, axis=0, ddof=1)
    assert ((ratio > 0.8) & (ratio < 1.25)).all(), ratio


def test_var_and_es_of_a_sample_follow_their_definitions() -> None:
    losses = np.arange(1.0, 101.0)
    sample = Sample(losses, np.arange(100), 100)
    assert sample.var(0.95).value == 95.0
    assert sample.es(0.95).value == pytest.approx(np.mean([96, 97, 98, 99, 100]))
    assert sample.es(0.975).value == pytest.approx((98 * 0.5 + 99 + 100) / 2.5)
    assert sample.es_weights(0.975) @ losses == pytest.approx(sample.es(0.975).value)
    assert np.isnan(sample.var(0.995).value)


def test_errors_of_independent_observations_are_the_textbook_ones() -> None:
    x = np.random.default_rng(0).standard_normal(5000)
    found = cluster_mean(x, np.arange(5000), 5000)
    assert found.std_error == pytest.approx(x.std(ddof=1) / np.sqrt(5000))
    sample = Sample(x, np.arange(5000), 5000)
    density = norm.pdf(norm.ppf(0.95))
    assert sample.var(0.95).std_error == pytest.approx(np.sqrt(0.95 * 0.05 / 5000) / density, rel=0.2)
    q = sample.var(0.95).value
    assert sample.es(0.95).std_error == pytest.approx(
        (np.maximum(x - q, 0) / 0.05).std(ddof=1) / np.sqrt(5000), rel=1e-6
    )


def test_two_errors_of_a_var_cover_the_truth_as_often_as_they_should() -> None:
    """Paths of 20 days with a level of their own; the truth is the quantile of the mixture, by a large draw."""
    rng = np.random.default_rng(3)

    def paths(n: int) -> np.ndarray:
        return np.exp(0.4 * rng.standard_normal((n, 1))) * rng.standard_normal((n, 20))

    levels = (0.95, 0.975, 0.99)
    truth = np.quantile(paths(100_000), levels)
    inside = np.zeros(3)
    for _ in range(400):
        sample = Sample(paths(100).reshape(-1), np.repeat(np.arange(100), 20), 100)
        found = [sample.var(level) for level in levels]
        inside += [abs(e.value - q) <= 2 * e.std_error for e, q in zip(found, truth, strict=True)]
    assert (inside > 0.92 * 400).all(), inside  # 95 are expected, give or take 1.1
    assert (inside < 0.985 * 400).all(), inside


@pytest.mark.parametrize("n_days", [20, 40, 100, 400])
def test_the_var_of_repeated_days_has_an_honest_error(n_days: int) -> None:
    """A bootstrap draws the same days again and again: never an error of nothing, and two of them cover."""
    rng, reps = np.random.default_rng(n_days), 50
    levels = [level for level in (0.9, 0.95, 0.963, 0.975) if n_days * (1 - level) >= 1]
    inside, count = 0, 0
    for _ in range(6):
        days = np.sort(rng.standard_t(3, n_days))
        for level in levels:
            truth = days[int(np.ceil(level * n_days - 1e-9)) - 1]
            for _ in range(reps):
                drawn = rng.choice(days, 2000) * (1 + 1e-8 * rng.standard_normal(2000))  # rounded differently
                sample = Sample(drawn, np.repeat(np.arange(100), 20), 100)
                found = sample.var(level)
                assert found.std_error > 0
                inside += abs(found.value - truth) <= 2 * found.std_error + 1e-7 * abs(truth)
                count += 1
    assert inside / count > 0.95


def test_losses_that_are_all_the_same_have_no_error() -> None:
    sample = Sample(np.full(300, 0.25), np.repeat(np.arange(100), 3), 100)
    assert (sample.var(0.95).value, sample.var(0.95).std_error) == (0.25, 0.0)


def test_only_the_sorted_part_is_used_but_any_level_can_be_asked() -> None:
    x = np.random.default_rng(1).standard_normal(30_000)
    fast, whole = Sample(x, np.arange(len(x)), len(x)), Sample(x, np.arange(len(x)), len(x), sorted_share=1.0)
    for level in (0.9, 0.975, 0.995):
        assert fast.es(level).value == pytest.approx(whole.es(level).value, rel=1e-12)
        assert fast.es(level).std_error == pytest.approx(whole.es(level).std_error, rel=1e-9)
        assert fast.var(level).std_error == pytest.approx(whole.var(level).std_error, rel=1e-9)
    assert whole.var(0.5).value == fast.quantile(0.5) == np.sort(x)[14_999]


def test_number_of_paths_for_one_percent_is_reached_by_that_many_paths() -> None:
    few = sf.stress(gaussian(500, 10, 5), WEIGHTS)
    row = few.table[(few.table["measure"] == "es") & (few.table["horizon_days"] == 1)].iloc[1]
    needed = int(row["n_paths_for_1pct"])
    assert needed == paths_for_one_percent(row["value"], row["std_error"], 500)
    value, error = sf.stress(gaussian(needed, 10, 6), WEIGHTS).number("es", row["level"], 1)
    assert error / value == pytest.approx(0.01, rel=0.25)


def test_sums_of_products_are_right_and_add_in_one_order() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal(30_001), rng.standard_normal(30_001)
    assert float(dot(a, b)) == pytest.approx(math.fsum(x * y for x, y in zip(a, b, strict=True)), rel=1e-13)
    assert float(dot(np.stack([b, a]), b)[1]) == float(dot(a, b))
    rows = rng.standard_normal((500, 3))
    np.testing.assert_allclose(gram(rows), rows.T @ rows, rtol=1e-12)
    cube = rng.standard_normal((4, 3, 6))
    np.testing.assert_allclose(
        weigh(cube, [0.5, 0.0, -1.0]), 0.5 * cube[:, 0] - cube[:, 2], rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("rebalance", ["daily", "monthly", "none"])
def test_contributions_add_up_and_a_loop_gives_the_same_money(rebalance: str) -> None:
    codes = np.repeat([0, 1, 0], [15, 20, 15])
    scenarios = gaussian(300, 50, 7, codes)
    report = sf.stress(scenarios, WEIGHTS, rebalance=rebalance)
    simple = scenarios.simple_array.astype(float)
    w = np.array(list(WEIGHTS.values()))
    every = {"daily": 1, "monthly": 21, "none": 10**9}[rebalance]
    cash, held, ends = 1 - w.sum(), w.copy(), []
    for path in simple:
        held, cash = w.copy(), 1 - w.sum()
        for t, day in enumerate(path):
            held = held * (1 + day)
            if (t + 1) % every == 0:
                value = held.sum() + cash
                held, cash = w * value, (1 - w.sum()) * value
        ends.append(held.sum() + cash)
    losses = report.losses["portfolio"]["scenarios"]
    np.testing.assert_allclose(losses, 1 - np.array(ends), rtol=0, atol=1e-12)
    table = report.contributions
    whole = table[table["regime"].isna()]
    assert whole.loc[whole["kind"] == "pnl", "value"].sum() == pytest.approx(
        report.number("return")[0], abs=1e-14
    )
    assert whole.loc[whole["kind"] == "es", "value"].sum() == pytest.approx(
        report.number("es", 0.975)[0], abs=1e-13
    )
    for regime in ("calm", "wild"):
        part = table[table["regime"] == regime]["value"].sum()
        assert part == pytest.approx(report.number("return", regime=regime)[0], abs=1e-14)
    by_regime = [report.number("return", regime=r)[0] for r in ("calm", "wild")]
    assert sum(by_regime) == pytest.approx(report.number("return")[0], abs=1e-14)


@pytest.mark.parametrize(("every", "h"), [(1, 1), (1, 5), (21, 5), (2, 5), (None, 5)])
def test_windows_are_fresh_books(every: int | None, h: int) -> None:
    from spade_finance.stress.engine import window_losses

    simple = gaussian(4, 12, 8).simple_array.astype(float)
    w = np.array(list(WEIGHTS.values()))
    found = window_losses(np.moveaxis(simple, 0, -1), w, every, h)
    assert found.shape == (4, 12 - h + 1)
    for i in range(4):
        for t in range(12 - h + 1):
            held, cash = w.copy(), 1 - w.sum()
            for k in range(h):
                held = held * (1 + simple[i, t + k])
                if every is not None and (k + 1) % every == 0:
                    value = held.sum() + cash
                    held, cash = w * value, (1 - w.sum()) * value
            assert found[i, t] == pytest.approx(1 - held.sum() - cash, abs=1e-7)


def test_a_ruined_book_is_closed_and_reported() -> None:
    simple = np.zeros((2, 5, 1))
    simple[0, 1], simple[0, 2] = -0.5, 0.9
    scenarios = sf.ScenarioSet.from_simple(simple, ["A"], ["r"], np.zeros(5, dtype=int))
    report = sf.stress(scenarios, {"A": 3.0})
    np.testing.assert_allclose(report.losses["portfolio"]["scenarios"], [1.5, 0.0], atol=1e-6)
    assert report.number("prob_ruin")[0] == 0.5
    assert any("lose the whole capital" in note for note in report.notes)
    assert report.number("var", 0.95, 5)[0] != report.number("var", 0.95, 5)[1]
    assert report.number("max_drawdown")[0] == pytest.approx(-1.5 / 2, abs=1e-6)


def test_windows_of_a_regime_lie_within_its_spells() -> None:
    codes = np.array([0, 0, 1, 1, 1, 0, 1])
    np.testing.assert_array_equal(windows_inside(codes, 1, 2), [False, False, True, True, False, False])
    both = np.stack([codes, codes[::-1]])
    np.testing.assert_array_equal(windows_inside(both, 1, 2)[1], windows_inside(codes[::-1], 1, 2))
    scenarios = gaussian(50, 7, 9, codes)
    report = sf.stress(scenarios, {"A": 1.0})
    wild = scenarios.simple_array[:, codes == 1, 0].reshape(-1)
    assert report.number("es", 0.95, 1, "wild")[0] == pytest.approx(
        Sample(-wild, np.arange(len(wild)), len(wild)).es(0.95).value, rel=1e-6
    )
    assert np.isnan(report.number("es", 0.95, 5, "wild")[0])


def test_drawdowns_against_a_loop() -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate(
        [np.ones((30, 1)), np.cumprod(1 + 0.02 * rng.standard_normal((30, 25)), axis=1)], axis=1
    )
    codes = rng.integers(0, 2, (30, 25))
    for given in (None, codes[0], codes):
        found = find_spells(values, given)
        expected = sorted(_spells_by_loop(values, given))
        got = sorted(
            zip(found.path, found.regime, found.days, found.depth, found.fall_days, found.under_water, found.longest,
                found.low, strict=True)
        )  # fmt: skip
        np.testing.assert_allclose(np.array(got, dtype=float), np.array(expected, dtype=float), atol=1e-12)


def _spells_by_loop(values: np.ndarray, codes: np.ndarray | None) -> list[tuple[float, ...]]:
    n_days = values.shape[1] - 1
    rows = []
    for i, path in enumerate(values):
        code = [0] * n_days if codes is None else list(codes if codes.ndim == 1 else codes[i])
        t = 0
        while t < n_days:
            end = t
            while end + 1 < n_days and code[end + 1] == code[t]:
                end += 1
            own = path[t : end + 2]
            peak, peak_at, depth, fall, longest, run, under = own[0], 0, 0.0, 0, 0, 0, 0
            for k in range(1, len(own)):
                if own[k] >= peak:
                    peak, peak_at, run = own[k], k, 0
                else:
                    run, under = run + 1, under + 1
                    if own[k] / peak - 1 < depth:
                        depth, fall = own[k] / peak - 1, k - peak_at
                longest = max(longest, run)
            low = min(0.0, own[1:].min() / own[0] - 1)
            rows.append((i, code[t], len(own) - 1, depth, fall, under / (len(own) - 1), longest, low))
            t = end + 1
    return rows


def test_the_liquidity_cascade_is_the_rule_of_the_text() -> None:
    rng = np.random.default_rng(3)
    clusters = np.arange(4000)
    losses = {
        10: rng.standard_normal(4000),
        20: 0.5 * rng.standard_normal(4000),
        40: 0.3 * rng.standard_normal(4000),
    }
    part = {r: Sample(x, clusters, 4000).es(0.975).value for r, x in losses.items()}
    expected = np.sqrt(part[10] ** 2 + part[20] ** 2 * 1.0 + part[40] ** 2 * 2.0)
    found = cascade_es(losses, clusters, 4000)
    assert found.value == pytest.approx(expected)
    spread = [
        cascade_es({r: np.random.default_rng([s, r]).standard_normal(4000) * x.std() for r, x in losses.items()},
                   clusters, 4000).value
        for s in range(60)
    ]  # fmt: skip
    assert found.std_error == pytest.approx(np.std(spread), rel=0.35)


def test_liquidity_horizons_default_by_kind_and_refuse_what_the_rule_does_not_know() -> None:
    assert liquidity_days(["Energy", "Widgets"]) == {"Energy": 10, "Widgets": 20}
    assert liquidity_days(["Energy"], {"Energy": 60}) == {"Energy": 60}
    assert LADDER == (10, 20, 40, 60, 120)
    for table in ({"Widgets": 10}, {"Energy": 15}):
        with pytest.raises(sf.InputError, match="liquidity"):
            liquidity_days(["Energy"], table)
    report = sf.stress(gaussian(500, 30, 4), WEIGHTS, liquidity={"A": 10, "B": 10, "C": 10})
    slower = sf.stress(gaussian(500, 30, 4), WEIGHTS, liquidity={"A": 10, "B": 40, "C": 10})
    assert slower.number("liquidity_es", 0.975, 10)[0] > 1.3 * report.number("liquidity_es", 0.975, 10)[0]
    assert report.number("es", 0.975, 10)[0] == pytest.approx(
        report.number("liquidity_es", 0.975, 10)[0], rel=0.05
    )


def test_paths_may_have_timelines_of_their_own_and_batches_do_not_matter() -> None:
    codes = np.random.default_rng(5).integers(0, 2, (2100, 12))
    scenarios = gaussian(2100, 12, 6, codes)
    report = sf.stress(scenarios, WEIGHTS)
    plan = Plan(report.portfolios, SECTORS, 2, (1,), (10, 10, 10))
    whole = plan.run(scenarios.simple_array, codes)[0]
    np.testing.assert_array_equal(report.losses["portfolio"]["scenarios"], whole.losses)
    assert report.ribbon.sum(axis=1).to_numpy() == pytest.approx(np.ones(12))
