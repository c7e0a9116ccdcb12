# SPDX-License-Identifier: Apache-2.0
"""Training and files of the generator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import spade_finance as sf
from spade_finance.exceptions import InputError, ModelError

from .conftest import TINY

pytestmark = pytest.mark.usefixtures("quick_levelling")

Market = tuple[pd.DataFrame, sf.RegimeLabels]


def weights_of(model: sf.ScenarioGenerator) -> dict[str, bytes]:
    return {k: v.numpy().tobytes() for k, v in model.network_.state_dict().items()}


def test_constructor_only_stores() -> None:
    model = sf.ScenarioGenerator("quick", 3, steps=7)
    assert (
        clone(model).get_params() == model.get_params() == {"preset": "quick", "random_state": 3, "steps": 7}
    )
    assert model.set_params(steps=9).config.steps == 9
    with pytest.raises(InputError, match="not fitted"):
        model.sample("bull:5", 1)
    with pytest.raises(InputError, match="preset='fast'"):
        sf.ScenarioGenerator("fast").fit(pd.DataFrame())


def test_training_is_reproducible_and_seeded(tiny_model: sf.ScenarioGenerator, market: Market) -> None:
    again = sf.ScenarioGenerator("quick", 0, **TINY).fit(*market)
    assert weights_of(again) == weights_of(tiny_model)
    assert again.hash_ == tiny_model.hash_
    other = sf.ScenarioGenerator("quick", 1, **TINY).fit(*market)
    assert other.hash_ != tiny_model.hash_


def test_saved_model_gives_the_same_paths(tiny_model: sf.ScenarioGenerator, tmp_path: Path) -> None:
    folder = tiny_model.save(tmp_path / "model")
    loaded = sf.ScenarioGenerator.load(folder)
    script = "markov:40,crisis*1.1:5"
    a, b = (m.sample(script, 9, 2, extrapolate=True) for m in (tiny_model, loaded))
    assert a.log_array.tobytes() == b.log_array.tobytes()
    assert loaded.hash_ == tiny_model.hash_
    assert loaded.severity_range_ == tiny_model.severity_range_
    now = [m.sample("now:20", 9, 2, start_vol="last").log_array for m in (tiny_model, loaded)]
    assert now[0] == pytest.approx(now[1], abs=1e-6)
    assert tiny_model.hash_ in (folder / "card.md").read_text()


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_flipped_byte_is_found(tiny_model: sf.ScenarioGenerator, tmp_path: Path, file: str) -> None:
    folder = tiny_model.save(tmp_path / "model")
    path = folder / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="damaged"):
        sf.ScenarioGenerator.load(folder)


def test_missing_and_foreign_folders(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        sf.ScenarioGenerator.load(tmp_path / "nothing")
    from spade_core.checkpoint import save_model

    save_model(tmp_path / "other", {}, {"kind": "something else"})
    with pytest.raises(ModelError, match="not a scenario model"):
        sf.ScenarioGenerator.load(tmp_path / "other")


def test_adversarial_and_direct_variants_train(market: Market) -> None:
    for changes in (
        {"adversarial_weight": 0.1},
        {"head": "direct", "energy_weight": 0.0, "facts_weight": 0.0, "adversarial_weight": 1.0},
        {"trunk": "upsampling", "slow_states": False},
        {"head_tables": False},
        {"trunk": "unet", "conditioning": "concat_input"},
    ):
        model = sf.ScenarioGenerator("quick", 0, **{**TINY, "steps": 2, **changes}).fit(*market)
        assert np.isfinite(model.sample("bull:40,crisis:20", 5, 0).log_array).all()


def test_labeller_fitted_on_the_future_is_pointed_out(market: Market) -> None:
    returns, _ = market
    labeller = sf.RuleRegimes().fit(returns)
    with pytest.warns(sf.exceptions.LookAheadWarning, match="after the training window"):
        sf.ScenarioGenerator("quick", 0, **{**TINY, "steps": 1}).fit(returns.iloc[:1300], labeller)


def test_bad_training_input_is_named(market: Market) -> None:
    returns, labels = market
    model = sf.ScenarioGenerator("quick", 0, **TINY)
    with pytest.raises(InputError, match="1 column"):
        model.fit(returns[["Energy"]], labels)
    with pytest.raises(InputError, match="window_days=96 needs"):
        model.fit(returns.iloc[:100], labels)
    with pytest.raises(InputError, match="neither a labeller nor RegimeLabels"):
        model.fit(returns, "jump")  # type: ignore[arg-type]


SCRIPT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from tests.finance.conftest import TINY, simulated_market
    import spade_finance as sf

    out, resume, slow = sys.argv[1], "resume" in sys.argv, "slow" in sys.argv

    def tick(tick):
        if slow and tick.step >= 9:
            Path(out, "ready").touch()
            import time
            time.sleep(0.3)

    model = sf.ScenarioGenerator("quick", 0, **{{**TINY, "steps": 30}})
    model.fit(*simulated_market(), checkpoint_dir=out, resume=resume, progress=tick)
    print(model.training_result_["reason"], model.hash_)
    """
)


@pytest.mark.slow
def test_killed_training_resumes_to_identical_weights(tmp_path: Path) -> None:
    import time

    root = Path(__file__).resolve().parents[2]
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(root)))
    environment = {**os.environ, "PYTHONPATH": str(root)}

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    cut.mkdir()
    expected = run(str(whole)).communicate(timeout=300)[0].split()
    killed = run(str(cut), "slow")
    deadline = time.monotonic() + 200
    while not (cut / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.send_signal(signal.SIGTERM)
    stopped = killed.communicate(timeout=300)[0].split()
    assert stopped[0] == "signal"
    assert stopped[1] != expected[1]
    resumed = run(str(cut), "resume").communicate(timeout=300)[0].split()
    assert resumed == expected
    curves = [
        [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
        for folder in (whole, cut)
    ]
    assert [row["step"] for row in curves[0]] == [row["step"] for row in curves[1]]


def test_nothing_is_learnt_from_excluded_days(market: Market) -> None:
    returns, labels = market
    span = (returns.index[700], returns.index[780])
    other = returns.copy()
    other.loc[span[0] : span[1]] *= -3.0
    a, b = (sf.ScenarioGenerator("quick", 0, **TINY).fit(r, labels, exclude=[span]) for r in (returns, other))
    assert weights_of(a) == weights_of(b)
    assert a.data_hash_ == b.data_hash_
    assert a.n_training_days_ == len(returns) - 81
    assert a.training_result_["excluded"] == [[f"{day:%Y-%m-%d}" for day in span]]
    assert weights_of(a) != weights_of(sf.ScenarioGenerator("quick", 0, **TINY).fit(returns, labels))


def test_a_labeller_that_is_fitted_along_does_not_see_excluded_days(market: Market) -> None:
    returns, _ = market
    span = (returns.index[700], returns.index[780])
    other = returns.copy()
    other.loc[span[0] : span[1]] *= -3.0
    labeller = sf.JumpRegimes(n_regimes=2)
    a, b = (
        sf.ScenarioGenerator("quick", 0, **TINY).fit(r, labeller, exclude=[span]) for r in (returns, other)
    )
    assert weights_of(a) == weights_of(b)
    assert a.labeller_.training_window_ == b.labeller_.training_window_


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (("1800-01-01", "1800-12-31"), "none of the returns' days"),
        (("yesterday-ish", "2000-01-01"), "no pair of dates"),
        (("2000-01-01",), "no pair of dates"),
    ],
)
def test_spans_that_cannot_be_excluded_are_named(market: Market, span: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sf.ScenarioGenerator("quick", 0, **TINY).fit(*market, exclude=[span])  # type: ignore[list-item]
