"""The version of a manifest covers everything in it, and a manifest survives being written and read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sixtyforty.storage.files import canonical_json, file_stamp, write_atomic
from sixtyforty.storage.manifests import (
    Entry,
    ManifestError,
    parse_manifest,
    read_manifest,
    split_by_rows,
    versions_by_partition,
)

ENTRY = Entry(
    "validated/calls", "2013-03-10", "2013-03-10.aa.parquet", 2, "aa", {"raw/calls": {"x": "y"}}, "c", {"a": 1}
)


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "raw/calls"},
        {"partition": "2013-03-11"},
        {"file": "other.parquet"},
        {"rows": 3},
        {"sha256": "bb"},
        {"inputs": {"raw/calls": {"x": "z"}}},
        {"code": "d"},
        {"facts": {"a": 2}},
        {"schema": "dd"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_any_field_changes_the_version(change: dict[str, Any]) -> None:
    assert replace(ENTRY, **change).version != ENTRY.version
    assert replace(ENTRY).version == ENTRY.version


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    content = canonical_json(ENTRY.manifest).encode()
    write_atomic(tmp_path / "m.json", content)
    assert parse_manifest(content, "a.json") == ENTRY
    assert read_manifest(str(tmp_path / "m.json"), *file_stamp(tmp_path / "m.json")) == ENTRY


@pytest.mark.parametrize(
    "content", [b"", b'{"dataset": "raw/calls"', b"damaged by a disk", b"[]", b'{"dataset": "raw"}']
)
def test_a_damaged_manifest_is_one_error_that_names_the_file(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "2013-03-10.json"
    write_atomic(file, content)
    with pytest.raises(ManifestError, match=r"2013-03-10\.json is damaged"):
        read_manifest(str(file), *file_stamp(file))
    with pytest.raises(ManifestError, match=r"2013-03-10\.json is damaged"):
        parse_manifest(content, str(file))


def test_a_replaced_manifest_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    for rows in (1, 2):
        write_atomic(file, canonical_json(replace(ENTRY, rows=rows).manifest).encode())
        assert read_manifest(str(file), *file_stamp(file)).rows == rows


def test_versions_are_given_by_partition() -> None:
    other = replace(ENTRY, partition="2013-03-11")
    assert versions_by_partition({e.partition: e for e in (ENTRY, other)}) == {
        "2013-03-10": ENTRY.version,
        "2013-03-11": other.version,
    }


def test_portions_have_at_most_so_many_rows_or_one_partition() -> None:
    entries = {str(n): replace(ENTRY, rows=rows) for n, rows in enumerate([2, 3, 9, 1, 0, 4])}
    portions = split_by_rows(entries, 5)
    assert [list(portion) for portion in portions] == [["0", "1"], ["2"], ["3", "4", "5"]]
    assert split_by_rows({}, 5) == []
