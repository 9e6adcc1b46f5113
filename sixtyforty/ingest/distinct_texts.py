"""List the distinct texts of a table's columns, so that one query answers a question about many columns.

A query of its own for each column would take minutes for a table of some thousand columns.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sixtyforty.storage.sql import bare_identifier, literal

if TYPE_CHECKING:
    import duckdb

C = TypeVar("C")
T = TypeVar("T")
# Yields SQL aggregates over the texts `t` of a column, is sent their values, and returns what follows from them.
Inference: TypeAlias = Generator[Sequence[str], tuple[Any, ...], T]
MAX_VALUES = 1_000_000  # a portion has at most so many values, unless a single column has more
MAX_COLUMNS = 500  # a portion has at most so many columns


def split_columns(rows: int, columns: Sequence[C], most: int = MAX_COLUMNS) -> Iterator[list[C]]:
    """Yield the columns of a table in portions of at most `most` columns, and of fewer in a table of many rows."""
    size = max(1, min(most, MAX_VALUES // max(rows, 1)))
    for first in range(0, len(columns), size):
        yield list(columns[first : first + size])


def list_portions(db: duckdb.DuckDBPyConnection, table: str, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the columns of a table in portions. Meanwhile, a temporary table holds the portion's distinct texts.

    The table `distinct_texts` has the columns `n`, the position of a column in the portion, and `t`, one of its texts.
    A null is left out. See `ask`.
    """
    (rows,) = db.execute(f"select count(*) from {table}").fetchall()[0]
    for portion in split_columns(rows, names):
        texts = ", ".join(f"{bare_identifier(name)}::varchar" for name in portion)
        numbered = f"select unnest(range({len(portion)})) as n, unnest([{texts}]) as t from {table}"
        db.execute(
            f"create or replace temp table distinct_texts as select distinct * from ({numbered}) where t is not null"
        )
        yield portion
    db.execute("drop table if exists distinct_texts")


def ask(
    db: duckdb.DuckDBPyConnection, aggregates: Sequence[str], numbers: Collection[int]
) -> dict[int, tuple[Any, ...]]:
    """Return the values of SQL aggregates over the distinct texts `t` of some columns of the current portion.

    numbers: the positions of the columns. A column without any text has only zeros, as if each aggregate were a count.
    """
    if not numbers:
        return {}
    answers: dict[int, tuple[Any, ...]] = dict.fromkeys(numbers, (0,) * len(aggregates))
    columns = ", ".join(map(str, numbers))
    grouped = f"select n, {', '.join(aggregates)} from distinct_texts where n in ({columns}) group by n"
    return answers | {n: tuple(values) for n, *values in db.execute(grouped).fetchall()}


def count_where(condition: str) -> str:
    """Return the SQL aggregate that counts the texts `t` for which a condition is true."""
    return f"count(*) filter (where {condition})"


def matches(pattern: str) -> str:
    """Return a SQL condition that is true if the whole text `t` matches a regular expression."""
    return f"regexp_full_match(t, {literal(pattern)})"


def if_matches(pattern: str, condition: str) -> str:
    """Return a SQL condition that is true if the whole text `t` matches a regular expression and another condition.

    In an aggregate, DuckDB evaluates both sides of an `and` for each text. A `case` spares the other condition, such as
    a slow cast, for texts that don't match.
    """
    return f"(case when {matches(pattern)} then {condition} else false end)"


def infer_all(db: duckdb.DuckDBPyConnection, inferences: Mapping[int, Inference[T]]) -> dict[int, T]:
    """Return what each inference returns, by the position of its column in the current portion.

    Equal questions about several columns are one query.
    """
    returned: dict[int, T] = {}
    answers: dict[int, tuple[Any, ...] | None] = dict.fromkeys(inferences)
    while answers:
        columns_by_question: dict[tuple[str, ...], list[int]] = {}
        for n, answer in answers.items():
            try:
                columns_by_question.setdefault(tuple(inferences[n].send(answer)), []).append(n)  # type: ignore[arg-type]
            except StopIteration as end:
                returned[n] = end.value
        answers = {}
        for aggregates, numbers in columns_by_question.items():
            answers |= ask(db, aggregates, numbers)
    return returned


def count_forms(conditions: Mapping[str, str]) -> Inference[dict[str, int]]:
    """Return the forms of a column's texts, each with the number of texts that no earlier form reads.

    The form that reads the most texts comes first. conditions: SQL conditions that are true for the texts of a form, by
    form.
    """
    forms: dict[str, int] = {}
    others = "true"
    while unused := [form for form in conditions if form not in forms]:
        counts = yield [count_where(f"{conditions[form]} and {others}") for form in unused]
        most = max(counts)
        if not most:
            break
        form = unused[counts.index(most)]
        forms[form] = most
        others += f" and ({conditions[form]}) is not true"
    return forms
