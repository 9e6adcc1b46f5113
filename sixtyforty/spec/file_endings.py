"""The file name endings of each format of extracts."""

from __future__ import annotations

from typing import Literal

FormatKind = Literal["csv", "parquet", "json"]
ENDINGS: dict[FormatKind, tuple[str, ...]] = {  # file name endings without the dot, the most common first
    "csv": ("csv",),
    "parquet": ("parquet", "pq"),
    "json": ("jsonl", "ndjson", "json"),
}

FORMAT_NAMES: dict[FormatKind, str] = {"csv": "CSV", "parquet": "Parquet", "json": "JSON"}


def format_kind_of(name: str) -> FormatKind | None:
    """Return the format that has the ending of a file name or glob; None if no format has this ending.

    A `.gz` after the ending is ignored, and so is a `*` at the end of a glob.
    """
    ending = name.lower().rstrip("*").removesuffix(".gz").rpartition(".")[2]
    return next((kind for kind, endings in ENDINGS.items() if ending in endings), None)
