"""What people did with the decisions: saw them, accepted or overrode them, rated them. One append-only SQL table.

It lies beside the decisions, in the database they are delivered to. A decision is answered (accepted or overridden)
once, by whoever is first; the database itself holds that, so that two people at once can't both have.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from sixtyforty.decisions import decisions_of
from sixtyforty.lake import alone
from sixtyforty.policy import partition_of
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa

Event = Literal["seen", "accepted", "overridden", "rated"]
Role = Literal["decider", "expert"]
EVENTS, ROLES = get_args(Event), get_args(Role)
ANSWERS = ("accepted", "overridden")
RATINGS = range(1, 6)
LONGEST = 2000  # characters of a reason


class ResponseError(ValueError):
    """A response that can't be taken; says what is wrong and what would be right."""


class Answered(ResponseError):
    """Somebody was first; `answer` is theirs."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer
        super().__init__(f"{answer.decision_id} was {answer.event} already, at {answer.at:%Y-%m-%d %H:%M} UTC")


@dataclass(frozen=True)
class Response:
    """One thing a person did. `at` is UTC (naive); `person` and `reason` are personal data.

    `action` is what is done: of an answer only. `rating` is 1 to 5: of `rated` only.
    """

    decision_id: str
    person: str
    role: Role
    event: Event
    action: str | None = None
    reason: str | None = None
    rating: int | None = None
    at: datetime | None = None
    simulated: bool = False
    response_id: str = ""


def table_name(use_case: str) -> str:
    """The responses of a use case, on all tracks: the track is in the decision id."""
    return f"{use_case}_responses"


def table(use_case: str, metadata: sa.MetaData) -> sa.Table:
    """The table. `number` only grows: what the source reads new rows by."""
    import sqlalchemy as sa

    name = table_name(use_case)
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    found = sa.Table(
        name,
        metadata,
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("response_id", sa.String, nullable=False, unique=True),
        sa.Column("decision_id", sa.String, nullable=False, index=True),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("action", sa.String),
        sa.Column("reason", sa.Text),
        sa.Column("rating", sa.Integer),
        sa.Column("simulated", sa.Boolean, nullable=False),
    )
    answered, seen = found.c.event.in_(ANSWERS), found.c.event == "seen"
    sa.Index(f"{name}_answered_once", found.c.decision_id, unique=True, sqlite_where=answered,
             postgresql_where=answered)  # fmt: skip
    sa.Index(f"{name}_seen_once", found.c.person, found.c.decision_id, unique=True, sqlite_where=seen,
             postgresql_where=seen)  # fmt: skip
    return found


@lru_cache(maxsize=8)
def _log(use_case: str, home: Path, database_url: str) -> tuple[sa.Engine, sa.Table]:
    import sqlalchemy as sa

    url = sa.engine.make_url(database_url)
    lite = url.get_backend_name() == "sqlite"
    if lite and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, pool_pre_ping=True, **({"connect_args": {"timeout": 30}} if lite else {}))
    target = table(use_case, sa.MetaData())
    with alone(home / "data" / ".responses.lock"):  # SQLite makes table and index one after the other
        target.metadata.create_all(engine)
    return engine, target


def log(ws: Workspace) -> tuple[sa.Engine, sa.Table]:
    """The database and the table, made if it isn't there."""
    return _log(ws.use_case.name, ws.home, ws.database_url)


def record(ws: Workspace, response: Response) -> Response:
    """Takes a response and returns it as kept: with its id, its moment, and what is done.

    Raises ResponseError for what is malformed, Answered when somebody else was first. Seen twice is seen once.
    """
    import sqlalchemy as sa

    kept = _checked(ws, response)
    if kept.event == "seen":
        saw(ws, kept.person, kept.role, [kept.decision_id], kept.at)
        return kept
    engine, target = log(ws)
    try:
        with engine.begin() as connection:
            connection.execute(sa.insert(target).values(asdict(kept)))
    except sa.exc.IntegrityError as error:
        first = [r for r in of(ws, kept.decision_id) if r.event in ANSWERS]
        if first and kept.event in ANSWERS:
            raise Answered(first[0]) from error
        raise
    return kept


def _checked(ws: Workspace, response: Response) -> Response:
    if response.event not in EVENTS:
        raise ResponseError(f"event '{response.event}' is none of {', '.join(EVENTS)}")
    if response.role not in ROLES:
        raise ResponseError(f"role '{response.role}' is none of {', '.join(ROLES)}")
    if not response.person.strip():
        raise ResponseError("a response needs the person it is of")
    kept = replace(
        response,
        at=response.at or datetime.now(UTC).replace(tzinfo=None),
        response_id=response.response_id or uuid.uuid4().hex,
        reason=(response.reason or "").strip() or None,
    )
    try:
        track, partition = partition_of(kept.decision_id)
    except ValueError as error:
        raise ResponseError(str(error)) from error
    decided = next((d for d in decisions_of(ws, partition, track) if d["decision_id"] == kept.decision_id), None)
    if decided is None:
        raise ResponseError(f"there is no decision {kept.decision_id}")
    if (kept.event == "rated") != (kept.rating is not None) or (kept.rating or 1) not in RATINGS:
        raise ResponseError(f"rating {kept.rating} of '{kept.event}': who rates gives 1 to 5, others give none")
    if kept.reason and len(kept.reason) > LONGEST:
        raise ResponseError(f"the reason has {len(kept.reason):,} characters; {LONGEST:,} are taken")
    if kept.event == "accepted":
        if kept.action not in (None, decided["action"]):
            raise ResponseError(f"'{decided['action']}' was decided: who does '{kept.action}' overrides, with a reason")
        return replace(kept, action=decided["action"])
    if kept.event == "overridden":
        others = [a for a in ws.use_case.kpi.actions if a != decided["action"]]
        if kept.action not in others:
            raise ResponseError(
                f"'{decided['action']}' was decided: who overrides it does {' or '.join(others)}, not '{kept.action}'"
            )
        if kept.reason is None:
            raise ResponseError("an override needs its reason: the next person learns from it")
        return kept
    if kept.action is not None:
        raise ResponseError(f"'{kept.event}' does nothing: it has no action")
    return kept


def saw(ws: Workspace, person: str, role: Role, decision_ids: Iterable[str], at: datetime | None = None) -> int:
    """Notes that a person saw these decisions; returns how many they hadn't seen before."""
    import sqlalchemy as sa

    engine, target = log(ws)
    at = at or datetime.now(UTC).replace(tzinfo=None)
    wanted = sorted(set(decision_ids))
    with engine.connect() as connection:
        known = set(
            connection.scalars(
                sa.select(target.c.decision_id).where(
                    target.c.person == person, target.c.event == "seen", target.c.decision_id.in_(wanted)
                )
            )
        )
    return put(ws, [Response(i, person, role, "seen", at=at) for i in wanted if i not in known])


def put(ws: Workspace, responses: Sequence[Response]) -> int:
    """Adds responses that are known to be sound, in bulk; those that are there already are left out. Returns how many.

    A second answer to a decision, and a second look by the same person, are there already.
    """
    from sqlalchemy.dialects import postgresql, sqlite

    if not responses:
        return 0
    engine, target = log(ws)
    kind = sqlite if engine.dialect.name == "sqlite" else postgresql
    rows = [asdict(r) | {"response_id": r.response_id or uuid.uuid4().hex} for r in responses]
    added = 0
    with engine.begin() as connection:
        for start in range(0, len(rows), 1000):  # SQLite takes 32,766 values a statement
            statement = kind.insert(target).values(rows[start : start + 1000]).on_conflict_do_nothing()
            added += connection.execute(statement).rowcount
    return added


def of(ws: Workspace, decision_id: str) -> list[Response]:
    """All responses to a decision, oldest first."""
    import sqlalchemy as sa

    engine, target = log(ws)
    with engine.connect() as connection:
        found = connection.execute(sa.select(target).where(target.c.decision_id == decision_id).order_by("number"))
        return [_response(row) for row in found.mappings()]


def answers(ws: Workspace, partition: str, track: str) -> dict[str, Response]:
    """The answers to a partition's decisions, by decision id."""
    import sqlalchemy as sa

    engine, target = log(ws)
    asked = sa.select(target).where(
        target.c.decision_id.startswith(f"{track}-{partition}-", autoescape=True), target.c.event.in_(ANSWERS)
    )
    with engine.connect() as connection:
        return {row["decision_id"]: _response(row) for row in connection.execute(asked).mappings()}


def _response(row: Any) -> Response:
    return Response(**{k: v for k, v in row.items() if k != "number"})
