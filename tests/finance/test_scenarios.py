# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spade_finance.exceptions import InputError
from spade_finance.io.writer import ScenarioWriter
from spade_finance.scenarios import ScenarioSet, business_days

FORMATS = (".parquet", ".csv", ".csv.gz", ".nc", ".zarr")
SECTORS = ("Info Tech", "Energy")
REGIMES = ("bull", "bear", "crisis")


def make(
    n: int = 4, days: int = 6, *, drawn: bool = False, dates: bool = False, seed: int = 0
) -> ScenarioSet:
    rng = np.random.default_rng(seed)
    return ScenarioSet(
        rng.normal(0, 0.01, (n, days, 2)),
        SECTORS,
        REGIMES,
        rng.integers(0, 3, (n, days) if drawn else days),
        dates=business_days("2025-03-03", days) if dates else None,
        provenance={"model_hash": "ab12", "script": "bull:6", "seed": seed, "version": "0.1.0"},
    )


def long_frame(n: int = 3, days: int = 5) -> pd.DataFrame:
    return make(n, days).to_frame().astype({"regime": str})


# -- returns of every kind


def test_simple_log_and_price_agree_with_their_definitions() -> None:
    scen = make()
    log = scen.log_returns.to_numpy().astype(np.float64)
    assert scen.log_returns.dtype == np.float32
    np.testing.assert_allclose(scen.simple_returns, np.exp(log) - 1, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(scen.prices(100), 100 * np.exp(np.cumsum(log, axis=1)), rtol=1e-5)
    for cube in (scen.log_returns, scen.simple_returns, scen.prices()):
        assert cube.dims == ("path", "time", "asset")
        assert list(cube.coords["asset"].to_numpy()) == list(SECTORS)


def test_select_by_name_and_date() -> None:
    scen = make(dates=True)
    one = scen.simple_returns.sel(path=2, time="2025-03-05", asset="Energy")
    assert float(one) == scen.simple_array[2, 2, 1]


def test_regime_names_follow_the_codes() -> None:
    fixed, drawn = make(), make(drawn=True)
    assert fixed.regime.dims == ("time",)
    assert drawn.regime.dims == ("path", "time")
    assert drawn.regime.sel(path=3, time=1).item() == REGIMES[drawn.codes[3, 1]]
    crisis = drawn.simple_returns.where(drawn.regime == "crisis")
    assert int(np.isfinite(crisis).sum()) == 2 * int((drawn.codes == 2).sum())


def test_portfolio_is_the_weighted_sum_of_simple_returns() -> None:
    scen = make()
    simple = scen.simple_array.astype(np.float64)
    expected = 0.7 * simple[..., 1] + 0.3 * simple[..., 0]
    for weights in (
        {"Energy": 0.7, "Info Tech": 0.3},
        pd.Series({"Info Tech": 0.3, "Energy": 0.7}),
        [0.3, 0.7],
    ):
        found = scen.portfolio(weights)
        assert found.dims == ("path", "time")
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(scen.portfolio({"Energy": 0.5}), 0.5 * simple[..., 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    [({"Enrgy": 1.0}, "'Enrgy'"), ([1.0], "shape"), ({"Energy": float("nan")}, "missing or infinite")],
)
def test_portfolio_refuses_bad_weights(weights: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make().portfolio(weights)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (0, "start=0 "),
        (-1.5, r"start=-1\.5 "),
        (float("nan"), "start=nan "),
        ("100", "start='100' "),
        (True, "start=bool "),
        (pd.Series([100.0, 50.0]), "start=Series "),
        (np.array([100.0, 50.0]), "start=ndarray "),
    ],
)
def test_prices_start_from_one_positive_number(start: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"^{said}is no price: pass a positive number"):
        make().prices(start)
    assert float(make().prices(np.float32(50)).mean()) == pytest.approx(float(make().prices(50).mean()))


def test_conversion_does_not_depend_on_how_many_paths_are_converted() -> None:
    many = make(2000, 50)
    for start, stop in ((0, 1), (7, 30), (1999, 2000)):
        part = many.subset(slice(start, stop))
        assert part.simple_array.tobytes() == many.simple_array[start:stop].tobytes()


# -- tables


def test_frame_has_the_columns_of_the_interface() -> None:
    frame = make(dates=True).to_frame()
    assert list(frame.columns) == ["path", "step", "date", "regime", *SECTORS]
    assert frame.dtypes[["path", "step", *SECTORS]].astype(str).tolist() == [
        "int32",
        "int32",
        "float32",
        "float32",
    ]
    assert len(frame) == 24
    row = frame.iloc[6 * 2 + 3]
    assert (row["path"], row["step"], str(row["date"].date())) == (2, 3, "2025-03-06")
    assert row["Energy"] == make().simple_array[2, 3, 1]
    assert list(frame["regime"].cat.categories) == list(REGIMES)
    assert "date" not in make().to_frame()


def test_one_path_as_a_table() -> None:
    scen = make(drawn=True, dates=True)
    frame = scen.path(1)
    assert frame.index.equals(scen.dates)
    assert list(frame["regime"]) == [REGIMES[k] for k in scen.codes[1]]
    assert (frame["Energy"].to_numpy() == scen.simple_array[1, :, 1]).all()
    with pytest.raises(InputError, match="path 4 does not exist"):
        scen.path(4)


def test_subset_keeps_numbers_and_timelines() -> None:
    scen = make(drawn=True)
    part = scen.subset([1, 3])
    assert part.paths.tolist() == [1, 3]
    assert (part.codes == scen.codes[[1, 3]]).all()
    assert (part.log_array == scen.log_array[[1, 3]]).all()
    with pytest.raises(InputError, match="no path is left"):
        scen.subset([])


def test_concat_joins_paths_and_their_timelines() -> None:
    whole = make(9, drawn=True, dates=True)
    parts = [whole.subset(slice(0, 4)), whole.subset(slice(4, 9))]
    assert ScenarioSet.concat(parts) == whole
    fixed = make(3)
    assert ScenarioSet.concat([fixed, fixed]).codes.ndim == 1
    other = ScenarioSet(fixed.log_array, SECTORS, REGIMES, (fixed.codes + 1) % 3)
    mixed = ScenarioSet.concat([fixed, other])
    assert (mixed.codes[:3] == fixed.codes).all()
    assert (mixed.codes[3:] == other.codes).all()
    with pytest.raises(InputError, match="n_days"):
        ScenarioSet.concat([fixed, make(3, 7)])
    with pytest.raises(InputError, match="dates"):
        ScenarioSet.concat([fixed, make(3, dates=True)])
    with pytest.raises(InputError, match="empty"):
        ScenarioSet.concat([])


def test_joined_paths_write_as_they_would_alone(tmp_path: Path) -> None:
    loaded = ScenarioSet.from_simple(make().simple_array, SECTORS, REGIMES, make().codes)
    joined = ScenarioSet.concat([loaded, loaded])
    assert joined.simple_array.tobytes() == loaded.simple_array.tobytes() * 2


def test_repr_says_what_it_is() -> None:
    text = repr(
        ScenarioSet(np.zeros((2, 4, 1)), ["Energy"], ["bull", "crisis"], [0, 0, 0, 1], provenance={"seed": 3})
    )
    assert text == "ScenarioSet(2 paths x 4 days x 1 sector: Energy; regimes bull 75%, crisis 25%; seed 3)"


def test_business_days_start_on_the_next_one() -> None:
    days = business_days("2025-01-04", 3)
    assert [str(day.date()) for day in days] == ["2025-01-06", "2025-01-07", "2025-01-08"]
    assert business_days("2025-01-06", 1)[0] == days[0]
    with pytest.raises(InputError, match="no date"):
        business_days("yesterdayish", 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_returns": np.zeros((2, 3))}, "shape"),
        ({"log_returns": np.full((1, 3, 1), np.nan)}, "path 0, step 0"),
        ({"log_returns": np.full((1, 3, 1), np.inf)}, "inf"),
        ({"log_returns": np.full((1, 3, 1), -50.0)}, "above -16"),
        ({"sectors": ["a", "b"]}, "2 sectors are named"),
        ({"sectors": ["regime"]}, "another column"),
        ({"sectors": [" a"]}, "outer spaces"),
        ({"sectors": "a"}, "one text"),
        ({"regimes": ["bull", "bull"]}, "different names"),
        ({"regimes": ["9bull"]}, "9bull"),
        ({"codes": [0, 1, 2]}, "2 regimes"),
        ({"codes": [0, 1]}, "shape"),
        ({"codes": [0.0, 1.0, 1.0]}, "whole numbers"),
        ({"dates": pd.DatetimeIndex(["2020-01-01", "2020-01-02"])}, "2 dates"),
        ({"dates": pd.DatetimeIndex(["2020-01-02", "2020-01-01", "2020-01-03"])}, "rise"),
        ({"dates": pd.date_range("2020-01-01 12:00", periods=3)}, "calendar days"),
        ({"paths": [0, 0]}, "paths"),
        ({"provenance": {"x": float("nan")}}, "JSON"),
        ({"provenance": {"x": object()}}, "JSON"),
    ],
)
def test_constructor_refuses_what_makes_no_scenarios(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "log_returns": np.zeros((1, 3, 1)),
        "sectors": ["a"],
        "regimes": ["bull", "crisis"],
        "codes": [0, 1, 1],
    }
    ScenarioSet(**good)
    with pytest.raises(InputError, match=message) as caught:
        ScenarioSet(**{**good, **change})
    assert "\n" not in str(caught.value)


# -- files


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("dates", [False, True])
def test_every_format_gives_back_the_same_set(tmp_path: Path, suffix: str, drawn: bool, dates: bool) -> None:
    scen = make(drawn=drawn, dates=dates)
    scen.save(tmp_path / f"x{suffix}")
    back = ScenarioSet.load(tmp_path / f"x{suffix}")
    assert back == scen
    assert back.simple_array.tobytes() == scen.simple_array.tobytes()
    assert back.codes.shape == scen.codes.shape
    assert back.provenance == scen.provenance
    np.testing.assert_allclose(back.log_array, scen.log_array, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("suffix", FORMATS)
def test_saving_twice_replaces_and_leaves_nothing_else(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / "deep" / f"x{suffix}"
    make(seed=1).save(target)
    make(seed=2).save(target)
    assert ScenarioSet.load(target) == make(seed=2)
    beside = {f"x{suffix}.meta.json"} if "csv" in suffix else set()
    assert {p.name for p in target.parent.iterdir()} == {target.name} | beside


def test_plain_readers_see_the_promised_columns(tmp_path: Path) -> None:
    scen = make(dates=True)
    for suffix, read in ((".parquet", pd.read_parquet), (".csv", pd.read_csv), (".csv.gz", pd.read_csv)):
        scen.save(tmp_path / f"x{suffix}")
        frame = read(tmp_path / f"x{suffix}")
        assert list(frame.columns) == ["path", "step", "date", "regime", *SECTORS]
        assert frame["regime"].astype(str).tolist() == scen.to_frame()["regime"].astype(str).tolist()
        assert (frame["Energy"].astype("float32").to_numpy() == scen.to_frame()["Energy"].to_numpy()).all()
        assert pd.to_datetime(frame["date"]).iloc[7] == pd.Timestamp("2025-03-04")


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_plain_xarray_reads_the_promised_variables(tmp_path: Path, suffix: str) -> None:
    import xarray as xr

    scen = make(drawn=True, dates=True)
    scen.save(tmp_path / f"x{suffix}")
    with (xr.open_dataset if suffix == ".nc" else xr.open_zarr)(tmp_path / f"x{suffix}") as dataset:
        assert dataset["simple_return"].dims == ("path", "time", "asset")
        assert dataset["simple_return"].dtype == np.float32
        assert dataset["regime"].attrs["flag_meanings"] == "bull bear crisis"
        assert list(dataset["asset"].to_numpy()) == list(SECTORS)
        assert dataset["time"].to_numpy()[0] == np.datetime64("2025-03-03")
        assert dataset.attrs["return_kind"] == "simple"
        assert (dataset.attrs["model_hash"], dataset.attrs["script"], int(dataset.attrs["seed"])) == (
            "ab12",
            "bull:6",
            0,
        )


def test_metadata_is_where_the_format_keeps_it(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    scen = make()
    scen.save(tmp_path / "x.parquet")
    scen.save(tmp_path / "x.csv")
    in_parquet = json.loads(pq.read_metadata(tmp_path / "x.parquet").metadata[b"spade"])
    beside_csv = json.loads((tmp_path / "x.csv.meta.json").read_text())
    for found in (in_parquet, beside_csv):
        assert found["return_kind"] == "simple"
        assert found["provenance"] == scen.provenance
        assert (found["n_paths"], found["n_days"]) == (4, 6)


def test_metadata_of_another_csv_is_not_believed(tmp_path: Path) -> None:
    make().save(tmp_path / "x.csv")
    frame = long_frame(2)
    frame.to_csv(tmp_path / "x.csv", index=False)
    assert ScenarioSet.load(tmp_path / "x.csv").provenance == {}


def test_the_same_scenarios_give_the_same_bytes(tmp_path: Path) -> None:
    for suffix in (".parquet", ".csv", ".csv.gz", ".nc"):
        make().save(tmp_path / f"a{suffix}")
        make().save(tmp_path / f"b{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes(), suffix


def test_values_that_round_badly_survive_csv(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**31, 20_000, dtype=np.uint32).view(np.float32)
    odd = bits[np.isfinite(bits) & (bits < 1e6)][:9000].reshape(-1, 10, 1)
    scen = ScenarioSet.from_simple(
        np.where(rng.random(odd.shape) < 0.5, odd, -odd % 1 - 0.99), ["a"], ["x"], [0] * 10
    )
    scen.save(tmp_path / "x.csv")
    assert ScenarioSet.load(tmp_path / "x.csv").simple_array.tobytes() == scen.simple_array.tobytes()


# -- files from elsewhere


def test_foreign_files_need_no_metadata(tmp_path: Path) -> None:
    scen = make(3, 5)
    frame = long_frame()
    shuffled = frame.sample(frac=1, random_state=0)
    for name, table in (("a.csv", frame), ("b.csv", shuffled)):
        table.to_csv(tmp_path / name, index=False)
        found = ScenarioSet.load(tmp_path / name)
        assert found.simple_array.tobytes() == scen.simple_array.tobytes()
        assert (found.regime == scen.regime).all()
    shuffled.to_parquet(tmp_path / "c.parquet")
    assert (ScenarioSet.load(tmp_path / "c.parquet").simple_array == scen.simple_array).all()


def test_foreign_files_need_no_regime_and_may_number_from_one(tmp_path: Path) -> None:
    frame = long_frame().drop(columns="regime")
    frame[["path", "step"]] += 1
    frame.to_csv(tmp_path / "x.csv", index=False)
    found = ScenarioSet.load(tmp_path / "x.csv")
    assert found.regimes == ("all",)
    assert found.paths.tolist() == [1, 2, 3]


def test_foreign_dates_stand_in_for_steps(tmp_path: Path) -> None:
    frame = make(3, 5, dates=True).to_frame().drop(columns="step")
    frame.to_csv(tmp_path / "x.csv", index=False)
    found = ScenarioSet.load(tmp_path / "x.csv")
    assert found.dates is not None
    assert found.dates.equals(business_days("2025-03-03", 5))


def test_foreign_regimes_are_ordered_by_volatility(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 40)
    size = np.array([0.03, 0.005, 0.012])[codes]
    frame = ScenarioSet(
        rng.normal(0, 1, (5, 120, 2)) * size[:, None], SECTORS, ["a_panic", "b_calm", "c_mid"], codes
    )
    frame.to_frame().to_csv(tmp_path / "x.csv", index=False)
    assert ScenarioSet.load(tmp_path / "x.csv").regimes == ("b_calm", "c_mid", "a_panic")


def test_foreign_cube_with_named_regimes(tmp_path: Path) -> None:
    import xarray as xr

    scen = make(dates=True)
    names = np.array(REGIMES)[scen.codes]
    xr.Dataset(
        {"simple_return": scen.simple_returns.transpose("asset", "time", "path"), "regime": ("time", names)}
    ).to_netcdf(tmp_path / "x.nc")
    found = ScenarioSet.load(tmp_path / "x.nc")
    assert (found.simple_array == scen.simple_array).all()
    assert (found.regime == scen.regime).all()
    assert found.dates is not None


def refusals() -> dict[str, tuple[Any, str]]:
    def edit(**changes: Any) -> Any:
        return lambda f: f.assign(**changes)

    return {
        "percent": (
            lambda f: f.assign(Energy=f["Energy"] * 100, **{"Info Tech": f["Info Tech"] * 100}),
            "percent",
        ),
        "prices": (edit(Energy=100.0, **{"Info Tech": 50.0}), "prices"),
        "ragged": (lambda f: f.iloc[:-1], "ragged"),
        "missing": (
            lambda f: f.assign(Energy=f["Energy"].where(f.index != 7)),
            "'Energy' is missing.*path 1, step 2",
        ),
        "infinite": (edit(Energy=np.inf), "infinite"),
        "total loss": (lambda f: f.assign(Energy=f["Energy"].where(f.index != 7, -1.0)), "loses everything"),
        "no path": (lambda f: f.drop(columns="path"), "needs the columns path and step"),
        "no step": (lambda f: f.drop(columns="step"), "needs the columns path and step"),
        "no sectors": (lambda f: f.drop(columns=list(SECTORS)), "no sector columns"),
        "no rows": (lambda f: f.iloc[:0], "no rows"),
        "text": (edit(Energy="x"), "holds no numbers"),
        "gap in steps": (lambda f: f.assign(step=f["step"] + (f["step"] > 2)), "consecutive"),
        "double step": (lambda f: f.assign(step=f["step"].clip(upper=3)), "consecutive"),
        "fractional path": (lambda f: f.assign(path=f["path"] + 0.5), "whole numbers"),
        "empty regime": (
            lambda f: f.assign(regime=f["regime"].where(f.index != 3)),
            "regime is empty in row 4",
        ),
        "regime is no name": (edit(regime="not good"), "'not good'"),
        "dates differ": (
            lambda f: f.assign(date=pd.Timestamp("2020-01-01") + pd.to_timedelta(f["step"] + f["path"], "D")),
            "different dates",
        ),
        "no dates": (edit(date="soon"), "no date"),
    }


@pytest.mark.parametrize("case", refusals())
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_foreign_files_that_mislead_are_refused(tmp_path: Path, case: str, suffix: str) -> None:
    damage, message = refusals()[case]
    frame = damage(long_frame())
    target = tmp_path / f"x{suffix}"
    frame.to_csv(target, index=False) if suffix == ".csv" else frame.to_parquet(target)
    with pytest.raises(InputError, match=message) as caught:
        ScenarioSet.load(target)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".nc"])
def test_files_that_are_no_such_files_are_refused(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"x{suffix}"
    with pytest.raises(InputError, match="does not exist"):
        ScenarioSet.load(target)
    target.write_bytes(b"\x00\xffnothing of the kind")
    with pytest.raises(InputError, match="x\\.") as caught:
        ScenarioSet.load(target)
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_is_refused(tmp_path: Path) -> None:
    make().save(tmp_path / "x.parquet")
    whole = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot be read as \.parquet"):
        ScenarioSet.load(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["x.xlsx", "x", ".csv"])
def test_unknown_suffixes_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no known format"):
        make().save(tmp_path / name)
    with pytest.raises(InputError, match="no known format"):
        ScenarioSet.load(tmp_path / name)


# -- streaming


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("drawn", [False, True])
def test_batches_make_the_same_file_as_the_whole(
    tmp_path: Path, suffix: str, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spade_finance.io.writer.BUFFER_ROWS", 20)
    scen = make(23, 6, drawn=drawn, dates=True)
    with ScenarioWriter(tmp_path / f"x{suffix}") as out:
        for start in range(0, 23, 5):
            part = scen.subset(slice(start, start + 5))
            out.write(
                ScenarioSet(
                    part.log_array,
                    part.sectors,
                    part.regimes,
                    part.codes,
                    dates=part.dates,
                    provenance=part.provenance,
                )
            )
        assert out.n_paths == 23
        assert not (tmp_path / f"x{suffix}").exists()
    assert ScenarioSet.load(tmp_path / f"x{suffix}") == scen


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("before", [False, True])
def test_an_interrupted_file_leaves_what_was_there(
    tmp_path: Path, suffix: str, error: type[BaseException], before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spade_finance.io.writer.BUFFER_ROWS", 1)
    target = tmp_path / f"x{suffix}"
    if before:
        make(seed=5).save(target)
    names = {p.name for p in tmp_path.iterdir()}

    def stop_half_way() -> None:
        with ScenarioWriter(target) as out:
            out.write(make(seed=6))
            raise error

    with pytest.raises(error):
        stop_half_way()
    assert {p.name for p in tmp_path.iterdir()} == names
    if before:
        assert ScenarioSet.load(target) == make(seed=5)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_failure_while_finishing_leaves_nothing(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device")

    for module in ("long", "cube"):
        monkeypatch.setattr(f"spade_finance.io.{module}.encode", no_space)
    with pytest.raises(OSError, match="No space"):
        make().save(tmp_path / f"x{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_batches_must_agree(tmp_path: Path) -> None:
    first, other = make(), make(days=7)
    renamed = ScenarioSet(first.log_array, ["a", "b"], REGIMES, first.codes)
    retimed = ScenarioSet(first.log_array, SECTORS, REGIMES, (first.codes + 1) % 3)
    dated = make(dates=True)
    cases = (
        (other, "n_days 7"),
        (renamed, "sectors"),
        (retimed, "timeline"),
        (make(drawn=True), "per_path"),
        (dated, "dates"),
    )

    def write(*batches: ScenarioSet, name: str = "x.parquet", renumber: bool = True) -> None:
        with ScenarioWriter(tmp_path / name, renumber=renumber) as out:
            for batch in batches:
                out.write(batch)

    for second, message in cases:
        with pytest.raises(InputError, match=message):
            write(first, second)
    with pytest.raises(InputError, match="no paths"):
        write()
    with pytest.raises(InputError, match="must rise"):
        write(first, first, name="x.nc", renumber=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "x.zarr"
    precious.mkdir()
    (precious / "thesis.tex").write_text("...")
    with pytest.raises(InputError, match="is a folder"):
        make().save(precious)
    assert (precious / "thesis.tex").exists()


def test_streaming_needs_the_memory_of_a_batch(tmp_path: Path) -> None:
    code = f"""
import resource, numpy as np
from spade_finance.io.writer import ScenarioWriter
from spade_finance.scenarios import ScenarioSet
returns = np.random.default_rng(0).normal(0, .01, (1000, 50, 4)).astype("float32")
batch = ScenarioSet(returns, list("abcd"), ["x"], [0] * 50)
def peak(n, name):
    with ScenarioWriter(name) as out:
        for _ in range(n):
            out.write(batch)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
few = peak(12, {str(tmp_path / "a.parquet")!r})
many = peak(120, {str(tmp_path / "b.parquet")!r})
print(many - few)
"""
    grown_kb = int(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    size_kb = (tmp_path / "b.parquet").stat().st_size / 1024
    assert size_kb > 80_000
    assert grown_kb < size_kb / 4


def test_importing_stays_light() -> None:
    names = ("torch", "xarray", "pyarrow", "h5py", "zarr")
    code = f"import sys, spade_finance.scenarios; print([m for m in {names} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # pandas itself imports pyarrow where it is installed.
    assert done.stdout.strip() in ("[]", "['pyarrow']")


def test_no_warning_escapes(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for suffix in FORMATS:
            make(dates=True).save(tmp_path / f"x{suffix}")
            ScenarioSet.load(tmp_path / f"x{suffix}")
