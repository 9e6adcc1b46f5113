"""A source has files or a query, a location without secrets, and a text that says where its rows come from."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sixtyforty.spec.sources import Source

FILES = {"description": "x", "columns": {"id": "INTEGER"}, "key": ["id"], "files": "x*.csv"}
QUERY = FILES | {"files": None, "query": "select 1"}
JSON, PARQUET = FILES | {"files": "x*.jsonl"}, FILES | {"files": "x*.PQ.gz"}
BY_ID = QUERY | {"cursor_column": "id", "partition": "day", "known_at": "day"}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (FILES | {"files": None}, "a source needs either `files`"),
        (FILES | {"query": "select 1"}, "a source needs either `files`"),
        (FILES | {"cursor_column": "id"}, "a source with `files` can't have database, cursor_column or query"),
        (QUERY | {"partition": "day"}, "a query with `partition` needs a cursor_column whose values only grow"),
        (QUERY | {"cursor_column": "id"}, "a source without `partition` is a snapshot"),
        (BY_ID | {"location": "/landing"}, "a source with `query` writes its extracts to the landing folder"),
        (FILES | {"location": "landing"}, "'landing' is neither a full path nor a URL"),
        (QUERY | {"database": "postgresql://u:p@h/d"}, "database"),
        (FILES | {"encoding": "utf-99"}, "'utf-99' is not an encoding that Python knows"),
        (FILES | {"encoding": "base64"}, "'base64' is not an encoding that Python knows"),
        (FILES | {"delimiter": '"'}, "is not a delimiter; write one ASCII character"),
        (FILES | {"delimiter": ";;"}, "';;' is not a delimiter"),
        (FILES | {"decimal": "x"}, "decimal"),
        (FILES | {"thousands": "."}, "'.' can't group digits; write one character, other than the decimal point"),
        (FILES | {"thousands": "0"}, "'0' can't group digits"),
        (FILES | {"date_format": "%d.%m"}, "'%d.%m' must hold day, month and year exactly once each"),
        (FILES | {"date_format": "%d.%M.%Y"}, "'%d.%M.%Y' must hold day, month and year exactly once each"),
        (FILES | {"date_format": "%d.%m.%Y %H:%M"}, "holds more than a date; write the date alone"),
        (FILES | {"date_format": "%m/%d/%Y %I:%M %p"}, "other times, such as 2:30 PM, as VARCHAR"),
        (QUERY | {"decimal": ","}, "the field applies to CSV extracts, not to a query; remove the field"),
        (QUERY | {"encoding": "cp1252"}, "the field applies to CSV and JSON extracts, not to a query; remove the"),
        (JSON | {"thousands": "'"}, "the field applies to CSV extracts, not to the JSON extracts that `files` names"),
        (JSON | {"delimiter": ";"}, "the field applies to CSV extracts, not to the JSON extracts"),
        (PARQUET | {"date_format": "%d.%m.%Y"}, "the field applies to CSV extracts, not to the Parquet extracts"),
        (PARQUET | {"encoding": "cp1252"}, "the field applies to CSV and JSON extracts, not to the Parquet extracts"),
    ],
)
def test_a_contradiction_is_refused(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Source.model_validate(declared)


@pytest.mark.parametrize("files", ["x*.csv", "x*.csv.gz", "x*", "x*.txt"])
def test_the_forms_of_csv_are_declared_where_files_may_be_csv(files: str) -> None:
    source = Source.model_validate(FILES | {"files": files, "encoding": "cp1252", "decimal": ",", "thousands": "."})
    assert source.written_forms == ["decimal", "thousands"]
    assert Source.model_validate(JSON | {"encoding": "cp1252", "decimal": "."}).written_forms == []


def test_a_password_in_a_location_is_refused_and_not_in_the_message() -> None:
    with pytest.raises(ValidationError) as error:
        Source.model_validate(FILES | {"location": "s3://user:secret@bucket"})
    (entry,) = error.value.errors()
    assert "the URL contains a user or a password" in entry["msg"] and "secret" not in entry["msg"]


@pytest.mark.parametrize(
    ("declared", "origin"),
    [
        (FILES, "extracts `x*.csv`"),
        (FILES | {"location": "/landing"}, "extracts `x*.csv` in /landing"),
        (BY_ID, "new rows of the database that decisions are delivered to, by id"),
        (QUERY | {"database": "TILLS_URL"}, "all rows of the database at $TILLS_URL"),
    ],
)
def test_the_origin_of_the_rows_is_described(declared: dict[str, Any], origin: str) -> None:
    assert Source.model_validate(declared).origin == origin
