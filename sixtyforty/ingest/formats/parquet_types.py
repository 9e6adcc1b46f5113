"""Check the values of Parquet columns, and convert types that DuckDB can't read to types that it can read.

- Floating-point numbers of 16 bits become numbers of 32 bits, also within lists and structures.
- Decimal numbers of more than 38 digits become text.
- Intervals, which Arrow reads as 12 bytes, become Arrow's intervals.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from sixtyforty.spec.contract_types import MAX_DECIMAL_WIDTH

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

INTERVAL = "INTERVAL"
CONTRACT_TYPES = {  # for the names of Arrow types
    **{"int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT", "bool": "BOOLEAN"},
    **{"uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT"},
    **{"halffloat": "FLOAT", "float": "FLOAT", "double": "DOUBLE", "extension<arrow.uuid>": "UUID"},
}
MIDNIGHT_AFTER = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}  # 24:00 by time unit


def require_valid(table: pa.Table) -> None:
    """Raise ArrowInvalid if a table of a damaged file has values, such as wrong indices, that would crash the process.

    The time of day 24:00:00, which databases write, is not damage. The data contract judges it.
    """
    for column in table.columns:
        numbers_type = _replace_types(column.type, _number_type)
        for array in column.chunks:
            array.view(numbers_type).validate(full=True)
            if numbers_type != array.type:
                _require_times_until_midnight(array)


def _number_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the numbers in which Arrow stores times of day; any other type as it is."""
    import pyarrow as pa

    if pa.types.is_time(kind):
        return pa.int32() if pa.types.is_time32(kind) else pa.int64()
    return kind


def _require_times_until_midnight(array: pa.Array) -> None:
    """Raise ArrowInvalid if a time of day, also within a list or a structure, is negative or later than 24:00:00."""
    import pyarrow.compute as pc
    from pyarrow import types

    parts: list[pa.Array] = []
    if types.is_struct(array.type):
        parts = array.flatten()
    elif types.is_map(array.type):
        parts = [array.keys, array.items]
    elif types.is_nested(array.type):
        parts = [array.flatten()]
    elif types.is_time(array.type):
        first, last = pc.min_max(array.view(_number_type(array.type))).as_py().values()
        if first is not None and (first < 0 or last > MIDNIGHT_AFTER[array.type.unit]):
            array.validate(full=True)  # raises Arrow's error, which names the time
    for part in parts:
        _require_times_until_midnight(part)


def leaf_columns(metadata: pq.FileMetaData) -> list[pq.ColumnSchema]:
    """Return the columns of a file that hold values. A list or structure has such columns within it."""
    return [metadata.schema.column(number) for number in range(metadata.num_columns)]


def contract_type_of(kind: pa.DataType) -> str:
    """Return the type in which a data contract declares a column of an Arrow type; VARCHAR if no other type fits.

    The values may still not fit: a time may have nanoseconds, and a decimal number more than 38 digits.
    """
    from pyarrow import types

    if types.is_dictionary(kind):
        return contract_type_of(kind.value_type)
    if types.is_decimal(kind):
        return f"DECIMAL({min(kind.precision, MAX_DECIMAL_WIDTH)},{max(0, kind.scale)})"
    checks = {"DATE": types.is_date, "TIME": types.is_time, "TIMESTAMP": types.is_timestamp}
    times = (name for name, is_of_kind in checks.items() if is_of_kind(kind))
    return next(times, CONTRACT_TYPES.get(str(kind), "VARCHAR"))


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
    return _replace_types(kind, _larger_float)


def _larger_float(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.float32() if pa.types.is_float16(kind) else kind


def _replace_types(kind: pa.DataType, replace: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return a type with another type for its values, also within lists, maps and structures."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_map(kind):
        return pa.map_(_replace_types(kind.key_type, replace), _replace_types(kind.item_type, replace))
    if types.is_list(kind):
        return pa.list_(_replace_types(kind.value_type, replace))
    if types.is_large_list(kind):
        return pa.large_list(_replace_types(kind.value_type, replace))
    if types.is_fixed_size_list(kind):
        return pa.list_(_replace_types(kind.value_type, replace), kind.list_size)
    if types.is_struct(kind):
        return pa.struct([(field.name, _replace_types(field.type, replace)) for field in kind])
    return replace(kind)


def _intervals(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of intervals. A Parquet interval is three numbers of 4 bytes: months, days and milliseconds."""
    import pyarrow as pa

    numbers = [None if part is None else struct.unpack("<3I", part) for part in column.to_pylist()]
    intervals = [part and pa.MonthDayNano([part[0], part[1], part[2] * 1_000_000]) for part in numbers]
    return pa.chunked_array([pa.array(intervals, pa.month_day_nano_interval())])
