# SPDX-License-Identifier: Apache-2.0
"""The Regimes page's logic: what it counts, how it fits, and every view of it, without a browser."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit", reason="the dashboard needs the [app] extra")

from apps.dashboard import files, work
from apps.dashboard.views import _regimes_fit as fitting
from apps.dashboard.views import _regimes_labels as labelling
from apps.dashboard.views import _regimes_numbers as numbers
from apps.dashboard.views import _regimes_source as source
from spade_finance.data import check_returns, load_sectors
from spade_finance.exceptions import InputError
from spade_finance.regimes import RegimeLabels, make_labeller
from tests.apps.reading import fine, words

RunPage = Callable[..., Any]


def labels(text: str, causal: bool = False) -> RegimeLabels:
    """One letter a day: b(ull) or c(risis)."""
    codes = np.array(["bc".index(letter) for letter in text])
    return RegimeLabels.from_codes(
        codes, ("bull", "crisis"), pd.bdate_range("2020-01-01", periods=len(text)), causal=causal
    )


def market(seed: int = 0, days: int = 600) -> pd.DataFrame:
    """Two assets, calm but for a violent middle third."""
    rng = np.random.default_rng(seed)
    level = np.full(days, 0.006)
    level[days // 3 : 2 * days // 3] = 0.03
    shared = rng.standard_normal(days)
    table = {name: level * (0.8 * shared + 0.6 * rng.standard_normal(days)) for name in ("A", "B")}
    return pd.DataFrame(table, index=pd.bdate_range("2015-01-01", periods=days, name="date"))


# ---- what is counted


def test_delays_are_counted_from_the_first_day_of_each_episode() -> None:
    hindsight = labels("bbbbccccbbbccbbb")
    known_day = labels("bbbbbbccccbbbbbb", causal=True)
    late = numbers.delays(hindsight, known_day)
    assert list(late["regime"]) == ["crisis", "bull", "crisis", "bull"]
    assert list(late["days"]) == [4, 3, 2, 3]
    np.testing.assert_array_equal(late["delay"], [2.0, 2.0, np.nan, 0.0])

    table = numbers.delay_table(hindsight, known_day)
    assert table.loc["crisis", "noticed"] == 0.5
    assert table.loc["crisis", "delay"] == 2.0
    assert table.loc["crisis", "caught"] == pytest.approx(2 / 6)
    assert table.loc["crisis", "right"] == pytest.approx(2 / 4)
    assert table.loc["crisis", "false_alarms"] == 0
    assert numbers.delay_table(labels("bbbbbbbb"), labels("bbccbbbb")).loc["crisis", "false_alarms"] == 1


def test_survival_of_spells_is_kaplan_and_meiers() -> None:
    # A textbook's by hand: events at 2 (of 5 at risk), 4 (of 3, one cut at 3 before it), the longest cut.
    days, share = numbers.spell_survival(
        np.array([2, 3, 4, 2, 9]), np.array([False, True, False, False, True])
    )
    np.testing.assert_array_equal(days, [0, 2, 4])
    np.testing.assert_allclose(share, [1, 3 / 5, 3 / 5 * 1 / 2])


def test_spells_cut_by_the_ends_and_moves_are_told() -> None:
    seen = labels("bbbccbbcc")
    lengths, cut = numbers.spells(seen, "bull")
    assert lengths.tolist() == [3, 2]
    assert cut.tolist() == [True, False]
    assert numbers.moves(seen).tolist() == [[0, 2], [1, 0]]


def test_figures_by_regime_are_those_of_its_days() -> None:
    returns, known = market(), labels("b" * 200 + "c" * 200 + "b" * 200)
    known = RegimeLabels.from_codes(known.codes, known.regimes, pd.DatetimeIndex(returns.index))
    table = numbers.by_regime(known, returns)
    inside = returns.mean(axis=1).iloc[200:400]
    assert table.loc["crisis", "annual_return"] == pytest.approx(252 * inside.mean())
    assert table.loc["crisis", "volatility"] == pytest.approx(np.sqrt(252) * inside.std(ddof=0))
    assert table["episodes"].tolist() == [2, 1]
    assert table["share"].sum() == pytest.approx(1)
    iid = np.sqrt(252) * inside.std() * np.sqrt(252 / 200)  # of an annualised mean of 200 independent days
    assert 0.4 * iid < table.loc["crisis", "annual_return_se"] < 1.6 * iid

    rows = numbers.episode_table(known, returns, None)
    assert rows["days"].tolist() == [200, 200, 200]
    assert rows["return"].iloc[1] == pytest.approx((1 + inside).prod() - 1)
    wealth = np.append(1.0, (1 + inside).cumprod())
    assert rows["drawdown"].iloc[1] == pytest.approx((wealth / np.maximum.accumulate(wealth) - 1).min())


# ---- fitting


def test_a_fit_in_a_process_is_the_same_fit(tmp_path: Any) -> None:
    job, returns = work.Job("t", "t"), market()
    fitted = fitting.fit_in_process(job, returns, "rules", "fitting", n_regimes=2)
    here = make_labeller("rules", n_regimes=2).fit(returns)
    assert fitted.filter(returns) == here.filter(returns)
    with pytest.raises(InputError, match="250"):
        fitting.fit_in_process(job, returns.iloc[:100], "rules", "fitting", n_regimes=2)


def test_a_cancelled_fit_ends_at_once() -> None:
    job = work.Job("t", "t")
    job.cancel()
    begun = time.monotonic()
    with pytest.raises(work.Cancelled):
        fitting.fit_in_process(job, market(), "markov", "fitting", n_regimes=4)
    assert time.monotonic() - begun < 20


def test_labels_are_kept_by_content() -> None:
    from spade_finance.model.fitting import data_hash

    first, other = market(), market(seed=1)
    mine = source.Source("mine", first, data_hash(first))
    kept = labelling.quickly(mine, "rules", 2, None)
    assert labelling.quickly(source.Source("again", first.copy(), data_hash(first)), "rules", 2, None) is kept
    assert labelling.quickly(source.Source("other", other, data_hash(other)), "rules", 2, None) is not kept
    assert labelling.ready(mine, 2) == set()
    back = pd.read_csv(io.BytesIO(labelling.label_bytes(kept.smoothed)))
    assert list(back.columns) == ["date", "regime", "p_bull", "p_crisis"]
    assert back["regime"].tolist() == kept.smoothed.labels.tolist()


# ---- files


def test_the_sample_file_is_one_that_is_accepted() -> None:
    raw = files.read_upload("sample.csv", source.sample_bytes(), raw=True)
    check = check_returns(raw)
    assert check.ok
    expected = load_sectors().loc["2013":"2022"]
    assert raw.index.tolist() == expected.index.tolist()
    np.testing.assert_array_equal(raw.to_numpy(), expected.to_numpy())  # every digit
    assert list(source.column_rows(check)["column"]) == list(raw.columns)


def test_findings_are_told_with_their_days() -> None:
    raw = market()
    raw.iloc[5, 0] = np.nan
    raw.iloc[10:18, 1] = 0.0
    check = check_returns(raw)
    assert "missing value" in str(check.refusal)
    rows = source.finding_rows(check.findings)
    stale = rows[rows["what"] == "stale run"].iloc[0]
    assert (stale["column"], stale["when"]) == ("B", f"{raw.index[10]:%Y-%m-%d} to {raw.index[17]:%Y-%m-%d}")


# ---- the page


def test_the_first_view_shows_history_without_being_asked(run_page: RunPage) -> None:
    test = run_page("regimes")
    assert fine(test), test.error
    assert "8,312 days" in words(test)
    table = test.dataframe[0].value
    assert list(table["regime"]) == ["bull", "sideways", "bear", "crisis"]
    assert "±" in table["volatility a year"].iloc[0]


@pytest.mark.parametrize("view", ["causal", "durations", "moves", "agreement", "episodes"])
def test_every_view_is_there(run_page: RunPage, view: str) -> None:
    test = run_page("regimes", r_view=view, r_by="rules", r_n="3", r_with="gmm")
    assert fine(test), test.error
    assert test.get("plotly_chart")
    assert (
        "bull" in words(test)
        or any("bull" in str(frame.value) for frame in test.dataframe)
        or view == "agreement"
    )


def test_an_address_names_an_episode_and_nonsense_is_the_whole_history(run_page: RunPage) -> None:
    test = run_page("regimes", r_view="causal", r_at="soon")
    assert fine(test), test.error
    options = test.selectbox(key="widget:r_at").options
    assert options[0] == "The whole history"
    assert any("2008" in option for option in options)
    assert test.selectbox(key="widget:r_at").value == ""


@pytest.mark.filterwarnings("ignore::spade_finance.exceptions.RareRegimeWarning")
def test_no_file_yet_says_what_to_do_and_the_address_is_not_forgotten(run_page: RunPage) -> None:
    test = run_page(
        "regimes", r_data="own", r_by="rules", r_n="2", r_view="agreement", r_with="gmm", r_measure="share"
    )
    assert fine(test)
    assert "A date column first" in words(test)
    test.session_state["regimes:returns"] = (market(), "simple")
    test.run()
    assert fine(test), test.error
    assert test.multiselect(key="widget:r_with").value == ["gmm"]
    assert "Same label: 1 is full agreement" in words(test)


@pytest.mark.filterwarnings("ignore::spade_finance.exceptions.RareRegimeWarning")  # said on the page as well
def test_own_returns_are_checked_and_labelled(run_page: RunPage) -> None:
    test = run_page("regimes", r_data="own", r_by="hmm", r_n="2")
    test.session_state["regimes:returns"] = (market(days=300).iloc[:200], "simple")
    test.run()
    assert not test.exception
    assert "250" in test.error[0].value  # the labeller's own words
    test.session_state["regimes:returns"] = (market(), "simple")
    test.run()
    assert fine(test), test.error
    assert "600 days" in words(test)
    assert "uploaded before" in " ".join(e.value for e in test.text)
    assert "Few training days or episodes: crisis (198 days, 1 spells)" in words(test)
    broken = market()
    broken.iloc[5, 0] = np.nan
    test.session_state["regimes:returns"] = (broken, "simple")
    test.run()
    assert not test.exception
    assert "missing value" in test.error[0].value


def test_a_models_labeller_refuses_other_columns_in_words(run_page: RunPage) -> None:
    test = run_page("regimes", r_data="own", r_by="model")
    test.session_state["regimes:returns"] = (market(), "simple")
    test.run()
    assert not test.exception
    assert "was fitted to" in test.error[0].value
