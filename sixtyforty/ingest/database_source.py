"""Sources that are database queries: new rows are written as extracts, which are then imported like landed files.

The query of a partitioned source has a cursor (see `query_cursor`). Each read starts at the cursor, and writes new rows
to `<source>/<number>.<hash>.csv` below the landing folder. If a row changes later, its cursor value must grow. The
changed row is then written to a later extract. A row without a cursor value is read every time, and imported once.

The query of a snapshot has no cursor. Each read writes the whole table to `<source>/all.csv`, but only if any row
differs from the file. So a row that is deleted from the table also disappears from the snapshot.

The cursor file is next to the arrivals ledger. A new extract is written under a hidden name, then the cursor is
written, then the extract is renamed. If the process is killed before it renames the extract, the next read renames it.
So no row is lost or imported twice.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.ingest.database_rows import cell_text, csv_line
from sixtyforty.ingest.locations import UnreachableSourceError
from sixtyforty.ingest.query_cursor import CursorTypeError, DamagedCursorError, QueryCursor, advance_cursor
from sixtyforty.ingest.sorted_lines import sort_lines
from sixtyforty.spec.clock import now
from sixtyforty.spec.contract_types import Kind, parse_type
from sixtyforty.spec.sources import Source
from sixtyforty.storage.databases import DatabaseError, describe_driver_error, open_engine, parse_database_url
from sixtyforty.storage.files import access_errors, digest, file_sha256, rename_file, unfinished_file, write_atomic
from sixtyforty.storage.object_store import StoragePath
from sixtyforty.storage.scratch import current_scratch_folder

if TYPE_CHECKING:
    import sqlalchemy as sa

LOG = logging.getLogger(__name__)
ROWS_PER_EXTRACT = 100_000
ROWS_PER_FETCH = 10_000
SNAPSHOT_EXTRACT = "all.csv"
CHEAP_SECONDS = 0.1  # if a count of a table's rows takes no longer, the rows are counted after each read
COUNT_SHARE = 50  # slower counts of a table's rows take at most 1 / COUNT_SHARE of a process's time
_COUNTS: dict[str, tuple[float, float]] = {}  # the time of a table's last count, and its duration, by cursor file


class DatabaseSource:
    """A source that is a database query. It writes the new rows of the query as extracts.

    folder: where the extracts are written. cursor_file: where the cursor is stored between two reads. problems: the
    problems with times in the table that the last read noticed, as texts.
    """

    def __init__(self, name: str, source: Source, folder: StoragePath, cursor_file: StoragePath) -> None:
        self.name, self.source, self.folder, self.cursor_file = name, source, folder, cursor_file
        self.problems: list[str] = []

    def was_read_recently(self, made_at: float = 0.0) -> bool:
        """Return whether the query ran less than `query_interval_seconds` ago, and since its rows were made.

        made_at: when an asset upstream made the rows last, in seconds since 1970.
        """
        try:
            read_at = self.cursor_file.stat().st_mtime
        except FileNotFoundError:
            return False
        return made_at < read_at and time.time() - read_at < self.source.query_interval_seconds

    def extract_new_rows(self, url: str | None, prepare: Callable[[], object] | None = None) -> list[str]:
        """Write new rows as extracts, and return the names of the new files.

        The caller must make sure that only one process at a time reads a source.

        url: SQLAlchemy URL of the database; None or empty if its environment variable is not set.
        prepare: called before the query, for example to create a missing table.
        Raises UnreachableSourceError if the database can't be read.
        """
        stored = self._load_cursor()
        cursor = stored.without_wrong_start(self._cursor_kind, now())
        if cursor != stored:
            LOG.warning(
                f"{self.name}: the start of the next read in {self.cursor_file} is in the future, or of another type"
                " than the column, so the query reads all rows again. Rows that were imported before are counted as"
                " duplicates."
            )
        self._publish(cursor)
        with self._connect(url, prepare) as connection:
            return self._extract(connection, cursor)

    def count_rows(self, url: str | None, columns: Sequence[str]) -> Iterator[tuple[list[str | None], int]]:
        """Group the query's rows by some columns. For each group, yield the columns' texts and the number of rows.

        A missing value is None. url: see `extract_new_rows`. Raises UnreachableSourceError if the database can't be
        read.
        """
        import sqlalchemy as sa

        with self._connect(url) as connection:
            query = self._query()
            groups = [query.c[column] for column in columns]
            statement = sa.select(*groups, sa.func.count()).group_by(*groups)
            for *cells, count in connection.execution_options(yield_per=ROWS_PER_FETCH).execute(statement):
                yield [None if cell is None else cell_text(cell) for cell in cells], count

    def probe(self, url: str | None) -> None:
        """Run the query for no rows. url: see `extract_new_rows`. Raises UnreachableSourceError if that fails."""
        with self._connect(url) as connection:
            connection.execute(self._query().select().limit(0))

    @contextmanager
    def _connect(self, url: str | None, prepare: Callable[[], object] | None = None) -> Iterator[sa.Connection]:
        """Connect to the database. Database errors in the `with` block become UnreachableSourceError."""
        if not url:
            raise UnreachableSourceError(
                f"{self.name}: the environment variable {self.source.database} is not set. Set it to the SQLAlchemy URL"
                " of the source's database."
            )
        import sqlalchemy as sa

        try:
            if prepare:
                prepare()
            engine = open_engine(url, **engine_options(url))
            try:
                with engine.connect() as connection:
                    yield connection
            finally:
                engine.dispose()
        except DatabaseError as error:
            raise self._unreachable("DatabaseError", error.reason) from None
        except (sa.exc.SQLAlchemyError, ImportError, ValueError, CursorTypeError) as error:
            # SQLAlchemy's own message contains the SQL and may contain rows, so it isn't shown.
            reason = describe_driver_error(parse_database_url(url), getattr(error, "orig", None) or error)
            raise self._unreachable(type(error).__name__, reason) from None

    def _unreachable(self, error_name: str, reason: str) -> UnreachableSourceError:
        return UnreachableSourceError(
            f"{self.name}: {self.source.database_label} can't be read ({error_name}: {reason})."
            " Check that the database runs, that its user may read, and that the query returns the columns"
            f" {', '.join(self._columns)}."
        )

    @property
    def _columns(self) -> list[str]:
        cursor_columns = [self.source.cursor_column] if self.source.cursor_column else []
        return list(dict.fromkeys([*self.source.columns, *cursor_columns]))

    @property
    def _cursor_kind(self) -> Kind | None:
        """What the declared type of the cursor column holds; None if the contract doesn't declare the column."""
        declared = parse_type(self.source.columns.get(self.source.cursor_column or "", ""))
        return declared.kind if declared else None

    def _load_cursor(self) -> QueryCursor:
        try:
            return QueryCursor.from_json(self.cursor_file.read_bytes())
        except FileNotFoundError:
            return QueryCursor()
        except DamagedCursorError:
            LOG.warning(
                f"{self.name}: {self.cursor_file} is damaged, so the query reads all rows again. Rows that were"
                " imported before are counted as duplicates."
            )
            return QueryCursor()

    def _extract(self, connection: sa.Connection, cursor: QueryCursor) -> list[str]:
        if not self.source.cursor_column:
            return self._extract_snapshot(connection)
        names = []
        rows = self._read_rows(connection, cursor)
        while batch := list(islice(rows, ROWS_PER_EXTRACT)):
            cursor, name = self._write_batch(cursor, batch)
            if name:
                names.append(name)
        counted = self._count_settled(connection, cursor)
        self.problems = counted.describe_problems(
            self.source.cursor_column, self._cursor_kind, str(self.cursor_file), now()
        )
        if counted != cursor:
            write_atomic(self.cursor_file, counted.to_json())
        self._record_read(counted)
        return names

    def _count_settled(self, connection: sa.Connection, cursor: QueryCursor) -> QueryCursor:
        """Count the rows whose cursor value is below the start of the next read. Return the cursor with this count.

        See `QueryCursor.count_settled`. Counting a big table can take long, so a process then counts less often. See
        COUNT_SHARE.
        """
        import sqlalchemy as sa

        counted_at, seconds = _COUNTS.get(str(self.cursor_file), (0.0, 0.0))
        began = time.monotonic()
        if seconds > CHEAP_SECONDS and began < counted_at + seconds * COUNT_SHARE:
            return cursor
        assert self.source.cursor_column
        query = self._query()
        cursor_column = query.c[self.source.cursor_column]

        def count_before(start: Any) -> int:
            is_before = cursor_column < sa.literal(start)
            return int(connection.execute(sa.select(sa.func.count()).select_from(query).where(is_before)).scalar_one())

        counted = cursor.count_settled(cursor.start(self.source.cursor_overlap), count_before)
        _COUNTS[str(self.cursor_file)] = time.monotonic(), time.monotonic() - began
        return counted

    def _extract_snapshot(self, connection: sa.Connection) -> list[str]:
        """Write all rows of a query as one extract, if any row differs from the last extract.

        Return a list with the extract's name, or an empty list if no row differs. The rows are sorted, so that their
        order in the table doesn't count. Memory holds ROWS_PER_EXTRACT rows, and a scratch folder the others.
        """
        import sqlalchemy as sa

        rows = connection.execution_options(yield_per=ROWS_PER_FETCH).execute(sa.select(self._query()))
        path, scratch = self.folder / SNAPSHOT_EXTRACT, current_scratch_folder()
        lines = sort_lines((csv_line(row).encode() for row in rows), ROWS_PER_EXTRACT, scratch)
        with access_errors(path), unfinished_file(path.parent if isinstance(path, Path) else scratch) as extract:
            extract.write(csv_line(self._columns).encode())
            while batch := list(islice(lines, ROWS_PER_FETCH)):
                extract.write(b"".join(batch))
            is_new = not path.exists() or _content_hash(path) != extract.sha256
            if is_new:
                extract.publish(path) if isinstance(path, Path) else path.upload(extract.path)
        self._record_read(QueryCursor())
        return [path.name] if is_new else []

    def _record_read(self, cursor: QueryCursor) -> None:
        """Rewrite the cursor file, so that its modification time is the time of the last read.

        Only sources with `query_interval_seconds` need this time.
        """
        if self.source.query_interval_seconds:
            write_atomic(self.cursor_file, cursor.to_json())

    def _query(self) -> sa.Subquery:
        import sqlalchemy as sa

        assert self.source.query
        query = sa.text(self.source.query.strip().rstrip(";"))
        return query.columns(*(sa.column(column) for column in self._columns)).subquery("source_rows")

    def _read_rows(self, connection: sa.Connection, cursor: QueryCursor) -> Iterator[tuple[Any, str]]:
        """Yield (cursor value, CSV line) of each row of the query that must be read, sorted by the cursor column.

        The first read yields all rows. A later read starts at the newest cursor value minus the declared overlap.
        """
        import sqlalchemy as sa

        assert self.source.cursor_column
        query = self._query()
        cursor_column = query.c[self.source.cursor_column]
        start = cursor.start(self.source.cursor_overlap)
        statement = sa.select(query).order_by(cursor_column, *(query.c[column] for column in self.source.key))
        if start is not None:
            statement = statement.where(sa.or_(cursor_column >= sa.literal(start), cursor_column.is_(None)))
        position = self._columns.index(self.source.cursor_column)
        for row in connection.execution_options(yield_per=ROWS_PER_FETCH).execute(statement):
            yield row[position], csv_line(row)

    def _write_batch(self, cursor: QueryCursor, rows: list[tuple[Any, str]]) -> tuple[QueryCursor, str | None]:
        """Write the new rows of a batch as an extract. Return the cursor after the batch, and the name of the extract.

        If no row is new, no extract is written, and the returned name is None.

        rows: (cursor value, CSV line) of each row, sorted by the cursor column.
        """
        advanced, new_lines = advance_cursor(cursor, rows, self._cursor_kind, self.source.cursor_overlap, now())
        name = None
        if new_lines:
            content = "".join([csv_line(self._columns), *new_lines]).encode()
            advanced.extract_count += 1
            advanced.last_extract = name = f"{advanced.extract_count:08}.{digest(content)}.csv"
            write_atomic(self._hidden_path(name), content)
        if advanced != cursor:
            write_atomic(self.cursor_file, advanced.to_json())
        self._publish(advanced)
        return advanced, name

    def _hidden_path(self, name: str) -> StoragePath:
        return self.folder / f".{name}"

    def _publish(self, cursor: QueryCursor) -> None:
        """Rename a query's last extract from its hidden name to its final name, unless an earlier call renamed it."""
        if cursor.last_extract and self._hidden_path(cursor.last_extract).exists():
            rename_file(self._hidden_path(cursor.last_extract), self.folder / cursor.last_extract)


def _content_hash(path: StoragePath) -> str:
    return file_sha256(path) if isinstance(path, Path) else hashlib.sha256(path.read_bytes()).hexdigest()


def engine_options(url: str) -> dict[str, Any]:
    """Return options of an SQLAlchemy engine that returns a database's JSON as text, not as Python objects."""
    return {"json_deserializer": str} if parse_database_url(url).get_backend_name() == "postgresql" else {}
