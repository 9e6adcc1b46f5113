"""New, missing, renamed and retyped columns are told apart."""

from __future__ import annotations

import pytest

from sixtyforty.ingest.extract import OTHER_TEXT, OpenedExtract
from sixtyforty.ingest.schema_drift import SchemaDrift, compare_columns, describe_header, is_readable_as
from sixtyforty.spec.sources import Source

SOURCE = Source(
    description="Orders.",
    files="orders*.csv",
    columns={"order_id": "BIGINT", "placed": "DATE", "note": "VARCHAR", "total": "DECIMAL(12,2)"},
    other_names={"total": ["sum"]},
    optional_columns=["note"],
    key=["order_id"],
)
SAME = ["order_id", "placed", "note", "total"]


@pytest.mark.parametrize(
    ("names", "misfits", "drift", "is_breaking"),
    [
        (SAME, {}, SchemaDrift(), False),
        (["order_id", "placed", "note", "sum"], {}, SchemaDrift(), False),
        ([*SAME, "vat"], {}, SchemaDrift(new=["vat"]), False),
        (["order_id", "placed", "total"], {}, SchemaDrift(optional=["note"]), False),
        (["order_id", "note", "total"], {}, SchemaDrift(missing=["placed"]), True),
        (["OrderID", "placed", "note", "total"], {}, SchemaDrift(renamed={"order_id": "OrderID"}), True),
        (SAME, {"placed": "VARCHAR"}, SchemaDrift(retyped={"placed": ("DATE", "VARCHAR")}), True),
        (SAME, {"total": "BIGINT"}, SchemaDrift(), False),
    ],
)
def test_differences_are_named(
    names: list[str], misfits: dict[str, str], drift: SchemaDrift, is_breaking: bool
) -> None:
    assert compare_columns(SOURCE, names, misfits) == drift
    assert drift.is_breaking == is_breaking
    assert bool(drift.describe()) == (drift != SchemaDrift())


@pytest.mark.parametrize(
    ("declared", "present", "readable"),
    [
        ("VARCHAR", "BIGINT", True),
        ("BIGINT", "INTEGER", True),
        ("BIGINT", "DOUBLE", False),
        ("DECIMAL(12,2)", "DECIMAL(18,4)", True),
        ("DOUBLE", "DECIMAL(18,4)", True),
        ("DATE", "TIMESTAMP", False),
        ("TIMESTAMP", "DATE", True),
        ("DATE", "VARCHAR", False),
        ("INT8", "INTEGER", True),
        ("INT8", "VARCHAR", False),
        ("NUMERIC(9)", "VARCHAR", False),
        ("double precision", "DECIMAL(18,4)", True),
        ("LOGICAL", "BIGINT", True),
        ("LOGICAL", "VARCHAR", False),
        ("TIMESTAMPTZ", "VARCHAR", False),
        ("TIMESTAMPTZ", "DATE", True),
        ("DATETIME", "TIMESTAMP", True),
        ("TIME", "VARCHAR", True),
        ("BIGINT", "", False),
    ],
)
def test_types_that_hold_the_values_exactly_are_readable(declared: str, present: str, readable: bool) -> None:
    assert is_readable_as(declared, present) == readable


def test_a_text_that_looks_like_another_encoding_is_named() -> None:
    source = Source(description="x", files="x.csv", key=["a"], columns={"a": "VARCHAR"}, encoding="cp1252")
    opened = OpenedExtract([], iter(()), detected={OTHER_TEXT: "utf-8"})
    assert describe_header(source, opened) == ["the text looks like utf-8, but encoding 'cp1252' is declared"]
