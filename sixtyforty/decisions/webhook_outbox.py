"""The outbox of the webhook: a SQL table with the decisions that the webhook has got or still has to get.

A row names a delivered decision and its revision. It is inserted in the transaction that inserts or revises the row of
the delivery table. So a killed process loses no decision, and a decision that isn't delivered is never sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa

IDS_PER_STATEMENT = 400


@dataclass(frozen=True, order=True)
class OutboxKey:
    """A decision and the number of its revision, 0 for the decision as it was taken."""

    decision_id: str
    revision: int


@dataclass(frozen=True)
class OutboxCounts:
    """The decisions in an outbox.

    - sent: how many the webhook has got.
    - waiting: how many will be sent or sent again.
    - failed: how many aren't sent again before somebody asks for it.
    - attempts: the largest number of failed attempts of a decision that wasn't sent.
    - problem: why the newest of these attempts failed; None without any.
    """

    sent: int
    waiting: int
    failed: int
    attempts: int
    problem: str | None


def outbox_table_name(use_case: str) -> str:
    """Return the name of the outbox's SQL table: `<use case>_webhook`."""
    return f"{use_case}_webhook"


def outbox_table(use_case: str, metadata: sa.MetaData) -> sa.Table:
    """Define the outbox. The times are UTC. `next_attempt_at` is null for a decision that was sent or has failed."""
    import sqlalchemy as sa

    return sa.Table(
        outbox_table_name(use_case),
        metadata,
        sa.Column("decision_id", sa.String, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("next_attempt_at", sa.DateTime, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("problem", sa.String),
        sa.Column("sent_at", sa.DateTime),
    )


def enqueue(connection: sa.Connection, outbox: sa.Table, keys: Iterable[OutboxKey]) -> None:
    """Insert decisions that have to be sent. Those that the outbox holds already are left as they are."""
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [{"decision_id": k.decision_id, "revision": k.revision, "next_attempt_at": now, "attempts": 0} for k in keys]
    if rows:
        statement: sa.Insert = dialect.insert(outbox).on_conflict_do_nothing()
        connection.execute(statement, rows)


def read_due(connection: sa.Connection, outbox: sa.Table, now: datetime, limit: int) -> list[OutboxKey]:
    """Return the decisions that are to be sent now, those that are due longest first."""
    import sqlalchemy as sa

    due = (
        sa.select(outbox.c.decision_id, outbox.c.revision)
        .where(outbox.c.next_attempt_at <= now)
        .order_by(outbox.c.next_attempt_at, outbox.c.decision_id, outbox.c.revision)
        .limit(limit)
    )
    return [OutboxKey(*row) for row in connection.execute(due)]


def mark_sent(connection: sa.Connection, outbox: sa.Table, keys: Sequence[OutboxKey], now: datetime) -> None:
    """Record that the webhook has confirmed decisions."""
    _update(connection, outbox, keys, {"sent_at": now, "next_attempt_at": None, "problem": None})


def mark_failed(
    connection: sa.Connection,
    outbox: sa.Table,
    keys: Sequence[OutboxKey],
    problem: str,
    next_attempt_at: datetime | None,
) -> None:
    """Record a failed attempt. next_attempt_at: None if the decisions aren't sent again by themselves."""
    attempts = outbox.c.attempts + 1
    _update(connection, outbox, keys, {"attempts": attempts, "problem": problem, "next_attempt_at": next_attempt_at})


def remove(connection: sa.Connection, outbox: sa.Table, keys: Sequence[OutboxKey]) -> None:
    """Remove decisions, such as those whose delivered rows retention has deleted."""
    for condition in _conditions(outbox, keys):
        connection.execute(outbox.delete().where(condition))


def retry_failed(connection: sa.Connection, outbox: sa.Table, now: datetime) -> int:
    """Let all decisions that failed or wait be sent now, with all attempts before them. Return their number."""
    unsent = outbox.c.sent_at.is_(None)
    return connection.execute(outbox.update().where(unsent).values(next_attempt_at=now, attempts=0)).rowcount


def count_attempts(connection: sa.Connection, outbox: sa.Table, keys: Sequence[OutboxKey]) -> int:
    """Return the largest number of failed attempts of some decisions."""
    import sqlalchemy as sa

    most = (sa.select(sa.func.max(outbox.c.attempts)).where(condition) for condition in _conditions(outbox, keys))
    return max((connection.scalar(query) or 0 for query in most), default=0)


def count_outbox(connection: sa.Connection, outbox: sa.Table) -> OutboxCounts:
    """Return how many decisions of an outbox were sent, wait and failed, and the newest problem of the unsent ones."""
    import sqlalchemy as sa

    unsent, is_scheduled = outbox.c.sent_at.is_(None), outbox.c.next_attempt_at.is_not(None)
    counts = connection.execute(
        sa.select(
            sa.func.count(outbox.c.sent_at),
            sa.func.count(outbox.c.next_attempt_at),
            sa.func.count().filter(unsent, ~is_scheduled),
            sa.func.coalesce(sa.func.max(outbox.c.attempts).filter(unsent), 0),
        )
    ).one()
    newest = sa.select(outbox.c.problem).where(unsent, outbox.c.problem.is_not(None))
    problem = connection.scalar(newest.order_by(outbox.c.next_attempt_at.desc()).limit(1))
    sent, waiting, failed, attempts = counts
    return OutboxCounts(sent, waiting, failed, attempts, problem)


def _update(connection: sa.Connection, outbox: sa.Table, keys: Sequence[OutboxKey], columns: dict[str, object]) -> None:
    for condition in _conditions(outbox, keys):
        connection.execute(outbox.update().where(condition).values(**columns))


def _conditions(outbox: sa.Table, keys: Sequence[OutboxKey]) -> list[sa.ColumnElement[bool]]:
    """Return conditions that select decisions, a limited number each, because databases limit the parameters."""
    import sqlalchemy as sa

    key = sa.tuple_(outbox.c.decision_id, outbox.c.revision)
    parts = (keys[start : start + IDS_PER_STATEMENT] for start in range(0, len(keys), IDS_PER_STATEMENT))
    return [key.in_([(k.decision_id, k.revision) for k in part]) for part in parts]
