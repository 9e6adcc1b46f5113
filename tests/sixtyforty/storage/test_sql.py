"""Names and texts of any content can be part of SQL."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sixtyforty.storage.sql import RESERVED_WORDS, bare_identifier, identifier, identifiers, literal

STRANGE = ['a"b', "don't wait", "select", "Größe", "a b", "1st", ";--"]


@pytest.mark.parametrize("name", STRANGE)
def test_any_name_can_be_a_column(name: str) -> None:
    with duckdb.connect() as db:
        db.execute(f"create table t ({identifier(name)} integer)")
        db.execute(f"insert into t select 1 as {bare_identifier(name)}")
        assert db.execute(f"select {identifiers([name], 't.')} from t").fetchall() == [(1,)]
        assert [row[0] for row in db.execute("describe t").fetchall()] == [name]


@pytest.mark.parametrize("text", STRANGE)
def test_any_text_can_be_a_literal(text: str) -> None:
    with duckdb.connect() as db:
        assert db.execute(f"select {literal(text)}").fetchall() == [(text,)]


def test_only_plain_names_need_no_quotes() -> None:
    assert bare_identifier("dep_delay") == "dep_delay"
    assert bare_identifier("order") == '"order"'
    assert bare_identifier("Day Of") == '"Day Of"'
    with duckdb.connect() as db:
        keywords = db.execute("select keyword_name from duckdb_keywords() where keyword_category = 'reserved'")
        assert {row[0] for row in keywords.fetchall()} <= RESERVED_WORDS


# DuckDB reads SQL as UTF-8 and ends it at a zero byte.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(TEXTS)
def test_a_quoted_text_is_read_back_unchanged(text: str) -> None:
    with duckdb.connect() as db:
        assert db.execute(f"select {literal(text)}").fetchall() == [(text,)]


@given(TEXTS.filter(bool))
def test_a_quoted_name_is_read_back_unchanged(name: str) -> None:
    with duckdb.connect() as db:
        cursor = db.execute(f"select 1 as {identifier(name)}")
        assert [column[0] for column in cursor.description] == [name]
