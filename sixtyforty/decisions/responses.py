"""What people did with the decisions: saw them, accepted or overrode them, rated them; taken in, and looked up.

Simulated responses are for demonstrations: a live decision takes none.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.spec.clock import now
from sixtyforty.storage.response_log import ANSWERS, EVENTS, ROLES, Response, Role, open_response_log
from sixtyforty.value.decision_ids import parse_decision_id
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa

RATINGS = range(1, 6)
LONGEST = 2000  # characters of a reason
PORTION = 500  # rows a transaction: a number that is committed late is never further behind than the source reads again


class ResponseError(ValueError):
    """A response that can't be taken; says what is wrong and what would be right."""


class AlreadyAnsweredError(ResponseError):
    """Somebody was first; `answer` is theirs."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer
        super().__init__(f"{answer.decision_id} was {answer.event} already, at {answer.at:%Y-%m-%d %H:%M} UTC")


def open_log(ws: Workspace) -> tuple[sa.Engine, sa.Table]:
    """The database and the table."""
    return open_response_log(ws.use_case.name, ws.database_url, ws.lake.root / ".responses.lock")


def record_response(ws: Workspace, response: Response) -> Response:
    """Takes a response and returns it as kept: with its id, its moment, and what is done.

    Raises ResponseError for what is malformed, Answered when somebody else was first. Seen twice is seen once.
    """
    import sqlalchemy as sa

    kept = _checked(ws, response)
    if kept.event == "seen":
        record_seen(ws, kept.person, kept.role, [kept.decision_id], kept.at)
        return kept
    engine, target = open_log(ws)
    try:
        with engine.begin() as connection:
            connection.execute(sa.insert(target).values(asdict(kept)))
    except sa.exc.IntegrityError as error:
        first = [r for r in responses_to(ws, kept.decision_id) if r.event in ANSWERS]
        if first and kept.event in ANSWERS:
            raise AlreadyAnsweredError(first[0]) from error
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
        at=response.at or now(),
        response_id=response.response_id or uuid.uuid4().hex,
        reason=_visible(response.reason or "") or None,
    )
    try:
        track, partition = parse_decision_id(kept.decision_id)
    except ValueError as error:
        raise ResponseError(str(error)) from error
    _real(kept)
    decided = next((d for d in read_decisions(ws, partition, track) if d["decision_id"] == kept.decision_id), None)
    if decided is None:
        raise ResponseError(f"there is no decision {kept.decision_id}")
    if kept.rating not in (RATINGS if kept.event == "rated" else (None,)):
        raise ResponseError(f"rating {kept.rating} of '{kept.event}': who rates gives 1 to 5, others give none")
    if kept.reason and len(kept.reason) > LONGEST:
        raise ResponseError(f"the reason has {len(kept.reason):,} characters; {LONGEST:,} are taken")
    if kept.event == "accepted":
        if kept.action not in (None, decided["action"]):
            raise ResponseError(f"'{decided['action']}' was decided: who does '{kept.action}' overrides, with a reason")
        return replace(kept, action=decided["action"])
    if kept.event == "overridden":
        why = ws.use_case.kpi.allowed_instead(kept.action, decided["action"])
        if why:
            raise ResponseError(f"'{decided['action']}' was decided: who overrides it does {why}, not '{kept.action}'")
        if kept.reason is None:
            raise ResponseError("an override needs its reason: the next person learns from it")
        return kept
    if kept.action is not None:
        raise ResponseError(f"'{kept.event}' does nothing: it has no action")
    return kept


def _visible(text: str) -> str:
    """Without characters that can't be seen: a zero byte would make the extract it comes in unreadable."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text).strip()


def _real(response: Response) -> None:
    if response.simulated and parse_decision_id(response.decision_id)[0] == "live":
        raise ResponseError(f"{response.decision_id} is live: what people do with it isn't simulated")


def record_seen(ws: Workspace, person: str, role: Role, decision_ids: Iterable[str], at: datetime | None = None) -> int:
    """Notes that a person saw these decisions; returns how many they hadn't seen before."""
    import sqlalchemy as sa

    engine, target = open_log(ws)
    at = at or now()
    wanted = sorted(set(decision_ids))
    with engine.connect() as connection:
        known = set(
            connection.scalars(
                sa.select(target.c.decision_id).where(
                    target.c.person == person, target.c.event == "seen", target.c.decision_id.in_(wanted)
                )
            )
        )
    return add_responses(ws, [Response(i, person, role, "seen", at=at) for i in wanted if i not in known])


def add_responses(ws: Workspace, responses: Sequence[Response]) -> int:
    """Adds responses that are known to be sound, in bulk; those that are there already are left out. Returns how many.

    A second answer to a decision, and a second look by the same person, are there already. Raises ResponseError, with
    nothing added, where one to a live decision is simulated.
    """
    from sqlalchemy.dialects import postgresql, sqlite

    for response in responses:
        _real(response)
    engine, target = open_log(ws)
    kind = sqlite if engine.dialect.name == "sqlite" else postgresql
    rows = [r.__dict__ | {"response_id": r.response_id or uuid.uuid4().hex} for r in responses]
    statement, added = kind.insert(target).on_conflict_do_nothing(), 0
    for start in range(0, len(rows), PORTION):
        with engine.begin() as connection:
            added += connection.execute(statement, rows[start : start + PORTION]).rowcount
    return added


def responses_to(ws: Workspace, decision_id: str) -> list[Response]:
    """All responses to a decision, oldest first."""
    import sqlalchemy as sa

    engine, target = open_log(ws)
    with engine.connect() as connection:
        found = connection.execute(sa.select(target).where(target.c.decision_id == decision_id).order_by("number"))
        return [_response(row) for row in found.mappings()]


def responses_by_decision(ws: Workspace, decision_ids: Sequence[str]) -> dict[str, list[Response]]:
    """What was answered and rated of these decisions, oldest first; looked up by id, however long the log is."""
    import sqlalchemy as sa

    (engine, target), found = open_log(ws), dict[str, list[Response]]()
    with engine.connect() as connection:
        for start in range(0, len(decision_ids), 1000):
            these = target.c.decision_id.in_(decision_ids[start : start + 1000])
            asked = sa.select(target).where(these, target.c.event != "seen").order_by("number")
            for row in connection.execute(asked).mappings():
                found.setdefault(row["decision_id"], []).append(_response(row))
    return found


def answers_by_decision(ws: Workspace, decision_ids: Sequence[str]) -> dict[str, Response]:
    """The answers to these decisions, by decision id."""
    return {
        i: r
        for i, responses in responses_by_decision(ws, decision_ids).items()
        for r in responses
        if r.event in ANSWERS
    }


def _response(row: Any) -> Response:
    return Response(**{k: v for k, v in row.items() if k != "number"})
