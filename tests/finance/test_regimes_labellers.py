# SPDX-License-Identifier: Apache-2.0
"""What all five labellers promise alike."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from spade_finance.exceptions import ConvergenceWarning, InputError, RareRegimeWarning
from spade_finance.regimes import BaseRegimes, from_config, make_labeller
from spade_finance.regimes.registry import METHODS
from tests.finance.regimes_doubles import business_days, switching_returns

HINDSIGHT = ("jump", "hmm", "markov", "gmm")  # rules look back only, but for the minimum duration


@pytest.fixture(scope="module")
def market() -> tuple[pd.DataFrame, np.ndarray]:
    return switching_returns()


@pytest.fixture(scope="module")
def fitted(market: tuple[pd.DataFrame, np.ndarray]) -> dict[str, BaseRegimes]:
    """One labeller of each method, fitted to the first 2,000 days."""
    returns = market[0].iloc[:2000]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {method: make_labeller(method, n_regimes=3).fit(returns) for method in METHODS}


@pytest.mark.parametrize(("method", "in_hindsight", "causal"), [
    ("jump", 0.85, 0.78),
    ("hmm", 0.95, 0.88),
    ("markov", 0.95, 0.88),
    ("gmm", 0.60, 0.60),
    ("rules", 0.60, 0.60),
])  # fmt: skip
def test_true_regimes_are_recovered(fitted, market, method: str, in_hindsight: float, causal: float) -> None:
    returns, truth = market
    assert np.mean(fitted[method].smooth(returns).codes == truth) > in_hindsight
    assert np.mean(fitted[method].filter(returns).codes == truth) > causal
    unseen = slice(2000, None)
    assert np.mean(fitted[method].smooth(returns).codes[unseen] == truth[unseen]) > in_hindsight - 0.1


@pytest.mark.parametrize("method", METHODS)
def test_names_run_from_calm_to_worst(fitted, market, method: str) -> None:
    labeller, (returns, _) = fitted[method], market
    labels = labeller.smooth(returns)
    assert labels.regimes == labeller.regimes_ == ("bull", "bear", "crisis")
    volatility = labeller.summary_["volatility"]
    assert volatility.is_monotonic_increasing
    assert volatility["crisis"] > 2 * volatility["bull"]
    assert labeller.summary_["days"].sum() == 2000
    assert labeller.summary_["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cut", [2, 300, 1371])
def test_causal_labels_ignore_the_future(fitted, market, method: str, cut: int) -> None:
    returns = market[0]
    before = fitted[method].filter(returns)
    altered = returns.copy()
    altered.iloc[cut:] = np.random.default_rng(5).normal(0, 0.04, altered.iloc[cut:].shape)
    after = fitted[method].filter(altered)
    assert before.causal
    assert after.labels.iloc[:cut].equals(before.labels.iloc[:cut])
    assert after.probabilities.iloc[:cut].equals(before.probabilities.iloc[:cut])
    assert not after.labels.equals(before.labels)
    shorter = fitted[method].filter(returns.iloc[:cut])
    assert shorter.labels.equals(before.labels.iloc[:cut])
    np.testing.assert_allclose(shorter.probabilities, before.probabilities.iloc[:cut], atol=1e-9)


@pytest.mark.parametrize("method", HINDSIGHT)
def test_smoothed_probabilities_use_the_future(fitted, market, method: str) -> None:
    returns = market[0].iloc[:600]
    altered = returns.copy()
    altered.iloc[400:] = np.random.default_rng(5).normal(0, 0.04, altered.iloc[400:].shape)
    one, other = fitted[method].smooth(returns), fitted[method].smooth(altered)
    assert not one.causal
    assert not one.probabilities.iloc[:400].equals(other.probabilities.iloc[:400])


@pytest.mark.parametrize("method", METHODS)
def test_json_round_trip_labels_new_data_exactly_alike(fitted, market, method: str) -> None:
    returns = market[0]
    text = json.dumps(fitted[method].to_config(), allow_nan=False)
    restored = from_config(json.loads(text))
    assert type(restored) is type(fitted[method])
    assert restored.smooth(returns) == fitted[method].smooth(returns)
    assert restored.filter(returns) == fitted[method].filter(returns)
    assert json.dumps(restored.to_config(), allow_nan=False) == text
    generators = [np.random.default_rng(i) for i in range(5)]
    again = [np.random.default_rng(i) for i in range(5)]
    np.testing.assert_array_equal(
        restored.process_.sample(300, generators), fitted[method].process_.sample(300, again)
    )


@pytest.mark.parametrize("method", METHODS)
def test_smoothed_labels_do_not_depend_on_a_refit_or_on_its_process_order(market, method: str) -> None:
    returns = market[0].iloc[:1200]
    labeller = make_labeller(method, n_regimes=2)
    first = labeller.fit(returns).smooth(returns)
    labeller.fit(market[0].iloc[1000:])  # a fit in between must leave no trace
    assert labeller.fit(returns).smooth(returns) == first
    assert clone(labeller).get_params() == labeller.get_params()
    assert not hasattr(clone(labeller), "regimes_")


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_agree_with_labels_mostly(fitted, market, method: str) -> None:
    for labels in (fitted[method].smooth(market[0]), fitted[method].filter(market[0])):
        likeliest = labels.probabilities.to_numpy().argmax(axis=1)
        assert np.mean(likeliest == labels.codes) > 0.9
        assert np.allclose(labels.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("method", METHODS)
def test_convergence_is_reported(fitted, method: str) -> None:
    report = fitted[method].convergence_
    assert report["status"] in ("converged", "not converged", "time limit", "exact")
    assert (report["fallback"] is None) == (report["status"] in ("converged", "exact"))
    assert report["seconds"] > 0
    assert report["message"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("causal", [False, True])
def test_sectors_have_their_own_labels(method: str, causal: bool) -> None:
    calm, _ = switching_returns(1500, n_sectors=2, seed=8)
    rng = np.random.default_rng(0)
    own = np.where(
        (np.arange(1500) // 250) % 2 == 1, 0.03, 0.004
    )  # changes on days that are not the market's
    calm["Odd"] = np.expm1(own * rng.standard_normal(1500))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labeller = make_labeller(method, n_regimes=2, per_sector=True).fit(calm.iloc[:1000])
    table = labeller.label_sectors(calm, causal=causal)
    assert list(table.columns) == list(calm.columns)
    assert set(np.unique(table)) <= set(labeller.regimes_)
    if method != "rules":  # the rule's thresholds are quantiles: half the days are not a crisis to it
        assert np.mean((table["Odd"] == "crisis") == (own > 0.01)) > 0.85
    assert (
        own[(table["Odd"] == "crisis").to_numpy()].mean()
        > 2 * own[(table["Odd"] == "bull").to_numpy()].mean()
    )
    restored = from_config(json.loads(json.dumps(labeller.to_config(), allow_nan=False)))
    assert restored.label_sectors(calm, causal=causal).equals(table)
    if causal:
        altered = calm.copy()
        altered.iloc[1200:] *= -3
        assert labeller.label_sectors(altered, causal=True).iloc[:1200].equals(table.iloc[:1200])


def test_sectors_on_demand_are_fitted_on_the_training_window_only(market) -> None:
    returns = market[0]
    early = make_labeller("jump", n_regimes=3, per_sector=True).fit(returns.iloc[:1500])
    late = make_labeller("jump", n_regimes=3).fit(returns.iloc[:1500])
    assert not hasattr(late, "sector_labellers_")
    assert late.label_sectors(returns).equals(early.label_sectors(returns))
    new = make_labeller("jump", n_regimes=3).fit(returns.iloc[:1500])
    with pytest.raises(InputError, match=r"training window .* per_sector=True"):
        new.label_sectors(returns.iloc[1400:])
    with pytest.raises(InputError, match="sector 'Other' was not fitted"):
        late.label_sectors(returns.rename(columns={"S0": "Other"}))


@pytest.mark.parametrize("method", METHODS)
def test_bad_returns_are_refused(method: str) -> None:
    short, _ = switching_returns(249)
    with pytest.raises(InputError, match="at least 250"):
        make_labeller(method).fit(short)
    flat = pd.DataFrame({"A": np.zeros(400)}, index=business_days(400))
    with pytest.raises(InputError, match="dead series"):
        make_labeller(method).fit(flat)
    sway = 0.01 * np.sign(np.sin(np.arange(400)))
    cancelled = pd.DataFrame({"A": sway, "B": -sway}, index=business_days(400))
    with pytest.raises(InputError, match="the market does not move"):
        make_labeller(method).fit(cancelled)
    with pytest.raises(InputError, match=r"not fitted; call fit"):
        make_labeller(method).smooth(short)
    with pytest.raises(InputError, match=r"not fitted; call fit"):
        make_labeller(method).to_config()


@pytest.mark.parametrize(("method", "parameters", "message"), [
    ("jump", {"n_regimes": 1}, "n_regimes=1"),
    ("jump", {"n_regimes": 2.5}, r"n_regimes=2\.5"),
    ("jump", {"jump_penalty": 0}, "jump_penalty=0"),
    ("jump", {"feature_weights": (1, 2)}, "feature_weights"),
    ("hmm", {"max_iter": 0}, "max_iter=0"),
    ("markov", {"time_limit": -1}, "time_limit=-1"),
    ("gmm", {"min_days": 0}, "min_days=0"),
    ("rules", {"drawdown": 15}, "drawdown=15"),
    ("rules", {"confirm_days": True}, "confirm_days=True"),
])  # fmt: skip
def test_bad_parameters_are_refused_at_fit(market, method: str, parameters: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_labeller(method, **parameters).fit(market[0])


def test_unknown_methods_and_parameters_name_the_known() -> None:
    with pytest.raises(InputError, match=r"method='kmeans' is unknown; pass one of jump, hmm"):
        make_labeller("kmeans")
    with pytest.raises(InputError, match=r"'gmm' has no parameter 'jump_penalty'"):
        make_labeller("gmm", jump_penalty=3)
    with pytest.raises(InputError, match="has no parameter 'k'"):
        make_labeller("gmm").set_params(k=3)
    with pytest.raises(InputError, match="damaged"):
        from_config({"method": "jump"})


def test_a_regime_with_few_days_warns() -> None:
    rng = np.random.default_rng(0)
    level = np.full(1000, 0.005)
    level[500:530] = 0.05
    returns = pd.DataFrame({"A": np.expm1(level * rng.standard_normal(1000))}, index=business_days(1000))
    with pytest.warns(RareRegimeWarning, match=r"crisis \(\d\d days, 1 spells\)"):
        make_labeller("hmm", n_regimes=2).fit(returns)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", [2, 7])
def test_a_few_new_days_can_be_labelled(fitted, market, method: str, rows: int) -> None:
    new = market[0].iloc[:rows]
    assert len(fitted[method].filter(new)) == rows
    assert len(fitted[method].smooth(new)) == rows
    with pytest.raises(InputError, match="at least 2 are needed"):
        fitted[method].filter(market[0].iloc[:1])


@pytest.mark.parametrize("method", METHODS)
def test_other_columns_than_those_fitted_to_are_refused(fitted, market, method: str) -> None:
    returns = market[0]
    names = list(returns.columns)
    again = from_config(json.loads(json.dumps(fitted[method].to_config())))
    for labeller in (fitted[method], again):
        assert labeller.columns_ == tuple(names)
        for label in (labeller.smooth, labeller.filter):
            for other in (
                returns.rename(columns={names[0]: "Coal"}),
                returns[names[1:]],
                returns.assign(Coal=2 * returns[names[0]]),
            ):
                with pytest.raises(InputError) as caught:
                    label(other)
                assert f"columns {', '.join(other.columns)} but" in str(caught.value)
                assert f"fitted to {', '.join(names)}:" in str(caught.value)
    shuffled = fitted[method].smooth(returns[names[::-1]])  # the market is their mean, in any order
    assert np.array_equal(shuffled.codes, fitted[method].smooth(returns).codes)


def test_random_state_may_be_a_generator_and_is_not_consumed(market) -> None:
    generator = np.random.default_rng(4)
    labeller = make_labeller("jump", n_regimes=3, random_state=generator)
    first = labeller.fit(market[0]).smooth(market[0])
    assert labeller.fit(market[0]).smooth(market[0]) == first
    assert json.loads(json.dumps(labeller.to_config()))["params"]["random_state"] is None
    assert from_config(labeller.to_config()).smooth(market[0]) == first
