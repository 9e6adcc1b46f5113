"""Partitions of every earlier data contract are read by today's: columns added, renamed, removed and retyped."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.ingest.casting import raw_schema
from sixtyforty.ingest.contract_rows import (
    align_raw_rows,
    find_retyped,
    lacks_columns,
    select_landed_rows,
    select_validated_rows,
)
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import Lake
from sixtyforty.storage.manifests import Entry


def contract(columns: dict[str, str], **changes: Any) -> Source:
    return Source(description="x", files="x.csv", columns=columns, key=["id"], **changes)


TODAY = contract({"id": "INTEGER", "load": "DOUBLE", "crew": "INTEGER"}, other_names={"load": ["weight"]})


def write(lake: Lake, day: int, **columns: Any) -> Entry:
    return lake.write("validated/calls", f"2013-03-{day:02}", pa.table({"id": pa.array([day], pa.int32()), **columns}))


def read(lake: Lake, source: Source, *entries: Entry) -> list[tuple[Any, ...]]:
    with lake.open_session("UTC") as db:
        relation = db.sql(f"from {select_validated_rows(lake, source, entries)} order by _partition")
        kinds = [str(kind) for kind in relation.types[:-1]]
        assert kinds == list(source.columns.values()), "the columns have the types of the contract"
        return relation.fetchall()


def test_old_and_new_partitions_are_read_side_by_side(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    old = write(lake, 1, weight=pa.array([1.5]), site=["north"])
    both = write(lake, 2, load=pa.array([None], pa.float64()), weight=pa.array([2.5]))
    new = write(lake, 3, crew=pa.array([4], pa.int32()), load=pa.array([3.5]))
    assert read(lake, TODAY, old, both, new) == [
        (1, 1.5, None, "2013-03-01"),
        (2, 2.5, None, "2013-03-02"),
        (3, 3.5, 4, "2013-03-03"),
    ]


@pytest.mark.parametrize(
    ("stored", "kind", "expected"),
    [
        (pa.array([3], pa.int32()), "DOUBLE", 3.0),
        (pa.array([3.0]), "INTEGER", 3),
        (pa.array([3.5]), "INTEGER", None),
        (pa.array(["3.5"]), "DOUBLE", 3.5),
        (pa.array(["many"]), "DOUBLE", None),
        (pa.array([3], pa.int32()), "VARCHAR", "3"),
        (pa.array([1 << 40]), "INTEGER", None),
    ],
)
def test_a_retyped_column_is_cast_exactly_or_null(tmp_path: Path, stored: Any, kind: str, expected: Any) -> None:
    lake, source = Lake(tmp_path), contract({"id": "INTEGER", "load": kind})
    entry = write(lake, 1, load=stored)
    assert read(lake, source, entry) == [(1, expected, "2013-03-01")]
    assert find_retyped(lake, source, entry) == ["load"]


def test_only_columns_of_another_type_count_as_retyped(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert find_retyped(lake, TODAY, write(lake, 1, weight=pa.array([1.5]))) == []
    assert find_retyped(lake, TODAY, write(lake, 2, weight=pa.array([1]), crew=pa.array(["a"]))) == ["crew", "weight"]


def test_raw_rows_are_text_and_keep_their_own_columns(tmp_path: Path) -> None:
    lake, before = Lake(tmp_path), contract({"id": "INTEGER", "weight": "DOUBLE"})
    rows = pa.Table.from_pylist(
        [{"id": "1", "weight": "1.5", "_row": 2, "_extract": "a", "_seq": 1}], raw_schema(before)
    )
    entry = lake.write("raw/calls", "2013-03-01", rows)
    with lake.open_session("UTC") as db:
        landed = db.sql(f"select * from {select_landed_rows(lake, TODAY, [entry])}")
        assert landed.fetchall() == [("1", "1.5", None, 2, None, None, "a", 1, "2013-03-01")]
    aligned = align_raw_rows(rows, TODAY, raw_schema(TODAY))
    assert aligned.schema.equals(raw_schema(TODAY))
    assert aligned.select(["id", "load", "crew"]).to_pylist() == [{"id": "1", "load": "1.5", "crew": None}]


def test_only_a_column_that_is_declared_now_and_absent_is_worth_reading_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    entry = lake.write(
        "raw/calls", "2013-03-01", raw_schema(contract({"id": "INTEGER", "weight": "DOUBLE"})).empty_table()
    )
    assert lacks_columns(lake, TODAY, entry, ["crew"])
    assert not lacks_columns(lake, TODAY, entry, ["colour", "load"]), "the partition holds the load as weight"


KINDS = {"INTEGER": pa.int32(), "DOUBLE": pa.float64(), "VARCHAR": pa.string()}
CONTRACTS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(sorted(KINDS)), max_size=4)


@given(st.lists(CONTRACTS, min_size=1, max_size=4))
def test_any_sequence_of_contracts_is_readable_and_no_row_is_lost(contracts: list[dict[str, str]]) -> None:
    """Each partition is written by the contract of its day; the values are small numbers, which every type holds."""
    with TemporaryDirectory() as folder:
        lake, entries = Lake(Path(folder)), []
        for day, columns in enumerate(contracts, 1):
            arrays = {name: pa.array([day]).cast(KINDS[kind]) for name, kind in columns.items()}
            entries.append(write(lake, day, **arrays))
        rows = read(lake, contract({"id": "INTEGER", **contracts[-1]}), *entries)
    assert [row[0] for row in rows] == list(range(1, len(contracts) + 1))
    for day, row in enumerate(rows, 1):
        for (name, kind), value in zip(contracts[-1].items(), row[1:], strict=False):
            held = contracts[day - 1].get(name)
            if held is None:
                assert value is None
            elif not (held == "DOUBLE" and kind == "VARCHAR"):  # 1.0 is written 1.0 in text
                assert float(value) == day
