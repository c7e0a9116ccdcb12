# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spade_finance.scenarios import ScenarioSet, business_days

NAMES = st.text(
    st.characters(
        exclude_categories=("Cs", "Cc", "Cf", "Co", "Cn", "Zs", "Zl", "Zp"), include_characters=" ,\"'"
    ),
    min_size=1,
    max_size=12,
).filter(
    lambda name: (
        name == name.strip() and name not in {"path", "step", "date", "regime"} and name.isprintable()
    )
)
REGIMES = st.lists(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), min_size=1, max_size=5, unique=True
)
SIMPLE = st.floats(-1.0, 2.0**20, width=32, exclude_min=True)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def scenario_sets(draw: Any) -> ScenarioSet:
    n, days, assets = draw(st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(1, 4)))
    regimes = draw(REGIMES)
    drawn = draw(st.booleans())
    codes = draw(arrays(np.int8, (n, days) if drawn else (days,), elements=st.integers(0, len(regimes) - 1)))
    paths = draw(
        st.none() | st.lists(st.integers(0, 2**31 - 1), min_size=n, max_size=n, unique=True).map(sorted)
    )
    return ScenarioSet.from_simple(
        draw(arrays(np.float32, (n, days, assets), elements=SIMPLE)),
        draw(st.lists(NAMES, min_size=assets, max_size=assets, unique=True)),
        regimes,
        codes,
        dates=business_days(draw(st.dates().filter(lambda d: 1900 < d.year < 2200)), days)
        if draw(st.booleans())
        else None,
        provenance=draw(st.dictionaries(st.text(), JSON, max_size=4)),
        paths=paths,
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz", ".nc", ".zarr"])
@given(scen=scenario_sets())
@settings(max_examples=40, deadline=None)
def test_a_file_gives_back_the_set_to_the_bit(suffix: str, scen: ScenarioSet) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        scen.save(path)
        back = ScenarioSet.load(path)
    assert back == scen
    assert back.simple_array.tobytes() == scen.simple_array.tobytes()
    assert back.codes.shape == scen.codes.shape
    assert back.log_array.tobytes() == scen.log_array.tobytes()


@given(scen=scenario_sets())
@settings(max_examples=60, deadline=None)
def test_a_frame_holds_the_set_to_the_bit(scen: ScenarioSet) -> None:
    frame = scen.to_frame()
    cube = frame[list(scen.sectors)].to_numpy().reshape(scen.n_paths, scen.n_days, -1)
    assert cube.tobytes() == scen.simple_array.tobytes()
    assert frame["path"].to_numpy().reshape(scen.n_paths, -1)[:, 0].tolist() == scen.paths.tolist()
    for i in range(scen.n_paths):
        assert scen.path(i)[list(scen.sectors)].to_numpy().tobytes() == scen.simple_array[i].tobytes()


@given(arrays(np.float32, (3, 4, 2), elements=st.floats(-15, 60, width=32)))
@settings(max_examples=200, deadline=None)
def test_simple_returns_of_log_returns_are_correctly_rounded(log: Any) -> None:
    scen = ScenarioSet(log, ["a", "b"], ["x"], [0, 0, 0, 0])
    assert scen.simple_array.tobytes() == np.expm1(log.astype(np.float64)).astype(np.float32).tobytes()
    # log1p is well conditioned where little is lost: there and back costs two roundings of float32.
    mild = np.abs(log) < 0.5
    back = ScenarioSet.from_simple(scen.simple_array, ["a", "b"], ["x"], [0, 0, 0, 0]).log_array
    np.testing.assert_allclose(back[mild], log[mild], rtol=4e-7, atol=1e-44)
