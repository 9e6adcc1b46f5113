"""The extracts of a raw partition are read from its manifest as they were written."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from sixtyforty.storage.lake import Lake
from sixtyforty.storage.listed_extracts import ListedExtract, extract_facts, listed_extracts

DAY = "2013-06-01"
ACCEPTED = ListedExtract("a.csv", "f" * 64, seq=1, rows=2, refused=0, problem=None)
REFUSED = ListedExtract("b.csv", "e" * 64, seq=2, rows=0, refused=3, problem="columns missing: id")


def test_a_manifest_keeps_the_extracts_and_their_order(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    written = lake.write("raw/calls", DAY, pa.table({"id": [1]}), facts=extract_facts([REFUSED, ACCEPTED]))
    assert listed_extracts(written) == listed_extracts(lake.entry("raw/calls", DAY)) == [REFUSED, ACCEPTED]
    assert json.loads((tmp_path / "raw" / "calls" / f"{DAY}.json").read_text())["facts"] == {
        "extracts": [
            {
                "name": "b.csv",
                "sha256": "e" * 64,
                "seq": 2,
                "rows": 0,
                "refused": 3,
                "problem": "columns missing: id",
            },
            {"name": "a.csv", "sha256": "f" * 64, "seq": 1, "rows": 2, "refused": 0, "problem": None},
        ]
    }


def test_a_partition_that_does_not_exist_lists_no_extract() -> None:
    assert listed_extracts(None) == []
