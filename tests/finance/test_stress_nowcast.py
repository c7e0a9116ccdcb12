# SPDX-License-Identifier: Apache-2.0
"""Nowcast of a toy whose law is known: today's regime enters, the rest is arithmetic."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from spade_finance.exceptions import InputError
from spade_finance.regimes.history import History
from spade_finance.regimes.process import SemiMarkovProcess
from spade_finance.scenarios import ScenarioSet
from spade_finance.stress.nowcast import nowcast

REGIMES = ("calm", "storm")
SCALE = {"last": 0.03, "long-run": 0.01}


class Toy:
    """Daily log returns N(0, scale^2) with the scale of where the volatility starts; all days in one regime."""

    regimes_, sectors_ = REGIMES, ("A", "B")

    def __init__(self) -> None:
        self.process_ = SemiMarkovProcess(family="geometric").fit(np.repeat(np.tile([0, 1], 20), 8), REGIMES)
        dates = pd.bdate_range("2020-01-01", periods=60)
        chance = np.tile([0.25, 0.75], (60, 1))
        self.past = History(REGIMES, dates, np.ones(60, dtype=int), probabilities=chance)
        self.calls: list[tuple] = []

    def history(self, returns=None):
        return SimpleNamespace(timeline=self.past)

    def sample(self, script, n_paths, random_state, *, start_vol, history, progress):
        self.calls.append((script, n_paths, random_state, start_vol, history))
        kind, days = script.split(":")
        rng = np.random.default_rng([random_state, kind == "now"])
        log = SCALE[start_vol] * rng.standard_normal((n_paths, int(days), 1))
        codes = (rng.random((n_paths, 1)) < (0.75 if kind == "now" else 0.5)) * np.ones(
            (1, int(days)), dtype=int
        )
        if progress is not None:
            progress(n_paths, n_paths)
        provenance = {"script": script, "seed": random_state, "model_hash": "toy", "start_vol": start_vol}
        return ScenarioSet(
            np.repeat(log, 2, axis=2), self.sectors_, REGIMES, codes.astype(int), provenance=provenance
        )


def test_numbers_match_the_closed_form_within_their_errors() -> None:
    model, seen = Toy(), []
    found = nowcast(model, days=20, n_paths=6000, random_state=3, progress=lambda *x: seen.append(x))
    assert [c[0] for c in model.calls] == ["now:20", "markov:20"]
    assert [c[3] for c in model.calls] == ["last", "long-run"]
    assert seen[-1] == (12_000, 12_000)
    for column, scale in ((0, SCALE["last"]), (2, SCALE["long-run"])):
        s = scale * np.sqrt(20)
        for level in (0.95, 0.99):
            z = norm.ppf(level)
            value, error = found.number("var", level)[column : column + 2]
            assert abs(value - (1 - np.exp(-s * z))) < 4 * error
            es = 1 - np.exp(s**2 / 2) * norm.cdf(-z - s) / (1 - level)
            value, error = found.number("es", level)[column : column + 2]
            assert abs(value - es) < 4 * error
        value, error = found.number("prob_loss", 0.1)[column : column + 2]
        assert abs(value - norm.cdf(np.log(0.9) / s)) < 4 * error
        value, error = found.number("volatility_first_month")[column : column + 2]
        truth = np.sqrt(
            252 * (np.exp(2 * scale**2) - 2 * np.exp(scale**2 / 2) + 1)
        )  # second moment of e^x - 1
        assert abs(value - truth) < 4 * error
        value, error = found.number("return")[column : column + 2]
        assert abs(value - np.expm1(s**2 / 2)) < 4 * error
    assert found.fan["p50"].iloc[-1] == pytest.approx(np.median(1 - found.losses))
    assert found.fan.iloc[0].eq(1.0).all()
    assert len(found.fan) == 21


def test_where_it_starts_is_the_filter() -> None:
    found = nowcast(Toy(), days=5, n_paths=2000)
    assert found.today.to_dict() == {"calm": 0.25, "storm": 0.75}
    assert found.ages["storm"] == 60
    assert found.as_of == pd.bdate_range("2020-01-01", periods=60)[-1]
    assert abs(found.regimes_ahead["storm"].iloc[0] - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 2000)
    assert found.regimes_ahead.sum(axis=1).to_numpy() == pytest.approx(np.ones(5))
    assert found.stationary.sum() == pytest.approx(1.0)
    assert "the filter gives storm 75.0 %" in found.headline.replace("75 %", "75.0 %")
    assert found.provenance["script"] == "now:5"
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["rows"][0]["level"] is None
    assert data["today"]["storm"] == 0.75
    assert len(found.plot().data) >= 6
    assert "Nowcast(2,000 paths of 5 days" in repr(found)


def test_the_portfolio_counts() -> None:
    short = nowcast(Toy(), days=5, n_paths=500, portfolio={"A": -1.0})
    plain = nowcast(Toy(), days=5, n_paths=500)
    assert np.corrcoef(short.losses, plain.losses)[0, 1] < -0.9


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"days": 0}, "days=0"),
        ({"n_paths": 5}, "n_paths=5"),
        ({"portfolio": {"Z": 1.0}}, "Z"),
        ({"days": 2.5}, "days=2.5"),
    ],
)
def test_refusals(options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        nowcast(Toy(), **options)
    with pytest.raises(InputError, match="not in the table"):
        nowcast(Toy(), days=2, n_paths=100).number("var", 0.5)
