"""Read people's answers to the decisions of some partitions, and show their effect in the rows to deliver.

Answers come from the response log, and from the source that `people.responses` names. An answer that is in both counts
once. Simulated answers never change a delivered row: they exist for demonstrations only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sixtyforty.decisions.answers_in_force import JudgedAnswer, judge_answer
from sixtyforty.decisions.responses import has_answers, responses_by_decision
from sixtyforty.spec.track import Track
from sixtyforty.storage.response_log import ANSWER_EVENTS, Response
from sixtyforty.storage.sql import literal
from sixtyforty.storage.stored_tables import Rows, pool
from sixtyforty.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

JudgedAnswers = Mapping[str, JudgedAnswer]  # the answer that counts last, by decision id


def read_answers(ws: Workspace, track: Track, rows: Mapping[str, Rows]) -> dict[str, JudgedAnswers]:
    """Return the answers to the decisions of some partitions, by partition. Partitions without answers are left out.

    rows: the stored decisions of each partition. Answers without effect are included.
    """
    imported, is_log_empty = _imported_answers(ws, track, list(rows)), not has_answers(ws)
    if is_log_empty and not imported:
        return {}
    answers: dict[str, dict[str, JudgedAnswer]] = {}
    for portion in pool(rows):
        ids = portion["decision_id"].to_pylist()
        responses = _join_responses({} if is_log_empty else responses_by_decision(ws, ids), imported)
        for partition, answer in _judge_answers(ws, portion, responses):
            answers.setdefault(partition, {})[answer.decision_id] = answer
    return {partition: answers[partition] for partition in rows if partition in answers}


def read_responses(
    ws: Workspace, track: Track, partitions: Sequence[str], decision_ids: Sequence[str]
) -> dict[str, list[Response]]:
    """Return people's responses to some decisions by decision id, from the response log and from imported extracts.

    partitions: the partitions of these decisions. Simulated responses are left out.
    """
    recorded = responses_by_decision(ws, decision_ids) if has_answers(ws) else {}
    return _join_responses(recorded, _imported_answers(ws, track, partitions))


def _join_responses(
    recorded: Mapping[str, Sequence[Response]], imported: Sequence[Response]
) -> dict[str, list[Response]]:
    logged = {
        decision_id: [response for response in responses if not response.simulated]
        for decision_id, responses in recorded.items()
    }
    known = {response.response_id for responses in logged.values() for response in responses}
    for response in imported:
        if response.response_id not in known:
            logged.setdefault(response.decision_id, []).append(response)
    return logged


def _imported_answers(ws: Workspace, track: Track, partitions: Sequence[str]) -> list[Response]:
    """Return the answers and withdrawals that another system delivered as extracts of the source `people.responses`."""
    source = ws.use_case.people.responses
    entries = ws.lake.entries(f"validated/{source}", partitions) if source else {}
    if not entries:
        return []
    events = ", ".join(map(literal, ANSWER_EVENTS))
    with ws.lake.open_session(ws.use_case.timezone) as db:
        rows = db.execute(
            f"""select decision_id, person, role, event, action, "at", response_id
            from {ws.lake.select_rows(entries.values())}
            where event in ({events}) and not simulated and starts_with(decision_id, {literal(f"{track}-")})"""
        ).fetchall()
    return [
        Response(decision_id, person, role, event, action, at=at, response_id=response_id)
        for decision_id, person, role, event, action, at, response_id in rows
    ]


def _judge_answers(
    ws: Workspace, table: pa.Table, responses: Mapping[str, Sequence[Response]]
) -> Iterator[tuple[str, JudgedAnswer]]:
    """Yield the answer to each decision that counts last with its effect, and the partition of the decision."""
    columns = (table[name].to_pylist() for name in ("_partition", "decision_id", "decided_at", "decided_by", "action"))
    for partition, decision_id, decided_at, decided_by, action in zip(*columns, strict=True):
        if decision_id in responses:
            answer = judge_answer(ws.use_case, decision_id, decided_at, decided_by, action, responses[decision_id])
            if answer:
                yield partition, answer


def with_answers(table: pa.Table, answers: JudgedAnswers) -> pa.Table:
    """Return a partition's decisions as rows, with the actions that are in force after people's answers.

    If any answer in the partition took effect, four columns are added: `decided_action` (null unless an answer replaced
    the action), `revision`, `answered_by` (a role) and `answered_at` (UTC). Otherwise the rows are returned unchanged.
    """
    import pyarrow as pa

    effective = {decision_id: answer for decision_id, answer in answers.items() if answer.revision}
    if not effective:
        return table
    ids, decided = table["decision_id"].to_pylist(), table["action"].to_pylist()
    by_row = [effective.get(decision_id) for decision_id in ids]
    actions = [answer.action if answer else action for answer, action in zip(by_row, decided, strict=True)]
    replaced = [old if new != old else None for old, new in zip(decided, actions, strict=True)]
    columns = {
        "decided_action": pa.array(replaced, pa.string()),
        "revision": pa.array([answer.revision if answer else 0 for answer in by_row], pa.int32()),
        "answered_by": pa.array([answer.answered_by if answer else None for answer in by_row], pa.string()),
        "answered_at": pa.array([answer.answered_at if answer else None for answer in by_row], pa.timestamp("us")),
    }
    table = table.set_column(table.column_names.index("action"), "action", pa.array(actions, pa.string()))
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table
