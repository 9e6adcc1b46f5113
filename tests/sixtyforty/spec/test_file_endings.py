"""A file name or glob shows its format by its ending."""

from __future__ import annotations

import pytest

from sixtyforty.spec.file_endings import format_kind_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("calls_*.csv", "csv"),
        ("calls_*.CSV.gz", "csv"),
        ("a/b.ndjson", "json"),
        ("b.json", "json"),
        ("b.pq", "parquet"),
        ("calls_*", None),
        ("csv", "csv"),
        ("calls.csv.zip", None),
        ("", None),
    ],
)
def test_the_ending_names_the_format(name: str, kind: str | None) -> None:
    assert format_kind_of(name) == kind
