"""Profile tables with DuckDB: types, missing values, ranges, possible keys, and the distribution over time.

`profile_files` profiles files for which no data contract exists yet. `profile_columns` profiles any table.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sixtyforty.ingest.distinct_texts import split_columns
from sixtyforty.ingest.formats.base import UnreadableExtractError
from sixtyforty.ingest.formats.registry import describe_formats, format_of_name
from sixtyforty.ingest.number_forms import PLAIN, NumberForm
from sixtyforty.ingest.profiled_texts import (
    NULL_TEXTS,
    LoadedTexts,
    load_texts,
)
from sixtyforty.ingest.type_inference import NUMBER_TYPES, InferredType
from sixtyforty.progress import begin_work
from sixtyforty.spec.contract_types import parse_type
from sixtyforty.storage.duckdb_session import connect
from sixtyforty.storage.sql import DIGEST, bare_identifier

if TYPE_CHECKING:
    import duckdb

MAX_LISTED_VALUES = 20  # a column with more distinct values is described by its range only
TIME_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP_NS")
NOT_IN_KEYS = ("DOUBLE", "FLOAT", "DECIMAL", "BOOLEAN")
MAX_KEY_COLUMNS = 4
MAX_KEY_CANDIDATES = 12  # at most this many columns of a table are tried as parts of a key
MAX_KEYS = 5
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MIN_DAYS_FOR_WEEKDAYS = 28  # a shorter history doesn't show on which weekdays there are never any rows
ESTIMATE_MARGIN = 1.1  # an estimated number of distinct values may be too low by this factor
_IDENTIFIER_NAME = re.compile(r"id|key|code|name|no$|nr$", re.I)
PartitionLength = Literal["hour", "day", "week", "month"]


@dataclass(frozen=True)
class ColumnProfile:
    """The profile of one column: its type, its range, and its numbers of missing and distinct values.

    - kind: the column's type in a data contract.
    - sql: a SQL expression for the column's value: its quoted name, or a call that parses times which a cast can't
      read.
    - nulls: the number of rows without a value.
    - distinct: the number of distinct values.
    - low, high: the smallest and the largest value.
    - values: all distinct values, sorted; empty if there are more than MAX_LISTED_VALUES, or if a text is long.
    - doubt: a sentence on how else the column's texts could be read; empty without a doubt.
    """

    name: str
    kind: str
    sql: str
    nulls: int
    distinct: int
    low: Any = None
    high: Any = None
    values: tuple[Any, ...] = ()
    doubt: str = field(default="", kw_only=True)

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self.kind.startswith(NUMBER_TYPES)


@dataclass(frozen=True)
class TimeProfile:
    """How the rows of a table are distributed over the days in one of its columns.

    first, last: the first and the last day.
    days: the number of days that have rows.
    per_day: the median number of rows on a day.
    most: the largest number of rows on a day.
    closed_weekdays: the weekdays on which there are never any rows, such as saturday and sunday.
    other_sql: if the dates are ambiguous, other SQL expressions that read them.
    """

    column: str
    kind: str
    sql: str
    first: date
    last: date
    days: int
    per_day: float
    most: int
    closed_weekdays: tuple[str, ...] = ()
    other_sql: tuple[str, ...] = ()

    @property
    def every(self) -> PartitionLength:
        """The shortest partition length (day, week or month) for which more than half of the partitions have rows."""
        span = (self.last - self.first).days + 1
        if self.days > 0.5 * span:
            return "day"
        return "week" if self.days > 0.5 * span / 7 else "month"


@dataclass(frozen=True)
class TableProfile:
    """The profile of a table: row count, columns, possible keys, and the distribution over time.

    - rows: the number of rows.
    - duplicates: how many rows are equal in all columns to a row that is counted already.
    - keys: the smallest sets of columns that identify every row, the most likely key first.
    - histories: the distribution of the rows over time, for each column that holds dates or times.
    - null_text: the text for a missing value in the files; None if none of the usual texts occurs.
    - optional: the columns that some of the files lack.
    - encoding: the encoding of the files; None: UTF-8, UTF-16 or UTF-32, as each file shows.
    - number_form: how the files write numbers.
    - notes: sentences about what can't be read as it is, see `LoadedTexts`.
    """

    rows: int
    duplicates: int
    columns: tuple[ColumnProfile, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    histories: tuple[TimeProfile, ...] = ()
    null_text: str | None = None
    optional: tuple[str, ...] = ()
    encoding: str | None = None
    number_form: NumberForm = PLAIN
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=(), compare=False)

    def column(self, name: str) -> ColumnProfile:
        """Return the profile of the column with this name."""
        return next(column for column in self.columns if column.name == name)


def profile_files(files: Sequence[Path], null_texts: Sequence[str] = NULL_TEXTS) -> TableProfile:
    """Profile extracts in any registered format.

    A column is matched by its name over all files; a file may lack a column. null_texts: texts that may stand for a
    missing value. Raises UnreadableExtractError if a file can't be read.
    """
    import duckdb

    extract_format = format_of_name(files[0].name)
    if extract_format is None:
        raise UnreadableExtractError(
            f"{files[0].name}: no known file format has this ending. Use {describe_formats()}, with or without .gz."
        )
    paths = [file.resolve() for file in files]
    with connect("UTC", folders=tuple(sorted({path.parent for path in paths})), has_wide_tables=True) as db:
        try:
            loaded = load_texts(db, files, null_texts if extract_format.kind == "csv" else ())
            return replace(profile_table(db, "landed", loaded), files=tuple(files))
        except duckdb.Error as error:
            raise UnreadableExtractError(
                f"{files[0].name}: the file is not readable as {extract_format.title}, so correct or replace it:"
                f" {str(error).splitlines()[0]}"
            ) from error


def profile_table(db: duckdb.DuckDBPyConnection, table: str, loaded: LoadedTexts) -> TableProfile:
    """Profile a table that was loaded from files, including its keys and its distribution over time.

    loaded: what was detected when the files were loaded.
    """
    profile = profile_columns(db, table)
    histories = _histories(db, table, profile)
    return replace(
        profile,
        columns=tuple(
            _as_declared(column, loaded.types.get(column.name), loaded.number_doubts.get(column.name, ""))
            for column in profile.columns
        ),
        keys=_find_keys(db, table, profile),
        histories=tuple(_as_declared_time(history, loaded.types.get(history.column)) for history in histories),
        null_text=loaded.null_text,
        optional=loaded.optional,
        encoding=loaded.encoding,
        number_form=loaded.number_form,
        notes=loaded.notes,
    )


def profile_columns(db: duckdb.DuckDBPyConnection, table: str) -> TableProfile:
    """Profile a table's columns. Keys and the distribution over time are left out, because they take long to find."""
    (rows,) = db.execute(f"select count(*) from {table}").fetchall()[0]
    types = {name: duckdb_type for name, duckdb_type, *_ in db.execute(f"describe {table}").fetchall()}
    names_by_type: dict[str, list[str]] = {}
    for name, duckdb_type in types.items():
        names_by_type.setdefault(duckdb_type, []).append(name)
    profiles: dict[str, ColumnProfile] = {}
    with begin_work("profile", "column", len(types)) as work:
        for duckdb_type, names in names_by_type.items():
            for portion in split_columns(rows, names):
                profiles |= _profile_portion(db, table, portion, _contract_type(duckdb_type))
                work.advance(len(portion))
    all_columns = ", ".join(map(bare_identifier, types))
    # Hashes of rows need a tenth of the time and memory of the rows, and hashes of 64 bits hardly ever agree.
    (different,) = db.execute(f"select count(distinct hash({all_columns})) from {table}").fetchall()[0]
    return TableProfile(rows, rows - different, tuple(profiles[name] for name in types))


def _profile_portion(
    db: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], kind: str
) -> dict[str, ColumnProfile]:
    """Return the profiles of some columns of a table, by name. The columns have the same DuckDB type.

    kind: their type in a data contract. One query for all columns: a query of its own took 5 ms for each column.
    """
    sql = list(map(bare_identifier, names))
    numbered = f"select unnest(range({len(names)})) as n, unnest([{', '.join(sql)}]) as v from {table}"
    figures = db.execute(
        f"""select n, coalesce(sum(rows) filter (where v is null), 0), count(v), min(v), max(v),
            min(v, {MAX_LISTED_VALUES + 1})
        from (select n, v, count(*) as rows from ({numbered}) group by all) group by n"""
    ).fetchall()
    figures_by_position = {n: others for n, *others in figures}  # empty if the table has no rows
    profiles = {}
    for n, (name, column_sql) in enumerate(zip(names, sql, strict=True)):
        nulls, distinct, low, high, values = figures_by_position.get(n, (0, 0, None, None, None))
        shown = _shown(tuple(values or ())) if distinct <= MAX_LISTED_VALUES else ()
        profiles[name] = ColumnProfile(name, kind, column_sql, int(nulls), distinct, low, high, shown)
    return profiles


def _shown(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values of a column, or none if a value is the digest of a long text."""
    return () if any(isinstance(text, str) and text.startswith(DIGEST) for text in values) else values


def _contract_type(duckdb_type: str) -> str:
    """Return the type to declare in a data contract for a DuckDB type: VARCHAR if a contract can't declare it."""
    if duckdb_type.startswith("TIMESTAMP") and duckdb_type not in TIME_TYPES:
        return "TIMESTAMP"
    return duckdb_type if duckdb_type != "JSON" and parse_type(duckdb_type) else "VARCHAR"


def _as_declared(column: ColumnProfile, inferred: InferredType | None, doubt: str) -> ColumnProfile:
    """Return a column's profile with the type to declare in a contract: VARCHAR for dates that a cast can't read.

    doubt: a sentence on the form of its numbers, or an empty text.
    """
    if inferred is None:
        return column
    if inferred.parsing_sql is None:
        return replace(column, doubt=doubt or inferred.doubt)
    return replace(column, kind="VARCHAR", sql=inferred.parsing_sql)


def _as_declared_time(history: TimeProfile, inferred: InferredType | None) -> TimeProfile:
    if inferred is None or inferred.parsing_sql is None:
        return history
    return replace(history, sql=inferred.parsing_sql, other_sql=inferred.other_parsing_sql)


def _histories(db: duckdb.DuckDBPyConnection, table: str, profile: TableProfile) -> list[TimeProfile]:
    """Return how rows are distributed over the days of each column of times. Columns of mostly nulls are left out."""
    columns = [c for c in profile.columns if c.kind in TIME_TYPES and _as_day(c.low) and c.nulls <= profile.rows / 2]
    histories = []
    for portion in split_columns(profile.rows, columns):
        days = ", ".join(f"{column.sql}::date" for column in portion)
        numbered = f"select unnest(range({len(portion)})) as n, unnest([{days}]) as day from {table}"
        rows = db.execute(
            f"""select count(*), median(rows), max(rows), list(distinct isodow(day)) from
            (select n, day, count(*) as rows from ({numbered}) where day is not null group by all)
            group by n order by n"""
        ).fetchall()
        histories += [_history(column, *figures) for column, figures in zip(portion, rows, strict=True)]
    return histories


def _history(column: ColumnProfile, days: int, median: float, most: int, weekdays: Sequence[int]) -> TimeProfile:
    """Return the profile of a column of times. weekdays: the weekdays of its days, from 1 for Monday."""
    first, last = _as_day(column.low), _as_day(column.high)
    assert first and last, "the column has times"
    history = TimeProfile(column.name, column.kind, column.sql, first, last, days, float(median), most)
    if history.every != "day" or (last - first).days < MIN_DAYS_FOR_WEEKDAYS:
        return history
    closed = tuple(name for number, name in enumerate(WEEKDAYS, 1) if number not in weekdays)
    return replace(history, closed_weekdays=closed)


def _as_day(time: Any) -> date | None:
    if isinstance(time, datetime):
        return time.date()
    return time if isinstance(time, date) else None


def _find_keys(db: duckdb.DuckDBPyConnection, table: str, profile: TableProfile) -> tuple[tuple[str, ...], ...]:
    """Return the smallest sets of columns that identify every row.

    All sets have the same number of columns. Sets of identifiers and times come first. Columns with nulls, and columns
    of a type in NOT_IN_KEYS, can't be part of a key.
    """
    candidates = [c for c in profile.columns if not c.nulls and not c.kind.startswith(NOT_IN_KEYS)]
    candidates.sort(key=lambda c: (c.kind not in TIME_TYPES and not _IDENTIFIER_NAME.search(c.name), -c.distinct))
    for size in range(1, MAX_KEY_COLUMNS + 1):
        keys = [
            tuple(column.name for column in columns)
            for columns in itertools.combinations(candidates[:MAX_KEY_CANDIDATES], size)
            if _may_be_key(columns, profile.rows) and _count_distinct(db, table, columns) == profile.rows
        ]
        if keys:
            return tuple(keys[:MAX_KEYS])
    return ()


def _may_be_key(columns: Sequence[ColumnProfile], rows: int) -> bool:
    """Return whether columns have enough distinct values that their combinations could identify every row."""
    combinations = math.prod(max(1, column.distinct) * ESTIMATE_MARGIN for column in columns)
    return combinations >= rows


def _count_distinct(db: duckdb.DuckDBPyConnection, table: str, columns: Sequence[ColumnProfile]) -> int:
    names = ", ".join(column.sql for column in columns)
    return int(db.execute(f"select count(*) from (select distinct {names} from {table})").fetchall()[0][0])
