"""Show rows and pictures as metadata on Dagster's pages."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import dagster as dg

MetadataItem: TypeAlias = dg.MetadataValue[Any] | str | int | float | None
Metadata: TypeAlias = dict[str, MetadataItem]  # what Dagster shows of a partition or of a check's result, by label
TableRow: TypeAlias = Mapping[str, object]  # the cells of a row, by column name


def table(rows: Sequence[TableRow]) -> dg.MetadataValue[Any]:
    """Return rows as a table for Dagster's pages, with the columns of the first row. Without rows: an empty list."""
    if not rows:
        return dg.MetadataValue.json([])
    schema = dg.TableSchema([dg.TableColumn(name, _column_type(cell)) for name, cell in rows[0].items()])
    records = [dg.TableRecord({name: _table_cell(cell) for name, cell in row.items()}) for row in rows]
    return dg.MetadataValue.table(records, schema)


def image(png: bytes, description: str) -> dg.MarkdownMetadataValue:
    """Return a PNG picture for Dagster's pages. The description replaces a picture that can't be shown."""
    return dg.MetadataValue.md(f"![{description}](data:image/png;base64,{base64.b64encode(png).decode()})")


def _column_type(cell: object) -> str:
    if isinstance(cell, bool):
        return "bool"
    if isinstance(cell, int):
        return "int"
    return "float" if isinstance(cell, float) else "string"


def _table_cell(cell: object) -> str | int | float | bool | None:
    return cell if cell is None or isinstance(cell, str | int | float | bool) else str(cell)
