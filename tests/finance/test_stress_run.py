# SPDX-License-Identifier: Apache-2.0
"""Library, portfolios, the whole report and its command, on a stand-in for the model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import spade_finance as sf
from spade_finance.cli import main
from spade_finance.stress.library import find_scenario, load_library
from spade_finance.stress.portfolio import as_portfolios, read_portfolio
from spade_finance.stress.run import PARTS, run_stress
from tests.finance.cli_double import Generator

Run = Callable[..., tuple[int, str, str]]
SECTORS = Generator.sectors_


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("spade_finance.model.ScenarioGenerator", Generator, raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return call


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "book.csv"
    path.write_text("asset,weight\nEnergy,0.7\nInfoTech,-0.2\ncash,0.5\n")
    return path


# ---- library


def test_every_library_script_is_one_the_default_model_takes() -> None:
    """Regimes, sectors and severities; replays by their dates, since labelling history takes seconds."""
    model = sf.ScenarioGenerator.load("default")
    days = sf.load_sectors().index
    library = load_library()
    assert {"gfc", "pandemic", "black_monday", "severely_adverse", "double_dip", "energy_collapse"} <= set(
        library
    )
    for scenario in library.values():
        for script in filter(None, (scenario.script, scenario.against)):
            if script in scenario.history:
                continue
            model.sample_batches(script, 1, 0)
        for first, last in scenario.ranges:
            assert days[0] <= pd.Timestamp(first) < pd.Timestamp(last) <= days[-1]
        assert len(scenario.narrative) > 100


@pytest.mark.slow
def test_every_library_script_can_be_drawn() -> None:
    model = sf.ScenarioGenerator.load("default")
    for scenario in load_library().values():
        for script in filter(None, (scenario.script, scenario.against)):
            assert np.isfinite(model.sample(script, 1, 0).log_array).all()


@pytest.mark.slow
def test_the_whole_report_of_the_default_model_reruns_to_the_same_numbers(tmp_path: Path) -> None:
    """All parts and the page, in processes of their own with different numbers of threads."""

    def call(threads: int, *arguments: object) -> None:
        command = [sys.executable, "-m", "spade_finance.cli", "stress", *map(str, arguments), "--skip", "pdf"]
        env = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    views = ["--view", "return(market, 126) = -25%", "--view", "volatility(Energy) >= 40%"]
    call(1, "--scenario", "gfc", "--paths", 300, *views, "--out", tmp_path / "a")
    call(2, "--rerun", tmp_path / "a" / "report.json", "--out", tmp_path / "b")
    assert (tmp_path / "a" / "report.json").read_text() == (tmp_path / "b" / "report.json").read_text()
    assert "<html" in (tmp_path / "a" / "report.html").read_text()[:500]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[x\n", "is not TOML"),
        ("", "holds no scenario"),
        ("script = 'bull:1'", "stands outside a scenario"),
        ("[x]\ntitle = 'y'", "has no script"),
        ("[x]\nscript = 'bull'", "bad script at position"),
        ("[x]\nscript = 'bull:1'\nscripts = 'a'", "did you mean 'script'?"),
        ("[x]\nscript = 'bull:1'\nhistory = ['2008']", "is no range such as"),
        ("[x]\nscript = 5", "script must be a text"),
        ("[x]\nscript = 'bull:1'\nviews = ['return(market) is low']", "cannot be read"),
        ("[x]\nscript = 'bull:1'\nviews = 7", "views: none given"),
        ("[x]\nscript = 'bull:1'\nviews = [{kind = 'return'}]", "lacks 'who'"),
        ("['a b']\nscript = 'bull:1'", "no usable name"),
    ],
)
def test_a_broken_library_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    with pytest.raises(sf.InputError, match=r"own\.toml") as caught:
        load_library(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_own_scenarios_extend_the_library_and_names_that_come_close_are_offered(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[mine]\nscript = "bull:5,crisis:5"\n[gfc]\nscript = "crisis:9"\n')
    library = load_library(file)
    assert library["mine"].script == "bull:5,crisis:5"
    assert library["gfc"].script == "crisis:9"
    assert find_scenario("MINE", library).name == "mine"
    assert find_scenario("bull:3", library).script == "bull:3"
    replay = find_scenario("2008-09-01..2009-03-31", library)
    assert replay.history == ("2008-09-01..2009-03-31",)
    with pytest.raises(sf.InputError, match="did you mean pandemic"):
        find_scenario("pandemc", library)


# ---- portfolios


def test_a_portfolio_file_is_read_with_cash_shorts_and_leverage(weights: Path) -> None:
    book = read_portfolio(weights, "none")
    assert book.name == "book"
    assert book.cash == pytest.approx(0.5)
    assert (book.gross, book.net) == (pytest.approx(0.9), pytest.approx(0.5))
    np.testing.assert_allclose(book.vector(("InfoTech", "Energy", "X")), [-0.2, 0.7, 0.0])
    assert sf.Portfolio({"A": 1.5}).cash == pytest.approx(-0.5)
    assert sf.Portfolio.from_dict(book.to_dict()).to_dict() == book.to_dict()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("asset,weight\nOil,1\n", "'Oil' is no sector"),
        ("asset,weight\nEnergi,1\n", "did you mean 'Energy'"),
        ("asset,weight\nEnergy,nan\n", "line 2: the weight of 'Energy' is nan"),
        ("asset,weight\nEnergy,\n", "line 2: the weight of 'Energy' is '', no number"),
        ("asset,weight\nEnergy,40%\n", "write 0.25 for 25 %"),
        ("asset,weight\nEnergy,0\n", "every weight is zero"),
        ("asset,weight\ncash,1\n", "every weight is zero"),
        ("asset,weight\nEnergy,1\nEnergy,1\n", "line 3: 'Energy' stands twice"),
        ("asset,weight\nEnergy,0.5\ncash,0.1\n", "cash is 0.1 but the sectors' weights leave 0.5"),
        ("asset,weight\nEnergy,400\n", "not percent or amounts"),
        ("asset,weight\nEnergy,1,2\n", "line 2: has 3 cells"),
        ("Energy,1\n", "first line must be 'asset,weight'"),
        ("asset,weight\n", "no rows"),
        ("", "first line must be 'asset,weight'"),
    ],
)
def test_a_bad_portfolio_is_one_line(run: Run, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    code, out, err = run(
        "stress", "--scenario", "bull:5", "--portfolio", file, "--paths", 10, "--out", tmp_path / "out"
    )
    assert code == 2
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not out
    assert not (tmp_path / "out").exists()


def test_weights_in_any_form_and_their_faults() -> None:
    assert as_portfolios(None, SECTORS)[0].weights.sum() == pytest.approx(1)
    assert as_portfolios([1, 0, 0, 0, 0, 0, 0], SECTORS)[0].weights["ConsDisc"] == 1
    for bad in ({}, {"Energy": None}, {"Energy": np.inf}, [0.1, 0.2], [sf.Portfolio({"Energy": 1})] * 2):
        with pytest.raises(sf.InputError):
            as_portfolios(bad, SECTORS)
    with pytest.raises(sf.InputError, match="rebalance='weekly'"):
        sf.Portfolio({"Energy": 1.0}, "weekly")  # type: ignore[arg-type]


# ---- the whole


@pytest.fixture(scope="module")
def report() -> sf.StressReport:
    parts = [part for part in PARTS if part not in ("reverse", "nowcast")]
    return run_stress(Generator(), "bull:20,crisis:25", {"Energy": 0.5, "InfoTech": 0.5}, 300, 5, parts=parts)


def test_the_report_has_every_row_with_its_error_for_model_bootstrap_and_history(
    report: sf.StressReport,
) -> None:
    table = report.table
    assert list(dict.fromkeys(table["source"])) == ["model", "block_bootstrap", "history"]
    for source in ("model", "block_bootstrap"):
        for level in (0.95, 0.975, 0.99, 0.995):
            for days in (1, 5, 10, 20, 45):
                for measure in ("var", "es"):
                    value, error = report.number(measure, level, days, source=source)
                    assert np.isfinite(value)
                    assert error > 0
            assert np.isfinite(report.number("es", level, 5, "crisis", source=source)[0])
    assert np.isfinite(report.number("es", 0.975, 10, "crisis", source="history")[0])
    assert np.isnan(report.number("es", 0.975, 60)[0])
    assert (
        report.number("volatility", None, 1, "crisis")[0]
        > 3 * report.number("volatility", None, 1, "bull")[0]
    )
    assert np.isfinite(table["value"]).all()
    needed = table.loc[table["source"] == "history", "n_paths_for_1pct"]
    assert needed.isna().all()
    assert report.ribbon.sum().to_dict() == {"bull": 20.0, "sideways": 0.0, "bear": 0.0, "crisis": 25.0}
    assert "crisis:25" in repr(report)
    assert report.counterfactual is not None
    assert report.counterfactual.table["difference"].iloc[0] < 1
    assert report.spillover is not None


def test_json_follows_the_interface(report: sf.StressReport) -> None:
    found = json.loads(report.to_json())
    assert found["schema"] == 1
    assert {"portfolio", "script", "rows", "contributions", "provenance"} <= set(found)
    assert {"measure", "level", "horizon_days", "regime", "value", "std_error"} <= set(found["rows"][0])
    assert found["provenance"]["model_hash"] == "d0b1e"
    pnl = found["contributions"]["portfolio"]["model"]["pnl"]
    row = next(r for r in found["rows"] if r["measure"] == "return" and r["regime"] is None)
    assert sum(cell["value"] for cell in pnl.values()) == pytest.approx(row["value"], abs=1e-14)


def test_the_same_seed_gives_the_same_report_and_another_does_not(report: sf.StressReport) -> None:
    parts = report.options["parts"]
    again = run_stress(Generator(), report.scenario, report.portfolios, 300, 5, parts=parts)
    assert again.to_json() == report.to_json()
    other = run_stress(Generator(), report.scenario, report.portfolios, 300, 6, parts=())
    assert other.number("es", 0.975)[0] != report.number("es", 0.975)[0]


def test_given_scenarios_are_enough_for_numbers() -> None:
    scenarios = Generator().sample("bull:10,crisis:10", 200, 1)
    found = sf.stress(scenarios, {"Energy": 1.0}, rebalance="monthly")
    assert isinstance(found, sf.StressReport)
    assert found.subject == "scenarios"
    assert found.number("var", 0.95, 5)[1] > 0
    assert json.loads(found.to_json())["scenario"]["name"] == "scenarios"
    with pytest.raises(sf.InputError, match="'Oil' is no sector"):
        sf.stress(scenarios, {"Oil": 1.0})


def test_own_history_without_any_the_parts_are_left_out_with_a_note(market: Any) -> None:
    class Bare(Generator):
        embedded_history_ = False

    found = run_stress(Bare(), "bull:5", None, 20, 0, parts=("history", "block_bootstrap"))
    assert set(found.table["source"]) == {"model"}
    assert any("carries no history" in note for note in found.notes)
    with pytest.raises(sf.InputError, match="history has no column"):
        run_stress(Generator(), "bull:5", None, 20, 0, history=market[0])


# ---- the command


@pytest.fixture
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has tests of its own."""
    monkeypatch.setattr("spade_finance.stress.report.StressReport.to_html", lambda self: "page")


def test_rerun_gives_the_same_numbers(run: Run, no_pages: None, weights: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    common = ["stress", "--skip", "pdf"]
    code, out, err = run(
        *common, "--scenario", "bull:10,crisis:12", "--portfolio", weights, "--paths", 60, "--seed", 9, "--rebalance",
        "none", "--out", first, "--skip", "spillover",
    )  # fmt: skip
    assert code == 0, err
    assert "ES 97.5 %" in out
    assert "together" in out
    assert sorted(p.name for p in first.iterdir()) == ["report.html", "report.json"]
    weights.unlink()
    code, _, err = run(*common, "--rerun", first / "report.json", "--out", second)
    assert code == 0, err
    assert (first / "report.json").read_text() == (second / "report.json").read_text()


def test_a_rerun_with_another_model_is_refused_and_names_both(
    run: Run, no_pages: None, tmp_path: Path
) -> None:
    run("stress", "--scenario", "bull:5", "--paths", 20, "--out", tmp_path / "a", "--skip", "history", "--skip", "pdf",
        "--skip", "block_bootstrap", "--skip", "spillover")  # fmt: skip
    file = tmp_path / "a" / "report.json"
    file.write_text(file.read_text().replace("d0b1e", "0ther"))
    code, _, err = run("stress", "--rerun", file, "--out", tmp_path / "b")
    assert code == 2
    assert "0ther" in err
    assert "d0b1e" in err
    assert not (tmp_path / "b").exists()


VIEW = "return(market, 15) = -4%"


def test_views_hold_are_printed_kept_and_repeated(
    run: Run, no_pages: None, weights: Path, tmp_path: Path
) -> None:
    common = ["stress", "--skip", "pdf", "--skip", "history", "--skip", "block_bootstrap", "--skip", "dial"]
    code, out, err = run(
        *common, "--scenario", "bull:10,crisis:12", "--portfolio", weights, "--paths", 300, "--view", VIEW, "--view",
        "volatility(Energy) >= 37%", "--out", tmp_path / "a",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads((tmp_path / "a" / "report.json").read_text())
    # the same by hand: these paths, these views, this portfolio
    paths = Generator().sample("bull:10,crisis:12", 300, 0)
    by_hand = sf.entropy_pooling(paths, [VIEW, "volatility(Energy) >= 37%"], read_portfolio(weights))
    assert found["views"] == json.loads(json.dumps(by_hand.to_dict()))
    assert [row["posterior"] for row in found["views"]["table"]] == pytest.approx([-0.04, 0.37], abs=1e-6)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(line.startswith("return(market, 15) = -4%") and line.endswith(" -4%") for line in lines)
    assert f"{by_hand.ess:,.0f} remain effective" in out
    assert f"relative entropy {by_hand.relative_entropy:.3g}" in out
    assert sum(line.startswith(("VaR", "ES 9")) and line.count("±") == 2 for line in lines) >= 4
    code, _, err = run(
        "stress", "--rerun", tmp_path / "a" / "report.json", "--out", tmp_path / "b", "--skip", "pdf"
    )
    assert code == 0, err
    assert (tmp_path / "a" / "report.json").read_text() == (tmp_path / "b" / "report.json").read_text()


def test_views_out_of_reach_are_one_line_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    for view, message in (
        (
            "return(market) = -95%",
            "views out of reach of these 50 paths: return(market) = -95%. Within reach",
        ),
        ("return(market) down", "cannot be read"),
        ("return(Oil) = -5%", "view on 'Oil': known are"),
        ("return(market, 99) = -5%", "have 10 days, fewer than 99"),
    ):
        code, out, err = run(
            "stress", "--scenario", "bull:10", "--paths", 50, "--view", view, "--out", tmp_path / "out"
        )
        assert (code, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_a_scenario_of_the_library_may_carry_views(run: Run, no_pages: None, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[mine]\nscript = "bull:5,crisis:15"\nviews = ["return(market) = -6%", '
        '{kind = "volatility", who = "Energy", relation = ">=", value = 0.2}]\n'
    )
    mine = load_library(own)["mine"]
    assert mine.views == ("return(market) = -6%", "volatility(Energy) >= 20%")
    assert type(mine).from_dict(json.loads(json.dumps(mine.to_dict()))) == mine
    found = run_stress(Generator(), mine, None, 200, 1, parts=(), views=["return(market) = -6%", VIEW])
    assert found.views is not None
    assert found.options["views"] == [*mine.views, VIEW]
    assert found.views.table["posterior"].iloc[[0, 2]].tolist() == pytest.approx([-0.06, -0.04])
    plain = run_stress(Generator(), "bull:5,crisis:15", None, 200, 1, parts=())
    assert plain.views is None
    assert plain.to_dict()["views"] is None
    with pytest.raises(sf.InputError, match="no views"):
        plain.plot_views()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenario", "gfcc"], "did you mean gfc?"),
        (["--scenario", "bull:5,"], "bad script at position"),
        (["--scenario", "boom:5"], "unknown regime"),
        (["--scenario", "gfc", "--rerun", "x.json"], "needs one of"),
        ([], "needs one of"),
        (["--rerun", "none.json"], "does not exist"),
        (["--scenario", "gfc", "--library", "none.toml"], "does not exist"),
        (["--scenario", "bull:5", "--liquidity", "none.csv"], "does not exist"),
        (["--scenario", "bull:5", "--paths", "1"], "too few"),
        (["--scenario", "bull:5", "--reverse-horizon", "2"], "horizon=2 must be a whole number from 5"),
        (["--scenario", "bull:5", "--loss", "20"], "write 20 % as 0.2"),
        (["--scenario", "bull:5", "--portfolio", "none.csv"], "does not exist"),
        (["--scenario", "bull:5", "--paths", "90000000"], "ask for at most"),
    ],
)
def test_bad_usage_is_one_line(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    code, _, err = run("stress", *arguments, "--out", tmp_path / "out")
    assert code == 2
    assert message in err
    assert err.count("\n") == (
        3 if "bad script" in err else 1
    )  # a script's fault is pointed at below the line
    assert not (tmp_path / "out").exists()


def test_rerun_of_something_else_is_refused(run: Run, tmp_path: Path) -> None:
    for text, message in (
        ("{", "is no JSON"),
        ("[]", "no report.json"),
        ('{"schema": 1, "options": {}}', "lack"),
    ):
        file = tmp_path / "odd.json"
        file.write_text(text)
        code, _, err = run("stress", "--rerun", file, "--out", tmp_path / "out")
        assert code == 2
        assert message in err


def test_the_list_names_every_scenario(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[mine]\ntitle = "My own"\nscript = "bull:5"\n')
    code, out, _ = run("stress", "--list", "--library", own)
    assert code == 0
    for name in (*load_library(), "mine", "My own"):
        assert name in out
    code, out, _ = run("stress", "--list", "--json")
    assert {s["name"] for s in json.loads(out)["scenarios"]} == set(load_library())


def test_a_given_history_is_kept_by_hash(run: Run, no_pages: None, tmp_path: Path) -> None:
    past = tmp_path / "past.csv"
    table = sf.load_sectors().iloc[-800:][list(SECTORS)]
    sf.write_returns(table, past)
    more = [
        "--paths",
        30,
        "--skip",
        "pdf",
        "--skip",
        "dial",
        "--skip",
        "counterfactual",
        "--skip",
        "spillover",
    ]
    code, _, err = run(
        "stress", "--scenario", "bull:5,bear:5", "--history", past, "--out", tmp_path / "a", *more
    )
    assert code == 0, err
    found = json.loads((tmp_path / "a" / "report.json").read_text())
    assert len(found["provenance"]["history_hash"]) == 64
    code, _, err = run(
        "stress", "--rerun", tmp_path / "a" / "report.json", "--out", tmp_path / "b", "--skip", "pdf"
    )
    assert code == 0, err
    assert json.loads((tmp_path / "b" / "report.json").read_text()) == found
    sf.write_returns(table.iloc[1:], past)
    code, _, err = run("stress", "--rerun", tmp_path / "a" / "report.json", "--out", tmp_path / "c")
    assert code == 2
    assert "was made with history" in err


def test_frames_of_the_report_are_well_formed(report: sf.StressReport) -> None:
    fan = report.fans["portfolio"]
    assert len(fan) == 46
    assert (fan.iloc[0] == 1).all()
    assert (fan[["p01", "p05", "p25", "p50", "p75", "p95", "p99"]].diff(axis=1).iloc[:, 1:] >= 0).all().all()
    cone = report.drawdown_cones["portfolio"]
    assert (cone <= 1e-15).all().all()
    assert isinstance(report.summary(), pd.DataFrame)
