# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest

from spade_finance.baselines import BlockBootstrap
from spade_finance.evaluate import facts, regime_table
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.pooled import STATISTICS, pooled_statistics
from spade_finance.evaluate.regimes import with_error
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels
from tests.finance.evaluation_doubles import REGIMES, make_labels, make_returns

RETURNS = make_returns(1800)
LABELS = make_labels(RETURNS)
SCENARIOS = BlockBootstrap().fit(RETURNS, LABELS).sample("bull:40,crisis:30,bear:20", 120, 0)


@pytest.fixture(scope="module")
def table():
    windows = {"held-out": (RETURNS.iloc[900:], LABELS), "training": (RETURNS.iloc[:900], LABELS)}
    return regime_table(SCENARIOS, windows)


def test_rows_are_regimes_by_source(table):
    assert list(table.table.index) == [
        (regime, source) for regime in REGIMES for source in ("generated", "held-out", "training")
    ]
    assert table.table.loc[("crisis", "generated"), "days"] == 30 * 120
    real = [table.table.loc[(r, s), "days"] for r in REGIMES for s in ("held-out", "training")]
    assert sum(real) == 1800


def test_figures_are_those_of_the_pooled_days(table):
    simple = SCENARIOS.simple_array.astype(np.float64)[:, 40:70].reshape(-1, 3)
    market = simple.mean(1)
    row = table.table.loc[("crisis", "generated")]
    assert row["annual_return"] == pytest.approx(market.mean() * 252)
    assert row["volatility"] == pytest.approx(market.std() * np.sqrt(252))
    assert row["mean_correlation"] == pytest.approx(np.corrcoef(simple.T)[np.triu_indices(3, 1)].mean())
    assert row["worst_day"] == pytest.approx(market.min())
    x = market[None, :, None]
    assert row["var_95"] == pytest.approx(facts.var_es(x, 0.95)[0][0, 0])
    assert row["es_95"] == pytest.approx(facts.var_es(x, 0.95)[1][0, 0])
    assert row["worst_of_60"] == pytest.approx(facts.expected_worst(x, 60)[0, 0])
    assert row["excess_kurtosis"] == pytest.approx(facts.excess_kurtosis(x)[0, 0])


@pytest.mark.parametrize("n", [5, 19, 20, 21, 61, 400])
def test_shortcut_through_the_lower_tail_changes_nothing(n):
    rows = np.random.default_rng(n).standard_t(4, (n, 3))
    got = dict(zip(STATISTICS, pooled_statistics(rows, 0), strict=True))
    x = rows[None, :, :1]
    assert got["var_95"] == pytest.approx(facts.var_es(x, 0.95)[0][0, 0])
    assert got["es_95"] == pytest.approx(facts.var_es(x, 0.95)[1][0, 0])
    assert got["worst_of_60"] == pytest.approx(facts.expected_worst(x, 60)[0, 0])


def test_sector_in_place_of_the_market():
    own = regime_table(SCENARIOS, asset="Sector2").table.loc[("bull", "generated")]
    drawn = SCENARIOS.simple_array[:, :40, 1].astype(np.float64)
    assert own["volatility"] == pytest.approx(drawn.std() * np.sqrt(252))
    with pytest.raises(InputError, match="'Sector9' is unknown"):
        regime_table(SCENARIOS, asset="Sector9")


def test_regime_that_was_not_generated_is_empty_and_not_printed(table):
    row = table.table.loc[("sideways", "generated")]
    assert row["days"] == 0
    assert row[list(STATISTICS)].isna().all()
    assert "sideways" not in table.summary().index.get_level_values(0)
    assert "sideways" not in repr(table)


def test_every_printed_number_carries_its_error(table):
    cell = table.summary().loc[("crisis", "generated"), "volatility % a year"]
    value, error = (float(v) for v in cell.split(" ± "))
    row = table.table.loc[("crisis", "generated")]
    assert value == pytest.approx(100 * row["volatility"], abs=0.05)
    assert error == pytest.approx(100 * row["volatility_se"], abs=0.05)
    assert row["volatility_se"] > 0
    assert np.isnan(row["worst_day_se"])


def test_single_real_episode_has_no_error():
    codes = np.zeros(1800, dtype=np.int8)
    codes[1000:1040] = 3
    labels = RegimeLabels.from_codes(codes, REGIMES, RETURNS.index)
    row = regime_table(SCENARIOS, {"held-out": (RETURNS, labels)}).table.loc[("crisis", "held-out")]
    assert row["days"] == 40
    assert row["episodes"] == 1
    assert np.isfinite(row["volatility"])
    assert np.isnan(row["volatility_se"])


def test_records_are_json(table):
    rows = json.loads(json.dumps(table.to_records(), allow_nan=False))
    assert rows[0]["regime"] == "bull"
    assert rows[0]["source"] == "generated"
    assert rows[3]["volatility"] is None  # sideways was not generated


def test_labels_of_another_model_and_missing_sectors_are_refused():
    other = RegimeLabels.from_codes(np.zeros(1800, dtype=np.int8), ("calm", "wild"), RETURNS.index)
    with pytest.raises(InputError, match="calm, wild"):
        regime_table(SCENARIOS, {"held-out": (RETURNS, other)})
    with pytest.raises(InputError, match="no column 'Sector3'"):
        regime_table(SCENARIOS, {"held-out": (RETURNS[["Sector1", "Sector2"]], LABELS)})


def test_text_of_numbers():
    assert with_error(0.4871, 0.0031, "percent") == "48.7 ± 0.3"
    assert with_error(0.0168, 0.00003, "percent") == "1.68 ± 0.00"
    assert with_error(-0.123, np.nan, "number") == "-0.12"
    assert with_error(np.nan, 0.1, "percent") == "–"


def test_paths_joined_to_replicates_keep_their_days_and_seams():
    panel = Panel.from_scenarios(SCENARIOS, n_days=280)
    assert (panel.n_paths, panel.n_days) == (40, 270)  # three paths of 90 days each
    np.testing.assert_array_equal(panel.simple[0, 90:180, 1:], SCENARIOS.simple_array[1].astype(np.float64))
    assert (np.flatnonzero(np.diff(panel.segments)) + 1).tolist() == [90, 180]
    assert len(set(panel.spells.tolist())) == 9
    np.testing.assert_array_equal(panel.codes, np.tile(SCENARIOS.codes, 3))
    assert panel.days_in(3) == 90


def test_market_is_the_mean_of_simple_returns():
    panel = Panel.from_scenarios(SCENARIOS)
    np.testing.assert_allclose(panel.simple[..., 0], SCENARIOS.simple_array.mean(2), atol=1e-7)
    assert panel.assets == ("market", "Sector1", "Sector2", "Sector3")
