"""A data contract declares only types whose texts have one documented meaning."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sixtyforty.spec.contract_types import parse_type
from sixtyforty.spec.sources import Source


@pytest.mark.parametrize(
    ("declared", "kind", "decimals"),
    [
        ("BIGINT", "whole", 0),
        ("int", "whole", 0),
        ("DECIMAL(12,2)", "decimal", 2),
        ("numeric( 9 , 4 )", "decimal", 4),
        ("decimal(9)", "decimal", 0),
        ("DECIMAL", "decimal", 3),
        ("double  precision", "float", 0),
        ("TIMESTAMP", "timestamp", 6),
        ("timestamp with time zone", "zoned", 6),
        ("TIMESTAMP_NS", "timestamp", 9),
        ("varchar(20)", "text", 0),
    ],
)
def test_a_type_has_a_kind_and_decimals(declared: str, kind: str, decimals: int) -> None:
    contract_type = parse_type(declared)
    assert contract_type is not None
    assert (contract_type.kind, contract_type.decimals) == (kind, decimals)


REFUSED = ["INTERVAL", "INTEGER[]", "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)", "BLOB", "BIT", "UHUGEINT", "TIMETZ"]


@pytest.mark.parametrize(
    "declared", [*REFUSED, "DECIMAL(39,2)", "DECIMAL(4,5)", "BIGINT(3)", "VARCHAR(1,2)", "", "NUMBER"]
)
def test_any_other_type_is_refused_with_the_column_and_the_allowed_types(declared: str) -> None:
    assert parse_type(declared) is None
    with pytest.raises(ValidationError, match="a column can't have the type") as refusal:
        Source(description="x", files="x", columns={"id": "BIGINT", "x": declared}, key=["id"])
    assert "columns.x" in str(refusal.value)
    assert "DECIMAL(width, scale)" in str(refusal.value)


def test_a_document_is_no_key() -> None:
    columns = {"id": "JSON", "x": "VARCHAR"}
    with pytest.raises(ValidationError, match="'id' is JSON"):
        Source(description="x", files="x", columns=columns, key=["id"])
    assert Source(description="x", files="x", columns=columns, key=["x"]).columns == columns
