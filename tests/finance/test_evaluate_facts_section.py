# SPDX-License-Identifier: Apache-2.0
"""Facts as rows with verdicts: episodes, shape, and a section that tells broken generators from good ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.evaluate import facts
from spade_finance.evaluate.catalogue import catalogue
from spade_finance.evaluate.compare import compare, seamless
from spade_finance.evaluate.dependence_metrics import dependence_metrics
from spade_finance.evaluate.episodes import clusters_in, episodes_in, few_clusters, resample_episodes
from spade_finance.evaluate.facts_section import FactsSection
from spade_finance.evaluate.floor import resample
from spade_finance.evaluate.metric import Metric, is_in_loss
from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.section import Material
from spade_finance.evaluate.shape import regime_volatility, shape_metrics, shape_panel
from spade_finance.evaluate.stylised import facts_metrics
from spade_finance.evaluate.verdict_table import Line, number, verdict_table
from spade_finance.evaluate.verdicts import verdict
from spade_finance.exceptions import InputError

REGIMES = ("calm", "wild")
SECTORS = ("A", "B", "C")
CODES = np.tile(np.repeat([0, 1], [70, 30]), 12).astype(np.int8)  # 1,200 days, twelve spells each


def clustered(n_paths: int, seed: int, *, scale: float = 1.0, memory: bool = True, nu: float = 5.0) -> Panel:
    """Student-t returns with GARCH-like volatility inside regimes; without memory only the regimes cluster."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(nu, (n_paths, len(CODES), 4)) * np.sqrt((nu - 2) / nu)
    level = np.where(CODES == 1, 0.02, 0.007)
    log_volatility = np.zeros(n_paths)
    x = np.empty((n_paths, len(CODES), 3))
    for t in range(len(CODES)):
        if memory:
            log_volatility = 0.92 * log_volatility + 0.15 * rng.standard_normal(n_paths)
        v = scale * level[t] * np.exp(np.minimum(log_volatility, 2.0))[:, None]
        x[:, t] = v * (0.7 * shocks[:, t, :1] + 0.7 * shocks[:, t, 1:])
    return Panel.from_simple(np.expm1(np.clip(x, -0.4, 0.4)), SECTORS, REGIMES, CODES)


# ---- episodes and verdicts ----


def test_episode_resamples_are_made_of_whole_clusters_of_their_regime():
    real = clustered(1, 0)
    drawn = resample_episodes(real, 20, 3)
    row = {value: i for i, value in enumerate(real.simple[0, :, 1])}
    lengths = set()
    for p in range(20):
        kept = drawn.codes[p] >= 0
        days = np.array([row[v] for v in drawn.simple[p, kept, 1]])
        np.testing.assert_array_equal(CODES[days], drawn.codes[p, kept])
        same = np.diff(drawn.segments[p, kept]) == 0
        assert (np.diff(days)[same] == 1).all()
        lengths.add(int((drawn.codes[p] == 1).sum()))
    assert lengths == {360}  # twelve spells of 30 days, whichever are drawn
    assert resample_episodes(Panel(real.simple, None, real.segments, SECTORS, ())) is None
    assert episodes_in(real) == {"calm": 12, "wild": 12}


def test_interval_of_a_regime_sees_that_episodes_differ():
    """Each spell has a level of its own: resampled days hardly see it, resampled spells do."""
    codes = np.tile(np.repeat([0, 1], 30), 20).astype(np.int8)
    volatility = Metric(
        "volatility", "x", lambda p: facts.volatility(p.simple, p.in_regime(1)), "log", regime="wild"
    )
    widths = {"episode": [], "block": []}
    values = []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        own = np.repeat(np.exp(0.4 * rng.standard_normal(40)), 30)
        x = 0.01 * own[None, :, None] * rng.standard_normal((1, 1200, 2))
        real = Panel.from_simple(x, "AB", REGIMES, codes)
        floor = resample(real, 64, mean_block=10, random_state=seed)
        row = Line("", "volatility", "wild", "A").find(compare(real, floor, {}, [volatility]).statistics)
        values.append(np.log(row["real"]))
        assert row["interval"] == "episode"
        widths["episode"].append(np.log(row["real_high"] / row["real_low"]))
        noise = np.log(volatility.measure(floor)[:, 1])
        widths["block"].append(np.diff(np.quantile(noise, [0.025, 0.975]))[0])
    truth = 3.92 * np.std(values, ddof=1)
    assert np.mean(widths["episode"]) == pytest.approx(truth, rel=0.3)
    assert np.mean(widths["block"]) < 0.75 * truth


def test_few_clusters_are_stretched_as_a_mean_of_few_is():
    assert few_clusters(5) == pytest.approx(np.sqrt(5 / 4) * 2.7764 / 1.96, abs=1e-3)
    real = clustered(1, 0)
    assert clusters_in(real) == {"calm": 24, "wild": 12}  # seventy days are cut into two


def test_a_regime_that_came_twice_has_no_verdict():
    codes = np.repeat([0, 1, 0, 1], [300, 60, 300, 60]).astype(np.int8)
    x = 0.01 * np.random.default_rng(0).standard_normal((1, 720, 2))
    real = Panel.from_simple(x, "AB", REGIMES, codes)
    table = compare(real, resample(real, 16), {"model": real}).statistics
    wild = table[(table["regime"] == "wild") & (table["metric"] == "volatility")]
    assert (wild["model:verdict"] == "not assessable").all()
    assert np.isfinite(wild["real_low"]).all()
    everywhere = table[table["regime"].isna() & (table["metric"] == "volatility")]
    assert (everywhere["model:verdict"] == "as real").all()


def test_verdicts():
    assert verdict(1.0, 0.5, 1.5) == "as real"
    assert verdict(2.0, 0.5, 1.5) == "too high"
    assert verdict(0.1, 0.5, 1.5) == "too low"
    assert verdict(np.nan, 0.5, 1.5) == verdict(1.0, np.nan, 1.5) == "not assessable"


def test_sample_skew_and_kurtosis_are_shown_without_a_verdict_and_every_row_has_its_paper():
    real = clustered(1, 0)
    metrics = [*catalogue(real), *facts_metrics(real), *dependence_metrics(real, real), *shape_metrics(real)]
    assert len({m.key for m in metrics}) == len(metrics)
    assert all(m.reference for m in metrics)
    table = compare(real, resample(real, 8), {"model": clustered(4, 1)}).statistics
    silent = table["metric"].isin(["skewness", "excess_kurtosis", "worst_day"])
    assert (table.loc[silent, "model:verdict"] == "").all()
    assert (table.loc[~silent, "model:verdict"] != "").all()
    assert is_in_loss("shape_hill_left", {"tail_exceedance"})
    assert not is_in_loss("zumbach", {"tail_exceedance", "acf"})


def test_resamples_are_read_across_seams_only_by_metrics_that_ask_for_it():
    floor = resample(clustered(1, 0), 4)
    assert not seamless(floor).segments.any()
    assert seamless(floor) is seamless(floor)
    seen = []
    for wanted in (False, True):
        probe = Metric(
            f"probe {wanted}", "x", lambda p: seen.append(p.segments.any()) or p.simple[:, 0], seamless=wanted
        )
        compare(clustered(1, 0), floor, {}, [probe])
    assert seen == [False, True, False, False]  # real, resamples with and then without seams


# ---- shape ----


def test_shape_panel_has_the_reference_volatility_in_every_regime_of_every_path():
    real, loud = clustered(1, 0), clustered(6, 1, scale=2.0)
    reference = regime_volatility(real)
    wanted = [[real.log[0, k == CODES, a].std() for a in range(4)] for k in (0, 1)]
    np.testing.assert_allclose(reference, wanted)
    shaped = shape_panel(loud, reference)
    for k in (0, 1):
        own = shaped.log[:, k == CODES].std(1)
        np.testing.assert_allclose(own, np.broadcast_to(reference[k], own.shape))
    np.testing.assert_allclose(shape_panel(real, reference).simple, real.simple)
    by_path = Panel(loud.simple, np.tile(CODES, (6, 1)), loud.segments, SECTORS, REGIMES)
    np.testing.assert_allclose(shape_panel(by_path, reference).simple, shaped.simple)
    assert (shape_panel(loud, 50 * reference).simple > -1).all()
    with pytest.raises(InputError, match=r"reference_volatility has shape \(1, 4\)"):
        shape_panel(loud, reference[:1])
    bare = Panel(loud.simple, None, loud.segments, SECTORS, ())
    np.testing.assert_allclose(shape_panel(bare, reference[:1]).log.std(1), np.tile(reference[0], (6, 1)))


def test_wrong_scale_is_forgiven_by_shape_rows_and_wrong_tails_are_not():
    real = clustered(1, 0, memory=False)
    floor, reference = resample(real, 48), regime_volatility(real)
    columns = {
        "good": clustered(24, 1, memory=False),
        "loud": clustered(24, 1, scale=1.6, memory=False),
        "heavy": clustered(24, 2, memory=False, nu=2.3),
    }
    raw = compare(real, floor, columns, [m for m in catalogue(real) if m.name == "w1"]).distances
    shaped = {n: shape_panel(p, reference) for n, p in columns.items()}
    metrics = shape_metrics(real)
    shape = compare(shape_panel(real, reference), shape_panel(floor, reference), shaped, metrics).distances
    ratio = {n: (raw[n] / raw["floor"]).mean() for n in columns}
    of_shape = shape[shape["metric"].isin(["shape_w1", "shape_l_kurtosis"]) & (shape["horizon_days"] == 1)]
    assert ratio["loud"] > 2.5 * ratio["good"]
    assert (shape["group"] == "shape").all()
    np.testing.assert_allclose(of_shape["loud"], of_shape["good"], rtol=0.1)
    assert of_shape["heavy"].mean() > 1.5 * of_shape["good"].mean()


# ---- the section ----


def material(real: Panel, **columns: Panel) -> Material:
    return Material(real, resample(real, 24, random_state=1), columns, training=real)


def test_halves_of_one_process_are_equal_and_gaussian_days_are_caught():
    shares = {"same": [], "iid": []}
    caught = []
    columns = {"same": clustered(12, 10), "iid": independent(clustered(12, 20))}
    for seed in range(2):
        real = clustered(1, seed)
        floor = resample(real, 40, random_state=seed)
        table = compare(real, floor, columns, facts_metrics(real)).statistics
        for name, values in shares.items():
            judged = table[table[f"{name}:verdict"].isin(["as real", "too high", "too low"])]
            values.append((judged[f"{name}:verdict"] == "as real").mean())
        caught.append([Line("", m, None, "market", d).find(table) for m, d in CAUGHT])
    assert np.mean(shares["same"]) > 0.78  # the intervals' own coverage here: see the module episodes
    assert np.mean(shares["iid"]) < np.mean(shares["same"]) - 0.2
    for rows in zip(*caught, strict=True):
        assert all(row["iid"] < row["real"] for row in rows), rows[0]["metric"]
        assert all(row["iid:verdict"] in ("too low", "as real") for row in rows)


def test_thin_tails_fail_every_tail_verdict_and_the_right_ones_pass_most():
    def draw(n_paths: int, seed: int, nu: float) -> Panel:
        x = np.random.default_rng(seed).standard_t(nu, (n_paths, 1500, 3)) * 0.01 * np.sqrt((nu - 2) / nu)
        return Panel.from_simple(np.clip(x, -0.5, 0.5), SECTORS)

    columns = {"same": draw(12, 50, 3.2), "thin": draw(12, 51, 100.0)}
    passed = []
    for seed in range(3):
        real = draw(1, seed, 3.2)
        metrics = [m for m in [*catalogue(real), *facts_metrics(real)] if m.name in TAILS and not m.seamless]
        metrics += [
            m for m in facts_metrics(real) if m.name in TAILS and m.horizon_days is None and m.seamless
        ]
        table = compare(real, resample(real, 60, random_state=seed), columns, metrics).statistics
        table = table[table["asset"] != "market"]
        thin = table["metric"].map(TAILS)
        assert (table["thin:verdict"] == thin).mean() > 0.9
        passed.append((table["same:verdict"] == "as real").mean())
    assert np.mean(passed) > 0.85


TAILS = {
    "l_kurtosis": "too low",
    "quantile_ratio_left": "too low",
    "quantile_ratio_right": "too low",
    "hill_left": "too high",
    "hill_right": "too high",
    "ewma_l_kurtosis": "too low",
}


CAUGHT = (("intermittency", None), ("l_kurtosis", 1), ("ewma_l_kurtosis", None))


def independent(panel: Panel) -> Panel:
    """Gaussian days of one volatility: nothing that is a fact is left."""
    x = np.random.default_rng(0).standard_normal(panel.simple[..., 1:].shape) * 0.012
    return Panel.from_simple(x, panel.sectors, panel.regimes, panel.codes)


def test_rows_exhibits_and_findings_agree():
    result = FactsSection().measure(
        material(clustered(1, 0), model=clustered(8, 1), rival=clustered(8, 2, nu=50))
    )
    titles = [e.title for e in result.exhibits]
    assert titles[0] == "Stylised facts of the market"
    table = result.exhibits[0].table
    assert {"real", "95 % interval", "model", "rival", "reference"} == set(table.columns)
    assert (table["reference"] != "").all()
    assert "(heavy tails: excess kurtosis, 1 day)" in table.index
    row = Line("", "zumbach", None, "market").find(result.statistics)
    shown = table.loc["time asymmetry (Zumbach)"]
    assert shown["real"] == number(row["real"], "number")
    assert shown["model"].startswith(f"{row['model']:.3f} ± {row['model:se']:.3f}")
    marks = table["model"].str[-1].isin(["▲", "▼"]).sum()
    shown_only = table.index.str.startswith("(").sum()
    unknown = table["model"].str.endswith("?").sum()
    judged = len(table) - shown_only - unknown
    assert f"model: {judged - marks} of {judged} stylised facts" in result.findings[0]
    known = {m.key for m in catalogue(clustered(1, 0))}
    rows = result.distances[KEYS].astype(object).where(result.distances[KEYS].notna(), None)
    own = set(rows.itertuples(index=False, name=None))
    assert not known & own
    assert len(own) == len(result.distances)
    assert sum(e.figure is not None for e in result.exhibits) == 3


KEYS = ["metric", "regime", "horizon_days"]


def test_short_unlabelled_and_single_sector_windows_lose_rows_and_say_so():
    rng = np.random.default_rng(0)
    x = 0.01 * rng.standard_normal((1, 60, 1))
    real = Panel.from_simple(x, ("A",))
    scenarios = Panel.from_simple(0.01 * rng.standard_normal((6, 60, 1)), ("A",))
    result = FactsSection().measure(material(real, scenarios=scenarios))
    assert any("60 days" in note for note in result.notes)
    assert any("without labels" in note for note in result.notes)
    assert not set(result.statistics["metric"]) & {"gain_loss_asymmetry", "acf_decay", "quantile_ratio_left"}
    assert result.statistics["regime"].isna().all()


def test_scenarios_of_short_paths_and_without_regimes_are_compared_on_what_they_have():
    real = clustered(1, 0)
    rng = np.random.default_rng(3)
    x = 0.01 * rng.standard_normal((4, 1200, 3))
    pieces = np.repeat(np.arange(20), 60).astype(np.int32)
    scenarios = Panel.from_simple(x, SECTORS, (), None, pieces)
    result = FactsSection().measure(material(real, scenarios=scenarios))
    by_regime = result.statistics["regime"].notna()
    assert (result.statistics.loc[by_regime, "scenarios:verdict"].isin(["not assessable"])).all()
    passage = Line("", "gain_loss_asymmetry", None, "market").find(result.statistics)
    assert np.isnan(passage["scenarios"])
    assert passage["scenarios:verdict"] == "not assessable"
    assert any("without regimes" in note for note in result.notes)


def test_table_leaves_out_what_the_window_does_not_have():
    keys = {"metric": "a", "regime": None, "asset": None, "horizon_days": None, "unit": "percent"}
    real = {"real": 0.123, "real_low": 0.1, "real_high": 0.2, "reference": "x"}
    rows = [keys | real | {"m": 0.3, "m:se": 0.01, "m:verdict": "too high"}]
    table = verdict_table([Line("share", "a"), Line("none", "b")], pd.DataFrame(rows), ["m"])
    assert table.to_dict("index") == {
        "share, %": {"real": "12.3", "95 % interval": "10.0 to 20.0", "m": "30.0 ± 1.00 ▲", "reference": "x"}
    }


def test_embedded_sectors_show_the_textbook_facts():
    real = Panel.from_frame(sf.load_sectors().loc["2013":])
    floor = resample(real, 12)
    metrics = [*facts_metrics(real), *dependence_metrics(real)]
    found = compare(real, floor, {"itself": floor}, metrics).statistics
    at = {m: Line("", m, None, "market").find(found) for m in TEXTBOOK}
    assert at["zumbach"]["real"] > 0
    assert at["intermittency"]["real"] > 1.5
    assert 0.2 <= at["acf_decay"]["real"] <= 0.4
    assert at["quantile_ratio_left"]["real"] > 4.5
    assert at["ewma_l_kurtosis"]["real"] > 0.15
    assert at["gain_loss_asymmetry"]["real"] < 0
    assert (found.query("metric == 'cross_leverage'")["real"] < 0).all()
    judged = found[found["itself:verdict"] != ""]
    assert (judged["itself:verdict"] == "as real").mean() > 0.85


TEXTBOOK = (
    "zumbach",
    "intermittency",
    "acf_decay",
    "quantile_ratio_left",
    "ewma_l_kurtosis",
    "gain_loss_asymmetry",
)
