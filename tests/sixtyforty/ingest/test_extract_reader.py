"""An extract is decompressed, its format is chosen, and its hash is that of its bytes."""

from __future__ import annotations

import gzip

from sixtyforty.ingest.extract_reader import content_hash
from sixtyforty.spec.sources import Source
from tests.sixtyforty.ingest.formats.samples import parse_content

SOURCE = Source(description="Parcels.", files="parcels_*.csv", columns={"parcel": "INTEGER"}, key=["parcel"])


def test_the_hash_depends_on_the_content_alone() -> None:
    assert content_hash(b"a") == content_hash(bytes([97])) != content_hash(b"b")


def test_an_extract_is_read_packed_or_not() -> None:
    plain = parse_content(b"parcel\n1\n", SOURCE)
    packed = parse_content(gzip.compress(b"parcel\n1\n"), SOURCE)
    assert plain.table is not None
    assert plain.table.to_pydict() == {"parcel": ["1"], "_row": [2]}
    assert packed == plain


def test_a_damaged_gzip_file_is_refused_and_counts_as_a_loss() -> None:
    parsed = parse_content(gzip.compress(b"parcel\n1\n")[:-9], SOURCE)
    assert (parsed.table, parsed.lines) == (None, 1)
    assert "cut off" in str(parsed.problem)


def test_the_content_decides_over_the_declared_ending() -> None:
    parsed = parse_content(b'{"parcel": 7}\n', SOURCE)
    assert parsed.table is not None
    assert parsed.table["parcel"].to_pylist() == ["7"]
