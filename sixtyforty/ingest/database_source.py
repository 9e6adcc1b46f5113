"""New rows of a database become extracts, so that all that follows them is the same as for files.

Each look reads the rows from `overlap` before the newest `since` it has seen, as a row may be committed after one
with a later `since`, and leaves out those it has taken, known by their content. What is new goes to
`<source>/<number>.<hash>.csv` below the landing folder; a row changed later, with a later `since`, comes in a later
extract. A row whose `since` is null is taken like any other.

A snapshot's query has no `since`: it is read whole, to `<source>/all.csv`, which is another only when a row is. What is
no longer in the table is thus no longer in the snapshot.

What was seen of the others is in `<source>.seen.json` beside the arrivals ledger. An extract lies under a hidden name
until that is written, and is given its name then or at the next look: killed at any point, no row is lost or taken
twice.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from sixtyforty.ingest.locations import Unreachable
from sixtyforty.spec.sources import Source
from sixtyforty.storage.lake import canonical, digest, rename, write_atomic
from sixtyforty.storage.object_store import Where

if TYPE_CHECKING:
    import sqlalchemy as sa

PORTION = 100_000  # rows an extract
KINDS: dict[str, Any] = {
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "str": str,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


@dataclass
class Cursor:
    """How far a source was read: the newest `since`, and the rows taken from its overlap on, hash to `since`."""

    newest: Any = None
    taken: dict[str, Any] = field(default_factory=dict)
    extracts: int = 0
    last: str | None = None  # the newest extract's name

    def dumps(self) -> bytes:
        """As kept in `<source>.seen.json`."""
        taken = {row: _kept(value) for row, value in self.taken.items()}
        return canonical(self.__dict__ | {"newest": _kept(self.newest), "taken": taken}).encode()

    @classmethod
    def loads(cls, data: bytes) -> Cursor:
        """The inverse of `dumps`."""
        kept = json.loads(data)
        taken = {row: _value(value) for row, value in kept["taken"].items()}
        return cls(**kept | {"newest": _value(kept["newest"]), "taken": taken})

    def begin(self, overlap: float) -> Any:
        """From which `since` on the next look reads; None: everything."""
        return None if self.newest is None else earlier(self.newest, overlap)


def _kept(value: Any) -> list[str] | None:
    if value is None:
        return None
    return [type(value).__name__, value.isoformat() if isinstance(value, date) else str(value)]


def _value(kept: Sequence[str] | None) -> Any:
    return None if kept is None else KINDS[kept[0]](kept[1])


def earlier(value: Any, overlap: float) -> Any:
    """`overlap` (numbers, or seconds) before a `since`; a text that isn't a time stays as it is."""
    if type(value).__name__ not in KINDS:
        raise ValueError(f"since is a {type(value).__name__}: it must be a number, a time or text that grows")
    if isinstance(value, str):  # as SQLite keeps times
        try:
            before = datetime.fromisoformat(value) - timedelta(seconds=overlap)
        except ValueError:
            return value
        return before.isoformat(sep="T" if "T" in value else " ")
    if isinstance(value, datetime):
        return value - timedelta(seconds=overlap)
    if isinstance(value, date):
        return value - timedelta(days=-(-overlap // 86400))
    return value - type(value)(overlap)


def advance(cursor: Cursor, rows: Iterable[tuple[Any, str]], overlap: float) -> tuple[Cursor, list[str]]:
    """The cursor after rows of (since, line), and the lines not taken before, in order, each once."""
    taken, newest, fresh = dict(cursor.taken), cursor.newest, []
    for since, line in rows:
        mark = digest(line.encode())
        if mark not in taken:
            fresh.append(line)
        taken[mark] = since
        if since is not None and (newest is None or since > newest):
            newest = since
    begin = None if newest is None else earlier(newest, overlap)
    kept = {m: s for m, s in taken.items() if s is None or begin is None or s >= begin}
    return Cursor(newest, kept, cursor.extracts, cursor.last), fresh


def line(values: Iterable[Any], null: str) -> str:
    """A row as a CSV line. Times are UTC without offset; a line end within a value becomes a space."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_text(v, null) for v in values])
    return out.getvalue()


def _text(value: Any, null: str) -> str:
    if value is None:
        return null
    if isinstance(value, datetime):
        utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return utc.isoformat(sep=" ")
    return " ".join(str(value).splitlines()) if isinstance(value, str) else str(value)


class Query:
    """A source's rows in a database. `folder`: where its extracts go; `seen`: the file that remembers."""

    def __init__(self, name: str, source: Source, folder: Where, seen: Where) -> None:
        self.name, self.source, self.folder, self.seen = name, source, folder, seen

    def looked(self) -> bool:
        """Whether it was looked at within the seconds the source declares."""
        try:
            return time.time() - self.seen.stat().st_mtime < self.source.query_interval_seconds
        except FileNotFoundError:
            return False

    def look(self, url: str | None, ready: Callable[[], object] | None = None) -> list[str]:
        """Writes what is new as extracts and returns their names. One look at a time; url: SQLAlchemy's.

        ready: makes the table if it isn't there. Raises Unreachable naming the source, the variable with the
        database's URL, and the cure.
        """
        cursor = self._cursor()
        self._name(cursor)
        if not url:
            raise Unreachable(f"{self.name}: set ${self.source.database} to the database's SQLAlchemy URL")
        import sqlalchemy as sa

        try:
            if ready:
                ready()
            engine = sa.create_engine(url)
            try:
                with engine.connect() as connection:
                    return self._take(connection, cursor)
            finally:
                engine.dispose()
        except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
            why = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise Unreachable(
                f"{self.name}: {self.source.where} can't be read ({type(error).__name__}: {why});"
                f" check that it runs, that its user may read, and that the query gives"
                f" {', '.join(self._columns)}"
            ) from None  # the library's own words hold the SQL, and may hold rows

    @property
    def _columns(self) -> list[str]:
        since = [self.source.since] if self.source.since else []
        return list(dict.fromkeys([*self.source.columns, *since]))

    def _cursor(self) -> Cursor:
        try:
            return Cursor.loads(self.seen.read_bytes())
        except FileNotFoundError:
            return Cursor()

    def _take(self, connection: sa.Connection, cursor: Cursor) -> list[str]:
        if not self.source.since:
            return self._whole(connection)
        rows, found = self._rows(connection, cursor), []
        while portion := list(islice(rows, PORTION)):
            cursor, name = self._write(cursor, portion)
            found += [name] if name else []
        if self.source.query_interval_seconds:
            write_atomic(self.seen, cursor.dumps())  # when it was last looked at
        return found

    def _whole(self, connection: sa.Connection) -> list[str]:
        """The table as it is: a new extract in place of the one before, if anything is different."""
        import sqlalchemy as sa

        rows = connection.execution_options(yield_per=10_000).execute(sa.select(self._asked()))
        data = "".join([line(self._columns, ""), *sorted(line(row, self.source.null_text) for row in rows)]).encode()
        path = self.folder / "all.csv"
        new = not path.exists() or path.read_bytes() != data
        if new:
            write_atomic(path, data)
        if self.source.query_interval_seconds:
            write_atomic(self.seen, Cursor().dumps())  # when it was last looked at
        return [path.name] if new else []

    def _asked(self) -> sa.Subquery:
        import sqlalchemy as sa

        assert self.source.query
        query = sa.text(self.source.query.strip().rstrip(";"))
        return query.columns(*(sa.column(c) for c in self._columns)).subquery("asked")

    def _rows(self, connection: sa.Connection, cursor: Cursor) -> Iterator[tuple[Any, str]]:
        import sqlalchemy as sa

        assert self.source.since
        asked = self._asked()
        since, begin = asked.c[self.source.since], cursor.begin(self.source.overlap)
        statement = sa.select(asked).order_by(since, *(asked.c[k] for k in self.source.key))
        if begin is not None:
            statement = statement.where(sa.or_(since >= sa.literal(begin), since.is_(None)))
        at = self._columns.index(self.source.since)
        for row in connection.execution_options(yield_per=10_000).execute(statement):
            yield row[at], line(row, self.source.null_text)

    def _write(self, cursor: Cursor, rows: list[tuple[Any, str]]) -> tuple[Cursor, str | None]:
        """Takes a portion: the cursor after it, and the extract with what was new in it, if anything."""
        after, fresh = advance(cursor, rows, self.source.overlap)
        if fresh:
            data = "".join([line(self._columns, ""), *fresh]).encode()
            after.extracts += 1
            after.last = f"{after.extracts:08}.{digest(data)}.csv"
            write_atomic(self._hidden(after.last), data)
        if after != cursor:
            write_atomic(self.seen, after.dumps())
        self._name(after)
        return after, after.last if fresh else None

    def _hidden(self, name: str) -> Where:
        return self.folder / f".{name}"

    def _name(self, cursor: Cursor) -> None:
        """Gives the newest extract its name, if that is still to be done."""
        if cursor.last and self._hidden(cursor.last).exists():
            rename(self._hidden(cursor.last), self.folder / cursor.last)
