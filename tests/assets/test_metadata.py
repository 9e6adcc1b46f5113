"""Rows and pictures on Dagster's pages."""

from __future__ import annotations

from datetime import date

import dagster as dg

from assets.metadata import image, table


def test_rows_become_a_table_with_types() -> None:
    shown = table([{"day": date(2013, 4, 1), "rows": 3, "share": 0.5, "open": True, "note": None}])
    assert isinstance(shown, dg.TableMetadataValue)
    assert {c.name: c.type for c in shown.schema.columns} == {
        "day": "string",
        "rows": "int",
        "share": "float",
        "open": "bool",
        "note": "string",
    }
    assert shown.records[0].data == {"day": "2013-04-01", "rows": 3, "share": 0.5, "open": True, "note": None}


def test_no_rows_are_an_empty_list() -> None:
    assert table([]).value == []


def test_a_picture_is_embedded_with_its_description() -> None:
    assert image(b"png", "a curve").value == "![a curve](data:image/png;base64,cG5n)"
