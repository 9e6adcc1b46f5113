"""Convert decisions between tables and dataclasses.

A table has a column for each key column of the unit. A dataclass has a single field `unit` for all key columns, because
each use case declares the names of the key columns. The other fields have the names of the table's other columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)


def records_from_rows(kind: type[Record], columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[Record]:
    """Return one dataclass instance for each row of a table.

    columns: the names of the cells of a row. A column that is no field of the dataclass belongs to the unit's key.
    """
    if not rows:
        return []
    cells = dict(zip(columns, zip(*rows, strict=True), strict=True))  # conversion by column is faster than row by row
    names = [field.name for field in fields(kind)]
    key = [column for column in columns if column == "unit" or column not in names]
    units = [dict(zip(key, values, strict=True)) for values in zip(*(cells[column] for column in key), strict=True)]
    in_order = (units if name == "unit" else cells[name] for name in names)
    return [kind(*values) for values in zip(*in_order, strict=True)]


def record_to_dict(record: DataclassInstance) -> dict[str, Any]:
    """Return a dataclass instance as one JSON object, with the unit's key columns in place of the field `unit`."""
    columns: dict[str, Any] = {}
    for field in fields(record):
        content = getattr(record, field.name)
        columns |= content if field.name == "unit" else {field.name: content}
    return columns
