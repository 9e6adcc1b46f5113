"""Refuse declared SQL that could return other rows in another run, or that reads anything except its tables.

A feature may depend only on the sources and on `units`. This module checks the tokens of the SQL before the SQL runs.
As a second protection, the session of `storage.duckdb_session` allows no access to other files, network and settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sixtyforty.modeling.sql_problem import SqlProblem
from sixtyforty.spec.errors import SixtyfortyError

REMEMBERED_DECLARATIONS = 64
# Functions of DuckDB whose value differs between two runs. Tests compare these names with `duckdb_functions()`.
CLOCK_FUNCTIONS = {
    *("current_date", "current_localtime", "current_localtimestamp", "current_time", "current_timestamp"),
    *("get_current_time", "get_current_timestamp", "localtime", "localtimestamp", "now", "today"),
    *("pg_postmaster_start_time", "pg_conf_load_time", "transaction_timestamp"),
}
RANDOM_FUNCTIONS = {"gen_random_uuid", "random", "setseed", "uuid", "uuidv4", "uuidv7"}
SESSION_FUNCTIONS = {
    *("current_connection_id", "current_database", "current_query", "current_query_id", "current_schema"),
    *("current_schemas", "current_setting", "current_transaction_id", "current_user", "currval", "getenv"),
    *("getvariable", "in_search_path", "nextval", "session_user", "setval", "sleep_ms", "stats", "txid_current"),
    *("current_catalog", "current_role", "vector_type", "version", "write_log"),
}
WITHOUT_PARENTHESES = {
    *("current_catalog", "current_date", "current_role", "current_time", "current_timestamp", "current_user"),
    *("localtime", "localtimestamp", "session_user"),
}
CATALOGS = {"information_schema", "pg_catalog", "sqlite_master", "sqlite_schema", "sqlite_temp_master"}
READERS = re.compile(  # table functions that read files, run SQL, or describe the session
    r"(read|parquet|duckdb|pragma)_\w+|\w+_scan(_\w+)?|\w*checkpoint|\w+_(logging|profiling|duckdb_logs)|glob|query|query_table"
    r"|sniff_csv|which_secret|python_map_function|json_execute_serialized_sql|sql_auto_complete|check_peg_parser"
    r"|icu_calendar_names|pg_timezone_names|show_\w+|summary|test_\w+|add_parquet_key|\w+_external_resource(_type)?"
)


class ForbiddenSqlError(SixtyfortyError):
    """The SQL of a declaration reads the clock, files, random numbers or the session, or is more than one query."""


@dataclass(frozen=True)
class Token:
    """A token of SQL in lower case, without quotes around a name, and its offset in the text."""

    text: str
    start: int
    is_name: bool


def require_allowed(use_case: str, declared: Iterable[tuple[str, str]]) -> None:
    """Raise ForbiddenSqlError at the first forbidden SQL of a use case.

    declared: the SQL of the declaration, each with its place, such as `features.sql` or `model.vetoes.rain.when`.
    """
    problem = _first_problem(tuple(declared))
    if problem:
        place, line, message = problem
        raise ForbiddenSqlError(f"{use_case}: forbidden SQL in {place}, line {line}: {message}")


@lru_cache(maxsize=REMEMBERED_DECLARATIONS)
def _first_problem(declared: tuple[tuple[str, str], ...]) -> tuple[str, int, str] | None:
    """Return the place, line and reason of the first forbidden SQL. Cached, because each stage of a run checks it."""
    for place, sql in declared:
        problem = find_forbidden(sql)
        if problem:
            return place, problem.line, problem.message
    return None


def find_forbidden(sql: str, field: str = "", stage: str = "") -> SqlProblem | None:
    """Return the first forbidden function or statement in a query or an expression; None if all are allowed.

    field, stage: where the SQL is declared; both are stored in the returned problem.
    """
    tokens, depth = list_tokens(sql), 0
    for position, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            reason: str | None = "a closing parenthesis has no opening parenthesis. Remove it."
        elif token.text == ";" and position + 1 < len(tokens):
            reason = "the SQL has more than one statement. Write a single query."
        else:
            reason = _forbidden_reason(tokens, position)
        if reason:
            return SqlProblem(reason, field, stage, sql[: token.start].count("\n") + 1)
    return None


def list_tokens(sql: str) -> list[Token]:
    """Return the tokens of SQL without comments. A string constant is one token."""
    import duckdb

    content = sql.encode()  # DuckDB returns positions in bytes
    marks = duckdb.tokenize(sql)
    ends = [start for start, _ in marks[1:]] + [len(content)]
    tokens = []
    for (start, kind), end in zip(marks, ends, strict=True):
        if kind == duckdb.token_type.comment:
            continue
        text = content[start:end].decode().strip()
        is_name = kind in (duckdb.token_type.identifier, duckdb.token_type.keyword)
        tokens.append(Token(text.strip('"').lower() if is_name else text, len(content[:start].decode()), is_name))
    return tokens


def _forbidden_reason(tokens: Sequence[Token], position: int) -> str | None:
    """Return why the token at a position is forbidden, and what to write instead; None if it is allowed."""
    token = tokens[position]
    if not token.is_name:
        return None
    is_call = position + 1 < len(tokens) and tokens[position + 1].text == "("
    is_member = position > 0 and tokens[position - 1].text == "."
    if is_call and token.text == "age" and _argument_count(tokens, position + 1) + is_member == 1:
        return _clock_reason("age() with one argument")
    if token.text in CATALOGS:
        return f"{token.text} describes the database session, not the data. Read only the sources and `units`."
    if _is_sample(tokens, position):
        return f"{token.text} takes other rows in each run. Choose rows by a hash of the key instead."
    if is_call or (token.text in WITHOUT_PARENTHESES and not is_member):
        return _reason_of_function(token.text, f"{token.text}()" if is_call else token.text)
    return None


def _is_sample(tokens: Sequence[Token], position: int) -> bool:
    """Return whether a token starts a clause that takes random rows: `tablesample` or `using sample`."""
    text, before = tokens[position].text, tokens[position - 1].text if position else ""
    return text == "tablesample" or (text == "sample" and before == "using")


def _argument_count(tokens: Sequence[Token], opening: int) -> int:
    """Return the number of arguments of a call. opening: the position of its opening parenthesis."""
    depth, commas = 0, 0
    for position in range(opening, len(tokens)):
        text = tokens[position].text
        depth += (text in "([{") - (text in ")]}")
        commas += depth == 1 and text == ","
        if depth == 0:
            return 0 if position == opening + 1 else commas + 1
    return commas + 1


def _reason_of_function(name: str, call: str) -> str | None:
    if name in CLOCK_FUNCTIONS:
        return _clock_reason(call)
    if name in RANDOM_FUNCTIONS:
        return f"{call} gives another value in each run. Use a hash of the key instead."
    if name in SESSION_FUNCTIONS:
        return f"{call} depends on the database session, not on the data. Remove it."
    if READERS.fullmatch(name):
        return f"{call} is not allowed. Read only the sources and `units`."
    return None


def _clock_reason(call: str) -> str:
    return f"{call} reads the clock, so a replay would differ. Use decided_at or known_at instead."
