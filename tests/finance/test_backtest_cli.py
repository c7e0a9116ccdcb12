# SPDX-License-Identifier: Apache-2.0
"""``spade-finance backtest`` from the command line to its files, on a generator that knows nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spade_finance.backtest.costs import Costs
from spade_finance.backtest.study import study
from spade_finance.cli import main
from spade_finance.data import load_sectors
from tests.finance.cli_double import Generator

Run = Callable[..., tuple[int, str, str]]
BASE = ("backtest", "--regimes", "bull:60,crisis:40,bull:200", "--baselines", "none")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("spade_finance.model.ScenarioGenerator", Generator, raising=False)
    monkeypatch.setattr("spade_finance.backtest.study.RANK_PATHS", 4)
    monkeypatch.setattr("spade_finance.backtest.study.RIVAL_PATHS", 3)
    monkeypatch.setattr("spade_finance.backtest.overfitting.SPA_DRAWS", 99)
    monkeypatch.setattr("spade_finance.backtest.ranks.N_RESAMPLES", 60)

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return call


def test_a_backtest_writes_the_whole_report(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "dir"
    code, text, err = run(
        *BASE, "--paths", "70", "--strategy", "momentum", "--compare", "equal_weight,sixty_forty",
        "--grid", "lookback=63,126;top=0.2,0.5", "--history", history(tmp_path, "2013-12"), "--out", out,
    )  # fmt: skip
    assert code == 0, err
    assert sorted(p.name for p in out.iterdir()) == ["report.html", "report.json"]
    assert "momentum on 70 paths of 300 days: bull:60,crisis:40,bull:200" in text
    assert "Sharpe ratio" in text
    assert "Choosing among 4 (grid)" in text
    assert "Ranks by Sharpe ratio on model paths against the held-out years 2013-01-02 to 2013-12-31" in text
    found = json.loads((out / "report.json").read_text())
    assert found["schema"] == 1
    assert found["strategy"] == "momentum"
    assert found["provenance"]["model_hash"] == "d0b1e"
    assert found["provenance"]["seed"] == 0
    assert found["provenance"]["script"] == BASE[2]
    assert {row["regime"] for row in found["rows"]} == {None, "bull", "crisis"}
    assert len(found["overfitting"]["variants"]) == 4
    assert found["comparison"]["rows"][0]["strategy"] == "momentum"
    assert len(found["ranks"]["strategies"]) >= 12
    assert found["ranks"]["n_paths"] == 4
    assert found["assumptions"]["cost_bps"] == 5.0
    page = (out / "report.html").read_text()
    assert "May synthetic ranks be trusted?" in page


def test_the_same_seed_gives_the_same_numbers_and_costs_cost() -> None:
    script, past = (
        "bull:60,crisis:40,bull:100",
        load_sectors().loc["2010":"2013-02", list(Generator.sectors_)],
    )  # type: ignore[misc]
    options = {"n_paths": 70, "against": [], "real": past, "rank_paths": 0}
    first = study(Generator(), script, "equal_weight", **options)
    pd.testing.assert_frame_equal(first.table, study(Generator(), script, "equal_weight", **options).table)
    # the same 70 paths over a batch boundary, by hand: equal weights drift for 21 days
    simple = Generator().sample(script, 70, 0).simple_array.astype(np.float64)
    wealth = np.ones(70)
    for a in range(0, 200, 21):
        wealth *= np.prod(1 + simple[:, a : a + 21], axis=1).mean(axis=1)
    free = study(Generator(), script, "equal_weight", costs=Costs(0.0), **options)
    np.testing.assert_allclose(free.record.measures["total_return"], wealth - 1, rtol=1e-10)
    dear = study(Generator(), script, "equal_weight", costs=Costs(100.0), **options)
    assert dear.value("total_return") < first.value("total_return") - 0.005
    assert dear.value("costs") == pytest.approx(20 * first.value("costs"), rel=0.02)
    other = study(Generator(), script, "equal_weight", seed=1, **options)
    assert other.value("total_return") != first.value("total_return")


def history(folder: Path, until: str = "2013-02") -> Path:
    """Real returns; by default too few held-out days for a rank test, which the report then says."""
    path = folder / "history.csv"
    load_sectors().loc["2010":until].to_csv(path)  # type: ignore[misc]
    return path


def test_the_study_says_what_it_could_not_do() -> None:
    past = load_sectors()[list(Generator.sectors_)].loc["2009":"2013-02"]  # type: ignore[misc]
    result = study(
        Generator(), "bull:80", "equal_weight", n_paths=3, against=[lambda past: np.full(7, 1 / 7)], real=past
    )
    assert result.ranks is None
    assert any("no rank test" in note for note in result.notes)
    assert result.comparison is not None
    assert result.real is not None
    assert result.real.returns.index[-1] == past.index[-1]
    bare = study(Generator(), "bull:80", "equal_weight", n_paths=8, against=[], real=past, rank_paths=0)
    assert bare.comparison is None
    assert bare.overfitting is None


@pytest.mark.parametrize(("n_paths", "script"), [(2, "bull:1"), (1, "crisis:22")])
def test_the_shortest_paths_and_the_fewest(n_paths: int, script: str) -> None:
    past = load_sectors().loc["2012":"2013-02", list(Generator.sectors_)]  # type: ignore[misc]
    against = ["equal_weight", "volatility_target"]
    result = study(Generator(), script, "momentum", n_paths=n_paths, against=against, real=past, rank_paths=0)
    assert f"on {n_paths} histories" in result.to_html()
    assert json.loads(result.to_json())["rows"]


def test_users_own_function(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\ndef first(past):\n    return np.eye(past.shape[1])[0]\n"
        "def ahead(past):\n    raise IndexError('day 9 is out of bounds')\n"
    )
    spot = tmp_path / "mine.py"
    code, text, err = run(
        *BASE, "--paths", "5", "--strategy", f"{spot}:first", "--compare", "none", "--json",
        "--history", history(tmp_path), "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(text)["strategy"] == f"{spot}:first"
    code, text, err = run(
        *BASE, "--paths", "5", "--strategy", f"{spot}:ahead", "--out", tmp_path / "no",
        "--history", history(tmp_path),
    )  # fmt: skip
    assert code == 2
    assert "path 0" in err
    assert "day" in err
    assert not (tmp_path / "no" / "report.html").exists()


def test_what_a_function_prints_does_not_spoil_the_json(run: Run, tmp_path: Path) -> None:
    spot = tmp_path / "loud.py"
    spot.write_text("def f(past):\n    print('HELLO')\n    return [1 / past.shape[1]] * past.shape[1]\n")
    code, text, err = run(
        *BASE, "--paths", "2", "--strategy", f"{spot}:f", "--compare", "none", "--json",
        "--history", history(tmp_path), "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(text)["n_paths"] == 2
    assert "HELLO" in err


def test_a_failure_on_the_real_history_says_so(run: Run, tmp_path: Path) -> None:
    spot = tmp_path / "late.py"
    spot.write_text(
        "import numpy as np\ndef f(past):\n"
        "    if len(past) > 600: raise KeyError('late')\n    return np.ones(past.shape[1]) / past.shape[1]\n"
    )
    code, _, err = run(
        *BASE, "--paths", "2", "--strategy", f"{spot}:f", "--compare", "none", "--history", history(tmp_path),
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 2
    assert err.splitlines()[-1].startswith(f"error: real history: strategy '{spot}:f' on day 6")
    assert not (tmp_path / "out" / "report.json").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--strategy", "momentun"), "did you mean 'momentum'"),
        (("--strategy", "nowhere:f"), "no module 'nowhere'"),
        (
            ("--strategy", "momentum", "--compare", "equal"),
            "strategy 'equal' is unknown; known are equal_weight",
        ),
        (("--strategy", "momentum", "--grid", "lookback"), "grid 'lookback'"),
        (("--strategy", "momentum", "--grid", "lokback=2,3"), "has no parameter 'lokback'"),
        (("--strategy", "momentum", "--cost-bps", "-1"), "cost_bps=-1"),
        (("--strategy", "momentum", "--rebalance", "often"), "--rebalance 'often'"),
        (("--strategy", "momentum", "--paths", "0"), "--paths 0"),
        (("--strategy", "momentum", "--baselines", "zz"), "baselines names 'zz'"),
        (("--strategy", "math:pi"), "strategy 'math:pi' is no function but float"),
        ((), "backtest needs --strategy NAME"),
    ],
)
def test_bad_usage_is_one_line(run: Run, tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    base = BASE[:3] if "--baselines" in more else BASE
    code, _, err = run(*base, "--out", tmp_path / "out", *more)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not (tmp_path / "out").exists()


def test_the_list_of_strategies(run: Run) -> None:
    code, text, _ = run("backtest", "--list")
    assert code == 0
    assert "momentum" in text
    assert "lookback=252" in text
    code, text, _ = run("backtest", "--list", "--json")
    assert {"name", "about", "options"} <= set(json.loads(text)["strategies"][0])


def test_tearsheets_need_quantstats_and_say_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "quantstats", None)
    code, _, err = run(*BASE, "--strategy", "equal_weight", "--tearsheet", "--out", tmp_path / "out")
    assert code == 2
    assert "pip install quantstats" in err


def test_tearsheets_of_the_median_and_a_bad_path(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def tearsheet(returns: pd.Series, path: Path, title: str, **more: object) -> Path:
        asked.append((returns, path, title))
        return path

    monkeypatch.setattr("spade_finance.integrations.quantstats.tearsheet", tearsheet)
    monkeypatch.setattr("spade_finance.integrations.optional.need", lambda *a: None)
    code, _, err = run(
        *BASE, "--paths", "20", "--strategy", "equal_weight", "--compare", "none", "--tearsheet",
        "--history", history(tmp_path), "--out", tmp_path,
    )  # fmt: skip
    assert code == 0, err
    (median, first, title), (bad, _, _) = asked
    assert first == tmp_path / "tearsheet_median.html"
    assert "median path" in title
    assert np.prod(1 + bad) < np.prod(1 + median)
    assert median.index[0] > pd.Timestamp("2013-02-28")


@pytest.mark.slow
def test_the_shipped_model_gives_the_whole_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As on a fresh install: nothing but the package, 1,000 paths of five years."""
    code = main(
        ["backtest", "--model", "default", "--regimes", "markov:1260", "--strategy", "momentum",
         "--paths", "1000", "--out", str(tmp_path)]
    )  # fmt: skip
    assert code == 0, capsys.readouterr().err
    found = json.loads((tmp_path / "report.json").read_text())
    rows = {(row["measure"], row["regime"]): row for row in found["rows"]}
    assert {regime for _, regime in rows} == {None, "bull", "sideways", "bear", "crisis"}
    assert rows["volatility", "crisis"]["mean"] > 2 * rows["volatility", "bull"]["mean"]
    assert 0 < rows["loss_1y", None]["mean"] < 0.5
    # the real five years are no freak among the paths
    assert 0.005 < rows["volatility", None]["real_percentile"] < 0.995
    assert 0.005 < rows["max_drawdown", None]["real_percentile"] < 0.995
    ranks = {(row["source"], row["measure"]): row for row in found["ranks"]["rows"]}
    sources = ("model", "block_bootstrap", "block_bootstrap_scaled", "regime_t", "fhs")
    assert all((source, "sharpe") in ranks for source in sources)
    assert all(ranks[source, "volatility"]["spearman"] > 0.8 for source in sources)
    assert len(found["ranks"]["strategies"]) >= 12
    assert found["overfitting"]["real"]["days"] > 7000
