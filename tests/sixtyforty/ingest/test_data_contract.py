"""The data contract: every line ends up in one partition with one fate, and a bad one says why but not what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sixtyforty.ingest.data_contract import raw_schema, type_rows
from sixtyforty.ingest.extract_reader import read_extract
from sixtyforty.ingest.partitioning import partition_lines
from sixtyforty.spec.partitions import SNAPSHOT
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from tests.helpers import CALLS, SITES, csv, make_use_case

NAME, DAY, NEXT = "calls_2013-03-10.csv", "2013-03-10", "2013-03-11"
NOON, NOON_AFTER = "2013-03-10 12:00:00", "2013-03-11 12:00:00"


def place(use_case: UseCase, folder: Path, text: str, name: str = NAME, source: str = "calls") -> dict[str, pa.Table]:
    path = folder / name
    path.write_text(text)
    (found,) = partition_lines([(name, read_extract(path.read_bytes(), use_case.sources[source]))], use_case, source)
    return found


def where(found: dict[str, pa.Table]) -> dict[str, list[int]]:
    """Line numbers by partition."""
    return {p: t["_row"].to_pylist() for p, t in found.items()}


def fates(use_case: UseCase, folder: Path, *texts: str, source: str = "calls") -> list[dict[str, Any]]:
    """Each line of these extracts, landed one after the other, as the contract takes it."""
    contract, landed = use_case.sources[source], []
    for seq, text in enumerate(texts, 1):
        for partition, table in place(use_case, folder, text, source=source).items():
            for column, value in (("_extract", f"x{seq}"), ("_seq", seq)):
                table = table.append_column(column, pa.array([value] * table.num_rows))
            landed.append(
                table.select(raw_schema(contract).names)
                .cast(raw_schema(contract))
                .append_column("_partition", pa.array([partition] * table.num_rows))
            )
    if not landed:
        return []
    with connect(use_case.timezone) as db:
        db.register("landed", pa.concat_tables(landed))
        type_rows(db, contract)
        return list(db.sql("from typed").to_arrow_table().to_pylist())


def told(rows: list[dict[str, Any]]) -> dict[tuple[str, int], str]:
    """Fate by extract and line."""
    return {(r["_extract"], r["_row"]): r["_status"] for r in rows}


def calls(*rows: tuple) -> str:
    return csv(CALLS, rows)


# --- placed


def test_lines_go_to_their_own_local_day(tiny_use_case: UseCase, tmp_path: Path) -> None:
    text = calls((1, "north", "2013-03-10 04:59:59", 0.1), (2, "north", "2013-03-10 05:00:00", 0.2), (3, "a", NOON, 1))
    assert where(place(tiny_use_case, tmp_path, text)) == {"2013-03-09": [2], DAY: [3, 4]}


def test_days_of_a_clock_change_begin_at_their_own_midnight(tiny_use_case: UseCase, tmp_path: Path) -> None:
    hours = ["2013-03-11 03:59:00", "2013-03-11 04:00:00", "2013-11-04 04:59:00", "2013-11-04 05:00:00"]
    found = place(tiny_use_case, tmp_path, calls(*((i, "a", h, 0) for i, h in enumerate(hours))))
    assert where(found) == {DAY: [2], NEXT: [3], "2013-11-03": [4], "2013-11-04": [5]}


def test_a_line_that_is_no_row_is_kept_as_text_with_the_line_before_it(tiny_use_case: UseCase, tmp_path: Path) -> None:
    text = calls((1, "a", NOON, 0), (2, "a"), (3, "a", NOON_AFTER, 0), ("x", "y"))
    found = place(tiny_use_case, tmp_path, text, "calls_2013-03-01.csv")
    assert where(found) == {DAY: [2, 3], NEXT: [4, 5]}
    assert found[DAY]["_text"].to_pylist() == [None, "2,a"]
    assert found[NEXT]["_broken"].to_pylist() == [None, "the line has 2 fields, the header has 4"]


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("calls_2013-03-12.csv", "2013-03-12"),
        ("calls_2013-04.csv", "2013-04-01"),
        ("calls_2013-02.csv", DAY),  # before the use case begins: the first day the file has
        ("calls.csv", DAY),
    ],
)
def test_broken_lines_before_any_row_go_where_the_name_says_or_to_the_first_day(
    tiny_use_case: UseCase, tmp_path: Path, name: str, home: str
) -> None:
    text = calls((2, "a"), (1, "a", NOON_AFTER, 0), (3, "a", NOON, 0))
    assert home in where(place(tiny_use_case, tmp_path, text, name))
    assert 2 in where(place(tiny_use_case, tmp_path, text, name))[home]


def test_broken_lines_alone_go_to_the_first_partition_there_is(tiny_use_case: UseCase, tmp_path: Path) -> None:
    assert where(place(tiny_use_case, tmp_path, calls((1, 2), (3, 4)), "calls.csv")) == {"2013-03-01": [2, 3]}


@pytest.mark.parametrize("hour", ["2012-12-31 12:00:00", "2013-02-28 12:00:00", "2014-01-01 12:00:00"])
def test_a_row_dated_outside_the_partitions_stays_with_its_file_and_is_broken(
    tiny_use_case: UseCase, tmp_path: Path, hour: str
) -> None:
    found = place(tiny_use_case, tmp_path, calls((1, "a", hour, 0.5), (2, "b", NOON, 0.5)))
    assert where(found) == {DAY: [2, 3]}
    assert found[DAY]["_broken"].to_pylist() == [
        f"its date {hour[:10]} is outside the partitions of the use case",
        None,
    ]


@pytest.mark.parametrize("hour", ["", "NA", "yesterday", "2013-02-30 12:00:00"])
def test_a_row_without_a_day_stays_with_its_file_and_is_broken(
    tiny_use_case: UseCase, tmp_path: Path, hour: str
) -> None:
    rows = fates(tiny_use_case, tmp_path, calls((1, "a", hour, 0.5), (2, "b", NOON, 0.5)))
    assert [(r["_partition"], r["_status"]) for r in rows] == [(DAY, "quarantined"), (DAY, "row")]
    assert "the line has no date that its partition can be taken from" in rows[0]["_reason"]


def test_a_date_that_cannot_be_made_breaks_its_own_line_alone(tmp_path: Path) -> None:
    changes = {"calls": {"partition": "make_date(2013, id, 10)"}}
    use_case = make_use_case(tmp_path / "u", sources=changes)
    found = place(use_case, tmp_path, calls((3, "a", NOON, 0), (13, "b", NOON, 0), (4, "c", NOON, 0)))
    assert where(found) == {DAY: [2, 3], "2013-04-10": [4]}
    assert found[DAY]["_broken"].to_pylist() == [None, "the line has no date that its partition can be taken from"]


def test_a_snapshot_is_one_partition(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path / "u", sources={"sites": SITES})
    found = place(use_case, tmp_path, csv(SITES, [("north", 3), ("south",), ("east", "big")]), "sites.csv", "sites")
    assert where(found) == {SNAPSHOT: [2, 3, 4]}


def test_what_cannot_be_read_has_no_lines_to_place(tiny_use_case: UseCase, tmp_path: Path) -> None:
    assert place(tiny_use_case, tmp_path, "") == {}
    assert place(tiny_use_case, tmp_path, calls()) == {}


# --- type_rows


def test_rows_get_their_types(tiny_use_case: UseCase, tmp_path: Path) -> None:
    found = fates(tiny_use_case, tmp_path, calls((1, " north ", NOON, "1e-1"), (2, "NA", NOON, "")))
    assert [(r["id"], r["site"], r["call_hour"].isoformat(), r["load"], r["_reason"]) for r in found] == [
        (1, "north", "2013-03-10T12:00:00", 0.1, None),
        (2, None, "2013-03-10T12:00:00", None, None),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("s3cret", "a", NOON, 0.5), "id is not INTEGER"),
        (("99999999999", "a", NOON, 0.5), "id is not INTEGER"),
        ((1, "a", NOON, "s3cret"), "load is not DOUBLE"),
        ((1, "a", NOON, "nan"), "load is not DOUBLE"),
        (("s3cret", "a", NOON, "s3cret"), "id is not INTEGER; load is not DOUBLE"),
        (
            (1, "a", "s3cret", 0.5),
            "the line has no date that its partition can be taken from; call_hour is not TIMESTAMP",
        ),
        (
            ("s3cret", "a", "2014-06-01 00:00", 0.5),
            "its date 2014-05-31 is outside the partitions of the use case; id is not INTEGER",
        ),
    ],
)
def test_a_value_of_another_type_is_quarantined_by_the_name_of_its_column(
    tiny_use_case: UseCase, tmp_path: Path, row: tuple, reason: str
) -> None:
    bad, good = fates(tiny_use_case, tmp_path, calls(row, (2, "b", NOON, 0.5)))
    assert (bad["_status"], bad["_reason"]) == ("quarantined", reason)
    assert "s3cret" not in str(bad)
    assert (good["_status"], good["_reason"]) == ("row", None)


def test_a_row_that_came_before_is_a_duplicate_within_an_extract_or_across(
    tiny_use_case: UseCase, tmp_path: Path
) -> None:
    one, two = (1, "a", NOON, 0.5), (2, "b", NOON, 0.5)
    found = fates(tiny_use_case, tmp_path, calls(one, one, two), calls(two, (1, " a", NOON, "0.50")))
    assert told(found) == {
        ("x1", 2): "row",
        ("x1", 3): "duplicate",
        ("x1", 4): "row",
        ("x2", 2): "duplicate",
        ("x2", 3): "duplicate",
    }


def test_a_later_extracts_row_supersedes_the_one_with_its_key(tiny_use_case: UseCase, tmp_path: Path) -> None:
    found = fates(
        tiny_use_case,
        tmp_path,
        calls((1, "a", NOON, 0.1), (2, "b", NOON, 0.2)),
        calls((1, "a", NOON, 0.3)),
        calls((1, "a", NOON, 0.4)),
    )
    assert told(found) == {("x1", 2): "superseded", ("x1", 3): "row", ("x2", 2): "superseded", ("x3", 2): "row"}


def test_a_correction_taken_back_is_in_force_again(tiny_use_case: UseCase, tmp_path: Path) -> None:
    right, wrong = calls((1, "a", NOON, 0.1)), calls((1, "a", NOON, 0.9))
    found = fates(tiny_use_case, tmp_path, right, wrong, right)
    assert [r["load"] for r in found if r["_status"] == "row"] == [0.1]
    assert told(found) == {("x1", 2): "row", ("x2", 2): "superseded", ("x3", 2): "duplicate"}


def test_a_later_extract_with_one_of_two_rows_of_a_key_settles_it(tiny_use_case: UseCase, tmp_path: Path) -> None:
    found = fates(tiny_use_case, tmp_path, calls((1, "a", NOON, 0.1), (1, "a", NOON, 0.2)), calls((1, "a", NOON, 0.2)))
    assert told(found) == {("x1", 2): "superseded", ("x1", 3): "row", ("x2", 2): "duplicate"}


def test_one_key_twice_in_an_extract_is_left_for_the_rules(tiny_use_case: UseCase, tmp_path: Path) -> None:
    found = fates(tiny_use_case, tmp_path, calls((1, "a", NOON, 0.1), (1, "a", NOON, 0.2)))
    assert [r["_status"] for r in found] == ["row", "row"]


def test_a_bad_row_supersedes_nothing(tiny_use_case: UseCase, tmp_path: Path) -> None:
    found = fates(tiny_use_case, tmp_path, calls((1, "a", NOON, 0.1)), calls((1, "a", NOON, "much")))
    assert told(found) == {("x1", 2): "row", ("x2", 2): "quarantined"}


def test_bad_rows_are_each_quarantined_however_alike(tiny_use_case: UseCase, tmp_path: Path) -> None:
    bad = calls((1, "a", NOON, "much"), (1, "a", NOON, "much"), (1, "a"))
    assert [r["_status"] for r in fates(tiny_use_case, tmp_path, bad, bad)] == ["quarantined"] * 6


ROW = st.tuples(
    st.sampled_from(["1", "2", "", "x"]),
    st.sampled_from(["a", "NA"]),
    st.sampled_from([NOON, NOON, NOON_AFTER, "2012-01-01 12:00:00", "2013-02-30 12:00:00", ""]),
    st.sampled_from(["0.5", "0.50", "0.9", "much"]),
)
LINES = st.lists(ROW.map(",".join) | st.sampled_from(["1,a", "1,a,b,c,d", '1,"a', "", ",,,"]), max_size=8)


@settings(max_examples=25)
@given(LINES)
def test_every_line_is_placed_once(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp()
    found = place(make_use_case(folder), folder, "\n".join([",".join(CALLS["columns"]), *lines]) + "\n")
    numbers = [n for t in found.values() for n in t["_row"].to_pylist()]
    assert sorted(numbers) == [n for n, line in enumerate(lines, 2) if line]
    assert all("2013-03-01" <= p <= "2013-12-31" for p in found)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect("America/New_York") as db:
        yield db


@given(st.lists(st.lists(ROW | st.none(), max_size=4), max_size=5))
@example([[("1", "a", NOON, "0.5")], [("1", "a", NOON, "0.9")], [("1", "a", NOON, "0.5")]])
def test_every_line_has_one_fate_and_the_last_word_on_each_key_is_in_force(
    database: duckdb.DuckDBPyConnection, extracts: list[list[tuple | None]]
) -> None:
    contract = Source(**CALLS)
    columns = list(contract.columns)
    landed = [
        dict(zip(columns, row or [None] * 4, strict=True))
        | {"_row": n, "_broken": None if row else "no row", "_extract": f"x{seq}", "_seq": seq, "_partition": DAY}
        for seq, rows in enumerate(extracts, 1)
        for n, row in enumerate(rows, 2)
    ]
    schema = raw_schema(contract).append(pa.field("_partition", pa.string()))
    database.register("landed", pa.Table.from_pylist(landed, schema=schema))
    type_rows(database, contract)
    rows = database.sql("from typed").to_arrow_table().to_pylist()

    assert sorted((r["_extract"], r["_row"]) for r in rows) == sorted((r["_extract"], r["_row"]) for r in landed)
    assert all((r["_status"] == "quarantined") == (r["_reason"] is not None) for r in rows)
    assert {r["_status"] for r in rows} <= {"row", "duplicate", "superseded", "quarantined"}
    sound = [r for r in rows if r["_status"] != "quarantined"]
    last = {key: max(r["_seq"] for r in sound if r["id"] == key) for key in {r["id"] for r in sound}}
    said_last = {tuple(r[c] for c in columns) for r in sound if r["_seq"] == last[r["id"]]}
    in_force = [tuple(r[c] for c in columns) for r in sound if r["_status"] == "row"]
    assert sorted(map(str, in_force)) == sorted(map(str, said_last))
