"""A profile measures what rows hold."""

from __future__ import annotations

import gzip
import json
import math
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.ingest import profiled_texts, profiling
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.profiled_texts import LoadedTexts
from sixtyforty.ingest.profiling import profile_files
from sixtyforty.spec.sources import Source
from sixtyforty.storage.duckdb_session import SLOW_OPTIMIZERS, connect
from tests.sixtyforty.ingest.formats.samples import parse_extract, typed_rows

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
        ("x.csv", "1,2\n3,4\n", "no header"),
        ("x.csv", "", "the file is empty"),
        ("x.csv", "id,ID\n1,2\n", "the columns 'id' and 'ID' differ only in upper and lower case"),
        ("x.csv", ",,\na,b,c\n", "the header names no column"),
        ("x.csv", "id,\n5,0\n6,1\n", "2 of 2 lines can't be read as a row. Line 2: the line has a value in a column"),
        ("x.csv", "a,b\n1,2\n3\n4,5,6\n7\n", "3 of 4 lines can't be read as a row. Line 3: "),
        ("x.xlsx", "PK", "no known file format has this ending. Use CSV"),
        ("x.parquet", "text", "can't be profiled: the file is cut off, or it is not a Parquet file"),
    ],
)
def test_a_file_that_is_no_extract_is_an_error(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UnreadableExtractError, match=message):
        profile_files([path])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_of_other_programs_are_profiled(encoding: str, delimiter: str, tmp_path: Path) -> None:
    lines = [["Größe", "Tag", "Ort"], *([str(n), f"{day:%d.%m.%Y}", "Köln"] for n, day in enumerate(DAYS))]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(map(delimiter.join, lines)) + "\n", encoding=encoding)
    profile = profile_files([path])
    assert [(column.name, column.kind) for column in profile.columns] == [
        ("Größe", "BIGINT"),
        ("Tag", "VARCHAR"),
        ("Ort", "VARCHAR"),
    ]
    assert (profile.encoding, profile.column("Ort").values) == ("cp1252" if encoding == "cp1252" else None, ("Köln",))
    assert (profile.histories[0].first, profile.histories[0].last) == (DAYS[0], DAYS[-1])


def test_a_column_whose_name_is_reserved_is_left_out_and_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "Known_At,day,_row,_file", [f"{day},{day},{n},{n}" for n, day in enumerate(DAYS)])
    profile = profile_files([path])
    assert [column.name for column in profile.columns] == ["day"]
    assert [note.split("'")[1] for note in profile.notes] == ["Known_At", "_row", "_file"]


def test_a_file_in_utf_8_among_others_is_named(tmp_path: Path) -> None:
    for name, encoding in (("x_1.csv", "cp1252"), ("x_2.csv", "utf-8"), ("x_3.csv", "ascii")):
        text = "Ort,n\n" + ("Köln,1\n" if encoding != "ascii" else "Bonn,1\n")
        (tmp_path / name).write_text(text, encoding=encoding)
    profile = profile_files(sorted(tmp_path.iterdir()))
    assert (profile.encoding, [note.split(":")[0] for note in profile.notes]) == ("cp1252", ["x_2.csv"])


def test_the_names_of_each_file_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In JSON, this takes reading each file to its end."""
    files = [tmp_path / f"x_{number}.jsonl" for number in range(2)]
    for number, file in enumerate(files):
        file.write_text(f'{{"id": 1, "only_{number}": 2}}\n')
    opened: list[Path] = []
    real = profiled_texts.read_extract
    monkeypatch.setattr(profiled_texts, "read_extract", lambda file, source: opened.append(file) or real(file, source))
    assert profile_files(files).optional == ("only_0", "only_1")
    assert sorted(opened) == sorted(files * 2), "once for the names, and once for the rows"


def test_json_lines_and_arrays_are_profiled_alike(tmp_path: Path) -> None:
    objects = [f'{{"n": {n}, "day": "{day}", "tags": [1, {n}]}}' for n, day in enumerate(DAYS)]
    lines, array = tmp_path / "x.jsonl", tmp_path / "y.json"
    lines.write_text("\n".join(objects))
    array.write_text(f"[{', '.join(objects)}]")
    profile = profile_files([lines])
    assert {column.name: column.kind for column in profile.columns} == {
        "day": "DATE",
        "n": "BIGINT",
        "tags": "VARCHAR",
    }
    assert profile_files([array]) == profile


def test_a_typed_file_keeps_its_types(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "x.parquet"
    duckdb.execute(
        f"""copy (select 1.50::decimal(12,2) as price, '00123' as code, {{'a': 1}} as nested, [1] as list,
            timestamptz '2024-01-01 00:00:00+01' as at, uuid() as id) to '{path}'"""
    )
    kinds = {column.name: column.kind for column in profile_files([path]).columns}
    assert kinds == {
        "price": "DECIMAL(12,2)",
        "code": "VARCHAR",
        "nested": "VARCHAR",
        "list": "VARCHAR",
        "at": "TIMESTAMP",
        "id": "UUID",
    }


@pytest.mark.parametrize(
    ("kind", "values", "drafted"),
    [
        (pa.duration("s"), [1, 86_401], "VARCHAR"),
        (pa.decimal256(50, 2), [Decimal("1.50"), Decimal(10**20)], "DECIMAL(38,2)"),
        (pa.decimal256(50, 2), [Decimal("1.50"), Decimal(10**40)], "VARCHAR"),
        (pa.timestamp("ns"), [1_704_067_200_000_000_000], "TIMESTAMP"),
        (pa.timestamp("ns"), [1_704_067_200_000_000_001], "TIMESTAMP_NS"),
        (pa.timestamp("ns", "UTC"), [1_704_067_200_000_000_001], "TIMESTAMP_NS"),
        (pa.time64("ns"), [1], "VARCHAR"),
        (pa.float64(), [0.1, math.nan], "VARCHAR"),
        (pa.float16(), [0.5], "FLOAT"),
        (pa.binary(2), [b" a"], "VARCHAR"),
        (pa.date32(), [date(2024, 2, 3), None], "DATE"),
        (pa.int8(), [None], "TINYINT"),
        (pa.dictionary(pa.int8(), pa.int64()), [7], "BIGINT"),
        (pa.string(), ["7"], "VARCHAR"),
    ],
)
def test_the_type_of_a_typed_column_accepts_each_value(
    kind: pa.DataType, values: list[Any], drafted: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"v": pa.array(values, kind)}), path)
    assert profile_files([path]).columns[0].kind == drafted
    source = Source(description="x", files="*", columns={"v": drafted}, key=["v"])
    parsed = parse_extract(path, source)
    assert parsed.table is not None
    typed = typed_rows(parsed, source)
    assert [row[0] is None for row in typed] == [value is None for value in values]


def test_a_column_of_several_types_gets_the_type_that_fits_all(tmp_path: Path) -> None:
    for number, kind in enumerate((pa.int32(), pa.float64(), pa.int64())):
        pq.write_table(pa.table({"v": pa.array([number], kind)}), tmp_path / f"x_{number}.parquet")
    assert profile_files(sorted(tmp_path.iterdir())).columns[0].kind == "DOUBLE"


@pytest.mark.parametrize(
    ("open_days", "closed"),
    [
        ({0, 1, 2, 3, 4}, ("saturday", "sunday")),
        ({0, 1, 2, 3, 4, 5}, ("sunday",)),
        (set(range(7)), ()),
    ],
)
def test_weekdays_without_rows_are_closed(open_days: set[int], closed: tuple[str, ...], tmp_path: Path) -> None:
    days = [day for n in range(90) if (day := DAYS[0] + timedelta(days=n)).weekday() in open_days]
    (history,) = profile_files([write_csv(tmp_path, "day", [str(day) for day in days])]).histories
    assert (history.every, history.closed_weekdays) == ("day", closed)


def test_a_column_is_optional_if_a_file_lacks_it(tmp_path: Path) -> None:
    first = write_csv(tmp_path, "n,m", ["1,2"], "a_1.csv")
    second = write_csv(tmp_path, "m,note", ["3,x"], "a_2.csv")
    profile = profile_files([first, second])
    assert ([column.name for column in profile.columns], profile.optional) == (["n", "m", "note"], ("n", "note"))


def test_columns_of_any_type_and_of_no_rows_are_profiled(tmp_path: Path) -> None:
    """All columns of a type are profiled by one query, and keep their order."""
    columns = {"b": [b"x", b"x", None], "n": [3, 1, 1], "f": [1.5, float("nan"), None], "k": [2, 2, 2]}
    table = pa.table({**columns, "s": pa.array([{"a": 1}, {"a": 2}, None]), "l": pa.array([[2], [1], [1]])})
    pq.write_table(table, tmp_path / "calls.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "none.parquet")
    profiled = {c.name: (c.nulls, c.distinct, c.values) for c in profile_files([tmp_path / "calls.parquet"]).columns}
    assert list(profiled) == [*columns, "s", "l"]
    assert (profiled["n"], profiled["k"]) == ((0, 2, (1, 3)), (0, 1, (2,)))
    assert [profiled[name][:2] for name in "bfsl"] == [(1, 1), (1, 2), (1, 2), (0, 2)]
    empty = profile_files([tmp_path / "none.parquet"])
    assert all(column.distinct == 0 and column.low is None for column in empty.columns)


def test_profiling_is_bounded_in_memory_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit, the profile of 6 GB took 6 GB of memory. Two optimizers took minutes for 8,000 columns."""
    limits = []
    profile_table = profiling.profile_table

    def record_limit(db: duckdb.DuckDBPyConnection, table: str, loaded: LoadedTexts) -> profiling.TableProfile:
        limits.extend(db.execute("select current_setting('memory_limit')").fetchall())
        ((disabled,),) = db.execute("select current_setting('disabled_optimizers')").fetchall()
        assert {*disabled.split(",")} == {*SLOW_OPTIMIZERS.split(",")}
        return profile_table(db, table, loaded)

    monkeypatch.setattr(profiling, "profile_table", record_limit)
    (tmp_path / "calls.csv").write_text("id,load\n1,0.5\n2,0.7\n")
    profile_files([tmp_path / "calls.csv"])
    with connect("UTC") as db:
        assert limits == db.execute("select current_setting('memory_limit')").fetchall()


@pytest.mark.parametrize("name", ["notes.csv", "notes.parquet"])
def test_long_texts_are_profiled_by_their_digests(tmp_path: Path, name: str) -> None:
    """With 400 MB of texts of 130,000 characters, the profile didn't fit into half of the smallest setting."""
    texts = ["a" * 5000 + str(n % 3) for n in range(9)]
    if name.endswith("csv"):
        write_csv(tmp_path, "id,note", [f"{n},{text}" for n, text in enumerate(texts)], name)
    else:
        pq.write_table(pa.table({"id": range(9), "note": texts}), tmp_path / name)
    note = profile_files([tmp_path / name]).column("note")
    assert (note.kind, note.nulls, note.distinct, note.values) == ("VARCHAR", 0, 3, ())
    assert len(note.low) < 100


def test_each_column_is_queried_in_a_table_with_its_texts_only(tmp_path: Path) -> None:
    """The columns of a view are planned for each query: 300 columns took more than 90 seconds."""
    file = write_csv(tmp_path, "id,amount,day", ["1,1.234;5,2024-03-01"])
    with connect("UTC", folders=(tmp_path.resolve(),)) as db:
        profiled_texts.load_texts(db, [file], ("NA",))
        names = "select {0}_name from duckdb_{0}s() where temporary and not internal and {0}_name <> '_values'"
        views, tables = (db.execute(names.format(kind)).fetchall() for kind in ("view", "table"))
    assert (views, tables) == ([], [("landed",)])


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_files_whose_column_names_are_data_are_refused_at_once(name: str, tmp_path: Path) -> None:
    names = [f"unit_{n}" for n in range(profiled_texts.MAX_COLUMNS + 1)]
    if name.endswith("csv"):
        path = write_csv(tmp_path, ",".join(names), [",".join("1" for _ in names)])
    else:
        path = tmp_path / name
        path.write_text(json.dumps(dict.fromkeys(names, 1)) + "\n")
    with pytest.raises(UnreadableExtractError, match=f"{name}: it has 10,001 columns.*land a row for each name"):
        profile_files([path])
