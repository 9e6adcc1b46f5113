"""Record and read people's responses to decisions: seen, accepted, overridden, rated or withdrawn.

Simulated responses are for demonstrations. Simulated responses to live decisions are refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sixtyforty.decisions.answers_in_force import answer_deadline, list_attempts
from sixtyforty.decisions.decision_table import read_decisions
from sixtyforty.decisions.response_rules import ResponseError, check_not_simulated_live, check_response
from sixtyforty.spec.clock import now
from sixtyforty.spec.track import Track
from sixtyforty.storage.databases import open_engine
from sixtyforty.storage.locks import exclusive_lock
from sixtyforty.storage.response_log import (
    ANSWER_EVENTS,
    ANSWERS,
    Response,
    Role,
    find_seals,
    open_response_log,
    replace_seal_key,
    table_name,
)
from sixtyforty.storage.response_seals import compute_seal, find_seal_problems, pseudonym, write_seals
from sixtyforty.value.decision_ids import parse_decision_id
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import sqlalchemy as sa

# Rows in one transaction. Transactions may commit out of order, so the source of responses reads a limited number of
# earlier rows again. A transaction must not write more rows than that number.
ROWS_PER_TRANSACTION = 500
IDS_PER_QUERY = 1000
PSEUDONYM = "former:"  # start of the pseudonym that replaces a person's name
LOCK = ".responses.lock"  # file in the lake


class AlreadyAnsweredError(ResponseError):
    """Somebody else has already answered the decision. `answer` is that person's answer."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer
        time = f"{answer.at:%Y-%m-%d %H:%M} UTC"
        super().__init__(f"The decision {answer.decision_id} was already {answer.event}, at {time}.")


def open_log(ws: Workspace) -> tuple[sa.Engine, sa.Table]:
    """Return the SQLAlchemy engine and the SQL table of a use case's responses."""
    return open_response_log(ws.use_case.name, ws.database_url, ws.lake.root / LOCK)


def find_forged_responses(ws: Workspace) -> Iterator[str]:
    """Yield "" for each sound response, and one sentence without full stop for each one forged, changed or deleted."""
    if not has_responses(ws):
        return
    engine, table = open_log(ws)
    with engine.connect() as connection:
        yield from find_seal_problems(connection, table, *find_seals(table, ws.lake.root / LOCK))


def has_responses(ws: Workspace) -> bool:
    """Return whether the response log exists. The log isn't created."""
    import sqlalchemy as sa

    engine = open_engine(ws.database_url)
    try:
        return sa.inspect(engine).has_table(table_name(ws.use_case.name))
    finally:
        engine.dispose()


def record_response(ws: Workspace, response: Response) -> Response:
    """Record a response and return it as stored, with its id, its UTC time and its action.

    Raises ResponseError if the response isn't valid, and AlreadyAnsweredError if somebody else answered first. A second
    `seen` by the same person changes nothing. `answering.answer_decision` also revises the delivered row.
    """
    import sqlalchemy as sa

    complete = check_response(ws, response)
    if complete.event == "seen":
        record_seen(ws, complete.person, complete.role, [complete.decision_id], complete.at)
        return complete
    if complete.event == "withdrawn":
        complete = _withdraw_answer(ws, complete)
    while True:
        try:
            return _insert(ws, complete)
        except sa.exc.IntegrityError as error:
            if complete.event not in ANSWERS:
                raise
            attempt = _next_attempt(ws, complete, error)
            if attempt.attempt == complete.attempt:  # not the attempt was taken, but the id of the response
                raise
            complete = attempt


def _insert(ws: Workspace, response: Response) -> Response:
    """Store a response with its seal, and return it."""
    import sqlalchemy as sa

    engine, table = open_log(ws)
    with engine.begin() as connection:
        connection.execute(sa.insert(table).values(asdict(response)))
        write_seals(connection, table, *find_seals(table, ws.lake.root / LOCK), [response.response_id])
    return response


def _next_attempt(ws: Workspace, response: Response, error: Exception) -> Response:
    """Return an answer as the next attempt, after the withdrawal of the last answer.

    Raises AlreadyAnsweredError if the last answer wasn't withdrawn, and ResponseError after the deadline for answers.
    error: why the database refused the answer.
    """
    decision_id = response.decision_id
    deadline = _deadline(ws, decision_id)
    attempts = list_attempts(responses_to(ws, decision_id), deadline)
    if not attempts:
        raise error
    answer, withdrawal = attempts[-1].answer, attempts[-1].withdrawal
    if withdrawal is None or withdrawal.at is None or response.at is None:
        raise AlreadyAnsweredError(answer) from error
    if deadline is not None and response.at > deadline:
        raise ResponseError(
            f"The answer to {decision_id} was withdrawn, and the deadline for another answer was"
            f" {deadline:%Y-%m-%d %H:%M} UTC. The decision stays in force."
        ) from error
    later = max(response.at, withdrawal.at + timedelta(microseconds=1))  # the order of times says which answer counts
    return replace(response, attempt=answer.attempt + 1, at=later)


def _withdraw_answer(ws: Workspace, withdrawal: Response) -> Response:
    """Return a withdrawal with the attempt that it withdraws.

    Raises ResponseError unless the person may still withdraw his or her own answer.
    """
    decision_id = withdrawal.decision_id
    deadline = _deadline(ws, decision_id)
    attempts = list_attempts(responses_to(ws, decision_id), deadline)
    if not attempts:
        raise ResponseError(f"Nobody has answered {decision_id}, so there is no answer to withdraw.")
    answer = attempts[-1].answer
    if attempts[-1].withdrawal is not None:
        raise ResponseError(f"The answer to {decision_id} has been withdrawn already.")
    if answer.person != withdrawal.person:
        raise ResponseError(f"{decision_id} was answered by somebody else. Ask that person to withdraw the answer.")
    if deadline is not None and withdrawal.at is not None and withdrawal.at > deadline:
        raise ResponseError(
            f"The answer to {decision_id} could only be withdrawn until {deadline:%Y-%m-%d %H:%M} UTC. The answer stays"
            " in force."
        )
    times = [time for time in (withdrawal.at, answer.at) if time]
    return replace(withdrawal, attempt=answer.attempt, at=max(times))


def _deadline(ws: Workspace, decision_id: str) -> datetime | None:
    """Return the UTC time until which an answer to a stored decision has an effect; None without a deadline."""
    track, partition = parse_decision_id(decision_id)
    return answer_deadline(ws.use_case, read_decisions(ws, partition, track, [decision_id])[0].decided_at)


def has_answers(ws: Workspace) -> bool:
    """Return whether the response log contains an answer to any decision.

    If the log doesn't exist yet, return False and don't create the log.
    """
    import sqlalchemy as sa

    if not has_responses(ws):
        return False
    engine, table = open_log(ws)
    with engine.connect() as connection:
        return (
            connection.execute(sa.select(table.c.number).where(table.c.event.in_(ANSWERS)).limit(1)).first() is not None
        )


def anonymize_responses(ws: Workspace, before: datetime) -> int:
    """Remove the person and the reason from the responses before a time (UTC, naive), and seal them again.

    The person becomes a pseudonym, which is the same in all responses of that person. Return the number of responses.
    """
    import sqlalchemy as sa

    if not has_responses(ws):
        return 0
    engine, table = open_log(ws)
    lock = ws.lake.root / LOCK
    named = sa.select(table).where(table.c.at < before, table.c.person.not_like(f"{PSEUDONYM}%"))
    with exclusive_lock(lock, "remove names from responses"), engine.begin() as connection:
        seals, key = find_seals(table, lock)
        seal_of = dict(connection.execute(sa.select(seals.c.response_id, seals.c.seal)).tuples().all())
        rows = connection.execute(named).mappings().all()
        # A forged response stays as it is, because `sixtyforty verify` must still name it.
        sealed = [row for row in rows if seal_of.get(row["response_id"]) == compute_seal(key, row)]
        for row in sealed:
            connection.execute(
                sa.update(table)
                .where(table.c.number == row["number"])
                .values(person=PSEUDONYM + pseudonym(key, row["person"]), reason=None)
            )
            connection.execute(sa.delete(seals).where(seals.c.response_id == row["response_id"]))
            write_seals(connection, table, seals, key, [row["response_id"]])
    return len(sealed)


def rotate_seal_key(ws: Workspace) -> int:
    """Replace the key of the seals of a use case's responses. Return the number of responses that were sealed again.

    Raises ResponseKeyError, and changes nothing, if a response doesn't match its seal.
    """
    engine, table = open_log(ws)
    return replace_seal_key(engine, table, ws.lake.root / LOCK)


def record_seen(ws: Workspace, person: str, role: Role, decision_ids: Iterable[str], at: datetime | None = None) -> int:
    """Record that a person saw some decisions. Return how many of these decisions the person hadn't seen earlier.

    at: UTC time (naive), or None for the current time.
    """
    at = at or now()
    ids = sorted(set(decision_ids))
    known = find_seen(ws, person, ids)
    return add_responses(ws, [Response(id_, person, role, "seen", at=at) for id_ in ids if id_ not in known])


def find_seen(ws: Workspace, person: str, decision_ids: Sequence[str]) -> set[str]:
    """Return those of some decisions that a person has seen."""
    import sqlalchemy as sa

    engine, table = open_log(ws)
    seen: set[str] = set()
    with engine.connect() as connection:
        for start in range(0, len(decision_ids), IDS_PER_QUERY):
            some = table.c.decision_id.in_(decision_ids[start : start + IDS_PER_QUERY])
            by_person = sa.select(table.c.decision_id).where(table.c.person == person, table.c.event == "seen", some)
            seen.update(connection.scalars(by_person))
    return seen


def answered_by_person(ws: Workspace, person: str, track: Track, limit: int) -> list[str]:
    """Return the ids of the decisions that a person answered, the newest answer first, at most `limit`."""
    import sqlalchemy as sa

    engine, table = open_log(ws)
    by_person = (table.c.person == person, table.c.event.in_(ANSWERS), table.c.decision_id.like(f"{track}-%"))
    newest = sa.func.max(table.c.number).desc()  # a person may answer again after a withdrawal
    query = sa.select(table.c.decision_id).where(*by_person).group_by(table.c.decision_id).order_by(newest).limit(limit)
    with engine.connect() as connection:
        return list(connection.scalars(query))


def count_answers(ws: Workspace, track: Track, partition: str) -> int:
    """Return how often people answered the decisions of a partition, or withdrew an answer."""
    import sqlalchemy as sa

    engine, table = open_log(ws)
    prefix = f"{track}-{partition}-"
    of_partition = table.c.decision_id.between(prefix, f"{prefix}g")  # hashes are hexadecimal, so `g` follows them all
    query = sa.select(sa.func.count()).where(of_partition, table.c.event.in_(ANSWER_EVENTS))
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def add_responses(ws: Workspace, responses: Sequence[Response]) -> int:
    """Add responses to the log without checking them. Return how many responses are new.

    The caller must pass valid responses. A second answer to a decision, and a second `seen` by the same person, are
    left out. Raises ResponseError, and adds nothing, if a simulated response is to a live decision.
    """
    from sqlalchemy.dialects import postgresql, sqlite

    for response in responses:
        check_not_simulated_live(response)
    engine, table = open_log(ws)
    dialect = sqlite if engine.dialect.name == "sqlite" else postgresql
    rows = [vars(response) | {"response_id": response.response_id or uuid.uuid4().hex} for response in responses]
    statement, added = dialect.insert(table).on_conflict_do_nothing(), 0
    for start in range(0, len(rows), ROWS_PER_TRANSACTION):
        with engine.begin() as connection:
            some = rows[start : start + ROWS_PER_TRANSACTION]
            added += connection.execute(statement, some).rowcount
            # The key is read after the first row was added: from then on, nobody replaces the key.
            seals, key = find_seals(table, ws.lake.root / LOCK)
            write_seals(connection, table, seals, key, [row["response_id"] for row in some])
    return added


def responses_to(ws: Workspace, decision_id: str) -> list[Response]:
    """Return all responses to a decision, the oldest first."""
    import sqlalchemy as sa

    engine, table = open_log(ws)
    query = sa.select(table).where(table.c.decision_id == decision_id).order_by("number")
    with engine.connect() as connection:
        return [_response(row) for row in connection.execute(query).mappings()]


def responses_by_decision(ws: Workspace, decision_ids: Sequence[str]) -> dict[str, list[Response]]:
    """Return people's responses to some decisions, except `seen`, by decision id, the oldest first.

    The query selects by decision id, so its cost doesn't grow with the number of recorded responses.
    """
    import sqlalchemy as sa

    engine, table = open_log(ws)
    responses: dict[str, list[Response]] = {}
    with engine.connect() as connection:
        for start in range(0, len(decision_ids), IDS_PER_QUERY):
            some = table.c.decision_id.in_(decision_ids[start : start + IDS_PER_QUERY])
            query = sa.select(table).where(some, table.c.event != "seen").order_by("number")
            for row in connection.execute(query).mappings():
                responses.setdefault(row["decision_id"], []).append(_response(row))
    return responses


def answers_by_decision(ws: Workspace, decision_ids: Sequence[str]) -> dict[str, Response]:
    """Return people's answers (accepted or overridden) to some decisions, by decision id.

    Decisions without an answer, or whose last answer was withdrawn, are absent.
    """
    answers: dict[str, Response] = {}
    for decision_id, responses in responses_by_decision(ws, decision_ids).items():
        attempts = list_attempts(responses, None)  # the log refuses withdrawals after the deadline
        if attempts and attempts[-1].withdrawal is None:
            answers[decision_id] = attempts[-1].answer
    return answers


def _response(row: Any) -> Response:
    return Response(**{name: content for name, content in row.items() if name != "number"})
