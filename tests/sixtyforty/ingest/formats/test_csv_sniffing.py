"""Profiling of CSV finds types, null texts and time formats, and refuses other delimiters."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from sixtyforty.ingest.formats.base import LoadedFiles, UnreadableExtractError
from sixtyforty.ingest.formats.csv_sniffing import load_files


def load(folder: Path, text: str) -> tuple[LoadedFiles, list[tuple[str, str]]]:
    """Return what is known of a file after loading it, and its columns with their DuckDB types."""
    path = folder / "it's.csv"
    path.write_text(text)
    with duckdb.connect() as db:
        loaded = load_files(db, [path])
        return loaded, [row[:2] for row in db.execute("describe landed").fetchall()]


def test_columns_get_types_and_the_most_frequent_null_text_is_found(tmp_path: Path) -> None:
    loaded, columns = load(tmp_path, "n,x\n1,n/a\n2,n/a\n3,-\n4,0.5\n")
    assert columns == [("n", "BIGINT"), ("x", "DOUBLE")]
    assert (loaded.null_text, loaded.casts) == ("n/a", {})


def test_dates_in_another_form_come_with_the_sql_that_reads_them(tmp_path: Path) -> None:
    loaded, columns = load(tmp_path, "Day Of,n\n31/12/2020,1\n30/12/2020,2\n")
    assert columns == [("Day Of", "DATE"), ("n", "BIGINT")]
    assert loaded.casts == {"Day Of": "strptime(\"Day Of\", '%d/%m/%Y')::date"}


def test_column_names_may_hold_quotes(tmp_path: Path) -> None:
    _, columns = load(tmp_path, '"a""b",n\n1,2\n3,4\n')
    assert columns[0][0] == 'a"b'


@pytest.mark.parametrize(("text", "message"), [("a;b\n1;2\n", "the delimiter is ';'"), ("1,2\n3,4\n", "has no header")])
def test_another_delimiter_or_a_missing_header_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnreadableExtractError, match=message):
        load(tmp_path, text)
