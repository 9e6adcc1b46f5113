"""Every line gets one status, and a quarantined one has a reason that shows no value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sixtyforty.ingest.casting import add_typed_rows, raw_schema, type_rows
from sixtyforty.ingest.repeated_keys import mark_repeated_keys, prepare_repeated_keys
from sixtyforty.spec.sources import Source
from sixtyforty.spec.use_case import UseCase
from sixtyforty.storage.duckdb_session import connect
from tests.helpers import CALLS, csv_text, make_use_case
from tests.sixtyforty.ingest.formats.samples import parse_content, typed_rows
from tests.staged import lines_by_partition, stage_file

NAME, DAY, NEXT = "calls_2013-03-10.csv", "2013-03-10", "2013-03-11"


NOON, NOON_AFTER = "2013-03-10 12:00:00", "2013-03-11 12:00:00"
COUNTED = ": the line counts in the earliest partition of the file name"


def partition_text(
    use_case: UseCase, folder: Path, text: str, name: str = NAME, source: str = "calls"
) -> dict[str, pa.Table]:
    path = folder / name
    path.write_text(text)
    return lines_by_partition(stage_file(use_case, path, source))


def type_texts(
    use_case: UseCase, folder: Path, *texts: str, source: str = "calls", newest_full: dict[str, int] | None = None
) -> list[dict[str, Any]]:
    """Each line of these extracts, landed one after the other, as the contract takes it."""
    contract, landed = use_case.sources[source], []
    for seq, text in enumerate(texts, 1):
        for partition, table in partition_text(use_case, folder, text, source=source).items():
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
        type_rows(db, contract, "landed", newest_full)
        prepare_repeated_keys(db, {})
        mark_repeated_keys(db, contract)
        return list(db.sql("from typed").to_arrow_table().to_pylist())


def statuses(rows: list[dict[str, Any]]) -> dict[tuple[str, int], str]:
    """Fate by extract and line."""
    return {(r["_extract"], r["_row"]): r["_status"] for r in rows}


def calls(*rows: tuple) -> str:
    return csv_text(CALLS, rows)


def raw_line(contract: Source, extract: str, partition: str) -> pa.Table:
    texts = dict.fromkeys(contract.columns) | {"_extract": extract, "_row": 2, "_seq": 1, "_broken": "broken"}
    line = pa.Table.from_pylist([texts], raw_schema(contract))
    return line.append_column("_partition", pa.array([partition]))


def test_rows_of_further_extracts_and_partitions_can_be_added(tiny_use_case: UseCase) -> None:
    contract = tiny_use_case.sources["calls"]
    with connect(tiny_use_case.timezone) as db:
        db.register("landed", pa.concat_tables([raw_line(contract, "it's 2", NEXT), raw_line(contract, "it's 1", DAY)]))
        type_rows(db, contract, "landed")
        kinds = dict(db.execute("select column_name, column_type from (describe typed)").fetchall())
        assert kinds["_partition"] == f"ENUM('{DAY}', '{NEXT}')"  # they sort as their texts do
        db.register("more", raw_line(contract, "it's 3", "2013-03-12"))
        add_typed_rows(db, contract, "more")
        add_typed_rows(db, contract, "more")
        rows = db.execute("select _extract, _partition, _status from typed order by _partition, _extract").fetchall()
    expected = [("it's 1", DAY), ("it's 2", NEXT), ("it's 3", "2013-03-12"), ("it's 3", "2013-03-12")]
    assert rows == [(*line, "quarantined") for line in expected]


@pytest.mark.parametrize("hour", ["", "NA", "yesterday", "2013-02-30 12:00:00"])
def test_a_row_without_a_date_is_quarantined(tiny_use_case: UseCase, tmp_path: Path, hour: str) -> None:
    rows = type_texts(tiny_use_case, tmp_path, calls((1, "a", hour, 0.5), (2, "b", NOON, 0.5)))
    assert [(r["_partition"], r["_status"]) for r in rows] == [(DAY, "quarantined"), (DAY, "row")]
    assert "the line has no readable date, so its partition is unknown" in rows[0]["_reason"]


def test_rows_get_their_types(tiny_use_case: UseCase, tmp_path: Path) -> None:
    rows = type_texts(tiny_use_case, tmp_path, calls((1, " north ", NOON, "1e-1"), (2, "NA", NOON, "")))
    assert [(r["id"], r["site"], r["call_hour"].isoformat(), r["load"], r["_reason"]) for r in rows] == [
        (1, "north", "2013-03-10T12:00:00", 0.1, None),
        (2, None, "2013-03-10T12:00:00", None, None),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("s3cret", "a", NOON, 0.5), "id is 's3cret', expected INTEGER"),
        (("99999999999", "a", NOON, 0.5), "id is '99999999999', expected INTEGER"),
        ((1, "a", NOON, "x" * 200), f"load is '{'x' * 100}', expected DOUBLE"),
        ((1, "a", NOON, "nan"), "load is 'nan', expected DOUBLE"),
        ((" ", "a", NOON, 0.5), "id is empty, but it is part of the key"),
        (("x", "a", NOON, "y"), "id is 'x', expected INTEGER; load is 'y', expected DOUBLE"),
        (
            (1, "a", "s3cret", 0.5),
            f"the line has no readable date, so its partition is unknown{COUNTED};"
            " call_hour is 's3cret', expected TIMESTAMP",
        ),
        (
            ("s3cret", "a", "2014-06-01 00:00", 0.5),
            f"the date 2014-05-31 is outside the partitions of the use case{COUNTED}; id is 's3cret', expected INTEGER",
        ),
    ],
)
def test_a_value_of_another_type_is_quarantined_with_its_column_and_text(
    tiny_use_case: UseCase, tmp_path: Path, row: tuple, reason: str
) -> None:
    bad, good = type_texts(tiny_use_case, tmp_path, calls(row, (2, "b", NOON, 0.5)))
    assert (bad["_status"], bad["_reason"]) == ("quarantined", reason)
    assert (good["_status"], good["_reason"]) == ("row", None)


def test_the_text_of_a_personal_column_is_not_shown(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path / "u", sources={"calls": {"personal": ["id"]}})
    (bad,) = type_texts(use_case, tmp_path, calls(("s3cret", "a", NOON, 0.5)))
    assert bad["_reason"] == "id is personal and not shown, expected INTEGER"
    assert "s3cret" not in str(bad)


@pytest.mark.parametrize("key", [["id"], ["id", "site"], ["site"]])
def test_rows_without_a_key_are_quarantined_and_never_merged(tmp_path: Path, key: list[str]) -> None:
    use_case = make_use_case(tmp_path / "u", sources={"calls": {"key": key}})
    first, second = calls(("", "", NOON, 0.1), ("NA", " ", NOON, 0.1)), calls(("", "", NOON, 0.2))
    rows = type_texts(use_case, tmp_path, first, second)
    reason = "; ".join(f"{column} is empty, but it is part of the key" for column in key)
    assert [(r["_status"], r["_reason"]) for r in rows] == [("quarantined", reason)] * 3


BLANK = ["\t", " \t ", '"\n"', '"\t\r\n\u2003\v\f\x1f"', '"\t\xa0\t"', "\u200b", "\ufeff \u2060", "\x85", "\u00ad"]


@pytest.mark.parametrize("blank", BLANK)
def test_a_key_of_white_space_is_quarantined_like_an_empty_one(tmp_path: Path, blank: str) -> None:
    use_case = make_use_case(tmp_path / "u", sources={"calls": {"key": ["site"]}})
    rows = type_texts(
        use_case, tmp_path, calls((1, blank, NOON, 0.1), (2, "\ta", NOON, 0.2), (3, "\u200b\x1b", NOON, 0.3))
    )
    assert [r["_status"] for r in rows] == ["quarantined", "row", "row"]
    assert rows[0]["_reason"] == "site is empty, but it is part of the key"


def test_white_space_is_a_value_outside_the_key(tiny_use_case: UseCase, tmp_path: Path) -> None:
    (row,) = type_texts(tiny_use_case, tmp_path, calls((1, "\t", NOON, 0.1)))
    assert (row["_status"], row["site"]) == ("row", "\t")


def test_a_part_of_a_key_is_not_enough(tmp_path: Path) -> None:
    use_case = make_use_case(tmp_path / "u", sources={"calls": {"key": ["id", "site"]}})
    rows = type_texts(use_case, tmp_path, calls((1, "", NOON, 0.1), (1, "a", NOON, 0.2)), calls((1, "NA", NOON, 0.3)))
    assert [r["_status"] for r in rows] == ["quarantined", "row", "quarantined"]


def test_rows_of_earlier_full_extracts_are_superseded(tiny_use_case: UseCase, tmp_path: Path) -> None:
    texts = calls((1, "a", NOON, 0.1), (2, "b", NOON, "bad")), calls((2, "b", NOON, 0.2), (2, "b", NOON, 0.2))
    rows = type_texts(tiny_use_case, tmp_path, *texts, newest_full={DAY: 2})
    assert statuses(rows) == {
        ("x1", 2): "superseded",
        ("x1", 3): "superseded",
        ("x2", 2): "row",
        ("x2", 3): "duplicate",
    }
    assert [r["_reason"] for r in rows] == [None, "load is 'bad', expected DOUBLE", None, None]


def test_a_repeated_row_is_a_duplicate_within_an_extract_and_across(tiny_use_case: UseCase, tmp_path: Path) -> None:
    one, two = (1, "a", NOON, 0.5), (2, "b", NOON, 0.5)
    rows = type_texts(tiny_use_case, tmp_path, calls(one, one, two), calls(two, (1, " a", NOON, "0.50")))
    assert statuses(rows) == {
        ("x1", 2): "row",
        ("x1", 3): "duplicate",
        ("x1", 4): "row",
        ("x2", 2): "duplicate",
        ("x2", 3): "duplicate",
    }


def test_a_later_row_supersedes_the_row_with_the_same_key(tiny_use_case: UseCase, tmp_path: Path) -> None:
    rows = type_texts(
        tiny_use_case,
        tmp_path,
        calls((1, "a", NOON, 0.1), (2, "b", NOON, 0.2)),
        calls((1, "a", NOON, 0.3)),
        calls((1, "a", NOON, 0.4)),
    )
    assert statuses(rows) == {("x1", 2): "superseded", ("x1", 3): "row", ("x2", 2): "superseded", ("x3", 2): "row"}


def test_a_withdrawn_correction_restores_the_first_row(tiny_use_case: UseCase, tmp_path: Path) -> None:
    right, wrong = calls((1, "a", NOON, 0.1)), calls((1, "a", NOON, 0.9))
    rows = type_texts(tiny_use_case, tmp_path, right, wrong, right)
    assert [r["load"] for r in rows if r["_status"] == "row"] == [0.1]
    assert statuses(rows) == {("x1", 2): "row", ("x2", 2): "superseded", ("x3", 2): "duplicate"}


def test_a_later_extract_decides_between_two_rows_of_a_key(tiny_use_case: UseCase, tmp_path: Path) -> None:
    rows = type_texts(
        tiny_use_case, tmp_path, calls((1, "a", NOON, 0.1), (1, "a", NOON, 0.2)), calls((1, "a", NOON, 0.2))
    )
    assert statuses(rows) == {("x1", 2): "superseded", ("x1", 3): "row", ("x2", 2): "duplicate"}


def test_contradictory_rows_of_an_extract_are_left_to_the_evaluation(tiny_use_case: UseCase, tmp_path: Path) -> None:
    rows = type_texts(tiny_use_case, tmp_path, calls((1, "a", NOON, 0.1), (1, "a", NOON, 0.2)))
    assert [r["_status"] for r in rows] == ["row", "row"]


def test_a_bad_row_supersedes_nothing(tiny_use_case: UseCase, tmp_path: Path) -> None:
    rows = type_texts(tiny_use_case, tmp_path, calls((1, "a", NOON, 0.1)), calls((1, "a", NOON, "much")))
    assert statuses(rows) == {("x1", 2): "row", ("x2", 2): "quarantined"}


def test_equal_bad_rows_are_all_quarantined(tiny_use_case: UseCase, tmp_path: Path) -> None:
    bad = calls((1, "a", NOON, "much"), (1, "a", NOON, "much"), (1, "a"))
    assert [r["_status"] for r in type_texts(tiny_use_case, tmp_path, bad, bad)] == ["quarantined"] * 6


SAMPLE_ROWS = st.tuples(
    st.sampled_from(["1", "2", "", "x"]),
    st.sampled_from(["a", "NA"]),
    st.sampled_from([NOON, NOON, NOON_AFTER, "2012-01-01 12:00:00", "2013-02-30 12:00:00", ""]),
    st.sampled_from(["0.5", "0.50", "0.9", "much"]),
)


LINES = st.lists(SAMPLE_ROWS.map(",".join) | st.sampled_from(["1,a", "1,a,b,c,d", '1,"a', "", ",,,"]), max_size=8)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect("America/New_York") as db:
        yield db


@given(st.lists(st.lists(SAMPLE_ROWS | st.none(), max_size=4), max_size=5))
@example([[("1", "a", NOON, "0.5")], [("1", "a", NOON, "0.9")], [("1", "a", NOON, "0.5")]])
def test_every_line_has_one_status_and_the_latest_row_of_each_key_counts(
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
    type_rows(database, contract, "landed")
    prepare_repeated_keys(database, {})
    mark_repeated_keys(database, contract)
    rows = database.sql("from typed").to_arrow_table().to_pylist()

    assert sorted((r["_extract"], r["_row"]) for r in rows) == sorted((r["_extract"], r["_row"]) for r in landed)
    assert all(r["_reason"] is not None for r in rows if r["_status"] == "quarantined")
    valid_seqs: dict[int, int] = {}
    for r in rows:
        if r["_reason"] is None and r["id"] is not None:
            valid_seqs[r["id"]] = max(r["_seq"], valid_seqs.get(r["id"], 0))
    for r in rows:
        if r["_reason"] is not None:
            is_corrected = r["id"] is not None and valid_seqs.get(r["id"], 0) > r["_seq"]
            assert r["_status"] == ("superseded" if is_corrected else "quarantined")
    assert {r["_status"] for r in rows} <= {"row", "duplicate", "superseded", "quarantined"}
    assert all(r["_status"] == "quarantined" for r in rows if r["id"] is None)
    sound = [r for r in rows if r["_reason"] is None]
    last = {key: max(r["_seq"] for r in sound if r["id"] == key) for key in {r["id"] for r in sound}}
    latest_rows = {tuple(r[c] for c in columns) for r in sound if r["_seq"] == last[r["id"]]}
    in_force = [tuple(r[c] for c in columns) for r in sound if r["_status"] == "row"]
    assert sorted(map(str, in_force)) == sorted(map(str, latest_rows))


@pytest.mark.parametrize(
    "text",
    [
        "2013-07-01T14:00:00+02:00",
        "2013-07-01 14:00+02",
        "2013-07-01T12:00:00Z",
        "2013-07-01T12:00",
        "2013-07-01 08:00:00.000-04:00",
        "2013-07-01 12:00:00",
    ],
)
def test_a_utc_offset_is_converted_in_every_format(text: str) -> None:
    source = Source(description="x", files="x", columns={"at": "TIMESTAMP"}, key=["at"])
    for data in (f"at\n{text}\n".encode(), f'{{"at": "{text}"}}'.encode()):
        assert typed_rows(parse_content(data, source), source) == [(datetime(2013, 7, 1, 12),)]


@given(moment=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), minutes=st.integers(-14 * 60, 14 * 60))
def test_any_utc_offset_is_converted(moment: datetime, minutes: int) -> None:
    source = Source(description="x", files="x", columns={"at": "TIMESTAMP"}, key=["at"])
    local = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert typed_rows(parse_content(f"at\n{local}\n".encode(), source), source) == [(moment,)]


def test_columns_and_null_texts_may_hold_quotes(tmp_path: Path) -> None:
    columns = {'a"b': "INTEGER", "it's": "VARCHAR"}
    quoted = {"files": "q*.csv", "description": "q", "columns": columns, "key": ['a"b'], "null_text": "n'a"}
    use_case = make_use_case(tmp_path / "u", sources={"quoted": quoted})
    (row, bad) = type_texts(use_case, tmp_path, '"a""b",it\'s\n1,n\'a\nx,y\n', source="quoted")
    assert (row['a"b'], row["it's"], row["_status"]) == (1, None, "row")
    assert bad["_reason"] == """a"b is 'x', expected INTEGER"""
