"""SQL of a declaration reads its tables and nothing else: no clock, no random numbers, no session, no files."""

from __future__ import annotations

import duckdb
import pytest

from sixtyforty.modeling.sql_guard import (
    CLOCK_FUNCTIONS,
    RANDOM_FUNCTIONS,
    READERS,
    SESSION_FUNCTIONS,
    ForbiddenSqlError,
    find_forbidden,
    require_allowed,
)

ALLOWED_TABLE_FUNCTIONS = {
    *("generate_series", "histogram", "histogram_values", "json_each", "json_tree"),
    *("range", "repeat", "repeat_row", "unnest"),
}


def function_names(condition: str) -> set[str]:
    """Return the names of DuckDB's functions that meet a condition on `duckdb_functions()`."""
    rows = duckdb.execute(f"select distinct function_name from duckdb_functions() where {condition}").fetchall()
    return {name for (name,) in rows}


def test_every_function_whose_value_differs_between_runs_is_known() -> None:
    volatile = function_names("stability is not null and stability <> 'CONSISTENT'")
    assert volatile - CLOCK_FUNCTIONS - RANDOM_FUNCTIONS - SESSION_FUNCTIONS == {"error"}  # error() stops the query


def test_every_table_function_that_reads_more_than_its_arguments_is_known() -> None:
    readers = {n for n in function_names("function_type in ('table', 'table_macro')") if not READERS.fullmatch(n)}
    assert readers <= ALLOWED_TABLE_FUNCTIONS


def test_no_scalar_function_counts_as_a_reader() -> None:
    scalars = function_names("function_type in ('scalar', 'aggregate', 'macro')")
    assert not [name for name in scalars if READERS.fullmatch(name)]


@pytest.mark.parametrize(
    ("sql", "line", "reason"),
    [
        ("select a,\n  now() as n from units", 2, "now() reads the clock"),
        ('select "now" () from units', 1, "now() reads the clock"),
        ("select current_date from units", 1, "current_date reads the clock"),
        ("age(sched)", 1, "age() with one argument reads the clock"),
        ("sched.age()", 1, "age() with one argument reads the clock"),
        ("system.main.today()", 1, "today() reads the clock"),
        ("-- now()\nrandom() < 0.5", 2, "random() gives another value"),
        ("select * from read_csv('/etc/passwd')", 1, "read_csv() is not allowed"),
        ("select * from query('select 1')", 1, "query() is not allowed"),
        ("select current_setting('threads')", 1, "depends on the database session"),
        ("select version()", 1, "depends on the database session"),
        ("select epoch(pg_postmaster_start_time())", 1, "reads the clock"),
        ("select current_role from units", 1, "depends on the database session"),
        ("select count(*) from information_schema.tables", 1, "information_schema describes the database session"),
        ("select count(*) from system.pg_catalog.pg_tables", 1, "pg_catalog describes the database session"),
        ("select name from sqlite_master", 1, "sqlite_master describes the database session"),
        ("select * from units\nusing sample 50%", 2, "sample takes other rows in each run"),
        ("select * from units tablesample 50%", 1, "tablesample takes other rows in each run"),
        ("select 1; copy (select 1) to 'x'", 1, "more than one statement"),
        ("1) from units; copy (select 1) to 'x'; select (1", 1, "closing parenthesis"),
        ("'é' = x\n or now() > y", 2, "now() reads the clock"),
    ],
)
def test_a_forbidden_use_is_named_with_its_line(sql: str, line: int, reason: str) -> None:
    problem = find_forbidden(sql)
    assert problem is not None
    assert problem.line == line
    assert reason in problem.message


@pytest.mark.parametrize(
    "sql",
    [
        "select 'now()' as text, u.current_date from units u -- random()",
        "age(known_at, decided_at)",
        "select * from range(3), unnest([1, 2]) t(x);",
        "select $$ now() ; $$",
    ],
)
def test_names_in_texts_comments_and_columns_are_no_calls(sql: str) -> None:
    assert find_forbidden(sql) is None


def test_the_first_forbidden_text_is_named_with_its_place() -> None:
    texts = [("features.sql", "select 1"), ("model.vetoes.rain.when", "x\n> random()")]
    with pytest.raises(ForbiddenSqlError, match=r"^calls: forbidden SQL in model\.vetoes\.rain\.when, line 2: random"):
        require_allowed("calls", texts)
    require_allowed("calls", texts[:1])
