# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.cli import main
from spade_finance.cli.boundary import Terminated
from spade_finance.data import load_sectors
from spade_finance.exceptions import InputError, LookAheadWarning
from spade_finance.scenarios import ScenarioSet
from tests.finance.cli_double import REGIMES, Generator

Run = Callable[..., tuple[int, str, str]]
COMMANDS = (
    "demo", "data fetch", "data check", "regimes", "train", "generate", "evaluate", "stress", "backtest", "info",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return call


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> type[Generator]:
    monkeypatch.setattr("spade_finance.model.ScenarioGenerator", Generator, raising=False)
    Generator.calls, Generator.ends, Generator.asked = [], "finished", {}
    return Generator


@pytest.fixture(scope="module")
def returns_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten years of returns that turn wild for one of them."""
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2004-01-01", periods=2520, name="date")
    size = np.where((np.arange(2520) // 250) == 5, 0.025, 0.006)
    z = 0.7 * rng.standard_normal((2520, 1)) + 0.7 * rng.standard_normal((2520, 3))
    path = tmp_path_factory.mktemp("returns") / "returns.csv"
    pd.DataFrame(z * size[:, None] + 3e-4, days, ["A", "B", "C"]).to_csv(path)
    return path


def one_line(text: str) -> bool:
    return text.startswith("error: ") and text.count("\n") == 1


# -- help and usage


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    code, out, err = run(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert "Usage: spade-finance" in out
    assert re.search(rf"Examples?:\n  spade-finance {command}", out)


def test_help_lists_the_commands_and_states_units(run: Run) -> None:
    for arguments in ((), ("--help",), ("-h",)):
        code, out, _ = run(*arguments)
        assert code == 0
        for command in {c.split()[0] for c in COMMANDS}:
            assert f" {command} " in out
        assert "decimals" in out


def test_version(run: Run) -> None:
    from spade_finance import __version__

    assert run("--version")[:2] == (0, f"{__version__}\n")


@pytest.mark.parametrize("command", ["", "generate", "data check"])
def test_help_is_instant(command: str) -> None:
    """Processor time, since a busy machine is nobody's fault here."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    for _ in range(3):
        arguments = [sys.executable, "-m", "spade_finance.cli", *command.split(), "--help"]
        subprocess.run(arguments, check=True, capture_output=True)
    assert (spent() - before) / 3 < 0.5


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("generat", "Did you mean"),
        ("generate --paths 10", "--regimes"),
        ("generate --regimes bull:5 --pats 3 --out x.csv", "--pats"),
        ("generate --regimes bull:5 --paths ten --out x.csv", "ten"),
        ("train r.csv --out m --preset huge", "quick"),
        ("data check", "FILE"),
        ("regimes r.csv --out l.csv --method magic", "jump"),
        ("info", "MODEL"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(run: Run, line: str, says: str) -> None:
    code, out, err = run(*line.split())
    assert code == 2
    assert out == ""
    assert one_line(err)
    assert says in err


# -- the error boundary


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("seed is odd:\n  mend it"), 2, "error: seed is odd: mend it\n"),
        (PermissionError(13, "Permission denied", "x.csv"), 2, "error: x.csv: Permission denied\n"),
        (OSError(28, "No space left on device"), 2, "error: No space left on device\n"),
        (ConnectionError("refused"), 1, "error: network: refused\n"),
        (RuntimeError("no ticker answered"), 1, "error: no ticker answered (--debug shows the traceback)\n"),
        (KeyError("x"), 1, "error: KeyError: 'x' (--debug shows the traceback)\n"),
        (ZeroDivisionError("0/0"), 1, "error: ZeroDivisionError: 0/0 (--debug shows the traceback)\n"),
        (MemoryError(), 1, "error: out of memory: ask for fewer paths or days at a time\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_errors_become_a_line_and_a_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("spade_finance.cli.info.load_model", fail)
    assert run("info", "default") == (code, "", text)


@pytest.mark.parametrize(
    "arguments", [["--debug", "info", "x"], ["info", "--debug", "x"], ["info", "x", "--debug"]]
)
def test_debug_shows_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    def fail(*_: Any) -> Any:
        raise InputError("deep trouble")

    monkeypatch.setattr("spade_finance.cli.info.load_model", fail)
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("Traceback")
    assert err.endswith("error: deep trouble\n")


def test_own_warnings_are_lines_and_foreign_ones_are_silent(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(*_: Any) -> Any:
        for _attempt in range(2):
            warnings.warn("the window\noverlaps", LookAheadWarning, stacklevel=1)
        warnings.warn("for developers", UserWarning, stacklevel=1)
        raise InputError("end")

    monkeypatch.setattr("spade_finance.cli.info.load_model", warn)
    assert run("info", "x")[2] == "warning: the window overlaps\nerror: end\n"
    assert "for developers" in run("info", "x", "--debug")[2]


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    code = (
        "import sys; from spade_finance.cli import main; import spade_finance.cli.info as i\n"
        "class M:\n"
        "    card_ = 'x' * 3_000_000\n"
        "    def describe(self): return {'model_hash': 'h'}\n"
        "i.load_model = lambda name: M()\n"
        "sys.exit(main(['info', 'x', '--json']))"
    )
    script = f'{sys.executable} -c "$CODE" | head -c 10; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "CODE": code}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


# -- generate


def test_generate_writes_what_was_asked_for(run: Run, double: type[Generator], tmp_path: Path) -> None:
    out = tmp_path / "new" / "x.parquet"
    code, text, err = run(
        "generate", "--regimes", "bull:30,crisis:20", "--paths", 150, "--seed", 7, "--start", "2025-01-04",
        "--start-vol", "1.5", "--extrapolate", "--out", out,
    )  # fmt: skip
    assert code == 0, err
    assert double.asked["start_vol"] == 1.5
    assert double.asked["extrapolate"] is True
    found = ScenarioSet.load(out)
    assert found == Generator().sample("bull:30,crisis:20", 150, 7, start="2025-01-06")
    assert str(out) in err
    for word in ("bull", "crisis", "vol. %", "VaR", "±"):
        assert word in text
    assert "bear" not in text.split("sectors:")[1]
    assert [p.name for p in out.parent.iterdir()] == ["x.parquet"]


def test_generate_as_json_is_json_alone(run: Run, double: type[Generator], tmp_path: Path) -> None:
    code, text, _ = run(
        "generate", "--regimes", "crisis:20", "--paths", 80, "--json", "--out", tmp_path / "x.csv"
    )
    assert code == 0
    found = json.loads(text)
    row = next(r for r in found["rows"] if r["regime"] == "crisis")
    market = ScenarioSet.load(tmp_path / "x.csv").simple_array.mean(axis=2)
    assert row["volatility"] == pytest.approx(market.std() * np.sqrt(252), rel=0.02)
    assert row["days"] == 80 * 20
    assert row["volatility_se"] > 0
    assert found["provenance"]["script"] == "crisis:20"


def test_generate_describes_a_long_file_by_its_first_paths(
    run: Run, double: type[Generator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spade_finance.cli.generate.SUMMARY_VALUES", 1000)
    code, text, _ = run("generate", "--regimes", "bull:10", "--paths", 200, "--out", tmp_path / "x.nc")
    assert code == 0
    assert "first 64 paths" in text
    assert ScenarioSet.load(tmp_path / "x.nc").n_paths == 200


def test_help_states_the_limits_of_start_vol_and_max_minutes(run: Run) -> None:
    for command, words in (
        ("generate", "multiple of the long-run level from 0.2 to 5"),
        ("train", "Labelling before and levelling after them"),
    ):
        text = " ".join(run(command, "--help")[1].replace("│", " ").split())
        assert words in text


def test_generate_passes_history_on(
    run: Run, double: type[Generator], tmp_path: Path, returns_file: Path
) -> None:
    code, _, err = run(
        "generate", "--regimes", "bull:5", "--paths", 2, "--history", returns_file, "--start-vol", "last",
        "--out", tmp_path / "x.csv",
    )  # fmt: skip
    assert code == 0, err
    assert list(double.asked["history"].columns) == ["A", "B", "C"]
    assert double.asked["start_vol"] == "last"


def test_an_interrupted_generate_leaves_nothing(
    run: Run, double: type[Generator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Generator._batches

    def stops(self: Generator, *arguments: Any) -> Iterator[ScenarioSet]:
        yield next(whole(self, *arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(Generator, "_batches", stops)
    code, out, err = run("generate", "--regimes", "bull:9", "--paths", 100, "--out", tmp_path / "x.parquet")
    assert (code, out, err) == (130, "", "error: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_sigterm_leaves_nothing_either(tmp_path: Path) -> None:
    code = (
        "import sys, time, spade_finance.model as m; sys.path.insert(0, sys.argv[1])\n"
        "from tests.finance.cli_double import Generator\n"
        "whole = Generator._batches\n"
        "def slow(self, *a):\n"
        "    yield next(whole(self, *a)); print('ready', file=sys.stderr, flush=True); time.sleep(60)\n"
        "Generator._batches = slow; m.ScenarioGenerator = Generator\n"
        "from spade_finance.cli import main\n"
        "sys.exit(main(['generate', '--regimes', 'bull:9', '--paths', '100', '--out', sys.argv[2]]))"
    )
    arguments = [sys.executable, "-c", code, str(ROOT), str(tmp_path / "x.parquet")]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (143, "error: terminated\n")
    assert list(tmp_path.iterdir()) == []


# -- demo, info


def test_demo_writes_scenarios_and_a_report_beside_real_figures(
    run: Run, double: type[Generator], tmp_path: Path
) -> None:
    code, text, err = run("demo", "--out", tmp_path / "d", "--paths", 120, "--seed", 3)
    assert code == 0, err
    scenarios = ScenarioSet.load(tmp_path / "d" / "scenarios.parquet")
    assert (scenarios.n_paths, scenarios.n_days) == (120, 252)
    page = (tmp_path / "d" / "report.html").read_text()
    assert len(page) > 10_000
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"http", page)
    for regime in REGIMES:
        assert regime in text
    for word in (
        "generated",
        "held-out",
        "2013-",
        "VaR",
        "ES",
        "worst",
        "mean corr.",
        str(tmp_path / "d" / "report.html"),
    ):
        assert word in text, word
    assert {p.name for p in (tmp_path / "d").iterdir()} == {"scenarios.parquet", "report.html"}


def test_demo_as_json(run: Run, double: type[Generator], tmp_path: Path) -> None:
    code, text, _ = run("demo", "--out", tmp_path, "--paths", 60, "--json")
    assert code == 0
    rows = {(row["regime"], row["source"]): row for row in json.loads(text)["rows"]}
    assert {"generated", "held-out"} <= {source for _, source in rows}
    returns = load_sectors()
    wild = (Generator().label(returns).labels == "crisis") & (returns.index > "2012-12-31")
    market = returns[wild].mean(axis=1)
    found = rows["crisis", "held-out"]
    assert found["days"] == len(market) > 100
    assert found["volatility"] == pytest.approx(market.std() * np.sqrt(252), rel=0.01)
    assert found["var_95"] == pytest.approx(-market.quantile(0.05), rel=0.05)


def test_the_table_fits_a_narrow_terminal(
    run: Run, double: type[Generator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(Console, "is_terminal", True)
    code, text, _ = run(
        "generate", "--regimes", "bull:20,crisis:20", "--paths", 50, "--out", tmp_path / "x.csv"
    )
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    table = plain[plain.index("VaR") :]
    assert max(map(len, plain.splitlines())) <= 80
    assert "±" in table


def test_info_shows_the_model_and_its_card(run: Run, double: type[Generator]) -> None:
    code, text, _ = run("info", "default")
    assert code == 0
    for word in (
        "bull, sideways, bear, crisis",
        "Energy",
        "2000-01-03 to 2012-12-31",
        "0.6 to 1.9",
        "12,345",
        "d0b1e",
        "# The double",
    ):
        assert word in text
    found = json.loads(run("info", "default", "--json")[1])
    assert found["architecture"] == {"channels": 1}
    assert found["card"].startswith("# The double")


# -- data, regimes


def test_data_check_describes_a_good_file(run: Run, returns_file: Path) -> None:
    code, text, err = run("data", "check", returns_file)
    assert (code, err) == (0, "")
    assert "2004-01-01" in text
    assert "usable as it is" in text
    assert json.loads(run("data", "check", returns_file, "--json")[1])["ok"] is True


def test_data_check_shows_a_bad_file_and_exits_2(run: Run, returns_file: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(returns_file, index_col=0)
    frame.iloc[5, 1] = np.nan
    frame.to_csv(tmp_path / "bad.csv")
    code, text, err = run("data", "check", tmp_path / "bad.csv")
    assert code == 2
    assert "missing" in text
    assert one_line(err)


def test_data_fetch_writes_and_reports(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from spade_finance.data import FetchResult, read_returns

    rng = np.random.default_rng(0)
    days = pd.bdate_range("2020-01-01", periods=300, name="date")
    returns = pd.DataFrame(rng.normal(0, 0.01, (300, 2)), days, ["XLK", "XLF"])
    table = pd.DataFrame(
        {"status": ["downloaded", "cached", "no data"], "rows": [301, 301, 0],
         "first": [days[0], days[0], pd.NaT], "last": [days[-1], days[-1], pd.NaT]},
        index=pd.Index(["XLK", "XLF", "NOPE"], name="ticker"),
    )  # fmt: skip
    asked: list[Any] = []

    def fetch(*arguments: Any) -> FetchResult:
        asked.append(arguments)
        return FetchResult(returns, table, ("NOPE",))

    monkeypatch.setattr("spade_finance.data.fetch", fetch)
    code, text, err = run(
        "data", "fetch", "XLK", "XLF", "NOPE", "--start", "2020-01-01", "--out", tmp_path / "x.csv"
    )
    assert code == 0, err
    assert asked == [(["XLK", "XLF", "NOPE"], "2020-01-01", None)]
    assert "no data" in text
    pd.testing.assert_frame_equal(
        read_returns(tmp_path / "x.csv"), returns, check_freq=False, check_index_type=False
    )


def test_regimes_writes_labels_that_load(run: Run, returns_file: Path, tmp_path: Path) -> None:
    from spade_finance.regimes import RegimeLabels

    code, text, err = run(
        "regimes",
        returns_file,
        "--out",
        tmp_path / "l.csv",
        "--method",
        "rules",
        "--n-regimes",
        3,
        "--causal",
        "--per-sector",
    )
    assert code == 0, err
    labels = RegimeLabels.load(tmp_path / "l.csv")
    assert labels.regimes == ("bull", "bear", "crisis")
    assert len(labels) == 2520
    assert labels.sector_labels is not None
    assert list(labels.sector_labels.columns) == ["A", "B", "C"]
    assert "causal" in text
    days = {r: int((labels.labels == r).sum()) for r in labels.regimes}
    code, text, _ = run(
        "regimes",
        returns_file,
        "--out",
        tmp_path / "l.csv",
        "--method",
        "rules",
        "--n-regimes",
        3,
        "--causal",
        "--json",
    )
    found = json.loads(text)
    assert {row["regime"]: row["days"] for row in found["rows"]} == days
    wild = {row["regime"]: row["volatility"] for row in found["rows"]}
    assert wild["crisis"] > 2 * wild["bull"]


# -- train


def test_train_hands_everything_over(
    run: Run, double: type[Generator], returns_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    code, text, err = run(
        "train", returns_file, "--out", out, "--preset", "quick", "--seed", 4, "--until", "2010-12-31",
        "--max-minutes", 2.5, "--method", "rules", "--n-regimes", 3,
    )  # fmt: skip
    assert code == 0, err
    (_, asked), (_, saved) = double.calls
    assert asked["returns"].index[-1] == pd.Timestamp("2010-12-31")
    assert (asked["preset"], asked["max_minutes"], asked["resume"]) == ("quick", 2.5, False)
    assert (asked["labels"].method, asked["labels"].n_regimes) == ("rules", 3)
    assert asked["checkpoint_dir"] == out / "state"
    assert saved == out
    assert not (out / "state").exists()
    assert "12,345" in text
    assert "step 100/100: loss 0.01, validation 0.5, 0.2 min left" in err


def test_train_takes_labels_from_a_file(
    run: Run, double: type[Generator], returns_file: Path, tmp_path: Path
) -> None:
    assert (
        run("regimes", returns_file, "--out", tmp_path / "l.csv", "--method", "rules", "--n-regimes", 2)[0]
        == 0
    )
    assert run("train", returns_file, "--out", tmp_path / "m", "--labels", tmp_path / "l.csv")[0] == 0
    assert double.calls[0][1]["labels"].regimes == ("bull", "crisis")


def test_interrupted_training_keeps_its_state_and_says_how_to_go_on(
    run: Run, double: type[Generator], returns_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m"
    double.ends = "signal"
    code, _, err = run("train", returns_file, "--out", out)
    assert code == 130
    assert "--resume" in err
    assert (out / "state" / "state.safetensors").exists()
    assert ("save", out) not in double.calls

    code, _, err = run("train", returns_file, "--out", out)
    assert code == 2
    assert "--resume" in err

    double.ends = "finished"
    assert run("train", returns_file, "--out", out, "--resume")[0] == 0
    assert double.calls[-2][1]["resume"] is True
    assert not (out / "state").exists()


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
@pytest.mark.parametrize("trained", [False, True])
def test_stopping_while_levelling_says_how_to_go_on(
    run: Run,
    double: type[Generator],
    returns_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: type[BaseException],
    code: int,
    trained: bool,
) -> None:
    whole = Generator.fit

    def fit(self: Generator, *arguments: Any, **options: Any) -> Generator:
        if trained:
            whole(self, *arguments, **options)
        raise stop

    monkeypatch.setattr(Generator, "fit", fit)
    found, _, err = run("train", returns_file, "--out", tmp_path / "m")
    assert found == code
    assert ("the same command with --resume continues" in err) == trained
    assert err.splitlines()[-1] in ("error: interrupted", "error: terminated")


def test_training_that_ran_out_of_time_is_usable_and_can_go_on(
    run: Run, double: type[Generator], returns_file: Path, tmp_path: Path
) -> None:
    double.ends = "time"
    code, _, err = run("train", returns_file, "--out", tmp_path / "m", "--max-minutes", 0.1)
    assert code == 0
    assert "time at step" in err
    assert (tmp_path / "m" / "config.json").exists()
    assert (tmp_path / "m" / "state" / "state.safetensors").exists()


def test_diverged_training_keeps_the_last_good_model_and_fails(
    run: Run, double: type[Generator], returns_file: Path, tmp_path: Path
) -> None:
    double.ends = "diverged"
    code, _, err = run("train", returns_file, "--out", tmp_path / "m")
    assert code == 1
    assert "last good one" in err
    assert (tmp_path / "m" / "config.json").exists()


# -- evaluate


def test_evaluate_scenarios_from_elsewhere(
    run: Run, double: type[Generator], returns_file: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    frame = pd.read_csv(returns_file)
    size = len(frame)
    rows = pd.DataFrame({"path": np.repeat(np.arange(4), size), "step": np.tile(np.arange(size), 4)})
    for name in ("A", "B", "C"):
        rows[name] = rng.normal(0, 0.01, 4 * size)
    rows.to_csv(tmp_path / "theirs.csv", index=False)
    code, text, err = run(
        "evaluate", "--scenarios", tmp_path / "theirs.csv", "--real", returns_file, "--baselines", "none",
        "--sections", "dependence",
        "--out", tmp_path / "r.html", "--json", tmp_path / "r.json",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["schema"] == 1
    assert found["columns"] == ["scenarios"]
    assert found["real"]["assets"] == ["A", "B", "C"]
    assert "scenarios" in text
    assert "<html" in (tmp_path / "r.html").read_text()


def test_evaluate_passes_its_options_on(
    run: Run, double: type[Generator], returns_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def compare(subject: Any, real: Any, baselines: Any, **options: Any) -> Any:
        asked.update(options, subject=subject, real=real, baselines=baselines)
        raise InputError("far enough")

    monkeypatch.setattr("spade_finance.evaluate.evaluate", compare)
    code, _, err = run(
        "evaluate", "--model", "default", "--real", returns_file, "--from", "2010-01-04",
        "--fit", returns_file, "--baselines", "fhs,block_bootstrap",
        "--seed", 5, "--out", tmp_path / "r.html",
    )  # fmt: skip
    assert (code, err) == (2, "error: far enough\n")
    assert isinstance(asked["subject"], Generator)
    assert (asked["from_date"], asked["baselines"], asked["seed"]) == ("2010-01-04", "fhs,block_bootstrap", 5)
    assert asked["fit"] is not None
    assert asked["labels"] is None
    assert list(tmp_path.iterdir()) == []
