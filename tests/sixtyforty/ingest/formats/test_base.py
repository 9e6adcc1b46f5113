"""What all formats share for profiling."""

from __future__ import annotations

from pathlib import Path

import duckdb

from sixtyforty.ingest.formats.base import load_with_reader, sql_list


def test_texts_are_quoted_in_a_list() -> None:
    texts = ["a", "it's"]
    assert duckdb.sql(f"select {sql_list(texts)}").fetchall() == [(texts,)]


def test_files_with_quotes_in_their_names_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "it's.json"
    path.write_text('{"n": 1}\n{"n": 2}\n')
    with duckdb.connect() as db:
        loaded = load_with_reader(db, "read_json", [path])
        assert db.execute("select sum(n) from landed").fetchall() == [(3,)]
    assert (loaded.null_text, loaded.casts) == ("NA", {})
