"""List the distinct texts of a table's columns, so that one query answers a question about many columns.

A query of its own for each column would take minutes for a table of some thousand columns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sixtyforty.storage.sql import bare_identifier

if TYPE_CHECKING:
    import duckdb

C = TypeVar("C")
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
