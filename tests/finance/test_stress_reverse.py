# SPDX-License-Identifier: Apache-2.0
"""Reverse stress on a toy whose every probability is known in closed form."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from spade_finance.exceptions import InputError
from spade_finance.regimes import RegimeTimeline
from spade_finance.regimes.process import SemiMarkovProcess
from spade_finance.scenarios import ScenarioSet
from spade_finance.stress.candidates import candidates
from spade_finance.stress.importance import cell_estimate, effective_size, mixture_weights, spread
from spade_finance.stress.narrative import leaders, percent, spells_in_words, spells_of, tell_loss, tell_path
from spade_finance.stress.reverse import RANKS, reverse_stress

REGIMES = ("calm", "storm")
MEAN, SCALE = np.array([0.0004, -0.004]), np.array([0.006, 0.02])
QUANTILES = [0.6, 0.7, 1.0, 1.3, 1.4]


class Toy:
    """One asset twice: log returns N(mean, (scale * severity)^2) by regime; the tilt is exact."""

    regimes_, sectors_, hash_ = REGIMES, ("Up", "Down"), "toy"

    def __init__(self) -> None:
        codes = np.repeat(np.tile([0, 1], 40), np.tile([9, 4], 40))
        self.process_ = SemiMarkovProcess(family="geometric").fit(codes, REGIMES)
        row = dict(zip(["min", "p05", "median", "p95", "max"], QUANTILES, strict=True))
        self.severity_table_ = pd.DataFrame([row, row], index=list(REGIMES))
        self.calls: list[dict] = []

    def sample_tilted(self, script, n_paths, random_state, *, shift, weights, severity, start_vol, history):
        rng = np.random.default_rng(random_state)
        codes, n_days = script.codes[:n_paths], script.n_days
        z = rng.standard_normal(codes.shape) - np.asarray(shift)[:, None] / np.sqrt(n_days)
        log = MEAN[codes] + SCALE[codes] * np.asarray(severity)[codes] * z
        score = -z.sum(1) / np.sqrt(n_days)
        self.calls.append({"severity": severity, "start_vol": start_vol, "weights": weights})
        scenarios = ScenarioSet(np.repeat(log[..., None], 2, axis=2), self.sectors_, REGIMES, codes)
        weight = -np.asarray(shift) * score + 0.5 * np.asarray(shift) ** 2
        return SimpleNamespace(scenarios=scenarios, score=score, log_weights=weight, shift=shift)


HORIZON = 9


def truth(model: Toy, loss: float, start=None) -> dict[tuple, tuple[float, float]]:
    """(P(story), P(story and loss)) by enumerating all 2^9 timelines."""
    out: dict[tuple, list[float]] = {}
    ranks = [np.interp(r, [0, 0.05, 0.5, 0.95, 1], QUANTILES) for r in RANKS]
    for codes in itertools.product([0, 1], repeat=HORIZON):
        code = np.array(codes)
        chance = float(np.exp(model.process_.log_prob(code, start=start))[0])
        mean = MEAN[code].sum()
        breach = np.mean(
            [norm.cdf((np.log(1 - loss) - mean) / np.sqrt(((SCALE[code] * s) ** 2).sum())) for s in ranks]
        )
        runs = [(k, len(list(g))) for k, g in itertools.groupby(codes)]
        size = tuple(
            "short" if 3 * d <= HORIZON else "middle" if 3 * d <= 2 * HORIZON else "long"
            for _, d in runs[:-1]
        )
        key = (tuple(k for k, _ in runs), size)
        total = out.setdefault(key, [0.0, 0.0])
        total[0] += chance
        total[1] += chance * breach
    return {key: (a, b) for key, (a, b) in out.items()}


def key_of(scenario) -> tuple:
    spells = [(k, len(list(g))) for k, g in itertools.groupby(scenario.codes.tolist())]
    size = tuple(
        "short" if 3 * d <= HORIZON else "middle" if 3 * d <= 2 * HORIZON else "long" for _, d in spells[:-1]
    )
    return tuple(k for k, _ in spells), size


def test_stories_add_up_and_short_ones_are_exact() -> None:
    model = Toy()
    found = candidates(model.process_, 2, HORIZON, n_timelines=4000, rng=np.random.default_rng(0))
    known = truth(model, 0.1)
    assert sum(c.probability for c in found) == pytest.approx(1.0)
    for c in found:
        assert c.chance.sum() == pytest.approx(1.0)
        if 1 <= len(c.spells) <= 2:
            assert c.std_error == 0
            sizes = [key for key in known if key[0] == c.spells]
            assert min(abs(c.probability - known[key][0]) for key in sizes) < 1e-12
        assert len(c.draw(50, np.random.default_rng(1))) == 50


@pytest.mark.parametrize(("loss", "start"), [(0.06, None), (0.15, None), (0.08, "storm")])
def test_ranks_and_values_are_those_of_the_toy(loss: float, start: str | None) -> None:
    model = Toy()
    found = reverse_stress(
        model, loss, horizon=HORIZON, k=4, n_paths=12_000, n_timelines=6000, random_state=2, start=start
    )
    known = truth(model, loss, start)
    total = sum(b for _, b in known.values())
    assert abs(found.probability - total) < 4 * found.std_error
    assert found.std_error < 0.1 * total
    best = sorted(known, key=lambda key: -known[key][1])
    assert key_of(found.scenarios[0]) == best[0]
    for scenario in found.scenarios:
        chance, joint = known[key_of(scenario)]
        assert abs(scenario.probability - chance) <= 4 * scenario.probability_error + 1e-9
        assert abs(scenario.joint - joint) < 4 * scenario.joint_error
        assert abs(scenario.breach - joint / chance) < 4 * np.hypot(
            scenario.breach_error, scenario.breach * scenario.probability_error / chance
        )
        assert abs(scenario.plausibility - joint / total) < 4 * scenario.plausibility_error
        assert scenario.loss >= loss
        assert scenario.ess > 10
    # neighbours in rank may swap only if they are within their errors
    joints = [known[key_of(s)][1] for s in found.scenarios]
    for (a, b), (s, t) in zip(itertools.pairwise(joints), itertools.pairwise(found.scenarios), strict=True):
        assert a > b - 4 * np.hypot(s.joint_error, t.joint_error)
    assert found.share == pytest.approx(sum(s.plausibility for s in found.scenarios))
    assert found.share <= 1 + 4 * found.std_error / total


def test_importance_sampling_beats_brute_force_on_a_rare_loss() -> None:
    model, loss = Toy(), 0.2
    found = reverse_stress(model, loss, horizon=HORIZON, n_paths=6000, n_timelines=3000, random_state=4)
    total = sum(b for _, b in truth(model, loss).values())
    assert total < 2e-3
    assert abs(found.probability - total) < 4 * found.std_error
    brute = np.sqrt(total * (1 - total) / (1.6 * found.n_paths))  # the pilot's paths granted too
    assert found.std_error < 0.35 * brute


def test_a_cell_is_unbiased_and_its_error_is_right() -> None:
    """P(v > 3) from a mixture of tilts, five hundred times over."""
    rng, truth_ = np.random.default_rng(0), norm.sf(3.0)
    shift = spread(120, 3.0)
    assert (shift == 0).sum() == 36
    values, variances = [], []
    for _ in range(500):
        score = rng.standard_normal(120) + shift
        value, variance, weights = cell_estimate(score > 3.0, score, shift)
        values.append(value)
        variances.append(variance)
        assert weights.max() <= 120 / 36 + 1e-12
    assert abs(np.mean(values) - truth_) < 4 * np.std(values) / np.sqrt(500)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.2)
    assert np.var(values) < 0.1 * truth_ * (1 - truth_) / 120


def test_weights_without_a_tilt_are_one() -> None:
    assert mixture_weights(np.array([1.0, -2.0]), np.zeros(2)).tolist() == [1.0, 1.0]
    assert effective_size(np.array([2.0, 2.0, 0.0])) == pytest.approx(2.0)
    assert effective_size(np.zeros(3)) == 0.0


def test_the_result_can_be_read_saved_and_replayed() -> None:
    import json

    model = Toy()
    found = reverse_stress(model, 0.1, horizon=HORIZON, k=2, n_paths=2000, n_timelines=500)
    again = reverse_stress(model, 0.1, horizon=HORIZON, k=2, n_paths=2000, n_timelines=500)
    assert json.dumps(found.to_dict()) == json.dumps(again.to_dict())
    first = found.scenarios[0]
    assert first.narrative in repr(found)
    assert "P(losing 10 % or more over 9 trading days)" in found.headline
    assert first.contributions.sum() == pytest.approx(first.value[-1] - 1.0)
    assert len(found.table) == 2
    assert len(found.plot().data) >= 4
    from spade_finance.regimes import parse_script

    timeline = parse_script(first.script, regimes=REGIMES, sectors=model.sectors_).resolve(
        REGIMES, model.sectors_
    )
    assert np.array_equal(timeline.codes, first.codes)
    assert isinstance(first.timeline, RegimeTimeline)


def test_nothing_found_is_said() -> None:
    found = reverse_stress(Toy(), 0.99, horizon=HORIZON, n_paths=600, n_timelines=200)
    assert found.scenarios == ()
    assert found.probability == 0.0
    assert "no sampled path" in found.headline
    with pytest.raises(InputError, match="nothing to draw"):
        found.plot()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": 20}, "write 20 % as 0.2"), ({"loss": 0}, "above 0"), ({"loss": 2.5}, "twice the capital"),
        ({"horizon": 2}, "horizon"), ({"k": 0}, "k=0"), ({"start": "boom"}, "boom"), ({"n_paths": 3}, "n_paths"),
        ({"portfolio": {"Sideways": 1.0}}, "Sideways"),
    ],
)  # fmt: skip
def test_refusals(options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        reverse_stress(Toy(), **({"loss": 0.1} | options))


def test_a_path_in_words() -> None:
    codes = np.array([0] * 3 + [1] * 2)
    assert spells_in_words(spells_of(codes, ("bear", "crisis"))) == "3 days of bear, then 2 of crisis"
    parts = np.array([[-0.01, -0.01, -0.01], [-0.10, -0.01, 0.0]])
    names = ("Financials", "Energy", "Health")
    assert (
        tell_path(codes, ("bear", "crisis"), parts, names)
        == "3 days of bear, then 2 of crisis led by Financials"
    )
    said = tell_loss(codes, ("bear", "crisis"), parts, names)
    assert said.startswith("The book loses 14.0 %: −3.0 % in the bear, −11.0 % in the crisis.")
    assert "Financials −11.0 %" in said
    even = np.full((1, 3), -0.02)
    assert tell_path(np.zeros(1, int), ("bear",), even, names) == "1 day of bear"
    assert leaders(np.array([0.1, -0.2, -0.1]), names) == [("Energy", pytest.approx(2 / 3))]
    assert percent(-0.0001) == "0.0 %"
    assert percent(-0.123) == "−12.3 %"
