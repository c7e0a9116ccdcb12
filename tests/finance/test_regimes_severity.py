# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spade_finance.exceptions import InputError
from spade_finance.regimes import (
    agreement,
    confusion,
    episodes,
    sector_severity,
    severity_range,
    severity_series,
    typical_volatility,
)
from spade_finance.regimes.severity import sector_typical_volatility
from tests.finance.regimes_doubles import business_days, labels_of, switching_returns


def constant(levels: list[tuple[int, float]]) -> pd.DataFrame:
    """A market whose log returns are plus or minus a level, by (days, level)."""
    size = np.concatenate([np.full(days, level) for days, level in levels])
    sign = np.where(np.arange(len(size)) % 2 == 0, 1.0, -1.0)
    return pd.DataFrame({"A": np.expm1(size * sign)}, index=business_days(len(size)))


def test_severity_is_realised_over_typical_volatility() -> None:
    labels = labels_of([0] * 20 + [2] * 10 + [0] * 20 + [2] * 30)
    returns = constant([(20, 0.01), (10, 0.06), (20, 0.02), (30, 0.03)])
    typical = typical_volatility(labels, returns)
    assert typical["bull"] == pytest.approx(np.sqrt((0.01**2 + 0.02**2) / 2))
    assert typical["crisis"] == pytest.approx(np.sqrt((10 * 0.06**2 + 30 * 0.03**2) / 40))
    assert typical["bear"] == pytest.approx(
        np.sqrt(np.mean(np.log1p(returns["A"]) ** 2))
    )  # without days: all days
    table = episodes(labels, returns)
    assert table["regime"].tolist() == ["bull", "crisis", "bull", "crisis"]
    assert table["days"].tolist() == [20, 10, 20, 30]
    assert table["start"].iloc[1] == labels.dates[20]
    assert table["end"].iloc[1] == labels.dates[29]
    expected = [
        0.01 / typical["bull"],
        0.06 / typical["crisis"],
        0.02 / typical["bull"],
        0.03 / typical["crisis"],
    ]
    np.testing.assert_allclose(table["severity"], expected)
    series = severity_series(labels, returns)
    np.testing.assert_allclose(series.to_numpy(), np.repeat(expected, [20, 10, 20, 30]))


def test_severity_squared_averages_to_one_over_a_regimes_days() -> None:
    returns, codes = switching_returns()
    labels = labels_of(codes)
    severity = severity_series(labels, returns)
    for name in labels.regimes:
        assert np.mean(severity[labels.labels == name] ** 2) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("days", "exponent"), [(1, 0.2), (3, 0.6), (5, 1.0), (8, 1.0)])
def test_short_episodes_are_shrunk_toward_one(days: int, exponent: float) -> None:
    labels = labels_of([0] * 20 + [2] * days + [0] * 20)
    returns = constant([(20, 0.01), (days, 0.08), (20, 0.01)])
    typical = pd.Series({"bull": 0.01, "bear": 0.02, "crisis": 0.04})
    table = episodes(labels, returns, typical=typical)
    assert table["severity"].iloc[1] == pytest.approx(2**exponent)


def test_severity_of_new_data_uses_the_training_scale() -> None:
    returns, codes = switching_returns()
    labels = labels_of(codes)
    typical = typical_volatility(labels, returns)
    louder = pd.DataFrame(np.expm1(2 * np.log1p(returns.iloc[:, :1])))
    alone = typical_volatility(labels, returns.iloc[:, :1])
    once = severity_series(labels, returns.iloc[:, :1], typical=alone)
    twice = severity_series(labels, louder, typical=alone)
    np.testing.assert_allclose(np.log(twice / once), np.log(2), rtol=1e-9)
    assert typical.index.tolist() == list(labels.regimes)


def test_range_by_regime_and_over_all() -> None:
    table = pd.DataFrame({"regime": ["bull", "bull", "crisis"], "severity": [0.5, 1.5, 2.0]})
    out = severity_range(table, ("bull", "bear", "crisis"))
    assert out.loc["bull", ["min", "median", "max"]].tolist() == [0.5, 1.0, 1.5]
    assert out.loc["bull", "p05"] == pytest.approx(0.55)
    assert out.loc["bear", "episodes"] == 0
    assert np.isnan(out.loc["bear", "max"])
    assert out.loc["all", ["min", "max"]].tolist() == [0.5, 2.0]
    assert out.loc["all", "episodes"] == 3


def test_sectors_are_measured_by_their_own_labels_and_returns() -> None:
    returns, codes = switching_returns()
    names = np.array(["bull", "bear", "crisis"], dtype=object)
    other = np.roll(codes, 50)
    own = pd.DataFrame({"S0": names[codes], "S2": names[other]}, index=returns.index)
    table = sector_severity(own, returns, names)
    for name, code in (("S0", codes), ("S2", other)):
        alone = severity_series(labels_of(code), returns[[name]])
        np.testing.assert_allclose(table[name], alone)
    scale = sector_typical_volatility(own, returns, names)
    assert scale.shape == (2, 3)
    assert sector_severity(own, returns, names, typical=scale).equals(table)
    with pytest.raises(InputError, match="sector 'S9' has labels but no column"):
        sector_severity(own.rename(columns={"S0": "S9"}), returns, names)
    with pytest.raises(InputError, match="'crisis' is no regime"):
        sector_severity(own, returns, names[:2])
    with pytest.raises(InputError, match="50 labelled dates are missing"):
        sector_severity(own, returns.iloc[50:], names)
    with pytest.raises(InputError, match="sector 'S2' is missing"):
        sector_severity(own, returns, names, typical=scale.loc[["S0"]])


def test_bad_scales_are_refused() -> None:
    labels, returns = labels_of([0] * 30), constant([(30, 0.01)])
    with pytest.raises(InputError, match="regime 'crisis' is missing"):
        episodes(labels, returns, typical=pd.Series({"bull": 0.01, "bear": 0.01}))
    with pytest.raises(InputError, match="positive"):
        episodes(labels, returns, typical=pd.Series({"bull": 0.0, "bear": 0.01, "crisis": 0.1}))


# Agreement


def test_agreement_of_a_labelling_with_itself_is_complete() -> None:
    codes = switching_returns()[1]
    row = agreement({"a": labels_of(codes), "b": labels_of(codes)}).loc[("a", "b")]
    assert row["days"] == 2500
    assert row[["share", "kappa", "adjusted_rand", "crisis_share"]].tolist() == pytest.approx([1, 1, 1, 1])


def test_agreement_against_scikit_learn() -> None:
    from sklearn.metrics import adjusted_rand_score, cohen_kappa_score

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, 400), rng.integers(0, 3, 400)
    b[:200] = a[:200]
    row = agreement({"a": labels_of(a), "b": labels_of(b)}).loc[("a", "b")]
    assert row["share"] == pytest.approx(np.mean(a == b))
    assert row["kappa"] == pytest.approx(cohen_kappa_score(a, b))
    assert row["adjusted_rand"] == pytest.approx(adjusted_rand_score(a, b))
    table = confusion(labels_of(a), labels_of(b))
    assert table.to_numpy().sum() == 400
    assert table.loc["bull", "crisis"] == np.sum((a == 0) & (b == 2))


def test_agreement_aligns_by_rank_when_numbers_differ() -> None:
    three = labels_of([0, 1, 2, 1])
    four = labels_of([0, 2, 3, 1], ("bull", "sideways", "bear", "crisis"))
    two = labels_of([0, 1, 1, 0], ("bull", "crisis"))
    table = agreement({"three": three, "four": four, "two": two})
    assert table.loc[("three", "four"), "share"] == 0.75  # bear of three stands for bear of four
    assert table.loc[("four", "two"), "share"] == 0.5
    assert confusion(three, two).shape == (3, 2)
    assert confusion(three, two).loc["bear"].tolist() == [1, 1]


def test_agreement_needs_common_days() -> None:
    early, late = labels_of([0] * 10), labels_of([0] * 30)
    late = late.align(constant([(30, 0.01)]).iloc[20:])
    with pytest.raises(InputError, match="no day in common"):
        agreement({"a": early, "b": late})
    with pytest.raises(InputError, match="at least two"):
        agreement({"a": early})
