# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import os
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spade_finance as sf
from spade_finance.data import read_raw, read_returns, write_returns
from spade_finance.exceptions import InputError
from spade_finance.returns import prices, to_log

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def made(n_days: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    index = pd.bdate_range("2019-12-02", periods=n_days, name="date").as_unit("ns")
    return pd.DataFrame(
        0.01 * rng.standard_normal((n_days, 2)), index=index, columns=["Info Tech", "Énergie"]
    )


def refusal(path: Path, text: str | bytes | None = None, **options: str) -> str:
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as caught:
        read_returns(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path, suffix: str) -> None:
    path = write_returns(made(), tmp_path / f"x{suffix}")
    pd.testing.assert_frame_equal(read_returns(path), made(), check_exact=True, check_freq=False)
    assert [file.name for file in tmp_path.iterdir()] == [f"x{suffix}"]


names = st.text(
    st.characters(categories=("L", "N", "P", "S"), exclude_characters='"'), min_size=1, max_size=8
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    columns=st.lists(
        names.filter(lambda n: n.lower() not in {"date", "path", "step", "regime"}),
        min_size=1,
        max_size=4,
        unique_by=str.strip,
    ),
    suffix=st.sampled_from(SUFFIXES),
)
def test_any_table_of_returns_survives_a_file(
    tmp_path: Path, data: st.DataObject, columns: list[str], suffix: str
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 9999)))
    values = 0.02 * rng.standard_normal((25, len(columns)))
    cells = data.draw(st.lists(st.floats(-0.1, 0.1), min_size=10, max_size=10))
    values[:10, 0] = cells  # every double, subnormal and signed zero too
    index = pd.bdate_range(
        data.draw(st.dates(min_value=date(1700, 1, 1), max_value=date(2200, 1, 1))), periods=25
    )
    table = pd.DataFrame(values, index=index.as_unit("ns").rename("date"), columns=columns)
    back = read_returns(write_returns(table, tmp_path / f"t{suffix}"))
    pd.testing.assert_frame_equal(back, table, check_exact=True, check_freq=False)


def test_the_three_kinds_in_files(tmp_path: Path) -> None:
    simple = made()
    write_returns(to_log(simple), tmp_path / "log.csv")
    write_returns(prices(simple), tmp_path / "price.parquet")
    np.testing.assert_allclose(read_returns(tmp_path / "log.csv", kind="log"), simple, rtol=1e-12)
    np.testing.assert_allclose(
        read_returns(tmp_path / "price.parquet", kind="price"), simple.iloc[1:], rtol=0, atol=1e-14
    )


def test_equal_tables_give_equal_gzip_bytes(tmp_path: Path) -> None:
    first = write_returns(made(), tmp_path / "a.csv.gz").read_bytes()
    os.utime(tmp_path / "a.csv.gz", (0, 0))
    assert write_returns(made(), tmp_path / "b.csv.gz").read_bytes() == first


BODY = "\n".join(
    f"2020-{m:02d}-{d:02d},{(-1) ** d * 0.001 * d:.4f},0.00{d}" for m in (1, 2) for d in range(10, 24)
)


@pytest.mark.parametrize(
    "text",
    [
        "date,A,B\n" + BODY,
        "Date,A,B\n" + BODY,
        "\ufeffdate,A,B\n" + BODY,
        "\n\ndate, A , B\n" + BODY + "\n\n",
        ",A,B\n" + BODY,
        "date,A,B\r\n" + BODY.replace("\n", "\r\n"),
        "date,A,B\n"
        + BODY.replace("2020-", "2020/").replace("-1", "/1").replace("-2", "/2").replace(",/", ",-"),
        "date,A,B\n" + BODY.replace("-01-", "01").replace("-02-", "02"),
        "date,A,B\n" + BODY.replace(",-0", " 00:00:00,-0").replace(",0.001,", ",0.001,"),
        "A,date,B\n" + "\n".join(",".join(np.array(line.split(","))[[1, 0, 2]]) for line in BODY.split("\n")),
    ],
)
def test_ways_people_write_the_same_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    table = read_raw(tmp_path / "t.csv")
    assert list(table.columns) == ["A", "B"]
    assert table.index[0] == pd.Timestamp("2020-01-10")
    assert table.index.name == "date"
    assert len(table) == 28
    assert table.loc["2020-02-23", "A"] == -0.023


FAULTY: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("t.csv", "", "the file is empty (0 bytes)"),
    "blank": ("t.csv", "\n \n", "the file is empty"),
    "header only": ("t.csv", "date,A\n", "has a header but no rows"),
    "binary": ("t.csv", b"\x00\x01\x02" * 50, "is a binary file, not CSV text"),
    "spreadsheet": ("t.csv", b"PK\x03\x04" + b"abc" * 50, "save it as CSV"),
    "latin-1": ("t.csv", "date,\xc9nergie\n2020-01-01,0.1\n".encode("latin-1"), "is not UTF-8 text"),
    "hidden gzip": ("t.csv", gzip.compress(b"date,A\n"), "name it .csv.gz"),
    "no gzip": ("t.csv.gz", "date,A\n2020-01-01,0.1\n", "not a whole gzip file"),
    "cut gzip": ("t.csv.gz", gzip.compress(os.urandom(4000))[:2000], "not a whole gzip file"),
    "no Parquet": ("t.parquet", b"PAR1 this is not one PAR1", "is not a readable Parquet file"),
    "other kind": ("t.json", "{}", "unknown kind of file; use .csv, .csv.gz, .parquet"),
    "sheet": ("t.xlsx", b"PK", "save the sheet as CSV"),
    "semicolons": ("t.csv", "date;A\n2020-01-01;0,1\n", "columns seem to be separated by ';'"),
    "one column": ("t.csv", "A\n0.1\n0.2\n", "only one column ('A'); need date,NAME"),
    "no date": (
        "t.csv",
        "A,B\n0.1,0.2\n",
        "no date column: the first column 'A' holds '0.1'; put the dates first",
    ),
    "prose": ("t.csv", "hello, world\nthis, is\nno, table\n", "no date column: the first column 'hello'"),
    "ragged": ("t.csv", "date,A\n2020-01-01,0.1\n2020-01-02,0.1,0.2,0.3\n", "is not a CSV table"),
    "twice a column": ("t.csv", "date,A,B,A\n" + BODY, "column 'A' appears 2 times"),
    "day first": (
        "t.csv",
        "date,A,B\n31/12/2020,0.1,0.2\n",
        "row 1 (counted below the header) has the date '31/12/2020'",
    ),
    "month first": ("t.csv", "date,A,B\n01/02/2020,0.1,0.2\n", "write dates as YYYY-MM-DD"),
    "no such day": (
        "t.csv",
        "date,A,B\n2020-02-28,0,0\n2020-02-30,0.1,0.2\n",
        "row 2 (counted below the header)",
    ),
    "hole in dates": (
        "t.csv",
        "date,A,B\n2020-02-28,0,0\n,0.1,0.2\n",
        "row 2 (counted below the header) has no date",
    ),
    "zone": ("t.csv", "date,A,B\n2020-01-01 00:00:00-05:00,0.1,0.2\n", "dates carry a time zone"),
    "zulu": ("t.csv", "date,A,B\n2020-01-01T00:00Z,0.1,0.2\n", "dates carry a time zone"),
    "text cell": (
        "t.csv",
        "date,A,B\n2020-01-01,0.1,n.v.\n",
        "column 'B' on 2020-01-01 holds 'n.v.', not a number",
    ),
    "percent cell": (
        "t.csv",
        "date,A,B\n2020-01-01,0.1,1.2%\n",
        "write decimals without the sign (1.2% is 0.012)",
    ),
    "comma cell": ("t.csv", 'date,A,B\n2020-01-01,0.1,"1,2"\n', "write the decimal point as a point"),
    "one row": ("t.csv", "date,A,B\n2020-01-01,0.1,0.2\n", "1 row of returns (2020-01-01 to 2020-01-01)"),
    "gap": ("t.csv", "date,A,B\n" + BODY.replace(",0.0011", ",", 1).replace("0.0011", ""), "missing value"),
    "nameless": ("t.csv", "date,A,\n" + BODY, "column 2 has no name"),
    "percent": (
        "t.csv",
        "date,A\n" + "\n".join(f"2020-01-{d},{(-1) ** d * 1.5}" for d in range(10, 32)),
        "like percent",
    ),
    "duplicates": (
        "t.csv",
        "date,A,B\n" + BODY + "\n" + BODY,
        "28 dates more than once (2020-01-10, 2020-01-11, ",
    ),
    "unsorted": (
        "t.csv",
        "date,A,B\n" + "\n".join(BODY.split("\n")[::-1]),
        "dates are not sorted: 2020-02-22 comes",
    ),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_every_faulty_file_is_named_with_its_remedy(tmp_path: Path, fault: str) -> None:
    name, content, expected = FAULTY[fault]
    assert expected in refusal(tmp_path / name, content)


def test_places_that_hold_no_file(tmp_path: Path) -> None:
    assert "does not exist; check the name" in refusal(tmp_path / "absent.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "is a folder; pass a file" in refusal(tmp_path / "folder.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read(tmp_path: Path) -> None:
    path = write_returns(made(), tmp_path / "x.csv")
    path.chmod(0)
    assert "cannot be read (Permission denied)" in refusal(path)


def test_parquet_with_dates_in_the_index_as_objects_or_as_text(tmp_path: Path) -> None:
    table = made().rename_axis("when")
    table.to_parquet(tmp_path / "index.parquet")
    pd.testing.assert_frame_equal(
        read_returns(tmp_path / "index.parquet"), made(), check_freq=False, check_exact=True
    )
    for name, index in (("text", table.index.strftime("%Y-%m-%d")), ("date", table.index.date)):
        table.set_axis(pd.Index(index, name="date"), axis=0).to_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(
            read_returns(tmp_path / f"{name}.parquet"), made(), check_freq=False, check_exact=True
        )


def test_parquet_faults_are_named_too(tmp_path: Path) -> None:
    made().tz_localize("UTC").reset_index().to_parquet(tmp_path / "zone.parquet")
    assert "time zone UTC" in refusal(tmp_path / "zone.parquet")
    made().reset_index(drop=True).to_parquet(tmp_path / "none.parquet")
    assert "no date column" in refusal(tmp_path / "none.parquet")
    made().assign(B="x").reset_index().to_parquet(tmp_path / "text.parquet")
    assert "column 'B' on 2019-12-02 holds 'x', not a number" in refusal(tmp_path / "text.parquet")


def test_missing_folders_are_made(tmp_path: Path) -> None:
    assert write_returns(made(), tmp_path / "a" / "b" / "x.csv").is_file()


def test_an_unwritable_place_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written: .*file is not a folder"):
        write_returns(made(), tmp_path / "file" / "x.csv")
    with pytest.raises(InputError, match="unknown kind of file"):
        write_returns(made(), tmp_path / "x.txt")
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match="is a folder: give the file to write in it"):
        write_returns(made(), tmp_path / "x.csv")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failing_write_leaves_the_old_file_alone(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_returns(made(), tmp_path / f"x{suffix}")
    before = path.read_bytes()

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"cannot be written: No space left on device"):
        write_returns(made(30), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_french_file_reads_as_it_is(shared: Path) -> None:
    table = read_returns(shared / "data" / "kf10_daily.csv.gz")
    assert table.shape == (25982, 10)
    assert table.index[0] == pd.Timestamp("1926-07-01")
    assert table.loc["1987-10-19"].max() < -0.1


def test_embedded_data_through_every_format(tmp_path: Path) -> None:
    sectors = sf.load_sectors()
    for suffix in SUFFIXES:
        back = sf.read_returns(write_returns(sectors, tmp_path / f"s{suffix}"))
        pd.testing.assert_frame_equal(back, sectors, check_exact=True)
