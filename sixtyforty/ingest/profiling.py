"""What rows hold: types, gaps, ranges, keys and history. Measured with DuckDB, of files before there is a contract,
and of a use case's own data once there is.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import duckdb

NULLS = ("NA", "NaN", "nan", "NULL", "null", "None", "N/A", "n/a", "-", "?")  # how extracts spell what is missing
FEW = 20  # different values of what is told by its values
KEY_COLUMNS = 4  # a key has no more
TRIED = 12  # columns tried in a key
READERS = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}
TIMES = ("DATE", "TIMESTAMP")
# fmt: off
WORDS = {  # of SQL, which a column may be called only in quotes
    "all", "and", "any", "as", "asc", "at", "by", "case", "cast", "check", "column", "create", "cross",
    "default", "desc", "distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "from",
    "full", "group", "having", "in", "inner", "intersect", "into", "is", "join", "left", "like", "limit",
    "natural", "not", "null", "offset", "on", "or", "order", "outer", "primary", "references", "right",
    "select", "some", "table", "then", "to", "true", "union", "unique", "using", "when", "where", "window",
    "with",
}
# fmt: on
_NAMING = re.compile(r"id|key|code|name|no$|nr$", re.I)
Every = Literal["hour", "day", "week", "month"]


class Unprofiled(ValueError):
    """Files that can't be read as extracts: which, and what to do."""


@dataclass(frozen=True)
class Column:
    """A column: its type in a contract, how many rows lack a value, and how many values differ.

    `sql` gives its value: of a time that isn't written as DuckDB casts it, what reads it.
    """

    name: str
    kind: str
    sql: str
    nulls: int
    distinct: int
    low: Any = None
    high: Any = None
    values: tuple[Any, ...] = ()  # all of them, where there are few

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.kind.startswith(("TINYINT", "SMALLINT", "INT", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL"))


@dataclass(frozen=True)
class History:
    """How rows lie in time, by one column: first and last day, how many days have rows, and how many each has."""

    column: str
    kind: str
    sql: str
    first: date
    last: date
    days: int
    per_day: float  # in the middle
    most: int

    @property
    def every(self) -> Every:
        """The partition that fits: most of them would have rows."""
        span = (self.last - self.first).days + 1
        return "day" if self.days > 0.5 * span else "week" if self.days > 0.5 * span / 7 else "month"


@dataclass(frozen=True)
class Profile:
    """What rows hold; `keys` are the smallest sets of columns that tell all rows apart, the likeliest first."""

    rows: int
    duplicates: int  # rows that are equal in all columns to another
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    histories: tuple[History, ...] = ()
    null: str = "NA"
    files: tuple[Path, ...] = field(default=(), compare=False)

    def column(self, name: str) -> Column:
        """A column by name."""
        return next(c for c in self.columns if c.name == name)


def of_files(files: Sequence[Path]) -> Profile:
    """Profiles extracts of one shape: CSV (comma, header), Parquet or JSON lines, packed by gzip or not.

    Raises Unprofiled for files that aren't.
    """
    import duckdb

    ending = files[0].name.lower().removesuffix(".gz").rpartition(".")[2]
    kind = {"pq": "parquet", "jsonl": "json", "ndjson": "json", "txt": "csv"}.get(ending, ending)
    if kind not in READERS:
        raise Unprofiled(f"{files[0].name}: extracts are CSV, Parquet or JSON lines, by the ending of their names")
    listed = "[" + ", ".join(_quoted(str(f)) for f in files) + "]"
    with duckdb.connect() as db:
        db.execute("set enable_progress_bar = false; set TimeZone = 'UTC'")
        try:
            options = _csv_options(db, files[0]) if kind == "csv" else ""
            db.execute(f"create temp table landed as select * from {READERS[kind]}({listed}{options})")
            if kind != "csv":
                return of_table(db, "landed", files=tuple(files))
            db.execute(
                f"create temp table said as select * from {READERS[kind]}({listed}{options}, all_varchar = true)"
            )
            formats = db.execute(
                f"select DateFormat, TimestampFormat from sniff_csv({_quoted(str(files[0]))})"
            ).fetchall()
            return of_table(db, "landed", _null(db, listed), tuple(files), _reread(db, *formats[0]))
        except duckdb.Error as error:
            raise Unprofiled(f"{files[0].name} can't be read: {str(error).splitlines()[0]}") from error


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _csv_options(db: duckdb.DuckDBPyConnection, file: Path) -> str:
    delimiter, header = db.execute(f"select Delimiter, HasHeader from sniff_csv({_quoted(str(file))})").fetchall()[0]
    if delimiter not in (",", "\x00", "") and "," not in file.open("rb").readline().decode(errors="replace"):
        raise Unprofiled(f"{file.name} has {delimiter!r} between its values: write it with commas")
    first = [c.strip().strip('"') for c in file.open("rb").readline().decode("utf-8-sig", "replace").strip().split(",")]
    if not file.name.endswith(".gz") and not header and any(re.fullmatch(r"-?[\d.]*", c) for c in first):
        raise Unprofiled(f"{file.name} has no header: its first line must name the columns")
    spelt = ", ".join(map(_quoted, ("", *NULLS)))
    return f", delim = ',', header = true, nullstr = [{spelt}], sample_size = -1"


def _null(db: duckdb.DuckDBPyConnection, listed: str) -> str:
    """How the files spell a missing value, beside empty: what the contract says."""
    columns = [r[0] for r in db.execute("describe landed").fetchall()]
    spelt = ", ".join(map(_quoted, NULLS))
    texts = ", ".join(map(named, columns))
    found = db.execute(
        f"""select v, count(*) from (select unnest([{texts}]) as v from read_csv({listed}, delim = ',', header = true,
        all_varchar = true)) where v in ({spelt}) group by 1 order by 2 desc, 1 limit 1"""
    ).fetchall()
    return str(found[0][0]) if found else "NA"


def _reread(db: duckdb.DuckDBPyConnection, day: str | None, moment: str | None) -> dict[str, str]:
    """The columns whose text a contract's cast wouldn't read as DuckDB did, with what reads them."""
    found = {}
    for name, kind, *_ in db.execute("describe landed").fetchall():
        c = named(name)
        (lost,) = db.execute(
            f"select count(*) from said where {c} is not null and try_cast(trim({c}) as {kind}) is null"
        ).fetchall()[0]
        if lost:
            form = day if kind == "DATE" else moment if kind.startswith("TIMESTAMP") else None
            found[name] = f"strptime({c}, {_quoted(form)})" + "::date" * (kind == "DATE") if form else c
    return found


def named(column: str) -> str:
    """A column as SQL writes it: quoted where it must be."""
    return column if re.fullmatch(r"[a-z_][a-z0-9_]*", column) and column not in WORDS else f'"{column}"'


def of_table(
    db: duckdb.DuckDBPyConnection,
    table: str,
    null: str = "NA",
    files: tuple[Path, ...] = (),
    reread: Mapping[str, str] | None = None,
) -> Profile:
    """Profiles a table or view. `reread`: columns that a contract keeps as text, and what reads them."""
    reread = reread or {}
    rows, columns, duplicates = of_columns(db, table)
    histories = tuple(h for c in columns if (h := _history(db, table, c, rows)))
    keys = _keys(db, table, columns, rows)
    kept = tuple(replace(c, kind="VARCHAR", sql=reread[c.name]) if c.name in reread else c for c in columns)
    told = tuple(replace(h, sql=reread.get(h.column, h.sql)) for h in histories)
    return Profile(rows, duplicates, kept, keys, told, null, files)


def of_columns(db: duckdb.DuckDBPyConnection, table: str) -> tuple[int, tuple[Column, ...], int]:
    """Rows, columns and duplicate rows of a table or view: a profile without the search for keys, its dearest part."""
    rows = db.execute(f"select count(*) from {table}").fetchall()[0][0]
    described = db.execute(f"describe {table}").fetchall()
    columns = tuple(_column(db, table, name, kind) for name, kind, *_ in described)
    different = db.execute(f"select count(*) from (select distinct * from {table})").fetchall()[0][0]
    return rows, columns, rows - different


def _column(db: duckdb.DuckDBPyConnection, table: str, name: str, kind: str) -> Column:
    kind = "TIMESTAMP" if kind.startswith("TIMESTAMP") else "VARCHAR" if kind.endswith(("[]", ")")) else kind
    c = named(name)
    nulls, distinct, low, high = db.execute(
        f"select count(*) - count({c}), count(distinct {c}), min({c}), max({c}) from {table}"
    ).fetchall()[0]
    values: tuple[Any, ...] = ()
    if distinct <= FEW:
        values = tuple(
            v for (v,) in db.execute(f"select distinct {c} from {table} where {c} is not null order by 1").fetchall()
        )
    return Column(name, kind, c, nulls, distinct, low, high, values)


def _history(db: duckdb.DuckDBPyConnection, table: str, column: Column, rows: int) -> History | None:
    if column.kind not in TIMES or column.low is None or column.nulls > rows / 2:
        return None
    day = f"{column.sql}::date"
    days, middle, most = db.execute(
        f"""select count(*), median(n), max(n) from
        (select count(*) as n from {table} where {day} is not null group by {day})"""
    ).fetchall()[0]
    first, last = _day(column.low), _day(column.high)
    return (
        History(column.name, column.kind, column.sql, first, last, days, float(middle), most)
        if first and last
        else None
    )


def _day(moment: Any) -> date | None:
    return moment.date() if isinstance(moment, datetime) else moment if isinstance(moment, date) else None


def _keys(
    db: duckdb.DuckDBPyConnection, table: str, columns: Sequence[Column], rows: int
) -> tuple[tuple[str, ...], ...]:
    """The smallest sets of full columns in which no two rows agree; of equal size those of names and times first."""
    full = [c for c in columns if not c.nulls and not c.kind.startswith(("DOUBLE", "FLOAT", "DECIMAL", "BOOLEAN"))]
    likely = sorted(full, key=lambda c: (c.kind not in TIMES and not _NAMING.search(c.name), -c.distinct))[:TRIED]
    for size in range(1, KEY_COLUMNS + 1):
        found = []
        for chosen in itertools.combinations(likely, size):
            most = 1.0
            for c in chosen:
                most *= max(1, c.distinct) * 1.1  # it may be an estimate
            if most < rows:
                continue
            names = ", ".join(c.sql for c in chosen)
            (different,) = db.execute(f"select count(*) from (select distinct {names} from {table})").fetchall()[0]
            if different == rows:
                found.append(tuple(c.name for c in chosen))
        if found:
            return tuple(found[:5])
    return ()
