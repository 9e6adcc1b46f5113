"""A profile measures what rows hold."""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path

import pytest

from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.profiling import profile_files

DAYS = [date(2020, 1, 1) + timedelta(days=n) for n in range(40)]


def write_csv(folder: Path, header: str, rows: list[str], name: str = "x.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_types_nulls_ranges_and_values_are_measured(tmp_path: Path) -> None:
    rows = [f"{n},{d},{'NA' if n % 4 == 0 else n / 2},{'ab'[n % 2]}" for n, d in enumerate(DAYS)]
    profile = profile_files([write_csv(tmp_path, "number,day,load,site", rows)])
    assert (profile.rows, profile.duplicates, profile.null_text) == (40, 0, "NA")
    assert [(c.name, c.kind, c.nulls, c.distinct) for c in profile.columns] == [
        ("number", "BIGINT", 0, 40),
        ("day", "DATE", 0, 40),
        ("load", "DOUBLE", 10, 30),
        ("site", "VARCHAR", 0, 2),
    ]
    assert (profile.column("load").low, profile.column("load").high) == (0.5, 19.5)
    assert profile.column("site").values == ("a", "b")
    (history,) = profile.histories
    assert (history.first, history.last, history.days, history.every) == (DAYS[0], DAYS[-1], 40, "day")


@pytest.mark.parametrize(("step", "every"), [(1, "day"), (3, "week"), (7, "week"), (8, "week"), (30, "month")])
def test_the_partition_length_fits_the_days_with_rows(step: int, every: str, tmp_path: Path) -> None:
    days = [DAYS[0] + timedelta(days=step * n) for n in range(20)]
    assert profile_files([write_csv(tmp_path, "day", [str(d) for d in days])]).histories[0].every == every


def test_the_smallest_key_and_the_duplicates_are_measured(tmp_path: Path) -> None:
    rows = [f"{d},{s},{(n * 7) % 3}" for n, d in enumerate(DAYS) for s in "ab"]
    assert profile_files([write_csv(tmp_path, "day,site,load", rows)]).keys[0] == ("day", "site")
    doubled = profile_files([write_csv(tmp_path, "day,site,load", [*rows, rows[0]])])
    assert (doubled.keys, doubled.duplicates) == ((), 1)


def test_dates_in_another_form_come_with_the_sql_that_reads_them(tmp_path: Path) -> None:
    profile = profile_files([write_csv(tmp_path, "Day Of,n", [f"{d:%d/%m/%Y},{n}" for n, d in enumerate(DAYS)])])
    column = profile.columns[0]
    assert (column.kind, column.sql) == ("VARCHAR", "strptime(\"Day Of\", '%d/%m/%Y')::date")
    assert profile.histories[0].first == DAYS[0]


def test_packed_files_parquet_and_several_files_are_profiled_alike(tmp_path: Path) -> None:
    import duckdb

    first = write_csv(tmp_path, "day,n", [f"{d},{n}" for n, d in enumerate(DAYS[:20])], "a_1.csv")
    second = write_csv(tmp_path, "day,n", [f"{d},{n}" for n, d in enumerate(DAYS[20:])], "a_2.csv")
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(first.read_bytes()))
    duckdb.execute(f"copy (from read_csv('{first}')) to '{tmp_path / 'c.parquet'}'")
    assert profile_files([first, second]).rows == 40
    assert (
        profile_files([packed]).columns
        == profile_files([first]).columns
        == profile_files([tmp_path / "c.parquet"]).columns
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "a;b\n1;2\n", "Write the file with commas"),
        ("x.csv", "1,2\n3,4\n", "no header"),
        ("x.csv", "", "no header"),
        ("x.xlsx", "PK", "no known file format has this ending. Use CSV"),
        ("x.parquet", "text", "not readable as Parquet"),
    ],
)
def test_a_file_that_is_no_extract_is_an_error(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UnreadableExtractError, match=message):
        profile_files([path])
