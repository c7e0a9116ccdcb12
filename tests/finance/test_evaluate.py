# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.baselines import BlockBootstrap
from spade_finance.evaluate import EvaluationReport, evaluate, facts
from spade_finance.evaluate.catalogue import catalogue, is_in_loss
from spade_finance.evaluate.compare import compare
from spade_finance.evaluate.floor import resample
from spade_finance.evaluate.panel import Panel
from spade_finance.exceptions import InputError, LookAheadWarning, ShortHistoryWarning
from spade_finance.scenarios import ScenarioSet
from tests.finance.evaluation_doubles import REGIMES, DoubleModel, make_labels, make_returns

RETURNS = make_returns(1500)
LABELS = make_labels(RETURNS)
N_TRAINING = 900
FAST = {"n_replicates": 4, "n_resamples": 16, "sections": "none"}
SETTINGS = {
    "baselines": "block_bootstrap,regime_t",
    "n_replicates": 16,
    "n_resamples": 64,
    "sections": "none",
}


def model() -> DoubleModel:
    return DoubleModel(RETURNS, LABELS, N_TRAINING)


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    return evaluate(model(), RETURNS, **SETTINGS)


def test_window_is_what_comes_after_the_training_data(report):
    assert report.window == (RETURNS.index[N_TRAINING], RETURNS.index[-1])
    assert report.look_ahead is None
    assert report.columns == ("model", "block_bootstrap", "regime_t")


def test_model_and_baselines_are_drawn_under_the_windows_own_labels():
    double = model()
    result = evaluate(double, RETURNS, "block_bootstrap", **FAST)
    wanted = LABELS.codes[N_TRAINING:]
    (timeline,) = double.sampled
    np.testing.assert_array_equal(timeline.codes, wanted)
    assert (timeline.severity == 1).all()
    for panel in result.panels.values():
        np.testing.assert_array_equal(panel.codes, wanted)
        assert panel.n_days == len(wanted)


def test_window_in_pieces_is_drawn_piece_by_piece():
    double = model()
    result = evaluate(double, RETURNS, "none", **FAST, window_days=256)
    assert [t.n_days for t in double.sampled] == [256, 256, 88]
    drawn = np.concatenate([t.codes for t in double.sampled])
    np.testing.assert_array_equal(drawn, LABELS.codes[N_TRAINING:])
    segments = result.panels["model"].segments
    assert (np.flatnonzero(np.diff(segments)) + 1).tolist() == [256, 512]


def test_statistics_are_the_facts_of_the_real_window_and_the_means_over_replicates(report):
    real = RETURNS.iloc[N_TRAINING:].mean(axis=1).to_numpy()
    rows = report.table.query("kind == 'statistic' and metric == 'volatility' and asset == 'market'")
    overall = rows[rows["regime"].isna()].iloc[0]
    assert overall["real"] == pytest.approx(real.std() * np.sqrt(252))
    mine = facts.volatility(report.panels["model"].simple[..., :1])[:, 0]
    assert overall["model"] == pytest.approx(mine.mean())
    assert overall["model:se"] == pytest.approx(mine.std(ddof=1) / 4)
    assert overall["real_low"] < overall["real"] < overall["real_high"]
    bear = rows[rows["regime"] == "bear"].iloc[0]
    assert bear["real"] == pytest.approx(real[LABELS.codes[N_TRAINING:] == 2].std() * np.sqrt(252))


def test_distance_is_the_mean_over_assets_on_the_log_scale(report):
    own = report.distances.query("metric == 'volatility' and regime == 'bull'").iloc[0]
    panel = report.panels["real"]
    real = facts.volatility(panel.simple, panel.in_regime(0))[0]
    drawn = np.log(facts.volatility(report.panels["model"].simple, panel.in_regime(0))).mean(0)
    assert own["model"] == pytest.approx(np.abs(drawn - np.log(real)).mean())
    scores = report.scores.query("metric == 'volatility' and regime == 'bull'").iloc[0]
    assert scores["model"] == pytest.approx(own["model"] / own["floor"])


def test_score_is_the_geometric_mean_of_the_groups_geometric_means(report):
    scores = report.scores.dropna(subset=list(report.columns))
    summary = report.summary()

    def by_hand(rows: pd.DataFrame, column: str) -> float:
        means = [
            np.log(rows.loc[rows["group"] == g, column].clip(lower=0.25)).mean() for g in set(rows["group"])
        ]
        return float(np.exp(np.mean(means)))

    assert summary.loc["model", "score"] == pytest.approx(by_hand(scores, "model"))
    risk = scores[scores["group"] == "risk"]
    assert summary.loc["regime_t", "risk"] == pytest.approx(by_hand(risk, "regime_t"))
    assert summary.loc["model", "not in loss"] == pytest.approx(by_hand(scores[~scores["in_loss"]], "model"))


def gaussian_panels(n_days: int, volatility: float, n_paths: int, seed: int) -> Panel:
    x = np.random.default_rng(seed).standard_normal((n_paths, n_days, 3)) * 0.01 * volatility
    codes = np.repeat([0, 1], n_days // 2).astype(np.int8)
    return Panel.from_simple(x, ("A", "B", "C"), ("bull", "crisis"), codes)


def test_perfect_generator_scores_about_one_and_a_wrong_one_far_more():
    scores = {"right": [], "loud": []}
    for seed in range(5):
        real = gaussian_panels(1000, 1.0, 1, seed)
        columns = {
            "right": gaussian_panels(1000, 1.0, 24, 100 + seed),
            "loud": gaussian_panels(1000, 1.3, 24, 200 + seed),
        }
        distances = compare(real, resample(real, 40, random_state=seed), columns).distances
        for name, values in scores.items():
            values.append(np.exp(np.log(distances[name] / distances["floor"]).mean()))
    assert np.mean(scores["right"]) == pytest.approx(1.0, abs=0.25)
    assert np.mean(scores["loud"]) > 2.0


def test_interval_of_the_real_value_covers_the_truth():
    inside = []
    for seed in range(60):
        real = gaussian_panels(1000, 1.0, 1, seed)
        noise = facts.volatility(resample(real, 100, random_state=seed).simple[..., 1:])
        value = facts.volatility(real.simple[..., 1:])[0]
        low, high = np.quantile(noise, [0.025, 0.975], axis=0) - noise.mean(0) + value
        inside.append((low < 0.01 * np.sqrt(252)) & (0.01 * np.sqrt(252) < high))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.05)


def test_resamples_keep_the_labels_and_never_cross_a_seam():
    real = Panel.from_frame(RETURNS, REGIMES, LABELS.codes)
    drawn = resample(real, 5, mean_block=20, random_state=0)
    assert drawn.simple.shape == (5, 1500, 4)
    row = {value: i for i, value in enumerate(real.simple[0, :, 1])}
    for p in range(5):
        days = np.array([row[v] for v in drawn.simple[p, :, 1]])
        assert (LABELS.codes[days] == LABELS.codes).all()
        same = np.diff(drawn.segments[p]) == 0
        assert (np.diff(days)[same] == 1).all()


def test_catalogue_has_rows_for_regimes_with_enough_days_only():
    codes = np.zeros(1500, dtype=np.int8)
    codes[:29] = 3
    codes[29:100] = 1
    names = {m.regime for m in catalogue(Panel.from_frame(RETURNS, REGIMES, codes))}
    assert names == {None, "bull", "sideways"}


def test_single_sector_has_no_dependence_metrics():
    real = Panel.from_frame(RETURNS[["Sector1"]], REGIMES, LABELS.codes)
    assert {m.group for m in catalogue(real)} == {"marginals", "dynamics", "risk"}
    noise = resample(real, 8)
    table = compare(real, noise, {"model": noise}).statistics
    assert set(table["asset"]) == {"market", "Sector1"}


def test_json_has_the_promised_schema(report, tmp_path):
    path = tmp_path / "report.json"
    text = report.to_json(path)
    data = json.loads(path.read_text())
    assert data == json.loads(text)
    assert data["schema"] == 1
    assert data["real"] == {
        "start": f"{RETURNS.index[N_TRAINING]:%Y-%m-%d}",
        "end": f"{RETURNS.index[-1]:%Y-%m-%d}",
        "assets": ["Sector1", "Sector2", "Sector3"],
    }
    assert data["columns"] == ["model", "block_bootstrap", "regime_t"]
    assert len(data["rows"]) == len(report.table) > 150
    promised = {"metric", "group", "regime", "asset", "horizon_days", "real", "floor", "in_loss", "values"}
    for row in data["rows"]:
        assert promised <= set(row)
        assert list(row["values"]) == data["columns"]
        assert row["in_loss"] is row["metric"].startswith("acf_absolute")
        for value in (*row["values"].values(), row["real"], row["floor"]):
            assert value is None or isinstance(value, int | float)
    key = {"metric": "var_95", "regime": "bear", "asset": "market"}
    var = next(row for row in data["rows"] if key.items() <= row.items())
    assert var["horizon_days"] == 1
    assert var["group"] == "risk"
    assert var["values"]["model"] > 0


def test_same_seed_same_report_another_seed_another():
    first, again, other = (
        evaluate(model(), RETURNS, "block_bootstrap", **FAST, seed=seed).to_json() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_earlier_start_is_a_look_ahead_warning_and_stands_in_every_output():
    with pytest.warns(LookAheadWarning, match="was trained on data up to"):
        seen = evaluate(model(), RETURNS, "none", **FAST, from_date=RETURNS.index[700])
    assert seen.look_ahead is not None
    assert "LOOK-AHEAD" in repr(seen)
    assert json.loads(seen.to_json())["look_ahead"] == seen.look_ahead
    page = seen.to_html()
    assert '<p class="banner" role="alert">LOOK-AHEAD' in page


def test_no_warning_and_no_banner_on_held_out_data():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clean = evaluate(model(), RETURNS, "none", **FAST, from_date="2004-06-01")
    assert clean.window[0] == pd.Timestamp("2004-06-01")
    assert 'class="banner"' not in clean.to_html()


def test_verdict_names_losses(report):
    text = report.verdict()
    scores = report.scores
    best = report.summary()["score"].drop("model").idxmin()
    scores = scores.dropna(subset=["model", best])
    wins = int((scores["model"] <= scores[best]).sum())
    assert f"on {wins} of {len(scores)} metrics and farther on {len(scores) - wins}" in text
    assert text in repr(report)


def test_scenarios_without_labels_are_compared_on_all_days():
    scenarios = BlockBootstrap().fit(RETURNS, LABELS).sample("bull:200,crisis:50", 40, 0)
    result = evaluate(scenarios, RETURNS, **FAST)
    assert result.columns == ("scenarios",)
    assert result.distances["regime"].isna().all()
    assert result.panels["scenarios"].n_days == 1500  # six paths of 250 days to a replicate
    assert any("no labels" in note for note in result.notes)
    assert any("no baselines" in note for note in result.notes)


def test_scenarios_with_labels_get_rows_by_regime_and_baselines_with_fit(tmp_path):
    scenarios = BlockBootstrap().fit(RETURNS, LABELS).sample("bull:200,crisis:50,bear:50,sideways:50", 40, 0)
    path = tmp_path / "made.csv"
    scenarios.save(path)
    result = evaluate(
        str(path),
        RETURNS,
        "block_bootstrap",
        labels=LABELS,
        fit=RETURNS.iloc[:N_TRAINING],
        from_date=RETURNS.index[N_TRAINING],
        **FAST,
    )
    assert result.columns == ("scenarios", "block_bootstrap")
    assert set(result.distances["regime"].dropna()) == set(REGIMES)
    rows = result.statistics.query("metric == 'volatility' and regime == 'crisis'")
    row = rows[rows["asset"] == "market"].iloc[0]
    mine = scenarios.simple_array[:, 200:250].astype(np.float64).mean(2)
    assert row["scenarios"] == pytest.approx(mine.std() * np.sqrt(252), rel=0.05)


def test_scenarios_that_never_enter_a_regime_have_no_figures_for_it():
    scenarios = BlockBootstrap().fit(RETURNS, LABELS).sample("bull:300", 20, 0)
    result = evaluate(scenarios, RETURNS, "none", labels=LABELS, **FAST)
    assert result.distances.query("regime == 'crisis'")["scenarios"].isna().all()
    assert result.distances.query("regime == 'bull'")["scenarios"].notna().any()


def test_scenarios_from_elsewhere_without_regimes():
    x = np.random.default_rng(0).standard_normal((20, 300, 3)) * 0.01
    scenarios = ScenarioSet.from_simple(x, list(RETURNS.columns), ["all"], np.zeros(300, dtype=int))
    result = evaluate(scenarios, RETURNS, "none", labels=LABELS, sections="none")
    assert result.distances.query("regime == 'bull'")["scenarios"].isna().all()
    assert np.isfinite(result.summary().loc["scenarios", "score"])
    assert "Generated against real" in result.to_html()


def test_baseline_that_never_saw_a_regime_is_left_out_and_said():
    calm = RETURNS.loc[RETURNS.index[:N_TRAINING][LABELS.codes[:N_TRAINING] < 3]]
    result = evaluate(model(), RETURNS, "block_bootstrap", fit=calm, **FAST)
    assert result.columns == ("model",)
    assert any("block_bootstrap is left out" in note and "crisis" in note for note in result.notes)


def test_baselines_that_have_seen_the_window_are_said():
    result = evaluate(model(), RETURNS, "block_bootstrap", fit=RETURNS, **FAST)
    assert any("have seen some of" in note for note in result.notes)


def test_baselines_without_data_of_their_own_ask_for_them():
    double = model()
    double.embedded_history_ = False  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="pass fit="):
        evaluate(double, RETURNS.iloc[N_TRAINING:], "block_bootstrap", **FAST)
    given = evaluate(
        double, RETURNS.iloc[N_TRAINING:], "block_bootstrap", fit=RETURNS.iloc[:N_TRAINING], **FAST
    )
    assert given.columns == ("model", "block_bootstrap")


def test_metrics_are_in_the_loss_by_name_or_by_family():
    declared = {"acf_abs", "volatility"}
    assert is_in_loss("acf_squared", declared)
    assert is_in_loss("volatility", declared)
    assert not is_in_loss("leverage", declared)
    assert not is_in_loss("upper_tail_dependence", {"tail_dependence"})


def test_short_window_is_warned_about():
    with pytest.warns(ShortHistoryWarning, match="only 100 days"):
        evaluate(model(), RETURNS, "none", **FAST, from_date=RETURNS.index[-100])


@pytest.mark.parametrize(
    ("real", "options", "match"),
    [
        (RETURNS.assign(Gold=0.0), {}, "'Gold' is not one of the model's sectors"),
        (RETURNS.drop(columns="Sector2"), {}, "'Sector2' of the model's sectors is missing"),
        (RETURNS.iloc[: N_TRAINING + 20], {}, "real has 20 days from"),
        (RETURNS.mask(RETURNS.iloc[5, 0] == RETURNS), {}, "missing values"),
        (RETURNS, {"baselines": "timegan"}, "'timegan'"),
        (RETURNS, {"from_date": "soon"}, "'soon' is no date"),
        (RETURNS, {"n_replicates": 1}, "n_replicates=1"),
        (RETURNS, {"window_days": 0}, "window_days=0"),
        (RETURNS.reset_index(drop=True), {}, "DatetimeIndex"),
    ],
)
def test_bad_requests_are_named(real, options, match):
    with pytest.raises(InputError, match=match):
        evaluate(model(), real, **options)


def test_fitted_baseline_may_stand_in_the_models_place_when_labels_are_given():
    fitted = BlockBootstrap().fit(RETURNS.iloc[:N_TRAINING], LABELS)
    assert evaluate(fitted, RETURNS, "regime_t", labels=LABELS, **FAST).columns == ("model", "regime_t")
    with pytest.raises(InputError, match="has no labeller"):
        evaluate(fitted, RETURNS, "none")


def test_something_that_is_no_model_is_refused():
    with pytest.raises(InputError, match="a dict"):
        evaluate({}, RETURNS)


def test_order_of_columns_does_not_matter(report):
    turned = evaluate(model(), RETURNS[["Sector3", "Sector1", "Sector2"]], **SETTINGS)
    pd.testing.assert_frame_equal(turned.statistics, report.statistics)


def test_package_name_stays_the_promised_function():
    assert callable(sf.evaluate)
    first = sf.evaluate(model(), RETURNS, "none", **FAST)
    second = sf.evaluate(model(), RETURNS, "none", **FAST)  # by now the package is imported and shadows it
    assert first.to_json() == second.to_json()


def report_of(real: Panel, columns: dict[str, Panel], seed: int) -> EvaluationReport:
    """A report of the catalogue alone."""
    comparison = compare(real, resample(real, 40, random_state=seed), columns)
    day = pd.Timestamp("2000-01-03")
    return EvaluationReport(
        comparison.statistics, comparison.distances, tuple(columns), (day, day), real.sectors, frozenset(),
        None, (), {}, {},
    )  # fmt: skip


def test_lead_is_the_log_ratio_of_the_scores_and_turns_round(report):
    summary = report.summary()["score"]
    lead, error = report.lead("model", "regime_t")
    assert lead == pytest.approx(np.log(summary["regime_t"] / summary["model"]))
    back, same = report.lead("regime_t", "model")
    assert (back, same) == (pytest.approx(-lead), pytest.approx(error))
    assert report.lead("model", "model") == (0.0, 0.0)


def test_error_of_a_lead_is_a_lower_bound_of_its_spread_over_windows_of_one_process():
    """Two wrong generators on independent windows: what is reported once, and what is seen over many."""
    columns = {"loud": gaussian_panels(400, 1.1, 16, 900), "quiet": gaussian_panels(400, 0.88, 16, 901)}
    found = [
        report_of(gaussian_panels(400, 1.0, 1, seed), columns, seed).lead("loud", "quiet")
        for seed in range(14)
    ]
    leads, errors = np.array(found).T
    # .68 with thirty windows of 600 days: a resample's noise adds to the window's own.
    assert 0.4 < errors.mean() / leads.std(ddof=1) < 1.2
