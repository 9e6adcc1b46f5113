"""Anchors: a record of each ledger row in the delivery database, where the writer of the ledger files can't reach.

A ledger file and its head file can be rewritten together, with all hashes calculated again. The anchors then differ.
The table `sixtyforty_ledger_anchors` has one row for each ledger row: its number and its SHA-256. Grant the services
INSERT, UPDATE and DELETE on the table, and nobody else.

A row is announced before it is written to its file, and confirmed afterwards. So if the writer is killed between the
two, the anchor without a ledger row is not mistaken for a ledger that was cut short.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sixtyforty.spec.errors import SixtyfortyError
from sixtyforty.storage.databases import create_database_folder, is_sqlite, open_engine, parse_database_url

if TYPE_CHECKING:
    import sqlalchemy as sa

TABLE = "sixtyforty_ledger_anchors"
CONNECT_TIMEOUT = 10  # seconds to wait for a connection to PostgreSQL
SQLITE_TIMEOUT = 30  # seconds to wait for another process that writes to a SQLite database


class LedgerError(SixtyfortyError):
    """The rows of a ledger don't match their hashes or anchors: a row was changed, removed or inserted.

    problem: the difference as a clause without path and cure, such as `champion.jsonl, row 3: …`.
    """

    def __init__(self, message: str, problem: str = "") -> None:
        self.problem = problem or message
        super().__init__(message)


class AnchoredRow(Protocol):
    """The fields of a ledger row that an anchor holds."""

    @property
    def seq(self) -> int:
        """The number of the row in its ledger, from 1."""

    @property
    def hash(self) -> str:
        """The SHA-256 of the row, in hex; 16 digits of it in a row of an early release."""


@dataclass(frozen=True)
class Anchor:
    """The record of one ledger row: its number, and its SHA-256 in hex.

    is_confirmed: whether the row was certainly written to its file.
    """

    seq: int
    hash: str
    is_confirmed: bool


@dataclass(frozen=True)
class LedgerAnchors:
    """The anchors of one use case's ledgers.

    database_url: SQLAlchemy URL of the delivery database. use_case: the use case's first name.
    """

    database_url: str = field(repr=False)
    use_case: str

    @contextmanager
    def record(self, ledger: str, rows: Sequence[AnchoredRow]) -> Iterator[None]:
        """Announce the last of some ledger rows, let the `with` block write it, then confirm it.

        ledger: the file name of the ledger. rows: all rows of the ledger, with the new one. Raises LedgerError, before
        the block, if the earlier rows don't match the anchors.
        """
        new = rows[-1]
        with self._engine() as (engine, table):
            in_ledger = (table.c.use_case == self.use_case, table.c.ledger == ledger)
            with engine.begin() as connection:
                if problems := find_anchor_problems(ledger, rows[:-1], _read(connection, table, in_ledger)):
                    raise LedgerError(f"{self.use_case}: {problems[0]}. Nothing was appended. {CURE}")
                connection.execute(table.delete().where(*in_ledger, table.c.seq == new.seq))
                connection.execute(
                    table.insert().values(
                        use_case=self.use_case, ledger=ledger, seq=new.seq, hash=new.hash, is_confirmed=False
                    )
                )
            yield
            with engine.begin() as connection:
                connection.execute(table.update().where(*in_ledger).values(is_confirmed=True))

    def read(self, ledgers: Collection[str] | None = None) -> dict[str, list[Anchor]]:
        """Return the anchors by the file name of the ledger, each sorted by number.

        ledgers: the file names of the ledgers to read; None for all. Raises DatabaseError if the database can't be
        used.
        """
        import sqlalchemy as sa

        anchors: dict[str, list[Anchor]] = {}
        url = parse_database_url(self.database_url)
        if is_sqlite(url) and url.database and not Path(url.database).exists():
            return anchors
        with self._engine(creates=False) as (engine, table), engine.connect() as connection:
            if not sa.inspect(connection).has_table(table.name):
                return anchors
            query = sa.select(table.c.ledger, table.c.seq, table.c.hash, table.c.is_confirmed)
            query = query.where(table.c.use_case == self.use_case).order_by(table.c.ledger, table.c.seq)
            if ledgers is not None:
                query = query.where(table.c.ledger.in_(ledgers))
            for ledger, *anchor in connection.execute(query):
                anchors.setdefault(ledger, []).append(Anchor(*anchor))
        return anchors

    def replace(self, ledgers: dict[str, Sequence[AnchoredRow]]) -> None:
        """Replace all anchors by those of some ledgers, by file name. A person accepts the ledgers as they are."""
        with self._engine() as (engine, table), engine.begin() as connection:
            connection.execute(table.delete().where(table.c.use_case == self.use_case))
            anchors = [
                {"use_case": self.use_case, "ledger": name, "seq": row.seq, "hash": row.hash, "is_confirmed": True}
                for name, rows in ledgers.items()
                for row in rows
            ]
            if anchors:
                connection.execute(table.insert(), anchors)

    @contextmanager
    def _engine(self, creates: bool = True) -> Iterator[tuple[sa.Engine, sa.Table]]:
        url = parse_database_url(self.database_url)
        if creates:
            create_database_folder(url)
        engine = open_engine(url, connect_args=_connect_args(url))
        try:
            table = _define_table()
            if creates:
                _create(engine, table)
            yield engine, table
        finally:
            engine.dispose()


CURE = (
    "Find out who changed the ledger. Restore the ledgers and the database from the same backup, or accept the ledgers"
    " as they are, with `sixtyforty verify USE_CASE --accept --why TEXT`."
)


def find_anchor_problems(ledger: str, rows: Sequence[AnchoredRow], anchors: Sequence[Anchor]) -> list[str]:
    """Return one sentence, without full stop, for each difference between a ledger and its anchors.

    rows: all rows of the ledger, whose hashes were verified. Rows before the first anchor come from an early release.
    """
    by_seq = {row.seq: row for row in rows}
    problems = []
    for anchor in anchors:
        row = by_seq.get(anchor.seq)
        if row is None and anchor.is_confirmed:
            problems.append(f"row {anchor.seq} of {ledger} is missing: the database holds its anchor")
        elif row is not None and anchor.hash != row.hash:
            problems.append(f"row {anchor.seq} of {ledger} differs from its anchor in the database")
    known = {anchor.seq for anchor in anchors}
    unknown = [row.seq for row in rows if known and row.seq > min(known) and row.seq not in known]
    return problems + [f"row {seq} of {ledger} has no anchor: Sixtyforty didn't write it" for seq in unknown]


def delete_anchors(database_url: str, use_case: str) -> None:
    """Delete all anchors of a removed use case. use_case: its first name."""
    LedgerAnchors(database_url, use_case).replace({})


def _connect_args(url: sa.URL) -> dict[str, int]:
    """Return how long the driver waits, in seconds. Decisions wait for a comparison, so a dead server must not hang."""
    if is_sqlite(url):
        return {"timeout": SQLITE_TIMEOUT}
    return {"connect_timeout": CONNECT_TIMEOUT} if url.get_backend_name() == "postgresql" else {}


def _read(connection: sa.Connection, table: sa.Table, where: Sequence[sa.ColumnElement[bool]]) -> list[Anchor]:
    import sqlalchemy as sa

    query = sa.select(table.c.seq, table.c.hash, table.c.is_confirmed).where(*where).order_by(table.c.seq)
    return [Anchor(*row) for row in connection.execute(query)]


def _create(engine: sa.Engine, table: sa.Table) -> None:
    """Create the table of anchors unless it exists. Two processes may do so at once for the first rows of a home."""
    import sqlalchemy as sa

    if sa.inspect(engine).has_table(table.name):
        return
    try:
        table.metadata.create_all(engine)
    except (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.OperationalError):
        if not sa.inspect(engine).has_table(table.name):
            raise


def _define_table() -> sa.Table:
    import sqlalchemy as sa

    return sa.Table(
        TABLE,
        sa.MetaData(),
        sa.Column("use_case", sa.String, primary_key=True),
        sa.Column("ledger", sa.String, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("is_confirmed", sa.Boolean, nullable=False),
    )
