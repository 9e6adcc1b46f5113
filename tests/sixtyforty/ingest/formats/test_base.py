"""Texts become a list literal of DuckDB."""

from __future__ import annotations

import duckdb

from sixtyforty.ingest.formats.base import sql_list


def test_a_list_literal_quotes_its_texts() -> None:
    texts = ["a", "it's", ""]
    assert duckdb.execute(f"select {sql_list(texts)}").fetchall() == [(texts,)]
