"""The lake's rows: the same make the same bytes, whatever they are; as SQL, on what clock, and cut by partition."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.lake import Lake, digest, split

DATASET, DAY = "validated/calls", "2013-03-10"


@pytest.mark.parametrize("folder", ["plain", "o'neil", 'the "lake"', "with space", "brackets[1]"])
def test_rows_are_read_by_sql_with_their_partition_wherever_the_lake_lies(tmp_path: Path, folder: str) -> None:
    lake = Lake(tmp_path / folder)
    lake.write(DATASET, DAY, pa.table({"n": [1, 2]}))
    lake.write(DATASET, "2013-03-11", pa.table({"n": [3]}))
    with connect("America/New_York") as db:
        found = db.execute(
            f"select _partition, n from {lake.rows(lake.entries(DATASET).values())} order by n"
        ).fetchall()
    assert found == [(DAY, 1), (DAY, 2), ("2013-03-11", 3)]


def test_local_is_the_use_cases_own_clock_on_both_sides_of_a_clock_change() -> None:
    with connect("America/New_York") as db:
        found = db.execute(
            "select local(timestamp '2013-03-10 06:59:00'), local(timestamp '2013-03-10 07:00:00')"
        ).fetchall()
    assert found == [(datetime(2013, 3, 10, 1, 59), datetime(2013, 3, 10, 3, 0))]


def test_split_cuts_a_sorted_table_and_leaves_out_what_was_not_asked_for() -> None:
    table = pa.table({"day": ["a", "a", "b", "c"], "n": [1, 2, 3, 4]})
    cut = split(table, "day", ["a", "c", "d"])
    assert {k: t.to_pylist() for k, t in cut.items()} == {"a": [{"n": 1}, {"n": 2}], "c": [{"n": 4}]}


@given(st.lists(st.sampled_from("abcd")).map(sorted), st.sets(st.sampled_from("abcde")))
def test_split_gives_each_asked_partition_exactly_its_rows(days: list[str], asked: set[str]) -> None:
    table = pa.table({"day": pa.array(days, pa.string()), "n": list(range(len(days)))})
    cut = split(table, "day", sorted(asked))
    assert {k: t["n"].to_pylist() for k, t in cut.items()} == {
        d: [i for i, x in enumerate(days) if x == d] for d in set(days) & asked
    }


ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.text(max_size=5),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.booleans(),
        st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    ),
    max_size=20,
)
SCHEMA = pa.schema(
    [("i", pa.int32()), ("s", pa.string()), ("f", pa.float64()), ("b", pa.bool_()), ("t", pa.timestamp("us"))]
)


def table_of(rows: list[tuple]) -> pa.Table:
    return pa.table([pa.array([r[i] for r in rows], SCHEMA.field(i).type) for i in range(5)], schema=SCHEMA)


@given(ROWS, ROWS, ROWS, st.integers(0, 20))
def test_bytes_do_not_depend_on_how_a_table_was_put_together(
    before: list[tuple], rows: list[tuple], after: list[tuple], at: int
) -> None:
    whole = table_of(rows)
    chunked = pa.concat_tables([table_of(rows[:at]), table_of(rows[at:])])
    sliced = table_of([*before, *rows, *after]).slice(len(before), len(rows))
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        entries = [lake.write(DATASET, DAY, t) for t in (whole, chunked, sliced)]
        assert len({(e.sha256, e.version, e.rows) for e in entries}) == 1


@given(ROWS, ROWS)
def test_different_rows_are_different_versions(one: list[tuple], other: list[tuple]) -> None:
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        a, b = lake.write(DATASET, DAY, table_of(one)), lake.write(DATASET, DAY, table_of(other))
        # 0.0 and -0.0 are equal to Python and not to a file
        assert (a.version == b.version) == (repr(one) == repr(other))


@given(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=5))
def test_a_digest_does_not_depend_on_the_order_of_keys(data: dict) -> None:
    assert digest(data) == digest(dict(reversed(data.items())))


@pytest.mark.parametrize("moment", ["2013-01-10 08:00", "2013-07-10 23:30", "2013-03-10 12:00"])
def test_a_moment_on_the_own_clock_and_back_is_the_same(moment: str) -> None:
    with connect("America/New_York") as db:
        local, back = db.execute(f"select local(timestamp '{moment}'), utc(local(timestamp '{moment}'))").fetchall()[0]
    assert str(back)[:16] == moment and local != back
