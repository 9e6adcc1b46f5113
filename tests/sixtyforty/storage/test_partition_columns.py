"""Equal columns have an equal hash, and are read once."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.storage.partition_columns import columns_of, read_columns, schema_hash

FIELDS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from([pa.int32(), pa.float64(), pa.string()])),
    unique_by=lambda field: field[0],
    min_size=1,
)


@given(FIELDS, FIELDS)
def test_only_equal_names_and_types_in_the_same_order_have_an_equal_hash(
    one: list[tuple[str, pa.DataType]], other: list[tuple[str, pa.DataType]]
) -> None:
    assert (schema_hash(pa.schema(one)) == schema_hash(pa.schema(other))) == (one == other)


def test_the_columns_of_a_file_are_read_once(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array([1], pa.int32()), "text": ["a"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    columns = read_columns(tmp_path / "rows.parquet", str(tmp_path))
    assert columns == columns_of(table.schema) == {"n": "int32", "text": "string"}
    (tmp_path / "rows.parquet").unlink()
    assert read_columns(tmp_path / "rows.parquet", str(tmp_path)) == columns
