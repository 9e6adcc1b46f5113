"""Check the values of Parquet columns, and convert types that DuckDB can't read to types that it can read.

- Floating-point numbers of 16 bits become numbers of 32 bits, also within lists and structures.
- Decimal numbers of more than 38 digits become text.
- Intervals, which Arrow reads as 12 bytes, become Arrow's intervals.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

INTERVAL = "INTERVAL"
MIDNIGHT_AFTER = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}  # 24:00 by time unit


def require_valid(table: pa.Table) -> None:
    """Raise ArrowInvalid if a table of a damaged file has values, such as wrong indices, that would crash the process.

    The time of day 24:00:00, which databases write, is not damage. The data contract judges it.
    """
    for column in table.columns:
        column.validate(full=not _is_time_until_midnight(column))


def _is_time_until_midnight(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_time(column.type):
        return False
    numbers = column.cast(pa.int32() if pa.types.is_time32(column.type) else pa.int64())
    first, last = pc.min_max(numbers).as_py().values()
    return first is not None and first >= 0 and last == MIDNIGHT_AFTER[column.type.unit]


def leaf_columns(metadata: pq.FileMetaData) -> list[pq.ColumnSchema]:
    """Return the columns of a file that hold values. A list or structure has such columns within it."""
    return [metadata.schema.column(number) for number in range(metadata.num_columns)]


def find_intervals(metadata: pq.FileMetaData) -> set[str]:
    """Return the columns of a file that are intervals. Intervals within lists and structures are left out."""
    return {leaf.path for leaf in leaf_columns(metadata) if leaf.converted_type == INTERVAL}


def convert_types(table: pa.Table, intervals: Collection[str]) -> pa.Table:
    """Return a table whose columns DuckDB can read. intervals: its columns that hold an interval as 12 bytes."""
    for position, column in enumerate(table.schema):
        if column.name in intervals:
            converted = _intervals(table[position])
        elif (kind := _readable(column.type)) != column.type:
            converted = table[position].cast(kind)
        else:
            continue
        table = table.set_column(position, column.name, converted)
    return table


def _readable(kind: pa.DataType) -> pa.DataType:
    """Return the type in which DuckDB can read the values of a type, or the type itself."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_decimal256(kind):
        return pa.string()
    return _with_larger_floats(kind)


def _with_larger_floats(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa
    from pyarrow import types

    if types.is_float16(kind):
        return pa.float32()
    if types.is_map(kind):
        return pa.map_(_with_larger_floats(kind.key_type), _with_larger_floats(kind.item_type))
    if types.is_list(kind):
        return pa.list_(_with_larger_floats(kind.value_type))
    if types.is_large_list(kind):
        return pa.large_list(_with_larger_floats(kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_with_larger_floats(kind.value_type), kind.list_size)
    if types.is_struct(kind):
        return pa.struct([(field.name, _with_larger_floats(field.type)) for field in kind])
    return kind


def _intervals(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of intervals. A Parquet interval is three numbers of 4 bytes: months, days and milliseconds."""
    import pyarrow as pa

    numbers = [None if part is None else struct.unpack("<3I", part) for part in column.to_pylist()]
    intervals = [part and pa.MonthDayNano([part[0], part[1], part[2] * 1_000_000]) for part in numbers]
    return pa.chunked_array([pa.array(intervals, pa.month_day_nano_interval())])
