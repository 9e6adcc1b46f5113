"""The column types that a data contract may declare. Each type accepts only texts with exactly one meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["whole", "decimal", "float", "boolean", "date", "time", "timestamp", "zoned", "uuid", "json", "text"]

MAX_DECIMAL_WIDTH = 38
DEFAULT_DECIMAL = (18, 3)  # DuckDB's width and scale of a DECIMAL without parameters
ALLOWED = (  # the type names that errors suggest; other names of the same types are accepted, too
    *("VARCHAR", "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT"),
    *("UINTEGER", "UBIGINT", "DECIMAL(width, scale)", "FLOAT", "DOUBLE", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ"),
    *("UUID", "JSON"),
)
_NAMES: dict[Kind, tuple[str, ...]] = {
    "whole": (
        *("TINYINT", "INT1", "SMALLINT", "INT2", "SHORT", "INT16", "INTEGER", "INT", "INT4", "INT32", "SIGNED"),
        *("BIGINT", "INT8", "INT64", "LONG", "HUGEINT", "INT128", "UTINYINT", "UINT8", "USMALLINT", "UINT16"),
        *("UINTEGER", "UINT32", "UBIGINT", "UINT64"),
    ),
    "decimal": ("DECIMAL", "NUMERIC", "DEC"),
    "float": ("DOUBLE", "FLOAT8", "DOUBLE PRECISION", "FLOAT", "REAL", "FLOAT4"),
    "boolean": ("BOOLEAN", "BOOL", "LOGICAL"),
    "date": ("DATE",),
    "time": ("TIME", "TIME WITHOUT TIME ZONE"),
    "timestamp": (
        *("TIMESTAMP", "DATETIME", "TIMESTAMP WITHOUT TIME ZONE", "TIMESTAMP_US"),
        *("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"),
    ),
    "zoned": ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"),
    "uuid": ("UUID",),
    "json": ("JSON",),
    "text": ("VARCHAR", "TEXT", "STRING", "CHAR", "BPCHAR", "NVARCHAR"),
}
_KINDS: dict[str, Kind] = {name: kind for kind, names in _NAMES.items() for name in names}
_SECOND_DECIMALS = {"TIMESTAMP_S": 0, "TIMESTAMP_MS": 3, "TIMESTAMP_NS": 9}
MICROSECOND_DECIMALS = 6
_PARAMETERS = re.compile(r"([A-Z0-9_ ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?")


@dataclass(frozen=True)
class ContractType:
    """One column type of a data contract, such as `DECIMAL(10, 2)`.

    - sql: the type as declared, in upper case.
    - kind: the form of the texts that it accepts.
    - decimals: how many decimals a number, or the seconds of a time, may have.
    """

    sql: str
    kind: Kind
    decimals: int = 0


@lru_cache(maxsize=256)
def parse_type(declared: str) -> ContractType | None:
    """Parse the column type that a data contract declares; None if a contract can't declare this type."""
    text = " ".join(declared.upper().split())
    match = _PARAMETERS.fullmatch(text)
    kind = _KINDS.get(match[1]) if match else None
    if match is None or kind is None:
        return None
    if kind == "decimal":
        return _parse_decimal(text, match[2], match[3])
    if match[2] and (kind != "text" or match[3]):
        return None
    decimals = MICROSECOND_DECIMALS if kind in ("time", "timestamp", "zoned") else 0
    return ContractType(text, kind, _SECOND_DECIMALS.get(match[1], decimals))


def _parse_decimal(text: str, width: str | None, scale: str | None) -> ContractType | None:
    digits, decimals = (int(width), int(scale or 0)) if width else DEFAULT_DECIMAL
    if not 1 <= digits <= MAX_DECIMAL_WIDTH or decimals > digits:
        return None
    return ContractType(text, "decimal", decimals)
