"""Columns of types that DuckDB can't read keep their values."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sixtyforty.ingest.formats.parquet_types import convert_types
from tests.sixtyforty.ingest.formats.samples import SOURCE, parse_extract


def texts_of(file: Path) -> list[str | None]:
    """Return the texts of the column `v` of a Parquet file."""
    source = SOURCE.model_copy(update={"columns": {"v": "VARCHAR"}, "key": ["v"], "partition": None})
    parsed = parse_extract(file, source)
    assert parsed.table is not None, parsed.problem
    return parsed.table["v"].to_pylist()


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ("1 month", "1 month"),
        ("14 months 3 days", "1 year 2 months 3 days"),
        ("90 minutes", "01:30:00"),
        ("0.5 seconds", "00:00:00.5"),
    ],
)
def test_an_interval_becomes_its_text(interval: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    duckdb.sql(f"copy (select interval '{interval}' as v union all select null) to '{file}' (format parquet)")
    assert sorted(texts_of(file), key=str) == [text, None]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.float16(), [0.5, None]),
        (pa.list_(pa.float16()), [[0.5], None]),
        (pa.large_list(pa.float16()), [[0.5], []]),
        (pa.list_(pa.float16(), 2), [[0.5, 1.5], None]),
        (pa.struct([("a", pa.list_(pa.float16()))]), [{"a": [0.5]}, None]),
        (pa.map_(pa.string(), pa.float16()), [[("a", 0.5)], None]),
    ],
)
def test_small_floats_become_larger_ones(kind: pa.DataType, values: list[object]) -> None:
    converted = convert_types(pa.table({"v": pa.array(values, kind), "w": ["x", "y"]}), [])
    assert converted["v"].to_pylist() == values and converted.column_names == ["v", "w"]
    assert duckdb.sql("select v from converted").fetchall()


def test_long_decimal_numbers_become_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": pa.array([Decimal("1.50"), None], pa.decimal256(50, 2))}), tmp_path / "x.parquet")
    assert texts_of(tmp_path / "x.parquet") == ["1.50", None]


def test_a_type_that_cannot_be_read_is_named_as_such(tmp_path: Path) -> None:
    numbers = pa.array([[Decimal("1.50")]], pa.list_(pa.decimal256(50, 2)))
    pq.write_table(pa.table({"v": numbers}), tmp_path / "x.parquet")
    source = SOURCE.model_copy(update={"columns": {"v": "VARCHAR"}, "key": ["v"], "partition": None})
    problem = parse_extract(tmp_path / "x.parquet", source).problem or ""
    assert "a column of a type that can't be read" in problem and "leave the column out" in problem


def test_the_maps_of_a_part_of_a_table_are_measured_alone(tmp_path: Path) -> None:
    """A row must not count the entries of the rows around it, or it would be too long."""
    maps = pa.array([[("key", "x" * (1 << 20))] for _ in range(40)], pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table({"v": maps}), tmp_path / "x.parquet")
    assert [len(text or "") for text in texts_of(tmp_path / "x.parquet")] == [(1 << 20) + len('{"key":""}')] * 40


@pytest.mark.parametrize("kind", [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")])
def test_the_midnight_at_the_end_of_a_day_is_judged_by_the_contract(kind: pa.DataType, tmp_path: Path) -> None:
    per_hour = {"s": 3600, "ms": 3_600_000, "us": 3_600_000_000, "ns": 3_600_000_000_000}[kind.unit]
    pq.write_table(pa.table({"v": pa.array([per_hour, 24 * per_hour, None], kind)}), tmp_path / "x.parquet")
    assert texts_of(tmp_path / "x.parquet") == ["01:00:00", "24:00:00", None]


def test_the_midnight_at_the_end_of_a_day_is_no_damage_within_lists_and_structures(tmp_path: Path) -> None:
    midnight = pa.array([86_400_000_000], pa.time64("us"))
    structure = pa.StructArray.from_arrays([midnight, pa.array(["a"])], ["until", "name"])
    for values, text in [
        (pa.ListArray.from_arrays([0, 1], midnight), '["24:00:00"]'),
        (structure, '{"until":"24:00:00","name":"a"}'),
        (pa.ListArray.from_arrays([0, 1], structure), '[{"until":"24:00:00","name":"a"}]'),
        (pa.MapArray.from_arrays([0, 1], pa.array(["a"]), midnight), '{"a":"24:00:00"}'),
    ]:
        pq.write_table(pa.table({"v": values}), tmp_path / "x.parquet")
        assert texts_of(tmp_path / "x.parquet") == [text]


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("number", [-1, 86_400_000_001, 2**62])
def test_a_time_outside_of_a_day_is_damage(number: int, is_nested: bool, tmp_path: Path) -> None:
    times = pa.array([number], pa.time64("us"))
    values = pa.ListArray.from_arrays([0, 1], times) if is_nested else times
    pq.write_table(pa.table({"v": values}), tmp_path / "x.parquet")
    source = SOURCE.model_copy(update={"columns": {"v": "VARCHAR"}, "key": ["v"], "partition": None})
    assert "not readable as Parquet" in (parse_extract(tmp_path / "x.parquet", source).problem or "")
