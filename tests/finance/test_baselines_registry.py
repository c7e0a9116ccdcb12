# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spade_finance.baselines import BASELINES, BlockBootstrap, fitted, fitted_beside, registry
from spade_finance.baselines.bootstrap import optimal_block
from spade_finance.exceptions import InputError
from spade_finance.regimes.history import History
from tests.finance.evaluation_doubles import REGIMES, make_labels, make_returns

pytestmark = pytest.mark.filterwarnings("ignore::spade_finance.exceptions.RareRegimeWarning")

RETURNS = make_returns(900)
LABELS = make_labels(RETURNS)


def test_names_are_read_without_importing_anything_heavy():
    code = (
        "import sys; from spade_finance.baselines import BASELINES, STANDARD, baseline_names\n"
        "assert 'dcc_t' in BASELINES and baseline_names('fhs,vine') == ('fhs', 'vine')\n"
        "print(*sorted(set(sys.modules) & {'numpy', 'pandas', 'sklearn', 'scipy', 'torch', 'arch', 'skfolio'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.split() == []


def test_others_hand_in_makers_by_a_dict(monkeypatch):
    module = SimpleNamespace(MAKERS={"mine": lambda: BlockBootstrap(7)})
    monkeypatch.setitem(sys.modules, "others_of_this_test", module)
    monkeypatch.setattr(registry, "MORE", (("others_of_this_test", "MAKERS"),))
    assert "mine" in BASELINES
    assert tuple(BASELINES)[-1] == "mine"
    assert len(BASELINES) == len(tuple(BASELINES))
    assert registry.make_baseline("mine").mean_block == 7
    assert registry.baseline_names("all")[-1] == "mine"
    with pytest.raises(InputError, match=r"'yours' is unknown: pass one of .*, mine"):
        registry.make_baseline("yours")


def test_fitted_is_what_a_name_stands_for():
    one = fitted("block_bootstrap_10", RETURNS, LABELS).sample("bull:30", 4, 1)
    np.testing.assert_array_equal(
        one.log_array, BlockBootstrap(10).fit(RETURNS, LABELS).sample("bull:30", 4, 1).log_array
    )
    assert one.provenance["settings"] == {"mean_block": 10, "scaled": False, "mean_block_days": 10.0}


def test_block_length_is_archs():
    from arch.bootstrap import optimal_block_length

    auto = fitted("block_bootstrap_auto", RETURNS, LABELS)
    logs, expected = np.log1p(RETURNS.to_numpy()), []
    for s in range(3):
        size = np.empty(len(logs))
        for k in range(4):
            days = LABELS.codes == k
            size[days] = np.abs(logs[days, s] - logs[days, s].mean()) / logs[days, s].std()
        expected.append(optimal_block_length(size)["stationary"].iloc[0])
    assert auto.mean_block_ == pytest.approx(np.mean(expected))
    assert auto.sampler_.jump_probability == pytest.approx(1 / np.mean(expected))
    noise = np.random.default_rng(0).standard_normal((4000, 2))
    assert 1.0 <= optimal_block(noise, np.zeros(4000, dtype=int), 1) < 4.0
    with pytest.raises(InputError, match="mean_block='long'"):
        BlockBootstrap("long").fit(RETURNS, LABELS)  # type: ignore[arg-type]


def test_iid_bootstrap_has_no_memory_and_the_default_has():
    codes = np.zeros(2000, dtype=int)

    def memory(name: str) -> float:
        x = np.abs(fitted(name, RETURNS, LABELS).sample(codes, 30, 0).log_array[:, :, 0])
        return float(np.corrcoef(x[:, 1:].ravel(), x[:, :-1].ravel())[0, 1])

    assert abs(memory("iid_bootstrap")) < 0.01
    assert memory("block_bootstrap") > 0.03


class Model:
    """What `fitted_beside` needs of a generator."""

    sectors_ = ("Sector1", "Sector3")
    regimes_ = REGIMES
    labeller_: Any = object()
    training_window_ = (RETURNS.index[0], RETURNS.index[599])

    def label(self, returns):
        return LABELS

    def history(self, returns):
        chances = np.eye(4)[LABELS.codes]
        return SimpleNamespace(timeline=History(REGIMES, RETURNS.index, LABELS.codes, probabilities=chances))


def test_beside_a_model_it_has_its_sectors_days_labels_and_history():
    made = fitted_beside("iid_bootstrap", Model(), RETURNS)
    assert made.sectors_ == ("Sector1", "Sector3")
    assert made.training_window_ == Model.training_window_
    np.testing.assert_array_equal(made.codes_, LABELS.codes[:600])
    after = f"{RETURNS.index[700]:%Y-%m-%d}..{RETURNS.index[720]:%Y-%m-%d}"
    np.testing.assert_array_equal(made.sample(after, 2, 0).codes, LABELS.codes[700:721])
    now = made.sample("now:10", 5, 0)
    assert (now.codes[:, 0] >= 0).all()
    every = fitted_beside("iid_bootstrap", Model(), RETURNS, days="all")
    assert len(every.codes_) == 900


def test_beside_refusals():
    with pytest.raises(InputError, match="'Sector3', a sector of the model"):
        fitted_beside("iid_bootstrap", Model(), RETURNS[["Sector1"]])
    lone = Model()
    lone.labeller_ = None
    with pytest.raises(InputError, match="no labeller"):
        fitted_beside("iid_bootstrap", lone, RETURNS)
    with pytest.raises(InputError, match="returns have 100 days up to the end"):
        fitted_beside("iid_bootstrap", Model(), RETURNS.iloc[500:])
    with pytest.raises(InputError, match="'gan' is unknown"):
        fitted_beside("gan", Model(), RETURNS)


@pytest.mark.slow
def test_beside_the_shipped_model_on_the_embedded_sectors():
    made = fitted_beside("fhs")
    x = made.sample("2008-09-01..2009-03-31", 20, 0)
    assert made.training_window_[1].year == 2012
    assert x.sectors == made.sectors_
    assert made.sample("now:21,crisis:10", 20, 0).n_days == 31
