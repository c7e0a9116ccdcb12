# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spade_finance.exceptions import InputError
from spade_finance.regimes import RegimeLabels
from tests.finance.regimes_doubles import business_days, labels_of

WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("markov", "now", "date", "step", "path", "severity")
)
SECTORS = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=8
).filter(lambda name: name.strip() == name)


@st.composite
def labellings(draw: st.DrawFn) -> RegimeLabels:
    regimes = tuple(draw(st.lists(WORDS, min_size=1, max_size=5, unique=True)))
    days = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    labels = RegimeLabels.from_codes(
        rng.integers(0, len(regimes), days),
        regimes,
        business_days(days, draw(st.sampled_from(["1926-07-01", "2000-02-28"]))),
        probabilities=rng.dirichlet(np.full(len(regimes), 0.3), days),
        causal=draw(st.booleans()),
    )
    sectors = draw(st.lists(SECTORS, max_size=3, unique=True))
    if sectors:
        names = np.array(regimes, dtype=object)[rng.integers(0, len(regimes), (days, len(sectors)))]
        labels = labels.with_sectors(pd.DataFrame(names, index=labels.dates, columns=sectors))
    return labels


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(labels=labellings(), suffix=st.sampled_from([".csv", ".csv.gz"]))
def test_file_round_trip_keeps_every_digit(tmp_path: Path, labels: RegimeLabels, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    labels.save(path)
    assert RegimeLabels.load(path, causal=labels.causal) == labels
    assert [p.name for p in tmp_path.iterdir()].count(path.name) == 1
    assert not list(tmp_path.glob(".*"))


def test_the_file_is_as_promised(tmp_path: Path) -> None:
    labels = labels_of([0, 2]).with_sectors(
        pd.DataFrame({"Health Care": ["bull", "bear"]}, index=business_days(2), dtype=object)
    )
    labels.save(tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == (
        "date,regime,p_bull,p_bear,p_crisis,sector:Health Care\n"
        "2000-01-03,bull,1.0,0.0,0.0,bull\n"
        "2000-01-04,crisis,0.0,0.0,1.0,bear\n"
    )


def test_codes_are_positions() -> None:
    labels = labels_of([0, 2, 1, 1])
    assert labels.codes.tolist() == [0, 2, 1, 1]
    assert labels.sector_codes is None
    with_own = labels.with_sectors(pd.DataFrame({"A": ["crisis"] * 4}, index=labels.dates))
    assert with_own.sector_codes["A"].tolist() == [2] * 4
    assert with_own != labels
    assert len(labels) == 4
    assert "4 days 2000-01-03 to 2000-01-06, 3 spells" in repr(labels)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


def test_labels_without_probabilities_are_certain_and_in_standard_order(tmp_path: Path) -> None:
    labels = RegimeLabels.load(write(tmp_path, "date,regime\n2020-01-01,crisis\n2020-01-02,bull\n"))
    assert labels.regimes == ("bull", "crisis")
    assert labels.probabilities.to_numpy().tolist() == [[0, 1], [1, 0]]
    numbered = RegimeLabels.load(write(tmp_path, "date,regime\n2020-01-01,r2\n2020-01-02,r5\n"))
    assert numbered.regimes == ("r1", "r2", "r3", "r4", "r5")


@pytest.mark.parametrize(("text", "message"), [
    ("", "cannot be read"),
    ("date,p_bull\n2020-01-01,1\n", "no column 'regime'"),
    ("date,regime,p_bull,foo\n2020-01-01,bull,1,2\n", "unknown column 'foo'; allowed are date, regime"),
    ("date,regime,p_bull,p_bull\n2020-01-01,bull,1,0\n", "column 'p_bull' appears twice"),
    ("date,regime,p_bull\n2020-01-01,bear,1\n", "'bear' on 2020-01-01 is no regime; known are bull"),
    ("date,regime,p_bull,p_bear\n2020-01-01,bull,0.7,0.2\n", r"2020-01-01 sums to 0\.9, not 1"),
    ("date,regime,p_bull,p_bear\n2020-01-01,bull,1.5,-0.5\n", "2020-01-01 is outside 0 to 1"),
    ("date,regime,p_bull,p_bear\n2020-01-01,bull,nan,1\n", "missing on 2020-01-01"),
    ("date,regime,p_bull,p_bear\n2020-01-01,bull,,1\n", "column 'p_bull' on 2020-01-01 holds ''"),
    ("date,regime,p_bull\n2020-01-01,bull,100%\n", "holds '100%', not a number"),
    ("date,regime,p_bull\n2020-01-32,bull,1\n", "row 1 has the date '2020-01-32'; write it as YYYY-MM-DD"),
    ("date,regime,p_bull\n2020-01-02,bull,1\n2020-01-02,bull,1\n", "2020-01-02 appears twice"),
    ("date,regime,p_bull\n2020-01-03,bull,1\n2020-01-02,bull,1\n", "not sorted"),
    ("date,regime,p_bull\n", "no rows"),
    ("date,regime,p_markov\n2020-01-02,markov,1\n", "'markov' is reserved"),
    ("date,regime\n2020-01-02,boom\n", "order of the regimes, calm to worst, is unknown"),
    ("date,regime,p_bull,sector:A\n2020-01-02,bull,1,boom\n", r"sector_labels\['A'\]: 'boom' on 2020-01-02"),
    ("regime,p_bull\nbull,1\n", "dates"),
])  # fmt: skip
def test_bad_files_are_refused_with_the_place_of_the_fault(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        RegimeLabels.load(path)
    assert "labels.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        RegimeLabels.load(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="cannot be read"):
        RegimeLabels.load(tmp_path / "binary.csv")


def test_align_takes_the_dates_of_the_returns() -> None:
    labels = labels_of([0, 1, 2, 1, 0])
    returns = pd.DataFrame({"A": np.zeros(2)}, index=labels.dates[[1, 3]])
    aligned = labels.align(returns)
    assert aligned.codes.tolist() == [1, 1]
    assert aligned.dates.equals(returns.index.rename("date"))
    late = pd.DataFrame({"A": np.zeros(30)}, index=business_days(30))
    with pytest.raises(InputError, match=r"25 of the 30 return dates have no label \(first 2000-01-10"):
        labels.align(late)
    odd = labels.with_sectors(pd.DataFrame({"B": ["bull"] * 5}, index=labels.dates))
    with pytest.raises(InputError, match="sector 'B' is no column of the returns"):
        odd.align(returns)


def test_contradictory_parts_are_refused() -> None:
    labels = labels_of([0, 1, 2])
    with pytest.raises(InputError, match="expected 3 rows and the columns"):
        RegimeLabels(labels.regimes, labels.labels, labels.probabilities.iloc[:2])
    with pytest.raises(InputError, match="dates of labels"):
        labels.with_sectors(pd.DataFrame({"A": ["bull"] * 2}, index=labels.dates[:2]))
    with pytest.raises(InputError, match="not dates"):
        RegimeLabels(labels.regimes, labels.labels.reset_index(drop=True), labels.probabilities)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.csv"
    labels_of([0, 1]).save(path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(OSError, match="disk full"):
        labels_of([2, 2]).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["labels.csv"]
