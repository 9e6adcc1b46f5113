"""A DuckDB error becomes a problem with a message, a line, and the names that exist."""

from __future__ import annotations

import duckdb
import pytest

from sixtyforty.modeling.sql_problem import SqlProblem, problem_of_error


def error_of(sql: str) -> duckdb.Error:
    with duckdb.connect() as db:
        db.execute("create table calls (id int, site varchar, load double)")
        with pytest.raises(duckdb.Error) as caught:
            db.execute(sql)
    return caught.value


def test_an_unknown_column_names_its_line_and_the_columns_that_exist() -> None:
    problem = problem_of_error(error_of("select id\nfrom calls\nwhere lod > 1"), stage="features", last_line=3)
    assert (problem.stage, problem.line, problem.written) == ("features", 3, "lod")
    assert problem.message.startswith("the SQL can't run: ")
    assert "load" in problem.allowed


def test_an_unknown_table_names_the_suggestion() -> None:
    problem = problem_of_error(error_of("select id from cals"), field="decision.decided_at")
    assert (problem.field, problem.line) == ("decision.decided_at", 1)
    assert "cals" in problem.message


def test_a_line_after_the_end_of_the_file_is_its_last_line() -> None:
    problem = problem_of_error(error_of("select id\nfrom calls\nwhere lod > 1"), stage="features", last_line=2)
    assert problem.line == 2


def test_an_error_without_a_line_is_on_the_first_line() -> None:
    assert problem_of_error(ValueError("broken")) == SqlProblem("the SQL can't run: broken")
