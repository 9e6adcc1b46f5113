"""Seals of people's responses: a keyed hash of each response, so that a response that nobody gave is detected.

The seals are in the table `<use case>_response_seals` of the database that holds the responses. Their key is a file in
the lake. So a writer of the database without the key can't forge a response, and a reader of the key without the
database can't either.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sixtyforty.storage.files import access_errors, canonical_json, write_atomic, write_private
from sixtyforty.storage.object_store import StoragePath

if TYPE_CHECKING:
    import sqlalchemy as sa

SEALED = (
    "response_id",
    "decision_id",
    "person",
    "role",
    "at",
    "event",
    "action",
    "reason",
    "rating",
    "simulated",
    "attempt",
)
ROWS_PER_STATEMENT = 500


def seal_table_name(use_case: str) -> str:
    """Return the name of the table with the seals of a use case's responses."""
    return f"{use_case}_response_seals"


def define_seal_table(use_case: str, metadata: sa.MetaData) -> sa.Table:
    """Return the SQLAlchemy table of seals, one for each response, and register it in `metadata`."""
    import sqlalchemy as sa

    return sa.Table(
        seal_table_name(use_case),
        metadata,
        sa.Column("response_id", sa.String, primary_key=True),
        sa.Column("seal", sa.String, nullable=False),
    )


def read_key(path: StoragePath) -> bytes | None:
    """Return the key of the seals; None if there is no key yet."""
    with access_errors(path):
        return bytes.fromhex(path.read_bytes().decode()) if path.exists() else None


def create_key(path: StoragePath) -> bytes:
    """Create the key of the seals, which only the user of the services can read. Return the key."""
    key = secrets.token_bytes(32)
    write_key(path, key)
    return key


def write_key(path: StoragePath, key: bytes) -> None:
    """Write a key to a file that only the user of the services can read."""
    write = write_private if isinstance(path, Path) else write_atomic
    write(path, key.hex().encode())  # type: ignore[arg-type]


def compute_seal(key: bytes, response: sa.RowMapping | Mapping[str, Any]) -> str:
    """Return the HMAC-SHA-256 of a response, in hex. response: the columns of its row; `at` is UTC, naive.

    The first attempt is left out of the hash, so that the seals of an earlier release are valid.
    """
    fields = {name: response[name] for name in SEALED} | {"at": response["at"].isoformat()}
    if fields["attempt"] == 1:
        del fields["attempt"]
    return hmac.new(key, canonical_json(fields).encode(), "sha256").hexdigest()


def pseudonym(key: bytes, person: str) -> str:
    """Return a pseudonym of a person, which nobody can calculate without the key."""
    return hmac.new(key, f"person|{person}".encode(), "sha256").hexdigest()[:16]


def write_seals(
    connection: sa.Connection, table: sa.Table, seals: sa.Table, key: bytes, ids: Sequence[str] | None = None
) -> None:
    """Seal the responses that the table of responses holds, in the transaction that added them.

    ids: the ids of the responses to seal; None seals all responses. Sealed responses keep their seal.
    """
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = sa.select(*(table.c[name] for name in SEALED))
    if ids is not None:
        query = query.where(table.c.response_id.in_(ids))
    rows = connection.execute(query).mappings().all()
    statement = dialect.insert(seals).on_conflict_do_nothing()
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        some = rows[start : start + ROWS_PER_STATEMENT]
        values = [{"response_id": row["response_id"], "seal": compute_seal(key, row)} for row in some]
        connection.execute(statement, values)


def find_seal_problems(connection: sa.Connection, table: sa.Table, seals: sa.Table, key: bytes) -> Iterator[str]:
    """Yield "" for each sound response, and one sentence without full stop for each one forged, changed or deleted."""
    import sqlalchemy as sa

    joined = sa.outerjoin(table, seals, table.c.response_id == seals.c.response_id)
    query = sa.select(*(table.c[name] for name in SEALED), seals.c.seal).select_from(joined).order_by(table.c.number)
    with connection.execute(query, execution_options={"yield_per": ROWS_PER_STATEMENT}) as rows:
        for row in rows.mappings():
            response = f"response {row['response_id']} to {row['decision_id']}"
            if row["seal"] is None:
                yield f"{response} has no seal: Sixtyforty didn't record it"
            elif not hmac.compare_digest(row["seal"], compute_seal(key, row)):
                yield f"{response} differs from its seal: it was changed or forged"
            else:
                yield ""
    joined = sa.outerjoin(seals, table, table.c.response_id == seals.c.response_id)
    deleted = sa.select(seals.c.response_id).select_from(joined).where(table.c.response_id.is_(None))
    for response_id in connection.scalars(deleted.order_by(seals.c.response_id)):
        yield f"response {response_id} was deleted: only its seal is left"
