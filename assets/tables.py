"""Rows and pictures in Dagster's pages."""

from __future__ import annotations

import base64
from typing import Any

import dagster as dg


def table(rows: list[dict[str, Any]]) -> dg.MetadataValue[Any]:
    """Rows as a table in the UI; at least one row."""
    schema = dg.TableSchema([dg.TableColumn(k, _kind(v)) for k, v in rows[0].items()])
    return dg.MetadataValue.table([dg.TableRecord({k: _cell(v) for k, v in r.items()}) for r in rows], schema)


def image(png: bytes, what: str) -> dg.MarkdownMetadataValue:
    """A picture in the UI; what: said where it can't be seen."""
    return dg.MetadataValue.md(f"![{what}](data:image/png;base64,{base64.b64encode(png).decode()})")


def _kind(value: object) -> str:
    return (
        "bool"
        if isinstance(value, bool)
        else "int"
        if isinstance(value, int)
        else "float"
        if isinstance(value, float)
        else "string"
    )


def _cell(value: object) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
