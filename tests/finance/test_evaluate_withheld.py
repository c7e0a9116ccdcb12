# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.evaluate.panel import Panel
from spade_finance.evaluate.withheld import (
    Withheld,
    energy,
    ql,
    score_transition,
    transition_counts,
    withheld_transition,
    without_transition,
)
from spade_finance.exceptions import InputError
from spade_finance.regimes.labels import RegimeLabels
from spade_finance.windows import make_sampler

from .known_generators import REGIMES, SECTORS, Known, panel_of, spells

CODES = np.repeat([0, 2, 1, 0, 1, 2, 0, 2, 0, 1, 2], 40)


def test_episodes_that_begin_with_the_change_are_taken_out() -> None:
    found = without_transition(CODES, 0, 2)
    assert found.episodes == ((40, 80), (280, 320))
    np.testing.assert_array_equal(np.flatnonzero(~found.usable), np.r_[40:80, 280:320])
    dates = pd.bdate_range("2000-01-03", periods=len(CODES))
    assert found.spans(dates) == [(dates[40], dates[79]), (dates[280], dates[319])]
    rest = transition_counts(CODES[found.usable], REGIMES)
    assert rest.loc["bull", "crisis"] == 0
    assert rest.loc["bear", "crisis"] == 2


@pytest.mark.parametrize("seed", range(5))
def test_no_training_window_and_no_kept_row_shows_the_change(seed: int) -> None:
    codes = spells(60, seed)
    found = without_transition(codes, 0, 2)
    sampler = make_sampler(codes, found.usable, 20)
    for first in sampler.first_days:
        window = codes[first - 25 : first + 20]
        assert not ((window[:-1] == 0) & (window[1:] == 2)).any()
    assert transition_counts(codes[found.usable]).loc[0, 2] == 0
    assert transition_counts(codes).loc[0, 2] == len(found.episodes)


def test_several_sources_at_once() -> None:
    codes = np.r_[CODES, np.full(100, 2)]  # the last crisis comes from bear and is long
    assert without_transition(codes, [0], 2).episodes == ((40, 80), (280, 320))
    assert without_transition(codes, 2, {0, 1}).episodes == ((80, 120), (240, 280), (320, 360))


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (1, 1, "share a regime"),
        (2, 5, "no such change"),
        ((0, 1), 2, "only 0 of its 160 days"),
        ((), 2, "pass the code"),
    ],
)
def test_bad_requests(source: Any, target: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        without_transition(CODES, source, target)


def test_scores_against_their_definitions() -> None:
    rng = np.random.default_rng(0)
    paths, real = rng.standard_normal((30, 4, 2)), rng.standard_normal((4, 2))
    variance = [np.mean([paths[p, t, 0] ** 2 for p in range(30)]) for t in range(4)]
    expected = np.mean([np.log(v) + y**2 / v for v, y in zip(variance, real[:, 0], strict=True)])
    assert ql(paths[..., 0], real[:, 0]) == pytest.approx(expected)
    near = np.mean([np.linalg.norm(paths[p] - real) for p in range(30)])
    apart = np.mean([np.linalg.norm(paths[p] - paths[q]) for p in range(30) for q in range(30) if p != q])
    assert energy(paths, real) == pytest.approx((near - apart / 2) / np.sqrt(8))


def test_quasi_likelihood_is_least_at_the_true_variance() -> None:
    rng = np.random.default_rng(1)
    real = rng.standard_normal(4000) * 0.02
    losses = [ql(np.tile([[s], [-s]], (1, 4000)), real) for s in (0.014, 0.02, 0.028)]
    assert losses[1] < min(losses[0], losses[2])


def test_the_true_generator_wins_after_the_change() -> None:
    codes = spells(80, 6)
    real = panel_of(Known(), codes, 1, 3)
    given = {"true": Known(), "late": Known(lag=10), "calm": Known(scale=0.6)}
    found = score_transition(real, given, 0, 2, n_paths=64)
    assert found.n_events == transition_counts(codes).loc[0, 2] >= 8
    table = found.table
    for bad in ("late", "calm"):
        assert table.loc[bad, "ql_difference"] > 2 * table.loc[bad, "ql_difference_se"]
        assert table.loc[bad, "volatility"] > 2 * table.loc["true", "volatility"]
    assert table.loc["late", "energy_difference"] > 0
    assert table.loc["true", ["ql_difference", "energy_difference"]].tolist() == [0.0, 0.0]
    assert table.loc["true", "volatility"] < 2.5 * table.loc["floor", "volatility"]
    paired = found.events.pivot_table(index="event", columns="generator", values="ql")
    assert table.loc["late", "ql_difference"] == pytest.approx((paired["late"] - paired["true"]).mean())
    pd.testing.assert_frame_equal(table, score_transition(real, given, 0, 2, n_paths=64).table)


def test_equal_generators_score_alike() -> None:
    real = panel_of(Known(), spells(80, 6), 1, 3)

    class Other(Known):
        def sample(self, timeline: Any, n_paths: int, random_state: int) -> Any:
            return super().sample(timeline, n_paths, random_state + 1)

    table = score_transition(real, {"one": Known(), "two": Other()}, 0, 2, n_paths=64).table
    for score in ("ql", "energy"):
        assert abs(table.loc["two", f"{score}_difference"]) < 4 * table.loc["two", f"{score}_difference_se"]


def test_training_with_and_without() -> None:
    codes = spells(60, 2)
    dates = pd.bdate_range("2000-01-03", periods=len(codes), name="date")
    simple = Known().sample(_timeline(codes), 1, 4).simple_array[0]
    returns = pd.DataFrame(simple, index=dates, columns=list(SECTORS))
    labels = RegimeLabels.from_codes(codes, REGIMES, dates)
    asked: list[Withheld | None] = []

    def fit(given: pd.DataFrame, of: RegimeLabels, withheld: Withheld | None) -> dict[str, Known]:
        asked.append(withheld)
        assert given is returns
        return {"model": Known(lag=0 if withheld is None else 8)}  # what it has not seen it answers late

    found = withheld_transition(returns, labels, fit, 0, 2, n_paths=64)
    assert asked[1] is None
    assert asked[0] is not None
    assert len(asked[0].episodes) == found["withheld"].n_events == found["seen"].n_events
    assert found["withheld"].table.loc["model", "ql"] > found["seen"].table.loc["model", "ql"] + 0.2


def test_bad_scoring_requests() -> None:
    real = panel_of(Known(), CODES, 1, 0)
    with pytest.raises(InputError, match="at least 2 paths"):
        score_transition(real, {"m": Known()}, 0, 2, n_paths=1)
    with pytest.raises(InputError, match="hold no such change"):
        score_transition(real, {"m": Known()}, 2, 5)
    with pytest.raises(InputError, match="no regimes"):
        score_transition(Panel.from_simple(real.simple[..., 1:], SECTORS), {"m": Known()}, 0, 2)


def _timeline(codes: np.ndarray) -> Any:
    from spade_finance.regimes.timeline import RegimeTimeline

    return RegimeTimeline.from_codes(codes, REGIMES, SECTORS)
